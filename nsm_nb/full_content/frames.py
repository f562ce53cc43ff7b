"""Frames and payloads of chosen packets, read from the evidence when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats.spans import Spans
from nsm_nb.schema import PACKETS
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.kernels.decode import Columns

__all__ = ["Payload", "frame_bytes", "link_types", "network_places", "payload_bytes"]

# first name of `layers` -> LINKTYPE_ number
_LINKS = {
    "eth": 1, "raw": 101, "null": 0, "sll": 113, "sll2": 276, "ppp": 9, "pppoe": 51, "chdlc": 104, "wlan": 105, "prism": 119,
    "radiotap": 127, "avs": 163, "ppi": 192, "pppdir": 204,
}  # fmt: skip


def frame_bytes(packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None) -> list[bytes]:
    """Return the captured bytes of each packet, in the order of the rows.

    Parameters
    ----------
    packets
        Rows of PACKETS.
    evidence
        The path of each `evidence` label; the labels are paths where not given.

    Raises
    ------
    UnknownName
        Where a label is not in `evidence`.
    UnreadableEvidence
        Where the file is gone or locked.
    DamagedEvidence
        Where it is shorter than when it was read.
    """
    PACKETS.require(packets, "evidence", "offset", "captured")
    frames: list[bytes] = [b""] * len(packets)
    labels = packets["evidence"].array  # of one row, each step by way of a Series costs as much as reading its bytes
    if not isinstance(labels, pd.Categorical):
        labels = pd.Categorical(labels)
    codes = labels.codes
    offsets, sizes = (packets[name].array.to_numpy(np.int64).tolist() for name in ("offset", "captured"))
    for code in np.unique(codes):
        label = labels.categories[code]
        if evidence is not None and label not in evidence:
            raise UnknownName(
                f"there is no evidence named {printable(label)!r}; there is: {', '.join(map(printable, evidence))}"
            )
        path = Path(evidence[label] if evidence is not None else label)
        rows = np.flatnonzero(codes == code)
        with Spans(path) as spans:
            for row in rows.tolist():
                data = spans.read(offsets[row], sizes[row])
                if len(data) < sizes[row]:
                    raise DamagedEvidence(
                        f"{printable(path)} is shorter than when it was read: byte {offsets[row] + sizes[row]} is gone; "
                        "check its hash against the case"
                    )
                frames[row] = data
    return frames


def link_types(packets: pd.DataFrame) -> np.ndarray:
    """Return the LINKTYPE_ number of each packet, from the first of its layers."""
    layers = packets["layers"].astype("category")
    numbers = []
    for chain in layers.cat.categories:
        first = str(chain).partition(":")[0]
        numbers.append(int(first[9:]) if first.startswith("linktype-") else _LINKS.get(first, 0xFFFF))
    return np.array([*numbers, 0xFFFF], np.uint16)[layers.cat.codes.to_numpy()]


class Payload(NamedTuple):
    """What one packet carries above TCP, UDP or ICMP: the bytes captured, and how many there were on the wire."""

    data: bytes
    size: int


def payload_bytes(packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None) -> list[Payload]:
    """Return what each packet carries above TCP, UDP or ICMP, in the order of the rows; parameters as `frame_bytes`."""
    frames = frame_bytes(packets, evidence=evidence)
    columns = _decoded(packets, frames)
    return [
        Payload(b"", 0) if none else Payload(frame[at : at + size], int(size))
        for frame, at, size, none in zip(
            frames, columns.payload_at.tolist(), columns.payload.tolist(), columns.no_payload.tolist(), strict=True
        )
    ]


def network_places(packets: pd.DataFrame, frames: Sequence[bytes]) -> list[int]:
    """Return where the innermost IP header starts in each frame, 0 where there is none; `frames` are those of the rows."""
    return _decoded(packets, frames).ip_at.tolist()


def _decoded(packets: pd.DataFrame, frames: Sequence[bytes]) -> Columns:
    from nsm_nb.kernels.decode import Columns, Names, decode

    count = len(frames)
    sizes = np.fromiter(map(len, frames), np.int64, count)
    columns = Columns.empty(count, places=True)
    columns.offset[:] = np.cumsum(sizes) - sizes
    columns.captured[:] = sizes
    columns.length[:] = packets["length"].to_numpy()
    columns.link[:] = link_types(packets)
    # a bytearray, because numba compiles read-only arrays apart
    buffer = np.frombuffer(bytearray(b"".join(frames) or b"\0"), np.uint8)
    decode(buffer, 0, 0, count, columns, Names.empty())
    return columns
