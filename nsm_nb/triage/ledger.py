"""The ledger: every verdict, by whom, when and why. It only grows, and its records are chained by their digests.

Rules and what analysts tell each other are records of the same chain; who looks at what just now is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa

from nsm_nb.errors import LedgerError
from nsm_nb.text import many, printable
from nsm_nb.triage.categories import Category
from nsm_nb.triage.chain import EMPTY, Act, Record, Reference, Verification, check, extend
from nsm_nb.triage.given import COMMENT_LIMIT, analyst_name, category_of, comment_text, iso, names_of
from nsm_nb.triage.investigations import Investigations
from nsm_nb.triage.messages import Messages
from nsm_nb.triage.rows import table_of
from nsm_nb.triage.rulebook import Rulebook
from nsm_nb.triage.store import open_store
from nsm_nb.triage.tables import verdicts, verdicts_of

__all__ = ["COMMENT_LIMIT", "KINDS", "Ledger", "Mark", "News"]

KINDS = ("alert", "session", "packet", "host")
"""What can be judged."""

_CHUNK = 20_000  # records read or written at a time


class Mark(NamedTuple):
    """A place in a ledger: the last record that was read, and its digest."""

    id: int
    digest: str


class News(NamedTuple):
    """What the records since a mark say.

    Attributes
    ----------
    mark
        Where to go on from.
    changed
        The latest category of each subject that was judged since, by subject.
    whole
        True where `changed` is all there is: nothing was read before, or another ledger has taken the place of the one
        that was.
    """

    mark: Mark
    changed: dict[str, str]
    whole: bool


class Ledger(Messages, Investigations, Rulebook):
    """A ledger in an SQLite file, or in PostgreSQL or MariaDB. It is made by the first verdict, never by looking.

    A ledger may be shared by threads and outlive a fork, and any number of processes may write at once: one after
    another, each in one transaction. An SQLite file is opened and closed by each call; to a server one connection is kept.

    Parameters
    ----------
    place
        A path, ``sqlite:///path``, ``postgresql+psycopg://user@host/database`` or
        ``mariadb+pymysql://user@host/database``.
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
        self._known: dict[str, tuple[Mark, dict[str, str]]] = {}

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
        references: Mapping[str, Reference] | None = None,
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
        references
            Where in the evidence a subject stands, by subject.

        Raises
        ------
        LedgerError
            Where the verdict is refused or can't be recorded; nothing is then recorded.
        """
        chosen = category_of(category)
        names = names_of(subjects)
        if kind not in KINDS:
            raise LedgerError(f"{printable(kind)!r} can't be judged; one of {', '.join(KINDS)} can")
        comment = comment_text(comment, chosen)
        return table_of(self.record([Act(names, chosen.short, comment, analyst_name(analyst), kind, references)]))

    def record(self, acts: Sequence[Act], *, unjudged: bool = False) -> list[Record]:
        """Record acts that were checked already, all in one transaction; return the new records.

        Parameters
        ----------
        acts
            What to record. Those of one call carry the same time.
        unjudged
            Leave out subjects that somebody has judged before, be it a moment ago: a rule never overrules an analyst.
        """

        def work(connection: sa.Connection) -> list[Record]:
            place = _last(connection)
            if not (isinstance(place.id, int) and isinstance(place.digest, str)):
                raise _remade(self.name)
            time = iso(self._clock())  # read under the lock, so that times follow the order of the records
            records: list[Record] = []
            taken: set[tuple[str, str]] = set()
            for act in acts:
                subjects = act.subjects
                if unjudged:
                    before = self._judged(connection, act.kind)
                    subjects = [each for each in subjects if each not in before and (act.kind, each) not in taken]
                    taken.update((act.kind, each) for each in subjects)
                added = extend(
                    place,
                    subjects,
                    time=time,
                    analyst=act.analyst,
                    subject_kind=act.kind,
                    category=act.category,
                    comment=act.comment,
                    references=act.references,
                )
                if added:
                    place = Mark(added[-1].id, added[-1].digest)
                records += added
            for start in range(0, len(records), _CHUNK):
                self._store.insert(connection, records[start : start + _CHUNK])
            return records

        return self._store.write(work)

    def verdicts(self) -> pd.DataFrame:
        """Return all verdicts, in the order they were made, as VERDICTS; rules and messages are not among them."""
        return table_of(self._select(verdicts.c.subject_kind.not_in(("rule", "message"))))

    def history(self, subject: str | int, kind: str = "alert") -> pd.DataFrame:
        """Return the records of one subject, oldest first, as VERDICTS."""
        (name,) = names_of(subject)
        return table_of(self._select((verdicts.c.subject_kind == kind) & (verdicts.c.subject == name)))

    def status(self, kind: str = "alert") -> pd.Series:
        """Return the latest category of each judged subject: short names, indexed by subject.

        A subject that was made new again is there, as ``NEW``; one never judged is not.
        """
        known = self._status(kind)
        index = pd.Index(list(known), dtype="str", name="subject")
        return pd.Series(list(known.values()), index=index, dtype="str", name="category")

    def status_since(self, mark: Mark | None = None, kind: str = "alert") -> News:
        """Return what was judged since a mark: the work is that of the new records, however long the ledger is.

        Parameters
        ----------
        mark
            The `mark` of an earlier answer; None to read all.
        kind
            One of `KINDS`.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     ledger = Ledger(f"{folder}/ledger.db")
        ...     added = ledger.judge(range(3), "VI", analyst="ada")
        ...     news = ledger.status_since()
        ...     added = ledger.judge([1], "NA", analyst="bob")
        ...     ledger.status_since(news.mark).changed
        {'1': 'NA'}
        """
        found = self._store.read(lambda connection, _: _news(connection, mark, kind))
        return found or News(Mark(0, EMPTY), {}, True)

    def head(self) -> str:
        """Return the digest of the last record, 64 zeros where there is none. A report carries it."""
        return self._store.read(lambda connection, _: _last(connection).digest) or EMPTY

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
            a head that is not there; triggers that are gone; a table that is not as it was made. A ledger that has grown
            since `head` is fine.
        """
        head = head.strip().lower() if head is not None else None
        # A transaction for each part, not one for all: nobody who writes waits for a long check.
        seen = self._store.read(
            lambda connection, version: (
                connection.scalar(sa.select(sa.func.max(verdicts.c.id))),
                self._store.highest(connection),
                self._store.lost_protection(connection),
                self._store.remade(connection, version),
            )
        )
        last, highest, lost, remade = seen or (0, 0, [], "")
        if seen is None and head in (None, EMPTY):
            return Verification(True, 0, EMPTY, None, "nothing has been judged yet, so there is no ledger")
        last = last if isinstance(last, int) else 0
        found = check(self._records(), last=last, head=head) if not remade else self._check_all(last, head)
        if remade:
            said = f"{found.reason}; but the tables are not as they were made: {remade}"
            return Verification(False, found.count, found.head, found.first_bad, said)
        if found.first_bad is None and found.count < highest:
            return Verification(
                False,
                found.count,
                found.head,
                found.count + 1,
                f"record {found.count + 1} is missing: the ledger ends before it, and once had {many(highest, 'record')}",
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

    def _check_all(self, last: int, head: str | None) -> Verification:
        """Check the rows of a table that was remade: its numbers may be doubled, so they can't lead from page to page."""

        def work(connection: sa.Connection, version: int) -> Verification:
            query = sa.select(*verdicts_of(version)).order_by(verdicts.c.id).execution_options(yield_per=_CHUNK)
            with connection.execute(query) as rows:
                return check((Record(*row) for row in rows), last=last, head=head)

        found = self._store.read(work, broken="surrogateescape")
        return Verification(False, 0, EMPTY, None, "the ledger is gone") if found is None else found

    def _records(self) -> Iterator[Record]:
        """Yield all records as they are stored, in the order of their numbers."""
        after: int | None = None
        while True:
            beyond = sa.true() if after is None else verdicts.c.id > after
            rows = self._select(beyond, limit=_CHUNK, broken="surrogateescape")
            if not rows:
                return
            yield from rows
            after = rows[-1].id

    def _select(
        self, wanted: sa.ColumnElement[bool], *, limit: int | None = None, broken: str = "backslashreplace"
    ) -> list[Record]:
        def work(connection: sa.Connection, version: int) -> list[Record]:
            query = sa.select(*verdicts_of(version)).where(wanted).order_by(verdicts.c.id).limit(limit)
            return [Record(*row) for row in connection.execute(query).all()]

        rows = self._store.read(work, broken=broken) or []
        if not all(isinstance(each.id, int) for each in rows):
            raise _remade(self.name)
        return rows

    def _status(self, kind: str) -> dict[str, str]:
        mark, known = self._known.get(kind, (None, {}))
        news = self.status_since(mark, kind)
        if news.whole:
            known = news.changed
        elif news.changed:
            known = {**known, **news.changed}  # not in place: another thread may be reading it
        self._known[kind] = (news.mark, known)
        return known

    def _judged(self, connection: sa.Connection, kind: str) -> Mapping[str, str]:
        """Return what was judged until now, within a transaction that writes."""
        mark, known = self._known.get(kind, (None, {}))
        news = _news(connection, mark, kind)
        return news.changed if news.whole else {**known, **news.changed}


def _remade(name: str) -> LedgerError:
    return LedgerError(
        f"{name}: a record's number or digest is none, so the table was remade by somebody; verify() says more; "
        "bring the ledger back from a copy"
    )


def _news(connection: sa.Connection, mark: Mark | None, kind: str) -> News:
    after, digest = mark or (0, EMPTY)
    # A ledger only grows, so only what is new is read - unless another one has taken its place.
    same = after > 0 and connection.scalar(sa.select(verdicts.c.digest).where(verdicts.c.id == after)) == digest
    last = _last(connection)
    changed: dict[str, str] = {}
    if last != mark:
        # The kind is looked at here: asked for it, SQLite takes the index of subjects and goes through all of them.
        columns = verdicts.c.subject_kind, verdicts.c.subject, verdicts.c.category
        new = sa.select(*columns).where(verdicts.c.id > (after if same else 0)).order_by(verdicts.c.id)
        rows = connection.execute(new).all()
        changed = {str(subject): str(category) for its, subject, category in rows if its == kind}
    return News(last, changed, not same)


def _last(connection: sa.Connection) -> Mark:
    row = connection.exec_driver_sql("SELECT id, digest FROM verdicts ORDER BY id DESC LIMIT 1").one_or_none()
    return Mark(row[0], row[1]) if row is not None else Mark(0, EMPTY)
