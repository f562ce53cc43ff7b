"""From the arrays that the kernels write to a table of PACKETS."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.kernels import decode as kernel
from nsm_nb.kernels.addresses import address_order, address_texts, mac_texts, met, remap
from nsm_nb.kernels.fragments import give_ports
from nsm_nb.kernels.layers import chain_names
from nsm_nb.schema import PACKETS

__all__ = ["Frames", "packet_table", "protocol_name"]

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

    Parameters
    ----------
    room
        Rows to make room for; it grows as needed.
    """

    def __init__(self, room: int = 65_536):
        self.columns = kernel.Columns.empty(room + room // 4)
        self.count = 0
        self.names = kernel.Names.empty(4096)

    def make_room(self, rows: int) -> None:
        """Make room for `rows` more rows."""
        room = len(self.columns.time)
        if self.count + rows > room:
            self.columns = self.columns.resized(max(self.count + rows, room + room // 2))

    def decode(self, buffer: np.ndarray, base: int, upto: int) -> None:
        """Decode the rows from `count` to `upto`, whose frames stand in `buffer`; they count from now on."""
        self.names = kernel.decode(buffer, base, self.count, upto, self.columns, self.names)
        self.count = upto


def _text_index(data: np.ndarray, offsets: np.ndarray) -> pd.Index:
    import pyarrow as pa

    texts = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    return pd.Index(pd.array(texts, dtype="str"))


def _address_columns(frames: Frames) -> dict[str, pd.Categorical]:
    c, table, outer = frames.columns, frames.names.addresses, frames.names.outer
    count, tunnels = int(table.count[0]), int(outer.count[0])
    high, low, tag = table.high[:count], table.low[:count], table.tag[:count]
    order = address_order(high, low, tag)
    lookup = np.empty(count, np.int32)
    lookup[order] = np.arange(count, dtype=np.int32)
    nowhere = np.full(frames.count, -1, np.int32)
    codes = {"src_ip": c.src_ip, "dst_ip": c.dst_ip, "outer_src_ip": nowhere, "outer_dst_ip": nowhere}
    if tunnels:
        for name, numbers in (("outer_src_ip", outer.src_ip), ("outer_dst_ip", outer.dst_ip)):
            codes[name] = nowhere.copy()
            codes[name][outer.row[:tunnels]] = numbers[:tunnels]
            remap(codes[name], lookup)
    remap(c.src_ip, lookup)
    remap(c.dst_ip, lookup)
    categories = _text_index(*address_texts(high[order], low[order], tag[order]))
    dtype = pd.CategoricalDtype(categories, ordered=True)
    made: dict[int, pd.Categorical] = {}  # what is nowhere is made once
    for each in codes.values():
        if id(each) not in made:
            made[id(each)] = pd.Categorical.from_codes(each, dtype=dtype, validate=False)  # type: ignore[arg-type]
    return {name: made[id(each)] for name, each in codes.items()}


def _categorical(codes: np.ndarray, categories: pd.Index) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories), validate=False)


def _protocols(numbers: np.ndarray) -> pd.Categorical:
    # few distinct values below 0x20100: a lookup table is quicker than sorting
    shifted = numbers + 1
    present = np.flatnonzero(np.bincount(shifted)) if len(shifted) else np.array([], np.int64)
    names = [protocol_name(int(each) - 1) for each in present]
    known = sorted({name for name in names if name is not None})
    place = {name: number for number, name in enumerate(known)}
    width = np.int16 if len(known) < 1 << 15 else np.int32  # there are 65,536 ethertypes
    lookup = np.full(int(present.max()) + 1 if len(present) else 1, -1, width)
    for each, name in zip(present, names, strict=True):
        if name is not None:
            lookup[each] = place[name]
    return _categorical(lookup[shifted], pd.Index(known, dtype="str"))


def packet_table(frames: Frames, label: str) -> pd.DataFrame:
    """Return the rows as a table of PACKETS; the arrays of `frames` become its columns and are used up.

    Parameters
    ----------
    frames
        What was read.
    label
        The `evidence` of all rows.
    """
    count = frames.count
    frames.columns = c = frames.columns.resized(count)
    names = frames.names
    give_ports(c)
    addresses = _address_columns(frames)
    macs = _text_index(*mac_texts(names.macs.low[: int(names.macs.count[0])]))
    met = int(names.chains.count[0])
    layers, chains = _unique_chains(c.layers, chain_names(names.chains.high[:met], names.chains.low[:met], _layer_name))

    def masked(values: np.ndarray, absent: np.ndarray) -> pd.api.extensions.ExtensionArray:
        return pd.arrays.IntegerArray(values, absent, copy=False)

    columns = {
        **addresses,
        "evidence": _categorical(np.zeros(count, np.int8), pd.Index([label], dtype="str")),
        "frame": np.arange(1, count + 1, dtype=np.uint32),
        "time": pd.DatetimeIndex(c.time.view("M8[ns]")).tz_localize("UTC").array,
        "length": c.length,
        "captured": c.captured,
        "octets": masked(c.octets, c.no_ip),
        "vlan": masked(c.vlan, c.no_vlan),
        "vni": masked(*_few(names.vni, count, np.uint32)),
        "src_mac": _categorical(c.src_mac, macs),
        "dst_mac": _categorical(c.dst_mac, macs),
        "src_port": masked(c.src_port, c.no_port),
        "dst_port": masked(c.dst_port, c.no_port),
        "proto": _protocols(c.proto),
        "ttl": masked(c.ttl, c.no_ip),
        "ip_id": masked(c.ip_id, c.no_ip_id),
        "fragment": masked(c.fragment, c.no_fragment),
        "tcp_flags": masked(c.tcp_flags, c.no_tcp),
        "seq": masked(c.seq, c.no_tcp),
        "ack": masked(c.ack, c.no_tcp),
        "window": masked(c.window, c.no_tcp),
        "icmp_type": masked(c.icmp_type, c.no_icmp),
        "icmp_code": masked(c.icmp_code, c.no_icmp),
        "icmp_id": masked(*_few(names.icmp_id, count, np.uint16)),
        "payload": masked(c.payload, c.no_payload),
        "session": masked(np.zeros(count, np.int64), np.ones(count, bool)),
        "to_dst": pd.arrays.BooleanArray(np.zeros(count, bool), np.ones(count, bool)),
        "offset": c.offset,
        "layers": _categorical(layers, pd.Index(chains, dtype="str")),
    }
    return pd.DataFrame({name: columns[name] for name in PACKETS.columns}, copy=False)


def _few(few: kernel.Few, count: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    # where no row has a value, the zeros are memory that is never touched
    values: np.ndarray = np.zeros(count, dtype)
    absent = np.ones(count, bool)
    rows = few.row[: few.count[0]]
    values[rows], absent[rows] = few.value[: len(rows)], False
    return values, absent


def _unique_chains(codes: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    # Two chains of numbers may have one name, and some are only the beginning of others; names in order make the table the
    # same for any order of packets.
    used = met(codes, len(names))
    known = sorted({name for name, there in zip(names, used.tolist(), strict=True) if there})
    place = {name: number for number, name in enumerate(known)}
    lookup = np.array([place.get(name, -1) for name in names] or [0], np.int32)
    remap(codes, lookup)
    return codes, known
