"""What the packets of one session carry: their numbers at once, their bytes when somebody asks.

A table of PACKETS tells where payloads stand in the evidence, so that a stream of any size is put in order before a byte of
it is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.spans import Spans
from nsm_nb.full_content.frames import payload_bytes
from nsm_nb.text import printable
from nsm_nb.transcripts.datagrams import Broken, Datagram, carried

__all__ = ["Segments", "Source", "of_datagrams", "segments"]

_LINK_SIZES = {"eth": 14, "raw": 0, "null": 4, "sll": 16, "sll2": 20}  # bytes before IP, tags not counted
_CHUNK = 4 << 20  # bytes that are read at once
_GAP = 64 << 10  # bytes between two payloads that are rather read than jumped over


class Source(Protocol):
    """Where captured payload is."""

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

    def data(self, number: int) -> bytes:
        """Return what was captured of one segment."""
        parts = np.arange(*np.searchsorted(self.segment, [number, number + 1]))
        return self.source.read(parts, np.zeros(len(parts), np.int64), self.held[parts])


def segments(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> tuple[Segments, list[Broken]]:
    """Return what the packets of one TCP session carry, and which IP datagrams of it are broken."""
    from_src = packets["to_dst"].to_numpy(bool)
    if packets["fragment"].notna().any():
        found, broken = carried(packets, evidence=evidence)
        return of_datagrams(found, from_src), broken
    count = len(packets)
    size = packets["payload"].to_numpy(np.int64, na_value=0)
    source, held = _source(packets, size, evidence)
    rows = np.arange(count)
    seq, ack, flags = (
        packets[name].to_numpy(np.int64, na_value=none) for name, none in (("seq", 0), ("ack", 0), ("tcp_flags", -1))
    )
    return Segments(rows, from_src, seq, ack, flags, size, rows, rows, np.zeros(count, np.int64), held, source), []


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


@dataclass(frozen=True)
class _OnDisk:
    """Payload that stands in the evidence."""

    paths: Sequence[Path]
    file: np.ndarray  # of each part, the number of its path
    begin: np.ndarray  # where its payload begins there

    def read(self, part: np.ndarray, skip: np.ndarray, length: np.ndarray) -> bytes:
        from nsm_nb.kernels.streams import scattered

        into = np.empty(int(length.sum()), np.uint8)
        at = np.cumsum(length) - length
        for number, path in enumerate(self.paths):
            own = np.flatnonzero((self.file[part] == number) & (length > 0))
            if not len(own):
                continue
            begin = self.begin[part[own]] + skip[own]
            order = np.argsort(begin, kind="stable") if (np.diff(begin) < 0).any() else np.arange(len(own))
            own, begin = own[order], begin[order]
            end = np.maximum.accumulate(begin + length[own])
            cuts = np.flatnonzero((begin[1:] - end[:-1] > _GAP) | (np.diff(begin // _CHUNK) > 0)) + 1
            with Spans(path) as spans:
                for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(own)], strict=True):
                    start, stop = int(begin[first]), int(end[last - 1])
                    data = spans.read(start, stop - start)
                    if len(data) < stop - start:
                        raise DamagedEvidence(
                            f"{printable(path)} is shorter than when it was read: byte {stop} is gone; check its hash "
                            "against the case"
                        )
                    some = own[first:last]
                    # a bytearray, because numba compiles read-only arrays apart
                    scattered(
                        np.frombuffer(bytearray(data), np.uint8),
                        begin[first:last] - start,
                        length[some],
                        into,
                        at[some],
                    )
        return into.tobytes()


def _source(
    packets: pd.DataFrame, size: np.ndarray, evidence: Mapping[str, str | os.PathLike] | None
) -> tuple[Source, np.ndarray]:
    """Return where the payload of unfragmented packets is, and how many bytes of each were captured."""
    head = _head_sizes(packets["layers"])
    octets = packets["octets"].to_numpy(np.int64, na_value=-1)
    labels = packets["evidence"].astype("category")
    names = labels.cat.categories.tolist()
    # where headers say more than the frame holds, only reading them again tells where the payload begins
    plain = ((head >= 0) & (octets >= size) & (head + octets <= packets["length"].to_numpy(np.int64))) | (size == 0)
    if not plain.all() or (evidence is not None and not set(labels.dropna().unique()) <= set(evidence)):
        payloads = payload_bytes(packets, evidence=evidence)
        return _Held.of([each.data for each in payloads]), np.array([len(each.data) for each in payloads], np.int64)
    place = head + octets - size
    held = np.clip(packets["captured"].to_numpy(np.int64) - place, 0, size)
    paths = [Path(evidence[name] if evidence is not None and name in evidence else name) for name in names]
    return _OnDisk(paths, labels.cat.codes.to_numpy(), packets["offset"].to_numpy(np.int64) + place), held


def _head_sizes(layers: pd.Series) -> np.ndarray:
    """Return the bytes before the IP header of each packet; -1 where a tunnel or a link makes them unknown."""
    layers = layers.astype("category")
    sizes = [_head_size(str(chain).split(":")) for chain in layers.cat.categories]
    return np.array([*sizes, -1], np.int64)[layers.cat.codes.to_numpy()]


def _head_size(chain: Sequence[str]) -> int:
    size = _LINK_SIZES.get(chain[0], -1)
    rest = list(chain[1:])
    while size >= 0 and rest and rest[0] == "vlan":
        size, rest = size + 4, rest[1:]
    return size if len(rest) == 2 and rest[0] in ("ip", "ipv6") else -1
