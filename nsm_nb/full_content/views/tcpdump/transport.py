"""TCP and UDP in tcpdump's layout, up to where an application's bytes begin."""

from __future__ import annotations

from collections.abc import Callable

from nsm_nb.full_content.views.tcpdump.page import Cut, Page, address, checksum, expected, named, u8, u16, u32

__all__ = ["tcp", "udp"]

_FLAGS = (
    (0x01, "F"), (0x02, "S"), (0x04, "R"), (0x08, "P"), (0x10, "."), (0x20, "U"), (0x40, "E"), (0x80, "W"),
)  # fmt: skip
_OPTIONS = {
    0: "eol", 1: "nop", 2: "mss", 3: "wscale", 4: "sackOK", 5: "sack", 6: "echo", 7: "echoreply", 8: "TS", 11: "cc",
    12: "ccnew", 13: "", 15: "", 19: "md5", 20: "scps", 28: "uto", 29: "tcp-ao", 30: "mptcp", 34: "tfo", 254: "exp",
}  # fmt: skip
_WORD = 0xFFFFFFFF


def ends(datagram: bytes) -> tuple[bytes, bytes]:
    """Return source and destination of the datagram in hand, as bytes.

    Raises
    ------
    Cut
        Where they are not there.
    """
    pair = (datagram[12:16], datagram[16:20]) if datagram[0] >> 4 == 4 else (datagram[8:24], datagram[24:40])
    if len(pair[1]) not in (4, 16):
        raise Cut
    return pair


def pseudo(datagram: bytes, length: int, proto: int) -> bytes:
    """Return the pseudo header that TCP, UDP and ICMPv6 sum over (RFC 9293 3.1, RFC 8200 8.1)."""
    src, dst = ends(datagram)
    if len(src) == 4:
        return src + dst + bytes((0, proto)) + (length & 0xFFFF).to_bytes(2, "big")
    return src + dst + length.to_bytes(4, "big") + bytes((0, 0, 0, proto))


def _from_to(datagram: bytes, ports: tuple[int, int] | None, *, direct: bool) -> str:
    """Return who speaks to whom; behind an extension header the addresses were printed before."""
    if ports is None:
        return " > ".join(map(address, ends(datagram))) + ": "
    if not direct:
        return f"{ports[0]} > {ports[1]}: "
    src, dst = map(address, ends(datagram))
    return f"{src}.{ports[0]} > {dst}.{ports[1]}: "


def tcp(page: Page, data: bytes, length: int, datagram: bytes, *, fragmented: bool, direct: bool) -> None:
    """Write a TCP segment of `length` bytes, of which `data` are there."""
    page.protocol = "tcp"
    if len(data) < 4:
        page.say(_from_to(datagram, None, direct=direct).rstrip())
        page.cut()
        return
    ports = u16(data, 0), u16(data, 2)
    page.say(_from_to(datagram, ports, direct=direct))
    if len(data) < 20:
        page.cut()
        return
    size = (data[12] >> 4) * 4
    if size < 20:
        page.say(f" tcp {length - size} [bad hdr length {size} - too short, < 20]")
        return
    flags, seq, ack = data[13], u32(data, 4), u32(data, 8)
    page.say(f"Flags [{named(flags, _FLAGS, between='')}]")
    begin = (0, 0)
    if flags & 0x10:
        seq, ack, begin = _relative(page, ends(datagram), ports, flags, seq, ack)
    if size > length:
        page.say(f" [bad hdr length {size} - too long, > {length}]")
        return
    if not fragmented and length <= len(data):
        stated, computed = u16(data, 16), checksum(pseudo(datagram, length, 6) + data[:length])
        verdict = f"incorrect -> 0x{expected(stated, computed):04x}" if computed else "correct"
        page.say(f", cksum 0x{stated:04x} ({verdict})")
    length -= size
    page.say(f", seq {seq}", f":{seq + length & _WORD}" if length else "")
    page.say(f", ack {ack}" if flags & 0x10 else "", f", win {u16(data, 14)}")
    if flags & 0x20:
        page.say(f", urg {u16(data, 18)}")
    if size > 20 and not _options(page, data[20:], size - 20, begin[1]):
        return
    page.say(f", length {length}")
    if length and flags & 0x04:
        _reset_data(page, data[size:], length)


def _relative(
    page: Page, pair: tuple[bytes, bytes], ports: tuple[int, int], flags: int, seq: int, ack: int
) -> tuple[int, int, tuple[int, int]]:
    """Return seq and ack counted from those first seen in the conversation, and where each side began.

    The first segment with ACK is printed as it is; a SYN with ACK begins anew.
    """
    there, back = (pair[0], ports[0]), (pair[1], ports[1])
    turned = (ports[0], pair[0]) > (ports[1], pair[1])
    key = (back, there) if turned else (there, back)
    begun = page.talks.get(key)
    if begun is None or flags & 0x02:
        begun = (ack - 1 & _WORD, seq) if turned else (seq, ack - 1 & _WORD)
        page.talks[key] = begun
        mine, other = (begun[1], begun[0]) if turned else begun
        return seq, ack, (mine, other)
    mine, other = (begun[1], begun[0]) if turned else begun
    return seq - mine & _WORD, ack - other & _WORD, (mine, other)


def _options(page: Page, data: bytes, left: int, begun: int) -> bool:
    """Write TCP's options; False where they are wrong or not all there, after which tcpdump prints no more."""
    page.say(", options [")
    at, between = 0, ""
    try:
        while left > 0:
            page.say(between)
            kind = u8(data, at)
            at += 1
            size = 1
            if kind > 1:
                size = u8(data, at)
                at += 1
                _whole(size, left)
                left -= 1
            left -= 1
            page.say(_OPTIONS.get(kind) or f"unknown-{kind}")
            used = _option(page, kind, data, at, size, _room(data, at, left), begun)
            at, left = at + used, left - used
            if used + (1 if kind < 2 else 2) != size:
                page.say(f"[len {size}]")
            between = ","
            if kind == 0:
                break
    except _Bad:
        page.say("[bad opt]", "]" if between else "")
        return False
    except _Short:
        page.cut()
        page.say("]" if between else "")
        return False
    page.say("]")
    return True


class _Bad(Exception):
    """An option goes past the header."""


class _Short(Exception):
    """An option goes past the bytes that were captured."""


def _whole(size: int, left: int) -> None:
    if size < 2 or size > left:
        raise _Bad


def _room(data: bytes, at: int, left: int) -> Callable[[int], None]:
    """Return what checks that so many bytes of an option are in the header, and were captured."""

    def room(count: int) -> None:
        if count > left:
            raise _Bad
        if at + count > len(data):
            raise _Short

    return room


def _option(page: Page, kind: int, data: bytes, at: int, size: int, room: Callable[[int], None], begun: int) -> int:
    """Write the value of an option; return how many bytes it is by its kind."""
    if kind in (0, 1, 4):
        return 0
    if kind == 2:
        room(2)
        page.say(f" {u16(data, at)}")
        return 2
    if kind == 3:
        room(1)
        page.say(f" {data[at]}")
        return 1
    if kind in (6, 7, 11, 12, 13):
        room(4)
        page.say(f" {u32(data, at)}")
        return 4
    if kind == 8:
        room(8)
        page.say(f" val {u32(data, at)} ecr {u32(data, at + 4)}")
        return 8
    if kind == 20:
        room(2)
        page.say(f" cap {data[at]:02x} id {data[at + 1]}")
        return 2
    if kind == 28:
        room(2)
        value = u16(data, at)
        page.say(f" 0x{value:x} {(value >> 1) * 60 if value & 1 else value >> 1}")
        return 2
    if kind == 19:
        room(16)
        page.say(" shared secret not supplied with -M, can't check - ", data[at : at + 16].hex())
        return 16
    used = size - 2
    if kind == 5:
        _sack(page, data, at, used, room, begun)
        return used
    if kind == 29:
        _authentication(page, data, at, used, room)
        return used
    if kind == 254:
        room(2)
        page.say(f"-{u16(data, at):04x}" if u16(data, at) != 0xF989 else "-tfo")
        room(used)
        if u16(data, at) == 0xF989:
            _fast_open(page, data[at + 2 : at + used])
        return used
    if kind == 34:
        room(used)
        page.say(" ")
        _fast_open(page, data[at : at + used])
        return used
    for place in range(used):
        room(place + 1)
        page.say("" if place else " 0x", f"{data[at + place]:02x}")
    return used


def _sack(page: Page, data: bytes, at: int, used: int, room: Callable[[int], None], begun: int) -> None:
    if used % 8:
        page.say(" invalid sack")
        return
    page.say(f" {used // 8} ")
    for place in range(0, used, 8):
        room(place + 8)
        start, end = (u32(data, at + place + step) - begun & _WORD for step in (0, 4))
        page.say(f"{{{start}:{end}}}")


def _authentication(page: Page, data: bytes, at: int, used: int, room: Callable[[int], None]) -> None:
    if used < 2:
        page.say(" (invalid)")
        return
    room(2)
    page.say(f" keyid {data[at]} rnextkeyid {data[at + 1]}")
    if used > 2:
        room(used)
        page.say(" mac 0x", data[at + 2 : at + used].hex())


def _fast_open(page: Page, cookie: bytes) -> None:
    page.say(" ")
    if not cookie:
        page.say("cookiereq")
    elif len(cookie) % 2 or not 4 <= len(cookie) <= 16:
        page.say(" (invalid)")
    else:
        page.say("cookie ", cookie.hex())


def _reset_data(page: Page, data: bytes, length: int) -> None:
    """Write what a reset says (RFC 9293 3.5.3 allows a reason as text)."""
    page.say(" [RST" if length <= len(data) else " [!RST", "+" if length > 30 else "", " ")
    for byte in data[: min(length, 30)]:
        shown = "M-" if byte & 0x80 else ""
        byte &= 0x7F
        page.say(shown, chr(byte) if 0x20 <= byte < 0x7F else "^" + chr(byte ^ 0x40))
    page.say("]")


def udp(page: Page, data: bytes, length: int, datagram: bytes, *, fragmented: bool, direct: bool) -> None:
    """Write a UDP datagram of `length` bytes, of which `data` are there."""
    page.protocol = "udp"
    if len(data) < 4:
        page.say(_from_to(datagram, None, direct=direct))
        page.cut()
        return
    page.say(_from_to(datagram, (u16(data, 0), u16(data, 2)), direct=direct))
    if length < 8:
        page.say(f"truncated-udp {length}")
        return
    if len(data) < 6:
        page.cut()
        return
    claimed = u16(data, 4)
    if claimed == 0 and length > 65535:
        claimed = length
    if claimed < 8:
        page.say(f"truncated-udplength {claimed}")
        return
    claimed, length = claimed - 8, length - 8
    length = min(claimed, length)
    if len(data) < 8:
        page.cut()
        return
    if not fragmented:
        stated = u16(data, 6)
        if stated == 0 and datagram[0] >> 4 == 4:
            page.say("[no cksum] ")
        elif length + 8 <= len(data):
            computed = checksum(pseudo(datagram, length + 8, 17) + data[: length + 8])
            wrong = f"[bad udp cksum 0x{stated:04x} -> 0x{expected(stated, computed):04x}!] "
            page.say(wrong if computed else "[udp sum ok] ")
    if claimed > length and not fragmented:
        page.say(f"UDP, bad length {claimed} > {length}")
    else:
        page.say(f"UDP, length {claimed}")
