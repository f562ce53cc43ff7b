"""Where frames were captured: the interfaces that a capture file describes, and which of them each frame came by.

A table of PACKETS has the link type only as far as its layers tell it (raw IP has five numbers), and no interface.

Source: draft-ietf-opsawg-pcap 4, draft-ietf-opsawg-pcapng 4.1 to 4.4.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats.spans import Spans
from nsm_nb.full_content.frames import link_types
from nsm_nb.text import printable

__all__ = ["Interface", "interfaces"]

_SECTION, _INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_NAME, _DESCRIPTION, _END = 2, 3, 0
_PIECE = 1 << 20
_MOST = 65_536  # interfaces of a section
_PCAP = {0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34}


class Interface(NamedTuple):
    """An interface of an evidence: LINKTYPE_ number, and what the file calls it, which is a claim."""

    evidence: str
    link: int
    name: str = ""
    description: str = ""


def interfaces(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> tuple[list[Interface], np.ndarray]:
    """Return the interfaces that packets came by, and the place in that list for each packet.

    What a file does not tell, or tells otherwise than the packets' layers, is an interface of the link type of the layers.

    Parameters
    ----------
    packets
        Rows of PACKETS.
    evidence
        As in `frame_bytes`.
    """
    links = link_types(packets)
    labels = packets["evidence"].astype("category")
    codes, offsets = labels.cat.codes.to_numpy(), packets["offset"].to_numpy(np.int64)
    known: dict[Interface, int] = {}
    which = np.zeros(len(packets), np.int64)
    for code in np.unique(codes):
        label = str(labels.cat.categories[code])
        rows = np.flatnonzero(codes == code)
        told = _told(label, Path(evidence[label] if evidence is not None else label), offsets[rows])
        for row, interface in zip(rows.tolist(), told, strict=True):
            if interface is None or not _alike(interface.link, int(links[row])):
                interface = Interface(label, int(links[row]))
            which[row] = known.setdefault(interface, len(known))
    return list(known), which


def _alike(link: int, by_layers: int) -> bool:
    """Say whether a file's link type is the one that the layers begin with; several have one name there."""
    same = ({12, 14, 101, 228, 229}, {0, 108}, {9, 50})
    return link == by_layers or any(link in each and by_layers in each for each in same)


def _told(label: str, path: Path, offsets: np.ndarray) -> Iterator[Interface | None]:
    with Spans(path) as spans:
        head = spans.read(0, 28)
        if head[:4] == b"\x0a\x0d\x0d\x0a":
            yield from _of_pcapng(label, spans, offsets)
            return
        only = None
        for order in "<>":
            if len(head) >= 24 and struct.unpack_from(order + "I", head)[0] in _PCAP:
                only = Interface(label, struct.unpack_from(order + "I", head, 20)[0] & 0xFFFF)
        for _ in offsets:
            yield only


def _of_pcapng(label: str, spans: Spans, offsets: np.ndarray) -> Iterator[Interface | None]:
    sections = list(_sections(label, spans, int(offsets.max())))
    starts = [start for start, _, _ in sections]
    for offset in offsets.tolist():
        at = bisect_right(starts, offset) - 1
        if at < 0:
            yield None
            continue
        _, order, found = sections[at]
        before = spans.read(max(offset - 28, 0), 28).rjust(28, b"\0")
        (kind,) = struct.unpack_from(order + "I", before)
        which = 0  # of a simple packet block
        if kind == _ENHANCED:
            (which,) = struct.unpack_from(order + "I", before, 8)
        elif kind == _PACKET:
            (which,) = struct.unpack_from(order + "H", before, 8)
        elif struct.unpack_from(order + "I", before, 16)[0] != _SIMPLE:
            which = len(found)
        yield found[which] if which < len(found) else None


def _sections(label: str, spans: Spans, upto: int) -> Iterator[tuple[int, str, list[Interface]]]:
    """Yield the sections of a pcapng file up to a byte: where each starts, its byte order, its interfaces."""
    order, at, start = "<", 0, 0
    found: list[Interface] = []
    piece, base = b"", 0
    while at < upto:
        if at + 12 > base + len(piece):
            piece, base = spans.read(at, _PIECE), at
            if len(piece) < 12:
                break
        kind, size = struct.unpack_from(order + "II", piece, at - base)
        if kind == _SECTION:
            if at:
                yield start, order, found
            order, start, found = ("<" if piece[at - base + 8 :][:4] == b"\x4d\x3c\x2b\x1a" else ">"), at, []
            (size,) = struct.unpack_from(order + "I", piece, at - base + 4)
        if size < 12 or size & 3:
            break
        if kind == _INTERFACE and len(found) < _MOST:
            found.append(_interface(label, spans.read(at + 8, min(size - 12, _PIECE)), order))
        at += size
    yield start, order, found


def _interface(label: str, body: bytes, order: str) -> Interface:
    if len(body) < 8:
        return Interface(label, 0xFFFF)
    texts = {_NAME: "", _DESCRIPTION: ""}
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == _END:
            break
        if code in texts:
            texts[code] = printable(body[at + 4 : at + 4 + size][:200])
        at += 4 + size + (-size % 4)
    return Interface(label, struct.unpack_from(order + "H", body)[0], texts[_NAME], texts[_DESCRIPTION])
