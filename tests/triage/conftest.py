"""A ledger of one's own, with a clock that ticks a second a verdict."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nsm_nb.triage import Ledger
from nsm_nb.triage.autocat import Rule

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
def quick_path():
    """Where a ledger lies that is written to thousands of times: in memory where that can be had, as disks take long to sync."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder) / "ledger.db"


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


# One process imports; its children write. Each keeps what it was told, as it was told it.
WRITERS = """
import os, sys
from nsm_nb.triage import Ledger
from nsm_nb.triage.chain import Act
place, writers, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ledger = Ledger(place, patience=120)
ledger.head()  # a connection that the children may not share
ready, go = os.pipe()
children = []
for number in range(writers):
    child = os.fork()
    if not child:
        os.close(go)
        os.read(ready, 1)  # all start at once: when the last end of the pipe is closed
        with open(f"{folder}/analyst{number}", "w") as told:
            for verdict in range(count):
                act = Act([f"analyst{number}:{verdict}"], "VI", f"verdict {verdict}", f"analyst{number}")
                (record,) = ledger.record([act])  # as judge() does; the table that it returns costs more than the record
                print(record.id, record.digest, file=told)
        os._exit(0)
    children.append(child)
os.close(go)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.fixture
def all_at_once(tmp_path):
    """A function that lets processes write at once: none may be lost, none doubled, each is as its writer was told."""

    def write(place, *, writers, verdicts):
        folder = tmp_path / "told"
        folder.mkdir()
        command = [sys.executable, "-c", WRITERS, str(place), str(writers), str(verdicts), str(folder)]
        subprocess.run(command, check=True, timeout=600)
        told = {each.name: each.read_text().split() for each in folder.iterdir()}

        table = Ledger(place).verdicts()
        found = Ledger(place).verify(head=table["digest"].iloc[-1])
        assert found.ok and found.count == writers * verdicts == len(table)
        assert table["id"].tolist() == list(range(1, writers * verdicts + 1))
        assert sorted(told) == sorted(f"analyst{number}" for number in range(writers))
        for name, words in told.items():
            mine = table[table["analyst"] == name]
            assert mine["subject"].tolist() == [f"{name}:{number}" for number in range(verdicts)]
            assert words == [word for row in mine.itertuples() for word in (str(row.id), row.digest)]
        assert table["analyst"].iloc[: len(table) // 2].nunique() > 1  # they did write beside each other

    return write


@pytest.fixture
def team_talk():
    """A function that lets two analysts work in one ledger: who looks at what, what they say, what rules do."""

    def talk(ledger):
        assert ledger.investigate(["a", "b"], "ada").empty
        seen = ledger.investigate(["B", "b", "b "], "bob")
        assert seen[["subject", "analyst"]].to_numpy().tolist() == [["b", "ada"]]
        ledger.judge(["b"], "VI", analyst="bob")  # a look of ada's holds nobody back
        ledger.release(["a"], "ada")
        ledger.release(analyst="bob")
        assert ledger.locks()["subject"].tolist() == ["b"]
        ledger.say("shell on .177? \u202e \x00", about="a", analyst="ada")
        ledger.say("yes", to="ada", analyst="bob")
        assert ledger.unread("bob")["text"].tolist() == ["shell on .177? \u202e \\x00"]
        assert ledger.unread("ada")["text"].tolist() == ["yes"] and ledger.unread("eve")["analyst"].tolist() == ["ada"]
        ledger.mark_read("bob")
        assert ledger.unread("bob").empty and len(ledger.messages()) == 2
        rule = ledger.add_rule(Rule(category="NA", src_ip="10.0.0.0/8"), analyst="ada")
        assert ledger.change_rule(rule.number, analyst="bob", active=False).owner == "ada"
        assert ledger.rules() == [] and len(ledger.rule_history(rule.number)) == 2
        assert ledger.verify().count == 5 and ledger.verdicts()["id"].tolist() == [1]

    return talk
