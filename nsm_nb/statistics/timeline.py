"""How much, when: any packets, sessions or alerts counted by intervals of time, the empty ones included."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from nsm_nb.schema import PACKETS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._tally import codes_of, evidence_of, numbers_of, times_of

__all__ = ["MOST_CELLS", "MOST_COLUMNS", "MOST_INTERVALS", "timeline"]

MOST_INTERVALS = 1 << 20  # twelve days of seconds; a longer listing is no overview and needs no memory
MOST_CELLS = 1 << 25  # intervals times columns: 256 MB
MOST_COLUMNS = 1 << 10

_DAY = 86_400 * 10**9
_NICE = sorted(
    [step * 10**power for power in range(9) for step in (1, 2, 5)]
    + [seconds * 10**9 for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)]
    + [hours * 3600 * 10**9 for hours in (1, 2, 3, 6, 12)]
    + [days * _DAY for days in (1, 2, 7, 14, 28, 364, 3640)]
)  # what people divide time by, in nanoseconds


def timeline(
    packets: pd.DataFrame, *, every: str = "1s", by: str | None = None, value: str = "packets", time: str = "time"
) -> pd.DataFrame:
    """Count rows, or sum a column, by intervals of time.

    Parameters
    ----------
    packets
        A table of PACKETS; any table with a column of times will do.
    every
        Length of an interval: any pandas offset, such as ``"1s"``, ``"250ms"``, ``"5min"``, ``"1D"``, ``"MS"``.
        Intervals start at midnight UTC of the first day, as in `pandas.DataFrame.resample`.
    by
        A column to part the counts by, such as ``"proto"``: one column comes back for each of its values, the largest
        first; rows where it is missing are counted under ``"none"``.
    value
        ``"packets"`` (or ``"sessions"``, ``"alerts"``, ``"rows"``) counts rows; the name of a column of whole numbers,
        such as ``"length"``, sums it.
    time
        The column of times: ``"start"`` for sessions.

    Returns
    -------
    pandas.DataFrame
        Indexed by the start of each interval (UTC), from the first row to the last, empty intervals included. Its
        `attrs` hold ``every`` (the interval used), ``value``, ``by``, ``evidence`` (what was counted) and ``notes``:
        sentences on rows without a time, and on intervals made longer because more than `MOST_INTERVALS` would be
        needed.

    Raises
    ------
    MissingColumn
        Where the table lacks a column that is asked for.
    ValueError
        Where `every` is no length of time, or `by` has too many values to be laid out side by side.

    Examples
    --------
    >>> table = pd.DataFrame({"time": pd.to_datetime([0, 1, 5], unit="s", utc=True), "length": [60, 1500, 60]})
    >>> timeline(table, every="2s", value="length")["length"].tolist()
    [1560, 0, 60]
    """
    counted = value in ("packets", "sessions", "alerts", "rows")
    PACKETS.require(packets, time, *([by] if by else []), *([] if counted else [value]))
    offset = _offset(every)
    notes: list[str] = []

    when, there = times_of(packets[time])
    weights = None if counted else _weights(packets, value, notes)
    column, names = (None, [value]) if by is None else _columns(packets[by])
    if not there.all():
        notes.append(f"{quantities.amount(int((~there).sum()), 'row')} without a time left out")
        when = when[there]
        column = None if column is None else column[there]
        weights = None if weights is None else weights[there]

    if len(when) == 0:
        result, used = pd.DataFrame({name: np.zeros(0, np.int64) for name in names if by is None}, _index([])), every
    else:
        fixed = _fixed(offset)
        step, start, rows = _intervals(fixed or _DAY, int(when.min()), int(when.max()), len(names), by)
        used = every if step == (fixed or _DAY) else _text(step)
        if used != every:
            notes.append(f"intervals of {used}, as {every} would give more than {MOST_INTERVALS:,} of them")
        result = _laid_out(_places(when, start, step), rows, column, names, weights)
        result.index = _index(start + np.arange(rows, dtype=np.int64) * step)
        if not fixed and used == every:
            try:
                result = result.resample(offset).sum()
            except ValueError:  # the first interval would begin before 1677, or the last end after 2262
                used = "1D"
                notes.append(f"intervals of 1D, as {every} would leave the years that a time can hold")
        if by is not None:
            result = result[result.sum().sort_values(ascending=False, kind="stable").index]
    result.attrs = {"every": used, "value": value, "by": by, "evidence": evidence_of(packets), "notes": notes}
    return result


def _offset(every: str) -> pd.offsets.BaseOffset:
    try:
        offset = to_offset(every)
    except ValueError as problem:
        raise ValueError(
            f"every={every!r} is no length of time; write one such as '1s', '5min', '1D' or 'MS'"
        ) from problem
    if offset is None or offset.n <= 0 or isinstance(offset, (pd.offsets.BusinessHour, pd.offsets.CustomBusinessHour)):
        raise ValueError(f"every={every!r} can't part all of time; write a length such as '1s', '5min', '1D' or 'MS'")
    return offset


def _fixed(offset: pd.offsets.BaseOffset) -> int:
    """Return an offset's length in nanoseconds, 0 for one of the calendar (months differ)."""
    if isinstance(offset, pd.offsets.Tick):
        return pd.Timedelta(offset).as_unit("ns").value
    return offset.n * _DAY if isinstance(offset, pd.offsets.Day) else 0  # times are UTC: every day has 24 hours


def _weights(packets: pd.DataFrame, value: str, notes: list[str]) -> np.ndarray:
    try:
        weights, there = numbers_of(packets[value])
    except (TypeError, ValueError) as problem:
        raise ValueError(f"value={value!r} can't be summed: the column holds no whole numbers") from problem
    if not there.all():
        notes.append(f"{quantities.amount(int((~there).sum()), 'row')} without {value} adds nothing")
    return weights


def _columns(column: pd.Series) -> tuple[np.ndarray, list]:
    """Return for each row the number of its column, and the columns' names: only values that are there."""
    codes, categories = codes_of(column)
    counts = np.bincount(codes.astype(np.int64) + 1, minlength=len(categories) + 1)
    seen = np.flatnonzero(counts)
    if len(seen) > MOST_COLUMNS:
        raise ValueError(
            f"by={column.name!r} has {len(seen):,} values, too many to lay out side by side; keep the rows of the "
            f"largest first (statistics.talkers finds them) or choose a column with fewer values"
        )
    seen = seen[np.argsort(-counts[seen], kind="stable")]
    place = np.zeros(len(counts), np.int16)
    place[seen] = np.arange(len(seen))
    none = "(none)" if "none" in categories else "none"
    return place[codes.astype(np.int64) + 1], [none if each == 0 else categories[int(each) - 1] for each in seen]


def _intervals(step: int, first: int, last: int, columns: int, by: str | None) -> tuple[int, int, int]:
    """Return the length, the first start and the number of intervals; longer ones where too many would be needed."""
    most = min(MOST_INTERVALS, MOST_CELLS // max(columns, 1))
    origin = max(first - first % _DAY, pd.Timestamp.min.value)
    for longer in [step, *(each for each in _NICE if each > step)]:
        start = origin + (first - origin) // longer * longer
        rows = (last - start) // longer + 1
        if rows <= most:
            return longer, start, rows
    raise AssertionError("584 years, all that int64 holds, are few intervals of ten years")


def _places(when: np.ndarray, start: int, step: int) -> np.ndarray:
    """Return the number of each time's interval; unsigned, since a span may exceed what a signed number holds."""
    return (when.view(np.uint64) - np.uint64(start % 2**64)) // np.uint64(step)


def _laid_out(
    place: np.ndarray, rows: int, column: np.ndarray | None, names: list, weights: np.ndarray | None
) -> pd.DataFrame:
    cell = place.astype(np.int64)
    if column is not None and len(names) > 1:
        cell = cell * len(names) + column
    counts = np.bincount(cell, weights, minlength=rows * len(names)).astype(np.int64, copy=False)
    return pd.DataFrame(counts.reshape(rows, len(names)), columns=names)


def _index(starts: np.ndarray | list) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(starts, "datetime64[ns]"), name="time").tz_localize("UTC")


def _text(step: int) -> str:
    for length, unit in (
        (_DAY, "D"),
        (3600 * 10**9, "h"),
        (60 * 10**9, "min"),
        (10**9, "s"),
        (10**6, "ms"),
        (10**3, "us"),
    ):
        if step % length == 0:
            return f"{step // length}{unit}"
    return f"{step}ns"
