"""Argus' records to rows of numbers, and rows to the sessions that they are parts of.

A record is a head of four bytes (kind and version, cause, length in words) and data of several types, each with its own head.

Source: argus-clients, include/argus_def.h and argus_out.h (3.0.8 and 5.0); measured on files of both, against ra.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.numbers import be16, be32, be64, byte

__all__ = ["ARP", "MANAGEMENT", "OTHER", "POOR", "UNKNOWN", "Rows", "join", "rows_for", "walk_argus"]

ARP = -1  # a protocol of no number
MANAGEMENT, OTHER, UNKNOWN, POOR, RECORDS, STOPPED = range(6)  # of what is counted; UNKNOWN: neither IP nor ARP
_LEAST = 44  # bytes of the shortest record that tells of a flow: its head, 16 of a flow, 12 of time, 8 of counts
_FAR, _MAR = 1, 8  # upper half of a record's first byte: flows, management
_START = 0x10  # cause of the first record of a flow; others go on
_TRANSPORT, _FLOW, _TIME, _METER, _ENCAPS, _NETWORK, _VLAN = 0x01, 0x02, 0x03, 0x10, 0x20, 0x30, 0x40
_IMMEDIATE = 0x80  # of a type: four bytes in all
_TUPLE, _ARP_FLOW, _REVERSE = 0x01, 0x06, 0x40  # kinds of flows
_IPV4, _IPV6 = 1, 2
_NANOSECONDS = 0x19  # ARGUS_TYPE_UTC_NANOSECONDS; else microseconds
_ETHER, _TAGGED = 0x02, 0x06  # encapsulations, as argus 3.0.8 writes them for Ethernet with no tag and with one
_SYN, _CLOSED, _RESET = 0x1, 0x18, 0x3000  # ARGUS_SAW_SYN, ARGUS_FIN | ARGUS_FIN_ACK, ARGUS_RESET
_IDLE = 60 * 10**9  # ns; ARGUS_TCPTIMEOUT: the longest that Argus keeps a flow that is silent
_MOST = 2**53  # a count beyond is none


class Rows(NamedTuple):
    """Flow records."""

    time: np.ndarray  # int64, n x 2: first and last, ns since 1970
    count: np.ndarray  # int64, n x 4: packets and bytes of src, of dst
    payload: np.ndarray  # int64, n x 2; -1 where not counted
    address: np.ndarray  # int64, n x 4: upper and lower half of src, of dst
    port: np.ndarray  # int64, n x 2; of ICMP type * 256 + code
    status: np.ndarray  # int64, of TCP
    record: np.ndarray  # int64
    sensor: np.ndarray  # int64
    proto: np.ndarray  # int16; ARP, or the number of IP
    tag: np.ndarray  # uint8; 4, 6, or 0
    link: np.ndarray  # int16: bytes of the link layer of a packet, -1 where not known
    vlan: np.ndarray  # int16; -1 where there is none
    cause: np.ndarray  # uint8


def rows_for(size: int) -> Rows:
    """Return room for the rows of `size` bytes."""
    count = size // _LEAST + 1
    return Rows(
        np.zeros((count, 2), np.int64), np.zeros((count, 4), np.int64), np.zeros((count, 2), np.int64),
        np.zeros((count, 4), np.int64), np.zeros((count, 2), np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64),
        np.zeros(count, np.int64), np.zeros(count, np.int16), np.zeros(count, np.uint8), np.zeros(count, np.int16),
        np.zeros(count, np.int16), np.zeros(count, np.uint8),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def walk_argus(buffer, start, end, rows, counted):
    """Fill `rows` from the records that stand wholly in ``buffer[start:end]``; return how many, and where the next one stands.

    Parameters
    ----------
    buffer : uint8 array
    start, end : int
    rows : Rows
        With room for all.
    counted : int64 array
        Of 6: what else was seen is added. STOPPED, the last, becomes 1 where a record has no length.
    """
    at, row = start, 0
    while at + 4 <= end:
        size = be16(buffer, np.uintp(at + 2)) * 4
        if size == 0:
            counted[STOPPED] = 1
            break
        if at + size > end:
            break
        kind = byte(buffer, np.uintp(at)) >> 4
        counted[RECORDS] += 1
        if kind == _FAR:
            found = _flow(buffer, at, size, rows, row) if size >= _LEAST else POOR
            if found < 0:
                rows.cause[row] = byte(buffer, np.uintp(at + 1)) & 0xF0
                rows.record[row] = counted[RECORDS]
                row += 1
            else:
                counted[found] += 1
        else:
            counted[MANAGEMENT if kind == _MAR else OTHER] += 1
        at += size
    return row, at


@njit(cache=True, nogil=True)
def _flow(buffer, at, size, rows, row):
    """Fill a row; return -1, or as what the record counts."""
    end, place = at + size, at + 4
    keyed, timed, metered, reverse = False, False, False, False
    rows.status[row], rows.sensor[row] = 0, 0
    rows.link[row], rows.vlan[row], rows.proto[row] = -1, -1, -2
    while place + 4 <= end:
        kind, form, sort = (
            byte(buffer, np.uintp(place)), byte(buffer, np.uintp(place + 1)), byte(buffer, np.uintp(place + 2)),
        )  # fmt: skip
        length = np.int64(4) if kind & _IMMEDIATE else 4 * byte(buffer, np.uintp(place + 3))
        if length == 0 or place + length > end:
            break
        if kind == _FLOW and not keyed:
            keyed, reverse = True, _key(buffer, place, length, form, sort, rows, row)
        elif kind == _TIME and length >= 12:
            timed = True
            unit = 1 if sort & 0x1F == _NANOSECONDS else 1000
            for each in range(2):
                one = place + 4 + (8 * each if length >= 20 else 0)
                rows.time[row, each] = (
                    be32(buffer, np.uintp(one)) * 1_000_000_000 + be32(buffer, np.uintp(one + 4)) * unit
                )
        elif kind == _METER:
            metered = _counts(buffer, place, length, form, sort, rows, row)
        elif kind == _NETWORK and 3 <= form <= 5 and length >= 8:  # ARGUS_TCP_INIT, _STATUS, _PERF
            rows.status[row] = be32(buffer, np.uintp(place + 4))
        elif kind == _ENCAPS and length >= 8:
            seen = be32(buffer, np.uintp(place + 4))
            if length >= 12:
                seen |= be32(buffer, np.uintp(place + 8))
            rows.link[row] = 14 if seen == _ETHER else 18 if seen == _TAGGED else -1
        elif kind == _TRANSPORT and form & 1 and length >= 8:
            rows.sensor[row] = be32(buffer, np.uintp(place + 4))
        elif kind == _VLAN and length >= 8:
            tag = be16(buffer, np.uintp(place + 4)) & 0x0FFF
            rows.vlan[row] = tag if tag else be16(buffer, np.uintp(place + 6)) & 0x0FFF
        place += length
    if rows.link[row] == 18 and rows.vlan[row] < 0:
        rows.link[row] = -1  # the bit is not for a tag then
    if not (keyed and timed and metered):
        return POOR
    if reverse and rows.proto[row] == ARP:  # an answer that nobody was seen to ask for
        for each in range(2):
            rows.count[row, each], rows.count[row, 2 + each] = rows.count[row, 2 + each], rows.count[row, each]
    return UNKNOWN if rows.proto[row] == -2 else -1


@njit(cache=True, nogil=True)
def _key(buffer, at, size, form, sort, rows, row):
    """Fill protocol, addresses and ports as ra prints them; return whether the flow is kept by its other side."""
    kind, family, reverse = form & 0x1F, sort & 0x0F, form & _REVERSE != 0
    if kind == _ARP_FLOW and size >= 20:
        rows.proto[row], rows.tag[row] = ARP, 4
        rows.address[row, 0], rows.address[row, 2] = 0, 0
        rows.address[row, 1], rows.address[row, 3] = be32(buffer, np.uintp(at + 12)), be32(buffer, np.uintp(at + 16))
        rows.port[row, 0], rows.port[row, 1] = 0, 0
        return reverse
    first, second = (2, 0) if reverse and kind == _TUPLE else (0, 2)
    if kind == _TUPLE and family == _IPV4 and size >= 18:
        rows.tag[row], rows.proto[row], ports = 4, byte(buffer, np.uintp(at + 12)), at + 14
        rows.address[row, 0], rows.address[row, 2] = 0, 0
        rows.address[row, first + 1] = be32(buffer, np.uintp(at + 4))
        rows.address[row, second + 1] = be32(buffer, np.uintp(at + 8))
    elif kind == _TUPLE and family == _IPV6 and size >= 44:
        rows.tag[row], rows.proto[row], ports = 6, byte(buffer, np.uintp(at + 36)), at + 40
        for half in range(2):
            rows.address[row, first + half] = be64(buffer, np.uintp(at + 4 + 8 * half))
            rows.address[row, second + half] = be64(buffer, np.uintp(at + 20 + 8 * half))
    else:
        rows.proto[row] = -2
        return False
    one, other = be16(buffer, np.uintp(ports)), be16(buffer, np.uintp(ports + 2))
    if rows.proto[row] == 1 or rows.proto[row] == 58:
        other = one  # type and code of ICMP
    rows.port[row, first // 2], rows.port[row, second // 2] = one, other
    return reverse


@njit(cache=True, nogil=True)
def _counts(buffer, at, size, form, sort, rows, row):
    """Fill packets and bytes of both sides, one of which may be left out; False where they can't be read."""
    kind, fields = sort & 0x0F, 3 if form == 4 else 2  # ARGUS_METER_PKTS_BYTES_APP counts payload besides
    if kind < 1 or kind > 12:
        return False
    width = 1 << ((kind - 1) & 3)
    sides = 2 if kind <= 4 else 1
    if 4 + width * fields * sides > size:
        return False
    for side in range(2):
        rows.count[row, 2 * side], rows.count[row, 2 * side + 1] = 0, 0
        rows.payload[row, side] = 0 if fields == 3 else -1
    for each in range(fields * sides):
        one = np.uintp(at + 4 + width * each)
        if width == 1:
            value = byte(buffer, one)
        elif width == 2:
            value = be16(buffer, one)
        elif width == 4:
            value = be32(buffer, one)
        else:
            value = be64(buffer, one)
        if value < 0 or value > _MOST:
            return False
        side, field = each // fields, each % fields
        if kind > 8:
            side = 1
        if field == 2:
            rows.payload[row, side] = value
        else:
            rows.count[row, 2 * side + field] = value
    return True


@njit(cache=True, nogil=True)
def join(rows, key, flipped, keys):
    """Put records together that are parts of one session, each into the first of them; return the session of each record.

    A record goes on with the last session of its key where Argus says so, or where it comes within a minute and opens nothing
    after a close.

    Parameters
    ----------
    rows : Rows
        Times, counts, payload, status and cause of the first record of a session become those of the session.
    key, flipped : int64, bool arrays
        A number for who talked to whom, whichever way round, and which way that was.
    keys : int
        How many numbers there are.

    Returns
    -------
    int64 array
        The row of the first record of the session.
    """
    last = np.full(keys, -1, np.int64)
    first = np.empty(len(key), np.int64)
    for row in range(len(key)):
        known = last[key[row]]
        if known >= 0 and rows.cause[row] == _START:
            late = rows.time[row, 0] - rows.time[known, 1] > _IDLE
            anew = rows.status[known] & (_CLOSED | _RESET) and rows.status[row] & _SYN
            if late or anew:
                known = -1
        if known < 0:
            last[key[row]] = row
            first[row] = row
            continue
        first[row] = known
        turned = 2 if flipped[row] != flipped[known] else 0
        rows.time[known, 0] = min(rows.time[known, 0], rows.time[row, 0])
        rows.time[known, 1] = max(rows.time[known, 1], rows.time[row, 1])
        for each in range(4):
            rows.count[known, each] += rows.count[row, (each + turned) % 4]
        for side in range(2):
            more = rows.payload[row, (side + turned // 2) % 2]
            if rows.payload[known, side] >= 0 and more > 0:
                rows.payload[known, side] += more
        rows.status[known] |= rows.status[row]
        rows.cause[known] = rows.cause[row]
    return first
