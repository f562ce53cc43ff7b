"""Reading packet headers: link layer to transport, one row a frame, written in place.

Every read is preceded by a look at the bytes that are left; what a cut header can't tell stays absent.

Source: IEEE 802.3 and 802.1Q; RFC 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 9260 (SCTP), 792 and 4443 (ICMP);
libpcap's link-layer header types (SLL, SLL2, raw, null).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.interning import intern_value
from nsm_nb.kernels.numbers import be16, be32, be64, byte

__all__ = [
    "LAYERS",
    "LINKS",
    "NO_PROTO",
    "PROTO_ETHERTYPE",
    "PROTO_LLC",
    "Columns",
    "decode",
]

# The layers that `decode` tells apart; a frame's chain of them is one number, eight bits a layer.
LAYERS = (
    "", "eth", "vlan", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "arp", "sctp", "sll", "sll2", "raw", "null", "llc",
    "ethertype", "ipv6.fragment", "ipv6.extension", "ipproto", "fragment", "cut", "linktype", "...",
)  # fmt: skip
_ETH, _VLAN, _IP, _IP6, _TCP, _UDP, _ICMP, _ICMP6, _ARP, _SCTP, _SLL, _SLL2, _RAW, _NULL, _LLC = range(1, 16)
_ETHERTYPE, _FRAGMENT6, _EXTENSION, _IPPROTO, _FRAGMENT, _CUT, _LINKTYPE, _DEEPER = range(16, 24)

# Link types that are decoded, by their LINKTYPE_ number.
LINKS = {
    0: "null",
    1: "eth",
    12: "raw",
    14: "raw",
    101: "raw",
    108: "null",
    113: "sll",
    228: "raw",
    229: "raw",
    276: "sll2",
}

PROTO_ETHERTYPE = 0x10000  # proto numbers below 256 are IP's; then ethertypes; then LLC service access points
PROTO_LLC = 0x20000
NO_PROTO = -1


class Columns(NamedTuple):
    """The columns that `decode` writes, one row a frame. `no_*` are True where the columns named after it are absent."""

    time: np.ndarray
    length: np.ndarray
    captured: np.ndarray
    offset: np.ndarray
    link: np.ndarray
    vlan: np.ndarray
    no_vlan: np.ndarray
    src_mac: np.ndarray
    dst_mac: np.ndarray
    src_ip: np.ndarray
    dst_ip: np.ndarray
    ttl: np.ndarray
    octets: np.ndarray
    no_ip: np.ndarray
    ip_id: np.ndarray
    no_ip_id: np.ndarray
    fragment: np.ndarray
    no_fragment: np.ndarray
    proto: np.ndarray
    src_port: np.ndarray
    dst_port: np.ndarray
    no_port: np.ndarray
    payload: np.ndarray
    no_payload: np.ndarray
    tcp_flags: np.ndarray
    seq: np.ndarray
    ack: np.ndarray
    window: np.ndarray
    no_tcp: np.ndarray
    icmp_type: np.ndarray
    icmp_code: np.ndarray
    no_icmp: np.ndarray
    layers: np.ndarray
    payload_at: np.ndarray  # where the payload starts in the frame

    @staticmethod
    def dtypes() -> dict[str, str]:
        """Return the dtype of each column."""
        widths = {"time": "i8", "offset": "i8", "link": "u2", "vlan": "u2", "ttl": "u1", "proto": "i4", "window": "u2"}
        widths |= {"tcp_flags": "u2", "src_port": "u2", "dst_port": "u2", "icmp_type": "u1", "icmp_code": "u1"}
        widths |= dict.fromkeys(("src_mac", "dst_mac", "src_ip", "dst_ip", "layers"), "i4")
        return {name: "?" if name.startswith("no_") else widths.get(name, "u4") for name in Columns._fields}

    @classmethod
    def empty(cls, room: int) -> Columns:
        """Return columns with room for `room` rows, not yet written."""
        return cls(*(np.empty(room, dtype) for dtype in cls.dtypes().values()))

    def resize(self, room: int) -> None:
        """Give every column room for `room` rows, in place."""
        for column in self:
            column.resize(room, refcheck=False)


@njit(inline="always")
def _deeper(chain, layer):
    # eight layers fit; a ninth and later ones are told by the last place, "..."
    if chain >> 56:
        return (chain & 0x00FFFFFFFFFFFFFF) | (np.int64(_DEEPER) << 56)
    if chain >> 48:
        return chain | (np.int64(layer) << 56)
    shift = 0
    while (chain >> shift) & 0xFF:
        shift += 8
    return chain | (np.int64(layer) << shift)


@njit(cache=True, nogil=True)
def decode(buffer, base, first, last, c, addresses, macs, chains):
    """Decode the frames of rows ``first`` to ``last - 1``, whose offset, captured, length and link are written.

    Parameters
    ----------
    buffer : uint8 array
        Holds all of these frames.
    base : int
        Where ``buffer[0]`` stands in the evidence.
    first, last : int
        Rows.
    c : Columns
        Written.
    addresses, macs, chains : Interned
        The numbers that `src_ip`, `src_mac`, `layers` mean; the caller has made room for two more (one more chain) a row.
    """
    for row in range(first, last):
        at_row = np.uintp(row)
        start = c.offset[at_row] - base
        end = start + np.int64(c.captured[at_row])
        at = start
        chain = np.int64(0)
        other = np.int64(0)
        proto = np.int64(NO_PROTO)
        ethertype = np.int64(-1)

        src_mac = dst_mac = src_ip = dst_ip = np.int32(-1)
        vlan = ttl = octets = ip_id = fragment = np.int64(0)
        src_port = dst_port = payload = payload_at = np.int64(0)
        tcp_flags = seq = ack = window = icmp_type = icmp_code = np.int64(0)
        no_vlan = no_ip = no_ip_id = no_fragment = no_port = no_payload = no_tcp = no_icmp = True

        # --- link layer: leaves `at` behind it and `ethertype` of what follows, -1 where nothing is known
        link = c.link[at_row]
        if link == 1:
            chain = np.int64(_ETH)
            if end - at >= 14:
                dst_mac = intern_value(macs, 0, be64(buffer, at) >> 16 & 0xFFFFFFFFFFFF, 0)
                src_mac = intern_value(macs, 0, (be32(buffer, at + 6) << 16) | be16(buffer, at + 10), 0)
                ethertype = be16(buffer, at + 12)
                at += 14
            else:
                chain = _deeper(chain, _CUT)
        elif link == 113:
            chain = np.int64(_SLL)
            if end - at >= 16:
                if be16(buffer, at + 4) == 6:
                    src_mac = intern_value(macs, 0, (be32(buffer, at + 6) << 16) | be16(buffer, at + 10), 0)
                ethertype = be16(buffer, at + 14)
                at += 16
            else:
                chain = _deeper(chain, _CUT)
        elif link == 276:
            chain = np.int64(_SLL2)
            if end - at >= 20:
                if byte(buffer, at + 11) == 6:
                    src_mac = intern_value(macs, 0, (be32(buffer, at + 12) << 16) | be16(buffer, at + 16), 0)
                ethertype = be16(buffer, at)
                at += 20
            else:
                chain = _deeper(chain, _CUT)
        elif link == 101 or link == 12 or link == 14 or link == 228 or link == 229:
            chain = np.int64(_RAW)
            if end > at:
                ethertype = 0x86DD if byte(buffer, at) >> 4 == 6 else 0x0800
        elif link == 0 or link == 108:
            chain = np.int64(_NULL)
            if end - at >= 4:
                # the address family in the byte order of the machine that captured; AF_INET6 is 10, 24, 28 or 30
                family = be32(buffer, at) if byte(buffer, at) == 0 and byte(buffer, at + 1) == 0 else byte(buffer, at)
                if family == 2:
                    ethertype = 0x0800
                elif family == 10 or family == 24 or family == 28 or family == 30:
                    ethertype = 0x86DD
                at += 4
            else:
                chain = _deeper(chain, _CUT)
        else:
            chain = np.int64(_LINKTYPE)
            other = np.int64(link)

        # --- 802.1Q and 802.1ad tags
        while ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100:
            chain = _deeper(chain, _VLAN)
            if end - at < 4:
                chain = _deeper(chain, _CUT)
                ethertype = -1
                break
            if no_vlan:
                vlan = be16(buffer, at) & 0x0FFF
                no_vlan = False
            ethertype = be16(buffer, at + 2)
            at += 4

        # --- IEEE 802.2 under an 802.3 length (up to 1500)
        if 0 <= ethertype <= 1500 and (link == 1 or ethertype == 4):
            chain = _deeper(chain, _LLC)
            if (
                end - at >= 8
                and byte(buffer, at) == 0xAA
                and byte(buffer, at + 1) == 0xAA
                and byte(buffer, at + 2) == 3
            ):
                ethertype = be16(buffer, at + 6)
                at += 8
            else:
                if end > at:
                    proto = PROTO_LLC + byte(buffer, at)
                ethertype = -1

        # --- network layer: leaves `at`, `proto` and `ip_end`, the end of the datagram by its header
        ip_end = np.int64(-1)
        transport = False
        if ethertype == 0x0800:
            chain = _deeper(chain, _IP)
            if end - at >= 20 and byte(buffer, at) >> 4 == 4 and (byte(buffer, at) & 15) >= 5:
                size = (byte(buffer, at) & 15) * 4
                total = be16(buffer, at + 2)
                if total == 0:  # segmentation offload: the length was not known yet when the frame was copied
                    total = max(np.int64(c.length[at_row]) - (at - start), size)
                ttl = byte(buffer, at + 8)
                octets = total
                no_ip = False
                ip_id = be16(buffer, at + 4)
                no_ip_id = False
                src_ip = intern_value(addresses, 0, be32(buffer, at + 12), 4)
                dst_ip = intern_value(addresses, 0, be32(buffer, at + 16), 4)
                proto = byte(buffer, at + 9)
                place = be16(buffer, at + 6)
                if place & 0x3FFF:  # more fragments, or an offset
                    fragment = (place & 0x1FFF) * 8
                    no_fragment = False
                ip_end = at + total
                transport = (place & 0x1FFF) == 0 and total >= size and end - at >= size
                at += size
                if not transport:
                    chain = _deeper(chain, _FRAGMENT if place & 0x1FFF else _CUT)
            else:
                chain = _deeper(chain, _CUT)
        elif ethertype == 0x86DD:
            chain = _deeper(chain, _IP6)
            if end - at >= 40 and byte(buffer, at) >> 4 == 6:
                size = be16(buffer, at + 4)
                if size == 0:
                    size = max(np.int64(c.length[at_row]) - (at - start) - 40, 0)
                ttl = byte(buffer, at + 7)
                octets = size + 40
                no_ip = False
                src_ip = intern_value(addresses, be64(buffer, at + 8), be64(buffer, at + 16), 6)
                dst_ip = intern_value(addresses, be64(buffer, at + 24), be64(buffer, at + 32), 6)
                proto = byte(buffer, at + 6)
                ip_end = at + 40 + size
                at += 40
                transport = True
                # extension headers: hop-by-hop, routing, fragment, authentication, destination, mobility
                for _ in range(16):
                    if not (proto == 0 or proto == 43 or proto == 44 or proto == 51 or proto == 60 or proto == 135):
                        break
                    if min(end, ip_end) - at < 8:
                        chain = _deeper(chain, _CUT)
                        transport = False
                        break
                    following = byte(buffer, at)
                    if proto == 44:
                        chain = _deeper(chain, _FRAGMENT6)
                        place = be16(buffer, at + 2)
                        fragment = place & 0xFFF8
                        no_fragment = False
                        ip_id = be32(buffer, at + 4)
                        no_ip_id = False
                        at += 8
                        proto = following
                        if place & 0xFFF8:
                            chain = _deeper(chain, _FRAGMENT)
                            transport = False
                            break
                    else:
                        chain = _deeper(chain, _EXTENSION)
                        at += (byte(buffer, at + 1) + 2) * 4 if proto == 51 else (byte(buffer, at + 1) + 1) * 8
                        proto = following
            else:
                chain = _deeper(chain, _CUT)
        elif ethertype == 0x0806:
            chain = _deeper(chain, _ARP)
            proto = PROTO_ETHERTYPE + ethertype
            # Ethernet and IPv4: hardware type 1, protocol type 0x0800, sizes 6 and 4 (RFC 826)
            if end - at >= 28 and be32(buffer, at) == 0x00010800 and be16(buffer, at + 4) == 0x0604:
                src_ip = intern_value(addresses, 0, be32(buffer, at + 14), 4)
                dst_ip = intern_value(addresses, 0, be32(buffer, at + 24), 4)
        elif ethertype >= 0:
            chain = _deeper(chain, _ETHERTYPE)
            other = ethertype
            proto = PROTO_ETHERTYPE + ethertype

        # --- transport layer; `left` bytes are in the file, `size` bytes belong to it by the IP header
        if transport:
            left = min(end, ip_end) - at
            size = ip_end - at
            head = np.int64(-1)
            if proto == 6:
                chain = _deeper(chain, _TCP)
                if left >= 4:
                    src_port = be16(buffer, at)
                    dst_port = be16(buffer, at + 2)
                    no_port = False
                if left >= 16:
                    seq = be32(buffer, at + 4)
                    ack = be32(buffer, at + 8)
                    tcp_flags = be16(buffer, at + 12) & 0x01FF
                    window = be16(buffer, at + 14)
                    no_tcp = False
                    head = (byte(buffer, at + 12) >> 4) * 4
                    if head < 20 or head > size:
                        head = -1
            elif proto == 17 or proto == 136:  # UDP and UDP-Lite
                chain = _deeper(chain, _UDP)
                if left >= 4:
                    src_port = be16(buffer, at)
                    dst_port = be16(buffer, at + 2)
                    no_port = False
                if left >= 8:
                    head = 8
                    said = be16(buffer, at + 4)
                    if proto == 17 and 8 <= said < size:  # what stands behind the datagram is not its payload
                        size = said
                if head > size:
                    head = -1
            elif proto == 132:
                chain = _deeper(chain, _SCTP)
                if left >= 4:
                    src_port = be16(buffer, at)
                    dst_port = be16(buffer, at + 2)
                    no_port = False
                if left >= 12:
                    head = 12
            elif proto == 1 or proto == 58:
                chain = _deeper(chain, _ICMP if proto == 1 else _ICMP6)
                if left >= 2:
                    icmp_type = byte(buffer, at)
                    icmp_code = byte(buffer, at + 1)
                    no_icmp = False
                if left >= 8:
                    head = 8
            else:
                chain = _deeper(chain, _IPPROTO)
                other = proto
            if head >= 0 and size >= head:
                payload = size - head
                no_payload = False
                payload_at = at + head - start
            elif proto == 6 or proto == 17 or proto == 1 or proto == 58:
                chain = _deeper(chain, _CUT)
        c.vlan[at_row] = vlan
        c.no_vlan[at_row] = no_vlan
        c.src_mac[at_row] = src_mac
        c.dst_mac[at_row] = dst_mac
        c.src_ip[at_row] = src_ip
        c.dst_ip[at_row] = dst_ip
        c.ttl[at_row] = ttl
        c.octets[at_row] = octets
        c.no_ip[at_row] = no_ip
        c.ip_id[at_row] = ip_id
        c.no_ip_id[at_row] = no_ip_id
        c.fragment[at_row] = fragment
        c.no_fragment[at_row] = no_fragment
        c.proto[at_row] = proto
        c.src_port[at_row] = src_port
        c.dst_port[at_row] = dst_port
        c.no_port[at_row] = no_port
        c.payload[at_row] = payload
        c.no_payload[at_row] = no_payload
        c.tcp_flags[at_row] = tcp_flags
        c.seq[at_row] = seq
        c.ack[at_row] = ack
        c.window[at_row] = window
        c.no_tcp[at_row] = no_tcp
        c.icmp_type[at_row] = icmp_type
        c.icmp_code[at_row] = icmp_code
        c.no_icmp[at_row] = no_icmp
        c.payload_at[at_row] = payload_at
        c.layers[at_row] = intern_value(chains, other, chain, 0)
