"""What decoders have in common: the conversation as they are given it, their records, and how much they may use."""

from __future__ import annotations

import heapq
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from nsm_nb.text import printable
from nsm_nb.transcripts.streams import Line, Stream

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript
    from nsm_nb.transcripts.turns import Turn

__all__ = ["COLUMNS", "Budget", "OutOfBudget", "Record", "Talk"]

_MOST_TEXT = 1_000  # characters of a record's text


class OutOfBudget(ValueError):
    """A decoder has used what it was given."""


@dataclass
class Budget:
    """What a decoder may use.

    Attributes
    ----------
    octets
        Bytes of each side that it is given.
    records
        How many it may make.
    seconds
        Of CPU time.
    """

    octets: int = 16 << 20
    records: int = 20_000
    seconds: float = 10.0
    _since: float = field(default=0.0, repr=False)
    _made: int = field(default=0, repr=False)

    def begin(self) -> None:
        """Count from now."""
        self._since, self._made = time.thread_time(), 0

    def check(self) -> None:
        """Raise `OutOfBudget` where the time is over."""
        if time.thread_time() - self._since > self.seconds:
            raise OutOfBudget(f"it had used {self.seconds:g} seconds of CPU time")

    def count(self) -> None:
        """Count a record; raise `OutOfBudget` where there are too many, or the time is over."""
        self._made += 1
        if self._made > self.records:
            raise OutOfBudget(f"it had made {self.records:,} records")
        self.check()


class Record(NamedTuple):
    """One thing that was said, understood."""

    protocol: str
    side: str
    time: pd.Timestamp
    frame: int
    offset: int  # of its first byte in its side's stream
    size: int  # bytes it was read from
    kind: str  # command, reply, query, hello, file ...
    text: str  # safe to show
    fields: Mapping[str, Any]  # names and values; texts are printable
    turn: int  # the number of its turn in the conversation


COLUMNS = [name for name in Record._fields if name != "turn"]


class Talk:
    """A conversation as decoders are given it.

    Parameters
    ----------
    transcript
        The conversation.
    budget
        What may be used.
    """

    def __init__(self, transcript: Transcript, budget: Budget | None = None):
        self.transcript = transcript
        self.budget = budget or Budget()
        self.budget.begin()
        self.src = Stream(transcript, "src", self.budget.octets)
        self.dst = Stream(transcript, "dst", self.budget.octets)
        self.ports = (transcript.src_port or 0, transcript.dst_port or 0)
        self.proto = transcript.proto
        self.depth = 0
        self.skipped = {"src": 0, "dst": 0}
        self.begin = (0, 0)  # where in both streams what is to be decoded begins

    def inside(self, src: int, dst: int) -> Talk:
        """Return what is said from places in both streams on, one layer deeper."""
        talk = object.__new__(Talk)
        talk.__dict__.update(self.__dict__)
        talk.begin, talk.depth = (src, dst), self.depth + 1
        return talk

    @property
    def sides(self) -> Iterator[tuple[Stream, int]]:
        """Both streams with the places where they begin."""
        return zip((self.src, self.dst), self.begin, strict=True)

    @property
    def heads(self) -> tuple[bytes, bytes]:
        """The first bytes of both sides."""
        return tuple(stream.data[at : at + 4096] for stream, at in self.sides)  # type: ignore[return-value]

    def record(
        self, protocol: str, stream: Stream, at: int, end: int, kind: str, text: object, /, **fields: Any
    ) -> Record:
        """Return a record of the bytes of a stream from `at` to `end`."""
        self.budget.count()
        place = stream.place(at)
        return Record(
            protocol,
            stream.side,
            place.time,
            place.frame,
            place.offset,
            end - at,
            kind,
            short(text),
            _safe(fields),
            place.turn,
        )

    def datagrams(self) -> Iterator[tuple[Stream, int, Turn, bytes]]:
        """Yield each datagram with its stream and place there, in the order in which they came."""
        both = [
            (number, stream, start, turn)
            for stream in (self.src, self.dst)
            for number, start, turn in zip(stream.numbers, stream.starts, stream.turns, strict=True)
        ]
        for _, stream, start, turn in sorted(both, key=lambda each: each[0]):
            yield stream, start, turn, stream.data[start : start + turn.size]

    def lines(self) -> Iterator[tuple[Stream, Line]]:
        """Yield the lines of both sides in the order in which they began to be said, without what `skip` passes over."""
        self.skipped = {"src": 0, "dst": 0}

        def numbered(stream: Stream, at: int) -> Iterator[tuple[int, Stream, Line]]:
            while at < len(stream.data):
                for count, line in enumerate(stream.lines(at)):
                    if count % 1_000 == 0:
                        self.budget.check()
                    at = line.end
                    yield stream.numbers[stream.turn_at(line.start)], stream, line
                    if self.skipped[stream.side] > at:
                        at = self.skipped[stream.side]
                        break

        both = (numbered(stream, at) for stream, at in self.sides)
        for _, stream, line in heapq.merge(*both, key=lambda each: each[0]):
            yield stream, line

    def skip(self, stream: Stream, to: int) -> None:
        """Have `lines` pass over what stands before a place."""
        self.skipped[stream.side] = to

    def behind(self, stream: Stream, at: int, other: Stream) -> int:
        """Return where in the other stream begins what was said after a byte of one; its end where nothing was."""
        number = bisect_right(other.numbers, stream.numbers[stream.turn_at(at)])
        return other.starts[number] if number < len(other.starts) else len(other.data)


def short(text: object) -> str:
    """Return text that is safe to show, cut where it is long."""
    made = printable(text[: 4 * _MOST_TEXT] if isinstance(text, (bytes, str)) else text)
    return made if len(made) <= _MOST_TEXT else made[:_MOST_TEXT] + " ..."


def _safe(value: Any, depth: int = 0) -> Any:
    """Return a value in which all text is printable."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {
            printable(name): _safe(each, depth + 1) for name, each in value.items() if each not in (None, "", [], ())
        }
    if isinstance(value, (list, tuple)) and depth < 4:
        return [_safe(each, depth + 1) for each in value]
    return printable(value)
