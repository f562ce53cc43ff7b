"""A ledger in PostgreSQL, in the schema that the connection finds first.

*Source*: PostgreSQL 15, 13.3.5 (advisory locks), 13.2.2 (repeatable read).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from nsm_nb.text import printable
from nsm_nb.triage import tables
from nsm_nb.triage.store import ServerStore, beginning

__all__ = ["PostgresStore"]


class PostgresStore(ServerStore):
    """A ledger in PostgreSQL."""

    driver = "postgresql+psycopg"

    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers and their functions that are gone, switched off, changed, or not ours."""
        found = connection.exec_driver_sql(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'verdicts'::regclass AND NOT tgisinternal "
            "AND tgenabled IN ('O', 'A')"
        )
        lost = {name for (name,) in found} ^ set(tables.POSTGRES_TRIGGERS)
        bodies = connection.exec_driver_sql(
            "SELECT p.proname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = 'verdicts'::regclass AND NOT t.tgisinternal"
        )
        lost |= {name for name, body in bodies if tables.POSTGRES_FUNCTIONS.get(name) != body}
        return sorted(lost)

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
