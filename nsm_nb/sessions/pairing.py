"""Flows to conversations: the records of both directions, and those that an exporter's timeouts cut, as one session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS, addresses, utc_times
from nsm_nb.sessions.flag_bits import bits_of
from nsm_nb.sessions.identity import with_numbers
from nsm_nb.sessions.idle import IDLE, timeouts
from nsm_nb.sessions.keys import NOT_A_TIME, missing, nanoseconds, plain
from nsm_nb.sessions.ports import port_names
from nsm_nb.sessions.states import closings, of_protocols, states, used
from nsm_nb.sessions.status_records import joined

if TYPE_CHECKING:
    from nsm_nb.kernels.pairing import Conversed, Records

__all__ = ["UNSEEN", "is_one_way", "pair"]

UNSEEN = "other side not seen"  # in `closed`: of these a record of one direction is all there is
# Records of these formats tell of both sides, also where one of them sent nothing
_TWO_WAY = ("pcap", "zeek-conn", "argus", "ra-text", "ra-csv", "nfstream-csv", "cicflowmeter-csv", "sancp-csv")
# Questions and answers of ICMP, as the state column names them (RFC 792, 950, 1256, 4443, 4861)
_ANSWERS = {"ECO": "ECR", "TST": "TSR", "IRQ": "IRR", "MAS": "MSR", "RTS": "RTA", "NRS": "NRA", "NNS": "NNA"}
_SUMS = ("packets", "octets", "payload")
_OF_FIRST = ("session", "community_id", "vlan", "sensor", "evidence", "record", "source")


def is_one_way(flows: pd.DataFrame) -> np.ndarray:
    """Return a bool array, True for the records that tell of one direction alone."""
    SESSIONS.require(flows, "dst_packets", "dst_octets", "source")
    told = ~(missing(flows["dst_packets"]) & missing(flows["dst_octets"]))
    if "dst_payload" in flows:
        told |= ~missing(flows["dst_payload"])
    source = flows["source"].astype("category")
    return ~told & of_protocols(source, *_TWO_WAY, inside=False)


def pair(flows: pd.DataFrame, *, idle: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return conversations: of one-way flows both directions and all pieces as one row, other rows as they are.

    Of those, records that are parts of one session are joined: Argus' of each status interval, and pieces of biflows
    (`nsm_nb.sessions.status_records`).

    Flows belong together where one exporter saw them (`sensor`; where that is missing, one evidence) in one VLAN, with the
    same ends and protocol in either direction, until nothing is heard for the protocol's timeout. A SYN after a close, or
    after segments of its own side, begins another conversation. ICMP requests go with their answers.

    `src` is who opened: who sent a SYN without ACK, or the SYN that came first; of UDP who spoke first. Where that is not
    told (both began in one tick of the exporter's clock, or in the middle) the lower port is the service, and
    `direction_known` is False. What has no other side keeps its sender as `src`; its `dst_packets` and `dst_octets` are
    missing and `closed` says ``other side not seen``.

    Parameters
    ----------
    flows
        A table of FLOWS, or of SESSIONS, from which TCP flags are missing.
    idle
        Seconds of silence that end a conversation, by protocol; `IDLE` for those not given, as in `assemble`.

    Returns
    -------
    DataFrame
        SESSIONS, and `pieces`, the number of records that each row was made of; `record` and `session` are those of the
        first. A sum is missing where one of the records did not tell it.

    Raises
    ------
    MissingColumn
        Where a column that this needs is not there.

    Notes
    -----
    *Source*: RFC 3954 2 and RFC 7011 2 (flows and their timeouts); RFC 9293 3.3-3.5 (TCP).

    Examples
    --------
    >>> from nsm_nb.schema import FLOWS
    >>> len(pair(FLOWS.empty()))
    0
    """
    SESSIONS.require(
        flows, "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "sensor"
    )
    one_way = is_one_way(flows)
    if one_way.all() and len(flows):
        return _paired(flows, idle)
    whole = joined(flows[~one_way] if one_way.any() else flows, idle=idle)
    if not one_way.any():
        return whole
    found = _paired(flows[one_way].reset_index(drop=True), idle)
    united = addresses(*(table[name] for table in (whole, found) for name in ("src_ip", "dst_ip")))
    for table, (src, dst) in ((whole, united[:2]), (found, united[2:])):
        table["src_ip"], table["dst_ip"] = src, dst
    both = pd.concat([_plain_categories(table) for table in (whole, found)], ignore_index=True)
    both = both.sort_values(["start", "record"], kind="stable", ignore_index=True)
    result = SESSIONS.conform(both).assign(pieces=both["pieces"])
    result.attrs = dict(flows.attrs)
    return result


def _plain_categories(table: pd.DataFrame) -> pd.DataFrame:
    names = [name for name, column in SESSIONS.columns.items() if column.dtype == "category"]
    return table.astype(dict.fromkeys(names, object))


def _paired(flows: pd.DataFrame, idle: Mapping[str, float] | None) -> pd.DataFrame:
    from nsm_nb.kernels.pairing import paired

    records = _records(flows)
    order = plain(flows["record"]).astype(np.int64) if "record" in flows else np.arange(len(flows))
    found = paired(records, order, timeouts({**IDLE, **(idle or {})}))
    result = _table(flows, records, found)
    result.attrs = dict(flows.attrs)
    return result


def _records(flows: pd.DataFrame) -> Records:
    from nsm_nb.kernels.pairing import Records
    from nsm_nb.sessions.endpoints import ip_protocol

    src, dst = flows["src_ip"], flows["dst_ip"]
    if src.dtype != dst.dtype or not isinstance(src.dtype, pd.CategoricalDtype):
        src, dst = (pd.Series(each) for each in addresses(src, dst))
    proto = flows["proto"].astype("category")
    kinds = ip_protocol(pd.Series(proto.cat.categories)).astype(np.int16)
    kinds = np.array([*np.where(kinds > 0, kinds, 256), 256], np.int16)
    sport, dport = (plain(flows[name]).astype(np.uint16) for name in ("src_port", "dst_port"))
    group, one_way = _groups(flows, proto), np.zeros(len(flows), bool)
    rows = np.flatnonzero(of_protocols(proto, "icmp", "icmp6"))
    if len(rows):
        kind, sport[rows], dport[rows], one_way[rows] = _icmp(flows["state"].iloc[rows])
        group[rows] = pd.factorize(group[rows].astype(np.int64) << 16 | kind)[0] + int(group.max()) + 1
    no_flags = ~of_protocols(proto, "tcp")
    if "src_flags" in flows:
        no_flags |= missing(flows["src_flags"])
        flags = np.where(no_flags, np.int16(-1), plain(flows["src_flags"]).astype(np.int16))
    else:
        flags = np.full(len(flows), -1, np.int16)
    return Records(
        src.cat.codes.to_numpy(np.int32), dst.cat.codes.to_numpy(np.int32), sport, dport, kinds[proto.cat.codes.to_numpy()],
        group, one_way, nanoseconds(flows["start"]), nanoseconds(flows["end"]), flags,
    )  # fmt: skip


def _groups(flows: pd.DataFrame, proto: pd.Series) -> np.ndarray:
    """Return a number for each row: what differs in it is never one conversation."""
    names = ["source", "sensor"] + (["evidence"] if flows["sensor"].isna().any() else [])
    group = proto.cat.codes.to_numpy(np.int64)
    for name in names:
        column = flows[name].astype("category")
        codes = column.cat.codes.to_numpy(np.int64)
        if name == "evidence":
            codes = np.where(flows["sensor"].isna(), codes, -1)
        if (codes[:1] != codes).any():
            group = pd.factorize(group << 31 | (codes + 1))[0]
    vlan = flows["vlan"]
    if not missing(vlan).all():
        group = pd.factorize(group << 17 | np.where(missing(vlan), 0, plain(vlan).astype(np.int64) + 1))[0]
    return group.astype(np.int32)


def _icmp(state: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the kind of each message, shared with its answer, what stands for its ports, and True where it has no answer."""
    column = state.astype("category")
    questions = {answer: question for question, answer in _ANSWERS.items()}
    names = [str(name) for name in column.cat.categories]
    kinds = {name: number for number, name in enumerate(sorted({questions.get(name, name) for name in names}), 1)}
    table = np.zeros((len(names) + 1, 4), np.int64)
    table[-1] = 0, 3, 0, 1  # a message whose type is not told
    for place, name in enumerate(names):
        if name in _ANSWERS:
            table[place] = kinds[name], 1, 2, 0
        elif name in questions:
            table[place] = kinds[questions[name]], 2, 1, 0
        else:
            table[place] = kinds[name], 0, 0, 1
    kind, sport, dport, one_way = table[column.cat.codes.to_numpy()].T
    return kind, sport.astype(np.uint16), dport.astype(np.uint16), one_way.astype(bool)


def _table(flows: pd.DataFrame, records: Records, found: Conversed) -> pd.DataFrame:
    from nsm_nb.kernels.threads import in_threads

    count, first = len(found.first), found.first
    turned = ~found.from_src[first]  # the first record is of what dst sent
    src_ip, dst_ip = flows["src_ip"], flows["dst_ip"]
    if src_ip.dtype != dst_ip.dtype:
        src_ip, dst_ip = (pd.Series(each) for each in addresses(src_ip, dst_ip))
    proto = pd.Series(flows["proto"].array.take(first), copy=False).astype("category")

    def ends(src: np.ndarray, dst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        src, dst = src[first], dst[first]
        return np.where(turned, dst, src), np.where(turned, src, dst)

    src_code, dst_code = ends(records.src, records.dst)
    ports = ends(plain(flows["src_port"]), plain(flows["dst_port"]))
    portless = ends(missing(flows["src_port"]), missing(flows["dst_port"]))
    src_port, dst_port = (
        pd.arrays.IntegerArray(port.astype(np.uint16), none) for port, none in zip(ports, portless, strict=True)
    )
    told = (found.start != NOT_A_TIME) & (found.end != NOT_A_TIME)
    columns: dict[str, Any] = {
        "start": utc_times(found.start),
        "end": utc_times(found.end),
        "duration": _seconds(found.start, found.end, told),
        "proto": proto,
        "src_ip": pd.Categorical.from_codes(src_code, dtype=src_ip.dtype, validate=False),
        "src_port": src_port,
        "dst_ip": pd.Categorical.from_codes(dst_code, dtype=src_ip.dtype, validate=False),
        "dst_port": dst_port,
        "direction_known": pd.arrays.BooleanArray(found.known, np.zeros(count, bool)),
    }
    works: list[Callable[[], dict[str, Any]]] = [
        partial(_taken, flows, first),
        partial(_totals, flows, found),
        lambda: {**_endings(flows, records, found, proto), "application": port_names(proto, dst_port)},
    ]
    for more in in_threads(works, len(flows)):
        columns |= more
    # conforming would take the address columns apart, of which the dtype is right already
    columns |= {name: SESSIONS.missing(name, count) for name in SESSIONS.columns if name not in columns}
    table = pd.DataFrame({name: columns[name] for name in SESSIONS.columns}, copy=False)
    table["pieces"] = pd.arrays.IntegerArray(found.pieces, np.zeros(count, bool))
    return with_numbers(table)


def _seconds(start: np.ndarray, end: np.ndarray, told: np.ndarray) -> np.ndarray:
    # as unsigned numbers, because times may lie further apart than a signed one can tell
    ahead, back = ((one - other).view(np.uint64) / 1e9 for one, other in ((end, start), (start, end)))
    return np.where(told, np.where(end >= start, ahead, -back), np.nan)


def _taken(flows: pd.DataFrame, first: np.ndarray) -> dict[str, Any]:
    """Return what a conversation has of its first record."""
    some = flows[[name for name in _OF_FIRST if name in flows]]
    if len(first) < len(flows):  # else nothing was paired, and the columns are those of the flows
        some = some.take(first)
    return dict(some.reset_index(drop=True).items())


def _totals(flows: pd.DataFrame, found: Conversed) -> dict[str, Any]:
    from nsm_nb.kernels.arrays import read_only
    from nsm_nb.kernels.pairing import summed

    columns = {}
    for what in _SUMS:
        name = f"src_{what}"
        if name not in flows or missing(flows[name]).all():
            continue
        values, absent = plain(flows[name]).astype(np.int64, copy=False), missing(flows[name])
        of, side_of = read_only(found.conversation), read_only(found.from_src)
        total, none = summed(of, side_of, read_only(values), read_only(absent), len(found.first))
        for place, side in enumerate(("src", "dst")):
            columns[f"{side}_{what}"] = pd.arrays.IntegerArray(total[place], none[place])
    return columns


def _endings(flows: pd.DataFrame, records: Records, found: Conversed, proto: pd.Series) -> dict[str, Any]:
    """Return `state` and `closed`, as far as flags tell."""
    one_side = found.sides != 3
    tcp = of_protocols(proto, "tcp")
    bits, dumb = _bits(found)
    dumb &= tcp
    state = states(proto, bits, one_side)
    icmp = np.flatnonzero(of_protocols(proto, "icmp", "icmp6"))
    if len(icmp) or dumb.any():
        questions = {answer: question for question, answer in _ANSWERS.items()}
        column = flows["state"].astype("category")
        told = [str(name) for name in column.cat.categories]
        asked = [questions.get(name, name) for name in told]  # of question and answer, what was asked
        names = list(dict.fromkeys([*state.categories, *told, *asked]))
        lookup = np.array([[*map(names.index, some), -1] for some in (told, asked)])
        codes = np.where(dumb, -1, state.codes)
        codes[icmp] = lookup[(~one_side[icmp]).astype(np.int64), column.cat.codes.to_numpy()[found.first[icmp]]]
        state = used(codes, pd.Index(names, dtype="str"))
    last = found.end.max(initial=0)
    idle = np.where(found.end > 0, (last - np.maximum(found.end, 0)) // 10**9, 0)
    closed = closings(proto, bits, idle)
    words = (
        closed.categories if UNSEEN in closed.categories else closed.categories.append(pd.Index([UNSEEN], dtype="str"))
    )
    alone = one_side & ~records.one_way[found.first]
    codes = np.where(alone, words.get_loc(UNSEEN), closed.codes)
    codes[dumb & ~alone] = -1
    return {"state": state, "closed": used(codes, words)}


def _bits(found: Conversed) -> tuple[np.ndarray, np.ndarray]:
    """Return what flags tell of each conversation, in the bits of `assemble`'s kernel, and True where none are told."""
    seen_src, seen_dst = (found.sides & 1) > 0, (found.sides & 2) > 0
    dumb = (seen_src & (found.src_flags < 0)) | (seen_dst & (found.dst_flags < 0))
    known = (np.where(flags < 0, np.int16(0), flags) for flags in (found.src_flags, found.dst_flags))
    return bits_of(*known), dumb
