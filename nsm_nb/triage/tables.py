"""The tables of a ledger, and the triggers with which the database itself refuses to change a verdict."""

from __future__ import annotations

import sqlalchemy as sa

from nsm_nb.triage.chain import EMPTY

__all__ = ["POSTGRES_FUNCTIONS", "POSTGRES_TRIGGERS", "SQLITE_TRIGGERS", "VERSION", "meta", "metadata", "verdicts"]

VERSION = 1
"""The version of the tables that this release writes; it reads none that is newer."""

metadata = sa.MetaData()

# The time is kept as the very text that is hashed (ISO 8601, UTC, microseconds): no driver can round it.
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    *(
        sa.Column(name, sa.Text, nullable=False)
        for name in ("time", "analyst", "subject_kind", "subject", "category", "comment", "previous", "digest")
    ),
    sa.Index("verdicts_subject", "subject_kind", "subject", "id"),
    sqlite_autoincrement=True,  # SQLite then remembers the highest id ever given: a cut at the end shows
)
meta = sa.Table(
    "ledger_meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

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
POSTGRES_FUNCTIONS = (
    "CREATE FUNCTION verdicts_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_GROWS}'; END $$",
    "CREATE FUNCTION verdicts_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 (constants)
    "IF NEW.id IS DISTINCT FROM (SELECT coalesce(max(id), 0) + 1 FROM verdicts) OR NEW.previous IS DISTINCT FROM "
    f"coalesce((SELECT digest FROM verdicts ORDER BY id DESC LIMIT 1), '{EMPTY}') "
    f"THEN RAISE EXCEPTION '{_FOLLOWS}'; END IF; RETURN NEW; END $$",
)
POSTGRES_TRIGGERS = {
    "verdicts_unchanged": "BEFORE UPDATE ON verdicts FOR EACH ROW EXECUTE FUNCTION verdicts_refuse()",
    "verdicts_kept": "BEFORE DELETE ON verdicts FOR EACH ROW EXECUTE FUNCTION verdicts_refuse()",
    "verdicts_whole": "BEFORE TRUNCATE ON verdicts FOR EACH STATEMENT EXECUTE FUNCTION verdicts_refuse()",
    "verdicts_follow": "BEFORE INSERT ON verdicts FOR EACH ROW EXECUTE FUNCTION verdicts_follow()",
}
