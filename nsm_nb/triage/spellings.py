r"""Text brought back to plain spelling: what a reader, a browser or a server would take it for.

Compatible forms of letters and digits become their plain ones (NFKC), decimal digits of any script become ASCII, dots that
IDNA takes for dots become dots, characters that can't be seen are left out, and runs of ``%31``, ``\x31``, ``\u0031`` or
``&#49;`` are undone where all of a run is plain text.

*Source*: Unicode TR 15 (NFKC); RFC 3490 3.1 (dots); RFC 3986 2.1; HTML 4.01 5.3.1.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain"]

_ROUNDS = 3  # %2531 is %31 is 1
_CODED = re.compile(
    r"(?:%[0-9a-f]{2}|\\x[0-9a-f]{2}|[\\%]u00[0-9a-f]{2}|&\#(?:0{0,5}[0-9]{2,3}|x0{0,5}[0-9a-f]{2});)+", re.IGNORECASE
)
_ONE = re.compile(r"&#x0*([0-9a-f]{2});|&#0*([0-9]{2,3});|(?:[\\%]u00|%|\\x)([0-9a-f]{2})", re.IGNORECASE)
_NAMED = {"&period;": ".", "&commat;": "@", "&colon;": ":", "&sol;": "/", "&bsol;": "\\", "&hyphen;": "-", "&dash;": "-",
          "&lowbar;": "_", "&num;": "#", "&nbsp;": " ", "&amp;": "&"}  # fmt: skip
_ENTITY = re.compile("|".join(_NAMED), re.IGNORECASE)
_DOTS = re.compile("(?<=\\w)[\u3002\u00b7\u2022\u2219\u22c5\u30fb\u05b4\u06d4](?=\\w)")


def plain(text: str) -> str:
    """Return text in plain spelling; what is no spelling of something else is as it was.

    Examples
    --------
    >>> plain("%31%30&#46;1\u30021.\uff11")
    '10.1.1.1'
    """
    if not text.isascii() or "\x00" in text:
        text = _DOTS.sub(".", unicodedata.normalize("NFKC", text))
        text = "".join(map(_seen, text))
    for _ in range(_ROUNDS):
        before = text
        text = _ENTITY.sub(lambda match: _NAMED[match.group().lower()], text)
        text = _CODED.sub(_undone, text)
        if text == before:
            break
    return text


def _seen(character: str) -> str:
    if character == "\x00" or unicodedata.category(character) in ("Cf", "Cs"):
        return ""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _undone(match: re.Match[str]) -> str:
    text = _ONE.sub(_character, match.group())
    return text if all(" " < each < "\x7f" for each in text) else match.group()


def _character(match: re.Match[str]) -> str:
    return chr(int(match[2])) if match[2] else chr(int(match[1] or match[3], 16))
