"""A ledger in PostgreSQL, in the schema that the connection finds first.

*Source*: PostgreSQL 15, 13.3.5 (advisory locks), 13.2.2 (repeatable read).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from nsm_nb.text import printable
from nsm_nb.triage import tables
from nsm_nb.triage.definitions import Definitions, columns_made
from nsm_nb.triage.store import ServerStore, beginning

__all__ = ["PostgresStore"]

_OURS = ", ".join(f"to_regclass('{name}')" for name in sorted(tables.metadata.tables))


class PostgresStore(ServerStore):
    """A ledger in PostgreSQL."""

    driver = "postgresql+psycopg"

    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers, their functions and rules that are gone, switched off, changed, or not ours."""
        # The definition holds when a trigger fires, for which columns and under which condition (WHEN).
        found = connection.exec_driver_sql(
            "SELECT tgname, replace(pg_get_triggerdef(oid, true), 'EXECUTE PROCEDURE', 'EXECUTE FUNCTION') FROM pg_trigger "  # noqa: S608
            f"WHERE tgrelid IN ({_OURS}) AND NOT tgisinternal AND tgenabled IN ('O', 'A') "
            "AND current_setting('session_replication_role') <> 'replica'"
        )
        there = {str(name): str(text) for name, text in found}
        made = {name: f"CREATE TRIGGER {name} {rest}" for name, rest in tables.POSTGRES_TRIGGERS.items()}
        lost = {name for name in {*there, *made} if there.get(name) != made.get(name)}
        functions = connection.exec_driver_sql(
            "SELECT p.proname, p.prosrc, l.lanname = 'plpgsql' AND p.proconfig IS NULL AND NOT p.prosecdef "  # noqa: S608
            "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang "
            f"WHERE t.tgrelid IN ({_OURS}) AND NOT t.tgisinternal"
        )
        lost |= {name for name, body, plain in functions if tables.POSTGRES_FUNCTIONS.get(name) != body or not plain}
        rules = connection.exec_driver_sql(f"SELECT rulename FROM pg_rewrite WHERE ev_class IN ({_OURS})")  # noqa: S608
        return sorted(lost | {f"rule {name}" for (name,) in rules})

    def _definitions(self, connection: sa.Connection) -> Definitions:
        columns = connection.exec_driver_sql(
            "SELECT c.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod) "  # noqa: S608
            "|| CASE WHEN a.attnotnull THEN ' not null' ELSE '' END "
            "|| CASE WHEN EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid "
            "AND a.attnum = ANY (i.indkey)) THEN ' primary key' ELSE '' END "
            "|| CASE WHEN a.attgenerated <> '' THEN ' generated' ELSE '' END "
            "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            f"WHERE c.oid IN ({_OURS}) ORDER BY a.attnum"
        ).all()
        # Rows of a table that inherits are read as if they were here; row security hides some.
        kinds = connection.exec_driver_sql(
            "SELECT relname, CASE WHEN relkind <> 'r' THEN 'another kind of relation' WHEN relpersistence <> 'p' "  # noqa: S608
            "THEN 'no log' WHEN relrowsecurity THEN 'row security' ELSE 'a table that inherits from it' END FROM pg_class c "
            f"WHERE oid IN ({_OURS}) AND (relkind <> 'r' OR relpersistence <> 'p' OR relrowsecurity "
            "OR EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = c.oid))"
        ).all()
        found: dict[str, list[str]] = {}
        for name, line in [*columns, *kinds]:
            found.setdefault(str(name), []).append(str(line))
        return found

    def _made(self, version: int, dialect: sa.Dialect) -> Definitions:
        return columns_made(version, dialect)

    def _reader(self, broken: str | None) -> sa.Engine:
        return self._engine("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def _writer(self) -> sa.Engine:
        return self._engine(
            f"SET LOCAL lock_timeout = {int(self.patience * 1000)}",
            "SELECT pg_advisory_xact_lock(hashtext('nsm_nb ledger ' || current_schema()))",
        )

    def _make(self, *how: str | None) -> sa.Engine:
        return beginning(self._connect_by(), *map(str, how))

    def _protection(self) -> tuple[str, ...]:
        bodies = tables.POSTGRES_FUNCTIONS.items()
        functions = (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$" for name, body in bodies
        )
        made = (f"CREATE TRIGGER {name} {rest}" for name, rest in tables.POSTGRES_TRIGGERS.items())
        return (*functions, *made)

    def _busy(self, problem: DBAPIError) -> bool:
        return getattr(problem.orig, "sqlstate", None) in ("40001", "40P01")  # serialization failure, deadlock

    def _reason(self, problem: DBAPIError) -> str:
        code = getattr(problem.orig, "sqlstate", None) or ""
        detail = printable(str(problem.orig).partition("\n")[0])
        if code == "55P03":
            return f"the ledger is locked: somebody has been writing for {self.patience:g} s; try again"
        if code == "25006":
            return "the database is read-only; judge against its primary server"
        if code.startswith("53"):
            return f"the server has no room left ({detail}); nothing was recorded; free space and judge again"
        if code == "P0001":
            return f"the ledger refuses the record: {detail}"
        return f"the ledger can't be used ({detail}); check that the server runs and lets you in"
