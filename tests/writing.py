"""Captures written for tests: frames, and pcap in its variants, pcapng and snoop in every byte order and resolution."""

from __future__ import annotations

import gzip
import ipaddress
import struct
import sys


def internet_checksum(data: bytes) -> int:
    """The checksum of RFC 1071; 0 over bytes that hold their right one."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


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
    ends = ipaddress.IPv4Address(src).packed + ipaddress.IPv4Address(dst).packed
    first = struct.pack(
        ">BBHHHBB", 0x40 | size // 4, 0, size + len(payload) if total is None else total, number, place, ttl, proto
    )  # fmt: skip
    check = internet_checksum(first + b"\0\0" + ends + options)
    if not place & 0x3FFF and total is None:
        payload = summed(payload, ends, proto)
    return first + struct.pack(">H", check) + ends + options + payload


def summed(segment: bytes, ends: bytes, proto: int) -> bytes:
    """A segment of TCP with its checksum, where none is in it yet; UDP may go without."""
    if proto != 6 or len(segment) < 20 or segment[16:18] != b"\0\0":
        return segment
    check = internet_checksum(ends + struct.pack(">II", len(segment), proto) + segment)
    return segment[:16] + struct.pack(">H", check) + segment[18:]


def ipv6(payload: bytes, src: str, dst: str, proto: int, *, hops: int = 64):
    head = struct.pack(">IHBB", 0x60000000, len(payload), proto, hops)
    ends = ipaddress.IPv6Address(src).packed + ipaddress.IPv6Address(dst).packed
    return head + ends + summed(payload, ends, proto)


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


def pcap(
    frames,
    *,
    big: bool = False,
    nano: bool = False,
    link: int = 1,
    snaplen: int = 262144,
    magic: int | None = None,
    version: tuple[int, int] = (2, 4),
    head: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """A pcap of (nanoseconds, bytes) or (nanoseconds, bytes, length on the wire).

    `magic` and `version` are those of a variant, `head` stands behind its file header, `tail` in each record header. Before
    version 2.3 the lengths stand the other way round.
    """
    order = ">" if big else "<"
    magic = magic or (0xA1B23C4D if nano else 0xA1B2C3D4)
    parts = [struct.pack(order + "IHHiIII", magic, *version, 0, 0, snaplen, link) + head]
    for time, frame, *length in frames:
        seconds, rest = divmod(time, 1_000_000_000)
        sizes = (len(frame), length[0] if length else len(frame))
        sizes = sizes[::-1] if version < (2, 3) else sizes
        parts.append(struct.pack(order + "IIII", seconds, rest if nano else rest // 1000, *sizes) + tail + frame)
    return b"".join(parts)


def snoop(frames, *, datalink: int = 4, version: int = 2, drops: int = 0) -> bytes:
    """A snoop capture (RFC 1761) of frames as `pcap` takes them."""
    parts = [b"snoop\0\0\0" + struct.pack(">II", version, datalink)]
    for time, frame, *length in frames:
        seconds, rest = divmod(time, 1_000_000_000)
        pad = -len(frame) % 4
        sizes = (length[0] if length else len(frame), len(frame), 24 + len(frame) + pad)
        parts.append(struct.pack(">IIIIII", *sizes, drops, seconds, rest // 1000) + frame + bytes(pad))
    return b"".join(parts)


def packed(data: bytes, kind: str) -> bytes:
    """Bytes compressed as ``gzip``, ``zstd`` or ``lz4`` do, with the sums that the programs write; else as they are."""
    if kind == "gzip":
        return gzip.compress(data, 1)
    if kind == "zstd":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})
    if kind == "lz4":
        import lz4.frame

        return lz4.frame.compress(data, content_checksum=True)
    return data


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """An option of pcapng, padded."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(
    order: str = "<",
    *,
    link: int = 1,
    tsresol: int | None = None,
    tsoffset: int | None = None,
    snaplen: int = 0,
    options: bytes = b"",
) -> bytes:
    if tsresol is not None:
        options += struct.pack(order + "HHBxxx", 9, 1, tsresol)
    if tsoffset is not None:
        options += struct.pack(order + "HHq", 14, 8, tsoffset)
    return block(
        1,
        struct.pack(order + "HHI", link, 0, snaplen) + options + (struct.pack(order + "HH", 0, 0) if options else b""),
        order,
    )


def enhanced(
    which: int, stamp: int, frame: bytes, order: str = "<", *, length: int | None = None, options: bytes = b""
) -> bytes:
    body = struct.pack(
        order + "IIIII", which, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame) if length is None else length
    )
    return block(6, body + frame + bytes(-len(frame) % 4) + options, order)


def pcapng(frames, order: str = "<") -> bytes:
    """A pcapng of one interface, of frames as `pcap` takes them."""
    parts = [section(order), interface(order, tsresol=9)]
    for time, frame, *length in frames:
        parts.append(enhanced(0, time, frame, order, length=length[0] if length else None))
    return b"".join(parts)


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


# --- link layers and tunnels


def snap(payload: bytes, *, ethertype: int = 0x0800):
    return b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", ethertype) + payload


def mpls(payload: bytes, *labels: int):
    return b"".join(
        struct.pack(">I", label << 12 | (place == len(labels) - 1) << 8 | 64) for place, label in enumerate(labels)
    ) + payload  # fmt: skip


def ppp(payload: bytes, *, kind: int = 0x0021, control: bool = False, short: bool = False):
    return (b"\xff\x03" if control else b"") + (bytes([kind]) if short else struct.pack(">H", kind)) + payload


def pppoe(payload: bytes):
    return struct.pack(">BBHH", 0x11, 0, 7, len(payload)) + payload


def gre(
    payload: bytes, *, kind: int = 0x0800, checksum: bool = False, key: int | None = None, number: int | None = None
):
    bits = checksum << 15 | (key is not None) << 13 | (number is not None) << 12
    parts = [struct.pack(">HH", bits, kind), b"\xde\xad\0\0" if checksum else b""]
    return b"".join([*parts, *(struct.pack(">I", each) for each in (key, number) if each is not None), payload])


def pptp(payload: bytes, *, number: int | None = 1, ack: int | None = None):
    bits = 0x2001 | (number is not None) << 12 | (ack is not None) << 7
    numbers = b"".join(struct.pack(">I", each) for each in (number, ack) if each is not None)
    return struct.pack(">HHHH", bits, 0x880B, len(payload), 9) + numbers + payload


def vxlan(payload: bytes, *, number: int = 42):
    return struct.pack(">II", 0x08000000, number << 8) + payload


def vxlan_gpe(payload: bytes, *, kind: int):
    return struct.pack(">BHBI", 0x0C, 0, kind, 42 << 8) + payload


def geneve(payload: bytes, *, kind: int = 0x6558, options: bytes = b""):
    return struct.pack(">BBHI", len(options) // 4, 0, kind, 42 << 8) + options + payload


def gtp(payload: bytes, *, number: int | None = None, extensions: tuple[bytes, ...] = ()):
    """A G-PDU; each extension is type and content, of 4n - 2 bytes."""
    bits = (number is not None) << 1 | bool(extensions) << 2
    more = b""
    if bits:
        more = struct.pack(">HBB", number or 0, 0, extensions[0][0] if extensions else 0)
        for place, each in enumerate(extensions):
            following = extensions[place + 1][0] if place + 1 < len(extensions) else 0
            more += bytes([(len(each) + 1) // 4]) + each[1:] + bytes([following])
    return struct.pack(">BBHI", 0x30 | bits, 0xFF, len(more) + len(payload), 5) + more + payload


def teredo(payload: bytes, *, origin: bool = False, authentication: bool = False):
    head = struct.pack(">BBBB8sB", 0, 1, 0, 0, b"nonceXYZ", 0) if authentication else b""
    return head + (struct.pack(">HHI", 0, 1, 2) if origin else b"") + payload


def wlan(payload: bytes, *, control: int = 0x0108, qos: int | None = None, fourth: bool = False):
    """An 802.11 data frame: subtype and flags in `control`, little-endian as on the air."""
    a, b, c = (bytes([2, 0, 0, 0, 0, each]) for each in (1, 2, 3))
    head = struct.pack("<HH", control | (0 if qos is None else 0x80), 0) + a + b + c + b"\0\0"
    return head + (a if fourth else b"") + (b"" if qos is None else struct.pack("<H", qos)) + payload


def radiotap(payload: bytes, *, flags: int | None = None, clock: bool = False, words: int = 1):
    mask = (flags is not None) << 1 | clock
    masks = [0x80000000 | (mask if place == 0 else 0) for place in range(words - 1)] + [mask if words == 1 else 0]
    body = b"".join(struct.pack("<I", each) for each in masks)
    if clock:
        body += bytes(-(4 + len(body)) % 8) + struct.pack("<Q", 12345)
    body += b"" if flags is None else bytes([flags])
    return struct.pack("<BBH", 0, 0, 4 + len(body)) + body + payload
