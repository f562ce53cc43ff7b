"""A ledger whose tables or triggers somebody remade: the check says what differs, and nothing is lost without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.triage import Ledger
from nsm_nb.triage.definitions import first_difference, lines_of


@pytest.fixture
def remake(path):
    """A function that makes the table of verdicts anew: one text of its definition is exchanged, then statements are run."""

    def change(old, new, *statements):
        with closing(sqlite3.connect(path)) as connection:
            kept = connection.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'verdicts'"
            ).fetchall()
            made = {name: sql for _, name, sql in kept}
            for kind, name, _ in kept:
                if kind != "table":
                    connection.execute(f"DROP {kind} {name}")
            connection.execute("ALTER TABLE verdicts RENAME TO old")
            connection.execute(made["verdicts"].replace(old, new))
            connection.execute("INSERT INTO verdicts SELECT * FROM old")
            for statement in statements:
                connection.execute(statement)
            connection.execute("DROP TABLE old")
            for kind, _, sql in kept:
                if kind != "table":
                    connection.execute(sql)
            connection.commit()

    return change


def told(ledger):
    """Return what a check that fails says of the tables."""
    found = ledger.verify()
    assert not found.ok and "but the tables are not as they were made: " in found.reason
    return found.reason.partition("as they were made: ")[2]


@pytest.mark.parametrize("table", ["VERDICTS", "verdicts", "Verdicts"])
def test_a_verdict_that_a_trigger_swallows_is_an_error_and_the_trigger_is_told(ledger, path, table):
    ledger.judge(["a"], "VI", analyst="ada")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            f"CREATE TRIGGER x BEFORE INSERT ON {table} WHEN NEW.category = 'I' BEGIN SELECT RAISE(IGNORE); END"
        )
    with pytest.raises(LedgerError, match="did not keep record 2 as it was written, so nothing was recorded"):
        ledger.judge(["b", "c"], "I", comment="root shell", analyst="ada")
    assert ledger.verify().reason.endswith("are not as they were made: x")
    assert ledger.judge(["d"], "VI", analyst="ada")["id"].tolist() == [2]


def test_a_trigger_of_another_table_is_told(ledger, path):
    ledger.judge(["a"], "VI", analyst="ada")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TRIGGER y AFTER INSERT ON read_marks BEGIN DELETE FROM investigations; END")
    assert ledger.verify().reason.endswith("are not as they were made: y")


def test_a_second_record_of_one_number_is_not_passed_over(ledger, remake, monkeypatch):
    monkeypatch.setattr("nsm_nb.triage.ledger._CHUNK", 5)
    ledger.judge(range(5), "NA", analyst="ada")
    ledger.judge([5], "I", analyst="ada")
    forged = "SELECT 5, time, 'eve', subject_kind, subject, 'NA', 'x', previous, digest, NULL, NULL, NULL FROM old WHERE id = 5"
    remake(" PRIMARY KEY AUTOINCREMENT", "", f"INSERT INTO verdicts {forged}")

    assert told(ledger).startswith(
        "verdicts has 'id integer not null' where 'id integer not null primary key autoincrement'"
    )
    found = ledger.verify()
    assert found.first_bad == 5 and found.count == 5 and "was put in" in found.reason


@pytest.mark.parametrize("value", ["'x'", "x'00'", "2.5"])
def test_a_number_that_is_none_is_a_sentence_wherever_it_is_met(ledger, path, remake, value):
    ledger.judge(["a", "b"], "NA", analyst="ada")
    remake("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "", f"UPDATE verdicts SET id = {value} WHERE id = 2")

    assert told(ledger) == "verdicts has 'id' where 'id integer not null primary key autoincrement' was made"
    found = ledger.verify(head="ab" * 32)
    assert found.first_bad == 2 and "record 2 is missing: the next one there has a number that is none" in found.reason
    for act in (ledger.verdicts, lambda: Ledger(path).judge(["c"], "NA", analyst="ada")):
        with pytest.raises(LedgerError, match="the table was remade by somebody"):
            act()


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (
            "subject TEXT NOT NULL",
            "subject TEXT NOT NULL COLLATE NOCASE",
            "verdicts has 'subject text not null collate nocase'",
        ),
        (
            "analyst TEXT NOT NULL",
            "analyst TEXT NOT NULL ON CONFLICT IGNORE",
            "verdicts has 'analyst text not null on conflict",
        ),
        ("BIGINT", "BIGINT, UNIQUE (subject, category) ON CONFLICT IGNORE", "verdicts has 'unique(subject,"),
        ("comment TEXT NOT NULL", "comment BLOB", "verdicts has 'comment blob' where 'comment text not null' was made"),
    ],
)
def test_a_table_that_was_remade_is_told_with_its_first_difference(ledger, remake, old, new, difference):
    ledger.judge(["a"], "NA", analyst="ada")
    remake(old, new)
    assert told(ledger).startswith(difference)


def test_a_table_remade_as_it_was_is_as_it_was(ledger, remake):
    ledger.judge(["a"], "NA", analyst="ada")
    remake("", "")
    assert ledger.verify().ok


def test_a_verdict_that_a_table_ignores_is_an_error(ledger, remake):
    ledger.judge(["a"], "NA", analyst="ada")
    remake("BIGINT", "BIGINT, UNIQUE (subject) ON CONFLICT IGNORE")
    with pytest.raises(LedgerError, match="did not keep record 2"):
        ledger.judge(["a"], "I", analyst="ada")


@pytest.mark.parametrize("version", ["1", "0", "-1", "", "2.0"])
def test_a_version_that_was_changed_is_a_sentence(ledger, path, version):
    ledger.judge(["a"], "NA", analyst="ada")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ledger_meta SET value = ?", [version])
    if version == "1":
        assert told(ledger) == "verdicts has 'evidence text' besides"
    with pytest.raises(
        LedgerError, match=r"of version 1, but verdicts has 'evidence text' besides|does not say the version"
    ):
        ledger.judge(["b"], "NA", analyst="ada")


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("CREATE VIEW latest AS SELECT * FROM verdicts", "latest was put in"),
        ("DROP TABLE read_marks", "read_marks is gone"),
        ("DROP INDEX verdicts_subject", "verdicts_subject is gone"),
    ],
)
def test_what_was_put_in_or_taken_away_is_told(ledger, path, statement, difference):
    ledger.judge(["a"], "NA", analyst="ada")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    assert told(ledger) == difference


def test_a_difference_is_named_in_words():
    made = {"t": lines_of('CREATE TABLE "t" (a INTEGER  NOT NULL,\n\tb  TEXT, PRIMARY KEY (a , b))')}
    assert made["t"] == ["create table t", "a integer not null", "b text", "primary key(a,b)"]
    assert first_difference(made, made) == ""
    assert first_difference({}, made) == "t is gone"
    assert first_difference({"t": made["t"][:-1]}, made) == "t lacks 'primary key(a,b)'"
    assert first_difference({"t": made["t"][::-1]}, made) == "the parts of t are in another order"
    assert first_difference({**made, "\x1b": []}, made) == "\\x1b was put in"
