"""The options of an IPv4 header in tcpdump's layout (RFC 791, 2113)."""

from __future__ import annotations

from nsm_nb.full_content.views.tcpdump.page import Page, ip_at, u8, u16, u32

__all__ = ["options"]

_OPTIONS = {
    0: "EOL", 1: "NOP", 7: "RR", 68: "timestamp", 130: "security", 131: "LSRR", 137: "SSRR", 148: "RA", 227: "RFC1393",
}  # fmt: skip


def options(page: Page, data: bytes, left: int) -> bool:
    """Write IPv4's options; False where they are not all there."""
    at, between = 0, ""
    while left > 0:
        if at >= len(data):
            return False
        kind = data[at]
        page.say(between, _OPTIONS.get(kind) or f"unknown {kind}")
        between = ","
        size = 1 if kind < 2 else u8(data, at + 1)
        if kind > 1 and (size < 2 or size > left):
            page.say(f" [bad length {size}]")
            return True
        if at + size > len(data):
            return False
        if not _option(page, kind, data[at:], size):
            return False
        at, left = at + size, left - size
        if kind == 0:
            break
    return True


def _option(page: Page, kind: int, data: bytes, size: int) -> bool:
    """Write the value of an option; False where it goes on past the bytes that are there."""
    if kind in (7, 131, 137):
        return _route(page, data, size)
    if kind == 68:
        return _timestamps(page, data, size)
    if kind == 148:
        if size < 4:
            page.say(f" [bad length {size}]")
        elif u16(data, 2):
            page.say(f" value {u16(data, 2)}")
    return True


def _route(page: Page, data: bytes, size: int) -> bool:
    if size < 3 or (size + 1) & 3:
        page.say(f" [bad length {size}]")
    if size < 3:
        return True
    pointer = data[2] - 1
    if pointer < 3 or (pointer + 1) & 3 or pointer > size + 1:
        page.say(f" [bad ptr {data[2]}]")
    for at in range(3, size, 4):
        if at + 4 > len(data):
            return False
        page.say(" ", ip_at(data, at), "," if pointer > at else "")
    return True


def _timestamps(page: Page, data: bytes, size: int) -> bool:
    if size < 4:
        page.say(f"[bad length {size}]")
        return True
    page.say(" TS{")
    kind, pointer, at = data[3] & 15, data[2] - 1, 0
    step = 4 if kind == 0 else 8
    if (size - 4) & (step - 1):
        page.say(f"[bad length {size}]")
    if pointer < 4 or (pointer - 4) & (step - 1) or pointer > size:
        page.say(f"[bad ptr {data[2]}]")
    name = {0: "TSONLY", 1: "TS+ADDR", 3: "PRESPEC"}.get(kind)
    page.say(name or f"[bad ts type {kind}]")
    if name:
        for at in range(4, size, step):
            if at + step > len(data):
                return False
            where = ip_at(data, at) if step == 8 else ""
            page.say(" ^ " if pointer == at else " ", f"{u32(data, at + step - 4)}@{where}")
        at += step
    page.say(" ^ " if pointer == at else "")
    page.say(f" [{data[3] >> 4} hops not recorded]}} " if data[3] >> 4 else "}")
    return True
