"""NetFlow and IPFIX datagrams one after another in a file, without a capture around them.

Two ways are known: each behind its length (four bytes, big-endian), or bare, where each says itself where it ends; of
version 9 that is where the next begins, for no set has the number of a version. Who sent them is not told: the file's name
stands for the exporter.

Source: RFC 3954 5; RFC 7011 3; Cisco, "NetFlow Export Datagram Format"; the first way is that of the project's fixtures.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats.datagrams import Datagrams
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.netflow import is_export
from nsm_nb.formats.netflow_fixed import HEADERS, RECORD_SIZES, SHORT
from nsm_nb.formats.source import HEAD, Source
from nsm_nb.schema import Caveat, caveats_of, with_caveats
from nsm_nb.text import form, many, printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "netflow-file"
TITLE = "file of NetFlow export datagrams"
EXTENSIONS = (".bin", ".dat", ".netflow", ".ipfix")

_VERSIONS = (5, 7, 9, 10)
_LARGEST = 65_535  # bytes of a datagram


class _Span(NamedTuple):
    """A datagram: where it stands, how many of its bytes there are, and how many there should be."""

    start: int
    size: int
    sent: int


def recognises(head: bytes) -> bool:
    """Return True where the file begins with whole export datagrams, each behind its length or bare."""
    if len(head) < 16:
        return False
    spans, end = _spans(head)
    # the last of the head may go on behind it
    whole = [each for each in spans if each.size == each.sent]
    if not whole or len(spans) - len(whole) > 1 or (end < len(head) and len(head) < HEAD):
        return False
    return all(
        is_export(head[each.start : each.start + each.size]) and head[each.start + 1] in _VERSIONS for each in whole
    )


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read a file of export datagrams: one row of FLOWS for each flow record, as `netflow.sessions` does of a capture.

    Parameters
    ----------
    path
        The file.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.

    Returns
    -------
    DataFrame
        `received` is when a datagram says that it was exported; `record` counts the flow records from 1.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    """
    from nsm_nb.formats.netflow_reading import read_exports
    from nsm_nb.formats.netflow_table import exporters, table
    from nsm_nb.formats.netflow_told import Place, tell

    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        data, trouble = _bytes(path)
        spans, end = _spans(data)
        start, size, sent = np.array(spans, np.int64).reshape(-1, 3).T
        each = Datagrams(np.frombuffer(data or bytearray(1), np.uint8), start, size, sent, np.arange(len(start)))
        found = read_exports([each], np.zeros(len(start), np.int64), {0: 0})
        sensors = exporters(found.heads, {0: printable(Path(label).name)})
        rows = table(found, sensors, label=label, source=NAME, digest=fingerprint.digits(), received=None)
    place = Place(label, "datagram", np.arange(1, len(start) + 1), start)
    caveats = [Caveat(label, None, len(data), "cut", f"{printable(label)}: {trouble}")] if trouble else []
    if end < len(data):
        left = len(data) - end
        said = (
            f"{many(left, 'byte')} from byte {end:,} on {form(left, 'is no datagram', 'are no datagrams')} of NetFlow; "
        )
        said += f"{form(left, 'it was', 'they were')} not read"
        caveats.append(Caveat(label, None, end, "format", f"{printable(label)}: {said}"))
    caveats += [*tell(found, sensors, place), *caveats_of(rows)]
    rows.attrs = {}
    return with_caveats(rows, caveats)


def _bytes(path: str | os.PathLike) -> tuple[bytearray, str]:
    data = bytearray()
    with Source(path) as source:
        while source.fill():
            data += source.buffer[source.start : source.end].tobytes()
            source.start = source.end
        data += source.buffer[source.start : source.end].tobytes()
        return data, source.trouble


def _spans(data: bytes | bytearray) -> tuple[list[_Span], int]:
    """Return the datagrams, and where they end: behind that stands something else."""
    spans = []
    at, size = 0, len(data)
    prefixed = size >= 4 and data[0] == 0 and data[1] == 0  # bare, these would be the version
    while at + 4 <= size:
        if prefixed:
            (length,) = struct.unpack_from(">I", data, at)
            if not 0 < length <= _LARGEST:
                break
            at += 4
        else:
            length = _length(data, at)
            if not length:
                break
        held = min(length, size - at)
        spans.append(_Span(at, held, length))
        at += held
    return spans, at


def _length(data: bytes | bytearray, at: int) -> int:
    """Return how many bytes a bare datagram has; 0 where none begins here."""
    version, count = struct.unpack_from(">HH", data, at)
    if version == 1 and count:
        short = HEADERS[1].itemsize + count * SHORT
        # the short form, where it ends with the file or before another of its kind
        if at + short == len(data) or data[at + short : at + short + 2] == b"\0\1":
            return short
    if version in RECORD_SIZES and count:
        return HEADERS[version].itemsize + count * RECORD_SIZES[version]
    if version == 10 and count >= 16:
        return count
    if version != 9:
        return 0
    end = at + 20
    while end + 4 <= len(data):
        kind, length = struct.unpack_from(">HH", data, end)
        if length < 4 or 1 < kind < 256:
            break
        end += length
    return end - at if end > at + 20 or end <= len(data) else 20
