"""Who talks with whom, and how much: hosts, pairs and services by what their sessions carried."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, numbers_of, tally, times_of

__all__ = ["talkers"]

_MEASURES = ("src_octets", "dst_octets", "src_packets", "dst_packets", "src_payload", "dst_payload")


def talkers(
    sessions: pd.DataFrame,
    *,
    by: str = "octets",
    of: Literal["hosts", "pairs", "ports"] = "hosts",
    n: int | None = None,
) -> pd.DataFrame:
    """Rank hosts, pairs of hosts or services by what their sessions carried, the largest first.

    Parameters
    ----------
    sessions
        A table of SESSIONS.
    by
        What to rank by: ``"octets"``, ``"packets"``, ``"sessions"`` or any other column of numbers of the result. For
        hosts the columns of SESSIONS will do too: ``"src_octets"`` ranks them by what they sent in the sessions that
        they opened, ``"dst_octets"`` by what they sent in those that they answered; that column is added.
    of
        ``"hosts"``: one row an address, what it sent and received apart. ``"pairs"``: one row for who opened sessions
        to whom. ``"ports"``: one row a service, that is protocol and port of the side that was asked.
    n
        How many rows to give; all of them where it is None.

    Returns
    -------
    pandas.DataFrame
        * hosts: ``host octets sent_octets received_octets packets sent_packets received_packets sessions opened
          answered peers first last``. `opened` counts the sessions that the host began, `answered` those in which it
          was asked and sent at least one packet back; the rest of `sessions` it left unanswered, or only flows of one
          direction are known. `peers` counts the addresses at the other end.
        * pairs: ``src_ip dst_ip octets src_octets dst_octets packets src_packets dst_packets sessions answered first
          last``.
        * ports: ``proto port octets src_octets dst_octets packets src_packets dst_packets sessions answered clients
          servers first last``.

        Octets are bytes at the IP layer. Sums leave missing values out; where nothing is known the sum is missing.
        `attrs["total"]` is what all sessions carried, and `attrs["notes"]` says, in sentences, what was left out.

    Raises
    ------
    MissingColumn
        Where the table lacks a column of SESSIONS that is needed.
    ValueError
        Where `of` or `by` is none of the above.
    """
    if of not in ("hosts", "pairs", "ports"):
        raise ValueError(f"of={of!r} is not known; choose 'hosts', 'pairs' or 'ports'")
    SESSIONS.require(sessions, "src_ip", "dst_ip", "proto", "dst_port", "start", "end")
    table, notes = {"hosts": _hosts, "pairs": _pairs, "ports": _ports}[of](sessions, by)
    if by not in table or not pd.api.types.is_numeric_dtype(table[by].dtype) or by == "port":
        numbers = [str(name) for name in table if name != "port" and pd.api.types.is_numeric_dtype(table[name].dtype)]
        raise ValueError(f"{of} can't be ranked by {by!r}; choose one of {', '.join(numbers)}")
    table = table.sort_values(by, ascending=False, kind="stable", na_position="last", ignore_index=True)
    once = {"octets": "sent_octets", "packets": "sent_packets", "sessions": "opened"} if of == "hosts" else {}
    total = int(table[once.get(by, by)].sum())  # a host's octets count at both ends; what was sent counts once
    if n is not None:
        table = table.head(n).copy()
    table.attrs = {"by": by, "of": of, "total": total, "evidence": evidence_of(sessions), "notes": notes}
    return table


class _Sides:
    """The columns of sessions as arrays, and sums of them over groups of rows."""

    def __init__(self, sessions: pd.DataFrame, kept: np.ndarray) -> None:
        self.kept = kept
        self.measures = {
            name: tuple(part[kept] for part in numbers_of(sessions[name])) for name in _MEASURES if name in sessions
        }
        self.times = {name: tuple(part[kept] for part in times_of(sessions[name])) for name in ("start", "end")}

    def measure(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a measure and where it is known; nothing is known of a column that the table lacks."""
        count = int(self.kept.sum())
        return self.measures.get(name, (np.zeros(count, np.int64), np.zeros(count, bool)))

    def total(self, group: np.ndarray, size: int, *names: str) -> pd.arrays.IntegerArray:
        """Return the sum of measures over the rows of each group; missing where none of them is known."""
        sums, known = np.zeros(size, np.int64), np.zeros(size, bool)
        for name in names:
            values, there = self.measure(name)
            sums += np.bincount(group, values, minlength=size).astype(np.int64)
            known |= np.bincount(group[there], minlength=size) > 0
        return pd.arrays.IntegerArray(sums, ~known)

    def answered(self, group: np.ndarray, size: int) -> np.ndarray:
        """Return how many sessions of each group got a packet back."""
        packets, _ = self.measure("dst_packets")
        return np.bincount(group[packets > 0], minlength=size)

    def first_and_last(self, *groups: np.ndarray, size: int) -> dict[str, pd.Series]:
        """Return the earliest start and the latest end of each group."""
        first, last = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
        for group in groups:
            when, there = self.times["start"]
            np.minimum.at(first, group[there], when[there])
            for name in ("start", "end"):
                when, there = self.times[name]
                np.maximum.at(last, group[there], when[there])
        first[first == np.iinfo(np.int64).max] = np.iinfo(np.int64).min  # NaT
        return {
            "first": pd.Series(first.view("datetime64[ns]")).dt.tz_localize("UTC"),
            "last": pd.Series(last.view("datetime64[ns]")).dt.tz_localize("UTC"),
        }


def _left_out(kept: np.ndarray) -> list[str]:
    missing = int((~kept).sum())
    return [f"{quantities.amount(missing, 'session')} without an address left out"] if missing else []


def _hosts(sessions: pd.DataFrame, by: str) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    kept = (src >= 0) & (dst >= 0)
    sides, src, dst = _Sides(sessions, kept), src[kept], dst[kept]
    size = len(dtype.categories)
    counts = np.bincount(src, minlength=size) + np.bincount(dst, minlength=size)
    seen = np.flatnonzero(counts)
    place = np.zeros(size, np.int64)
    place[seen] = np.arange(len(seen))
    src, dst, size = place[src], place[dst], len(seen)
    itself = np.flatnonzero(src == dst)  # both ends are one host: its session counts once

    def both(sent: str, received: str) -> tuple[pd.arrays.IntegerArray, pd.arrays.IntegerArray]:
        return _plus(sides.total(src, size, sent), sides.total(dst, size, received)), _plus(
            sides.total(src, size, received), sides.total(dst, size, sent)
        )

    sent_octets, received_octets = both("src_octets", "dst_octets")
    sent_packets, received_packets = both("src_packets", "dst_packets")
    once = np.bincount(src[itself], minlength=size)
    pairs = tally([np.minimum(src, dst), np.maximum(src, dst)], [size, size]).keys
    peers = np.bincount(pairs[0], minlength=size) + np.bincount(pairs[1][pairs[0] != pairs[1]], minlength=size)
    columns = {
        "host": pd.Categorical.from_codes(seen, dtype=dtype),
        "octets": _less_own(sides, _plus(sent_octets, received_octets), src, itself, "src_octets", "dst_octets"),
        "sent_octets": sent_octets,
        "received_octets": received_octets,
        "packets": _less_own(sides, _plus(sent_packets, received_packets), src, itself, "src_packets", "dst_packets"),
        "sent_packets": sent_packets,
        "received_packets": received_packets,
        "sessions": counts[seen] - once,
        "opened": np.bincount(src, minlength=size),
        "answered": sides.answered(dst, size),
        "peers": peers,
        **sides.first_and_last(src, dst, size=size),
    }
    if by in _MEASURES:
        columns[by] = sides.total(src if by.startswith("src") else dst, size, by)
    return pd.DataFrame(columns), _left_out(kept)


def _plus(one: pd.arrays.IntegerArray, other: pd.arrays.IntegerArray) -> pd.arrays.IntegerArray:
    """Return a sum in which a missing part counts nothing; missing only where both are."""
    values = one.to_numpy(np.int64, na_value=0) + other.to_numpy(np.int64, na_value=0)
    return pd.arrays.IntegerArray(values, np.asarray(one.isna() & other.isna()))


def _less_own(
    sides: _Sides, total: pd.arrays.IntegerArray, src: np.ndarray, itself: np.ndarray, *names: str
) -> pd.arrays.IntegerArray:
    """Take away what was counted twice: the sessions of a host with itself."""
    if not len(itself):
        return total
    values = total.to_numpy(np.int64, na_value=0)
    for name in names:
        np.subtract.at(values, src[itself], sides.measure(name)[0][itself])
    return pd.arrays.IntegerArray(values, np.asarray(total.isna()))


def _grouped(sides: _Sides, group: np.ndarray, size: int) -> dict:
    """Return the columns that pairs and ports share."""
    return {
        "octets": sides.total(group, size, "src_octets", "dst_octets"),
        "src_octets": sides.total(group, size, "src_octets"),
        "dst_octets": sides.total(group, size, "dst_octets"),
        "packets": sides.total(group, size, "src_packets", "dst_packets"),
        "src_packets": sides.total(group, size, "src_packets"),
        "dst_packets": sides.total(group, size, "dst_packets"),
        "sessions": np.bincount(group, minlength=size),
        "answered": sides.answered(group, size),
    }


def _groups(codes: list[np.ndarray], sizes: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the number of each row's group, and the codes of each group."""
    key = codes[0].astype(np.int64) * sizes[1] + codes[1]
    group, keys = pd.factorize(key, sort=True)
    return group, list(np.divmod(np.asarray(keys, np.int64), sizes[1]))


def _pairs(sessions: pd.DataFrame, by: str) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    kept = (src >= 0) & (dst >= 0)
    sides = _Sides(sessions, kept)
    group, (src, dst) = _groups([src[kept], dst[kept]], [len(dtype.categories)] * 2)
    columns = {
        "src_ip": pd.Categorical.from_codes(src, dtype=dtype),
        "dst_ip": pd.Categorical.from_codes(dst, dtype=dtype),
        **_grouped(sides, group, len(src)),
        **sides.first_and_last(group, size=len(src)),
    }
    if by in _MEASURES and by not in columns:
        columns[by] = sides.total(group, len(src), by)
    return pd.DataFrame(columns), _left_out(kept)


def _ports(sessions: pd.DataFrame, by: str) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    proto, names = codes_of(sessions["proto"])
    port, there = numbers_of(sessions["dst_port"])
    none = 1 << 16
    port = np.where(there, port, none)
    every = np.ones(len(sessions), bool)
    sides = _Sides(sessions, every)
    group, (proto, port) = _groups([proto.astype(np.int64) + 1, port], [len(names) + 1, none + 1])
    size = len(proto)

    def distinct(end: np.ndarray) -> np.ndarray:
        with_address = end >= 0
        keys = tally([group[with_address], end[with_address]], [size, len(dtype.categories)]).keys
        return np.bincount(keys[0], minlength=size)

    columns = {
        "proto": pd.Categorical.from_codes(proto - 1, categories=names),
        "port": pd.arrays.IntegerArray(np.where(port == none, 0, port).astype(np.uint16), port == none),
        **_grouped(sides, group, size),
        "clients": distinct(src),
        "servers": distinct(dst),
        **sides.first_and_last(group, size=size),
    }
    if by in _MEASURES and by not in columns:
        columns[by] = sides.total(group, size, by)
    return pd.DataFrame(columns), []
