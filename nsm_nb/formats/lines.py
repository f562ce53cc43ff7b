"""Text evidence, line by line: where every line stands, its number, and what can't be a line.

Lines are numbered from 1 as `sed -n 17p` numbers them: blank and damaged ones count. A file in UTF-16, as Windows' shell
redirects it, is read as the UTF-8 of its text, and bytes are counted in that.
"""

from __future__ import annotations

import codecs
import functools
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from nsm_nb.errors import UnknownName, UnreadableEvidence
from nsm_nb.formats.compressed import compression
from nsm_nb.formats.source import Source
from nsm_nb.schema import Caveat
from nsm_nb.text import many, printable

__all__ = ["BLOCK", "LONGEST", "Block", "Fingerprint", "Lines", "Noted", "Span", "as_utf8", "line_at", "whole_text"]

BLOCK = 1 << 25  # bytes read at a time; DuckDB's threads share one block
LONGEST = 1 << 24  # bytes of the longest line that is read; Suricata's largest (statistics) are below 100 KB
_NEWLINE = 10
_MOST_LINES = 1 << 20  # in one block, so that a file of nothing but line ends stays cheap
_STRIDE = 1 << 20  # scanned at a time, so that the comparison stays in the cache; also between two landmarks
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Span(NamedTuple):
    """A part of a file that has whole lines, or records: where it starts, the number of its first one, where it ends."""

    offset: int
    record: int
    end: int


class Block(NamedTuple):
    """Whole lines: line `i` is ``buffer[starts[i]:starts[i + 1]]``, its line end included."""

    buffer: np.ndarray  # uint8; used again for the next block
    starts: np.ndarray  # int32, one more than there are lines
    record: int  # number of the first line
    base: int  # where ``buffer[0]`` stands in the (decompressed) evidence
    torn: bool  # True where the last line has no line end

    def line(self, place: int) -> bytes:
        """Return the bytes of a line without its line end."""
        return self.buffer[self.starts[place] : self.starts[place + 1]].tobytes().rstrip(b"\r\n")


class Lines(Source):
    """The lines of a text file, plain or compressed, in blocks of whole lines.

    Parameters
    ----------
    path
        The evidence.
    block
        Bytes to read at a time.
    longest
        Bytes of the longest line; longer ones are passed over and told in `passed`.
    span
        The part of a plain file that is read; all of it where not given.

    Attributes
    ----------
    passed : list of (record, offset, bytes)
        The lines that were too long.
    count : int
        Lines seen so far, of any kind; those before `span` count.
    wide : str
        The encoding, where the file is in UTF-16.
    """

    def __init__(
        self, path: str | os.PathLike, *, block: int = BLOCK, longest: int = LONGEST, span: Span | None = None
    ):
        block = _room(path, block)
        super().__init__(path, block)
        self.longest = min(longest, block // 2)
        self.passed: list[tuple[int, int, int]] = []
        self.count = 0
        self._stop: int | None = None
        self.need(2)
        self.wide = _WIDE.get(bytes(self.held[:2]), "")
        if self.wide:
            held = bytes(self.held[2 : self.end])
            self._file = _Narrow(self._file, held, self.wide)  # type: ignore[assignment]
            self.end = 0
        if span is not None and not self.wide:
            self._stop = span.end
            self.begin(span.offset, span.record)

    def begin(self, offset: int, record: int) -> None:
        """Go to the start of a line of a plain file, of which the number is known."""
        self.base = self._file.seek(offset)
        self.start = self.end = 0
        self.count = record - 1

    def fill(self) -> bool:
        """Read on, as `Source.fill`, no further than the span's end."""
        if self._stop is not None and self.base + self.end >= self._stop:
            return False
        more = super().fill()
        if self._stop is not None:
            self.end = min(self.end, max(self._stop - self.base, self.start))
        return more

    def __enter__(self) -> Lines:
        """Return itself."""
        return self

    def __iter__(self) -> Iterator[Block]:
        """Return the blocks, one after the other. The buffer of a block is used again for the next one."""
        more = True
        while more:
            while more and (self.start or self.end < len(self.buffer)):
                more = self.fill()
            starts = _line_starts(self.buffer, self.start, self.end)
            if not more and starts[-1] < self.end:
                starts = np.append(starts, np.int32(self.end))
                torn = True
            else:
                torn = False
            lines = len(starts) - 1
            if lines:
                block = Block(self.buffer, starts, self.count + 1, self.base, torn)
                self.count += lines
                self.start = int(starts[-1])
                yield from self._pieces(block)
            if self.end - self.start > self.longest:
                more = self._pass_over()

    def _pieces(self, block: Block) -> Iterator[Block]:
        """Yield the block in pieces of not too many lines that leave out lines that are too long."""
        lines = len(block.starts) - 1
        long = set(np.flatnonzero(np.diff(block.starts) > self.longest).tolist())
        first = 0
        for place in sorted({*long, *range(_MOST_LINES, lines, _MOST_LINES), lines}):
            if place > first:
                torn = block.torn and place == lines
                yield Block(block.buffer, block.starts[first : place + 1], block.record + first, block.base, torn)
            first = place + 1 if place in long else place
        for place in sorted(long):
            size = int(block.starts[place + 1] - block.starts[place])
            self.passed.append((block.record + place, block.base + int(block.starts[place]), size))

    def _pass_over(self) -> bool:
        """Skip a line that does not fit the buffer; False where the file ends in it."""
        offset, size, more = self.at, 0, True
        while more:
            found = self.held.find(b"\n", self.start, self.end)
            if found >= 0:
                size += found + 1 - self.start
                self.start = found + 1
                break
            size += self.end - self.start
            self.start = self.end
            more = self.fill()
        self.count += 1
        self.passed.append((self.count, offset, size))
        return more


class _Narrow:
    r"""UTF-16 read as UTF-8; what is no character comes as ``\xNN``."""

    def __init__(self, file: BinaryIO, held: bytes, encoding: str):
        self._file, self._held = file, held
        self._decode = codecs.getincrementaldecoder(encoding)("backslashreplace").decode
        self._ready = b""
        self._over = False

    def readinto1(self, room: memoryview) -> int:
        """Put the next bytes into `room`; 0 at the end."""
        while not self._ready and not self._over:
            raw = self._held or self._file.read1(1 << 20)  # type: ignore[attr-defined]
            self._held = b""
            self._over = not raw
            self._ready = self._decode(raw, self._over).encode("utf-8", "backslashreplace")
        count = min(len(room), len(self._ready))
        room[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def as_utf8(head: bytes) -> bytes:
    """Return the first bytes of a file as `Lines` would read them: UTF-16 as UTF-8."""
    encoding = _WIDE.get(head[:2])
    return head if encoding is None else head[2:].decode(encoding, "replace").encode("utf-8", "replace")


def _room(path: str | os.PathLike, block: int) -> int:
    """Return how large a buffer to take: twice the file will do, so that a line of all of it still fits."""
    try:
        with Path(path).open("rb") as file:
            packed = bool(compression(file))
            size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError):
        return block  # Source says in words why it can't be opened
    return block if packed else min(block, 3 * size + 8)  # UTF-16 becomes up to half as long again


def _line_starts(buffer: np.ndarray, start: int, end: int) -> np.ndarray:
    """Return where the lines of ``buffer[start:end]`` start, and where the last whole one ends, as int32."""
    ends = [np.array([start], np.int32)]
    for at in range(start, end, _STRIDE):
        found = np.flatnonzero(buffer[at : min(at + _STRIDE, end)] == _NEWLINE)
        ends.append((found + (at + 1)).astype(np.int32))
    return np.concatenate(ends)


class Fingerprint:
    """The SHA-256 of a file as it is stored (not decompressed), computed while the file is read.

    Parameters
    ----------
    path
        The file.
    digest
        Its SHA-256, where it is known already; then nothing is computed.
    """

    def __init__(self, path: str | os.PathLike, digest: str | None = None):
        self._path, self._digest = Path(path), digest

    def __enter__(self) -> Fingerprint:
        """Start to compute it in a thread, and return itself."""
        if self._digest is None:
            self._pool = ThreadPoolExecutor(1)
            self._future = self._pool.submit(self._compute)
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the thread."""
        if self._digest is None:
            self._pool.shutdown()

    def _compute(self) -> str:
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def digits(self) -> str:
        """Return the 64 hexadecimal digits.

        Raises
        ------
        UnreadableEvidence
            Where the file can't be read to its end.
        """
        if self._digest is not None:
            return self._digest
        try:
            return self._future.result()
        except OSError as problem:
            raise UnreadableEvidence(
                f"{printable(self._path)} can't be read to its end: {printable(problem)}"
            ) from None


def line_at(path: str | os.PathLike, record: int, *, longest: int = LONGEST) -> bytes:
    """Return one line without its line end. The second look-up in a plain file reads a megabyte.

    Parameters
    ----------
    path
        The evidence.
    record
        The line's number, from 1.
    longest
        Bytes of the longest line.

    Raises
    ------
    UnknownName
        Where the file has no such line, or it is too long to be read.
    """
    name = printable(Path(path).name)
    with Lines(path, block=2 * longest, longest=longest) as lines:
        if not lines.packed and not lines.wide:
            state = Path(path).stat()
            records, offsets = _landmarks(os.fspath(path), state.st_size, state.st_mtime_ns)
            place = max(int(np.searchsorted(records, record, "right")) - 1, 0)
            lines.begin(int(offsets[place]), int(records[place]))
        for block in lines:
            if block.record <= record < block.record + len(block.starts) - 1:
                return block.line(record - block.record)
            if block.record > record:
                break
        if record in (passed for passed, _, _ in lines.passed):
            raise UnknownName(
                f"line {record:,} of {name} is longer than {longest:,} bytes; look at it with another tool"
            )
        raise UnknownName(f"{name} has no line {record:,}; it has {lines.count:,}")


@functools.lru_cache(maxsize=16)
def _landmarks(path: str, size: int, changed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of lines and the bytes where they start, about one for each megabyte of the file."""
    records, offsets = [1], [0]
    with Lines(path) as lines:
        for block in lines:
            near = np.unique(np.searchsorted(block.starts[:-1], np.arange(block.starts[0], block.starts[-1], _STRIDE)))
            near = near[near < len(block.starts) - 1]
            records.extend((block.record + near).tolist())
            offsets.extend((block.base + block.starts[near].astype(np.int64)).tolist())
    return np.array(records), np.array(offsets)


class Noted:
    """What was noticed about lines, for caveats: the first few one by one, all of them counted.

    Parameters
    ----------
    label
        The evidence, as caveats name it.
    kind
        Short name of the caveats.
    most
        How many are told one by one.
    place
        What is counted: line or record.
    """

    def __init__(self, label: str, kind: str, *, most: int = 20, place: str = "line"):
        self.label, self.kind, self.most, self.place = label, kind, most, place
        self.count = 0
        self._first: list[Caveat] = []
        self._next: tuple[int, int] | None = None

    def add(self, record: int, offset: int, sentence: str) -> None:
        """Note a line: its number, its first byte, and what is the matter, said without its place."""
        self.count += 1
        if len(self._first) < self.most:
            detail = f"{printable(self.label)}: {self.place} {record:,} (byte {offset:,}) {sentence}"
            self._first.append(Caveat(self.label, record, offset, self.kind, detail))
        elif self._next is None:
            self._next = (record, offset)

    def add_unseen(self, count: int, record: int, offset: int) -> None:
        """Note further lines that were not looked at one by one, by their count and the first of them."""
        self.count += count
        self._next = self._next or (record, offset)

    def caveats(self) -> list[Caveat]:
        """Return one caveat for each of the first lines, and one that counts the others."""
        if self._next is None:
            return list(self._first)
        record, offset = self._next
        detail = (
            f"{printable(self.label)}: and {many(self.count - len(self._first), f'more {self.place}')} like those before, "
            f"the next is {self.place} {record:,} (byte {offset:,}); {self.count:,} in all"
        )
        return [*self._first, Caveat(self.label, record, offset, self.kind, detail)]


def whole_text(line: bytes) -> str:
    r"""Return bytes as text: UTF-8, and ``\xNN`` for each byte that is not."""
    return line.decode("utf-8", "backslashreplace")
