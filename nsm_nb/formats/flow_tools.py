"""Files of flow-tools (flow-capture, flow-cat, flow-gen): a header, then records of one layout, perhaps compressed by zlib.

A record is one direction of a conversation, so what dst sent is missing. Aggregations of version 8 by prefix, AS or port are no
sessions: they are named and counted. Times are the export's, less the exporter's uptime, plus the flow's, taken in 32 bits as
`nsm_nb.formats.netflow` does.

Source: flow-tools 0.68, lib/ftlib.h, lib/ftio.c, lib/fttlv.c, flow-capture(1); flow-print's listings are the oracle of the tests.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.flow_columns import flow_table
from nsm_nb.formats.flow_tools_records import (
    COMPRESSED,
    DONE,
    GENERIC,
    STREAMING,
    Header,
    header_size,
    named,
    read_header,
    record_dtype,
)  # fmt: skip
from nsm_nb.formats.lines import Fingerprint, whole_text
from nsm_nb.formats.source import Source
from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import form, many, printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "flow-tools"
TITLE = "flow records of flow-tools"
EXTENSIONS = (".ft", ".flow", ".flows")

_PIECE = 1 << 16  # bytes handed to zlib at a time
_OUT = 1 << 20  # bytes that it may give back at a time
_MILLISECOND = 1_000_000  # nanoseconds
_LEAST_LIMIT = 1 << 26  # bytes that any file may unpack to: a million records
_RATIO = 100  # how many times its size a larger file may


def recognises(head: bytes) -> bool:
    """Return True where the file starts with flow-tools' header."""
    size = header_size(head[:8])
    if not size:
        return False
    return len(head) < size or bool(read_header(head[:size]).version)


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the records: one row of FLOWS for each, which is one direction.

    `sensor` is the exporter and the host that captured; `received` is when the exporter sent the record; `record` counts
    from 1. Octets are IP bytes. Other parameters, and errors, as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint, Source(path) as source:
        header = _header(source, label)
        told = _Told(label, header)
        dtype = record_dtype(header)
        name, size = named(header)
        if dtype is not None:
            size = dtype.itemsize
        data, count = _records(source, header, size, told, _limit(path), keep=dtype is not None)
        if dtype is None:
            none = many(count, f"record of {name} is no flow", f"records of {name} are no flows")
            told.say("format", f"its {none} of two addresses; {form(count, 'it was', 'they were')} not read")
            dtype = record_dtype(header._replace(stream=3, version=5))
        records = np.frombuffer(data, dtype)
        told.header(count)
        table = _table(records, header, label, fingerprint)
    return with_caveats(table, told.caveats)


def _limit(path: str | os.PathLike) -> int:
    return max(_LEAST_LIMIT, _RATIO * Path(path).stat().st_size)


class _Told:
    """The caveats of a file."""

    def __init__(self, label: str, header: Header):
        self._label, self._header = label, header
        self.caveats: list[Caveat] = []

    def say(self, kind: str, said: str, *, record: int | None = None, offset: int | None = None) -> None:
        """Add a sentence about the file."""
        self.caveats.append(Caveat(self._label, record, offset, kind, f"{printable(self._label)}: {said}"))

    def header(self, count: int) -> None:
        """Add what the header tells of losses, and where it does not agree with the `count` records that are there."""
        header = self._header
        if header.cut:
            self.say("damage", "a field of its header is longer than the header; the fields behind it were not read")
        if not header.flags & (DONE | STREAMING):
            self.say("open", "flow-capture had not closed it: its last flows, and its counts of losses, may be missing")
        elif header.flows and header.flows != count:
            self.say(
                "count",
                f"its header claims {many(header.flows, 'flow')}, and {many(count, 'record is', 'records are')} there",
            )
        if header.lost:
            self.say(
                "lost",
                f"flow-capture counted {many(header.lost, 'flow lost by its', 'flows lost by their')} sequence numbers",
            )
        if header.misordered:
            self.say("lost", f"flow-capture counted {many(header.misordered, 'flow')} that came in another order")
        if header.corrupt:
            self.say("lost", f"flow-capture dropped {many(header.corrupt, 'corrupt datagram')}")
        if header.resets:
            said = f"sequence numbers started anew {many(header.resets, 'time')}: what was lost then is not counted"
            self.say("lost", said)
        if header.comments:
            self.say("comment", f'it carries a comment: "{printable(whole_text(header.comments[:500]))}"')


def _header(source: Source, label: str) -> Header:
    """Return the header, of which the source stands behind."""
    name = printable(label)
    source.need(8)
    head = source.buffer[source.start : source.end][:8].tobytes()
    size = header_size(head)
    if not size:
        raise DamagedEvidence(
            f"{name} does not begin as a file of flow-tools does ({head[:GENERIC].hex(' ')}), or is of a stream version that "
            "is not known (1 and 3 are); check what it is with file(1)"
        )
    if not source.need(size):
        raise DamagedEvidence(f"{name} is cut inside its header of {size:,} bytes; copy it again from the collector")
    header = read_header(source.buffer[source.start : source.start + size].tobytes())
    source.start += size
    return header


def _records(source: Source, header: Header, size: int, told: _Told, limit: int, *, keep: bool) -> tuple[bytes, int]:
    """Return the bytes of whole records, none where they are not kept, and how many records there are."""
    parts, total, first = bytearray(), 0, source.at
    pieces = _unpacked(source, told, limit) if header.flags & COMPRESSED else _plain(source, told)
    for piece in pieces:
        total += len(piece)
        if keep:
            parts += piece
    count, rest = divmod(total, size) if size else (0, 0)
    if rest:
        said = f"it ends inside record {count + 1:,}, of which {rest} of {size} bytes {form(rest, 'is', 'are')} there"
        offset = None if header.flags & COMPRESSED else first + count * size
        told.say("cut", said, record=count + 1, offset=offset)
        del parts[count * size :]
    return bytes(parts), count


def _plain(source: Source, told: _Told) -> Iterator[bytes]:
    while source.end > source.start or source.fill():
        yield source.buffer[source.start : source.end].tobytes()
        source.start = source.end
    if source.trouble:
        told.say("cut", f"{source.trouble}; the flows before are kept", offset=source.at)


def _unpacked(source: Source, told: _Told, limit: int) -> Iterator[bytes]:
    """Yield what zlib makes of the rest of the file, in bounded pieces, as far as it can be unpacked."""
    inflate = zlib.decompressobj()
    given = 0
    while not inflate.eof:
        if not (inflate.unconsumed_tail or source.end > source.start or source.fill()):
            told.say(
                "cut", source.trouble or "its compressed data end early; the flows before are kept", offset=source.at
            )
            return
        piece = inflate.unconsumed_tail
        if not piece:
            end = min(source.start + _PIECE, source.end)
            piece = source.buffer[source.start : end].tobytes()
            source.start = end
        try:
            found = inflate.decompress(piece, _OUT)
        except zlib.error as problem:
            said = f"its compressed data are damaged before byte {source.at:,} ({problem}); the flows before are kept"
            told.say("damage", said, offset=source.at)
            return
        given += len(found)
        if given > limit:
            said = f"it unpacks to more than {limit:,} bytes; the rest was left unread (flow-cat -z0 unpacks it, if you trust it)"
            told.say("bomb", said, offset=source.at)
            return
        yield found
    left = len(inflate.unused_data) + source.rest()
    if left:
        told.say("damage", f"{many(left, 'byte')} behind its compressed data {form(left, 'was', 'were')} left unread")


def _table(records: np.ndarray, header: Header, label: str, fingerprint: Fingerprint) -> pd.DataFrame:
    names = records.dtype.names or ()
    seconds = records["seconds"].astype(np.int64) * 1000
    if "uptime" in names:
        sent = seconds + records["nanoseconds"] // _MILLISECOND
        # the difference to the uptime at export, taken in 32 bits, is right across the wrap
        start, end = (
            sent - (records["uptime"] - records[name]).astype(np.uint32).view(np.int32) for name in ("first", "last")
        )
        received = sent * _MILLISECOND
    else:
        started = seconds + records["milliseconds"]
        start, end = (started + records[name].astype(np.int64) for name in ("first", "last"))
        received = None
    absent = np.full(len(records), -1)
    return flow_table(
        src=records["src"].astype(np.uint32),
        dst=records["dst"].astype(np.uint32),
        proto=records["proto"] if "proto" in names else absent,
        start=start * _MILLISECOND,
        end=end * _MILLISECOND,
        label=label,
        source=NAME,
        digest=fingerprint.digits(),
        src_port=records["src_port"] if "src_port" in names else None,
        dst_port=records["dst_port"] if "dst_port" in names else None,
        src_packets=records["packets"],
        src_octets=records["octets"],
        src_flags=_flags(records),
        received=received,
        sensor=_sensors(records, header),
    )


def _flags(records: np.ndarray) -> pd.arrays.IntegerArray | None:
    names = records.dtype.names or ()
    if "tcp_flags" not in names:
        return None
    return pd.arrays.IntegerArray(records["tcp_flags"].astype(np.uint8), records["proto"] != 6)


def _sensors(records: np.ndarray, header: Header) -> pd.Categorical:
    """Return who exported each record, with the engine where it is not 0/0, and who captured it, where the header says so."""
    import ipaddress

    names = records.dtype.names or ()
    key = np.full(len(records), header.exporter or 0, np.int64)
    if "exporter" in names:
        key = np.where(records["exporter"] != 0, records["exporter"], key)
    key = key << 16
    if "engine_type" in names:
        key |= (records["engine_type"].astype(np.int64) << 8) | records["engine_id"]
    codes, known = pd.factorize(key)
    host = printable(whole_text(header.host))
    texts = []
    for each in np.asarray(known).tolist():
        address, engine = each >> 16, each & 0xFFFF
        parts = [str(ipaddress.IPv4Address(address))] if address else []
        parts += [f"engine {engine >> 8}/{engine & 255}"] if engine else []
        parts += [f"captured by {host}" if parts else host] if host else []
        texts.append(" ".join(parts))
    labels = sorted(set(texts) - {""})
    lookup = np.array([labels.index(each) if each else -1 for each in texts], np.int32)
    return pd.Categorical.from_codes(lookup[codes], categories=pd.Index(labels, dtype="str"))
