"""Records of nfdump's files to rows of numbers: both generations of them, those with extension maps and those with elements.

Source: nfdump, nffile.h of 1.6 (`common_record_t`, extension maps), nfxV3.h of 1.7 (`recordHeaderV3_t`, EX...); measured on files
of both. All numbers stand in the order of the machine that wrote them, which is little-endian here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.numbers import byte, le16, le32, le64

__all__ = ["FLOW_TYPES", "META", "Rows", "Walk", "maps", "rows_for", "walk_for", "walk_records"]

FLOW_TYPES = (1, 10, 11)  # CommonRecordV0, CommonRecord, V3Record
META = (5, 7, 8, 9, 15, 0x8001, 0x8002)  # exporters, their counts, samplers; name and sums of the file
_LEAST = 44  # bytes of the shortest record that is a flow
_FIRST, _LAST, _RECEIVED = range(3)
_PACKETS, _OCTETS, _OUT_PACKETS, _OUT_OCTETS = range(4)
_VLAN, _OUT_P, _OUT_P_SIZE, _OUT_O, _OUT_O_SIZE, _HEARD, _EVENT, _KNOWN = range(8)  # of a map: where fields stand


class Rows(NamedTuple):
    """Flow records."""

    time: np.ndarray  # int64, n x 3: first, last, received, in ms; 0 where not told
    count: np.ndarray  # int64, n x 4: packets, octets, those of the other way; -1 where not told
    address: np.ndarray  # int64, n x 4: upper and lower half of src, of dst
    port: np.ndarray  # uint16, n x 2
    tag: np.ndarray  # uint8; 4, 6, or 0 where there are no addresses
    proto: np.ndarray  # uint8
    flags: np.ndarray  # uint8, those of TCP
    marks: np.ndarray  # uint8; 1 event, 2 sampled
    exporter: np.ndarray  # uint16
    vlan: np.ndarray  # int32; -1 where not told


class Walk(NamedTuple):
    """How a walk over a block ended; int64 arrays of one element each but for the last two."""

    rows: np.ndarray
    records: np.ndarray  # of any kind
    poor: np.ndarray  # flow records without what makes one
    stop: np.ndarray  # -1, or where a length can't be true
    others: np.ndarray  # int64, 65,536: how many of each type were passed over
    meta: np.ndarray  # int64: where records of META stand, -1 behind the last


def rows_for(size: int) -> Rows:
    """Return room for the rows of a block of `size` bytes."""
    count = size // _LEAST + 1
    return Rows(
        np.zeros((count, 3), np.int64), np.full((count, 4), -1, np.int64), np.zeros((count, 4), np.int64),
        np.zeros((count, 2), np.uint16), np.zeros(count, np.uint8), np.zeros(count, np.uint8), np.zeros(count, np.uint8),
        np.zeros(count, np.uint8), np.zeros(count, np.uint16), np.full(count, -1, np.int32),
    )  # fmt: skip


def walk_for(meta: int) -> Walk:
    """Return room for what is said of a block, with at most so many places of records of META."""
    one = [np.zeros(1, np.int64) for _ in range(4)]
    return Walk(one[0], one[1], one[2], one[3], np.zeros(65_536, np.int64), np.full(meta, -1, np.int64))


def maps() -> np.ndarray:
    """Return room for the extension maps of a file: none is known yet."""
    return np.full((65_536, 8), -1, np.int32)


# bytes of each extension of nfdump 1.6, 0 where it is not known
_SIZES = np.zeros(64, np.int32)
for _kind, _size in {
    4: 4, 5: 8, 6: 4, 7: 8, 8: 4, 9: 4, 10: 16, 11: 4, 12: 16, 13: 4, 14: 4, 15: 8, 16: 4, 17: 8, 18: 4, 19: 8, 20: 16,
    21: 16, 22: 40, 23: 4, 24: 16, 25: 4, 26: 8, 27: 8, 37: 20, 38: 4, 39: 8, 40: 32, 41: 24, 42: 24, 43: 72, 45: 24,
    46: 12, 47: 8, 48: 8,
}.items():  # fmt: skip
    _SIZES[_kind] = _size


@njit(cache=True, nogil=True)
def _map(buffer, at, size, maps):
    """Note where the fields of an extension map stand, counted from the end of what all records have."""
    number = le16(buffer, np.uintp(at + 4))
    for field in range(8):
        maps[number, field] = -1
    maps[number, _KNOWN] = 1
    place = np.int64(0)
    for each in range(8, size - 1, 2):
        kind = le16(buffer, np.uintp(at + each))
        if kind == 0 or kind >= 64 or _SIZES[kind] == 0:
            break  # the end; or nothing can be said of what stands behind it
        if kind == 13:
            maps[number, _VLAN] = place
        elif kind == 14 or kind == 15:
            maps[number, _OUT_P], maps[number, _OUT_P_SIZE] = place, _SIZES[kind]
        elif kind == 16 or kind == 17:
            maps[number, _OUT_O], maps[number, _OUT_O_SIZE] = place, _SIZES[kind]
        elif kind == 27:
            maps[number, _HEARD] = place
        elif kind == 37:
            maps[number, _EVENT] = place
        place += _SIZES[kind]


@njit(cache=True, nogil=True)
def _sized(buffer, at, size):
    if size == 8:
        return le64(buffer, np.uintp(at))
    return le32(buffer, np.uintp(at))


@njit(cache=True, nogil=True)
def _common(buffer, at, size, kind, maps, rows, row):
    """Fill a row from a record of nfdump 1.6; False where it lacks what makes a flow."""
    body = at + (28 if kind == 1 else 32)
    end = at + size
    if body + 16 > end:
        return False
    flags = byte(buffer, np.uintp(at + 4))
    wide, packets, octets = flags & 1, 8 if flags & 2 else 4, 8 if flags & 4 else 4
    needed = (32 if wide else 8) + packets + octets
    if body + needed > end:
        return False
    first, last = le32(buffer, np.uintp(at + 12)), le32(buffer, np.uintp(at + 16))
    if first:
        rows.time[row, _FIRST] = first * 1000 + le16(buffer, np.uintp(at + 8))
    if last:
        rows.time[row, _LAST] = last * 1000 + le16(buffer, np.uintp(at + 10))
    rows.flags[row], rows.proto[row] = byte(buffer, np.uintp(at + 21)), byte(buffer, np.uintp(at + 22))
    rows.port[row, 0], rows.port[row, 1] = le16(buffer, np.uintp(at + 24)), le16(buffer, np.uintp(at + 26))
    rows.exporter[row] = byte(buffer, np.uintp(at + 5)) if kind == 1 else le16(buffer, np.uintp(at + 28))
    rows.marks[row] = ((flags >> 6) & 1) | ((flags >> 6) & 2)
    if wide:
        for half in range(4):
            rows.address[row, half] = le64(buffer, np.uintp(body + 8 * half))
    else:
        rows.address[row, 1], rows.address[row, 3] = le32(buffer, np.uintp(body)), le32(buffer, np.uintp(body + 4))
    rows.tag[row] = 6 if wide else 4
    more = body + needed
    rows.count[row, _PACKETS] = _sized(buffer, more - packets - octets, packets)
    rows.count[row, _OCTETS] = _sized(buffer, more - octets, octets)
    number = le16(buffer, np.uintp(at + 6))
    place = maps[number]
    if place[_VLAN] >= 0 and more + place[_VLAN] + 4 <= end:
        rows.vlan[row] = le16(buffer, np.uintp(more + place[_VLAN]))
    if place[_OUT_P] >= 0 and more + place[_OUT_P] + place[_OUT_P_SIZE] <= end:
        rows.count[row, _OUT_PACKETS] = _sized(buffer, more + place[_OUT_P], place[_OUT_P_SIZE])
    if place[_OUT_O] >= 0 and more + place[_OUT_O] + place[_OUT_O_SIZE] <= end:
        rows.count[row, _OUT_OCTETS] = _sized(buffer, more + place[_OUT_O], place[_OUT_O_SIZE])
    if place[_HEARD] >= 0 and more + place[_HEARD] + 8 <= end:
        rows.time[row, _RECEIVED] = le64(buffer, np.uintp(more + place[_HEARD]))
    if place[_EVENT] >= 0 and not first and more + place[_EVENT] + 8 <= end:
        rows.time[row, _FIRST] = rows.time[row, _LAST] = le64(buffer, np.uintp(more + place[_EVENT]))
    return True


@njit(cache=True, nogil=True)
def _elements(buffer, at, size, rows, row):
    """Fill a row from a record of nfdump 1.7; False where it lacks what makes a flow."""
    end, found = at + size, False
    rows.exporter[row] = le16(buffer, np.uintp(at + 8))
    rows.marks[row] = byte(buffer, np.uintp(at + 10)) & 3
    place = at + 12
    while place + 4 <= end:
        kind, length = le16(buffer, np.uintp(place)), le16(buffer, np.uintp(place + 2))
        if length < 4 or place + length > end:
            break
        body = place + 4
        if kind == 1 and length >= 52:  # EXgenericFlow
            found = True
            for each in range(3):
                rows.time[row, each] = le64(buffer, np.uintp(body + 8 * each))
            rows.count[row, _PACKETS], rows.count[row, _OCTETS] = (
                le64(buffer, np.uintp(body + 24)), le64(buffer, np.uintp(body + 32)),
            )  # fmt: skip
            rows.port[row, 0], rows.port[row, 1] = le16(buffer, np.uintp(body + 40)), le16(buffer, np.uintp(body + 42))
            rows.proto[row], rows.flags[row] = byte(buffer, np.uintp(body + 44)), byte(buffer, np.uintp(body + 45))
        elif kind == 2 and length >= 12:  # EXipv4Flow
            rows.address[row, 0], rows.address[row, 2] = 0, 0
            rows.address[row, 1], rows.address[row, 3] = le32(buffer, np.uintp(body)), le32(buffer, np.uintp(body + 4))
            rows.tag[row] = 4
        elif kind == 3 and length >= 36:  # EXipv6Flow
            for half in range(4):
                rows.address[row, half] = le64(buffer, np.uintp(body + 8 * half))
            rows.tag[row] = 6
        elif kind == 5 and length >= 28:  # EXcntFlow
            rows.count[row, _OUT_PACKETS], rows.count[row, _OUT_OCTETS] = (
                le64(buffer, np.uintp(body + 8)), le64(buffer, np.uintp(body + 16)),
            )  # fmt: skip
        elif kind == 6 and length >= 12:  # EXvLan
            rows.vlan[row] = le32(buffer, np.uintp(body)) & 0xFFFF
        elif kind == 19 and length >= 12 and rows.time[row, _FIRST] == 0:  # EXnselCommon: an event has one time
            rows.time[row, _FIRST] = rows.time[row, _LAST] = le64(buffer, np.uintp(body))
        place += length
    return found


@njit(cache=True, nogil=True)
def walk_records(buffer, start, end, maps, rows, walk):
    """Fill `rows` from the records in ``buffer[start:end]``, and `walk` with how that went.

    Parameters
    ----------
    buffer : uint8 array
    start, end : int
    maps : int32 array
        As `maps` makes it; extension maps among the records are added.
    rows : Rows
        With room for all, as `rows_for` makes it.
    walk : Walk
    """
    at, row, records, poor, known = start, 0, 0, 0, 0
    walk.stop[0] = -1
    while at + 4 <= end:
        kind, size = le16(buffer, np.uintp(at)), le16(buffer, np.uintp(at + 2))
        if size < 4 or at + size > end:
            break
        records += 1
        filled = False
        if kind == 11:
            filled = size >= _LEAST and _elements(buffer, at, size, rows, row)
            poor += not filled
        elif kind == 10 or kind == 1:
            filled = size >= _LEAST and _common(buffer, at, size, kind, maps, rows, row)
            poor += not filled
        elif kind == 2 and size >= 8:
            _map(buffer, at, size, maps)
        elif kind == 5 or kind == 7 or kind == 8 or kind == 9 or kind == 15 or kind == 0x8001 or kind == 0x8002:
            if known < len(walk.meta):
                walk.meta[known] = at
                known += 1
        else:
            walk.others[kind] += 1
        if filled:
            row += 1
        elif kind == 1 or kind == 10 or kind == 11:  # what a record without a flow left in the row
            rows.time[row, :] = 0
            rows.count[row, :] = -1
            rows.address[row, :] = 0
            rows.tag[row], rows.vlan[row] = 0, -1
        at += size
    if at < end:
        walk.stop[0] = at
    walk.rows[0], walk.records[0], walk.poor[0] = row, records, poor
    if known < len(walk.meta):
        walk.meta[known] = -1
