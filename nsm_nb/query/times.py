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

__all__ = ["MACROS", "check_time"]

MACROS = ("today", "yesterday", "lastweek", "lasthour", "firstday", "lastday")
"""Words for a stretch of time: the first four by the clock when the line is asked (UTC), the others by the table."""

_SECOND = 10**9
_WHOLE_DAY = 86400 * _SECOND
_FOREVER = 2**63 - 1
_MISSING = -(2**63)  # as NumPy's NaT stands in its 64 bits
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


def _now() -> datetime:
    return datetime.now(UTC)


def _by_the_clock(word: str) -> _Stretch:
    """Return what a macro means now; Sguil's TODAYUTC, YESTERDAY and LASTWEEK are the days on which these begin."""
    now = (_now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    if word == "lasthour":
        return _Stretch(now - 3600 * _SECOND, now, False, "")
    today = now // _WHOLE_DAY * _WHOLE_DAY
    back, days = {"today": (0, 1), "yesterday": (1, 1), "lastweek": (7, 7)}[word]
    begin = today - back * _WHOLE_DAY
    return _Stretch(begin, begin + days * _WHOLE_DAY, False, "")


def _moment(value: Value, day: str = "") -> _Stretch:
    word = value.text.lower()
    if word in MACROS[:4]:
        return _by_the_clock(word)
    if word in MACROS:
        return _Stretch(0, _WHOLE_DAY, False, "")  # what it means is known where a table is
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
    ends = [each.text.lower() for each in span(value, "-") or (value,)] if "day" in value.text.lower() else []
    if {"firstday", "lastday"} & set(ends):
        return _by_the_table(comparison, value)
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
        if until is not None and len(begin) and begin.min() == _MISSING:
            begin = np.where(begin == _MISSING, end, begin)
        hits = [meets(begin, end, max(low, -_FOREVER), min(high, _FOREVER)) for low, high in windows if low < high]
        hit = np.logical_or.reduce(hits) if len(hits) > 1 else hits[0] if hits else np.zeros(len(column), bool)
        return hit & (begin != _MISSING)

    return test


def _by_the_table(comparison: str, value: Value) -> Callable[..., np.ndarray]:
    """Return the check against the first or the last day of the table itself."""
    if value.text.lower() not in MACROS:
        raise mistake(
            value.column, f"{printable(value.text[:40])!r}: no range has firstday or lastday in it", "firstday"
        )

    def test(*columns: pd.Series) -> np.ndarray:
        known = pd.concat([each.dropna() for each in columns]) if columns else pd.Series(dtype="datetime64[ns, UTC]")
        if not len(known):
            return np.zeros(len(columns[0]), bool)
        moment = known.min() if value.text.lower() == "firstday" else known.max()
        moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
        return check_time(comparison, Value(f"{moment:%Y-%m-%d}", value.column))(*columns)

    return test


def _nanoseconds(column: pd.Series) -> np.ndarray:
    return np.asarray(column, dtype="datetime64[ns]").view("int64")  # of a zone: the moments, in UTC


def _meets(begin: np.ndarray, end: np.ndarray, low: int, high: int) -> np.ndarray:
    # one that ends before it begins, or whose end is missing (the least number of all), is there when it begins
    hit = begin >= low
    if end is not begin:
        hit |= end >= low
    if high < _FOREVER:
        hit &= begin < high
    return hit


def _meets_daily(begin: np.ndarray, end: np.ndarray, low: int, high: int) -> np.ndarray:
    starts = begin % _WHOLE_DAY
    if end is begin:
        return (starts >= low) & (starts < high)
    stops = starts + np.maximum(end - begin, 0) * (end != _MISSING)  # beyond a day where midnight is crossed
    return ((starts < high) & (stops >= low)) | (stops >= low + _WHOLE_DAY)
