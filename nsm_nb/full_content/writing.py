"""Captures in parts, as they are written: pcap and pcapng, both with nanoseconds.

Source: draft-ietf-opsawg-pcap 4; draft-ietf-opsawg-pcapng 3.5, 4.1 to 4.3.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nsm_nb.full_content.interfaces import Interface

__all__ = ["Frame", "pcap_parts", "pcapng_parts", "write_whole"]

Frame = tuple[int | None, int, bytes, int]
"""Nanoseconds since 1970 (None: no time), bytes on the wire, the bytes captured, the interface's place in their list."""

_SNAPLEN = 262_144
_AT_ONCE = 32 << 20  # bytes that the system is asked to write while the next are made
_MOST = 60_000  # bytes of an option; its length has 16 bits
_COMMENT, _APPLICATION, _NAME, _DESCRIPTION, _RESOLUTION = 1, 4, 2, 3, 9


def pcap_parts(frames: Iterable[tuple[int | None, int, bytes] | Frame], link: int) -> Iterator[bytes]:
    """Return a pcap with nanosecond times in parts: its header, then a record for each frame; no time is 0.

    Parameters
    ----------
    frames
        What to write: nanoseconds since 1970, bytes on the wire, the bytes captured; an interface is not.
    link
        LINKTYPE_ number.
    """
    yield struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, _SNAPLEN, link)
    for time, length, frame, *_ in frames:
        seconds, rest = divmod(max(time or 0, 0), 1_000_000_000)
        yield struct.pack("<IIII", seconds & 0xFFFFFFFF, rest, len(frame), length) + frame


def pcapng_parts(
    frames: Iterable[Frame], interfaces: Sequence[tuple[Interface, str]], *, comment: str, application: str
) -> Iterator[bytes]:
    """Return a pcapng in parts: a section with a comment, its interfaces, a block for each frame.

    A frame without a time is written with 0 and a comment that says so.

    Parameters
    ----------
    frames
        What to write.
    interfaces
        The interfaces that frames name, each with words about it.
    comment
        About the whole.
    application
        Who writes it.
    """
    options = _option(_COMMENT, comment) + _option(_APPLICATION, application)
    yield _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options + _option(0, ""))
    for interface, words in interfaces:
        options = (_option(_NAME, interface.name) if interface.name else b"") + _option(_DESCRIPTION, words)
        options += struct.pack("<HHBxxx", _RESOLUTION, 1, 9) + _option(0, "")
        yield _block(1, struct.pack("<HHI", interface.link, 0, _SNAPLEN) + options)
    none = _option(_COMMENT, "the evidence has no time for this frame") + _option(0, "")
    for time, length, frame, which in frames:
        stamp = time or 0
        head = struct.pack("<IIIII", which, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), length)
        yield _block(6, head + frame + b"\0" * (-len(frame) % 4) + (none if time is None else b""))


def _option(code: int, text: str) -> bytes:
    data = text.encode("utf-8", "backslashreplace")[:_MOST].decode("utf-8", "ignore").encode()
    return struct.pack("<HH", code, len(data)) + data + b"\0" * (-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _begin(handle: int, start: int, size: int) -> None:
    """Have the system write a range to the disk now, while more is made: it would begin with it at the end alone."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # a hint; not every file system takes it
            os.posix_fadvise(handle, start, size, os.POSIX_FADV_DONTNEED)


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all, for its owner's eyes: full content has passwords in it.

    What is there and no file, a pipe or a device, is written to and not replaced.

    Raises
    ------
    OSError
        Where it can't be written; the old file is as it was.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as pipe:
            pipe.writelines(parts)
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", delete=False) as file:
        try:
            begun = written = 0
            for part in parts:
                written += file.write(part)
                if written - begun >= _AT_ONCE:
                    _begin(file.fileno(), begun, written - begun)
                    begun = written
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:  # also where somebody stops it: nothing half-made stays
            Path(file.name).unlink(missing_ok=True)
            raise
