"""A ledger of one's own, with a clock that ticks a second a verdict."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from nsm_nb.triage import Ledger


@pytest.fixture
def clock():
    """A clock: 02:31:40.504, one second later each time."""
    moments = (datetime(2026, 11, 24, 2, 31, 40, 504000, UTC) + timedelta(seconds=n) for n in range(10**9))
    return lambda: next(moments)


@pytest.fixture
def path(tmp_path):
    """Where the ledger will lie; it does not exist yet."""
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path, clock):
    """A ledger in which nothing is judged."""
    return Ledger(path, clock=clock, patience=5)


@pytest.fixture
def tamper(path):
    """A function that changes the ledger's file as somebody with sqlite3 would; the triggers are put back after it."""

    def change(*statements):
        with closing(sqlite3.connect(path)) as connection:
            triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            for _, text in triggers:
                connection.execute(text)
            connection.commit()

    return change
