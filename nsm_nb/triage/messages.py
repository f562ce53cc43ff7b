"""What analysts tell each other, as records of the ledger's chain; and how far each has read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable
from nsm_nb.triage.chain import Act, Record
from nsm_nb.triage.given import COMMENT_LIMIT, analyst_name, names_of, storable
from nsm_nb.triage.rows import times_of
from nsm_nb.triage.tables import read_marks, verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nsm_nb.triage.store import Store

__all__ = ["ALL", "Messages"]

ALL = "*"
"""The subject of a message to everybody."""

_COLUMNS = {
    "id": "Int64", "time": "datetime64[ns, UTC]", "analyst": "str", "to": "str", "text": "str", "about_kind": "str",
    "about": "str",
}  # fmt: skip


class Messages:
    """The part of a ledger that keeps what analysts tell each other.

    A message is a record of the chain: nobody can take back what was said, or change it. A message to one person is
    only addressed to that person; whoever may read the database may read it.
    """

    _store: Store
    _clock: Callable[[], datetime]
    record: Callable[[Sequence[Act]], list[Record]]
    _select: Callable[..., list[Record]]

    def say(
        self,
        text: str,
        *,
        to: str | None = None,
        about: str | int | None = None,
        kind: str = "alert",
        analyst: str | None = None,
    ) -> pd.DataFrame:
        """Tell the other analysts something; return the message's row, as `messages` has it.

        Parameters
        ----------
        text
            What to say.
        to
            Whom; everybody where not given.
        about, kind
            The alert, session ... that it is about.
        analyst
            Who says it; by default as for a verdict.
        """
        who = analyst_name(analyst)
        if not text.strip():
            raise LedgerError("there is nothing to say: the text is empty")
        content: dict[str, Any] = {"text": storable(text)}
        if about is not None:
            content["about"] = [storable(kind), *names_of(about)]
        comment = json.dumps(content, ensure_ascii=False, sort_keys=True)
        if len(comment) > COMMENT_LIMIT:
            raise LedgerError(f"the message has {len(text):,} characters; {COMMENT_LIMIT:,} is about the most")
        subject = ALL if to is None else analyst_name(to)
        return _table(self.record([Act([subject], "", comment, who, "message")]))

    def messages(self, since: int = 0, *, analyst: str | None = None) -> pd.DataFrame:
        """Return what was said, oldest first: `id time analyst to text about_kind about`; `to` is missing where it was all.

        Parameters
        ----------
        since
            Only what was said after the message of this `id`.
        analyst
            Only what this analyst said, was told, or what was told to all.
        """
        wanted = (verdicts.c.subject_kind == "message") & (verdicts.c.id > since)
        if analyst is not None:
            name = analyst_name(analyst)
            wanted &= verdicts.c.subject.in_((ALL, name)) | (verdicts.c.analyst == name)
        return _table(self._select(wanted))

    def unread(self, analyst: str | None = None) -> pd.DataFrame:
        """Return what others told an analyst, or all, since `mark_read`; as `messages` does."""
        name = analyst_name(analyst)
        last = self._store.read(lambda connection, version: _last_read(connection, name) if version >= 2 else 0) or 0
        table = self.messages(last, analyst=name)
        return table[table["analyst"] != name].reset_index(drop=True)

    def mark_read(self, analyst: str | None = None, *, last: int | None = None) -> None:
        """Say that an analyst has read all messages, or those up to the `id` of the last one that was read."""
        name = analyst_name(analyst)

        def work(connection: sa.Connection) -> None:
            newest = connection.scalar(
                sa.select(sa.func.max(verdicts.c.id)).where(verdicts.c.subject_kind == "message")
            )
            before = _last_read(connection, name)
            here = max(before, min(newest or 0, newest or 0 if last is None else int(last)))
            if here > before:
                connection.execute(read_marks.delete().where(read_marks.c.analyst == name))
                connection.execute(read_marks.insert(), [{"analyst": name, "last": here}])

        if len(self.unread(name)):
            self._store.write(work)


def _last_read(connection: sa.Connection, analyst: str) -> int:
    return int(connection.scalar(sa.select(sa.func.max(read_marks.c.last)).where(read_marks.c.analyst == analyst)) or 0)


def _table(records: list[Record]) -> pd.DataFrame:
    rows = []
    for record in records:
        text, about = _content(record.comment)
        to = None if record.subject == ALL else record.subject
        rows.append((record.id, None, record.analyst, to, text, *about))
    table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    table["time"] = times_of([record.time for record in records])
    return table.astype(_COLUMNS)


def _content(comment: str) -> tuple[str, tuple[str | None, str | None]]:
    try:
        content = json.loads(comment)
        kind, name = content.get("about") or (None, None)
        return str(content["text"]), (kind if kind is None else str(kind), name if name is None else str(name))
    except (ValueError, KeyError, TypeError, AttributeError):  # somebody edited it: verify() names the record
        return printable(comment, lines=True), (None, None)
