"""Packets as ``snort -dve`` prints them.

Snort prints IP alone (ARP only with ``-a``): other frames give no text here either.

Source: ../shared/fixtures/snort_dve.txt and reference/seed-systems.md 3 (Snort 2.9.1 on seed.pcap): TCP, UDP, ICMP echo, port
unreachable, UDP over IPv6. The words of other ICMP messages and of IP options follow Snort 2's manual, "ICMP"; no output
of Snort was at hand to compare them with.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from nsm_nb.full_content.views.tcpdump.names import VLANS

__all__ = ["snort"]

_RULER = "=+" * 37 + "\n\n"
_SHOWN = bytes(each if 0x20 <= each <= 0x7E else 0x2E for each in range(256))
_FLAGS = "12UAPRSF"
_NAMES = {
    1: "ICMP",
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    17: "UDP",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "IPV6-ICMP",
}
_UNREACHABLE = {
    0: "NET UNREACHABLE", 1: "HOST UNREACHABLE", 2: "PROTOCOL UNREACHABLE", 3: "PORT UNREACHABLE",
    4: "FRAGMENTATION NEEDED, DF SET", 5: "SOURCE ROUTE FAILED", 6: "NET UNKNOWN", 7: "HOST UNKNOWN", 8: "HOST ISOLATED",
    9: "ADMINISTRATIVELY PROHIBITED NETWORK FILTERED", 10: "ADMINISTRATIVELY PROHIBITED HOST FILTERED",
    11: "NET UNREACHABLE FOR TOS", 12: "HOST UNREACHABLE FOR TOS", 13: "ADMINISTRATIVELY PROHIBITED,\nPACKET FILTERED",
    14: "PREC VIOLATION", 15: "PREC CUTOFF",
}  # fmt: skip
_REDIRECT = {0: " NET", 1: " HOST", 2: " TOS NET", 3: " TOS HOST"}
_EXCEEDED = {0: " TRANSIT", 1: " TIME EXCEEDED IN FRAG REASSEMBLY"}
_ASKED = {13: "TIMESTAMP REQUEST", 14: "TIMESTAMP REPLY", 15: "INFO REQUEST", 16: "INFO REPLY", 17: "ADDRESS REQUEST",
          18: "ADDRESS REPLY"}  # fmt: skip


class _Datagram(NamedTuple):
    """An IP header as far as it was read, and what it carries."""

    src: str
    dst: str
    proto: int
    header: str
    fragment: str
    payload: bytes


def snort(frames: Iterable[tuple[int | None, int, bytes, int]]) -> Iterator[str]:
    """Return each IP packet's text: when and from where to where, headers, payload, ruler.

    Parameters
    ----------
    frames
        Nanoseconds since 1970 (None where there is no time), bytes on the wire, the bytes captured, LINKTYPE_ number.
    """
    for time, length, frame, link in frames:
        data, kind = _network(frame, link)
        datagram = _datagram(data, kind)
        if datagram is None:
            continue
        head = _time(time)
        if link == 1:
            dst, src = frame[:6].hex(":").upper(), frame[6:12].hex(":").upper()
            head += f" {src} -> {dst} type:0x{int.from_bytes(frame[12:14], 'big'):X} len:0x{length:X}\n"
        else:
            head += " "
        lines, payload = _above(datagram)
        yield f"{head}{lines}{_bytes(payload)}\n{_RULER}"


def _time(time: int | None) -> str:
    if time is None:
        return "--/-----:--:--.------"
    stamp = str(np.datetime64(time // 1000, "us"))
    return f"{stamp[5:7]}/{stamp[8:10]}-{stamp[11:19]}.{stamp[20:26] or '000000'}"


def _network(frame: bytes, link: int) -> tuple[bytes, int]:
    """Return what stands above the link layer, and its Ethernet type; 0 where that is not known."""
    if link == 1:
        kind, at = int.from_bytes(frame[12:14], "big"), 14
        while kind in VLANS:
            kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
        return frame[at:], kind
    begin = {0: 4, 108: 4, 113: 16, 276: 20, 12: 0, 14: 0, 101: 0, 228: 0, 229: 0}.get(link)
    if begin is None or len(frame) <= begin:
        return b"", 0
    return frame[begin:], {4: 0x0800, 6: 0x86DD}.get(frame[begin] >> 4, 0)


def _datagram(data: bytes, kind: int) -> _Datagram | None:
    if kind == 0x0800 and len(data) >= 20 and data[0] >> 4 == 4 and (data[0] & 15) >= 5:
        return _ip4(data)
    if kind == 0x86DD and len(data) >= 40 and data[0] >> 4 == 6:
        return _ip6(data)
    return None


def _ip4(data: bytes) -> _Datagram:
    size, total, place = (data[0] & 15) * 4, int.from_bytes(data[2:4], "big"), int.from_bytes(data[6:8], "big")
    marks = "".join(name for bit, name in ((0x8000, " RB"), (0x4000, " DF"), (0x2000, " MF")) if place & bit)
    proto = data[9]
    header = (
        f"TTL:{data[8]} TOS:0x{data[1]:X} ID:{int.from_bytes(data[4:6], 'big')} IpLen:{size} DgmLen:{total}{marks}\n"
    )
    fragment = ""
    if place & 0x3FFF:
        fragment = f"Frag Offset: 0x{place & 0x1FFF:04X}   Frag Size: 0x{max(total - size, 0):04X}\n"
    src, dst = socket.inet_ntop(socket.AF_INET, data[12:16]), socket.inet_ntop(socket.AF_INET, data[16:20])
    return _Datagram(src, dst, proto, header, fragment, data[size : total or None])


def _ip6(data: bytes) -> _Datagram:
    size = int.from_bytes(data[4:6], "big")
    header = f"TTL:{data[7]} TOS:0x{int.from_bytes(data[:2], 'big') >> 4 & 0xFF:X} ID:0 IpLen:40 DgmLen:{size + 40}\n"
    src, dst = (ipaddress.IPv6Address(data[at : at + 16]).exploded for at in (8, 24))
    return _Datagram(src, dst, data[6], header, "", data[40 : 40 + size])


def _ends(datagram: _Datagram, *, ports: bool) -> str:
    data = datagram.payload
    if ports and datagram.proto in (6, 17) and len(data) >= 4:
        src, dst = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        return f"{datagram.src}:{src} -> {datagram.dst}:{dst}"
    return f"{datagram.src} -> {datagram.dst}"


def _head(datagram: _Datagram) -> str:
    name = _NAMES.get(datagram.proto, f"PROTO:{datagram.proto:03}")
    return f"{_ends(datagram, ports=not datagram.fragment)} {name} {datagram.header}"


def _above(datagram: _Datagram) -> tuple[str, bytes]:
    """Return the lines of the headers, and the payload behind them."""
    data, head = datagram.payload, _head(datagram)
    if datagram.fragment:
        return head + datagram.fragment, data
    if datagram.proto == 6 and len(data) >= 20 and 20 <= (data[12] >> 4) * 4 <= len(data):
        return head + _tcp(data), data[(data[12] >> 4) * 4 :]
    if datagram.proto == 17 and len(data) >= 8:
        return head + f"Len: {int.from_bytes(data[4:6], 'big') - 8}\n", data[8:]
    if datagram.proto == 1 and len(data) >= 8:
        return head + _icmp(data), data[8:]
    return head, data


def _tcp(data: bytes) -> str:
    seq, ack = (int.from_bytes(data[at : at + 4], "big") for at in (4, 8))
    window, urgent = (int.from_bytes(data[at : at + 2], "big") for at in (14, 18))
    flags = "".join(name if data[13] & 0x80 >> place else "*" for place, name in enumerate(_FLAGS))
    size = (data[12] >> 4) * 4
    told = f"{flags} Seq: 0x{seq:X}  Ack: 0x{ack:X}  Win: 0x{window:X}  TcpLen: {size}"
    told += f"  UrgPtr: 0x{urgent:X}\n" if data[13] & 0x20 else "\n"
    options = _options(data[20:size])
    return told + (f"TCP Options ({len(options)}) => {''.join(options)}\n" if options else "")


def _options(data: bytes) -> list[str]:
    told, at = [], 0
    while at < len(data):
        kind = data[at]
        if kind < 2:
            told.append("EOL " if kind == 0 else "NOP ")
            at += 1
            if kind == 0:
                break
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            break
        told.append(_option(kind, data[at + 2 : at + size]))
        at += size
    return told


def _option(kind: int, value: bytes) -> str:
    number = int.from_bytes(value, "big")
    if kind == 2:
        return f"MSS: {number} "
    if kind == 3:
        return f"WS: {number} "
    if kind == 4:
        return "SackOK "
    if kind == 5 and len(value) >= 4:
        return f"Sack: {int.from_bytes(value[:2], 'big')}@{int.from_bytes(value[2:4], 'big')} "
    if kind == 8 and len(value) == 8:
        return f"TS: {number >> 32} {number & 0xFFFFFFFF} "
    return f"Opt {kind} ({len(value) + 2}): " + "".join(
        f"{value[at : at + 2].hex().upper()} " for at in range(0, len(value), 2)
    )


def _icmp(data: bytes) -> str:
    kind, code = data[0], data[1]
    ident, number = int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
    told = f"Type:{kind}  Code:{code}  "
    if kind == 0:
        return f"{told}ID:{ident}  Seq:{number}  ECHO REPLY\n"
    if kind == 8:
        return f"{told}ID:{ident}   Seq:{number}  ECHO\n"
    if kind == 3:
        told += f"DESTINATION UNREACHABLE: {_UNREACHABLE.get(code, 'UNKNOWN')}"
        told += f"\nNEXT LINK MTU: {number}" if code == 4 else ""
    elif kind == 4:
        told += "SOURCE QUENCH"
    elif kind == 5:
        told += f"REDIRECT{_REDIRECT.get(code, '')} NEW GW: {socket.inet_ntop(socket.AF_INET, data[4:8])}"
    elif kind == 11:
        told += f"TTL EXCEEDED{_EXCEEDED.get(code, '')}"
    elif kind == 12:
        told += f"PARAMETER PROBLEM: ERROR AT BYTE {data[4]}"
    elif kind in _ASKED:
        return f"{told}ID: {ident}  Seq: {number}  {_ASKED[kind]}\n"
    elif kind in (9, 10):
        return f"{told}ROUTER {'ADVERTISMENT' if kind == 9 else 'SOLICITATION'}\n"
    else:
        return f"{told}UNKNOWN\n"
    return f"{told}\n** ORIGINAL DATAGRAM DUMP:\n{_quoted(data[8:])}** END OF DUMP\n"


def _quoted(data: bytes) -> str:
    datagram = _datagram(data, 0x0800)
    if datagram is None:
        return "IP header truncated\n"
    told, inner = _head(datagram), datagram.payload
    if datagram.fragment or len(inner) < 8:
        return told + datagram.fragment
    if datagram.proto == 17:
        return f"{told}Len: {int.from_bytes(inner[4:6], 'big') - 8}  Csum: {int.from_bytes(inner[6:8], 'big')}\n"
    if datagram.proto == 6:
        return f"{told}Seq: 0x{int.from_bytes(inner[4:8], 'big'):X}\n"
    if datagram.proto == 1:
        total, ident, number = (int.from_bytes(inner[at : at + 2], "big") for at in (2, 4, 6))
        return f"{told}Type: {inner[0]}  Code: {inner[1]}  Csum: {total}  Id: {ident}  SeqNo: {number}\n"
    return told


def _bytes(data: bytes) -> str:
    """Return the payload in rows of sixteen, upper case."""
    return "".join(
        f"{data[at : at + 16].hex(' ').upper():<47}  {data[at : at + 16].translate(_SHOWN).decode('ascii')}\n"
        for at in range(0, len(data), 16)
    )
