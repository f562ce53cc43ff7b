"""Frames held in memory, and the loads that a capture filter makes from them, for all of them at once.

Source: libpcap's link-layer header types; what ``tcpdump -d`` prints for each (libpcap 1.10.3); bpf(4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nsm_nb.full_content.filters.outcomes import FALSE, REJECT, TRUE, Known, Outcomes, both, either, said, turned

if TYPE_CHECKING:
    from nsm_nb.full_content.filters.primitives import Test

__all__ = ["Context", "Loaded", "Wire"]


class Context(NamedTuple):
    """What a filter has stepped over by ``vlan``, ``mpls`` and ``pppoes`` before the word that is asked."""

    vlans: int = 0
    labels: int = 0
    ppp: bool = False


class Loaded(NamedTuple):
    """Numbers of 32 bits without a sign, and where they were within the captured bytes (None: everywhere)."""

    value: Any
    there: np.ndarray | None = None

    def only(self, there: np.ndarray | None) -> Loaded:
        """Return the same numbers, there only where something else was, too."""
        return self if there is None else Loaded(self.value, there if self.there is None else self.there & there)

    def outcomes(self, true: np.ndarray | bool) -> Outcomes:
        """Return what a test of the numbers says: a load out of bounds rejects the packet."""
        return said(true, self.there, REJECT)

    def equals(self, number: int, mask: int = 0xFFFFFFFF) -> Outcomes:
        """Return where the numbers under a mask are this one."""
        return self.outcomes((self.value & np.uint32(mask)) == np.uint32(number))


# LINKTYPE_ number -> where the ethertype stands and where the payload starts; by PPP's numbers where the third is True.
_PLAIN = {1: (12, 14, False), 113: (14, 16, False), 276: (0, 20, False), 9: (2, 4, True), 50: (2, 4, True),
          51: (6, 8, True), 104: (2, 4, False)}  # fmt: skip
_RAW, _LOOPBACK, _WLAN, _RADIOTAP = (12, 14, 101), (0, 108), 105, 127
_FAMILIES = {0x0800: (2,), 0x86DD: (10, 24, 28, 30)}  # AF_INET, and AF_INET6 of Linux, the BSDs and macOS
# RFC 1332, 5072, 1377, 1378, 1552, 3032: what PPP calls them
_PPP = {
    0x0800: 0x21,
    0x86DD: 0x57,
    0x6003: 0x27,
    0x809B: 0x29,
    0x0600: 0x25,
    0xFE: 0x23,
    0x42: 0x31,
    0xE0: 0x2B,
    0x8847: 0x281,
}

_SNAP = {0x809B: 0x080007, 0x80F3: 0}  # AppleTalk and its ARP are also looked for in SNAP, with their organisation


class Wire:
    """Frames of one link type.

    Parameters
    ----------
    buffer : uint8 array
    start : int64 array
        Where each frame starts in `buffer`.
    captured : int64 array
        How many of its bytes are there.
    length : function that returns a uint32 array
        How many there were on the wire; few filters ask.
    link
        LINKTYPE_ number.
    known : Known
        What was known before the bytes were asked.
    rows : int64 array
        Which of the packets that `known` tells of the frames are.
    """

    def __init__(
        self, buffer: np.ndarray, start: np.ndarray, captured: np.ndarray, length: Callable[[], np.ndarray], link: int,
        known: Known | None = None, rows: np.ndarray | None = None,
    ):  # fmt: skip
        self.buffer, self.start, self.captured, self._length, self.link = buffer, start, captured, length, link
        self._known, self._rows = known or {}, rows
        self._made: dict[Any, Any] = {}

    def ask(self, test: Test) -> Outcomes:
        """Return the outcome of a test: what is known of it, else what the bytes say."""
        known = self._known.get(id(test))
        if known is None:
            return test.bytes(self)
        return known if known.ndim == 0 else known[self._rows]

    @property
    def ethernet(self) -> bool:
        """True where the frames are Ethernet's."""
        return self.link == 1

    @property
    def wireless(self) -> bool:
        """True where the frames are those of 802.11."""
        return self.link in (_WLAN, _RADIOTAP)

    def of(self, rows: np.ndarray) -> Wire:
        """Return some of the frames."""
        return Wire(self.buffer, self.start[rows], self.captured[rows], lambda: self.length[rows], self.link)

    @cached_property
    def length(self) -> np.ndarray:
        """How many bytes each frame had on the wire."""
        return self._length()

    @cached_property
    def radio(self) -> int | np.ndarray:
        """Where the link layer's header starts: behind radiotap's, if that is there."""
        if self.link != _RADIOTAP:
            return 0
        return (self.load(3, 1).value.astype(np.int64) << 8) | self.load(2, 1).value

    def link_header(self, context: Context) -> int | np.ndarray:
        """Return where the header starts that ``ether[...]`` is asked of: behind ``pppoes`` PPP's, which is its protocol."""
        return self.network(context) - 2 if context.ppp and self.ethernet else self.radio

    def load(self, at: Any, width: int) -> Loaded:
        """Return the big-endian number of `width` bytes at an offset from the start of each frame."""
        key = (at, width) if isinstance(at, int) else None
        if key is not None and key in self._made:
            return self._made[key]
        from nsm_nb.kernels.loading import load  # brings numba

        value, there, lost = load(
            self.buffer, self.start, np.atleast_1d(np.asarray(at, np.int64)), self.captured, width
        )
        loaded = Loaded(value, there if lost else None)
        if key is not None:
            self._made[key] = loaded
        return loaded

    @cached_property
    def _wlan(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where LLC starts in frames of 802.11, the first byte of frame control, and where these are in bounds."""
        start, there = np.zeros(len(self.start), np.int64), np.ones(len(self.start), bool)
        if self.link == _RADIOTAP:
            start, there = np.asarray(self.radio, np.int64), self.load(3, 1).outcomes(True) == TRUE
        control = self.load(start, 1)
        there = there & (control.outcomes(True) == TRUE)
        data = (control.value & 0x0C) == 8
        at = start + 24 + 2 * (data & (control.value & 0x80 != 0))
        if self.link == _RADIOTAP:  # the header is padded to four bytes where its flags say so
            present = self.load(4, 4)
            flags = np.where(present.value & 0x01000000 != 0, self.load(16, 1).value, self.load(8, 1).value)
            padded = (present.value & 0x02000000 != 0) & (present.value & 0x80 == 0) & (flags & 0x20 != 0)
            at = np.where(data & padded, (at + 3) & ~3, at)
        return at, control.value, there

    def group(self) -> Outcomes:
        """Return where the receiver's hardware address is that of a group."""
        return self._receiver(lambda at: turned(self.load(at, 1).equals(0, 1)))

    def hardware(self, direction: str, address: int) -> Outcomes:
        """Return where the hardware address of one side is this one; never where a link layer has none."""

        def same(at: Any) -> Outcomes:
            return both(self.load(at + 2, 4).equals(address & 0xFFFFFFFF), self.load(at, 2).equals(address >> 32))

        dst = self._receiver(same) if direction != "src" else FALSE
        src = self._sender(same) if direction != "dst" else FALSE
        return {"src": src, "dst": dst, "and": both(src, dst)}.get(direction, either(src, dst))

    def _receiver(self, asked: Callable[[Any], Outcomes]) -> Outcomes:
        if self.ethernet:
            return asked(0)
        if not self.wireless:
            return FALSE
        # IEEE 802.11: the third address where data goes to the distribution system, else the first; control has none
        start, control = self.radio, self.load(self.radio, 1)
        data = turned(control.equals(0, 8))
        to_system = turned(self.load(start + 1, 1).equals(0, 1))
        place = either(
            both(both(data, to_system), asked(start + 16)), both(turned(both(data, to_system)), asked(start + 4))
        )
        return both(control.equals(0, 4), place)

    def _sender(self, asked: Callable[[Any], Outcomes]) -> Outcomes:
        if self.ethernet:
            return asked(6)
        if not self.wireless:
            return FALSE
        # the second address, or where data comes from the distribution system the third, or the fourth
        start, control = self.radio, self.load(self.radio, 1)
        ways = self.load(start + 1, 1)
        data = turned(control.equals(0, 8))
        third = both(both(data, ways.equals(2, 3)), asked(start + 16))
        fourth = both(both(data, ways.equals(3, 3)), asked(start + 24))
        second = both(turned(both(data, turned(ways.equals(0, 2)))), asked(start + 10))
        return both(control.equals(0, 4), either(either(third, fourth), second))

    def type_is(self, context: Context, number: int) -> Outcomes:
        """Return where the link layer says that its payload is of an ethertype."""
        if self.ethernet:
            at = 12 + 4 * context.vlans
            if context.ppp:
                return self.load(at + 8, 2).equals(_PPP.get(number, number))
            if context.labels:
                nibble = {0x0800: 0x40, 0x86DD: 0x60}.get(number)
                if nibble is None:
                    return FALSE
                payload = at + 2 + 4 * context.labels
                return both(self.load(payload - 2, 1).equals(1, 1), self.load(payload, 1).equals(nibble, 0xF0))
            named = self.load(at, 2).equals(number)
            if number not in _SNAP:
                return named
            size, organisation = self.load(at, 2), _SNAP[number]
            snap = both(self.load(at + 6, 4).equals((organisation & 0xFFFF) << 16 | number),
                        self.load(at + 2, 4).equals(0xAAAA0300 | organisation >> 16))  # fmt: skip
            return either(named, both(turned(size.outcomes(size.value > 1500)), snap))
        if self.link in _PLAIN:
            at, _, ppp = _PLAIN[self.link]
            return self.load(at, 2).equals(_PPP.get(number, number) if ppp else number)
        if self.link in _RAW:
            nibble = {0x0800: 0x40, 0x86DD: 0x60}.get(number)
            return FALSE if nibble is None else self.load(0, 1).equals(nibble, 0xF0)
        if self.link in (228, 229):  # LINKTYPE_IPV4, LINKTYPE_IPV6
            return TRUE if number == {228: 0x0800, 229: 0x86DD}[self.link] else FALSE
        if self.link in _LOOPBACK:
            word = self.load(0, 4)
            family = np.where(word.value < 0x10000, word.value, word.value >> np.uint32(24))
            return word.outcomes(np.isin(family, _FAMILIES.get(number, ())))
        if self.wireless:
            behind, control, there = self._wlan
            data = said((control & 0x0C) == 8, there, REJECT)
            return both(data, self.load(behind + 6 + 4 * context.vlans, 2).equals(number))
        return FALSE

    def network(self, context: Context) -> int | np.ndarray:
        """Return where the network header starts in each frame."""
        if self.ethernet:
            return 14 + 4 * context.vlans + (8 if context.ppp else 4 * context.labels)
        if self.link in _PLAIN:
            return _PLAIN[self.link][1]
        if self.link in _LOOPBACK:
            return 4
        if self.wireless:
            return self._wlan[0] + 8 + 4 * context.vlans
        return 0

    def at_network(self, context: Context, offset: int, width: int) -> Loaded:
        """Load from the network header."""
        return self.load(self.network(context) + offset, width)

    def transport(self, context: Context) -> tuple[int | np.ndarray, np.ndarray | None]:
        """Return where the header after IPv4's starts, and where IPv4's own first byte was there."""
        if ("transport", context) not in self._made:
            first = self.at_network(context, 0, 1)
            at = self.network(context) + (first.value.astype(np.int64) & 15) * 4
            self._made["transport", context] = at, first.there
        return self._made["transport", context]

    def at_transport(self, context: Context, offset: int, width: int) -> Loaded:
        """Load from the header after IPv4's."""
        at, there = self.transport(context)
        return self.load(at + offset, width).only(there)

    def protocol_is(self, context: Context, family: int, number: int) -> Outcomes:
        """Return where the packet is IPv4 (`family` 4) or IPv6, and carries this protocol; through IPv6's fragment header."""
        if family == 4:
            return both(self.type_is(context, 0x0800), self.at_network(context, 9, 1).equals(number))
        following = self.at_network(context, 6, 1)
        behind = both(following.equals(44), self.at_network(context, 40, 1).equals(number))
        return both(self.type_is(context, 0x86DD), either(following.equals(number), behind))

    def service_is(self, context: Context, sap: int) -> Outcomes:
        """Return where IEEE 802.2 follows with a service access point, such as that of the spanning tree.

        PPP has numbers of its own for some, and is asked for the others as they are; 0x8137 is IPX by its ethertype.
        """
        if context.ppp or (self.link in _PLAIN and _PLAIN[self.link][2]):
            return self.type_is(context, sap)
        sap = 0xE0 if sap == 0x8137 else sap
        if self.ethernet and not context.labels:
            at = 12 + 4 * context.vlans
            size = self.load(at, 2)
            short = turned(size.outcomes(size.value > 1500))
            point = self.load(at + 2, 1).equals(sap)
            if sap in (0x06, 0xF0, 0xFE):  # source and destination alike
                point = self.load(at + 2, 2).equals(sap << 8 | sap)
            if sap != 0xE0:
                return both(short, point)
            # IPX: by its ethertype, in SNAP, by 802.2, or without any (Novell's raw 802.3)
            snap = both(self.load(at + 6, 4).equals(0x8137), self.load(at + 2, 4).equals(0xAAAA0300))
            return either(
                size.equals(0x8137), both(short, either(either(snap, point), self.load(at + 2, 2).equals(0xFFFF)))
            )
        if self.link == 113:
            return both(self.load(14, 2).equals(4), self.load(16, 1).equals(sap))
        return FALSE
