"""How much, when: any packets, sessions or alerts counted by intervals of time, the empty ones included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nsm_nb.errors import MissingColumn
from nsm_nb.schema import PACKETS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._inside import DIRECTIONS, directions
from nsm_nb.statistics._intervals import (
    DAY,
    MOST_CELLS,
    MOST_INTERVALS,
    fixed_length,
    offset_of,
    parted,
    time_column,
)
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, is_flows, numbers_of

__all__ = ["MOST_CELLS", "MOST_COLUMNS", "MOST_INTERVALS", "timeline"]

MOST_COLUMNS = 1 << 10

_COUNTED = ("packets", "sessions", "alerts", "rows")
_BOTH = ("octets", "packets", "payload")  # of sessions: what src and dst sent together


def timeline(
    table: pd.DataFrame,
    *,
    every: str = "1s",
    by: str | None = None,
    value: str | None = None,
    time: str | None = None,
    n: int | None = None,
    home: Sequence[str] = (),
) -> pd.DataFrame:
    """Count rows, or sum a column, by intervals of time.

    Parameters
    ----------
    table
        PACKETS, SESSIONS or ALERTS; any table with a column of times will do.
    every
        Length of an interval: any pandas offset, such as ``"1s"``, ``"250ms"``, ``"5min"``, ``"1D"``, ``"MS"``.
        Intervals start at midnight UTC of the first day, as in `pandas.DataFrame.resample`.
    by
        A column to part the counts by, such as ``"proto"``: one column comes back for each of its values, the largest
        first; rows where it is missing are counted under ``"none"``. ``"host"`` counts each row at both its addresses;
        ``"direction"`` parts by `home` into ``outbound``, ``inbound``, ``internal`` and ``external``.
    value
        ``"packets"``, ``"sessions"``, ``"alerts"`` or ``"rows"`` counts rows; the name of a column of whole numbers,
        such as ``"length"``, sums it. Of sessions ``"octets"``, ``"packets"`` and ``"payload"`` sum what both sides
        sent. Where None, rows are counted.
    time
        The column of times; ``time``, or ``start`` where there is none, where None. ``"start"`` counts sessions where
        they began, with all that they carried.
    n
        How many columns to give: those of the most rows; all others are summed under ``"others"``.
    home
        The home networks, for ``by="direction"``.

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
        Where `every` is no length of time, `by` has too many values to be laid out side by side and `n` is not given,
        or `by` is ``"direction"`` and `home` is empty.

    Examples
    --------
    >>> table = pd.DataFrame({"time": pd.to_datetime([0, 1, 5], unit="s", utc=True), "length": [60, 1500, 60]})
    >>> timeline(table, every="2s", value="length")["length"].tolist()
    [1560, 0, 60]
    """
    time = time_column(table, time)
    flows = is_flows(table)
    value = value or ("sessions" if flows else "alerts" if "alert" in table else "packets")
    sides = flows and value in _BOTH
    counted = value in _COUNTED and not sides
    offset = offset_of(every)
    notes: list[str] = []

    weights = None if counted else _weights(table, value, notes, sides=sides)
    column, names, rows = _columns(table, by, n, home)
    step = fixed_length(offset)
    found = parted(
        table[time] if rows is None else table[time].iloc[rows],
        step or DAY,
        every if step else "1D",
        columns=len(names or [value]),
    )
    notes = [*found.notes, *notes]
    if names is None:
        names = [value]
    elif column is not None:
        column = column[found.rows]
    if weights is not None:
        weights = (weights if rows is None else weights[rows])[found.rows]

    used = found.every
    if not len(found.place):
        result, used = pd.DataFrame({name: np.zeros(0, np.int64) for name in names if by is None}, found.index), every
    else:
        result = _laid_out(found.place, len(found.index), column, names, weights)
        result.index = found.index
        if not step and used == "1D":
            try:
                result, used = _by_offset(result, offset), every
            except ValueError:  # the first interval would begin before 1677, or the last end after 2262
                notes.append(f"intervals of 1D, as {every} would leave the years that a time can hold")
        if by is not None:
            rest = names[n] if n is not None and len(names) > n else None  # the others come last
            order = result.sum().sort_values(ascending=False, kind="stable").index
            result = result[[*(name for name in order if name != rest), *([] if rest is None else [rest])]]
    if flows and not counted:
        notes.append(
            "a session is counted with all it carried in the interval in which it "
            + ("ended" if time == "end" else "began")
        )
    result.attrs = {"every": used, "value": value, "by": by, "evidence": evidence_of(table), "notes": notes}
    return result


_ENDING = ("W", "ME", "QE", "YE", "BME", "BQE", "BYE")  # pandas labels these by the last day of an interval


def _by_offset(days: pd.DataFrame, offset: pd.offsets.BaseOffset) -> pd.DataFrame:
    """Return days as weeks, months, quarters or years, each under the day on which it begins."""
    result = days.resample(offset).sum()
    if offset.rule_code.partition("-")[0] in _ENDING:
        result.index = result.index - offset + pd.Timedelta(days=1)
    return result


def _weights(table: pd.DataFrame, value: str, notes: list[str], *, sides: bool) -> np.ndarray:
    """Return what each row adds: a column's numbers, or of sessions those of both sides."""
    names = [f"src_{value}", f"dst_{value}"] if sides else [value]
    PACKETS.require(table, *names)
    total: np.ndarray | None = None
    known = np.zeros(len(table), bool)
    for name in names:
        try:
            numbers, there = numbers_of(table[name])
        except (TypeError, ValueError) as problem:
            raise ValueError(f"value={value!r} can't be summed: the column holds no whole numbers") from problem
        total = numbers if total is None else total + numbers
        known |= there
    if not known.all():
        notes.append(f"{quantities.amount(int((~known).sum()), 'row')} without {value} adds nothing")
    assert total is not None
    return total


def _columns(
    table: pd.DataFrame, by: str | None, n: int | None, home: Sequence[str]
) -> tuple[np.ndarray | None, list | None, np.ndarray | None]:
    """Return the number of each row's column, the columns' names, and the rows meant (None for each once, in order)."""
    if by is None:
        return None, None, None
    if by in ("host", "direction") and by not in table:
        PACKETS.require(table, "src_ip", "dst_ip")
        src, dst, dtype = ends_of(table)
        if by == "direction":
            if not home:
                raise ValueError("by='direction' needs the home networks: home=['10.0.0.0/8', ...]")
            return *_places_of(directions(src, dst, dtype, home), pd.Index(DIRECTIONS), by, n), None
        twice = np.flatnonzero((dst >= 0) & (dst != src))  # a host that talks to itself counts once
        rows = np.concatenate([np.arange(len(table)), twice])
        return *_places_of(np.concatenate([src, dst[twice]]), dtype.categories, by, n), rows
    if by not in table:
        raise MissingColumn(f"the table has no column {by!r} to part by; it has: {', '.join(map(str, table))}")
    codes, categories = codes_of(table[by])
    return *_places_of(codes, categories, by, n), None


def _places_of(codes: np.ndarray, categories: pd.Index, by: str, n: int | None) -> tuple[np.ndarray, list]:
    """Return for each row the number of its column, and the columns' names: only values that are there."""
    counts = np.bincount(codes.astype(np.int64) + 1, minlength=len(categories) + 1)
    seen = np.flatnonzero(counts)
    seen = seen[np.argsort(-counts[seen], kind="stable")]
    most = MOST_COLUMNS if n is None else n
    if len(seen) > most and n is None:
        raise ValueError(
            f"by={by!r} has {len(seen):,} values, too many to lay out side by side; ask for the largest with n=, "
            f"or choose a column with fewer values"
        )
    place = np.full(len(counts), min(most, len(seen)), np.int32)
    place[seen[:most]] = np.arange(len(seen[:most]))
    none = "(none)" if "none" in categories else "none"
    names = [none if each == 0 else categories[int(each) - 1] for each in seen[:most]]
    others = "(others)" if "others" in categories else "others"
    return place[codes.astype(np.int64) + 1], [*names, *([others] if len(seen) > most else [])]


def _laid_out(
    place: np.ndarray, rows: int, column: np.ndarray | None, names: list, weights: np.ndarray | None
) -> pd.DataFrame:
    cell = place
    if column is not None and len(names) > 1:
        cell = place * len(names) + column
    counts = np.bincount(cell, weights, minlength=rows * len(names)).astype(np.int64, copy=False)
    return pd.DataFrame(counts.reshape(rows, len(names)), columns=names)
