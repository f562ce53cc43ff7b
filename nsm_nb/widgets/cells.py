"""What a cell shows: pure functions from values to text, with the exact value beside it where the text is rounded.

Everything that leaves this module has passed `text.printable` and is short enough for a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb import schema
from nsm_nb.statistics.quantities import octets
from nsm_nb.text import many, printable
from nsm_nb.widgets.style import PARTS

__all__ = [
    "CLASSES", "KINDS", "Field", "addresses_fitted", "cut", "fields", "kind_of", "octets", "rows", "show", "time", "width",
]  # fmt: skip

#: Class names that a `style` callback may give; grid.css and style.css know each of them.
CLASSES = frozenset(
    [
        *(f"priority-{each}" for each in range(1, 6)),
        *(f"category-{each}" for each in ("I", "II", "III", "IV", "V", "VI", "VII", "NA", "ESC", "NEW")),
        *(f"proto-{each}" for each in ("tcp", "udp", "icmp", "icmp6", "arp", "other")),
        *(f"part-{each}" for each in range(PARTS + 1)), *(f"sent-{each}" for each in range(PARTS + 1)),
        "src", "dst", "doubt", "muted", "strong", "code", "wrong",
    ]
)  # fmt: skip

#: Kinds of cells: how they are written and on which side they stand.
KINDS = ("text", "code", "address", "port", "number", "count", "bytes", "percent", "seconds", "time", "clock", "yes")

_RIGHT = frozenset(["port", "number", "count", "bytes", "percent", "seconds"])
_CODE = frozenset(["code", "address", "port", "time", "clock"])
_COUNTS = frozenset(["count", "packets", "rows", "sessions", "alerts", "caveats", "src_packets", "dst_packets"])
_BYTES = frozenset(["size", "octets", "bytes"])
_SHARES = frozenset(["share", "top_1", "top_3", "top_10"])
_EXACT = frozenset(["offset", "fragment"])  # places in a file or datagram, not amounts
_CODES = frozenset(["sha256", "digest", "previous", "alert", "group", "history", "community_id", "layers", "subject"])
_FIXED = {"time": 26, "clock": 19, "bytes": 8, "port": 5, "yes": 3}

_SHOWN = 300  # characters of a cell; its title holds more
_TITLE = 2_000


def _declared() -> dict[str, schema.Column]:
    tables = (schema.CAVEATS, schema.VERDICTS, schema.ALERTS, schema.SESSIONS, schema.PACKETS)
    return {name: column for table in tables for name, column in table.columns.items()}


_DECLARED = _declared()


@dataclass(frozen=True)
class Field:
    """A column of a grid: which one, its heading, how its cells are written, how wide (in characters)."""

    name: str
    title: str = ""
    kind: str = ""
    width: int = 0
    meaning: str = ""

    @property
    def right(self) -> bool:
        """True where cells stand on the right side."""
        return self.kind in _RIGHT

    @property
    def code(self) -> bool:
        """True where cells are in the code font."""
        return self.kind in _CODE


def cut(value: object, length: int = _SHOWN) -> str:
    """Return a value as printable text of at most `length` characters; what is left out is marked by an ellipsis."""
    if isinstance(value, (str, bytes)) and len(value) > length:
        value = value[: length + 1]  # escaping a megabyte to show a line of it would be slow
    shown = printable(value)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def time(value: pd.Timestamp | None) -> str:
    """Return a time as ``2026-11-24 02:31:36.388123`` in UTC; "" where it is missing.

    Examples
    --------
    >>> time(pd.Timestamp("2026-11-24T02:31:36.388123456Z")), time(pd.NaT)
    ('2026-11-24 02:31:36.388123', '')
    """
    if value is None or pd.isna(value):
        return ""
    stamp = pd.Timestamp(value)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC")
    return stamp.strftime("%Y-%m-%d %H:%M:%S.%f")


def _exact_time(value: pd.Timestamp) -> str:
    nanosecond = f"{value.nanosecond:03d}" if value.nanosecond else ""
    return f"{value.strftime('%Y-%m-%dT%H:%M:%S.%f')}{nanosecond}Z"


def kind_of(name: str, column: pd.Series) -> str:
    """Return the kind of a column's cells, from its declaration in the schema, its name and its dtype."""
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype) or (dtype.kind == "M"):
        return "time"
    if pd.api.types.is_bool_dtype(dtype):
        return "yes"
    declared = _DECLARED.get(name)
    if name.endswith("_ip") or name == "host" or (declared is not None and declared.dtype == schema.ADDRESS):
        return "address"
    if name.endswith("_port"):
        return "port"
    if pd.api.types.is_numeric_dtype(dtype):
        if name in _EXACT:
            return "number"
        if name in _SHARES and pd.api.types.is_float_dtype(dtype):
            return "percent"
        if name in _BYTES or name.endswith("_octets") or (declared is not None and declared.unit == "bytes"):
            return "bytes"
        if name in _COUNTS or name.endswith("_packets"):
            return "count"
        return "seconds" if declared is not None and declared.unit == "s" else "number"
    return "code" if name in _CODES or name.endswith("_mac") else "text"


def show(value: Any, kind: str = "text") -> tuple[str, str]:
    r"""Return what a cell shows and its title, the exact value ("" where the text says it all).

    Examples
    --------
    >>> show(82_561, "bytes")
    ('82.6 kB', '82,561 bytes')
    >>> show("\x1b[2J<script>", "text")
    ('\\x1b[2J<script>', '')
    """
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return "", ""
    if kind in ("time", "clock") and isinstance(value, pd.Timestamp):
        return time(value)[: 19 if kind == "clock" else None], _exact_time(value)
    if kind == "yes" and isinstance(value, (bool, np.bool)):
        return ("yes" if value else "no"), ""
    if isinstance(value, (int, float, np.integer, np.floating)) and kind in _RIGHT:
        if kind == "bytes":
            return octets(float(value)), many(value, "byte")  # type: ignore[arg-type]  # NumPy's numbers count too
        if kind == "count":
            return f"{value:,}", ""
        if kind == "percent":
            return f"{100 * float(value):.1f} %", f"{value}"
        if kind == "seconds":
            return f"{value:.6f}", f"{value} s"
        return (f"{value:.6g}", repr(float(value))) if isinstance(value, (float, np.floating)) else (str(value), "")
    shown = cut(value)
    return shown, (cut(value, _TITLE) if len(shown) >= _SHOWN else "")


def width(field: Field, column: pd.Series) -> int:
    """Return how wide a column should be, in characters: by its categories or by samples from its whole length."""
    if field.kind in _FIXED:
        return max(_FIXED[field.kind], len(field.title) + 2)
    if isinstance(column.dtype, pd.CategoricalDtype):
        seen: Iterable = column.cat.categories[:5_000]
    elif len(column):
        seen = column.iloc[np.unique(np.linspace(0, len(column) - 1, 400).astype(int))]
    else:
        seen = ()
    longest = max((len(show(each, field.kind)[0]) for each in seen), default=0)
    return int(min(max(longest, len(field.title) + 2, 3), 44))


def addresses_fitted(columns: Sequence[str | Field], table: pd.DataFrame) -> tuple[str | Field, ...]:
    """Return columns whose addresses are as wide as nine of ten rows need: a few of IPv6 would push all else out of sight.

    Parameters
    ----------
    columns
        Names and fields; those fields whose names end in ``_ip`` and that have no width get one.
    table
        What will be shown; its addresses are categories.
    """
    result: list[str | Field] = []
    for each in columns:
        if isinstance(each, Field) and each.name.endswith("_ip") and not each.width and len(table):
            column = table[each.name].cat
            lengths = np.array([len(str(name)) for name in column.categories] + [0])[column.codes.to_numpy()]
            each = replace(each, width=max(int(np.quantile(lengths, 0.9, method="higher")), 15))
        result.append(each)
    return tuple(result)


def fields(table: pd.DataFrame, wanted: Sequence[str | Field] | None = None) -> tuple[Field, ...]:
    """Return the columns to show, each with its heading, kind, width and meaning.

    Parameters
    ----------
    table
        Any DataFrame.
    wanted
        Names, or `Field` where a heading, kind or width is to differ; all columns where it is None.

    Raises
    ------
    KeyError
        Where the table has no such column; the message names those it has.
    """
    result = []
    for each in wanted if wanted is not None else [str(name) for name in table.columns]:
        field = each if isinstance(each, Field) else Field(str(each))
        column = column_of(table, field.name)
        kind = field.kind or kind_of(field.name, column)
        declared = _DECLARED.get(field.name)
        unit = {"time": "UTC", "clock": "UTC", "seconds": "s"}.get(kind, "")
        title = cut(field.title or field.name.replace("_", " "), 40) + (
            f" ({unit})" if unit and not field.title else ""
        )
        field = replace(field, kind=kind, title=title, meaning=field.meaning or (declared.meaning if declared else ""))
        result.append(field if field.width else replace(field, width=width(field, column)))
    return tuple(result)


def column_of(table: pd.DataFrame, name: str) -> pd.Series:
    """Return a column by its name as text; the first of its name where there are several.

    Raises
    ------
    KeyError
        Where there is none.
    """
    for place, each in enumerate(table.columns):
        if str(each) == name:
            return table.iloc[:, place]
    raise KeyError(f"the table has no column {name!r}; it has {', '.join(map(str, table.columns))}")


def rows(
    table: pd.DataFrame,
    places: np.ndarray,
    shown: Sequence[Field],
    style: Callable[[Mapping], Mapping[str, str]] | None = None,
) -> list[dict]:
    """Return some rows as a browser gets them: texts, titles where there are any, class names where there are any.

    Parameters
    ----------
    table
        Any DataFrame.
    places
        Positions of the rows in the table, in the order to show.
    shown
        The columns, from `fields`.
    style
        A function from a row (a mapping of column to value) to class names of `CLASSES` by column; "" is the row.

    Raises
    ------
    ValueError
        Where `style` gives a class that is not in `CLASSES`.
    """
    some = table.iloc[places]  # all columns at once: a column by itself costs as much
    columns = [column_of(some, field.name) for field in shown]
    cells = [[show(value, field.kind) for value in column] for field, column in zip(shown, columns, strict=True)]
    records = some.to_dict("records") if style is not None else [None] * len(places)
    numbers = {field.name: str(place) for place, field in enumerate(shown)} | {"": "row"}
    result = []
    for number, record in enumerate(records):
        row: dict = {"texts": [column[number][0] for column in cells]}
        titles = {str(place): column[number][1] for place, column in enumerate(cells) if column[number][1]}
        if titles:
            row["titles"] = titles
        classes = _classes(style(record), numbers) if style is not None and record is not None else {}
        if classes:
            row["classes"] = classes
        result.append(row)
    return result


def _classes(given: Mapping[str, str], numbers: Mapping[str, str]) -> dict[str, str]:
    for name in given.values():
        unknown = set(name.split()) - CLASSES
        if unknown:
            raise ValueError(f"style gave the class {min(unknown)!r}; a grid knows {', '.join(sorted(CLASSES))}")
    return {
        numbers[column]: f"nsm-{' nsm-'.join(name.split())}"
        for column, name in given.items()
        if name and column in numbers
    }
