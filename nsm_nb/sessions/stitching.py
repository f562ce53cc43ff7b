"""Partial sessions of several captures to those that one capture would give.

A piece takes along the packets that tell where its sessions begin and end (kernels/pieces.py). Those of all pieces are
folded anew, by the same kernel as whole captures are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import MissingColumn
from nsm_nb.schema import SESSIONS, addresses, with_caveats
from nsm_nb.sessions.assembly import session_table
from nsm_nb.sessions.idle import IDLE, timeouts
from nsm_nb.sessions.keys import NOT_A_TIME, Keys, kinds, missing, nanoseconds, plain
from nsm_nb.sessions.tags import one_way_by_vlan
from nsm_nb.sessions.telling import Bit, columns, no_columns, records_in

if TYPE_CHECKING:
    from nsm_nb.kernels.conversations import Conversations

__all__ = ["stitch"]

_NEEDED = ("src_ip", "dst_ip", "proto", "icmp_id", "until", "captures", "telling")
_NEVER = np.array([np.iinfo(np.int64).max])  # the timeout where silence has been looked at already


def stitch(tables: Sequence[pd.DataFrame], *, idle: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return the sessions of all tables, those joined that run on from one to another: as of one uncut capture.

    A session runs on where the next one of the same ends, protocol, VLAN and VNI begins within the timeout, and not with the
    SYN of a new connection (another initial sequence number, after a close, after a SYN that nobody answered, or taken by
    the other end). What is stitched may be stitched with more, in any order, and comes to the same.

    Parameters
    ----------
    tables
        Sessions of each capture, as ``assemble(packets, pieces=True)[0]`` gives them, or of an earlier `stitch`.
    idle
        Seconds of silence that end a session, as they were assembled with.

    Returns
    -------
    DataFrame
        SESSIONS in the order of their first packets, and the columns that ``pieces=True`` gives.

    Raises
    ------
    MissingColumn
        Where a table was assembled without ``pieces=True``.
    ValueError
        Where the packets that a piece takes along are not readable.

    Notes
    -----
    All columns are those of the uncut capture, but for what pieces can't tell:

    - `history` lacks those t and T (sent again) that are of segments whose first sending is in an earlier piece, unless they
      are among the packets taken along: a piece can't know how far the numbers of its beginning had been sent.
    - Later fragments of a datagram whose first one is in another piece stay apart: they have no ports.
    - Packets of one capture (one name in `evidence`) are put in the order of their frames, those of several by their times,
      at the same nanosecond by name and frame: where clocks differ or run backwards, sessions of several can't be exact.
    - Idle seconds in `closed` are counted to the last packet of those pieces that have a session.
    - In `bits`, whether a FIN was acknowledged, where its sender sent on beyond it in another piece.

    What is in two pieces, other than twice the same piece, is counted twice.

    Examples
    --------
    >>> from nsm_nb.schema import PACKETS
    >>> from nsm_nb.sessions import assemble
    >>> sessions, _ = assemble(PACKETS.empty(), pieces=True)
    >>> len(stitch([sessions, sessions]))
    0
    """
    for table in tables:
        for name in _NEEDED:
            if name not in table:
                raise MissingColumn(
                    f"the table has no column {name!r}, by which sessions of several captures are joined; "
                    "make it with nsm_nb.sessions.assemble(packets, pieces=True)"
                )
    rows = [table[list(_NEEDED)] for table in tables if len(table)]
    if not rows:
        return SESSIONS.empty().assign(**no_columns())
    return _folded(_laid_out(_together(rows), timeouts({**IDLE, **(idle or {})})))


def _together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    ends = addresses(*(table[name] for table in tables for name in ("src_ip", "dst_ip")))
    protos = pd.api.types.union_categoricals([table["proto"].astype("category") for table in tables])
    both = pd.concat([table[["icmp_id", "until", "captures", "telling"]] for table in tables], ignore_index=True)
    codes = [np.concatenate([each.codes for each in ends[side::2]]) for side in (0, 1)]
    src, dst = (pd.Categorical.from_codes(each, dtype=ends[0].dtype) for each in codes)
    return both.assign(proto=protos, src_ip=src, dst_ip=dst)


class _Pieces(NamedTuple):
    """The packets that tell, of all pieces, in order: records, the row of each, and its place among `captures`.

    `conversation` is a number for each row: those of one are of the same ends, without a silence that ends a session.
    """

    rows: pd.DataFrame
    records: np.ndarray
    row: np.ndarray
    conversation: np.ndarray
    captures: tuple[tuple[str, str | None], ...]


def _laid_out(rows: pd.DataFrame, limits: np.ndarray) -> _Pieces:
    records, starts = records_in(rows["telling"])
    records = records.copy()
    row = np.repeat(np.arange(len(rows)), np.diff(starts))
    captures = _one_list(rows["captures"], records, row)
    order, by_frame = _order(records, captures)
    first, time = records[starts[:-1]], records["time"]
    start = first["time"] if by_frame else np.minimum.reduceat(time, starts[:-1])
    spans = first["frame"] if by_frame else start, start, np.maximum.reduceat(time, starts[:-1])
    conversation = _conversations(rows, first, spans, limits)
    records, row = records[order], row[order]
    # the same packet of the same piece, where parts of what is stitched overlap
    same = np.zeros(len(records), bool)
    same[1:] = conversation[row[1:]] == conversation[row[:-1]]
    for name in ("capture", "frame", "time"):
        same[1:] &= records[name][1:] == records[name][:-1]
    return _Pieces(rows, records[~same], row[~same], conversation, captures)


def _one_list(column: pd.Series, records: np.ndarray, row: np.ndarray) -> tuple[tuple[str, str | None], ...]:
    """Return the captures of all pieces, sorted; `capture` of the records becomes a place among them."""
    lists = {id(each): each for each in column}
    every = sorted({each for some in lists.values() for each in some}, key=lambda each: (each[0], each[1] or ""))
    place = {each: number for number, each in enumerate(every)}
    which, of_row = np.unique([id(each) for each in column], return_inverse=True)
    told = [[place[each] for each in lists[number]] for number in which.tolist()]
    first = np.cumsum([0, *map(len, told)])[:-1]
    flat = np.array([number for each in told for number in each] or [-1], np.int64)
    known = records["capture"] >= 0
    records["capture"][known] = flat[first[of_row[row[known]]] + records["capture"][known]]
    return tuple(every)


def _order(records: np.ndarray, captures: tuple[tuple[str, str | None], ...]) -> tuple[np.ndarray, bool]:
    """Return the order of the packets, and whether it is that of frames: see the notes of `stitch`, and `keys.order_of`."""
    name = np.array([*pd.factorize(np.array([name for name, _ in captures], object))[0], -1])[records["capture"]]
    if (name == name[0]).all():
        order = np.lexsort((records["time"], records["frame"]))
        frame, time = records["frame"][order], records["time"][order]
        if not ((frame[1:] == frame[:-1]) & (time[1:] != time[:-1])).any():
            return order, True
        # one frame of two times: several captures bear the same name
    return np.lexsort((records["frame"], name, records["time"])), False


def _conversations(
    rows: pd.DataFrame, first: np.ndarray, spans: tuple[np.ndarray, np.ndarray, np.ndarray], limits: np.ndarray
) -> np.ndarray:
    """Return a number for each row, equal where the same ends talk over the same protocol without a silence that ends it.

    Parameters
    ----------
    rows
        The pieces.
    first
        The record of the first packet of each.
    spans
        What the pieces are ordered by; the nanoseconds of their first packet and of the latest.
    limits
        Timeouts in nanoseconds by protocol.
    """
    src, dst = (rows[name].cat.codes.to_numpy(np.int64) for name in ("src_ip", "dst_ip"))
    from_src = first["bits"] & Bit.FROM_SRC > 0
    src, dst = np.where(from_src, src, dst), np.where(from_src, dst, src)
    a, b = src << 16 | first["sport"], dst << 16 | first["dport"]
    one_way = first["bits"] & Bit.ONE_WAY > 0
    kind = kinds(rows["proto"])
    key = {
        "kind": kind,
        "a": np.minimum(a, b),
        "b": np.maximum(a, b),
        "back": one_way & (a > b),
        "realm": _realms(first),
        "icmp_id": np.where(missing(rows["icmp_id"]), -1, plain(rows["icmp_id"]).astype(np.int64)),
    }
    ends = pd.DataFrame(key).groupby(list(key), sort=False).ngroup().to_numpy()
    begin, start, end = spans
    order = np.lexsort((begin, ends))
    ends, start = ends[order], start[order]
    before = pd.Series(end[order]).groupby(ends).cummax().to_numpy()[:-1]
    # as unsigned numbers, because times may lie further apart than a signed one can tell
    silence = (start[1:] - before).view(np.uint64) > limits[np.minimum(kind, len(limits) - 1)][order][1:].view(
        np.uint64
    )
    known = (start[1:] > before) & (start[1:] != NOT_A_TIME) & (before != NOT_A_TIME)
    other = np.ones(len(rows), bool)
    other[1:] = (ends[1:] != ends[:-1]) | (silence & known)
    result = np.empty(len(rows), np.int64)
    result[order] = np.cumsum(other) - 1
    return result


def _realms(records: np.ndarray) -> np.ndarray:
    # as `keys.Keys` has it: VLAN 0 is a priority without a VLAN (IEEE 802.1Q 9.6)
    vlan, vni = records["vlan"].astype(np.int64), records["vni"].astype(np.int64)
    return np.where(records["bits"] & Bit.BY_VLAN > 0, np.where(vlan > 0, vlan + 1, 0) << 32 | vni + 1, 0)


def _folded(pieces: _Pieces) -> pd.DataFrame:
    """Return the sessions of all pieces."""
    from nsm_nb.kernels.conversations import Packets, converse

    rows, records, row = pieces.rows, pieces.records, pieces.row
    has = {bit: records["bits"] & bit > 0 for bit in Bit}
    src, dst = (rows[name].cat.codes.to_numpy(np.int32)[row] for name in ("src_ip", "dst_ip"))
    src, dst = np.where(has[Bit.FROM_SRC], src, dst), np.where(has[Bit.FROM_SRC], dst, src)
    ends = src.astype(np.int64) << 16 | records["sport"], dst.astype(np.int64) << 16 | records["dport"]
    number = (pieces.conversation[row] * 2).astype(np.int32)
    nothing = np.zeros(len(records), np.uint32)
    packets = Packets(
        no_ip=np.zeros(len(records), bool),
        src=number + (ends[0] > ends[1]),
        dst=number + (ends[1] > ends[0]),
        sport=records["sport"],
        dport=records["dport"],
        kind=kinds(rows["proto"])[row],
        one_way=has[Bit.ONE_WAY],
        time=records["time"],
        octets=nothing,  # what is counted is added up below
        payload=records["size"],
        tcp_flags=records["flags"],
        no_tcp=has[Bit.NO_TCP],
        seq=records["seq"],
        ack=records["ack"],
        window=records["window"],
    )
    found = converse(packets, _NEVER)
    found = found._replace(tally=_tally(records, found))

    first = found.first
    opening, of_row = records[first], rows.iloc[row[first]].reset_index(drop=True)
    table = _as_packets(opening, of_row, has[Bit.NO_PORT][first], has[Bit.ICMP][first], pieces.captures)
    keys = Keys(Packets(*(each[first] for each in packets)), src[first], dst[first], _realms(opening))
    until = int(nanoseconds(rows["until"]).max())
    sessions = session_table(table, keys, found._replace(first=np.arange(len(first))), None, until)
    sensors = pd.Series([*(sensor for _, sensor in pieces.captures), None], dtype="str").astype("category")
    sessions["sensor"] = sensors.take(opening["capture"]).array.remove_unused_categories()

    records["bits"] = records["bits"] & ~np.uint16(Bit.FROM_SRC) | np.where(found.to_dst, np.uint16(Bit.FROM_SRC), 0)
    order = np.argsort(found.session, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(found.session, minlength=len(first)))])
    sessions = sessions.assign(**columns(found, table, until, pieces.captures, records[order], starts))
    caveats = one_way_by_vlan(sessions, keys.realm) if keys.realm.any() else []
    return with_caveats(sessions, caveats) if caveats else sessions


def _tally(records: np.ndarray, found: Conversations) -> np.ndarray:
    place = 2 * found.session.astype(np.int64) + ~found.to_dst
    result = np.empty((6, len(found.first)), np.int64)
    for field, name in enumerate(("packets", "octets", "payload")):
        sums = np.zeros(2 * len(found.first), np.int64)
        np.add.at(sums, place, records[name].astype(np.int64))
        result[field], result[3 + field] = sums[::2], sums[1::2]
    return result


def _as_packets(
    records: np.ndarray,
    rows: pd.DataFrame,
    no_port: np.ndarray,
    icmp: np.ndarray,
    captures: tuple[tuple[str, str | None], ...],
) -> pd.DataFrame:
    """Return what `session_table` takes of PACKETS, of records and the rows they are of."""

    def masked(name: str, none: np.ndarray, dtype: str) -> pd.arrays.IntegerArray:
        return pd.arrays.IntegerArray(np.where(none, 0, records[name]).astype(dtype), none)

    names = pd.Index(sorted({name for name, _ in captures}), dtype="str")
    place = np.array([*names.get_indexer([name for name, _ in captures]), -1])
    return pd.DataFrame(
        {
            "frame": records["frame"],
            "vlan": masked("vlan", records["vlan"] < 0, "uint16"),
            "vni": masked("vni", records["vni"] < 0, "uint32"),
            "src_port": masked("sport", no_port, "uint16"),
            "icmp_type": masked("type", ~icmp, "uint8"),
            "icmp_code": masked("code", ~icmp, "uint8"),
            "evidence": pd.Categorical.from_codes(place[records["capture"]], categories=names),
            **{name: rows[name].array for name in ("proto", "icmp_id", "src_ip", "dst_ip")},
        }
    )
