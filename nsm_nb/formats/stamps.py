"""Times as sensors print them: month and day, perhaps a year, a clock; no zone.

Source: Snort 2.9 manual (``-y`` adds the year), RFC 3164 4.1.2 (syslog's time has no year and no zone), RFC 3339.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.lines import Noted
from nsm_nb.schema import TIME, Caveat, utc_times
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DATE", "epoch_times", "parsed_times", "printed_times", "yearless"]

# 11/24-02:30:42.898627, with a year of two (Snort -y) or four digits (Suricata) behind the day; Snort 3 puts it in front, see
# date_order
DATE = (
    r"(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/(?P<year>\d{2}|\d{4}))?"
    r"-(?P<clock>\d{1,2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?"
)
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")


def printed_times(
    fields: Mapping[str, pa.ChunkedArray] | pa.Table,
    record: np.ndarray,
    start: np.ndarray,
    *,
    path: str | os.PathLike,
    label: str,
    near: pd.Timestamp | None,
    caveats: list[Caveat],
) -> pd.Series:
    """Return times from their parts; what had to be guessed, and what is no time, becomes a caveat.

    Parameters
    ----------
    fields
        Columns of bytes `year`, `month` (a number or a name), `day`, `clock`, `fraction`, and perhaps `zone` (``Z``,
        ``+0100``). A missing part is empty or null; the year may be.
    record, start
        Numbers of the lines, and where they start.
    path
        The file, whose time of modification tells the year where nothing better does.
    label
        The evidence, as caveats name it.
    near
        A time close to which the lines were written, such as a capture's of the same sensor.
    caveats
        Are added to.
    """
    name = printable(label)
    changed = datetime.datetime.fromtimestamp(Path(path).stat().st_mtime, datetime.UTC)
    day = columns.numbers(fields["day"], _number)
    month, year = columns.numbers(fields["month"], _month), columns.numbers(fields["year"], _year)
    code, first = _together(year, month, day)
    dates = (_days(*each, changed=changed.date(), near=near) for each in zip(*first, strict=True))
    days = np.array([*dates, np.nan])[code]
    clock = columns.numbers(fields["clock"], _seconds)
    fine = ~np.isnan(days) & ~np.isnan(clock)
    total = np.where(fine, days, 0).astype(np.int64) * 86_400 + np.where(fine, clock, 0).astype(np.int64)
    names = fields.column_names if hasattr(fields, "column_names") else fields
    zone = columns.numbers(fields["zone"], _zone) if "zone" in names else np.full(len(record), np.nan)
    total -= np.nan_to_num(zone).astype(np.int64)
    stamps = (total * 1_000_000_000 + _nanoseconds(fields["fraction"])).view("datetime64[ns]")
    stamps[~fine] = np.datetime64("NaT", "ns")

    bare = np.isnan(zone)
    if bare.any():
        count = int(bare.sum())
        which, were = "its times name", "they were"
        if not bare.all():
            which, were = f"{count:,} of its times {form(count, 'names', 'name')}", form(count, "it was", "they were")
        caveats.append(Caveat(label, None, None, "clock", f"{name}: {which} no zone; {were} read as UTC"))
    guessed = np.isnan(year)
    if guessed.any():
        taken = (
            f"the file's modification time, {changed:%Y-%m-%d}, as the last year in which they are not later than that"
            if near is None
            else f"the capture's time, {near:%Y-%m-%d}, as the year in which they are closest to that"
        )
        count = int(guessed.sum())
        carry = f"{count:,} of {many(len(record), 'time')} {form(count, 'carries', 'carry')}"
        said = f"{name}: {carry} no year; it was taken from {taken}"
        caveats.append(Caveat(label, int(record[np.argmax(guessed)]), None, "clock", said))
    noted = Noted(label, "clock")
    for place in np.flatnonzero(~fine).tolist():
        noted.add(int(record[place]), int(start[place]), "has a time that no calendar has; it is missing")
    caveats += noted.caveats()
    return utc_times(stamps)


_YEARLESS = re.compile(
    rb'^\s?"?\d{1,2}/\d{1,2}-\d{1,2}:\d\d:\d\d|"timestamp"\s{0,4}:\s{0,4}"\d{1,2}/\d{1,2}-|'
    rb"^\s?(?:<\d{1,3}>)?[A-Z][a-z]{2}\s{1,2}\d{1,2}\s\d{1,2}:\d\d:\d\d|"
    rb"^\s{0,2}\d{4}\.\d\d:\d\d:\d\d\.\d{3}\b|^\s{0,9}(?:\d\d/\d\d\.)?\d\d:\d\d:\d\d\.\d",  # flow-print, ra
    re.MULTILINE,
)


def yearless(head: bytes) -> bool:
    """Return True where the times in the first bytes of a file carry no year."""
    return bool(_YEARLESS.search(head))


def epoch_times(column: pa.ChunkedArray, fraction: pa.ChunkedArray | None = None) -> pd.Series:
    """Return seconds since 1970, bytes such as ``1379288691.491151``, as times; what is none, or does not fit, is missing.

    Parameters
    ----------
    column
        The texts. Whole numbers of 13 digits are milliseconds.
    fraction
        Digits behind the point, where they stand elsewhere.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    pattern = r"^\s*(?P<whole>\d{1,10})(?:\.(?P<part>\d{1,9})\d*)?\s*$|^\s*(?P<first>\d{10})(?P<milli>\d{3})\s*$"
    parts = pc.extract_regex(column, pattern=pattern)
    chunk = parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
    whole, part, first, milli = (pc.fill_null(chunk.field(name), b"") for name in ("whole", "part", "first", "milli"))
    empty = pa.scalar(b"", pa.binary())
    digits = pc.binary_join_element_wise(whole, first, empty)
    behind = pc.binary_join_element_wise(part, milli, empty)
    fine = pc.greater(pc.binary_length(digits), 0).to_numpy(zero_copy_only=False)
    seconds = pc.if_else(pa.array(fine), digits, b"0").cast(pa.string()).cast(pa.int64()).to_numpy()
    fine &= seconds < np.iinfo(np.int64).max // 1_000_000_000
    stamps = np.where(fine, seconds, 0) * 1_000_000_000
    stamps += np.where(fine, _nanoseconds(pa.chunked_array([behind]) if fraction is None else fraction), 0)
    stamps = stamps.view("datetime64[ns]")
    stamps[~fine] = np.datetime64("NaT", "ns")
    return utc_times(stamps)


def parsed_times(texts: pd.Series, format: str) -> pd.Series:
    """Return times, UTC, of texts in a format as pandas knows them; missing where a text is none, or nanoseconds don't reach it.

    Examples
    --------
    >>> parsed_times(pd.Series(["2026-11-24", "9999-12-31", "no"]), "ISO8601").tolist()
    [Timestamp('2026-11-24 00:00:00+0000', tz='UTC'), NaT, NaT]
    """
    found = pd.to_datetime(texts, utc=True, errors="coerce", format=format)
    reached = found.between(pd.Timestamp.min.tz_localize("UTC"), pd.Timestamp.max.tz_localize("UTC"))
    return found.where(reached).astype(TIME)


def _together(*columns_: np.ndarray) -> tuple[np.ndarray, list[list[float]]]:
    """Return a number for each combination of values that there is, and of these their values; missing ones are -1."""
    code = np.zeros(len(columns_[0]), np.int64)
    for column in columns_:
        numbers, known = pd.factorize(np.where(np.isnan(column), -1, column))
        code, _ = pd.factorize(code * len(known) + numbers)
    first = np.full(code.max(initial=-1) + 1, len(code), np.int64)
    np.minimum.at(first, code, np.arange(len(code)))
    return code, [np.where(np.isnan(column), -1, column)[first].tolist() for column in columns_]


def _number(text: bytes) -> float | None:
    return float(text) if text and len(text) < 16 else None


def _month(text: bytes) -> float | None:
    if text[:3].lower() in _MONTHS:
        return _MONTHS.index(text[:3].lower()) + 1.0
    return _number(text)


def _year(text: bytes) -> float | None:
    if len(text) == 2:
        return float(text) + (1900 if text >= b"69" else 2000)  # as strptime's %y (POSIX)
    return _number(text)


def _days(year: float, month: float, day: float, *, changed: datetime.date, near: pd.Timestamp | None) -> float:
    """Return the days from 1970 to a date; of a missing year (-1) the closest to `near`, else the last not after `changed`."""
    if year >= 0:
        return _days_of(int(year), month, day) if 1678 < year < 2262 else np.nan
    if near is not None:
        middle = _days_of(near.year, near.month, near.day)
        # eight years back and forth there was a 29 February
        found = [_days_of(near.year + shift, month, day) for shift in range(-8, 9)]
        return min((each for each in found if not np.isnan(each)), key=lambda each: abs(each - middle), default=np.nan)
    latest = _days_of(changed.year, changed.month, changed.day) + 1  # the clock that wrote the file may be west of UTC
    found = [_days_of(each, month, day) for each in range(changed.year + 1, changed.year - 8, -1)]
    return next((days for days in found if days <= latest), np.nan)


def _days_of(year: int, month: float, day: float) -> float:
    try:
        return (datetime.date(year, int(month), int(day)) - datetime.date(1970, 1, 1)).days
    except ValueError:
        return np.nan


def _seconds(text: bytes) -> float | None:
    if not text:
        return None
    hour, minute, second = (int(part) for part in text.split(b":"))
    return 3600.0 * hour + 60 * minute + second if hour < 24 and minute < 60 and second <= 60 else None


def _zone(text: bytes) -> float | None:
    """Return the seconds east of UTC."""
    if text in (b"Z", b"z"):
        return 0.0
    digits = text[1:].replace(b":", b"")
    if len(digits) != 4:
        return None
    return (int(digits[:2]) * 3600.0 + int(digits[2:]) * 60) * (-1 if text[:1] == b"-" else 1)


def _nanoseconds(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.fill_null(column.cast(pa.string()), "")
    length = pc.binary_length(digits).to_numpy().astype(np.int64)
    value = pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()).to_numpy()
    return value * 10 ** (9 - length)
