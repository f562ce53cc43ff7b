"""NetFlow version 5: datagrams to flow records, and what their sequence numbers tell. Arrays in, arrays out.

Source: Cisco, "NetFlow Export Datagram Format", version 5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["HEADER", "RECORD", "Flows", "Sequence", "flows", "sequence", "times"]

HEADER = np.dtype(
    [
        ("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("nanoseconds", ">u4"),
        ("sequence", ">u4"), ("engine_type", "u1"), ("engine_id", "u1"), ("sampling", ">u2"),
    ]
)  # fmt: skip
RECORD = np.dtype(
    [
        ("src", ">u4"), ("dst", ">u4"), ("nexthop", ">u4"), ("input", ">u2"), ("output", ">u2"), ("packets", ">u4"),
        ("octets", ">u4"), ("first", ">u4"), ("last", ">u4"), ("src_port", ">u2"), ("dst_port", ">u2"), ("pad1", "u1"),
        ("tcp_flags", "u1"), ("proto", "u1"), ("tos", "u1"), ("src_as", ">u2"), ("dst_as", ">u2"), ("src_mask", "u1"),
        ("dst_mask", "u1"), ("pad2", ">u2"),
    ]
)  # fmt: skip
_MOST_RECORDS = 30  # a datagram holds no more
_RESTART = 60_000  # ms that the time of start (now less uptime) may wander before it counts as another start


class Flows(NamedTuple):
    """Flow records of version 5, and the datagrams that brought them."""

    records: np.ndarray  # dtype RECORD
    owner: np.ndarray  # int64; the header of each record, by its place
    headers: np.ndarray  # dtype HEADER
    rows: np.ndarray  # int64; the datagram of each header, by its place among those given
    short: np.ndarray  # int64; records that each header claims and its datagram does not hold
    surplus: np.ndarray  # int64; records that each datagram has room for and its header does not claim
    false: np.ndarray  # int64; datagrams, by place, whose headers can't be true; their records are not read
    versions: np.ndarray  # int64; the version of each datagram, 0 where it has no room for one


def flows(buffer: np.ndarray, start: np.ndarray, size: np.ndarray) -> Flows:
    """Return the version 5 flow records in export datagrams.

    Parameters
    ----------
    buffer : uint8 array
    start, size : int64 arrays
        Where each datagram stands in the buffer, and how many bytes of it there are.
    """
    view = memoryview(buffer)  # type: ignore[arg-type]
    versions = np.zeros(len(start), np.int64)
    known = np.flatnonzero(size >= 2)
    versions[known] = (buffer[start[known]].astype(np.int64) << 8) | buffer[start[known] + 1]
    rows = np.flatnonzero((versions == 5) & (size >= HEADER.itemsize))
    headers = buffer[start[rows, None] + np.arange(HEADER.itemsize)].reshape(-1).view(HEADER)
    claimed = headers["count"].astype(np.int64)
    room, odd = np.divmod(size[rows] - HEADER.itemsize, RECORD.itemsize)
    # a datagram holds 30 records at most; where more are claimed only a length that agrees makes it credible
    credible = (claimed <= _MOST_RECORDS) | ((claimed == room) & (odd == 0))
    false = rows[~credible]
    rows, headers, claimed, room = (each[credible] for each in (rows, headers, claimed, room))
    held = np.minimum(claimed, room)
    first = start[rows] + HEADER.itemsize
    spans = zip(first.tolist(), (first + held * RECORD.itemsize).tolist(), strict=True)
    records = np.frombuffer(b"".join([view[at:end] for at, end in spans]), RECORD)
    return Flows(
        records=records,
        owner=np.repeat(np.arange(len(rows)), held),
        headers=headers,
        rows=rows,
        short=claimed - held,
        surplus=np.maximum(room - claimed, 0),
        false=false,
        versions=versions,
    )


def times(headers: np.ndarray, uptime: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return when something was at an uptime, in milliseconds since 1970.

    Parameters
    ----------
    headers : array of HEADER
    uptime : array
        Milliseconds since the exporter's start, in 32 bits: they begin again at 0 after 49.7 days.
    owner : array
        The header that each belongs to.
    """
    # the difference to the header's uptime, taken in 32 bits, is right across the wrap
    ago = (headers["uptime"][owner] - uptime.astype(np.uint32)).view(np.int32)
    return _exported(headers)[owner] - ago


def _exported(headers: np.ndarray) -> np.ndarray:
    return headers["seconds"].astype(np.int64) * 1000 + headers["nanoseconds"] // 1_000_000


class Sequence(NamedTuple):
    """What the sequence numbers of one exporter tell."""

    lost: int  # flows that were sent and are not there
    again: int  # datagrams that are there twice
    starts: int  # times that the exporter was started
    counts_flows: bool  # False where the numbers do something else, so that `lost` says nothing


def sequence(headers: np.ndarray) -> Sequence:
    """Return what the headers of one exporter, in the order in which they came, tell of lost flows.

    A sequence number is the count of flows sent before the datagram; datagrams may come in another order.
    """
    lost = again = 0
    counts_flows = True
    runs = _runs(headers)
    for run in runs:
        told = np.unique(np.stack([_unwrapped(run["sequence"]), run["count"].astype(np.int64)]), axis=1)
        again += len(run) - told.shape[1]
        gap = int((told[0] + told[1]).max() - told[0].min() - told[1].sum())
        counts_flows &= gap >= 0
        lost += max(gap, 0)
    return Sequence(lost if counts_flows else 0, again, len(runs), counts_flows)


def _runs(headers: np.ndarray) -> list[np.ndarray]:
    """Split the datagrams of one exporter where it was started again: the time of its start and its sequence jump back."""
    started = (_exported(headers) - headers["uptime"]) % 2**32  # the wrap of the uptime is no start
    moved = np.abs((np.diff(started) + 2**31) % 2**32 - 2**31) > _RESTART
    back = np.diff(headers["sequence"].astype(np.int64)) < 0
    return np.split(headers, np.flatnonzero(moved & back) + 1)


def _unwrapped(sequence: np.ndarray) -> np.ndarray:
    """Return 32-bit sequence numbers as they would be in 64 bits: each step is the shorter way round."""
    steps = np.diff(sequence.astype(np.uint32)).view(np.int32).astype(np.int64)
    return np.concatenate([[0], np.cumsum(steps)]) + int(sequence[0])
