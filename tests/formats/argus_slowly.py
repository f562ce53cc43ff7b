"""Argus' records, taken apart the slow way: the twin of `nsm_nb.kernels.argus`.

Source: argus-clients, include/argus_def.h and argus_out.h (3.0.8 and 5.0); measured on files of both, against ra.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["FAR", "MAR", "START", "Flow", "Piece", "flow_of", "pieces"]

FAR, MAR = 1, 8  # upper half of a record's first byte: flows, management; events and others are passed over
START = 0x10  # cause of the first record of a flow; others go on
_TRANSPORT, _FLOW, _TIME, _METER, _ENCAPS, _NETWORK = 0x01, 0x02, 0x03, 0x10, 0x20, 0x30
_VLAN = 0x40
_IMMEDIATE = 0x80  # of a type: four bytes in all
_TUPLE, _ARP = 0x01, 0x06  # kinds of flows
_REVERSE = 0x40
_IPV4, _IPV6 = 1, 2
_NANOSECONDS = 0x19  # ARGUS_TYPE_UTC_NANOSECONDS; else microseconds
_TCP_STATUS = (0x03, 0x04, 0x05)  # ARGUS_TCP_INIT, _STATUS, _PERF
_METERS = {
    1: "4B",
    2: "4H",
    3: "4I",
    4: "4Q",
    5: "2B",
    6: "2H",
    7: "2I",
    8: "2Q",
    9: "2B",
    10: "2H",
    11: "2I",
    12: "2Q",
}
_METERS_APP = {kind: code.replace("4", "6").replace("2", "3") for kind, code in _METERS.items()}
_FRAME, _TAGGED = 14, 18  # bytes of the link layer of a packet
_ETHER, _TAG = 0x02, 0x06
_METER_FORMS = {kind: struct.Struct(">" + code) for kind, code in _METERS.items()}
_METER_APP_FORMS = {kind: struct.Struct(">" + code) for kind, code in _METERS_APP.items()}


class Piece(NamedTuple):
    """A record: where it stands in the buffer, its kind and cause; `end` is behind it."""

    start: int
    end: int
    kind: int
    cause: int


class Flow(NamedTuple):
    """What a record tells of a flow, in its own words."""

    cause: int
    proto: int  # of IP; -1 for ARP, -2 where there is none
    src: bytes  # addresses, 4 or 16 bytes, none where there are none
    dst: bytes
    src_port: int  # of ICMP type * 256 + code
    dst_port: int
    start: int  # nanoseconds since 1970
    end: int
    counts: tuple[int, int, int, int]  # packets and bytes of src, of dst
    payload: tuple[int, int] | None  # bytes above the transport layer, where they were counted
    status: int  # of TCP, ARGUS_SAW_SYN ...
    link: int  # bytes of the link layer of a packet, -1 where that is not known
    sensor: bytes
    vlan: int


def pieces(data: bytes, end: int) -> Iterator[Piece]:
    """Yield the records that stand wholly in the first `end` bytes; a length of 0 ends it."""
    at = 0
    while at + 4 <= end:
        size = int.from_bytes(data[at + 2 : at + 4]) * 4
        if size == 0 or at + size > end:
            return
        yield Piece(at, at + size, data[at] >> 4, data[at + 1] & 0xF0)
        at += size


def flow_of(data: bytes, piece: Piece) -> Flow | None:
    """Return what a record tells; None where it lacks who, when or how much.

    Parameters
    ----------
    data
        Bytes that hold all of `piece`.
    piece
        A record of FAR.
    """
    at, end = piece.start + 4, piece.end
    key = time = meter = None
    reverse = False
    status, link, sensor, vlan = 0, -1, b"", -1
    while at + 4 <= end:
        kind, form, qualifier = data[at], data[at + 1], data[at + 2]
        size = 4 if kind & _IMMEDIATE else 4 * data[at + 3]
        if size == 0 or at + size > end:
            break
        if kind == _FLOW and key is None:
            key, reverse = _key(data, at, size, form, qualifier), bool(form & _REVERSE)
        elif kind == _TIME and size >= 12:
            time = _times(data, at, size, qualifier)
        elif kind == _METER:
            meter = _counts(data, at, size, form, qualifier)
        elif kind == _NETWORK and form in _TCP_STATUS and size >= 8:
            status = int.from_bytes(data[at + 4 : at + 8])
        elif kind == _ENCAPS and size >= 8:
            link = _link(
                int.from_bytes(data[at + 4 : at + 8]) | (int.from_bytes(data[at + 8 : at + 12]) if size >= 12 else 0)
            )
        elif kind == _TRANSPORT and form & 1 and size >= 8:
            sensor = data[at + 4 : at + 8]
        elif kind == _VLAN and size >= 8:
            vlan = int.from_bytes(data[at + 4 : at + 6]) & 0x0FFF or int.from_bytes(data[at + 6 : at + 8]) & 0x0FFF
        at += size
    if key is None or time is None or meter is None:
        return None
    counts, payload = meter
    if link == _TAGGED and vlan < 0:
        link = -1
    if key[0] == -1 and reverse:  # an answer that nobody was seen to ask for
        counts = (*counts[2:], *counts[:2])
    return Flow(piece.cause, *key, *time, counts, payload, status, link, sensor, vlan)


def _key(data: bytes, at: int, size: int, form: int, qualifier: int) -> tuple[int, bytes, bytes, int, int] | None:
    """Return protocol, addresses and ports as ra prints them."""
    kind = form & 0x1F
    if kind == _ARP and size >= 20:
        found = (-1, data[at + 12 : at + 16], data[at + 16 : at + 20], 0, 0)
    elif kind == _TUPLE and qualifier & 0x0F == _IPV4 and size >= 18:
        found = _ported(data[at + 12], data, at + 14, data[at + 4 : at + 8], data[at + 8 : at + 12])
    elif kind == _TUPLE and qualifier & 0x0F == _IPV6 and size >= 44:
        found = _ported(data[at + 36], data, at + 40, data[at + 4 : at + 20], data[at + 20 : at + 36])
    else:
        return (-2, b"", b"", 0, 0)
    if form & _REVERSE and kind == _TUPLE:  # the flow is kept by its other side, and its counts are the right way round
        proto, src, dst, first, second = found
        return proto, dst, src, second, first
    return found


def _ported(proto: int, data: bytes, at: int, src: bytes, dst: bytes) -> tuple[int, bytes, bytes, int, int]:
    first, second = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
    return proto, src, dst, first, first if proto in (1, 58) else second  # type and code of ICMP


def _times(data: bytes, at: int, size: int, qualifier: int) -> tuple[int, int]:
    unit = 1 if qualifier & 0x1F == _NANOSECONDS else 1000
    first, part, *more = struct.unpack_from(">4I" if size >= 20 else ">2I", data, at + 4)
    start = first * 1_000_000_000 + part * unit
    return start, (more[0] * 1_000_000_000 + more[1] * unit) if more else start


def _counts(
    data: bytes, at: int, size: int, form: int, qualifier: int
) -> tuple[tuple[int, int, int, int], tuple[int, int] | None] | None:
    """Return packets and bytes of both sides; one of them where the qualifier says so."""
    app = form == 4
    reader = (_METER_APP_FORMS if app else _METER_FORMS).get(qualifier & 0x0F)
    if reader is None or 4 + reader.size > size:
        return None
    found = reader.unpack_from(data, at + 4)
    each = 3 if app else 2
    none = (0,) * each
    if qualifier & 0x0F <= 4:
        src, dst = found[:each], found[each:]
    elif qualifier & 0x0F <= 8:
        src, dst = found, none
    else:
        src, dst = none, found
    return (src[0], src[1], dst[0], dst[1]), (src[2], dst[2]) if app else None


def _link(seen: int) -> int:
    """Return the bytes of the link layer by the encapsulations that were seen."""
    if seen == _ETHER:
        return _FRAME
    return _TAGGED if seen == _TAG else -1
