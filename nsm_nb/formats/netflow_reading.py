"""Export datagrams of any version to columns of flows, and what was noticed on the way. Arrays in, arrays out.

Source: Cisco, "NetFlow Export Datagram Format"; RFC 3954 (version 9); RFC 7011 (IPFIX).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nsm_nb.formats.datagrams import Datagrams
from nsm_nb.formats.netflow_fields import Records, flow_fields, is_flow
from nsm_nb.formats.netflow_fixed import RECORD_SIZES, Fixed, fixed_flows
from nsm_nb.formats.netflow_templates import SET_BITS, Decoder, Layout
from nsm_nb.kernels.records import NOT_A_TIME

__all__ = ["HEAD", "Exports", "read_exports"]

HEAD = np.dtype(
    [
        ("row", "i8"), ("version", "i8"), ("exporter", "i8"), ("number", "i8"), ("exported", "i8"), ("uptime", "i8"),
        ("sequence", "i8"), ("count", "i8"), ("records", "i8"), ("flows", "i8"), ("sampling", "i8"), ("is_read", "?"),
    ]
)  # fmt: skip
_FILL = {"start": NOT_A_TIME, "end": NOT_A_TIME, "direction_known": 0}  # what stands where a column is missing; else -1


@dataclass
class Exports:
    """Flows, and the datagrams that brought them."""

    flows: dict[str, np.ndarray]  # columns; `head` is the datagram of each flow, by its place in `heads`
    heads: np.ndarray  # dtype HEAD, in the order in which they came
    decoder: Decoder
    versions: dict[int, int]  # how many datagrams there are of each version; 0 of those too short to have one
    short: dict[int, int] = field(default_factory=dict)  # datagram: records that it lacks
    surplus: dict[int, int] = field(default_factory=dict)  # datagram: records beyond those that it claims
    false: list[int] = field(default_factory=list)  # datagrams whose headers can't be true
    cut: dict[int, int] = field(default_factory=dict)  # version: datagrams that end inside their header
    no_flows: list[tuple[Layout, int]] = field(default_factory=list)  # layouts without addresses, and their records
    timeless: int = 0  # flows whose times count from a start of the exporter that nobody tells


def read_exports(windows: Iterable[Datagrams], exporter: np.ndarray, addresses: dict[int, int]) -> Exports:
    """Return the flows in export datagrams.

    Parameters
    ----------
    windows
        The datagrams, in the order in which they came; their `rows` number them.
    exporter : int64 array
        Who sent each, by its row.
    addresses
        The number of each exporter's address.
    """
    decoder = Decoder(addresses=addresses)
    found = Exports({}, np.empty(0, HEAD), decoder, {})
    parts: list[dict[str, np.ndarray]] = []
    heads: list[np.ndarray] = []
    for each in windows:
        versions = _versions(each)
        for version, count in zip(*np.unique(versions, return_counts=True), strict=True):
            found.versions[int(version)] = found.versions.get(int(version), 0) + int(count)
        for version in RECORD_SIZES:
            if (versions == version).any():
                read = fixed_flows(each.buffer, each.start, each.size, versions, version, each.sent)
                _take_fixed(found, read, each.rows, exporter, version, parts, heads)
        view = memoryview(each.buffer)  # type: ignore[arg-type]
        for place in np.flatnonzero((versions == 9) | (versions == 10)).tolist():
            start, size, row = int(each.start[place]), int(each.size[place]), int(each.rows[place])
            decoder.take(
                view[start : start + size],
                row,
                int(exporter[row]),
                int(versions[place]),
                missing=int(each.sent[place]) - size,
            )
    decoder.close()
    if decoder.rows:
        parts += _templated(found, heads, exporter)
    found.heads = _sorted_heads(heads)
    found.flows = _joined(parts)
    if found.flows:
        rows = found.flows.pop("order") >> SET_BITS
        # rows are few; a lookup is quicker than a search
        head_of = np.full(int(found.heads["row"].max(initial=-1)) + 1, -1, np.int32)
        head_of[found.heads["row"]] = np.arange(len(found.heads), dtype=np.int32)
        found.flows["head"] = head_of[rows]
    return found


def _versions(each: Datagrams) -> np.ndarray:
    versions = np.zeros(len(each.start), np.int64)
    known = np.flatnonzero(each.size >= 2)
    at = each.start[known]
    versions[known] = (each.buffer[at].astype(np.int64) << 8) | each.buffer[at + 1]
    return versions


def _take_fixed(
    found: Exports,
    read: Fixed,
    rows: np.ndarray,
    exporter: np.ndarray,
    version: int,
    parts: list[dict[str, np.ndarray]],
    heads: list[np.ndarray],
) -> None:
    mine = rows[read.rows]
    made = np.zeros(len(mine), HEAD)
    made["row"], made["version"], made["exporter"], made["is_read"] = mine, version, exporter[mine], True
    header = read.headers
    made["exported"] = header["seconds"].astype(np.int64) * 10**9 + header["nanoseconds"].astype(np.int64)
    made["uptime"], made["records"] = header["uptime"], read.held
    made["count"] = header["count"]  # what it claims; what a cut took was sent all the same
    for name, field_name in (("sequence", "sequence"), ("number", "engine"), ("sampling", "sampling")):
        if field_name in (header.dtype.names or ()):
            made[name] = header[field_name]
    heads.append(made)
    flows = read.flows
    if len(flows["owner"]):
        owner = flows.pop("owner")
        parts.append({"order": (mine << SET_BITS)[owner], **flows})
    for into, values in ((found.short, read.short), (found.surplus, read.surplus)):
        some = np.flatnonzero(values > 0)
        into.update(zip(mine[some].tolist(), values[some].tolist(), strict=True))
    found.false += rows[read.false].tolist()
    if read.cut:
        found.cut[version] = found.cut.get(version, 0) + read.cut


def _templated(found: Exports, heads: list[np.ndarray], exporter: np.ndarray) -> list[dict[str, np.ndarray]]:
    decoder = found.decoder
    rows = np.array(decoder.rows, np.int64)
    version, seconds, uptime, sequence = np.array(decoder.heads, np.int64).reshape(-1, 4).T
    session = np.array(decoder.session_of, np.int64)
    domains = np.array([each.domain for each in decoder.sessions], np.int64)
    made = np.zeros(len(rows), HEAD)
    made["row"], made["version"], made["exporter"], made["number"] = rows, version, exporter[rows], domains[session]
    made["exported"], made["uptime"], made["sequence"] = seconds * 10**9, uptime, sequence
    made["is_read"] = ~np.isin(rows, list(decoder.undecoded | decoder.cut.keys()))
    ordered = sorted(decoder.layouts.values(), key=lambda layout: not layout.options)
    told: dict[str, list[np.ndarray]] = {"init": [], "sampling": []}
    parts = []
    for layout in ordered:
        if not layout.sets:
            continue
        records = Records(layout)
        datagram = np.searchsorted(rows, np.array(layout.order, np.int64) >> SET_BITS)
        np.add.at(made["records"], datagram, records.held)
        if not layout.options:
            np.add.at(made["flows"], datagram, records.held)
        if not records.count:
            continue
        owner = np.repeat(datagram, records.held)
        if layout.options:
            _learn_options(records, session[owner], told)
        elif not is_flow(layout):
            found.no_flows.append((layout, records.count))
        else:
            flows = flow_fields(records, made["exported"][owner])
            found.timeless += _set_times(flows, made[owner], session[owner], told["init"])
            _set_sampling(flows, session[owner], told["sampling"])
            parts.append(flows)
    heads.append(made)
    return parts


def _learn_options(records: Records, session: np.ndarray, told: dict[str, list[np.ndarray]]) -> None:
    """Keep what options say of a whole exporter: when it started, and one packet in how many it counts."""
    init = records.whole(160)
    if init is not None:
        told["init"].append(np.stack([session, np.zeros_like(session), records.order, init]))
    interval = _interval(records)
    if interval is not None:
        sampler = records.first((48, 302))
        sampler = np.full(len(session), -1) if sampler is None else sampler
        told["sampling"].append(np.stack([session, sampler, records.order, interval]))


def _interval(records: Records) -> np.ndarray | None:
    size, population = records.whole(309), records.whole(310)
    if size is not None and population is not None:  # n of N are taken (RFC 5477 8.2)
        return np.where(size > 0, population // np.maximum(size, 1), -1)
    interval = records.first((34, 50, 305))
    space = records.whole(306)
    if interval is not None and space is not None and records.has(305):
        # samplingPacketInterval packets are taken, samplingPacketSpace are not (RFC 5477 8.2)
        interval = np.where(interval > 0, (interval + space) // np.maximum(interval, 1), -1)
    return interval


def _set_times(flows: dict[str, np.ndarray], heads: np.ndarray, session: np.ndarray, told: list[np.ndarray]) -> int:
    """Turn uptimes into times; return how many flows have none for want of the exporter's start."""
    init = flows.pop("init", None)
    names = [name for name in ("start", "end") if f"{name}_uptime" in flows]
    if not names:
        return 0
    milliseconds = heads["exported"] // 10**6
    uptime = heads["uptime"]
    known = heads["version"] == 9
    if not known.all():
        start = _latest(session, np.zeros_like(session), flows["order"], told)
        if init is not None:
            start = np.where(init > 0, init, start)
        uptime = np.where(known, uptime, milliseconds - start)
        known = known | (start > 0)
    for name in names:
        raw = flows.pop(f"{name}_uptime")
        # the difference to the header's uptime, taken in 32 bits, is right across the wrap
        ago = ((uptime - raw) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
        flows[name] = np.where(known & (raw >= 0), (milliseconds - ago) * 10**6, NOT_A_TIME)
    return int((~known).sum())


def _set_sampling(flows: dict[str, np.ndarray], session: np.ndarray, told: list[np.ndarray]) -> None:
    space = flows.pop("space", None)
    sampler = flows.pop("sampler", None)
    if "sampling" in flows:
        if space is not None:
            flows["sampling"] = np.where(flows["sampling"] > 0, (flows["sampling"] + space) // flows["sampling"], -1)
    elif told:
        all_told = np.concatenate(told, axis=1)
        of_any = np.stack([all_told[0], np.full(all_told.shape[1], -1), all_told[2], all_told[3]])
        found = _latest(session, np.full(len(session), -1), flows["order"], [_agreed(of_any)])
        if sampler is not None:
            mine = _latest(session, sampler, flows["order"], told)
            found = np.where(sampler > 0, mine, found)
        if (found > 0).any():
            flows["sampling"] = found
    if "sampling" in flows:
        flows["sampling"] = np.where(flows["sampling"] > 1, flows["sampling"], -1)


def _agreed(told: np.ndarray) -> np.ndarray:
    """Return what was told of exporters that told one interval only; with several, a flow has to say which is its own."""
    pairs = np.unique(told[[0, 3]], axis=1)
    sessions, counts = np.unique(pairs[0], return_counts=True)
    return told[:, np.isin(told[0], sessions[counts == 1])]


def _latest(session: np.ndarray, scope: np.ndarray, order: np.ndarray, told: list[np.ndarray]) -> np.ndarray:
    """Return what was told last of a session and scope before each record, else first after it; -1 where nothing was."""
    if not told:
        return np.full(len(session), -1)
    all_told = np.concatenate(told, axis=1)
    several, when, value = all_told[:2], all_told[2], all_told[3]
    keys = np.concatenate([several, np.stack([session, scope])], axis=1)
    _, key = np.unique(keys, axis=1, return_inverse=True)
    key = key.reshape(-1)
    is_told = np.arange(len(key)) < len(value)
    sort = np.lexsort((~is_told, np.concatenate([when, order]), key))
    place = np.arange(len(sort))
    here = is_told[sort]
    before = np.maximum.accumulate(np.where(here, place, -1))
    after = np.minimum.accumulate(np.where(here, place, len(sort))[::-1])[::-1]
    values = np.concatenate([value, np.full(len(session), -1)])[sort]
    sorted_key = key[sort]
    result = np.full(len(sort), -1)
    for found in (after, before):  # the one before wins
        inside = (found >= 0) & (found < len(sort))
        at = np.where(inside, found, 0)
        fine = inside & (sorted_key[at] == sorted_key)
        result[fine] = values[at[fine]]
    back = np.empty(len(sort), np.int64)
    back[sort] = result
    return back[len(value) :]


def _sorted_heads(heads: list[np.ndarray]) -> np.ndarray:
    all_heads = np.concatenate([np.empty(0, HEAD), *heads])
    return all_heads[np.argsort(all_heads["row"], kind="stable")]


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the parts as one, in the order of their datagrams and sets."""
    if not parts:
        return {}
    names = dict.fromkeys(name for part in parts for name in part)
    if any("src_tag" in part for part in parts):  # else all are IPv4
        names |= dict.fromkeys(f"{side}_{half}" for side in ("src", "dst") for half in ("high", "tag"))
    sizes = [len(part["order"]) for part in parts]
    joined = {}
    for name in names:
        of_four = {"src_high": 0, "dst_high": 0, "src_tag": 4, "dst_tag": 4}.get(name)
        fill = _FILL.get(name, -1) if of_four is None else of_four
        each = [part[name] if name in part else np.full(size, fill) for part, size in zip(parts, sizes, strict=True)]
        joined[name] = each[0] if len(each) == 1 else np.concatenate(each)
    order = joined["order"]
    if len(parts) > 1 and (order[1:] < order[:-1]).any():
        sort = np.argsort(order, kind="stable")
        joined = {name: values[sort] for name, values in joined.items()}
    return joined
