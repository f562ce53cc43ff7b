"""Who is looking at what: soft locks, which tell and never hold anybody back. They pass by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import sqlalchemy as sa

from nsm_nb.errors import LedgerError
from nsm_nb.triage.given import analyst_name, iso, names_of
from nsm_nb.triage.rows import times_of
from nsm_nb.triage.tables import investigations

if TYPE_CHECKING:
    from nsm_nb.triage.store import Store

__all__ = ["Investigations"]

_COLUMNS = ("subject_kind", "subject", "analyst", "since", "expires")
_AT_ONCE = 500  # subjects that one statement names


class Investigations:
    """The part of a ledger that knows who is looking at what."""

    _store: Store
    _clock: Callable[[], datetime]

    def investigate(
        self,
        subjects: Iterable[str | int] | str | int,
        analyst: str | None = None,
        *,
        kind: str = "alert",
        minutes: float = 15,
    ) -> pd.DataFrame:
        """Say that an analyst is looking at subjects; return who else is.

        What the analyst looked at before, of the same kind, is released. Nothing is locked: verdicts of others go on.

        Parameters
        ----------
        subjects
            Names of alerts, numbers of sessions ...
        analyst
            Who; by default as for a verdict.
        kind
            What they are.
        minutes
            When this passes by itself, as after a closed notebook.

        Returns
        -------
        DataFrame
            Those others that look at one of the subjects just now; columns as `locks`.
        """
        names, who = names_of(subjects), analyst_name(analyst)
        if not minutes > 0:
            raise LedgerError("an investigation takes some time: minutes must be more than 0")

        def work(connection: sa.Connection) -> None:
            now = self._clock()
            since, expires = iso(now), iso(now + timedelta(minutes=minutes))
            mine = (investigations.c.subject_kind == kind) & (investigations.c.analyst == who)
            connection.execute(investigations.delete().where(mine | (investigations.c.expires <= since)))
            connection.execute(
                investigations.insert(),
                [
                    {"subject_kind": kind, "subject": name, "analyst": who, "since": since, "expires": expires}
                    for name in names
                ],
            )

        self._store.write(work)
        others = self.locks(kind)
        return others[(others["analyst"] != who) & others["subject"].isin(names)].reset_index(drop=True)

    def release(
        self,
        subjects: Iterable[str | int] | str | int | None = None,
        analyst: str | None = None,
        *,
        kind: str | None = None,
    ) -> None:
        """Say that an analyst no longer looks at subjects; at nothing at all where none are named."""
        names, who = None if subjects is None else names_of(subjects), analyst_name(analyst)
        mine = investigations.c.analyst == who
        if kind is not None or names is not None:
            mine &= investigations.c.subject_kind == (kind or "alert")

        def work(connection: sa.Connection) -> None:
            if names is None:
                connection.execute(investigations.delete().where(mine))
                return
            for start in range(0, len(names), _AT_ONCE):
                named = investigations.c.subject.in_(names[start : start + _AT_ONCE])
                connection.execute(investigations.delete().where(mine & named))

        if self._store.read(_whether_any):  # nothing is made or locked to take nothing away
            self._store.write(work)

    def locks(self, kind: str | None = None) -> pd.DataFrame:
        """Return who is looking at what: `subject_kind subject analyst since expires`; what has passed is left out.

        Times are those of the computers that the analysts sit at.
        """
        now = iso(self._clock())

        def work(connection: sa.Connection, version: int) -> list[tuple]:
            if version < 2:
                return []
            wanted = investigations.c.expires > now
            if kind is not None:
                wanted &= investigations.c.subject_kind == kind
            columns = [investigations.c[name] for name in _COLUMNS]
            return [
                tuple(row)
                for row in connection.execute(sa.select(*columns).where(wanted).order_by(investigations.c.id))
            ]

        rows = self._store.read(work) or []
        table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype="str")
        return table.assign(**{name: times_of(table[name].tolist()) for name in ("since", "expires")})


def _whether_any(connection: sa.Connection, version: int) -> bool:
    return version >= 2 and connection.scalar(sa.select(investigations.c.id).limit(1)) is not None
