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

    def overview() -> None:
        nsm.statistics.summary(packets)
        nsm.statistics.timeline(packets, every="1min", by="proto")
        nsm.statistics.talkers(sessions)

    seconds, share = times(overview, this.runs)
    how = "small.pcap, decoded: one after the other"
    yield of_samples(f"summary, timeline and talkers of {of_packets}", seconds, "s", how, asked="< 1.0", share=share)
    more = {
        f"statistics.hosts of {of_packets} and {of_sessions}": lambda: nsm.statistics.hosts(packets, sessions),
        f"statistics.services of {of_sessions}": lambda: nsm.statistics.services(sessions),
        f"statistics.protocols with applications of {of_packets}": lambda: nsm.statistics.protocols(packets, sessions),
        f"statistics.compare of the halves of {of_packets}": lambda: nsm.statistics.compare(
            packets.iloc[: len(packets) // 2], packets.iloc[len(packets) // 2 :]
        ),
    }
    for name, job in more.items():
        seconds, share = times(job, this.runs)
        yield of_samples(name, seconds, "s", "small.pcap, decoded", share=share)
