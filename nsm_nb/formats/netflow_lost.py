"""What sequence numbers of export datagrams tell: lost flows, datagrams that came twice, exporters that were started anew.

Source: Cisco, "NetFlow Export Datagram Format" (flows sent before); RFC 3954 5.1 (datagrams); RFC 7011 3.1 (data records).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Sequence", "counted", "missing", "sequence", "start_moved"]

_RESTART = 60_000  # ms that the time of start (now less uptime) may wander before it counts as another start
_FIRST_NUMBERS = 1_000  # IPFIX tells no uptime: an exporter that begins again is known by a number as small as this
# What exporters count, besides what the standards say: the column of heads, and whether the datagram itself is counted.
# Measured: softflowd 1.1.0 numbers IPFIX with the flows sent so far, the datagram's own included, options left out.
_COUNTED = {
    5: [("count", False), ("one", False)],
    7: [("count", False), ("one", False)],
    9: [("one", False), ("flows", False), ("records", False)],
    10: [("records", False), ("flows", True), ("flows", False), ("one", False)],
}
_UNITS = {"count": "flows", "flows": "flows", "records": "records", "one": "datagrams"}


class Sequence(NamedTuple):
    """What the sequence numbers of one exporter tell."""

    lost: int  # what was sent and is not there
    again: int  # datagrams that are there twice
    starts: int  # times that the exporter was started
    counts_flows: bool  # False where the numbers do something else, so that `lost` says nothing


def sequence(numbers: np.ndarray, counts: np.ndarray, moved: np.ndarray) -> Sequence:
    """Return what sequence numbers of one exporter, in the order in which they came, tell of what was lost.

    Parameters
    ----------
    numbers : int64 array
        What was sent before each datagram, in 32 bits; datagrams may come in another order.
    counts : int64 array
        What each datagram holds.
    moved : bool array
        True for each datagram but the first where it can be that the exporter was started anew before it.
    """
    cuts = np.flatnonzero(moved & (np.diff(numbers) < 0)) + 1
    lost = again = 0
    counts_flows = True
    for run in np.split(np.arange(len(numbers)), cuts):
        some = run[counts[run] > 0]  # templates alone count for nothing in IPFIX, and repeat the number
        if not len(some):
            continue
        number, count = _unwrapped(numbers[some]), counts[some]
        order = np.lexsort((count, number))
        number, count = number[order], count[order]
        first = np.ones(len(some), bool)
        first[1:] = (np.diff(number) != 0) | (np.diff(count) != 0)
        again += len(some) - int(first.sum())
        gap = int((number + count).max() - number[0] - count[first].sum())
        counts_flows &= gap >= 0
        lost += max(gap, 0)
    return Sequence(lost if counts_flows else 0, again, len(cuts) + 1, counts_flows)


def missing(heads: np.ndarray) -> tuple[Sequence, str, int]:
    """Return what the heads of one exporter tell, what is counted, and how much of that is there.

    Parameters
    ----------
    heads : array of `netflow_reading.HEAD`
        All of one version that has sequence numbers.
    """
    version = int(heads["version"][0])
    name, unit, numbers, counts = counted(heads, version)
    told = sequence(numbers, counts, _moved(heads, version))
    if name != "one" and not heads["is_read"].all():
        # how much is in what can't be read is not known, so neither is what is missing between
        told = told._replace(lost=0, counts_flows=True)
    return told, unit, int(counts.sum())


def counted(heads: np.ndarray, version: int) -> tuple[str, str, np.ndarray, np.ndarray]:
    """Return what an exporter's numbers count, by how many steps agree: the column, its unit, numbers and counts."""
    columns = {name: heads[name] for name in ("count", "flows", "records")} | {"one": np.ones(len(heads), np.int64)}
    steps = np.diff(heads["sequence"]) % 2**32
    best, most = _COUNTED[version][0], -1
    for name, itself in _COUNTED[version]:
        counts = columns[name]
        agree = int((steps == (counts[1:] if itself else counts[:-1])).sum())
        if agree > most:
            best, most = (name, itself), agree
    name, itself = best
    numbers = heads["sequence"] - columns[name] if itself else heads["sequence"]
    return name, _UNITS[name], numbers, columns[name]


def start_moved(milliseconds: np.ndarray) -> np.ndarray:
    """Return True where the time of an exporter's start (when a datagram was sent, less its uptime) is another one."""
    started = milliseconds % 2**32  # the wrap of the uptime is no start
    moved: np.ndarray = np.abs((np.diff(started) + 2**31) % 2**32 - 2**31) > _RESTART
    return moved


def _moved(heads: np.ndarray, version: int) -> np.ndarray:
    if version != 10:
        return start_moved(heads["exported"] // 1_000_000 - heads["uptime"])
    steps = np.diff(heads["sequence"])
    return (heads["sequence"][1:] < _FIRST_NUMBERS) & (steps < -_FIRST_NUMBERS) & (steps > -(2**31))


def _unwrapped(numbers: np.ndarray) -> np.ndarray:
    """Return 32-bit sequence numbers as they would be in 64 bits: each step is the shorter way round."""
    steps = np.diff(numbers).astype(np.uint32).view(np.int32).astype(np.int64)
    return np.concatenate([[0], np.cumsum(steps)]) + int(numbers[0])
