"""A packet's bytes in hex and as text, with what was searched for marked in both. Pure functions, and the lines to show them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from nsm_nb.errors import NsmError
from nsm_nb.text import form, many, printable
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.style import sheet

__all__ = ["MOST", "Octets", "hits", "octet_lines", "wanted"]

MOST = 65_536  # bytes shown; the text styles have all
_ROW = 16
_SHOWN = bytes(each if 0x20 <= each <= 0x7E else 0x2E for each in range(256))
_HIT, _NOW = "nsm-hit", "nsm-hit nsm-hit-now"


class Octets(Lines):
    """Lines with places marked in them."""

    _css = sheet("packet.css")


def wanted(words: str, *, octets: bool) -> bytes:
    r"""Return the bytes that a search asks for.

    Parameters
    ----------
    words
        Text, or pairs of hex digits: ``0d 0a``, ``0d0a``, ``0x0d0a``, ``|0d 0a|`` as in a rule.
    octets
        True where they are hex digits.

    Raises
    ------
    NsmError
        Where they are no pairs of hex digits.

    Examples
    --------
    >>> wanted("uid=", octets=False), wanted("|0d 0A|", octets=True)
    (b'uid=', b'\r\n')
    """
    if not octets:
        return words.encode("utf-8", "surrogateescape")
    digits = re.sub(r"0x|[\s:|,\\x]", "", words, flags=re.IGNORECASE)
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise NsmError(
            f"{printable(words)!r} is no hex; write pairs of digits such as 0d 0a, or search as text"
        ) from None


def hits(data: bytes, pattern: bytes, *, ignore_case: bool = True) -> list[tuple[int, int]]:
    """Return where a pattern stands in the bytes: start and end of each place, none over another.

    Examples
    --------
    >>> hits(b"GET /get", b"get"), hits(b"GET /get", b"get", ignore_case=False)
    ([(0, 3), (5, 8)], [(5, 8)])
    """
    if not pattern:
        return []
    return [found.span() for found in re.finditer(re.escape(pattern), data, re.IGNORECASE if ignore_case else 0)]


def octet_lines(data: bytes, marked: Sequence[tuple[int, int]] = (), now: int | None = None) -> list[dict[str, Any]]:
    """Return bytes in rows of sixteen: offset, hex, text; marked places bear a class, the one looked at another too.

    Parameters
    ----------
    data
        The bytes; of more than `MOST` the first, and a line that says so.
    marked
        Start and end of each place.
    now
        Which of them is looked at.
    """
    looks = _looks(min(len(data), MOST), marked, now)
    lines = [
        {"style": "", "spans": [*_spans(data[at : at + _ROW], looks[at : at + _ROW], at)]}
        for at in range(0, min(len(data), MOST), _ROW)
    ]
    if len(data) > MOST:
        lines.append(
            line(
                (
                    f"{many(len(data) - MOST, 'byte')} more: the style hex has {form(len(data) - MOST, 'it', 'them')}",
                    "doubt",
                )
            )
        )
    return lines


def _looks(size: int, marked: Sequence[tuple[int, int]], now: int | None) -> list[tuple[int, str]]:
    """Return the number and the class of the place that each byte is in."""
    looks: list[tuple[int, str]] = [(-1, "")] * size
    for number, (start, end) in enumerate(marked):
        for place in range(start, min(end, size)):
            looks[place] = number, _NOW if number == now else _HIT
    return looks


def _spans(row: bytes, looks: list[tuple[int, str]], at: int) -> Iterator[list[str]]:
    yield [f"{at:04x}  ", "nsm-muted", ""]
    shown = row.translate(_SHOWN).decode("ascii")
    yield from _runs([f"{byte:02x}" for byte in row], looks, " ")
    yield ["   " * (_ROW - len(row)) + "   ", "", ""]
    yield from _runs(list(shown), looks, "")


def _runs(texts: list[str], looks: list[tuple[int, str]], between: str) -> Iterator[list[str]]:
    """Return neighbours of one look as one span; what stands between two bytes belongs to a place where both do."""
    parts: list[tuple[str, str]] = []
    for place, text in enumerate(texts):
        if place and between:
            same = looks[place] == looks[place - 1]
            parts.append((between, looks[place][1] if same else ""))
        parts.append((text, looks[place][1]))
    run, look = "", parts[0][1] if parts else ""
    for text, each in parts:
        if each != look:
            yield [run, look, ""]
            run, look = "", each
        run += text
    if run:
        yield [run, look, ""]
