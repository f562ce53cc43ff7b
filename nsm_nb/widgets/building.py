"""Parts of a query line, as the builder's rows have them, and the line that they make. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nsm_nb.query.times import MACROS
from nsm_nb.widgets.narrowing import quoted

__all__ = ["COMPARISONS", "FIELDS", "MACROS", "Part", "comparisons", "line_of"]

FIELDS = {
    "host": "address", "src host": "address", "dst host": "address", "port": "port", "src port": "port",
    "dst port": "port", "proto": "text", "service": "text", "octets": "number", "src_octets": "number",
    "dst_octets": "number", "packets": "number", "src_packets": "number", "dst_packets": "number",
    "duration": "number", "state": "text", "closed": "text", "history": "text", "time": "time", "alert": "alert",
    "any column": "any", "vlan": "number", "sensor": "text", "source": "text", "evidence": "text", "community_id": "text",
}  # fmt: skip
"""What a row may ask about, and of what kind it is."""

COMPARISONS = {
    "address": (("is, or is in", "is"), ("is not in", "not")),
    "port": (("=", "="), ("!=", "!="), ("from-to", "range"), (">", ">"), (">=", ">="), ("<", "<"), ("<=", "<=")),
    "number": (("=", "="), ("!=", "!="), (">", ">"), (">=", ">="), ("<", "<"), ("<=", "<=")),
    "text": (("is", "="), ("is not", "!="), ("holds", "~"), ("does not hold", "!~"), ("matches", "matches")),
    "time": (("within", "="), ("since", ">="), ("until", "<="), ("after", ">"), ("before", "<")),
    "alert": (("is about it", "there"), ("is not about it", "none"), ("message holds", "~"),
              ("message matches", "matches"), ("sid is", "sid")),
    "any": (("holds", "~"), ("matches", "matches")),
}  # fmt: skip
"""How each kind is compared: as it is shown, and its short name."""


class Part(NamedTuple):
    """One row of the builder."""

    field: str
    comparison: str
    value: str
    joint: str = "and"  # what joins it to the row before


def comparisons(field: str) -> tuple[tuple[str, str], ...]:
    """Return how a field is compared: words and short name of each way."""
    return COMPARISONS[FIELDS[field]]


def _term(part: Part) -> str:
    """Return a row's words; empty where it says nothing yet."""
    field, how, value = part.field, part.comparison, part.value.strip()
    kind = FIELDS[field]
    if kind == "alert" and how in ("there", "none"):
        return "alert" if how == "there" else "not alert"
    if not value:
        return ""
    if kind == "address":
        home = value.upper() == "$HOME"
        return f"{'not ' if how == 'not' else ''}{field} {'$HOME' if home else quoted(value)}"
    if kind == "port" and how == "range":
        return f"{field}range {quoted(value)}"
    if kind == "alert" and how == "sid":
        return f"alert sid {quoted(value)}"
    if kind == "time":
        return f"{field} {'' if how == '=' else how + ' '}{quoted(value)}"
    name = "" if kind == "any" else f"{field} "
    return f"{name}{'' if how == '=' else how + ' '}{quoted(value)}"


def line_of(parts: Sequence[Part]) -> str:
    """Return the line that rows make, read from top to bottom: what was joined before an `or`, or the next row.

    Examples
    --------
    >>> line_of([Part("src host", "is", "10.0.0.0/8"), Part("dst port", "=", "445"), Part("octets", ">", "1M")])
    'src host 10.0.0.0/8 and dst port 445 and octets > 1M'
    >>> line_of([Part("dst port", "=", "80"), Part("dst port", "=", "443", "or"), Part("state", "=", "RST", "and")])
    '(dst port 80 or dst port 443) and state RST'
    """
    line, last = "", ""
    for part in parts:
        term = _term(part)
        if not term:
            continue
        if not line:
            line = term
            continue
        if last and part.joint != last:  # `and` binds before `or`: what stands above is one thing
            line = f"({line})"
        line, last = f"{line} {part.joint} {term}", part.joint
    return line
