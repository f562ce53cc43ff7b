"""A case counted once by intervals of time, so that any window of whole intervals is quick to sum.

Packets are many, and what is asked of a window of time is few sums: by path of layers, by length, by session and side.
`Overview` makes those sums for each interval in one pass; a window then adds up what its intervals hold, and never
looks at a packet again. `nsm_nb.statistics.part` is the plain way to the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb import query as _query
from nsm_nb.statistics._counts import Counts, counted
from nsm_nb.statistics._inside import DIRECTIONS, directions
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, numbers_of, times_of
from nsm_nb.statistics.part import MEASURES, Window, matching, sessions_of
from nsm_nb.statistics.protocols import UNDECODED, protocols
from nsm_nb.statistics.ranking import Carried, Ranking

__all__ = ["INTERVALS", "Overview", "interval", "tree", "whole_intervals"]

INTERVALS = (
    "1us", "2us", "5us", "10us", "20us", "50us", "100us", "200us", "500us", "1ms", "2ms", "5ms", "10ms", "20ms", "50ms",
    "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "15s", "30s", "1min", "2min", "5min", "10min", "15min", "30min",
    "1h", "2h", "3h", "6h", "12h", "1D", "2D", "7D", "30D", "365D",
)  # fmt: skip
_MOST = 500  # intervals: about what a screen shows apart
_TOP = 5  # hosts that a timeline shows apart
_NONE, _OTHER = "none", "other"

Value = Literal["packets", "octets", "sessions", "alerts"]
By = Literal["proto", "host", "direction"]


def interval(seconds: float) -> str:
    """Return the handy interval that parts a span of time into at most 500.

    Examples
    --------
    >>> interval(498.6), interval(86_400), interval(0)
    ('1s', '5min', '1us')
    """
    return next((each for each in INTERVALS if pd.Timedelta(each).total_seconds() * _MOST >= seconds), INTERVALS[-1])


def whole_intervals(start: int, step: int, count: int, window: Window) -> tuple[int, int]:
    """Return the first interval that a window touches and the one after the last; all in nanoseconds since 1970."""
    first, last = (pd.Timestamp(each).as_unit("ns").value for each in window)
    low = min(max((first - start) // step, 0), count)
    return low, max(low, min(max(-((start - last) // step), 0), count))


class _View(NamedTuple):
    """What was counted of a stretch of time."""

    start: int
    step: int
    intervals: int
    every: str
    layers: Counts
    lengths: Counts
    protocols: Counts
    sides: Counts


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
        self._home = tuple(home)
        self._place, self._counts_for = sessions_of(packets, sessions)
        self._captured = np.zeros(len(sessions), bool)
        self._captured[self._place[self._counts_for]] = True
        self._when, self._there = times_of(packets["time"])
        self._ordered = bool(self._there.all() and (np.diff(self._when) >= 0).all())
        self._start, _ = times_of(sessions["start"])
        self._end, _ = times_of(sessions["end"])
        self._alert_time, _ = times_of(self.alerts["time"])
        self._alert_place = self._sessions_of_alerts()
        self._groups: dict[str, Any] = {}
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
        rows, place = self._rows(start, step, count)
        packets = self.packets if isinstance(rows, slice) and rows == slice(None) else self.packets.iloc[rows]
        length, octets, payload = (numbers_of(packets[name])[0] for name in ("length", "octets", "payload"))
        layers, self._paths = codes_of(packets["layers"])
        by_protocol, self._protocols = codes_of(packets["proto"])
        self._longest = int(length.max(initial=0)) + 1
        owner = self._place[rows]
        counts = self._counts_for[rows]
        side = 2 * owner.astype(np.int64) + ~packets["to_dst"].fillna(True).to_numpy(bool)
        if not counts.all():
            side, place_of_side, octets_of_side, payload = side[counts], place[counts], octets[counts], payload[counts]
        else:
            place_of_side, octets_of_side = place, octets
        self.view = _View(
            start, step, count, every,
            counted(place, layers.astype(np.int64) + 1, len(self._paths) + 1, count, length),
            counted(place, length, self._longest, count),
            counted(place, by_protocol.astype(np.int64) + 1, len(self._protocols) + 1, count, octets),
            counted(place_of_side, side, 2 * max(len(self.sessions), 1), count, octets_of_side, payload),
        )  # fmt: skip

    @property
    def looked_at(self) -> Window | None:
        """What `look` was asked for last."""
        return self._asked

    @property
    def anything(self) -> bool:
        """True where there is anything with a time."""
        return bool(self._there.any() or (self._start != _NAT).any())

    def _span(self, window: Window | None) -> tuple[int, int]:
        if window is not None:
            first, last = (pd.Timestamp(each).as_unit("ns").value for each in window)
            return first, max(last, first + 1)
        ends = [self._when[self._there], self._start[self._start != _NAT]]
        if not any(map(len, ends)):
            return 0, 1
        first = min(int(each.min()) for each in ends if len(each))
        last = max(int(each.max()) for each in ends if len(each))
        return first, last + 1

    def _rows(self, start: int, step: int, count: int) -> tuple[Any, np.ndarray]:
        """Return which packets are looked at, and the interval of each."""
        kept = self._packets_kept
        if self._ordered and kept is None:
            edges = np.array([min(start + number * step, _LAST) for number in range(count + 1)], np.int64)
            bounds = np.searchsorted(self._when, edges)
            if count and start + count * step > _LAST:
                bounds[-1] = len(self._when)
            rows = slice(int(bounds[0]), int(bounds[-1])) if count else slice(0, 0)
            rows = slice(None) if rows == slice(0, len(self._when)) else rows
            return rows, np.repeat(np.arange(count), np.diff(bounds))
        inside = self._there & (self._when >= start)
        if start + count * step <= _LAST:
            inside &= self._when < start + count * step
        if kept is not None:
            inside &= kept
        found = np.flatnonzero(inside)
        return found, (self._when[found].view(np.uint64) - np.uint64(start % 2**64)).astype(np.uint64) // np.uint64(
            step
        )

    # --- windows ---

    def snapped(self, window: Window | None) -> Window:
        """Return the window of whole intervals that holds a window; all that is looked at where it is None."""
        low, high = self._places(window)
        view = self.view
        return _time(view.start + low * view.step), _time(view.start + high * view.step)

    def _places(self, window: Window | None) -> tuple[int, int]:
        view = self.view
        return (0, view.intervals) if window is None else whole_intervals(view.start, view.step, view.intervals, window)

    def _everything(self, window: Window | None) -> bool:
        return window is None and self._asked is None

    def totals(self, window: Window | None = None) -> dict[str, int]:
        """Return how many packets, bytes on the wire, sessions, flow records among them, and alerts a window holds."""
        low, high = self._places(window)
        rows, length = self.view.layers.within(low, high, len(self._paths) + 1)
        places, _ = self._sessions(window)
        when = self._alert_time[self._alerts_kept]
        first, last = self.view.start + low * self.view.step, self.view.start + high * self.view.step
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
        sums = self.view.sides.within(
            low, high, size, self._all, first=2
        )  # packets and octets: payload is asked for seldom
        first, last = self.view.start + low * self.view.step, self.view.start + high * self.view.step
        here = (sums[0][::2] + sums[0][1::2])[: len(self.sessions)] > 0
        if self._captured.all():
            return np.flatnonzero(kept & here), sums
        touching = (self._start < last) & (self._end >= first) & (self._start != _NAT) & (self._end != _NAT)
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
        rows, length = self.view.layers.within(*self._places(window), len(self._paths) + 1)
        seen = np.flatnonzero(rows)
        paths = [str(self._paths[int(each) - 1]) if each else UNDECODED for each in seen]
        if not len(self.packets) and len(self.sessions):
            return protocols(self.of(window))
        table = tree(paths, rows[seen], length[seen])
        table.attrs = {"evidence": self._evidence, "notes": []}
        return table

    def sizes(self, window: Window | None = None) -> pd.DataFrame:
        """Return how many packets of a window there are of each size, as `nsm_nb.statistics.sizes` does."""
        (rows,) = self.view.lengths.within(*self._places(window), self._longest)
        length = np.flatnonzero(rows)
        rows = rows[length]
        power = np.frexp(length)[1] - 1  # exact below 2**53
        power = np.maximum(power, 0)
        packets = np.bincount(power, rows).astype(np.int64)
        octets = np.bincount(power, rows * length).astype(np.int64)
        powers = np.arange(int(power.min()), len(packets)) if len(power) else np.zeros(0, np.int64)
        table = pd.DataFrame(
            {
                "low": np.where(powers == 0, 0, np.left_shift(1, powers)),
                "high": np.left_shift(1, powers + 1) - 1,
                "packets": packets[powers],
                "length": octets[powers],
                "share": packets[powers] / max(int(rows.sum()), 1),
            }
        )
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
            values = self._of_rows(self._alert_time, self._alerts_kept, self._codes(self.alerts, by, "alerts"), None)
        elif value == "sessions" or not len(self.packets):
            kept = np.ones(len(self.sessions), bool) if self._kept is None else self._kept
            weights = None
            if value in ("packets", "octets"):
                weights = sum(numbers_of(self.sessions[name])[0] for name in MEASURES[value])
            values = self._of_rows(self._start, kept, self._codes(self.sessions, by, "sessions"), weights)
        elif by == "proto":
            number = 0 if value == "packets" else 1
            names = [_NONE, *map(str, self._protocols)]
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
        rows = np.flatnonzero(
            kept & (when != _NAT) & (when >= view.start) & (when < view.start + view.intervals * view.step)
        )
        amounts = None if weights is None else weights[rows]
        codes, names = _largest(codes[rows], names, amounts)
        cell = (when[rows] - view.start) // view.step * len(names) + codes
        values = np.bincount(cell, amounts, minlength=view.intervals * len(names)).astype(np.int64)
        return values.reshape(view.intervals, len(names)), names

    def _of_sides(self, by: str, number: int) -> tuple[np.ndarray, list[str]]:
        """Return packets or octets by who sent them; what has no session is what is left of all."""
        view = self.view
        codes, names = self._sender(by)
        key = codes[view.sides.key]
        codes, names = _largest(key, names, view.sides.sums[number])
        by_entry = Counts(view.sides.bounds, codes, view.sides.sums)
        values = by_entry.by_interval(np.arange(len(names)), len(names), number)
        total = view.protocols.by_interval(np.zeros(len(self._protocols) + 1, np.int64), 1, number)
        rest = total[:, 0] - values.sum(axis=1)
        return np.column_stack([values, rest]), [*names, "no session"]

    def _sender(self, by: str) -> tuple[np.ndarray, list[str]]:
        """Return the code of who sends on each session and side, and the names of the codes."""
        if f"sides by {by}" not in self._groups:
            self._groups[f"sides by {by}"] = self._made_sender(by)
        return self._groups[f"sides by {by}"]

    def _made_sender(self, by: str) -> tuple[np.ndarray, list[str]]:
        src, dst, dtype = ends_of(self.sessions)
        if by == "host":
            codes = np.column_stack([src, dst]).reshape(-1).astype(np.int64) + 1
            return codes, [_NONE, *map(str, dtype.categories)]
        if not self._home:
            return np.tile([0, 1], len(src)), ["from src", "from dst"]
        forth = directions(src, dst, dtype, self._home).astype(np.int64) + 1
        back = np.array([0, 2, 1, 3, 4])[forth]
        return np.column_stack([forth, back]).reshape(-1), [_NONE, *DIRECTIONS]

    def _codes(self, table: pd.DataFrame, by: str, what: str) -> tuple[np.ndarray, list[str]]:
        key = f"{what} by {by}"
        if key not in self._groups:
            if not {"proto", "src_ip", "dst_ip"} <= set(table):
                self._groups[key] = np.zeros(len(table), np.int64), [_NONE]
            elif by == "proto":
                codes, names = codes_of(table["proto"])
                self._groups[key] = codes.astype(np.int64) + 1, [_NONE, *map(str, names)]
            else:
                src, dst, dtype = ends_of(table)
                if by == "host":
                    self._groups[key] = src.astype(np.int64) + 1, [_NONE, *map(str, dtype.categories)]
                elif self._home:
                    codes = directions(src, dst, dtype, self._home).astype(np.int64) + 1
                    self._groups[key] = codes, [_NONE, *DIRECTIONS]
                else:
                    self._groups[key] = np.zeros(len(table), np.int64), ["from src"]
        return self._groups[key]


_NAT = np.iinfo(np.int64).min
_LAST = np.iinfo(np.int64).max


def tree(paths: Sequence[str], packets: np.ndarray, length: np.ndarray) -> pd.DataFrame:
    """Return paths of layers as a hierarchy, depth first, the larger branch before the smaller.

    Examples
    --------
    >>> tree(["ip:udp", "ip:tcp"], np.array([1, 2]), np.array([60, 1500]))["name"].tolist()
    ['ip', 'tcp', 'udp']
    """
    sums: dict[tuple[str, ...], list[int]] = {}
    for path, rows, size in zip(paths, packets, length, strict=True):
        layers = tuple(path.split(":"))
        for depth in range(1, len(layers) + 1):
            row = sums.setdefault(layers[:depth], [0, 0])
            row[0] += int(rows)
            row[1] += int(size)
    order = sorted(
        sums,
        key=lambda path: [(-sums[path[:depth]][1], -sums[path[:depth]][0], path[depth - 1])
                          for depth in range(1, len(path) + 1)],
    )  # fmt: skip
    total = int(length.sum())
    sizes = np.array([sums[path][1] for path in order], np.int64)
    return pd.DataFrame(
        {
            "layers": pd.Series([":".join(path) for path in order], dtype="str"),
            "name": pd.Series([path[-1] for path in order], dtype="str"),
            "level": np.array([len(path) - 1 for path in order], np.int64),
            "packets": np.array([sums[path][0] for path in order], np.int64),
            "length": sizes,
            "share": sizes / total if total else np.full(len(order), np.nan),
        }
    )


def _both_sides(sessions: pd.DataFrame, src: str, dst: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a measure of src and dst, one after the other for each session, and where it is told."""
    (one, one_there), (other, other_there) = numbers_of(sessions[src]), numbers_of(sessions[dst])
    return np.column_stack([one, other]).reshape(-1), np.column_stack([one_there, other_there]).reshape(-1)


def _largest(codes: np.ndarray, names: list[str], weights: np.ndarray | None) -> tuple[np.ndarray, list[str]]:
    """Return codes and names of which all but the largest are one, "other"."""
    if len(names) <= 2 * _TOP:
        return codes, names
    sums = np.bincount(codes, weights, minlength=len(names))
    top = np.argsort(-sums, kind="stable")[:_TOP]
    place = np.full(len(names), _TOP, np.int64)
    place[top] = np.arange(_TOP)
    return place[codes], [*(names[int(each)] for each in top), _OTHER]


def _time(nanoseconds: int) -> pd.Timestamp:
    return pd.Timestamp(min(max(nanoseconds, _NAT + 1), _LAST), unit="ns", tz="UTC")
