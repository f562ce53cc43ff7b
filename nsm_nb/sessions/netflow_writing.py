"""Flow records to export datagrams of NetFlow version 5, version 9 and IPFIX, with clocks that agree.

A flow's time is told in milliseconds of the exporter's uptime, and the header says what uptime and time were when it was
exported. Exports happen at whole seconds, so that version 9, whose header has no smaller unit, is exact too.

Source: Cisco, "NetFlow Export Datagram Format"; RFC 3954 (version 9); RFC 7011, 7012 (IPFIX); RFC 5103 (both directions).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nsm_nb.formats.netflow_v5 import RECORD
from nsm_nb.sessions.metering import Metered

__all__ = ["Sent", "datagrams", "fitting"]

_MOST = 1400  # bytes of a datagram: no fragments, in tunnels neither
_AGAIN = 60  # seconds, and datagrams, after which templates are sent again
_ERA = (
    2**31
)  # milliseconds after which uptimes begin anew, so that none wraps within a datagram (RFC 3954 5.1: 32 bits)
_UP = 60_000  # milliseconds that the exporter was up when the first flow began
_LARGEST = 2**32 - 1
_REVERSE = 29_305  # the enterprise number of what the other side sent (RFC 5103 6.1)


class Sent(NamedTuple):
    """A datagram."""

    second: int  # since 1970
    payload: bytes
    flows: int


Field = tuple[str, int, int, int]  # name, number, bytes, enterprise
_ENDS: dict[int, tuple[Field, ...]] = {
    4: (("src", 8, 4, 0), ("dst", 12, 4, 0)),
    6: (("src", 27, 16, 0), ("dst", 28, 16, 0)),
}
_PORTS: tuple[Field, ...] = (("src_port", 7, 2, 0), ("dst_port", 11, 2, 0))
# instead of ports, as softflowd does; nfdump 1.7.1 reads 139 in version 9 and not in IPFIX
_MESSAGE: dict[int, Field] = {4: ("dst_port", 32, 2, 0), 6: ("dst_port", 139, 2, 0)}
_UPTIMES: tuple[Field, ...] = (("start", 22, 4, 0), ("end", 21, 4, 0))
_TIMES: tuple[Field, ...] = (("start", 152, 8, 0), ("end", 153, 8, 0))
_COUNTS: tuple[Field, ...] = (("octets", 1, 8, 0), ("packets", 2, 8, 0))
_KIND: tuple[Field, ...] = (("proto", 4, 1, 0), ("flags", 6, 1, 0))
_BACK: tuple[Field, ...] = (
    ("back_octets", 1, 8, _REVERSE), ("back_packets", 2, 8, _REVERSE), ("back_flags", 6, 1, _REVERSE),
    ("initiator", 239, 1, 0),  # biflowDirection: src is who opened
)  # fmt: skip


class _Template(NamedTuple):
    number: int
    fields: tuple[Field, ...]

    @property
    def dtype(self) -> np.dtype:
        kinds = {1: "u1", 2: ">u2", 4: ">u4", 8: ">u8"}
        parts: list[tuple[str, str]] = []
        for name, _, size, _ in self.fields:
            parts += [(f"{name}_high", ">u8"), (f"{name}_low", ">u8")] if size == 16 else [(name, kinds[size])]
        return np.dtype(parts)

    def record(self) -> bytes:
        """Return what tells collectors of it."""
        told = struct.pack(">HH", self.number, len(self.fields))
        for _, number, size, enterprise in self.fields:
            told += struct.pack(">HH", number | (0x8000 if enterprise else 0), size)
            told += struct.pack(">I", enterprise) if enterprise else b""
        return told


def _templates(version: int, *, both: bool) -> list[_Template]:
    """Return those of IPv4 and IPv6, each for protocols with ports and for ICMP."""
    made = []
    for place, (kind, icmp) in enumerate(((4, False), (4, True), (6, False), (6, True))):
        fields = _ENDS[kind] + (_UPTIMES if version == 9 else _TIMES) + _COUNTS
        fields += ((_MESSAGE[kind],) if icmp else _PORTS) + _KIND
        if version == 10:
            fields += (("reason", 136, 1, 0), *(_BACK if both else ()))
        made.append(_Template(256 + place, fields))
    return made


def fitting(flows: Metered, version: int) -> Metered:
    """Return flows of which every number has room in a version: version 5 tells no IPv6 and counts in 32 bits.

    What has no room is counted in `left`; flows of too many octets or packets become several.
    """
    addressed = (flows.src.tag > 0) & (flows.src.tag == flows.dst.tag)
    left = dict(flows.left)
    if not addressed.all():
        left["flows without two addresses of IP are left out"] = int((~addressed).sum())
    if version != 5:
        return replace(flows.take(np.flatnonzero(addressed)), left=left)
    narrow = addressed & (flows.src.tag == 4)
    if (addressed & ~narrow).any():
        left["flows of IPv6 are left out, which version 5 can't tell; versions 9 and 10 can"] = int(
            (addressed & ~narrow).sum()
        )
    some = flows.take(np.flatnonzero(narrow))
    parts = np.maximum(-(-np.maximum(some.octets, some.packets) // _LARGEST), 1)
    if (parts == 1).all():
        return replace(some, left=left)
    left["flows of more than 4,294,967,295 octets are written in several records"] = int((parts > 1).sum())
    which = np.repeat(np.arange(len(some)), parts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)

    def share(total: np.ndarray) -> np.ndarray:
        each, rest = total[which] // parts[which], total[which] % parts[which]
        return each + (place < rest)

    return replace(some.take(which), packets=share(some.packets), octets=share(some.octets), left=left)


def datagrams(flows: Metered, version: int, *, both: bool = False) -> Iterator[Sent]:
    """Yield the export datagrams of flows, in the order of their export, with templates first and again each minute.

    Parameters
    ----------
    flows
        What `fitting` gave.
    version
        5, 9 or 10 (IPFIX).
    both
        Whether IPFIX tells both directions in one record.
    """
    if not len(flows):
        return
    first = int(flows.start.min()) // 1000 * 1000
    era = (flows.start - first) // _ERA
    kind = np.zeros(len(flows), np.int64)
    if version != 5:
        kind = 2 * (flows.src.tag == 6) + np.isin(flows.proto, (1, 58))
    order = np.lexsort((kind, era, flows.second))
    flows, era, kind = flows.take(order), era[order], kind[order]
    boot = first + era * _ERA - min(first, _UP)
    if version == 5:
        yield from _fives(flows, boot)
    else:
        yield from _sets(flows, boot, kind, version, _templates(version, both=both))


def _runs(*keys: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where each run of rows begins and ends that are alike in all keys."""
    changes = np.zeros(len(keys[0]), bool)
    for key in keys:
        changes[1:] |= np.diff(key) != 0
    first = np.flatnonzero(changes)
    yield from zip([0, *first.tolist()], [*first.tolist(), len(changes)], strict=True)


def _fives(flows: Metered, boot: np.ndarray) -> Iterator[Sent]:
    records = np.zeros(len(flows), RECORD)
    for name in ("src", "dst"):
        records[name] = getattr(flows, name).low
    for name in ("packets", "octets", "src_port", "dst_port", "proto"):
        records[name] = getattr(flows, name)
    records["tcp_flags"] = flows.flags
    records["first"], records["last"] = ((each - boot) % 2**32 for each in (flows.start, flows.end))
    data, size, most = records.tobytes(), RECORD.itemsize, (_MOST - 24) // RECORD.itemsize
    for begin, end in _runs(flows.second, boot):
        second = int(flows.second[begin])
        uptime = (second * 1000 - int(boot[begin])) % 2**32
        for at in range(begin, end, most):
            to = min(at + most, end)
            head = struct.pack(">HHIIIIBBH", 5, to - at, uptime, second, 0, at % 2**32, 0, 0, 0)
            yield Sent(second, head + data[at * size : to * size], to - at)


def _sets(
    flows: Metered, boot: np.ndarray, kind: np.ndarray, version: int, templates: list[_Template]
) -> Iterator[Sent]:
    known = [templates[number] for number in np.unique(kind).tolist()]
    body = b"".join(each.record() for each in known)
    told = struct.pack(">HH", 0 if version == 9 else 2, 4 + len(body)) + body
    packed = [_packed(flows, boot, kind == number, templates[number], version) for number in range(len(templates))]
    place = np.zeros(len(flows), np.int64)  # of each flow among those of its template
    for number in range(len(templates)):
        place[kind == number] = np.arange(int((kind == number).sum()))
    head = _heads(version)
    due, since = 0, _AGAIN
    for begin, end in _runs(flows.second, boot):
        second = int(flows.second[begin])
        if second >= due or since >= _AGAIN:
            yield head(second, int(boot[begin]), told, len(known), 0)
            due, since = second + _AGAIN, 0
        parts: list[bytes] = []
        room, count = _MOST - 20, 0
        for low, high in _runs(kind[begin:end]):
            number = int(kind[begin + low])
            size = templates[number].dtype.itemsize
            at, to = begin + low, begin + high
            while at < to:
                take = min((room - 7) // size, to - at)  # a set has a head of 4 bytes, and 3 at most behind it
                if take <= 0:
                    yield head(second, int(boot[begin]), b"".join(parts), count, count)
                    since += 1
                    parts, room, count = [], _MOST - 20, 0
                    continue
                data = packed[number][int(place[at]) * size : (int(place[at]) + take) * size]
                rest = -len(data) % 4
                parts.append(struct.pack(">HH", templates[number].number, 4 + len(data) + rest) + data + bytes(rest))
                room -= len(parts[-1])
                count += take
                at += take
        yield head(second, int(boot[begin]), b"".join(parts), count, count)
        since += 1


def _heads(version: int) -> Callable[[int, int, bytes, int, int], Sent]:
    """Return what puts headers with the right sequence numbers before sets: 9 counts datagrams, IPFIX data records."""
    number = 0

    def head(second: int, boot: int, sets: bytes, records: int, flows: int) -> Sent:
        nonlocal number
        if version == 9:
            uptime = (second * 1000 - boot) % 2**32
            header = struct.pack(">HHIIII", 9, records, uptime, second, number % 2**32, 0)
            number += 1
        else:
            header = struct.pack(">HHIII", 10, 16 + len(sets), second, number % 2**32, 0)
            number += flows
        return Sent(second, header + sets, flows)

    return head


def _packed(flows: Metered, boot: np.ndarray, which: np.ndarray, template: _Template, version: int) -> bytes:
    """Return the records of the flows of one template, one behind the other."""
    rows = np.flatnonzero(which)
    some = flows.take(rows)
    records = np.zeros(len(rows), template.dtype)
    for name, _, size, _ in template.fields:
        if name in ("src", "dst"):
            ends = getattr(some, name)
            if size == 16:
                records[f"{name}_high"], records[f"{name}_low"] = (
                    each.view(np.uint64) for each in (ends.high, ends.low)
                )
            else:
                records[name] = ends.low
        elif name in ("start", "end"):
            times = getattr(some, name)
            records[name] = (times - boot[rows]) % 2**32 if version == 9 else times
        elif name == "initiator":
            records[name] = 1
        else:
            records[name] = getattr(some, name)
    return records.tobytes()
