"""A query line to the builder's rows, where rows can say the same. Pure functions."""

from __future__ import annotations

from nsm_nb.query import compile as understood
from nsm_nb.query.tree import Joined, Node, Not, Term
from nsm_nb.widgets.building import COMPARISONS, FIELDS, Part

__all__ = ["parts_of"]

_FIELDS = {"application": "service"}  # where a row calls it otherwise
_ROWS = {
    ("alert", ""): ("alert", "there"), ("alert sid", "="): ("alert", "sid"),
    **{(f"{side}host", "="): (f"{side}host", "is") for side in ("", "src ", "dst ")},
    **{(f"{side}portrange", "="): (f"{side}port", "range") for side in ("", "src ", "dst ")},
}  # fmt: skip
"""Field and comparison of a term: those of its row, where they are others."""

_TURNED = {("address", "is"): "not", ("address", "not"): "is", ("alert", "there"): "none", ("alert", "none"): "there"}
"""Kind and comparison of a row: the comparison of the row that says `not` of it."""


class _More(Exception):
    """The line says what rows can't."""


def parts_of(line: str) -> list[Part] | None:
    """Return the rows that say what a line says, read from top to bottom; None where rows can't say it.

    Raises
    ------
    QueryError
        Where the line can't be understood.

    Examples
    --------
    >>> parts_of("src 10.0.0.0/8 and dst port 445")
    [Part(field='src host', comparison='is', value='10.0.0.0/8', joint='and'), \
Part(field='dst port', comparison='=', value='445', joint='and')]
    >>> parts_of("not (tcp and port 80)") is None
    True
    """
    tree = understood(line).tree
    try:
        return _rows(tree)
    except _More:
        return None


def _rows(node: Node) -> list[Part]:
    """Return rows of which each is joined to all above it: what is joined otherwise can only stand first."""
    if not isinstance(node, Joined):
        return [_row(node)]
    inner = [each for each in node.parts if isinstance(each, Joined)]
    if len(inner) > 1:
        raise _More
    rows = _rows(inner[0]) if inner else []
    for each in node.parts:
        if not isinstance(each, Joined):
            rows.append(_row(each)._replace(joint=node.joint if rows else "and"))
    return rows


def _row(node: Node) -> Part:
    if isinstance(node, Term):
        return _row_of(node)
    if isinstance(node, Not):
        row = _row(node.inner)
        turned = _TURNED.get((FIELDS[row.field], row.comparison))
        if turned is not None:
            return row._replace(comparison=turned)
    raise _More


def _row_of(term: Term) -> Part:
    name = _FIELDS.get(term.field, term.field)
    field, how = _ROWS.get((name, term.comparison), (name, term.comparison))
    kind, value = FIELDS.get(field, ""), term.value.text
    if how not in (short for _, short in COMPARISONS.get(kind, ())):
        raise _More
    if term.value.home:
        if kind != "address":
            raise _More  # in a row of text it would be a text
        value = "$HOME"
    if value != value.strip() or not (value or how == "there"):
        raise _More  # rows take blanks off, and say nothing without a value
    return Part(field, how, value)
