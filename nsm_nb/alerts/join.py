"""From an alert to its session: by Community ID or addresses, and by time - never by the exact time or the frame number.

Sensors look at streams late: Suricata was measured to stamp an alert 31.7 s after the packet that raised it, and some
alerts are stamped when their session is over. An alert carries the addresses of a packet, so either direction counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.schema import ALERTS, SESSIONS

__all__ = ["EARLY", "LATE", "join"]

LATE = pd.Timedelta(seconds=300)  # an alert stamped longer than this after a session's last packet is not about it
EARLY = pd.Timedelta(
    seconds=2
)  # clocks of two sensors differ: an alert may be stamped this long before the first packet

_NO_TIME = np.iinfo(np.int64).min


def join(alerts: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Return for each alert the session that it is about, how sure that is, and how it was found.

    The first of these that gives a session decides: Community ID; protocol, addresses and ports, in either direction;
    for alerts without ports (ICMP, fragments, port scans), protocol and addresses, then addresses alone; and one address
    with both ports, as where an address was translated between two sensors: a weak hint, and it says so. Of several
    sessions of one key the one that began last is meant if it was open at the alert's time, else the one that ended
    last; an end more than `LATE` before the alert does not count, a begin up to `EARLY` after it does.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    sessions
        A table of SESSIONS.

    Returns
    -------
    DataFrame
        In the order of the alerts: `alert`, `session` (missing where there is none), `confidence` (``certain``,
        ``likely``, ``weak``, ``none``), `how` in words.
    """
    ALERTS.require(alerts, "alert", "time", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "community_id")
    SESSIONS.require(
        sessions, "session", "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "community_id"
    )
    count = len(alerts)
    time = _nanoseconds(alerts["time"])
    spans = _Spans(sessions)
    number = np.full(count, -1)
    words = np.zeros(count, np.int64)
    late = np.zeros(count, np.int64)
    for place, way in _ways(alerts, sessions):
        rows = np.flatnonzero((number < 0) & (way.left >= 0))
        found, after = spans.nearest(way.left[rows], time[rows], way.right)
        rows, found, after = (each[found >= 0] for each in (rows, found, after))
        number[rows], words[rows], late[rows] = found, place, after
        words[rows[way.turned(rows, found)]] += len(_WAYS)
        if (number >= 0).all():
            break
    none = number < 0
    ids = sessions["session"].to_numpy(np.int64, na_value=0) if len(sessions) else np.zeros(1, np.int64)
    confidence, how = _told(words, late, time == _NO_TIME)
    return pd.DataFrame(
        {
            "alert": pd.Series(alerts["alert"].array, dtype="str"),
            "session": pd.arrays.IntegerArray(np.where(none, 0, ids[np.maximum(number, 0)]), none),
            "confidence": confidence,
            "how": how,
        }
    )


class _Spans:
    """When sessions were open."""

    def __init__(self, sessions: pd.DataFrame):
        self.start, self.end = _nanoseconds(sessions["start"]), _nanoseconds(sessions["end"])
        self.end = np.maximum(self.end, self.start)
        # of two that began together the one with packets is meant: it leads on to a transcript
        self.packets = (sessions["source"] == "pcap").to_numpy(bool) if "source" in sessions else self.start > _NO_TIME

    def nearest(self, key: np.ndarray, time: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the session of each key that is nearest in time, or -1, and how long after its end the time is.

        Parameters
        ----------
        key, time
            What is looked for; a time may be missing, and then a session is found only where it is the only one.
        keys
            The key of each session; negative ones are left out.

        Returns
        -------
        number, after
            Rows of the sessions; nanoseconds, 0 while it was open, negative before it began.
        """
        known = np.flatnonzero((keys >= 0) & (self.start > _NO_TIME))
        if not len(known) or not len(key):
            return np.full(len(key), -1), np.zeros(len(key), np.int64)
        order = known[np.lexsort((self.packets[known], self.start[known], keys[known]))]
        group, start, end = keys[order], self.start[order], self.end[order]
        longest = _longest(group, end)
        last, following = _neighbours(group, start, key, time)

        open_ = (last >= 0) & (end[last] >= time)
        before = np.where(open_, last, np.where(last >= 0, longest[last], -1))
        gap = np.where(before >= 0, np.maximum(time - end[before], 0), LATE.value + 1)
        wait = np.where(following >= 0, start[following] - time, EARLY.value + 1)
        use_next = (wait <= EARLY.value) & (wait < gap)
        place = np.where(use_next, following, np.where(gap <= LATE.value, before, -1))
        after = np.where(use_next, -wait, np.where(place >= 0, gap, 0))
        missing = time == _NO_TIME
        if missing.any():
            first, count = np.searchsorted(group, key[missing]), _count(group, key[missing])
            place[missing], after[missing] = np.where(count == 1, first, -1), 0
        return np.where(place >= 0, order[place], -1), after


def _longest(group: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return for each session, in order of begin, which of those of its group that have begun ends last."""
    latest = pd.Series(end).groupby(group).cummax().to_numpy()
    return np.maximum.accumulate(np.where(end == latest, np.arange(len(end)), 0))


def _neighbours(
    group: np.ndarray, start: np.ndarray, key: np.ndarray, time: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the last session of the key that had begun, and of the next one to begin; -1 for none."""
    many = len(group)
    order = np.lexsort(
        (np.repeat([0, 1], [many, len(key)]), np.concatenate([start, time]), np.concatenate([group, key]))
    )
    place = np.where(order < many, order, -1)
    asked = order >= many
    before = np.maximum.accumulate(place)[asked]
    after = np.where(order < many, order, many)
    after = np.minimum.accumulate(after[::-1])[::-1][asked]
    last, following = np.empty(len(key), np.int64), np.empty(len(key), np.int64)
    who = order[asked] - many
    last[who] = np.where((before >= 0) & (group[before] == key[who]), before, -1)
    inside = np.minimum(after, many - 1)
    following[who] = np.where((after < many) & (group[inside] == key[who]), inside, -1)
    return last, following


def _count(group: np.ndarray, key: np.ndarray) -> np.ndarray:
    return np.searchsorted(group, key, "right") - np.searchsorted(group, key, "left")


# --- keys: equal numbers for what is equal in both tables


class _Way(NamedTuple):
    """One way to match: the keys of alerts and sessions (negative where there is none), and which end is the first."""

    left: np.ndarray
    right: np.ndarray
    left_first: np.ndarray | None = None
    right_first: np.ndarray | None = None

    def turned(self, rows: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Return True where an alert names the ends of its session the other way round."""
        if self.left_first is None or self.right_first is None:
            return np.zeros(len(rows), bool)
        return self.left_first[rows] != self.right_first[found]


_WAYS = (
    "community id",
    "five-tuple",
    "protocol and addresses",
    "addresses alone",
    "one end and both ports, as behind address translation (NAT)",
)
_SURE = ("certain", "certain", "weak", "weak", "weak")  # while the session was open
_LESS = ("likely", "likely", "weak", "weak", "weak")


def _ways(alerts: pd.DataFrame, sessions: pd.DataFrame) -> Iterator[tuple[int, _Way]]:
    """Yield the ways to match, best first, with the number of their name; what a way needs is made when it is asked for."""
    both = (alerts, sessions)
    left, right = _shared([each["community_id"] for each in both])
    yield 1, _Way(left, right)

    proto = _shared([each["proto"] for each in both])
    ends = _shared([each[name] for each in both for name in ("src_ip", "dst_ip")])
    ports = [each[name] for each in both for name in ("src_port", "dst_port")]
    ported = _dense(*(_end(end, port) for end, port in zip(ends, ports, strict=True)))
    tuples = _dense(_pair(*ported[:2]), _pair(*ported[2:]))
    left, right = _dense(*map(_with, tuples, proto))
    yield 2, _Way(left, right, ported[0], ported[2])

    portless = (alerts["src_port"].isna() | alerts["dst_port"].isna()).to_numpy()
    if portless.any():
        hosts = _dense(_pair(*ends[:2]), _pair(*ends[2:]))
        hosts[0] = np.where(portless, hosts[0], -1)
        left, right = _dense(*map(_with, hosts, proto))
        yield 3, _Way(left, right, ends[0], ends[2])
        yield 4, _Way(hosts[0], hosts[1], ends[0], ends[2])

    # a sensor on the other side of a translator sees one address changed, and mostly both ports kept
    halves = [_half(ported[side], ports[side ^ 1]) for side in range(4)]
    halves = [
        _with(half, each) for half, each in zip(_dense(*halves), (proto[0], proto[0], proto[1], proto[1]), strict=True)
    ]
    for left, side in ((halves[0], False), (halves[1], True)):
        for right, other in ((halves[2], False), (halves[3], True)):
            yield 5, _Way(left, right, np.full(len(left), side), np.full(len(right), other))


def _shared(columns: Sequence[pd.Series]) -> list[np.ndarray]:
    """Return text columns as numbers that are equal where the text is; -1 where it is missing.

    Of categoricals only the categories are looked at.
    """
    parts = []
    for column in columns:
        if isinstance(column.dtype, pd.CategoricalDtype):
            parts.append((column.cat.codes.to_numpy(np.int64), column.cat.categories))
        else:
            codes, known = pd.factorize(column)
            parts.append((codes.astype(np.int64), pd.Index(known)))
    texts = np.concatenate([np.asarray(known, dtype=object) for _, known in parts])
    numbers = pd.factorize(texts)[0]
    cuts = np.cumsum([len(known) for _, known in parts])[:-1]
    return [np.append(number, -1)[codes] for (codes, _), number in zip(parts, np.split(numbers, cuts), strict=True)]


def _end(address: np.ndarray, port: pd.Series) -> np.ndarray:
    number = port.to_numpy(np.int64, na_value=-1)
    return np.where((address >= 0) & (number >= 0), address << 16 | number, -1)


def _half(end: np.ndarray, other: pd.Series) -> np.ndarray:
    """Return one end and the port of the other as one number; -1 where one is missing."""
    port = other.to_numpy(np.int64, na_value=-1)
    return np.where((end >= 0) & (port >= 0), end << 16 | port, -1)


def _pair(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return two ends as one number, the same in either direction; -1 where one is missing."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    return np.where(low >= 0, low << 31 | high, -1)


def _with(pair: np.ndarray, proto: np.ndarray) -> np.ndarray:
    return np.where((pair >= 0) & (proto >= 0), pair << 16 | proto, -1)


def _dense(*columns: np.ndarray) -> list[np.ndarray]:
    """Return numbers as small ones that are equal where they are, so that they can be put together; -1 stays."""
    every = np.concatenate(columns)
    numbers = pd.factorize(every)[0].astype(np.int64)
    numbers[every < 0] = -1
    return np.split(numbers, np.cumsum([len(column) for column in columns])[:-1])


def _nanoseconds(column: pd.Series) -> np.ndarray:
    return column.dt.tz_localize(None).to_numpy().astype("datetime64[ns]").view(np.int64)


# --- words


_NO_TENTH = 2**31 - 1  # stands for the lateness of an alert that has no time


def _told(words: np.ndarray, late: np.ndarray, timeless: np.ndarray) -> tuple[pd.Categorical, pd.Series]:
    """Return the confidence and the words of each alert: its way, and its lateness to a tenth of a second."""
    tenth = np.sign(late) * np.maximum((np.abs(late) + 50_000_000) // 100_000_000, np.sign(np.abs(late)))
    tenth[timeless] = _NO_TENTH
    code, known = pd.factorize(words << 32 | (tenth + 2**31))
    told = [_say(each >> 32, (each & 0xFFFFFFFF) - 2**31) for each in known.tolist()]
    confidence = np.array([each for each, _ in told] or [""], object)[code]
    how = np.array([each for _, each in told] or [""], object)[code]
    categories = pd.Index(["certain", "likely", "weak", "none"], dtype="str")
    return pd.Categorical(confidence, categories=categories), pd.Series(how, dtype="str")


def _say(way: int, tenth: int) -> tuple[str, str]:
    if not way:
        return "none", "no session has its addresses at its time"
    place, turned = (way - 1) % len(_WAYS), way > len(_WAYS)
    name = f"{_WAYS[place]}, reversed" if turned else _WAYS[place]
    if tenth == _NO_TENTH:
        return _LESS[place], f"{name}; the alert has no time, but only one session fits"
    if not tenth:
        return _SURE[place], f"{name}; stamped while the session was open"
    if tenth < 0:
        return _LESS[place], f"{name}; stamped {-tenth / 10:.1f} s before its first packet"
    return _LESS[place], f"{name}; stamped {tenth / 10:.1f} s after its last packet"
