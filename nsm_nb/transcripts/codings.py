"""Content codings taken off, within bounds: gzip with all its members, and deflate.

Source: RFC 9110 8.4 (content codings), RFC 1952 2.2 (members) and RFC 1950.
"""

from __future__ import annotations

import zlib

__all__ = ["unpacked"]

_MOST_BODY = 16 << 20  # bytes that a coding may unpack to, and
_MOST_RATIO = 100  # how many times its size (hostile.md T12)
_MOST_MEMBERS = 10_000
_STEP = 65_536  # bytes given to zlib at once: what stands behind a member is copied
_GZIP_OR_ZLIB, _GZIP, _RAW = 47, 31, -15  # raw deflate is what some servers mean by deflate


def unpacked(data: bytes) -> tuple[bytes, str]:
    """Return the bytes unpacked as far as is safe and possible, and words that say how far."""
    limit = min(_MOST_BODY, max(_MOST_RATIO * len(data), 65_536))
    for width in (_GZIP_OR_ZLIB, _RAW):
        try:
            body, used, ended = _member(data, 0, limit, width)
        except zlib.error:
            continue
        break
    else:
        return data, "could not be unpacked"
    parts, size, members = [body], len(body), 1
    while ended and data[used : used + 2] == b"\x1f\x8b" and members < _MOST_MEMBERS and size < limit:
        try:
            body, used, ended = _member(data, used, limit - size, _GZIP)
        except zlib.error:
            break
        parts.append(body)
        size += len(body)
        members += 1
    said = "unpacked" if members == 1 else f"unpacked, {members:,} members"
    if not ended and size >= limit:
        said = f"unpacked to {limit:,} bytes and stopped there: it goes on"
    elif not ended:
        said += " as far as it goes: it ends early"
    elif data[used:].strip(b"\0"):
        said += f"; {len(data) - used:,} bytes stand behind it"
    return b"".join(parts), said


def _member(data: bytes, at: int, limit: int, width: int) -> tuple[bytes, int, bool]:
    """Return one member unpacked, where the next one starts, and whether it was whole."""
    unpacker = zlib.decompressobj(width)
    parts: list[bytes] = []
    while at < len(data) and not unpacker.eof:
        step = data[at : at + _STEP]
        try:
            part = unpacker.decompress(step, limit)
        except zlib.error:
            if not parts:
                raise
            break  # damaged further on: what was before it stays
        parts.append(part)
        limit -= len(part)
        at += len(step) - len(unpacker.unused_data)
        if unpacker.unconsumed_tail or limit <= 0:
            break
    return b"".join(parts), at, unpacker.eof
