"""Later fragments of a datagram have no ports of their own: they get those of its first one.

Source: RFC 791 2.3 (what tells the fragments of a datagram: addresses, protocol, identification), RFC 8200 4.5, RFC 1122 3.3.2
(how long a host waits for them: 60 s at the least).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from nsm_nb.kernels.interning import intern_value, interned

if TYPE_CHECKING:
    from nsm_nb.kernels.decode import Columns

__all__ = ["WAIT", "give_ports"]

WAIT = 60_000_000_000  # nanoseconds between a datagram's first fragment and others


def give_ports(c: Columns, src: np.ndarray, dst: np.ndarray) -> None:
    """Give later fragments the ports of the first one, the latest before them or else the next after them; in place.

    No more than `WAIT` lies between them, and they are in the same VLAN. Where the first one was not captured, nothing is
    told.

    Parameters
    ----------
    c
        Decoded, and no longer than its rows.
    src, dst : arrays of integers
        What stands for the addresses of each row, in one numbering for all rows.
    """
    rows = np.flatnonzero(~c.no_fragment)
    if len(rows):
        ends = (src[rows].astype(np.int64) << 32) | dst[rows].astype(np.int64)
        _give(c, rows, ends, interned(len(rows)), np.full(len(rows), -1, np.int64), np.empty(len(rows), np.int32))


@njit(cache=True, nogil=True)
def _give(c, rows, ends, datagrams, latest, number):
    for place in range(len(rows)):
        row = rows[place]
        tag = (np.int64(c.vlan[row]) << 1) | np.int64(c.no_vlan[row])
        number[place] = intern_value(
            datagrams, ends[place], (np.int64(c.ip_id[row]) << 32) | np.int64(c.proto[row] + 1), tag
        )
    for turn in range(2):  # forward for the first fragments before, back for those after
        latest[:] = -1
        for step in range(len(rows)):
            place = step if turn == 0 else len(rows) - 1 - step
            row, which = rows[place], number[place]
            if c.fragment[row] == 0:
                latest[which] = row if not c.no_port[row] else -1
            elif c.no_port[row] and latest[which] >= 0:
                first = latest[which]
                if abs(c.time[row] - c.time[first]) <= WAIT:
                    c.src_port[row], c.dst_port[row] = c.src_port[first], c.dst_port[first]
                    c.no_port[row] = False
