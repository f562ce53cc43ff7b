"""A folder of captures that a collector fills: a file each interval, moved into place when it is done, the oldest removed.

Source: flow-capture(1) of flow-tools, whose ways these are: aligned intervals, `tmp-` while a file is open, times and the
zone in the names, expiry by count and by size. Names are in UTC.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from nsm_nb.errors import NsmError
from nsm_nb.sessions.wrapping import LINK_RAW
from nsm_nb.text import printable

__all__ = ["HEADER", "OPEN", "Folder"]

OPEN = "tmp-"
HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_575, LINK_RAW)  # pcap with nanoseconds
_NAME = re.compile(r"netflow\.(\d{4}-\d\d-\d\d\.\d{6}\+0000)(?:_(\d{4}))?\.pcap")  # names in order of time
_PARTS = 8  # where the size is bounded, a file holds at most this part of it, so that the oldest can go
_SECOND = 1_000_000_000
Tell = Callable[[str], object]


class Folder:
    """The files of a collector in one folder, which no other collector may use meanwhile.

    Parameters
    ----------
    path
        The folder; made if it is not there.
    every
        Seconds after which the next file begins: at 00:00 UTC and at each multiple.
    keep, size
        How many finished files, and how many bytes in all, are kept; None: all.
    tell
        Takes a sentence about a file that was finished, removed or found.
    """

    def __init__(
        self, path: Path, *, every: int = 900, keep: int | None = None, size: int | None = None, tell: Tell = str
    ):
        self.path, self._every, self._keep, self._size, self._tell = path, every * _SECOND, keep, size, tell
        self._file: int | None = None
        self._name, self._begun, self._opened, self._written = "", 0, 0.0, 0
        self._started = time.time_ns()
        self.finished = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as problem:
            raise NsmError(f"{printable(path)}: {printable(problem.strerror)}; choose another folder") from problem
        if not os.access(path, os.W_OK | os.X_OK):
            os.close(self._lock)
            raise NsmError(f"{printable(path)} can't be written to; choose another folder")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BlockingIOError:
            os.close(self._lock)
            raise NsmError(f"another collector fills {printable(path)}; choose another folder") from None
        except BaseException:  # also where somebody stops it: nobody else would let go of the folder
            os.close(self._lock)
            raise
        self._expire()

    def write(self, records: bytes, at: int) -> None:
        """Append whole records that came at a time, in nanoseconds since 1970, and later; to the next file where it is due.

        Raises
        ------
        OSError
            Where they can't be written; none of them is in the file then.
        """
        self.turn(at, len(records))
        if self._file is None:
            self._begin(at)
        assert self._file is not None
        view = memoryview(records)
        done = 0
        try:
            while done < len(view):
                done += os.write(self._file, view[done:])
        except OSError:
            os.ftruncate(self._file, self._written)
            os.lseek(self._file, self._written, os.SEEK_SET)
            raise
        self._written += done

    def turn(self, now: int, more: int = 0) -> None:
        """Finish the file where its interval is over, where the clock was set, or where it grew too large."""
        if self._file is None:
            return
        over = not self._begun - self._every <= now < self._begun // self._every * self._every + self._every
        # the clock may have been set back: no file stays open for longer than an interval
        over |= time.monotonic() - self._opened > self._every / _SECOND
        over |= self._size is not None and self._written + more > max(self._size // _PARTS, len(HEADER) + more)
        if over:
            self.finish()

    def finish(self) -> None:
        """Move the open file into place, where there is one, and remove the oldest beyond what is kept."""
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        self._place(self._name)
        self.finished += 1
        self._expire()

    def close(self) -> None:
        """Finish, and let others use the folder."""
        try:
            self.finish()
        finally:
            os.close(self._lock)

    def _begin(self, at: int) -> None:
        """Open a file; it is named after when its interval began, or the collector, where that was later."""
        self._begun = max(at // self._every * self._every, min(self._started, at))
        stem = "netflow." + datetime.fromtimestamp(self._begun // _SECOND, UTC).strftime("%Y-%m-%d.%H%M%S+0000")
        for number in range(10_000):
            name = f"{stem}_{number:04}.pcap" if number else f"{stem}.pcap"
            if (self.path / name).exists():
                continue
            with contextlib.suppress(FileExistsError):
                # what exporters tell of a network is for its owner's eyes
                self._file = os.open(self.path / (OPEN + name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
        else:
            raise OSError(errno.EEXIST, "ten thousand files of one second")
        self._name, self._opened, self._written = name, time.monotonic(), 0
        try:
            os.write(self._file, HEADER)
        except OSError:
            os.close(self._file)
            self._file = None
            (self.path / (OPEN + name)).unlink(missing_ok=True)
            raise
        self._written = len(HEADER)

    def _place(self, name: str) -> None:
        """Give an open file its own name, or the next that is free: nothing is written over."""
        found = _NAME.fullmatch(name)
        assert found is not None
        open_name, number = self.path / (OPEN + name), int(found[2] or 0)
        while True:
            target = self.path / (f"netflow.{found[1]}_{number:04}.pcap" if number else f"netflow.{found[1]}.pcap")
            try:
                os.link(open_name, target, follow_symlinks=False)
            except FileExistsError:
                number += 1
                continue
            except OSError:  # a file system without links: nobody else writes such names here
                if target.exists():
                    number += 1
                    continue
                open_name.rename(target)
            else:
                open_name.unlink()
            break
        self._tell(f"{printable(target)} is done: {target.stat().st_size:,} bytes")

    def _recover(self) -> None:
        """Move what a killed collector left into place, as it is: a reader tells where it is cut."""
        for each in sorted(self.path.glob(f"{OPEN}netflow.*")):
            if _NAME.fullmatch(each.name.removeprefix(OPEN)) and not each.is_symlink() and each.is_file():
                self._tell(f"{printable(each)} was left by a collector that was killed")
                self._place(each.name.removeprefix(OPEN))

    def _expire(self) -> None:
        """Remove the oldest files of ours beyond the count and the size that are kept."""
        found = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                match = _NAME.fullmatch(entry.name)
                if match and entry.is_file(follow_symlinks=False):
                    size = entry.stat(follow_symlinks=False).st_size
                    found.append((match[1], int(match[2] or 0), entry.name, size))
        found.sort()
        total = sum(each[-1] for each in found)
        most = None if self._size is None else self._size - self._size // _PARTS  # the rest is for the open file
        count = len(found)
        for _, _, name, size in found:
            if (self._keep is None or count <= self._keep) and (most is None or total <= most):
                break
            (self.path / name).unlink(missing_ok=True)
            self._tell(f"{printable(self.path / name)} is removed: {size:,} bytes, the oldest")
            count -= 1
            total -= size
