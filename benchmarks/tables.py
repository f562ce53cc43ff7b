"""Statistics of a large table."""

from __future__ import annotations

from collections.abc import Iterator

import nsm_nb as nsm
from benchmarks import captures
from benchmarks.measuring import Result, Run, of_samples, times

__all__ = ["measure_statistics"]


def measure_statistics(this: Run) -> Iterator[Result]:
    """Yield the times of the overview."""
    packets = nsm.read_packets(captures.small(this.folder, this.scale))
    sessions, packets = nsm.sessions.assemble(packets)
    of_packets, of_sessions = f"{len(packets):,} packets", f"{len(sessions):,} sessions"
    jobs = {
        f"statistics.summary of {of_packets}": lambda: nsm.statistics.summary(packets),
        f"statistics.protocols of {of_packets}": lambda: nsm.statistics.protocols(packets),
        f"statistics.timeline of {of_packets}": lambda: nsm.statistics.timeline(packets, every="1min", by="proto"),
        f"statistics.talkers of {of_sessions}": lambda: nsm.statistics.talkers(sessions, n=20),
    }
    for name, job in jobs.items():
        seconds, share = times(job, this.runs)
        yield of_samples(name, seconds, "s", "small.pcap, decoded", share=share)
