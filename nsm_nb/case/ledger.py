"""The ledger of a case: verdicts are found under every name that an alert has had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from nsm_nb.case.identity import Naming
from nsm_nb.triage.chain import Act, Record
from nsm_nb.triage.ledger import Ledger, Mark, News
from nsm_nb.triage.rows import table_of
from nsm_nb.triage.tables import verdicts

__all__ = ["CaseLedger"]

_ASKED = 500  # subjects in one question


class _Mark(Mark):
    """A place in a ledger, and how alerts were named when it was read."""

    naming: Naming | None = None


class CaseLedger(Ledger):
    """A ledger that knows what names of alerts mean in a case: an answer about alerts is in their present names.

    What is recorded keeps the name that it had. `verdicts` shows the records as they are.

    Parameters
    ----------
    place
        As `Ledger`.
    naming
        Says what names mean now; the same object as long as they mean the same.
    """

    def __init__(self, place: Any, naming: Callable[[], Naming], **options: Any):
        super().__init__(place, **options)
        self._naming = naming

    def status_since(self, mark: Mark | None = None, kind: str = "alert") -> News:
        """Return what was judged since a mark, as `Ledger.status_since`; all of it, where alerts are named anew since."""
        if kind != "alert":
            return super().status_since(mark, kind)
        held = mark.naming if isinstance(mark, _Mark) else None
        if held is not None and held is not self._naming():
            mark = held = None
        news = super().status_since(mark, kind)
        if held is None and not news.changed:
            return news  # nothing is judged yet, so no names are asked for
        naming = held or self._naming()
        after = _Mark(*news.mark)
        after.naming = naming
        return News(after, self._latest(news.changed, naming), news.whole)

    def _latest(self, changed: Mapping[str, str], naming: Naming) -> dict[str, str]:
        """Return categories by present names; of what was judged under several names the latest."""
        found = _renamed(changed, naming)
        if len(found) == len(changed):
            return found
        of_name: dict[str, list[str]] = {}
        for subject in changed:
            of_name.setdefault(naming.now(subject), []).append(subject)
        several = [subject for subjects in of_name.values() if len(subjects) > 1 for subject in subjects]
        records: list[Record] = []
        for start in range(0, len(several), _ASKED):
            asked = verdicts.c.subject.in_(several[start : start + _ASKED])
            records += self._select((verdicts.c.subject_kind == "alert") & asked)
        for record in sorted(records, key=lambda each: each.id):
            found[naming.now(str(record.subject))] = str(record.category)
        return found

    def history(self, subject: str | int, kind: str = "alert") -> pd.DataFrame:
        """Return the records of one subject, oldest first, as VERDICTS; of an alert those under all its names."""
        if kind != "alert":
            return super().history(subject, kind)
        names = self._naming().all(str(subject))
        return table_of(self._select((verdicts.c.subject_kind == kind) & verdicts.c.subject.in_(names)))

    def record(self, acts: Sequence[Act], *, unjudged: bool = False) -> list[Record]:
        """Record acts, as `Ledger.record`; what was judged under another name is judged."""
        if unjudged:
            self._naming()  # not within the transaction, for which others wait
        return super().record(acts, unjudged=unjudged)

    def _judged(self, connection: Any, kind: str) -> Mapping[str, str]:
        found = super()._judged(connection, kind)
        return {**found, **_renamed(found, self._naming())} if kind == "alert" and found else found


def _renamed(changed: Mapping[str, str], naming: Naming) -> dict[str, str]:
    if not naming.meant and not naming.told:
        return dict(changed)
    return {naming.now(subject): category for subject, category in changed.items()}
