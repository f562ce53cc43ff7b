"""Time parted into intervals: how long they are, where they start, and in which one each row is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from nsm_nb.errors import MissingColumn
from nsm_nb.statistics import quantities
from nsm_nb.statistics._tally import times_of

__all__ = [
    "DAY",
    "MOST_CELLS",
    "MOST_INTERVALS",
    "Intervals",
    "fixed_length",
    "index_of",
    "offset_of",
    "parted",
    "time_column",
]

MOST_INTERVALS = 1 << 20  # twelve days of seconds; a longer listing is no overview and needs no memory
MOST_CELLS = 1 << 25  # intervals times columns: 256 MB

DAY = 86_400 * 10**9
_NICE = sorted(
    [step * 10**power for power in range(9) for step in (1, 2, 5)]
    + [seconds * 10**9 for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)]
    + [hours * 3600 * 10**9 for hours in (1, 2, 3, 6, 12)]
    + [days * DAY for days in (1, 2, 7, 14, 28, 364, 3640)]
)  # what people divide time by, in nanoseconds


class Intervals(NamedTuple):
    """Intervals of one length, and the interval of each row that has a time."""

    index: pd.DatetimeIndex  # their starts, from the first row's to the last row's
    place: np.ndarray  # the number of the interval of each row that has a time
    rows: np.ndarray | slice  # which rows these are
    every: str  # the length used
    notes: list[str]


def time_column(table: pd.DataFrame, time: str | None) -> str:
    """Return the name of the column of times: the one asked for, else ``time``, else ``start``.

    Raises
    ------
    MissingColumn
        Where the table has none.
    """
    name = time or next((each for each in ("time", "start") if each in table), "time")
    if name not in table:
        raise MissingColumn(f"the table has no column {name!r} of times; name one of its columns with time=")
    return name


def offset_of(every: str) -> pd.offsets.BaseOffset:
    """Return a length of time as pandas has it.

    Raises
    ------
    ValueError
        Where it is none that can part all of time.
    """
    try:
        offset = to_offset(every)
    except ValueError as problem:
        raise ValueError(
            f"every={every!r} is no length of time; write one such as '1s', '5min', '1D' or 'MS'"
        ) from problem
    if offset is None or offset.n <= 0 or isinstance(offset, (pd.offsets.BusinessHour, pd.offsets.CustomBusinessHour)):
        raise ValueError(f"every={every!r} can't part all of time; write a length such as '1s', '5min', '1D' or 'MS'")
    return offset


def fixed_length(offset: pd.offsets.BaseOffset) -> int:
    """Return an offset's length in nanoseconds, 0 for one of the calendar (months differ)."""
    if isinstance(offset, pd.offsets.Tick):
        return pd.Timedelta(offset).as_unit("ns").value
    return offset.n * DAY if isinstance(offset, pd.offsets.Day) else 0  # times are UTC: every day has 24 hours


def parted(column: pd.Series, step: int, every: str, *, columns: int = 1) -> Intervals:
    """Return the intervals of a column of times; longer ones than `step` nanoseconds where too many would be needed."""
    notes: list[str] = []
    when, there = times_of(column)
    rows: np.ndarray | slice = slice(None)
    if not there.all():
        notes.append(f"{quantities.amount(int((~there).sum()), 'row')} without a time left out")
        when, rows = when[there], there
    if not len(when):
        return Intervals(index_of(np.zeros(0, np.int64)), np.zeros(0, np.int64), rows, every, notes)
    length, start, count = _fitting(step, int(when.min()), int(when.max()), columns)
    used = every if length == step else _text(length)
    if used != every:
        notes.append(f"intervals of {used}, as {every} would give more than {MOST_INTERVALS:,} of them")
    index = index_of(start + np.arange(count, dtype=np.int64) * length)
    return Intervals(index, _places(when, start, length), rows, used, notes)


def _fitting(step: int, first: int, last: int, columns: int) -> tuple[int, int, int]:
    """Return the length, the first start and the number of intervals; longer ones where too many would be needed."""
    most = min(MOST_INTERVALS, MOST_CELLS // max(columns, 1))
    origin = max(first - first % DAY, pd.Timestamp.min.value)
    for longer in [step, *(each for each in _NICE if each > step)]:
        start = origin + (first - origin) // longer * longer
        rows = (last - start) // longer + 1
        if rows <= most:
            return longer, start, rows
    raise AssertionError("584 years, all that int64 holds, are few intervals of ten years")


def _places(when: np.ndarray, start: int, step: int) -> np.ndarray:
    """Return the number of each time's interval; unsigned on the way, since a span may exceed what a signed number holds."""
    return ((when.view(np.uint64) - np.uint64(start % 2**64)) // np.uint64(step)).astype(np.int64)


def index_of(starts: np.ndarray) -> pd.DatetimeIndex:
    """Return starts of intervals, nanoseconds since 1970, as an index of UTC times."""
    return pd.DatetimeIndex(np.asarray(starts, "datetime64[ns]"), name="time").tz_localize("UTC")


def _text(step: int) -> str:
    for length, unit in (
        (DAY, "D"),
        (3600 * 10**9, "h"),
        (60 * 10**9, "min"),
        (10**9, "s"),
        (10**6, "ms"),
        (10**3, "us"),
    ):
        if step % length == 0:
            return f"{step // length}{unit}"
    return f"{step}ns"
