"""Records in export datagrams: those of NetFlow 1, 5 and 7, whose layout is fixed, and where those of varying length stand."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["fixed_records", "varying_records"]

_VARYING = 65_535  # the length of a field that tells its own (RFC 7011 7)


@njit(inline="always")
def _two(buffer, at):
    return (np.uint32(buffer[np.uintp(at)]) << np.uint32(8)) | np.uint32(buffer[np.uintp(at + 1)])


@njit(inline="always")
def _four(buffer, at):
    return (_two(buffer, at) << np.uint32(16)) | _two(buffer, at + 2)


@njit(cache=True, nogil=True)
def fixed_records(buffer, first, held, size, flags_at, exported, uptime, four, two, one, wide):
    """Fill the columns of flow records of NetFlow 1, 5 or 7, which differ in nothing else that is read here.

    Parameters
    ----------
    buffer : uint8 array
    first, held : int64 arrays
        Where the first record of each datagram stands, and how many there are, all of them within the buffer.
    size : int64 array
        Bytes of a record of each datagram.
    flags_at : int
        Where the TCP flags of a record stand.
    exported : int64 array
        When each datagram was exported, in nanoseconds since 1970.
    uptime : uint32 array
        Milliseconds since the exporter's start, by each header.
    four : uint32 array, shape (2, n)
        Becomes src, dst.
    two : uint16 array, shape (2, n)
        Becomes ports.
    one : uint8 array, shape (2, n)
        Becomes protocol, flags.
    wide : int64 array, shape (4, n)
        Becomes packets, octets, start and end in nanoseconds.
    """
    row = np.uintp(0)
    for number in range(len(first)):
        at = first[number]
        now, up = exported[number], uptime[number]
        for _ in range(held[number]):
            four[0, row] = _four(buffer, at)
            four[1, row] = _four(buffer, at + 4)
            two[0, row] = _two(buffer, at + 32)
            two[1, row] = _two(buffer, at + 34)
            one[0, row] = buffer[np.uintp(at + 38)]
            one[1, row] = buffer[np.uintp(at + flags_at)]
            wide[0, row] = _four(buffer, at + 16)
            wide[1, row] = _four(buffer, at + 20)
            # the difference to the header's uptime, taken in 32 bits, is right across the wrap after 49.7 days
            wide[2, row] = now - np.int64(np.int32(np.uint32(up - _four(buffer, at + 24)))) * 1_000_000
            wide[3, row] = now - np.int64(np.int32(np.uint32(up - _four(buffer, at + 28)))) * 1_000_000
            at += size[number]
            row += np.uintp(1)


@njit(cache=True, nogil=True)
def varying_records(buffer, start, end, lengths, places, found):
    """Return how many records stand in sets of data, and whether there was room to write down where.

    Parameters
    ----------
    buffer : uint8 array
    start, end : int64 arrays
        Where each set begins and ends.
    lengths : int64 array
        The length of each field; 65,535 of those that tell their own.
    places : int64 array, shape (room, fields)
        Becomes where each field begins. With room 0, records are counted only.
    found : int64 array
        Becomes the number of records in each set.

    *Source*: RFC 7011 7: one byte of length, or 255 and two bytes.
    """
    count = 0
    least = 0
    for length in lengths:
        least += 1 if length == _VARYING else length
    for number in range(len(start)):
        at, stop = start[number], end[number]
        mine = 0
        while least > 0 and at + least <= stop:
            fine = True
            for field in range(len(lengths)):
                length = lengths[field]
                if length == _VARYING:
                    if at >= stop:
                        fine = False
                        break
                    length = np.int64(buffer[at])
                    at += 1
                    if length == 255:
                        if at + 2 > stop:
                            fine = False
                            break
                        length = np.int64(_two(buffer, at))
                        at += 2
                if count < len(places):
                    places[count, field] = at
                at += length
                if at > stop:
                    fine = False
                    break
            if not fine:
                break
            count += 1
            mine += 1
        found[number] = mine
    return count
