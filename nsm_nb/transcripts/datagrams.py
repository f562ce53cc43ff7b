"""What each datagram of a session carries above TCP, UDP or ICMP; IP fragments are put together first.

Source: RFC 791 3.2 and RFC 8200 4.5 (fragments), RFC 6946 (atomic fragments), RFC 1122 3.3.2 (how long they are waited
for). Where fragments overlap, the first one wins, as in a stream.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.full_content.frames import frame_bytes, network_places, payload_bytes
from nsm_nb.transcripts.reassembly import Conflict, Piece, Segment, Stream

__all__ = ["Broken", "Datagram", "Part", "carried"]

_LARGEST = 65_535
_WAIT = 60_000_000_000  # nanoseconds
_NO_TIME = np.iinfo(np.int64).min  # NaT
_EXTENSIONS = (0, 43, 60, 135)  # hop-by-hop, routing, destination, mobility
_HEADS = {"tcp": 20, "sctp": 12, "udp": 8, "icmp": 8, "icmp6": 8}


class Part(NamedTuple):
    """Captured bytes of a datagram's payload."""

    row: int
    place: int  # in the payload
    data: bytes


class Datagram(NamedTuple):
    """What one datagram carries; `seq`, `ack` and `flags` are of TCP, and `flags` is -1 where there is no TCP header."""

    row: int  # of the packet with which it was complete
    parts: tuple[Part, ...]
    size: int  # on the wire, as far as that is known
    seq: int = 0
    ack: int = 0
    flags: int = -1


class Broken(NamedTuple):
    """A fragmented datagram that is not whole, or whose fragments do not agree."""

    rows: tuple[int, ...]
    missing: int | None  # bytes; None where its end is not known
    conflicts: list[Conflict]
    unplaced: bytes  # what cannot be placed, because the head of its segment is missing


class _Fragment(NamedTuple):
    place: int
    more: bool
    data: bytes
    size: int
    following: int  # the protocol that follows IPv6's fragment header, else -1


@dataclass
class _Gathering:
    """The fragments of one datagram."""

    since: int
    stream: Stream = field(default_factory=Stream)
    rows: list[int] = field(default_factory=list)
    end: int | None = None
    cut: int = 0
    following: int = -1

    def add(self, row: int, fragment: _Fragment) -> None:
        self.rows.append(row)
        self.cut += fragment.size - len(fragment.data)
        if fragment.place == 0:
            self.following = fragment.following
        if not fragment.more:
            self.end = max(self.end or 0, fragment.place + fragment.size)
        self.stream.add(Segment(row, fragment.place, fragment.data, fragment.size))

    @property
    def whole(self) -> bool:
        return self.end is not None and self.stream.held + self.cut >= self.end


def carried(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> tuple[list[Datagram], list[Broken]]:
    """Return what the datagrams of one session carry, in the order in which they were complete, and what is broken."""
    payloads = payload_bytes(packets, evidence=evidence)
    fragmented = packets["fragment"].notna().to_numpy()
    known = packets["tcp_flags"].notna().to_numpy()
    flags = np.where(known, packets["tcp_flags"].fillna(0).to_numpy(np.int64), -1)
    found = [
        Datagram(row, (Part(row, 0, payload.data),) if payload.data else (), payload.size, seq, ack, flag)
        for row, (payload, seq, ack, flag) in enumerate(
            zip(
                payloads,
                packets["seq"].fillna(0).to_numpy(np.int64).tolist(),
                packets["ack"].fillna(0).to_numpy(np.int64).tolist(),
                flags.tolist(),
                strict=True,
            )
        )
    ]
    if not fragmented.any():
        return found, []
    whole, broken = _put_together(packets, np.flatnonzero(fragmented), evidence)
    found = [datagram for datagram in found if not fragmented[datagram.row]] + whole
    return sorted(found, key=lambda each: each.row), broken


def _put_together(
    packets: pd.DataFrame, rows: np.ndarray, evidence: Mapping[str, str | os.PathLike] | None
) -> tuple[list[Datagram], list[Broken]]:
    some = packets.iloc[rows]
    proto = str(some["proto"].iloc[0])
    times = some["time"].to_numpy("datetime64[ns]").astype(np.int64).tolist()
    keys = zip(some["to_dst"].tolist(), some["ip_id"].fillna(0).tolist(), strict=True)
    found = frame_bytes(some, evidence=evidence)
    frames = zip(found, network_places(some, found), some["length"], strict=True)
    open_: dict[tuple[bool, int], _Gathering] = {}
    done: dict[tuple[bool, int], _Gathering] = {}
    datagrams: list[Datagram] = []
    broken: list[Broken] = []

    def close(key: tuple[bool, int], gathering: _Gathering) -> None:
        before = done.get(key)
        if not gathering.whole and before is not None and _repeats(gathering, before):
            return  # frames that the sensor saw twice
        datagram, doubt = _read(proto, gathering)
        if datagram is not None:
            datagrams.append(datagram)
        if doubt is not None:
            broken.append(doubt)
        done[key] = gathering

    for row, time, key, (frame, at, length) in zip(rows.tolist(), times, keys, frames, strict=True):
        fragment = _fragment(frame, at, int(length))
        if fragment is None or fragment.place + fragment.size > _LARGEST:
            broken.append(Broken((row,), None, [], b"" if fragment is None else fragment.data))
            continue
        if fragment.place == 0 and not fragment.more:  # atomic: never put together with others
            alone = _Gathering(time)
            alone.add(row, fragment)
            close((key[0], -1), alone)
            continue
        if key in open_ and _NO_TIME not in (time, open_[key].since) and abs(time - open_[key].since) > _WAIT:
            close(key, open_.pop(key))
        gathering = open_.setdefault(key, _Gathering(time))
        gathering.add(row, fragment)
        if gathering.whole:
            close(key, open_.pop(key))
    for key, gathering in open_.items():
        close(key, gathering)
    return datagrams, broken


def _repeats(these: _Gathering, before: _Gathering) -> bool:
    held = b"".join(piece.data for piece in before.stream.pieces)
    return before.whole and all(
        held[piece.position : piece.position + len(piece.data)] == piece.data for piece in these.stream.pieces
    )


def _fragment(frame: bytes, at: int, length: int) -> _Fragment | None:
    """Return what a frame holds of the IP datagram whose header starts at `at`, None where that header is not whole."""
    cut = len(frame) < length  # else a length beyond the frame's end is a lie, and no host believed it
    version = frame[at] >> 4 if at < len(frame) else 0
    if version == 4 and len(frame) >= at + 20:
        head = (frame[at] & 15) * 4
        total, _, place = struct.unpack_from(">HHH", frame, at + 2)
        size = max((total or length - at) - head, 0)
        body = frame[at + head : at + head + size]
        return _Fragment((place & 0x1FFF) * 8, bool(place & 0x2000), body, size if cut else len(body), -1)
    if version == 6 and len(frame) >= at + 40:
        end = at + 40 + (int.from_bytes(frame[at + 4 : at + 6], "big") or length - at - 40)
        following, at = frame[at + 6], at + 40
        for _ in range(16):
            if len(frame) < at + 8:
                return None
            if following == 44:
                following, _, place = struct.unpack_from(">BBH", frame, at)
                body = frame[at + 8 : max(end, at + 8)]
                size = max(end - at - 8, 0) if cut else len(body)
                return _Fragment(place & 0xFFF8, bool(place & 1), body, size, following)
            if following != 51 and following not in _EXTENSIONS:
                return None
            words = (frame[at + 1] + 2) * 4 if following == 51 else (frame[at + 1] + 1) * 8
            following, at = frame[at], at + words
    return None


def _read(proto: str, these: _Gathering) -> tuple[Datagram | None, Broken | None]:
    """Return what a datagram carries behind the head of its protocol, and what is wrong with it."""
    pieces = these.stream.pieces
    start = _contiguous(pieces)
    skipped = 0
    following = these.following
    while following in _EXTENSIONS and len(start) >= skipped + 8:
        following, skipped = start[skipped], skipped + (start[skipped + 1] + 1) * 8
    start = start[skipped:]
    head = _HEADS.get(proto)
    end = these.end
    seq = ack = 0
    flags = -1
    missing = None if end is None else end - these.stream.held
    doubt = (
        Broken(tuple(these.rows), missing, these.stream.conflicts, b"")
        if missing != 0 or these.stream.conflicts
        else None
    )
    if head is None:
        return None, doubt
    if proto == "tcp":
        if len(start) < 16 or start[12] >> 4 < 5:
            rest = b"".join(piece.data for piece in pieces)
            return None, Broken(tuple(these.rows), missing, these.stream.conflicts, rest)
        seq, ack = struct.unpack_from(">II", start, 4)
        flags = int.from_bytes(start[12:14], "big") & 0x01FF
        head = (start[12] >> 4) * 4
    reach = these.stream.reach if end is None else max(end, these.stream.reach)
    if proto == "udp" and len(start) >= 6:
        said = skipped + int.from_bytes(start[4:6], "big")
        if said >= skipped + 8 and (end is None or said < reach):  # what stands behind the datagram is not its payload
            reach = said
    head += skipped
    parts = []
    for piece in pieces:
        data = piece.data[max(head - piece.position, 0) : max(reach - piece.position, 0)]
        if data:
            parts.append(Part(piece.arrival, max(piece.position - head, 0), data))
    return Datagram(these.rows[-1], tuple(parts), max(reach - head, 0), seq, ack, flags), doubt


def _contiguous(pieces: Sequence[Piece]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for piece in pieces:
        if piece.position != at:
            break
        parts.append(piece.data)
        at += len(piece.data)
    return b"".join(parts)
