"""Records that are parts of one session: Argus tells of a conversation each status interval, and ra prints each record.

They are put together as racluster does, until Argus or a timeout says that it is another conversation.

Source: argus(8) ``-S``, racluster(1); argus.conf(5): a flow of TCP that is silent for a minute is forgotten; measured with
argus 3.0.8, whose records keep what was seen before: the arrow of the opening, and the state once it is a closing one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS, addresses
from nsm_nb.sessions.endpoints import ip_protocol
from nsm_nb.sessions.idle import IDLE, timeouts
from nsm_nb.sessions.keys import missing, plain
from nsm_nb.sessions.states import of_protocols

__all__ = ["SOURCES", "joined"]

SOURCES = ("argus", "ra-csv", "ra-text")
"""The formats whose records may be parts of a session."""

_ARGUS_IDLE = 60 * 10**9  # ns; ARGUS_TCP_TIMEOUT: a record of TCP that comes later is of another flow of Argus'
_CLOSING = ("RST", "FIN", "CLO")
_OF_TCP = (
    *_CLOSING,
    "TIM",
    "CON",
    "ACC",
    "REQ",
)  # the first that one of the records has, as ra says of all their flags
_SUMS = ("packets", "octets", "payload")
_NEVER = np.iinfo(np.int64).min


def joined(records: pd.DataFrame, *, idle: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return sessions: of records that are parts of one a single row, other rows as they are.

    Records belong together where one sensor saw them (where none is named, in one evidence) in one VLAN, with the same ends
    and protocol (TCP and UDP: in either direction; ICMP: with the same message), until nothing is told for the protocol's
    timeout. A record of TCP that has the opening begins another session where the record before was of a closed one and
    this is not, and where more than a minute lies between, for Argus would have forgotten the flow.

    Parameters
    ----------
    records
        A table of SESSIONS. Only rows of Argus are joined (`SOURCES`), and of these only such that name both ends, the
        protocol and a start.
    idle
        Seconds of silence that end a session, by protocol; `IDLE` for those not given, as in `pair`.

    Returns
    -------
    DataFrame
        SESSIONS, and `pieces`, the number of records that each row was made of. `session`, `record` and `evidence` are those
        of the first; `src` is who opened, where one of the records tells, else that of the first; counts are sums, missing
        where one of the records did not tell; `state` is what ra would print of all their flags.

    Notes
    -----
    A listing does not say which record is the first of a flow (its cause, in Argus' own files): of two conversations by the
    same ports within a minute, both closed, racluster makes one, and so is it here.

    Examples
    --------
    >>> len(joined(SESSIONS.empty()))
    0
    """
    table = SESSIONS.conform(records)
    key, flipped = _keys(table)
    pieces = np.ones(len(table), np.int64)
    if (np.bincount(key) > 1).any():
        order, new = _split(table, key, {**IDLE, **(idle or {})})
        if not new.all():
            table, pieces = _merged(table, flipped, order, np.flatnonzero(new))
    table["pieces"] = pd.arrays.IntegerArray(pieces, np.zeros(len(pieces), bool))
    table.attrs = dict(records.attrs)
    return table


def _keys(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for who talked to whom and by what, the row's own for what is not joined; and which way round."""
    source, proto = table["source"].astype("category"), table["proto"].astype("category")
    rows = of_protocols(source, *SOURCES)
    for name in ("src_ip", "dst_ip", "proto", "start"):
        rows &= table[name].notna().to_numpy()
    some = table[rows]
    flipped = np.zeros(len(table), bool)
    if not len(some):
        return np.arange(len(table)), flipped
    src, dst = some["src_ip"], some["dst_ip"]
    if src.dtype != dst.dtype:
        src, dst = (pd.Series(each) for each in addresses(src, dst))
    ends = [
        ip.cat.codes.to_numpy(np.int64) << 17 | np.where(missing(port), 0, plain(port).astype(np.int64) + 1)
        for ip, port in ((src, some["src_port"]), (dst, some["dst_port"]))
    ]
    proto = proto[rows]
    turned = of_protocols(proto, "tcp", "udp") & (ends[0] > ends[1])
    flipped[rows] = turned
    sensor, evidence, state = (_codes(some[name]) for name in ("sensor", "evidence", "state"))
    parts = {
        "low": np.where(turned, ends[1], ends[0]),
        "high": np.where(turned, ends[0], ends[1]),
        "proto": _codes(proto),
        "source": _codes(source[rows]),
        "sensor": sensor,
        "evidence": np.where(sensor < 0, evidence, -1),
        "vlan": np.where(missing(some["vlan"]), -1, plain(some["vlan"]).astype(np.int64)),
        "message": np.where(of_protocols(proto, "icmp", "icmp6"), state, -1),
    }
    number = pd.DataFrame(parts).groupby(list(parts), sort=False).ngroup().to_numpy()
    key = np.arange(len(table)) + int(number.max()) + 1
    key[rows] = number
    return key, flipped


def _codes(column: pd.Series) -> np.ndarray:
    return column.astype("category").cat.codes.to_numpy(np.int64)


def _nanoseconds(times: pd.Series) -> np.ndarray:
    return times.dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64)


def _split(table: pd.DataFrame, key: np.ndarray, idle: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows by key and time, and True for each of these that begins a session."""
    start, end = _nanoseconds(table["start"]), _nanoseconds(table["end"])
    record = plain(table["record"]).astype(np.int64)
    order = np.lexsort((record, start, key))
    key, start = key[order], start[order]
    until = pd.Series(np.maximum(end[order], start)).groupby(key).cummax().to_numpy()
    same = key[1:] == key[:-1]
    gap = np.where(same, start[1:] - np.where(same, until[:-1], 0), 0)
    proto = table["proto"].astype("category").take(order)
    kinds = ip_protocol(pd.Series(proto.cat.categories)).astype(np.int64)
    limit = timeouts(idle)[np.append(np.where(kinds > 0, kinds, 256), 256)[proto.cat.codes.to_numpy()]]
    opened = of_protocols(proto, "tcp") & table["direction_known"].fillna(False).to_numpy(bool)[order]
    closing = of_protocols(table["state"].astype("category").take(order), *_CLOSING)
    anew = opened[1:] & ((closing[:-1] & ~closing[1:]) | (gap > _ARGUS_IDLE))
    return order, np.append(np.ones(1, bool), ~same | (gap > limit[1:]) | anew)


def _merged(
    table: pd.DataFrame, flipped: np.ndarray, order: np.ndarray, starts: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a row for each session, in the order of their first records, and how many records each was made of.

    Parameters
    ----------
    table
        The records.
    flipped
        Which way round each is.
    order
        Records by session and time.
    starts
        Where each session begins in `order`.
    """
    many, count = len(order), np.diff(starts, append=len(order))
    known = table["direction_known"].fillna(False).to_numpy(bool)[order]
    leader = np.minimum.reduceat(np.where(known, np.arange(many), many), starts)
    leader = np.where(leader == many, starts, leader)
    turned = flipped[order] != np.repeat(flipped[order[leader]], count)
    first, last = order[starts], order[starts + count - 1]
    result = table.take(first).reset_index(drop=True)
    for name in ("src_ip", "src_port", "dst_ip", "dst_port"):
        result[name] = table[name].array.take(order[leader])
    result["direction_known"] = table["direction_known"].array.take(order[leader])
    result["closed"] = table["closed"].array.take(last)
    end = _nanoseconds(table["end"])[order]
    until = np.where(np.minimum.reduceat(end, starts) == _NEVER, _NEVER, np.maximum.reduceat(end, starts))
    result["end"] = pd.Series(until.view("M8[ns]")).dt.tz_localize("UTC")
    result["duration"] = np.where(
        count > 1, (result["end"] - result["start"]).dt.total_seconds(), table["duration"].to_numpy(float)[first]
    )
    for what in _SUMS:
        sides = [table[f"{side}_{what}"] for side in ("src", "dst")]
        values, none = ([each(side)[order] for side in sides] for each in (plain, missing))
        for place, side in enumerate(("src", "dst")):
            mine, other = values[place], values[1 - place]
            total = np.add.reduceat(np.where(turned, other, mine).astype(np.int64), starts)
            absent = np.logical_or.reduceat(np.where(turned, none[1 - place], none[place]), starts)
            result[f"{side}_{what}"] = pd.arrays.IntegerArray(np.where(absent, 0, total), absent)
    result["state"] = _state(table, result, order, starts, count)
    there = np.argsort(first, kind="stable")
    return SESSIONS.conform(result.take(there).reset_index(drop=True)), count[there]


def _state(
    table: pd.DataFrame, result: pd.DataFrame, order: np.ndarray, starts: np.ndarray, count: np.ndarray
) -> pd.Categorical:
    """Return the state of each session: of one record its own, of TCP the first of `_OF_TCP`, else CON where both sent."""
    state = table["state"].astype("category").take(order)
    names = list(state.cat.categories)
    codes = state.cat.codes.to_numpy(np.int64)
    last = codes[starts + count - 1]
    rank = np.array([*(_OF_TCP.index(name) if name in _OF_TCP else len(_OF_TCP) for name in names), len(_OF_TCP)])
    best = np.minimum.reduceat(rank[codes], starts)
    names += [each for each in _OF_TCP if each not in names]
    by_rank = np.array([*(names.index(each) for each in _OF_TCP), -1])
    tcp = of_protocols(result["proto"].astype("category"), "tcp")
    found = np.where(tcp & (best < len(_OF_TCP)), by_rank[best], last)
    both = np.logical_and.reduce(
        [plain(result[f"{side}_packets"]) > 0 for side in ("src", "dst")]
    ) | np.logical_or.reduceat(codes == names.index("CON"), starts)
    spoke = [names.index(each) for each in ("INT", "CON") if each in names]
    found = np.where(~tcp & np.isin(found, spoke) & both, names.index("CON"), found)
    found = np.where(count == 1, codes[starts], found)
    return pd.Categorical.from_codes(found, categories=pd.Index(names, dtype="str")).remove_unused_categories()
