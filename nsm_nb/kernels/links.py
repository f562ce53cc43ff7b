"""Link layers and what lies between them and IP: each reader stands at its header, and returns what comes next.

What comes next is an ethertype, or one of `Next`; `Next.STOP` where nothing more can be read.

Source: IEEE 802.3, 802.1Q, 802.2, 802.11; RFC 1042 (SNAP), 1661 and 1662 (PPP), 2516 (PPPoE), 3032 and 4385 (MPLS and its
pseudowires), 826 (ARP); libpcap's link-layer header types; radiotap.org.
"""

from __future__ import annotations

from collections import namedtuple

from numba import njit

from nsm_nb.kernels.layers import Layer, State, deeper
from nsm_nb.kernels.numbers import be16, be32, byte, le16, le32

__all__ = [
    "LINKS", "PROTO_ETHERTYPE", "PROTO_LLC", "PROTO_PPP", "Next", "after_ethertype", "ethernet", "first_layer", "llc",
    "ppp", "pushed", "wlan",
]  # fmt: skip

# Link types that are decoded, by their LINKTYPE_ number, and the name of their first layer.
LINKS = {
    0: "null", 1: "eth", 9: "ppp", 12: "raw", 14: "raw", 50: "ppp", 51: "pppoe", 101: "raw", 104: "chdlc", 105: "wlan",
    108: "null", 113: "sll", 119: "prism", 127: "radiotap", 163: "avs", 192: "ppi", 204: "pppdir", 228: "raw", 229: "raw",
    276: "sll2",
}  # fmt: skip

# `proto` numbers below 256 are IP's; then come ethertypes, LLC service access points, protocols of PPP.
PROTO_ETHERTYPE, PROTO_LLC, PROTO_PPP = 0x10000, 0x20000, 0x30000


_Nexts = namedtuple("_Nexts", "STOP PROTOCOL ETHERNET LLC PPP")
# What comes next, where it is no ethertype; PROTOCOL and a number is a protocol of IP.
Next = _Nexts(-1, 0x10000, 0x20000, 0x20001, 0x20002)


@njit(_nrt=False)
def first_layer(b, s, link):
    """Read the header that a capture's link type says frames begin with."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    if link == 1:
        return Next.ETHERNET
    if link == 113 or link == 276:
        cooked2 = link == 276
        deeper(s, Layer.SLL2 if cooked2 else Layer.SLL, 0)
        size = 20 if cooked2 else 16
        if left < size:
            return cut(s)
        place = at + (12 if cooked2 else 6)
        if (byte(b, at + 11) if cooked2 else be16(b, at + 4)) == 6:
            s[State.SRC_MAC] = (be32(b, place) << 16) | be16(b, place + 4)
        s[State.AT] = at + size
        kind = be16(b, at) if cooked2 else be16(b, at + 14)
        # 4 says that IEEE 802.2 follows; other small numbers are Linux's own and no ethertypes
        return Next.LLC if kind == 4 else kind
    if link == 101 or link == 12 or link == 14 or link == 228 or link == 229:
        deeper(s, Layer.RAW, 0)
        if left < 1:
            return Next.STOP
        return 0x86DD if byte(b, at) >> 4 == 6 else 0x0800
    if link == 0 or link == 108:
        deeper(s, Layer.NULL, 0)
        if left < 4:
            return cut(s)
        s[State.AT] = at + 4
        # the address family in the byte order of the machine that captured; AF_INET6 is 10, 23, 24, 28 or 30
        family = be32(b, at) if be16(b, at) == 0 else byte(b, at)
        if family == 2:
            return 0x0800
        if family == 10 or family == 23 or family == 24 or family == 28 or family == 30:
            return 0x86DD
        return Next.STOP
    if link == 9 or link == 50:
        return Next.PPP
    if link == 204:
        deeper(s, Layer.PPPDIR, 0)
        if left < 1:
            return cut(s)
        s[State.AT] = at + 1
        return Next.PPP
    if link == 51:
        return 0x8864
    if link == 104:
        deeper(s, Layer.CHDLC, 0)
        if left < 4:
            return cut(s)
        s[State.AT] = at + 4
        return be16(b, at + 2)
    if link == 105:
        return wlan(b, s, False)
    if link == 127 or link == 119 or link == 163 or link == 192:
        return before_wlan(b, s, link)
    deeper(s, Layer.LINKTYPE, link)
    return Next.STOP


@njit(_nrt=False)
def cut(s):
    """Say that a header is not whole."""
    deeper(s, Layer.CUT, 0)
    return Next.STOP


@njit(_nrt=False)
def pushed(s):
    """Make room for what an inner header says: the outermost addresses are kept, all else of the outer one is forgotten."""
    if s[State.TAG] != 0 and s[State.OUTER_TAG] == 0:
        for place in range(5):
            s[State.OUTER_TAG + place] = s[State.TAG + place]
    s[State.TAG] = 0
    for place in range(State.IP_AT, State.LAYERS):
        s[place] = -1


@njit(_nrt=False)
def ethernet(b, s):
    """Read an Ethernet header; addresses are those of the outermost one."""
    at = s[State.AT]
    deeper(s, Layer.ETH, 0)
    if s[State.END] - at < 14:
        return cut(s)
    if s[State.DST_MAC] < 0 and s[State.SRC_MAC] < 0:
        s[State.DST_MAC] = (be32(b, at) << 16) | be16(b, at + 4)
        s[State.SRC_MAC] = (be32(b, at + 6) << 16) | be16(b, at + 10)
    s[State.AT] = at + 14
    kind = be16(b, at + 12)
    return Next.LLC if kind <= 1500 else kind


@njit(_nrt=False)
def llc(b, s):
    """Read an IEEE 802.2 header, and SNAP's behind it."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    deeper(s, Layer.LLC, 0)
    if left >= 8 and be16(b, at) == 0xAAAA and byte(b, at + 2) == 3:
        maker = be32(b, at + 2) & 0xFFFFFF
        if maker == 0 or maker == 0xF8:  # RFC 1042; 802.1H bridge tunnels
            s[State.AT] = at + 8
            return be16(b, at + 6)
    elif left >= 3 and be16(b, at) == 0x0606 and byte(b, at + 2) == 3:
        s[State.AT] = at + 3
        return 0x0800
    if left > 0 and s[State.TAG] == 0:
        s[State.PROTO] = PROTO_LLC + byte(b, at)
    return Next.STOP


@njit(_nrt=False)
def after_ethertype(b, s, kind):
    """Read what an ethertype announces: tags, labels, sessions, ARP. IP is not read here."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    if kind == 0x8100 or kind == 0x88A8 or kind == 0x9100:
        deeper(s, Layer.VLAN, 0)
        if left < 4:
            return cut(s)
        if s[State.VLAN] < 0:
            s[State.VLAN] = be16(b, at) & 0x0FFF
        s[State.AT] = at + 4
        following = be16(b, at + 2)
        return Next.LLC if following <= 1500 else following
    if kind == 0x0806:
        arp(b, s)
        return Next.STOP
    if kind == 0x6558:  # transparent Ethernet bridging
        return Next.ETHERNET
    if s[State.TAG] == 0:
        s[State.PROTO] = PROTO_ETHERTYPE + kind
    if kind == 0x8847 or kind == 0x8848:
        return mpls(b, s)
    if kind == 0x8864:
        deeper(s, Layer.PPPOE, 0)
        if left < 6:
            return cut(s)
        if byte(b, at) != 0x11 or byte(b, at + 1) != 0:  # version 1, type 1; a session's data have code 0
            return Next.STOP
        s[State.AT] = at + 6
        s[State.STOP] = min(s[State.STOP], at + 6 + be16(b, at + 4))
        s[State.END] = min(s[State.END], s[State.STOP])
        return Next.PPP
    if kind == 0x880B:
        return Next.PPP
    deeper(s, Layer.ETHERTYPE, kind)
    return Next.STOP


@njit(_nrt=False)
def arp(b, s):
    """Read ARP for Ethernet and IPv4: hardware type 1, protocol type 0x0800, sizes 6 and 4 (RFC 826)."""
    at = s[State.AT]
    deeper(s, Layer.ARP, 0)
    known = s[State.END] - at >= 28 and be32(b, at) == 0x00010800 and be16(b, at + 4) == 0x0604
    if not known and s[State.TAG] != 0:
        return  # in a tunnel: the addresses of that are all there is
    pushed(s)
    s[State.PROTO] = PROTO_ETHERTYPE + 0x0806
    if known:
        s[State.TAG] = 4
        s[State.SRC_HIGH] = s[State.DST_HIGH] = 0
        s[State.SRC_LOW] = be32(b, at + 14)
        s[State.DST_LOW] = be32(b, at + 24)


@njit(_nrt=False)
def mpls(b, s):
    """Read a stack of labels. What follows is not said: IP by its version, else a pseudowire that carries Ethernet."""
    at, end = s[State.AT], s[State.END]
    while True:
        deeper(s, Layer.MPLS, 0)
        if end - at < 4:
            return cut(s)
        entry = be32(b, at)
        at += 4
        if entry & 0x100:  # bottom of the stack
            break
    s[State.AT] = at
    if at >= end:
        return Next.STOP
    first = byte(b, at) >> 4
    # a pseudowire without a control word may begin with any digit: a header of IP is told by its lengths
    if first == 4 and plausible_ip(b, at, end, s[State.STOP]):
        return 0x0800
    if first == 6 and plausible_ip(b, at, end, s[State.STOP]):
        return 0x86DD
    if first == 1:  # RFC 4385 5: an associated channel
        return Next.STOP
    bare, behind = plausible_ethernet(b, at, end), 0
    if first == 0:
        behind = plausible_ethernet(b, at + 4, end)
    if behind > 0 and behind >= bare:
        deeper(s, Layer.PW, 0)  # the control word (RFC 4385 3)
        s[State.AT] = at + 4
        return Next.ETHERNET
    if bare > 0:
        return Next.ETHERNET
    if first == 4:
        return 0x0800
    return 0x86DD if first == 6 else Next.STOP


@njit(_nrt=False)
def plausible_ip(b, at, end, stop):
    """Return True where a header of IPv4 or IPv6 stands at `at` whose lengths fit between it and `stop`."""
    if end - at < 20:
        return False
    version = byte(b, at) >> 4
    if version == 4:
        head = (byte(b, at) & 15) * 4
        total = be16(b, at + 2)
        return head >= 20 and head <= total <= stop - at
    return version == 6 and end - at >= 40 and be16(b, at + 4) + 40 <= stop - at


@njit(_nrt=False)
def plausible_ethernet(b, at, end):
    """Return how well an Ethernet header stands at `at`: 2 where an ethertype is known, 1 where a length fits, else 0."""
    if end - at < 14:
        return 0
    kind = be16(b, at + 12)
    if kind <= 1500:
        return 1 if 3 <= kind <= end - at - 14 else 0  # IEEE 802.2 has three bytes at the least
    known = (
        kind == 0x0800 or kind == 0x86DD or kind == 0x0806 or kind == 0x8100 or kind == 0x88A8 or kind == 0x8847
        or kind == 0x8863 or kind == 0x8864 or kind == 0x88CC or kind == 0x8902 or kind == 0x9000
    )  # fmt: skip
    return 2 if known else 0


@njit(_nrt=False)
def ppp(b, s):
    """Read a PPP header: address and control where they were not compressed away, and one or two bytes of protocol."""
    at, end = s[State.AT], s[State.END]
    deeper(s, Layer.PPP, 0)
    if end - at >= 2 and be16(b, at) == 0xFF03:
        at += 2
    if end - at >= 4 and byte(b, at) in (0x0F, 0x8F) and byte(b, at + 1) == 0:  # Cisco's HDLC on a link said to be PPP
        s[State.AT] = at + 4
        return be16(b, at + 2)
    if end - at < 1 or (end - at < 2 and byte(b, at) & 1 == 0):
        return cut(s)
    kind = byte(b, at)
    at += 1
    if kind & 1 == 0:
        kind = (kind << 8) | byte(b, at)
        at += 1
    s[State.AT] = at
    if kind == 0x0021:
        return 0x0800
    if kind == 0x0057:
        return 0x86DD
    if kind == 0x0281 or kind == 0x0283:
        return 0x8847
    if s[State.TAG] == 0:
        s[State.PROTO] = PROTO_PPP + kind
    deeper(s, Layer.PPPTYPE, kind)
    return Next.STOP


@njit(_nrt=False)
def before_wlan(b, s, link):
    """Pass over what drivers put before an 802.11 frame: radiotap, Prism, AVS or PPI."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    layer = Layer.RADIOTAP if link == 127 else Layer.PRISM if link == 119 else Layer.AVS if link == 163 else Layer.PPI
    if link == 119 and left >= 4 and be32(b, at) & 0xFFFFF000 == 0x80211000:
        layer = Layer.AVS  # some drivers sent AVS headers under Prism's link type
    deeper(s, layer, 0)
    if left < 8:
        return cut(s)
    padded = False
    if layer == Layer.AVS:
        size = be32(b, at + 4)
    elif layer == Layer.PRISM:
        size = le32(b, at + 4)
    else:
        size = le16(b, at + 2)
        if layer == Layer.PPI and le32(b, at + 4) != 105:
            return Next.STOP
        if layer == Layer.RADIOTAP:
            padded = _pads(b, at, s[State.END])
    if size < 8 or size > left:
        return cut(s)
    s[State.AT] = at + size
    return wlan(b, s, padded)


@njit(_nrt=False)
def _pads(b, at, end):
    # Radiotap's field of flags comes behind the words of the bit mask and, where that is there, the 64-bit clock.
    mask = le32(b, at + 4)
    if mask & 2 == 0:
        return False
    place = at + 8
    more = mask
    while more & 0x80000000:
        if end - place < 4:
            return False
        more = le32(b, place)
        place += 4
    if mask & 1:
        place += (at - place) % 8 + 8
    return place < end and byte(b, place) & 0x20 != 0


@njit(_nrt=False)
def wlan(b, s, padded):
    """Read an 802.11 header; what is encrypted stays closed."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    deeper(s, Layer.WLAN, 0)
    if left < 10:
        return cut(s)
    control = le16(b, at)
    kind, subtype = (control >> 2) & 3, (control >> 4) & 15
    if kind == 1 or kind == 3:  # control frames and extensions have headers of their own
        return Next.STOP
    size = 30 if control & 0x0300 == 0x0300 and kind == 2 else 24  # a fourth address
    if left < size:
        return cut(s)
    # to and from the distribution system: where the addresses of sender and receiver stand
    receiver = at + 16 if control & 0x0100 and kind == 2 else at + 4
    sender = at + 10
    if control & 0x0200 and kind == 2:
        sender = at + 24 if control & 0x0100 else at + 16
    s[State.DST_MAC] = (be32(b, receiver) << 16) | be16(b, receiver + 4)
    s[State.SRC_MAC] = (be32(b, sender) << 16) | be16(b, sender + 4)
    if kind == 0:
        return Next.STOP
    aggregated = False
    if subtype & 8:
        if left >= size + 2:
            aggregated = byte(b, at + size) & 0x80 != 0
        size += 2  # quality of service
        if control & 0x8000:
            size += 4
    if padded:
        size += -size % 4
    if control & 0x4000:
        deeper(s, Layer.ENCRYPTED, 0)
        return Next.STOP
    if subtype & 4:  # no data
        return Next.STOP
    if aggregated:
        size += 14  # the head of the first of several frames
    if left < size:
        return cut(s)
    s[State.AT] = at + size
    return Next.LLC
