"""Sessions that several captures hold: each counts once, from the capture that holds most of its bytes.

The same packets come twice where one sensor wrote a capture and somebody kept a copy of it: packed again, cut to its
headers, filtered. A session's number tells, because it is made of the endpoints, the start, and the VLAN and VNI.

Networks behind different VLANs may use the same addresses, so that the same ends in two of them are two sessions, of which
each counts. A mirror port that writes a tag of its own around what another capture has without one shows the same packets so,
too; nothing in them says which it is. The analyst does: with ``by_vlan = false`` in case.toml, VLANs are in no number.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["doubled", "fullest", "retagged"]

_SAME = ("proto", "src_ip", "src_port", "dst_ip", "dst_port")  # besides the number, which could be made to collide


def doubled(tables: Mapping[str, pd.DataFrame], *, by_vlan: bool = True) -> set[int]:
    """Return the numbers of the sessions that stand in more than one table, alike.

    Parameters
    ----------
    tables
        SESSIONS of each capture.
    by_vlan
        Whether sessions of different VLANs are not alike, as in `nsm_nb.sessions.assemble`.
    """
    if len(tables) < 2:
        return set()
    numbers = [np.unique(_numbers(table)) for table in tables.values()]
    known, count = np.unique(np.concatenate([np.empty(0, np.int64), *numbers]), return_counts=True)
    several = known[count > 1]
    if not len(several):
        return set()
    same = [*_SAME, "vlan"] if by_vlan else [*_SAME]
    rows = pd.concat(
        [
            # VLAN 0 is a priority without a VLAN (IEEE 802.1Q 9.6)
            table.loc[np.isin(_numbers(table), several), ["session", *same]]
            .assign(**({"vlan": table["vlan"].fillna(0)} if by_vlan else {}))
            .astype("str")
            for table in tables.values()
        ]
    )
    alike = rows.groupby("session")[same].nunique(dropna=False).le(1).all(axis=1)
    return {int(number) for number in alike.index[alike]}


def _numbers(table: pd.DataFrame) -> np.ndarray:
    return table["session"].to_numpy(np.int64, na_value=-1)


def retagged(tables: Mapping[str, pd.DataFrame]) -> tuple[int, list[str]]:
    """Return how many sessions of several captures differ in nothing but their VLAN, and the captures that hold them.

    Parameters
    ----------
    tables
        SESSIONS of each capture.
    """
    if len(tables) < 2 or not any(table["vlan"].notna().any() for table in tables.values()):
        return 0, []
    rows = pd.concat(
        [table[["community_id", "start", "vlan"]].assign(label=label) for label, table in tables.items()]
    ).dropna(subset=["community_id", "start"])
    rows = rows[rows.duplicated(["community_id", "start"], keep=False)]
    rows["vlan"] = rows["vlan"].fillna(0)
    found = rows.groupby(["community_id", "start"]).agg(tags=("vlan", "nunique"), files=("label", "nunique"))
    found = found[(found["tags"] > 1) & (found["files"] > 1)]
    there = rows.set_index(["community_id", "start"]).index.isin(found.index)
    return len(found), sorted(set(rows["label"][there]))


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
