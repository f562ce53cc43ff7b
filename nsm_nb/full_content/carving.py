"""Chosen packets written to a new capture, frames as they were."""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content.frames import frame_bytes, link_types
from nsm_nb.text import printable

__all__ = ["carve", "carving_order", "pcap_parts"]

log = logging.getLogger(__name__)


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


def carving_order(packets: pd.DataFrame) -> pd.DataFrame:
    """Return packets in the order to carve them: those of a file as they stand in it, several files by time.

    A clock that ran backwards, or a frame without a time, moves no frame before another of its file.

    Parameters
    ----------
    packets
        Rows of PACKETS.
    """
    rows = packets.sort_values(["evidence", "frame"], kind="stable", ignore_index=True)
    stamp = pd.Series(_nanoseconds(rows))  # NaT is the least of numbers
    latest = stamp.groupby(rows["evidence"].astype(object), observed=True).cummax()
    return rows.iloc[np.argsort(latest.to_numpy(), kind="stable")].reset_index(drop=True)


def _nanoseconds(packets: pd.DataFrame) -> np.ndarray:
    return packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64)


def carve(
    packets: pd.DataFrame, path: str | os.PathLike, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> Path:
    """Write the packets to a new pcap with nanosecond times; return its path.

    Parameters
    ----------
    packets
        Rows of PACKETS, of one link type; written in their order. Where a time is missing, it is written as 0.
    path
        The file to write; made under a temporary name and moved into place. Never one of the evidence.
    evidence
        As in `frame_bytes`.

    Raises
    ------
    NsmError
        Where there are no packets, their link types differ (pcap holds one), or the file can't be written.

    Notes
    -----
    *Source*: draft-ietf-opsawg-pcap.
    """
    path = Path(path)
    if not len(packets):
        raise NsmError("there are no packets to carve; choose a session that has some")
    _refuse_evidence(path, packets, evidence)
    links = np.unique(link_types(packets))
    if len(links) > 1:
        raise NsmError(f"the packets have link types {', '.join(map(str, links))}; pcap holds one: carve each apart")
    times = _nanoseconds(packets)
    if packets["time"].isna().any():
        log.warning("%d frames have no time; they are written with 0, which is 1970", packets["time"].isna().sum())
    frames = frame_bytes(packets, evidence=evidence)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, pcap_parts(zip(times.tolist(), packets["length"].tolist(), frames, strict=True), int(links[0])))
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} could not be written: {printable(problem)}; free some space or choose another place"
        ) from problem
    return path


def _refuse_evidence(path: Path, packets: pd.DataFrame, evidence: Mapping[str, str | os.PathLike] | None) -> None:
    known = set(packets["evidence"].astype(str)) if evidence is None else evidence.values()
    if os.path.realpath(path) in {os.path.realpath(each) for each in known}:
        raise NsmError(f"{printable(path)} is evidence, which is never written to; choose another place")
    if path.exists() and not path.is_file():
        raise NsmError(f"{printable(path)} is no file that could be replaced; choose another place")


def _write(path: Path, parts: Iterable[bytes]) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
