"""LZO1X, unpacked within bounds: what was unpacked before damage is kept.

Source: Linux, Documentation/staging/lzo.rst ("LZO stream format as understood by Linux' LZO decompressor").
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["CUT", "DONE", "FALSE", "FULL", "unpack_lzo"]

DONE, CUT, FULL, FALSE = 0, 1, 2, 3  # ended as it should; the bytes end early; no room; a distance that can't be true
_END = 16_384  # the distance that ends a stream


@njit(cache=True, nogil=True)
def _length(data, at, least):
    """Return a length that does not fit its instruction: 255 for each zero byte, then another byte; -1 where they end."""
    length = np.int64(least)
    while at < len(data):
        value = data[at]
        at += 1
        if value:
            return length + np.int64(value), at
        length += 255
    return np.int64(-1), at


@njit(cache=True, nogil=True)
def unpack_lzo(data, out):
    """Unpack `data` into `out`; return how many bytes there are, and why it ended.

    Parameters
    ----------
    data, out : uint8 arrays
    """
    at, done, end = 0, 0, len(data)
    state = 0  # how many literals came with the last instruction, 4 for a long run
    literals = np.int64(0)
    if end and data[0] > 17:
        literals = np.int64(data[0]) - 17
        state = min(literals, 4)
        at = 1
    while True:
        if literals:
            count = min(literals, end - at, len(out) - done)
            for _ in range(count):
                out[done] = data[at]
                done += 1
                at += 1
            if count < literals:
                return done, (CUT if at >= end else FULL)
            literals = np.int64(0)
        if at >= end:
            return done, CUT
        code = np.int64(data[at])
        at += 1
        if code < 16 and state == 0:
            length = code + 3
            if code == 0:
                length, at = _length(data, at, 18)
                if length < 0:
                    return done, CUT
            literals, state = length, 4
            continue
        if code < 16:
            if at >= end:
                return done, CUT
            distance = (np.int64(data[at]) << 2) + (code >> 2) + 1
            at += 1
            length = np.int64(2)
            if state == 4:
                distance += 2048
                length = np.int64(3)
            state = code & 3
        elif code < 64:
            short = 7 if code < 32 else 31
            length = (code & short) + 2
            if length == 2:
                length, at = _length(data, at, short + 2)
            if length < 0 or at + 2 > end:
                return done, CUT
            pair = np.int64(data[at]) | (np.int64(data[at + 1]) << 8)
            at += 2
            state = pair & 3
            if code < 32:
                distance = _END + ((code & 8) << 11) + (pair >> 2)
                if distance == _END:
                    return done, DONE
            else:
                distance = (pair >> 2) + 1
        else:
            if at >= end:
                return done, CUT
            distance = (np.int64(data[at]) << 3) + ((code >> 2) & 7) + 1
            at += 1
            length = 3 + ((code >> 5) & 1) if code < 128 else 5 + ((code >> 5) & 3)
            state = code & 3
        if distance > done:
            return done, FALSE
        count = min(length, len(out) - done)
        for _ in range(count):
            out[done] = out[done - distance]
            done += 1
        if count < length:
            return done, FULL
        literals = np.int64(state)
