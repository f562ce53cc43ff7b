"""The ledger in PostgreSQL: a server of one's own, on a socket in a temporary folder, never on the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.triage import EMPTY, Ledger
from nsm_nb.triage.chain import Reference

psycopg = pytest.importorskip("psycopg", reason="psycopg, the driver of a team's ledger, is not installed")


def _programs():
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((each for each in reversed(places) if (each / "initdb").exists()), None)


@pytest.fixture(scope="module")
def server():
    """The folder of the socket of a running PostgreSQL; skipped where it is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="nsm-pg-", dir="/tmp"))  # a socket's path must be short
    user = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        shutil.chown(folder, "postgres", "postgres")
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def run(program, *arguments):
        subprocess.run([programs / program, *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)

    run("initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=40"
    run("pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
    yield folder
    run("pg_ctl", "-D", folder / "data", "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def sql(server, request):
    """A function that runs SQL in a database of the test's own, and returns the rows."""
    with psycopg.connect(host=str(server), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS team WITH (FORCE)")
        connection.execute("CREATE DATABASE team")

    def run(*statements):
        with psycopg.connect(host=str(server), user="postgres", dbname="team") as connection:
            for statement in statements:
                cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def url(server, sql):
    return f"postgresql+psycopg://postgres:secret@/team?host={server}"


@pytest.fixture
def shared_ledger(url, clock):
    return Ledger(url, clock=clock, patience=5)


def test_looking_makes_nothing(shared_ledger, sql):
    assert shared_ledger.verdicts().empty and shared_ledger.status().empty and shared_ledger.head() == EMPTY
    assert shared_ledger.verify().ok
    assert sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_the_records_are_those_of_sqlite_digest_for_digest(url, path, clock):
    moment = clock()
    shared_ledger, ledger = Ledger(url, clock=lambda: moment), Ledger(path, clock=lambda: moment)
    for each in (shared_ledger, ledger):
        each.judge(["a", "b"], "VI", comment="scan \x00 \ud800 \u202e \x1b[31m ☠ 'quoted' %s :x", analyst="ada")
        each.judge(["b"], "ESC", comment="shell", analyst="bob")
        each.judge(range(3), "NA", kind="session", analyst="bob")

    assert shared_ledger.verdicts().equals(ledger.verdicts())
    assert shared_ledger.head() == ledger.head()
    assert shared_ledger.verify(head=ledger.head()) == ledger.verify(head=ledger.head())
    assert shared_ledger.status().to_dict() == ledger.status().to_dict()
    assert shared_ledger.history("b").equals(ledger.history("b"))
    assert "secret" not in repr(shared_ledger)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE verdicts SET comment = 'x' WHERE id = 2",
        "DELETE FROM verdicts WHERE id = 2",
        "TRUNCATE verdicts",
        "INSERT INTO verdicts SELECT 4, time, analyst, subject_kind, subject, category, comment, previous, digest "
        "FROM verdicts WHERE id = 2",
        "INSERT INTO verdicts SELECT id, time, analyst, subject_kind, subject, category, comment, previous, digest "
        "FROM verdicts WHERE id = 2 ON CONFLICT (id) DO UPDATE SET comment = 'x'",
    ],
)
def test_the_database_itself_refuses_to_change_or_drop_a_verdict(shared_ledger, sql, statement):
    shared_ledger.judge(["a", "b", "c"], "VI", analyst="ada")
    with pytest.raises(psycopg.errors.RaiseException, match=r"the ledger only grows|must follow the last one"):
        sql(statement)
    assert shared_ledger.verify().count == 3


@pytest.mark.parametrize(
    ("statement", "first_bad", "reason"),
    [
        ("UPDATE verdicts SET comment = 'forged' WHERE id = 3", 3, "record 3 was changed"),
        ("DELETE FROM verdicts WHERE id = 2", 2, "record 2 is missing"),
        ("UPDATE verdicts SET id = CASE id WHEN 2 THEN 40 ELSE 2 END WHERE id IN (2, 4)", 2, "was written as record 4"),
    ],
)
def test_tampering_is_named(shared_ledger, sql, statement, first_bad, reason):
    shared_ledger.judge(list("abcde"), "VI", analyst="ada")
    sql("ALTER TABLE verdicts DISABLE TRIGGER USER", statement, "ALTER TABLE verdicts ENABLE TRIGGER USER")

    found = shared_ledger.verify()
    assert found.first_bad == first_bad and reason in found.reason


def test_triggers_that_are_gone_or_switched_off_are_told(shared_ledger, sql):
    shared_ledger.judge(list("abc"), "VI", analyst="ada")
    sql("ALTER TABLE verdicts DISABLE TRIGGER verdicts_kept", "DROP TRIGGER verdicts_whole ON verdicts")

    assert shared_ledger.verify().reason.endswith("are not as they were made: verdicts_kept, verdicts_whole")


@pytest.mark.parametrize(
    ("statements", "lost"),
    [
        (
            [
                "DROP TRIGGER verdicts_unchanged ON verdicts",
                "CREATE TRIGGER verdicts_unchanged BEFORE UPDATE ON verdicts FOR EACH ROW WHEN (false) "
                "EXECUTE FUNCTION verdicts_refuse()",
            ],
            "verdicts_unchanged",
        ),
        (
            [
                "DROP TRIGGER verdicts_kept ON verdicts",
                "CREATE TRIGGER verdicts_kept BEFORE UPDATE OF digest ON verdicts FOR EACH ROW "
                "EXECUTE FUNCTION verdicts_refuse()",
            ],
            "verdicts_kept",
        ),
        (["CREATE RULE quiet AS ON DELETE TO verdicts DO INSTEAD NOTHING"], "rule quiet"),
        (["ALTER FUNCTION verdicts_refuse() SET search_path = nowhere"], "verdicts_refuse"),
        (["ALTER DATABASE team SET session_replication_role = replica"], "verdicts_follow, verdicts_kept"),
    ],
)
def test_triggers_that_fire_for_less_and_rules_are_told(shared_ledger, sql, url, statements, lost):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql(*statements)
    found = Ledger(url).verify()
    assert not found.ok and f"are not as they were made: {lost}" in found.reason


@pytest.mark.parametrize("action", ["DO INSTEAD NOTHING", "DO ALSO NOTHING"])
def test_a_verdict_that_a_rule_swallows_is_an_error(shared_ledger, sql, action):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql(f"CREATE RULE quiet AS ON INSERT TO verdicts WHERE NEW.category = 'I' {action}")
    if action == "DO ALSO NOTHING":  # it does no harm
        assert len(shared_ledger.judge(["b"], "I", analyst="ada")) == 1
        return
    with pytest.raises(LedgerError, match="did not keep record 2 as it was written, so nothing was recorded"):
        shared_ledger.judge(["b"], "I", comment="shell", analyst="ada")
    assert shared_ledger.judge(["c"], "VI", analyst="ada")["id"].tolist() == [2]


def test_a_verdict_that_a_trigger_changes_is_an_error(shared_ledger, sql):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql(
        "CREATE FUNCTION soften() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.category = 'NA'; RETURN NEW; END$$",
        "CREATE TRIGGER z BEFORE INSERT ON verdicts FOR EACH ROW EXECUTE FUNCTION soften()",
    )
    with pytest.raises(LedgerError, match="did not keep record 2"):
        shared_ledger.judge(["b"], "I", analyst="ada")
    assert shared_ledger.verdicts()["subject"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("statements", "difference"),
    [
        (
            [
                "ALTER TABLE verdicts DROP CONSTRAINT verdicts_pkey",
                "ALTER TABLE verdicts DISABLE TRIGGER USER",
                "INSERT INTO verdicts SELECT 2, time, 'eve', subject_kind, subject, 'NA', comment, previous, digest, "
                "NULL, NULL, NULL FROM verdicts WHERE id = 2",
                "ALTER TABLE verdicts ENABLE TRIGGER USER",
            ],
            "verdicts has 'id bigint not null' where 'id bigint not null primary key' was made",
        ),
        (
            ["ALTER TABLE verdicts ALTER COLUMN comment TYPE varchar(3)"],
            "verdicts has 'comment character varying(3) not null' where 'comment text not null' was made",
        ),
        (["ALTER TABLE verdicts ADD COLUMN x int"], "verdicts has 'x integer' besides"),
        (["CREATE TABLE more () INHERITS (verdicts)"], "verdicts has 'a table that inherits from it' besides"),
        (["ALTER TABLE verdicts ENABLE ROW LEVEL SECURITY"], "verdicts has 'row security' besides"),
        (["DROP TABLE read_marks"], "read_marks is gone"),
        (["UPDATE ledger_meta SET value = '1'"], "verdicts has 'evidence text' besides"),
    ],
)
def test_a_table_that_was_remade_is_told_with_its_first_difference(shared_ledger, sql, statements, difference):
    shared_ledger.judge(["a", "b", "c"], "VI", analyst="ada")
    sql(*statements)
    found = shared_ledger.verify()
    assert not found.ok and found.reason.endswith(f"but the tables are not as they were made: {difference}")


def test_a_version_that_was_set_back_is_told_before_a_verdict(shared_ledger, sql):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("UPDATE ledger_meta SET value = '1'")
    with pytest.raises(LedgerError, match="says that its tables are of version 1, but verdicts has 'evidence text'"):
        shared_ledger.judge(["b"], "VI", analyst="ada")


def test_a_table_of_another_program_is_left_alone(shared_ledger, sql):
    sql("CREATE TABLE verdicts (id int)")
    with pytest.raises(LedgerError, match="no ledger of nsm_nb"):
        shared_ledger.judge(["a"], "VI", analyst="ada")


def test_a_ledger_of_a_newer_version_is_told(shared_ledger, sql):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("UPDATE ledger_meta SET value = '3'")
    with pytest.raises(LedgerError, match="newer nsm_nb"):
        shared_ledger.verdicts()


def test_a_locked_ledger_is_told_after_the_patience_is_over(shared_ledger, url, server):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    with psycopg.connect(host=str(server), user="postgres", dbname="team") as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('nsm_nb ledger ' || current_schema()))")
        with pytest.raises(LedgerError, match=r"locked: somebody has been writing for 0\.2 s"):
            Ledger(url, patience=0.2).judge(["b"], "VI", analyst="ada")
        assert len(shared_ledger.verdicts()) == 1


def test_a_server_that_is_not_there_is_told_without_the_password():
    with pytest.raises(LedgerError, match="check that the server runs and lets you in") as caught:
        Ledger("postgresql+psycopg://postgres:secret@/team?host=/nowhere").head()
    assert "secret" not in str(caught.value)


def test_a_read_only_database_is_told(shared_ledger, sql, url):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("ALTER DATABASE team SET default_transaction_read_only = on")
    assert Ledger(url).verify().count == 1
    with pytest.raises(LedgerError, match="the database is read-only"):
        Ledger(url).judge(["b"], "VI", analyst="ada")


@pytest.mark.slow
def test_a_hundred_thousand_subjects_are_one_verdict(shared_ledger):
    assert len(shared_ledger.judge(range(100_000), "NA", analyst="ada")) == 100_000
    assert shared_ledger.verify(head=shared_ledger.head()).count == 100_000


@pytest.mark.slow
def test_ten_processes_write_a_thousand_verdicts_each_and_none_is_lost(url, all_at_once):
    all_at_once(url, writers=10, verdicts=1_000)


def test_a_connection_that_the_server_ended_is_made_anew(shared_ledger, sql):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'team' AND pid <> pg_backend_pid()")
    assert shared_ledger.judge(["b"], "VI", analyst="ada")["id"].tolist() == [2]
    assert shared_ledger.verify().count == 2


def test_a_function_of_another_body_is_told(shared_ledger, sql):
    shared_ledger.judge(["a"], "VI", analyst="ada")
    sql("CREATE OR REPLACE FUNCTION verdicts_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
    assert "not as they were made: verdicts_refuse" in shared_ledger.verify().reason


def test_a_ledger_of_version_1_grows_into_this_one_and_keeps_its_chain(shared_ledger, sql):
    shared_ledger.judge(["a", "b"], "VI", analyst="ada")
    head = shared_ledger.head()
    sql(
        "ALTER TABLE verdicts DROP COLUMN evidence, DROP COLUMN evidence_sha256, DROP COLUMN evidence_record",
        "DROP TABLE investigations",
        "DROP TABLE read_marks",
        "UPDATE ledger_meta SET value = '1'",
    )
    assert shared_ledger.verify(head=head).ok and len(shared_ledger.verdicts()) == 2
    assert shared_ledger.locks().empty and shared_ledger.unread("bob").empty and shared_ledger.rules() == []
    assert sql("SELECT value FROM ledger_meta") == [("1",)]  # looking changes nothing
    shared_ledger.judge(["b"], "NA", analyst="bob", references={"b": Reference("e.json", "ab" * 32, 7)})
    assert sql("SELECT value FROM ledger_meta") == [("2",)]
    assert shared_ledger.verify(head=head).count == 3
    assert shared_ledger.history("b")["evidence_record"].tolist() == [pd.NA, 7]


def test_what_passes_and_what_is_said_work_here_too(shared_ledger, team_talk):
    team_talk(shared_ledger)


def test_a_killed_writer_loses_only_what_was_not_confirmed(url, start_writer):
    writer = start_writer(url, "ada", 100_000)
    writer.stdin.write("go\n")
    writer.stdin.flush()
    confirmed = [writer.stdout.readline().split() for _ in range(30)]
    writer.kill()
    rest, _ = writer.communicate()
    confirmed += [line.split() for line in rest.splitlines() if len(line.split()) == 2 and len(line) > 64]

    table = Ledger(url).verdicts()
    assert Ledger(url).verify().ok and len(confirmed) <= len(table) <= len(confirmed) + 1
    assert table["digest"].tolist()[: len(confirmed)] == [digest for _, digest in confirmed]
    assert Ledger(url).judge(["next"], "VI", analyst="bob")["id"].tolist() == [len(table) + 1]  # its lock went with it
