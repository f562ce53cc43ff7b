"""The bytes of evidence: a file, plain or compressed, opened read-only and read forward in a bounded buffer."""

from __future__ import annotations

import io
import logging
import os
import re
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from nsm_nb.errors import UnreadableEvidence
from nsm_nb.formats.compressed import Unpacked, compression
from nsm_nb.text import printable

__all__ = ["BUFFER", "HEAD", "Source", "is_set", "open_evidence", "read_head", "unpacking_limit"]

log = logging.getLogger(__name__)

HEAD = 65_536  # bytes that a format may look at to recognise a file
BUFFER = 1 << 21  # the system's part of each reading weighs less the larger it is, until it no longer fits the cache
_BOMB_SIZE = 256 * 1024 * 1024
_BOMB_RATIO = 100  # beyond _BOMB_SIZE, a file that unpacks to more than this many times its size is not followed


def open_evidence(path: str | os.PathLike) -> BinaryIO:
    """Return the file opened for reading, an `Unpacked` one where it is compressed (gzip, Zstandard, LZ4).

    Raises
    ------
    UnreadableEvidence
        Where it is missing, a directory, empty or may not be read; the sentence says which.
    """
    place = Path(path)
    name = printable(place)
    try:
        if place.is_dir():
            raise UnreadableEvidence(f"{name} is a folder; give a file, or open the folder as a case with open_case")
        raw = place.open("rb")
    except FileNotFoundError:
        raise UnreadableEvidence(f"{name} does not exist; check the path") from None
    except PermissionError:
        raise UnreadableEvidence(f"{name} may not be read; ask its owner for read permission") from None
    except (OSError, ValueError) as problem:
        raise UnreadableEvidence(f"{name} can't be opened: {printable(problem)}") from None
    try:
        empty = not raw.read(1)
        raw.seek(0)
        kind = compression(raw)
    except OSError as problem:
        raw.close()
        raise UnreadableEvidence(f"{name} can't be read: {printable(problem)}; copy it again from the sensor") from None
    if empty:
        raw.close()
        raise UnreadableEvidence(f"{name} is empty (0 bytes); copy it again from the sensor")
    return Unpacked(raw, kind) if kind else raw  # type: ignore[return-value]  # as far as it is used, it is one


def is_set(paths: object) -> bool:
    """Return True for a folder, a pattern such as ``day1/*.pcap``, or several paths; False for one file."""
    if not isinstance(paths, (str, os.PathLike)):
        return True
    return Path(paths).is_dir() or (bool(re.search(r"[*?\[]", os.fspath(paths))) and not Path(paths).exists())


def unpacking_limit(path: str | os.PathLike) -> int:
    """Return how many bytes a compressed file may unpack to before it is taken for a bomb."""
    return max(_BOMB_SIZE, _BOMB_RATIO * Path(path).stat().st_size)


def read_head(path: str | os.PathLike, size: int = HEAD) -> bytes:
    """Return the first bytes of a file, decompressed where it is compressed; short where the file is damaged.

    Raises
    ------
    UnreadableEvidence
        As `open_evidence`.
    """
    head = b""
    with open_evidence(path) as file:
        try:
            while len(head) < size and (more := file.read1(size - len(head))):  # type: ignore[attr-defined]
                head += more
        except (EOFError, OSError):
            log.debug("%s: damaged within its first %d bytes", path, size)
    return head


class _Lent(NamedTuple):
    """A buffer, and the work that looks at it."""

    held: bytearray
    buffer: np.ndarray
    works: list[Future]


class Source:
    """A forward reader: ``buffer[start:end]`` holds the bytes not used yet; `fill` changes the buffer where it was lent.

    Parameters
    ----------
    path
        The evidence.
    size
        Bytes of the buffer; no record may be larger.

    Attributes
    ----------
    buffer : uint8 array
    held : bytearray
        The same bytes, for what takes them apart with `struct`.
    start, end : int
    base : int
        Where ``buffer[0]`` stands in the (decompressed) evidence.
    packed : bool
        True where the file is compressed.
    most_records : int or None
        How many records a compressed file may unpack to, so that their table stays in proportion to the file.
    trouble : str
        Why no more could be read, where that was not the end of the file.
    keep : int
        Bytes before ``buffer[start]`` that stay in the buffer, as far as there are any.
    """

    def __init__(self, path: str | os.PathLike, size: int = BUFFER):
        file = open_evidence(path)
        limit = None
        if isinstance(file, Unpacked):
            limit = unpacking_limit(path)
        self._start(file, limit, size)
        if limit is not None:
            self.most_records = limit // _BOMB_RATIO

    @classmethod
    def of(cls, data: bytes) -> Source:
        """Return a source of bytes that are held already."""
        source = cls.__new__(cls)
        source._start(io.BytesIO(data), None, BUFFER)
        return source

    most_records: int | None

    def _start(self, file: BinaryIO, limit: int | None, size: int) -> None:
        self._file, self._limit = file, limit
        self.packed = limit is not None
        self.held = bytearray(size)
        self.buffer = np.frombuffer(self.held, np.uint8)
        self.start = self.end = self.base = 0
        self.trouble = ""
        self.most_records = None
        self.keep = 0
        self._lent: list[_Lent] = []

    def __enter__(self) -> Source:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    @property
    def at(self) -> int:
        """Where the next unused byte stands in the evidence."""
        return self.base + self.start

    def fill(self) -> bool:
        """Move the unused bytes to the front and read on; False where nothing more came."""
        passed = max(self.start - self.keep, 0)
        left = self.end - passed
        before = self.held
        if self._is_lent:
            self._take_another()
        if passed or before is not self.held:
            self.held[:left] = memoryview(before)[passed : self.end]
            self.base += passed
            self.start -= passed
            self.end = left
        if self._limit is not None and self.base + self.end > self._limit:
            self.trouble = (
                f"it unpacks to more than {_BOMB_RATIO} times its size; the rest was left unread "
                "(unpack it yourself if you trust it)"
            )
            return False
        try:
            # readinto1: what was unpacked before the damage is not lost with it
            count = self._file.readinto1(memoryview(self.held)[left:])  # type: ignore[attr-defined]
        except EOFError:
            self.trouble = "its compressed data end early"
            return False
        except OSError as problem:
            self.trouble = f"it can't be read further: {printable(problem)}"
            return False
        self.end += count or 0
        return bool(count)

    def lend(self, work: Future) -> None:
        """Leave the buffer as it is until some work is done; the next `fill` goes on in another one."""
        if not self._is_lent:
            self._lent.append(_Lent(self.held, self.buffer, []))
        self._lent[-1].works.append(work)

    @property
    def _is_lent(self) -> bool:
        return bool(self._lent) and self._lent[-1].held is self.held

    def _take_another(self) -> None:
        for place, lent in enumerate(self._lent):
            if all(work.done() for work in lent.works):
                self.held, self.buffer = lent.held, lent.buffer
                del self._lent[place]
                return
        self.held = bytearray(len(self.held))
        self.buffer = np.frombuffer(self.held, np.uint8)

    def seek(self, place: int) -> None:
        """Go on at a place of the evidence; what the buffer holds is given up."""
        self.start = self.end = 0
        self.base = self._file.seek(place)

    def need(self, count: int) -> bool:
        """Fill until `count` unused bytes are there; False where the file ends before."""
        while self.end - self.start < count:
            if not self.fill():
                return False
        return True

    def skip(self, count: int) -> bool:
        """Pass over `count` bytes, more than the buffer holds if need be; False where the file ends before."""
        while count > self.end - self.start:
            count -= self.end - self.start
            self.start = self.end
            if not self.fill():
                return False
        self.start += count
        return True

    def rest(self) -> int:
        """Return how many bytes are left, counting them by reading on."""
        left = self.end - self.start
        self.start = self.end
        while self.fill():
            left += self.end - self.start
            self.start = self.end
        return left
