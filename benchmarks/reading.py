"""Captures to tables: how fast, and how much faster than what is in use today."""

from __future__ import annotations

import shutil
import socket
import statistics
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pandas as pd

import nsm_nb as nsm
from benchmarks import captures
from benchmarks.measuring import Result, Run, of_samples, on_each, run, times

__all__ = ["measure_peers", "measure_reading"]

SLICE = 1_000_000  # packets that the peers are measured on
FIELDS = (
    "frame", "time", "length", "captured", "octets", "vlan", "src_mac", "dst_mac", "src_ip", "src_port", "dst_ip", "dst_port",
    "proto", "ttl", "ip_id", "fragment", "tcp_flags", "seq", "ack", "window", "icmp_type", "icmp_code", "payload", "offset",
    "layers",
)  # fmt: skip


def measure_reading(this: Run) -> Iterator[Result]:
    """Yield the rates of `read_packets` on the two captures."""
    for capture, unit, on, asked in (
        (captures.large(this.folder, this.scale), "GB/s", "all cores", ">= 2.5"),
        # 90 % of the 6.85 million of the walk, whose packets were not decoded through tunnels
        (captures.small(this.folder, this.scale), "million packets/s", "one core", ">= 6.17"),
    ):
        count = len(nsm.read_packets(capture))
        size = capture.stat().st_size
        for where, cores in on_each().items():
            with cores:
                seconds, share = times(lambda capture=capture: nsm.read_packets(capture), this.runs)
            how = (
                f"read_packets, {size / 1e6:,.0f} MB, {count:,} packets to a table of all {len(nsm.schema.PACKETS.columns)} "
                f"columns, on {where}"
            )
            rates = {
                "GB/s": [size / each / 1e9 for each in seconds],
                "million packets/s": [count / each / 1e6 for each in seconds],
            }
            for each, samples in rates.items():
                name = f"read_packets, {capture.stem}.pcap, {'bytes' if each == 'GB/s' else 'packets'}, {where}"
                wanted = asked if (each, where) == (unit, on) else ""
                yield of_samples(name, samples, each, how, asked=wanted, share=min(share, 1.0))


def measure_peers(this: Run) -> Iterator[Result]:
    """Yield the packets a second of nsm_nb and of others on the same packets, and how many times dpkt's ours is."""
    capture = captures.first_packets(captures.large(this.folder, this.scale), SLICE)
    count = len(nsm.read_packets(capture))
    slice_ = f"the first {count:,} packets of large.pcap ({capture.stat().st_size / 1e6:,.0f} MB)"
    unit, runs = "packets/s", min(this.runs, 3)
    ours, share = times(lambda: nsm.read_packets(capture), 3 * this.runs)
    rates = [count / each for each in ours]
    yield of_samples("packets of a slice: nsm_nb", rates, unit, f"read_packets, {slice_}", share=share)
    middle = statistics.median(ours)
    for name, job, words in (
        ("dpkt", lambda: with_dpkt(capture), f"a loop over dpkt: {len(FIELDS)} fields of each packet as a tuple"),
        (
            "dpkt to a table",
            lambda: pd.DataFrame(with_dpkt(capture), columns=FIELDS),
            "the same loop, and a DataFrame of it",
        ),
    ):
        theirs, share = times(job, runs, warm=0)
        how = f"{words}, {slice_}, {runs} runs"
        yield of_samples(f"packets of a slice: {name}", [count / each for each in theirs], unit, how, share=share)
        asked = ">= 100" if name == "dpkt" else ""
        yield of_samples(
            f"times {name}", [each / middle for each in theirs], "times", f"{words}, over our median", asked=asked
        )
    fields = [
        "frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "vlan.id", "eth.src", "eth.dst", "ip.src", "ip.dst",
        "ip.ttl", "ip.id", "ip.frag_offset", "ip.len", "ipv6.src", "ipv6.dst", "ip.proto", "tcp.srcport", "tcp.dstport",
        "udp.srcport", "udp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.len", "icmp.type",
        "icmp.code", "frame.protocols",
    ]  # fmt: skip
    programs = {
        "tcpdump": (["tcpdump", "-nn", "-tt", "-e", "-r", str(capture)], "tcpdump -nn -tt -e, text"),
        "tshark": (
            ["tshark", "-n", "-r", str(capture), "-T", "fields", *(part for each in fields for part in ("-e", each))],
            f"tshark -n -T fields, {len(fields)} fields",
        ),
    }
    for program, (command, words) in programs.items():
        if shutil.which(program):
            seconds, _ = times(lambda command=command: run(command), runs, warm=0)
            how = f"{words}, the whole process, {slice_}, {runs} runs"
            yield of_samples(f"packets of a slice: {program}", [count / each for each in seconds], unit, how)


def with_dpkt(capture: Path) -> list[tuple]:
    """Return `FIELDS` of each packet as dpkt gives them; the length on the wire it does not tell, so that is the captured one."""
    rows = []
    offset = 24
    with capture.open("rb") as file:
        for frame, (time, data) in enumerate(dpkt.pcap.Reader(file), 1):
            src = dst = sport = dport = proto = ttl = number = octets = flags = seq = ack = window = kind = code = (
                payload
            ) = None
            vlan = fragment = None
            ethernet = dpkt.ethernet.Ethernet(data)
            packet = ethernet.data
            layers = ["eth"]
            if hasattr(ethernet, "vlan_tags"):
                vlan = ethernet.vlan_tags[0].id
                layers.append("vlan")
            if isinstance(packet, dpkt.ip.IP):
                src, dst = socket.inet_ntoa(packet.src), socket.inet_ntoa(packet.dst)
                proto, ttl, number, octets = packet.p, packet.ttl, packet.id, packet.len
                layers.append("ip")
                if packet.mf or packet.offset:
                    fragment = packet.offset
            elif isinstance(packet, dpkt.ip6.IP6):
                src, dst = socket.inet_ntop(socket.AF_INET6, packet.src), socket.inet_ntop(socket.AF_INET6, packet.dst)
                proto, ttl, octets = packet.p, packet.hlim, packet.plen + 40
                layers.append("ipv6")
            elif isinstance(packet, dpkt.arp.ARP):
                src, dst = socket.inet_ntoa(packet.spa), socket.inet_ntoa(packet.tpa)
                layers.append("arp")
            if proto is not None:
                segment = packet.data
                if isinstance(segment, dpkt.tcp.TCP):
                    sport, dport, flags, seq, ack = (
                        segment.sport,
                        segment.dport,
                        segment.flags,
                        segment.seq,
                        segment.ack,
                    )
                    window, payload = segment.win, len(segment.data)
                    layers.append("tcp")
                elif isinstance(segment, dpkt.udp.UDP):
                    sport, dport, payload = segment.sport, segment.dport, len(segment.data)
                    layers.append("udp")
                elif isinstance(segment, (dpkt.icmp.ICMP, dpkt.icmp6.ICMP6)):
                    kind, code = segment.type, segment.code
                    layers.append("icmp")
            captured = len(data)
            rows.append(
                (frame, time, captured, captured, octets, vlan, ethernet.src.hex(":"), ethernet.dst.hex(":"), src, sport, dst,
                 dport, proto, ttl, number, fragment, flags, seq, ack, window, kind, code, payload, offset + 16, ":".join(layers))
            )  # fmt: skip
            offset += 16 + captured
    return rows
