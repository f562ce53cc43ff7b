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

_STRETCH = 2 * 1024 * 1024  # bytes held at once: they stay in the processor's cache until they have been asked
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
    from nsm_nb.kernels.arrays import read_only
    from nsm_nb.kernels.loading import lay_out  # brings numba

    PACKETS.require(packets, "evidence", "offset", "captured")
    labels = packets["evidence"].astype("category")
    codes = labels.cat.codes.to_numpy()
    one = bool((codes == codes[:1]).all())
    offsets = read_only(packets["offset"].to_numpy(np.int64))
    sizes = read_only(packets["captured"].to_numpy(np.uint32))
    room = np.empty(_STRETCH, np.uint8)
    for code in codes[:1] if one else np.unique(codes[rows]):
        label = labels.cat.categories[code]
        if evidence is not None and label not in evidence:
            raise UnknownName(
                f"there is no evidence named {printable(label)!r}; there is: {', '.join(map(printable, evidence))}"
            )
        path = Path(evidence[label] if evidence is not None else label)
        order = np.arange(len(rows)) if one else np.flatnonzero(codes[rows] == code)
        first = 0
        with Spans(path) as spans:
            while first < len(order):
                start, size, pieces, backwards = lay_out(offsets, sizes, rows, order, first, _ROWS, _STRETCH, _GAP)
                room = _read(spans, path, pieces.tolist(), room)
                yield order[first : first + len(start)], room, start, size
                first += len(start)
                if backwards:
                    rest = order[first:]
                    order[first:] = rest[np.argsort(offsets[rows[rest]], kind="stable")]


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
