"""Sessions narrowed by a query line; `nsm_nb.query` says what a line can hold."""

from __future__ import annotations

import pandas as pd

from nsm_nb import query as _query

__all__ = ["query"]


def query(sessions: pd.DataFrame, line: str) -> pd.DataFrame:
    """Return the sessions that match a query line, with the index they had.

    Parameters
    ----------
    sessions
        A table of SESSIONS; it is not changed.
    line
        Such as ``src 10.0.0.0/8 and dst port 445 and octets > 1e6``; empty for all.

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
    return _query.query(sessions, line)
