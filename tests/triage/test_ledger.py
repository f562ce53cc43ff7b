"""The ledger: verdicts go in, come out as they were, and never change."""

from __future__ import annotations

import getpass
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsm_nb.errors import LedgerError
from nsm_nb.schema import VERDICTS
from nsm_nb.triage import CATEGORIES, EMPTY, Ledger
from nsm_nb.triage.chain import Record, Reference, digest


def dtypes(table):
    return {name: str(dtype) for name, dtype in table.dtypes.items()}


def test_looking_makes_nothing(ledger, path):
    assert dtypes(ledger.verdicts()) == dtypes(VERDICTS.empty()) and len(ledger.verdicts()) == 0
    assert ledger.status().empty and ledger.history("0fd1:7").empty
    assert ledger.head() == EMPTY
    assert ledger.verify().ok and ledger.verify(head=EMPTY).ok
    assert not ledger.verify(head="ab" * 32).ok
    assert list(path.parent.iterdir()) == []


def test_a_refused_verdict_makes_nothing(ledger, path):
    with pytest.raises(LedgerError):
        ledger.judge(["0fd1:7"], "ESC")
    assert not path.exists()


def test_a_verdict_says_who_judged_what_when_and_why(ledger):
    rows = ledger.judge(["0fd1:7", "0fd1:9"], "VI", comment="port scan", analyst="ada")

    assert rows["id"].tolist() == [1, 2]
    assert rows["time"].tolist() == [pd.Timestamp("2026-11-24T02:31:40.504Z")] * 2
    assert rows["analyst"].tolist() == ["ada", "ada"]
    assert rows["subject_kind"].tolist() == ["alert", "alert"]
    assert rows["subject"].tolist() == ["0fd1:7", "0fd1:9"]
    assert rows["category"].tolist() == ["VI", "VI"]
    assert rows["comment"].tolist() == ["port scan", "port scan"]
    assert rows["previous"].tolist() == [EMPTY, rows["digest"][0]]
    assert ledger.head() == rows["digest"][1]
    assert dtypes(rows) == dtypes(VERDICTS.empty())
    pd.testing.assert_frame_equal(ledger.verdicts(), rows)


def test_the_same_verdicts_at_the_same_times_give_the_same_head(tmp_path):
    moment = datetime(2026, 11, 24, 2, 31, 40, 504000, UTC)
    for name in "ab":
        ledger = Ledger(tmp_path / f"{name}.db", clock=lambda: moment)
        ledger.judge(["0fd1:7", "0fd1:9"], "VI", comment="port scan", analyst="ada")
        # worked out once with jq and sha256sum
        assert ledger.head() == "aa72037ec500dffa0c69e84ec5f068571ef0efe2aa66dd1b502417afed03068e"


def test_a_stranger_can_check_the_chain_with_json_and_sha256_alone(ledger, path):
    ledger.judge(["a", "b"], "I", comment='say "why"\n\x1b[31m \u202e ☠', analyst="ada")
    ledger.judge(["a"], "NEW", analyst="bob", references={"a": Reference("e.json", "ab" * 32, 7)})
    ledger.say("seen it?", about="a", analyst="ada")
    script = (
        "import hashlib, json, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1]); db.row_factory = sqlite3.Row; previous = '0' * 64\n"
        "for row in db.execute('SELECT * FROM verdicts ORDER BY id'):\n"
        "    row = {name: row[name] for name in row.keys() if row[name] is not None}\n"
        "    told = row.pop('digest'); assert row['previous'] == previous\n"
        "    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(',', ':'))\n"
        "    previous = hashlib.sha256(text.encode()).hexdigest(); assert previous == told\n"
        "print(previous)\n"
    )
    out = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ledger.head()


def test_the_latest_verdict_is_the_status(ledger):
    ledger.judge(["a", "b", "c"], "VI", analyst="ada")
    assert ledger.status().to_dict() == {"a": "VI", "b": "VI", "c": "VI"}
    ledger.judge(["b"], "ESC", comment="shell", analyst="bob")
    ledger.judge(["c"], "NEW", analyst="bob")
    ledger.judge(["a"], "V", kind="session", analyst="ada")

    assert ledger.status().to_dict() == {"a": "VI", "b": "ESC", "c": "NEW"}
    assert ledger.status("session").to_dict() == {"a": "V"}
    assert ledger.status("host").empty
    assert (ledger.status().name, ledger.status().index.name) == ("category", "subject")


def test_the_status_is_that_of_the_verdicts_whoever_wrote_them(ledger, path):
    other = Ledger(path)
    random = np.random.default_rng(7)
    for _ in range(30):
        writer = (ledger, other)[random.integers(2)]
        writer.judge(random.integers(20, size=3).tolist(), str(random.choice(["I", "NA", "NEW"])), analyst="ada")
        table = ledger.verdicts()
        for each in (ledger, other):
            assert each.status().to_dict() == dict(zip(table["subject"], table["category"], strict=True))


def test_the_status_follows_a_ledger_put_in_the_place_of_another(ledger, path, tmp_path):
    ledger.judge(["a"], "VI", analyst="ada")
    shutil.copy(path, tmp_path / "copy.db")
    ledger.judge(["b"], "VI", analyst="ada")
    assert ledger.status().to_dict() == {"a": "VI", "b": "VI"}
    shutil.copy(tmp_path / "copy.db", path)
    Ledger(path).judge(["a", "c"], "NA", analyst="bob")

    assert ledger.status().to_dict() == {"a": "NA", "c": "NA"}
    path.unlink()
    assert ledger.status().empty


def test_the_history_of_a_subject_is_its_verdicts_oldest_first(ledger):
    ledger.judge(["a", "b"], "VI", comment="scan", analyst="ada")
    ledger.judge(["a"], "ESC", comment="shell", analyst="bob")
    ledger.judge(["a"], "I", kind="session", analyst="bob")

    history = ledger.history("a")
    assert history["category"].tolist() == ["VI", "ESC"]
    assert history["analyst"].tolist() == ["ada", "bob"]
    assert history["id"].tolist() == [1, 3]


def test_session_numbers_are_subjects_whatever_made_them(ledger):
    ledger.judge([np.int64(652), 652, "652", pd.Series([652], dtype="Int64")[0]], "V", kind="session", analyst="ada")
    ledger.judge(np.uint32(7), "V", kind="session", analyst="ada")
    ledger.judge(pd.Series([8, 9]), "V", kind="session", analyst="ada")

    assert ledger.verdicts()["subject"].tolist() == ["652", "7", "8", "9"]
    assert ledger.history(652, "session")["category"].tolist() == ["V"]


def test_one_text_is_one_subject_not_its_letters(ledger):
    assert ledger.judge("0fd1:7", "VI", analyst="ada")["subject"].tolist() == ["0fd1:7"]


@pytest.mark.parametrize("comment", ["", "  \n", "\u200b\u2060", "\x00"])
def test_escalating_demands_a_comment_that_can_be_seen(ledger, comment):
    with pytest.raises(LedgerError, match=r"ESC .Escalated. needs a comment: say why"):
        ledger.judge(["a"], "ESC", comment=comment, analyst="ada")
    assert ledger.judge(["a"], "ESC", comment="shell", analyst="ada")["comment"].tolist() == ["shell"]


def test_a_category_may_be_given_by_any_of_its_names(ledger):
    for name in ("F1", "cat i", "i", CATEGORIES["I"], "Unauthorized Root/Admin Access"):
        assert ledger.judge(["a"], name, analyst="ada")["category"].tolist() == ["I"]


@pytest.mark.parametrize("category", ["", "VIII", "F10", "c1", "\x1b[31m", None])
def test_an_unknown_category_is_refused_with_those_there_are(ledger, category):
    with pytest.raises(
        LedgerError, match=r"no category .*; the categories are I, II, III, IV, V, VI, VII, NA, ESC, NEW"
    ):
        ledger.judge(["a"], category, analyst="ada")


def test_a_kind_that_can_not_be_judged_is_refused(ledger):
    with pytest.raises(LedgerError, match="'flow' can't be judged; one of alert, session, packet, host can"):
        ledger.judge(["a"], "I", kind="flow", analyst="ada")


@pytest.mark.parametrize("subjects", [[], (), pd.Series([], dtype="str"), iter(())])
def test_judging_nothing_is_refused(ledger, subjects):
    with pytest.raises(LedgerError, match="nothing was chosen"):
        ledger.judge(subjects, "I", analyst="ada")


@pytest.mark.parametrize("subject", [None, float("nan"), 5.0, pd.NA, True, b"a", ["a"], "", "x" * 1025])
def test_a_subject_that_names_nothing_is_refused(ledger, subject, path):
    with pytest.raises(LedgerError, match=r"names nothing|names no subject"):
        ledger.judge(["a", subject], "I", analyst="ada")
    assert not path.exists()


def test_a_comment_too_long_is_refused_and_the_longest_is_kept(ledger):
    with pytest.raises(LedgerError, match="65,537 characters and 65,536 is the most"):
        ledger.judge(["a"], "I", comment="x" * 65_537, analyst="ada")
    assert ledger.judge(["a"], "I", comment="☠" * 65_536, analyst="ada")["comment"][0] == "☠" * 65_536
    assert ledger.verify().ok


def test_the_analyst_is_the_argument_else_the_environment_else_the_account(ledger, monkeypatch):
    monkeypatch.setenv("NSM_ANALYST", "grace")
    assert ledger.judge(["a"], "I", analyst=" ada ")["analyst"][0] == "ada"
    assert ledger.judge(["a"], "I")["analyst"][0] == "grace"
    monkeypatch.setenv("NSM_ANALYST", "  ")
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    assert ledger.judge(["a"], "I")["analyst"][0] == "root"


def test_nobody_can_not_judge(ledger, monkeypatch, path):
    def nobody():
        raise OSError("No username set in the environment")

    monkeypatch.delenv("NSM_ANALYST", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    for analyst in (None, "", " "):
        with pytest.raises(LedgerError, match=r"give analyst='...', or set NSM_ANALYST"):
            ledger.judge(["a"], "I", analyst=analyst)
    assert not path.exists()


def test_a_clock_that_does_not_know_its_zone_is_a_mistake_of_the_program(path):
    with pytest.raises(ValueError, match="aware"):
        Ledger(path, clock=lambda: datetime(2026, 11, 24)).judge(["a"], "I", analyst="ada")


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("a\x00b", r"a\x00b"),
        ("\ud800", r"\ud800"),
        ("\udcff tail", r"\udcff tail"),
        ("\ud83d\ude00", "\U0001f600"),  # a pair that came as two characters is one
        ("<script>alert(1)</script> $x_{$", "<script>alert(1)</script> $x_{$"),
        ("\x1b[31m\u202e\r\n\t\x7f\x9b", "\x1b[31m\u202e\r\n\t\x7f\x9b"),
        ("'; DROP TABLE verdicts; --", "'; DROP TABLE verdicts; --"),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
    ],
)
def test_strange_comments_are_kept_as_they_are_but_for_what_no_database_holds(ledger, comment, kept):
    rows = ledger.judge(["a"], "ESC", comment=comment + "!", analyst="ada")

    assert rows["comment"][0] == ledger.verdicts()["comment"][0] == kept + "!"
    assert ledger.verify().ok


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.text(st.characters()),
    st.lists(st.text(st.characters(), min_size=1, max_size=20), min_size=1, max_size=3),
    st.text(st.characters(), max_size=20).map("ada".__add__),  # a name has something that can be seen
)
def test_any_text_is_recorded_and_verifies(path, clock, comment, subjects, analyst):
    path.unlink(missing_ok=True)
    ledger = Ledger(path, clock=clock)
    rows = ledger.judge(subjects, "II", comment=comment, analyst=analyst)

    pd.testing.assert_frame_equal(ledger.verdicts(), rows)
    for row in rows.itertuples(index=False):
        time = row.time.tz_localize(None).isoformat(timespec="microseconds") + "Z"
        record = Record(*row._replace(id=int(row.id), time=time)[:9])
        assert digest(record) == record.digest
    for subject in subjects:
        assert len(ledger.history(subject)) == 1
    assert ledger.verify().ok


def test_the_database_itself_refuses_to_change_or_drop_a_verdict(ledger, path):
    ledger.judge(["a", "b", "c"], "VI", analyst="ada")
    rows = (
        "SELECT 4, time, analyst, subject_kind, subject, category, comment, previous, digest, NULL, NULL, NULL "
        "FROM verdicts WHERE id = 2"
    )
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "UPDATE verdicts SET comment = 'x' WHERE id = 2",
            "UPDATE OR REPLACE verdicts SET id = 3 WHERE id = 2",
            "DELETE FROM verdicts",
            f"INSERT INTO verdicts {rows}",  # does not follow the last one
            f"REPLACE INTO verdicts {rows.replace('4', '2', 1)}",
            f"INSERT INTO verdicts {rows.replace('4', '9', 1)}",
            f"INSERT INTO verdicts {rows.replace('4', 'NULL', 1)}",
            f"INSERT INTO verdicts {rows.replace('4', '3', 1)} ON CONFLICT (id) DO UPDATE SET comment = 'x'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match=r"the ledger only grows|must follow the last one"):
                connection.execute(statement)
    assert ledger.verify().ok and len(ledger.verdicts()) == 3


EDITS = {
    "edited comment": ("UPDATE verdicts SET comment = 'forged' WHERE id = 3", 3, "record 3 was changed"),
    "edited time": ("UPDATE verdicts SET time = '2026-01-01T00:00:00.000000Z' WHERE id = 1", 1, "record 1 was changed"),
    "nonsense time": ("UPDATE verdicts SET time = 'noon' WHERE id = 5", 5, "record 5 was changed"),
    "edited digest": ("UPDATE verdicts SET digest = '00' WHERE id = 2", 2, "record 2 was changed"),
    "a number for a text": ("UPDATE verdicts SET category = 5 WHERE id = 2", 2, "record 2 was changed"),
    "bytes for a text": ("UPDATE verdicts SET comment = x'ff00' WHERE id = 2", 2, "one of its texts is no text"),
    "text that is no UTF-8": ("UPDATE verdicts SET comment = CAST(x'ff41' AS TEXT) WHERE id = 4", 4, "was changed"),
    "deleted first": ("DELETE FROM verdicts WHERE id = 1", 1, "record 1 is missing: the next one there is record 2"),
    "deleted in the middle": ("DELETE FROM verdicts WHERE id = 3", 3, "record 3 is missing"),
    "deleted last": ("DELETE FROM verdicts WHERE id = 5", 5, "record 5 is missing: the ledger ends before it"),
    "deleted all": ("DELETE FROM verdicts", 1, "record 1 is missing: the ledger ends before it"),
    "cut at the end": ("DELETE FROM verdicts WHERE id > 2", 3, "once had 5 records"),
}


@pytest.mark.parametrize("way", EDITS)
def test_tampering_is_named(ledger, tamper, way):
    for number in range(5):
        ledger.judge([f"a{number}"], "VI", comment=f"scan {number}", analyst="ada")
    statement, first_bad, reason = EDITS[way]
    tamper(statement)

    found = ledger.verify()
    assert not found and found.first_bad == first_bad and found.count == first_bad - 1
    assert reason in found.reason
    # nothing else crashes over it
    ledger.messages(), ledger.rules(), ledger.locks()
    assert dtypes(ledger.verdicts()) == dtypes(VERDICTS.empty())
    ledger.status()
    ledger.head()


def test_exchanged_records_are_named(ledger, tamper):
    ledger.judge(list("abcde"), "VI", analyst="ada")
    tamper(*(f"UPDATE verdicts SET id = {new} WHERE id = {old}" for old, new in ((2, -1), (4, 2), (-1, 4))))

    found = ledger.verify()
    assert found.first_bad == 2 and found.reason == "record 2 is not in its place: it was written as record 4"


def test_bytes_that_only_look_like_the_text_are_no_match(ledger, tamper):
    ledger.judge(["a"], "VI", comment=r"\xff", analyst="ada")
    tamper(r"UPDATE verdicts SET comment = CAST(x'ff' AS TEXT)")

    assert ledger.verdicts()["comment"][0] == r"\xff"
    assert ledger.verify().first_bad == 1


def test_a_careful_cut_shows_against_the_head_of_a_report(ledger, tamper):
    ledger.judge(list("abc"), "VI", analyst="ada")
    head = ledger.head()
    ledger.judge(["d"], "VI", analyst="ada")
    assert ledger.verify(head=head).ok
    assert ledger.verify(head=f" {head.upper()}\n").ok
    tamper("DELETE FROM verdicts WHERE id > 2", "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'verdicts'")

    assert ledger.verify().ok
    found = ledger.verify(head=head)
    assert not found.ok and found.first_bad is None and "cut off the end" in found.reason


@pytest.mark.parametrize("name", ["verdicts_unchanged", "verdicts_kept", "verdicts_follow"])
def test_a_dropped_trigger_is_told(ledger, path, name):
    ledger.judge(list("abc"), "VI", analyst="ada")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP TRIGGER {name}")

    found = ledger.verify()
    assert not found.ok and found.first_bad is None and found.count == 3
    assert f"the triggers that keep the database from changes are not as they were made: {name}" in found.reason


def test_a_foreign_trigger_is_told(ledger, path):
    ledger.judge(list("abc"), "VI", analyst="ada")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER spy AFTER INSERT ON verdicts BEGIN SELECT 1; END")

    assert "not as they were made: spy" in ledger.verify().reason


def test_many_pages_of_records_are_checked_one_after_another(ledger, monkeypatch):
    monkeypatch.setattr("nsm_nb.triage.ledger._CHUNK", 7)
    ledger.judge(range(50), "NA", analyst="ada")

    assert ledger.verify().count == 50 and ledger.verdicts()["subject"].tolist() == [str(n) for n in range(50)]


@pytest.mark.slow
def test_three_hundred_thousand_subjects_are_one_verdict(ledger):
    rows = ledger.judge((f"0fd1a2b3c4d5:{number}" for number in range(300_000)), "NA", comment="noise", analyst="ada")

    assert len(rows) == len(ledger.status()) == 300_000
    assert rows["time"].nunique() == 1
    assert ledger.verify(head=ledger.head()).count == 300_000


def test_importing_the_categories_does_not_bring_the_database_in():
    script = "import sys, nsm_nb.triage as t; t.CATEGORIES; print('sqlalchemy' in sys.modules, t.Ledger.__name__)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "Ledger"]
