"""A ledger in MariaDB, through PyMySQL.

Three things differ here. DDL commits by itself, so the ledger is made in steps that may be taken again, and it counts as
made when its version is written, last. The lock of a writer is a named one of the server, which ends with the connection.
And no trigger fires for TRUNCATE: an emptied ledger shows against a head that was noted elsewhere.

*Source*: MariaDB 10.11, "SQL statements that cause an implicit commit", "GET_LOCK", "Trigger limitations".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable
from nsm_nb.triage import tables
from nsm_nb.triage.definitions import Definitions, columns_made
from nsm_nb.triage.store import ServerStore, beginning

__all__ = ["MariaStore"]

_MAKING = "being made"
_OURS = ", ".join(f"'{name}'" for name in sorted(tables.metadata.tables))


class MariaStore(ServerStore):
    """A ledger in MariaDB. MySQL is refused: its collations and triggers differ, and nobody tried."""

    driver = "mariadb+pymysql"

    def __init__(self, url: sa.URL, name: str, patience: float):
        # One name of the dialect: tables carry options under it.
        super().__init__(url.set(drivername=url.drivername.replace("mariadb", "mysql")), name, patience)

    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers that are gone, changed, or not ours."""
        found = connection.exec_driver_sql(
            "SELECT trigger_name, action_timing, event_manipulation, action_statement FROM information_schema.triggers "  # noqa: S608
            f"WHERE event_object_schema = DATABASE() AND event_object_table IN ({_OURS})"
        )
        there = {name: (f"{timing} {event}", statement) for name, timing, event, statement in found}
        expected = tables.MARIADB_TRIGGERS
        return sorted(name for name in {*there, *expected} if there.get(name) != expected.get(name))

    def _definitions(self, connection: sa.Connection) -> Definitions:
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, IF(data_type = 'varchar', column_type, data_type), is_nullable, column_key, "  # noqa: S608
            "collation_name, is_generated FROM information_schema.columns "
            f"WHERE table_schema = DATABASE() AND table_name IN ({_OURS}) ORDER BY ordinal_position"
        ).all()
        found: dict[str, list[str]] = {}
        for table, name, kind, nullable, key, collation, generated in columns:
            line = f"{name} {kind}{'' if nullable == 'YES' else ' not null'}{' primary key' if key == 'PRI' else ''}"
            line += f" collate {collation}" if collation not in (None, "utf8mb4_nopad_bin") else ""
            found.setdefault(str(table), []).append(line + (" generated" if generated == "ALWAYS" else ""))
        kinds = connection.exec_driver_sql(
            "SELECT table_name, table_type, engine FROM information_schema.tables "  # noqa: S608
            f"WHERE table_schema = DATABASE() AND table_name IN ({_OURS})"
        ).all()
        for table, kind, engine in kinds:
            if (kind, engine) != ("BASE TABLE", "InnoDB"):
                found.setdefault(str(table), []).append(f"{kind} {engine}".lower())
        return found

    def _made(self, version: int, dialect: sa.Dialect) -> Definitions:
        return columns_made(version, dialect)

    def _told(self, connection: sa.Connection) -> str | None:
        if not getattr(connection.dialect, "is_mariadb", False):
            raise LedgerError(f"{self.name} is MySQL; the ledger is kept in MariaDB, PostgreSQL or SQLite")
        text = super()._told(connection)
        if text in (_MAKING, "None"):
            self._seen = False
            return None
        return text

    def _found(self, connection: sa.Connection) -> None:
        tables.meta.create(connection, checkfirst=True)
        connection.exec_driver_sql(f"REPLACE INTO ledger_meta (name, value) VALUES ('version', '{_MAKING}')")  # noqa: S608
        tables.metadata.create_all(connection)
        for name, (moment, statement) in tables.MARIADB_TRIGGERS.items():
            connection.exec_driver_sql(
                f"CREATE OR REPLACE TRIGGER {name} {moment} ON verdicts FOR EACH ROW {statement}"
            )
        connection.execute(
            tables.meta.update().where(tables.meta.c.name == "version").values(value=str(tables.VERSION))
        )

    def _reader(self, broken: str | None) -> sa.Engine:
        return self._engine("START TRANSACTION READ ONLY")

    def _writer(self) -> sa.Engine:
        return self._engine("lock")

    def _make(self, *how: str | None) -> sa.Engine:
        engine = self._connect_by(connect_args={"charset": "utf8mb4"})
        if how != ("lock",):
            return beginning(engine, *map(str, how))

        def lock(connection: sa.Connection) -> None:
            # Before the first read: the transaction sees what was committed until then.
            name = "CONCAT('nsm_nb ', LEFT(SHA2(DATABASE(), 256), 40))"
            if connection.exec_driver_sql(f"SELECT GET_LOCK({name}, {float(self.patience)})").scalar() != 1:
                raise LedgerError(
                    f"{self.name}: the ledger is locked: somebody has been writing for {self.patience:g} s; try again"
                )

        def unlock(connection: Any, _: object) -> None:
            if connection is not None:
                with connection.cursor() as cursor:
                    cursor.execute("DO RELEASE_ALL_LOCKS()")

        sa.event.listen(engine, "begin", lock)
        sa.event.listen(engine, "checkin", unlock)
        return engine

    def _protection(self) -> tuple[str, ...]:
        return ()

    def _busy(self, problem: DBAPIError) -> bool:
        return _number(problem) in (1205, 1213)  # lock wait timeout, deadlock

    def _reason(self, problem: DBAPIError) -> str:
        number = _number(problem)
        detail = printable(problem.orig.args[-1] if problem.orig is not None and problem.orig.args else problem.orig)
        if number in (1290, 1792, 1836):
            return "the database is read-only; judge against its primary server"
        if number in (1021, 1041, 1114):
            return f"the server has no room left ({detail}); nothing was recorded; free space and judge again"
        if number == 1644:
            return f"the ledger refuses the record: {detail}"
        if number == 1419:
            return (
                "the server keeps a binary log and lets nobody make triggers; "
                "set log_bin_trust_function_creators = 1 there, or make the ledger as its administrator"
            )
        return f"the ledger can't be used ({detail}); check that the server runs and lets you in"


def _number(problem: DBAPIError) -> int:
    arguments = getattr(problem.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0
