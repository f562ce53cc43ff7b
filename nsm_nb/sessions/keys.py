"""What packets are folded into sessions by, as arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.sessions.endpoints import icmp_ports, ip_protocol

if TYPE_CHECKING:
    from nsm_nb.kernels.conversations import Packets

__all__ = [
    "NOT_A_TIME",
    "Keys",
    "keys_of",
    "kinds",
    "missing",
    "nanoseconds",
    "order_of",
    "plain",
    "shared_address_dtype",
]

NOT_A_TIME = np.iinfo(np.int64).min
"""What stands for a missing time in nanoseconds since 1970."""


def order_of(packets: pd.DataFrame) -> np.ndarray | None:
    """Return the order by time where packets of several captures are mixed; one capture keeps the order of its file."""
    evidence = packets["evidence"]
    if isinstance(evidence.dtype, pd.CategoricalDtype) and len(evidence.cat.categories) < 2:
        return None
    if evidence.nunique() < 2 or packets["time"].is_monotonic_increasing:
        return None
    return np.argsort(packets["time"].dt.tz_localize(None).to_numpy(), kind="stable")


def plain(column: pd.Series) -> np.ndarray:
    """Return the numbers of a masked column, 0 where they are missing; without a copy where the reader left 0 there."""
    from nsm_nb.kernels.rows import any_under

    array = column.array
    if isinstance(array, pd.arrays.IntegerArray):
        values, mask = array._data, array._mask
        return np.where(mask, values.dtype.type(0), values) if any_under(values, mask) else values
    return column.fillna(0).to_numpy()


def missing(column: pd.Series) -> np.ndarray:
    """Return a bool array, True where a column is missing; a masked column's own mask, not to be written to."""
    array = column.array
    return array._mask if isinstance(array, pd.arrays.IntegerArray) else column.isna().to_numpy()


def nanoseconds(times: pd.Series) -> np.ndarray:
    """Return times as int64 nanoseconds since 1970, `NOT_A_TIME` where they are missing; not to be written to."""
    return np.asarray(times, dtype="datetime64[ns]").view(np.int64)


class Keys(NamedTuple):
    """What packets are folded by, and what it was made of.

    Attributes
    ----------
    packets
        For the kernel: its `src` and `dst` are other numbers for each VLAN, VNI and ICMP identifier.
    src, dst : int32 arrays
        Codes of the addresses.
    realm : int64 array
        VLAN + 1 (0 for none) above 32 bits, VNI + 1 (0 for none) below; empty where no packet has either.
    """

    packets: Packets
    src: np.ndarray
    dst: np.ndarray
    realm: np.ndarray


def keys_of(packets: pd.DataFrame, *, by_vlan: bool = True) -> Keys:
    """Return what packets are folded by, as arrays; what stands for ports of ICMP and of later fragments included.

    Parameters
    ----------
    packets
        A table of PACKETS.
    by_vlan
        Whether the same ends in another VLAN or VNI are others.
    """
    from nsm_nb.kernels.conversations import Packets
    from nsm_nb.kernels.threads import in_threads

    src, dst = packets["src_ip"], packets["dst_ip"]
    if src.dtype != dst.dtype:
        from nsm_nb.schema import addresses

        src, dst = (pd.Series(each) for each in addresses(src, dst))
    known = len(src.cat.categories)
    src_code, dst_code = (each.array.codes.astype(np.int32, copy=False) for each in (src, dst))
    realm = _realms(packets) if by_vlan else np.empty(0, np.int64)
    ends = src_code, dst_code
    if len(realm):
        ends = _apart(*ends, pd.factorize(realm)[0], known)
        known = max(known, int(max(each.max() for each in ends)) + 1)
    proto = packets["proto"].astype("category")
    names = "octets", "payload", "tcp_flags", "seq", "ack", "window"
    works: list[Callable[[], np.ndarray]] = [
        lambda: plain(packets["src_port"]).astype(np.uint16, copy=True),
        lambda: plain(packets["dst_port"]).astype(np.uint16, copy=True),
        lambda: kinds(proto),
        partial(nanoseconds, packets["time"]),
        *(partial(plain, packets[name]) for name in names),
    ]
    sport, dport, kind, time, *columns = in_threads(works, len(packets))
    keys = Packets(
        no_ip=missing(packets["octets"]),
        src=ends[0],
        dst=ends[1],
        sport=sport,
        dport=dport,
        kind=kind,
        one_way=np.zeros(len(packets), bool),
        time=time,
        no_tcp=missing(packets["tcp_flags"]),
        **dict(zip(names, columns, strict=True)),
    )
    rows = np.flatnonzero(~missing(packets["icmp_type"]))
    identifier = np.empty(0, np.int64)
    if len(rows):
        keys.sport[rows], keys.dport[rows], keys.one_way[rows] = icmp_ports(
            proto.iloc[rows].reset_index(drop=True),
            *(packets[name].iloc[rows].fillna(0).to_numpy(np.uint8) for name in ("icmp_type", "icmp_code")),
        )
        if "icmp_id" in packets and not missing(packets["icmp_id"]).all():
            named = np.flatnonzero(~missing(packets["icmp_id"]))
            identifier = np.zeros(len(packets), np.int64)
            identifier[named] = plain(packets["icmp_id"])[named].astype(np.int64) + 1
    _follow_fragments(packets, keys, identifier)
    if len(identifier):
        ends = _apart(keys.src, keys.dst, identifier, known)
        keys = keys._replace(src=ends[0], dst=ends[1])
    return Keys(keys, src_code, dst_code, realm)


def _realms(packets: pd.DataFrame) -> np.ndarray:
    """Return VLAN and VNI of each packet in one number; empty where no packet has either."""
    realm = np.empty(0, np.int64)
    for name, bit in (("vlan", 32), ("vni", 0)):
        if name not in packets or missing(packets[name]).all():
            continue
        value = plain(packets[name]).astype(np.int64)
        none = missing(packets[name])
        if name == "vlan":
            none = none | (value == 0)  # identifier 0 is a priority without a VLAN (IEEE 802.1Q 9.6)
        if none.all():
            continue
        part = np.where(none, 0, value + 1) << bit
        realm = realm | part if len(realm) else part
    return realm


def _apart(src: np.ndarray, dst: np.ndarray, part: np.ndarray, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Return int32 numbers of the ends that differ where `part` does; as they were where it is 0, -1 stays -1.

    Parameters
    ----------
    src, dst
        Numbers below `known`, negative where missing.
    part : int64 array
        0 or more.
    known
        How many numbers of ends there are.
    """
    rows = np.flatnonzero(part)
    if (int(part.max()) + 1) * known < 1 << 31:
        result = src.copy(), dst.copy()
        shift = (part[rows] * known).astype(np.int32)
        for each in result:
            each[rows] = np.where(each[rows] < 0, -1, each[rows] + shift)
        return result
    pairs = np.concatenate([each[rows].astype(np.int64) * (int(part.max()) + 1) + part[rows] for each in (src, dst)])
    numbers = (pd.factorize(pairs)[0] + known).astype(np.int32)
    result = src.copy(), dst.copy()
    for each, new in zip(result, np.split(numbers, 2), strict=True):
        each[rows] = np.where(each[rows] < 0, -1, new)
    return result


def _follow_fragments(packets: pd.DataFrame, keys: Packets, identifier: np.ndarray) -> None:
    """Give later fragments what stands for ports in the first fragment of their datagram (RFC 791 2.3)."""
    rows = np.flatnonzero(~missing(packets["fragment"]))
    if not len(rows):
        return
    parts = pd.DataFrame(
        {
            "src": keys.src[rows],
            "dst": keys.dst[rows],
            "kind": keys.kind[rows],
            "id": packets["ip_id"].iloc[rows].fillna(0).to_numpy(np.uint32),
            "row": rows.astype(float),
        }
    )
    first = (packets["fragment"].iloc[rows] == 0).to_numpy(bool)
    # the latest first fragment of the datagram; where the first one comes later than others, that one
    source = parts["row"].where(first)
    by = [parts["src"], parts["dst"], parts["kind"], parts["id"]]
    source = source.groupby(by).ffill().fillna(source.groupby(by).bfill())
    known = source.notna().to_numpy()
    here, there = rows[known], source[known].to_numpy().astype(np.int64)
    for each in (keys.sport, keys.dport, keys.one_way, *([identifier] if len(identifier) else [])):
        each[here] = each[there]


def kinds(proto: pd.Series) -> np.ndarray:
    """Return the IP protocol number of each row of a categorical, or a number from 256 on for other protocols."""
    from nsm_nb.kernels.arrays import read_only
    from nsm_nb.kernels.rows import looked_up

    numbers = ip_protocol(pd.Series(proto.cat.categories)).astype(np.int16)
    # names without a number of IP share what is left, which is enough for those that can stand above IP
    others = np.minimum(256 + np.arange(len(numbers) + 1), 16_383).astype(np.int16)
    others[:-1][numbers > 0] = numbers[numbers > 0]
    return looked_up(read_only(others), read_only(proto.array.codes))  # the last for what is missing


def shared_address_dtype(packets: pd.DataFrame) -> pd.CategoricalDtype:
    """Return the dtype that src_ip and dst_ip of PACKETS have in common, or get."""
    from nsm_nb.schema import addresses

    src, dst = packets["src_ip"], packets["dst_ip"]
    return src.dtype if src.dtype == dst.dtype else addresses(src, dst)[0].dtype
