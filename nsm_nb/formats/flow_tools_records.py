"""What flow-tools writes: its header, and the layouts of its records. Bytes in, names and dtypes out.

Source: flow-tools 0.68, lib/ftlib.h (`fts3rec_*`, FT_TLV_*, FT_HEADER_FLAG_*), lib/ftio.c; measured on files of flow-capture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "COMPRESSED",
    "DONE",
    "GENERIC",
    "LARGEST_HEADER",
    "STREAMING",
    "Header",
    "header_size",
    "named",
    "read_header",
    "record_dtype",
]

GENERIC = 4  # bytes that begin every file: CF 10, byte order, stream version
LARGEST_HEADER = 16_384  # FT_IO_MAXHEADER
DONE, COMPRESSED, STREAMING = 1, 2, 8  # FT_HEADER_FLAG_*
_HEADER_1 = 364  # bytes of the header of stream version 1
_ORDERS = {1: "<", 2: ">"}

_UNKNOWN = {0, 0xFFFF}  # export versions that stand for none
_AGGREGATIONS = {
    1: "AS", 2: "protocol and port", 3: "source prefix", 4: "destination prefix", 5: "prefix", 6: "destination",
    7: "source and destination", 8: "full flow", 9: "AS and ToS", 10: "protocol, port and ToS",
    11: "source prefix and ToS", 12: "destination prefix and ToS", 13: "prefix and ToS", 14: "prefix, port and ToS",
}  # fmt: skip
_AGGREGATE_SIZES = {1: 48, 2: 48, 3: 48, 4: 48, 5: 56, 6: 52, 9: 48, 10: 48, 11: 48, 12: 48, 13: 56, 14: 60}

_EXPORT = [("seconds", "u4"), ("nanoseconds", "u4"), ("uptime", "u4"), ("exporter", "u4")]
_FLOW = [
    *_EXPORT, ("src", "u4"), ("dst", "u4"), ("nexthop", "u4"), ("input", "u2"), ("output", "u2"), ("packets", "u4"),
    ("octets", "u4"), ("first", "u4"), ("last", "u4"), ("src_port", "u2"), ("dst_port", "u2"), ("proto", "u1"),
    ("tos", "u1"), ("tcp_flags", "u1"), ("pad", "u1"),
]  # fmt: skip
_ENGINE = [
    ("engine_type", "u1"), ("engine_id", "u1"), ("src_mask", "u1"), ("dst_mask", "u1"), ("src_as", "u2"), ("dst_as", "u2"),
]  # fmt: skip
_CATALYST = [
    *_EXPORT, ("packets", "u4"), ("octets", "u4"), ("first", "u4"), ("last", "u4"), ("dst", "u4"), ("src", "u4"),
    ("extra", "u4"), ("shortcut", "u4"),
]  # fmt: skip
_MARKED = [
    ("output", "u2"),
    ("input", "u2"),
    ("tos", "u1"),
    ("marked_tos", "u1"),
    ("engine_type", "u1"),
    ("engine_id", "u1"),
]
_LAYOUTS = {
    (1, 0): [*_FLOW, ("reserved", "u4")],
    (5, 0): [*_FLOW, *_ENGINE],
    (6, 0): [*_FLOW, *_ENGINE, ("encapsulation", "u4"), ("peer", "u4")],
    (7, 0): [*_FLOW, *_ENGINE, ("shortcut", "u4")],
    (1005, 0): [*_FLOW, *_ENGINE, ("src_tag", "u4"), ("dst_tag", "u4")],
    (8, 7): [*_CATALYST, *_MARKED],
    (8, 8): [
        *_CATALYST,
        ("dst_port", "u2"),
        ("src_port", "u2"),
        *_MARKED,
        ("proto", "u1"),
        ("pad1", "u1"),
        ("pad2", "u2"),
    ],
}
# of stream version 1 (`fts1rec_compat`): its seconds are those of the exporter's start, and uptimes count from there
_OLD = [
    ("seconds", "u4"), ("milliseconds", "u4"), *_FLOW[4:13], ("pad", "u2"), ("proto", "u1"), ("tos", "u1"),
    ("tcp_flags", "u1"), ("retransmitted", "u1"), ("retransmitted_seconds", "u1"), ("missequenced", "u1"), ("src_as", "u2"),
    ("dst_as", "u2"), ("src_mask", "u1"), ("dst_mask", "u1"), ("drops", "u2"),
]  # fmt: skip


class Header(NamedTuple):
    """What a file says of itself; None where it does not."""

    order: str  # "<" or ">"
    stream: int  # version of the stream
    size: int  # bytes of the header
    version: int  # of the export
    method: int  # of aggregation, for version 8
    flags: int
    start: int | None = None  # of the capture, seconds since 1970
    end: int | None = None
    flows: int | None = None
    lost: int | None = None
    misordered: int | None = None
    corrupt: int | None = None
    resets: int | None = None
    exporter: int | None = None
    host: bytes = b""
    comments: bytes = b""
    cut: bool = False  # a field is longer than the header


def header_size(head: bytes) -> int:
    """Return how many bytes the header takes, 0 where it can't be one.

    Parameters
    ----------
    head
        The first eight bytes.
    """
    if len(head) < GENERIC or head[:2] != b"\xcf\x10" or head[2] not in _ORDERS:
        return 0
    if head[3] == 1:
        return _HEADER_1
    if head[3] != 3 or len(head) < 8:
        return 0
    size = int(np.frombuffer(head, _ORDERS[head[2]] + "u4", 1, GENERIC)[0])
    return size if 8 <= size <= LARGEST_HEADER else 0


def read_header(head: bytes) -> Header:
    """Return what the header says; what it has no room for is missing.

    Parameters
    ----------
    head
        As many bytes as `header_size` says.
    """
    order = _ORDERS[head[2]]
    return _header_1(head, order) if head[3] == 1 else _header_3(head, order)


def _header_1(head: bytes, order: str) -> Header:
    version = int(np.frombuffer(head, order + "u2", 1, GENERIC)[0])
    start, end, flags, _, flows, lost, misordered, _ = np.frombuffer(head, order + "u4", 8, 8).tolist()
    host, comments = (head[at : at + size].partition(b"\0")[0] for at, size in ((40, 68), (108, 256)))
    return Header(
        order, 1, len(head), version, 0, flags, start or None, end or None, flows, lost, misordered,
        host=host, comments=comments,
    )  # fmt: skip


# field: name, dtype
_FIELDS = {
    2: ("version", "u2"), 4: ("method", "u1"), 5: ("exporter", "u4"), 6: ("start", "u4"), 7: ("end", "u4"),
    8: ("flags", "u4"), 10: ("flows", "u4"), 11: ("lost", "u4"), 12: ("misordered", "u4"), 13: ("corrupt", "u4"),
    14: ("resets", "u4"), 15: ("host", ""), 16: ("comments", ""),
}  # fmt: skip


def _header_3(head: bytes, order: str) -> Header:
    """Read type, length and value, one after the other, to the end of the header (lib/fttlv.c)."""
    told: dict[str, int | bytes] = {}
    at, cut = 8, False
    while at + 4 <= len(head):
        kind, size = np.frombuffer(head, order + "u2", 2, at).tolist()
        at += 4
        if at + size > len(head):
            cut = True
            break
        name, dtype = _FIELDS.get(kind, ("", ""))
        if name and not dtype:
            told[name] = head[at : at + size].partition(b"\0")[0]
        elif name and size == np.dtype(dtype).itemsize:
            told[name] = int(np.frombuffer(head, order + dtype, 1, at)[0])
        at += size
    known = {"version": 0, "method": 0, "flags": 0} | told
    return Header(order, 3, len(head), cut=cut, **known)  # type: ignore[arg-type]


def record_dtype(header: Header) -> np.dtype | None:
    """Return how a record of flows stands in the file; None where records are no flows, or not known."""
    if header.stream == 1:
        layout = _OLD if header.version in (1, 5) else None
    else:
        layout = _LAYOUTS.get((header.version, header.method if header.version == 8 else 0))
    return None if layout is None else np.dtype(layout).newbyteorder(header.order)  # type: ignore[arg-type]


def named(header: Header) -> tuple[str, int]:
    """Return what the records are, in words, and the bytes of one, 0 where that is not known."""
    if header.version == 8:
        what = _AGGREGATIONS.get(header.method)
        name = f"NetFlow version 8 aggregated by {what}" if what else f"NetFlow version 8, method {header.method}"
        return name, _AGGREGATE_SIZES.get(header.method, 0)
    if header.version in _UNKNOWN:
        return "records of no export version", 0
    return f"NetFlow version {header.version}", 0
