"""Where a ledger lies: bad places give one clear sentence, and nothing is half-written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.triage import Ledger


@pytest.fixture
def judged(ledger, path):
    """A ledger with three records."""
    ledger.judge(list("abc"), "VI", comment="scan", analyst="ada")
    return ledger


SOMEBODY = """
import os, sys, tempfile
from nsm_nb.errors import LedgerError
from nsm_nb.triage import Ledger
with tempfile.TemporaryDirectory() as folder:  # all that is needed is imported while it may be read
    Ledger(f"{folder}/ledger.db").judge(["a"], "VI", analyst="ada")
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
ledger = Ledger(sys.argv[1])
print(len(ledger.verdicts()), ledger.verify().ok, ledger.head())
try:
    ledger.judge(["a"], "VI", analyst="ada")
except LedgerError as problem:
    print(problem)
"""


def as_somebody(path):
    """Look at a ledger and judge as a user whom file permissions hold back: tests in containers often run as root."""
    out = subprocess.run([sys.executable, "-c", SOMEBODY, str(path)], capture_output=True, text=True, check=False)
    assert out.stderr == ""
    return out.stdout.splitlines()


@pytest.fixture
def open_folder():
    """A folder that any user may enter (pytest's own are closed to others)."""
    place = Path(tempfile.mkdtemp(prefix="nsm-ledger-"))
    place.chmod(0o755)
    yield place
    place.chmod(0o755)
    shutil.rmtree(place)


def test_a_path_and_a_url_are_the_same_place(ledger, path):
    ledger.judge(["a"], "VI", analyst="ada")
    for place in (path, str(path), f"sqlite:///{path}"):
        assert Ledger(place).head() == ledger.head()


@pytest.mark.parametrize("name", ["a b.db", "ä☠.db", "50%?mode=memory#x&y.db", "a'b\"c.db", ":memory:", "file:x"])
def test_any_name_of_a_file_is_a_file(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(name)
    ledger.judge(["a"], "VI", analyst="ada")

    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert Ledger(tmp_path / name).verify().count == 1


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path):
    ledger = Ledger(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b.db"))
    ledger.judge(["a"], "VI", analyst="ada")

    assert ledger.verify().count == 1 and ledger.name.endswith(r"/\udcff\x1b.db")


def test_a_relative_path_stays_where_it_was_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger("ledger.db")
    monkeypatch.chdir("/")
    ledger.judge(["a"], "VI", analyst="ada")

    assert (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "needs a plain file"),
        ("sqlite:///:memory:", "needs a plain file"),
        ("sqlite:///file:x.db?uri=true", "needs a plain file"),
        ("oracle://u:secret@h/d", "SQLite .* in PostgreSQL .* or in MariaDB"),
        ("://", "no database URL"),
        ("postgresql+psycopg://u:secret@h:port/d", "no database URL"),
    ],
)
def test_an_address_that_can_not_be_used_is_told_without_its_password(url, sentence):
    with pytest.raises(LedgerError, match=sentence) as caught:
        Ledger(url)
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    ledger = Ledger(tmp_path / "gone" / "ledger.db")
    assert ledger.verdicts().empty
    with pytest.raises(LedgerError, match=r"gone/ledger\.db: the ledger can't be opened; check that .*/gone exists"):
        ledger.judge(["a"], "VI", analyst="ada")


def test_a_folder_in_the_place_of_the_ledger_is_told(tmp_path):
    for act in (Ledger(tmp_path).head, lambda: Ledger(tmp_path).judge(["a"], "VI", analyst="ada")):
        with pytest.raises(LedgerError, match="can't be opened"):
            act()


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be read as one" * 100, bytes(range(128, 128 + 64))]
)
def test_a_foreign_file_is_told_and_left_as_it_is(path, content):
    path.write_bytes(content)
    for act in (Ledger(path).head, Ledger(path).verify, lambda: Ledger(path).judge(["a"], "VI", analyst="ada")):
        with pytest.raises(LedgerError, match=r"ledger\.db: this file is no ledger .no SQLite database"):
            act()
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_told_and_left_as_it_is(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE history (id)")
    before = path.read_bytes()
    for act in (Ledger(path).verdicts, lambda: Ledger(path).judge(["a"], "VI", analyst="ada")):
        with pytest.raises(LedgerError, match="no ledger of nsm_nb; give another path"):
            act()
    assert path.read_bytes() == before


def test_an_empty_file_is_a_ledger_without_verdicts(path):
    path.touch()
    assert Ledger(path).verdicts().empty and Ledger(path).verify().ok
    Ledger(path).judge(["a"], "VI", analyst="ada")
    assert Ledger(path).verify().count == 1


def test_a_damaged_file_is_told(judged, path):
    judged.judge(range(3000), "NA", comment="noise", analyst="ada")
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xff" * (len(content) - 12288)
    path.write_bytes(content)
    for act in (judged.verdicts, judged.verify):
        with pytest.raises(LedgerError, match="damaged; bring it back from a copy"):
            act()


def test_a_cut_file_is_told(judged, path):
    os.truncate(path, path.stat().st_size - 4096)
    with pytest.raises(LedgerError, match="damaged"):
        judged.verdicts()


@pytest.mark.parametrize(
    ("version", "sentence"),
    [("3", "newer nsm_nb .ledger version 3, this one knows 2.; update"), ("x", "version of its tables")],
)
def test_a_ledger_of_another_version_is_told_and_left_as_it_is(judged, path, version, sentence):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ledger_meta SET value = ?", [version])
    before = path.read_bytes()
    for act in (judged.verdicts, judged.verify, judged.head, lambda: judged.judge(["a"], "VI", analyst="ada")):
        with pytest.raises(LedgerError, match=sentence):
            act()
    assert path.read_bytes() == before


def test_a_ledger_without_its_table_is_told(judged, path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE verdicts")
    with pytest.raises(LedgerError, match="no such table: verdicts"):
        judged.verify()


def test_a_locked_ledger_is_told_after_the_patience_is_over(path, judged):
    hasty = Ledger(path, patience=0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(hasty.verdicts()) == 3  # reading goes on
        begun = time.monotonic()
        with pytest.raises(LedgerError, match=r"locked: another program has held it for 0\.2 s; close it there"):
            hasty.judge(["d"], "VI", analyst="ada")
        assert 0.2 <= time.monotonic() - begun < 3
        other.execute("ROLLBACK")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="locked"):
            hasty.verdicts()
    assert hasty.judge(["d"], "VI", analyst="ada")["id"].tolist() == [4]


def test_a_read_only_ledger_is_read_and_checked_but_not_written(judged, path, open_folder):
    copy = open_folder / "ledger.db"
    shutil.copy(path, copy)
    copy.chmod(0o444)
    open_folder.chmod(0o555)
    before = copy.read_bytes()
    seen, refused = as_somebody(copy)

    assert seen == f"3 True {judged.head()}"
    assert refused.startswith(f"{copy}: the ledger is read-only, so nothing was recorded; make the file and its folder")
    assert copy.read_bytes() == before and [each.name for each in open_folder.iterdir()] == ["ledger.db"]


def test_a_read_only_folder_does_not_take_a_new_ledger(open_folder):
    open_folder.chmod(0o555)
    seen, refused = as_somebody(open_folder / "ledger.db")

    assert seen.startswith("0 True 0000") and "the ledger can't be opened" in refused
    assert list(open_folder.iterdir()) == []


@pytest.fixture
def full_disk(monkeypatch):
    """Databases opened from now on have no room for more than a few pages."""
    connect = sqlite3.connect

    def small(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)


def test_a_full_disk_records_nothing_and_says_so(judged, full_disk):
    with pytest.raises(LedgerError, match="disk is full, so nothing was recorded; free space and judge again"):
        judged.judge(range(30_000), "VI", analyst="ada")
    assert len(judged.verdicts()) == 3 and judged.verify(head=judged.head()).ok
    assert judged.judge(["d"], "VI", analyst="ada")["id"].tolist() == [4]


def test_a_disk_that_is_full_before_the_first_verdict_leaves_no_half_made_ledger(path, ledger, full_disk):
    with pytest.raises(LedgerError, match="disk is full"):
        ledger.judge(range(30_000), "VI", analyst="ada")
    assert ledger.verdicts().empty and ledger.verify().ok
    assert ledger.judge(["d"], "VI", analyst="ada")["id"].tolist() == [1]


def test_a_limit_on_the_size_of_files_records_nothing(path, judged):
    script = """
        import resource, signal, sys
        from nsm_nb.triage import Ledger
        from nsm_nb.errors import LedgerError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            Ledger(sys.argv[1]).judge(range(30_000), "VI", analyst="ada")
        except LedgerError as problem:
            print(problem)
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], capture_output=True, text=True, check=True
    )
    assert "the disk" in out.stdout and out.stdout.count("\n") == 1
    assert len(judged.verdicts()) == 3 and judged.verify().ok


def test_one_file_holds_all_and_nothing_lies_beside_it(judged, path, tmp_path):
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]
    shutil.copy(path, tmp_path / "copy.db")
    assert Ledger(tmp_path / "copy.db").verify(head=judged.head()).count == 3


def test_a_driver_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    ledger = Ledger("postgresql+psycopg://ada:secret@127.0.0.1:1/team")
    with pytest.raises(LedgerError, match=r"pip install 'nsm-nb\[team\]'") as caught:
        ledger.head()
    assert "secret" not in str(caught.value) and "secret" not in repr(ledger)
