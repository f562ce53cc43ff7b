"""The queue as tables: the alerts that wait, folded into groups, kept true from verdict to verdict.

After a verdict only the rows that it judged go: folding all alerts anew for each key would cost what the case has alerts.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb.errors import NsmError
from nsm_nb.query import Query
from nsm_nb.query import compile as understood
from nsm_nb.text import printable
from nsm_nb.triage import CATEGORIES

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.triage.ledger import Mark

__all__ = ["TABS", "Queue"]

#: The tabs, and which categories they show; all where None.
TABS: Mapping[str, tuple[str, ...] | None] = {"RealTime": ("NEW",), "Escalated": ("ESC",), "All": None}

_SHORT = list(CATEGORIES)
_NEW = _SHORT.index("NEW")


class Queue:
    """The alerts of a case in groups, by `by`, `gap` and `events`, narrowed by a query line.

    Parameters
    ----------
    case
        An open case.
    """

    def __init__(self, case: Case):
        self.case = case
        self.by: tuple[str, ...] = ("src_ip", "message")
        self.gap: str | None = None
        self.events = case.alerts["sensor"].nunique() > 1
        self.troubles: list[str] = []
        self.locks: dict[str, str] = {}
        self._query: Query = understood("")
        self._alerts = case.alerts.head(0)
        self._names = pd.Index([], dtype=object)
        self._codes = np.array([], np.int8)  # the category of each alert, as its place among CATEGORIES
        self._unknown: dict[str, str] = {}  # verdicts on alerts that are not here, or not here yet
        self._mark: Mark | None = None
        self._groups: pd.DataFrame | None = None  # of all categories; None where it has to be folded anew
        self._waiting: pd.DataFrame | None = None
        self._numbers = np.array([], np.int64)  # the group of each row of `_waiting`
        self._sizes = np.array([], np.int64)  # of each group, in alerts
        self._group_of = np.array([], np.int64)  # of each alert
        self.look()

    # --- what changed

    def look(self) -> bool:
        """Take over new alerts and what was judged meanwhile, by whomever; return whether there was any of it."""
        fresh = self.case.alerts is not self._alerts
        if fresh:
            self._take_alerts()
        news = self.case.ledger.status_since(self._mark)
        anew = news.whole and self._mark is not None and self._mark.id > 0
        if anew:  # another ledger has taken the place of the one that was
            self._codes[:] = _NEW
            self._unknown, self._groups, self._waiting = {}, None, None
        self._mark = news.mark
        self._take(news.changed)
        return fresh or anew or bool(news.changed)

    def _take_alerts(self) -> None:
        names = pd.Index(self.case.alerts["alert"].to_numpy(object), dtype=object)  # not Arrow's: see alert_places
        codes = np.full(len(names), _NEW, np.int8)
        here = names.get_indexer(self._names)
        codes[here[here >= 0]] = self._codes[here >= 0]
        self._alerts, self._names, self._codes = self.case.alerts, names, codes
        self._groups = self._waiting = None
        came, self._unknown = self._unknown, {}
        self._take(came)

    def _take(self, changed: Mapping[str, str]) -> None:
        if not changed:
            return
        places = self._names.get_indexer(pd.Index(list(changed), dtype=object))
        codes = np.array([_SHORT.index(each) if each in CATEGORIES else _NEW for each in changed.values()], np.int8)
        self._unknown |= {name: each for (name, each), at in zip(changed.items(), places, strict=True) if at < 0}
        places, codes = places[places >= 0], codes[places >= 0]
        before = self._codes[places]
        self._codes[places] = codes
        self._groups = None
        if self._waiting is not None:
            came = (before != _NEW) & (codes == _NEW)
            self._waiting = None if came.any() else self._without(places[(before == _NEW) & (codes != _NEW)])

    def _without(self, judged: np.ndarray) -> pd.DataFrame | None:
        """Return what still waits without some alerts; None where only a part of a group was judged."""
        groups = self._group_of[judged]
        groups, counts = np.unique(groups[groups >= 0], return_counts=True)
        if (self._sizes[groups] != counts).any() or self._waiting is None:
            return None
        keep = ~np.isin(self._numbers, groups)
        self._numbers = self._numbers[keep]
        return _at(self._waiting, np.flatnonzero(keep))

    # --- what is asked for

    @property
    def query(self) -> str:
        """The query line that narrows it; `narrow` sets it."""
        return self._query.line

    def narrow(self, line: str) -> None:
        """Show only alerts that match a query line; `category`, `session` and `confidence` are columns there, too.

        Raises
        ------
        QueryError
            Where the line can't be understood; nothing is changed then.
        """
        query = understood(line)
        query.mask(self.asked())
        self._query = query
        self.again()

    def again(self) -> None:
        """Fold it anew when it is next looked at."""
        self._groups = self._waiting = None

    def asked(self) -> pd.DataFrame:
        """Return the alerts with the columns that a query may name besides theirs: `category`, `session`, `confidence`."""
        joins = self.case.joins
        category = pd.Categorical.from_codes(self._codes, categories=pd.Index(_SHORT, dtype="str"))
        return self._alerts.assign(
            category=category, session=joins["session"].array, confidence=joins["confidence"].array
        )

    def regroup(self, by: Sequence[str], *, gap: str | None = None, events: bool = False) -> None:
        """Group otherwise: by columns, parted where a group is silent for `gap`, with events of several sensors as one."""
        if gap:
            try:
                length = pd.Timedelta(gap)
            except ValueError:
                length = pd.Timedelta(0)
            if not length > pd.Timedelta(0):
                raise NsmError(f"{printable(gap)!r} is no length of time; write 10min, 1h or 1d")
        self.by, self.gap, self.events = tuple(by), gap or None, events
        self.again()

    # --- what there is

    def table(self, tab: str) -> pd.DataFrame:
        """Return the groups of a tab (one of `TABS`), with `st` (RT, else the category) and `who` looks at it."""
        kept = TABS[tab]
        if kept == ("NEW",):
            return self._locked(self._fold()[1] if self._waiting is None else self._waiting)
        groups = self._fold()[0] if self._groups is None else self._groups
        return self._locked(groups if kept is None else _at(groups, np.flatnonzero(groups["status"].isin(kept))))

    def _fold(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Fold all anew; return all groups, and those that wait."""
        try:
            self.troubles = self.case.apply_rules().attrs.get("troubles", [])
        except NsmError as problem:  # such as a ledger that is read-only: the queue can be looked at all the same
            self.troubles = [f"the rules judged nothing: {problem}"]
        news = self.case.ledger.status_since(self._mark)
        self._mark = news.mark
        self._take(news.changed)  # what the rules judged just now
        shown = self._alerts
        if "session" in self.by or self.query.strip():
            shown = self.asked()
        if "session" in self.by:  # those without one are not of one session
            missing = shown["session"].isna().to_numpy()
            shown = shown.assign(session=np.where(missing, -1 - np.arange(len(shown)), shown["session"].fillna(0)))
        if self.query.strip():
            shown = shown.take(np.flatnonzero(self._query.mask(shown if "session" not in self.by else self.asked())))
        events = self.case.events if self.events else None
        groups = alert_room.correlate(shown, by=self.by, status=self._status(), gap=self.gap, events=events)
        groups["st"] = groups["status"].where(groups["status"] != "NEW", "RT")
        names = groups["group"]
        groups["id"] = names.str.slice(0, 4) + names.str.slice(12)
        waiting = _at(groups, np.flatnonzero(groups["status"] == "NEW"))
        self._groups, self._waiting = groups, waiting
        self._sizes = np.array([len(each) for each in waiting["children"]], np.int64)
        self._numbers = np.arange(len(self._sizes))
        self._group_of = np.full(len(self._names), -1, np.int64)
        children = list(itertools.chain.from_iterable(waiting["children"]))
        self._group_of[self._names.get_indexer(pd.Index(children, dtype=object))] = np.repeat(
            self._numbers, self._sizes
        )
        return groups, waiting

    def _status(self) -> pd.Series:
        judged = np.flatnonzero(self._codes != _NEW)
        names = np.array(_SHORT, object)[self._codes[judged]]
        return pd.Series(names, index=self._names.take(judged), dtype="str")

    def _locked(self, groups: pd.DataFrame) -> pd.DataFrame:
        if not self.locks:
            return groups
        found: dict[int, str] = {}
        for row, children in enumerate(groups["children"]):
            who = {self.locks[each] for each in children if each in self.locks}
            if who:
                found[row] = ", ".join(sorted(who))
        return groups.assign(who=pd.array([found.get(row) for row in range(len(groups))], dtype="str"))

    def counts(self) -> tuple[Counter[int], Counter[str]]:
        """Return how many alerts wait, by priority (0 where it is unknown), and how many are judged, by category."""
        priority = self._alerts["priority"].to_numpy(np.int64, na_value=0)
        waiting, counts = np.unique(priority[self._codes == _NEW], return_counts=True)
        many = np.bincount(self._codes, minlength=len(_SHORT)).tolist()
        judged = {short: count for short, count in zip(_SHORT, many, strict=True) if count and short != "NEW"}
        return Counter(dict(zip(waiting.tolist(), counts.tolist(), strict=True))), Counter(judged)

    def children(self, names: Sequence[str]) -> pd.DataFrame:
        """Return alerts by name with their `status`, `session`, `confidence` and `how` they were joined."""
        places = self._names.get_indexer(pd.Index(list(names), dtype=object))
        places = places[places >= 0]
        table = _at(self._alerts, places)
        joins = self.case.joins
        added = {name: joins[name].array.take(places) for name in ("session", "confidence", "how")}
        status = pd.array(np.array(_SHORT, object)[self._codes[places]], dtype="str")
        return table.assign(**added, status=status, st=status.astype(object)).replace({"st": {"NEW": "RT"}})


def _at(table: pd.DataFrame, places: np.ndarray) -> pd.DataFrame:
    found = table.take(places)
    found.index = pd.RangeIndex(len(found))
    return found
