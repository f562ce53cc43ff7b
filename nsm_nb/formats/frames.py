"""The frames of captures while they are read, decoded by two threads, and the table of PACKETS that they become."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats.source import Source
from nsm_nb.kernels import decode as kernel
from nsm_nb.kernels.addresses import address_order, address_texts, mac_texts, mapped, met
from nsm_nb.kernels.arrays import zeros
from nsm_nb.kernels.fragments import give_ports
from nsm_nb.kernels.interning import Interned
from nsm_nb.kernels.layers import chain_names
from nsm_nb.kernels.threads import cores, in_threads
from nsm_nb.schema import PACKETS, utc_times

__all__ = ["Frames", "packet_table", "protocol_name"]

_WORTH_HANDING_OVER = 500  # rows: fewer are decoded before another thread has taken them up
_WAITING = 3  # blocks that may wait for the other thread; each keeps a buffer

# Names of IP protocols: IANA's assigned internet protocol numbers, lower case; icmp6 is 58.
_IP_PROTOCOLS = {
    0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 8: "egp", 9: "igp", 17: "udp", 27: "rdp", 33: "dccp",
    41: "ipv6", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp6", 59: "ipv6-nonxt", 88: "eigrp", 89: "ospf",
    94: "ipip", 97: "etherip", 103: "pim", 112: "vrrp", 115: "l2tp", 132: "sctp", 136: "udplite", 137: "mpls",
}  # fmt: skip
# Names of ethertypes: IEEE 802 numbers as IANA lists them.
_ETHERTYPES = {
    0x0800: "ip", 0x0806: "arp", 0x0842: "wol", 0x22F0: "avtp", 0x8035: "rarp", 0x809B: "appletalk", 0x80F3: "aarp",
    0x8137: "ipx",
    0x86DD: "ipv6", 0x8808: "flow-control", 0x8809: "lacp", 0x8847: "mpls", 0x8848: "mpls", 0x8863: "pppoed",
    0x8864: "pppoe", 0x888E: "eapol", 0x8892: "profinet", 0x88CC: "lldp", 0x88E5: "macsec", 0x88F7: "ptp", 0x9000: "loop",
}  # fmt: skip
# Protocols of PPP: IANA's PPP DLL protocol numbers.
_PPP = {
    0x0021: "ip", 0x0057: "ipv6", 0x002D: "vjc", 0x002F: "vjuc", 0x003D: "mp", 0x00FD: "comp", 0x8021: "ipcp", 0x8057: "ipv6cp",
    0x80FD: "ccp", 0xC021: "lcp", 0xC023: "pap", 0xC025: "lqr", 0xC223: "chap", 0xC227: "eap",
}  # fmt: skip
_LLC = {0x00: "llc", 0x42: "stp", 0xAA: "snap", 0xE0: "ipx", 0xF0: "netbios", 0xFE: "isis"}


def protocol_name(number: int) -> str | None:
    """Return the name of a protocol number as `decode` writes it: of IP, an ethertype, LLC access point, or of PPP."""
    if number < 0:
        return None
    if number < kernel.PROTO_ETHERTYPE:
        return _IP_PROTOCOLS.get(number, str(number))
    if number < kernel.PROTO_LLC:
        return _layer_name("ethertype", number - kernel.PROTO_ETHERTYPE)
    if number >= kernel.PROTO_PPP:
        return _layer_name("ppptype", number - kernel.PROTO_PPP)
    return _LLC.get(number - kernel.PROTO_LLC, f"llc-0x{number - kernel.PROTO_LLC:02x}")


def _layer_name(layer: str, number: int) -> str:
    if layer == "ethertype":
        return _ETHERTYPES.get(number, f"0x{number:04x}")
    if layer == "ipproto":
        return protocol_name(number) or ""
    if layer == "ppptype":
        return _PPP.get(number, f"ppp-0x{number:04x}")
    return f"{layer}-{number}"


class Frames:
    """The rows read so far, and the numbers that their addresses and layers stand for.

    Where there is a second core, a thread of its own decodes most of what is read while this one reads on. Each of the two
    numbers what it meets for itself; `packet_table` makes one numbering of theirs, the same whichever of them decoded what.

    Parameters
    ----------
    room
        Rows to make room for; it grows as needed.
    """

    def __init__(self, room: int = 65_536):
        self.columns = kernel.Columns.empty(room + room // 4)
        self.count = 0
        self.names = [kernel.Names.empty(4096)]  # of this thread, and of the other one
        self.parts: list[tuple[int, int]] = []  # where the rows of each part end, and whose names they have
        self._other: ThreadPoolExecutor | None = None
        self._works: deque[Future] = deque()
        self._alone = False

    def __enter__(self) -> Frames:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the other thread where reading was given up; what waits for it is not decoded."""
        if self._other is not None:
            self._other.shutdown(cancel_futures=True)
            self._other = None
            self._works.clear()

    def make_room(self, rows: int) -> None:
        """Make room for `rows` more rows."""
        room = len(self.columns.time)
        if self.count + rows > room:
            self.settle()
            self.columns = self.columns.resized(max(self.count + rows, room + room // 2))

    def decode(self, source: Source, upto: int) -> None:
        """Decode the rows from `count` to `upto`, whose frames stand in the buffer of `source`; they count from now on.

        It may still go on when this returns, until `settle`.
        """
        if upto == self.count:
            return
        block = source.buffer, source.base, self.count, upto, self.columns
        # what fits one buffer is decoded before a thread has started
        work = self._handed_over(block) if source.base and upto - self.count >= _WORTH_HANDING_OVER else None
        if work:
            self._works.append(work)
            source.lend(work)
        else:
            self._decode(0, *block)
        whose = 1 if work else 0
        if self.parts and self.parts[-1][1] == whose:
            self.parts.pop()
        self.parts.append((upto, whose))
        self.count = upto

    def _handed_over(self, block: tuple[np.ndarray, int, int, int, kernel.Columns]) -> Future | None:
        other = self._free_thread()
        try:
            return other.submit(self._decode, 1, *block) if other else None
        except RuntimeError:  # no thread is to be had: at the end of the process, or at a limit of the system
            self._alone = True
            if not self._works and self._other is not None:
                self._other.shutdown(cancel_futures=True)
            self.settle()
            return None

    def _free_thread(self) -> ThreadPoolExecutor | None:
        """Return the other thread, unless there is no core for it or too much waits for it already."""
        while self._works and self._works[0].done():
            self._works.popleft().result()
        if self._other is None and cores() > 1 and not self._alone:
            self._other = ThreadPoolExecutor(1, thread_name_prefix="nsm-decode")
            if len(self.names) < 2:
                self.names.append(kernel.Names.empty(4096))
        return self._other if len(self._works) < _WAITING else None

    def _decode(
        self, whose: int, buffer: np.ndarray, base: int, first: int, last: int, columns: kernel.Columns
    ) -> None:
        self.names[whose] = kernel.decode(buffer, base, first, last, columns, self.names[whose])

    def settle(self) -> None:
        """Wait until all rows are decoded, and end the other thread."""
        if self._other is not None:
            self._other.shutdown()
            self._other = None
        while self._works:
            self._works.popleft().result()


class _Joined(NamedTuple):
    """What both threads have met, the second's behind the first's."""

    high: np.ndarray
    low: np.ndarray
    tag: np.ndarray
    shifts: np.ndarray  # where the numbers of each part's thread begin


def _joined(tables: list[Interned], whose: np.ndarray) -> _Joined:
    counts = [int(table.count[0]) for table in tables]
    high, low, tag = (
        np.concatenate([values[:count] for values, count in zip(each, counts, strict=True)])
        for each in zip(*((table.high, table.low, table.tag) for table in tables), strict=True)
    )
    return _Joined(high, low, tag, np.cumsum([0, *counts], dtype=np.int64)[whose])


def _text_index(data: np.ndarray, offsets: np.ndarray) -> pd.Index:
    import pyarrow as pa

    texts = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    return pd.Index(pd.array(texts, dtype="str"))


def _address_columns(frames: Frames, ends: np.ndarray, whose: np.ndarray) -> dict[str, pd.Categorical]:
    c = frames.columns
    high, low, tag, shifts = _joined([names.addresses for names in frames.names], whose)
    order = address_order(high, low, tag)
    high, low, tag = high[order], low[order], tag[order]
    first = np.ones(len(order), bool)  # both threads may have met an address
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1]) | (tag[1:] != tag[:-1])
    texts = _text_index(*address_texts(high[first], low[first], tag[first]))
    lookup = np.empty(len(order), _narrowest(len(texts)))
    lookup[order] = np.cumsum(first) - 1
    dtype = pd.CategoricalDtype(texts, ordered=True)

    def column(codes: np.ndarray) -> pd.Categorical:
        return pd.Categorical.from_codes(mapped(codes, lookup, ends, shifts), dtype=dtype, validate=False)

    columns = {"src_ip": column(c.src_ip), "dst_ip": column(c.dst_ip)}
    nowhere = np.full(frames.count, -1, np.int8)
    if not any(names.outer.count[0] for names in frames.names):
        columns["outer_src_ip"] = pd.Categorical.from_codes(nowhere, dtype=dtype, validate=False)  # type: ignore[arg-type]
        return {**columns, "outer_dst_ip": columns["outer_src_ip"]}
    for name in ("src_ip", "dst_ip"):
        codes = nowhere.astype(np.int32)
        for outer in (names.outer for names in frames.names):
            count = outer.count[0]
            codes[outer.row[:count]] = getattr(outer, name)[:count]
        columns[f"outer_{name}"] = column(codes)
    return columns


def _narrowest(count: int) -> type[np.signedinteger]:
    """Return the dtype that pandas gives codes of so many categories; others would be converted."""
    return next(each for each in (np.int8, np.int16, np.int32) if count < np.iinfo(each).max)


def _mac_columns(frames: Frames, ends: np.ndarray, whose: np.ndarray) -> dict[str, pd.Categorical]:
    macs = _joined([names.macs for names in frames.names], whose)
    values, place = np.unique(macs.low, return_inverse=True)
    texts = _text_index(*mac_texts(values))
    lookup = place.astype(_narrowest(len(values)))
    return {
        name: _categorical(mapped(getattr(frames.columns, name), lookup, ends, macs.shifts), texts)
        for name in ("src_mac", "dst_mac")
    }


def _layers_column(frames: Frames, ends: np.ndarray, whose: np.ndarray) -> pd.Categorical:
    chains = [names.chains for names in frames.names]
    texts = [
        text
        for table in chains
        for text in chain_names(table.high[: table.count[0]], table.low[: table.count[0]], _layer_name)
    ]
    return _named(frames.columns.layers, len(texts), texts.__getitem__, ends, _joined(chains, whose).shifts)


def _protocols(numbers: np.ndarray) -> pd.Categorical:
    count = int(numbers.max(initial=-1)) + 1
    return _named(
        numbers,
        count,
        lambda number: protocol_name(number) or "",
        np.array([len(numbers)], np.int64),
        np.zeros(1, np.int64),
    )


def _named(
    codes: np.ndarray, count: int, name: Callable[[int], str], ends: np.ndarray, shifts: np.ndarray
) -> pd.Categorical:
    # Two codes may have one name, and some are only the beginning of others; names in order make the table the same for any
    # order of packets.
    names = {place: name(place) for place in np.flatnonzero(met(codes, count, ends, shifts)).tolist()}
    known = sorted(set(names.values()))
    number = {each: place for place, each in enumerate(known)}
    lookup = np.full(count, -1, _narrowest(len(known)))
    lookup[list(names)] = [number[each] for each in names.values()]
    return _categorical(mapped(codes, lookup, ends, shifts), pd.Index(known, dtype="str"))


def _categorical(codes: np.ndarray, categories: pd.Index) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories), validate=False)


def packet_table(frames: Frames, label: str) -> pd.DataFrame:
    """Return the rows as a table of PACKETS; the arrays of `frames` become its columns and are used up.

    Parameters
    ----------
    frames
        What was read.
    label
        The `evidence` of all rows.
    """
    frames.settle()
    count = frames.count
    frames.columns = c = frames.columns.trimmed(count)
    names = frames.names
    ends, whose = np.array(frames.parts, np.int64).reshape(-1, 2).T.copy()
    addresses, macs, layers, protocols = in_threads(
        [
            lambda: _address_columns(frames, ends, whose),
            lambda: _mac_columns(frames, ends, whose),
            lambda: _layers_column(frames, ends, whose),
            lambda: _protocols(c.proto),
        ],
        count,
    )
    give_ports(c, addresses["src_ip"].codes, addresses["dst_ip"].codes)

    def masked(values: np.ndarray, absent: np.ndarray) -> pd.api.extensions.ExtensionArray:
        return pd.arrays.IntegerArray(values, absent, copy=False)

    columns = {
        **addresses,
        **macs,
        "evidence": _categorical(zeros(count, np.int8), pd.Index([label], dtype="str")),
        "frame": np.arange(1, count + 1, dtype=np.uint32),
        "time": utc_times(c.time).array,
        "length": c.length,
        "captured": c.captured,
        "octets": masked(c.octets, c.no_ip),
        "vlan": masked(c.vlan, c.no_vlan),
        "vni": masked(*_few([each.vni for each in names], count, np.uint32)),
        "src_port": masked(c.src_port, c.no_port),
        "dst_port": masked(c.dst_port, c.no_port),
        "proto": protocols,
        "ttl": masked(c.ttl, c.no_ip),
        "ip_id": masked(c.ip_id, c.no_ip_id),
        "fragment": masked(c.fragment, c.no_fragment),
        "tcp_flags": masked(c.tcp_flags, c.no_tcp),
        "seq": masked(c.seq, c.no_tcp),
        "ack": masked(c.ack, c.no_tcp),
        "window": masked(c.window, c.no_tcp),
        "icmp_type": masked(c.icmp_type, c.no_icmp),
        "icmp_code": masked(c.icmp_code, c.no_icmp),
        "icmp_id": masked(*_few([each.icmp_id for each in names], count, np.uint16)),
        "payload": masked(c.payload, c.no_payload),
        "session": masked(zeros(count, np.int64), np.ones(count, bool)),
        "to_dst": pd.arrays.BooleanArray(zeros(count, bool), np.ones(count, bool)),
        "offset": c.offset,
        "layers": layers,
    }
    return pd.DataFrame({name: columns[name] for name in PACKETS.columns}, copy=False)


def _few(tables: list[kernel.Few], count: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    values = zeros(count, dtype)
    absent = np.ones(count, bool)
    for few in tables:
        rows = few.row[: few.count[0]]
        values[rows], absent[rows] = few.value[: len(rows)], False
    return values, absent
