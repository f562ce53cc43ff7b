"""Captures: pcap (micro- and nanoseconds, both byte orders) and pcapng, plain or gzip.

Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; libpcap's linktypes.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.frames import Frames, packet_table
from nsm_nb.formats.source import Source
from nsm_nb.kernels.decode import LINKS
from nsm_nb.kernels.records import DAMAGE, LARGEST_FRAME, NOT_A_TIME, walk_pcap
from nsm_nb.schema import PACKETS, Caveat, with_caveats
from nsm_nb.text import printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "packets", "read", "recognises"]

NAME = "pcap"
TITLE = "capture of packets (pcap, pcapng)"
EXTENSIONS = (".pcap", ".pcapng", ".cap", ".lpc", ".dmp")

PCAPNG = b"\x0a\x0d\x0d\x0a"
# first four bytes -> big-endian, nanoseconds of one unit of the second time field
MAGIC = {
    b"\xa1\xb2\xc3\xd4": (True, 1000),
    b"\xd4\xc3\xb2\xa1": (False, 1000),
    b"\xa1\xb2\x3c\x4d": (True, 1),
    b"\x4d\x3c\xb2\xa1": (False, 1),
}


def recognises(head: bytes) -> bool:
    """Return True where the file starts as pcap or pcapng does."""
    if head[:4] in MAGIC:
        return True
    return head[:4] == PCAPNG and head[8:12] in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")


def packets(path: str | os.PathLike, *, label: str | None = None) -> pd.DataFrame:
    """Read a capture: one row of PACKETS for each frame; what is wrong with the file comes as caveats.

    Parameters
    ----------
    path
        The capture.
    label
        The `evidence` of the rows; the path where not given.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where its header is cut or can't be true.
    """
    label = os.fspath(path) if label is None else label
    with Source(path) as source:
        frames, caveats = read(source, label, min(Path(path).stat().st_size // 100 + 1024, 16_000_000))
    table = packet_table(frames, label)
    return with_caveats(table, [*caveats, *_noticed(table, frames, label)])


def read(source: Source, label: str, room: int) -> tuple[Frames, list[Caveat]]:
    """Return the frames of a capture, and what is wrong with the file.

    Parameters
    ----------
    source
        Its bytes, none of them used yet.
    label
        The evidence that caveats and errors name.
    room
        Frames to make room for at first.

    Raises
    ------
    DamagedEvidence
        Where its header is cut or can't be true.
    """
    source.need(24)
    head = bytes(source.buffer[: min(24, source.end)])
    if head[:4] == PCAPNG:
        from nsm_nb.formats import pcapng  # its blocks are read in a module of their own

        frames, caveats = pcapng.read(source, label, room)
    elif head[:4] in MAGIC:
        frames, caveats = _read_pcap(source, head, label, room)
    else:
        raise DamagedEvidence(
            f"{printable(label)} does not start as a capture does (pcap or pcapng); "
            "try nsm_nb.formats() for what can be read",
            PACKETS.empty(),
        )
    if source.trouble:
        caveats.append(Caveat(label, frames.count, source.at, "cut", f"{printable(label)}: {source.trouble}"))
    return frames, caveats


def _read_pcap(source: Source, head: bytes, label: str, room: int) -> tuple[Frames, list[Caveat]]:
    if len(head) < 24:
        raise DamagedEvidence(
            f"{printable(label)} ends inside its own file header ({len(head)} of 24 bytes); copy it again from the sensor",
            PACKETS.empty(),
        )
    big, tick = MAGIC[head[:4]]
    major, minor = struct.unpack_from(">HH" if big else "<HH", head, 4)
    if major not in (2, 543):  # libpcap takes 543, which one old program wrote, and refuses all others
        raise DamagedEvidence(
            f"{printable(label)} says it is pcap version {major}.{minor}; only version 2 is defined. Its header is damaged, "
            "or it is no capture",
            PACKETS.empty(),
        )
    # only 28 bits are the link type; the rest tells of frame check sequences (draft-ietf-opsawg-pcap 4)
    link = struct.unpack_from(">I" if big else "<I", head, 20)[0] & 0x0FFFFFFF
    frames = Frames(room)
    caveats = []
    source.start = 24
    while True:
        frames.make_room((source.end - source.start) // 16)
        c = frames.columns
        upto, position, why = walk_pcap(
            source.buffer, source.start, source.end, big, tick, source.base,
            c.offset, c.captured, c.length, c.time, frames.count,
        )  # fmt: skip
        c.link[frames.count : upto] = min(link, 0xFFFF)
        frames.decode(source.buffer, source.base, upto)
        source.start = position
        if why == DAMAGE:
            at = source.at
            size = struct.unpack_from(">I" if big else "<I", source.buffer.data, source.start + 8)[0]
            caveats.append(
                Caveat(
                    label,
                    frames.count + 1,
                    at,
                    "damage",
                    f"{printable(label)}: damage at byte {at}: frame {frames.count + 1} claims {size:,} bytes, more than any "
                    f"frame can have ({LARGEST_FRAME:,}); {source.rest():,} bytes were not read",
                )
            )
            break
        if not source.fill():
            left = source.end - source.start
            if left and not source.trouble:
                caveats.append(_cut(label, frames.count, source.at, left))
            break
    return frames, caveats


def _cut(label: str, count: int, at: int, left: int) -> Caveat:
    return Caveat(
        label, count + 1, at, "cut",
        f"{printable(label)}: cut short at byte {at + left}: frame {count + 1} starts at byte {at} and is not whole; "
        f"{left:,} bytes were not read",
    )  # fmt: skip


def _noticed(table: pd.DataFrame, frames: Frames, label: str) -> list[Caveat]:
    """Return what the frames themselves tell: unknown link types, snaplen, a clock that ran backwards."""
    name = printable(label)
    c = frames.columns
    caveats = []
    for link in np.flatnonzero(np.bincount(c.link[: frames.count], minlength=1)):
        if int(link) not in LINKS:
            first = int(np.argmax(c.link == link)) + 1
            count = int((c.link == link).sum())
            caveats.append(
                Caveat(
                    label,
                    first,
                    None,
                    "link type",
                    f"{name}: link type {link} is not supported: {count:,} frames have no addresses (first is frame {first})",
                )
            )
    short = c.captured < c.length
    if short.any():
        first = int(np.argmax(short))
        caveats.append(
            Caveat(
                label,
                first + 1,
                int(c.offset[first]),
                "snaplen",
                f"{name}: {int(short.sum()):,} of {frames.count:,} frames were captured in part (largest "
                f"{int(c.captured.max()):,} "
                f"bytes); octets are from the headers, transcripts have gaps",
            )
        )
    known = c.time != NOT_A_TIME
    if not known.all():
        caveats.append(
            Caveat(
                label,
                int(np.argmin(known)) + 1,
                None,
                "clock",
                f"{name}: {int((~known).sum()):,} frames have no time (first is frame {int(np.argmin(known)) + 1})",
            )
        )
    back = np.diff(c.time)
    back = np.where(known[1:] & known[:-1], back, 0) if len(back) else back
    if (back < 0).any():
        worst = int(np.argmin(back))
        first = int(np.argmax(back < 0)) + 2
        caveats.append(
            Caveat(
                label,
                worst + 2,
                int(c.offset[worst + 1]),
                "clock",
                f"{name}: clock ran backwards {int((back < 0).sum()):,} times, first at frame {first}, "
                f"at most {-int(back[worst]) / 1e9:g} s at frame {worst + 2}",
            )
        )
    return caveats
