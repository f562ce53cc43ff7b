"""Arrays as kernels take them.

To numba an array that may be written to, one that may not and one with gaps are three types, and for each mixture of them
a kernel is compiled anew, which takes seconds. Whether a column may be written to depends on how pandas came by it.
"""

from __future__ import annotations

import numpy as np

__all__ = ["read_only"]


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
