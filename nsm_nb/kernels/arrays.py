"""Arrays as kernels take them.

To numba an array that may be written to, one that may not and one with gaps are three types, and for each mixture of them
a kernel is compiled anew, which takes seconds. Whether a column may be written to depends on how pandas came by it.
"""

from __future__ import annotations

import contextlib
import mmap

import numpy as np

__all__ = ["read_only", "zeros"]

_WORTH_A_MAP = 1 << 16  # bytes: below, zeros are written before a map is made
_WORTH_HUGE_PAGES = 1 << 22  # as NumPy has it: fewer pages are faster made, but a single byte takes a whole one


def read_only(array: np.ndarray) -> np.ndarray:
    """Return the same values without gaps and not to be written to; nothing is copied where there are no gaps.

    Examples
    --------
    >>> read_only(np.arange(6)[::2]).flags.c_contiguous
    True
    >>> read_only(np.arange(6)).flags.writeable
    False
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def zeros(count: int, dtype: str | type | np.dtype) -> np.ndarray:
    """Return zeros, in memory that is not touched before something is written to it, as `numpy.zeros` only sometimes does.

    Memory that was given back not long ago has to be cleared: of a large room of which little is used, that is most of the cost.

    Examples
    --------
    >>> zeros(2, "u2"), int(zeros(1_000_000, "i8").max())
    (array([0, 0], dtype=uint16), 0)
    """
    size = count * np.dtype(dtype).itemsize
    if size < _WORTH_A_MAP or not hasattr(mmap, "MAP_PRIVATE"):
        return np.zeros(count, dtype)
    try:
        held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:  # a process has so many maps at most
        return np.zeros(count, dtype)
    if size >= _WORTH_HUGE_PAGES and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a hint; not every kernel knows it
            held.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(held, dtype)
