"""Endpoints as numbers: what the hashes of a conversation are made of."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["ICMP_TWIN", "Endpoints", "address_numbers", "community_id", "icmp_ports", "ip_protocol"]

# Messages that have an answer, and which: RFC 792, 950, 1256 (ICMP); RFC 4443, 2710, 4861, 4620, 3810 (ICMPv6), as in
# the Community ID specification.
ICMP_TWIN = {
    "icmp": {0: 8, 8: 0, 9: 10, 10: 9, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17},
    "icmp6": {128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136, 136: 135, 139: 140, 140: 139,
              144: 145, 145: 144},
}  # fmt: skip
_NUMBERS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "eigrp": 88,
    "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132, "udplite": 136,
}  # fmt: skip
_HAS_PORTS = ("tcp", "udp", "sctp", "icmp", "icmp6")


class Endpoints(NamedTuple):
    """The numbers of one end of each row: 128 bits as two int64 patterns, and 4 or 6 (0 where it is missing)."""

    high: np.ndarray
    low: np.ndarray
    tag: np.ndarray


def address_numbers(column: pd.Series) -> Endpoints:
    """Return the numbers of an address column; its categories are read once each."""
    import pyarrow as pa

    from nsm_nb.kernels.addresses import address_values

    column = pd.Series(column)
    texts = pa.array(column.cat.categories.to_numpy(dtype=object), pa.large_string())
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[: len(texts) + 1] if len(texts) else np.zeros(1, np.int64)
    data = np.frombuffer(texts.buffers()[2] or b"\0", np.uint8) if len(texts) else np.zeros(1, np.uint8)
    codes = column.cat.codes.to_numpy()
    # one more, for missing: code -1 takes the last
    return Endpoints(*(np.append(each, 0)[codes] for each in address_values(data, offsets)))


def ip_protocol(proto: pd.Series) -> np.ndarray:
    """Return the IP protocol number of a `proto` column, 0 where it is missing or no protocol of IP."""
    column = pd.Series(proto).astype("category")
    numbers = [_NUMBERS.get(name, int(name) if str(name).isdigit() else 0) for name in column.cat.categories]
    return np.array([*numbers, 0], np.uint8)[column.cat.codes.to_numpy()]


def icmp_ports(proto: pd.Series, kind: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what stands for the ports of ICMP rows: the type, its answer's type or the code, and True where it has none.

    Parameters
    ----------
    proto
        The protocol of each row; rows that are not ICMP get 0, 0, False.
    kind, code
        ICMP type and code.

    Notes
    -----
    *Source*: the Community ID specification, which gives ICMP "ports" so that request and answer are one conversation.
    """
    sport = np.zeros(len(kind), np.uint16)
    dport = np.zeros(len(kind), np.uint16)
    one_way = np.zeros(len(kind), bool)
    for name, twins in ICMP_TWIN.items():
        here = (pd.Series(proto) == name).fillna(False).to_numpy(bool)
        if not here.any():
            continue
        lookup = np.full(256, -1, np.int64)
        for each, twin in twins.items():
            lookup[each] = twin
        answer = lookup[kind[here]]
        sport[here] = kind[here]
        dport[here] = np.where(answer >= 0, answer, code[here])
        one_way[here] = answer < 0
    return sport, dport, one_way


def community_id(
    src: Endpoints,
    dst: Endpoints,
    sport: np.ndarray,
    dport: np.ndarray,
    proto: pd.Series,
    *,
    one_way: np.ndarray | None = None,
    seed: int = 0,
) -> pd.Series:
    """Return the Community ID (version 1) of each row, missing where an address is.

    Parameters
    ----------
    src, dst
        As `address_numbers` gives them.
    sport, dport
        Ports, or for ICMP what `icmp_ports` gives.
    proto
        Protocol names.
    one_way
        True for ICMP messages without an answer; all False where not given.
    seed
        0 but for sites that agreed on another.
    """
    import pyarrow as pa

    from nsm_nb.kernels.arrays import read_only
    from nsm_nb.kernels.community import LENGTH, community_ids
    from nsm_nb.kernels.threads import in_threads, shares

    numbers = ip_protocol(proto)
    column = pd.Series(proto).astype("category")
    ports = np.array([name in _HAS_PORTS for name in column.cat.categories] + [False])[column.cat.codes.to_numpy()]
    known = (src.tag > 0) & (src.tag == dst.tag) & (numbers > 0)
    one_way = np.zeros(len(numbers), bool) if one_way is None else one_way
    columns = src.high, src.low, dst.high, dst.low, src.tag, sport, dport, numbers, one_way, ports
    text = np.empty((len(numbers), LENGTH), np.uint8)

    def write(begin: int, end: int) -> None:
        community_ids(*(*(read_only(each[begin:end]) for each in columns), seed, text[begin:end]))

    in_threads([partial(write, *share) for share in shares(len(numbers))])
    offsets = np.arange(len(numbers) + 1, dtype=np.int64) * LENGTH
    valid = None if known.all() else pa.array(known).buffers()[1]
    array = pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text.reshape(-1)), valid)
    return pd.Series(pd.array(array, dtype="str"))
