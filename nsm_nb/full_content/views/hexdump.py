"""Packets as ``tshark -x`` prints them: the whole frame in hex and as text, from the link layer on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["hexdump", "rows"]

_SHOWN = bytes(each if 0x20 <= each <= 0x7E else 0x2E for each in range(256))


def rows(data: bytes) -> list[str]:
    """Return bytes in rows of sixteen: offset, hex, characters.

    Examples
    --------
    >>> rows(b"GET / HTTP/1.0")
    ['0000  47 45 54 20 2f 20 48 54 54 50 2f 31 2e 30         GET / HTTP/1.0']
    """
    return [
        f"{at:04x}  {data[at : at + 16].hex(' '):<47}   {data[at : at + 16].translate(_SHOWN).decode('ascii')}"
        for at in range(0, len(data), 16)
    ]


def hexdump(frames: Iterable[bytes]) -> Iterator[str]:
    """Return each frame's rows, an empty line after them."""
    for frame in frames:
        yield "".join(f"{row}\n" for row in rows(frame)) + "\n"
