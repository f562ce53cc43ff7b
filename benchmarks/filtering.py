"""Capture filters over a large table."""

from __future__ import annotations

from collections.abc import Iterator

import nsm_nb as nsm
from benchmarks import captures
from benchmarks.measuring import Result, Run, of_samples, times

__all__ = ["FILTERS", "measure_filters"]

# what the columns tell; the last is read from the evidence
FILTERS = {
    "host 10.0.0.1": "< 0.3",
    "src net 10.1 and dst port 80": "< 0.3",
    "port 53 or 80 or 443": "< 0.3",
    "tcp and dst port 80 and tcp[tcpflags] & tcp-syn != 0": "< 0.3",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.0.0.0/16": "< 0.3",
    "ip[6:2] & 0x1fff != 0 or ether multicast or less 60": "< 0.3",
    "tcp[12] >> 4 > 5 and port 80": "",
}


def measure_filters(this: Run) -> Iterator[Result]:
    """Yield the times of filters, of which one needs bytes that no column has."""
    packets = nsm.read_packets(captures.small(this.folder, this.scale))
    for line, asked in FILTERS.items():
        seconds, share = times(lambda line=line: nsm.full_content.matching(packets, line), this.runs)
        how = "small.pcap, decoded" if asked else "small.pcap, decoded; bytes read from it"
        yield of_samples(f"filter {line!r} of {len(packets):,} packets", seconds, "s", how, asked=asked, share=share)
