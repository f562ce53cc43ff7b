"""tcpdstat in plain Python, packet by packet: the slow twin that its listings are compared with.

It reads the bytes of a pcap file itself and follows tcpdstat's text (stat.c, net_read.c, ip_flow.c of the Twitter fork, without
IPv6) step by step, faults included. It reproduces the two listings in ``data/`` byte for byte, which the tests show first.
"""

from __future__ import annotations

import math
import struct
import time
from collections import Counter
from pathlib import Path

from nsm_nb.statistics._as_printed import IP_ROWS
from nsm_nb.statistics.breakdown import TCP_SERVICES, UDP_SERVICES

ETHERNET, NULL = 1, 0
TCP_ORDER = [
    word for name in dict.fromkeys(TCP_SERVICES.values()) for word in (("http(s)", "http(c)") if name == "http" else (name,))
]  # fmt: skip
UDP_ORDER = [
    "name", "dns", "kerb5", "sunrpc", "ntp", "epmap", "netb-ns", "netb-se", "ms-ds", "rip", "kazaa", "mssql-s", "mcast",
    "realaud", "halflif", "starcra", "everque", "unreal", "quake", "cuseeme",
]  # fmt: skip


class Unreadable(Exception):
    """A file that tcpdstat does not read, or this twin does not."""


def records(data: bytes):
    """Return the link type of a pcap file, and its packets: seconds, microseconds, length, bytes."""
    magic = data[:4]
    order = {
        b"\xd4\xc3\xb2\xa1": "<",
        b"\x4d\x3c\xb2\xa1": "<",
        b"\xa1\xb2\xc3\xd4": ">",
        b"\xa1\xb2\x3c\x4d": ">",
    }.get(magic)
    if order is None:
        raise Unreadable("no pcap")
    nano = 0x4D in magic and 0x3C in magic
    link = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF
    found, at = [], 24
    while at + 16 <= len(data):
        seconds, part, captured, length = struct.unpack(order + "IIII", data[at : at + 16])
        at += 16
        if at + captured > len(data):
            break
        found.append((seconds, part // 1000 if nano else part, length, data[at : at + captured]))
        at += captured
    return link, found


class Twin:
    """The counters of one run."""

    def __init__(self):
        self.rows, self.octets = Counter(), Counter()
        self.flows, self.cache = {}, []
        self.buckets = Counter()

    def add(self, *row):
        self.rows[row] += 1
        self.octets[row] += self.length

    def run(self, link, packets):
        if link not in (ETHERNET, NULL):
            raise Unreadable("unknown data link type")
        self.start = self.end = (0, 0)
        self.captured = self.longest = self.held = self.count = 0
        self.mean = self.var = self.peak = 0.0
        now = 0
        for seconds, micro, length, data in packets:
            if self.start[0] == 0:
                self.start, now = (seconds, micro), seconds
            self.end = (seconds, micro)
            self.longest = max(self.longest, len(data))
            self.captured += len(data)
            self.length = length
            self.buckets[min(max(length.bit_length() - 1, 0), 15)] += 1
            self.add("total")
            if now == self.start[0]:
                if seconds > now:
                    now = seconds
                    self.held += length
            else:
                if seconds > now:
                    self.count += seconds - now
                    bits = float(self.held * 8 % 2**32)
                    apart = bits - self.mean
                    self.mean += apart / self.count
                    self.var += (self.count - 1) * apart * apart / self.count
                    self.peak = max(self.peak, bits)
                    self.held, now = 0, seconds
                self.held += length
            if link == NULL:
                self.ip(data[4:], length - 4)
            elif len(data) >= 14:
                self.ethernet(int.from_bytes(data[12:14], "big"), data[14:], length - 14)

    def ethernet(self, kind, data, length):
        if kind < 1500:
            if len(data) >= 8 and data[:3] == b"\xaa\xaa\x03":
                self.ethernet_type(int.from_bytes(data[6:8], "big"), data[8:], length - 8)
        else:
            self.ethernet_type(kind, data, length)

    def ethernet_type(self, kind, data, length):
        if kind == 0x0800:
            self.ip(data, length)

    def ip(self, data, length):
        if length < 20:
            return
        if len(data) < 20:
            raise Unreadable("it would read bytes that were not captured")
        self.add("ip")
        header = (data[0] & 15) * 4
        left = min(int.from_bytes(data[2:4], "big"), length) - header
        proto, where = data[9], int.from_bytes(data[6:8], "big")
        src, dst = data[12:16], data[16:20]
        flow = self.flows.setdefault((src, dst), [0, 0])
        flow[0] += 1
        flow[1] += self.length
        self.add("ip", IP_ROWS[proto] if proto else "other", proto)
        if proto not in (6, 17):
            return
        name = "tcp" if proto == 6 else "udp"
        ports = data[header : header + 4]
        key = (data[4:6], src, dst, proto)
        if where & 0x1FFF:
            self.add("frag")
            found = next((each for each in self.cache if each[0] == key), None)
            if found is None:
                return
            ports = found[1]
            if not where & 0x2000:
                self.cache.remove(found)
        if left < (20 if proto == 6 else 8):
            return
        if len(ports) < 4:
            raise Unreadable("it would read bytes that were not captured")
        if proto == 17 and 224 <= dst[0] <= 239:
            self.add("service", name, "mcast")
        else:
            self.add("service", name, self.service(name, *struct.unpack(">HH", ports)))
        if where & 0x2000 and not where & 0x1FFF:
            self.add("frag")
            self.cache.insert(0, (key, ports))
            del self.cache[64:]

    @staticmethod
    def service(name, source, destination):
        services = TCP_SERVICES if name == "tcp" else UDP_SERVICES
        if source in services:
            return "http(s)" if services[source] == "http" else services[source]
        word = services.get(destination, "other")
        return "http(c)" if word == "http" else word

    def listing(self, path: Path) -> str:
        """Return what tcpdstat prints, in a zone of UTC."""
        out = ["", f"DumpFile:  {path}", f"FileSize: {path.stat().st_size / 1024 / 1024:.2f}MB"]
        out.append("Id: " + time.strftime("%Y%m%d%H%M", time.gmtime(self.start[0])))
        out.append("StartTime: " + time.asctime(time.gmtime(self.start[0])))
        out.append("EndTime:   " + time.asctime(time.gmtime(self.end[0])))
        total = float(self.end[0] - self.start[0]) + float(self.end[1] - self.start[1]) / 1000000.0
        out.append(f"TotalTime: {total:.2f} seconds")
        out.append(f"TotalCapSize: {self.captured / 1048576:.2f}MB  CapLen: {self.longest} bytes")
        packets, octets = self.rows["total",], self.octets["total",]
        size = f"{octets / 1048576:.2f}MB" if octets > 1048576 else f"{octets / 1024:.2f}KB"
        out.append(f"# of packets: {packets} ({size})")
        spread = math.nan if self.count == 1 else math.sqrt(self.var / (self.count - 1)) if self.count else -0.0
        mean, peak = self.mean, self.peak
        text = lambda value: "-nan" if math.isnan(value) else f"{value:.2f}"  # noqa: E731
        if mean > 1e6:
            rate = f"{text(mean / 1e6)}Mbps  stddev:{text(spread / 1e6)}M   "
        elif mean > 1e3:
            rate = f"{text(mean / 1e3)}Kbps  stddev:{text(spread / 1e3)}K   "
        else:
            rate = f"{text(mean)}bps  stddev:{text(spread)}   "
        of_peak = f"{peak / 1e6:.2f}Mbps" if peak > 1e6 else f"{peak / 1e3:.2f}Kbps" if peak > 1e3 else f"{peak:.2f}bps"
        out += [f"AvgRate: {rate}PeakRate: {of_peak}", "", *self.flow_lines(packets, octets)]
        out += ["### Packet Size Distribution (including MAC headers) ###", "<<<<"]
        out += [f" [{1 << n:5d}-{(1 << n + 1) - 1:5d}]: {count:10d}" for n, count in sorted(self.buckets.items())]
        out += [
            ">>>>",
            "",
            "",
            "### Protocol Breakdown ###",
            "<<<<",
            "     protocol\t\tpackets\t\t\tbytes\t\tbytes/pkt",
            "-" * 72,
        ]
        out += [self.line(level, name, row, packets, octets) for level, name, row in self.in_order() if self.rows[row]]
        return "\n".join([*out, ">>>>", "", "", ""])

    def flow_lines(self, packets, octets):
        out = ["### IP flow (unique src/dst pair) Information ###"]
        if not self.flows:
            return out
        sizes = sorted((size for _, size in self.flows.values()), reverse=True)
        out.append(f"# of flows: {len(sizes)}  (avg. {packets / len(sizes):.2f} pkts/flow)")
        out += [
            "Top 10 big flow size (bytes/total in %):",
            "".join(f" {size / octets * 100:4.1f}%" for size in sizes[:10]),
        ]
        ends = Counter()
        for (src, dst), (_, size) in self.flows.items():
            ends[src] += size
            ends[dst] += size
        total = sum(ends.values()) // 2
        largest = sorted(ends.values(), reverse=True)[:10]
        out += ["", "### IP address Information ###", f"# of IPv4 addresses: {len(ends)} "]
        return [
            *out,
            "Top 10 bandwidth usage (bytes/total in %):",
            "".join(f" {size / total * 100:4.1f}%" for size in largest),
        ]

    def in_order(self):
        yield 0, "total", ("total",)
        yield 1, "ip", ("ip",)
        for proto in (6, 17, *(number for number in range(1, 256) if number not in (6, 17)), 0):
            word = IP_ROWS[proto] if proto else "other"
            yield 2, word, ("ip", word, proto)
            for name in {6: [*TCP_ORDER, "other"], 17: [*UDP_ORDER, "other"]}.get(proto, ()):
                yield 3, "kasaa" if (word, name) == ("tcp", "kazaa") else name, ("service", word, name)
        yield 2, "frag", ("frag",)

    def line(self, level, name, row, packets, octets):
        count, size = self.rows[row], self.octets[row]
        named = (" " * max(level - 1, 0) + name).ljust(9)
        return (
            f"[{level}] {named} {count:12d} ({count / packets * 100:6.2f}%) {size:16d} "
            f"({size / octets * 100:6.2f}%)  {size / count:8.2f}"
        )


def listing(path: Path) -> str:
    """Return what tcpdstat prints of a pcap file.

    Raises
    ------
    Unreadable
        Where tcpdstat, or this twin, does not read it.
    """
    link, packets = records(path.read_bytes())
    twin = Twin()
    twin.run(link, packets)
    return twin.listing(path)
