"""Alerts that tell of one event: written twice by one sensor in several formats, or seen by several sensors.

Measured on the bundled case: Snort and Suricata stamp the same packet alike to the microsecond where both look at
packets; what Suricata finds in a rebuilt stream it stamps up to 31.7 s later.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import ALERTS

__all__ = ["WITHIN", "retold", "same_event"]

WITHIN = pd.Timedelta(seconds=60)  # two sensors' stamps of one event lie no further apart
_SECOND = 1_000_000_000


def same_event(alerts: pd.DataFrame, *, within: pd.Timedelta | str = WITHIN) -> pd.Series:
    """Return the event that each alert tells of, named by its first alert.

    Alerts are of one event where they come from different sensors, have the same generator and signature (the same
    message, where they have no signature), the same protocol and ends in either direction, and lie near in time. An
    event has at most one alert of each sensor: what one sensor says twice are two events.

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
    sensor = _codes(alerts["sensor"].astype("str").fillna(alerts["evidence"].astype("str")))
    time = alerts["time"].array.asi8
    event = np.arange(len(alerts))
    rows = _heard_by_several(key, sensor)
    rows = rows[(time[rows] != pd.NaT.value)]
    rows = rows[np.lexsort((rows, time[rows], key[rows]))]
    limit = pd.Timedelta(within).value
    open_: list[tuple[int, int, set[int]]] = []  # of the present key: time of the first, its row, the sensors
    last = -1
    for row, what, who, at in zip(
        rows.tolist(), key[rows].tolist(), sensor[rows].tolist(), time[rows].tolist(), strict=True
    ):
        if what != last:
            open_, last = [], what
        open_ = [each for each in open_ if at - each[0] <= limit]
        for _, first, told in reversed(open_):  # the nearest that this sensor has not told yet
            if who not in told:
                told.add(who)
                event[row] = first
                break
        else:
            open_.append((at, row, {who}))
    names = alerts["alert"].array
    return pd.Series(names.take(event), index=pd.Index(names, name="alert"), name="event", dtype="str")


def retold(alerts: pd.DataFrame) -> np.ndarray:
    """Return True for each alert that another file of the same sensor tells as well, and better.

    A sensor may write its alerts in several formats at once. Records of different evidence are one alert where sensor,
    time, generator, signature and ends are equal; a file whose times are whole seconds (syslog) is compared by the second.
    The file that fills most columns is kept, of equal ones the first by name. Where no sensor is named, files of one folder
    that one kind of sensor writes are of one sensor.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    """
    ALERTS.require(alerts, "time", "sensor", "gid", "sid", "message", "proto", "src_ip", "dst_ip", "evidence")
    result = np.zeros(len(alerts), bool)
    sensor, evidence = _codes(_sensor(alerts)), _codes(alerts["evidence"])
    if len(alerts) == 0 or len(np.unique(evidence)) < 2:
        return result
    filled = alerts[[name for name in ALERTS.columns if name in alerts]].notna().sum(axis=1).to_numpy()
    names = alerts["evidence"].astype("str").to_numpy(object)
    what = _what(alerts)
    time = alerts["time"].array.asi8
    for each in np.unique(sensor[sensor >= 0]):
        rows = np.flatnonzero((sensor == each) & (time != pd.NaT.value))
        files = np.unique(evidence[rows])
        if len(files) < 2:
            continue
        of_file = {file: rows[evidence[rows] == file] for file in files}
        whole = {file for file in files if not (time[of_file[file]] % _SECOND).any()}
        best = sorted(files, key=lambda file: (file in whole, -filled[of_file[file]].mean(), names[of_file[file][0]]))
        kept = pd.DataFrame({"row": [], "what": [], "time": []}, dtype=np.int64)
        for file in best:
            told = pd.DataFrame({"row": of_file[file], "what": what[of_file[file]], "time": time[of_file[file]]})
            pairs = _numbered(told, file in whole).merge(
                _numbered(kept, file in whole), on=["what", "time", "nth"], how="left", suffixes=("", "_kept")
            )
            again = pairs["row_kept"].notna().to_numpy()
            result[of_file[file][again]] = True
            kept = pd.concat([kept, told[~again]], ignore_index=True)
    return result


def _sensor(alerts: pd.DataFrame) -> pd.Series:
    """Return the sensor of each alert; where it has no name, its folder and the kind of program that writes such files."""
    sensor = alerts["sensor"].astype("str")
    if "source" not in alerts or not sensor.isna().any():
        return sensor
    source = alerts["source"].astype("str").fillna("")
    program = source.str.replace(r"^(?:snort3?-.*|unified2)$", "snort", regex=True)
    folder = alerts["evidence"].astype("str").str.rpartition("/")[0]
    return sensor.fillna("in " + folder + " of " + program)


def _numbered(told: pd.DataFrame, whole: bool) -> pd.DataFrame:
    """Return alerts with their times as they are compared, and the number of each among those that are alike."""
    table = told.assign(time=told["time"] // _SECOND) if whole else told
    return table.assign(nth=table.groupby(["what", "time"]).cumcount())


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
