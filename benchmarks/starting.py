"""What starting costs: `import nsm_nb` in fresh processes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.measuring import Result, Run, of_samples

__all__ = ["measure_import"]


def _wall(program: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - start


def _importtime(program: str) -> float:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program], check=True, capture_output=True, text=True
    )
    lines = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)", told.stderr)
    # the modules that stand at the outermost level, after Python's own start (site is its last)
    places = [place for place, line in enumerate(lines) if line[3] == "site"]
    return sum(int(total) for _, total, indent, _ in lines[places[-1] + 1 :] if len(indent) == 1) / 1e6


def measure_import(this: Run) -> Iterator[Result]:
    """Yield how long imports take, over the start of bare Python."""
    runs = max(5, this.runs) if this.runs > 1 else 1
    _wall("import nsm_nb.case")
    bare = [_wall("pass") for _ in range(runs)]
    yield of_samples("start of bare Python", bare, "s", "fresh processes, python -c pass, from start to end")
    for name, program, asked, words in (
        ("import nsm_nb", "import nsm_nb", "< 0.5", "import nsm_nb (its rooms open when they are first used)"),
        ("import nsm_nb and its rooms of reading", "import nsm_nb; nsm_nb.read_packets; nsm_nb.open_case; nsm_nb.statistics",
         "", "read_packets, open_case and statistics looked up, which brings pandas"),
    ):  # fmt: skip
        walls = [_wall(program) for _ in range(runs)]
        yield of_samples(
            f"{name}, whole process", walls, "s", f"fresh processes, {words}, with the start of Python", asked=asked
        )
        totals = [_importtime(program) for _ in range(runs)]
        yield of_samples(f"{name}, importtime", totals, "s", f"fresh processes, {words}, the total of -X importtime")
