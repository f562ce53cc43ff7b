"""Snort's unified2: binary records of events, of the packets that raised them, and of what was found in the stream.

A record is its type and its length, both in network byte order, and its body. Events of all versions begin alike, so that
each is read as far as it is known; bodies may be longer. Message and class stand in no record: `nsm_nb.alerts.named` finds
them in the maps and rules of the sensor.

Source: Snort 2.9, README.unified2 and Unified2_common.h; Snort 3, u2_common.h; measured on Snort 2.9 (reference/
seed-systems.md 4).
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats import columns
from nsm_nb.formats.lines import Fingerprint, Noted, Span, whole_text
from nsm_nb.formats.source import Source, open_evidence
from nsm_nb.schema import ALERTS, Caveat
from nsm_nb.text import printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "Packet", "alerts", "detail", "packets_of", "recognises", "whole_until"]

NAME = "unified2"
TITLE = "Snort's unified2 alerts and packets"
EXTENSIONS = (".u2", ".unified2", ".log", ".alert")

_HEAD = struct.Struct(">2I")
_LARGEST = 1 << 20  # bytes of a record; Snort's packets are below 65,600, its extra data below 66,000
_BUFFER = 1 << 24
_EVENT_4, _EVENT_6, _EVENT_3 = 52, 76, 96
# UNIFIED2_IDS_EVENT, _MPLS, _VLAN, _APPID; the same for IPv6; UNIFIED2_EVENT3
_EVENTS = {7: _EVENT_4, 99: _EVENT_4, 104: _EVENT_4, 111: _EVENT_4, 72: _EVENT_6, 100: _EVENT_6, 105: _EVENT_6, 112: _EVENT_6,
           114: _EVENT_3}  # fmt: skip
_PACKET, _BUFFERED, _EXTRA = 2, 3, 110
_PACKETS = {_PACKET: 28, _BUFFERED: 28, _EXTRA: 32}
_LEAST = _EVENTS | _PACKETS
_KNOWN = frozenset(_LEAST) | {1, 113}
_BLOCKED = {1: "drop", 2: "would drop", 3: "can't drop"}  # Snort 2.9, README.unified2; 0 was let through
_STATUS = {1: "can't ", 2: "would ", 3: "forced "}  # Snort 3's u2spewfoo: allow, can't, would, force
_ACTION = {1: "drop", 2: "block", 3: "reset"}
_KINDS = {1: "XFF address", 2: "XFF address", 3: "reviewed by", 4: "gzip data", 5: "SMTP file name", 6: "SMTP MAIL FROM",
          7: "SMTP RCPT TO", 8: "SMTP headers", 9: "HTTP URI", 10: "HTTP host", 11: "IPv6 source", 12: "IPv6 destination",
          13: "normalized JavaScript"}  # fmt: skip


class Packet(NamedTuple):
    """A packet that the sensor logged for an event."""

    time: pd.Timestamp
    linktype: int
    data: bytes


def recognises(head: bytes) -> bool:
    """Return True where the file starts with records of known types and lengths, one behind the other."""
    at = seen = 0
    while at + 8 <= len(head) and seen < 8:
        kind, length = _HEAD.unpack_from(head, at)
        if kind not in _KNOWN or not _LEAST.get(kind, 16) <= length <= _LARGEST:
            return False
        at += 8 + length
        seen += 1
    return seen > 0 and (seen > 1 or at <= len(head)) and _HEAD.unpack_from(head)[0] in _LEAST


def alerts(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, span: Span | None = None
) -> pd.DataFrame:
    """Read the events of a unified2 file: one row of ALERTS for each.

    Messages are missing and classes are numbers, ``class 29``: `nsm_nb.alerts.named` puts words for them.

    Parameters
    ----------
    path
        The file, plain or compressed.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.
    span
        The part of the file to read; all of it where not given.

    Returns
    -------
    DataFrame
        `record` is the number of the event among all records of the file. Where the file breaks off or its records can't
        be, and how many records of unknown types were passed over, stands in the caveats.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one whole record could be read.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        events = _Events(label)
        with _Walk(path, span) as walk:
            for block in walk:
                events.take(block)
        caveats = [*events.caveats(), *walk.caveats(label)]
        if not walk.count and span is None:
            raise DamagedEvidence(
                f"{printable(label)} holds no whole record of unified2; {caveats[0].detail}", ALERTS.empty()
            )
    return events.table(fingerprint.digits(), caveats)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one event: all its fields, its first packet as EVE has it (`packet` in base64, `packet_info.linktype`), all
    its `packets`, and its `extra` data.

    Parameters
    ----------
    path
        The file.
    record
        The number of the event's record, from 1.

    Raises
    ------
    UnknownName
        Where there is no such record, or it is no event.
    """  # noqa: D205
    index = _indexed(path)
    kind, body = _event(path, index, record)
    told = _fields(kind, body)
    packets = packets_of(path, record)
    if packets:
        told["packet"] = base64.b64encode(packets[0].data).decode()
        told["packet_info"] = {"linktype": packets[0].linktype}
        told["packets"] = [
            {
                "time": each.time.isoformat(),
                "linktype": each.linktype,
                "length": len(each.data),
                "data": base64.b64encode(each.data).decode(),
            }
            for each in packets
        ]
    extra = [_extra(each) for each in _bodies(path, index, _key(kind, body), (_EXTRA,))]
    return told | ({"extra": extra} if extra else {})


def packets_of(path: str | os.PathLike, record: int) -> list[Packet]:
    """Return the packets that were logged for an event; parameters and errors as `detail`."""
    index = _indexed(path)
    kind, body = _event(path, index, record)
    found = []
    for each in _bodies(path, index, _key(kind, body), (_PACKET, _BUFFERED)):
        second, micro, linktype, length = struct.unpack_from(">4I", each, 12)
        time = pd.Timestamp(second * 1_000_000_000 + micro * 1_000, unit="ns", tz="UTC")
        found.append(Packet(time, linktype, each[28 : 28 + length]))
    return found


def whole_until(path: str | os.PathLike, span: Span) -> tuple[int, int]:
    """Return where the last whole record of a part ends, and how many whole ones it has."""
    with _Walk(path, span) as walk:
        for _ in walk:
            pass
        return walk.whole, walk.count


# --- records


class _Block(NamedTuple):
    """Some whole records: their bytes, and type, place in the buffer and length of the body of each."""

    data: memoryview
    records: list[tuple[int, int, int]]
    first: int  # number of the first one
    base: int  # where the buffer stands in the file


class _Walk:
    """The records of a file, some at a time."""

    def __init__(self, path: str | os.PathLike, span: Span | None):
        # at least two of the largest records; four times a small file holds most that unpack from it
        size = Path(path).stat().st_size if Path(path).is_file() else 0
        self._source = Source(path, min(_BUFFER, max(4 * size, 2 * _LARGEST)))
        self._stop = None if span is None else span.end
        self.count = 0  # of whole records
        self._before = 0 if span is None else span.record - 1
        if span is not None:
            self._source.base = self._source._file.seek(span.offset)
        self.whole = self._source.at  # where the last whole record ends
        self._trouble = ""
        self._left = self._unread = 0  # bytes of a record that breaks off; bytes behind one that can't be

    def __enter__(self) -> _Walk:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.__exit__()

    def __iter__(self) -> Iterator[_Block]:
        source = self._source
        while True:
            more = source.fill()
            while more and source.end < len(source.buffer):
                more = source.fill()
            end = source.end if self._stop is None else min(source.end, self._stop - source.base)
            data = memoryview(source._bytes)
            at, records = source.start, []
            unpack = _HEAD.unpack_from
            while at + 8 <= end:
                kind, length = unpack(data, at)
                if kind == 0 or length > _LARGEST:
                    self._trouble = f"a record of type {kind:,} claims {length:,} bytes, which can't be"
                    break
                if at + 8 + length > end:
                    break
                records.append((kind, at + 8, length))
                at += 8 + length
            yield _Block(data, records, self._before + self.count + 1, source.base)
            self.count += len(records)
            source.start = at
            self.whole = source.base + at
            if self._trouble or not more or (self._stop is not None and source.base + source.end >= self._stop):
                self._left = end - at
                self._unread = source.rest() if self._trouble else 0
                return

    def caveats(self, label: str) -> list[Caveat]:
        """Return what there is to say of the end of the file."""
        name, place = printable(label), f"record {self._before + self.count + 1:,} (byte {self.whole:,})"
        if self._trouble:
            said = f"{name}: at {place} {self._trouble}; {self._unread:,} bytes were not read"
            return [Caveat(label, self._before + self.count + 1, self.whole, "damage", said)]
        if self._source.trouble:
            return [Caveat(label, self._before + self.count, self.whole, "cut", f"{name}: {self._source.trouble}")]
        if self._left:
            said = f"{name}: {place} breaks off after {self._left:,} bytes: the file was cut, or is still being written"
            return [Caveat(label, self._before + self.count + 1, self.whole, "cut", said)]
        return []


class _Events:
    """The events among the records, as far as all versions have the same: kept as bytes, 16 for each address."""

    def __init__(self, label: str):
        self.label = label
        self._rows: dict[int, list[bytes]] = {_EVENT_4: [], _EVENT_6: [], _EVENT_3: []}
        self._record: dict[int, list[int]] = {each: [] for each in self._rows}
        self._start: dict[int, list[int]] = {each: [] for each in self._rows}
        self._unknown: Counter[int] = Counter()
        self._short = Noted(label, "record", place="record")

    def take(self, block: _Block) -> None:
        """Keep the events of a block."""
        for place, (kind, at, length) in enumerate(block.records):
            size = _EVENTS.get(kind)
            if size is None:
                if kind not in _KNOWN:
                    self._unknown[kind] += 1
                continue
            if length < size:
                said = f"is an event of type {kind} with {length:,} bytes, fewer than the {size} it must have; it was not read"
                self._short.add(block.first + place, block.base + at - 8, said)
                continue
            self._rows[size].append(bytes(block.data[at : at + size]))
            self._record[size].append(block.first + place)
            self._start[size].append(block.base + at - 8)

    def caveats(self) -> list[Caveat]:
        """Return what there is to say of the records."""
        found = self._short.caveats()
        if self._unknown:
            kinds = ", ".join(f"{count:,} of type {kind}" for kind, count in self._unknown.most_common(10))
            said = (
                f"{printable(self.label)}: {self._unknown.total():,} records of unknown types were passed over: {kinds}"
            )
            found.append(Caveat(self.label, None, None, "record", said))
        return found

    def table(self, digest: str, caveats: list[Caveat]) -> pd.DataFrame:
        """Return the events as ALERTS, in the order of the file."""
        parts = [_columns(size, b"".join(rows), len(rows)) for size, rows in self._rows.items()]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        record = np.concatenate([np.array(each, np.int64) for each in self._record.values()])
        start = np.concatenate([np.array(each, np.int64) for each in self._start.values()])
        order = np.argsort(record, kind="stable")
        whole = {name: column[order] for name, column in whole.items()}
        record, start = record[order], start[order]
        proto = _named(whole["proto"], lambda number: columns.protocol(str(number)))
        src, dst = _addresses(whole["src"], whole["dst"])
        stamps = (whole["second"] * 1_000_000_000 + whole["micro"] * 1_000).view("datetime64[ns]")
        table = {
            "alert": columns.alert_names(digest, record),
            "time": pd.Series(stamps).dt.tz_localize("UTC"),
            "classification": _named(whole["class"], lambda number: f"class {number}" if number else None),
            "action": _named(whole["action"], _action),
            "proto": proto,
            "src_ip": src,
            "src_port": columns.ports(whole["sport"].astype(float), proto),
            "dst_ip": dst,
            "dst_port": columns.ports(whole["dport"].astype(float), proto),
            "evidence": columns.same(self.label, len(record)),
            "record": record,
            "source": columns.same(NAME, len(record)),
        }
        table |= {name: columns.whole(whole[name].astype(float)) for name in ("gid", "sid", "rev")}
        priority = whole["priority"].astype(float)
        table["priority"] = columns.whole(np.where(priority > 0, priority, np.nan))
        return columns.conformed(ALERTS, table, record, start, self.label, caveats, place="record")


def _columns(size: int, data: bytes, count: int) -> dict[str, np.ndarray]:
    """Return the fields of events of one size; addresses as 16 bytes, IPv4 in the last four behind a mark of 255."""
    raw = np.frombuffer(data, np.uint8).reshape(count, size)
    words = raw[:, :36].copy().view(">u4").reshape(count, 9).astype(np.int64)
    names = ("second", "micro", "sid", "gid") if size != _EVENT_3 else ("second", "micro", "gid", "sid")
    found: dict[str, np.ndarray] = {name: words[:, place] for place, name in zip(range(2, 6), names, strict=True)}
    found |= {"rev": words[:, 6], "class": words[:, 7], "priority": words[:, 8]}
    if size == _EVENT_3:
        ports, proto = raw[:, 84:88], raw[:, 93]
        action = 256 + raw[:, 94].astype(np.int64) * 16 + np.minimum(raw[:, 95], 15)
        src, dst = (
            np.where(((raw[:, 92] >> shift) & 15 == 4)[:, None], _of_four(each[:, 12:16]), each)
            for shift, each in ((4, raw[:, 48:64]), (0, raw[:, 64:80]))
        )
    elif size == _EVENT_6:
        src, dst, ports, proto, action = (
            raw[:, 36:52],
            raw[:, 52:68],
            raw[:, 68:72],
            raw[:, 72],
            raw[:, 75].astype(np.int64),
        )
    else:
        src, dst = _of_four(raw[:, 36:40]), _of_four(raw[:, 40:44])
        ports, proto, action = raw[:, 44:48], raw[:, 48], raw[:, 51].astype(np.int64)
    both = ports.copy().view(">u2").reshape(count, 2).astype(np.int64)
    found |= {
        "sport": both[:, 0],
        "dport": both[:, 1],
        "proto": proto.astype(np.int64),
        "action": action.astype(np.int64),
    }
    return found | {"src": src, "dst": dst}


_MARK = np.frombuffer(b"\xff" * 12, np.uint8)  # no address that a packet can carry starts so


def _of_four(raw: np.ndarray) -> np.ndarray:
    return np.concatenate([np.broadcast_to(_MARK, (len(raw), 12)), raw], axis=1)


def _address(raw: bytes) -> str:
    return str(ipaddress.IPv4Address(raw[12:])) if raw[:12] == _MARK.tobytes() else str(ipaddress.IPv6Address(raw))


def _addresses(*columns_: np.ndarray) -> list[pd.Categorical]:
    """Return address columns of one ordered dtype."""
    import pyarrow as pa

    from nsm_nb.kernels.addresses import address_order, address_texts

    raw = np.ascontiguousarray(np.concatenate(columns_))
    known, codes = np.unique(raw.view("V16").ravel(), return_inverse=True)
    whole = np.frombuffer(known.tobytes(), np.uint8).reshape(-1, 16)
    four = (whole[:, :12] == 255).all(axis=1)
    halves = whole.copy().view(">u8").reshape(-1, 2)
    high = np.where(four, 0, halves[:, 0]).astype(np.uint64).view(np.int64)
    low = np.where(four, halves[:, 1] & np.uint64(0xFFFFFFFF), halves[:, 1]).astype(np.uint64).view(np.int64)
    tag = np.where(four, 4, 6).astype(np.int64)
    order = address_order(high, low, tag)
    data, offsets = address_texts(high[order], low[order], tag[order])
    texts = pa.LargeStringArray.from_buffers(len(order), pa.py_buffer(offsets), pa.py_buffer(data))
    dtype = pd.CategoricalDtype(pd.Index(pd.array(texts, dtype="str")), ordered=True)
    place = np.empty(len(order) + 1, np.int32)
    place[order] = np.arange(len(order))
    place[:-1][(high == 0) & (low == 0)] = -1  # all zeros: an event without addresses
    return [
        pd.Categorical.from_codes(part, dtype=dtype)
        for part in np.split(place[codes], np.cumsum([len(each) for each in columns_])[:-1])
    ]


def _named(values: np.ndarray, change: Any) -> pd.Categorical:
    known, codes = np.unique(values, return_inverse=True)
    words = [change(int(each)) for each in known]
    names = list(dict.fromkeys(word for word in words if word is not None))
    lookup = np.array([-1 if word is None else names.index(word) for word in words] or [-1])
    return pd.Categorical.from_codes(lookup[codes], categories=pd.Index(names, dtype="str"))


def _action(number: int) -> str | None:
    if number < 256:
        return _BLOCKED.get(number)
    status, action = divmod(number - 256, 16)
    word = _ACTION.get(action)
    return None if word is None else _STATUS.get(status, "") + word


# --- one event


class _Index(NamedTuple):
    kind: np.ndarray
    offset: np.ndarray  # of the body
    length: np.ndarray
    key: np.ndarray  # sensor, event, second: of packets and extra data


def _indexed(path: str | os.PathLike) -> _Index:
    state = Path(path).stat()
    return _index(os.fspath(path), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _index(path: str, size: int, changed: int) -> _Index:
    """Return where every record stands."""
    rows, keys = [], []
    with _Walk(path, None) as walk:
        for block in walk:
            for kind, at, length in block.records:
                rows.append((kind, block.base + at, length))
                fits = length >= _PACKETS.get(kind, 1 << 30)
                keys.append(
                    struct.unpack_from(">3I", block.data, at + (8 if kind == _EXTRA else 0)) if fits else (0, 0, 0)
                )
    table = np.array(rows, np.int64).reshape(-1, 3)
    return _Index(table[:, 0], table[:, 1], table[:, 2], np.array(keys, np.int64).reshape(-1, 3))


def _read_at(path: str | os.PathLike, places: list[tuple[int, int]]) -> list[bytes]:
    found = []
    with open_evidence(path) as file:
        for offset, length in places:
            file.seek(offset)
            found.append(file.read(length))
    return found


def _event(path: str | os.PathLike, index: _Index, record: int) -> tuple[int, bytes]:
    name = printable(Path(path).name)
    if not 1 <= record <= len(index.kind):
        raise UnknownName(f"{name} has no record {record:,}; it has {len(index.kind):,}")
    kind, length = int(index.kind[record - 1]), int(index.length[record - 1])
    if length < _EVENTS.get(kind, 1 << 30):
        raise UnknownName(
            f"record {record:,} of {name} is no event that can be read; it is of type {kind}, {length:,} bytes"
        )
    return kind, _read_at(path, [(int(index.offset[record - 1]), length)])[0]


def _key(kind: int, body: bytes) -> tuple[int, int, int]:
    return struct.unpack_from(">3I", body)


def _bodies(path: str | os.PathLike, index: _Index, key: tuple[int, int, int], kinds: tuple[int, ...]) -> list[bytes]:
    """Return the bodies of the records of some kinds that belong to an event."""
    wanted = np.isin(index.kind, kinds) & (index.key == np.array(key)).all(axis=1)
    places = [(int(index.offset[each]), int(index.length[each])) for each in np.flatnonzero(wanted)]
    return _read_at(path, places)


def _fields(kind: int, body: bytes) -> dict[str, Any]:
    size = _EVENTS[kind]
    columns_ = _columns(size, body[:size], 1)
    one = {name: column[0] for name, column in columns_.items()}
    sensor, event = struct.unpack_from(">2I", body)
    told: dict[str, Any] = {
        "type": kind,
        "sensor_id": sensor,
        "event_id": event,
        "time": pd.Timestamp(int(one["second"]) * 10**9 + int(one["micro"]) * 1000, unit="ns", tz="UTC").isoformat(),
    }
    told |= {name: int(one[name]) for name in ("gid", "sid", "rev", "class", "priority")}
    told |= {f"{side}_ip": _address(np.asarray(one[side]).tobytes()) for side in ("src", "dst")}
    told |= {"src_port_or_type": int(one["sport"]), "dst_port_or_code": int(one["dport"]), "proto": int(one["proto"])}
    if size == _EVENT_3:
        names = ("policy_context", "policy_inspect", "policy_detect")
        told |= dict(zip(names, struct.unpack_from(">3I", body, 36), strict=True))
        told |= {"mpls_label": struct.unpack_from(">I", body, 80)[0], "vlan": struct.unpack_from(">H", body, 88)[0]}
        told |= {"status": body[94], "action": body[95], "application": _name(body[96:160])}
        return told
    told |= {"impact_flag": body[size - 3], "impact": body[size - 2], "blocked": body[size - 1]}
    if len(body) >= size + 8:
        label, vlan, policy = struct.unpack_from(">I2H", body, size)
        told |= {"mpls_label": label, "vlan": vlan, "policy": policy, "application": _name(body[size + 8 :])}
    return told


def _name(raw: bytes) -> str | None:
    return whole_text(raw.split(b"\0")[0]) or None


def _extra(body: bytes) -> dict[str, Any]:
    kind, _, length = struct.unpack_from(">3I", body, 20)
    blob = body[32 : 32 + max(length - 8, 0)]
    said: str = whole_text(blob)
    if kind in (1, 2, 11, 12) and len(blob) in (4, 16):
        said = str(ipaddress.ip_address(blob))
    return {"kind": _KINDS.get(kind, f"type {kind}"), "data": said}
