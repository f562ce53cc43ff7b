"""What the packets of one session carry: their numbers at once, their bytes when somebody asks.

A table of PACKETS tells where payloads stand in the evidence, so that a stream of any size is put in order before a byte of
it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.spans import Spans
from nsm_nb.full_content.frames import payload_bytes
from nsm_nb.kernels.streams import TH_FIN, TH_RST, TH_SYN, TH_URG, in_plain_packets, scattered
from nsm_nb.text import printable
from nsm_nb.transcripts.columns import Columns
from nsm_nb.transcripts.datagrams import Broken, Datagram, carried

__all__ = ["Segments", "Source", "of_datagrams", "segments", "wrong_checksums"]

_CHUNK = 1 << 20  # bytes that are read at once: they stay in the processor's cache
_GAP = 64 << 10  # bytes between two payloads that are rather read than jumped over


class Source(Protocol):
    """Where captured payload is."""

    def read_into(self, into: np.ndarray, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> None:
        """Write bytes of parts one behind the other into a uint8 array."""

    def read(self, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> bytes:
        """Return bytes of parts, one behind the other: of each from `skip` on, `length` of them."""


@dataclass(frozen=True)
class Segments:
    """What the packets of a session carry, in the order in which it was complete.

    Attributes
    ----------
    row : int64 array
        Of each segment, the row of its packet; of one that came in IP fragments, that of the last.
    from_src : bool array
    seq, ack, flags, size : int64 arrays
        `flags` is -1 where there is no TCP header; `size` is what was on the wire.
    segment, part_row, place, held : int64 arrays
        Of each part - a segment that came in one packet is one -, its segment, its packet, where in the payload it stands
        and how many bytes of it were captured.
    source : Source
        The bytes of the parts.
    """

    row: np.ndarray
    from_src: np.ndarray
    seq: np.ndarray
    ack: np.ndarray
    flags: np.ndarray
    size: np.ndarray
    segment: np.ndarray
    part_row: np.ndarray
    place: np.ndarray
    held: np.ndarray
    source: Source

    @property
    def whole(self) -> bool:
        """True where each segment came in one packet, so that parts are segments: as good as always."""
        return self.segment is self.row

    @cached_property
    def control(self) -> np.ndarray:
        """The segments with SYN, FIN, RST or URG, in their order: few, and most that is to be said is of them."""
        return np.flatnonzero((self.flags > 0) & (self.flags & (TH_FIN | TH_SYN | TH_RST | TH_URG) > 0))

    def with_flag(self, flag: int) -> np.ndarray:
        """Return the segments with one of the flags of `control`, in their order."""
        return self.control[self.flags[self.control] & flag > 0]

    def data(self, number: int) -> bytes:
        """Return what was captured of one segment."""
        parts = np.arange(*np.searchsorted(self.segment, [number, number + 1]))
        return self.source.read(parts, np.zeros(len(parts), np.int64), self.held[parts])


def segments(columns: Columns) -> tuple[Segments, list[Broken]]:
    """Return what the packets of one TCP session carry, and which IP datagrams of it are broken."""
    from_src = columns.from_src
    if columns.fragmented.any():
        found, broken = carried(columns.packets, evidence=columns.evidence)
        return of_datagrams(found, from_src), broken
    size = columns.numbers("payload")
    source, held = _source(columns, size)
    rows = np.arange(len(columns))
    seq, ack, flags = columns.numbers("seq"), columns.numbers("ack"), columns.numbers("tcp_flags", -1)
    return Segments(rows, from_src, seq, ack, flags, size, rows, rows, np.zeros(len(rows), np.int64), held, source), []


def of_datagrams(datagrams: Sequence[Datagram], from_src: np.ndarray) -> Segments:
    """Return datagrams that are in memory as segments."""
    parts = [part for each in datagrams for part in each.parts]
    table = np.array([(each.row, each.seq, each.ack, each.flags, each.size) for each in datagrams], np.int64)
    row, seq, ack, flags, size = table.reshape(-1, 5).T
    owner = np.repeat(np.arange(len(datagrams)), np.array([len(each.parts) for each in datagrams], np.int64))
    part_row, place, held = (
        np.array([(part.row, part.place, len(part.data)) for part in parts], np.int64).reshape(-1, 3).T
    )
    source = _Held.of([part.data for part in parts])
    return Segments(row, from_src[row], seq, ack, flags, size, owner, part_row, place, held, source)


@dataclass(frozen=True)
class _Held:
    """Payload that is in memory."""

    buffer: bytes
    begin: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[bytes]) -> _Held:
        sizes = np.array([len(part) for part in parts], np.int64)
        return cls(b"".join(parts), np.cumsum(sizes) - sizes)

    def read(self, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> bytes:
        starts = self.begin[part] + skip
        spans = zip(starts.tolist(), (starts + length).tolist(), strict=True)
        return b"".join([self.buffer[at:end] for at, end in spans])

    def read_into(self, into: np.ndarray, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> None:
        into[:] = np.frombuffer(self.read(part, skip, length), np.uint8)


@dataclass(frozen=True)
class _OnDisk:
    """Payload that stands in the evidence."""

    paths: Sequence[Path]
    file: np.ndarray  # of each part, the number of its path
    begin: np.ndarray  # where its payload begins there

    def read(self, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> bytes:
        into = np.empty(int(length.sum()), np.uint8)
        self.read_into(into, part, skip, length)
        return into.tobytes()

    def read_into(self, into: np.ndarray, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> None:
        at = np.cumsum(length) - length
        begin = self.begin[part] + skip
        for some, buffer, start in _stretches(self.paths, self.file[part], begin, length):
            scattered(buffer, begin[some] - start, length[some], into, at[some])


def _stretches(
    paths: Sequence[Path], file: np.ndarray, begin: np.ndarray, length: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield which spans stand in one stretch of a file, a buffer with that stretch, and where it begins there.

    The buffer is used again for the next stretch.
    """
    room = np.empty(0, np.uint8)
    for number, path in enumerate(paths):
        own = np.flatnonzero((file == number) & (length > 0))
        if not len(own):
            continue
        where = begin[own]
        if (np.diff(where) < 0).any():
            own = own[np.argsort(where, kind="stable")]
            where = begin[own]
        end = np.maximum.accumulate(where + length[own])
        cuts = np.flatnonzero((where[1:] - end[:-1] > _GAP) | (np.diff(where // _CHUNK) > 0)) + 1
        with Spans(path) as spans:
            for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(own)], strict=True):
                start, stop = int(where[first]), int(end[last - 1])
                if len(room) < stop - start:
                    room = np.empty(stop - start, np.uint8)
                if spans.fill(start, room.data[: stop - start]) < stop - start:
                    raise DamagedEvidence(
                        f"{printable(path)} is shorter than when it was read: byte {stop} is gone; check its hash "
                        "against the case"
                    )
                yield own[first:last], room, start


def wrong_checksums(columns: Columns, rows: np.ndarray | None = None) -> np.ndarray:
    """Return for each packet 1 where its TCP or UDP checksum is wrong, 0 where it is right, -1 where nobody can tell.

    Parameters
    ----------
    columns
        Packets.
    rows
        Those that are looked at; all where it is None.
    """
    from nsm_nb.kernels import faults

    looked_at = np.arange(len(columns)) if rows is None else np.unique(rows)
    head, captured = columns.head[looked_at], columns.numbers("captured")[looked_at]
    size = np.where((head >= 0) & (captured == columns.numbers("length")[looked_at]), captured - head, 0)
    begin = columns.numbers("offset")[looked_at] + head
    found = np.full(len(columns), -1, np.int8)
    for some, buffer, start in _stretches(columns.paths, columns.label[looked_at], begin, size):
        _, transport = faults.checksums(buffer, begin[some] - start, size[some])
        found[looked_at[some]] = np.where(transport == faults.UNKNOWN, -1, transport == faults.BAD)
    return found


def _source(columns: Columns, size: np.ndarray) -> tuple[Source, np.ndarray]:
    """Return where the payload of unfragmented packets is, and how many bytes of each were captured."""
    numbers = [columns.numbers(name) for name in ("length", "captured", "offset")]
    found = in_plain_packets(columns.head, columns.numbers("octets", -1), size, *numbers) if columns.known else None
    if found is None:  # only reading them again tells where the payload begins
        payloads = payload_bytes(columns.packets, evidence=columns.evidence)
        return _Held.of([each.data for each in payloads]), np.array([len(each.data) for each in payloads], np.int64)
    begin, held = found
    return _OnDisk(columns.paths, columns.label, begin), held
