"""Runs of bytes of one side, and from each byte to the packet that brought it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.text import printable
from nsm_nb.transcripts.segments import Segments
from nsm_nb.transcripts.tcp import Pieces

__all__ = ["SIDES", "Places", "Rows", "StoredTurn", "Turn", "Where"]

SIDES = ("src", "dst")


@dataclass(frozen=True)
class Turn:
    """A run of bytes of one side."""

    side: str  # "src" or "dst"
    time: pd.Timestamp  # of the first frame
    last: pd.Timestamp  # of the last frame
    frames: tuple[int, ...]
    offset: int  # of the first byte in this side's stream
    data: bytes
    gap: int = 0  # bytes missing before `data`
    evidence: str = ""  # which captures the frames are of, in words; empty where the whole transcript is of one

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data)

    @property
    def ends(self) -> tuple[int, int]:
        """Its first and its last frame, in the order of its bytes."""
        return self.frames[0], self.frames[-1]

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes, counted from its first."""
        return self.data[max(offset, 0) : max(offset + length, 0)]


class StoredTurn(Turn):
    """A turn of a long stream: its bytes are read from the evidence when they are asked for."""

    def __init__(
        self, side: str, span: tuple[pd.Timestamp, pd.Timestamp], gap: int, rows: Rows, pieces: Pieces, these: Segments
    ):
        for name, value in (
            ("side", side), ("time", span[0]), ("last", span[1]), ("offset", int(pieces.position[0])), ("gap", gap),
            ("_rows", rows), ("_pieces", pieces), ("_these", these), ("_ends", np.cumsum(pieces.length)),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def evidence(self) -> str:  # type: ignore[override]
        """Which captures its frames are of, in words; empty where the whole transcript is of one."""
        return self._rows.evidence_of(self._pieces.row)  # type: ignore[attr-defined]

    @property
    def frames(self) -> tuple[int, ...]:  # type: ignore[override]
        """The frames it came in."""
        return self._rows.frames_of(self._pieces.row)  # type: ignore[attr-defined]

    @property
    def ends(self) -> tuple[int, int]:
        """Its first and its last frame, in the order of its bytes."""
        frames, row = self._rows.frames, self._pieces.row  # type: ignore[attr-defined]
        return int(frames[row[0]]), int(frames[row[-1]])

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """All its bytes, read now."""
        return self.read(0, self.size)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return int(self._ends[-1])  # type: ignore[attr-defined]

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes, counted from its first."""
        offset, end = max(offset, 0), min(offset + length, self.size)
        return b"" if offset >= end else self._these.source.read(*self._spans(offset, end))  # type: ignore[attr-defined]

    def read_into(self, into: np.ndarray, offset: int) -> None:
        """Fill a uint8 array with bytes from `offset` on, of which there have to be so many."""
        self._these.source.read_into(into, *self._spans(offset, offset + len(into)))  # type: ignore[attr-defined]

    def _spans(self, offset: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the parts that hold a range of bytes, where in each it begins, and how many bytes of each it takes."""
        ends, pieces = self._ends, self._pieces  # type: ignore[attr-defined]
        first, last = np.searchsorted(ends, [offset, end - 1], "right")
        inside = slice(int(first), int(last) + 1)
        begins = ends[inside] - pieces.length[inside]
        before = np.maximum(offset - begins, 0)
        taken = np.minimum(ends[inside], end) - begins - before
        return pieces.part[inside], pieces.skip[inside] + before, taken


class Where(NamedTuple):
    """The packet that brought a byte."""

    evidence: str
    frame: int
    time: pd.Timestamp


@dataclass(frozen=True)
class Rows:
    """What a transcript tells of its packets."""

    times: pd.api.extensions.ExtensionArray
    frames: np.ndarray
    from_src: np.ndarray
    labels: list[str]  # the captures
    label: np.ndarray  # of each row, the number of its capture

    def turn(self, rows: Sequence[int], offset: int, data: bytes, gap: int = 0) -> Turn:
        """Return a turn that came in these packets."""
        side = "src" if self.from_src[rows[0]] else "dst"
        frames, evidence = self.frames_of(rows), self.evidence_of(rows)
        return Turn(side, *self.span(min(rows), max(rows)), frames, offset, data, gap, evidence)

    def span(self, first: int, last: int) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return the times of two packets."""
        return self.times[first], self.times[last]

    def frames_of(self, rows: Sequence[int] | np.ndarray) -> tuple[int, ...]:
        """Return the frames of rows, each once, in the order in which they are needed."""
        return (
            tuple(dict.fromkeys(self.frames[np.asarray(rows)].tolist())) if len(self.labels) < 2 else self._each(rows)
        )

    def _each(self, rows: Sequence[int] | np.ndarray) -> tuple[int, ...]:
        return tuple([int(self.frames[row]) for row in dict.fromkeys(np.asarray(rows).tolist())])

    def evidence_of(self, rows: Sequence[int] | np.ndarray) -> str:
        """Return which captures rows are of, in words; empty where there is one alone."""
        if len(self.labels) < 2:
            return ""
        return ", ".join(printable(self.labels[each]) for each in np.unique(self.label[np.asarray(rows)]).tolist())

    def where(self, row: int) -> Where:
        """Return where a packet stands."""
        return Where(self.labels[self.label[row]], int(self.frames[row]), self.times[row])

    def evidence(self, row: int) -> str:
        """Return the capture of a packet."""
        return self.labels[self.label[row]]

    def words(self, row: int) -> str:
        """Return a packet in words: ``frame 12``, with its capture where there are several."""
        capture = f" of {printable(self.evidence(row))}" if len(self.labels) > 1 else ""
        return f"frame {self.frames[row]}{capture}"


@dataclass(frozen=True)
class Places:
    """Of each byte of both sides, the packet that brought it; arrays are in the order of each side's offsets."""

    rows: Rows
    start: tuple[np.ndarray, np.ndarray]  # of src and of dst: the offset at which a piece begins
    row: tuple[np.ndarray, np.ndarray]  # and its packet

    @classmethod
    def of(cls, rows: Rows, side: np.ndarray, position: np.ndarray, row: np.ndarray) -> Places:
        """Return the places of pieces in any order."""
        starts, found = [], []
        for number in (0, 1):
            own = np.flatnonzero(side == number)
            own = own[np.argsort(position[own], kind="stable")]
            starts.append(position[own])
            found.append(row[own])
        return cls(rows, (starts[0], starts[1]), (found[0], found[1]))

    def at(self, side: str, offset: int) -> Where | None:
        """Return the packet that brought a byte of a side; None where there is none before it."""
        number = SIDES.index(side)
        place = int(np.searchsorted(self.start[number], offset, "right")) - 1
        return None if place < 0 else self.rows.where(int(self.row[number][place]))
