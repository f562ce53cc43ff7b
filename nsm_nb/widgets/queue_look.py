"""How the queue looks: its columns and colours, its counters in words, and what a cell means as a query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from nsm_nb.errors import QueryError
from nsm_nb.query import compile as understood
from nsm_nb.triage import CATEGORIES
from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.event import priority_class
from nsm_nb.widgets.lines import line

__all__ = [
    "BY", "CHILDREN", "KEYS", "KEY_HELP", "child_style", "code", "columns", "counters", "queue_style", "term_of_cell",
]  # fmt: skip

_QUEUE = (
    Field("st", title="ST", width=4, meaning="status: RT (new), else the category; its colour is the priority"),
    Field("count", title="CNT", kind="count", width=5, meaning="alerts in the group; events, where sensors are joined"),
    Field("priority", title="P", kind="number", width=2, meaning="priority, 1 is worst"),
    Field("sensor", width=8),
    Field("id", title="alert id", kind="code", width=10, meaning="the first alert of the group, shortened"),
    Field("first", title="time (UTC)", kind="clock", meaning="of the first alert"),
    Field("src_ip", title="src ip"), Field("src_port", title="sport", width=6), Field("dst_ip", title="dst ip"),
    Field("dst_port", title="dport", width=6), Field("proto", title="pr", width=4),
    Field("message", title="event message", width=30),
)  # fmt: skip
_WHO = Field("who", title="looks", width=7, meaning="who looks at it just now")
CHILDREN = (
    Field("st", title="ST", width=3), Field("time", title="time (UTC)"), Field("sensor", width=8),
    Field("src_ip", title="src ip"), Field("src_port", title="sport", width=6), Field("dst_ip", title="dst ip"),
    Field("dst_port", title="dport", width=6), "session", Field("confidence", title="joined"), Field("alert", width=16),
)  # fmt: skip

#: Ways to group, besides "the same sensor" where sensors are not joined.
BY = (
    ("source and message", ("src_ip", "message")),
    ("message", ("message",)),
    ("source", ("src_ip",)),
    ("source and destination", ("src_ip", "dst_ip")),
    ("session", ("session",)),
    ("nothing", ("alert",)),
)

#: Keys of the queue besides those that judge.
KEYS = ("+", "-", "=", "/", "p", "t", "a", "i", "A", "m")
KEY_HELP = (
    "left right choose a cell; + - = include, exclude, only what stands there; / the query line",
    "A everything that matches, not only what is marked   i I look at it (again: no more)   m messages",
    "p its packet   t or Enter its transcript   a a rule of it",
)


def columns(table: pd.DataFrame) -> tuple[Field, ...]:
    """Return the columns of the queue; who looks at a group only where anybody does, all sensors where several saw it."""
    sensors = max((len(str(each)) for each in table["sensor"].cat.categories), default=8)
    shown = [replace(field, width=min(max(sensors, 8), 20)) if field.name == "sensor" else field for field in _QUEUE]
    return (shown[0], _WHO, *shown[1:]) if "who" in table else tuple(shown)


def queue_style(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the classes of a group: new ones have the colour of their priority."""
    new = row["st"] == "RT"
    return {
        "st": priority_class(row["priority"]) if new else f"category-{row['st']}",
        "priority": priority_class(row["priority"]),
        "message": "" if new else "muted",
        "who": "doubt",
    }


def child_style(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the classes of an alert of a group."""
    look = {"st": f"category-{row['status']}"}
    if row["confidence"] != "certain":
        look["confidence"] = "doubt"
    return look


def counters(waiting: Counter[int], judged: Counter[str]) -> dict:
    """Return a line of how many alerts wait, by priority, and how many are judged, by category."""
    spans: list[Any] = [(f"{waiting.total():,}", "strong"), " wait  "]
    for priority in sorted(waiting, key=lambda each: each or 99):
        name = f" {priority} " if priority else " ? "
        look = priority_class(priority or pd.NA)
        spans += [(name, look, f"priority {priority or 'unknown'}"), f" {waiting[priority]:,}  "]
    spans += [("  ", ""), (f"{judged.total():,}", "strong"), " judged  "]
    for short, count in judged.items():
        spans += [(f" {short} ", f"category-{short}", CATEGORIES[short].name), f" {count:,}  "]
    return line(*spans)


def term_of_cell(row: Mapping[str, Any], column: str) -> str | None:
    r"""Return the words of a query that mean a cell of the queue; None where there are none, as for a count.

    Examples
    --------
    >>> term_of_cell({"src_ip": "10.0.0.7"}, "src_ip"), term_of_cell({"message": 'GET "/x"'}, "message")
    ('src host 10.0.0.7', 'message = "GET \\"/x\\""')
    """
    value = row.get("group" if column == "id" else column)
    if value is None or pd.isna(value):
        return None
    text = str(value)
    if column in ("src_ip", "dst_ip"):
        term = f"{column[:3]} host {text}"
    elif column in ("src_port", "dst_port"):
        term = f"{column[:3]} port {text}"
    elif column == "priority":
        term = f"priority = {text}"
    elif column == "st":
        term = f"category = {'NEW' if text == 'RT' else text}"
    elif column == "sensor":
        term = " or ".join(f"sensor = {_quoted(each)}" for each in text.split(", "))
    elif column == "id":
        term = f"alert = {_quoted(text)}"
    elif column == "first":
        term = f"time = {value:%Y-%m-%dT%H:%M:%S}"
    elif column in ("message", "proto", "classification"):
        term = f"{column} = {_quoted(text)}"
    else:
        return None
    try:
        understood(term)
    except QueryError:
        return None
    return term


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def code(alert: str | None, by: Sequence[str], *, gap: str | None, events: bool, query: str) -> str:
    """Return the lines of Python that give the queue and what stands beside the alert."""
    options = f"by={tuple(by)!r}" + (f", gap={gap!r}" if gap else "")
    if "session" in by or query.strip():
        lines = [
            "category = case.alerts['alert'].map(case.status()).astype('str').fillna('NEW')",
            "alerts = case.alerts.merge(case.joins, on='alert').assign(category=category)",
            *([f"alerts = nsm.query.query(alerts, {query!r})"] if query.strip() else []),
            f"nsm.alerts.correlate(alerts, {options}, status=case.status()"
            + (", events=case.events)" if events else ")"),
        ]
    else:
        lines = [f"case.groups({options}" + (", events=True)" if events else ")")]
    if alert is not None:
        lines += [
            f"case.rule_of({alert!r}), case.packet_of({alert!r}), case.history({alert!r}), case.related({alert!r})",
            f"case.judge([{alert!r}], 'II', comment='why')",
        ]
    return "\n".join(lines)
