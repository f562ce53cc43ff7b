"""Times in a line, and the rows that are there at such a time: nanoseconds since 1970, compared on whole columns.

A moment in a line is a stretch: its day, its minute, its second or its fraction of one. So ``time <= 02:31`` has all
of that minute in it, and ``time > 2026-11-24`` begins the day after.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.query.values import EXAMPLES, Value, mistake, span
from nsm_nb.text import printable

__all__ = ["check_time"]

_SECOND = 10**9
_WHOLE_DAY = 86400 * _SECOND
_FOREVER = 2**63 - 1
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)?(?P<join>[T ])?"
    r"(?:(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<part>\d{1,9}))?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


class _Stretch(NamedTuple):
    begin: int
    end: int  # the first moment after it
    daily: bool  # of any day
    day: str  # "" where daily


def _moment(value: Value, day: str = "") -> _Stretch:
    wrong = mistake(value.column, f"{printable(value.text[:40])!r} is no time", EXAMPLES["time"])
    found = _MOMENT.fullmatch(value.text)
    if not found or not (found["day"] or found["hour"]):
        raise wrong
    if bool(found["join"]) != bool(found["day"] and found["hour"]) or (found["zone"] and not found["join"]):
        raise wrong
    part = found["part"] or ""
    unit = _WHOLE_DAY if not found["hour"] else 60 * _SECOND if not found["second"] else 10 ** (9 - len(part))
    date = found["day"] or day
    clock = f"{found['hour'] or 0:0>2}:{found['minute'] or '00'}:{found['second'] or '00'}"
    try:
        moment = datetime.fromisoformat(f"{date or '1970-01-01'}T{clock}").replace(tzinfo=UTC)
        if found["zone"] and found["zone"].upper() != "Z":
            moment = datetime.fromisoformat(f"{date}T{clock}{found['zone']}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
    begin = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000 + int(part.ljust(9, "0"))
    return _Stretch(begin, begin + unit, not date, date)


def check_time(comparison: str, value: Value) -> Callable[..., np.ndarray]:
    """Return the check of a column of times, or of two columns: what begins and what ends.

    Raises
    ------
    QueryError
        Where the value is no time and no range of times.
    """
    single = _MOMENT.fullmatch(value.text)
    if single and single["zone"] and not single["day"]:  # 02:31-02:33 looks like a zone
        single = None
    parts = span(value, "-") if comparison == "=" and not single else None
    if parts:
        first = _moment(parts[0])
        last = _moment(parts[1], first.day)
        if first.daily != last.daily or (last.end <= first.begin and not first.daily):
            raise mistake(parts[1].column, "the range ends before it begins", "time 02:31-02:33")
        windows = [(first.begin, last.end)]
        if first.daily and last.end <= first.begin:  # over midnight
            windows = [(first.begin, _WHOLE_DAY), (0, last.end)]
    else:
        first = _moment(value)
        least, most = (0, _WHOLE_DAY) if first.daily else (-_FOREVER, _FOREVER)
        begin = {"=": first.begin, ">=": first.begin, ">": first.end}.get(comparison, least)
        end = {"=": first.end, "<": first.begin, "<=": first.end}.get(comparison, most)
        windows = [(begin, end)]
    meets = _meets_daily if first.daily else _meets

    def test(column: pd.Series, until: pd.Series | None = None) -> np.ndarray:
        begin = _nanoseconds(column)
        end = begin if until is None else _nanoseconds(until)
        missing = np.iinfo(np.int64).min
        present = begin != missing
        if until is not None:
            begin, end = np.where(present, begin, end), np.where(end != missing, end, begin)
            present = begin != missing
            end = np.maximum(begin, end)
        hits = [meets(begin, end, max(low, -_FOREVER), min(high, _FOREVER)) for low, high in windows if low < high]
        return present & np.logical_or.reduce(hits) if hits else np.zeros(len(column), bool)

    return test


def _nanoseconds(column: pd.Series) -> np.ndarray:
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.to_numpy("datetime64[ns]").view("int64")


def _meets(begin: np.ndarray, end: np.ndarray, low: int, high: int) -> np.ndarray:
    hit = end >= low if low > -_FOREVER else np.ones(len(end), bool)
    return hit & (begin < high) if high < _FOREVER else hit


def _meets_daily(begin: np.ndarray, end: np.ndarray, low: int, high: int) -> np.ndarray:
    starts = begin % _WHOLE_DAY
    if end is begin:
        return (starts >= low) & (starts < high)
    stops = starts + (end - begin)  # beyond a day where midnight is crossed
    return ((starts < high) & (stops >= low)) | (stops >= low + _WHOLE_DAY)
