"""NetFlow versions 1, 5 and 7: datagrams whose records have one layout. Arrays in, arrays out.

Source: Cisco, "NetFlow Export Datagram Format" (versions 1, 5, 7).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nsm_nb.kernels.flow_records import fixed_records

__all__ = ["HEADERS", "RECORD_SIZES", "SHORT", "Fixed", "fixed_flows", "record_sizes"]

_HEADER = [("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("nanoseconds", ">u4")]
HEADERS = {
    1: np.dtype(_HEADER),
    5: np.dtype([*_HEADER, ("sequence", ">u4"), ("engine", ">u2"), ("sampling", ">u2")]),
    7: np.dtype([*_HEADER, ("sequence", ">u4"), ("reserved", ">u4")]),
}
RECORD_SIZES = {1: 52, 5: 48, 7: 52}
SHORT = 48  # bytes of a record of version 1 that ends before its last field
_FLAGS_AT = {1: 40, 5: 37, 7: 37}
_MOST_RECORDS = 30  # a datagram holds no more (of version 1, 24; of version 7, 28)
_MODE = 0xC000  # of the sampling field, the upper two bits; the others are the interval


class Fixed(NamedTuple):
    """Flow records of one version, and the datagrams that brought them."""

    flows: dict[str, np.ndarray]  # columns; `owner` is the header of each record, by its place
    headers: np.ndarray  # dtype HEADERS[version]
    rows: np.ndarray  # int64; the datagram of each header, by its place among those given
    held: np.ndarray  # int64; records that were read of each
    short: np.ndarray  # int64; records that each header claims and its datagram does not hold
    surplus: np.ndarray  # int64; records that each datagram has room for and its header does not claim
    false: np.ndarray  # int64; datagrams, by place, whose headers can't be true; their records are not read
    cut: int  # datagrams that end inside their header


def record_sizes(version: int, count: np.ndarray, sent: np.ndarray) -> np.ndarray:
    """Return how many bytes a record of each datagram has.

    Those of version 1 have 52; softflowd 1.1.0 leaves the last four of them out (measured), which its datagrams' lengths tell.

    Parameters
    ----------
    version
        1, 5 or 7.
    count, sent : int64 arrays
        Records that each datagram claims, and its bytes.
    """
    sizes = np.full(len(count), RECORD_SIZES[version])
    if version == 1:
        sizes[sent == HEADERS[1].itemsize + count * SHORT] = SHORT
    return sizes


def fixed_flows(
    buffer: np.ndarray,
    start: np.ndarray,
    size: np.ndarray,
    versions: np.ndarray,
    version: int,
    sent: np.ndarray | None = None,
) -> Fixed:
    """Return the flow records of one version in export datagrams.

    Parameters
    ----------
    buffer : uint8 array
    start, size : int64 arrays
        Where each datagram stands in the buffer, and how many bytes of it there are.
    versions : int64 array
        The version of each.
    version
        1, 5 or 7.
    sent : int64 array
        How many bytes each had when it was sent; as many as there are where not given.
    """
    header = HEADERS[version]
    mine = versions == version
    rows = np.flatnonzero(mine & (size >= header.itemsize))
    cut = int(mine.sum()) - len(rows)
    headers = buffer[start[rows, None] + np.arange(header.itemsize)].reshape(-1).view(header)
    claimed = headers["count"].astype(np.int64)
    length = record_sizes(version, claimed, (size if sent is None else sent)[rows])
    room, odd = np.divmod(size[rows] - header.itemsize, length)
    # a datagram holds 30 records at most; where more are claimed only a length that agrees makes it credible
    credible = (claimed <= _MOST_RECORDS) | ((claimed == room) & (odd == 0))
    false = rows[~credible]
    rows, headers, claimed, room, length = (each[credible] for each in (rows, headers, claimed, room, length))
    held = np.minimum(claimed, room)
    count = int(held.sum())
    exported = headers["seconds"].astype(np.int64) * 10**9 + headers["nanoseconds"].astype(np.int64) // 10**6 * 10**6
    four, two, one = np.empty((2, count), np.uint32), np.empty((2, count), np.uint16), np.empty((2, count), np.uint8)
    wide = np.empty((4, count), np.int64)
    uptime = headers["uptime"].astype(np.uint32)
    first = start[rows] + header.itemsize
    fixed_records(buffer, first, held, length, _FLAGS_AT[version], exported, uptime, four, two, one, wide)
    owner = np.repeat(np.arange(len(rows), dtype=np.int32), held)
    flows = {
        "owner": owner, "src_low": four[0], "dst_low": four[1], "src_port": two[0], "dst_port": two[1], "proto": one[0],
        "src_flags": one[1], "src_packets": wide[0], "src_octets": wide[1], "start": wide[2], "end": wide[3],
    }  # fmt: skip
    if version == 5:
        # some exporters give an interval and leave the mode at 0
        interval = headers["sampling"].astype(np.int64) & ~_MODE
        if (interval > 1).any():
            flows["sampling"] = np.where(interval > 1, interval, -1)[owner]
    return Fixed(flows, headers, rows, held, claimed - held, np.maximum(room - claimed, 0), false, cut)
