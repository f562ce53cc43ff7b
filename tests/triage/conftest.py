"""A ledger of one's own, with a clock that ticks a second a verdict."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from nsm_nb.triage import Ledger

WRITER = """
import sys
from nsm_nb.triage import Ledger
place, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger = Ledger(place, patience=120)
sys.stdin.readline()  # all start at once
for number in range(count):
    rows = ledger.judge([f"{name}:{number}"], "VI", comment=f"verdict {number}", analyst=name)
    print(rows["id"][0], rows["digest"][0], flush=True)
"""


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


@pytest.fixture
def start_writer():
    """A function that starts a process which judges one subject after another, and says so after each."""

    def start(place, name, count):
        command = [sys.executable, "-c", WRITER, str(place), name, str(count)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    return start


@pytest.fixture
def all_at_once(start_writer):
    """A function that lets processes write at once: none may be lost, none doubled, each is as its writer was told."""

    def write(place, *, writers, verdicts):
        running = {f"analyst{number}": start_writer(place, f"analyst{number}", verdicts) for number in range(writers)}
        for process in running.values():
            process.stdin.write("go\n")
            process.stdin.flush()
        told = {name: process.communicate(timeout=600)[0].split() for name, process in running.items()}
        assert [process.returncode for process in running.values()] == [0] * writers

        table = Ledger(place).verdicts()
        found = Ledger(place).verify(head=table["digest"].iloc[-1])
        assert found.ok and found.count == writers * verdicts
        assert table["id"].tolist() == list(range(1, writers * verdicts + 1))
        for name, words in told.items():
            mine = table[table["analyst"] == name]
            assert mine["subject"].tolist() == [f"{name}:{number}" for number in range(verdicts)]
            assert words == [word for row in mine.itertuples() for word in (str(row.id), row.digest)]

    return write
