"""Capture filters over a large table."""

from __future__ import annotations

from collections.abc import Iterator

import nsm_nb as nsm
from benchmarks import captures
from benchmarks.measuring import Result, Run, of_samples, times

__all__ = ["FILTERS", "measure_filters"]

_COLUMNS, _BYTES = "small.pcap, decoded", "small.pcap, decoded; bytes read from it"
# filter -> what it is asked of; the bytes of all packets of TCP at port 80, of all of TCP, of all of IPv4
FILTERS = {
    "host 10.0.0.1": _COLUMNS,
    "src net 10.1 and dst port 80": _COLUMNS,
    "port 53 or 80 or 443": _COLUMNS,
    "tcp and dst port 80 and tcp[tcpflags] & tcp-syn != 0": _COLUMNS,
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.0.0.0/16": _COLUMNS,
    "ip[6:2] & 0x1fff != 0 or ether multicast or less 60": _COLUMNS,
    "tcp[12] >> 4 > 5 and port 80": _BYTES,
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420": _BYTES,
    "ip[0] & 0xf > 5": _BYTES,
}


def measure_filters(this: Run) -> Iterator[Result]:
    """Yield the times of filters, of which some need bytes that no column has."""
    packets = nsm.read_packets(captures.small(this.folder, this.scale))
    for line, how in FILTERS.items():
        seconds, share = times(lambda line=line: nsm.full_content.matching(packets, line), this.runs)
        yield of_samples(f"filter {line!r} of {len(packets):,} packets", seconds, "s", how, asked="< 0.3", share=share)
