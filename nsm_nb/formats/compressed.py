"""Compressed evidence, read forward in bounded memory: gzip, Zstandard and LZ4, each with all its members or frames.

What is kept is one piece of the file and one piece of what it unpacks to, whatever the file claims. What was unpacked
before damage is not lost with it.

Source: RFC 1952 (gzip), RFC 8878 (Zstandard, skippable frames in 3.1.2), lz4_Frame_format.md 1.6.4.
"""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

__all__ = ["Unpacked", "compression"]

_PIECE = 1 << 16  # bytes of the file that are handed to a decompressor at a time
_OUT = 1 << 20  # bytes that it may give back at a time, where nobody asked for fewer
_GZIP, _ZSTD, _LZ4 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
_SKIPPABLE = bytes(range(0x50, 0x60))  # first byte of a skippable frame, of Zstandard and LZ4 alike


class _Gzip:
    """One member of gzip, with the ways of the standard library's other decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._full = False  # the last answer was as long as it might be: zlib may hold more without new input

    def decompress(self, data: bytes, limit: int) -> bytes:
        found = self._inner.decompress(self._inner.unconsumed_tail + data, limit)
        self._full = len(found) == limit
        return found

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor()


def _lz4() -> Any:
    from lz4.frame import LZ4FrameDecompressor

    return LZ4FrameDecompressor()


_KINDS: dict[str, tuple[bytes, Callable[[], Any]]] = {
    "gzip": (_GZIP, _Gzip),
    "zstd": (_ZSTD, _zstd),
    "lz4": (_LZ4, _lz4),
}


def compression(file: BinaryIO) -> str:
    """Return how a file is compressed, by the bytes where it stands: ``gzip``, ``zstd``, ``lz4``, or nothing.

    Parameters
    ----------
    file
        Is left where it stood.
    """
    start = file.tell()
    try:
        head = file.read(8)
        # pzstd begins with a frame to be skipped, which does not tell Zstandard from LZ4; the next one does
        if len(head) == 8 and head[0] in _SKIPPABLE and head[1:4] == b"\x2a\x4d\x18":
            file.seek(start + 8 + int.from_bytes(head[4:], "little"))
            head = file.read(4)
    finally:
        file.seek(start)
    return next((name for name, (magic, _) in _KINDS.items() if head.startswith(magic)), "")


class Unpacked(io.RawIOBase):
    """What a compressed file unpacks to, as a file that is read forward; going back means to start again.

    Parameters
    ----------
    file
        The compressed file, at its start. It is closed with this one.
    kind
        As `compression` names it.

    Notes
    -----
    Reading raises EOFError where the compressed data end early, and OSError where they are damaged; what came before was
    given by the readings before.
    """

    def __init__(self, file: BinaryIO, kind: str):
        self._file, self._kind = file, kind
        self._magic, self._make = _KINDS[kind]
        self._restart()

    def _restart(self) -> None:
        self._file.seek(0)
        self._decompressor = self._make()
        self._position = 0  # of what was given out
        self._taken = 0  # bytes of the file that were handed over
        self._pending = b""  # bytes of the file that were read and not handed over
        self._last = 0  # where the piece that was handed over last began
        self._careful: int | None = None  # from this byte on the file is handed over byte by byte
        self._fresh = True  # nothing of the present member was handed over

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: it can be gone back to the start."""
        return True

    def tell(self) -> int:
        """Return where the next byte stands."""
        return self._position

    def close(self) -> None:
        """Close the compressed file too."""
        self._file.close()
        super().close()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read on to a byte, counted from the start; from the start again where it lies behind. Return where that was."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("compressed data are sought from their start only")
        if offset < self._position:
            self._restart()
        while self._position < offset and self.read1(min(offset - self._position, _OUT)):
            pass
        return self._position

    def readinto1(self, buffer: Any) -> int:
        """Fill a part of the buffer, at least one byte of it; 0 at the end."""
        data = self.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    readinto = readinto1

    def read(self, size: int | None = -1) -> bytes:
        """Return `size` bytes, fewer at the end, all where it is negative."""
        size = sys.maxsize if size is None or size < 0 else size
        parts: list[bytes] = []
        while size > 0 and (more := self.read1(size)):
            parts.append(more)
            size -= len(more)
        return b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        """Return some bytes, at most `size`; none at the end."""
        data = self._some(_OUT if size < 0 else min(size, _OUT)) if size else b""
        self._position += len(data)
        return data

    def _some(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof and not self._next_member():
                return b""
            piece = b""
            if self._decompressor.needs_input:
                piece = self._take()
                if not piece:
                    if self._fresh:
                        return b""
                    raise EOFError("the compressed data end early")
                self._fresh = False
            try:
                data = self._decompressor.decompress(piece, size)
            except Exception as problem:  # each library raises its own; any of them means damage
                if self._careful is not None:
                    raise OSError(f"its compressed data are damaged: {problem}") from problem
                self._again()
            else:
                if data:
                    return data

    def _take(self) -> bytes:
        if not self._pending:
            self._pending = self._file.read(_PIECE)
        size = _PIECE if self._careful is None else max(self._careful - self._taken, 1)
        piece, self._pending = self._pending[:size], self._pending[size:]
        self._last = self._taken
        self._taken += len(piece)
        return piece

    def _again(self) -> None:
        """Unpack once more from the start; the piece that held damage byte by byte, because what came before it is lost."""
        position, careful = self._position, self._last
        self._restart()
        self._careful = careful
        while self._position < position and (data := self._some(min(position - self._position, _OUT))):
            self._position += len(data)

    def _next_member(self) -> bool:
        """Begin the next member or frame; False at the end of the file."""
        unused = self._decompressor.unused_data or b""  # None of LZ4's
        self._taken -= len(unused)
        self._pending = unused + self._pending
        while True:
            while self._kind == "gzip" and self._pending[:1] == b"\0":  # gzip(1): members may be padded with zeros
                self._taken += len(self._pending) - len(self._pending.lstrip(b"\0"))
                self._pending = self._pending.lstrip(b"\0")
            more = b"" if len(self._pending) >= 4 else self._file.read(_PIECE)
            if not more:
                break
            self._pending += more
        if not self._pending:
            return False
        if not (self._pending.startswith(self._magic) or self._is_skippable()):
            raise OSError("what follows its compressed data is not compressed; it was left unread")
        self._decompressor = self._make()
        self._fresh = True
        return True

    def _is_skippable(self) -> bool:
        return self._kind != "gzip" and self._pending[0] in _SKIPPABLE and self._pending[1:4] == b"\x2a\x4d\x18"
