"""The bytes of one side to a file: in chunks, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nsm_nb.errors import NsmError, UnknownName
from nsm_nb.full_content.writing import write_whole
from nsm_nb.text import printable
from nsm_nb.transcripts.turns import SIDES, StoredTurn

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["chunks", "write"]

_CHUNK = 1 << 20


def chunks(transcript: Transcript, side: str, *, size: int = _CHUNK) -> Iterator[bytes]:
    """Yield the bytes of one side, some at a time, gaps left out.

    Raises
    ------
    UnknownName
        Where there is no such side.
    """
    if side not in SIDES:
        raise UnknownName(f"there is no side {printable(side)!r}; there are src and dst")
    return _chunks(transcript, side, size)


def _chunks(transcript: Transcript, side: str, size: int) -> Iterator[bytes]:
    for turn in transcript.turns:
        if turn.side == side:
            for at in range(0, turn.size, size):
                yield turn.read(at, size)


def _buffers(transcript: Transcript, side: str) -> Iterator[bytes | memoryview]:
    """Yield the same in one buffer that is filled again and again."""
    room = np.empty(_CHUNK, np.uint8)
    for turn in transcript.turns:
        if turn.side != side:
            continue
        if not isinstance(turn, StoredTurn):
            yield turn.data
            continue
        for at in range(0, turn.size, _CHUNK):
            part = room[: min(_CHUNK, turn.size - at)]
            turn.read_into(part, at)
            yield part.data


def write(transcript: Transcript, side: str, path: str | os.PathLike) -> Path:
    """Write all bytes of one side to a file; see `Transcript.write`.

    Raises
    ------
    UnknownName
        Where there is no such side.
    NsmError
        Where the file can't be written.
    """
    if side not in SIDES:
        raise UnknownName(f"there is no side {printable(side)!r}; there are src and dst")
    place = Path(path)
    try:
        write_whole(place, _buffers(transcript, side))
    except OSError as problem:
        raise NsmError(f"{printable(place)} can't be written: {problem.strerror or problem}") from None
    return place
