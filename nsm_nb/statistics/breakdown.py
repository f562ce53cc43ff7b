"""The protocol breakdown that tcpdstat prints: network layer, IP protocol, and service by port number.

A service named here is a guess by the port's number, and each row says so; what a conversation really spoke is for
`nsm_nb.sessions` and the transcript. The ports are those of tcpdstat, so that its listings can be compared.

Source: tcpdstat (University of Washington version with its later ports), behaviour read in its source.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS
from nsm_nb.statistics._tally import codes_of, numbers_of, tally

__all__ = ["TCP_SERVICES", "UDP_SERVICES", "breakdown", "network_of"]

TCP_SERVICES = {
    20: "ftpdata", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 42: "name", 53: "dns", 80: "http", 88: "kerb5",
    110: "pop3", 111: "sunrpc", 113: "ident", 119: "nntp", 123: "ntp", 135: "epmap", 137: "netb-ns", 139: "netb-se",
    143: "imap", 179: "bgp", 389: "ldap", 443: "https", 445: "ms-ds", 513: "rlogin", 554: "rtsp", 636: "ldaps",
    1080: "socks", 1214: "kazaa", 1433: "mssql-s", 3128: "squid", 3268: "ms-gc", 3269: "ms-gcs", 3306: "mysql",
    5501: "hotline", 7070: "realaud", 8000: "icecast", 6346: "gnu6346", 6347: "gnu6347", 6348: "gnu6348",
    6349: "gnu6349", 6350: "gnu6350", 6355: "gnu6355", 6666: "irc6666", 6667: "irc6667", 6668: "irc6668",
    6669: "irc6669", 6688: "napster", 6699: "napster", 7000: "irc7000", 8080: "http-a", 9000: "http-tw",
    9443: "http-ts", 11211: "memcach", 22133: "kestrel",
}  # fmt: skip
UDP_SERVICES = {
    42: "name", 53: "dns", 88: "kerb5", 111: "sunrpc", 123: "ntp", 135: "epmap", 137: "netb-ns", 138: "netb-se",
    445: "ms-ds", 520: "rip", 1214: "kazaa", 1433: "mssql-s", 6970: "realaud", 7070: "realaud", 27005: "halflif",
    27015: "halflif", 6112: "starcra", 9000: "everque", 9001: "everque", 9005: "everque", 7777: "unreal",
    27901: "quake", 27910: "quake", 27960: "quake", 7648: "cuseeme",
}  # fmt: skip

_FROM_80, _TO_80 = "http(s)", "http(c)"  # tcpdstat's words: from the server, from the client; https is another row
_MCAST, _OTHER = "mcast", "other"
_NO_PORT = 1 << 16
_MULTICAST = r"(?:22[4-9]|23[0-9])\.|ff[0-9a-f]{2}:"
_IP = {"ip": "ip", "ipv4": "ip", "ip6": "ip6", "ipv6": "ip6"}
_TRANSPORTS = {"tcp", "udp", "sctp"}
_LINKS = {
    "eth", "ethertype", "vlan", "sll", "sll2", "null", "raw", "ppp", "pppdir", "ppptype", "pppoe", "chdlc", "mpls", "pw",
    "wlan", "radiotap", "prism", "avs", "ppi", "llc", "cut", "...",
}  # fmt: skip
_BETWEEN = {"ipv6.fragment", "ipv6.extension"}  # between the IP header and what it carries
_UNTOLD = {"fragment", "cut", "..."}  # the header says what would follow, the bytes are not there

# Each service has one number; the order is that of the listing.
_SERVICES = [
    "",
    *dict.fromkeys(
        name
        for service in [*TCP_SERVICES.values(), *UDP_SERVICES.values()]
        for name in ([_FROM_80, _TO_80] if service == "http" else [service])
    ),
    _MCAST,
    _OTHER,
]
_NUMBER = {name: number for number, name in enumerate(_SERVICES)}


def _lookup(*, source: bool) -> np.ndarray:
    """Return the number of a service by transport (0 none, 1 TCP, 2 UDP) and port, 0 where the port says nothing."""
    table = np.zeros((3, _NO_PORT + 1), np.uint8)
    for row, services in ((1, TCP_SERVICES), (2, UDP_SERVICES)):
        for port, name in services.items():
            table[row, port] = _NUMBER[(_FROM_80 if source else _TO_80) if name == "http" else name]
    return table.ravel()


def breakdown(packets: pd.DataFrame) -> pd.DataFrame:
    """Return packets and bytes by network layer, IP protocol and service, as tcpdstat lists them.

    Parameters
    ----------
    packets
        A table of PACKETS.

    Returns
    -------
    pandas.DataFrame
        ``level`` (0 total, 1 network layer, 2 IP protocol, 3 service), ``name``, ``by`` (how the row was told:
        ``layers``, ``port`` or ``address``), ``packets``, ``packets_share``, ``length`` (bytes on the wire),
        ``length_share`` (0 to 1) and ``mean`` (bytes a packet). Rows of no packets are left out. The rows ``frag``
        count fragments that other rows count too.

    Notes
    -----
    The outermost IP header is what counts: what a tunnel carries is one row of the tunnel's name, and
    `nsm_nb.statistics.protocols` shows what is inside. The source port is looked at first, then the destination port;
    later fragments go to the service of their first one.
    """
    PACKETS.require(packets, "layers", "proto", "length", "src_port", "dst_port", "dst_ip")
    layers, paths = codes_of(packets["layers"])
    proto, names = codes_of(packets["proto"])
    length, _ = numbers_of(packets["length"])
    path = (layers.astype(np.int32) + 1) * (len(names) + 1) + (proto + 1)
    kinds = [_kind(layer, name) for layer in ["", *map(str, paths)] for name in ["", *map(str, names)]]
    service = _services(packets, np.array([kind[2] for kind in kinds], np.int32)[path])
    found = tally([path, service], [len(kinds), len(_SERVICES)], length)

    rows: dict[tuple[str, ...], list[int]] = {}
    for which, number, count, lengths in zip(*found.keys, found.counts, found.sums, strict=True):
        network, transport, _ = kinds[which]
        steps = [step for step in (network, transport, _SERVICES[number]) if step]
        for depth in range(len(steps) + 1):
            row = rows.setdefault(tuple(steps[:depth]), [0, 0])
            row[0] += int(count)
            row[1] += int(lengths)
    for network, counted in _fragments(packets, length, path, kinds).items():
        rows[network, "frag"] = counted
    return _table(rows)


def network_of(layers: str) -> str:
    """Return the network layer of a path of layers: ``ip``, ``ip6``, or the name of what is not IP.

    Examples
    --------
    >>> [network_of(path) for path in ("eth:vlan:ip:tcp", "eth:ipv6:icmpv6", "eth:arp", "eth")]
    ['ip', 'ip6', 'arp', 'other']
    """
    path = layers.split(":")
    for name in path:
        if name in _IP:
            return _IP[name]
    return next((name for name in path if name and name not in _LINKS), "llc" if "llc" in path else _OTHER)


def _kind(layers: str, proto: str) -> tuple[str, str, int]:
    """Return network layer, IP protocol and whose ports (1 TCP, 2 UDP, 0 none) packets of such layers show."""
    path, network = layers.split(":"), network_of(layers)
    if network not in _IP.values():
        return network, "", 0
    at = next(place for place, name in enumerate(path) if name in _IP)
    above = [name for name in path[at + 1 :] if name not in _BETWEEN]
    transport = proto if not above or above[0] in _UNTOLD else above[0]
    transport = f"proto {transport}" if transport.isdecimal() else transport
    inside = any(name in _IP or name in _TRANSPORTS for name in above[1:])
    ports = 0 if inside else {"tcp": 1, "udp": 2}.get(transport, 0)
    if network == "ip6" and transport:
        transport = "icmp6" if transport == "icmpv6" else transport
        transport += "" if transport.endswith("6") else "6"
    return network, transport, ports


def _services(packets: pd.DataFrame, kind: np.ndarray) -> np.ndarray:
    """Return each packet's service by its ports: 0 where it has none."""
    src, dst = (_ports(packets[name]) for name in ("src_port", "dst_port"))
    _attribute_fragments(packets, src, dst)
    base = kind * (_NO_PORT + 1)
    service = _lookup(source=True)[base + src]
    service = np.where(service == 0, _lookup(source=False)[base + dst], service)
    unknown = (service == 0) & (kind > 0) & (src != _NO_PORT)
    service[unknown] = _NUMBER[_OTHER]
    service[(kind == 2) & (src != _NO_PORT) & _is_multicast(packets["dst_ip"])] = _NUMBER[_MCAST]
    return service


def _is_multicast(column: pd.Series) -> np.ndarray:
    """Return True where an address is of 224.0.0.0/4 or ff00::/8; by text, as RFC 5952 writes it, for speed."""
    codes, addresses = codes_of(column)
    many = np.asarray(addresses.astype("str").str.match(_MULTICAST), bool)
    return np.append(many, False)[codes]


def _ports(column: pd.Series) -> np.ndarray:
    if isinstance(column.array, pd.arrays.IntegerArray):
        return column.array.to_numpy(np.int32, na_value=_NO_PORT)
    numbers, there = numbers_of(column)
    return np.where(there, numbers, _NO_PORT).astype(np.int32)


def _attribute_fragments(packets: pd.DataFrame, src: np.ndarray, dst: np.ndarray) -> None:
    """Give later fragments the ports of their datagram's first one, the nearest before it or, failing that, after."""
    if not {"fragment", "ip_id", "src_ip"} <= set(packets):
        return
    there = packets["fragment"].notna().to_numpy()
    rows = np.flatnonzero(there)
    if not len(rows):
        return
    some = packets[["src_ip", "dst_ip", "proto", "ip_id"]].iloc[rows].reset_index(drop=True)
    some["src"] = pd.array(src[rows], "Int32")
    some["dst"] = pd.array(dst[rows], "Int32")
    some.loc[some["src"] == _NO_PORT, ["src", "dst"]] = pd.NA
    groups = some.groupby(["src_ip", "dst_ip", "proto", "ip_id"], observed=True, dropna=False, sort=False)
    before = groups[["src", "dst"]].ffill()
    filled = before.fillna(groups[["src", "dst"]].bfill()).fillna(_NO_PORT)
    src[rows] = filled["src"].to_numpy(np.int32)
    dst[rows] = filled["dst"].to_numpy(np.int32)


def _fragments(
    packets: pd.DataFrame, length: np.ndarray, path: np.ndarray, kinds: list[tuple[str, str, int]]
) -> dict[str, list[int]]:
    """Return packets and bytes of IP fragments by network layer."""
    if "fragment" not in packets:
        return {}
    rows = np.flatnonzero(packets["fragment"].notna().to_numpy())
    result: dict[str, list[int]] = {}
    found = tally([path[rows]], [len(kinds)], length[rows])
    for which, count, lengths in zip(*found.keys, found.counts, found.sums, strict=True):
        row = result.setdefault(kinds[which][0], [0, 0])
        row[0] += int(count)
        row[1] += int(lengths)
    return result


def _table(rows: dict[tuple[str, ...], list[int]]) -> pd.DataFrame:
    place = {name: number for number, name in enumerate(["ip", "ip6", "arp"])}
    first = {name: number for number, name in enumerate(["tcp", "tcp6", "udp", "udp6", "icmp", "icmp6"])}

    def order(steps: tuple[str, ...]) -> tuple:
        network = (place.get(steps[0], 3), steps[0] == _OTHER, steps[0]) if steps else (-1, False, "")
        transport = (steps[1] == "frag", first.get(steps[1], 9), steps[1]) if len(steps) > 1 else (False, -1, "")
        return *network, *transport, _NUMBER[steps[2]] if len(steps) > 2 else -1

    steps = sorted(rows, key=order)
    total = rows.get((), [0, 0])
    packets = np.array([rows[each][0] for each in steps], np.int64)
    lengths = np.array([rows[each][1] for each in steps], np.int64)
    return pd.DataFrame(
        {
            "level": np.array([len(each) for each in steps], np.int64),
            "name": pd.Series([each[-1] if each else "total" for each in steps], dtype="str"),
            "by": pd.Categorical(
                ["layers" if len(each) < 3 else "address" if each[2] == _MCAST else "port" for each in steps],
                categories=["layers", "port", "address"],
            ),
            "packets": packets,
            "packets_share": packets / total[0] if total[0] else np.zeros(len(steps)),
            "length": lengths,
            "length_share": lengths / total[1] if total[1] else np.zeros(len(steps)),
            "mean": lengths / np.maximum(packets, 1),
        }
    )
