"""The ledger in MariaDB: a server of one's own, on a socket in a temporary folder, never on the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.triage import EMPTY, Ledger

pymysql = pytest.importorskip("pymysql", reason="PyMySQL, the driver of a team's ledger in MariaDB, is not installed")


@pytest.fixture(scope="module")
def server():
    """The socket of a running MariaDB; skipped where it is not installed."""
    daemon, install = (
        shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin"),
        shutil.which("mariadb-install-db"),
    )
    if daemon is None or install is None:
        pytest.skip("MariaDB is not installed; apt-get install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="nsm-my-", dir="/tmp"))  # a socket's path must be short
    user = ["--user=mysql"] if os.geteuid() == 0 else []  # MariaDB does not run as root
    if user:
        shutil.chown(folder, "mysql", "mysql")
    data = f"--datadir={folder}/data"
    made = [install, "--no-defaults", data, *user, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(made, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    socket = folder / "socket"
    options = [
        "--skip-networking",
        f"--socket={socket}",
        f"--pid-file={folder}/pid",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    small = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--performance-schema=OFF"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [daemon, "--no-defaults", data, *user, *options, *small], stdout=log, stderr=log, cwd=folder
        )
    try:
        deadline = time.monotonic() + 60
        while not socket.exists():
            assert running.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield socket
    finally:
        running.kill()
        running.wait()
        shutil.rmtree(folder)


@pytest.fixture
def sql(server):
    """A function that runs SQL in a database of the test's own, and returns the rows."""

    def run(*statements, database="team"):
        root = {"unix_socket": str(server), "user": "root", "autocommit": True}
        with pymysql.connect(**root, database=database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    run("DROP DATABASE IF EXISTS team", "CREATE DATABASE team", database=None)
    return run


@pytest.fixture
def url(server, sql):
    return f"mariadb+pymysql://root@localhost/team?unix_socket={server}"


@pytest.fixture
def shared_ledger(url, clock):
    return Ledger(url, clock=clock, patience=5)


def test_looking_makes_nothing(shared_ledger, sql):
    assert shared_ledger.verdicts().empty and shared_ledger.status().empty and shared_ledger.head() == EMPTY
    assert shared_ledger.verify().ok and shared_ledger.locks().empty and shared_ledger.messages().empty
    assert sql("SHOW TABLES") == ()


def test_the_records_are_those_of_sqlite_digest_for_digest(url, path, clock):
    moment = clock()
    shared_ledger, ledger = Ledger(url, clock=lambda: moment), Ledger(path, clock=lambda: moment)
    for each in (shared_ledger, ledger):
        each.judge(
            ["a", "A", "a "], "VI", comment="scan \x00 \ud800 \u202e \x1b[31m \U0001f480 'q' %s :x \\ ", analyst="ada"
        )
        each.judge(["A"], "ESC", comment="☠" * 65_536, analyst="bob")
        each.judge(range(3), "NA", kind="session", analyst="bob")

    assert shared_ledger.verdicts().equals(ledger.verdicts())
    assert shared_ledger.head() == ledger.head()
    assert shared_ledger.verify(head=ledger.head()) == ledger.verify(head=ledger.head())
    assert shared_ledger.status().to_dict() == ledger.status().to_dict() == {"a": "VI", "A": "ESC", "a ": "VI"}
    assert shared_ledger.history("A").equals(ledger.history("A")) and len(shared_ledger.history("a ")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE verdicts SET comment = 'x' WHERE id = 2",
        "DELETE FROM verdicts WHERE id = 2",
        "INSERT INTO verdicts SELECT 4, time, analyst, subject_kind, subject, category, comment, previous, digest, "
        "NULL, NULL, NULL FROM verdicts WHERE id = 2",
        "REPLACE INTO verdicts SELECT id, time, analyst, subject_kind, subject, category, comment, previous, digest, "
        "NULL, NULL, NULL FROM verdicts WHERE id = 2",
        "INSERT INTO verdicts SELECT id, time, analyst, subject_kind, subject, category, comment, previous, digest, "
        "NULL, NULL, NULL FROM verdicts v WHERE id = 2 ON DUPLICATE KEY UPDATE comment = 'x'",
    ],
)
def test_the_database_itself_refuses_to_change_or_drop_a_verdict(shared_ledger, sql, statement):
    shared_ledger.judge(["a", "b", "c"], "VI", analyst="ada")
    with pytest.raises(pymysql.err.OperationalError, match=r"the ledger only grows|must follow the last one"):
        sql(statement)
    assert shared_ledger.verify().count == 3


def test_tampering_and_lost_triggers_are_named(shared_ledger, sql):
    shared_ledger.judge(list("abcde"), "VI", analyst="ada")
    head = shared_ledger.head()
    (text,) = (row[2] for row in sql("SHOW CREATE TRIGGER verdicts_unchanged"))
    sql("DROP TRIGGER verdicts_unchanged")
    assert shared_ledger.verify().reason.endswith("are not as they were made: verdicts_unchanged")
    sql("UPDATE verdicts SET comment = 'forged' WHERE id = 3", text)
    assert shared_ledger.verify().first_bad == 3
    sql("TRUNCATE verdicts")  # no trigger fires for it
    assert not shared_ledger.verify(head=head).ok


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TRIGGER verdicts_unchanged BEFORE UPDATE ON verdicts FOR EACH ROW SET @x = 1",
        "CREATE TRIGGER verdicts_unchanged AFTER UPDATE ON verdicts FOR EACH ROW SIGNAL SQLSTATE '45000'",
        "CREATE TRIGGER verdicts_unchanged BEFORE UPDATE ON read_marks FOR EACH ROW SET @x = 1",
    ],
)
def test_a_trigger_of_another_body_moment_or_table_is_told(shared_ledger, sql, text):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("DROP TRIGGER verdicts_unchanged", text)
    assert shared_ledger.verify().reason.endswith("are not as they were made: verdicts_unchanged")


def test_a_verdict_that_a_trigger_changes_is_an_error(shared_ledger, sql):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("CREATE TRIGGER soften BEFORE INSERT ON verdicts FOR EACH ROW SET NEW.category = 'NA'")
    with pytest.raises(LedgerError, match="did not keep record 2 as it was written, so nothing was recorded"):
        shared_ledger.judge(["b"], "I", analyst="ada")
    assert shared_ledger.verify().reason.endswith("are not as they were made: soften")
    assert shared_ledger.verdicts()["subject"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        (
            "ALTER TABLE verdicts MODIFY id BIGINT NOT NULL, DROP PRIMARY KEY",
            "verdicts has 'id bigint not null' where 'id bigint not null primary key' was made",
        ),
        (
            "ALTER TABLE verdicts MODIFY subject MEDIUMTEXT COLLATE utf8mb4_general_ci NOT NULL",
            "verdicts has 'subject mediumtext not null collate utf8mb4_general_ci' where 'subject mediumtext not null' was made",
        ),
        ("ALTER TABLE verdicts ENGINE = Aria", "verdicts has 'base table aria' besides"),
        ("UPDATE ledger_meta SET value = '1'", "verdicts has 'evidence text' besides"),
    ],
)
def test_a_table_that_was_remade_is_told_with_its_first_difference(shared_ledger, sql, statement, difference):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql(statement)
    found = shared_ledger.verify()
    assert not found.ok and found.reason.endswith(f"but the tables are not as they were made: {difference}")


def test_a_locked_ledger_is_told_after_the_patience_is_over_and_freed_with_each_verdict(shared_ledger, url, server):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    with pymysql.connect(unix_socket=str(server), user="root", database="team") as other:
        with other.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(CONCAT('nsm_nb ', LEFT(SHA2(DATABASE(), 256), 40)), 1)")
            assert cursor.fetchall() == ((1,),)
        with pytest.raises(LedgerError, match=r"locked: somebody has been writing for 0\.2 s"):
            Ledger(url, patience=0.2).judge(["b"], "VI", analyst="ada")
        assert len(shared_ledger.verdicts()) == 1
    assert Ledger(url, patience=1).judge(["b"], "VI", analyst="ada")["id"].tolist() == [2]


def test_a_ledger_that_was_half_made_is_made_whole(shared_ledger, sql):
    sql(
        "ALTER DATABASE team CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        "CREATE TABLE ledger_meta (name VARCHAR(64) PRIMARY KEY, value TEXT NOT NULL)",
        "INSERT INTO ledger_meta VALUES ('version', 'being made')",
        "CREATE TABLE read_marks (id BIGINT AUTO_INCREMENT PRIMARY KEY, analyst MEDIUMTEXT NOT NULL, last BIGINT)",
    )
    assert shared_ledger.verdicts().empty and shared_ledger.verify().ok
    shared_ledger.judge(["a"], "VI", analyst="ada")
    assert shared_ledger.verify().ok and shared_ledger.verify().count == 1


def test_a_read_only_server_and_a_newer_ledger_are_told(shared_ledger, sql, url):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql(
        "CREATE USER IF NOT EXISTS reader IDENTIFIED BY 'secret'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON team.* TO reader",
    )
    reader = Ledger(url.replace("root@", "reader:secret@"))
    sql("SET GLOBAL read_only = 1")
    try:
        assert reader.verdicts()["subject"].tolist() == ["a"]
        with pytest.raises(LedgerError, match="the database is read-only"):
            reader.judge(["b"], "VI", analyst="ada")
    finally:
        sql("SET GLOBAL read_only = 0")
    sql("UPDATE ledger_meta SET value = '3'")
    with pytest.raises(LedgerError, match="newer nsm_nb"):
        shared_ledger.verdicts()


def test_what_passes_and_what_is_said_work_here_too(shared_ledger, team_talk):
    team_talk(shared_ledger)


def test_a_server_that_is_not_there_is_told_without_the_password():
    with pytest.raises(LedgerError, match="check that the server runs and lets you in") as caught:
        Ledger("mariadb+pymysql://root:secret@127.0.0.1:1/team").head()
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_ten_processes_write_beside_each_other_and_none_is_lost(url, all_at_once):
    # A hundred each: the same with a thousand takes 20 s of CPU. How the ledger locks does not depend on how many.
    all_at_once(url, writers=10, verdicts=100)
