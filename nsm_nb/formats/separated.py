"""Text evidence of which each line is one record of values with a comma (or another character) between them.

A line is a record, whatever its quotes say: a value with a line end in it, which none of these formats writes, can't swallow
the records behind it.

Source: RFC 4180; the documentation of Python's csv module.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence, UnknownFormat, UnknownName
from nsm_nb.formats.lines import LONGEST, Lines, Noted, Span, line_at, whole_text
from nsm_nb.formats.patterns import Found, ending
from nsm_nb.schema import ALERTS
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Layout", "checked_names", "read", "row_at"]

csv.field_size_limit(LONGEST)
_ROWS = 16_384  # that are held as Python's texts, which take several times their room


class Layout(NamedTuple):
    """How the records of a format look like."""

    what: str  # "alert in Snort's CSV format", for sentences
    names: Sequence[str]  # of the values, in their order
    fits: Callable[[dict[str, str]], bool]  # whether values are such a record
    delimiter: str = ","
    header: bool = False  # whether the first line names the columns


def checked_names(names: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """Return the names of columns that an analyst gave.

    Raises
    ------
    UnknownFormat
        Where one is not known.
    """
    if isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise UnknownFormat(f"columns of {what} are a list of names, such as {list(known[:4])}")
    odd = [each for each in names if each not in known]
    if odd or not names:
        raise UnknownFormat(f"{what} has no column {printable(odd[0] if odd else '')!r}; it has {', '.join(known)}")
    return list(names)


def values_of(line: bytes, layout: Layout) -> list[str] | None:
    """Return the values of a line, None where its quotes can't be read."""
    if len(layout.delimiter) > 1:  # csv knows characters only
        return [each.strip().strip('"') for each in whole_text(line).split(layout.delimiter)]
    try:
        (values,) = csv.reader(
            [whole_text(line).replace("\0", "\\x00")], delimiter=layout.delimiter, skipinitialspace=True
        )
    except (csv.Error, ValueError):
        return None
    return values


def read(path: str | os.PathLike, label: str, layout: Layout, *, span: Span | None = None) -> Found:
    """Return the records of a file, a column of bytes for each name of the layout; empty where a value is.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines is such a record.
    """
    import pyarrow as pa

    noted = Noted(label, "line")
    rows: list[list[str]] = []
    parts: list[pa.Table] = []
    record: list[int] = []
    start: list[int] = []
    count = len(layout.names)
    with Lines(path, span=span) as lines:
        for block in lines:
            for place in range(len(block.starts) - 1):
                line = block.line(place)
                number, at = block.record + place, block.base + int(block.starts[place])
                if not line.strip() or (layout.header and number == 1):
                    continue
                values = values_of(line, layout)
                torn = block.torn and place == len(block.starts) - 2
                half = torn and values is not None and len(values) == count and not line.rstrip().endswith(b'"')
                if half and values is not None:
                    values[-1] = ""  # a part of it may be missing
                if (
                    values is not None
                    and len(values) == count
                    and layout.fits(dict(zip(layout.names, values, strict=True)))
                ):
                    rows.append(values)
                    if len(rows) == _ROWS:
                        parts.append(_table(rows, layout))
                        rows = []
                    record.append(number)
                    start.append(at)
                    if half:
                        said = f"has no line end, so that it may be torn: what it says last, its {layout.names[-1]}, was left out"
                        noted.add(number, at, said)
                elif torn:
                    said = f"breaks off after {many(len(line), 'byte')}: the file was cut, or is still being written"
                    noted.add(number, at, said)
                else:
                    told = (
                        f"has {many(len(values), 'value')}, not {count}"
                        if values and len(values) != count
                        else "is none"
                    )
                    noted.add(number, at, f"is no {layout.what} and was not read ({told}): {printable(line[:60])!r}")
        caveats = ending(lines, label, noted)
        seen = lines.count
    if not record and noted.count and span is None:
        what = form(seen, f"its only line is no {layout.what}", f"not one of its {seen:,} lines is an {layout.what}")
        raise DamagedEvidence(
            f"{printable(label)}: {what}; {caveats[0].detail}",
            ALERTS.empty(),
        )
    fields = pa.concat_tables([*parts, _table(rows, layout)])
    return Found(fields, np.array(record, np.int64), np.array(start, np.int64), caveats)


def _table(rows: list[list[str]], layout: Layout) -> pa.Table:
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) or [()] * len(layout.names)
    return pa.table(
        {
            name: pa.array([value.strip().encode("utf-8", "surrogatepass") for value in values], pa.binary())
            for name, values in zip(layout.names, columns, strict=True)
        }
    )


def row_at(path: str | os.PathLike, record: int, layout: Layout) -> dict[str, str | None]:
    """Return one record: its `line` as it was written, and its values by their names; an empty one is None.

    Raises
    ------
    UnknownName
        Where there is no such line, or it is no such record.
    """
    line = line_at(path, record)
    values = values_of(line, layout)
    if values is None or len(values) != len(layout.names):
        raise UnknownName(f"line {record:,} of {printable(Path(path).name)} is no {layout.what}")
    parts = {name: value.strip() or None for name, value in zip(layout.names, values, strict=True)}
    return {"line": whole_text(line)} | parts
