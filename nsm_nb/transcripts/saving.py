"""The bytes of one side to a file: in chunks, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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

_CHUNK = 4 << 20  # bytes handed on at once: each reading costs as much as some hundred thousand bytes


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


def _ahead(rooms: Iterator[memoryview]) -> Iterator[memoryview]:
    """Yield the same, each made while the one before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="nsm-reader") as reader:
        coming = reader.submit(next, rooms, None)
        while (room := coming.result()) is not None:
            coming = reader.submit(next, rooms, None)
            yield room


def _rooms(transcript: Transcript, side: str) -> Iterator[memoryview]:
    """Yield the bytes of one side in two buffers by turns: one stays as it is until the next but one is asked for."""
    rooms, number, used = np.empty((2, _CHUNK), np.uint8), 0, 0
    for turn in transcript.turns:
        at = 0 if turn.side == side else turn.size
        while at < turn.size:
            part = rooms[number, used : used + turn.size - at]
            if isinstance(turn, StoredTurn):
                turn.read_into(part, at)
            else:
                part[:] = np.frombuffer(turn.read(at, len(part)), np.uint8)
            at, used = at + len(part), used + len(part)
            if used == _CHUNK:
                yield rooms[number].data
                number, used = 1 - number, 0
    if used:
        yield rooms[number, :used].data


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
        write_whole(place, _ahead(_rooms(transcript, side)))
    except OSError as problem:
        raise NsmError(f"{printable(place)} can't be written: {problem.strerror or problem}") from None
    return place
