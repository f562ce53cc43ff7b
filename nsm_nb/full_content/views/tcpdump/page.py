"""What the printers of `tcpdump`'s layout share: the page they write on, numbers read within bounds, sums, texts.

A printer is given the bytes that are there and the length that its header claims. Where it reads past the bytes it raises
`Cut`, and the page then says ``[|protocol]``, as tcpdump does.

Source: tcpdump(8), "OUTPUT FORMAT"; the outputs of tcpdump 4.99.3 on its own test captures (`../shared/hostile/tcpdump`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

__all__ = [
    "Cut", "Page", "address", "checksum", "expected", "hex_rows", "ip_at", "lengths", "look_up", "mac", "named", "u8", "u16",
    "u32",
]  # fmt: skip

_GRAPHS = bytes(each if 0x21 <= each <= 0x7E else 0x2E for each in range(256))  # tcpdump: a space is a dot too
_DEEPEST = 16


class Cut(Exception):
    """A header goes on past the bytes that are there."""


class Page:
    """The text of one packet as it is written, and what is known of the conversations so far.

    Parameters
    ----------
    talks
        First sequence numbers of each TCP conversation; carried from packet to packet.
    """

    def __init__(self, talks: dict[tuple, tuple[int, int]]):
        self.talks = talks
        self.protocol = ""
        self.parts: list[str] = []
        self._depth = 0

    def say(self, *texts: str) -> None:
        """Write on."""
        self.parts.extend(texts)

    def cut(self) -> None:
        """Say that the bytes of the header in hand are not all there."""
        self.parts.append(f" [|{self.protocol}]")

    def deeper(self) -> bool:
        """Tell whether one more header of IP may be printed; a frame can nest thousands."""
        self._depth += 1
        if self._depth == _DEEPEST + 1:
            self.say(f"[more than {_DEEPEST} headers of IP, one in the other; the rest is in the bytes below]")
        return self._depth <= _DEEPEST


def u8(data: bytes, at: int) -> int:
    """Return the byte at a place.

    Raises
    ------
    Cut
        Where it is not there.
    """
    if at >= len(data):
        raise Cut
    return data[at]


def u16(data: bytes, at: int) -> int:
    """Return two bytes in network order; raises as `u8`."""
    if at + 2 > len(data):
        raise Cut
    return data[at] << 8 | data[at + 1]


def u32(data: bytes, at: int) -> int:
    """Return four bytes in network order; raises as `u8`."""
    if at + 4 > len(data):
        raise Cut
    return int.from_bytes(data[at : at + 4], "big")


def checksum(data: bytes) -> int:
    """Return the one's complement of the one's complement sum (RFC 1071): 0 where a header's own sum in it is right."""
    if len(data) & 1:
        data += b"\0"
    # 65536 is 1 modulo 65535, so the remainder of the whole number is the sum with its carries added in
    total = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - total if total else (0 if any(data) else 0xFFFF)


def expected(stated: int, computed: int) -> int:
    """Return the sum that a header should have, from the one stated and what `checksum` made of all."""
    total = stated + computed
    return (total & 0xFFFF) + (total >> 16)


def mac(data: bytes) -> str:
    """Return a hardware address."""
    return data.hex(":")


def address(data: bytes) -> str:
    """Return the text of an IP address, four bytes or sixteen."""
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def ip_at(data: bytes, at: int, size: int = 4) -> str:
    """Return the address that stands at a place; raises as `u8`."""
    if at + size > len(data):
        raise Cut
    return address(data[at : at + size])


def named(flags: int, names: Iterable[tuple[int, str]], *, between: str = ", ") -> str:
    """Return the names of the bits that are set."""
    return between.join(name for bit, name in names if flags & bit) or "none"


def look_up(names: Mapping[int, str], number: int, other: str) -> str:
    """Return a number's name, else `other` with the number in it."""
    return names.get(number) or other.format(number)


def hex_rows(data: bytes, indent: str = "\n\t", *, text: bool = True) -> str:
    """Return bytes as tcpdump's -X shows them: groups of two, then the characters, a dot for what is no graph."""
    rows = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        groups = row.hex(" ", -2)
        if text:
            shown = row.translate(_GRAPHS).decode("ascii")
            rows.append(f"{indent}0x{at:04x}:  {groups:<39}  {shown}")
        else:
            rows.append(f"{indent}0x{at:04x}:  {groups}")
    return "".join(rows)


def lengths(seconds: int) -> str:
    """Return the life time of an IPv6 prefix or router in words."""
    return "infinity" if seconds == 0xFFFFFFFF else f"{seconds}s"
