"""A case counted once by intervals of time, so that any window of whole intervals is quick to sum.

Packets are many, and what is asked of a window of time is few sums: by path of layers, by length, by session and side.
`Overview` makes those sums for each interval in one pass; a window then adds up what its intervals hold, and never
looks at a packet again. `nsm_nb.statistics.part` is the plain way to the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from nsm_nb import query as _query
from nsm_nb.statistics._counts import Counts
from nsm_nb.statistics._lanes import NONE, Lanes, largest
from nsm_nb.statistics._tally import evidence_of, numbers_of, times_of
from nsm_nb.statistics._view import Intervals, viewed
from nsm_nb.statistics.part import MEASURES, Window, matching, sessions_of
from nsm_nb.statistics.protocols import UNDECODED, protocols, tree
from nsm_nb.statistics.ranking import Carried, Ranking
from nsm_nb.statistics.sizes import by_powers
from nsm_nb.statistics.windows import NOT_A_TIME, interval, rows_within, time_at, whole_intervals

__all__ = ["Overview"]

Value = Literal["packets", "octets", "sessions", "alerts"]
By = Literal["proto", "host", "direction"]


class Overview:
    """Packets, sessions and alerts of a case, counted by intervals of time.

    Parameters
    ----------
    packets, sessions
        Tables of PACKETS and SESSIONS that belong together, as a case holds them. Without packets, sessions are counted
        where they start.
    alerts
        A table of ALERTS; with a column `session` an alert follows the session that it is about.
    home
        Networks of one's own, such as ``("10.0.0.0/8",)``: directions are then told by them.

    Examples
    --------
    >>> from nsm_nb.schema import PACKETS, SESSIONS
    >>> overview = Overview(PACKETS.empty(), SESSIONS.empty())
    >>> overview.totals()
    {'packets': 0, 'length': 0, 'sessions': 0, 'flows': 0, 'alerts': 0}
    """

    def __init__(
        self,
        packets: pd.DataFrame,
        sessions: pd.DataFrame,
        alerts: pd.DataFrame | None = None,
        *,
        home: Sequence[str] = (),
    ):
        self.packets = packets
        # text is slow to take and to look into; there are few histories
        text = {"history": sessions["history"].astype("category")} if "history" in sessions else {}
        self.sessions = sessions.assign(**text)
        self.alerts = pd.DataFrame({"time": pd.to_datetime([], utc=True)}) if alerts is None else alerts
        self._lanes = Lanes(home)
        self._place, self._counts_for = sessions_of(packets, sessions)
        self._captured = np.zeros(len(sessions), bool)
        self._captured[self._place[self._counts_for]] = True
        self._when, self._there = times_of(packets["time"])
        self._ordered = bool(self._there.all() and (np.diff(self._when) >= 0).all())
        self._start, _ = times_of(sessions["start"])
        self._end, _ = times_of(sessions["end"])
        self._alert_time, _ = times_of(self.alerts["time"])
        self._alert_place = self._sessions_of_alerts()
        self._evidence = list(dict.fromkeys([*evidence_of(packets), *evidence_of(sessions)]))
        self.query = ""
        self._whole: list[tuple[np.ndarray, np.ndarray]] | None = None
        self._kept: np.ndarray | None = None  # sessions
        self._packets_kept: np.ndarray | None = None
        self._alerts_kept = np.ones(len(self.alerts), bool)
        self.ranking = Ranking(self.sessions, home=home)
        self.look()

    def _sessions_of_alerts(self) -> np.ndarray:
        if "session" not in self.alerts or not len(self.sessions):
            return np.full(len(self.alerts), -1)
        numbers, there = numbers_of(self.alerts["session"])
        names = self.sessions["session"].to_numpy(np.int64, na_value=-1)
        return np.where(there, pd.Index(names).get_indexer(pd.Index(numbers)), -1)

    # --- what is counted ---

    def narrow(self, query: str) -> None:
        """Count only the sessions that match a line, and their packets and alerts.

        Raises
        ------
        QueryError
            Where the line can't be understood; what was counted before still is.
        """
        if query.strip():
            kept = _query.compile(query).mask(self.sessions)
            self._packets_kept = matching(self.packets, self._place, kept, query)
            self._alerts_kept = matching(self.alerts, self._alert_place, kept, query)
            self._kept = kept
        else:
            self._kept = self._packets_kept = None
            self._alerts_kept = np.ones(len(self.alerts), bool)
        self.query = query
        self.look(self._asked)

    def look(self, window: Window | None = None) -> None:
        """Count a stretch of time in intervals that suit its length; all of the time where it is None."""
        self._asked = window
        self._last: Any = None
        self._all: list[np.ndarray] | None = None
        first, last = self._span(window)
        every = interval((last - first) / 1e9)
        step = pd.Timedelta(every).value
        start = first // step * step
        count = max(1, -((start - last) // step)) if self.anything else 0
        rows, place = rows_within(
            self._when, self._there, self._packets_kept, start, step, count, ordered=self._ordered
        )
        packets = self.packets if isinstance(rows, slice) and rows == slice(None) else self.packets.iloc[rows]
        owner = self._place[rows].astype(np.int64), self._counts_for[rows]
        self.view = viewed(packets, place, owner, len(self.sessions), Intervals(start, step, count, every))

    @property
    def looked_at(self) -> Window | None:
        """What `look` was asked for last."""
        return self._asked

    @property
    def anything(self) -> bool:
        """True where there is anything with a time."""
        return bool(self._there.any() or (self._start != NOT_A_TIME).any())

    def _span(self, window: Window | None) -> tuple[int, int]:
        if window is not None:
            first, last = (pd.Timestamp(each).as_unit("ns").value for each in window)
            return first, max(last, first + 1)
        ends = [self._when[self._there], self._start[self._start != NOT_A_TIME]]
        if not any(map(len, ends)):
            return 0, 1
        first = min(int(each.min()) for each in ends if len(each))
        last = max(int(each.max()) for each in ends if len(each))
        return first, last + 1

    # --- windows ---

    def snapped(self, window: Window | None) -> Window:
        """Return the window of whole intervals that holds a window; all that is looked at where it is None."""
        low, high = self._places(window)
        view = self.view
        return time_at(view.edge(low)), time_at(view.edge(high))

    def _places(self, window: Window | None) -> tuple[int, int]:
        view = self.view
        return (0, view.intervals) if window is None else whole_intervals(view.start, view.step, view.intervals, window)

    def _everything(self, window: Window | None) -> bool:
        return window is None and self._asked is None

    def totals(self, window: Window | None = None) -> dict[str, int]:
        """Return how many packets, bytes on the wire, sessions, flow records among them, and alerts a window holds."""
        low, high = self._places(window)
        rows, length = self.view.layers.within(low, high, len(self.view.paths) + 1)
        places, _ = self._sessions(window)
        when = self._alert_time[self._alerts_kept]
        first, last = self.view.edge(low), self.view.edge(high)
        alerts = len(when) if self._everything(window) else int(((when >= first) & (when < last)).sum())
        flows = int((~self._captured[places]).sum())
        return {"packets": int(rows.sum()), "length": int(length.sum()), "sessions": len(places), "flows": flows,
                "alerts": alerts}  # fmt: skip

    def _sessions(self, window: Window | None) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the rows of the sessions of a window, and the sums of each session and side; none for all of the time."""
        places = None if self._everything(window) else self._places(window)
        if self._last is None or self._last[0] != places:
            self._last = (places, *self._made_sessions(places))
        return self._last[1:]

    def _payload(self, window: Window | None) -> np.ndarray:
        low, high = self._places(window)
        return self.view.sides.within(low, high, 2 * max(len(self.sessions), 1))[2]

    def _made_sessions(self, places: tuple[int, int] | None) -> tuple[np.ndarray, list[np.ndarray]]:
        kept = np.ones(len(self.sessions), bool) if self._kept is None else self._kept
        if places is None:
            return np.flatnonzero(kept), []
        low, high = places
        size = 2 * max(len(self.sessions), 1)
        if self._all is None:
            self._all = self.view.sides.within(0, self.view.intervals, size, first=2)
        # packets and octets: payload is asked for seldom
        sums = self.view.sides.within(low, high, size, self._all, first=2)
        first, last = self.view.edge(low), self.view.edge(high)
        here = (sums[0][::2] + sums[0][1::2])[: len(self.sessions)] > 0
        if self._captured.all():
            return np.flatnonzero(kept & here), sums
        touching = (self._start < last) & (self._end >= first) & (self._start != NOT_A_TIME) & (self._end != NOT_A_TIME)
        return np.flatnonzero(kept & np.where(self._captured, here, touching)), sums

    def carried(self, window: Window | None = None) -> Carried:
        """Return what each session carried in a window, for `ranking`."""
        rows, sums = self._sessions(window)
        count = len(self.sessions)
        there = np.zeros(count, bool)
        there[rows] = True
        if self._whole is None:
            self._whole = [_both_sides(self.sessions, *MEASURES[name]) for name in ("packets", "octets")]
        parts = []
        for number, (values, _) in enumerate(self._whole):
            if sums:
                values = sums[number][: 2 * count] if self._captured.all() else np.where(
                    np.repeat(self._captured, 2), sums[number][: 2 * count], values
                )  # fmt: skip
            parts.append(values if len(rows) == count else values * np.repeat(there, 2))
        told = [
            None if each.all() else each | np.repeat(self._captured, 2) if sums else each for _, each in self._whole
        ]
        return Carried(there, *parts, *told)

    def of(self, window: Window | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the sessions of a window, each with what it carried in it, as `part` does.

        Parameters
        ----------
        window
            A window of whole intervals.
        columns
            Those that are wanted; all of SESSIONS where it is None. Fewer are quicker.
        """
        rows, sums = self._sessions(window)
        names = list(self.sessions.columns) if columns is None else [each for each in columns if each in self.sessions]
        table = self.sessions[names]
        found = table if len(rows) == len(table) else table.iloc[rows]
        if not sums:
            return found
        found = found.copy(deep=False)
        here = self._captured[rows]
        for total, sides in zip([*sums, self._payload(window)], MEASURES.values(), strict=True):
            for number, column in enumerate(sides):
                if column in found:
                    values, there = numbers_of(found[column])
                    part = np.where(here, total[number::2][rows], values)
                    found[column] = pd.arrays.IntegerArray(part, ~(there | here))
        found.attrs = dict(self.sessions.attrs)
        return found

    def protocols(self, window: Window | None = None) -> pd.DataFrame:
        """Return the hierarchy of protocols of a window, as `nsm_nb.statistics.protocols` does; of flows without packets."""
        rows, length = self.view.layers.within(*self._places(window), len(self.view.paths) + 1)
        seen = np.flatnonzero(rows)
        paths = [str(self.view.paths[int(each) - 1]) if each else UNDECODED for each in seen]
        if not len(self.packets) and len(self.sessions):
            return protocols(self.of(window))
        table = tree(paths, rows[seen], length[seen])
        table.attrs = {"evidence": self._evidence, "notes": []}
        return table

    def sizes(self, window: Window | None = None) -> pd.DataFrame:
        """Return how many packets of a window there are of each size, as `nsm_nb.statistics.sizes` does."""
        (rows,) = self.view.lengths.within(*self._places(window), self.view.longest)
        length = np.flatnonzero(rows)
        table = by_powers(length, rows[length])
        table.attrs = {"evidence": self._evidence, "notes": []}
        return table

    def marks(self) -> pd.DataFrame:
        """Return the alerts that the query keeps."""
        return self.alerts[self._alerts_kept]

    # --- the timeline ---

    def timeline(self, value: Value = "packets", by: By = "proto") -> pd.DataFrame:
        """Return how much there was in each interval, by protocol, by host (the five that lead) or by direction.

        Packets and octets go by who sent them, sessions by who opened them, alerts by the source that the sensor names.
        Where there are no packets, those of flow records stand where the record begins.
        """
        view = self.view
        count = view.intervals
        if value == "alerts":
            values = self._of_rows(
                self._alert_time, self._alerts_kept, self._lanes.of_rows(self.alerts, by, "alerts"), None
            )
        elif value == "sessions" or not len(self.packets):
            kept = np.ones(len(self.sessions), bool) if self._kept is None else self._kept
            weights = None
            if value in ("packets", "octets"):
                weights = sum(numbers_of(self.sessions[name])[0] for name in MEASURES[value])
            values = self._of_rows(self._start, kept, self._lanes.of_rows(self.sessions, by, "sessions"), weights)
        elif by == "proto":
            number = 0 if value == "packets" else 1
            names = [NONE, *map(str, view.names)]
            values = view.protocols.by_interval(np.arange(len(names)), len(names), number), names
        else:
            values = self._of_sides(by, 0 if value == "packets" else 1)
        table, names = values
        seen = np.flatnonzero(table.sum(axis=0))
        seen = seen[np.argsort(-table[:, seen].sum(axis=0), kind="stable")]
        index = pd.DatetimeIndex(view.start + np.arange(count, dtype=np.int64) * view.step, name="time", tz="UTC")
        result = pd.DataFrame(table[:, seen], columns=[names[each] for each in seen], index=index)
        result.attrs = {"every": view.every, "value": value, "by": by, "evidence": self._evidence,
                        "query": self.query, "notes": []}  # fmt: skip
        return result

    def _of_rows(
        self, when: np.ndarray, kept: np.ndarray, group: tuple[np.ndarray, list[str]], weights: Any
    ) -> tuple[np.ndarray, list[str]]:
        codes, names = group
        view = self.view
        rows = np.flatnonzero(kept & (when != NOT_A_TIME) & (when >= view.start) & (when < view.edge(view.intervals)))
        amounts = None if weights is None else weights[rows]
        codes, names = largest(codes[rows], names, amounts)
        cell = (when[rows] - view.start) // view.step * len(names) + codes
        values = np.bincount(cell, amounts, minlength=view.intervals * len(names)).astype(np.int64)
        return values.reshape(view.intervals, len(names)), names

    def _of_sides(self, by: str, number: int) -> tuple[np.ndarray, list[str]]:
        """Return packets or octets by who sent them; what has no session is what is left of all."""
        view = self.view
        codes, names = self._lanes.of_sides(self.sessions, by)
        key = codes[view.sides.key]
        codes, names = largest(key, names, view.sides.sums[number])
        by_entry = Counts(view.sides.bounds, codes, view.sides.sums)
        values = by_entry.by_interval(np.arange(len(names)), len(names), number)
        total = view.protocols.by_interval(np.zeros(len(view.names) + 1, np.int64), 1, number)
        rest = total[:, 0] - values.sum(axis=1)
        return np.column_stack([values, rest]), [*names, "no session"]


def _both_sides(sessions: pd.DataFrame, src: str, dst: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a measure of src and dst, one after the other for each session, and where it is told."""
    (one, one_there), (other, other_there) = numbers_of(sessions[src]), numbers_of(sessions[dst])
    return np.column_stack([one, other]).reshape(-1), np.column_stack([one_there, other_there]).reshape(-1)
