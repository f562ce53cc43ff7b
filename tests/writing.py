"""Captures written for tests: frames, pcap and pcapng in every byte order and resolution."""

from __future__ import annotations

import ipaddress
import struct


def ethernet(
    payload: bytes,
    *,
    ethertype: int = 0x0800,
    vlans: tuple[int, ...] = (),
    src: int = 0x0C29AABB01,
    dst: int = 0x0C29FEFEFE,
):
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return dst.to_bytes(6, "big") + src.to_bytes(6, "big") + tags + struct.pack(">H", ethertype) + payload


def ip(
    payload: bytes,
    src: str,
    dst: str,
    proto: int,
    *,
    ttl: int = 64,
    number: int = 1,
    place: int = 0,
    options: bytes = b"",
    total=None,
):
    size = 20 + len(options)
    return (
        struct.pack(
            ">BBHHHBBH4s4s", 0x40 | size // 4, 0, size + len(payload) if total is None else total, number, place, ttl, proto, 0,
            ipaddress.IPv4Address(src).packed, ipaddress.IPv4Address(dst).packed,
        )
        + options + payload
    )  # fmt: skip


def ipv6(payload: bytes, src: str, dst: str, proto: int, *, hops: int = 64):
    head = struct.pack(">IHBB", 0x60000000, len(payload), proto, hops)
    return head + ipaddress.IPv6Address(src).packed + ipaddress.IPv6Address(dst).packed + payload


def tcp(
    payload: bytes,
    sport: int,
    dport: int,
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = 0x18,
    window: int = 65535,
    options: bytes = b"",
):
    return (
        struct.pack(
            ">HHIIBBHHH",
            sport,
            dport,
            seq & 0xFFFFFFFF,
            ack & 0xFFFFFFFF,
            (20 + len(options)) // 4 << 4,
            flags,
            window,
            0,
            0,
        )
        + options
        + payload
    )


def udp(payload: bytes, sport: int, dport: int):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def pcap(frames, *, big: bool = False, nano: bool = False, link: int = 1, snaplen: int = 262144) -> bytes:
    """A pcap of (nanoseconds, bytes) or (nanoseconds, bytes, length on the wire)."""
    order = ">" if big else "<"
    parts = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link)]
    for time, frame, *length in frames:
        seconds, rest = divmod(time, 1_000_000_000)
        parts.append(
            struct.pack(
                order + "IIII", seconds, rest if nano else rest // 1000, len(frame), length[0] if length else len(frame)
            )
            + frame
        )
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    order: str = "<", *, link: int = 1, tsresol: int | None = None, tsoffset: int | None = None, snaplen: int = 0
) -> bytes:
    options = b""
    if tsresol is not None:
        options += struct.pack(order + "HHBxxx", 9, 1, tsresol)
    if tsoffset is not None:
        options += struct.pack(order + "HHq", 14, 8, tsoffset)
    return block(
        1,
        struct.pack(order + "HHI", link, 0, snaplen) + options + (struct.pack(order + "HH", 0, 0) if options else b""),
        order,
    )


def enhanced(which: int, stamp: int, frame: bytes, order: str = "<", *, length: int | None = None) -> bytes:
    body = struct.pack(
        order + "IIIII", which, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame) if length is None else length
    )
    return block(6, body + frame, order)


def conversation(
    *,
    src="10.0.0.1",
    sport=40000,
    dst="10.0.0.2",
    dport=80,
    request=b"GET / HTTP/1.1\r\n\r\n",
    answer=b"HTTP/1.1 200 OK\r\n\r\nhello",
    start=1_068_742_800,
):
    """Frames of one TCP conversation with handshake and close, a millisecond apart."""
    a, b = 1000, 5000
    steps = [
        (src, dst, sport, dport, a, 0, 0x02, b""),
        (dst, src, dport, sport, b, a + 1, 0x12, b""),
        (src, dst, sport, dport, a + 1, b + 1, 0x10, b""),
        (src, dst, sport, dport, a + 1, b + 1, 0x18, request),
        (dst, src, dport, sport, b + 1, a + 1 + len(request), 0x18, answer),
        (src, dst, sport, dport, a + 1 + len(request), b + 1 + len(answer), 0x11, b""),
        (dst, src, dport, sport, b + 1 + len(answer), a + 2 + len(request), 0x11, b""),
        (src, dst, sport, dport, a + 2 + len(request), b + 2 + len(answer), 0x10, b""),
    ]
    return [
        (start * 10**9 + place * 10**6, ethernet(ip(tcp(data, sp, dp, seq=seq, ack=ack, flags=flags), one, other, 6)))
        for place, (one, other, sp, dp, seq, ack, flags, data) in enumerate(steps)
    ]
