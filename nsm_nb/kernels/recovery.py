"""Searching behind damage for the next place where records follow one another again.

Nothing marks the start of a record of pcap or snoop, so a place counts where several headers in a row can all be true;
blocks of pcapng carry their length at both ends.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nsm_nb.kernels.numbers import be32, le32
from nsm_nb.kernels.records import LARGEST_FRAME

__all__ = ["FOUND", "NONE", "REACH", "WAIT", "find_block", "find_record", "find_swallowed"]

FOUND, WAIT, NONE = 0, 1, 2  # here it is; look again from here when there are more bytes; it is nowhere in them

_NEAR, _ALONE = 2, 6  # headers in a row that are believed: near the time of what came before, and without that
REACH = _ALONE * (LARGEST_FRAME + 24)  # bytes that have to be at hand to believe in a record
_DAY = 86_400
_SECTION = 0x0A0D0D0A


@njit(inline="always")
def _header(b, at, big, tick, head, swapped, most):
    """Return size, seconds and bytes of the record at `at`; a size of -1 where its header can't be true."""
    if head == 0:  # snoop
        wire, size, step = be32(b, at), be32(b, at + 4), be32(b, at + 8)
        seconds, part, second = be32(b, at + 16), be32(b, at + 20), 1_000_000
        if step < 24 + size or step > 24 + size + 7:
            size = -1
    else:
        seconds = be32(b, at) if big else le32(b, at)
        part = be32(b, at + 4) if big else le32(b, at + 4)
        size = be32(b, at + 8) if big else le32(b, at + 8)
        wire = be32(b, at + 12) if big else le32(b, at + 12)
        if swapped and (swapped == 1 or size > wire):
            size, wire = wire, size
        step, second = head + size, 1_000_000_000 // tick
    if size <= 0 or size > most or wire < size or wire > LARGEST_FRAME or part >= second:
        return np.int64(-1), np.int64(0), np.int64(0)
    return size, seconds, step


@njit(cache=True, nogil=True)
def _follow(buffer, at, end, last, big, tick, head, swapped, most, near):
    """Return whether records follow one another from `at` on: `FOUND`, `WAIT` or `NONE`."""
    least = 24 if head == 0 else head
    close, before, count = near >= 0, near, 0
    while count < (_NEAR if close else _ALONE):
        if end - at < least:
            if not last:
                return WAIT
            # the file ends here, behind a whole record or inside a header
            return FOUND if count >= 2 or (count == 1 and close) else NONE
        size, seconds, step = _header(buffer, at, big, tick, head, swapped, most)
        if size < 0:
            return NONE
        if before >= 0 and abs(seconds - before) > _DAY:
            if count:
                return NONE
            close = False  # another time than before the damage: more records have to bear it out
        before = seconds
        if step > end - at:
            if not last:
                return WAIT
            return FOUND if count >= 2 or (count == 1 and close) else NONE
        count += 1
        at += step
    return FOUND


@njit(cache=True, nogil=True)
def find_record(buffer, start, end, last, big, tick, head, swapped, most, near):
    """Return where records follow one another again, and whether that is so.

    Parameters
    ----------
    buffer : uint8 array
    start, end : int
        The bytes to look at.
    last : bool
        True where the file ends at `end`.
    big, tick, head, swapped
        As for `walk_pcap`; a `head` of 0 stands for snoop.
    most : int
        Bytes of the largest frame to believe in.
    near : int
        Seconds of a time that is known to be about right; -1 where none is.

    Returns
    -------
    position, verdict : int
        The verdict is `FOUND`, `WAIT` or `NONE`.
    """
    least = 24 if head == 0 else head
    for place in range(start, end - least + 1):
        found = _follow(buffer, place, end, last, big, tick, head, swapped, most, near)
        if found != NONE:
            return place, found
    return max(start, end - least + 1), NONE if last else WAIT


@njit(cache=True, nogil=True)
def find_swallowed(buffer, start, damage, end, last, big, tick, head, swapped, most, near):
    """Return where the records begin that a false length swallowed; `damage` where there are none.

    They lead from within the frame before the damage to behind it. Records that end within the frame do not count: they
    are what is carried in it, such as a capture that was copied over the network.

    Parameters
    ----------
    buffer, last, big, tick, head, swapped, most, near
        As in `find_record`.
    start, damage, end : int
        The first byte of the frame, the first behind it, and the first that is not in the buffer.
    """
    least = 24 if head == 0 else head
    leads = np.zeros(damage - start, np.bool_)
    first = damage
    for place in range(damage - 1, start - 1, -1):
        if end - place < least:
            continue
        size, seconds, step = _header(buffer, place, big, tick, head, swapped, most)
        if size < 0 or (near >= 0 and abs(seconds - near) > _DAY):
            continue
        beyond = place + step
        if beyond < damage:
            good = leads[beyond - start]
        else:
            good = (
                beyond > damage and _follow(buffer, beyond, end, last, big, tick, head, swapped, most, seconds) == FOUND
            )
        if good:
            leads[place - start] = True
            first = place
    return first


@njit(inline="always")
def _block(b, at, end, last, big):
    """Return the bytes of the block at `at`: 0 where there is none, -1 where more bytes have to tell."""
    if end - at < 12:
        return np.int64(0) if last else np.int64(-1)
    kind = be32(b, at) if big else le32(b, at)
    if kind == _SECTION:
        magic = be32(b, at + 8)
        if magic == 0x1A2B3C4D:
            big = True
        elif magic == 0x4D3C2B1A:
            big = False
        else:
            return np.int64(0)
    elif kind == 0 or kind > 10:  # only blocks that the draft defines are looked for
        return np.int64(0)
    size = be32(b, at + 4) if big else le32(b, at + 4)
    if size < 12 or size & 3 or size > LARGEST_FRAME + 65_536:
        return np.int64(0)
    if size > end - at:
        return np.int64(0) if last else np.int64(-1)
    return size if (be32(b, at + size - 4) if big else le32(b, at + size - 4)) == size else np.int64(0)


@njit(cache=True, nogil=True)
def find_block(buffer, start, end, last, big):
    """Return where blocks of pcapng follow one another again, and whether that is so; as `find_record`."""
    for place in range(start, end - 11):
        size = _block(buffer, place, end, last, big)
        if size == 0:
            continue
        if size > 0:
            if place + size == end and last:
                return place, FOUND
            size = _block(buffer, place + size, end, last, big)
        if size < 0:
            return place, WAIT
        if size > 0:
            return place, FOUND
    return max(start, end - 11), NONE if last else WAIT
