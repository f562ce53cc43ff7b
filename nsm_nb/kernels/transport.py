"""What stands above IP: TCP, UDP, SCTP, ICMP. `STOP` is the end of the datagram by its own header, `END` by what was captured.

Source: RFC 9293 (TCP), 768 (UDP), 3828 (UDP-Lite), 9260 (SCTP), 792 and 4443 (ICMP).
"""

from __future__ import annotations

from numba import njit

from nsm_nb.kernels.layers import Layer, State, deeper
from nsm_nb.kernels.links import Next
from nsm_nb.kernels.numbers import be16, be32, byte
from nsm_nb.kernels.tunnels import in_datagram

__all__ = ["transport"]


@njit(inline="always")
def _has_identifier(proto, kind):
    # echo, timestamp, information, mask (RFC 792, 950); echo and home agent discovery (RFC 4443, 6275 6.5)
    if proto == 1:
        return kind == 0 or kind == 8 or 13 <= kind <= 18
    return kind == 128 or kind == 129 or kind == 144 or kind == 145


@njit(_nrt=False)
def transport(b, s, proto):
    """Read a transport header. Returns what a tunnel in UDP carries, `Next.STOP` where it is none."""
    at = s[State.AT]
    left, size = s[State.END] - at, s[State.STOP] - at
    head = -1
    following = Next.STOP
    if proto == 6:
        deeper(s, Layer.TCP, 0)
        if left >= 4:
            s[State.SRC_PORT], s[State.DST_PORT] = be16(b, at), be16(b, at + 2)
        if left >= 16:
            s[State.SEQ], s[State.ACK] = be32(b, at + 4), be32(b, at + 8)
            s[State.TCP_FLAGS] = be16(b, at + 12) & 0x01FF
            s[State.WINDOW] = be16(b, at + 14)
            head = (byte(b, at + 12) >> 4) * 4
            if head < 20 or head > size:
                head = -1
    elif proto == 17 or proto == 136:  # UDP and UDP-Lite
        deeper(s, Layer.UDP, 0)
        if left >= 4:
            s[State.SRC_PORT], s[State.DST_PORT] = be16(b, at), be16(b, at + 2)
        if left >= 8:
            head = 8
            said = be16(b, at + 4)
            if proto == 17 and 8 <= said < size:  # what stands behind the datagram is not its payload
                size = said
            if proto == 17 and size >= 8:
                following = in_datagram(b, s, at + 8, min(s[State.END], at + size), at + size)
        if head > size:
            head = -1
    elif proto == 132:
        deeper(s, Layer.SCTP, 0)
        if left >= 4:
            s[State.SRC_PORT], s[State.DST_PORT] = be16(b, at), be16(b, at + 2)
        if left >= 12:
            head = 12
    else:
        deeper(s, Layer.ICMP if proto == 1 else Layer.ICMP6, 0)
        if left >= 2:
            s[State.ICMP_TYPE], s[State.ICMP_CODE] = byte(b, at), byte(b, at + 1)
        if left >= 8:
            head = 8
            if _has_identifier(proto, s[State.ICMP_TYPE]):
                s[State.ICMP_ID] = be16(b, at + 4)
    if head >= 0 and size >= head:
        s[State.PAYLOAD] = size - head
        s[State.PAYLOAD_AT] = at + head - s[State.START]
    elif proto != 132 and proto != 136:
        deeper(s, Layer.CUT, 0)
    return following
