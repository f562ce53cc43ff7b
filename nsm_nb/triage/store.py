"""Where a ledger lies: an SQLite file by default, PostgreSQL for a team. Tables, triggers, locks, and errors in words.

SQLite keeps its rollback journal and not a write-ahead log (WAL), for four reasons: WAL needs shared memory, which
network folders lack; a WAL database on read-only media can't be opened; after each commit the one file holds all,
so a copy of `ledger.db` is whole; and what WAL is good at, readers beside a writer, matters little where a write
takes milliseconds. With `synchronous=EXTRA` a confirmed verdict outlives a power cut.

*Source*: sqlite.org/wal.html 2 and 4; sqlite.org/pragma.html, synchronous; SQLAlchemy 2.1, "Transactions with
SQLite and the sqlite3 driver" (BEGIN is ours); PostgreSQL 15, 13.3.5 (advisory locks).
"""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import methodcaller
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable
from nsm_nb.triage import tables
from nsm_nb.triage.chain import Record

__all__ = ["PostgresStore", "SqliteStore", "Store", "open_store"]

T = TypeVar("T")


def open_store(place: str | PathLike[str], *, patience: float) -> Store:
    """Return the store of a ledger; nothing is opened or made yet.

    Parameters
    ----------
    place
        A path, ``sqlite:///path`` or ``postgresql+psycopg://user@host/database``.
    patience
        Seconds to wait while others write.

    Raises
    ------
    LedgerError
        Where the address can't be used.
    """
    if not isinstance(place, str) or "://" not in place:
        return SqliteStore(Path(place), patience)
    try:
        url = sa.make_url(place)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError) as problem:
        raise LedgerError(
            "the ledger's address is no database URL; write a path, or postgresql+psycopg://user@host/database"
        ) from problem
    name = printable(url.render_as_string(hide_password=True))
    if backend == "sqlite":
        if not url.database or url.database.startswith((":memory:", "file:")) or url.query:
            raise LedgerError(f"{name}: the ledger needs a plain file; write its path, such as my-case/ledger.db")
        return SqliteStore(Path(url.database), patience)
    if backend != "postgresql":
        raise LedgerError(f"{name}: the ledger is kept in SQLite (a path) or in PostgreSQL (postgresql+psycopg://...)")
    return PostgresStore(url, name, patience)


class _BrokenText(LedgerError):
    """A text in the database is no UTF-8."""


class Store(ABC):
    """A database that holds a ledger, or will after the first verdict.

    Attributes
    ----------
    name
        How the database is called in messages.
    patience
        Seconds to wait while others write.
    """

    def __init__(self, name: str, patience: float):
        self.name = name
        self.patience = patience
        self._engines: dict[tuple[str | None, ...], sa.Engine] = {}  # they keep compiled statements, no connections

    def read(self, work: Callable[[sa.Connection], T], *, broken: str = "backslashreplace") -> T | None:
        """Return what `work` reads in one transaction, or None where no ledger has been made yet.

        Parameters
        ----------
        work
            Called with a connection; again where the database was locked.
        broken
            How bytes that are no UTF-8 are read (somebody edited the file): an error handler of `codecs`.

        Raises
        ------
        LedgerError
            Where the database can't be read.
        """

        def reading(connection: sa.Connection) -> T | None:
            return work(connection) if self._version(connection) is not None else None

        if not self._there():
            return None
        try:
            return self._patiently(self._reader(None), reading)
        except _BrokenText:
            return self._patiently(self._reader(broken), reading)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what `work` returns, after its changes are committed; nobody else writes meanwhile.

        The ledger is made here where there is none.

        Raises
        ------
        LedgerError
            Where the database can't be written; nothing is then changed.
        """

        def writing(connection: sa.Connection) -> T:
            if self._version(connection) is None:
                tables.metadata.create_all(connection, checkfirst=False)
                for statement in self._protection():
                    connection.exec_driver_sql(statement)
                connection.execute(tables.meta.insert(), [{"name": "version", "value": str(tables.VERSION)}])
            return work(connection)

        return self._patiently(self._writer(), writing)

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        """Add records to the ledger."""
        # The statement is compiled once and given to the driver; SQLAlchemy's own way takes 7 us more a record.
        statement = tables.verdicts.insert().compile(dialect=connection.dialect)
        rows: Any = records if statement.positional else [each._asdict() for each in records]
        connection.exec_driver_sql(str(statement), list(rows))

    @abstractmethod
    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers that are gone, switched off, changed, or not ours."""

    @abstractmethod
    def highest(self, connection: sa.Connection) -> int:
        """Return the highest `id` ever given, as far as the database remembers; 0 where it does not."""

    @abstractmethod
    def _there(self) -> bool: ...

    @abstractmethod
    def _reader(self, broken: str | None) -> sa.Engine: ...

    @abstractmethod
    def _writer(self) -> sa.Engine: ...

    @abstractmethod
    def _make(self, *how: str | None) -> sa.Engine: ...

    def _engine(self, *how: str | None) -> sa.Engine:
        return self._engines.get(how) or self._engines.setdefault(how, self._make(*how))

    @abstractmethod
    def _protection(self) -> tuple[str, ...]: ...

    @abstractmethod
    def _reason(self, problem: DBAPIError) -> str: ...

    @abstractmethod
    def _busy(self, problem: DBAPIError) -> bool: ...

    def _version(self, connection: sa.Connection) -> int | None:
        """Return the version of the ledger's tables, None where there are none."""
        there = set(sa.inspect(connection).get_table_names())
        if tables.meta.name not in there:
            if tables.verdicts.name in there or (there and connection.dialect.name == "sqlite"):
                raise LedgerError(f"{self.name} is a database, but no ledger of nsm_nb; give another path")
            return None
        text = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.name == "version"))
        if not str(text).isdecimal():
            raise LedgerError(
                f"{self.name}: the ledger does not say the version of its tables; bring it back from a copy"
            )
        if int(str(text)) > tables.VERSION:
            raise LedgerError(
                f"{self.name} was written by a newer nsm_nb (ledger version {text}, this one knows {tables.VERSION}); "
                "update nsm_nb: pip install -U nsm-nb"
            )
        return int(str(text))

    def _patiently(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                with engine.begin() as connection:
                    return work(connection)
            except DBAPIError as problem:
                if "Could not decode to UTF-8" in str(problem.orig):  # the words of Python's sqlite3; it has no code
                    raise _BrokenText(self.name) from problem
                # The database waits by itself; what it refuses at once (a journal being rolled back) is tried again.
                if not self._busy(problem) or time.monotonic() >= deadline:
                    raise LedgerError(f"{self.name}: {self._reason(problem)}") from problem
                time.sleep(0.01)


class SqliteStore(Store):
    """A ledger in an SQLite file."""

    def __init__(self, path: Path, patience: float):
        super().__init__(printable(path), patience)
        self.path = path.absolute()  # a notebook may change its directory

    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers that are gone, changed, or not ours."""
        found = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'verdicts'"
        )
        there = {row[0]: row[1] for row in found}
        return sorted(
            name for name in {*there, *tables.SQLITE_TRIGGERS} if there.get(name) != tables.SQLITE_TRIGGERS.get(name)
        )

    def highest(self, connection: sa.Connection) -> int:
        """Return the highest `id` ever given (AUTOINCREMENT keeps it)."""
        return int(
            connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'verdicts'").scalar() or 0
        )

    def _there(self) -> bool:
        return self.path.exists()

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

        return _beginning(sa.create_engine("sqlite://", creator=connect, poolclass=NullPool), str(begin))

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


class PostgresStore(Store):
    """A ledger in PostgreSQL, in the schema that the connection finds first."""

    def __init__(self, url: sa.URL, name: str, patience: float):
        super().__init__(name, patience)
        self.url = url

    def lost_protection(self, connection: sa.Connection) -> list[str]:
        """Return the names of triggers that are gone, switched off, or not ours."""
        found = connection.exec_driver_sql(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'verdicts'::regclass AND NOT tgisinternal "
            "AND tgenabled IN ('O', 'A')"
        )
        return sorted({name for (name,) in found} ^ set(tables.POSTGRES_TRIGGERS))

    def highest(self, connection: sa.Connection) -> int:
        """Return 0: PostgreSQL's sequences don't follow transactions, so they tell nothing."""
        return 0

    def _there(self) -> bool:
        return True

    def _reader(self, broken: str | None) -> sa.Engine:
        return self._engine("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def _writer(self) -> sa.Engine:
        return self._engine(
            f"SET LOCAL lock_timeout = {int(self.patience * 1000)}",
            "SELECT pg_advisory_xact_lock(hashtext('nsm_nb ledger ' || current_schema()))",
        )

    def _make(self, *how: str | None) -> sa.Engine:
        try:
            return _beginning(sa.create_engine(self.url, poolclass=NullPool), *map(str, how))
        except (ModuleNotFoundError, NoSuchModuleError) as problem:
            raise LedgerError(
                f"{self.name}: the driver of the database is not installed; pip install 'nsm-nb[team]', "
                "and write postgresql+psycopg://..."
            ) from problem

    def _protection(self) -> tuple[str, ...]:
        made = (f"CREATE TRIGGER {name} {rest}" for name, rest in tables.POSTGRES_TRIGGERS.items())
        return (*tables.POSTGRES_FUNCTIONS, *made)

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


def _beginning(engine: sa.Engine, *statements: str) -> sa.Engine:
    """Return the engine; from now on each of its transactions begins with these statements."""

    def begin(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    sa.event.listen(engine, "begin", begin)
    return engine


def _code(problem: DBAPIError) -> str:
    """Return SQLite's name of an error, such as SQLITE_BUSY; "" where it has none."""
    return str(getattr(problem.orig, "sqlite_errorname", None) or "")
