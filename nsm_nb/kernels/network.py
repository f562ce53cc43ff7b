"""IPv4 and IPv6: each reader stands at its header, and returns the protocol that comes next.

Source: RFC 791 (IPv4), 8200 (IPv6), 4302 (authentication header), 6275 (mobility header).
"""

from __future__ import annotations

from numba import njit

from nsm_nb.kernels.layers import Layer, State, deeper
from nsm_nb.kernels.links import Next, cut, pushed
from nsm_nb.kernels.numbers import be16, be32, be64, byte

__all__ = ["authenticated", "ip4", "ip6"]

_EXTENSIONS = 16  # headers between that of IPv6 and what it carries; more are not walked


@njit(_nrt=False)
def ip4(b, s):
    """Read an IPv4 header; what follows is left to others only in a datagram's first fragment."""
    at, end = s[State.AT], s[State.END]
    deeper(s, Layer.IP, 0)
    if not (end - at >= 20 and byte(b, at) >> 4 == 4 and (byte(b, at) & 15) >= 5):
        return cut(s)
    size = (byte(b, at) & 15) * 4
    total = be16(b, at + 2)
    if total == 0:  # segmentation offload: the length was not known yet when the frame was copied
        total = max(s[State.STOP] - at, size)
    pushed(s)
    s[State.TAG] = 4
    s[State.IP_AT] = at - s[State.START]
    s[State.SRC_HIGH] = s[State.DST_HIGH] = 0
    s[State.SRC_LOW] = be32(b, at + 12)
    s[State.DST_LOW] = be32(b, at + 16)
    s[State.TTL] = byte(b, at + 8)
    s[State.OCTETS] = total
    s[State.IP_ID] = be16(b, at + 4)
    s[State.PROTO] = byte(b, at + 9)
    place = be16(b, at + 6)
    if place & 0x3FFF:  # more fragments, or an offset
        s[State.FRAGMENT] = (place & 0x1FFF) * 8
    # a length beyond the end of what carries it is a lie, and no host believes it
    s[State.STOP] = min(s[State.STOP], at + total)
    s[State.AT] = at + size
    if place & 0x1FFF:
        deeper(s, Layer.FRAGMENT, 0)
        return Next.STOP
    if total < size or end - at < size:
        return cut(s)
    s[State.END] = min(end, at + total)
    return Next.PROTOCOL + s[State.PROTO]


@njit(_nrt=False)
def ip6(b, s):
    """Read an IPv6 header and its extensions: hop-by-hop, routing, fragment, authentication, destination, mobility."""
    at, end = s[State.AT], s[State.END]
    deeper(s, Layer.IP6, 0)
    if not (end - at >= 40 and byte(b, at) >> 4 == 6):
        return cut(s)
    size = be16(b, at + 4)
    if size == 0:  # segmentation offload, or a jumbogram
        size = max(s[State.STOP] - at - 40, 0)
    pushed(s)
    s[State.TAG] = 6
    s[State.IP_AT] = at - s[State.START]
    s[State.SRC_HIGH], s[State.SRC_LOW] = be64(b, at + 8), be64(b, at + 16)
    s[State.DST_HIGH], s[State.DST_LOW] = be64(b, at + 24), be64(b, at + 32)
    s[State.TTL] = byte(b, at + 7)
    s[State.OCTETS] = size + 40
    s[State.STOP] = min(s[State.STOP], at + 40 + size)
    end = s[State.END] = min(end, at + 40 + size)
    proto = byte(b, at + 6)
    at += 40
    for _ in range(_EXTENSIONS):
        if not (proto == 0 or proto == 43 or proto == 44 or proto == 51 or proto == 60 or proto == 135):
            break
        if end - at < 8:
            s[State.PROTO] = proto
            return cut(s)
        following = byte(b, at)
        s[State.AT] = at
        if proto == 44:
            deeper(s, Layer.FRAGMENT6, 0)
            place = be16(b, at + 2)
            s[State.FRAGMENT] = place & 0xFFF8
            s[State.IP_ID] = be32(b, at + 4)
            at += 8
            if place & 0xFFF8:
                s[State.PROTO] = following
                deeper(s, Layer.FRAGMENT, 0)
                return Next.STOP
        else:
            deeper(s, Layer.EXTENSION, 0)
            at += (byte(b, at + 1) + 2) * 4 if proto == 51 else (byte(b, at + 1) + 1) * 8
        proto = following
    s[State.PROTO] = proto
    s[State.AT] = at
    return Next.PROTOCOL + proto


@njit(_nrt=False)
def authenticated(b, s):
    """Read an authentication header under IPv4."""
    at = s[State.AT]
    deeper(s, Layer.AH, 0)
    if s[State.END] - at < 12:
        return cut(s)
    s[State.PROTO] = byte(b, at)
    s[State.AT] = at + (byte(b, at + 1) + 2) * 4
    return Next.PROTOCOL + s[State.PROTO]
