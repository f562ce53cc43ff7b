"""Sessions that several captures hold: each counts once, from the capture that holds most of its bytes.

The same packets come twice where one sensor wrote a capture and somebody kept a copy of it: packed again, cut to its
headers, filtered. A session's number tells, because it is made of the endpoints and the start.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["doubled", "fullest"]

_SAME = ["proto", "src_ip", "src_port", "dst_ip", "dst_port"]  # besides the number, which could be made to collide


def doubled(tables: Mapping[str, pd.DataFrame]) -> set[int]:
    """Return the numbers of the sessions that stand in more than one table, alike.

    Parameters
    ----------
    tables
        SESSIONS of each capture.
    """
    if len(tables) < 2:
        return set()
    numbers = [np.unique(table["session"].to_numpy(np.int64, na_value=-1)) for table in tables.values()]
    known, count = np.unique(np.concatenate([np.empty(0, np.int64), *numbers]), return_counts=True)
    several = known[count > 1]
    if not len(several):
        return set()
    rows = pd.concat(
        [
            table.loc[np.isin(table["session"].to_numpy(np.int64, na_value=-1), several), ["session", *_SAME]].astype(
                "str"
            )
            for table in tables.values()
        ]
    )
    alike = rows.groupby("session")[_SAME].nunique(dropna=False).le(1).all(axis=1)
    return {int(number) for number in alike.index[alike]}


def fullest(held: Mapping[str, pd.Series]) -> pd.Series:
    """Return for each session the capture that holds most of its bytes; of several that hold as many, the first.

    Parameters
    ----------
    held
        Of each capture, the captured bytes by session number.
    """
    table = pd.DataFrame(dict(held)).fillna(-1)
    if not len(table):
        return pd.Series([], dtype="str")
    return table.idxmax(axis=1)
