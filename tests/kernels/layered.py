"""A frame read layer by layer in plain Python: the slow twin of `nsm_nb.kernels.decode`.

Each reader takes the captured bytes of what it reads and how many there are by the headers around it, and hands on the rest.
"""

from __future__ import annotations

import ipaddress
import struct

ETHERTYPES = {
    0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x8847, 0x8863, 0x8864, 0x88CC, 0x8902, 0x9000,
}  # fmt: skip
DEEPEST = 24


class Frame:
    """What was found on the way down."""

    def __init__(self, data: bytes, link: int, length: int | None = None):
        self.layers: list[str] = []
        self.row: dict = {}
        self.first: dict = {}  # vlan and MACs: of the outermost
        self.outer: tuple | None = None
        self.size = len(data)
        step = self.link(data, max(len(data), length or 0), link)
        while step is not None and len(self.layers) < DEEPEST:
            read, *arguments = step
            step = read(*arguments)
        if len(self.layers) >= DEEPEST:
            self.layers[DEEPEST - 1 :] = ["..."]

    def told(self) -> dict:
        row = {**self.first, **self.row, "layers": ":".join(self.layers)}
        if self.outer:
            row["outer_src_ip"], row["outer_dst_ip"] = self.outer
        return row

    def inner(self, **row):
        if self.row.get("src_ip") and not self.outer:
            self.outer = self.row["src_ip"], self.row["dst_ip"]
        self.row = row

    def cut(self):
        self.layers.append("cut")

    # --- links

    def link(self, data, wire, link):
        if link == 1:
            return self.ethernet, data, wire
        if link in (113, 276):
            self.layers.append("sll" if link == 113 else "sll2")
            head = 16 if link == 113 else 20
            if len(data) < head:
                return self.cut()
            kind, size, place = (14, data[4] << 8 | data[5], 6) if link == 113 else (0, data[11], 12)
            if size == 6:
                self.first["src_mac"] = data[place : place + 6].hex(":")
            kind = int.from_bytes(data[kind : kind + 2], "big")
            return (self.llc, data[head:], wire - head) if kind == 4 else (self.typed, data[head:], wire - head, kind)
        if link in (12, 14, 101, 228, 229):
            self.layers.append("raw")
            return (self.typed, data, wire, 0x86DD if data[0] >> 4 == 6 else 0x0800) if data else None
        if link in (0, 108):
            self.layers.append("null")
            if len(data) < 4:
                return self.cut()
            family = int.from_bytes(data[:4], "big") if data[:2] == b"\0\0" else data[0]
            kind = {2: 0x0800, 10: 0x86DD, 23: 0x86DD, 24: 0x86DD, 28: 0x86DD, 30: 0x86DD}.get(family)
            return kind and (self.typed, data[4:], wire - 4, kind)
        if link in (9, 50):
            return self.ppp, data, wire
        if link == 204:
            self.layers.append("pppdir")
            return (self.ppp, data[1:], wire - 1) if data else self.cut()
        if link == 51:
            return self.typed, data, wire, 0x8864
        if link == 104:
            self.layers.append("chdlc")
            if len(data) < 4:
                return self.cut()
            return self.typed, data[4:], wire - 4, int.from_bytes(data[2:4], "big")
        if link == 105:
            return self.wlan, data, wire, False
        if link == 127:
            self.layers.append("radiotap")
            if len(data) < 8:
                return self.cut()
            size, mask = struct.unpack_from("<HI", data, 2)
            if size < 8 or size > len(data):
                return self.cut()
            return self.wlan, data[size:], wire - size, self.pads(data, mask)
        self.layers.append(f"linktype-{link}")
        return None

    @staticmethod
    def pads(data, mask):
        at, more = 8, mask
        while more >> 31 and at + 4 <= len(data):
            (more,) = struct.unpack_from("<I", data, at)
            at += 4
        if more >> 31:
            return False
        if mask & 1:
            at += -at % 8 + 8
        return bool(mask & 2 and at < len(data) and data[at] & 0x20)

    def wlan(self, data, wire, padded):
        self.layers.append("wlan")
        if len(data) < 10:
            return self.cut()
        control = data[0] | data[1] << 8
        kind, sub, to, away = control >> 2 & 3, control >> 4 & 15, control & 0x100, control & 0x200
        if kind in (1, 3):
            return None
        size = 30 if kind == 2 and to and away else 24
        if len(data) < size:
            return self.cut()
        a, b, c, d = data[4:10], data[10:16], data[16:22], data[24:30]
        if kind == 0:
            to = away = 0
        self.first["dst_mac"] = (c if to else a).hex(":")
        self.first["src_mac"] = ((d if to else c) if away else b).hex(":")
        if kind == 0:
            return None
        many = False
        if sub & 8:
            many = len(data) >= size + 2 and bool(data[size] & 0x80)
            size += 6 if control & 0x8000 else 2
        size += -size % 4 if padded else 0
        if control & 0x4000:
            self.layers.append("encrypted")
            return None
        if sub & 4:
            return None
        size += 14 if many else 0
        return (self.llc, data[size:], wire - size) if len(data) >= size else self.cut()

    def ethernet(self, data, wire):
        self.layers.append("eth")
        if len(data) < 14:
            return self.cut()
        if not {"src_mac", "dst_mac"} & set(self.first):
            self.first["dst_mac"], self.first["src_mac"] = data[:6].hex(":"), data[6:12].hex(":")
        kind = int.from_bytes(data[12:14], "big")
        return (self.llc, data[14:], wire - 14) if kind <= 1500 else (self.typed, data[14:], wire - 14, kind)

    def llc(self, data, wire):
        self.layers.append("llc")
        if len(data) >= 8 and data[:3] == b"\xaa\xaa\x03":
            if data[3:6] in (b"\0\0\0", b"\0\0\xf8"):
                return self.typed, data[8:], wire - 8, int.from_bytes(data[6:8], "big")
        elif data[:3] == b"\x06\x06\x03":
            return self.typed, data[3:], wire - 3, 0x0800
        return None

    def typed(self, data, wire, kind):
        if kind == 0x0800:
            return self.ip4(data, wire)
        if kind == 0x86DD:
            return self.ip6(data, wire)
        if kind in (0x8100, 0x88A8, 0x9100):
            self.layers.append("vlan")
            if len(data) < 4:
                return self.cut()
            tag, kind = struct.unpack_from(">HH", data)
            self.first.setdefault("vlan", tag & 0xFFF)
            return (self.llc, data[4:], wire - 4) if kind <= 1500 else (self.typed, data[4:], wire - 4, kind)
        if kind == 0x0806:
            self.layers.append("arp")
            if len(data) >= 28 and data[:6] == bytes.fromhex("000108000604"):
                self.inner(src_ip=text(data[14:18]), dst_ip=text(data[24:28]))
            elif not self.row.get("src_ip"):
                self.inner()
            return None
        if kind == 0x6558:
            return self.ethernet, data, wire
        if kind in (0x8847, 0x8848):
            return self.mpls(data, wire)
        if kind == 0x8864:
            self.layers.append("pppoe")
            if len(data) < 6:
                return self.cut()
            if data[:2] != b"\x11\0":
                return None
            wire = min(wire - 6, data[4] << 8 | data[5])
            return self.ppp, data[6 : 6 + max(wire, 0)], wire
        if kind == 0x880B:
            return self.ppp, data, wire
        self.layers.append(f"ethertype#{kind}")
        return None

    def mpls(self, data, wire):
        bottom = False
        while not bottom:
            self.layers.append("mpls")
            if len(data) < 4:
                return self.cut()
            bottom = data[2] & 1
            data, wire = data[4:], wire - 4
        if not data:
            return None
        first = data[0] >> 4
        network = {4: 0x0800, 6: 0x86DD}.get(first)
        if network and sound_ip(data, wire):
            return self.typed, data, wire, network
        if first == 1:
            return None
        bare, behind = sound_ethernet(data), first == 0 and sound_ethernet(data[4:])
        if behind and behind >= bare:
            self.layers.append("pw")
            return self.ethernet, data[4:], wire - 4
        if bare:
            return self.ethernet, data, wire
        return network and (self.typed, data, wire, network)

    def ppp(self, data, wire):
        self.layers.append("ppp")
        if data[:2] == b"\xff\x03":
            data, wire = data[2:], wire - 2
        if len(data) >= 4 and data[0] in (0x0F, 0x8F) and data[1] == 0:
            return self.typed, data[4:], wire - 4, int.from_bytes(data[2:4], "big")
        size = 1 if data and data[0] & 1 else 2
        if len(data) < size:
            return self.cut()
        kind = int.from_bytes(data[:size], "big")
        known = {0x0021: 0x0800, 0x0057: 0x86DD, 0x0281: 0x8847, 0x0283: 0x8847}.get(kind)
        if known:
            return self.typed, data[size:], wire - size, known
        self.layers.append(f"ppp#{kind}")
        return None

    # --- IP

    def ip4(self, data, wire):
        self.layers.append("ip")
        if len(data) < 20 or data[0] >> 4 != 4 or data[0] & 15 < 5:
            return self.cut()
        size, total, number, place = (data[0] & 15) * 4, *struct.unpack_from(">HHH", data, 2)
        total = total or max(wire, size)
        self.inner(ip_id=number, octets=total, ttl=data[8], src_ip=text(data[12:16]), dst_ip=text(data[16:20]))
        if place & 0x3FFF:
            self.row["fragment"] = (place & 0x1FFF) * 8
        if place & 0x1FFF:
            self.layers.append("fragment")
            return None
        if total < size or len(data) < size:
            return self.cut()
        return self.above, data[size:total], min(wire, total) - size, data[9], 4

    def ip6(self, data, wire):
        self.layers.append("ipv6")
        if len(data) < 40 or data[0] >> 4 != 6:
            return self.cut()
        size = int.from_bytes(data[4:6], "big") or max(wire - 40, 0)
        proto = data[6]
        self.inner(octets=size + 40, ttl=data[7], src_ip=text(data[8:24]), dst_ip=text(data[24:40]))
        data, wire = data[40 : 40 + size], min(wire - 40, size)
        for _ in range(16):
            if proto not in (0, 43, 44, 51, 60, 135):
                break
            if len(data) < 8:
                return self.cut()
            head, following = (data[1] + 2) * 4 if proto == 51 else (data[1] + 1) * 8, data[0]
            if proto == 44:
                head = 8
                self.layers.append("ipv6.fragment")
                place, self.row["ip_id"] = struct.unpack_from(">HI", data, 2)
                self.row["fragment"] = place & 0xFFF8
                if place & 0xFFF8:
                    self.layers.append("fragment")
                    return None
            else:
                self.layers.append("ipv6.extension")
            proto, data, wire = following, data[head:], wire - head
        return self.above, data, wire, proto, 6

    def above(self, data, wire, proto, _):
        if proto in (1, 6, 17, 58, 132, 136):
            return self.transport(data, wire, proto)
        if proto == 51:
            self.layers.append("ah")
            if len(data) < 12:
                return self.cut()
            size = (data[1] + 2) * 4
            return self.above, data[size:], wire - size, data[0], 4
        if proto == 4 and len(data) >= 20 and data[0] >> 4 == 4 and data[0] & 15 >= 5:
            return self.ip4, data, wire
        if proto == 41 and len(data) >= 40 and data[0] >> 4 == 6:
            return self.ip6, data, wire
        if proto == 47:
            return self.gre(data, wire)
        if proto == 97 and len(data) >= 16 and data[0] >> 4 == 3:
            self.layers.append("etherip")
            return self.ethernet, data[2:], wire - 2
        if proto == 137:
            return self.mpls(data, wire)
        self.layers.append(f"proto#{proto}")
        return None

    def gre(self, data, wire):
        self.layers.append("gre")
        if len(data) < 4:
            return self.cut()
        bits, kind = struct.unpack_from(">HH", data)
        size = 4
        if bits & 7 == 1:
            if len(data) < 8:
                return self.cut()
            size = 8 + 4 * bool(bits & 0x1000) + 4 * bool(bits & 0x80)
            if kind != 0x880B or not bits & 0x1000:
                return None
            wire = min(wire, size + int.from_bytes(data[4:6], "big"))
        elif bits & 7:
            return None
        else:
            size += 4 * bool(bits & 0xC000) + 4 * bool(bits & 0x2000) + 4 * bool(bits & 0x1000)
            for _ in range(8 if bits & 0x4000 else 0):
                if len(data) < size + 4:
                    return self.cut()
                entry = data[size : size + 4]
                size += 4 + entry[3]
                if entry[:2] == b"\0\0" and not entry[3]:
                    break
        if len(data) < size:
            return self.cut()
        data, wire = data[size : max(wire, 0)], wire - size
        if kind in (0x88BE, 0x22EB):
            self.layers.append("erspan")
            size = 8 if kind == 0x88BE and bits & 0x1000 else 0
            if kind == 0x22EB:
                size = 20 if len(data) >= 12 and data[11] & 1 else 12
            if len(data) < size:
                return self.cut()
            if kind == 0x22EB and data[10] >> 2 & 31 == 2:
                return self.typed, data[size:], wire - size, 0x86DD if data[size:] and data[size] >> 4 == 6 else 0x0800
            return self.ethernet, data[size:], wire - size
        if kind == 0x883E:
            skip = 4 if len(data) >= 4 and data[0] >> 4 != 4 else 0
            return self.typed, data[skip:], wire - skip, 0x0800
        return self.typed, data, wire, kind

    def transport(self, data, wire, proto):
        name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp", 136: "udp"}[proto]
        self.layers.append(name)
        head, step = None, None
        if name in ("tcp", "udp", "sctp") and len(data) >= 4:
            self.row["src_port"], self.row["dst_port"] = struct.unpack_from(">HH", data)
        if name == "tcp" and len(data) >= 16:
            self.row["seq"], self.row["ack"], flags, self.row["window"] = struct.unpack_from(">IIHH", data, 4)
            self.row["tcp_flags"] = flags & 0x1FF
            head = flags >> 12 << 2
            head = head if head >= 20 else None
        if name == "udp" and len(data) >= 8:
            head, said = 8, int.from_bytes(data[4:6], "big")
            if proto == 17 and 8 <= said < wire:
                wire = said
            if proto == 17 and wire >= 8:
                step = self.tunnel(data[8:wire], wire - 8)
        if name == "sctp" and len(data) >= 12:
            head = 12
        if name.startswith("icmp"):
            if len(data) >= 2:
                self.row["icmp_type"], self.row["icmp_code"] = data[:2]
            head = 8 if len(data) >= 8 else None
            if head and data[0] in ((0, 8, *range(13, 19)) if name == "icmp" else (128, 129, 144, 145)):
                self.row["icmp_id"] = int.from_bytes(data[4:6], "big")
        if head is not None and wire >= head:
            self.row["payload"] = wire - head
        elif proto not in (132, 136):
            self.layers.append("cut")
        return step

    def tunnel(self, data, wire):
        ports, to = {self.row["src_port"], self.row["dst_port"]}, self.row["dst_port"]
        found = None
        if to in (4789, 8472, 4790):
            found = "vxlan", *vxlan(data, to == 4790)
        elif to == 6081:
            found = "geneve", *geneve(data)
        elif 2152 in ports:
            found = "gtp", *gtp(data, wire)
        elif 3544 in ports:
            found = "teredo", *teredo(data)
        if not found or found[1] is None:
            return None
        name, kind, skip = found
        flags, number = data[0], int.from_bytes(data[4:7], "big")
        data, wire = data[skip:], wire - skip
        if not (sound_ethernet(data) if kind == "ethernet" else sound_ip(data, wire)):
            return None
        if name == "teredo" and not (data[0] >> 4 == 6 and any(map(teredos, (data[8:24], data[24:40])))):
            return None
        self.layers.append(name)
        if name in ("vxlan", "geneve"):
            self.first["vni"] = number if name == "geneve" or flags & 8 else None
        return (self.ethernet, data, wire) if kind == "ethernet" else (self.typed, data, wire, kind)


def vxlan(data, extended):
    if len(data) < 16 or data[7]:
        return None, 0
    bits = data[0]
    if not extended:
        fine = bits & 0x7F == 8 and not data[1] & 0xB7 and (bits & 0x80 or data[1:4] == b"\0\0\0")
        return ("ethernet" if fine else None), 8
    if bits & 0xF2 or data[1:3] != b"\0\0":
        return None, 0
    if not bits & 4:
        return ("ethernet" if bits & 8 and not data[3] else None), 8
    return {1: 0x0800, 2: 0x86DD, 3: "ethernet"}.get(data[3]), 8


def geneve(data):
    if len(data) < 8 or data[0] >> 6 or data[1] & 0x3F or data[7]:
        return None, 0
    skip = 8 + (data[0] & 0x3F) * 4
    kind = {0x6558: "ethernet", 0x0800: 0x0800, 0x86DD: 0x86DD}.get(data[2] << 8 | data[3])
    return (kind if len(data) > skip else None), skip


def gtp(data, wire):
    if len(data) < 9 or data[0] & 0xF0 != 0x30 or data[1] != 0xFF or data[2] << 8 | data[3] != wire - 8:
        return None, 0
    skip = 8
    if data[0] & 7:
        skip = 12
        if len(data) < skip:
            return None, 0
        kind = data[11] if data[0] & 4 else 0
        for _ in range(16):
            if not kind:
                break
            if skip >= len(data) or not data[skip] or skip + 4 * data[skip] > len(data):
                return None, 0
            skip += 4 * data[skip]
            kind = data[skip - 1]
        if kind:
            return None, 0
    if skip >= len(data):
        return None, 0
    return (0x86DD if data[skip] >> 4 == 6 else 0x0800), skip


def teredo(data):
    skip = 0
    if len(data) >= 4 and data[:2] == b"\0\1":
        skip = 13 + data[2] + data[3]
    if len(data) >= skip + 8 and data[skip : skip + 2] == b"\0\0":
        skip += 8
    return (0x86DD if len(data) >= skip + 40 else None), skip


def teredos(address):
    return address[:4] == b"\x20\x01\0\0" or (address[0] == 0xFE and address[1] >> 6 == 2)


def sound_ip(data, wire):
    if len(data) >= 20 and data[0] >> 4 == 4:
        return 20 <= (data[0] & 15) * 4 <= (data[2] << 8 | data[3]) <= wire
    return len(data) >= 40 and data[0] >> 4 == 6 and (data[4] << 8 | data[5]) + 40 <= wire


def sound_ethernet(data):
    if len(data) < 14:
        return 0
    kind = data[12] << 8 | data[13]
    return int(3 <= kind <= len(data) - 14) if kind <= 1500 else 2 * (kind in ETHERTYPES)


def text(packed):
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return f"::ffff:{mapped}" if mapped else str(address)
