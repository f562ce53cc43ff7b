"""What UDP carried in a capture, window by window: for formats that travel in datagrams and were captured on the way."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import pcap
from nsm_nb.formats.frames import Frames, packet_table
from nsm_nb.formats.source import Source, open_evidence
from nsm_nb.kernels.decode import LINKS, Columns, Names, decode

__all__ = ["Datagrams", "datagrams", "first_datagrams"]

log = logging.getLogger(__name__)

_WINDOW = 1 << 24  # bytes of the capture held at a time: so few that the next window gets the memory of the last


class Datagrams(NamedTuple):
    """Payloads of UDP that stand in one buffer: payload `i` is ``buffer[start[i]:start[i] + size[i]]``."""

    buffer: np.ndarray  # uint8
    start: np.ndarray  # int64
    size: np.ndarray  # int64; bytes captured
    sent: np.ndarray  # int64; bytes that were sent, by the UDP header
    rows: np.ndarray  # int64; rows of the packet table


def datagrams(path: str | os.PathLike, packets: pd.DataFrame) -> Iterator[Datagrams]:
    """Yield the payloads of a capture's UDP packets, in the order of its frames.

    Later fragments are left out: what they hold belongs to a datagram that starts elsewhere.

    Parameters
    ----------
    path
        The capture.
    packets
        Its table of PACKETS, in the order of the file.
    """
    first = packets["fragment"].fillna(0).to_numpy(np.int64) == 0
    rows = np.flatnonzero((packets["proto"] == "udp").to_numpy(bool) & packets["payload"].notna().to_numpy() & first)
    offset = packets["offset"].to_numpy()[rows]
    captured = packets["captured"].to_numpy(np.int64)[rows]
    link = _links(packets["layers"])[rows]
    # frames are read in the order of the file, in windows of about _WINDOW bytes
    window = (offset - offset[0]) // _WINDOW if len(rows) else offset
    cuts = np.flatnonzero(np.diff(window)) + 1
    with open_evidence(path) as file:
        for place in np.split(np.arange(len(rows)), cuts):
            if not len(place):
                continue
            base = int(offset[place[0]])
            size = int(offset[place[-1]] + captured[place[-1]]) - base
            buffer = _span(file, base, size)
            whole = place[offset[place] + captured[place] <= base + len(buffer)]
            yield _decoded(buffer, offset[whole] - base, captured[whole], link[whole], rows[whole])


def _span(file: BinaryIO, base: int, size: int) -> np.ndarray:
    """Return the bytes of a file from `base` on, one at least; fewer than `size` where it is damaged before."""
    room = np.empty(size, np.uint8)
    held = 0
    try:
        file.seek(base)
        while held < size and (count := file.readinto1(memoryview(room)[held:])):  # type: ignore[attr-defined, arg-type]
            held += count  # piece by piece: what is read before the damage counts
    except (EOFError, OSError) as problem:
        log.debug("bytes from %d on: %s", base + held, problem)
    return room[:held] if held else np.zeros(1, np.uint8)


def first_datagrams(head: bytes) -> tuple[Datagrams, int]:
    """Return the payloads of UDP among the first frames of a capture, and how many frames there are.

    Parameters
    ----------
    head
        The first bytes of the file; a frame that they cut short does not count.
    """
    frames = Frames(256)
    try:
        pcap.read(Source.of(head), "", frames)
    except DamagedEvidence as problem:
        log.debug("not even its first frames can be read: %s", problem)
    table = packet_table(frames, "")
    udp = np.flatnonzero((table["proto"] == "udp").to_numpy(bool) & table["payload"].notna().to_numpy())
    offset, captured = (table[name].to_numpy(np.int64)[udp] for name in ("offset", "captured"))
    buffer = np.frombuffer(bytearray(head or b"\0"), np.uint8)
    return _decoded(buffer, offset, captured, _links(table["layers"])[udp], udp), len(table)


def _links(layers: pd.Series) -> np.ndarray:
    # any of the numbers that mean "raw" will do: they are decoded alike
    numbers = {name: number for number, name in LINKS.items()}
    known = [numbers.get(str(chain).partition(":")[0], 0xFFFF) for chain in layers.cat.categories]
    return np.array([*known, 0xFFFF], np.uint16)[layers.cat.codes.to_numpy()]


def _decoded(
    buffer: np.ndarray, offset: np.ndarray, captured: np.ndarray, link: np.ndarray, rows: np.ndarray
) -> Datagrams:
    count = len(rows)
    columns = Columns.empty(count, places=True)
    columns.offset[:], columns.captured[:], columns.length[:], columns.link[:] = offset, captured, captured, link
    decode(buffer, 0, 0, count, columns, Names.empty())
    at, sent = columns.payload_at.astype(np.int64), columns.payload.astype(np.int64)
    return Datagrams(buffer, offset + at, np.minimum(sent, captured - at), sent, rows)
