"""The header fields of one packet, in rows as Sguil shows them.

dpkt names the fields of a header; where each header starts and ends is found here, with a look at the bytes that are left
before each step. dpkt's own way down the layers raises on damaged bytes, and recurses as deep as an attacker nests tunnels.

Source: Sguil's packet panel (reference/seed-systems.md 11.5); RFC 791, 8200, 9293, 768, 792, 4443, 826; dpkt 1.9.8.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from nsm_nb.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fields"]

Row = tuple[str, list[tuple[str, Any]]]
"""A header: its name, and the name and value of each field."""

_IP4, _IP6, _ARP = 0x0800, 0x86DD, 0x0806
_DEEPEST = 8  # headers of IP in one frame: tunnels in tunnels
_FLAGS = (
    ("R1", 0x80),
    ("R0", 0x40),
    ("URG", 0x20),
    ("ACK", 0x10),
    ("PSH", 0x08),
    ("RST", 0x04),
    ("SYN", 0x02),
    ("FIN", 0x01),
)
# Messages with an identifier and a sequence number: RFC 792, 950, 4443; and those that quote a datagram.
_COUNTED = {1: (0, 8, 13, 14, 15, 16, 17, 18), 58: (128, 129)}
_QUOTING = {1: (3, 4, 5, 11, 12), 58: (1, 2, 3, 4)}


def fields(frame: bytes, *, link: int = 1) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the header fields of a frame: IP, then TCP, UDP or ICMP; of tunnels every IP header, the outermost first.

    Numbers are decimal, as Sguil shows them; header lengths and offsets are bytes. A header that is not whole says so in
    place of its fields. Nothing is raised, whatever the bytes are.

    Parameters
    ----------
    frame
        The captured bytes.
    link
        Its LINKTYPE_ number; 1 is Ethernet.

    Examples
    --------
    >>> udp = bytes.fromhex("450000200001000040110000 0a010101 0a010102 0035 1000 000c 0000 41424344")
    >>> [name for name, _ in fields(udp, link=101)], fields(udp, link=101)[1][1]
    (['IP', 'UDP'], [('Source Port', '53'), ('Dest Port', '4096'), ('Length', '12'), ('ChkSum', '0')])
    """
    data, kind = _network(bytes(frame), link)
    return [(title, [(name, printable(value)) for name, value in row]) for title, row in _headers(data, kind)]


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _network(frame: bytes, link: int) -> tuple[bytes, int]:
    """Return what stands above the link layer, and its ethertype (0 where it is not known)."""
    kind, at = 0, 0
    if link == 1:
        kind, at = _number(frame, 12), 14
    elif link == 113:  # LINKTYPE_LINUX_SLL
        kind, at = _number(frame, 14), 16
    elif link == 276:  # LINKTYPE_LINUX_SLL2
        kind, at = _number(frame, 0), 20
    elif link in (12, 14, 101, 228, 229):  # raw IP
        kind = _IP6 if frame[:1] and frame[0] >> 4 == 6 else _IP4
    elif link in (0, 108):  # LINKTYPE_NULL, LOOP: the address family in the byte order of the capturing machine
        at = 4
        family = _number(frame, 0, 4) if frame[:2] == b"\0\0" else frame[0] if frame else 0
        kind = _IP4 if family == 2 else _IP6 if family in (10, 24, 28, 30) else 0
    while kind in (0x8100, 0x88A8, 0x9100):
        kind, at = _number(frame, at + 2), at + 4
    if kind <= 1500 and link == 1 and frame[at : at + 3] == b"\xaa\xaa\x03":  # SNAP under an 802.3 length
        kind, at = _number(frame, at + 6), at + 8
    return frame[at:], kind


def _read(header: Any, data: bytes) -> Any:
    """Return a header of dpkt with its fields read, and nothing of what follows it; None where `data` is too short."""
    import dpkt

    size = header.__hdr_len__
    if len(data) < size:
        return None
    made = header()
    dpkt.Packet.unpack(made, data[:size])
    return made


def _headers(data: bytes, kind: int) -> Iterator[Row]:
    if kind == _ARP:
        yield _arp(data)
        return
    proto = {_IP4: 4, _IP6: 41}.get(kind)
    for _ in range(_DEEPEST):
        if proto not in (4, 41):
            break
        rows, data, proto = (_ip if proto == 4 else _ip6)(data)
        yield from rows
    if proto is not None:
        yield from _transport(data, proto)


def _cut(title: str, data: bytes, size: int) -> Row:
    return title, [("cut", f"{len(data)} of {size} bytes are here")]


def _address(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def _ip(data: bytes) -> tuple[list[Row], bytes, int | None]:
    """Return the row of an IPv4 header, what it carries, and the protocol of that; None where that can't be read."""
    import dpkt

    ip = _read(dpkt.ip.IP, data)
    if ip is None:
        return [_cut("IP", data, 20)], b"", None
    size = ip.hl * 4
    flags = " ".join(name for name, bit in (("RF", ip.rf), ("DF", ip.df), ("MF", ip.mf)) if bit)
    row = [
        ("Source IP", _address(ip.src)), ("Dest IP", _address(ip.dst)), ("Ver", ip.v), ("HL", size), ("TOS", ip.tos),
        ("len", ip.len), ("ID", ip.id), ("Flags", flags or "."), ("Offset", ip.offset * 8), ("TTL", ip.ttl), ("ChkSum", ip.sum),
    ]  # fmt: skip
    whole = 20 <= size <= len(data) and ip.offset == 0
    # a length of 0: the sensor copied the frame before segmentation offload had filled it in
    return [("IP", row)], data[size : ip.len or None], ip.p if whole else None


def _ip6(data: bytes) -> tuple[list[Row], bytes, int | None]:
    """Return the rows of an IPv6 header and its fragment header; the rest as `_ip`."""
    import dpkt

    ip = _read(dpkt.ip6.IP6, data)
    if ip is None:
        return [_cut("IPv6", data, 40)], b"", None
    rows: list[Row] = [("IPv6", [
        ("Source IP", _address(ip.src)), ("Dest IP", _address(ip.dst)), ("Ver", ip.v), ("Class", ip.fc), ("Flow", ip.flow),
        ("len", ip.plen), ("Next", ip.nxt), ("Hops", ip.hlim),
    ])]  # fmt: skip
    data, proto = data[40 : 40 + ip.plen if ip.plen else None], ip.nxt
    # hop-by-hop, routing, fragment, authentication, destination, mobility; RFC 8200 4, 4302 2.2
    while proto in (0, 43, 44, 51, 60, 135):
        if len(data) < 8:
            return [*rows, _cut(f"IPv6 extension {proto}", data, 8)], b"", None
        size = 8
        if proto == 44:
            place = _number(data, 2)
            rows.append(("IPv6 fragment", [
                ("ID", _number(data, 4, 4)), ("Offset", place & 0xFFF8), ("Flags", "MF" if place & 1 else "."),
            ]))  # fmt: skip
            if place & 0xFFF8:
                return rows, b"", None
        else:
            size = (data[1] + 2) * 4 if proto == 51 else (data[1] + 1) * 8
        proto, data = data[0], data[size:]
    return rows, data, proto


def _transport(data: bytes, proto: int) -> Iterator[Row]:
    import dpkt

    if proto == 6:
        tcp = _read(dpkt.tcp.TCP, data)
        yield _cut("TCP", data, 20) if tcp is None else ("TCP", _tcp(tcp))
    elif proto == 17:
        udp = _read(dpkt.udp.UDP, data)
        yield _cut("UDP", data, 8) if udp is None else ("UDP", [
            ("Source Port", udp.sport), ("Dest Port", udp.dport), ("Length", udp.ulen), ("ChkSum", udp.sum),
        ])  # fmt: skip
    elif proto in (1, 58):
        yield from _icmp(data, proto)
    else:
        yield f"protocol {proto}", [("bytes", len(data))]


def _tcp(tcp: Any) -> list[tuple[str, Any]]:
    return [
        ("Source Port", tcp.sport), ("Dest Port", tcp.dport),
        *((name, "X" if tcp.flags & bit else ".") for name, bit in _FLAGS),
        ("Seq #", tcp.seq), ("Ack #", tcp.ack), ("Offset", tcp.off * 4), ("Res", tcp._off_flags >> 8 & 15), ("Window", tcp.win),
        ("Urp", tcp.urp), ("ChkSum", tcp.sum),
    ]  # fmt: skip


def _icmp(data: bytes, proto: int) -> Iterator[Row]:
    import dpkt

    title = "ICMP" if proto == 1 else "ICMPv6"
    icmp = _read(dpkt.icmp.ICMP if proto == 1 else dpkt.icmp6.ICMP6, data)
    if icmp is None:
        yield _cut(title, data, 4)
        return
    row = [("Type", icmp.type), ("Code", icmp.code), ("ChkSum", icmp.sum)]
    if icmp.type in _COUNTED[proto] and len(data) >= 8:
        row += [("ID", _number(data, 4)), ("Seq #", _number(data, 6))]
    elif proto == 1 and icmp.type == 5 and len(data) >= 8:
        row.append(("Gateway", _address(data[4:8])))
    yield title, row
    if icmp.type in _QUOTING[proto] and len(data) > 8:
        yield _quoted(data[8:], proto)


def _quoted(data: bytes, by: int) -> Row:
    """Return who was speaking in the datagram that an ICMP error quotes; of its transport header eight bytes are sure."""
    rows, rest, proto = (_ip if by == 1 else _ip6)(data)
    values = dict(rows[0][1])
    if "cut" in values:
        return _cut("quoted", data, 20 if by == 1 else 40)
    row = [("Source IP", values["Source IP"]), ("Dest IP", values["Dest IP"])]
    if proto is not None:
        row.insert(0, ("Protocol", proto))
    if proto in (6, 17, 132) and len(rest) >= 4:
        row += [("Source Port", _number(rest, 0)), ("Dest Port", _number(rest, 2))]
    return "quoted", row


def _arp(data: bytes) -> Row:
    import dpkt

    arp = _read(dpkt.arp.ARP, data)
    if arp is None:
        return _cut("ARP", data, 28)
    row = [("Hardware", arp.hrd), ("Protocol", f"0x{arp.pro:04x}"), ("Operation", arp.op)]
    if (arp.hrd, arp.pro, arp.hln, arp.pln) == (1, _IP4, 6, 4):
        row += [
            ("Sender MAC", arp.sha.hex(":")), ("Sender IP", _address(arp.spa)),
            ("Target MAC", arp.tha.hex(":")), ("Target IP", _address(arp.tpa)),
        ]  # fmt: skip
    return "ARP", row
