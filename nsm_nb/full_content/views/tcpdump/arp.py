"""ARP in tcpdump's layout (RFC 826)."""

from __future__ import annotations

from nsm_nb.full_content.views.tcpdump.names import ETHERTYPES, HARDWARE
from nsm_nb.full_content.views.tcpdump.page import Cut, Page, address, hex_rows, look_up, mac, u16

__all__ = ["arp"]

_OPERATIONS = {
    1: "Request", 2: "Reply", 3: "Reverse Request", 4: "Reverse Reply", 8: "Inverse Request", 9: "Inverse Reply",
    10: "NACK Reply",
}  # fmt: skip


def arp(page: Page, data: bytes, length: int) -> None:
    """Write an ARP packet."""
    page.protocol = "arp"
    if len(data) < 8 or len(data) < 8 + 2 * data[4] + 2 * data[5]:
        raise Cut
    kind, pro, hard, soft, operation = u16(data, 0), u16(data, 2), data[4], data[5], u16(data, 6)
    page.say(
        f"{look_up(HARDWARE, kind, 'Unknown Hardware ({})')} (len {hard}), "
        f"{look_up(ETHERTYPES, pro, 'Unknown Protocol (0x{:04x})')} (len {soft}), "
        f"{look_up(_OPERATIONS, operation, 'Unknown ({})')} "
    )
    at = 8 + hard
    sender, target_at = data[8:at], at + soft
    target = data[target_at : target_at + hard]
    hards = [mac(each) if hard else "<empty>" for each in (sender, target)]
    softs = [_soft(each, pro, soft) for each in (data[at:target_at], data[target_at + hard : target_at + hard + soft])]
    if operation == 1:
        page.say(f"who-has {softs[1]}", f" ({hards[1]})" if any(target) else "", f" tell {softs[0]}")
    elif operation == 2:
        page.say(f"{softs[0]} is-at {hards[0]}")
    elif operation in (3, 8):
        page.say(f"who-is {hards[1]} tell {hards[0]}")
    elif operation == 4:
        page.say(f"{hards[1]} at {softs[1]}")
    elif operation == 9:
        page.say(f"{hards[0]} at {softs[0]}")
    else:
        page.say(hex_rows(data))  # as tcpdump does, though they follow once more
        return
    page.say(f", length {length}")


def _soft(data: bytes, pro: int, size: int) -> str:
    if pro not in (0x0800, 0x1000):
        return "<wrong proto type>"
    return address(data) if size == 4 else "<wrong len>"
