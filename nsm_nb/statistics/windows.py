"""Windows of time: handy intervals, which of them a window touches, and the rows that lie within."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.statistics.part import Window

__all__ = ["INTERVALS", "NOT_A_TIME", "interval", "rows_within", "time_at", "whole_intervals"]

INTERVALS = (
    "1us", "2us", "5us", "10us", "20us", "50us", "100us", "200us", "500us", "1ms", "2ms", "5ms", "10ms", "20ms", "50ms",
    "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "15s", "30s", "1min", "2min", "5min", "10min", "15min", "30min",
    "1h", "2h", "3h", "6h", "12h", "1D", "2D", "7D", "30D", "365D",
)  # fmt: skip
_MOST = 500  # intervals: about what a screen shows apart

NOT_A_TIME = np.iinfo(np.int64).min
"""What stands for a missing time in nanoseconds since 1970."""

_LAST = np.iinfo(np.int64).max  # the last nanosecond that there is


def interval(seconds: float) -> str:
    """Return the handy interval that parts a span of time into at most 500.

    Examples
    --------
    >>> interval(498.6), interval(86_400), interval(0)
    ('1s', '5min', '1us')
    """
    return next((each for each in INTERVALS if pd.Timedelta(each).total_seconds() * _MOST >= seconds), INTERVALS[-1])


def whole_intervals(start: int, step: int, count: int, window: Window) -> tuple[int, int]:
    """Return the first interval that a window touches and the one after the last; all in nanoseconds since 1970."""
    first, last = (pd.Timestamp(each).as_unit("ns").value for each in window)
    low = min(max((first - start) // step, 0), count)
    return low, max(low, min(max(-((start - last) // step), 0), count))


def rows_within(
    when: np.ndarray, there: np.ndarray, kept: np.ndarray | None, start: int, step: int, count: int, *, ordered: bool
) -> tuple[Any, np.ndarray]:
    """Return which rows lie in intervals, and the interval of each.

    Parameters
    ----------
    when, there
        Nanoseconds since 1970, and which of them are a time.
    kept
        Which rows are wanted; all where it is None.
    start, step, count
        Where the first interval begins, how long each is, how many there are.
    ordered
        Whether every row has a time and none is before the one above it.

    Returns
    -------
    rows : slice or int64 array
    place : int64 or uint64 array
    """
    if ordered and kept is None:
        edges = np.array([min(start + number * step, _LAST) for number in range(count + 1)], np.int64)
        bounds = np.searchsorted(when, edges)
        if count and start + count * step > _LAST:
            bounds[-1] = len(when)
        rows = slice(int(bounds[0]), int(bounds[-1])) if count else slice(0, 0)
        rows = slice(None) if rows == slice(0, len(when)) else rows
        return rows, np.repeat(np.arange(count), np.diff(bounds))
    inside = there & (when >= start)
    if start + count * step <= _LAST:
        inside &= when < start + count * step
    if kept is not None:
        inside &= kept
    found = np.flatnonzero(inside)
    return found, (when[found].view(np.uint64) - np.uint64(start % 2**64)) // np.uint64(step)


def time_at(nanoseconds: int) -> pd.Timestamp:
    """Return a time, the first or the last that there is where it lies beyond."""
    return pd.Timestamp(min(max(nanoseconds, NOT_A_TIME + 1), _LAST), unit="ns", tz="UTC")
