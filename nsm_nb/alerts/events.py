"""Alerts that tell of one event: written twice by one sensor in several formats, or seen by several sensors.

Measured on the bundled case: Snort and Suricata stamp the same packet alike to the microsecond where both look at
packets; what Suricata finds in a rebuilt stream it stamps up to 31.7 s later.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from nsm_nb.schema import ALERTS

__all__ = ["WITHIN", "retold", "same_event", "told_by"]

WITHIN = pd.Timedelta(seconds=60)  # two sensors' stamps of one event lie no further apart
_SECOND = 1_000_000_000
_NEARLY = 0.9  # of what two files say while both were written


def same_event(alerts: pd.DataFrame, *, within: pd.Timedelta | str = WITHIN) -> pd.Series:
    """Return the event that each alert tells of, named by its first alert.

    Alerts are of one event where they come from different sensors, have the same generator and signature (the same
    message, where they have no signature), the same protocol and ends in either direction, and lie near in time. An
    event has at most one alert of each sensor: what one sensor says twice are two events. Where no sensor is named, files
    of one folder that one program writes are of one sensor.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    within
        How far the stamps of two sensors may be apart.

    Returns
    -------
    Series
        Index `alert`, value the name of the event's first alert, in the order of the table.
    """
    ALERTS.require(alerts, "alert", "time", "sensor", "gid", "sid", "message", "proto", "src_ip", "dst_ip", "evidence")
    key = _what(alerts)
    sensor = _codes(_sensor(alerts))
    time = alerts["time"].array.asi8
    event = np.arange(len(alerts))
    rows = _heard_by_several(key, sensor)
    rows = rows[(time[rows] != pd.NaT.value)]
    rows = rows[np.lexsort((rows, time[rows], key[rows]))]
    limit = pd.Timedelta(within).value
    of_key = pd.Series(sensor[rows]).groupby(key[rows]).unique().to_dict() if len(rows) else {}
    waiting: dict[
        int, list[tuple[int, int]]
    ] = {}  # of each sensor: time and row of the events it has not told, newest last
    last = -1
    for row, what, who, at in zip(
        rows.tolist(), key[rows].tolist(), sensor[rows].tolist(), time[rows].tolist(), strict=True
    ):
        if what != last:
            waiting, last = {int(each): [] for each in of_key[what]}, what
        mine = waiting[who]
        if mine and at - mine[-1][0] <= limit:
            event[row] = mine.pop()[1]
            continue
        mine.clear()  # the others began still earlier
        for other, events in waiting.items():
            if other != who:
                events.append((at, row))
    names = alerts["alert"].array
    return pd.Series(names.take(event), index=pd.Index(names, name="alert"), name="event", dtype="str")


def retold(alerts: pd.DataFrame) -> np.ndarray:
    """Return True for each alert that another file of the same sensor tells as well, and better; see `told_by`."""
    return _standing(alerts) != np.arange(len(alerts))


def told_by(alerts: pd.DataFrame) -> pd.Series:
    """Return for each alert the one that stands for it: itself, unless another file of its sensor tells it better.

    A sensor may write its alerts in several formats at once. Two files of different formats are two tellings where they are
    of one sensor, of one program (Snort or Suricata), and nearly all that the one says while both were written stands in the
    other: with the same time, generator, signature and ends. Files of one format are never that, but pieces of one log, and
    two programs are two witnesses. A file whose times are whole seconds (syslog) is compared by the second. The file that
    fills most columns is kept, of equal ones the first by name. Where no sensor is named, files of one folder that one program
    writes are of one sensor.

    Parameters
    ----------
    alerts
        A table of ALERTS.

    Returns
    -------
    Series
        Index `alert`, value the name of the alert that stands for it, in the order of the table.
    """
    names = alerts["alert"].array
    return pd.Series(names.take(_standing(alerts)), index=pd.Index(names, name="alert"), name="told_by", dtype="str")


def _standing(alerts: pd.DataFrame) -> np.ndarray:
    """Return for each alert the row of the one that stands for it."""
    ALERTS.require(alerts, "time", "sensor", "gid", "sid", "message", "proto", "src_ip", "dst_ip", "evidence", "source")
    result = np.arange(len(alerts))
    sensor, evidence = _codes(_sensor(alerts)), _codes(alerts["evidence"])
    if len(alerts) == 0 or len(np.unique(evidence)) < 2:
        return result
    filled = alerts[[name for name in ALERTS.columns if name in alerts]].notna().sum(axis=1).to_numpy()
    names = alerts["evidence"].astype("str").to_numpy(object)
    source, what, time = alerts["source"].astype("str").to_numpy(object), _what(alerts), alerts["time"].array.asi8
    for each in np.unique(sensor[sensor >= 0]):
        rows = np.flatnonzero((sensor == each) & (time != pd.NaT.value))
        of_file = {file: rows[evidence[rows] == file] for file in np.unique(evidence[rows])}
        whole = {file: not (time[own] % _SECOND).any() for file, own in of_file.items()}
        best = sorted(of_file, key=lambda file: (whole[file], -filled[of_file[file]].mean(), names[of_file[file][0]]))
        for place, file in enumerate(best):
            left = of_file[file]
            for better in best[:place]:
                kept = of_file[better][result[of_file[better]] == of_file[better]]
                if len(left) and len(kept) and _may_retell(source[left[0]], source[kept[0]]):
                    unit = _SECOND if whole[file] or whole[better] else 1
                    twin = _twins(left, kept, what, time // unit)
                    if _mostly(twin >= 0, left, kept, time // unit):
                        result[left[twin >= 0]] = twin[twin >= 0]
                        left = left[twin < 0]
    return result


def _may_retell(source: str, other: str) -> bool:
    """Return True where one program may have written both formats; Suricata's fast log is in Snort's format."""
    return source != other and (_program(source) == _program(other) or {source, other} == {"eve", "snort-fast"})


def _program(source: str) -> str:
    return "snort" if re.fullmatch(r"snort3?-.*|unified2", source) else source


def _twins(left: np.ndarray, kept: np.ndarray, what: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return for each row its twin among those kept, -1 where it has none; each is a twin once."""
    tables = []
    for rows in (left, kept):
        table = pd.DataFrame({"row": rows, "what": what[rows], "time": time[rows]})
        tables.append(table.assign(nth=table.groupby(["what", "time"]).cumcount()))
    pairs = tables[0].merge(tables[1], on=["what", "time", "nth"], how="left", suffixes=("", "_kept"))
    return pairs["row_kept"].fillna(-1).to_numpy(np.int64)


def _mostly(found: np.ndarray, left: np.ndarray, kept: np.ndarray, time: np.ndarray) -> bool:
    """Return True where nearly all that was told while both files were written stands in both, or in the better one."""
    begin, end = max(time[left].min(), time[kept].min()), min(time[left].max(), time[kept].max())
    many = [int(((time[rows] >= begin) & (time[rows] <= end)).sum()) for rows in (left, kept)]
    return bool(found.sum() >= _NEARLY * max(many)) and bool(found.any())


def _sensor(alerts: pd.DataFrame) -> pd.Series:
    """Return the sensor of each alert; where it has no name, its folder and the program that writes such files."""
    sensor = alerts["sensor"].astype("str")
    if "source" not in alerts or not sensor.isna().any():
        return sensor
    source = alerts["source"].astype("category")
    program = source.astype("str").map({name: _program(name) for name in source.cat.categories.astype("str")})
    folder = alerts["evidence"].astype("str").str.rpartition("/")[0]
    return sensor.fillna("in " + folder + " of " + program.fillna("an unknown program"))


def _heard_by_several(key: np.ndarray, sensor: np.ndarray) -> np.ndarray:
    """Return the rows whose key more than one sensor has."""
    if not len(key):
        return key
    pairs = np.unique(np.stack([key, sensor], axis=1), axis=0)
    return np.flatnonzero(np.bincount(pairs[:, 0], minlength=int(key.max()) + 1)[key] > 1)


def _what(alerts: pd.DataFrame) -> np.ndarray:
    """Return a number for each alert, equal where signature, protocol and ends are, in either direction."""
    gid, sid = (alerts[name].to_numpy(np.int64, na_value=-1) for name in ("gid", "sid"))
    gid = np.where((gid < 0) & (sid >= 0), 1, gid)  # a text rule is of generator 1 where nothing else is said
    message = np.where(sid >= 0, -1, _codes(alerts["message"]))
    ends = []
    texts = pd.factorize(pd.concat([alerts[name].astype("str") for name in ("src_ip", "dst_ip")]))[0]
    for number, side in enumerate(("src", "dst")):
        address = texts[number * len(alerts) : (number + 1) * len(alerts)].astype(np.int64)
        port = (
            alerts[f"{side}_port"].to_numpy(np.int64, na_value=-1)
            if f"{side}_port" in alerts
            else np.full(len(alerts), -1)
        )
        ends.append((address + 1) << 17 | (port + 1))
    columns = [gid, sid, message, _codes(alerts["proto"]), np.minimum(*ends), np.maximum(*ends)]
    key = np.zeros(len(alerts), np.int64)
    for column in columns:
        dense = np.asarray(pd.factorize(column)[0], np.int64)
        key = np.asarray(pd.factorize(key * (int(dense.max(initial=0)) + 1) + dense)[0], np.int64)
    return key


def _codes(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int64)
    return pd.factorize(column)[0].astype(np.int64)
