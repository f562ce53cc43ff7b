"""Many frames at once: where each goes in memory, and the numbers that stand in them."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["lay_out", "load"]


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


@njit(cache=True, nogil=True)
def lay_out(offset, captured, rows, order, first, most, held, gap):
    """Lay frames out in memory in the order in which they stand in a file, leaving out what lies between them.

    Parameters
    ----------
    offset : int64 array
        Where the frame of each row of a table stands in the file.
    captured : uint32 array
        How many bytes it has.
    rows, order : int64 arrays
        The frames are those of the rows ``rows[order[first:]]``, as many of them as fit.
    first
        Place in `order` of the first one.
    most
        How many frames at most.
    held
        Bytes at most, but for the last frame.
    gap
        So many bytes that nobody asked for are taken along rather than starting a new piece.

    Returns
    -------
    start, size : int64 arrays
        Of each frame in memory, and its bytes.
    pieces : int64 array (pieces, 3)
        Where each piece stands in the file, how many bytes it has, and where it goes.
    backwards
        True where the next frame does not fit because it stands before the last one.
    """
    count = min(len(order) - first, most)
    start, size = np.empty(count, np.int64), np.empty(count, np.int64)
    pieces = np.empty((count, 3), np.int64)
    done, number, last, reach, ahead, backwards = 0, 0, np.int64(0), np.int64(0), np.int64(0), False
    while done < count:
        row = np.uintp(rows[np.uintp(order[np.uintp(first + done)])])
        begin, length = offset[row], np.int64(captured[row])
        if done and begin < last:
            backwards = True
            break
        # `ahead` is how far a frame's place in the file lies before that in memory; frames may overlap after damage
        wide = done > 0 and begin - reach > gap
        place = begin - ahead if done and not wide else reach - ahead
        if done and place >= held:
            break
        if wide or not done:
            pieces[number, 0], pieces[number, 1], pieces[number, 2] = begin, 0, place
            number += 1
            ahead = begin - place
        start[done], size[done] = place, length
        last, reach = begin, begin + length if wide or not done else max(reach, begin + length)
        pieces[number - 1, 1] = reach - pieces[number - 1, 0]
        done += 1
    return start[:done], size[:done], pieces[:number], backwards
