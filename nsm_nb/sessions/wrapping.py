"""Payloads of UDP to packets: the headers of IP and UDP around what a socket gave or will be given.

Source: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 768 (UDP), RFC 1071 (checksums), RFC 6864 (an ID of 0 beside DF).
"""

from __future__ import annotations

import struct

__all__ = ["LINK_RAW", "MOST", "wrapped"]

LINK_RAW = 101  # LINKTYPE_RAW: a packet begins with the header of IPv4 or IPv6
MOST = 65_507  # bytes of payload in a datagram over IPv4
_UDP = 17


def wrapped(payload: bytes, src: bytes, src_port: int, dst: bytes, dst_port: int, *, ttl: int = 64) -> bytes:
    """Return the IP packet that carries a payload of UDP.

    What a socket does not tell is written so that it says nothing: ID 0 with "don't fragment", type of service 0.

    Parameters
    ----------
    payload
        At most `MOST` bytes.
    src, dst
        Addresses of 4 or of 16 bytes, both alike.
    src_port, dst_port
        Ports.
    ttl
        Time to live, or hop limit.
    """
    size = 8 + len(payload)
    ports = src_port << 16 | dst_port
    # A sum of 16-bit words with end-around carry is the number of all their bytes, modulo 65,535.
    padded = payload + b"\0" if len(payload) & 1 else payload
    ends = int.from_bytes(src + dst)
    # the length stands in the pseudo header and in the header
    checksum = 65_535 - (int.from_bytes(padded) + ends + ports + 2 * size + _UDP) % 65_535
    udp = struct.pack(">IHH", ports, size, checksum)
    if len(src) == 4:
        total = 20 + size
        header = 65_535 - (0x4500 + total + 0x4000 + (ttl << 8 | _UDP) + ends) % 65_535
        return struct.pack(">IIBBH", 0x4500 << 16 | total, 0x4000, ttl, _UDP, header) + src + dst + udp + payload
    return struct.pack(">IHBB", 0x6000_0000, size, _UDP, ttl) + src + dst + udp + payload
