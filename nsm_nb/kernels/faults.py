"""Faults of a capture that show in its packets: frames that came twice, checksums that are wrong.

Source: RFC 1071 (the internet checksum), RFC 791, 8200 8.1, 9293 3.1 and 768 (what it is taken of).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nsm_nb.kernels.numbers import be16, byte

__all__ = ["BAD", "GOOD", "UNKNOWN", "checksums", "first_of_each", "repeats"]

GOOD, BAD, UNKNOWN = 0, 1, 2

_WAYS, _BUCKETS = 4, 1 << 16


@njit(cache=True, nogil=True)
def mixed(keys, column):
    """Mix a column of numbers into one key a row, in place."""
    for row in range(len(keys)):
        key = (keys[row] ^ np.uint64(column[row])) * np.uint64(0x9E3779B97F4A7C15)
        keys[row] = key ^ (key >> np.uint64(29))


@njit(cache=True, nogil=True)
def repeats(time, keys, within):
    """Return for each row the row before it that has the same key and is not older than `within`; -1 where none has.

    What is remembered is the last four of each of 65,536 groups of keys, so that memory does not grow with the capture: of
    more packets within so short a time some may be missed.

    Parameters
    ----------
    time : int64 array
        Nanoseconds.
    keys : uint64 array
    within : int
        Nanoseconds.
    """
    found = np.full(len(time), -1, np.int64)
    last = np.full((_BUCKETS, _WAYS), -1, np.int64)
    turn = np.zeros(_BUCKETS, np.uint8)
    for row in range(len(time)):
        bucket = np.int64(keys[row] >> np.uint64(48))
        for way in range(_WAYS):
            other = last[bucket, way]
            if other > found[row] and keys[other] == keys[row] and 0 <= time[row] - time[other] <= within:
                found[row] = other
        way = np.int64(turn[bucket])
        last[bucket, way] = row
        turn[bucket] = (way + 1) % _WAYS
    return found


@njit(cache=True, nogil=True)
def first_of_each(codes, wanted, most, chosen):
    """Return the first `most` rows of each chosen code, of the rows that are wanted.

    Parameters
    ----------
    codes : int32 array
    wanted : bool array
    most : int
    chosen : bool array
        By code.
    """
    taken = np.zeros(len(chosen), np.int32)
    rows = np.empty(most * chosen.sum(), np.int64)
    count = 0
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0 and wanted[row] and chosen[code] and taken[code] < most:
            taken[code] += 1
            rows[count] = row
            count += 1
    return rows[:count]


@njit(cache=True, nogil=True)
def _sum(b, start, end):
    total = np.int64(0)
    at = start
    while end - at >= 2:
        total += be16(b, at)
        at += 2
    if end > at:
        total += byte(b, at) << 8
    return total


@njit(inline="always")
def _wrong(total):
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return BAD if total != 0xFFFF else GOOD


@njit(cache=True, nogil=True)
def checksums(buffer, start, size):
    """Return whether the checksums of IP and of TCP or UDP are right, of each packet: `GOOD`, `BAD` or `UNKNOWN`.

    Parameters
    ----------
    buffer : uint8 array
    start, size : int64 arrays
        Where each IP header starts, and the bytes from there on.

    Returns
    -------
    network, transport : uint8 arrays
    """
    network = np.full(len(start), UNKNOWN, np.uint8)
    transport = np.full(len(start), UNKNOWN, np.uint8)
    for row in range(len(start)):
        at, end = start[row], start[row] + size[row]
        if end - at < 20:
            continue
        version = byte(buffer, at) >> 4
        if version == 4:
            head = (byte(buffer, at) & 15) * 4
            total = be16(buffer, at + 2)
            if head < 20 or total < head or total > end - at:
                continue
            network[row] = _wrong(_sum(buffer, at, at + head))
            if be16(buffer, at + 6) & 0x3FFF:  # a fragment
                continue
            proto, body, end = byte(buffer, at + 9), at + head, at + total
            pseudo = _sum(buffer, at + 12, at + 20)
        elif version == 6 and end - at >= 40:
            total = be16(buffer, at + 4)
            if total == 0 or total > end - at - 40:
                continue
            proto, body, end = byte(buffer, at + 6), at + 40, at + 40 + total
            pseudo = _sum(buffer, at + 8, at + 40)
        else:
            continue
        if not ((proto == 6 and end - body >= 20) or (proto == 17 and end - body >= 8)):
            continue
        if proto == 17:
            length = be16(buffer, body + 4)
            if length < 8 or length > end - body or be16(buffer, body + 6) == 0:  # 0: none was computed (RFC 768)
                continue
            end = body + length
        transport[row] = _wrong(pseudo + proto + (end - body) + _sum(buffer, body, end))
    return network, transport
