"""Captures: pcap (micro- and nanoseconds, modified, both byte orders), pcapng and snoop, plain or compressed.

Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; libpcap's sf-pcap.c for its variants and linktypes; RFC 1761.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import pcapng, snoop
from nsm_nb.formats.capture_heads import MAGIC, PCAPNG, SNOOP, appended, begins, unread_variant
from nsm_nb.formats.frames import Frames, packet_table
from nsm_nb.formats.old_records import old_variant
from nsm_nb.formats.reading import Reading
from nsm_nb.formats.resuming import find_record
from nsm_nb.formats.source import Source
from nsm_nb.kernels.records import DAMAGE, LARGEST_FRAME, walk_pcap
from nsm_nb.kernels.threads import in_threads
from nsm_nb.schema import PACKETS, with_caveats

__all__ = ["EXTENSIONS", "NAME", "TITLE", "packets", "read", "recognises", "room_for"]

NAME = "pcap"
TITLE = "capture of packets (pcap, pcapng, snoop)"
EXTENSIONS = (".pcap", ".pcapng", ".cap", ".lpc", ".dmp", ".snoop")


def recognises(head: bytes) -> bool:
    """Return True where the file starts as pcap, pcapng or snoop do."""
    return begins(head)


def packets(path: str | os.PathLike, *, label: str | None = None, recover: bool = False) -> pd.DataFrame:
    """Read a capture: one row of PACKETS for each frame; what is wrong with the file comes as caveats.

    Parameters
    ----------
    path
        The capture.
    label
        The `evidence` of the rows; the path where not given.
    recover
        Search behind damage for where records go on. What is found so is a guess; the column `recovered` is True for it.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where its header is cut or can't be true.
    """
    label = os.fspath(path) if label is None else label
    with Source(path) as source, Frames(room_for(path)) as frames:
        reading = read(source, label, frames, recover=recover)
        frames.settle()
    caveats, table = in_threads([reading.finish, lambda: packet_table(frames, label)], frames.count)
    if recover:
        first = len(table) if reading.recovered is None else reading.recovered
        table["recovered"] = np.arange(len(table)) >= first
    return with_caveats(table, caveats)


def room_for(path: str | os.PathLike) -> int:
    """Return how many frames to make room for: nearly all captures have fewer; room that is not used costs nothing."""
    return min(Path(path).stat().st_size // 64 + 131_072, 16_000_000)


def read(source: Source, label: str, frames: Frames, *, recover: bool = False) -> Reading:
    """Read the frames of a capture.

    Parameters
    ----------
    source
        Its bytes, none of them used yet.
    label
        The evidence that caveats and errors name.
    frames
        Where the rows go.
    recover
        As in `packets`.

    Returns
    -------
    Reading
        What there is to tell of it; its `finish` has to be called.

    Raises
    ------
    DamagedEvidence
        Where its header is cut or can't be true.
    """
    reading = Reading(label, frames, recover=recover)
    more = True
    while more:
        try:
            more = _read_one(source, reading)
        except DamagedEvidence as problem:
            if source.base == source.start == 0:
                raise
            reading.tell("damage", f"what was appended can't be read: {problem}", frame=reading.count + 1, at=source.at)
            more = False
    reading.ended(source)
    return reading


def _read_one(source: Source, reading: Reading) -> bool:
    """Read the capture that begins where the source stands; True where another one begins behind it."""
    source.need(28)
    head = bytes(source.buffer[source.start : min(source.start + 28, source.end)])
    if head[:4] == PCAPNG:
        return pcapng.read(source, reading)
    if head[:8] == SNOOP:
        return snoop.read(source, head, reading)
    if head[:4] in MAGIC:
        return _read_pcap(source, head, reading)
    variant = unread_variant(head)
    if variant:
        what = f"is {variant}, which is not read; convert it with the program that wrote it"
    else:
        what = "does not start as a capture does (pcap, pcapng or snoop); try nsm_nb.formats() for what can be read"
    raise DamagedEvidence(f"{reading.name} {what}", PACKETS.empty())


def _read_pcap(source: Source, head: bytes, reading: Reading) -> bool:
    """Read the records of a pcap; True where another capture begins behind them."""
    name, kind = reading.name, MAGIC[head[:4]]
    if len(head) < kind.header:
        raise DamagedEvidence(
            f"{name} ends inside its own file header ({len(head)} of {kind.header} bytes); copy it again from the sensor",
            PACKETS.empty(),
        )
    order = ">" if kind.big else "<"
    major, minor, _, _, snaplen, link = struct.unpack_from(order + "HHIIII", head, 4)
    if major not in (2, 543):  # libpcap takes 543, which one old program wrote, and refuses all others
        raise DamagedEvidence(
            f"{name} says it is pcap version {major}.{minor}; only version 2 is defined. Its header is damaged, "
            "or it is no capture",
            PACKETS.empty(),
        )
    # sf-pcap.c: the two lengths changed places in version 2.3, and some programs did not notice
    swapped = 1 if major == 543 or minor < 3 else 2 if minor == 3 else 0
    link = min(link & 0x0FFFFFFF, 0xFFFF)  # the other bits tell of frame check sequences (draft-ietf-opsawg-pcap 4)
    reading.snaplen = snaplen
    source.start += kind.header
    if not swapped:
        size, whose = old_variant(source, kind)
        if whose:
            kind = kind._replace(head=size)
            words = (
                f"read as a capture of {whose}, whose records have headers of {size} bytes: so they follow one another"
            )
            reading.tell("format", f"{words}; its magic number is that of another")
    shape = (kind.big, kind.tick, kind.head, swapped)
    frames, limit = reading.frames, snaplen or LARGEST_FRAME

    def find() -> bool:
        return find_record(source, reading, shape)

    source.keep = LARGEST_FRAME + kind.head if reading.recover else 0
    while True:
        frames.make_room((source.end - source.start) // 16)
        c = frames.columns
        upto, position, why = walk_pcap(
            source.buffer, source.start, source.end, *shape, limit, reading.recover, source.base,
            c.offset, c.captured, c.length, c.time, reading.first, frames.count, reading.seen,
        )  # fmt: skip
        c.link[frames.count : upto] = link
        frames.decode(source, upto)
        source.start = position
        if why == DAMAGE:
            if appended(source, reading):
                return True
            if not reading.damage(source, _false(source, order, reading), find):
                return False
        elif reading.too_many(source) or not (source.fill() or reading.cut(source, find)):
            return False


def _false(source: Source, order: str, reading: Reading) -> str:
    """Return in words why the record at `source.start` can't be true."""
    first, part, one, other = struct.unpack_from(order + "IIII", source.buffer.data, source.start)
    size = max(one, other)
    if not (first or part or size):
        return f"damage at byte {source.at}: zeros stand where frame {reading.count + 1} should start"
    if size <= LARGEST_FRAME:
        return f"damage at byte {source.at}: time and lengths of frame {reading.count + 1} can't be true"
    return (
        f"damage at byte {source.at}: frame {reading.count + 1} claims {size:,} bytes, more than any frame can have "
        f"({LARGEST_FRAME:,})"
    )
