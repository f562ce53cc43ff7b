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
from array import array
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats import columns
from nsm_nb.formats.lines import Fingerprint, Noted, Span, whole_text
from nsm_nb.formats.source import open_evidence
from nsm_nb.formats.unified2_records import (
    EVENT_3,
    EVENT_4,
    EVENT_6,
    EVENTS,
    HEAD,
    KNOWN,
    LARGEST,
    LEAST,
    Block,
    Walk,
)  # fmt: skip
from nsm_nb.schema import ALERTS, Caveat, utc_times
from nsm_nb.text import form, many, printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "Packet", "alerts", "detail", "packets_of", "recognises", "whole_until"]

NAME = "unified2"
TITLE = "Snort's unified2 alerts and packets"
EXTENSIONS = (".u2", ".unified2", ".log", ".alert")

_PACKET, _BUFFERED, _EXTRA = 2, 3, 110
_SECOND = 1_000_000  # microseconds
_MOST_TYPES = 1_000  # unknown ones that are counted one by one
_LEAST_OF = np.array([LEAST.get(kind, 1 << 30) for kind in range(256)])
_NEED = np.array(
    [EVENTS.get(kind, 0 if kind in KNOWN else -1) for kind in range(256)]
)  # of events; -1: of unknown type
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
        kind, length = HEAD.unpack_from(head, at)
        if kind not in KNOWN or not LEAST.get(kind, 16) <= length <= LARGEST:
            return False
        at += 8 + length
        seen += 1
    return seen > 0 and (seen > 1 or at <= len(head)) and HEAD.unpack_from(head)[0] in LEAST


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
        with Walk(path, span) as walk:
            for block in walk:
                events.take(block)
        caveats = [*events.caveats(), *walk.caveats(label)]
        if not walk.count and span is None:
            raise DamagedEvidence(
                f"{printable(label)} holds no whole record of unified2; {caveats[0].detail if caveats else 'it is empty'}",
                ALERTS.empty(),
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
        found.append(Packet(_stamp(second, micro), linktype, each[28 : 28 + length]))
    return found


def whole_until(path: str | os.PathLike, span: Span) -> tuple[int, int]:
    """Return where the last whole record of a part ends, and how many whole ones it has."""
    with Walk(path, span, growing=True) as walk:
        for _ in walk:
            pass
        return walk.whole, walk.count


# --- events


class _Events:
    """The events among the records, as far as all versions have the same: kept as bytes, 16 for each address."""

    def __init__(self, label: str):
        self.label = label
        self._rows = {each: bytearray() for each in (EVENT_4, EVENT_6, EVENT_3)}
        self._record, self._start = ({each: array("q") for each in self._rows} for _ in range(2))
        self._unknown: Counter[int] = Counter()
        self._others = 0  # of further unknown types
        self._short = Noted(label, "record", place="record")

    def take(self, block: Block) -> None:
        """Keep the events of a block."""
        data = np.frombuffer(block.data, np.uint8)
        need = _NEED[np.minimum(block.kind, 255)]
        number = block.first + np.arange(len(block.kind))
        start = block.base + block.at - 8
        for size, rows in self._rows.items():
            which = np.flatnonzero((need == size) & (block.length >= size))
            rows += data[block.at[which, None] + np.arange(size)].tobytes()
            self._record[size].frombytes(number[which].astype(np.int64).tobytes())
            self._start[size].frombytes(start[which].astype(np.int64).tobytes())
        for place in np.flatnonzero((need > 0) & (block.length < need)).tolist():
            said = (
                f"is an event of type {block.kind[place]} with {many(block.length[place], 'byte')}, fewer than the {need[place]} "
                "it must have; it was not read"
            )
            self._short.add(int(number[place]), int(start[place]), said)
        kinds, counts = np.unique(block.kind[need < 0], return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            if kind in self._unknown or len(self._unknown) < _MOST_TYPES:
                self._unknown[kind] += count
            else:
                self._others += count

    def caveats(self) -> list[Caveat]:
        """Return what there is to say of the records."""
        found = self._short.caveats()
        if self._unknown:
            kinds = ", ".join(f"{count:,} of type {kind}" for kind, count in self._unknown.most_common(10))
            total = self._unknown.total() + self._others
            types = form(total, "an unknown type was", "unknown types were")
            said = f"{printable(self.label)}: {many(total, 'record')} of {types} passed over: {kinds}"
            found.append(Caveat(self.label, None, None, "record", said))
        return found

    def table(self, digest: str, caveats: list[Caveat]) -> pd.DataFrame:
        """Return the events as ALERTS, in the order of the file."""
        parts = [_columns(size, bytes(rows), len(rows) // size) for size, rows in self._rows.items()]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        record = np.concatenate([np.array(each, np.int64) for each in self._record.values()])
        start = np.concatenate([np.array(each, np.int64) for each in self._start.values()])
        order = np.argsort(record, kind="stable")
        whole = {name: column[order] for name, column in whole.items()}
        record, start = record[order], start[order]
        proto = _named(whole["proto"], lambda number: columns.protocol(str(number)))
        src, dst = _addresses(whole["src"], whole["dst"], whole["bare"])
        odd = Noted(self.label, "clock", place="record")
        for place in np.flatnonzero(whole["micro"] >= _SECOND).tolist():
            said = f"has {whole['micro'][place]:,} microseconds, more than a second has; its time is told to the second"
            odd.add(int(record[place]), int(start[place]), said)
        caveats = [*odd.caveats(), *caveats]
        part = np.where(whole["micro"] < _SECOND, whole["micro"], 0)
        stamps = whole["second"] * 1_000_000_000 + part * 1_000
        table = {
            "alert": columns.alert_names(digest, record),
            "time": utc_times(stamps),
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


def _stamp(second: int, micro: int) -> pd.Timestamp:
    """Return a time; of a fraction that no second has, the second alone."""
    return pd.Timestamp(second * 10**9 + (micro if micro < _SECOND else 0) * 1_000, unit="ns", tz="UTC")


def _columns(size: int, data: bytes, count: int) -> dict[str, np.ndarray]:
    """Return the fields of events of one size; addresses as 16 bytes, IPv4 in the last four behind a mark of 255."""
    raw = np.frombuffer(data, np.uint8).reshape(count, size)
    words = raw[:, :36].copy().view(">u4").reshape(count, 9).astype(np.int64)
    names = ("second", "micro", "sid", "gid") if size != EVENT_3 else ("second", "micro", "gid", "sid")
    found: dict[str, np.ndarray] = {name: words[:, place] for place, name in zip(range(2, 6), names, strict=True)}
    found |= {"rev": words[:, 6], "class": words[:, 7], "priority": words[:, 8]}
    if size == EVENT_3:
        ports, proto = raw[:, 84:88], raw[:, 93]
        action = 256 + raw[:, 94].astype(np.int64) * 16 + np.minimum(raw[:, 95], 15)
        src, dst = (
            np.where(((raw[:, 92] >> shift) & 15 == 4)[:, None], _of_four(each[:, 12:16]), each)
            for shift, each in ((4, raw[:, 48:64]), (0, raw[:, 64:80]))
        )
    elif size == EVENT_6:
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
    # Snort writes zeros where there was no IP packet; with a protocol, 0.0.0.0 and :: are addresses, as DHCP has them
    zeros = ~(src[:, 12:].any(axis=1) | dst[:, 12:].any(axis=1) | _high(src) | _high(dst))
    bare = (raw[:, 92] == 0) if size == EVENT_3 else zeros & np.isin(proto, (0, 255))
    return found | {"src": src, "dst": dst, "bare": bare}


def _high(raw: np.ndarray) -> np.ndarray:
    """Return which addresses are of IPv6 and have one of the first twelve bytes set."""
    return raw[:, :12].any(axis=1) & ~(raw[:, :12] == 255).all(axis=1)


_MARK = np.frombuffer(b"\xff" * 12, np.uint8)  # no address that a packet can carry starts so


def _of_four(raw: np.ndarray) -> np.ndarray:
    return np.concatenate([np.broadcast_to(_MARK, (len(raw), 12)), raw], axis=1)


def _address(raw: bytes) -> str:
    return str(ipaddress.IPv4Address(raw[12:])) if raw[:12] == _MARK.tobytes() else str(ipaddress.IPv6Address(raw))


def _addresses(src: np.ndarray, dst: np.ndarray, bare: np.ndarray) -> list[pd.Categorical]:
    """Return address columns of one ordered dtype; missing where an event is `bare` of them."""
    import pyarrow as pa

    from nsm_nb.kernels.addresses import address_order, address_texts

    raw = np.ascontiguousarray(np.concatenate([src, dst]))
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
    return [pd.Categorical.from_codes(np.where(bare, -1, part), dtype=dtype) for part in np.split(place[codes], 2)]


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
    """Where the events, packets and extra data stand; others, of which a file can have many, are left out."""

    record: np.ndarray
    kind: np.ndarray
    offset: np.ndarray  # of the body
    length: np.ndarray
    key: np.ndarray  # sensor, event, second
    records: int  # of all types


def _indexed(path: str | os.PathLike) -> _Index:
    state = Path(path).stat()
    return _index(os.fspath(path), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _index(path: str, size: int, changed: int) -> _Index:
    """Return where the records stand that tell of events."""
    parts: list[list[np.ndarray]] = []
    with Walk(path, None) as walk:
        for block in walk:
            kind = np.minimum(block.kind, 255)
            which = np.flatnonzero(block.length >= _LEAST_OF[kind])
            at, kind = block.at[which], kind[which]
            # sensor, event and second stand behind the eight bytes of extra data's own head
            places = (at + 8 * (kind == _EXTRA))[:, None] + np.arange(12)
            key = np.frombuffer(block.data, np.uint8)[places].view(">u4").reshape(-1, 3).astype(np.uint32)
            parts.append(
                [block.first + which, kind.astype(np.uint8), block.base + at, block.length[which].astype(np.int32), key]
            )
        count = walk.count
    if not parts:
        none = np.empty(0, np.int64)
        return _Index(none, none, none, none, np.empty((0, 3), np.uint32), count)
    record, kind, offset, length, key = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _Index(record, kind, offset, length, key, count)


def _read_at(path: str | os.PathLike, places: list[tuple[int, int]]) -> list[bytes]:
    found = []
    with open_evidence(path) as file:
        for offset, length in places:
            file.seek(offset)
            found.append(file.read(length))
    return found


def _event(path: str | os.PathLike, index: _Index, record: int) -> tuple[int, bytes]:
    name = printable(Path(path).name)
    if not 1 <= record <= index.records:
        raise UnknownName(f"{name} has no record {record:,}; it has {index.records:,}")
    place = int(np.searchsorted(index.record, record))
    there = place < len(index.record) and index.record[place] == record
    if not there or int(index.kind[place]) not in EVENTS:
        what = f"; it is of type {index.kind[place]}, {many(index.length[place], 'byte')}" if there else ""
        raise UnknownName(f"record {record:,} of {name} is no event that can be read{what}")
    return int(index.kind[place]), _read_at(path, [(int(index.offset[place]), int(index.length[place]))])[0]


def _key(kind: int, body: bytes) -> tuple[int, int, int]:
    return struct.unpack_from(">3I", body)


def _bodies(path: str | os.PathLike, index: _Index, key: tuple[int, int, int], kinds: tuple[int, ...]) -> list[bytes]:
    """Return the bodies of the records of some kinds that belong to an event."""
    wanted = np.isin(index.kind, kinds) & (index.key == np.array(key)).all(axis=1)
    places = [(int(index.offset[each]), int(index.length[each])) for each in np.flatnonzero(wanted)]
    return _read_at(path, places)


def _fields(kind: int, body: bytes) -> dict[str, Any]:
    size = EVENTS[kind]
    columns_ = _columns(size, body[:size], 1)
    one = {name: column[0] for name, column in columns_.items()}
    sensor, event = struct.unpack_from(">2I", body)
    told: dict[str, Any] = {
        "type": kind,
        "sensor_id": sensor,
        "event_id": event,
        "time": _stamp(int(one["second"]), int(one["micro"])).isoformat(),
    }
    told |= {name: int(one[name]) for name in ("gid", "sid", "rev", "class", "priority")}
    told |= {f"{side}_ip": _address(np.asarray(one[side]).tobytes()) for side in ("src", "dst")}
    told |= {"src_port_or_type": int(one["sport"]), "dst_port_or_code": int(one["dport"]), "proto": int(one["proto"])}
    if size == EVENT_3:
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
