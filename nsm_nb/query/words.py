"""The words of a query line, and where each of them stands."""

from __future__ import annotations

import re
from typing import NamedTuple

from nsm_nb.query.values import mistake

__all__ = ["AND", "ENDS", "NOT", "OR", "SIGNS", "Token", "tokens"]

ENDS = ("host", "net", "port", "portrange")
SIGNS = ("=", "==", "!=", "<", "<=", ">", ">=", "~", "!~")
AND, OR, NOT = ("and", "&&"), ("or", "||"), ("not", "!")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
      | (?P<sign> && | \|\| | [()] | [=!<>]= | !~ | [=<>!~] )
      | (?P<word> [^\s()<>=!~&|"']+ )
    )""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A word, a text in quotes, a sign, or the end of a line, and where it stands."""

    kind: str  # "word", "quoted", "sign" or "end"
    text: str
    column: int

    def is_word(self, *words: str) -> bool:
        """Say whether it is one of these words, in any case of letters and not in quotes; any word where none is given."""
        return self.kind == "word" and (not words or self.text.lower() in words)


def tokens(line: str) -> list[Token]:
    """Return the words of a line, the last one its end.

    Raises
    ------
    QueryError
        Where a quotation has no end, or a sign means nothing.
    """
    words, place, end = [], 0, len(line.rstrip())
    while place < end:
        found = _TOKEN.match(line, place)
        if found is None:
            place += len(line[place:]) - len(line[place:].lstrip())
            sign = line[place]
            if sign in "\"'":
                raise mistake(place, f"the text that begins here has no closing {sign}", 'message ~ "smb"')
            raise mistake(
                place, f"a single {sign} means nothing; and is written &&, or is written ||", "tcp && port 80"
            )
        kind = str(found.lastgroup)
        text = found[kind] if kind != "quoted" else re.sub(r"""\\(["'\\])""", r"\1", found[kind][1:-1])
        words.append(Token(kind, text, found.start(kind)))
        place = found.end()
    return [*words, Token("end", "", len(line))]
