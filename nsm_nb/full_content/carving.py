"""Chosen packets written to a new capture, frames as they were."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content.frames import frame_bytes, link_types

__all__ = ["carve", "pcap_parts"]


def pcap_parts(frames: Iterable[tuple[int, int, bytes]], link: int) -> Iterator[bytes]:
    """Return a pcap with nanosecond times in parts: its header, then a record for each frame.

    Parameters
    ----------
    frames
        Nanoseconds since 1970, bytes on the wire, the bytes captured.
    link
        LINKTYPE_ number.
    """
    yield struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, link)
    for time, length, frame in frames:
        seconds, rest = divmod(max(time, 0), 1_000_000_000)
        yield struct.pack("<IIII", seconds & 0xFFFFFFFF, rest, len(frame), length) + frame


def carve(
    packets: pd.DataFrame, path: str | os.PathLike, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> Path:
    """Write the packets to a new pcap with nanosecond times; return its path.

    Parameters
    ----------
    packets
        Rows of PACKETS, of one link type.
    path
        The file to write; made under a temporary name and moved into place.
    evidence
        As in `frame_bytes`.

    Raises
    ------
    NsmError
        Where there are no packets, or their link types differ (pcap holds one).

    Notes
    -----
    *Source*: draft-ietf-opsawg-pcap.
    """
    path = Path(path)
    if not len(packets):
        raise NsmError("there are no packets to carve; choose a session that has some")
    links = np.unique(link_types(packets))
    if len(links) > 1:
        raise NsmError(f"the packets have link types {', '.join(map(str, links))}; pcap holds one: carve each apart")
    times = packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64)
    frames = frame_bytes(packets, evidence=evidence)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            for part in pcap_parts(zip(times.tolist(), packets["length"].tolist(), frames, strict=True), int(links[0])):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        except OSError as problem:
            Path(file.name).unlink(missing_ok=True)
            raise NsmError(
                f"{path} could not be written: {problem}; free some space or choose another place"
            ) from problem
    Path(file.name).replace(path)
    return path
