"""Reading packet headers: link layer to transport, through tunnels, one row a frame, written in place.

Every read is preceded by a look at the bytes that are left; what a cut header can't tell stays absent. Addresses, ports and
all else are those of the innermost header that can be read; where there is a tunnel, the outermost addresses are kept.

Frames of plain Ethernet, IPv4 and TCP or UDP, nearly all of most captures, are read here in one go. All others go down
layer by layer (`look`), which reads those frames too, the same way.

Source: IEEE 802.3; RFC 791 (IPv4), 9293 (TCP), 768 (UDP); for the others see `links`, `network`, `tunnels`, `transport`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.arrays import zeros
from nsm_nb.kernels.interning import Interned, intern_value, interned, with_room
from nsm_nb.kernels.layers import DEEPEST, LAYERS, Layer, State, chain_of, deeper
from nsm_nb.kernels.links import (
    LINKS,
    PROTO_ETHERTYPE,
    PROTO_LLC,
    PROTO_PPP,
    Next,
    after_ethertype,
    ethernet,
    first_layer,
    llc,
    ppp,
)
from nsm_nb.kernels.network import authenticated, ip4, ip6
from nsm_nb.kernels.numbers import be16, be32, byte
from nsm_nb.kernels.prefetching import prefetch
from nsm_nb.kernels.transport import transport
from nsm_nb.kernels.tunnels import carried_by_ip, may_be_tunnel

__all__ = [
    "LINKS",
    "NO_PROTO",
    "PROTO_ETHERTYPE",
    "PROTO_LLC",
    "PROTO_PPP",
    "Columns",
    "Header",
    "Names",
    "decode",
    "headers",
]

NO_PROTO = -1
_RECENT = 1024  # addresses met last, and MACs: nearly every frame has some of these
_AHEAD = 8  # rows: the frame so far on is asked for, because where it starts can't be guessed by the processor
_FEW = 250_000  # rows that are copied in some milliseconds
_STAGGER = 192  # bytes; see `Columns.empty`


class Columns(NamedTuple):
    """The columns that `decode` writes, one row a frame. `no_*` are True where the columns named after it are absent.

    They begin as zeros, and what stays zero is not written: most frames have no VLAN, and memory that is never written costs
    nothing.

    Tunnels are few: their outermost addresses are in `Names.outer`, not here. `payload_at` and `ip_at` are written only
    where they have room, for those who go back to the frames; every frame is then read layer by layer.
    """

    time: np.ndarray
    length: np.ndarray
    captured: np.ndarray
    offset: np.ndarray
    link: np.ndarray
    vlan: np.ndarray
    no_vlan: np.ndarray
    src_mac: np.ndarray
    dst_mac: np.ndarray
    src_ip: np.ndarray
    dst_ip: np.ndarray
    ttl: np.ndarray
    octets: np.ndarray
    no_ip: np.ndarray
    ip_id: np.ndarray
    no_ip_id: np.ndarray
    fragment: np.ndarray
    no_fragment: np.ndarray
    proto: np.ndarray
    src_port: np.ndarray
    dst_port: np.ndarray
    no_port: np.ndarray
    payload: np.ndarray
    no_payload: np.ndarray
    tcp_flags: np.ndarray
    seq: np.ndarray
    ack: np.ndarray
    window: np.ndarray
    no_tcp: np.ndarray
    icmp_type: np.ndarray
    icmp_code: np.ndarray
    no_icmp: np.ndarray
    layers: np.ndarray
    payload_at: np.ndarray  # where the payload starts in the frame
    ip_at: np.ndarray  # where the innermost IP header starts in the frame

    @staticmethod
    def dtypes() -> dict[str, str]:
        """Return the dtype of each column."""
        widths = {"time": "i8", "offset": "i8", "link": "u2", "vlan": "u2", "ttl": "u1", "proto": "i4", "window": "u2"}
        widths |= {"tcp_flags": "u2", "src_port": "u2", "dst_port": "u2", "icmp_type": "u1", "icmp_code": "u1"}
        widths |= dict.fromkeys(("src_mac", "dst_mac", "src_ip", "dst_ip", "layers"), "i4")
        return {name: "?" if name.startswith("no_") else widths.get(name, "u4") for name in Columns._fields}

    @classmethod
    def empty(cls, room: int, *, places: bool = False) -> Columns:
        """Return columns with room for `room` rows, all zeros; `places` asks for `payload_at` and `ip_at`."""
        return cls(
            *(
                _staggered(room if places or not name.endswith("_at") else 0, dtype, number)
                for number, (name, dtype) in enumerate(cls.dtypes().items())
            )
        )

    def trimmed(self, count: int) -> Columns:
        """Return the first `count` rows, copied where they are few of many: they would keep pages, and maps, for all."""
        few = count < _FEW and 4 * count < len(self.time)
        return Columns(*(column[:count].copy() if few else column[:count] for column in self))

    def resized(self, room: int) -> Columns:
        """Return columns with room for `room` rows that begin as these do."""
        columns = []
        for number, column in enumerate(self):
            if len(column) and room > len(column):
                larger = _staggered(room, column.dtype, number)
                larger[: len(column)] = column
                column = larger
            columns.append(column[:room])
        return Columns(*columns)


def _staggered(room: int, dtype: str | np.dtype, number: int) -> np.ndarray:
    # Large arrays begin at the start of a page, all of them: the same row of thirty columns would fall into the same few
    # lines of the cache. So each column starts some lines later than the one before.
    skip = number * _STAGGER % 4096 // np.dtype(dtype).itemsize
    return zeros(room + skip, dtype)[skip:] if room else np.zeros(0, dtype)


class Few(NamedTuple):
    """What is said of few rows, as they are met; it takes no room for others."""

    row: np.ndarray
    value: np.ndarray
    count: np.ndarray  # one int64: how many there are

    @classmethod
    def empty(cls) -> Few:
        """Return room for some."""
        return cls(np.empty(64, np.int64), np.empty(64, np.uint32), np.zeros(1, np.int64))

    def with_room(self) -> Few:
        """Return the same with room for at least one more."""
        if self.count[0] < len(self.row):
            return self
        return Few(*(np.concatenate([each, np.empty_like(each)]) for each in self[:2]), self.count)


class Outer(NamedTuple):
    """The outermost addresses of the rows that are tunnels, as they are met."""

    row: np.ndarray
    src_ip: np.ndarray
    dst_ip: np.ndarray
    count: np.ndarray  # one int64: how many there are


class Names(NamedTuple):
    """What the numbers in `src_ip`, `src_mac` and `layers` mean, the rows that are tunnels, and what few rows have."""

    addresses: Interned
    macs: Interned
    chains: Interned  # the chain before, and the layer (see `layers`)
    outer: Outer
    vni: Few
    icmp_id: Few

    @classmethod
    def empty(cls, room: int = 256) -> Names:
        """Return names with room for some; `decode` makes more where it needs it."""
        outer = Outer(np.empty(64, np.int64), np.empty(64, np.int32), np.empty(64, np.int32), np.zeros(1, np.int64))
        return cls(interned(room), interned(64), interned(256), outer, Few.empty(), Few.empty())

    def with_room(self) -> Names:
        """Return the same names with room for at least one more row."""
        outer = self.outer
        if outer.count[0] == len(outer.row):
            outer = Outer(*(np.concatenate([each, np.empty_like(each)]) for each in outer[:3]), outer.count)
        return Names(
            with_room(self.addresses, _PER_ROW), with_room(self.macs, _PER_ROW), with_room(self.chains, DEEPEST), outer,
            self.vni.with_room(), self.icmp_id.with_room(),
        )  # fmt: skip


_PER_ROW = 4  # addresses of one row: innermost and outermost


def decode(buffer: np.ndarray, base: int, first: int, last: int, c: Columns, names: Names) -> Names:
    """Decode the frames of rows ``first`` to ``last - 1``, whose offset, captured, length and link are written.

    Parameters
    ----------
    buffer : uint8 array
        Holds all of these frames.
    base
        Where ``buffer[0]`` stands in the evidence.
    first, last
        Rows.
    c
        Written.
    names
        What was met so far; not to be used any more.

    Returns
    -------
    Names
        With what is new.
    """
    room_for = _room()
    while True:
        first = _decode(buffer, base, first, last, c, names, room_for)
        if first >= last:
            return names
        names = names.with_room()


class Header(NamedTuple):
    """A layer of a frame: its name in `LAYERS`, the number that goes with it, its first byte, and the end of its bytes."""

    name: str
    number: int
    at: int
    end: int


def headers(frame: bytes, link: int, length: int | None = None) -> list[Header]:
    """Return the layers of one frame, outermost first; ``cut`` follows what is not whole.

    Parameters
    ----------
    frame
        The captured bytes.
    link
        Its LINKTYPE_ number.
    length
        Bytes on the wire; as captured where not given.
    """
    c = Columns.empty(1, places=True)
    c.offset[0], c.captured[0], c.length[0], c.link[0] = 0, len(frame), max(len(frame), length or 0), min(link, 0xFFFF)
    room_for = _room()
    _decode(np.frombuffer(bytearray(frame or b"\0"), np.uint8), 0, 0, 1, c, Names.empty(8).with_room(), room_for)
    s = room_for[0].tolist()
    return [
        Header(LAYERS[layer & 0xFF], layer >> 8, at, end)
        for layer, at, end in zip(*(s[first : first + s[State.DEPTH]] for first in _NOTED), strict=True)
    ]


_NOTED = (State.LAYERS, State.PLACES, State.ENDS)


def _room() -> tuple[np.ndarray, ...]:
    recent = np.full((2, _RECENT), -1, np.int64)
    numbers = np.empty((2, _RECENT), np.int32)
    return np.empty(State.SIZE, np.int64), recent[0], numbers[0], recent[1], numbers[1]


@njit(cache=True, nogil=True, _nrt=False)
def _decode(buffer, base, first, last, c, names, room_for):
    """Decode rows until there is no more room for names; return the first row that was not decoded."""
    addresses, macs, chains, outer = names.addresses, names.macs, names.chains, names.outer
    room, mac_room = len(addresses.high) - _PER_ROW, len(macs.high) - _PER_ROW
    chain_room = len(chains.high) - DEEPEST
    outer_room, vni_room, id_room = len(outer.row), len(names.vni.row), len(names.icmp_id.row)
    # the numbers of values met last, by some of their bits: spares most of the looks into the large tables
    s, recent_value, recent_number, recent_mac, recent_mac_number = room_for
    tcp_chain = udp_chain = np.int32(-1)
    places = len(c.payload_at) > 0
    for row in range(first, last):
        c.no_vlan[np.uintp(row)] = c.no_fragment[np.uintp(row)] = c.no_icmp[np.uintp(row)] = True
    for row in range(first, last):
        if addresses.count[0] > room or macs.count[0] > mac_room or chains.count[0] > chain_room:
            return row
        r = np.uintp(row)
        if row + _AHEAD < last:
            ahead = c.offset[np.uintp(row + _AHEAD)] - base
            prefetch(buffer, ahead)
            prefetch(buffer, ahead + 50)  # the headers read here end there, nearly always in the next line of the cache
        at = c.offset[r] - base
        size = np.int64(c.captured[r])
        length = np.int64(c.length[r])
        proto = total = sport = dport = head = np.int64(0)
        plain = False
        # Ethernet, IPv4 without options, no fragment, no length beyond the frame's end
        if (
            not places
            and c.link[r] == 1
            and size >= 42
            and be32(buffer, at + 12) >> 8 == 0x080045
            and be16(buffer, at + 20) & 0x3FFF == 0
            and be16(buffer, at + 16) <= max(length, size) - 14
        ):
            proto, total = byte(buffer, at + 23), be16(buffer, at + 16)
            sport, dport = be16(buffer, at + 34), be16(buffer, at + 36)
            if proto == 6:
                if size >= 54 and total >= 40:
                    head = (byte(buffer, at + 46) >> 4) * 4
                    plain = 20 <= head <= total - 20
            elif proto == 17 and total >= 28:
                plain = not (may_be_tunnel(sport) or may_be_tunnel(dport))
        if not plain:
            if outer.count[0] >= outer_room or names.vni.count[0] >= vni_room or names.icmp_id.count[0] >= id_room:
                return row
            look(buffer, s, at, size, length, c.link[r])
            _write(c, r, s, names, places)
            if s[State.OUTER_TAG]:
                _write_outer(r, s, names)
            if s[State.VNI] >= 0:
                _write_few(r, s[State.VNI], names.vni)
            if s[State.ICMP_ID] >= 0:
                _write_few(r, s[State.ICMP_ID], names.icmp_id)
            continue

        value = (be32(buffer, at) << 16) | be16(buffer, at + 4)
        slot = np.uintp((value ^ (value >> 10)) & (_RECENT - 1))
        if recent_mac[slot] != value:
            recent_mac[slot] = value
            recent_mac_number[slot] = intern_value(macs, 0, value, 0)
        c.dst_mac[r] = recent_mac_number[slot]
        value = (be32(buffer, at + 6) << 16) | be16(buffer, at + 10)
        slot = np.uintp((value ^ (value >> 10)) & (_RECENT - 1))
        if recent_mac[slot] != value:
            recent_mac[slot] = value
            recent_mac_number[slot] = intern_value(macs, 0, value, 0)
        c.src_mac[r] = recent_mac_number[slot]
        value = be32(buffer, at + 26)
        slot = np.uintp((value ^ (value >> 10) ^ (value >> 20)) & (_RECENT - 1))
        if recent_value[slot] != value:
            recent_value[slot] = value
            recent_number[slot] = intern_value(addresses, 0, value, 4)
        c.src_ip[r] = recent_number[slot]
        value = be32(buffer, at + 30)
        slot = np.uintp((value ^ (value >> 10) ^ (value >> 20)) & (_RECENT - 1))
        if recent_value[slot] != value:
            recent_value[slot] = value
            recent_number[slot] = intern_value(addresses, 0, value, 4)
        c.dst_ip[r] = recent_number[slot]

        # only what is not zero, or said above to be absent
        c.ttl[r] = byte(buffer, at + 22)
        c.octets[r] = total
        c.ip_id[r] = be16(buffer, at + 18)
        c.proto[r] = proto
        c.src_port[r] = sport
        c.dst_port[r] = dport
        if proto == 6:
            if tcp_chain < 0:
                tcp_chain = _plain_chain(s, chains, Layer.TCP)
            c.layers[r] = tcp_chain
            c.payload[r] = total - 20 - head
            c.tcp_flags[r] = be16(buffer, at + 46) & 0x01FF
            c.seq[r] = be32(buffer, at + 38)
            c.ack[r] = be32(buffer, at + 42)
            c.window[r] = be16(buffer, at + 48)
        else:
            if udp_chain < 0:
                udp_chain = _plain_chain(s, chains, Layer.UDP)
            c.layers[r] = udp_chain
            said = be16(buffer, at + 38)
            c.payload[r] = (said if 8 <= said < total - 20 else total - 20) - 8
            c.no_tcp[r] = True
    return last


@njit(_nrt=False)
def _plain_chain(s, chains, layer):
    s[State.DEPTH] = 0
    deeper(s, Layer.ETH, 0)
    deeper(s, Layer.IP, 0)
    deeper(s, layer, 0)
    return np.int32(chain_of(s, chains))


@njit(_nrt=False)
def look(b, s, at, captured, length, link):
    """Read a frame layer by layer, as far down as there are headers that are known."""
    for place in range(State.LAYERS):
        s[place] = -1
    s[State.AT] = s[State.START] = at
    s[State.END] = at + captured
    s[State.STOP] = at + max(length, captured)
    s[State.DEPTH] = s[State.TAG] = s[State.OUTER_TAG] = 0
    following = np.int64(first_layer(b, s, link))
    while following != Next.STOP and s[State.DEPTH] < DEEPEST:
        if following == 0x0800:
            following = np.int64(ip4(b, s))
        elif following == 0x86DD:
            following = np.int64(ip6(b, s))
        elif following < Next.PROTOCOL:
            following = np.int64(after_ethertype(b, s, following))
        elif following == Next.ETHERNET:
            following = np.int64(ethernet(b, s))
        elif following == Next.LLC:
            following = np.int64(llc(b, s))
        elif following == Next.PPP:
            following = np.int64(ppp(b, s))
        else:
            proto = following - Next.PROTOCOL
            if proto == 6 or proto == 17 or proto == 1 or proto == 58 or proto == 132 or proto == 136:
                following = np.int64(transport(b, s, proto))
            elif proto == 51:
                following = np.int64(authenticated(b, s))
            else:
                following = np.int64(carried_by_ip(b, s, proto))


@njit(_nrt=False)
def _write(c, r, s, names, places):
    """Write a row of what `look` found; absent numbers are 0 under their mask."""
    c.vlan[r] = max(s[State.VLAN], 0)
    c.no_vlan[r] = s[State.VLAN] < 0
    c.src_mac[r] = c.dst_mac[r] = -1
    if s[State.SRC_MAC] >= 0:
        c.src_mac[r] = intern_value(names.macs, 0, s[State.SRC_MAC], 0)
    if s[State.DST_MAC] >= 0:
        c.dst_mac[r] = intern_value(names.macs, 0, s[State.DST_MAC], 0)
    c.src_ip[r] = c.dst_ip[r] = -1
    if s[State.TAG]:
        c.src_ip[r] = intern_value(names.addresses, s[State.SRC_HIGH], s[State.SRC_LOW], s[State.TAG])
        c.dst_ip[r] = intern_value(names.addresses, s[State.DST_HIGH], s[State.DST_LOW], s[State.TAG])
    c.ttl[r], c.octets[r] = max(s[State.TTL], 0), max(s[State.OCTETS], 0)
    c.no_ip[r] = s[State.OCTETS] < 0
    c.ip_id[r], c.no_ip_id[r] = max(s[State.IP_ID], 0), s[State.IP_ID] < 0
    c.fragment[r], c.no_fragment[r] = max(s[State.FRAGMENT], 0), s[State.FRAGMENT] < 0
    c.proto[r] = s[State.PROTO]
    c.src_port[r], c.dst_port[r] = max(s[State.SRC_PORT], 0), max(s[State.DST_PORT], 0)
    c.no_port[r] = s[State.SRC_PORT] < 0
    c.payload[r], c.no_payload[r] = max(s[State.PAYLOAD], 0), s[State.PAYLOAD] < 0
    c.tcp_flags[r], c.window[r] = max(s[State.TCP_FLAGS], 0), max(s[State.WINDOW], 0)
    c.seq[r], c.ack[r] = max(s[State.SEQ], 0), max(s[State.ACK], 0)
    c.no_tcp[r] = s[State.TCP_FLAGS] < 0
    c.icmp_type[r], c.icmp_code[r] = max(s[State.ICMP_TYPE], 0), max(s[State.ICMP_CODE], 0)
    c.no_icmp[r] = s[State.ICMP_TYPE] < 0
    c.layers[r] = chain_of(s, names.chains)
    if places:
        c.payload_at[r], c.ip_at[r] = max(s[State.PAYLOAD_AT], 0), max(s[State.IP_AT], 0)


@njit(_nrt=False)
def _write_outer(r, s, names):
    place = names.outer.count[0]
    names.outer.row[place] = r
    names.outer.src_ip[place] = intern_value(
        names.addresses, s[State.OUTER_SRC_HIGH], s[State.OUTER_SRC_LOW], s[State.OUTER_TAG]
    )
    names.outer.dst_ip[place] = intern_value(
        names.addresses, s[State.OUTER_DST_HIGH], s[State.OUTER_DST_LOW], s[State.OUTER_TAG]
    )
    names.outer.count[0] += 1


@njit(_nrt=False)
def _write_few(r, value, few):
    place = few.count[0]
    few.row[place] = r
    few.value[place] = value
    few.count[0] += 1
