"""tcpdstat's own figures, its faults included, for those who compare its listings.

tcpdstat (the Twitter fork of the University of Washington's version, without IPv6) reads packets in the order of the file.
What it does otherwise than `nsm_nb.statistics.summary`, and why that is wrong, is told in docs/differences.md, each with a test.

Source: tcpdstat's stat.c, net_read.c and ip_flow.c, behaviour read in their text; the listings of the bundled case and of a
capture of known truth, reproduced byte for byte in the tests.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS
from nsm_nb.statistics._tally import codes_of, ends_of, numbers_of, tally, times_of
from nsm_nb.statistics.breakdown import TCP_SERVICES, UDP_SERVICES
from nsm_nb.text import printable

__all__ = ["IP_ROWS", "Printed", "printed", "protocol_number"]

# The names of tcpdstat's rows by IP protocol number, as it cuts them off; from 134 on they are unas_134 ... unas_254.
_WORDS = (
    "- icmp igmp ggp ipip st tcp cbt egp igp bbn_rcc_ nvp pup argus emcon xnet chaos udp mux dcn_meas hmp prm xns-idp "
    "trunk1 trunk2 leaf1 leaf2 rdp irtp iso-tp4 netblt mfe-nsp merit-in sep 3pc idpr xtp ddp idpr-cmt tp++ il ip6 sdrp ip6-rh "
    "ip6-fh idrp rsvp gre mhrp bna esp ah i-nlsp swipe narp mobile tlsp skip ip6-icmp ip6-nnh ip6-opts host-int cftp any-loca "
    "sat-expa kryptola rvd ippc any-dist sat-mon visa ipcv cpnx cphb wsn pvp br-sat-m sun-nd wb-mon wb-expak iso-ip vmtp "
    "sec-vmtp vines ttp nsfn-igp dgp tcf eirgp ospfigp spri-rpc larp mtp ax.25 ipip micp scc-sp etherip encap any-encr gmtp "
    "ifmp pnmi pim aris scps qnx active-n ip-comp snp compaq-p ipx-ip vrrp pgm any-zero l2tp ddx iatp stp srp uti smp sm ptp "
    "isis-ip fire crtp crudp sscopmce iplt sps pipe sctp fc"
)
IP_ROWS = [*re.split(" ", _WORDS), *(f"unas_{number}" for number in range(134, 255)), "res_255", "other"]

# How our layers call protocols that have a name; all others are numbers.
_NUMBERS = {
    "icmp": 1, "igmp": 2, "ip": 4, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58,
    "icmp6": 58, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136, "mpls": 137,
}  # fmt: skip
_UNKNOWN = 256
_BETWEEN = {"fragment", "cut", "...", "ipproto"}
_CACHE = 64  # first fragments that it remembers
_TCP, _UDP = 6, 17
_MOST = 2**32


class Printed(NamedTuple):
    """Figures as tcpdstat has them."""

    start: int  # nanoseconds since 1970, cut to microseconds
    end: int
    rate: tuple[float, float, float]  # mean, deviation, peak, in bits a second
    pairs: list[int]  # bytes of each directed pair of IPv4 addresses, the largest first
    addresses: list[int]
    sizes: list[tuple[int, int]]  # power of two, packets
    rows: list[tuple[int, str, int, int]]  # level, name, packets, bytes


def printed(packets: pd.DataFrame) -> Printed:
    """Return tcpdstat's figures of one capture.

    Raises
    ------
    NsmError
        Where the packets come from several files, or of a link type that tcpdstat does not read.
    """
    PACKETS.require(packets, "time", "length", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "layers")
    length, _ = numbers_of(packets["length"])
    when, there = times_of(packets["time"])
    micro = np.where(there, when, 0) // 1000  # libpcap gives a packet without a time the time 0
    layers, paths = codes_of(packets["layers"])
    proto, names = codes_of(packets["proto"])
    _readable(layers, paths)
    numbers = np.array([[_protocol(str(path), str(name)) for name in [*names, ""]] for path in [*paths, ""]], np.int16)
    number = numbers[layers, proto]  # -1: the missing ones are the last
    is_ip = number >= 0
    src, dst, dtype = _outermost(packets)
    seen = micro[np.flatnonzero(micro // 10**6 != 0)[:1]] if len(micro) else micro
    start = int(seen[0]) if len(seen) else (int(micro[-1]) if len(micro) else 0)
    pairs, addresses = _pairs(src[is_ip], dst[is_ip], length[is_ip], len(dtype.categories))
    return Printed(
        max(start * 1000, pd.Timestamp.min.value),
        max((int(micro[-1]) if len(micro) else 0) * 1000, pd.Timestamp.min.value),
        _rate(micro // 10**6, length),
        pairs,
        addresses,
        _sizes(length),
        _rows(packets, number, length, dst, dtype),
    )


def _readable(layers: np.ndarray, paths: pd.Index) -> None:
    for code in np.unique(layers):
        path = str(paths[code]) if code >= 0 else ""
        first, _, rest = path.partition(":")
        if first not in ("eth", "null") or (first == "null" and not rest.startswith("ip:") and rest != "ip"):
            raise NsmError(
                f"tcpdstat does not read packets of layers {printable(path or '(none)')}, so there is nothing as it prints it; "
                "leave as_printed out"
            )


def _protocol(path: str, proto: str) -> int:
    """Return the number of the outermost IPv4 header's protocol, -1 where tcpdstat sees no IPv4."""
    names = path.split(":")
    at = 2 if names[1:2] == ["llc"] else 1  # of LLC it looks into SNAP, which is no layer of its own here
    if names[at : at + 1] != ["ip"]:
        return -1
    above = [name for name in names[at + 1 :] if name not in _BETWEEN]
    return protocol_number(above[0] if above else proto)


def protocol_number(name: str) -> int:
    """Return the place in `IP_ROWS` of a protocol as our layers call it, or of its number."""
    return _NUMBERS.get(name, int(name) if name.isdecimal() and 0 < int(name) < 256 else _UNKNOWN)


def _outermost(packets: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return the codes of the outermost addresses: tcpdstat does not look into tunnels."""
    src, dst, dtype = ends_of(packets)
    for end, codes in (("outer_src_ip", src), ("outer_dst_ip", dst)):
        if end in packets and packets[end].dtype == dtype and packets[end].notna().any():
            outer = packets[end].cat.codes.to_numpy()
            codes = np.where(outer >= 0, outer, codes)
        if end == "outer_src_ip":
            src = codes
        else:
            dst = codes
    return src, dst, dtype


def _rate(second: np.ndarray, length: np.ndarray) -> tuple[float, float, float]:
    """Return mean, deviation and peak: the first second and the last left out, silent ones counted but not their zeros."""
    begin = np.flatnonzero(second != 0)
    mean = squares = peak = 0.0
    count = 0
    if len(begin):
        second, length = np.maximum.accumulate(second[begin[0] :]), length[begin[0] :]
        starts = np.flatnonzero(np.append(True, second[1:] != second[:-1]))
        sums = np.add.reduceat(length, starts)
        seconds = second[starts]
        for at in range(1, len(starts) - 1):
            count += int(seconds[at + 1] - seconds[at])
            bits = float(int(sums[at]) * 8 % _MOST)  # an unsigned int of C
            apart = bits - mean
            mean += apart / count
            squares += (count - 1) * apart * apart / count
            peak = max(peak, bits)
    if count == 0:
        return mean, -0.0, peak
    return mean, math.sqrt(squares / (count - 1)) if count > 1 else math.nan, peak


def _pairs(src: np.ndarray, dst: np.ndarray, length: np.ndarray, size: int) -> tuple[list[int], list[int]]:
    kept = (src >= 0) & (dst >= 0)
    found = tally([src[kept].astype(np.int64), dst[kept].astype(np.int64)], [size, size], length[kept])
    ends = np.bincount(found.keys[0], found.sums, size) + np.bincount(found.keys[1], found.sums, size)
    seen = np.union1d(found.keys[0], found.keys[1])
    return np.sort(found.sums)[::-1].tolist(), np.sort(ends[seen].astype(np.int64))[::-1].tolist()


def _sizes(length: np.ndarray) -> list[tuple[int, int]]:
    found = tally([length], [int(length.max()) + 1 if len(length) else 1])
    buckets: Counter[int] = Counter()
    for size, count in zip(found.keys[0].tolist(), found.counts.tolist(), strict=True):
        buckets[min(max(size.bit_length() - 1, 0), 15)] += count
    return sorted(buckets.items())


def _rows(
    packets: pd.DataFrame, number: np.ndarray, length: np.ndarray, dst: np.ndarray, dtype: Any
) -> list[tuple[int, str, int, int]]:
    rows = [(0, "total", len(packets), int(length.sum()))] if len(packets) else []
    is_ip = number >= 0
    if not is_ip.any():
        return rows
    rows.append((1, "ip", int(is_ip.sum()), int(length[is_ip].sum())))
    counts = np.bincount(number[is_ip], minlength=_UNKNOWN + 1)
    sums = np.bincount(number[is_ip], length[is_ip], minlength=_UNKNOWN + 1)
    services, fragments = _services(packets, number, length, dst, dtype)
    for protocol in sorted(np.flatnonzero(counts).tolist(), key=lambda each: (each not in (_TCP, _UDP), each)):
        rows.append((2, IP_ROWS[protocol], int(counts[protocol]), int(sums[protocol])))
        rows += [(3, name, *counted) for name, counted in services.get(protocol, {}).items()]
    if fragments[0]:
        rows.append((2, "frag", *fragments))
    return rows


def _services(
    packets: pd.DataFrame, number: np.ndarray, length: np.ndarray, dst: np.ndarray, dtype: Any
) -> tuple[dict[int, dict[str, tuple[int, int]]], tuple[int, int]]:
    """Return packets and bytes by service of TCP and UDP in the order of the listing, and those of fragments."""
    rows = np.flatnonzero((number == _TCP) | (number == _UDP))
    of = number[rows]
    ports = []
    for name in ("src_port", "dst_port"):
        values, there = numbers_of(packets[name].iloc[rows])
        ports.append(np.where(there, values, -1))
    src_port, dst_port = ports
    fragment, in_parts = (
        numbers_of(packets["fragment"].iloc[rows])
        if "fragment" in packets
        else (np.zeros(len(rows)), np.zeros(len(rows), bool))
    )
    later = in_parts & (fragment > 0)
    src_port[later] = dst_port[later] = -1
    # what is in a tunnel over UDP has ports of its own: those of the tunnel name no service of the list
    layers, paths = codes_of(packets["layers"].iloc[rows])
    inside = np.array([*(_is_tunnel(str(path)) for path in paths), False], bool)[layers]
    src_port[inside] = dst_port[inside] = 0
    group = np.array([*(_is_group(str(text)) for text in dtype.categories), False], bool)[dst[rows]]
    if later.any():
        _from_cache(packets.iloc[rows], src_port, dst_port, fragment, in_parts)

    found: dict[int, Counter[str]] = {_TCP: Counter(), _UDP: Counter()}
    octets: dict[int, Counter[str]] = {_TCP: Counter(), _UDP: Counter()}
    known = (src_port >= 0) & (dst_port >= 0)
    key = ((of == _UDP) * 2 + (group & (of == _UDP))).astype(np.int64)
    cells = tally([key[known], src_port[known], dst_port[known]], [4, 65_536, 65_536], length[rows][known])
    for kind, source, destination, count, size in zip(*cells.keys, cells.counts, cells.sums, strict=True):
        protocol = _UDP if kind >= 2 else _TCP
        name = "mcast" if kind == 3 else _service(protocol, int(source), int(destination))
        found[protocol][name] += int(count)
        octets[protocol][name] += int(size)
    result = {
        protocol: {name: (found[protocol][name], octets[protocol][name]) for name in order if found[protocol][name]}
        for protocol, order in ((_TCP, _TCP_ORDER), (_UDP, _UDP_ORDER))
    }
    counted = in_parts & (later | known)
    return result, (int(counted.sum()), int(length[rows][counted].sum()))


_TCP_WORDS = {**TCP_SERVICES, 1214: "kasaa"}
_TCP_ORDER = [
    *dict.fromkeys(
        name
        for service in _TCP_WORDS.values()
        for name in (("http(s)", "http(c)") if service == "http" else (service,))
    ),
    "other",
]
_AFTER_MCAST = ["realaud", "halflif", "starcra", "everque", "unreal", "quake", "cuseeme"]
_UDP_ORDER = [
    *(name for name in dict.fromkeys(UDP_SERVICES.values()) if name not in _AFTER_MCAST), "mcast", *_AFTER_MCAST, "other",
]  # fmt: skip


def _service(protocol: int, source: int, destination: int) -> str:
    services = _TCP_WORDS if protocol == _TCP else UDP_SERVICES
    for port, word in ((source, "http(s)"), (destination, "http(c)")):
        if name := services.get(port):
            return word if name == "http" else name
    return "other"


def _is_group(address: str) -> bool:
    first, dot, _ = address.partition(".")
    return bool(dot) and first.isdecimal() and 224 <= int(first) <= 239


def _is_tunnel(path: str) -> bool:
    """Return True where anything stands above TCP or UDP."""
    above = path.split(":")[1:]
    at = next((place for place, name in enumerate(above) if name in ("tcp", "udp")), len(above))
    return bool(set(above[at + 1 :]) - _BETWEEN)


def _from_cache(
    packets: pd.DataFrame, src_port: np.ndarray, dst_port: np.ndarray, fragment: np.ndarray, in_parts: np.ndarray
) -> None:
    """Give later fragments the ports of their first one where it came before and is among the last 64 remembered.

    tcpdstat forgets a datagram at its last fragment. Which is last is not in the table; it is taken to be the one that
    lies furthest back.
    """
    columns = ["src_ip", "dst_ip", "proto", "ip_id"]
    some = packets[columns].iloc[np.flatnonzero(in_parts)].reset_index(drop=True)
    datagram = some.groupby(columns, observed=True, dropna=False, sort=False).ngroup().to_numpy()
    places = np.flatnonzero(in_parts)
    furthest = pd.Series(fragment[places]).groupby(datagram).transform("max").to_numpy()
    cache: list[tuple[int, int, int]] = []  # the newest first; a first fragment that comes twice is remembered twice
    for place, which, last in zip(places.tolist(), datagram.tolist(), furthest.tolist(), strict=True):
        if fragment[place] == 0:
            if src_port[place] >= 0:
                cache.insert(0, (which, int(src_port[place]), int(dst_port[place])))
                del cache[_CACHE:]
        elif found := next((each for each in cache if each[0] == which), None):
            _, src_port[place], dst_port[place] = found
            if fragment[place] == last:
                cache.remove(found)
