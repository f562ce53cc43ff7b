"""Addresses of flow records as numbers of distinct ones: a hash table over plain arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

from nsm_nb.kernels.interning import Interned, intern_value, interned, with_room

__all__ = ["numbered"]

_CHUNK = 1 << 16  # rows between two looks at whether there is room


def numbered(sides: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[Interned, list[np.ndarray]]:
    """Return the distinct addresses, and for each side the number of each row's address; -1 where it has none.

    Parameters
    ----------
    sides
        `high`, `low` (int64 bit patterns) and `tag` (4, 6, or 0 where there is no address) of each side. `high` and `tag` may
        have one element, which is that of all rows.
    """
    table = interned(4096)
    found = []
    for high, low, tag in sides:
        codes = np.empty(len(low), np.int32)
        for start in range(0, len(low), _CHUNK):
            end = min(start + _CHUNK, len(low))
            table = with_room(table, end - start)
            _number(
                table,
                high if len(high) == 1 else high[start:end],
                low[start:end],
                tag if len(tag) == 1 else tag[start:end],
                codes[start:end],
            )
        found.append(codes)
    return table, found


@njit(cache=True, nogil=True)
def _number(table, high, low, tag, codes):
    step = np.uintp(len(high) > 1)
    tag_step = np.uintp(len(tag) > 1)
    last, code = np.int64(0), np.int32(-1)
    for row in range(len(codes)):
        at = np.uintp(row)
        kind = tag[at * tag_step]
        if kind == 0:
            codes[at] = -1
            continue
        value = np.int64(low[at])
        top = high[at * step]
        # one side of many flows in a row is the same
        if code < 0 or value != last or step or tag_step:
            code = intern_value(table, top, value, np.int64(kind))
            last = value
        codes[at] = code
