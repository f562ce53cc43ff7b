"""What a collector knows of each exporter: datagrams, flows, and by the sequence numbers how many were lost.

Whoever may send can claim any address: there is room for so many exporters, and what is known of others is summed up.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import ip_address

import numpy as np
import pandas as pd

from nsm_nb.formats.netflow import is_export
from nsm_nb.formats.netflow_lost import missing
from nsm_nb.formats.netflow_reading import HEAD
from nsm_nb.sessions.record_counts import Templates

__all__ = ["Exporter", "Exporters", "Totals"]

_WINDOW = 512  # datagrams of an exporter after which their sequence numbers are looked at
_LATE = 64  # datagrams by which one may come late
_LATEST = 4096  # and at the latest, where none of them is a place to cut at
_OFTEN = 8  # datagrams that make an exporter known; those that sent fewer make room first
_ROOM = 1024  # exporters of either kind
_REFUSED = 256  # senders of what is no export that are told one by one
_TITLES = {1: "v1", 5: "v5", 7: "v7", 9: "v9", 10: "IPFIX"}
_FIXED = struct.Struct(">HHIIII")  # the header of versions 5 and 7 up to the sequence number
_HEAD = struct.Struct("=11q?")  # a row of HEAD
assert _HEAD.size == HEAD.itemsize
Key = tuple[bytes, int, int, int]


@dataclass
class Totals:
    """Sums over exporters."""

    datagrams: int = 0
    flows: int = 0
    lost: int = 0  # flows; datagrams of version 9
    again: int = 0  # datagrams that came twice
    restarts: int = 0
    unknown: int = 0  # sets of data whose template did not come yet

    def add(self, other: Totals) -> None:
        """Count another's."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Exporter:
    """One process of export: an address, a port, a version, and an engine, source id or domain."""

    key: Key
    totals: Totals = field(default_factory=Totals)
    unit: str = "flows"  # what its sequence numbers count
    untold: bool = False  # its sequence numbers count something else
    _pending: bytearray = field(default_factory=bytearray)  # HEADs
    _templates: Templates | None = None
    _looked: tuple[int, int] = (0, 0)  # bytes that are pending, and what is missing among them

    def heard(self, payload: bytes) -> None:
        """Count a whole datagram."""
        version, totals = self.key[2], self.totals
        totals.datagrams += 1
        if version in (1, 5, 7):
            totals.flows += int.from_bytes(payload[2:4])
            if version != 1:  # version 1 has no sequence numbers; the header of 7 is that of 5 up to the engine
                _, count, uptime, seconds, rest, number = _FIXED.unpack_from(payload)
                self._add(version, seconds * 1_000_000_000 + rest, uptime, number, count, count, count)
        else:
            self._heard_sets(payload, ipfix=version == 10)
        if len(self._pending) >= _WINDOW * HEAD.itemsize:
            self.settle(keep=True)

    def _heard_sets(self, payload: bytes, *, ipfix: bool) -> None:
        if self._templates is None:
            self._templates = Templates()
        found = self._templates.count(payload, ipfix=ipfix)
        self.totals.flows += found.flows
        self.totals.unknown += found.unknown
        if found.unknown and ipfix:  # how many records it holds is not known, so the count goes on behind it
            self.settle()
            return
        if ipfix:  # it tells no uptime
            uptime, (seconds, number) = 0, struct.unpack_from(">II", payload, 4)
        else:
            uptime, seconds, number = struct.unpack_from(">III", payload, 4)
        records = found.flows + found.options
        self._add(
            self.key[2], seconds * 1_000_000_000, uptime, number, int.from_bytes(payload[2:4]), records, found.flows
        )

    def _add(self, version: int, exported: int, uptime: int, number: int, count: int, records: int, flows: int) -> None:
        self._pending += _HEAD.pack(0, version, 0, 0, exported, uptime, number, count, records, flows, 0, True)

    def settle(self, *, keep: bool = False) -> None:
        """Look at the sequence numbers since the last time; with `keep`, the latest stay, as older ones may come yet."""
        headers = np.frombuffer(bytes(self._pending), HEAD)
        if not len(headers):
            return
        end = len(headers)
        if keep:
            end = _cut(headers)
            if not end and len(headers) < _LATEST:
                return
            end = end or len(headers)
        told, self.unit, _ = missing(headers[:end])
        if told.counts_flows:
            self.totals.lost += told.lost
        else:
            self.untold = True
        self.totals.again += told.again
        self.totals.restarts += told.starts - 1
        # the last one is looked at again, so that what is lost between two windows is seen
        self._pending = bytearray(headers[end - 1 :].tobytes()) if keep else bytearray()

    @property
    def lost(self) -> int:
        """What is missing so far, also among the latest."""
        if len(self._pending) < 2 * HEAD.itemsize:
            return self.totals.lost
        if self._looked[0] != len(self._pending):
            told, self.unit, _ = missing(np.frombuffer(bytes(self._pending), HEAD))
            self._looked = len(self._pending), told.lost
        return self.totals.lost + self._looked[1]

    @property
    def name(self) -> str:
        """Who it is, as the reader of NetFlow names sensors, but for the collector's port."""
        address, port, version, engine = self.key
        host = str(ip_address(address))
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not engine:
            return name
        return f"{name} engine {engine >> 8}/{engine & 255}" if version < 9 else f"{name} domain {engine}"


def _cut(headers: np.ndarray) -> int:
    """Return the count of headers before a place which no later one belongs before; 0 where there is none."""
    if len(headers) <= _LATE:
        return 0
    steps = (headers["sequence"] - headers["sequence"][0]).astype(np.uint32).view(np.int32)
    highest = np.maximum.accumulate(steps)
    lowest = np.minimum.accumulate(steps[::-1])[::-1]
    # the last of those before must be their highest, because it stands for them from then on
    good = np.flatnonzero((highest[:-1] <= lowest[1:]) & (steps[:-1] == highest[:-1]))
    good = good[headers["records"][good] > 0]  # templates alone do not count in IPFIX
    good = good[good < len(headers) - _LATE]
    return int(good[-1]) + 1 if len(good) else 0


class Exporters:
    """All exporters that are heard, and the senders of what is refused; the room for both is bounded."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, Exporter] = OrderedDict()
        self._new: OrderedDict[Key, Exporter] = OrderedDict()  # heard less than `_OFTEN` times
        self._past = Totals()  # of those that had to make room
        self.gone = 0  # how many had to
        self.refused = 0  # datagrams that are no exports
        self.refused_of: dict[bytes, int] = {}

    def heard(self, address: bytes, port: int, payload: bytes) -> bool:
        """Count a datagram; return False where it is no whole export, and counts as refused."""
        if not is_export(payload):
            self.refuse(address)
            return False
        version = payload[1]
        # engine type and id of version 5; source id of 9; observation domain of IPFIX
        places = {5: (20, 22), 9: (16, 20), 10: (12, 16)}.get(version, (0, 0))
        key = (address, port, version, int.from_bytes(payload[slice(*places)]))
        one = self._known.get(key)
        if one is not None:
            self._known.move_to_end(key)
        else:
            one = self._new.pop(key, None) or Exporter(key)
            often = one.totals.datagrams + 1 >= _OFTEN
            place = self._known if often else self._new
            place[key] = one
            if len(place) > _ROOM:
                _, oldest = place.popitem(last=False)
                oldest.settle()
                self._past.add(oldest.totals)
                self.gone += 1
        one.heard(payload)
        return True

    def refuse(self, address: bytes) -> None:
        """Count a datagram that is not kept."""
        self.refused += 1
        if address in self.refused_of or len(self.refused_of) < _REFUSED:
            self.refused_of[address] = self.refused_of.get(address, 0) + 1

    def refused_from(self, most: int = 20) -> list[tuple[str, int]]:
        """Return who sent most of what is not kept, and the rest in one."""
        ranked = sorted(((count, address) for address, count in self.refused_of.items()), reverse=True)[:most]
        found = [(str(ip_address(address)), count) for count, address in ranked]
        rest = self.refused - sum(count for _, count in found)
        return [*found, ("others", rest)] if rest else found

    def totals(self) -> Totals:
        """Return the sums over all exporters."""
        totals = Totals()
        totals.add(self._past)
        for one in self:
            totals.add(one.totals)
            totals.lost += one.lost - one.totals.lost
        return totals

    def end(self) -> None:
        """Look at all sequence numbers for the last time."""
        for one in self:
            one.settle()

    def __iter__(self):
        yield from self._known.values()
        yield from self._new.values()

    def __len__(self) -> int:
        return len(self._known) + len(self._new) + self.gone

    def table(self) -> pd.DataFrame:
        """Return a row for each exporter that has its own place."""
        rows = [
            {
                "exporter": one.name,
                "version": _TITLES[one.key[2]],
                "datagrams": one.totals.datagrams,
                "flows": one.totals.flows,
                "lost": pd.NA if one.untold or one.key[2] == 1 else one.lost,
                "lost_are": one.unit,
                "twice": one.totals.again,
                "restarts": one.totals.restarts,
            }
            for one in self
        ]
        texts = dict.fromkeys(("exporter", "version", "lost_are"), "str")
        numbers = dict.fromkeys(("datagrams", "flows", "lost", "twice", "restarts"), "Int64")
        columns = ["exporter", "version", "datagrams", "flows", "lost", "lost_are", "twice", "restarts"]
        return pd.DataFrame(rows, columns=columns).astype(texts | numbers)
