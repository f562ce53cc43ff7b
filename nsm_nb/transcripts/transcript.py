"""The conversation of one session, rebuilt: turns of both sides with their times and frames, and every doubt in words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS, Caveat
from nsm_nb.transcripts import doubts
from nsm_nb.transcripts.datagrams import Datagram, carried
from nsm_nb.transcripts.segments import Segments, segments
from nsm_nb.transcripts.tcp import Pieces, Side, connections, placed

__all__ = ["Transcript", "Turn", "transcript"]


_IN_MEMORY = 32 << 20  # bytes of a conversation that are read with it; those of longer ones when they are asked for
_SIDES = ("src", "dst")


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

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes, counted from its first."""
        return self.data[offset : offset + length]


class _Stored(Turn):
    """A turn of a long stream: its bytes are read from the evidence when they are asked for."""

    def __init__(
        self, side: str, span: tuple[pd.Timestamp, pd.Timestamp], gap: int, rows: _Rows, pieces: Pieces, these: Segments
    ):
        for name, value in (
            ("side", side), ("time", span[0]), ("last", span[1]), ("offset", int(pieces.position[0])), ("gap", gap),
            ("_rows", rows), ("_pieces", pieces), ("_these", these), ("_ends", np.cumsum(pieces.length)),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def frames(self) -> tuple[int, ...]:  # type: ignore[override]
        """The frames it came in."""
        return self._rows.frames_of(self._pieces.row)  # type: ignore[attr-defined]

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
        ends, pieces = self._ends, self._pieces  # type: ignore[attr-defined]
        offset, end = max(offset, 0), min(offset + length, self.size)
        if offset >= end:
            return b""
        first, last = np.searchsorted(ends, [offset, end - 1], "right")
        inside = slice(int(first), int(last) + 1)
        begins = ends[inside] - pieces.length[inside]
        before = np.maximum(offset - begins, 0)
        taken = np.minimum(ends[inside], end) - begins - before
        return self._these.source.read(pieces.part[inside], pieces.skip[inside] + before, taken)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Transcript:
    """What was said in one session.

    Attributes
    ----------
    session : Series or None
        The row of SESSIONS, where it is known.
    proto, src_ip, src_port, dst_ip, dst_port
        Of the session.
    turns : list of Turn
        In the order in which the bytes were complete at the sensor.
    caveats : list of Caveat
        Every doubt: gaps, conflicts, a guessed direction, one side missing.
    strays : list of Turn
        What was sent and has no place in the turns: segments far outside the stream, fragments whose head is missing,
        keep-alives that hold a byte of their own. A caveat tells of each kind.
    """

    proto: str
    src_ip: str
    src_port: int | None
    dst_ip: str
    dst_port: int | None
    turns: list[Turn]
    caveats: list[Caveat]
    start: pd.Timestamp | None = None
    sensor: str = ""
    session: pd.Series | None = field(default=None, compare=False)
    strays: list[Turn] = field(default_factory=list)

    def data(self, side: str) -> bytes:
        """Return all bytes of one side, ``"src"`` or ``"dst"``, gaps left out."""
        return b"".join(turn.data for turn in self.turns if turn.side == side)

    def size(self, side: str) -> int:
        """Return how many bytes of one side there are."""
        return sum(turn.size for turn in self.turns if turn.side == side)

    def text(self, style: str = "plain") -> str:
        """Return the transcript as text that is safe to print.

        Parameters
        ----------
        style
            ``"plain"`` with time and frame at each turn, ``"sguil"`` as Sguil shows it, ``"hex"`` as a hex dump.
        """
        from nsm_nb.transcripts.rendering import as_text

        return as_text(self, style)

    def exchanges(self) -> list:
        """Return the HTTP requests and responses in it; empty where it is not HTTP."""
        from nsm_nb.transcripts.http import exchanges

        return exchanges(self)

    def _repr_html_(self) -> str:
        from nsm_nb.transcripts.rendering import as_html

        return as_html(self)


def transcript(
    packets: pd.DataFrame,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
    session: pd.Series | None = None,
    policy: str = "first",
) -> Transcript:
    """Return the rebuilt conversation of one session's packets.

    TCP comes in the order of its sequence numbers, each byte once; what is missing is a gap with its size. Other
    protocols come as one turn a datagram.

    Parameters
    ----------
    packets
        Rows of PACKETS of one session. Where `session` and `to_dst` are missing they are assembled first.
    evidence
        The path of each `evidence` label; the labels are paths where not given.
    session
        The row of SESSIONS, for the header.
    policy
        Whose bytes are shown where TCP segments overlap and differ, as the host that received them may have chosen:
        ``first``, ``last``, ``bsd``, ``linux``, ``windows``. The other version stands in the caveats.

    Raises
    ------
    NsmError
        Where the packets are of no session, or of more than one.
    """
    PACKETS.require(packets, "evidence", "frame", "time", "proto", "session", "to_dst", "offset", "payload")
    if len(packets) and packets["session"].isna().all():
        from nsm_nb.sessions import assemble

        rows, packets = assemble(packets)
        session = rows.iloc[0] if session is None and len(rows) == 1 else session
    packets = packets[packets["session"].notna()]
    if not len(packets):
        raise NsmError("there are no packets of a session here; give the rows of packets_of(session)")
    if packets["session"].nunique() > 1:
        raise NsmError(
            f"these packets are of {packets['session'].nunique()} sessions; a transcript is of one: "
            "choose by packets[packets.session == number]"
        )
    from_src = packets["to_dst"].to_numpy(bool)
    proto = str(packets["proto"].iloc[0])
    label = str(packets["evidence"].iloc[0])
    rows = _Rows(packets["time"].array, packets["frame"].tolist(), from_src)
    caveats = doubts.of_session(session, from_src, label)
    # a fragment that was captured whole misses nothing by itself
    cut = (packets["fragment"].isna() | (packets["captured"] < packets["length"])).to_numpy(bool)
    if proto == "tcp":
        these, broken = segments(packets, evidence=evidence)
        strays = [rows.turn(each.rows, 0, each.unplaced) for each in broken if each.unplaced]
        pairs = connections(these, policy=policy)
        turns = _runs(rows, these, placed(these, pairs))
        caveats += doubts.of_connections(pairs, these, label, rows.frames)
        strays += _strays(rows, these, pairs)
        caveats += doubts.of_fragments(broken, label, rows.frames)
        caveats += _cut(these, cut, label)
    else:
        datagrams, broken = carried(packets, evidence=evidence)
        strays = [rows.turn(each.rows, 0, each.unplaced) for each in broken if each.unplaced]
        turns = _datagram_turns(rows, datagrams)
        caveats += doubts.of_fragments(broken, label, rows.frames)
        caveats += doubts.of_datagrams([each for each in datagrams if cut[each.row]], label)
    first = packets.iloc[int(np.argmax(from_src))] if from_src.any() else packets.iloc[0]
    ends = ("src", "dst") if from_src.any() else ("dst", "src")

    def port(value: object) -> int | None:
        return None if pd.isna(value) else int(value)  # type: ignore[call-overload]

    return Transcript(
        proto,
        str(first[f"{ends[0]}_ip"]),
        port(first[f"{ends[0]}_port"]),
        str(first[f"{ends[1]}_ip"]),
        port(first[f"{ends[1]}_port"]),
        turns,
        caveats,
        packets["time"].min(),
        "" if session is None or pd.isna(session.get("sensor")) else str(session["sensor"]),
        session,
        strays,
    )


@dataclass(frozen=True)
class _Rows:
    """What a turn tells of its packets."""

    times: pd.api.extensions.ExtensionArray
    frames: list[int]
    from_src: np.ndarray

    def turn(self, rows: Sequence[int], offset: int, data: bytes, gap: int = 0) -> Turn:
        return Turn(
            "src" if self.from_src[rows[0]] else "dst", *self.span(min(rows), max(rows)), self.frames_of(rows), offset, data, gap
        )  # fmt: skip

    def span(self, first: int, last: int) -> tuple[pd.Timestamp, pd.Timestamp]:
        return self.times[first], self.times[last]

    def frames_of(self, rows: Sequence[int] | np.ndarray) -> tuple[int, ...]:
        """Return the frames of rows, each once, in the order in which they are needed."""
        return tuple([self.frames[row] for row in dict.fromkeys(np.asarray(rows).tolist())])


def _runs(rows: _Rows, these: Segments, pieces: Pieces) -> list[Turn]:
    """Return the pieces as turns: a turn ends where the other side speaks or bytes are missing."""
    many = len(pieces.side)
    if not many:
        return []
    parted = (np.diff(pieces.side) != 0) | (np.diff(pieces.connection) != 0) | (pieces.gap[1:] > 0)
    starts = np.concatenate([[0], np.flatnonzero(parted) + 1])
    ends = np.append(starts[1:], many)
    first, last = np.minimum.reduceat(pieces.row, starts), np.maximum.reduceat(pieces.row, starts)
    sizes = np.add.reduceat(pieces.length, starts)
    told = zip(
        starts.tolist(), ends.tolist(), first.tolist(), last.tolist(), pieces.gap[starts].tolist(), pieces.side[starts].tolist(),
        sizes.tolist(), strict=True,
    )  # fmt: skip
    if int(sizes.sum()) > _IN_MEMORY:
        return [
            _Stored(_SIDES[side], rows.span(low, high), gap, rows, Pieces(*(each[start:end] for each in pieces)), these)
            for start, end, low, high, gap, side, _ in told
        ]
    data = these.source.read(pieces.part, pieces.skip, pieces.length)
    turns, at = [], 0
    for start, end, low, high, gap, side, size in told:
        frames = rows.frames_of(pieces.row[start:end])
        position = int(pieces.position[start])
        turns.append(Turn(_SIDES[side], *rows.span(low, high), frames, position, data[at : at + size], gap))
        at += size
    return turns


def _strays(rows: _Rows, these: Segments, pairs: Sequence[tuple[Side, Side]]) -> list[Turn]:
    """Return what has no place in the streams, a turn for each part of a segment."""
    found = []
    for side in (side for pair in pairs for side in pair):
        for each in sorted([*side.strays, *side.garbage], key=lambda each: each.segment):
            for part in range(*np.searchsorted(these.segment, [each.segment, each.segment + 1]).tolist()):
                data = these.source.read(np.array([part]), np.zeros(1, np.int64), these.held[part : part + 1])
                if data:
                    found.append(rows.turn((int(these.row[each.segment]),), each.position, data))
    return found


def _cut(these: Segments, cut: np.ndarray, label: str) -> list[Caveat]:
    """Return the doubt about segments that were captured in part."""
    held = np.bincount(these.segment, these.held, len(these.row)).astype(np.int64)
    part = (held < these.size) & cut[these.row]
    return doubts.of_cut(int(part.sum()), int(held[part].sum()), int(these.size[part].sum()), "segments", label)


def _datagram_turns(rows: _Rows, datagrams: Sequence[Datagram]) -> list[Turn]:
    """Return a turn for each datagram; what is missing of one is a gap that is never joined over."""
    turns = []
    offsets = {True: 0, False: 0}
    for datagram in datagrams:
        from_src = rows.from_src[datagram.row]
        start, expected = offsets[from_src], 0
        run: list[int] = []
        data = b""
        gap = 0
        for row, place, part in datagram.parts:
            if place > expected:
                if run:
                    turns.append(rows.turn(run, start + expected - len(data), data, gap))
                run, data, gap = [], b"", place - expected
            run.append(row)
            data += part
            expected = place + len(part)
        if run:
            turns.append(rows.turn(run, start + expected - len(data), data, gap))
        if expected < datagram.size:
            turns.append(rows.turn((datagram.row,), start + datagram.size, b"", datagram.size - expected))
        offsets[from_src] += datagram.size
    return turns
