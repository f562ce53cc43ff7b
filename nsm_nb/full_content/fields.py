"""The header fields of one packet, in rows as Sguil shows them.

dpkt names the fields of a header; where each header starts and ends is what the kernel says that fills the tables. dpkt's own
way down the layers raises on damaged bytes, and recurses as deep as an attacker nests tunnels.

Source: Sguil's packet panel (reference/seed-systems.md 11.5); RFC 791, 8200, 9293, 768, 792, 4443, 826; dpkt 1.9.8.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from nsm_nb.text import form, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fields"]

Row = tuple[str, list[tuple[str, Any]]]
"""A header: its name, and the name and value of each field."""

_IP4 = 0x0800
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
    from nsm_nb.kernels.decode import headers

    frame = bytes(frame)
    found = []
    for layer in headers(frame, link):
        found += _rows(layer.name, layer.number, frame[layer.at : max(layer.end, layer.at)])
    return [(title, [(name, printable(value)) for name, value in row]) for title, row in found]


def _rows(layer: str, number: int, data: bytes) -> list[Row]:
    """Return the rows of a layer whose bytes, and all behind them that it carries, are `data`."""
    read = {"ip": _ip, "ipv6": _ip6, "ipv6.fragment": _fragment, "arp": _arp, "tcp": _tcp, "udp": _udp}.get(layer)
    if read is not None:
        return [read(data)]
    if layer in ("icmp", "icmpv6"):
        return list(_icmp(data, 1 if layer == "icmp" else 58))
    if layer in ("ipproto", "sctp"):
        return [(f"protocol {132 if layer == 'sctp' else number}", [("bytes", len(data))])]
    return []


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _read(header: Any, data: bytes) -> Any:
    """Return a header of dpkt with its fields read, and nothing of what follows it; None where `data` is too short."""
    import dpkt

    size = header.__hdr_len__
    if len(data) < size:
        return None
    made = header()
    dpkt.Packet.unpack(made, data[:size])
    return made


def _cut(title: str, data: bytes, size: int) -> Row:
    return title, [("cut", f"{len(data)} of {size} bytes {form(len(data), 'is', 'are')} here")]


def _address(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def _ip(data: bytes) -> Row:
    import dpkt

    ip = _read(dpkt.ip.IP, data)
    if ip is None:
        return _cut("IP", data, 20)
    flags = " ".join(name for name, bit in (("RF", ip.rf), ("DF", ip.df), ("MF", ip.mf)) if bit)
    return "IP", [
        ("Source IP", _address(ip.src)), ("Dest IP", _address(ip.dst)), ("Ver", ip.v), ("HL", ip.hl * 4), ("TOS", ip.tos),
        ("len", ip.len), ("ID", ip.id), ("Flags", flags or "."), ("Offset", ip.offset * 8), ("TTL", ip.ttl), ("ChkSum", ip.sum),
    ]  # fmt: skip


def _ip6(data: bytes) -> Row:
    import dpkt

    ip = _read(dpkt.ip6.IP6, data)
    if ip is None:
        return _cut("IPv6", data, 40)
    return "IPv6", [
        ("Source IP", _address(ip.src)), ("Dest IP", _address(ip.dst)), ("Ver", ip.v), ("Class", ip.fc), ("Flow", ip.flow),
        ("len", ip.plen), ("Next", ip.nxt), ("Hops", ip.hlim),
    ]  # fmt: skip


def _fragment(data: bytes) -> Row:
    place = _number(data, 2)
    return "IPv6 fragment", [
        ("ID", _number(data, 4, 4)), ("Offset", place & 0xFFF8), ("Flags", "MF" if place & 1 else "."),
    ]  # fmt: skip


def _udp(data: bytes) -> Row:
    import dpkt

    udp = _read(dpkt.udp.UDP, data)
    if udp is None:
        return _cut("UDP", data, 8)
    return "UDP", [
        ("Source Port", udp.sport), ("Dest Port", udp.dport), ("Length", udp.ulen), ("ChkSum", udp.sum),
    ]  # fmt: skip


def _tcp(data: bytes) -> Row:
    import dpkt

    tcp = _read(dpkt.tcp.TCP, data)
    if tcp is None:
        return _cut("TCP", data, 20)
    return "TCP", [
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
    from nsm_nb.kernels.decode import headers

    _, values = (_ip if by == 1 else _ip6)(data)
    told = dict(values)
    if "cut" in told:
        return _cut("quoted", data, 20 if by == 1 else 40)
    row = [("Source IP", told["Source IP"]), ("Dest IP", told["Dest IP"])]
    # raw IP: what is quoted is a datagram without a link layer, and as much of it as there was room for
    layers = headers(data, 101, _number(data, 2) if by == 1 else 40 + _number(data, 4))[2:]
    numbers = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
    for layer in layers:
        if layer.name in numbers or layer.name == "ipproto":
            row.insert(0, ("Protocol", numbers.get(layer.name, layer.number)))
            if layer.name in ("tcp", "udp", "sctp") and layer.end - layer.at >= 4:
                row += [("Source Port", _number(data, layer.at)), ("Dest Port", _number(data, layer.at + 2))]
            break
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
