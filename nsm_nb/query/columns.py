"""Tests of a table's columns: of one by its name, of what a name means where there are two, of the ends of a session."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np
import pandas as pd

from nsm_nb.errors import QueryError
from nsm_nb.query import checks
from nsm_nb.query.joined import alert_test
from nsm_nb.query.tree import Test
from nsm_nb.query.values import Value, mistake
from nsm_nb.text import printable

__all__ = ["OTHER", "PROTOCOLS", "SYNONYMS", "column_test", "ends_test"]

OTHER = ("!=", "!~")
"""Where several columns are compared so, all of them must differ."""

PROTOCOLS = {"icmp": "1", "igmp": "2", "tcp": "6", "udp": "17", "gre": "47", "esp": "50", "ah": "51", "icmp6": "58",
              "ospf": "89", "sctp": "132", "arp": ""}  # fmt: skip
SYNONYMS = {"icmpv6": "icmp6", "ipv6-icmp": "icmp6"}
_SUMS = ("packets", "octets", "payload")
_ALIASES = {"category": "status", "service": "application"}  # where a table has no column of the first name


def column_test(name: str, place: int, comparison: Value, value: Value) -> Test:
    """Return the test of what a name in a line means; `place` is where it stands.

    Raises
    ------
    QueryError
        Where a column of our own tables can't be compared so; by the test, where the table has none of that name.
    """
    values = [value]
    if name.lower() == "proto" and comparison.text in ("=", "!="):
        values = [Value(each, value.column) for each in _both_names(value.text.lower())]
    known = checks.KINDS.get(name.lower())
    if known:
        checks.check(known, name, comparison, value)  # what is wrong with the value shows without a table
    every = comparison.text in OTHER

    def test(table: pd.DataFrame) -> np.ndarray:
        if name.lower() == "alert" and "alert" not in table and "Alert" not in table:
            return alert_test(place, Value("message", place), comparison, value)(table)
        hits = []
        for columns in _columns(table, name, place):
            kind = checks.kind_of(name, columns[0])
            hits += [checks.check(kind, name, comparison, each)(*columns) for each in values]
        return np.logical_and.reduce(hits) if every else np.logical_or.reduce(hits)

    return test


def ends_test(sides: Iterable[str], what: str, check: checks.Check, place: int, *, every: bool) -> Test:
    """Return the test of the columns `what` ("ip" or "port") of some sides: of any, or of every one.

    Raises
    ------
    QueryError
        By the test, where the table has no such column.
    """

    def test(table: pd.DataFrame) -> np.ndarray:
        hits = []
        for side in sides:
            name = f"{side}_{what}"
            if name not in table:
                raise _no_column(table, name, place)
            hits.append(check(table[name]))
        return np.logical_and.reduce(hits) if every else np.logical_or.reduce(hits)

    return test


def _both_names(protocol: str) -> set[str]:
    """Return the name and the number of a protocol: a table has the number where its reader knew no name."""
    protocol = SYNONYMS.get(protocol, protocol)
    named = {protocol, PROTOCOLS.get(protocol, "")} | {name for name, number in PROTOCOLS.items() if number == protocol}
    return named - {""} or {protocol}


def _columns(table: pd.DataFrame, name: str, place: int) -> list[tuple[pd.Series, ...]]:
    """Return what a name means in a table: one column, a sum, a stretch of time, or the columns of both sides."""
    for each in (name, name.lower()):
        if each in table:
            return [(table[each],)]
        ends = [table[f"{side}_{each}"] for side in ("src", "dst") if f"{side}_{each}" in table]
        if len(ends) == 2:
            return [(checks.known_sum(*ends),)] if each in _SUMS else [(end,) for end in ends]
        if each == "time" and "start" in table and "end" in table:
            return [(table["start"], table["end"])]
        if _ALIASES.get(each, "") in table:
            return [(table[_ALIASES[each]],)]
    raise _no_column(table, name, place)


def _no_column(table: pd.DataFrame, name: str, place: int) -> QueryError:
    names = [printable(each) for each in table.columns]
    near = get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names)}"
    return mistake(
        place, f"{printable(name)!r} is no word of a query and no column of this table ({hint})", "tcp and port 80"
    )
