"""The tests that a filter is made of. Each answers in two ways: from columns, as far as they tell; from bytes, always.

Source: what ``tcpdump -O -d`` (libpcap 1.10.3) prints for each, in the same order of loads.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np

from nsm_nb.full_content.filters.outcomes import ANY, FALSE, REJECT, TRUE, Outcomes, both, either, one_of, said, turned
from nsm_nb.full_content.filters.view import View
from nsm_nb.full_content.filters.wire import Context, Wire

__all__ = ["Any", "Chain", "Ether", "First", "Group", "Host4", "Host6", "Inbound", "Label", "Length", "Link", "Not", "Port",
           "Proto", "Sequence", "Service", "Session", "Test", "Vlan"]  # fmt: skip

_IP, _IP6, _ARP, _RARP = 0x0800, 0x86DD, 0x0806, 0x8035


class Test(Protocol):
    """A part of a filter."""

    def columns(self, view: View) -> Outcomes:
        """Return the outcomes that are possible by the columns."""

    def bytes(self, wire: Wire) -> Outcomes:
        """Return the outcome by the bytes."""


@dataclass(frozen=True)
class Any:
    """``first or second``."""

    first: Test
    second: Test

    def columns(self, view: View) -> Outcomes:
        """Ask both."""
        return either(view.ask(self.first), view.ask(self.second))

    def bytes(self, wire: Wire) -> Outcomes:
        """Ask both."""
        return either(wire.ask(self.first), wire.ask(self.second))


@dataclass(frozen=True)
class Sequence:
    """Tests joined by ``and`` (True) and ``or`` (False), which bind alike: from left to right."""

    first: Test
    others: tuple[tuple[bool, Test], ...]

    def columns(self, view: View) -> Outcomes:
        """Ask them all."""
        found = view.ask(self.first)
        for every, test in self.others:
            found = (both if every else either)(found, view.ask(test))
        return found

    def bytes(self, wire: Wire) -> Outcomes:
        """Ask them all."""
        found = wire.ask(self.first)
        for every, test in self.others:
            found = (both if every else either)(found, wire.ask(test))
        return found


@dataclass(frozen=True)
class Not:
    """``not inner``."""

    inner: Test

    def columns(self, view: View) -> Outcomes:
        """Turn the answer round."""
        return turned(view.ask(self.inner))

    def bytes(self, wire: Wire) -> Outcomes:
        """Turn the answer round."""
        return turned(wire.ask(self.inner))


@dataclass(frozen=True)
class Link:
    """The link layer's payload is of an ethertype: ``ip``, ``arp``, ``ether proto 0x88cc``."""

    context: Context
    number: int

    def columns(self, view: View) -> Outcomes:
        """By `layers`."""
        return view.type_is(self.context, self.number)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the ethertype."""
        return wire.type_is(self.context, self.number)


@dataclass(frozen=True)
class Service:
    """A service access point of IEEE 802.2: ``stp``, ``iso``, ``netbeui``, ``ipx``."""

    context: Context
    sap: int

    def columns(self, view: View) -> Outcomes:
        """Nothing: whether it is there stands in the bytes, unless IP or ARP is there."""
        return view.by_shape(self.context, lambda shape: FALSE if shape.network else ANY)

    def bytes(self, wire: Wire) -> Outcomes:
        """By IEEE 802.2's header."""
        return wire.service_is(self.context, self.sap)


@dataclass(frozen=True)
class Proto:
    """The protocol of an IPv4 or IPv6 header: ``ip proto 47``; `family` is 4 or 6."""

    context: Context
    family: int
    number: int

    def columns(self, view: View) -> Outcomes:
        """By `layers` and `proto`."""
        return view.protocol_is(self.context, self.family, self.number)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the header."""
        return wire.protocol_is(self.context, self.family, self.number)


@dataclass(frozen=True)
class First:
    """An IP header that carries a protocol at once, with that protocol's own header: what ``tcp[13]`` is asked of.

    Of IPv4 (`family` 4) a whole datagram or its first fragment, of IPv6 (6) no fragment.
    """

    context: Context
    family: int
    number: int

    def columns(self, view: View) -> Outcomes:
        """By `layers` and `proto`."""
        return view.first_fragment(self.context, self.family, self.number)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the header."""
        if self.family == 6:
            return both(wire.type_is(self.context, _IP6), wire.at_network(self.context, 6, 1).equals(self.number))
        whole = wire.at_network(self.context, 6, 2).equals(0, 0x1FFF)
        return both(wire.protocol_is(self.context, 4, self.number), whole)


def _sides(direction: str, src: Outcomes, dst: Outcomes) -> Outcomes:
    return {"src": lambda: src, "dst": lambda: dst, "and": lambda: both(src, dst)}.get(
        direction, lambda: either(src, dst)
    )()


@dataclass(frozen=True)
class Host4:
    """An address of IPv4 in a network, in IPv4, ARP and RARP or one of them; `direction` is src, dst, and, or."""

    context: Context
    ethertypes: tuple[int, ...]
    direction: str
    network: int
    mask: int

    def columns(self, view: View) -> Outcomes:
        """By the addresses; a mask with holes is left to the bytes."""
        size = self.mask.bit_count()
        if self.mask != (0xFFFFFFFF << (32 - size)) & 0xFFFFFFFF:
            return view.by_shape(
                self.context, lambda shape: ANY if shape.network in (None, *self.ethertypes) else FALSE
            )
        network = f"{ipaddress.IPv4Address(self.network)}/{size}"
        ends = {"src": ("src",), "dst": ("dst",)}.get(self.direction, ("src", "dst"))
        found = [view.inside(self.context, side, network, self.ethertypes) for side in ends]
        return _sides(self.direction, found[0], found[-1])

    def bytes(self, wire: Wire) -> Outcomes:
        """By the header."""
        found = None
        for ethertype in self.ethertypes:
            places = (12, 16) if ethertype == _IP else (14, 24)
            here = wire.type_is(self.context, ethertype)
            sides = [both(here, wire.at_network(self.context, at, 4).equals(self.network, self.mask)) for at in places]
            one = _sides(self.direction, *sides)
            found = one if found is None else either(found, one)
        return FALSE if found is None else found


@dataclass(frozen=True)
class Host6:
    """An address of IPv6 in a network; `direction` as in `Host4`."""

    context: Context
    direction: str
    network: int
    size: int

    def columns(self, view: View) -> Outcomes:
        """By the addresses."""
        network = f"{ipaddress.IPv6Address(self.network)}/{self.size}"
        ends = {"src": ("src",), "dst": ("dst",)}.get(self.direction, ("src", "dst"))
        found = [view.inside(self.context, side, network, (_IP6,)) for side in ends]
        return _sides(self.direction, found[0], found[-1])

    def bytes(self, wire: Wire) -> Outcomes:
        """By the header."""
        mask = ((1 << self.size) - 1) << (128 - self.size)
        words = [((self.network >> shift) & 0xFFFFFFFF, (mask >> shift) & 0xFFFFFFFF) for shift in (96, 64, 32, 0)]
        sides = []
        for at in (8, 24):
            found = wire.type_is(self.context, _IP6)
            for place, (word, bits) in enumerate(words):
                found = both(found, wire.at_network(self.context, at + 4 * place, 4).equals(word, bits))
            sides.append(found)
        return _sides(self.direction, *sides)


@dataclass(frozen=True)
class Group:
    """``ip multicast`` and ``ip6 multicast``: to a group, by the first byte of the receiver's address."""

    context: Context
    family: int

    def columns(self, view: View) -> Outcomes:
        """By the address."""
        network, ethertype = ("224.0.0.0/3", _IP) if self.family == 4 else ("ff00::/8", _IP6)
        return view.inside(self.context, "dst", network, (ethertype,))

    def bytes(self, wire: Wire) -> Outcomes:
        """By the header; for IPv4 from 224 on."""
        first = wire.at_network(self.context, 16 if self.family == 4 else 24, 1)
        return both(
            wire.type_is(self.context, _IP if self.family == 4 else _IP6),
            first.outcomes(first.value >= (224 if self.family == 4 else 255)),
        )


@dataclass(frozen=True)
class Port:
    """A port of TCP, UDP or SCTP in a range; `direction` as in `Host4`."""

    context: Context
    protocols: tuple[int, ...]
    direction: str
    low: int
    high: int

    def columns(self, view: View) -> Outcomes:
        """By the ports."""
        found = []
        for side in {"src": ("src",), "dst": ("dst",)}.get(self.direction, ("src", "dst")):
            port, missing = view.numbers(f"{side}_port")
            hit = port == self.low if self.low == self.high else (port >= self.low) & (port <= self.high)
            found.append(hit)
        hit = found[0] & found[-1] if self.direction == "and" else found[0] | found[-1]
        here = view.with_ports(self.context, self.protocols)
        return one_of(here == TRUE, said(hit, None if missing is None else ~missing), here)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the headers: those of IPv6 first, as libpcap asks."""
        following = wire.at_network(self.context, 6, 1)
        six = reduce(
            either,
            [both(following.equals(each), self._range(wire, lambda at: wire.at_network(self.context, 40 + at, 2)))
             for each in self.protocols],
        )  # fmt: skip
        protocol, whole = wire.at_network(self.context, 9, 1), wire.at_network(self.context, 6, 2).equals(0, 0x1FFF)
        four = reduce(
            either,
            [both(both(protocol.equals(each), whole),
                  self._range(wire, lambda at: wire.at_transport(self.context, at, 2))) for each in self.protocols],
        )  # fmt: skip
        return either(both(wire.type_is(self.context, _IP6), six), both(wire.type_is(self.context, _IP), four))

    def _range(self, wire: Wire, load) -> Outcomes:
        sides = []
        for at in (0, 2):
            port = load(at)
            sides.append(port.outcomes((port.value >= self.low) & (port.value <= self.high)))
        return _sides(self.direction, *sides)


@dataclass(frozen=True)
class Ether:
    """An Ethernet address: one of `direction`'s sides is this, or has its group bit where `address` is None."""

    direction: str
    address: int | None

    def columns(self, view: View) -> Outcomes:
        """By the columns of hardware addresses."""
        group, wanted = 1 << 40, self.address

        def of(number: int) -> bool:
            return bool(number & group) if wanted is None else number == wanted

        src = view.hardware("src", of) if self.direction != "dst" else FALSE
        dst = view.hardware("dst", of) if self.direction != "src" else FALSE
        return _sides(self.direction, src, dst)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the header; other link layers have none."""
        return wire.group() if self.address is None else wire.hardware(self.direction, self.address)


@dataclass(frozen=True)
class Vlan:
    """Another VLAN tag follows: ``vlan``, ``vlan 100``."""

    context: Context
    number: int | None

    def columns(self, view: View) -> Outcomes:
        """By `layers` and `vlan`."""
        return view.vlan(self.context, self.number)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the ethertype: that of 802.1Q, of 802.1ad, or what was used before it."""
        if not (wire.ethernet or wire.wireless):
            return FALSE
        found = reduce(either, [wire.type_is(self.context, each) for each in (0x8100, 0x88A8, 0x9100)])
        if self.number is None:
            return found
        return both(found, wire.at_network(self.context, 0, 2).equals(self.number, 0x0FFF))


@dataclass(frozen=True)
class Label:
    """Another MPLS label follows: ``mpls``, ``mpls 1024``."""

    context: Context
    number: int | None

    def columns(self, view: View) -> Outcomes:
        """By `layers`, where IP or ARP follows instead."""
        return view.by_shape(self.context, lambda shape: FALSE if shape.network else ANY)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the ethertype, or the mark of the bottom of the stack."""
        if not wire.ethernet:
            return FALSE
        inner = self.context.labels > 0
        found = wire.at_network(self.context, -2, 1).equals(0, 1) if inner else wire.type_is(self.context, 0x8847)
        if self.number is None:
            return found
        return both(found, wire.at_network(self.context, 0, 4).equals(self.number << 12, 0xFFFFF000))


@dataclass(frozen=True)
class Session:
    """A session of PPPoE follows: ``pppoes``, ``pppoes 7``."""

    context: Context
    number: int | None

    def columns(self, view: View) -> Outcomes:
        """By `layers`, where IP or ARP follows instead."""
        return view.by_shape(self.context, lambda shape: FALSE if shape.network else ANY)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the ethertype."""
        found = wire.type_is(self.context, 0x8864)
        if self.number is None:
            return found
        return both(found, wire.at_network(self.context, 0, 4).equals(self.number, 0xFFFF))


@dataclass(frozen=True)
class Length:
    """Bytes on the wire: ``less 60`` (up to 60), ``greater 1000`` (from 1000 on)."""

    sign: str
    number: int

    def columns(self, view: View) -> Outcomes:
        """By `length`."""
        return self._asked(view.numbers("length")[0])

    def bytes(self, wire: Wire) -> Outcomes:
        """By the length that was recorded."""
        return self._asked(wire.length)

    def _asked(self, length: np.ndarray) -> Outcomes:
        return said(length <= self.number if self.sign == "less" else length >= self.number)


@dataclass(frozen=True)
class Inbound:
    """A packet that the sensor's own machine did not send (``inbound``), or did (``outbound``): Linux cooked captures."""

    sent: bool

    def columns(self, view: View) -> Outcomes:
        """Nothing: no column has it."""
        return ANY

    def bytes(self, wire: Wire) -> Outcomes:
        """By the packet type of the header; never where there is none."""
        if wire.link not in (113, 276):
            return FALSE
        sent = wire.load(0, 2).equals(4) if wire.link == 113 else wire.load(10, 1).equals(4)
        return sent if self.sent else turned(sent)


@dataclass(frozen=True)
class Chain:
    """A protocol somewhere in the chain of headers after IPv4's (`family` 4) or IPv6's: ``ip6 protochain 6``."""

    context: Context
    family: int
    number: int

    def columns(self, view: View) -> Outcomes:
        """By `layers`: true of what follows at once; false where another family stands, or nothing that has a next."""
        here = view.type_is(self.context, _IP if self.family == 4 else _IP6)
        at_once = view.protocol_is(self.context, self.family, self.number)
        return both(here, one_of(at_once == TRUE, TRUE, ANY))

    def bytes(self, wire: Wire) -> Outcomes:
        """By the headers, one after the other."""
        four = self.family == 4
        here = wire.type_is(self.context, _IP if four else _IP6)
        loaded = wire.at_network(self.context, 9 if four else 6, 1)
        first, there = wire.transport(self.context) if four else (wire.network(self.context) + 40, None)
        found = loaded.equals(self.number)
        if there is not None:
            found = one_of(there, found, REJECT)
        at = np.broadcast_to(np.asarray(first, np.int64), found.shape)
        stepped = (51,) if four else (0, 43, 44, 51, 60)
        rows = np.flatnonzero((found == FALSE) & np.isin(loaded.value, stepped))
        proto, at = loaded.value[rows], at[rows]
        while len(rows):  # each step goes on by eight bytes at least, so it ends with the frame
            some = wire.of(rows)
            following, size = some.load(at, 1), some.load(at + 1, 1)
            found[rows] = both(size.outcomes(True), following.equals(self.number))
            at = at + np.where(proto == 51, (size.value + 2) * 4, (size.value + 1) * 8)
            on = (found[rows] == FALSE) & np.isin(following.value, stepped)
            rows, at, proto = rows[on], at[on], following.value[on]
        return both(here, found)
