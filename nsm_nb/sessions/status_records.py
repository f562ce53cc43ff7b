"""Records of both directions that are parts of one session: Argus' status records, and the biflows that timeouts cut.

Argus tells of a conversation each status interval, and ra prints each record: they are put together as racluster does, until
Argus or a timeout says that it is another conversation. Of biflows the flags say so.

Source: argus(8) ``-S``, racluster(1); argus.conf(5): a flow of TCP that is silent for a minute is forgotten; measured with
argus 3.0.8, whose records keep what was seen before: the arrow of the opening, and the state once it is a closing one.
RFC 5103 (biflows), RFC 5470 5.1.1 (how flows end), RFC 9293 3.5 (TCP).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.schema import FLOWS, SESSIONS, addresses, utc_times
from nsm_nb.sessions.endpoints import ip_protocol
from nsm_nb.sessions.flag_bits import TH_ACK, TH_FIN, TH_RST, TH_SYN, bits_of
from nsm_nb.sessions.idle import IDLE, timeouts
from nsm_nb.sessions.keys import NOT_A_TIME, missing, nanoseconds, plain
from nsm_nb.sessions.ports import port_names
from nsm_nb.sessions.states import closings, of_protocols, states

__all__ = ["joined", "partial"]

_ARGUS = ("argus", "ra-csv", "ra-text")
# Some of their records tell both directions
_FLOWS = ("netflow", "netflow-file", "nfcapd", "nfdump-csv", "nfdump-line")
_ARGUS_IDLE = 60 * 10**9  # ns; ARGUS_TCP_TIMEOUT: a record of TCP that comes later is of another flow of Argus'
_CLOSING = ("RST", "FIN", "CLO")
# The state of a session is the first of these that one of its records has, as ra says of all their flags
_OF_TCP = (*_CLOSING, "TIM", "CON", "ACC", "REQ")
_SUMS = ("packets", "octets", "payload")


def partial(records: pd.DataFrame) -> np.ndarray:
    """Return a bool array, True for the records of both directions that may be parts of a session."""
    source = records["source"].astype("category")
    return of_protocols(source, *_ARGUS) | _biflows(records)


def _biflows(records: pd.DataFrame) -> np.ndarray:
    two_way = ~(missing(records["dst_packets"]) & missing(records["dst_octets"]))
    return two_way & of_protocols(records["source"].astype("category"), *_FLOWS)


def joined(records: pd.DataFrame, *, idle: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return sessions: of records that are parts of one a single row, other rows as they are.

    Records belong together where one sensor saw them (where none is named, in one evidence) in one VLAN, with the same ends
    and protocol (TCP and UDP: in either direction; ICMP: with the same message), until nothing is told for the protocol's
    timeout. A record of Argus that has the opening of TCP begins another session where the record before was of a closed one
    and this is not, and where more than a minute lies between, for Argus would have forgotten the flow; a biflow with a SYN
    does so behind one that closed or was acknowledged.

    Parameters
    ----------
    records
        A table of SESSIONS or FLOWS. Only rows of both directions of Argus and of flow exporters are joined (`partial`), and
        of these only such that name both ends, the protocol and a start.
    idle
        Seconds of silence that end a session, by protocol; `IDLE` for those not given, as in `pair`.

    Returns
    -------
    DataFrame
        SESSIONS, and `pieces`, the number of records that each row was made of. `session`, `record` and `evidence` are those
        of the first; `src` is who opened, where one of the records tells, else that of the first; counts are sums, missing
        where one of the records did not tell; `state` is what ra would print of all their flags, and of biflows so is
        `closed`, as `pair` has it; where no application is told it is the name of the port.

    Notes
    -----
    A listing does not say which record is the first of a flow (its cause, in Argus' own files): of two conversations by the
    same ports within a minute, both closed, racluster makes one, and so is it here.

    Examples
    --------
    >>> len(joined(SESSIONS.empty()))
    0
    """
    table = (FLOWS if "src_flags" in records else SESSIONS).conform(records)
    key, flipped = _keys(table)
    pieces = np.ones(len(table), np.int64)
    if (np.bincount(key) > 1).any():
        order, new = _split(table, key, {**IDLE, **(idle or {})})
        if not new.all():
            table, pieces = _merged(table, flipped, order, np.flatnonzero(new))
    rows = np.flatnonzero(partial(table))
    if len(rows):
        names = port_names(table["proto"].iloc[rows], table["dst_port"].iloc[rows])
        table["application"] = _filled(table["application"], rows, names)
    rows = np.flatnonzero(_biflows(table))
    if len(rows) and "src_flags" in table:
        _tell_ends(table, rows)
    table = table[list(SESSIONS.columns)]
    table["pieces"] = pd.arrays.IntegerArray(pieces, np.zeros(len(pieces), bool))
    table.attrs = dict(records.attrs)
    return table


def _filled(column: pd.Series, rows: np.ndarray, values: pd.Categorical) -> pd.Categorical:
    """Return a column with what some rows lacked."""
    column = column.astype("category")
    names = list(dict.fromkeys([*column.cat.categories, *values.categories]))
    codes = column.cat.codes.to_numpy(np.int64, copy=True)
    place = np.array([*map(names.index, values.categories), -1])
    codes[rows] = np.where(codes[rows] < 0, place[values.codes], codes[rows])
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str")).remove_unused_categories()


def _tell_ends(table: pd.DataFrame, rows: np.ndarray) -> None:
    """Fill in `state` and `closed` of biflows, as far as flags tell."""
    some = table.iloc[rows]
    proto = some["proto"].astype("category")
    tcp = of_protocols(proto, "tcp")
    flags = [plain(some[f"{side}_flags"]).astype(np.int16) for side in ("src", "dst")]
    dumb = np.logical_or.reduce([missing(some[f"{side}_flags"]) for side in ("src", "dst")])
    bits = np.where(tcp, bits_of(*flags), 0).astype(np.int16)
    one_side = np.logical_or.reduce([plain(some[f"{side}_packets"]) == 0 for side in ("src", "dst")])
    told = np.flatnonzero(~(tcp & dumb) & some["proto"].notna().to_numpy())
    state = pd.Categorical(states(proto, bits, one_side))[told]
    table["state"] = _filled(table["state"], rows[told], state)
    end = nanoseconds(some["end"])
    since = np.where(end == NOT_A_TIME, 0, (max(int(end.max()), 0) - np.maximum(end, 0)) // 10**9)
    table["closed"] = _filled(table["closed"], rows[told], pd.Categorical(closings(proto, bits, since))[told])


def _keys(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for who talked to whom and by what, the row's own for what is not joined; and which way round."""
    source, proto = table["source"].astype("category"), table["proto"].astype("category")
    rows = partial(table)
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


def _split(table: pd.DataFrame, key: np.ndarray, idle: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows by key and time, and True for each of these that begins a session."""
    start, end = nanoseconds(table["start"]), nanoseconds(table["end"])
    record = plain(table["record"]).astype(np.int64)
    order = np.lexsort((record, start, key))
    key, start = key[order], start[order]
    until = pd.Series(np.maximum(end[order], start)).groupby(key).cummax().to_numpy()
    same = key[1:] == key[:-1]
    later = same & (start[1:] > until[:-1])
    # unsigned: times may lie further apart than 63 bits
    gap = np.where(later, (start[1:] - until[:-1]).view(np.uint64), np.uint64(0))
    proto = table["proto"].astype("category").take(order)
    kinds = ip_protocol(pd.Series(proto.cat.categories)).astype(np.int64)
    limit = timeouts(idle)[np.append(np.where(kinds > 0, kinds, 256), 256)[proto.cat.codes.to_numpy()]]
    opened = table["direction_known"].fillna(False).to_numpy(bool)[order]
    closing = of_protocols(table["state"].astype("category").take(order), *_CLOSING)
    anew = opened[1:] & ((closing[:-1] & ~closing[1:]) | (gap > _ARGUS_IDLE))
    if "src_flags" in table:
        flags = np.bitwise_or(*(plain(table[f"{side}_flags"])[order] for side in ("src", "dst")))
        by_flags = (flags[1:] & TH_SYN > 0) & (flags[:-1] & (TH_ACK | TH_FIN | TH_RST) > 0)
        anew = np.where(_biflows(table)[order][1:], by_flags, anew)
    anew &= of_protocols(proto, "tcp")[1:]
    return order, np.append(np.ones(1, bool), ~same | (gap > limit[1:].astype(np.uint64)) | anew)


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
    end = nanoseconds(table["end"])[order]
    until = np.where(np.minimum.reduceat(end, starts) == NOT_A_TIME, NOT_A_TIME, np.maximum.reduceat(end, starts))
    result["end"] = utc_times(until)
    since = nanoseconds(result["start"])
    lasted = np.where(until < since, np.nan, (until - since).view(np.uint64) / 1e9)  # NaT is below all
    result["duration"] = np.where(count > 1, lasted, table["duration"].to_numpy(float)[first])
    for what in _SUMS:
        sides = [table[f"{side}_{what}"] for side in ("src", "dst")]
        values, none = ([each(side)[order] for side in sides] for each in (plain, missing))
        for place, side in enumerate(("src", "dst")):
            mine, other = values[place], values[1 - place]
            some = np.where(turned, other, mine).astype(np.int64)
            total = np.add.reduceat(some, starts)
            absent = np.logical_or.reduceat(np.where(turned, none[1 - place], none[place]), starts)
            absent |= np.add.reduceat(some.astype(float), starts) >= 2.0**63  # does not fit 64 bits
            result[f"{side}_{what}"] = pd.arrays.IntegerArray(np.where(absent, 0, total), absent)
    if "src_flags" in table:
        sides = [table[f"{side}_flags"] for side in ("src", "dst")]
        values, none = ([each(side)[order] for side in sides] for each in (plain, missing))
        for place, side in enumerate(("src", "dst")):
            flags = np.bitwise_or.reduceat(np.where(turned, values[1 - place], values[place]), starts)
            absent = np.logical_or.reduceat(np.where(turned, none[1 - place], none[place]), starts)
            result[f"{side}_flags"] = pd.arrays.IntegerArray(flags, absent)
    result["state"] = _state(table, result, order, starts, count)
    there = np.argsort(first, kind="stable")
    return result.take(there).reset_index(drop=True), count[there]


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
