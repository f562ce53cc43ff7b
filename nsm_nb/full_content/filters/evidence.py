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

_STRETCH = 16 * 1024 * 1024  # bytes read at once
_GAP = 64 * 1024  # bytes that nobody asked for are read over, rather than starting anew

Stretch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Rows, the bytes of a stretch of evidence, and where in them each row's frame starts."""


def stretches(
    packets: pd.DataFrame, rows: np.ndarray, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> Iterator[Stretch]:
    """Yield the frames of some rows of PACKETS: every row once, file by file, front to back.

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
    offsets = packets["offset"].to_numpy(np.int64)[rows]
    sizes = packets["captured"].to_numpy(np.int64)[rows]
    for code in np.unique(codes):
        label = labels.cat.categories[code]
        if evidence is not None and label not in evidence:
            raise UnknownName(
                f"there is no evidence named {printable(label)!r}; there is: {', '.join(map(printable, evidence))}"
            )
        path = Path(evidence[label] if evidence is not None else label)
        of = np.flatnonzero(codes == code)
        of = of[np.argsort(offsets[of], kind="stable")]
        start, end = offsets[of], offsets[of] + sizes[of]
        with Spans(path) as spans:
            first = 0
            while first < len(of):
                last = _last(start, end, first)
                base = int(start[first])
                size = int(end[first:last].max()) - base
                data = spans.read(base, size)
                if len(data) < size:
                    raise DamagedEvidence(
                        f"{printable(path)} is shorter than when it was read: byte {base + size} is gone; "
                        "check its hash against the case"
                    )
                yield rows[of[first:last]], np.frombuffer(data or b"\0", np.uint8), start[first:last] - base
                first = last


def _last(start: np.ndarray, end: np.ndarray, first: int) -> int:
    """Return where the stretch from `first` on ends: before a gap, or when it is long enough."""
    full = int(np.searchsorted(start, start[first] + _STRETCH, "left"))
    full = max(full, first + 1)
    gaps = np.flatnonzero(start[first + 1 : full] - end[first : full - 1] > _GAP)
    return first + 1 + int(gaps[0]) if len(gaps) else full
