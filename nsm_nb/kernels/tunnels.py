"""Tunnels above IP and UDP: each reader stands at its header, and returns what it carries.

A tunnel in UDP is told by a port number, which proves nothing: it is entered only where its header and the one inside are
plausible, and is a plain datagram else.

Source: RFC 2784 and 2890 (GRE), 2637 (its version 1, PPTP), draft-foschiano-erspan (ERSPAN), 3378 (EtherIP), 7348 (VXLAN),
draft-ietf-nvo3-vxlan-gpe, 8926 (GENEVE), 4380 (Teredo); 3GPP TS 29.281 (GTP-U).
"""

from __future__ import annotations

from numba import njit

from nsm_nb.kernels.layers import Layer, State, deeper
from nsm_nb.kernels.links import Next, cut, plausible_ethernet, plausible_ip
from nsm_nb.kernels.numbers import be16, be32, byte

__all__ = ["TUNNEL_PORTS", "carried_by_ip", "in_datagram", "may_be_tunnel"]

# GTP-U, Teredo, VXLAN, VXLAN-GPE, GENEVE, and VXLAN as Linux had it before the number was assigned
TUNNEL_PORTS = (2152, 3544, 4789, 4790, 6081, 8472)
_TEREDO_PREFIX, _LINK_LOCAL = 0x20010000, 0xFE800000


@njit(inline="always")
def may_be_tunnel(port):
    """Return True for the ports of `TUNNEL_PORTS`."""
    return port == 2152 or port == 3544 or port == 4789 or port == 4790 or port == 6081 or port == 8472


@njit(_nrt=False)
def carried_by_ip(b, s, proto):
    """Read a tunnel that stands above IP itself; `Next.STOP` where it is none that is known, or carries nothing known."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    if proto == 4 and left >= 20 and byte(b, at) >> 4 == 4 and (byte(b, at) & 15) >= 5:
        return 0x0800
    if proto == 41 and left >= 40 and byte(b, at) >> 4 == 6:
        return 0x86DD
    if proto == 47:
        return gre(b, s)
    if proto == 97 and left >= 16 and byte(b, at) >> 4 == 3:
        deeper(s, Layer.ETHERIP, 0)
        s[State.AT] = at + 2
        return Next.ETHERNET
    if proto == 137:
        return 0x8847
    deeper(s, Layer.IPPROTO, proto)
    return Next.STOP


@njit(_nrt=False)
def gre(b, s):
    """Read GRE of version 0, or of 1 as PPTP has it."""
    at, end = s[State.AT], s[State.END]
    deeper(s, Layer.GRE, 0)
    if end - at < 4:
        return cut(s)
    bits, kind = be16(b, at), be16(b, at + 2)
    version = bits & 7
    size = 4
    if version == 1:
        if end - at < 8:
            return cut(s)
        size = 8 + (4 if bits & 0x1000 else 0) + (4 if bits & 0x0080 else 0)
        if kind != 0x880B or bits & 0x1000 == 0:  # without a sequence number it only acknowledges
            return Next.STOP
        s[State.STOP] = min(s[State.STOP], at + size + be16(b, at + 4))
    elif version == 0:
        if bits & 0xC000:  # a checksum, or routing: both fields are there
            size += 4
        if bits & 0x2000:
            size += 4
        if bits & 0x1000:
            size += 4
        if bits & 0x4000:  # the list of source routes, up to an empty one
            for _ in range(8):
                if end - at < size + 4:
                    return cut(s)
                address, length = be16(b, at + size), byte(b, at + size + 3)
                size += 4 + length
                if address == 0 and length == 0:
                    break
    else:
        return Next.STOP
    if end - at < size:
        return cut(s)
    at += size
    s[State.AT] = at
    s[State.END] = min(end, s[State.STOP])
    if kind == 0x88BE or kind == 0x22EB:
        return erspan(b, s, kind, bits)
    if kind == 0x883E:  # WCCP: version 2 has a header of four bytes before the datagram
        if end - at >= 4 and byte(b, at) >> 4 != 4:
            s[State.AT] = at + 4
        return 0x0800
    return kind


@njit(_nrt=False)
def erspan(b, s, kind, bits):
    """Pass over ERSPAN's own header: none in type I, which has no sequence number in GRE; 8 bytes in II, 12 and more in III."""
    at, left = s[State.AT], s[State.END] - s[State.AT]
    deeper(s, Layer.ERSPAN, 0)
    size = 0
    if kind == 0x22EB:
        size = 12
        if left >= 12 and byte(b, at + 11) & 1:  # a header that depends on the platform
            size = 20
    elif bits & 0x1000:
        size = 8
    if left < size:
        return cut(s)
    s[State.AT] = at + size
    if kind == 0x22EB and (be16(b, at + 10) >> 10) & 31 == 2:  # type III says whether it mirrors frames or datagrams
        return 0x86DD if left > size and byte(b, at + size) >> 4 == 6 else 0x0800
    return Next.ETHERNET


@njit(_nrt=False)
def in_datagram(b, s, at, end, stop):
    """Look at the payload of a UDP datagram; where it is a tunnel's, enter it and return what it carries."""
    src, dst = s[State.SRC_PORT], s[State.DST_PORT]
    if not (may_be_tunnel(src) or may_be_tunnel(dst)):
        return Next.STOP
    found = Next.STOP
    inner = at
    layer = Layer.VXLAN
    if dst == 4789 or dst == 8472 or dst == 4790:
        inner = at + 8
        found = _vxlan(b, at, end, dst == 4790)
    elif dst == 6081:
        layer = Layer.GENEVE
        if end - at >= 8:
            inner = at + 8 + (byte(b, at) & 0x3F) * 4
            found = _geneve(b, at, inner, end)
    elif dst == 2152 or src == 2152:
        layer = Layer.GTP
        inner = _gtp(b, at, end, stop)
        if inner > at:
            found = 0x86DD if byte(b, inner) >> 4 == 6 else 0x0800
            if not plausible_ip(b, inner, end, stop):
                found = Next.STOP
    elif dst == 3544 or src == 3544:
        layer = Layer.TEREDO
        inner = _teredo(b, at, end)
        if inner >= at and _is_teredos(b, inner, end, stop):
            found = 0x86DD
    if found == Next.ETHERNET and plausible_ethernet(b, inner, end) == 0:
        return Next.STOP
    if (found == 0x0800 or found == 0x86DD) and not plausible_ip(b, inner, end, stop):
        return Next.STOP
    if found != Next.STOP:
        deeper(s, layer, 0)
        s[State.AT], s[State.END], s[State.STOP] = inner, end, stop
        if layer == Layer.GENEVE or layer == Layer.VXLAN:
            named = layer == Layer.GENEVE or byte(b, at) & 0x08  # the I bit: the identifier is valid
            s[State.VNI] = be32(b, at + 4) >> 8 if named else -1
    return found


@njit(_nrt=False)
def _vxlan(b, at, end, extended):
    if end - at < 16 or byte(b, at + 7) != 0:
        return Next.STOP
    bits = byte(b, at)
    if not extended:
        if bits & 0x7F != 0x08 or byte(b, at + 1) & 0xB7 != 0:  # the I bit; those of the group policy may be set
            return Next.STOP
        return Next.ETHERNET if bits & 0x80 or (byte(b, at + 1) == 0 and be16(b, at + 2) == 0) else Next.STOP
    if bits & 0xF2 != 0 or be16(b, at + 1) != 0:
        return Next.STOP
    kind = byte(b, at + 3)
    if bits & 0x04 == 0:  # without the P bit it is VXLAN
        return Next.ETHERNET if bits & 0x08 and kind == 0 else Next.STOP
    if kind == 1:
        return 0x0800
    if kind == 2:
        return 0x86DD
    return Next.ETHERNET if kind == 3 else Next.STOP


@njit(_nrt=False)
def _geneve(b, at, inner, end):
    # version 0, reserved bits 0 (RFC 8926 3.4)
    if inner >= end or byte(b, at) >> 6 != 0 or byte(b, at + 1) & 0x3F != 0 or byte(b, at + 7) != 0:
        return Next.STOP
    kind = be16(b, at + 2)
    if kind == 0x6558:
        return Next.ETHERNET
    return kind if kind == 0x0800 or kind == 0x86DD else Next.STOP


@njit(_nrt=False)
def _gtp(b, at, end, stop):
    """Return where the datagram in a GTP-U message stands; `at` where it is none."""
    # version 1, GTP and not GTP', a G-PDU whose length ends where the datagram does
    if end - at < 9 or byte(b, at) & 0xF0 != 0x30 or byte(b, at + 1) != 0xFF or be16(b, at + 2) != stop - at - 8:
        return at
    inner = at + 8
    if byte(b, at) & 0x07:
        inner += 4
        if end < inner:
            return at
        kind = byte(b, inner - 1) if byte(b, at) & 0x04 else 0
        for _ in range(16):  # extension headers
            if kind == 0:
                break
            if inner >= end or byte(b, inner) == 0:
                return at
            inner += byte(b, inner) * 4
            if inner > end:
                return at
            kind = byte(b, inner - 1)
        if kind != 0:
            return at
    return inner if inner < end else at


@njit(_nrt=False)
def _teredo(b, at, end):
    """Return where IPv6 stands behind Teredo's indications; -1 where it can't be there."""
    if end - at >= 4 and be16(b, at) == 1:  # authentication
        at += 13 + byte(b, at + 2) + byte(b, at + 3)
    if end - at >= 8 and be16(b, at) == 0:  # origin
        at += 8
    return at if end - at >= 40 else -1


@njit(_nrt=False)
def _is_teredos(b, at, end, stop):
    # what else comes over this port must not look like it: the lengths agree, and an end is Teredo's or local to the link
    if byte(b, at) >> 4 != 6 or be16(b, at + 4) + 40 > stop - at:
        return False
    for place in (at + 8, at + 24):
        front = be32(b, place)
        if front == _TEREDO_PREFIX or front & 0xFFC00000 == _LINK_LOCAL:
            return True
    return False
