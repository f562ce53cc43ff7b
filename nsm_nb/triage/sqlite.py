"""A ledger in an SQLite file.

SQLite keeps its rollback journal and not a write-ahead log (WAL), for four reasons: WAL needs shared memory, which
network folders lack; a WAL database on read-only media can't be opened; after each commit the one file holds all,
so a copy of `ledger.db` is whole; and what WAL is good at, readers beside a writer, matters little where a write
takes milliseconds. With `synchronous=EXTRA` a confirmed verdict outlives a power cut.

*Source*: sqlite.org/wal.html 2 and 4; sqlite.org/pragma.html, synchronous; SQLAlchemy 2.1, "Transactions with
SQLite and the sqlite3 driver" (BEGIN is ours).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from operator import methodcaller
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from nsm_nb.text import printable
from nsm_nb.triage import tables
from nsm_nb.triage.definitions import Definitions, lines_of, statements_made
from nsm_nb.triage.store import VERSION_TOLD, Store, beginning

__all__ = ["SqliteStore"]


class SqliteStore(Store):
    """A ledger in an SQLite file."""

    def __init__(self, path: Path, patience: float):
        super().__init__(printable(path), patience)
        self.path = path.absolute()  # a notebook may change its directory

    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers that are gone, changed, or not ours."""
        # Those of any table: SQLite takes VERDICTS for verdicts, and a trigger of another table may write here.
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        there = {row[0]: row[1] for row in found}
        return sorted(
            name for name in {*there, *tables.SQLITE_TRIGGERS} if there.get(name) != tables.SQLITE_TRIGGERS.get(name)
        )

    def _definitions(self, connection: sa.Connection) -> Definitions:
        found = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type <> 'trigger' AND name NOT GLOB 'sqlite_*'"
        )
        return {str(name): lines_of(str(statement)) for name, statement in found}

    def _made(self, version: int, dialect: sa.Dialect) -> Definitions:
        return statements_made(version, dialect)

    def highest(self, connection: sa.Connection) -> int:
        """Return the highest `id` ever given (AUTOINCREMENT keeps it)."""
        return int(
            connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'verdicts'").scalar() or 0
        )

    def _there(self) -> bool:
        return self.path.exists()

    def _told(self, connection: sa.Connection) -> str | None:
        try:  # listing the tables first would cost more than a verdict
            return str(connection.exec_driver_sql(VERSION_TOLD).scalar())
        except DBAPIError as problem:
            if _code(problem) != "SQLITE_ERROR":
                raise
        return super()._told(connection)

    def _reader(self, broken: str | None) -> sa.Engine:
        # Not "ro": where a writer was killed, the reader takes back what it left half-written. A file that can't be
        # written is opened read-only all the same.
        return self._engine("rw", "BEGIN", broken)

    def _writer(self) -> sa.Engine:
        # IMMEDIATE: the lock is taken before the last record is read, so that two writers never extend the same one.
        return self._engine("rwc", "BEGIN IMMEDIATE", "backslashreplace")

    def _make(self, *how: str | None) -> sa.Engine:
        mode, begin, broken = how

        def connect() -> sqlite3.Connection:
            address = f"{self.path.as_uri()}?mode={mode}"
            connection = sqlite3.connect(
                address, uri=True, timeout=self.patience, isolation_level=None, check_same_thread=False
            )
            if broken:
                connection.text_factory = methodcaller("decode", "utf-8", broken)
            try:
                connection.execute("PRAGMA synchronous = EXTRA")
            except sqlite3.Error:  # the file is no database, or is locked
                connection.close()
                raise
            return connection

        return beginning(sa.create_engine("sqlite://", creator=connect, poolclass=NullPool), str(begin))

    def _protection(self) -> tuple[str, ...]:
        return tuple(tables.SQLITE_TRIGGERS.values())

    def _busy(self, problem: DBAPIError) -> bool:
        return _code(problem).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))

    def _reason(self, problem: DBAPIError) -> str:
        code = _code(problem)
        for start, reason in _SQLITE_REASONS.items():
            if code.startswith(start):
                return reason.format(patience=self.patience, folder=printable(self.path.parent))
        return f"the ledger can't be used ({printable(problem.orig)}); bring it back from a copy"


_SQLITE_REASONS: Mapping[str, str] = {
    "SQLITE_BUSY": "the ledger is locked: another program has held it for {patience:g} s; close it there, or try again",
    "SQLITE_LOCKED": "the ledger is locked by this process; try again",
    "SQLITE_READONLY_ROLLBACK": "a writer was killed here and what it left half-written can't be taken back in a "
    "read-only place; copy the ledger and its -journal file to where they can be written, and open that copy",
    "SQLITE_READONLY": "the ledger is read-only, so nothing was recorded; "
    "make the file and its folder {folder} writable, or copy the case and judge there",
    "SQLITE_FULL": "the disk is full, so nothing was recorded; free space and judge again",
    "SQLITE_NOTADB": "this file is no ledger (no SQLite database); give another path, or bring it back from a copy",
    "SQLITE_CORRUPT": "the ledger's file is damaged; bring it back from a copy",
    "SQLITE_CANTOPEN": "the ledger can't be opened; check that {folder} exists and that the file may be read",
    "SQLITE_PERM": "the ledger may not be read; ask its owner for access",
    "SQLITE_IOERR": "the disk gives errors, or locks don't work in {folder} (a network folder?); "
    "copy the case to a local disk",
    "SQLITE_PROTOCOL": "locks don't work in {folder} (a network folder?); copy the case to a local disk",
    "SQLITE_CONSTRAINT": "the ledger refuses the record, because it does not follow the last one; "
    "check the ledger with verify()",
}


def _code(problem: DBAPIError) -> str:
    """Return SQLite's name of an error, such as SQLITE_BUSY; "" where it has none."""
    return str(getattr(problem.orig, "sqlite_errorname", None) or "")
