"""Any span of the bytes of evidence, quickly: read in place where it is plain, from a copy unpacked once where it is compressed.

The copy is a file without a name in the temporary folder (TMPDIR), made as far as it is asked for; it goes with the process.
Where there is no room for it, each reading unpacks from the start.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

from nsm_nb.formats.compressed import Unpacked
from nsm_nb.formats.source import open_evidence, unpacking_limit

__all__ = ["Spans"]

log = logging.getLogger(__name__)

_COPIES = 4  # unpacked copies kept at a time
_SPARE = 1 << 28  # bytes that are left free in the temporary folder
_PIECE = 1 << 20


class _Copy:
    """What a compressed file unpacks to, in a file without a name, as far as it was asked for."""

    def __init__(self, path: Path, file: Unpacked):
        self._source: Unpacked | None = file
        self._left = unpacking_limit(path)
        self._filled = 0
        self._lock = threading.Lock()
        self._file: BinaryIO = tempfile.TemporaryFile(prefix="nsm-nb-")  # noqa: SIM115 - kept open, and gone when it is closed

    def read(self, offset: int, size: int) -> bytes:
        """Return a span, a shorter one where the file ends or is damaged."""
        with self._lock:
            while self._source is not None and self._filled < offset + size and self._left > 0:
                try:
                    data = self._source.read1(_PIECE)
                except (EOFError, OSError):
                    data = b""
                if not data:
                    self._source.close()
                    self._source = None
                    break
                self._file.write(data)
                self._filled += len(data)
                self._left -= len(data)
            self._file.flush()
        return os.pread(self._file.fileno(), size, offset)

    def room(self, offset: int) -> bool:
        """Return True where the copy can be made to reach to `offset`."""
        more = offset - self._filled
        return more <= 0 or shutil.disk_usage(tempfile.gettempdir()).free > more + _SPARE

    def close(self) -> None:
        """Give the room back."""
        with self._lock:
            if self._source is not None:
                self._source.close()
            self._file.close()


def _close_all() -> None:
    while _copies:
        _copies.popitem()[1].close()


atexit.register(_close_all)
_copies: OrderedDict[tuple[str, int, int], _Copy] = OrderedDict()
_lock = threading.Lock()


class Spans:
    """The bytes of one evidence, to be read span by span in any order.

    Parameters
    ----------
    path
        The evidence.

    Raises
    ------
    UnreadableEvidence
        Where it is missing, a folder, empty or locked.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = Path(path)
        self._file: BinaryIO | None = open_evidence(path)
        self._plain = not isinstance(self._file, Unpacked)

    def __enter__(self) -> Spans:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what was unpacked stays at hand."""
        if self._file is not None:
            self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `size` where the evidence ends or is damaged before."""
        if self._plain:
            return os.pread(self._file.fileno(), size, offset)  # type: ignore[union-attr]
        with _lock:
            copy = self._copy()
            if copy.room(offset + size):
                return copy.read(offset, size)
        log.debug("no room to unpack %s: it is read from its start", self._path)
        try:
            if self._file is None:
                self._file = open_evidence(self._path)
            self._file.seek(offset)
            return self._file.read(size)
        except (EOFError, OSError):
            return b""

    def fill(self, offset: int, into: memoryview) -> int:
        """Write the bytes from `offset` on into a buffer; return how many there are, fewer than it has room for at the end."""
        if not self._plain:
            data = self.read(offset, len(into))
            into[: len(data)] = data
            return len(data)
        done = 0
        while done < len(into):
            got = os.preadv(self._file.fileno(), [into[done:]], offset + done)  # type: ignore[union-attr]
            if not got:
                break
            done += got
        return done

    def _copy(self) -> _Copy:
        state = self._path.stat()
        key = (os.path.realpath(self._path), state.st_size, state.st_mtime_ns)
        if key in _copies:
            _copies.move_to_end(key)
        else:
            if self._file is None:
                self._file = open_evidence(self._path)
            _copies[key] = _Copy(self._path, self._file)  # type: ignore[arg-type]
            self._file = None  # the copy's from now on
            while len(_copies) > _COPIES:
                _copies.popitem(last=False)[1].close()
        return _copies[key]
