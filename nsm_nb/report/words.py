"""How the report writes values: times, amounts, frames, places; and tables whose cells say where they come from.

Nothing here makes HTML. What is text goes through `text.printable` and the template's escaping later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from nsm_nb import colours
from nsm_nb.triage import CATEGORIES

__all__ = [
    "ABSENT", "Badge", "Cell", "Head", "Table", "absent", "alike", "badge", "clock", "count", "cut", "end", "end_cell", "ends",
    "local", "ranges", "sentence", "text_cell", "time",
]  # fmt: skip

ABSENT = "–"  # what the evidence does not say
_ONE_LINE = 34  # characters that a cell does not break; text from the evidence can be of any length
_RANGES = 12  # of frames, before the rest is counted
_NOT_IN_FILES = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Badge:
    """A category as it is shown: its short name on its colour, and its name in words."""

    short: str
    name: str
    style: str  # a class of the style sheet


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and which value of which table it is, so that it can be walked back."""

    text: str
    table: str = ""  # the table (packets, sessions, alerts, evidence, verdicts) that the value stands in,
    row: str = ""  # the name of its row there
    column: str = ""  # and its column
    value: str = ""  # the exact value
    code: bool = False
    badge: Badge | None = None
    link: str = ""  # an anchor on this page
    below: str = ""  # a second line
    prose: bool = False  # what an analyst wrote: its lines stay lines

    @property
    def style(self) -> str:
        """Class names: short texts stay on one line."""
        names = ["code"] if self.code else ["prose"] if self.prose else []
        short = len(self.text) <= _ONE_LINE and not self.prose
        return " ".join([*names, "nowrap"] if short else names)


@dataclass(frozen=True)
class Head:
    """The heading of a column."""

    title: str
    right: bool = False  # numbers stand on the right side
    wide: bool = False  # prose: the column takes what room there is


@dataclass(frozen=True)
class Table:
    """A table of the report; the first cell of a row is its heading."""

    caption: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    left: str = ""  # a sentence on rows that are not shown


def badge(short: str) -> Badge:
    """Return how a category is shown; a text that is no category (an edited ledger) is shown as it is."""
    known = CATEGORIES.get(short)
    if known is None:
        return Badge(short, "not a category", "NEW")
    name = {"NEW": "Not judged", "NA": known.name, "ESC": known.name}.get(short, f"Cat {short}, {known.name}")
    return Badge(short, name, short if short in colours.CATEGORY else "NEW")


def absent(value: Any) -> bool:
    """Return True for a missing value."""
    return value is None or value is pd.NA or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def time(value: Any) -> str:
    """Return a time as ISO 8601 in UTC, with as many digits as it has, microseconds at least.

    Examples
    --------
    >>> time(pd.Timestamp("2026-11-24T02:31:36.388123Z")), time(pd.NaT)
    ('2026-11-24 02:31:36.388123', '–')
    """
    if absent(value):
        return ABSENT
    stamp = pd.Timestamp(value)
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return stamp.strftime("%Y-%m-%d %H:%M:%S.%f") + (f"{stamp.nanosecond:03d}" if stamp.nanosecond else "")


def clock(value: Any) -> str:
    """Return the time of day of a time, in UTC."""
    return time(value).partition(" ")[2] or ABSENT


def local(value: Any, zone: str) -> str:
    """Return a time in the case's zone; empty where that is UTC or there is no time.

    Examples
    --------
    >>> local(pd.Timestamp("2026-11-24T02:31:36Z"), "Europe/Berlin")
    '2026-11-24 03:31:36 Europe/Berlin'
    """
    if absent(value) or zone == "UTC":
        return ""
    return f"{pd.Timestamp(value).tz_convert(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"


def count(value: Any) -> str:
    """Return a whole number with its thousands parted, other numbers as they are."""
    if absent(value):
        return ABSENT
    return f"{int(value):,}" if float(value).is_integer() else f"{float(value):,.6f}"


def cut(value: Any, length: int = 400) -> str:
    """Return text of at most `length` characters, with how many there were where some are left out."""
    if absent(value):
        return ""
    words = str(value)
    return words if len(words) <= length else f"{words[:length]}… ({len(words):,} characters in all)"


def sentence(problem: object) -> str:
    """Return an error as a sentence."""
    words = str(problem).strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def ranges(numbers: Iterable[int], *, most: int = _RANGES) -> str:
    """Return frame numbers, runs of them joined; of more than `most` runs the rest is counted.

    Examples
    --------
    >>> ranges([3160, 3162, 3163, 3164, 3170])
    '3160, 3162-3164, 3170'
    """
    runs: list[list[int]] = []
    for each in sorted(set(numbers)):
        if runs and each == runs[-1][1] + 1:
            runs[-1][1] = each
        else:
            runs.append([each, each])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    left = sum(last - first + 1 for first, last in runs[most:])
    return ", ".join(words[:most]) + (f" and {left:,} more up to {runs[-1][1]}" if left else "")


def end(address: Any, port: Any = None) -> str:
    """Return an address and its port, IPv6 in brackets.

    Examples
    --------
    >>> end("172.16.10.80", 31337), end("2001:db8::1", 80), end(None)
    ('172.16.10.80:31337', '[2001:db8::1]:80', '–')
    """
    if absent(address):
        return ABSENT
    words = str(address)
    if absent(port):
        return words
    return f"[{words}]:{int(port)}" if ":" in words else f"{words}:{int(port)}"


def ends(row: Any) -> str:
    """Return both ends of a session or alert, and its protocol."""
    proto = "" if absent(row["proto"]) else f" {row['proto']}"
    return f"{end(row['src_ip'], row['src_port'])} → {end(row['dst_ip'], row['dst_port'])}{proto}"


def end_cell(row: Any) -> Cell:
    """Return a cell with both ends of a session or alert, one above the other."""
    first, _, second = ends(row).partition(" → ")
    return Cell(first, code=True, below=f"→ {second}")


def text_cell(
    table: str, row: Any, column: str, value: Any, *, shown: str | None = None, code: bool = False, below: str = ""
) -> Cell:
    """Return a cell that shows a value and knows where it stands."""
    if shown is None:
        is_time = isinstance(value, pd.Timestamp) or value is pd.NaT
        is_number = isinstance(value, int | float) or hasattr(value, "__index__")
        shown = time(value) if is_time else count(value) if is_number else (cut(value) or ABSENT)
    return Cell(shown, table, str(row), column, "" if absent(value) else str(value), code, below=below)


def alike(name: str) -> str:
    """Return a name as a file may have it."""
    return _NOT_IN_FILES.sub("-", name).strip("-._")[:100] or "case"
