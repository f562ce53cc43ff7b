"""Values in a line: where they stand, ranges of them, and what is said where one does not fit."""

from __future__ import annotations

from typing import NamedTuple

from nsm_nb.errors import QueryError

__all__ = ["EXAMPLES", "Value", "mistake", "span"]

EXAMPLES = {
    "number": "octets > 1.5M",
    "port": "dst port 445",
    "time": "time >= 2026-11-24T02:31",
    "truth": "direction_known = yes",
    "address": "src 10.0.0.0/8",
}


class Value(NamedTuple):
    """A value in a line, and where it stands."""

    text: str
    column: int
    home: bool = False  # the line has $HOME there


def mistake(column: int, problem: str, example: str) -> QueryError:
    """Return an error about a place in a line, with an example of what would do."""
    return QueryError(f"at character {column + 1}: {problem}; for example: {example}", column)


def span(value: Value, also: str | None) -> tuple[Value, Value] | None:
    """Return the ends of ``A..B`` (or of ``A-B``), or None where the value is no range."""
    for sign in ("..", also):
        start, found, end = value.text.partition(sign) if sign else (value.text, "", "")
        if found and start and end:
            return Value(start, value.column), Value(end, value.column + len(start) + len(found))
    return None
