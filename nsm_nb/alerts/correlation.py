"""Alerts folded into groups, as Sguil's queue folds them.

Source: sguild 1.0, correlation of events: same sensor, same source address, same message; a parent that was judged is
closed, and the next alert starts a new row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from nsm_nb.schema import ALERTS

__all__ = ["COLUMNS", "correlate"]

COLUMNS = (
    "group", "count", "sensor", "first", "last", "priority", "sid", "message", "classification", "proto", "src_ip", "src_port",
    "dst_ip", "dst_port", "children", "status",
)  # fmt: skip
_NONE = np.iinfo(np.int64).max  # a missing time stands last


def correlate(
    alerts: pd.DataFrame,
    *,
    by: Sequence[str] = ("src_ip", "message"),
    status: pd.Series | None = None,
    gap: pd.Timedelta | str | None = None,
    events: pd.Series | None = None,
) -> pd.DataFrame:
    """Return a row for each group of alerts that share the columns of `by`, their sensor and their status.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    by
        Columns that the alerts of a group share; missing values are alike. A column of your own works too, such as the
        `session` that `join` found.
    status
        The category that holds for judged alerts: index `alert`, value short name. Unjudged ones are ``NEW``.
    gap
        An alert that comes longer than this after the one before it in its group starts a new group; no limit where not
        given.
    events
        The event that each alert tells of, as `same_event` gives it: what several sensors saw is then one group and
        counts once, under the sensor that spoke first. Where not given each sensor's alerts are groups of their own.

    Returns
    -------
    DataFrame
        In order of `first`. `group` is the name of the first alert, `count` its alerts (or events), `children` the names
        of all alerts in order of time, `priority` the worst, `sensor` the sensors, joined by a comma; the other columns
        are the first alert's.

    Raises
    ------
    MissingColumn
        Where a column of `by` is not in the table.
    """
    ALERTS.require(alerts, "alert", "time", "sensor", "priority", *by)
    order = _order(alerts)
    named = alerts["alert"].array.take(order)
    judged = _status(named, status)
    columns = [alerts[name] for name in (by if events is not None else ("sensor", *by))]
    keys = [_codes(column)[order] for column in columns] + [judged.codes]
    event = np.arange(len(order)) if events is None else _event(alerts, order, events)
    if events is not None:
        # what one sensor names otherwise (its message, the side it calls source) is still the same event
        keys = [key[_first_of(event)] for key in keys[:-1]] + keys[-1:]
    number = _numbered(keys, len(order))
    if gap is not None:
        number = _split(number, alerts["time"].array.take(order).asi8, pd.Timedelta(gap).value)

    count = int(number.max(initial=-1)) + 1
    inside = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[inside], np.arange(count + 1))
    parents = inside[starts[:-1]]
    table = alerts[[name for name in COLUMNS if name in alerts]].take(order[parents]).reset_index(drop=True)
    table["group"] = pd.Series(named.take(parents))
    table["count"] = pd.array(_distinct(number, event, count), dtype="Int64")
    table["first"] = pd.Series(alerts["time"].array.take(order[parents]))
    table["last"] = pd.Series(alerts["time"].array.take(order[_last_timed(alerts, order, inside, starts)]))
    table["priority"] = _worst(alerts["priority"].array.take(order), inside, starts)
    names = named.take(inside).tolist()
    table["children"] = pd.Series([names[begin:end] for begin, end in pairwise(starts.tolist())], dtype=object)
    table["status"] = pd.Series(judged.take(parents).astype("str"))
    if events is not None:
        table["sensor"] = _sensors(alerts["sensor"].take(order), number, count)
    return table[list(COLUMNS)]


def _order(alerts: pd.DataFrame) -> np.ndarray:
    """Return the rows in order of time, those of one time by their name, those without a time last."""
    time = alerts["time"].array.asi8.copy()
    time[alerts["time"].isna().to_numpy()] = _NONE
    order = np.arange(len(time)) if (np.diff(time) >= 0).all() else np.argsort(time, kind="stable")
    alike = time[order][1:] == time[order][:-1]
    if alike.any():
        # names are compared only where times are alike: text is slow
        tied = np.flatnonzero(np.append(alike, False) | np.append(False, alike))
        names = alerts["alert"].array.take(order[tied]).to_numpy(object)
        rank = np.argsort(np.argsort(names, kind="stable"), kind="stable")
        order[tied] = order[tied][np.lexsort((rank, time[order[tied]]))]
    return order


def _status(named: pd.api.extensions.ExtensionArray, status: pd.Series | None) -> pd.Categorical:
    """Return the category of each alert, as a categorical: they are few, and alerts may be many."""
    if status is None or not len(status):
        return pd.Categorical.from_codes(np.zeros(len(named), np.int8), pd.Index(["NEW"], dtype="str"))
    codes, known = pd.factorize(status.astype("str"))
    place = pd.Index(status.index).get_indexer(pd.Index(named))
    names = pd.Index(known)
    new = names.get_indexer(pd.Index(["NEW"]))[0]
    if new < 0:
        new, names = len(names), names.append(pd.Index(["NEW"], dtype="str"))
    found = np.where(place >= 0, codes[place], new)
    return pd.Categorical.from_codes(np.where(found >= 0, found, new), names)


def _codes(column: pd.Series) -> np.ndarray:
    """Return a column as numbers that are equal where it is; -1 where it is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int64)
    return pd.factorize(column)[0].astype(np.int64)


def _event(alerts: pd.DataFrame, order: np.ndarray, events: pd.Series) -> np.ndarray:
    """Return the number of each alert's event; an alert that `events` does not name is one by itself."""
    if len(events) == len(alerts) and pd.Index(alerts["alert"]).equals(events.index):
        names = events.astype("str")
    else:
        names = pd.Series(pd.Index(alerts["alert"]).map(events), dtype="str")
    own = names.isna().to_numpy()
    if own.any():
        names = names.reset_index(drop=True).where(~own, alerts["alert"].reset_index(drop=True))
    return pd.factorize(names.array.take(order))[0].astype(np.int64)


def _first_of(event: np.ndarray) -> np.ndarray:
    """Return for each row the first row of its event."""
    return np.unique(event, return_index=True)[1][event]


def _numbered(keys: list[np.ndarray], count: int) -> np.ndarray:
    """Return the group of each row, numbered in the order in which they begin."""
    together = np.zeros(count, np.int64)
    for key in keys:
        # made dense after each column, so that the product never overflows
        together = pd.factorize(together * (int(key.max(initial=-1)) + 2) + key + 1)[0].astype(np.int64)
    return together


def _split(number: np.ndarray, time: np.ndarray, gap: int) -> np.ndarray:
    """Return the groups with each one parted where it was silent for longer than `gap` nanoseconds."""
    inside = np.argsort(number, kind="stable")
    same = number[inside][1:] == number[inside][:-1]
    timed = (time[inside] != pd.NaT.value)[1:] & (time[inside] != pd.NaT.value)[:-1]
    silent = timed & (np.diff(time[inside]) > gap)
    part = np.empty(len(number), np.int64)
    part[inside] = np.cumsum(np.append(np.zeros(min(1, len(number)), bool), ~same | silent))
    return pd.factorize(part)[0].astype(np.int64)


def _distinct(number: np.ndarray, event: np.ndarray, count: int) -> np.ndarray:
    """Return how many events each group has."""
    if len(event) and event[-1] == len(event) - 1:  # each alert is one
        return np.bincount(number, minlength=count)
    pairs = np.unique(number * (int(event.max(initial=-1)) + 1) + event) if len(event) else event
    return np.bincount(pairs // (int(event.max(initial=-1)) + 1), minlength=count) if len(event) else pairs


def _last_timed(alerts: pd.DataFrame, order: np.ndarray, inside: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the last row of each group that has a time; the first where none has."""
    timed = alerts["time"].notna().to_numpy()[order][inside]
    last = np.maximum.accumulate(np.where(timed, np.arange(len(inside)), -1)) if len(inside) else starts[:0]
    return inside[np.maximum(last[starts[1:] - 1], starts[:-1])]


def _worst(priority: pd.arrays.IntegerArray, inside: np.ndarray, starts: np.ndarray) -> pd.Series:
    values = priority.to_numpy(np.int64, na_value=_NONE)[inside]
    lowest = np.minimum.reduceat(values, starts[:-1]) if len(values) else values
    return pd.Series(pd.arrays.IntegerArray(np.where(lowest == _NONE, 0, lowest), lowest == _NONE))


def _sensors(sensor: pd.Series, number: np.ndarray, count: int) -> pd.Series:
    """Return the names of each group's sensors, in order of name; missing where none is known."""
    sensor = sensor.astype("category")
    known, names = sensor.cat.codes.to_numpy(np.int64), sensor.cat.categories.astype("str")
    many = len(names) + 1
    pairs = np.unique((number * many + known)[known >= 0])  # by group, then by name: categories are in order
    groups, starts = np.unique(pairs // many, return_index=True)
    told: dict[tuple[int, ...], str] = {}
    result = np.full(count, np.nan, object)
    codes = (pairs % many).tolist()
    for group, (begin, end) in zip(groups.tolist(), pairwise([*starts.tolist(), len(codes)]), strict=True):
        names_of = tuple(codes[begin:end])
        if names_of not in told:
            told[names_of] = ", ".join(sorted(names[code] for code in names_of))
        result[group] = told[names_of]
    return pd.Series(result, dtype="str").astype("category")
