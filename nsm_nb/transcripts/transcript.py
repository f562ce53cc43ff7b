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
from nsm_nb.transcripts.reassembly import Piece
from nsm_nb.transcripts.tcp import Placed, connections, placed

__all__ = ["Transcript", "Turn", "transcript"]


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
        return sum(len(turn.data) for turn in self.turns if turn.side == side)

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
    datagrams, broken = carried(packets, evidence=evidence)
    rows = _Rows(packets["time"].array, packets["frame"].tolist(), from_src.tolist())
    caveats = doubts.of_session(session, rows.from_src, label)
    strays = [rows.turn(each.rows, 0, each.unplaced) for each in broken if each.unplaced]
    if proto == "tcp":
        pairs = connections(datagrams, rows.from_src)
        turns = _runs(rows, placed(pairs))
        caveats += doubts.of_connections(pairs, label, rows.frames)
        for side in (side for pair in pairs for side in pair):
            aside = sorted([*side.strays, *side.garbage], key=lambda each: each.datagram.row)
            strays += [
                rows.turn((each.datagram.row,), each.position - (side.base or 0), part.data)
                for each in aside
                for part in each.datagram.parts
            ]
    else:
        turns = _datagram_turns(rows, datagrams)
    caveats += doubts.of_fragments(broken, label, rows.frames)
    # a fragment that was captured whole misses nothing by itself
    cut = (packets["fragment"].isna() | (packets["captured"] < packets["length"])).tolist()
    caveats += doubts.of_datagrams([each for each in datagrams if cut[each.row]], proto, label)
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
    from_src: list[bool]

    def turn(self, rows: Sequence[int], offset: int, data: bytes, gap: int = 0) -> Turn:
        return Turn(
            "src" if self.from_src[rows[0]] else "dst",
            self.times[min(rows)],
            self.times[max(rows)],
            tuple(self.frames[row] for row in rows),
            offset,
            data,
            gap,
        )


def _runs(rows: _Rows, pieces: Sequence[Placed]) -> list[Turn]:
    """Return the pieces as turns: a turn ends where the other side speaks or bytes are missing."""
    turns: list[Turn] = []
    run: list[Piece] = []
    held = ("", 0, 0)

    def close() -> None:
        if run:
            arrivals = list(dict.fromkeys(piece.arrival for piece in run))
            turns.append(rows.turn(arrivals, run[0].position, b"".join(piece.data for piece in run), held[1]))
            run.clear()

    for _, side, piece, gap, connection in pieces:
        if side != held[0] or gap or connection != held[2]:
            close()
            held = (side, gap, connection)
        run.append(piece)
    close()
    return turns


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
