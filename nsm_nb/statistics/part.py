"""A part of a case: what a window of time and a query line leave of its packets and sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb import query as _query
from nsm_nb.errors import QueryError
from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.statistics._tally import codes_of, numbers_of, times_of

__all__ = ["MEASURES", "matching", "part", "sessions_of"]

#: What is summed of a packet, and the columns of SESSIONS that hold the sums of each side.
MEASURES = {"packets": ("src_packets", "dst_packets"), "octets": ("src_octets", "dst_octets"),
            "payload": ("src_payload", "dst_payload")}  # fmt: skip

Window = tuple[pd.Timestamp, pd.Timestamp]


def part(
    packets: pd.DataFrame, sessions: pd.DataFrame, *, window: Window | None = None, query: str = ""
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the packets and sessions of a window of time and a query, each session with what it carried in the window.

    Parameters
    ----------
    packets, sessions
        Tables of PACKETS and SESSIONS that belong together, as a case holds them.
    window
        From a time up to, not including, another, as times or text (UTC); all of it where it is None.
    query
        A query line for sessions. Packets follow their session; one that has no session (ARP) has to match by itself.

    Returns
    -------
    packets, sessions
        Packets as they were. Of sessions, those that have a packet in the window; their packets, octets and payload are
        those of the window, `start` and `end` stay. A session of which no packet is there (a flow record) can't be
        parted: it is kept whole where it touches the window.

    Raises
    ------
    QueryError
        Where the line can't be understood.

    Notes
    -----
    Where several captures hold a session, the packets of the capture that the session names count, each once.

    Examples
    --------
    >>> packets, sessions = part(PACKETS.empty(), SESSIONS.empty(), query="tcp and port 80")
    >>> len(packets), len(sessions)
    (0, 0)
    """
    place, counted = sessions_of(packets, sessions)
    kept = np.ones(len(sessions), bool)
    if query.strip():
        kept = _query.compile(query).mask(sessions)
        rows = matching(packets, place, kept, query)
        packets, place, counted = packets[rows], place[rows], counted[rows]
    if window is None:
        return packets, sessions[kept]

    start, end = (_time(each) for each in window)
    captured = np.zeros(len(sessions), bool)
    captured[place[counted]] = True
    when, there = times_of(packets["time"])
    inside = there & (when >= start.value) & (when < end.value)
    packets, place, counted = packets[inside], place[inside], counted[inside]
    side = 2 * place[counted] + (~_to_dst(packets))[counted]
    sums = {
        name: np.bincount(
            side,
            None if name == "packets" else numbers_of(packets[name])[0][counted],
            minlength=2 * len(sessions),
        ).astype(np.int64)
        for name in MEASURES
    }
    present = sums["packets"].reshape(-1, 2).sum(axis=1) > 0
    touching = ((sessions["start"] < end) & (sessions["end"] >= start)).fillna(False).to_numpy(bool)
    rows = np.flatnonzero(kept & np.where(captured, present, touching))
    found = sessions.iloc[rows].copy()
    here = captured[rows]
    for name, sides in MEASURES.items():
        for number, column in enumerate(sides):
            values = found[column].to_numpy(np.int64, na_value=0)
            missing = found[column].isna().to_numpy() & ~here
            found[column] = pd.arrays.IntegerArray(np.where(here, sums[name][number::2][rows], values), missing)
    return packets, found


def sessions_of(packets: pd.DataFrame, sessions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return for each packet the row of its session (-1 where it has none), and whether it counts for that session.

    It does where the session names the packet's capture: of a session that several captures hold, one counts.
    """
    PACKETS.require(packets, "session", "evidence")
    SESSIONS.require(sessions, "session", "evidence")
    numbers, there = numbers_of(packets["session"])
    names, named = numbers_of(sessions["session"])
    rows = np.flatnonzero(named)
    place = np.full(len(packets), -1, np.int32)
    if len(rows) and there.any():
        found = pd.Index(names[rows]).get_indexer(pd.Index(numbers))
        place = np.where(there & (found >= 0), rows[found], -1).astype(np.int32)
    codes, labels = codes_of(packets["evidence"])
    owners, known = codes_of(sessions["evidence"])
    if not len(owners) or not len(codes):
        return place, np.zeros(len(packets), bool)
    same = pd.Index(known.astype(str)).get_indexer(labels.astype(str))
    counted = place >= 0
    if len(labels) > 1 or len(known) > 1:
        counted &= np.append(same, -2)[codes] == owners[place]
    return place, counted


def matching(table: pd.DataFrame, place: np.ndarray, kept: np.ndarray, line: str) -> np.ndarray:
    """Return True for the rows whose session is kept, and for those without a session that match a line themselves.

    A line that asks what the table does not have is not matched by a row alone.
    """
    result = np.append(kept, False)[place]
    alone = np.flatnonzero(place < 0)
    if len(alone):
        try:
            result[alone] = _query.compile(line).mask(table.iloc[alone])
        except QueryError:
            result[alone] = False
    return result


def _time(value: object) -> pd.Timestamp:
    time = pd.Timestamp(value).as_unit("ns")
    return time.tz_localize("UTC") if time.tzinfo is None else time


def _to_dst(packets: pd.DataFrame) -> np.ndarray:
    return packets["to_dst"].fillna(True).to_numpy(bool)
