"""The bytes of one side of a conversation in one piece, and where in it turns begin and gaps lie."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript
    from nsm_nb.transcripts.turns import Turn

__all__ = ["MOST", "Line", "Place", "Stream", "Taken"]

MOST = 128 << 20  # bytes of one side that are looked at; a little more than an object that may be written
_LONGEST_LINE = 65_536


class Place(NamedTuple):
    """Where a byte is: its turn's number in the conversation, its frame and time, its offset in its side's stream."""

    turn: int
    frame: int
    time: pd.Timestamp
    offset: int


class Line(NamedTuple):
    """A line without its end, and where it stands in `Stream.data`."""

    start: int
    end: int  # behind the line's end
    data: bytes


class Taken(NamedTuple):
    """Bytes of a stream by their number on the wire."""

    data: bytes
    end: int  # the place behind them
    missing: int  # bytes of them that lie in gaps
    short: int  # bytes of them that are behind the last byte seen
    rest: int  # bytes that are missing behind them


class Stream:
    """What one side said.

    Parameters
    ----------
    transcript
        The conversation.
    side
        ``"src"`` or ``"dst"``.
    most
        Bytes that are read at most; `left` says how many were not.

    Attributes
    ----------
    data : bytes
        All turns, one behind the other; what is missing is left out, `gaps` and `missing` tell of it.
    """

    def __init__(self, transcript: Transcript, side: str, most: int = MOST):
        self.side = side
        self._transcript = transcript
        self.numbers: list[int] = []
        self.turns: list[Turn] = []
        self.left = 0
        parts: list[bytes] = []
        for number, turn in enumerate(transcript.turns):
            if turn.side != side:
                continue
            if most <= 0 and turn.size:
                self.left += turn.size
                continue
            part = turn.read(0, most) if turn.size > most else turn.data
            self.left += turn.size - len(part)
            most -= len(part)
            self.numbers.append(number)
            self.turns.append(turn)
            parts.append(part)
        self.data = b"".join(parts)
        self.starts = [0, *accumulate(len(part) for part in parts)][:-1]
        gaps = [(start, turn.gap) for start, turn in zip(self.starts, self.turns, strict=True) if turn.gap]
        self.gaps = [at for at, _ in gaps]  # places before which bytes are missing
        self.upto = [0, *accumulate(size for _, size in gaps)]

    def turn_at(self, place: int) -> int:
        """Return which of its turns holds a byte."""
        return max(bisect_right(self.starts, place) - 1, 0)

    def place(self, at: int) -> Place:
        """Return where a byte is."""
        number = self.turn_at(at)
        turn = self.turns[number]
        offset = turn.offset + at - self.starts[number]
        where = self._transcript.at(self.side, offset)
        frame, time = (turn.frames[0], turn.time) if where is None else (where.frame, where.time)
        return Place(self.numbers[number], frame, time, offset)

    def missing(self, start: int, end: int) -> int:
        """Return how many bytes are missing between two places, at `start` and `end` themselves too."""
        return self.upto[bisect_right(self.gaps, end)] - self.upto[bisect_left(self.gaps, start)]

    def within(self, start: int, end: int) -> int:
        """Return how many bytes are missing between the first and the last byte of a run."""
        return self.missing(start + 1, end - 1) if end - start > 1 else 0

    def gap_from(self, place: int) -> int:
        """Return the place of the first gap from there on, the end where there is none."""
        number = bisect_left(self.gaps, place)
        return self.gaps[number] if number < len(self.gaps) else len(self.data)

    def start_from(self, place: int, first_line: re.Pattern[bytes]) -> int | None:
        """Return where the next turn begins that begins with a message."""
        starts = islice(self.starts, bisect_left(self.starts, place), None)
        return next((start for start in starts if self.begins(start, first_line)), None)

    def begins(self, place: int, first_line: re.Pattern[bytes]) -> bool:
        """Return True where a message begins; its first line has no gap."""
        return first_line.match(self.data, place, self.gap_from(place + 1)) is not None

    def take(self, at: int, size: int) -> Taken:
        """Return the next `size` bytes as they were on the wire: what lies in a gap counts."""
        start, left, missing, rest = at, size, 0, 0
        for number in range(bisect_left(self.gaps, at), len(self.gaps)):
            place, gap = self.gaps[number], self.upto[number + 1] - self.upto[number]
            if left <= place - at:
                rest = gap if left == place - at else 0
                break
            left -= place - at
            at = place
            missing += min(gap, left)
            if gap >= left:
                return Taken(self.data[start:at], at, missing, 0, gap - left)
            left -= gap
        end = min(at + left, len(self.data))
        return Taken(self.data[start:end], end, missing, left - (end - at), rest)

    def lines(self, at: int = 0) -> Iterator[Line]:
        """Yield the lines from there on; a line of more than 64 KiB is cut, one is ended by a gap too."""
        data = self.data
        while at < len(data):
            upto = min(self.gap_from(at + 1), at + _LONGEST_LINE)
            end = data.find(b"\n", at, upto) + 1 or upto
            yield Line(at, end, data[at:end].rstrip(b"\r\n"))
            at = end
