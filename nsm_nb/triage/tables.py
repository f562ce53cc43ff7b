"""The tables of a ledger, the triggers with which the database itself refuses to change a record, and how they grew.

Version 1 had `verdicts` and `ledger_meta`. Version 2 (an older ledger becomes one with its first new record) says where in
the evidence a subject stands, keeps rules and messages as records of the same chain, and adds two tables of what passes:
who is looking at what, and how far each analyst has read. The table kept its name, and its old records their digests.

MariaDB has no DDL in transactions, so its ledger is made in steps that can be taken again; see `nsm_nb.triage.mariadb`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from nsm_nb.triage.chain import EMPTY

__all__ = [
    "MARIADB_TRIGGERS", "POSTGRES_FUNCTIONS", "POSTGRES_TRIGGERS", "SQLITE_TRIGGERS", "STEPS", "VERSION", "investigations",
    "meta", "metadata", "read_marks", "verdicts", "verdicts_of",
]  # fmt: skip

VERSION = 2
"""The version of the tables that this release writes; it reads none that is newer."""

metadata = sa.MetaData()

# Text is compared byte for byte, spaces at its end too: MariaDB's own way takes "A" for "a ".
_MARIADB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_nopad_bin"}
_SUBJECT = {"subject_kind": 16, "subject": 255}


def _key() -> sa.Column:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True)


def _texts(*names: str) -> list[sa.Column]:
    # MariaDB's TEXT ends at 65,535 bytes
    kind = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
    return [sa.Column(name, kind, nullable=False) for name in names]


# The time is kept as the very text that is hashed (ISO 8601, UTC, microseconds): no driver can round it.
verdicts = sa.Table(
    "verdicts",
    metadata,
    _key(),
    *_texts("time", "analyst", "subject_kind", "subject", "category", "comment", "previous", "digest"),
    sa.Column("evidence", sa.Text),
    sa.Column("evidence_sha256", sa.Text),
    sa.Column("evidence_record", sa.BigInteger),
    sa.Index("verdicts_subject", "subject_kind", "subject", "id", mysql_length=_SUBJECT),
    sqlite_autoincrement=True,  # SQLite then remembers the highest id ever given: a cut at the end shows
    **_MARIADB,
)
meta = sa.Table(
    "ledger_meta",
    metadata,
    sa.Column("name", sa.Text().with_variant(mysql.VARCHAR(64), "mysql"), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    **_MARIADB,
)
investigations = sa.Table(
    "investigations",
    metadata,
    _key(),
    *_texts("subject_kind", "subject", "analyst", "since", "expires"),
    sa.Index("investigations_subject", "subject_kind", "subject", mysql_length=_SUBJECT),
    **_MARIADB,
)
read_marks = sa.Table("read_marks", metadata, _key(), *_texts("analyst"), sa.Column("last", sa.BigInteger), **_MARIADB)


def verdicts_of(version: int) -> list[sa.ColumnElement]:
    """Return the columns of a record, in the order of `Record`, out of a ledger of some version."""
    columns: list[sa.ColumnElement] = list(verdicts.c)
    return columns if version > 1 else columns[:9]


STEPS: Mapping[int, tuple[str | sa.Table, ...]] = {
    2: (
        "ALTER TABLE verdicts ADD COLUMN evidence TEXT",
        "ALTER TABLE verdicts ADD COLUMN evidence_sha256 TEXT",
        "ALTER TABLE verdicts ADD COLUMN evidence_record BIGINT",
        investigations,
        read_marks,
    ),
}
"""What makes a ledger of the version before one of this version: statements, and tables to make."""

_GROWS = "the ledger only grows: a verdict is never changed and never taken out"
_FOLLOWS = "a record of the ledger must follow the last one"

SQLITE_TRIGGERS = {
    "verdicts_unchanged": f"CREATE TRIGGER verdicts_unchanged BEFORE UPDATE ON verdicts "
    f"BEGIN SELECT RAISE(ABORT, '{_GROWS}'); END",
    "verdicts_kept": f"CREATE TRIGGER verdicts_kept BEFORE DELETE ON verdicts "
    f"BEGIN SELECT RAISE(ABORT, '{_GROWS}'); END",
    # INSERT OR REPLACE fires no DELETE trigger; it is refused here.
    "verdicts_follow": "CREATE TRIGGER verdicts_follow BEFORE INSERT ON verdicts "  # noqa: S608 (constants)
    "WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM verdicts) OR NEW.previous IS NOT "
    f"coalesce((SELECT digest FROM verdicts ORDER BY id DESC LIMIT 1), '{EMPTY}') "
    f"BEGIN SELECT RAISE(ABORT, '{_FOLLOWS}'); END",
}
_REFUSE = f" BEGIN RAISE EXCEPTION '{_GROWS}'; END "
_FOLLOW = (
    " BEGIN IF NEW.id IS DISTINCT FROM (SELECT coalesce(max(id), 0) + 1 FROM verdicts) "  # noqa: S608 (constants)
    "OR NEW.previous IS DISTINCT FROM "
    f"coalesce((SELECT digest FROM verdicts ORDER BY id DESC LIMIT 1), '{EMPTY}') "
    f"THEN RAISE EXCEPTION '{_FOLLOWS}'; END IF; RETURN NEW; END "
)
POSTGRES_FUNCTIONS = {"verdicts_refuse": _REFUSE, "verdicts_follow": _FOLLOW}
"""The body of each function that a trigger calls."""

POSTGRES_TRIGGERS = {
    "verdicts_unchanged": "BEFORE UPDATE ON verdicts FOR EACH ROW EXECUTE FUNCTION verdicts_refuse()",
    "verdicts_kept": "BEFORE DELETE ON verdicts FOR EACH ROW EXECUTE FUNCTION verdicts_refuse()",
    "verdicts_whole": "BEFORE TRUNCATE ON verdicts FOR EACH STATEMENT EXECUTE FUNCTION verdicts_refuse()",
    "verdicts_follow": "BEFORE INSERT ON verdicts FOR EACH ROW EXECUTE FUNCTION verdicts_follow()",
}
_SIGNAL = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = "
MARIADB_TRIGGERS = {
    "verdicts_unchanged": ("BEFORE UPDATE", f"{_SIGNAL}'{_GROWS}'"),
    "verdicts_kept": ("BEFORE DELETE", f"{_SIGNAL}'{_GROWS}'"),
    "verdicts_follow": (
        "BEFORE INSERT",
        "BEGIN IF NOT (NEW.id <=> (SELECT coalesce(max(id), 0) + 1 FROM verdicts)) OR NOT (NEW.previous <=> "  # noqa: S608
        f"coalesce((SELECT digest FROM verdicts ORDER BY id DESC LIMIT 1), '{EMPTY}')) "
        f"THEN {_SIGNAL}'{_FOLLOWS}'; END IF; END",
    ),
}
"""When each trigger fires, and what it does. MariaDB has none for TRUNCATE: an emptied ledger shows by its head alone."""
