"""What stands beside the bytes of a conversation: keep-alives, what was sent again, resets, urgent data, data in a SYN.

Source: RFC 9293 3.10.7.4 (which resets are believed), 3.8.4 (keep-alives), 3.8.5 and RFC 6093 (urgent data); RFC 7413 (data in
a SYN).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.kernels.streams import TH_FIN, TH_RST, TH_SYN, TH_URG, bare_keep_alives
from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.datagrams import Datagram
from nsm_nb.transcripts.decoys import Decoys
from nsm_nb.transcripts.segments import Segments
from nsm_nb.transcripts.tcp import Pieces, Side
from nsm_nb.transcripts.turns import SIDES, Rows

__all__ = ["Event", "Mark", "events", "grouped", "resets", "short", "urgent"]

_LOOKED_AT = 1_000  # resets and urgent segments that are looked at one by one


class Event(NamedTuple):
    """One thing beside the bytes."""

    row: int
    side: int
    kind: str
    words: str = ""  # what is to be said of this one; empty where its kind says all
    amount: int = 0  # bytes it is about
    got: int = -1  # how many of them were captured, where that matters


@dataclass(frozen=True)
class Mark:
    """Something that happened beside the bytes, once or several times in a row."""

    side: str  # "src" or "dst"
    kind: str  # keep-alive, sent again, reset, urgent, data in SYN, connection, decoy, snaplen
    time: pd.Timestamp
    frames: tuple[int, int]  # first and last
    count: int
    before: int  # the number of the turn that it stands before; that of all turns where it stands behind the last
    text: str

    def __str__(self) -> str:
        """Return it as a transcript shows it."""
        return f"[{self.text}]"


_KINDS = {
    "keep-alive": ("keep-alive", "keep-alives"),
    "sent again": ("segment sent again, alike", "segments sent again, alike"),
    "reset": ("reset", "resets"),
    "decoy": ("segment that the receiver will have dropped", "segments that the receiver will have dropped"),
    "urgent": ("urgent segment", "urgent segments"),
    "data in SYN": ("SYN that carries data", "SYNs that carry data"),
    "connection": ("new connection on the same ports", "new connections on the same ports"),
    "snaplen": ("packet captured in part", "packets captured in part"),
}


def grouped(found: Iterable[Event], rows: Rows, starts: Sequence[int]) -> list[Mark]:
    """Return events as marks: those of one kind and side that stand before the same turn are one.

    Parameters
    ----------
    found
        The events, in any order.
    rows
        What is told of packets.
    starts
        Of each turn, its first packet.
    """
    in_order = sorted(found, key=lambda event: event.row)
    if not in_order:
        return []
    begins = np.maximum.accumulate(np.asarray(starts, np.int64)) if len(starts) else np.zeros(0, np.int64)
    places = np.searchsorted(begins, [event.row for event in in_order], "right").tolist()
    groups: dict[tuple[int, int, str, str], list[Event]] = {}
    for place, event in zip(places, in_order, strict=True):
        groups.setdefault((place, event.side, event.kind, event.words), []).append(event)
    return [_mark(rows, place, events_) for (place, *_), events_ in groups.items()]


def _mark(rows: Rows, place: int, same: Sequence[Event]) -> Mark:
    first, last = same[0], same[-1]
    one, more_of_it = _KINDS[first.kind]
    who = SIDES[first.side].upper()
    frames = rows.words(first.row) if len(same) == 1 else f"{rows.words(first.row)} to {rows.words(last.row)}"
    what = form(len(same), one, f"{len(same):,} {more_of_it}")
    size = sum(event.amount for event in same)
    got = sum(event.got for event in same)
    more = (
        f", captured {got:,} of {many(size, 'byte')}" if first.got >= 0 else f", {many(size, 'byte')}" if size else ""
    )
    said = f": {first.words}" if first.words else ""
    text = f"{who}: {what}, {frames}{more}{said}"
    spans = (int(rows.frames[first.row]), int(rows.frames[last.row]))
    return Mark(SIDES[first.side], first.kind, rows.times[first.row], spans, len(same), place, text)


def events(these: Segments, pairs: Sequence[tuple[Side, Side]], pieces: Pieces, odd: Decoys) -> list[Event]:
    """Return what stands beside the bytes of a TCP session, but for resets and urgent data."""
    found = []
    for pair in pairs:
        for number, side in enumerate(pair):
            found += [Event(int(these.row[each]), number, "keep-alive") for each in side.keep_alives]
            found += [Event(row, number, "sent again", amount=size) for row, size in side.repeats]
    for row in these.with_flag(TH_SYN).tolist():
        if these.size[row]:
            found.append(Event(int(these.row[row]), _side(these, row), "data in SYN", amount=int(these.size[row])))
    for row in bare_keep_alives(these.from_src, these.seq, these.ack, these.flags, these.size).tolist():
        found.append(Event(int(these.row[row]), _side(these, row), "keep-alive"))
    for place in (np.flatnonzero(np.diff(pieces.connection) > 0) + 1).tolist():
        found.append(Event(int(pieces.row[place]), int(pieces.side[place]), "connection"))
    for row in np.flatnonzero(odd.any).tolist():
        own = np.flatnonzero(these.row == row)
        who = _side(these, int(own[0])) if len(own) else 0
        found.append(Event(row, who, "decoy", "its checksum is wrong" if odd.checksum[row] else "its TTL is too low"))
    return found


def _side(these: Segments, segment: int) -> int:
    return 0 if these.from_src[segment] else 1


def short(datagrams: Sequence[Datagram], from_src: np.ndarray) -> list[Event]:
    """Return the datagrams that were captured in part."""
    found = []
    for each in datagrams:
        got = sum(len(part.data) for part in each.parts)
        if got < each.size:
            found.append(Event(each.row, 0 if from_src[each.row] else 1, "snaplen", amount=each.size, got=got))
    return found


def resets(these: Segments) -> tuple[list[Event], list[tuple[int, int]]]:
    """Return the resets, and of those that no receiver believes the packet and how far they stand from the stream.

    A reset belongs where its number lies in what its side has sent so far; one that answers a SYN always does.
    """
    rst = these.with_flag(TH_RST)
    found: list[Event] = []
    strange: list[tuple[int, int]] = []
    if not len(rst):
        return found, strange
    ends = (these.seq + these.size + ((these.flags & TH_SYN) > 0) + ((these.flags & TH_FIN) > 0)) & 0xFFFFFFFF
    sends = (these.flags >= 0) & (these.flags & TH_RST == 0)
    for row in rst[:_LOOKED_AT].tolist():
        side = 0 if these.from_src[row] else 1
        own = np.flatnonzero(sends[:row] & (these.from_src[:row] == these.from_src[row]))
        away = 0
        if len(own):
            seq = int(these.seq[row])
            begin, end = _away(int(these.seq[own[0]]), seq), max(_away(int(ends[each]), seq) for each in own[-64:])
            ahead = max(-end - 1, 0) if end < 0 else 0  # a FIN may have gone unseen
            away = ahead or (-begin if begin > 0 and len(own) <= 64 else 0)
        packet = int(these.row[row])
        if away:
            strange.append((packet, away))
            found.append(
                Event(packet, side, "reset", "its number does not belong to the stream, so no host believes it")
            )
        else:
            found.append(Event(packet, side, "reset"))
    for row in rst[_LOOKED_AT:].tolist():
        found.append(Event(int(these.row[row]), 0 if these.from_src[row] else 1, "reset"))
    return found, strange


def _away(number: int, other: int) -> int:
    """Return how far a sequence number stands ahead of another (RFC 9293 3.4)."""
    ahead = (number - other) & 0xFFFFFFFF
    return ahead - (1 << 32) if ahead >= 1 << 31 else ahead


def urgent(
    packets: pd.DataFrame, these: Segments, pieces: Pieces, evidence: Mapping[str, str | os.PathLike] | None
) -> list[Event]:
    """Return the urgent segments, with what is urgent: hosts may take that byte out of the stream (RFC 6093 3)."""
    rows = these.row[these.with_flag(TH_URG)][:_LOOKED_AT]
    if not len(rows):
        return []
    from nsm_nb.full_content.frames import frame_bytes, network_places

    some = packets.iloc[rows]
    frames = frame_bytes(some, evidence=evidence)
    found = []
    for row, frame, at in zip(rows.tolist(), frames, network_places(some, frames), strict=True):
        side = 0 if these.from_src[np.flatnonzero(these.row == row)[0]] else 1
        pointer = _pointer(frame, at)
        if not pointer:
            found.append(Event(row, side, "urgent"))
            continue
        words = f"the pointer says {pointer:,}"
        own = np.flatnonzero(pieces.row == row)
        if len(own):
            base = int(pieces.position[own[0]] - pieces.skip[own[0]])
            inside = own[
                (pieces.position[own] <= base + pointer - 1)
                & (base + pointer - 1 < (pieces.position + pieces.length)[own])
            ]
            words += f", so byte {base + pointer - 1:,} is urgent"
            if len(inside):
                piece = inside[0]
                skip = base + pointer - 1 - int(pieces.position[piece]) + int(pieces.skip[piece])
                byte = these.source.read(pieces.part[[piece]], np.array([skip]), np.array([1]))
                words += f' ("{printable(byte)}")'
        found.append(Event(row, side, "urgent", f"{words}; some hosts take it out of the stream"))
    return found


def _pointer(frame: bytes, at: int) -> int:
    """Return the urgent pointer of a frame whose IP header starts at `at`; 0 where it is not there."""
    if len(frame) < at + 40:
        return 0
    head = (frame[at] & 15) * 4 if frame[at] >> 4 == 4 else 40
    if frame[at] >> 4 == 6 and frame[at + 6] != 6:
        return 0
    return int.from_bytes(frame[at + head + 18 : at + head + 20], "big")
