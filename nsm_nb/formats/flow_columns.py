"""From plain arrays of flow records to a table of FLOWS: what all readers of flow records do alike.

Ports of protocols that have none are missing; for ICMP, exporters put type * 256 + code into the destination port, which
becomes the state (``ECO``, ``URP`` for 771 ...). Flows that end before they begin are turned round and counted.

Source: Cisco, "NetFlow Export Datagram Format" (the destination port of ICMP); RFC 7012 (icmpTypeCodeIPv4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.kernels.records import NOT_A_TIME
from nsm_nb.schema import FLOWS, Caveat, addresses, utc_times, with_caveats
from nsm_nb.text import form, many, printable

__all__ = ["NOT_A_TIME", "Addresses", "clock_caveats", "flow_table", "icmp_of", "masked"]

_PORTED = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite: what stands in the port fields are ports
_FAR = (
    2 * 3600 * 10**9
)  # ns between a flow's end and its export: longer than any timeout that exporters have by default


class Addresses(NamedTuple):
    """Addresses as numbers; `high` and `tag` may have one element, which is that of all rows."""

    high: np.ndarray  # int64; the upper half of IPv6, 0 of IPv4
    low: np.ndarray  # int64, or uint32 where all are IPv4; the lower half, or all of IPv4
    tag: np.ndarray  # int64; 4, 6, or 0 where there is no address


Numbers: TypeAlias = "np.ndarray | pd.arrays.IntegerArray"


def flow_table(
    *,
    src: Addresses | np.ndarray | pd.Categorical,
    dst: Addresses | np.ndarray | pd.Categorical,
    proto: np.ndarray | pd.Categorical,
    start: np.ndarray,
    end: np.ndarray,
    label: str,
    source: str,
    digest: str,
    src_port: Numbers | None = None,
    dst_port: Numbers | None = None,
    icmp: Numbers | None = None,
    src_packets: Numbers | None = None,
    src_octets: Numbers | None = None,
    dst_packets: Numbers | None = None,
    dst_octets: Numbers | None = None,
    src_flags: Numbers | None = None,
    dst_flags: Numbers | None = None,
    vlan: Numbers | None = None,
    sampling: Numbers | None = None,
    received: np.ndarray | None = None,
    sensor: pd.Categorical | str | None = None,
    record: np.ndarray | None = None,
    direction_known: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return flow records as a table of FLOWS, with caveats about its clocks.

    Numbers are arrays, or pandas' IntegerArray (see `masked`) where some are missing; those not given are missing throughout.

    Parameters
    ----------
    src, dst
        Who sent, and to whom: `Addresses` or uint32 of IPv4; or both as text.
    proto
        Protocol numbers, -1 where not known; or names of protocols as the tables have them.
    start, end
        int64 nanoseconds since 1970, `NOT_A_TIME` where not known.
    label, source, digest
        The evidence, the format's name, and the SHA-256 of the file.
    src_port, dst_port
        As the record tells them: of protocols without ports they do not get into the table.
    icmp
        Type * 256 + code of ICMP; where not given it is taken from `dst_port`, or, where there is a `src_port`, from both.
    src_packets, src_octets, dst_packets, dst_octets, src_flags, dst_flags, vlan, sampling
        As in FLOWS.
    received
        int64 nanoseconds since 1970: when the record was exported or captured. Flows that end far from it are told.
    sensor
        The exporter.
    record
        Numbers of the records in the evidence; 1, 2, 3 ... where not given.
    direction_known
        bool; False throughout where not given.
    """
    from nsm_nb.kernels.threads import in_threads

    count = len(start)
    number = np.arange(1, count + 1) if record is None else np.asarray(record, np.int64)
    start, end, turned = _in_order(start, end)

    def rest() -> dict[str, Any]:
        names = proto if isinstance(proto, pd.Categorical) else _protocols(np.asarray(proto))
        portless = _portless(proto, names)
        return {
            "session": masked(columns.session_numbers(digest, number), dtype=np.int64),
            "duration": _seconds(start, end),
            "proto": names,
            "src_port": _ports(src_port, portless),
            "dst_port": _ports(dst_port, portless),
            "state": _icmp_states(names, src_port, dst_port, icmp),
            "far": _far(end, received),
        }

    works: list[Callable[[], Any]] = [lambda: _addresses(src, dst), rest]
    (src_ip, dst_ip), made = in_threads(works, count)
    far = made.pop("far")
    told: dict[str, Numbers | None] = {
        "src_packets": src_packets, "dst_packets": dst_packets, "src_octets": src_octets, "dst_octets": dst_octets,
        "vlan": vlan, "src_flags": src_flags, "dst_flags": dst_flags, "sampling": sampling,
    }  # fmt: skip
    known = np.zeros(count, bool) if direction_known is None else np.asarray(direction_known, bool)
    table: dict[str, Any] = made | {
        "start": utc_times(start),
        "end": utc_times(end),
        "src_ip": src_ip,
        "dst_ip": dst_ip,
        "direction_known": pd.arrays.BooleanArray(known, np.zeros(count, bool)),
        "evidence": columns.same(label, count),
        "record": masked(number, dtype=np.int64),
        "source": columns.same(source, count),
    }
    if isinstance(sensor, str):
        table["sensor"] = columns.same(sensor, count)
    elif sensor is not None:
        table["sensor"] = sensor
    if received is not None:
        table["received"] = utc_times(received)
    for name, values in told.items():
        if values is not None:
            table[name] = masked(values, dtype=np.dtype(FLOWS.columns[name].dtype.lower()).type)
    table = {name: each for name, each in table.items() if each is not None}
    table |= _absent(table, count)
    ordered = {name: table[name] for name in FLOWS.columns}  # their dtypes are those of the schema; a test says so
    return with_caveats(pd.DataFrame(ordered, copy=False), clock_caveats(turned, far, count, label))


def masked(values: Numbers, absent: np.ndarray | None = None, *, dtype: type) -> pd.arrays.IntegerArray:
    """Return whole numbers as a column; missing where `absent`, or where they are so already."""
    if isinstance(values, pd.arrays.IntegerArray):
        missing = np.asarray(values.isna())
        absent = missing if absent is None else absent | missing
        values = values._data
    if absent is None:
        numbers: np.ndarray = np.asarray(values).astype(dtype, copy=False)
        return pd.arrays.IntegerArray(numbers, np.zeros(len(numbers), bool))
    numbers = np.asarray(values).astype(dtype)
    numbers[absent] = 0
    return pd.arrays.IntegerArray(numbers, absent.copy())


def icmp_of(port: int) -> tuple[int, int]:
    """Return type and code of what exporters write as the destination port of ICMP: 771 is 3 and 3, port unreachable."""
    return port >> 8, port & 255


def clock_caveats(turned: int, far: int, count: int, label: str) -> Iterable[Caveat]:
    """Yield what is the matter with the times of `count` flows: how many were turned round, how many lie far from receipt."""
    name = printable(label)
    if turned:
        end = form(turned, "ends before it begins", "end before they begin")
        detail = f"{name}: {turned:,} of {many(count, 'flow')} {end}; start and end were exchanged"
        yield Caveat(label, None, None, "clock", detail)
    if far:
        lie, received = form(far, "lies", "lie"), form(far, "it was", "they were")
        detail = (
            f"{name}: {far:,} of {many(count, 'flow')} {lie} more than {_FAR // 3_600_000_000_000} hours from when {received} "
            "received: the exporter's clock is wrong, or it was fed from an old capture; durations can be right all the same"
        )
        yield Caveat(label, None, None, "clock", detail)


def _in_order(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    turned = (end < start) & (end != NOT_A_TIME)  # a start that is not known is smaller than any
    if turned.any():
        start, end = np.where(turned, end, start), np.where(turned, start, end)
    return start, end, int(turned.sum())


def _far(end: np.ndarray, received: np.ndarray | None) -> int:
    if received is None:
        return 0
    known = (end != NOT_A_TIME) & (received != NOT_A_TIME)
    # halves, so that the difference of times that nobody means does not overflow
    apart = np.abs((end >> 1) - (received >> 1)) > _FAR // 2
    return int((apart & known).sum())


def _seconds(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    known = (start != NOT_A_TIME) & (end != NOT_A_TIME)
    if known.all():
        return (end - start).view(np.uint64) / 1e9  # 63 bits do not hold the longest
    return np.where(known, end - start, 0).view(np.uint64) / np.where(known, 1e9, np.nan)


def _protocols(numbers: np.ndarray) -> pd.Categorical:
    from nsm_nb.formats.frames import protocol_name

    place = numbers.astype(np.int16)  # -1 becomes the last of the lookup
    present = np.flatnonzero(np.bincount(place[place >= 0], minlength=256))
    names = sorted({protocol_name(int(each)) or "" for each in present})
    lookup = np.full(257, -1, np.int16)
    lookup[present] = [names.index(protocol_name(int(each)) or "") for each in present]
    return pd.Categorical.from_codes(lookup[place], categories=pd.Index(names, dtype="str"))


def _portless(proto: np.ndarray | pd.Categorical, names: pd.Categorical) -> np.ndarray:
    """Return True where a protocol is known to have no ports."""
    if isinstance(proto, pd.Categorical):
        return np.array([*(name not in columns.PORTED for name in names.categories), False])[names.codes]
    lookup = np.ones(257, bool)
    lookup[[*_PORTED, -1]] = False
    return lookup[np.asarray(proto).astype(np.int16)]


def _ports(values: Numbers | None, portless: np.ndarray) -> pd.arrays.IntegerArray | None:
    return None if values is None else masked(values, portless, dtype=np.uint16)


def _icmp_states(
    names: pd.Categorical, src_port: Numbers | None, dst_port: Numbers | None, icmp: Numbers | None
) -> pd.Categorical | None:
    kinds = {place: name for place, name in enumerate(names.categories) if name in ("icmp", "icmp6")}
    if not kinds or (icmp is None and dst_port is None):
        return None
    rows = np.flatnonzero(np.isin(names.codes, list(kinds)))
    told, absent = _icmp_numbers(
        *(None if each is None else masked(each[rows], dtype=np.int64) for each in (src_port, dst_port, icmp))
    )
    rows = rows[~absent]
    asked = names.codes[rows].astype(np.int64) << 16 | (told[~absent] & 0xFFFF)
    each, which = np.unique(asked, return_inverse=True)
    states = [icmp_state(kinds[number >> 16], *icmp_of(number & 0xFFFF)) for number in each.tolist()]
    texts = sorted(set(states))
    codes = np.full(len(names), -1, np.int16)
    codes[rows] = np.array([texts.index(state) for state in states], np.int16)[which]
    return pd.Categorical.from_codes(codes, categories=pd.Index(texts, dtype="str"))


def _icmp_numbers(
    src_port: pd.arrays.IntegerArray | None,
    dst_port: pd.arrays.IntegerArray | None,
    icmp: pd.arrays.IntegerArray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return type * 256 + code, and True where that is missing; what a record says of ICMP itself comes before ports."""
    if dst_port is None:
        return icmp._data, np.asarray(icmp.isna())  # type: ignore[union-attr]  # one of the two is given
    told, absent = dst_port._data, np.asarray(dst_port.isna())
    if src_port is not None:
        # fprobe puts the type into the source port and the code into the other (measured); others leave it at 0
        kind = src_port._data
        told = np.where((kind > 0) & (kind < 256) & (told < 256), kind << 8 | told, told)
    if icmp is None:
        return told, absent
    own = ~np.asarray(icmp.isna())
    return np.where(own, icmp._data, told), absent & ~own


def _addresses(
    src: Addresses | np.ndarray | pd.Categorical, dst: Addresses | np.ndarray | pd.Categorical
) -> tuple[pd.Categorical, ...]:
    """Return addresses as categoricals of one dtype, in the order of their numbers."""
    import pyarrow as pa

    from nsm_nb.kernels.addresses import address_order, address_texts
    from nsm_nb.kernels.flow_addresses import numbered

    sides = [_numbers(side) for side in (src, dst)]
    if any(side is None for side in sides):
        return addresses(src, dst)
    (high, low, tag), codes = numbered([side for side in sides if side is not None])
    known = len(low)
    order = address_order(high, low, tag)
    rank = np.empty(known + 1, np.int32)
    rank[order] = np.arange(known, dtype=np.int32)
    rank[-1] = -1
    data, offsets = address_texts(high[order], low[order], tag[order])
    texts = pa.LargeStringArray.from_buffers(known, pa.py_buffer(offsets), pa.py_buffer(data))
    dtype = pd.CategoricalDtype(pd.Index(pd.array(texts, dtype="str")), ordered=True)
    return tuple(pd.Categorical.from_codes(rank[side], dtype=dtype, validate=False) for side in codes)


def _numbers(side: Addresses | np.ndarray | pd.Categorical) -> Addresses | None:
    if isinstance(side, Addresses):
        return side
    if isinstance(side, np.ndarray) and side.dtype.kind == "u":
        return Addresses(np.zeros(1, np.int64), side.astype(np.uint32), np.full(1, 4))
    return None


def _absent(table: dict[str, Any], count: int) -> dict[str, Any]:
    missing = columns.absent(FLOWS, table, count)
    for name in FLOWS.columns.keys() - table.keys() - missing.keys():
        if name == "received":
            missing[name] = utc_times(np.full(count, NOT_A_TIME))
        else:
            dtype = FLOWS.columns[name].dtype.lower()
            missing[name] = pd.arrays.IntegerArray(np.zeros(count, dtype), np.ones(count, bool))
    return missing
