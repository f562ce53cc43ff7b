"""From an alert to its session: by Community ID or addresses, and by time - never by the exact time or the frame number.

Sensors look at streams late: Suricata was measured to stamp an alert 31.7 s after the packet that raised it, and some
alerts are stamped when their session is over. An alert carries the addresses of the packet, so either direction counts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import ALERTS, SESSIONS

__all__ = ["LATE", "join"]

LATE = pd.Timedelta(seconds=300)  # an alert stamped longer than this after its session's last packet is not about it
_EARLY = pd.Timedelta(seconds=2)  # clocks of two sensors differ

_WAYS = (  # in the order of their worth: name of the key, confidence in time, confidence late
    ("community id", "certain", "likely"),
    ("five-tuple", "certain", "likely"),
    ("five-tuple, reversed", "certain", "likely"),
    ("protocol and addresses", "weak", "weak"),
)


def join(alerts: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Return for each alert the session that it is about, how sure that is, and how it was found.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    sessions
        A table of SESSIONS.

    Returns
    -------
    DataFrame
        In the order of the alerts: `alert`, `session` (missing where there is none), `confidence` (``certain``,
        ``likely``, ``weak``, ``none``), `how` in words.
    """
    ALERTS.require(alerts, "alert", "time", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "community_id")
    SESSIONS.require(
        sessions, "session", "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "community_id"
    )
    found = pd.DataFrame(
        {
            "alert": alerts["alert"].to_numpy(),
            "session": pd.array([pd.NA] * len(alerts), dtype="Int64"),
            "confidence": np.full(len(alerts), "none", object),
            "how": np.full(len(alerts), "no session has its addresses at its time", object),
        }
    )
    spans = pd.DataFrame(
        {"start": sessions["start"].array, "end": sessions["end"].array, "number": np.arange(len(sessions))}
    )
    open_ = np.ones(len(alerts), bool)
    for way, in_time, late in _WAYS:
        if not open_.any() or not len(sessions):
            break
        left = pd.DataFrame(
            {"key": _keys(alerts, way, alert=True), "time": alerts["time"].array, "row": np.arange(len(alerts))}
        )
        right = spans.assign(key=_keys(sessions, way, alert=False))
        best = _nearest(left[open_ & left["key"].notna().to_numpy()], right[right["key"].notna()])
        rows = best["row"].to_numpy()
        found.loc[rows, "session"] = sessions["session"].take(best["number"].to_numpy()).array
        found.loc[rows, "confidence"] = np.where(best["after"] > 0, late, in_time)
        found.loc[rows, "how"] = [_words(way, after) for after in best["after"]]
        open_[rows] = False
    return found.astype({"alert": "str", "confidence": "category", "how": "str"})


def _nearest(alerts: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Return for each alert the session of its key that was open at its time, else the one that ended last before it."""
    pairs = alerts.merge(sessions, on="key")
    after = (pairs["time"] - pairs["end"]).dt.total_seconds()
    before = (pairs["start"] - pairs["time"]).dt.total_seconds()
    fits = (after <= LATE.total_seconds()) & (before <= _EARLY.total_seconds())
    pairs = pairs.assign(after=after.clip(lower=0), age=(pairs["time"] - pairs["start"]).dt.total_seconds())[fits]
    # of several that were open the one that began last, which is the most like to be meant
    return pairs.sort_values(["row", "after", "age"], kind="stable").drop_duplicates("row")


def _words(way: str, after: float) -> str:
    when = "stamped while the session was open" if after <= 0 else f"stamped {after:.1f} s after its last packet"
    return f"{way}; {when}"


def _keys(table: pd.DataFrame, way: str, *, alert: bool) -> pd.Series:
    if way == "community id":
        return table["community_id"].astype(object).reset_index(drop=True)
    src, dst = ("dst", "src") if way == "five-tuple, reversed" and alert else ("src", "dst")
    proto = (
        table["proto"]
        .astype(object)
        .reset_index(drop=True)
        .map(_NAMES, na_action="ignore")
        .fillna(table["proto"].astype(object).reset_index(drop=True))
    )
    ends = [table[f"{side}_ip"].astype(object).reset_index(drop=True) for side in (src, dst)]
    known = ends[0].notna() & ends[1].notna() & proto.notna()
    if way == "protocol and addresses":
        one, other = (end.astype(str) for end in ends)
        ends = [one.where(one <= other, other), other.where(one <= other, one)]
        parts = [proto.astype(str), *ends]
    else:
        ports = [table[f"{side}_port"].reset_index(drop=True) for side in (src, dst)]
        known &= ports[0].notna() & ports[1].notna()
        parts = [
            proto.astype(str),
            ends[0].astype(str),
            ports[0].astype(str),
            ends[1].astype(str),
            ports[1].astype(str),
        ]
    key = parts[0].str.cat(parts[1:], sep=" ")
    return key.where(known, None)


_NAMES = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6"}
