"""802.2 LLC in tcpdump's layout: spanning tree and SNAP."""

from __future__ import annotations

from collections.abc import Callable

from nsm_nb.full_content.views.tcpdump.names import ETHERTYPES
from nsm_nb.full_content.views.tcpdump.page import Page, look_up, mac, named, u8, u16

__all__ = ["llc"]

_SAPS = {
    0x00: "Null", 0x02: "802.1B I", 0x03: "802.1B G", 0x06: "IP", 0x0E: "ProWay NM", 0x42: "STP", 0x8E: "ProWay ASM",
    0xAA: "SNAP", 0xE0: "IPX", 0xF0: "NetBeui", 0xFE: "OSI", 0xFF: "Global",
}  # fmt: skip
_OUIS = {
    0x000000: "Ethernet", 0x00000C: "Cisco", 0x000142: "Cisco", 0x00A03E: "ATM Forum", 0x00400B: "Cisco Bridged",
    0x00E02B: "Extreme EDP", 0x0080C2: "RFC2684", 0x080007: "Appletalk", 0x009069: "Juniper", 0x00120F: "IEEE 802.3 Private",
}  # fmt: skip
_NUMBERED = {
    0x03: "ui", 0x0F: "dm", 0x43: "disc", 0x63: "ua", 0x6F: "sabme", 0xE3: "test", 0x87: "frmr", 0xAF: "xid",
}  # fmt: skip
_PROTOCOLS = {0: "802.1d", 2: "802.1w", 3: "802.1s", 4: "802.1aq"}
_TREE = {0x00: "Config", 0x02: "Rapid STP", 0x80: "Topology Change"}
_TREE_FLAGS = (
    (0x01, "Topology change"), (0x02, "Proposal"), (0x10, "Learn"), (0x20, "Forward"), (0x40, "Agreement"),
    (0x80, "Topology change ACK"),
)  # fmt: skip
_ROLES = {0: "Unknown", 1: "Alternate", 2: "Root", 3: "Designated"}

Carried = Callable[[Page, int, bytes, int], None]


def llc(page: Page, data: bytes, length: int, carried: Carried) -> int:
    """Write an LLC frame; return the size of its header. `carried` writes what stands behind an Ethernet type."""
    page.protocol = "llc"
    if len(data) < 3 or length < 3:
        page.cut()
        return 0
    to, by, control = data[0], data[1], data[2]
    numbered = control & 3 == 3
    size = 3 if numbered else 4
    if not numbered:
        control = u16(data, 2)
        control = control >> 8 | (control & 0xFF) << 8
    snap = (to, by, control) == (0xAA, 0xAA, 3)
    page.say(
        f"LLC, dsap {look_up(_SAPS, to & 0xFE, 'Unknown')} (0x{to & 0xFE:02x}) {'Group' if to & 1 else 'Individual'}, "
        f"ssap {look_up(_SAPS, by & 0xFE, 'Unknown')} (0x{by & 0xFE:02x}) {'Response' if by & 1 else 'Command'}, "
        f"ctrl 0x{control:0{2 if numbered else 4}x}: "
    )
    if (to, by) == (0x42, 0x42) and control == 3:
        _spanning_tree(page, data[3:], length - 3)
        return size
    if snap:
        return size + _snap(page, data[3:], length - 3, carried)
    return size


def _snap(page: Page, data: bytes, length: int, carried: Carried) -> int:
    if len(data) < 5 or length < 5:
        page.protocol = "snap"
        page.cut()
        return len(data)
    oui, kind = u16(data, 0) << 8 | u8(data, 2), u16(data, 3)
    name = ETHERTYPES.get(kind, "Unknown") if oui == 0 else "Unknown"
    word = "ethertype" if oui == 0 else "pid"
    page.say(f"oui {_OUIS.get(oui, 'Unknown')} (0x{oui:06x}), {word} {name} (0x{kind:04x}), length {length - 5}: ")
    if oui == 0:
        carried(page, kind, data[5:], length - 5)
    return 5


def _spanning_tree(page: Page, data: bytes, length: int) -> None:
    """IEEE 802.1D, 802.1w."""
    page.protocol = "stp"
    if length < 4:
        page.say(" (invalid)")
        return
    version, kind = u8(data, 2), u8(data, 3)
    page.say(f"STP {look_up(_PROTOCOLS, version, 'Unknown STP protocol (0x{:02x})')}")
    if version not in _PROTOCOLS:
        return
    page.say(f", {look_up(_TREE, kind, 'Unknown BPDU Type (0x{:02x})')}")
    if kind not in (0, 2):
        return
    if length < (36 if kind else 35):
        page.say(" (invalid)")
        return
    if len(data) < 35:
        page.cut()
        return
    flags = data[4]
    page.say(
        f", Flags [{named(flags, _TREE_FLAGS)}], bridge-id {_bridge(data[17:25])}.{u16(data, 25):04x}, length {length}"
        f"\n\tmessage-age {u16(data, 27) / 256:.2f}s, max-age {u16(data, 29) / 256:.2f}s"
        f", hello-time {u16(data, 31) / 256:.2f}s, forwarding-delay {u16(data, 33) / 256:.2f}s"
        f"\n\troot-id {_bridge(data[5:13])}, root-pathcost {int.from_bytes(data[13:17], 'big')}"
    )
    if kind == 2:
        page.say(f", port-role {_ROLES[flags >> 2 & 3]}")


def _bridge(data: bytes) -> str:
    return f"{data[:2].hex()}.{mac(data[2:])}"
