"""One side of a TCP stream from its segments: in order, each byte once, what is missing told, what conflicts kept.

Source: RFC 9293 3.4 (sequence numbers), RFC 9293 3.8.4 (keep-alives). Where segments overlap, the first one wins.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Conflict", "Piece", "Segment", "Stream", "unwrapped"]


class Segment(NamedTuple):
    """One TCP segment as it arrived."""

    arrival: int  # row among the session's packets
    position: int  # of its first byte in the stream, from 0; see `unwrapped`
    data: bytes  # what was captured of it
    size: int  # what it carried on the wire


class Piece(NamedTuple):
    """A run of bytes of one segment that no earlier segment had."""

    position: int
    data: bytes
    arrival: int


class Conflict(NamedTuple):
    """Bytes sent twice and not alike: the first version is kept in the stream."""

    position: int
    kept: bytes
    other: bytes
    arrival: int  # of the other version


def unwrapped(seq: int, near: int) -> int:
    """Return the 64-bit position whose lower 32 bits are `seq` and which lies nearest to `near` (RFC 9293 3.4)."""
    ahead = (seq - near) & 0xFFFFFFFF
    return near + ahead - (0x100000000 if ahead >= 0x80000000 else 0)


@dataclass
class Stream:
    """The bytes of one side, built segment by segment.

    Attributes
    ----------
    pieces
        In the order of the stream, never overlapping; what lies between two of them is missing.
    again
        Bytes that were sent again, alike.
    conflicts
        Bytes that were sent again, not alike.
    """

    pieces: list[Piece] = field(default_factory=list)
    again: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    reach: int = 0  # the end of the last byte sent, captured or not

    def add(self, segment: Segment) -> None:
        """Add a segment: the bytes that are new become pieces, the others are compared."""
        start, end = segment.position, segment.position + len(segment.data)
        self.reach = max(self.reach, segment.position + segment.size)
        if start == end:
            return
        if not self.pieces or start >= self.pieces[-1].position + len(self.pieces[-1].data):
            self.pieces.append(Piece(start, segment.data, segment.arrival))
            return
        at = max(bisect_right(self.pieces, start, key=lambda piece: piece.position) - 1, 0)
        fresh = []
        while start < end and at < len(self.pieces):
            piece = self.pieces[at]
            stop = piece.position + len(piece.data)
            if start < piece.position:
                upto = min(end, piece.position)
                fresh.append(self._slice(segment, start, upto))
                start = upto
            if start < min(stop, end):
                upto = min(stop, end)
                self._compare(segment, piece, start, upto)
                start = upto
            at += 1
        if start < end:
            fresh.append(self._slice(segment, start, end))
        for piece in fresh:
            self.pieces.insert(bisect_right(self.pieces, piece.position, key=lambda each: each.position), piece)

    @staticmethod
    def _slice(segment: Segment, start: int, end: int) -> Piece:
        return Piece(start, segment.data[start - segment.position : end - segment.position], segment.arrival)

    def _compare(self, segment: Segment, piece: Piece, start: int, end: int) -> None:
        kept = piece.data[start - piece.position : end - piece.position]
        other = segment.data[start - segment.position : end - segment.position]
        if kept == other:
            self.again += end - start
        else:
            self.conflicts.append(Conflict(start, kept, other, segment.arrival))
