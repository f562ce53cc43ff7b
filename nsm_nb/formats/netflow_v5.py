"""NetFlow version 5: its header and record as dtypes, and what sequence numbers of headers tell.

Source: Cisco, "NetFlow Export Datagram Format", version 5.
"""

from __future__ import annotations

import numpy as np

from nsm_nb.formats import netflow_lost
from nsm_nb.formats.netflow_lost import Sequence

__all__ = ["HEADER", "RECORD", "Sequence", "sequence"]

HEADER = np.dtype(
    [
        ("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("nanoseconds", ">u4"),
        ("sequence", ">u4"), ("engine_type", "u1"), ("engine_id", "u1"), ("sampling", ">u2"),
    ]
)  # fmt: skip
RECORD = np.dtype(
    [
        ("src", ">u4"), ("dst", ">u4"), ("nexthop", ">u4"), ("input", ">u2"), ("output", ">u2"), ("packets", ">u4"),
        ("octets", ">u4"), ("first", ">u4"), ("last", ">u4"), ("src_port", ">u2"), ("dst_port", ">u2"), ("pad1", "u1"),
        ("tcp_flags", "u1"), ("proto", "u1"), ("tos", "u1"), ("src_as", ">u2"), ("dst_as", ">u2"), ("src_mask", "u1"),
        ("dst_mask", "u1"), ("pad2", ">u2"),
    ]
)  # fmt: skip


def sequence(headers: np.ndarray) -> Sequence:
    """Return what the headers of one exporter, in the order in which they came, tell of lost flows.

    A sequence number is the count of flows sent before the datagram; datagrams may come in another order.
    """
    exported = headers["seconds"].astype(np.int64) * 1000 + headers["nanoseconds"] // 1_000_000
    return netflow_lost.sequence(
        headers["sequence"].astype(np.int64),
        headers["count"].astype(np.int64),
        netflow_lost.start_moved(exported - headers["uptime"]),
    )
