"""Sessions narrowed by a query line; `nsm_nb.query` says what a line can hold."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nsm_nb import query as _query

__all__ = ["query", "with_alerts"]


def query(sessions: pd.DataFrame, line: str, *, home: Sequence[str] = ()) -> pd.DataFrame:
    """Return the sessions that match a query line, with the index they had.

    Parameters
    ----------
    sessions
        A table of SESSIONS; it is not changed.
    line
        Such as ``src 10.0.0.0/8 and dst port 445 and octets > 1e6``; empty for all.
    home
        The networks that ``$HOME`` stands for; the private ones where there are none.

    Raises
    ------
    QueryError
        Where the line can't be understood, or names a column that the table lacks; `column` is the place.

    Examples
    --------
    >>> from nsm_nb.schema import SESSIONS
    >>> query(SESSIONS.empty(), "tcp and port 80 and not closed both").empty
    True
    """
    return _query.query(sessions, line, home=home)


def with_alerts(sessions: pd.DataFrame, alerts: pd.DataFrame, joins: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions with what ``alert`` in a query line asks for; missing where no alert is about one.

    Parameters
    ----------
    sessions, alerts
        Tables of SESSIONS and ALERTS; they are not changed.
    joins
        Which alert is about which session, as `nsm_nb.alerts.join` tells.

    Returns
    -------
    DataFrame
        With the columns `alerts` (how many), `alert_messages` and `alert_sids`: each different one on a line of its own.
    """
    found = joins.loc[joins["session"].notna(), ["alert", "session"]].merge(
        alerts[["alert", "message", "sid"]], on="alert"
    )
    messages = found["message"].astype("str").str.replace(r"\s", " ", regex=True)
    told = {
        "alert_messages": found.assign(told=messages),
        "alert_sids": found.assign(told=found["sid"].astype("str")),
    }
    counts = found["session"].value_counts()
    result = sessions.assign(alerts=sessions["session"].map(counts).astype("Int64"))
    for name, each in told.items():
        lines = (
            each.dropna(subset="told").drop_duplicates(["session", "told"]).groupby("session")["told"].agg("\n".join)
        )
        result[name] = sessions["session"].map(lines).astype("category")
    return result
