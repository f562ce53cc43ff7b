"""What the TCP flags of both sides tell of a conversation, where its packets are not known.

Source: RFC 9293 3.1 (flags), 3.5 (how connections open and end).
"""

from __future__ import annotations

import numpy as np

__all__ = ["TH_ACK", "TH_FIN", "TH_RST", "TH_SYN", "bits_of"]

TH_FIN, TH_SYN, TH_RST, TH_ACK = 1, 2, 4, 16


def bits_of(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Return for each conversation what the flags of all packets of each side tell, in the bits of `assemble`'s kernel.

    Parameters
    ----------
    src, dst : arrays of int16, or wider
        The flags of a side, together; 0 where it sent nothing.
    """
    from nsm_nb.kernels import conversations as kernel

    every = np.arange(1 << 10)  # the lower five flags of both sides
    one, other = every & 31, every >> 5
    both_fin = (one & other & TH_FIN) > 0
    table = np.zeros(len(every), np.int16)
    for bit, holds in (
        (kernel.SYN, one & TH_SYN),
        (kernel.SYN_ACK, other & TH_SYN),
        (kernel.ESTABLISHED, (other & TH_SYN) * (one & TH_ACK)),
        (kernel.FIN_SRC, one & TH_FIN),
        (kernel.FIN_DST, other & TH_FIN),
        # after both have closed, a reset is what answers segments that come late (RFC 9293 3.5.2)
        (kernel.RST_SRC, (one & TH_RST) * ~both_fin),
        (kernel.RST_DST, (other & TH_RST) * ~both_fin),
        (kernel.REFUSED, (one & TH_SYN) * (other & TH_RST) * ((other & TH_SYN) == 0) * ~both_fin),
    ):
        table[holds > 0] |= bit
    return table[(src & 31) | (dst & 31) << 5]
