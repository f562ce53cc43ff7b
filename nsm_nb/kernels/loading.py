"""Numbers loaded from many frames at once."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["load"]


@njit(cache=True, nogil=True)
def load(buffer, start, at, captured, width):
    """Return the big-endian numbers of `width` bytes (1 to 4) at an offset of each frame, and where they are within it.

    Parameters
    ----------
    buffer : uint8 array
    start : int64 array
        Where each frame starts in `buffer`.
    at : int64 array
        The offset in each frame, or one for all of them.
    captured : int64 array
        How many bytes each frame has.
    width

    Returns
    -------
    value : uint32 array
        0 where the number is not within the frame.
    there : bool array
    lost
        How many are not there.
    """
    count = len(start)
    value, there = np.empty(count, np.uint32), np.empty(count, np.bool_)
    step, lost = 1 if len(at) == count else 0, 0
    for row in range(count):
        r = np.uintp(row)
        offset = at[np.uintp(row * step)]
        # an offset is one of 32 bits and some more, hence nothing here leaves 64 bits
        first = start[r] + offset
        whole = offset >= 0 and offset + width <= captured[r] and first >= 0 and first + width <= len(buffer)
        number = np.uint32(0)
        if whole:
            for place in range(width):
                number = np.uint32(number << np.uint32(8)) | np.uint32(buffer[np.uintp(first + place)])
        value[r], there[r] = number, whole
        lost += not whole
    return value, there, lost
