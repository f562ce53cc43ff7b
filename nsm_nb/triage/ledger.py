"""The ledger: every verdict, by whom, when and why. It only grows, and its records are chained by their digests."""

from __future__ import annotations

import getpass
import numbers
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from os import PathLike

import pandas as pd
import sqlalchemy as sa

from nsm_nb.errors import LedgerError
from nsm_nb.schema import VERDICTS
from nsm_nb.text import printable
from nsm_nb.triage.categories import CATEGORIES, Category, find
from nsm_nb.triage.chain import EMPTY, Record, Verification, check, extend
from nsm_nb.triage.store import open_store
from nsm_nb.triage.tables import verdicts

__all__ = ["COMMENT_LIMIT", "KINDS", "Ledger"]

KINDS = ("alert", "session", "packet", "host")
"""What can be judged."""

COMMENT_LIMIT = 65_536
"""Characters of a comment. It stands in each record of one verdict, and those can be hundreds of thousands."""

_NAME_LIMIT = 1_024
_CHUNK = 20_000  # records read or written at a time
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # no database's text holds these


class Ledger:
    """A ledger in an SQLite file or a PostgreSQL database. It is made by the first verdict, never by looking.

    Each call opens and closes the database, so a ledger may be shared by threads and outlive a fork, and any number
    of processes may write at once: one after another, each in one transaction.

    Parameters
    ----------
    place
        A path, ``sqlite:///path`` or ``postgresql+psycopg://user@host/database``.
    clock
        Gives the time of a verdict, aware; the computer's clock by default.
    patience
        Seconds to wait while others write, before a `LedgerError`.

    Raises
    ------
    LedgerError
        Where the address can't be used. All methods raise it where the database can't be.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     ledger = Ledger(f"{folder}/ledger.db")
    ...     added = ledger.judge(["0fd1a2b3c4d5:7"], "VI", comment="port scan", analyst="ada")
    ...     ledger.verify().ok
    True
    """

    def __init__(
        self,
        place: str | PathLike[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: float = 30.0,
    ):
        self._store = open_store(place, patience=patience)
        self._clock = clock
        self._known: dict[str, tuple[int, str, dict[str, str]]] = {}

    def __repr__(self) -> str:
        return f"<Ledger {self._store.name}>"

    @property
    def name(self) -> str:
        """The path, or the URL without its password."""
        return self._store.name

    def judge(
        self,
        subjects: Iterable[str | int] | str | int,
        category: str | Category,
        *,
        kind: str = "alert",
        comment: str = "",
        analyst: str | None = None,
    ) -> pd.DataFrame:
        """Record a verdict on each subject, all in one transaction, and return the new rows of VERDICTS.

        Characters that no database keeps in text (NUL, lone surrogates) are recorded as their escapes.

        Parameters
        ----------
        subjects
            What is judged: names of alerts, numbers of sessions ...; one named twice is judged once.
        category
            A category: ``I`` ... ``VII``, ``NA``, ``ESC``, ``NEW``; see `CATEGORIES`.
        kind
            One of `KINDS`.
        comment
            Why. Escalating demands one.
        analyst
            Who; by default the environment's NSM_ANALYST, else the name of the account.

        Raises
        ------
        LedgerError
            Where the verdict is refused or can't be recorded; nothing is then recorded.
        """
        chosen = _category(category)
        subjects = _subjects(subjects)
        if kind not in KINDS:
            raise LedgerError(f"{printable(kind)!r} can't be judged; one of {', '.join(KINDS)} can")
        if len(comment) > COMMENT_LIMIT:
            raise LedgerError(
                f"the comment has {len(comment):,} characters and {COMMENT_LIMIT:,} is the most; "
                "keep the long text in a file of the case and name it in the comment"
            )
        if chosen.needs_comment and not any(each.isprintable() and not each.isspace() for each in comment):
            raise LedgerError(f"{chosen.short} ({chosen.name}) needs a comment: say why, with comment='...'")
        analyst = _analyst(analyst)
        comment = _storable(comment)

        def work(connection: sa.Connection) -> list[Record]:
            records = extend(
                _last(connection),
                subjects,
                time=_iso(self._clock()),  # read under the lock, so that times follow the order of the records
                analyst=analyst,
                subject_kind=kind,
                category=chosen.short,
                comment=comment,
            )
            for start in range(0, len(records), _CHUNK):
                self._store.insert(connection, records[start : start + _CHUNK])
            return records

        return _table(self._store.write(work))

    def verdicts(self) -> pd.DataFrame:
        """Return all records, in the order they were made, as VERDICTS."""
        return _table(self._store.read(lambda connection: _select(connection, sa.true())) or [])

    def history(self, subject: str | int, kind: str = "alert") -> pd.DataFrame:
        """Return the records of one subject, oldest first, as VERDICTS."""
        (name,) = _subjects(subject)
        wanted = (verdicts.c.subject_kind == kind) & (verdicts.c.subject == name)
        return _table(self._store.read(lambda connection: _select(connection, wanted)) or [])

    def status(self, kind: str = "alert") -> pd.Series:
        """Return the latest category of each judged subject: short names, indexed by subject.

        A subject that was made new again is there, as ``NEW``; one never judged is not.
        """
        after, digest, known = self._known.get(kind, (0, EMPTY, {}))

        def work(connection: sa.Connection) -> tuple[tuple[int, str], bool, Sequence[sa.Row]]:
            # A ledger only grows, so only what is new is read - unless another file has taken its place.
            tip = connection.scalar(sa.select(verdicts.c.digest).where(verdicts.c.id == after))
            same = bool(tip == digest)
            new = (verdicts.c.subject_kind == kind) & (verdicts.c.id > (after if same else 0))
            query = sa.select(verdicts.c.subject, verdicts.c.category).where(new).order_by(verdicts.c.id)
            return _last(connection), same, connection.execute(query).all()

        last, same, rows = self._store.read(work) or ((0, EMPTY), False, ())
        known = {**(known if same else {}), **{str(row[0]): str(row[1]) for row in rows}}
        self._known[kind] = (*last, known)
        index = pd.Index(list(known), dtype="str", name="subject")
        return pd.Series(list(known.values()), index=index, dtype="str", name="category")

    def head(self) -> str:
        """Return the digest of the last record, 64 zeros where there is none. A report carries it."""
        return self._store.read(lambda connection: _last(connection)[1]) or EMPTY

    def verify(self, *, head: str | None = None) -> Verification:
        """Check every record against the chain, and that the database still refuses changes.

        Parameters
        ----------
        head
            A digest noted earlier (a report carries one). Without it, records that were cut off the end and a
            ledger written anew go unseen, except that an SQLite file often remembers how many there were.

        Returns
        -------
        Verification
            `first_bad` and `reason` say what was found first: a record that was changed, is missing or was moved;
            a head that is not there; triggers that are gone. A ledger that has grown since `head` is fine.
        """
        head = head.strip().lower() if head is not None else None
        # A transaction for each part, not one for all: nobody who writes waits for a long check.
        seen = self._store.read(
            lambda connection: (
                _last(connection)[0],
                self._store.highest(connection),
                self._store.lost_protection(connection),
            )
        )
        last, highest, lost = seen or (0, 0, [])
        if seen is None and head in (None, EMPTY):
            return Verification(True, 0, EMPTY, None, "nothing has been judged yet, so there is no ledger")
        found = check(self._records(), last=last, head=head)
        if found.first_bad is None and found.count < highest:
            return Verification(
                False,
                found.count,
                found.head,
                found.count + 1,
                f"record {found.count + 1} is missing: the ledger ends before it, and once had {highest:,} records",
            )
        if found.ok and lost:
            return Verification(
                False,
                found.count,
                found.head,
                None,
                f"{found.reason}; but the triggers that keep the database from changes are not as they were made: "
                f"{printable(', '.join(lost))}",
            )
        return found

    def _records(self) -> Iterator[Record]:
        """Yield all records as they are stored, in the order of their numbers."""
        after: int | None = None
        while True:
            beyond = sa.true() if after is None else verdicts.c.id > after

            def part(connection: sa.Connection, beyond: sa.ColumnElement[bool] = beyond) -> list[Record]:
                return _select(connection, beyond, limit=_CHUNK)

            rows = self._store.read(part, broken="surrogateescape")
            if not rows:
                return
            yield from rows
            after = rows[-1].id


def _select(connection: sa.Connection, wanted: sa.ColumnElement[bool], *, limit: int | None = None) -> list[Record]:
    rows = connection.execute(sa.select(verdicts).where(wanted).order_by(verdicts.c.id).limit(limit))
    return [Record(*row) for row in rows.all()]


def _last(connection: sa.Connection) -> tuple[int, str]:
    row = connection.execute(
        sa.select(verdicts.c.id, verdicts.c.digest).order_by(verdicts.c.id.desc()).limit(1)
    ).one_or_none()
    return (row[0], row[1]) if row is not None else (0, EMPTY)


def _table(records: list[Record]) -> pd.DataFrame:
    table = pd.DataFrame(records, columns=list(Record._fields))
    # Where somebody edited the file, a text can be anything; it is shown as text, and verify() names the record.
    for name in table.columns[1:]:
        if not isinstance(table[name].dtype, pd.StringDtype):
            table[name] = [printable(each) for each in table[name]]
    # A time that somebody edited into nonsense is missing.
    table["time"] = pd.to_datetime(table["time"], format="%Y-%m-%dT%H:%M:%S.%fZ", utc=True, errors="coerce")
    return VERDICTS.conform(table)


def _iso(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("the clock of a ledger must give aware times, such as datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _storable(text: str) -> str:
    if not _UNSTORABLE.search(text):
        return text
    # A surrogate pair that came as two characters (JSON, Windows) is one character.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _UNSTORABLE.sub(lambda match: printable(match.group()), whole)


def _category(category: str | Category) -> Category:
    found = CATEGORIES.get(category.short) if isinstance(category, Category) else find(str(category))
    if found is None:
        raise LedgerError(f"there is no category {printable(category)!r}; the categories are {', '.join(CATEGORIES)}")
    return found


def _subjects(subjects: Iterable[str | int] | str | int) -> list[str]:
    single = isinstance(subjects, (str, numbers.Integral))
    names: dict[str, None] = {}
    for each in [subjects] if single else subjects:  # type: ignore[union-attr, list-item]
        if isinstance(each, str):
            name = _storable(each)
        elif isinstance(each, numbers.Integral) and not isinstance(each, bool):
            name = str(int(each))  # the number of a session, whatever NumPy calls it
        else:
            raise LedgerError(f"{printable(repr(each))} names nothing; a subject is a text or a whole number")
        if not 0 < len(name) <= _NAME_LIMIT:
            raise LedgerError(f"a text of {len(name):,} characters names no subject; it has 1 to {_NAME_LIMIT:,}")
        names[name] = None
    if not names:
        raise LedgerError("nothing was chosen: name at least one subject to judge")
    return list(names)


def _analyst(analyst: str | None) -> str:
    if analyst is None:
        analyst = os.environ.get("NSM_ANALYST", "")
        if not analyst.strip():
            try:
                analyst = getpass.getuser()
            except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
                analyst = ""
    if not analyst.strip():
        raise LedgerError("nobody judges: give analyst='...', or set NSM_ANALYST in the environment")
    if len(analyst) > _NAME_LIMIT:
        raise LedgerError(f"an analyst's name of {len(analyst):,} characters is too long; {_NAME_LIMIT:,} is the most")
    return _storable(analyst.strip())
