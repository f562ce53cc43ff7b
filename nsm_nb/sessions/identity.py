"""What names a conversation: its stable number, its Community ID, and whether two sources tell of the same one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS
from nsm_nb.sessions.endpoints import Endpoints, address_numbers, community_id, ip_protocol

__all__ = ["stable_numbers", "uncovered", "with_community_id", "with_numbers"]

_SLACK = pd.Timedelta(seconds=5)  # exporters' clocks have whole seconds or milliseconds


def stable_numbers(
    src: Endpoints,
    dst: Endpoints,
    sport: np.ndarray,
    dport: np.ndarray,
    kind: np.ndarray,
    start: np.ndarray,
    realm: np.ndarray | None = None,
) -> np.ndarray:
    """Return a number below 2**53 for each session: of its endpoints, protocol, start, VLAN and VNI, all different.

    Parameters
    ----------
    src, dst
        As `address_numbers` gives them.
    sport, dport, kind
        Ports and protocol numbers.
    start
        Nanoseconds.
    realm : int64 array
        VLAN + 1 and VNI + 1 in one number, as `Keys` has it; 0 for none, or not given.
    """
    from nsm_nb.kernels.rows import session_numbers

    within = np.empty(0, np.int64) if realm is None else realm
    ids = session_numbers(src.high, src.low, dst.high, dst.low, sport, dport, kind, start, within)
    # of sessions with one number the later rows take the next free ones (an intruder could aim for this)
    inorder = np.sort(ids)  # much quicker than argsort
    if (inorder[1:] != inorder[:-1]).all():
        return ids
    order = np.argsort(ids, kind="stable")
    steps = np.arange(len(ids))
    ids[order] = np.maximum.accumulate(ids[order] - steps) + steps
    return ids


def with_numbers(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions with a stable number for each that had none."""
    SESSIONS.require(sessions, "session", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "start")
    if not len(sessions) or not sessions["session"].isna().any():
        return sessions
    vlan = sessions["vlan"].fillna(0).to_numpy(np.int64) if "vlan" in sessions else np.zeros(len(sessions), np.int64)
    ids = stable_numbers(
        address_numbers(sessions["src_ip"]),
        address_numbers(sessions["dst_ip"]),
        sessions["src_port"].fillna(0).to_numpy(np.uint16),
        sessions["dst_port"].fillna(0).to_numpy(np.uint16),
        ip_protocol(sessions["proto"]).astype(np.int32),
        sessions["start"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64),
        np.where(vlan > 0, vlan + 1, 0) << 32,
    )
    numbers = pd.Series(ids, index=sessions.index, dtype="Int64")
    return sessions.assign(session=sessions["session"].fillna(numbers))


def with_community_id(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions with a Community ID for each that has ports and had none."""
    SESSIONS.require(sessions, "src_ip", "dst_ip", "src_port", "dst_port", "proto", "community_id")
    rows = np.flatnonzero(
        (sessions["community_id"].isna() & sessions["src_port"].notna() & sessions["dst_port"].notna()).to_numpy()
    )
    if not len(rows):
        return sessions
    some = sessions.iloc[rows].reset_index(drop=True)
    ids = community_id(
        address_numbers(some["src_ip"]), address_numbers(some["dst_ip"]),
        some["src_port"].to_numpy(np.uint16), some["dst_port"].to_numpy(np.uint16), some["proto"],
    )  # fmt: skip
    column = sessions["community_id"].astype(object).to_numpy(copy=True)
    column[rows] = ids.astype(object).to_numpy()
    return sessions.assign(community_id=pd.Series(column, index=sessions.index, dtype="str"))


def uncovered(records: pd.DataFrame, sessions: pd.DataFrame) -> np.ndarray:
    """Return a bool array, True for the records that none of the sessions is about.

    A session is about a record where their Community IDs are equal (for records without one: protocol and addresses, in
    either direction) and their times touch, give or take five seconds. Of a record that tells no end the start has to touch;
    one that tells no time at all is about none. Records that name no ends, such as those of ARP, are
    never sessions of a capture: they are told by it where it was taken at that time.

    Parameters
    ----------
    records, sessions
        Tables of SESSIONS.
    """
    covered = np.zeros(len(records), bool)
    if not len(records) or not len(sessions):
        return ~covered
    for key in ("community", "ends"):
        left, right = _spans(records, key), _spans(sessions, key)
        if key == "ends":
            left = left[records["community_id"].isna().to_numpy()[left["row"].to_numpy()]]
        if not len(left) or not len(right):
            continue
        # the sessions of a key in order of their start, each with the latest end so far: the last that began before a
        # record ended tells whether any touches it
        right = right.sort_values("start", kind="stable")
        right["until"] = right.groupby("key")["end"].cummax()
        left = left.assign(by=left["end"] + _SLACK).sort_values("by", kind="stable")
        pairs = pd.merge_asof(
            left, right[["key", "start", "until"]], left_on="by", right_on="start", by="key", suffixes=("", "_of")
        )
        covered[pairs.loc[pairs["until"] >= pairs["start"] - _SLACK, "row"].to_numpy()] = True
    taken = sessions[(sessions["source"] == "pcap").to_numpy(bool)]
    if len(taken):
        inside = (records["start"] >= taken["start"].min() - _SLACK) & (_ends(records) <= taken["end"].max() + _SLACK)
        covered |= _endless(records) & inside.to_numpy(bool)
    return ~covered


def _endless(records: pd.DataFrame) -> np.ndarray:
    """Return True for the records between no addresses of IP: ARP, and those whose ends are both unspecified."""
    endless = (records["proto"] == "arp").to_numpy(bool)
    for nowhere in ("0.0.0.0", "::"):  # noqa: S104 - addresses of records; nothing listens
        src, dst = ((records[name] == nowhere).to_numpy(bool) if _holds(records[name], nowhere) else False
                    for name in ("src_ip", "dst_ip"))  # fmt: skip
        endless = endless | np.logical_and(src, dst)
    return endless


def _holds(column: pd.Series, value: str) -> bool:
    # a categorical can't be compared with what is not among its categories
    return not isinstance(column.dtype, pd.CategoricalDtype) or value in column.cat.categories


def _spans(table: pd.DataFrame, key: str) -> pd.DataFrame:
    if key == "community":
        names = table["community_id"]
    else:
        src, dst = table["src_ip"].astype(object), table["dst_ip"].astype(object)
        low, high = (
            src.where(src.astype(str) <= dst.astype(str), dst),
            dst.where(src.astype(str) <= dst.astype(str), src),
        )
        names = (table["proto"].astype(str) + " " + low.astype(str) + " " + high.astype(str)).where(
            src.notna() & dst.notna()
        )
    spans = pd.DataFrame(
        {
            "key": names.astype(object).to_numpy(),
            "row": np.arange(len(table)),
            "start": table["start"].to_numpy(),
            "end": _ends(table).to_numpy(),
        }
    )
    return spans[spans["key"].notna() & spans["start"].notna()]


def _ends(table: pd.DataFrame) -> pd.Series:
    """Return when each ended; where that is not told, as in ra's default listing, it is known to have been there at its start."""
    return table["end"].fillna(table["start"])
