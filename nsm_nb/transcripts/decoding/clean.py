"""A conversation as frames of its own, for tshark: the streams as they were put together, each byte once.

So tshark sees neither tunnels nor duplicates nor decoys, and reads what the transcript shows; bytes that are missing are missing.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from nsm_nb.transcripts.decoding.records import Talk
from nsm_nb.transcripts.streams import Stream

__all__ = ["RAW", "Clean", "frames"]

RAW = 101  # LINKTYPE_RAW: frames begin with IP
_LARGEST = 60_000  # bytes of a segment
_SYN, _ACK, _PUSH = 0x02, 0x10, 0x18
_HOSTS = {"src": b"\x0a\0\0\1", "dst": b"\x0a\0\0\2"}


class Clean(NamedTuple):
    """Frames for tshark, and of each the stream and place that it holds; None where it holds none."""

    frames: list[tuple[int, int, bytes]]
    places: list[tuple[Stream, int, int] | None]


def frames(talk: Talk) -> Clean:
    """Return a TCP conversation as frames."""
    ports = {"src": talk.ports[0], "dst": talk.ports[1]}
    at = {"src": 1, "dst": 1}
    both = sorted(
        ((number, stream, which) for stream in (talk.src, talk.dst) for which, number in enumerate(stream.numbers)),
        key=lambda each: each[0],
    )
    first = min((int(stream.turns[which].time.value) for _, stream, which in both[:1]), default=0)
    made: list[tuple[int, int, bytes]] = []
    places: list[tuple[Stream, int, int] | None] = []

    def add(side: str, flags: int, seq: int, when: int, data: bytes, place: tuple[Stream, int, int] | None) -> None:
        other = "dst" if side == "src" else "src"
        head = struct.pack(
            ">HHIIBBHHH", ports[side], ports[other], seq & 0xFFFFFFFF, at[other] & 0xFFFFFFFF if flags != _SYN else 0, 0x50,
            flags, 65_535, 0, 0,
        )  # fmt: skip
        size = 40 + len(data)
        frame = (
            struct.pack(">BBHHHBBH", 0x45, 0, size, 0, 0x4000, 64, 6, 0) + _HOSTS[side] + _HOSTS[other] + head + data
        )
        made.append((when, len(frame), frame))
        places.append(place)

    add("src", _SYN, 0, first, b"", None)
    add("dst", _SYN | _ACK, 0, first, b"", None)
    add("src", _ACK, 1, first, b"", None)
    for _, stream, which in both:
        turn, start = stream.turns[which], stream.starts[which]
        end = stream.starts[which + 1] if which + 1 < len(stream.starts) else len(stream.data)
        at[stream.side] += turn.gap
        for begin in range(start, end, _LARGEST):
            stop = min(begin + _LARGEST, end)
            add(
                stream.side,
                _PUSH,
                at[stream.side],
                int(turn.time.value),
                stream.data[begin:stop],
                (stream, begin, stop),
            )
            at[stream.side] += stop - begin
    return Clean(made, places)
