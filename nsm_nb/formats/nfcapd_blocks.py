"""The blocks of nfdump's files, unpacked: a head that tells how, then blocks of records, each compressed by itself.

Source: nfdump, nffile.h of 1.6 (layout 1), nffileV2.h of 1.7 (layout 2); nfdump(1), ``-J``; measured on what it packs.
"""

from __future__ import annotations

import bz2
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.source import Source
from nsm_nb.text import form, many, printable

__all__ = ["LARGEST", "MAGIC", "Block", "Head", "blocks", "read_head_of"]

MAGIC = b"\x0c\xa5"  # 0xA50C, in the order of the machine that wrote it
LARGEST = 1 << 24  # bytes of a block, packed and unpacked; nfdump's buffers have 5 MB
_BLOCK = 12  # bytes of a block's head
_NAMES = {0: "none", 1: "LZO", 2: "bzip2", 3: "LZ4", 4: "Zstandard"}
_OLD = {0x1: 1, 0x8: 2, 0x10: 3}  # FLAG_LZO_COMPRESSED, FLAG_BZ2_COMPRESSED, FLAG_LZ4_COMPRESSED of layout 1
_PLAIN = 1  # FLAG_BLOCK_UNCOMPRESSED
_HEAD_1, _HEAD_2 = 276, 40


class Head(NamedTuple):
    """What the file says of itself."""

    layout: int
    compression: int  # a number of layout 2
    blocks: int  # of data
    ident: bytes = b""
    flows: int | None = None  # that are in it
    failures: int | None = None  # of sequence numbers


class Block(NamedTuple):
    """A block, unpacked as far as that went."""

    number: int
    offset: int  # of its head in the file
    kind: int
    records: int  # that it claims
    data: np.ndarray  # uint8
    problem: str  # why there is not all of it


def read_head_of(source: Source, label: str) -> Head:
    """Return the head of the file, of which the source stands behind.

    Raises
    ------
    DamagedEvidence
        Where it is none, is cut, or of a kind that is not read; the sentence says what to do.
    """
    name = printable(label)
    source.need(4)
    head = source.buffer[source.start : source.end][:_HEAD_1].tobytes()
    if head[:2] == MAGIC[::-1]:
        raise DamagedEvidence(
            f"{name} was written by nfdump on a machine with the other byte order, which no nfdump elsewhere reads either; "
            "export it there with nfdump -o csv"
        )
    if head[:2] != MAGIC or len(head) < 4:
        raise DamagedEvidence(f"{name} does not begin as a file of nfdump does; check what it is with file(1)")
    layout = int.from_bytes(head[2:4], "little")
    if layout not in (1, 2):
        raise DamagedEvidence(
            f"{name} has nfdump's file layout {layout}, which is not read (1 to 3 are); export it with nfdump -N -o csv"
        )
    size = _HEAD_1 if layout == 1 else _HEAD_2
    if not source.need(size):
        raise DamagedEvidence(f"{name} is cut inside its head of {size} bytes; copy it again from the collector")
    head = source.buffer[source.start : source.start + size].tobytes()
    source.start += size
    return _old_head(head) if layout == 1 else _head(head, name)


def _old_head(head: bytes) -> Head:
    flags, count = np.frombuffer(head, "<u4", 2, 4).tolist()
    kind = next((number for flag, number in _OLD.items() if flags & flag), 0)
    flows = int(np.frombuffer(head, "<u8", 1, 140)[0])
    failures = int(np.frombuffer(head, "<u4", 1, 272)[0])
    return Head(1, kind, count, head[12:140].partition(b"\0")[0], flows, failures)


def _head(head: bytes, name: str) -> Head:
    compression, encryption = head[16], head[17]
    if encryption:
        raise DamagedEvidence(f"{name} is encrypted; decrypt it with nfdump -r FILE -K KEY -w NEW")
    if compression not in _NAMES:
        raise DamagedEvidence(
            f"{name} is compressed in a way that is not known ({compression}); unpack it with nfdump -J 0"
        )
    return Head(2, compression, int(np.frombuffer(head, "<u4", 1, 36)[0]))


def blocks(source: Source, head: Head, limit: int) -> Iterator[Block]:
    """Yield the blocks of the file, one after the other, to its end or to where no more can be.

    Parameters
    ----------
    source
        Stands behind the head; its buffer has room for `LARGEST` bytes.
    head
        The file's.
    limit
        How many bytes all of them may unpack to.
    """
    number, total = 0, 0
    while source.need(1):
        number += 1
        offset = source.at
        if not source.need(_BLOCK):
            yield Block(number, offset, -1, 0, _none(), "the file ends inside its head")
            return
        claimed, size = np.frombuffer(source.buffer[source.start : source.start + 8].tobytes(), "<u4").tolist()
        kind, flags = np.frombuffer(source.buffer[source.start + 8 : source.start + 12].tobytes(), "<u2").tolist()
        if size > LARGEST:
            said = f"it claims {size:,} bytes, more than a block has; what follows was left unread"
            yield Block(number, offset, -1, 0, _none(), said)
            return
        source.start += _BLOCK
        whole = source.need(size)
        packed = source.buffer[source.start : min(source.start + size, source.end)]
        missing = size - len(packed)
        problem = "" if whole else f"{missing:,} of its {many(size, 'byte')} {form(missing, 'is', 'are')} not there"
        data = packed.copy()
        source.start += len(packed)
        if head.compression and not flags & _PLAIN and size:
            data, failed = _unpacked(head.compression, data, min(LARGEST, limit - total))
            problem = problem or failed
        total += len(data)
        yield Block(number, offset, kind, claimed, data, problem)
        if total >= limit:
            said = f"the blocks before unpack to {total:,} bytes, too much for the size of the file; the rest was left unread"
            yield Block(number, source.at, -1, 0, _none(), said)
            return
    if source.trouble:
        yield Block(number, source.at, -1, 0, _none(), source.trouble)


def _none() -> np.ndarray:
    return np.empty(0, np.uint8)


def _unpacked(kind: int, data: np.ndarray, limit: int) -> tuple[np.ndarray, str]:
    """Return what a block unpacks to, as far as it goes, and why that is not all."""
    found, problem = {1: _lzo, 2: _bz2, 3: _lz4, 4: _zstd}[kind](data, limit)
    return found, f"its {_NAMES[kind]} data {problem}" if problem else ""


def _lzo(data: np.ndarray, limit: int) -> tuple[np.ndarray, str]:
    from nsm_nb.kernels.lzo import CUT, DONE, FULL, unpack_lzo

    # no instruction of LZO gives more than 255 bytes for each of its own
    out = np.empty(min(limit, 256 * len(data) + 64), np.uint8)
    count, why = unpack_lzo(data, out)
    said = {DONE: "", CUT: "end early", FULL: "unpack to more than a block has"}.get(why, "are damaged")
    return out[:count].copy(), said


def _lz4(data: np.ndarray, limit: int) -> tuple[np.ndarray, str]:
    import lz4.block

    try:
        found = lz4.block.decompress(data.tobytes(), uncompressed_size=limit)
    except (lz4.block.LZ4BlockError, ValueError, MemoryError):
        return _none(), "are damaged, cut or unpack to more than a block has; its flows are missing"
    return np.frombuffer(bytearray(found), np.uint8), ""  # to be written to, as the others: a kernel is compiled once


def _bz2(data: np.ndarray, limit: int) -> tuple[np.ndarray, str]:
    return _streamed(bz2.BZ2Decompressor(), data, limit)


def _zstd(data: np.ndarray, limit: int) -> tuple[np.ndarray, str]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return _streamed(zstd.ZstdDecompressor(), data, limit)


def _streamed(decompressor: Any, data: np.ndarray, limit: int) -> tuple[np.ndarray, str]:
    """Unpack in pieces, so that what comes before damage is kept."""
    parts, given, problem = [], 0, ""
    take: Callable[[bytes, int], bytes] = decompressor.decompress
    raw, at = data.tobytes(), 0
    while not decompressor.eof and given < limit:
        piece = raw[at : at + 4096] if decompressor.needs_input else b""
        if decompressor.needs_input and not piece:
            problem = "end early"
            break
        at += len(piece)
        try:
            found = take(piece, limit - given)
        except Exception:  # noqa: BLE001  # each library raises its own; any of them means damage
            problem = "are damaged"
            break
        parts.append(found)
        given += len(found)
    if not problem and not decompressor.eof:
        problem = "unpack to more than a block has"
    return np.frombuffer(bytearray().join(parts), np.uint8), problem
