"""Sessions, and opening a case: times, and the memory that a table takes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nsm_nb as nsm
from benchmarks import captures, memory
from benchmarks.measuring import Result, Run, of_samples, on_each, run, times

__all__ = ["case_of", "measure_memory", "measure_opening", "measure_sessions"]

# Programs of fresh processes; each prints its findings as JSON.
OPENING = """
import json, sys, time
import pandas, pyarrow, nsm_nb, nsm_nb.case, nsm_nb.formats.pcap
start = time.perf_counter()
case = nsm_nb.open_case(sys.argv[1])
case.packets
packets = time.perf_counter()
case.sessions.head()
print(json.dumps({"packets": packets - start, "both": time.perf_counter() - start}))
"""
MEMORY = """
import json, sys
import pandas, pyarrow, nsm_nb, nsm_nb.case, nsm_nb.formats.pcap
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))
before = anonymous()
case = nsm_nb.open_case(sys.argv[1])
packets = case.packets
opened = anonymous()
case.sessions
print(json.dumps({"packets": len(packets), "opened": opened - before, "sessions": anonymous() - before}))
"""
PEAK = """
import json, resource, sys
import nsm_nb as nsm
from nsm_nb import warm
warm.main()
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
before = peak()
packets = nsm.read_packets(sys.argv[1])
print(json.dumps({"packets": len(packets), "peak": peak() - before}))
"""


def measure_sessions(this: Run) -> Iterator[Result]:
    """Yield the time of folding the packets of either capture into sessions."""
    for make, asked in ((captures.large, "< 1"), (captures.small, "< 0.5")):
        packets = nsm.read_packets(make(this.folder, this.scale))
        count = len(nsm.sessions.assemble(packets)[0])
        for where, cores in on_each().items():
            with cores:
                seconds, share = times(lambda: nsm.sessions.assemble(packets), this.runs)  # noqa: B023
            how = f"sessions.assemble of {len(packets):,} decoded packets to {count:,} sessions, on {where}"
            name = f"assemble, {make.__name__}.pcap, {where}"
            met = asked if where == "all cores" else ""
            yield of_samples(name, seconds, "s", how, asked=met, share=min(share, 1.0))


def case_of(this: Run) -> Path:
    """Return a case that holds the large capture, indexed."""
    capture = captures.large(this.folder, this.scale)
    place = this.folder / f"case-{capture.stem}"
    case = nsm.open_case(place) if (place / "case.toml").exists() else nsm.create_case(place, [capture.resolve()])
    case.index()
    return place


def _fresh(program: str, argument: Path) -> tuple[dict[str, float], float]:
    with memory.at_hand():
        start = time.perf_counter()
        told = run([sys.executable, "-c", program, str(argument)])
        return json.loads(told.stdout), time.perf_counter() - start


def measure_opening(this: Run) -> Iterator[Result]:
    """Yield the time until an indexed case stands open, in a fresh process each time."""
    place = case_of(this)
    _fresh(OPENING, place)
    found = [_fresh(OPENING, place) for _ in range(this.processes)]
    how = "fresh processes, indexed 1 GB case, page cache warm; "
    yield of_samples(
        "open case, packets", [told["packets"] for told, _ in found], "s", how + "open_case and case.packets, after imports"
    )  # fmt: skip
    yield of_samples(
        "open case, packets and sessions", [told["both"] for told, _ in found], "s",
        how + "open_case, case.packets and case.sessions.head(), after imports", asked="< 0.5",
    )  # fmt: skip
    yield of_samples(
        "open case, whole process", [wall for _, wall in found], "s",
        how + "the same with the start of Python, all imports and the end of the process",
    )  # fmt: skip


def measure_memory(this: Run) -> Iterator[Result]:
    """Yield the bytes of memory a packet, of a mapped index and of reading."""
    if not Path("/proc/self/status").exists():
        return
    place = case_of(this)
    found = [_fresh(MEMORY, place)[0] for _ in range(this.processes)]
    unit = "bytes/packet"
    how = "growth of RssAnon in a fresh process, indexed 1 GB case; "
    yield of_samples(
        "memory of case.packets", [each["opened"] / each["packets"] for each in found], unit,
        how + "open_case and case.packets (columns are mapped from the index)", asked="< 100",
    )  # fmt: skip
    yield of_samples(
        "memory of case.packets and case.sessions", [each["sessions"] / each["packets"] for each in found], unit,
        how + "case.sessions as well (they are loaded)",
    )  # fmt: skip
    for capture in (captures.large(this.folder, this.scale), captures.small(this.folder, this.scale)):
        found = [_fresh(PEAK, capture)[0] for _ in range(this.processes)]
        how = f"growth of the peak (VmHWM) in a fresh process while read_packets makes the whole table, {capture.name}"
        yield of_samples(
            f"peak memory of read_packets, {capture.stem}.pcap",
            [each["peak"] / each["packets"] for each in found], unit, how,
        )  # fmt: skip
