"""NetFlow version 5 as routers and probes send it: a capture of the export datagrams.

A record is one direction of a conversation, so what dst sent is missing. Versions 1, 7, 9 and IPFIX are recognised and
counted, not read yet. Frames that are no exports are counted too, in all of the file: a case reads such a capture for its
packets as well, so that nobody can hide an intrusion behind a few datagrams of NetFlow.

Source: Cisco, "NetFlow Export Datagram Format" (versions 1, 5, 7); RFC 3954 (version 9); RFC 7011 (IPFIX).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, pcap
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.netflow_v5 import HEADER, RECORD, flows, sequence, times
from nsm_nb.schema import SESSIONS, Caveat, caveats_of, with_caveats
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.formats.datagrams import Datagrams

__all__ = ["EXTENSIONS", "NAME", "TITLE", "holds_packets", "is_export", "recognises", "sessions"]

NAME = "netflow"
TITLE = "capture of NetFlow export datagrams"
EXTENSIONS = (".pcap", ".pcapng", ".cap")

_VERSIONS = {
    1: "NetFlow version 1",
    5: "NetFlow version 5",
    7: "NetFlow version 7",
    9: "NetFlow version 9",
    10: "IPFIX",
}
_RECORD_SIZES = {1: (16, 52), 5: (24, 48), 7: (24, 52)}  # bytes of the header and of a record
_FAR = 2 * 3600 * 1000  # ms between a flow's end and its export: longer than any timeout that exporters have by default
_OTHERS = "other frames"  # the kind of the caveat that counts what is no export
_MOST_TOLD = 20  # remarks about exporters that are told one by one
_PORTED = [6, 17, 33, 132, 136]  # TCP, UDP, DCCP, SCTP, UDP-Lite: what stands in the port fields are ports


def recognises(head: bytes) -> bool:
    """Return True where the file is a capture and most of what UDP carries in its first frames is NetFlow or IPFIX."""
    if not pcap.recognises(head):
        return False
    from nsm_nb.formats.datagrams import first_datagrams

    found, frames = first_datagrams(head)
    buffer = found.buffer
    exports = sum(
        whole == sent and is_export(buffer[at : at + whole].tobytes())
        for at, whole, sent in zip(found.start.tolist(), found.size.tolist(), found.sent.tolist(), strict=True)
    )
    # a collector that does not listen answers each datagram with "port unreachable"
    return exports > 0 and 2 * exports >= len(found.rows) and 3 * exports >= frames


def is_export(payload: bytes) -> bool:
    """Return True where a payload is a whole export datagram: a known version, and lengths that add up to its end."""
    size = len(payload)
    version, count = (int.from_bytes(payload[at : at + 2]) for at in (0, 2))
    if version in _RECORD_SIZES:
        header, record = _RECORD_SIZES[version]
        return count > 0 and size == header + count * record
    if version == 9:
        at, largest = 20, 1  # flow set 0 holds templates, 1 options templates (RFC 3954 5)
    elif version == 10 and count == size:
        at, largest = 16, 3  # set 2 holds templates, 3 options templates (RFC 7011 3.3.2)
    else:
        return False
    while at + 4 <= size:
        kind, length = (int.from_bytes(payload[place : place + 2]) for place in (at, at + 2))
        if length < 4 or largest < kind < 256 or (version == 10 and kind < 2):
            return False
        at += length
    return at == size and size > (20 if version == 9 else 16)


def _exports(found: Datagrams) -> np.ndarray:
    """Return a bool array, True for the datagrams that are whole exports as they were sent."""
    exports = np.zeros(len(found.start), bool)
    known = np.flatnonzero(found.size >= 4)
    at = found.start[known]
    version, count = (
        (found.buffer[at + place].astype(np.int64) << 8) | found.buffer[at + place + 1] for place in (0, 2)
    )
    for number, (header, record) in _RECORD_SIZES.items():
        exports[known] |= (version == number) & (count > 0) & (found.sent[known] == header + count * record)
    for row in known[(version == 9) | (version == 10)].tolist():
        start, size = int(found.start[row]), int(found.size[row])
        exports[row] = size == found.sent[row] and is_export(found.buffer[start : start + size].tobytes())
    return exports


def holds_packets(sessions: pd.DataFrame) -> bool:
    """Return True where the capture that `sessions` was read from holds packets besides the exports."""
    return any(caveat.kind == _OTHERS for caveat in caveats_of(sessions))


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read captured NetFlow version 5 exports: one row of SESSIONS for each flow record, which is one direction.

    `src` is who sent; whether it opened the conversation is not known. What dst sent, states and payloads are not in
    a record, so they are missing; so are the ports of protocols that have none (for ICMP, type and code stand in the
    destination port). Octets are IP bytes. `sensor` is the exporter: its address, port and engine.

    Parameters
    ----------
    path
        The capture.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.

    Returns
    -------
    DataFrame
        Lost, cut and unread datagrams stand in the caveats; `record` counts the flow records from 1.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where it is no capture.
    """
    from nsm_nb.formats.datagrams import datagrams

    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        packets = pcap.packets(path, label=label)
        parts = []
        versions: dict[int, int] = {}
        at, false, exports = ([np.empty(0, np.int64)] for _ in range(3))
        for each in datagrams(path, packets):
            part = flows(each.buffer, each.start, each.size)
            parts.append(part)
            exports.append(each.rows[_exports(each)])
            at.append(each.rows[part.rows])
            false.append(each.rows[part.false])
            for version, count in zip(*np.unique(part.versions, return_counts=True), strict=True):
                versions[int(version)] = versions.get(int(version), 0) + int(count)
    headers = np.concatenate([np.empty(0, HEADER), *(part.headers for part in parts)])
    rows = np.concatenate(at)
    exporters = _exporters(packets, rows, headers)
    shift = np.cumsum([0, *(len(part.headers) for part in parts)])
    owner = np.concatenate([np.empty(0, np.int64), *(part.owner + by for part, by in zip(parts, shift, strict=False))])
    records = np.concatenate([np.empty(0, RECORD), *(part.records for part in parts)])
    short, surplus = (
        np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
        for name in ("short", "surplus")
    )
    table, turned, far = _table(
        records, owner, headers, _milliseconds(packets["time"])[rows], exporters, label, fingerprint
    )
    caveats = [each for each in caveats_of(packets) if each.kind != "clock"]
    caveats += _unread(versions, label)
    caveats += _beside(packets, np.concatenate(exports), label)
    wrong = np.concatenate(false)
    cut = versions.get(5, 0) - len(headers) - len(wrong)
    caveats += _damaged(short, surplus, cut, rows, wrong, packets, label)
    caveats += _lost(headers, exporters, label)
    caveats += _clocks(turned, far, len(records), label)
    return with_caveats(table, caveats)


def _exporters(packets: pd.DataFrame, rows: np.ndarray, headers: np.ndarray) -> pd.Categorical:
    """Return who sent each datagram, and to which port; the engine too where it is not 0/0."""
    some = packets[["src_ip", "src_port", "dst_port"]].iloc[rows]
    ports = (some[name].fillna(0).to_numpy(np.int64) for name in ("src_port", "dst_port"))
    engine = headers["engine_type"].astype(np.int64) << 8 | headers["engine_id"]
    codes = some["src_ip"].cat.codes.to_numpy(np.int64)
    for each in (*ports, engine):  # three numbers of 16 bits, one after the other, so that no key overflows
        codes = pd.factorize(codes << 16 | each)[0]
    firsts = np.flatnonzero(~pd.Series(codes).duplicated())  # in the order of the codes
    names = []
    for address, port, to, number in zip(
        some["src_ip"].iloc[firsts],
        some["src_port"].iloc[firsts],
        some["dst_port"].iloc[firsts],
        engine[firsts],
        strict=True,
    ):
        name = f"[{address}]:{port} to port {to}" if ":" in str(address) else f"{address}:{port} to port {to}"
        names.append(f"{name} engine {number >> 8}/{number & 255}" if number else name)
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))


def _table(
    records: np.ndarray,
    owner: np.ndarray,
    headers: np.ndarray,
    captured: np.ndarray,
    exporters: pd.Categorical,
    label: str,
    fingerprint: Fingerprint,
) -> tuple[pd.DataFrame, int, int]:
    """Return the rows; how many flows ended before they began; how many lie far from their export."""
    count = len(records)
    start, end = (times(headers, records[name], owner) for name in ("first", "last"))
    turned = end < start
    start, end = np.where(turned, end, start), np.where(turned, start, end)
    proto = records["proto"]
    portless = np.ones(256, bool)
    portless[_PORTED] = False
    portless = portless[proto]
    src_ip, dst_ip = _addresses(records["src"], records["dst"])
    number = np.arange(1, count + 1)
    far = np.abs(end - captured[owner]) > _FAR
    table = {
        "session": _masked(columns.session_numbers(fingerprint.digits(), number), None, np.int64),
        "start": _utc(start),
        "end": _utc(end),
        "duration": (end - start) / 1000,
        "proto": _protocols(proto),
        "src_ip": src_ip,
        "src_port": _masked(records["src_port"], portless, np.uint16),
        "dst_ip": dst_ip,
        "dst_port": _masked(records["dst_port"], portless, np.uint16),
        "src_packets": _masked(records["packets"], None, np.int64),
        "src_octets": _masked(records["octets"], None, np.int64),
        "direction_known": pd.arrays.BooleanArray(np.zeros(count, bool), np.zeros(count, bool)),
        "sensor": pd.Categorical.from_codes(exporters.codes[owner], dtype=exporters.dtype),
        "evidence": columns.same(label, count),
        "record": _masked(number, None, np.int64),
        "source": columns.same(NAME, count),
    }
    table |= columns.absent(SESSIONS, table, count)
    ordered = {name: table[name] for name in SESSIONS.columns}  # their dtypes are those of the schema; a test says so
    return pd.DataFrame(ordered, copy=False), int(turned.sum()), int(far.sum())


def _milliseconds(time: pd.Series) -> np.ndarray:
    return time.dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)


def _utc(milliseconds: np.ndarray) -> pd.Series:
    return pd.Series((milliseconds * 1_000_000).view("datetime64[ns]")).dt.tz_localize("UTC")


def _masked(values: np.ndarray, absent: np.ndarray | None, dtype: type) -> pd.arrays.IntegerArray:
    numbers: np.ndarray = values.astype(dtype)
    if absent is None:
        return pd.arrays.IntegerArray(numbers, np.zeros(len(numbers), bool))
    numbers[absent] = 0
    return pd.arrays.IntegerArray(numbers, absent.copy())


def _protocols(numbers: np.ndarray) -> pd.Categorical:
    from nsm_nb.formats.frames import protocol_name

    present = np.flatnonzero(np.bincount(numbers, minlength=256))
    names = sorted({protocol_name(int(each)) or "" for each in present})
    lookup = np.zeros(256, np.int16)
    lookup[present] = [names.index(protocol_name(int(each)) or "") for each in present]
    return pd.Categorical.from_codes(lookup[numbers], categories=pd.Index(names, dtype="str"))


def _addresses(*sides: np.ndarray) -> tuple[pd.Categorical, ...]:
    """Return IPv4 addresses as categoricals of one dtype, in the order of their numbers."""
    import pyarrow as pa

    from nsm_nb.kernels.addresses import address_texts

    codes, known = pd.factorize(np.concatenate([side.astype(np.uint32) for side in sides]))
    order = np.argsort(known)
    rank = np.empty(len(known), np.int32)
    rank[order] = np.arange(len(known), dtype=np.int32)
    low = known[order].astype(np.int64)
    data, offsets = address_texts(np.zeros_like(low), low, np.full_like(low, 4))
    texts = pa.LargeStringArray.from_buffers(len(low), pa.py_buffer(offsets), pa.py_buffer(data))
    dtype = pd.CategoricalDtype(pd.Index(pd.array(texts, dtype="str")), ordered=True)
    split = np.split(rank[codes], np.cumsum([len(side) for side in sides])[:-1])
    return tuple(pd.Categorical.from_codes(each, dtype=dtype) for each in split)


# --- caveats


def _unread(versions: dict[int, int], label: str) -> Iterable[Caveat]:
    for version, title in _VERSIONS.items():
        if version != 5 and version in versions:
            said = f"{versions[version]:,} datagrams of {title} are not read yet; their flows are missing"
            yield Caveat(label, None, None, "format", f"{printable(label)}: {said}")
    others = sum(count for version, count in versions.items() if version not in _VERSIONS)
    if others:
        said = f"{others:,} datagrams of UDP are no NetFlow"
        yield Caveat(label, None, None, "format", f"{printable(label)}: {said}")


def _beside(packets: pd.DataFrame, exports: np.ndarray, label: str) -> Iterable[Caveat]:
    """Yield how many frames are no exports: those of no account, and those that are packets in their own right."""
    others = np.ones(len(packets), bool)
    others[exports] = False
    src, dst = (packets[name].cat.codes.to_numpy(np.int64) for name in ("src_ip", "dst_ip"))
    # a collector that does not listen answers each datagram with "port unreachable" (RFC 792)
    answers = (packets["icmp_type"] == 3).fillna(False).to_numpy(bool)
    answers &= np.isin(src << 32 | dst, np.unique(dst[exports] << 32 | src[exports]))
    slight = others & (answers | (packets["proto"] == "arp").to_numpy(bool))
    weighty = others & ~slight
    if slight.any():
        said = f"{slight.sum():,} frames of ARP, and ICMP that answers exports, were passed over"
        yield Caveat(label, None, None, "format", f"{printable(label)}: {said}")
    if weighty.any():
        first = int(np.argmax(weighty))
        frame, offset = int(packets["frame"].iloc[first]), int(packets["offset"].iloc[first])
        said = f"{weighty.sum():,} of {len(packets):,} frames are no exports (the first is frame {frame:,}): they are packets"
        yield Caveat(label, frame, offset, _OTHERS, f"{printable(label)}: {said}")


def _damaged(
    short: np.ndarray,
    surplus: np.ndarray,
    cut: int,
    rows: np.ndarray,
    wrong: np.ndarray,
    packets: pd.DataFrame,
    label: str,
) -> Iterable[Caveat]:
    """Yield what is the matter with datagrams of version 5: how many, and the first one."""
    if cut:
        said = f"{cut:,} datagrams of NetFlow version 5 are cut inside their header; their flows are missing"
        yield Caveat(label, None, None, "cut", f"{printable(label)}: {said}")
    for kind, where, sentence in (
        (
            "cut",
            rows[short > 0],
            f"{short.sum():,} flow records are not there: {{}} are shorter than their headers claim",
        ),
        ("count", rows[surplus > 0], f"{surplus.sum():,} flow records were not read: {{}} hold more than they claim"),
        ("count", wrong, "{} claim more records than a datagram can hold; they were not read"),
    ):
        if len(where):
            frame, offset = int(packets["frame"].iloc[where[0]]), int(packets["offset"].iloc[where[0]])
            said = sentence.format(f"{len(where):,} datagrams (the first is frame {frame:,})")
            yield Caveat(label, frame, offset, kind, f"{printable(label)}: {said}")


def _clocks(turned: int, far: int, count: int, label: str) -> Iterable[Caveat]:
    name = printable(label)
    if turned:
        detail = f"{name}: {turned:,} of {count:,} flows end before they begin; start and end were exchanged"
        yield Caveat(label, None, None, "clock", detail)
    if far:
        detail = (
            f"{name}: {far:,} of {count:,} flows lie more than {_FAR // 3_600_000} hours from when their datagram was "
            "captured: the exporter's clock is wrong, or it was fed from an old capture; durations can be right all the same"
        )
        yield Caveat(label, None, None, "clock", detail)


def _lost(headers: np.ndarray, exporters: pd.Categorical, label: str) -> list[Caveat]:
    """Return what the sequence numbers tell of each exporter, and that there are several, where there are."""
    name = printable(label)
    codes = exporters.codes.astype(np.int64)
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []
    caveats = []
    for exporter, mine in zip(exporters.categories, (headers[group] for group in groups), strict=True):
        caveats += [Caveat(label, None, None, kind, f"{name}: {said}") for kind, said in _told(exporter, mine)]
    if len(caveats) > _MOST_TOLD:
        more = len(caveats) - _MOST_TOLD
        detail = f"{name}: and {more:,} more such remarks about its {len(groups):,} exporters"
        caveats = [*caveats[:_MOST_TOLD], Caveat(label, None, None, "lost", detail)]
    if len(groups) > 1:
        heard = [f"{exporters.categories[place]}" for place in range(min(len(groups), 5))]
        others = f" and {len(groups) - 5:,} more" if len(groups) > 5 else ""
        detail = (
            f"{name}: {len(groups):,} exporters are heard ({', '.join(heard)}{others}); a conversation that several of them "
            "saw counts once for each: choose one by `sensor`"
        )
        caveats.append(Caveat(label, None, None, "duplicates", detail))
    return caveats


def _told(exporter: str, headers: np.ndarray) -> Iterable[tuple[str, str]]:
    told = sequence(headers)
    if not told.counts_flows:
        yield "lost", f"the sequence numbers of exporter {exporter} do not count flows: what was lost can't be told"
    if told.lost:
        share = 100 * told.lost / (told.lost + int(headers["count"].sum()))
        yield "lost", f"{told.lost:,} flows lost of exporter {exporter}, {share:.2g} % of those it sent"
    if told.again:
        yield (
            "duplicates",
            f"{told.again:,} datagrams of exporter {exporter} were captured twice; their flows count twice",
        )
    if told.starts > 1:
        yield (
            "lost",
            f"exporter {exporter} was started anew {told.starts - 1:,} times; what was lost then is not counted",
        )
    sampled = headers["sampling"] & 0x3FFF
    if (sampled > 1).any():
        yield "sampling", f"exporter {exporter} samples 1 in {sampled.max():,} packets; the numbers are what it counted"
