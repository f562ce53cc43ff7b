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


def correlate(
    alerts: pd.DataFrame, *, by: Sequence[str] = ("src_ip", "message"), status: pd.Series | None = None
) -> pd.DataFrame:
    """Return a row for each group of alerts that share the columns of `by`, their sensor and their status.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    by
        Columns that the alerts of a group share; missing values are alike.
    status
        The category that holds for judged alerts: index `alert`, value short name. Unjudged ones are ``NEW``.

    Returns
    -------
    DataFrame
        In order of `first`. `group` is the name of the first alert, `children` the names of all in order of time,
        `priority` the worst; the other columns are the first alert's.

    Raises
    ------
    MissingColumn
        Where a column of `by` is not in the table.
    """
    ALERTS.require(alerts, "alert", "time", "sensor", "priority", *by)
    rows = alerts.sort_values(["time", "alert"], kind="stable", ignore_index=True)
    known = pd.Series(dtype="str") if status is None else status
    verdict = rows["alert"].map(known).astype("str").fillna("NEW")
    keys = [pd.factorize(each)[0] for each in (*(rows[name] for name in ("sensor", *by)), verdict)]
    number = _numbered(keys, len(rows))
    count = int(number.max()) + 1 if len(rows) else 0
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(count + 1))
    parents = order[starts[:-1]]
    names = rows["alert"].take(order).tolist()
    table = rows.take(parents).reset_index(drop=True)
    table["group"] = table["alert"]
    table["count"] = pd.array(np.diff(starts), dtype="Int64")
    table["first"] = table["time"]
    table["last"] = rows["time"].groupby(number).max().reset_index(drop=True) if count else table["time"]
    table["priority"] = rows["priority"].groupby(number).min().reset_index(drop=True) if count else table["priority"]
    table["children"] = [names[begin:end] for begin, end in pairwise(starts.tolist())]
    table["status"] = verdict.take(parents).reset_index(drop=True)
    return table[list(COLUMNS)]


def _numbered(keys: list[np.ndarray], count: int) -> np.ndarray:
    """Return the group of each row, numbered in the order in which they begin."""
    together = np.zeros(count, np.int64)
    for key in keys:
        # made dense after each column, so that the product never overflows
        together = pd.factorize(together * (int(key.max(initial=-1)) + 2) + key + 1)[0].astype(np.int64)
    return together
