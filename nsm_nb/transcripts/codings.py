"""Content codings taken off, within bounds: gzip with all its members, deflate, Brotli and Zstandard.

Source: RFC 9110 8.4 (content codings), RFC 1952 2.2 (members) and RFC 1950; RFC 7932 (Brotli); RFC 8878 and RFC 9659
(Zstandard, and how large its window may be in HTTP).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import NamedTuple

from nsm_nb.text import many, printable

__all__ = ["CODINGS", "Allowance", "Uncoded", "uncoded", "unpacked"]

_MOST_BODY = 16 << 20  # bytes that a coding may unpack to, and
_MOST_RATIO = 100  # how many times its size (hostile.md T12)
_MOST_IN_ALL = 64 << 20  # of all bodies of a conversation: many small bombs are one large one
_MOST_DEPTH = 2
_MOST_MEMBERS = 10_000
_STEP = 65_536  # bytes given to a library at once: what stands behind a member is copied
_WINDOW_LOG = 23  # RFC 9659 3: 8 MiB
_GZIP_OR_ZLIB, _GZIP, _RAW = 47, 31, -15  # raw deflate is what some servers mean by deflate


class Allowance:
    """How many bytes the bodies of a conversation may still unpack to."""

    def __init__(self, left: int = _MOST_IN_ALL):
        self.left = left


class Uncoded(NamedTuple):
    """A body without its codings, what was done in words, and whether that was all there was to do."""

    data: bytes
    notes: list[str]
    whole: bool


def uncoded(data: bytes, codings: str, allowance: Allowance | None = None) -> Uncoded:
    """Take the codings off a body that its header names, the last one first.

    Parameters
    ----------
    data
        The body.
    codings
        The header's value: ``gzip``, ``gzip, br`` in the order in which they were applied.
    allowance
        What may still be unpacked of the conversation; what was unpacked is taken from it.
    """
    names = [each.strip().lower() for each in codings.split(",") if each.strip()]
    names = [each for each in names if each != "identity"]
    allowance = allowance or Allowance()
    notes: list[str] = []
    whole = True
    for place, name in enumerate(reversed(names)):
        unpack = CODINGS.get(name)
        if unpack is None or place >= _MOST_DEPTH:
            why = (
                "left as it is"
                if unpack is None
                else f"left as it is: {len(names)} codings, {_MOST_DEPTH} are taken off"
            )
            return Uncoded(data, [*notes, f"{printable(name[:64])} {why}"], False)
        if not data:
            break
        if allowance.left <= 0:
            notes.append(
                f"{name} left as it is: what was unpacked of this conversation is {_MOST_IN_ALL:,} bytes already"
            )
            return Uncoded(data, notes, False)
        data, said, ended = unpack(data, min(_MOST_BODY, max(_MOST_RATIO * len(data), _STEP), allowance.left))
        allowance.left -= len(data)
        notes.append(f"{name} {said}")
        whole = whole and ended
    return Uncoded(data, notes, whole)


def unpacked(data: bytes) -> tuple[bytes, str]:
    """Return gzip or deflate unpacked as far as is safe and possible, and words that say how far."""
    body, said, _ = _zlib(data, min(_MOST_BODY, max(_MOST_RATIO * len(data), _STEP)))
    return body, said


_Unpacked = tuple[bytes, str, bool]


def _said(size: int, limit: int, ended: bool, members: int, behind: int) -> str:
    said = "unpacked" if members == 1 else f"unpacked, {members:,} members"
    if not ended and size >= limit:
        return f"unpacked to {limit:,} bytes and stopped there: it goes on"
    if not ended:
        return said + " as far as it goes: it ends early"
    return said + (f"; {many(behind, 'byte stands', 'bytes stand')} behind it" if behind else "")


def _zlib(data: bytes, limit: int) -> _Unpacked:
    for width in (_GZIP_OR_ZLIB, _RAW):
        try:
            body, used, ended = _member(data, 0, limit, width)
        except zlib.error:
            continue
        break
    else:
        return data, "could not be unpacked", False
    parts, size, members = [body], len(body), 1
    while ended and data[used : used + 2] == b"\x1f\x8b" and members < _MOST_MEMBERS and size < limit:
        try:
            body, used, ended = _member(data, used, limit - size, _GZIP)
        except zlib.error:
            break
        parts.append(body)
        size += len(body)
        members += 1
    behind = len(data) - used if ended and data[used:].strip(b"\0") else 0
    return b"".join(parts), _said(size, limit, ended, members, behind), ended


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


def _brotli(data: bytes, limit: int) -> _Unpacked:
    import brotli

    unpacker = brotli.Decompressor()
    parts: list[bytes] = []
    size = at = 0
    try:
        while size < limit and not unpacker.is_finished():
            step = b""
            if unpacker.can_accept_more_data():
                step = data[at : at + _STEP]
                if not step:
                    break
                at += len(step)
            part = unpacker.process(step, output_buffer_limit=min(limit - size, _STEP))
            parts.append(part)
            size += len(part)
    except brotli.error:
        if not size:
            return data, "could not be unpacked", False
    ended = unpacker.is_finished()
    body = b"".join(parts)[:limit]
    return body, _said(size, limit, ended, 1, 0), ended


def _zstandard(data: bytes, limit: int) -> _Unpacked:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    parts: list[bytes] = []
    size = at = frames = 0
    ended = False
    try:
        while at < len(data) and size < limit and frames < _MOST_MEMBERS:
            unpacker = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
            ended = False
            while not unpacker.eof and size < limit:
                step = b""
                if unpacker.needs_input:
                    step = data[at : at + _STEP]
                    if not step:
                        break
                    at += len(step)
                part = unpacker.decompress(step, min(limit - size, _STEP))
                parts.append(part)
                size += len(part)
            ended = unpacker.eof
            frames += 1
            if not ended:
                break
            at -= len(unpacker.unused_data)
    except zstd.ZstdError:
        if not size:
            return data, "could not be unpacked", False
    return b"".join(parts), _said(size, limit, ended, max(frames, 1), 0), ended


CODINGS: dict[str, Callable[[bytes, int], _Unpacked]] = {
    "gzip": _zlib, "x-gzip": _zlib, "deflate": _zlib, "br": _brotli, "zstd": _zstandard,
}  # fmt: skip
