"""The words, numbers and addresses of a filter, and where they stand in its line."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from nsm_nb.full_content.filters.names import NUMBERS, REFUSED, WORDS
from nsm_nb.query.values import mistake
from nsm_nb.text import printable

__all__ = ["Token", "number", "tokens"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mac> [0-9A-Fa-f]{1,2}(?:([:.-])[0-9A-Fa-f]{1,2})(?:\2[0-9A-Fa-f]{1,2}){4}(?![0-9A-Za-z:.-])
               | [0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z:.-]) | [0-9A-Fa-f]{12}(?![0-9A-Za-z:.-]) )
      | (?P<six> (?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]* )
      | (?P<sign> && | \|\| | << | >> | [<>=!]= | [-+*/%:\[\]!<>()&|^=] )
      | (?P<word> \\? [A-Za-z0-9] (?: [-_.A-Za-z0-9]* [A-Za-z0-9_.] )? )
    )""",
    re.VERBOSE,
)
_LONGEST = 100_000
_ETHER = "ether host 00:0c:29:aa:bb:01"


class Token(NamedTuple):
    """A piece of a filter: ``word`` (one of the language), ``name``, ``number``, ``four`` (IPv4, perhaps short), ``six``,
    ``mac``, ``sign`` or ``end``."""  # noqa: D205, D209

    kind: str
    text: str
    column: int

    def __str__(self) -> str:
        """Return what is shown of it in a message."""
        return repr(printable(self.text[:40]))


def number(token: Token) -> int:
    """Return the value of a number: decimal, octal after a 0, hexadecimal after 0x; or one that has a name.

    Raises
    ------
    QueryError
        Where it is none, or has more than 32 bits.
    """
    text = token.text.lower()
    if text in NUMBERS:
        return NUMBERS[text]
    try:
        value = int(text, 16 if text.startswith("0x") else 8 if text.startswith("0") else 10)
    except ValueError:
        raise mistake(
            token.column, f"{token} is no number: after 0 come octal digits, after 0x hexadecimal", "port 80"
        ) from None
    if value > 0xFFFFFFFF:
        raise mistake(token.column, f"{token} has more than 32 bits", "tcp[4:4] > 0xffff0000")
    return value


def tokens(line: str) -> list[Token]:
    """Return the tokens of a line, the end of the line last.

    Raises
    ------
    QueryError
        Where a character begins none.
    """
    if len(line) > _LONGEST:
        raise mistake(_LONGEST, f"a filter of {len(line):,} characters; up to {_LONGEST:,} are read", "net 10.0.0.0/8")
    found: list[Token] = []
    place, end = 0, len(line.rstrip())
    while place < end:
        match = _TOKEN.match(line, place)
        if match is None:
            place += len(line[place:]) - len(line[place:].lstrip())
            hint = " (quotation marks are not part of a filter)" if line[place] in "\"'" else ""
            raise mistake(place, f"{printable(line[place])!r} begins no word of a filter{hint}", "tcp and port 80")
        kind = next(name for name in ("mac", "six", "sign", "word") if match[name] is not None)
        text = match[kind]
        token = Token(_kind(kind, text), text, match.start(kind))
        if token.kind == "six":
            try:
                ipaddress.IPv6Address(text)
            except ValueError:
                if any(each.text.lower() in ("ether", "link") for each in found[-3:]):
                    asked = mistake(token.column, f"{token} is no Ethernet address: six pairs of digits", _ETHER)
                else:
                    asked = mistake(token.column, f"{token} is no IPv6 address", "host 2001:db8::1")
                raise asked from None
        found.append(token)
        place = match.end()
    return [*found, Token("end", "", len(line))]


def _kind(kind: str, text: str) -> str:
    if kind != "word":
        return kind
    if text.startswith("\\"):
        return "name"
    if text.lower() in NUMBERS or re.fullmatch(r"\d+|0x[0-9a-f]+", text, re.IGNORECASE):
        return "number"
    if re.fullmatch(r"\d+(\.\d+){1,3}", text):
        return "four"
    return "word" if text.lower() in WORDS or text.lower() in REFUSED else "name"
