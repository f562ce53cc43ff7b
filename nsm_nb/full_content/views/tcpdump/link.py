"""The link layer in tcpdump's layout, and the way from it to what it carries."""

from __future__ import annotations

from collections.abc import Callable

from nsm_nb.full_content.views.tcpdump.arp import arp
from nsm_nb.full_content.views.tcpdump.internet import ip4, ip6
from nsm_nb.full_content.views.tcpdump.llc import llc
from nsm_nb.full_content.views.tcpdump.names import ETHERTYPES, VLANS
from nsm_nb.full_content.views.tcpdump.page import Page, mac, u8, u16, u32

__all__ = ["LINKS", "carried"]

_PACKET_TYPES = {0: "In", 1: "B", 2: "M", 3: "P", 4: "Out"}
_FAMILIES = {2: "IPv4", 10: "IPv6", 24: "IPv6", 28: "IPv6", 30: "IPv6", 7: "ISO", 16: "Apple", 23: "IPX"}


def carried(page: Page, kind: int, data: bytes, length: int) -> None:
    """Write what stands behind an Ethernet type; nothing where it is none of ours: its bytes follow."""
    if kind == 0x0800:
        ip4(page, data, length)
    elif kind == 0x86DD:
        ip6(page, data, length)
    elif kind in (0x0806, 0x8035):
        arp(page, data, length)
    elif kind in (0x8847, 0x8848):
        _mpls(page, data, length)
    elif kind == 0x8864:
        _pppoe(page, data, length)


def _type(kind: int) -> str:
    return f"ethertype {ETHERTYPES.get(kind, 'Unknown')} (0x{kind:04x})"


def _tag(tag: int) -> str:
    return f"vlan {tag & 0xFFF}, p {tag >> 13}{', DEI' if tag & 0x1000 else ''}, "


def ethernet(page: Page, data: bytes, length: int) -> int:
    """Write an Ethernet frame; return the size of its header."""
    page.protocol = "ether"
    if len(data) < 14:
        page.cut()
        return len(data)
    page.say(f"{mac(data[6:12])} > {mac(data[:6])}, ")
    total, kind, at, told = length, u16(data, 12), 14, False
    length -= 14
    while kind in VLANS:
        if len(data) - at < 4 or length < 4:
            page.protocol = "vlan"
            page.cut()
            return len(data)
        page.say(_type(kind), ", " if told else f", length {total}: ", _tag(u16(data, at)))
        told, kind, at, length = True, u16(data, at + 2), at + 4, length - 4
    if kind <= 1500:
        length = min(length, kind)
        page.say("802.3", "" if told else f", length {length}: ")
        return at + llc(page, data[at : at + length], length, carried)
    page.say(_type(kind), ", " if told else f", length {total}: ")
    carried(page, kind, data[at:], length)
    return at


def _cooked(page: Page, data: bytes, length: int) -> int:
    """Linux "cooked" capture, SLL (LINKTYPE_LINUX_SLL)."""
    page.protocol = "sll"
    if len(data) < 16:
        page.cut()
        return len(data)
    page.say(f"{_PACKET_TYPES.get(u16(data, 0), '?'):>3} ")
    if u16(data, 4) == 6:
        page.say(mac(data[6:12]), " ")
    return _cooked_type(page, data, u16(data, 14), 16, length)


def _cooked2(page: Page, data: bytes, length: int) -> int:
    """Linux "cooked" capture, version 2 (LINKTYPE_LINUX_SLL2)."""
    page.protocol = "sll2"
    if len(data) < 20:
        page.cut()
        return len(data)
    page.say(f"?     {_PACKET_TYPES.get(data[10], '?'):<3} ifindex {u32(data, 4)} ")
    if data[11] == 6:
        page.say(mac(data[12:18]), " ")
    return _cooked_type(page, data, u16(data, 0), 20, length)


def _cooked_type(page: Page, data: bytes, kind: int, at: int, length: int) -> int:
    page.say({1: "802.3", 4: "802.2"}.get(kind, _type(kind)), f", length {length}: ")
    while kind in VLANS and len(data) >= at + 4:
        page.say(_tag(u16(data, at)))
        kind, at = u16(data, at + 2), at + 4
        page.say(_type(kind), ", ")
    if kind == 4:
        return at + llc(page, data[at:], length - at, carried)
    carried(page, kind, data[at:], length - at)
    return at


def _raw(page: Page, data: bytes, length: int) -> int:
    """IP without a link layer."""
    page.protocol = "raw"
    page.say("ip: ")
    if not data:
        page.cut()
        return 0
    _versioned(page, data, length)
    return 0


def _versioned(page: Page, data: bytes, length: int) -> None:
    version = u8(data, 0) >> 4
    if version in (4, 6):
        (ip4 if version == 4 else ip6)(page, data, length)
    else:
        page.say(f"unknown ip {version}")


def _loopback(page: Page, data: bytes, length: int) -> int:
    """BSD loopback: the address family in the byte order of the capturing machine (LINKTYPE_NULL), or the network's."""
    page.protocol = "null"
    if len(data) < 4:
        page.cut()
        return len(data)
    family = int.from_bytes(data[:4], "little")
    if family & 0xFFFF0000:
        family = int.from_bytes(data[:4], "big")
    page.say(f"AF {_FAMILIES.get(family, 'Unknown')} ({family}), length {length}: ")
    if family == 2:
        ip4(page, data[4:], length - 4)
    elif family in (10, 24, 28, 30):
        ip6(page, data[4:], length - 4)
    return 4


def _mpls(page: Page, data: bytes, length: int) -> None:
    page.protocol = "mpls"
    at = 0
    page.say("MPLS")
    while True:
        entry = u32(data, at)
        page.say(
            "\n\t" if at else " ",
            f"(label {entry >> 12}{_LABELS.get(entry >> 12, '')}, tc {entry >> 9 & 7}",
            ", [S]" if entry & 0x100 else "",
            f", ttl {entry & 0xFF})",
        )
        at += 4
        if entry & 0x100:
            break
    if at < len(data) and data[at] >> 4 in (4, 6):
        page.say("\n\t")
        _versioned(page, data[at:], length - at)


_LABELS = {0: " (IPv4 explicit NULL)", 1: " (router alert)", 2: " (IPv6 explicit NULL)", 3: " (implicit NULL)"}


def _pppoe(page: Page, data: bytes, length: int) -> None:
    page.protocol = "pppoe"
    code, session, size = u8(data, 1), u16(data, 2), u16(data, 4)
    page.say(f"PPPoE {f'[code 0x{code:02x}] ' if code else ''} [ses 0x{session:x}]" if session else "PPPoE ")
    kind = u16(data, 6)
    name = {0x21: "IP (0x0021)", 0x57: "IPv6 (0x0057)"}.get(kind)
    if name:
        page.say(f" {name}, length {size}: ")
        _versioned(page, data[8 : 6 + size], min(size, length - 6) - 2)


LINKS: dict[int, Callable[[Page, bytes, int], int]] = {
    0: _loopback, 1: ethernet, 12: _raw, 14: _raw, 101: _raw, 108: _loopback, 113: _cooked, 228: _raw, 229: _raw, 276: _cooked2,
}  # fmt: skip
