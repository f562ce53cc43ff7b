"""ICMP and ICMPv6 in tcpdump's layout, with the datagrams that they quote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nsm_nb.full_content.views.tcpdump.page import (
    Page,
    address,
    checksum,
    expected,
    hex_rows,
    ip_at,
    lengths,
    look_up,
    mac,
    named,
    u8,
    u16,
    u32,
)  # fmt: skip
from nsm_nb.full_content.views.tcpdump.transport import pseudo

__all__ = ["icmp", "icmp6"]


class _Printer(Protocol):
    def __call__(self, page: Page, data: bytes, length: int) -> None: ...


# RFC 792, 1122, 1812
_UNREACHABLE = {
    0: "net {} unreachable", 1: "host {} unreachable", 5: "{} unreachable - source route failed",
    6: "net {} unreachable - unknown", 7: "host {} unreachable - unknown", 8: "{} unreachable - source host isolated",
    9: "net {} unreachable - admin prohibited", 10: "host {} unreachable - admin prohibited",
    11: "net {} unreachable - tos prohibited", 12: "host {} unreachable - tos prohibited",
    13: "host {} unreachable - admin prohibited filter", 14: "host {} unreachable - host precedence violation",
    15: "host {} unreachable - precedence cutoff",
}  # fmt: skip
_REDIRECT = {
    0: "redirect {} to net {}", 1: "redirect {} to host {}", 2: "redirect-tos {} to net {}", 3: "redirect-tos {} to host {}",
}  # fmt: skip
_PLAIN = {
    4: "source quench", 10: "router solicitation", 15: "information request", 16: "information reply",
    17: "address mask request",
}  # fmt: skip
_QUOTING = (3, 4, 5, 11, 12)


def icmp(page: Page, data: bytes, length: int, *, quoted: _Printer, fragmented: bool) -> None:
    """Write an ICMP message of `length` bytes, of which `data` are there; `quoted` writes the datagram in it."""
    page.protocol = "icmp"
    kind, code = u8(data, 0), u8(data, 1)
    words = _words(data, kind, code)
    if words is None:
        page.cut()
        return
    page.say(f"ICMP {words}, length {length}")
    if not fragmented and length <= len(data):
        computed = checksum(data[:length])
        if computed:
            stated = u16(data, 2)
            page.say(f" (wrong icmp cksum {stated:x} (->{expected(stated, computed):x})!)")
    if kind in _QUOTING:
        page.say("\n\t")
        inner = data[8:]
        quoted(page, inner, u16(inner, 2))


def _words(data: bytes, kind: int, code: int) -> str | None:
    """Return what a message says; None where it is cut."""
    if kind in (0, 8):
        return f"echo {'reply' if kind == 0 else 'request'}, id {u16(data, 4)}, seq {u16(data, 6)}"
    if kind == 3:
        return _unreachable(data, code)
    if kind == 5:
        words = _REDIRECT.get(code, f"redirect-#{code} {{}} to {{}}")
        return words.format(ip_at(data, 24), ip_at(data, 4))
    if kind == 9:
        return _advertisement(data)
    if kind == 11:
        return {0: "time exceeded in-transit", 1: "ip reassembly time exceeded"}.get(code, f"time exceeded-#{code}")
    if kind == 12:
        return f"parameter problem - code {code}" if code else f"parameter problem - octet {u8(data, 4)}"
    if kind == 13:
        return f"time stamp query id {u16(data, 4)} seq {u16(data, 6)}"
    if kind == 14:
        stamps = (_clock(u32(data, at)) for at in (8, 12, 16))
        return "time stamp reply id {} seq {}: org {}, recv {}, xmit {}".format(u16(data, 4), u16(data, 6), *stamps)
    if kind == 18:
        return f"address mask is 0x{u32(data, 8):08x}"
    return look_up(_PLAIN, kind, "type-#{}")


def _unreachable(data: bytes, code: int) -> str | None:
    if code in (2, 3) and len(data) < 18:
        return None
    target = ip_at(data, 24)
    if code == 2:
        return f"{target} protocol {u8(data, 17)} unreachable"
    if code == 3:
        at = 8 + (data[8] & 15) * 4
        proto, port = u8(data, 17), u16(data, at + 2)
        name = {6: "tcp", 17: "udp"}.get(proto)
        return (
            f"{target} {name} port {port} unreachable" if name else f"{target} protocol {proto} port {port} unreachable"
        )
    if code == 4:
        limit = u16(data, 6)
        return f"{target} unreachable - need to frag" + (f" (mtu {limit})" if limit else "")
    words = _UNREACHABLE.get(code)
    return words.format(target) if words else f"{target} unreachable - #{code}"


def _advertisement(data: bytes) -> str:
    life, count, size = u16(data, 6), u8(data, 4), u8(data, 5)
    if life < 60:
        told = f"{life}"
    elif life < 3600:
        told = f"{life // 60}:{life % 60:02}"
    else:
        told = f"{life // 3600}:{life % 3600 // 60:02}:{life % 60:02}"
    words = f"router advertisement lifetime {told} {count}:"
    if size != 2:
        return f"{words} [size {size}]"
    for number in range(count):
        at = 8 + 8 * number
        if at + 8 > len(data):
            return words + " [|icmp]"
        words += f" {{{ip_at(data, at)} {u32(data, at + 4)}}}"
    return words


def _clock(stamp: int) -> str:
    """Return milliseconds since midnight UTC as a time."""
    seconds, rest = divmod(stamp, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


# RFC 4443, 2710, 3810, 4861, 3122 ...
_KINDS6 = {
    1: "destination unreachable", 2: "packet too big", 3: "time exceeded in-transit", 4: "parameter problem",
    128: "echo request", 129: "echo reply", 130: "multicast listener query", 131: "multicast listener report",
    132: "multicast listener done", 133: "router solicitation", 134: "router advertisement", 135: "neighbor solicitation",
    136: "neighbor advertisement", 137: "redirect", 138: "router renumbering", 139: "node information query",
    140: "node information reply", 141: "inverse neighbor solicitation", 142: "inverse neighbor advertisement",
    143: "multicast listener report v2", 144: "ha discovery request", 145: "ha discovery reply",
    146: "mobile router solicitation", 147: "mobile router advertisement", 155: "rpl", 200: "mtrace response",
    201: "mtrace message",
}  # fmt: skip
_ADVERTISED = ((0x80, "router"), (0x40, "solicited"), (0x20, "override"))
_ROUTER = ((0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent"))
_PREFERENCE = {0: "medium", 8: "high", 24: "low", 16: "reserved"}
_OPTIONS6 = {
    1: "source link-address", 2: "destination link-address", 3: "prefix info", 4: "redirected header", 5: "mtu",
    7: "advertisement interval", 8: "homeagent information", 24: "route info", 25: "rdnss", 31: "dnssl",
}  # fmt: skip
_PREFIX = ((0x80, "onlink"), (0x40, "auto"), (0x20, "router"))
_GROUPS = {1: "is_in", 2: "is_ex", 3: "to_in", 4: "to_ex", 5: "allow", 6: "block"}


def icmp6(page: Page, data: bytes, length: int, datagram: bytes, *, fragmented: bool) -> None:
    """Write an ICMPv6 message; parameters as `icmp`, and the datagram, over whose addresses it sums."""
    page.protocol = "icmp6"
    kind = u8(data, 0)
    if not fragmented and length <= len(data):
        computed, stated = checksum(pseudo(datagram, length, 58) + data[:length]), u16(data, 2)
        wrong = f"[bad icmp6 cksum 0x{stated:04x} -> 0x{expected(stated, computed):04x}!] "
        page.say(wrong if computed else "[icmp6 sum ok] ")
    code = data[1] if len(data) > 1 else 0
    page.say(f"ICMP6, {look_up(_KINDS6, kind, 'unknown icmp6 type ({})')}")
    printer = _PRINTERS.get(kind)
    if 133 <= kind <= 137 or printer is None:
        page.say(f", length {length}")
    if printer:
        printer(page, data, code, length)


def _unreachable6(page: Page, data: bytes, code: int, length: int) -> None:
    target = ip_at(data, 32, 16)
    if code == 4:
        proto, port = u8(data, 14), u16(data, 50)
        name = {6: "tcp", 17: "udp"}.get(proto)
        rest = f"{name} port {port}" if name else f"protocol {proto} port {port} unreachable"
        page.say(f", unreachable port, {target} {rest}")
    else:
        words = {
            0: f"unreachable route {target}", 1: f" unreachable prohibited {target}",
            2: f"beyond scope {target}, source address {ip_at(data, 16, 16)}", 3: f"unreachable address {target}",
        }  # fmt: skip
        page.say(", ", words.get(code, f"unknown unreach code ({code})"))


def _too_big(page: Page, data: bytes, code: int, length: int) -> None:
    page.say(f", mtu {u32(data, 4)}")


def _exceeded(page: Page, data: bytes, code: int, length: int) -> None:
    target = ip_at(data, 32, 16)
    page.say({0: f" for {target}", 1: " (reassembly)"}.get(code, f", unknown code ({code})"))


def _problem(page: Page, data: bytes, code: int, length: int) -> None:
    words = {0: "erroneous - octet {}", 1: "next header - octet {}", 2: "option - octet {}",
             3: "incomplete header chain - octet {}"}  # fmt: skip
    page.say(", ", words.get(code, f"code-#{code}").format(u32(data, 4)))


def _echo(page: Page, data: bytes, code: int, length: int) -> None:
    page.say(f", id {u16(data, 4)}, seq {u16(data, 6)}")


def _solicitation(page: Page, data: bytes, code: int, length: int) -> None:
    _neighbour_options(page, data[8:], length - 8)


def _advertisement6(page: Page, data: bytes, code: int, length: int) -> None:
    flags = u8(data, 5)
    page.say(
        f"\n\thop limit {u8(data, 4)}, Flags [{named(flags, _ROUTER)}]"
        f", pref {_PREFERENCE.get(flags & 0x18, 'unknown')}, router lifetime {u16(data, 6)}s"
        f", reachable time {u32(data, 8)}ms, retrans timer {u32(data, 12)}ms"
    )
    _neighbour_options(page, data[16:], length - 16)


def _who_has(page: Page, data: bytes, code: int, length: int) -> None:
    page.say(f", who has {ip_at(data, 8, 16)}")
    _neighbour_options(page, data[24:], length - 24)


def _here_is(page: Page, data: bytes, code: int, length: int) -> None:
    page.say(f", tgt is {ip_at(data, 8, 16)}, Flags [{named(u8(data, 4), _ADVERTISED)}]")
    _neighbour_options(page, data[24:], length - 24)


def _redirect6(page: Page, data: bytes, code: int, length: int) -> None:
    page.say(f", {ip_at(data, 24, 16)} to {ip_at(data, 8, 16)}")
    _neighbour_options(page, data[40:], length - 40)


def _group(page: Page, data: bytes, code: int, length: int) -> None:
    page.say(f"max resp delay: {u16(data, 4)} addr: {ip_at(data, 8, 16)}")


def _query(page: Page, data: bytes, code: int, length: int) -> None:
    """Write a query of multicast listeners, version 1 or 2 (RFC 3810 5.1)."""
    if length < 28:
        if length == 24:
            _group(page, data, code, length)
        return
    delay = u16(data, 4)
    if delay >= 0x8000:
        delay = (delay & 0xFFF | 0x1000) << (delay >> 12 & 7) + 3
    bits, every, count = u8(data, 24), u8(data, 25), u16(data, 26)
    if every >= 128:
        every = (every & 15 | 16) << (every >> 4 & 7) + 3
    page.say(
        f" v2 [max resp delay={delay}] [gaddr {ip_at(data, 8, 16)}", " sflag" if bits & 8 else "",
        f" robustness={bits & 7}" if bits & 7 else "", f" qqi={every}",
    )  # fmt: skip
    if count and _sources(page, data, 28, count, length):
        return
    page.say("]")


def _sources(page: Page, data: bytes, at: int, count: int, length: int) -> bool:
    """Write multicast sources; True where they can't all be there."""
    if length < at + count * 16:
        page.say(f" [invalid number of sources {count}]")
        return True
    page.say(" {", *(f" {ip_at(data, each, 16)}" for each in range(at, at + count * 16, 16)), " }")
    return False


def _groups(page: Page, data: bytes, code: int, length: int) -> None:
    """Write what a host listens to (RFC 3810 5.2)."""
    count, at = u16(data, 6), 8
    page.say(f", {count} group record(s)")
    for _ in range(count):
        if length < at + 20:
            page.say(" [invalid number of groups]")
            return
        page.say(f" [gaddr {ip_at(data, at + 4, 16)} {look_up(_GROUPS, u8(data, at), ' [v2-report-#{}]')}")
        sources = u16(data, at + 2)
        if _sources(page, data, at + 20, sources, length):
            return
        page.say("]")
        at += 20 + sources * 16


def _nothing(page: Page, data: bytes, code: int, length: int) -> None:
    pass


_PRINTERS: dict[int, Callable[[Page, bytes, int, int], None]] = {
    1: _unreachable6, 2: _too_big, 3: _exceeded, 4: _problem, 128: _echo, 129: _echo, 130: _query, 131: _group, 132: _group,
    133: _solicitation, 134: _advertisement6, 135: _who_has, 136: _here_is, 137: _redirect6,
    141: _nothing, 142: _nothing, 143: _groups,
}  # fmt: skip


def _neighbour_options(page: Page, data: bytes, left: int) -> None:
    """Write the options of neighbour discovery, each with its bytes (RFC 4861 4.6, RFC 8106)."""
    at = 0
    while at < len(data) and left > 0:
        if left < 2 or at + 2 > len(data):
            page.cut()
            return
        kind, units = data[at], data[at + 1]
        size = units * 8
        if not units or at + size > len(data):
            page.cut()
            return
        page.say(f"\n\t  {_OPTIONS6.get(kind, 'unknown')} option ({kind}), length {size} ({units}): ")
        option = data[at : at + size]
        if kind in (1, 2):
            page.say(mac(option[2:]))
        elif kind == 3 and size >= 32:
            page.say(
                f"{ip_at(option, 16, 16)}/{option[2]}{'' if units == 4 else 'badlen'}, Flags [{named(option[3], _PREFIX)}]"
                f", valid time {lengths(u32(option, 4))}, pref. time {lengths(u32(option, 8))}"
            )
        elif kind == 4:
            page.say(hex_rows(data[:size], "\n\t    ", text=False))
        elif kind == 5:
            page.say(f" {u32(option, 4)}{'' if units == 1 else ', bad option length'}")
        elif kind == 25:
            page.say(f" lifetime {u32(option, 4)}s,")
            page.say(*(f" addr: {ip_at(option, place, 16)}" for place in range(8, size - 15, 16)))
        elif kind == 24 and size <= 24:
            route = address((option[8:] + bytes(16))[:16])
            preference = _PREFERENCE[option[3] & 0x18]
            page.say(f" {route}/{option[2]}, pref={preference}, lifetime={lengths(u32(option, 4))}")
        elif kind == 7:
            page.say(f" {u32(option, 4)}ms")
        page.say(hex_rows(option[2:], "\n\t    ", text=False))
        at, left = at + size, left - size
