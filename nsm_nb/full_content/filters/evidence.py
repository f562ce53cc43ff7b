"""Frames of chosen packets read from the evidence in long stretches, in the order in which they stand there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats.spans import Spans
from nsm_nb.schema import PACKETS
from nsm_nb.text import printable

__all__ = ["Stretch", "stretches"]

_STRETCH = 4 * 1024 * 1024  # bytes held at once: they stay in the processor's cache until they have been asked
_GAP = 16 * 1024  # bytes that nobody asked for are read over, rather than starting anew
_ROWS = 1 << 16  # looked at once

Stretch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Places in `rows`, bytes of evidence, where in them the frame of each starts, and how many bytes it has.

The bytes are overwritten by those of the next stretch.
"""


def stretches(
    packets: pd.DataFrame, rows: np.ndarray, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> Iterator[Stretch]:
    """Yield the frames of some rows of PACKETS, many at once: every row once, file by file, front to back.

    Parameters
    ----------
    packets
        A table of PACKETS.
    rows
        Places in it.
    evidence
        The path of each `evidence` label; the labels are paths where not given.

    Raises
    ------
    UnknownName
        Where a label is not in `evidence`.
    UnreadableEvidence, DamagedEvidence
        Where a file is gone, or shorter than when it was read.
    """
    PACKETS.require(packets, "evidence", "offset", "captured")
    labels = packets["evidence"].astype("category")
    codes = labels.cat.codes.to_numpy()[rows]
    offsets = packets["offset"].to_numpy()[rows].astype(np.int64, copy=False)
    sizes = packets["captured"].to_numpy()[rows].astype(np.int64, copy=False)
    room = np.empty(_STRETCH, np.uint8)
    for code in codes[:1] if (codes == codes[:1]).all() else np.unique(codes):
        label = labels.cat.categories[code]
        if evidence is not None and label not in evidence:
            raise UnknownName(
                f"there is no evidence named {printable(label)!r}; there is: {', '.join(map(printable, evidence))}"
            )
        path = Path(evidence[label] if evidence is not None else label)
        of = np.flatnonzero(codes == code)
        if (np.diff(offsets[of]) < 0).any():
            of = of[np.argsort(offsets[of], kind="stable")]
        with Spans(path) as spans:
            for first in range(0, len(of), _ROWS):
                some = of[first : first + _ROWS]
                start, size = offsets[some], sizes[some]
                for part, pieces, place in _stretches(start, start + size):
                    room = _read(spans, path, pieces, room)
                    yield some[part], room, place, size[part]


def _stretches(start: np.ndarray, end: np.ndarray) -> Iterator[tuple[slice, list[list[int]], np.ndarray]]:
    """Yield some frames, the pieces of the file that hold them, and where each frame will start when the pieces are in a row.

    A piece is where it begins, how many bytes it has, and where it will be.
    """
    reach = np.maximum.accumulate(end)  # frames may overlap where they were recovered from damage
    gap = start[1:] - reach[:-1]
    wide = gap > _GAP
    place = start - start[0]
    place[1:] -= np.cumsum(np.where(wide, gap, 0))
    cuts = np.flatnonzero(wide) + 1
    first = 0
    while first < len(start):
        last = max(first + 1, int(np.searchsorted(place, place[first] + _STRETCH)))
        own = slice(first, last)
        inner = cuts[np.searchsorted(cuts, first, "right") : np.searchsorted(cuts, last)]
        heads = np.concatenate([[first], inner])
        sizes = np.maximum.reduceat(end[own], heads - first) - start[heads]
        at = place[own] - place[first]
        yield own, np.column_stack([start[heads], sizes, at[heads - first]]).tolist(), at
        first = last


def _read(spans: Spans, path: Path, pieces: list[list[int]], room: np.ndarray) -> np.ndarray:
    """Return a buffer with pieces of a file: `room`, or a larger one where that is too small."""
    needed = pieces[-1][1] + pieces[-1][2]
    if len(room) < needed:
        room = np.empty(needed, np.uint8)
    for begin, size, at in pieces:
        if spans.fill(begin, room.data[at : at + size]) < size:
            raise DamagedEvidence(
                f"{printable(path)} is shorter than when it was read: byte {begin + size} is gone; "
                "check its hash against the case"
            )
    return room
