"""One pass over the rows of a capture for what is odd about them: lengths, times, link types."""

from __future__ import annotations

import numpy as np
from numba import njit

from nsm_nb.kernels.records import NOT_A_TIME

__all__ = ["Odd", "notice"]


class Odd:
    """Places of what `notice` counts; after each count comes the first row that it is true of."""

    SHORT, SHORT_ROW, LONGER, LONGER_ROW, EMPTY, EMPTY_ROW, TIMELESS, TIMELESS_ROW, BACK, BACK_ROW = range(10)
    LARGEST, BACK_MOST, BACK_MOST_ROW, AHEAD_MOST, AHEAD_MOST_ROW = range(10, 15)
    SIZE = 15


_SHORT, _LONGER, _EMPTY, _TIMELESS, _BACK = Odd.SHORT, Odd.LONGER, Odd.EMPTY, Odd.TIMELESS, Odd.BACK
_LARGEST, _BACK_MOST, _AHEAD_MOST, _SIZE = Odd.LARGEST, Odd.BACK_MOST, Odd.AHEAD_MOST, Odd.SIZE


@njit(inline="always")
def _note(odd, what, row):
    if odd[what] == 0:
        odd[what + 1] = row
    odd[what] += 1


@njit(cache=True, nogil=True)
def notice(time, captured, length, link, first, last):
    """Return what is odd about the rows ``first`` to ``last - 1``.

    Parameters
    ----------
    time, captured, length, link : arrays
        The columns of `Columns`.

    Returns
    -------
    odd : int64 array
        See `Odd`. Times that go back or ahead are nanoseconds, from one row to the next; where either has none, they are not
        looked at.
    links : int64 array, shape (65536, 2)
        Of each link type how many frames there are, and the row of the first.
    """
    odd = np.zeros(_SIZE, np.int64)
    links = np.zeros((65_536, 2), np.int64)
    before = NOT_A_TIME
    for row in range(first, last):
        held, wire, now, kind = np.int64(captured[row]), np.int64(length[row]), time[row], np.int64(link[row])
        if links[kind, 0] == 0:
            links[kind, 1] = row
        links[kind, 0] += 1
        if held != wire:
            _note(odd, _SHORT if held < wire else _LONGER, row)
        if held == 0:
            _note(odd, _EMPTY, row)
        if held > odd[_LARGEST]:
            odd[_LARGEST] = held
        if now == NOT_A_TIME:
            _note(odd, _TIMELESS, row)
        elif before != NOT_A_TIME:
            ahead = now - before
            if ahead < 0:
                _note(odd, _BACK, row)
                if -ahead > odd[_BACK_MOST]:
                    odd[_BACK_MOST] = -ahead
                    odd[_BACK_MOST + 1] = row
            elif ahead > odd[_AHEAD_MOST]:
                odd[_AHEAD_MOST] = ahead
                odd[_AHEAD_MOST + 1] = row
        before = now
    return odd, links
