"""Logs of alerts to tables: Suricata's EVE, Snort's unified2, and what a growing file costs at each look."""

from __future__ import annotations

from collections.abc import Iterator

import nsm_nb as nsm
from benchmarks import events
from benchmarks.measuring import Result, Run, of_samples, on_each, times

__all__ = ["measure_logs"]


def measure_logs(this: Run) -> Iterator[Result]:
    """Yield the seconds that a million lines of EVE and 100,000 events of unified2 take."""
    log = events.eve(this.folder, this.scale)
    count = len(nsm.read_alerts(log))
    size = log.stat().st_size / 1e6
    lines = f"{round(events.LINES * this.scale):,} lines of EVE ({size:,.0f} MB), SHA-256 of the file included"
    for where, cores in on_each().items():
        with cores:
            seconds, share = times(lambda: nsm.read_alerts(log), this.runs)
        how = f"read_alerts, {lines}, to {count:,} alerts, on {where}"
        asked = "< 2.5" if where == "all cores" else ""
        yield of_samples(f"read_alerts, EVE, {where}", seconds, "s", how, asked=asked, share=min(share, 1.0))
    binary = events.unified2(this.folder, this.scale)
    count = len(nsm.read_alerts(binary))
    seconds, share = times(lambda: nsm.read_alerts(binary), this.runs)
    how = f"read_alerts, {count:,} events of unified2, each with its packet ({binary.stat().st_size / 1e6:,.0f} MB)"
    yield of_samples("read_alerts, unified2", seconds, "s", how, asked="< 1", share=share)
