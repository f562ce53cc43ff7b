"""A ledger of an older release grows into this one, and is read as it is where it can't be written."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pandas as pd
import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.triage import EMPTY, Ledger
from nsm_nb.triage.chain import Reference
from nsm_nb.triage.ledger import Mark
from nsm_nb.triage.tables import SQLITE_TRIGGERS

# What release 0.1.0 wrote, statement for statement; the head was worked out once with jq and sha256sum.
HEAD = "aa72037ec500dffa0c69e84ec5f068571ef0efe2aa66dd1b502417afed03068e"
VERSION_1 = """
CREATE TABLE ledger_meta (name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE verdicts (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, analyst TEXT NOT NULL,
    subject_kind TEXT NOT NULL, subject TEXT NOT NULL, category TEXT NOT NULL, comment TEXT NOT NULL,
    previous TEXT NOT NULL, digest TEXT NOT NULL);
CREATE INDEX verdicts_subject ON verdicts (subject_kind, subject, id);
INSERT INTO ledger_meta VALUES ('version', '1');
"""


@pytest.fixture
def old(path):
    """A ledger of version 1 with two records."""
    import hashlib
    import json

    rows, previous = [], EMPTY
    for number, subject in enumerate(["0fd1:7", "0fd1:9"], 1):
        record = {
            "id": number, "time": "2026-11-24T02:31:40.504000Z", "analyst": "ada", "subject_kind": "alert", "subject": subject,
            "category": "VI", "comment": "port scan", "previous": previous,
        }  # fmt: skip
        previous = hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        rows.append([*record.values(), previous])
    assert previous == HEAD
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(VERSION_1)
        connection.executemany("INSERT INTO verdicts VALUES (?,?,?,?,?,?,?,?,?)", rows)
        for trigger in SQLITE_TRIGGERS.values():
            connection.execute(trigger)
    return path


def version(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT value FROM ledger_meta").fetchall()


def test_an_older_ledger_is_read_and_checked_without_a_change(old):
    before = old.read_bytes()
    ledger = Ledger(old)

    assert ledger.verify(head=HEAD).count == 2 and ledger.head() == HEAD
    assert ledger.verdicts()["subject"].tolist() == ["0fd1:7", "0fd1:9"]
    assert ledger.verdicts()["evidence"].isna().all() and len(ledger.history("0fd1:7")) == 1
    assert ledger.status().to_dict() == {"0fd1:7": "VI", "0fd1:9": "VI"}
    assert ledger.locks().empty and ledger.messages().empty and ledger.unread("bob").empty and ledger.rules() == []
    ledger.release(analyst="ada")
    ledger.mark_read("ada")
    assert old.read_bytes() == before


def test_the_first_record_makes_it_a_ledger_of_today_and_its_chain_goes_on(old):
    ledger = Ledger(old)
    rows = ledger.judge(["0fd1:9"], "NA", analyst="bob", references={"0fd1:9": Reference("eve.json", "ab" * 32, 9)})

    assert version(old) == [("2",)] and rows["id"].tolist() == [3] and rows["previous"].tolist() == [HEAD]
    assert ledger.verify(head=HEAD).count == 3
    assert ledger.history("0fd1:9")["evidence"].tolist()[1] == "eve.json"
    ledger.say("seen", analyst="bob")
    ledger.investigate("0fd1:7", "bob")
    assert ledger.verify().count == 4


def test_growth_that_is_stopped_half_way_leaves_the_older_ledger(old, monkeypatch):
    from nsm_nb.triage import tables

    before = Ledger(old).head()
    monkeypatch.setitem(tables.STEPS, 2, (*tables.STEPS[2], "ALTER TABLE nowhere ADD COLUMN x TEXT"))
    with pytest.raises(LedgerError, match="can't be used"):
        Ledger(old).judge(["a"], "VI", analyst="ada")
    monkeypatch.undo()

    assert version(old) == [("1",)] and Ledger(old).verify(head=before).count == 2
    assert Ledger(old).judge(["a"], "VI", analyst="ada")["id"].tolist() == [3]


def test_a_verdict_says_where_in_the_evidence_its_subject_stands(ledger, tamper):
    places = {"a": Reference("eve.json", "ab" * 32, 7), "b": Reference("x\x1b.pcap", None, None)}
    ledger.judge(["a", "b", "c"], "VI", analyst="ada", references=places)
    table = ledger.verdicts()

    assert table["evidence"].tolist()[:2] == ["eve.json", "x\x1b.pcap"] and table["evidence"].isna().tolist()[2]
    assert table["evidence_sha256"].tolist()[0] == "ab" * 32 and table["evidence_record"].tolist() == [7, pd.NA, pd.NA]
    assert ledger.verify().ok
    for change in ("evidence = 'other'", "evidence_sha256 = NULL", "evidence_record = 8", "evidence_record = '7'"):
        tamper(f"UPDATE verdicts SET {change} WHERE id = 1")
        found = ledger.verify()
        if change != "evidence_record = '7'":  # SQLite makes a number of it again
            assert found.first_bad == 1, change
        tamper(
            "UPDATE verdicts SET evidence = 'eve.json', evidence_record = 7, evidence_sha256 = '%s' WHERE id = 1"
            % ("ab" * 32)
        )
    tamper("UPDATE verdicts SET evidence = '' WHERE id = 3")
    assert ledger.verify().first_bad == 3


def test_only_what_is_new_is_told_since_a_mark(ledger):
    assert ledger.status_since() == (Mark(0, EMPTY), {}, True)
    ledger.judge(range(1000), "NA", analyst="ada")
    first = ledger.status_since()
    assert first.whole and len(first.changed) == 1000
    assert ledger.status_since(first.mark).changed == {} and not ledger.status_since(first.mark).whole
    ledger.judge([7], "VI", analyst="bob")
    ledger.judge([7], "I", kind="session", analyst="bob")
    ledger.say("7?", analyst="bob")
    news = ledger.status_since(first.mark)
    assert news.changed == {"7": "VI"} and not news.whole and news.mark.id == 1003
    assert ledger.status_since(first.mark, "session").changed == {"7": "I"}


def test_another_ledger_in_its_place_is_told_whole(ledger, path, tmp_path):
    ledger.judge(["a"], "NA", analyst="ada")
    mark = ledger.status_since().mark
    path.unlink()
    Ledger(path).judge(["b"], "NA", analyst="ada")
    news = ledger.status_since(mark)
    assert news.whole and news.changed == {"b": "NA"}
