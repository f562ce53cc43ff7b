"""Where a ledger lies: an SQLite file by default, PostgreSQL or MariaDB for a team. What all of them share.

A store reads in one transaction and writes in one transaction that nobody else's overlaps; it makes the tables with the
first record, and brings those of an older release up to date with the first record that is written to them.

*Source*: SQLAlchemy 2.1, "Working with Transactions and the DBAPI"; "Transactions with SQLite and the sqlite3 driver".
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from weakref import finalize

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable
from nsm_nb.triage import tables
from nsm_nb.triage.chain import Record
from nsm_nb.triage.definitions import Definitions, first_difference

__all__ = ["ServerStore", "Store", "beginning", "open_store"]

T = TypeVar("T")

VERSION_TOLD = "SELECT value FROM ledger_meta WHERE name = 'version'"


def open_store(place: str | PathLike[str], *, patience: float) -> Store:
    """Return the store of a ledger; nothing is opened or made yet.

    Parameters
    ----------
    place
        A path, ``sqlite:///path``, ``postgresql+psycopg://user@host/database`` or ``mariadb+pymysql://...``.
    patience
        Seconds to wait while others write.

    Raises
    ------
    LedgerError
        Where the address can't be used.
    """
    from nsm_nb.triage.mariadb import MariaStore
    from nsm_nb.triage.postgres import PostgresStore
    from nsm_nb.triage.sqlite import SqliteStore

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
    if backend == "postgresql":
        return PostgresStore(url, name, patience)
    if backend in ("mariadb", "mysql"):
        return MariaStore(url, name, patience)
    raise LedgerError(
        f"{name}: the ledger is kept in SQLite (a path), in PostgreSQL (postgresql+psycopg://...) "
        "or in MariaDB (mariadb+pymysql://...)"
    )


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
        self._insert: tuple[str, bool] | None = None
        self._engines: dict[tuple[str | None, ...], sa.Engine] = {}  # they keep compiled statements, no connections

    def read(self, work: Callable[[sa.Connection, int], T], *, broken: str = "backslashreplace") -> T | None:
        """Return what `work` reads in one transaction, or None where no ledger has been made yet.

        Parameters
        ----------
        work
            Called with a connection and the version of the tables; again where the database was locked.
        broken
            How bytes that are no UTF-8 are read (somebody edited the file): an error handler of `codecs`.

        Raises
        ------
        LedgerError
            Where the database can't be read.
        """

        def reading(connection: sa.Connection) -> T | None:
            version = self._version(connection)
            return work(connection, version) if version is not None else None

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
            version = self._version(connection)
            if version is None:
                self._found(connection)
            elif version < tables.VERSION:
                self._bring_up_to_date(connection, version)
            return work(connection)

        return self._patiently(self._writer(), writing)

    def _found(self, connection: sa.Connection) -> None:
        """Make the tables and what protects them."""
        tables.metadata.create_all(connection, checkfirst=False)
        for statement in self._protection():
            connection.exec_driver_sql(statement)
        connection.execute(tables.meta.insert(), [{"name": "version", "value": str(tables.VERSION)}])

    def _bring_up_to_date(self, connection: sa.Connection, version: int) -> None:
        """Take the steps from an older version of the tables to this one's."""
        problem = self.remade(connection, version)
        if problem:
            raise LedgerError(
                f"{self.name} says that its tables are of version {version}, but {problem}: somebody changed them; "
                "nothing was recorded; bring the ledger back from a copy"
            )
        for number in range(version + 1, tables.VERSION + 1):
            for step in tables.STEPS[number]:
                if isinstance(step, str):
                    connection.exec_driver_sql(step)
                else:
                    step.create(connection)
        connection.execute(
            tables.meta.update().where(tables.meta.c.name == "version").values(value=str(tables.VERSION))
        )

    def insert(self, connection: sa.Connection, records: Sequence[Record]) -> None:
        """Add records to the ledger, and read them back: a trigger or rule can swallow or change them without a word.

        Raises
        ------
        LedgerError
            Where the database does not hold what was written; the transaction is then to be taken back.
        """
        # The statement is compiled once and given to the driver; SQLAlchemy's own way takes 7 us more a record.
        if self._insert is None:
            statement = tables.verdicts.insert().compile(dialect=connection.dialect)
            self._insert = str(statement), bool(statement.positional)
        text, positional = self._insert
        rows: Any = list(records) if positional else [each._asdict() for each in records]
        connection.exec_driver_sql(text, rows)
        number = tables.verdicts.c.id
        written = sa.select(tables.verdicts).where(number.between(records[0].id, records[-1].id)).order_by(number)
        kept = list(map(tuple, connection.execute(written)))
        if kept != records:
            lost = next(each for place, each in enumerate(records) if kept[place : place + 1] != [each])
            raise LedgerError(
                f"{self.name}: the database did not keep record {lost.id} as it was written, so nothing was recorded; a "
                "trigger, a rule or another table stands in the way: verify() says which"
            )

    def remade(self, connection: sa.Connection, version: int) -> str:
        """Return how the tables first differ from those that were made, as the rest of a sentence; "" where they don't."""
        return first_difference(self._definitions(connection), self._made(version, connection.dialect))

    @abstractmethod
    def _definitions(self, connection: sa.Connection) -> Definitions: ...

    @abstractmethod
    def _made(self, version: int, dialect: sa.Dialect) -> Definitions: ...

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

    def _told(self, connection: sa.Connection) -> str | None:
        """Return what the ledger says of the version of its tables, None where there is no ledger."""
        there = set(sa.inspect(connection).get_table_names())
        if tables.meta.name not in there:
            if tables.verdicts.name in there or (there and connection.dialect.name == "sqlite"):
                raise LedgerError(f"{self.name} is a database, but no ledger of nsm_nb; give another path")
            return None
        return str(connection.exec_driver_sql(VERSION_TOLD).scalar())

    def _version(self, connection: sa.Connection) -> int | None:
        """Return the version of the ledger's tables, None where there are none."""
        text = self._told(connection)
        if text is None:
            return None
        if not text.isdecimal() or int(text) < 1:
            raise LedgerError(
                f"{self.name}: the ledger does not say the version of its tables; bring it back from a copy"
            )
        if int(text) > tables.VERSION:
            raise LedgerError(
                f"{self.name} was written by a newer nsm_nb (ledger version {text}, this one knows {tables.VERSION}); "
                "update nsm_nb: pip install -U nsm-nb"
            )
        return int(text)

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


def _closed(engine: sa.Engine, process: int) -> None:
    """Close the connection that an engine keeps, unless it is the one of a process that this one was forked from."""
    engine.dispose(close=process == os.getpid())


class ServerStore(Store):
    """A ledger in a database server; `driver` is what a user writes before ``://``.

    One connection is kept for the next call: making one costs a server more than a verdict does.
    """

    driver = ""

    def __init__(self, url: sa.URL, name: str, patience: float):
        super().__init__(name, patience)
        self.url = url
        self._seen = False
        self._process = os.getpid()

    def highest(self, connection: sa.Connection) -> int:
        """Return 0: what servers count does not follow transactions, so it tells nothing."""
        return 0

    def _there(self) -> bool:
        return True

    def _told(self, connection: sa.Connection) -> str | None:
        # The catalogue is asked once: it costs more than a verdict.
        text = str(connection.exec_driver_sql(VERSION_TOLD).scalar()) if self._seen else super()._told(connection)
        self._seen = text is not None
        return text

    def _connect_by(self, **how: Any) -> sa.Engine:
        try:
            engine = sa.create_engine(self.url, pool_size=1, max_overflow=-1, pool_pre_ping=True, **how)
        except (ModuleNotFoundError, NoSuchModuleError) as problem:
            raise LedgerError(
                f"{self.name}: the driver of the database is not installed; pip install 'nsm-nb[team]', "
                f"and write {self.driver}://..."
            ) from problem
        finalize(self, _closed, engine, os.getpid())
        return engine

    def _engine(self, *how: str | None) -> sa.Engine:
        if self._process != os.getpid():  # after a fork: the connections are those of the parent
            for engine in self._engines.values():
                engine.dispose(close=False)
            self._process = os.getpid()
        return super()._engine(*how)


def beginning(engine: sa.Engine, *statements: str) -> sa.Engine:
    """Return the engine; from now on each of its transactions begins with these statements."""

    def begin(connection: sa.Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    sa.event.listen(engine, "begin", begin)
    return engine
