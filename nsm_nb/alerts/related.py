"""From an alert to all others that share something with it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import ALERTS

__all__ = ["related"]


def related(alert: pd.Series, alerts: pd.DataFrame, joins: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the other alerts that share a session, addresses, an address or the signature with one, nearest kin first.

    Parameters
    ----------
    alert
        A row of ALERTS.
    alerts
        The table of ALERTS to look in.
    joins
        What `join` found, for "the same session".

    Returns
    -------
    DataFrame
        Rows of ALERTS, with `how` in words, by kin and then by time.
    """
    ALERTS.require(alerts, "alert", "time", "gid", "sid", "message", "src_ip", "dst_ip")
    src, dst = (alerts[name].astype("str").to_numpy(object) for name in ("src_ip", "dst_ip"))
    own = [str(alert[name]) if pd.notna(alert[name]) else None for name in ("src_ip", "dst_ip")]
    if pd.notna(alert["sid"]):
        alike = (alerts["sid"] == alert["sid"]).fillna(False) & (alerts["gid"] == alert["gid"]).fillna(False)
    else:
        alike = alerts["message"] == alert["message"]
    ways = [("the same session", _of_session(alert, alerts, joins))]
    if None not in own:
        same = (src == own[0]) & (dst == own[1]) | (src == own[1]) & (dst == own[0])
        ways.append(("the same two hosts", same))
    ways += [
        (f"{role} of this alert takes part", (src == address) | (dst == address))
        for role, address in zip(("the source", "the destination"), own, strict=True)
        if address is not None
    ]
    ways.append(("the same signature", np.asarray(alike, bool)))
    kin = np.select([mask for _, mask in ways], np.arange(len(ways)), len(ways))
    kin[(alerts["alert"] == alert["alert"]).to_numpy(bool)] = len(ways)
    rows = np.flatnonzero(kin < len(ways))
    time = alerts["time"].array.asi8
    rows = rows[np.lexsort((rows, time[rows], kin[rows]))]
    names = np.array([name for name, _ in ways], object)
    return alerts.take(rows).reset_index(drop=True).assign(how=pd.Series(names[kin[rows]], dtype="str"))


def _of_session(alert: pd.Series, alerts: pd.DataFrame, joins: pd.DataFrame | None) -> np.ndarray:
    if joins is None:
        return np.zeros(len(alerts), bool)
    session = joins.loc[joins["alert"] == alert["alert"], "session"].dropna()
    if not len(session):
        return np.zeros(len(alerts), bool)
    named = joins.loc[(joins["session"] == session.iloc[0]).fillna(False), "alert"]
    return alerts["alert"].isin(named).to_numpy(bool)
