"""Files that are whole or not there: written under a temporary name, synced, moved into place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["sync", "write_bytes"]


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


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole: whoever reads it sees the old bytes or the new ones, never a part.

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
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
