"""The blocks of pcapng: sections, interfaces, packets; names and secrets are counted, never used.

Source: draft-ietf-opsawg-pcapng 4.
"""

from __future__ import annotations

import struct

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.frames import Frames
from nsm_nb.formats.source import Source
from nsm_nb.kernels.records import BLOCK, DAMAGE, LARGEST_FRAME, NOT_A_TIME, to_nanoseconds, walk_pcapng
from nsm_nb.schema import PACKETS, Caveat
from nsm_nb.text import printable

__all__ = ["read"]

_SECTION, _INTERFACE, _PACKET, _SIMPLE, _NAMES, _SECRETS = 0x0A0D0D0A, 1, 2, 3, 4, 10
_MOST_INTERFACES = 65_536
_IF_TSRESOL, _IF_TSOFFSET, _END = 9, 14, 0


class _Section:
    """A section's byte order and its interfaces; each is link type, exponent, shift, epoch (see `to_nanoseconds`)."""

    def __init__(self, big: bool):
        self.big = big
        self.snaplens: list[int] = []
        self._rows = np.zeros((16, 4), np.int64)

    @property
    def interfaces(self) -> np.ndarray:
        return self._rows[: len(self.snaplens)]

    def add(self, link: int, exponent: int, shift: int, epoch: int, snaplen: int) -> None:
        if len(self.snaplens) == len(self._rows):  # doubled, so that many interfaces are not copied at each one
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self.snaplens)] = link, exponent, shift, epoch
        self.snaplens.append(snaplen)


class _Damage(Exception):
    """A block whose fields can't be true; the text says which."""


def read(source: Source, label: str, room: int) -> tuple[Frames, list[Caveat]]:
    """Return the frames of a pcapng file and what is wrong with it.

    Raises
    ------
    DamagedEvidence
        Where not even the first section header is whole.
    """
    frames = Frames(room)
    caveats: list[Caveat] = []
    counts = {_NAMES: 0, _SECRETS: 0}
    section = _Section(False)
    started = False
    while True:
        if started:
            frames.make_room((source.end - source.start) // 32 + 1)
            c = frames.columns
            upto, position, why = walk_pcapng(
                source.buffer, source.start, source.end, section.big, section.interfaces, source.base,
                c.offset, c.captured, c.length, c.time, c.link, frames.count,
            )  # fmt: skip
            frames.decode(source.buffer, source.base, upto)
            source.start = position
        else:
            why = BLOCK
        at, claims = source.at, _claims(source, section.big)
        try:
            if why == BLOCK:
                section, whole = _block(source, section, frames, counts)
                started = started or whole
            else:
                whole = _more(source, section.big, why)
        except _Damage as problem:
            sentence = f"damage at byte {at}: {problem}"
            if not started:
                raise DamagedEvidence(
                    f"{printable(label)}: {sentence}; nothing could be read", PACKETS.empty()
                ) from None
            left = source.rest()
            caveats.append(
                Caveat(
                    label,
                    frames.count + 1,
                    at,
                    "damage",
                    f"{printable(label)}: {sentence}; {left:,} bytes were not read",
                )
            )
            break
        if not whole:
            left = source.base + source.end - at  # of a block that was passed over nothing is left in the buffer
            if not started:
                raise DamagedEvidence(
                    f"{printable(label)} ends inside its first block; copy it again from the sensor", PACKETS.empty()
                )
            if left and not source.trouble:
                caveats.append(
                    Caveat(
                        label,
                        frames.count + 1,
                        at,
                        "cut",
                        f"{printable(label)}: cut short at byte {at + left}: the block at byte {at}{claims} is not whole; "
                        f"{left:,} bytes were not read",
                    )
                )
            break
    for kind, words in ((_NAMES, "name resolution blocks (names are a claim of the file and never replace an address)"),
                        (_SECRETS, "decryption secrets blocks (not used)")):  # fmt: skip
        if counts[kind]:
            caveats.append(Caveat(label, None, None, "pcapng", f"{printable(label)}: holds {counts[kind]:,} {words}"))
    return frames, caveats


def _claims(source: Source, big: bool) -> str:
    """Return in words how long the block at `source.start` says it is, where its head is in the buffer."""
    if source.end - source.start < 8:
        return ""
    kind, size = struct.unpack_from(">II" if big else "<II", source.buffer.data, source.start)
    return "" if kind == _SECTION else f", which claims {size:,} bytes,"  # a section may change the byte order


def _more(source: Source, big: bool, why: int) -> bool:
    """Read on; pass over a block that is larger than the buffer. False at the end of the file."""
    if why == DAMAGE:
        raise _Damage("a block's lengths or its interface can't be true")
    left = source.end - source.start
    if left >= 12:
        kind, size = struct.unpack_from(">II" if big else "<II", source.buffer.data, source.start)
        if size > len(source.buffer):
            if kind in (6, _PACKET, _SIMPLE, _INTERFACE):
                raise _Damage(f"a block of type {kind} claims {size:,} bytes")
            return source.skip(size)
    return source.fill()


def _block(source: Source, section: _Section, frames: Frames, counts: dict[int, int]) -> tuple[_Section, bool]:
    """Read the block at `source.start`, one of those that the kernel leaves; False where the file ends inside it."""
    if not source.need(12):
        return section, False
    order = ">" if section.big else "<"
    (kind,) = struct.unpack_from(order + "I", source.buffer.data, source.start)
    if kind == _SECTION:
        magic = bytes(source.buffer[source.start + 8 : source.start + 12])
        if magic not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
            raise _Damage("a section header without its byte-order magic")
        section = _Section(magic == b"\x1a\x2b\x3c\x4d")
        order = ">" if section.big else "<"
    (size,) = struct.unpack_from(order + "I", source.buffer.data, source.start + 4)
    if size < 12 or size & 3:
        raise _Damage(f"a block of type {kind} claims {size:,} bytes")
    if kind in counts:
        whole = source.skip(size)
        counts[kind] += whole
        return section, whole
    if size > len(source.buffer):
        raise _Damage(f"a block of type {kind} claims {size:,} bytes")
    if not source.need(size):
        return section, False
    body = bytes(source.buffer[source.start + 8 : source.start + size - 4])
    (again,) = struct.unpack_from(order + "I", source.buffer.data, source.start + size - 4)
    if again != size:
        raise _Damage(f"a block says {size:,} bytes at its start and {again:,} at its end")
    if kind == _SECTION:
        major, minor = struct.unpack_from(order + "HH", body.ljust(8, b"\0"), 4)
        if major != 1 or minor not in (0, 2):  # 4.1: other versions are other formats
            raise _Damage(f"a section of pcapng version {major}.{minor}, which nobody has defined")
    elif kind == _INTERFACE:
        _interface(section, body, order)
    elif kind in (_SIMPLE, _PACKET):
        _one_packet(source, section, body, order, kind, frames)
    source.start += size
    return section, True


def _interface(section: _Section, body: bytes, order: str) -> None:
    if len(body) < 8 or len(section.snaplens) >= _MOST_INTERFACES:
        raise _Damage("an interface block that is too short, or one too many")
    link, _, snaplen = struct.unpack_from(order + "HHI", body)
    exponent, shift, epoch = 6, 0, 0
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if code == _END or len(value) < size:
            break
        if code == _IF_TSRESOL and size >= 1:
            exponent, shift = (-1, value[0] & 0x7F) if value[0] & 0x80 else (value[0], 0)
        elif code == _IF_TSOFFSET and size >= 8:
            (epoch,) = struct.unpack_from(order + "q", value)
        at += 4 + size + (-size % 4)
    section.add(link, exponent, shift, epoch, snaplen)


def _one_packet(source: Source, section: _Section, body: bytes, order: str, kind: int, frames: Frames) -> None:
    """Add the frame of a simple packet block (no time) or of an obsolete packet block."""
    if kind == _SIMPLE:
        which, time, head = 0, NOT_A_TIME, 4
        if len(body) < 4 or not section.snaplens:
            raise _Damage("a packet without its interface")
        (length,) = struct.unpack_from(order + "I", body)
        snaplen = section.snaplens[0]
        held = min(length, snaplen) if snaplen else length
        held = min(held, len(body) - 4) if length > len(body) - 4 else held
    else:
        head = 20
        if len(body) < 20:
            raise _Damage("a packet block that is too short")
        which, _, high, low, held, length = struct.unpack_from(order + "HHIIII", body)
        if which >= len(section.snaplens):
            raise _Damage("a packet without its interface")
        time = to_nanoseconds(high, low, *section.interfaces[which][1:])
    if held > len(body) - head or held > LARGEST_FRAME:
        raise _Damage(f"a packet claims {held:,} bytes")
    frames.make_room(1)
    row, c = frames.count, frames.columns
    c.time[row], c.length[row], c.captured[row] = time, length, held
    c.offset[row] = source.at + 8 + head
    c.link[row] = section.interfaces[which][0]
    frames.decode(source.buffer, source.base, row + 1)
