"""Views of alerts as a threshold console shows them: what is most frequent, who and which ports it concerns, and when.

Source: ACID 0.9.6 and BASE 1.4: main page, unique alerts, unique addresses, IP links, ports, time profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.errors import UnknownName
from nsm_nb.schema import ALERTS
from nsm_nb.text import printable

__all__ = ["addresses", "classes", "links", "overview", "ports", "profile", "unique"]

_SIGNATURE = ["gid", "sid", "message"]
_MOST_INTERVALS = 1_000_000


def unique(alerts: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each signature, the most frequent first.

    Returns
    -------
    DataFrame
        `gid`, `sid`, `message`, `classification`, `priority` (the worst), `total`, `share` (0 to 1), `sensors`,
        `src_ips`, `dst_ips` (how many), `first`, `previous` (the last but one) and `last`.
    """
    ALERTS.require(alerts, *_SIGNATURE, "classification", "priority", "sensor", "src_ip", "dst_ip", "time")
    number, table = _grouped(alerts, _SIGNATURE)
    count = len(table)
    table["classification"] = _first_known(alerts["classification"], number, count)
    table["priority"] = _worst(alerts["priority"], number, count)
    table["total"] = _totals(number, count)
    table["share"] = table["total"].to_numpy() / max(len(alerts), 1)
    _distinct(table, alerts, number, {"sensors": ["sensor"], "src_ips": ["src_ip"], "dst_ips": ["dst_ip"]})
    _spans(table, alerts, number, previous=True)
    return _ranked(table, ["priority", "sid"])


def classes(alerts: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each classification: `classification`, `priority`, `total`, `share`, `signatures`, `first`, `last`."""
    ALERTS.require(alerts, *_SIGNATURE, "classification", "priority", "time")
    number, table = _grouped(alerts, ["classification"])
    count = len(table)
    table["priority"] = _worst(alerts["priority"], number, count)
    table["total"] = _totals(number, count)
    table["share"] = table["total"].to_numpy() / max(len(alerts), 1)
    _distinct(table, alerts, number, {"signatures": _SIGNATURE})
    _spans(table, alerts, number)
    return _ranked(table, ["priority"])


def addresses(alerts: pd.DataFrame, *, of: str = "both") -> pd.DataFrame:
    """Return a row for each address that alerts name.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    of
        ``"src"``, ``"dst"`` or ``"both"``: an alert from an address to itself counts once.

    Returns
    -------
    DataFrame
        `address`, `total`, `as_src`, `as_dst`, `signatures`, `sensors`, `peers` (how many other ends), `first`, `last`.
    """
    ALERTS.require(alerts, *_SIGNATURE, "sensor", "src_ip", "dst_ip", "time")
    sides = _sides(of)
    parts = []
    for side in sides:
        other = "dst" if side == "src" else "src"
        part = alerts[[*_SIGNATURE, "sensor", "time"]].copy()
        part["address"], part["peer"] = alerts[f"{side}_ip"], alerts[f"{other}_ip"]
        part["row"], part["side"] = np.arange(len(alerts)), side
        parts.append(part)
    told = pd.concat(parts, ignore_index=True)
    told = told[told["address"].notna()].reset_index(drop=True)
    number, table = _grouped(told, ["address"])
    _distinct(table, told, number, {"total": ["row"]})
    for side in ("src", "dst"):
        table[f"as_{side}"] = np.bincount(number[(told["side"] == side).to_numpy()], minlength=len(table))
    _distinct(table, told, number, {"signatures": _SIGNATURE, "sensors": ["sensor"], "peers": ["peer"]})
    _spans(table, told, number)
    return _ranked(table, ["address"])


def links(alerts: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each pair of source and destination: who raised alerts against whom.

    Returns
    -------
    DataFrame
        `src_ip`, `dst_ip`, `proto`, `total`, `dst_ports` (how many), `signatures`, `first`, `last`.
    """
    ALERTS.require(alerts, *_SIGNATURE, "src_ip", "dst_ip", "dst_port", "proto", "time")
    number, table = _grouped(alerts, ["src_ip", "dst_ip", "proto"])
    table["total"] = _totals(number, len(table))
    _distinct(table, alerts, number, {"dst_ports": ["dst_port"], "signatures": _SIGNATURE})
    _spans(table, alerts, number)
    return _ranked(table, ["src_ip", "dst_ip"])


def ports(alerts: pd.DataFrame, *, of: str = "dst") -> pd.DataFrame:
    """Return a row for each port and protocol that alerts name; alerts without ports are left out.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    of
        ``"src"``, ``"dst"`` or ``"both"``.

    Returns
    -------
    DataFrame
        `port`, `proto`, `total`, `signatures`, `sensors`, `src_ips`, `dst_ips`, `first`, `last`.
    """
    ALERTS.require(alerts, *_SIGNATURE, "src_port", "dst_port", "src_ip", "dst_ip", "proto", "sensor", "time")
    parts = [
        alerts[[*_SIGNATURE, "sensor", "time", "proto", "src_ip", "dst_ip"]].assign(
            port=alerts[f"{side}_port"], row=np.arange(len(alerts))
        )
        for side in _sides(of)
    ]
    told = pd.concat(parts, ignore_index=True)
    told = told[told["port"].notna()].reset_index(drop=True)
    number, table = _grouped(told, ["port", "proto"])
    _distinct(
        table,
        told,
        number,
        {
            "total": ["row"],
            "signatures": _SIGNATURE,
            "sensors": ["sensor"],
            "src_ips": ["src_ip"],
            "dst_ips": ["dst_ip"],
        },
    )
    _spans(table, told, number)
    return _ranked(table, ["port"])


def profile(alerts: pd.DataFrame, *, every: str | pd.Timedelta = "1h", by: str | None = None) -> pd.DataFrame:
    """Return how many alerts fall into each interval of time, empty intervals included.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    every
        The length of an interval; intervals begin at whole multiples of it since 1970.
    by
        A column: one column of the result for each of its values, such as ``priority``.

    Returns
    -------
    DataFrame
        Index `time`, the begin of each interval; column `alerts`, or one for each value of `by`. Alerts without a time
        are left out.

    Raises
    ------
    ValueError
        Where there would be more than a million intervals.
    """
    ALERTS.require(alerts, "time", *([by] if by else []))
    step = pd.Timedelta(every).value
    if step <= 0:
        raise ValueError(f"every={every!r} is no length of time; say every='1h'")
    rows = alerts[alerts["time"].notna()]
    slot = rows["time"].array.asi8 // step
    first, last = (int(slot.min()), int(slot.max())) if len(slot) else (0, -1)
    count = last - first + 1
    if count > _MOST_INTERVALS:
        raise ValueError(f"{count:,} intervals of {pd.Timedelta(every)} are too many; give a longer every=")
    index = pd.DatetimeIndex(
        pd.to_datetime((np.arange(count, dtype=np.int64) + first) * step, unit="ns", utc=True), name="time"
    )
    if by is None:
        return pd.DataFrame({"alerts": np.bincount(slot - first, minlength=count)}, index=index)
    value, names = pd.factorize(rows[by], sort=True)
    known = value >= 0
    cells = np.bincount((slot - first)[known] * max(len(names), 1) + value[known], minlength=count * len(names))
    table = pd.DataFrame(cells.reshape(count, len(names)), index=index, columns=list(names))
    if (~known).any():
        table["unknown"] = np.bincount((slot - first)[~known], minlength=count)
    return table


def overview(alerts: pd.DataFrame) -> pd.Series:
    """Return the figures of a console's main page: how many alerts, signatures, sensors, addresses, links, ports, when."""
    ALERTS.require(alerts, *_SIGNATURE, "sensor", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "time")

    def many(*columns: str) -> int:
        return len(_grouped(alerts, list(columns))[1])

    return pd.Series(
        {
            "alerts": len(alerts),
            "signatures": many(*_SIGNATURE),
            "classes": int(alerts["classification"].nunique()),
            "sensors": int(alerts["sensor"].nunique()),
            "src_ips": int(alerts["src_ip"].nunique()),
            "dst_ips": int(alerts["dst_ip"].nunique()),
            "links": many("src_ip", "dst_ip"),
            "src_ports": int(alerts["src_port"].nunique()),
            "dst_ports": int(alerts["dst_port"].nunique()),
            "first": alerts["time"].min(),
            "last": alerts["time"].max(),
        },
        dtype=object,
    )


def _sides(of: str) -> tuple[str, ...]:
    if of not in ("src", "dst", "both"):
        raise UnknownName(f"of={printable(of)!r} is no side; there are src, dst and both")
    return ("src", "dst") if of == "both" else (of,)


def _grouped(table: pd.DataFrame, by: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the group of each row and a table with the values of `by` of each group; missing values are alike."""
    number = np.zeros(len(table), np.int64)
    for name in by:
        code = _codes(table[name]) + 1
        number = pd.factorize(number * (int(code.max(initial=0)) + 1) + code)[0].astype(np.int64)
    first = np.unique(number, return_index=True)[1]
    return number, table[list(by)].take(first).reset_index(drop=True)


def _codes(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int64)
    return pd.factorize(column)[0].astype(np.int64)


def _totals(number: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(number, minlength=count)


def _distinct(table: pd.DataFrame, rows: pd.DataFrame, number: np.ndarray, wanted: Mapping[str, Sequence[str]]) -> None:
    """Add for each group how many distinct values the columns have; missing ones do not count."""
    for name, columns in wanted.items():
        value, known = np.zeros(len(rows), np.int64), np.zeros(len(rows), bool)
        for column in columns:
            code = _codes(rows[column])
            value = pd.factorize(value * (int(code.max(initial=-1)) + 2) + code + 1)[0].astype(np.int64)
            known |= code >= 0
        many = int(value.max(initial=0)) + 1
        pairs = pd.unique(number[known] * many + value[known])
        table[name] = np.bincount(pairs // many, minlength=len(table)) if len(pairs) else np.zeros(len(table), np.int64)


def _spans(table: pd.DataFrame, rows: pd.DataFrame, number: np.ndarray, *, previous: bool = False) -> None:
    """Add the first and the last time of each group, and the last but one."""
    time = rows["time"].reset_index(drop=True)
    times: Any = time.groupby(number)
    ends = {"first": times.min()}
    if previous:
        order = time.sort_values(kind="stable").dropna()
        ends["previous"] = order.groupby(number[order.index.to_numpy()]).nth(-2)
        where = number[ends["previous"].index.to_numpy()]
        ends["previous"].index = pd.Index(where)
    ends["last"] = times.max()
    for name, values in ends.items():
        table[name] = values.reindex(np.arange(len(table))).array


def _worst(priority: pd.Series, number: np.ndarray, count: int) -> Any:
    worst = priority.reset_index(drop=True).groupby(number).min()
    return worst.reindex(np.arange(count)).astype("Int64").array


def _first_known(column: pd.Series, number: np.ndarray, count: int) -> Any:
    known = column.notna().to_numpy()
    rows, places = np.unique(number[known], return_index=True)
    at = np.full(count, -1)
    at[rows] = np.flatnonzero(known)[places]
    return column.array.take(at, allow_fill=True)


def _ranked(table: pd.DataFrame, ties: Sequence[str]) -> pd.DataFrame:
    return table.sort_values(["total", *ties], ascending=[False] + [True] * len(ties), kind="stable", ignore_index=True)
