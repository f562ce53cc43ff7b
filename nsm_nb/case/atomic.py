"""Files that are whole or not there: written under a temporary name, synced, moved into place; by one after the other."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsm_nb.text import printable

__all__ = ["alone", "sync", "write_bytes"]

log = logging.getLogger(__name__)

_STEP = 0.01  # seconds between two tries


@contextmanager
def alone(folder: Path, *, patience: float = 2.0) -> Iterator[bool]:
    """Wait until nobody else works on a folder's files by this function; yield whether that is so.

    Whoever reads a file in it, changes what it says and writes it again loses nothing that another one wrote meanwhile. Where
    a folder can't be locked, or somebody keeps it for longer than that, the work is done all the same.

    Parameters
    ----------
    folder
        Nothing is written to it.
    patience
        Seconds.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # what is to be written there will say so
        yield False
        return
    try:
        yield _locked(handle, folder, time.monotonic() + patience)
    finally:
        os.close(handle)  # which lets go of it


def _locked(handle: int, folder: Path, until: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                log.warning("%s is in use for long; it is written to without waiting for that", printable(folder))
                return False
            time.sleep(_STEP)
        except OSError as problem:  # some network file systems have no locks
            log.debug("%s can't be locked: %s", folder, problem)
            return False
        else:
            return True


def sync(path: Path) -> None:
    """Make sure that a file or a directory has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems can't sync a directory
        if not path.is_dir():
            raise
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write a file whole: whoever reads it sees the old bytes or the new ones, never a part.

    Parameters
    ----------
    synced
        Whether it has reached the disk on return. Waiting for a disk may take a tenth of a second: what changes at each
        movement of a mouse, and would be missed by nobody after a power loss, does not wait.

    Raises
    ------
    OSError
        Where it can't be written; the old file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
