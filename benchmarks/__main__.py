"""Measure what nsm_nb does and write the result: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

# before numpy and arrow ask how many cores there are
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks import (
    brush,
    cases,
    collecting,
    conversations,
    filtering,
    flows,
    logs,
    measuring,
    memory,
    queries,
    queue,
    reading,
    rows,
    starting,
    tables,
    writing,
)

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "import": starting.measure_import,
    "read": reading.measure_reading,
    "peers": reading.measure_peers,
    "sessions": cases.measure_sessions,
    "transcripts": conversations.measure_transcripts,
    "open": cases.measure_opening,
    "memory": cases.measure_memory,
    "statistics": tables.measure_statistics,
    "brush": brush.measure_brush,
    "correlate": queue.measure_correlation,
    "queue": queue.measure_queue,
    "rows": rows.measure_rows,
    "queries": queries.measure_queries,
    "filters": filtering.measure_filters,
    "logs": logs.measure_logs,
    "flows": flows.measure_flows,
    "collect": collecting.measure_collecting,
}


def main(words: list[str] | None = None) -> int:
    """Measure, print each figure as it comes, write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "build" / "benchmarks",
        help="for captures and an indexed case (3.1 GB), and results",
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, metavar="NAME", help=f"one of {', '.join(PARTS)}; may be repeated"
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement; 5 where not given")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="size of the captures, 1 for 1 GB and 5 million packets"
    )
    parser.add_argument("--docs", action="store_true", help="also write the result into docs/speed.md")
    asked = parser.parse_args(words)

    asked.folder.mkdir(parents=True, exist_ok=True)
    this = measuring.Run(asked.folder.resolve(), asked.runs, asked.scale)
    core = measuring.on_one_core()
    room = round(memory.MOST * min(asked.scale, 1.0))
    told = {
        **measuring.circumstances(),
        "memory": memory.speed(room // 4),
        "core": core,
        "load": f"{measuring.load()} in the minute before the start",
    }
    print("\n".join(f"{name}: {each}" for name, each in told.items()), flush=True)
    from nsm_nb import warm

    warm.main()
    memory.keep(room)
    started = time.time()
    results = []
    for name in asked.only or PARTS:
        for result in PARTS[name](this):
            results.append(result)
            wanted = f"  asked {result.asked}: {'met' if result.met else 'NOT met'}" if result.asked else ""
            print(
                f"{result.name}: {result.median:.4g} {result.unit} ({result.low:.4g} to {result.high:.4g}){wanted}",
                flush=True,
            )
    shares = [result.share for result in results if result.share is not None]
    if shares:
        told["share of the core"] = f"{min(shares):.0%} at least, in the measurements inside this process"
    told["runs"] = f"{this.runs} after one that does not count; medians. Page cache warm"
    told["measured"] = f"{time.strftime('%Y-%m-%d', time.gmtime(started))}, in {time.time() - started:,.0f} s"
    writing.write(results, told, this.folder, this.scale)
    print(f"written to {this.folder}")
    if asked.docs:
        writing.publish(results, told, ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
