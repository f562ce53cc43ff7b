"""The conversation of one session, rebuilt: turns of both sides with their times and frames, and every doubt in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content.frames import Payload, payload_bytes
from nsm_nb.schema import PACKETS, Caveat
from nsm_nb.text import printable
from nsm_nb.transcripts.reassembly import Piece, Segment, Stream, unwrapped

__all__ = ["Transcript", "Turn", "transcript"]

_TH_SYN, _TH_FIN, _TH_RST, _TH_ACK = 0x02, 0x01, 0x04, 0x10
_FAR = 1 << 30  # a segment further from its stream than any window reaches does not belong (RFC 7323 2.3)


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
    packets = packets.reset_index(drop=True)
    payloads = payload_bytes(packets, evidence=evidence)
    from_src = packets["to_dst"].to_numpy(bool)
    proto = str(packets["proto"].iloc[0])
    label = str(packets["evidence"].iloc[0])
    caveats: list[Caveat] = []
    if proto == "tcp":
        turns = _tcp_turns(packets, payloads, from_src, caveats)
    else:
        turns = _datagram_turns(packets, payloads, from_src, caveats)
    _doubts(packets, from_src, payloads, session, label, caveats)
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
    )


def _segments(packets: pd.DataFrame, payloads: list[Payload], rows: np.ndarray) -> tuple[list[Segment], int, list[int]]:
    """Return the segments of one side, the wire number of its stream's byte 0, and the rows that do not belong."""
    flags = packets["tcp_flags"].fillna(0).astype(int).to_numpy()
    seqs = packets["seq"].fillna(0).astype(int).to_numpy()
    known = packets["tcp_flags"].notna().to_numpy()
    syn = [row for row in rows if flags[row] & _TH_SYN]
    carrying = [row for row in rows if known[row] and (payloads[row].size or flags[row] & _TH_SYN)]
    if not carrying:
        return [], 0, []
    # byte 0 follows the SYN; without one it is the first byte that was seen
    base = int(seqs[syn[0]]) + 1 if syn else int(seqs[carrying[0]])
    near = base
    segments, strays = [], []
    for row in carrying:
        payload = payloads[row]
        if not payload.size:
            continue
        position = unwrapped(int(seqs[row]) + (1 if flags[row] & _TH_SYN else 0), near)
        if payload.size == 1 and position == near - 1 and near > base:
            continue  # a keep-alive: one byte sent before, its value means nothing (RFC 9293 3.8.4)
        if abs(position - near) > _FAR:
            strays.append(row)
            continue
        near = max(near, position + payload.size)
        segments.append(Segment(row, position - base, payload.data, payload.size))
    return segments, base, strays


def _tcp_turns(
    packets: pd.DataFrame, payloads: list[Payload], from_src: np.ndarray, caveats: list[Caveat]
) -> list[Turn]:
    label = str(packets["evidence"].iloc[0])
    frames = packets["frame"].to_numpy()
    pieces: list[tuple[int, int, Piece, int]] = []  # delivered, order, piece, gap before it
    for place, side in enumerate(("src", "dst")):
        rows = np.flatnonzero(from_src == (side == "src"))
        segments, base, strays = _segments(packets, payloads, rows)
        stream = Stream()
        for segment in segments:
            stream.add(segment)
        delivered = -1
        lowest = min(stream.pieces[0].position, 0) if stream.pieces else 0
        expected = lowest
        for piece in stream.pieces:
            delivered = max(delivered, piece.arrival)
            pieces.append((delivered, place, piece, piece.position - expected))
            expected = piece.position + len(piece.data)
        if stream.reach > expected:
            last = segments[-1].arrival
            pieces.append((max(delivered, last), place, Piece(stream.reach, b"", last), stream.reach - expected))
        _tell(stream, side, label, frames, caveats)
        _unseen(packets, from_src, side, base, stream, label, caveats)
        if strays:
            caveats.append(
                Caveat(
                    label,
                    int(frames[strays[0]]),
                    None,
                    "stray",
                    f"{len(strays)} segments of {side} have sequence numbers far outside the stream and were left out "
                    f"(first is frame {frames[strays[0]]})",
                )
            )
    pieces.sort(key=lambda each: each[0])
    return _turns(packets, pieces, frames)


def _turns(packets: pd.DataFrame, pieces: list[tuple[int, int, Piece, int]], frames: np.ndarray) -> list[Turn]:
    times = packets["time"]
    turns: list[Turn] = []
    run: list[Piece] = []
    held = (-1, 0)

    def close() -> None:
        if run:
            rows = list(dict.fromkeys(piece.arrival for piece in run))
            turns.append(
                Turn(
                    ("src", "dst")[held[0]],
                    times.iloc[min(rows)],
                    times.iloc[max(rows)],
                    tuple(int(frames[row]) for row in rows),
                    run[0].position,
                    b"".join(piece.data for piece in run),
                    held[1],
                )
            )
            run.clear()

    for _, place, piece, gap in pieces:
        if place != held[0] or gap:
            close()
            held = (place, gap)
        run.append(piece)
    close()
    return turns


def _tell(stream: Stream, side: str, label: str, frames: np.ndarray, caveats: list[Caveat]) -> None:
    missing = 0
    expected = min(stream.pieces[0].position, 0) if stream.pieces else 0
    holes = 0
    for piece in stream.pieces:
        if piece.position > expected:
            missing += piece.position - expected
            holes += 1
        expected = piece.position + len(piece.data)
    if stream.reach > expected:
        missing += stream.reach - expected
        holes += 1
    if missing:
        caveats.append(
            Caveat(
                label, None, None, "gap", f"{missing:,} bytes of {side} are missing in {holes} places; each is marked"
            )
        )
    if stream.again:
        caveats.append(
            Caveat(
                label,
                None,
                None,
                "retransmission",
                f"{stream.again:,} bytes of {side} were sent again, alike; shown once",
            )
        )
    for conflict in stream.conflicts:
        caveats.append(
            Caveat(
                label,
                int(frames[conflict.arrival]),
                conflict.position,
                "conflict",
                f"{side} sent byte {conflict.position:,} twice, not alike: {_short(conflict.kept)} is shown, "
                f"frame {frames[conflict.arrival]} says {_short(conflict.other)}",
            )
        )


def _short(data: bytes) -> str:
    shown = printable(data[:64])
    return f'"{shown}"' if len(data) <= 64 else f'"{shown}" and {len(data) - 64:,} bytes more'


def _unseen(
    packets: pd.DataFrame, from_src: np.ndarray, side: str, base: int, stream: Stream, label: str, caveats: list[Caveat]
) -> None:
    """Tell of bytes that the other side acknowledged and that are not in the evidence, behind the last one seen."""
    answers = np.flatnonzero((from_src != (side == "src")) & packets["ack"].notna().to_numpy())
    flags = packets["tcp_flags"].fillna(0).astype(int).to_numpy()
    acks = packets["ack"].fillna(0).astype(int).to_numpy()
    others = [row for row in answers if flags[row] & _TH_ACK and not flags[row] & _TH_RST]
    mine = np.flatnonzero(from_src == (side == "src"))
    if not others or not len(mine):
        return
    ended = any(flags[row] & _TH_FIN for row in mine)
    near = base + stream.reach
    furthest = max(unwrapped(int(acks[row]), near) for row in others)
    unseen = furthest - near - (1 if ended or furthest - near == 1 else 0)
    if 0 < unseen < _FAR:
        caveats.append(
            Caveat(
                label, None, None, "gap", f"{unseen:,} bytes of {side} were acknowledged and are not in the evidence"
            )
        )


def _datagram_turns(
    packets: pd.DataFrame, payloads: list[Payload], from_src: np.ndarray, caveats: list[Caveat]
) -> list[Turn]:
    turns = []
    offsets = {"src": 0, "dst": 0}
    cut = 0
    times, frames = packets["time"], packets["frame"].to_numpy()
    for row, payload in enumerate(payloads):
        if not payload.size:
            continue
        side = "src" if from_src[row] else "dst"
        # a datagram that was captured in part: what is missing stands behind its bytes, so a turn of its own says so
        frame = (int(frames[row]),)
        turns.append(Turn(side, times.iloc[row], times.iloc[row], frame, offsets[side], payload.data))
        if len(payload.data) < payload.size:
            cut += 1
            rest = payload.size - len(payload.data)
            turns.append(Turn(side, times.iloc[row], times.iloc[row], frame, offsets[side] + payload.size, b"", rest))
        offsets[side] += payload.size
    later = packets["fragment"].notna() & packets["payload"].isna()
    if later.any():
        caveats.append(
            Caveat(
                str(packets["evidence"].iloc[0]),
                int(frames[int(np.argmax(later))]),
                None,
                "fragment",
                f"{int(later.sum())} later fragments of IP datagrams are not put together; their bytes are missing here",
            )
        )
    if cut:
        caveats.append(
            Caveat(str(packets["evidence"].iloc[0]), None, None, "snaplen", f"{cut} datagrams were captured in part")
        )
    return turns


def _doubts(
    packets: pd.DataFrame,
    from_src: np.ndarray,
    payloads: list[Payload],
    session: pd.Series | None,
    label: str,
    caveats: list[Caveat],
) -> None:
    if session is not None and session.get("direction_known") is not pd.NA and not session.get("direction_known", True):
        caveats.insert(
            0, Caveat(label, None, None, "direction", "the opening was not seen: who is src and who dst is a guess")
        )
    if from_src.all() or not from_src.any():
        side = "dst" if from_src.all() else "src"
        caveats.append(Caveat(label, None, None, "one side", f"nothing from {side} is in the evidence"))
    short = [payload for payload in payloads if len(payload.data) < payload.size]
    if short and str(packets["proto"].iloc[0]) == "tcp":
        got, sent = sum(len(each.data) for each in short), sum(each.size for each in short)
        caveats.append(
            Caveat(
                label,
                None,
                None,
                "snaplen",
                f"{len(short)} segments were captured in part: captured {got:,} of {sent:,} bytes",
            )
        )
