"""One side of a TCP stream from its segments: in order, each byte once, what is missing told, what conflicts kept.

Source: RFC 9293 3.4 (sequence numbers). Where segments overlap, the first one wins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Conflict", "Piece", "Segment", "Stream", "unwrapped"]

_FULL = 1024  # pieces of a block; a block twice as long is cut in two


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


class Stream:
    """The bytes of one side, built segment by segment.

    Attributes
    ----------
    again : int
        Bytes that were sent again, alike.
    conflicts : list of Conflict
        Bytes that were sent again, not alike: one for each run of a segment that meets what was there.
    reach : int
        The end of the last byte sent, captured or not.
    held : int
        How many bytes there are.
    """

    def __init__(self) -> None:
        self.again = 0
        self.conflicts: list[Conflict] = []
        self.reach = 0
        self.held = 0
        # in blocks: segments that come in reverse would move all pieces behind them in one long list
        self._blocks: list[list[Piece]] = []
        self._heads: list[int] = []
        self._end = 0  # of the last piece

    @property
    def pieces(self) -> list[Piece]:
        """In the order of the stream, never overlapping; what lies between two of them is missing."""
        return [piece for block in self._blocks for piece in block]

    def add(self, segment: Segment) -> None:
        """Add a segment: the bytes that are new become pieces, the others are compared."""
        arrival, start, data, size = segment
        self.reach = max(self.reach, start + size)
        if not data:
            return
        end = start + len(data)
        if not self._blocks or start >= self._end:
            self._append(Piece(start, data, arrival), end)
            return
        fresh = []
        met: list[bytes] = []  # what was there, of a run without a hole
        since = start
        for piece in self._from(start):
            stop = piece.position + len(piece.data)
            if stop <= start:
                continue
            if piece.position >= end:
                break
            if start < piece.position:
                self._compare(segment, since, start, met)
                fresh.append(self._slice(segment, start, piece.position))
                start = since = piece.position
                met = []
            upto = min(stop, end)
            met.append(piece.data[start - piece.position : upto - piece.position])
            start = upto
            if start == end:
                break
        self._compare(segment, since, start, met)
        if start < end:
            fresh.append(self._slice(segment, start, end))
        for piece in fresh:
            self._insert(piece)

    def at(self, position: int) -> bytes:
        """Return the byte at a position; empty where it is missing."""
        for piece in self._from(position):
            if piece.position > position:
                break
            if position < piece.position + len(piece.data):
                return piece.data[position - piece.position : position - piece.position + 1]
        return b""

    def _from(self, position: int) -> Iterator[Piece]:
        """Yield the pieces from the last one that begins at or before a position."""
        if not self._blocks:
            return
        number = max(bisect_right(self._heads, position) - 1, 0)
        first = max(bisect_left(self._blocks[number], (position + 1,)) - 1, 0)
        while number < len(self._blocks):
            block = self._blocks[number]
            for place in range(first, len(block)):
                yield block[place]
            number, first = number + 1, 0

    def _append(self, piece: Piece, end: int) -> None:
        self.held += len(piece.data)
        self._end = end
        if self._blocks and len(self._blocks[-1]) < _FULL:
            self._blocks[-1].append(piece)
        else:
            self._blocks.append([piece])
            self._heads.append(piece.position)

    def _insert(self, piece: Piece) -> None:
        end = piece.position + len(piece.data)
        if piece.position >= self._end:
            self._append(piece, end)
            return
        self.held += len(piece.data)
        number = max(bisect_right(self._heads, piece.position) - 1, 0)
        block = self._blocks[number]
        block.insert(bisect_left(block, (piece.position + 1,)), piece)
        self._heads[number] = block[0].position
        if len(block) > 2 * _FULL:
            self._blocks[number : number + 1] = [block[:_FULL], block[_FULL:]]
            self._heads.insert(number + 1, block[_FULL].position)

    @staticmethod
    def _slice(segment: Segment, start: int, end: int) -> Piece:
        return Piece(start, segment.data[start - segment.position : end - segment.position], segment.arrival)

    def _compare(self, segment: Segment, start: int, end: int, met: list[bytes]) -> None:
        if start == end:
            return
        kept = b"".join(met)
        other = segment.data[start - segment.position : end - segment.position]
        if kept == other:
            self.again += end - start
        else:
            self.conflicts.append(Conflict(start, kept, other, segment.arrival))
