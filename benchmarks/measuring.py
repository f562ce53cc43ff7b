"""Taking times: several runs, their median, and the circumstances in which they were taken."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import os
import platform
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import memory

__all__ = ["Result", "Run", "circumstances", "load", "of_samples", "on_each", "on_one_core", "run", "times"]


@dataclass(frozen=True)
class Run:
    """What every measurement is told."""

    folder: Path  # captures and results
    runs: int
    scale: float  # of the captures; what was asked holds for 1

    @property
    def processes(self) -> int:
        """How many fresh processes a measurement takes: three at least, but one where one run of each was asked for."""
        return max(3, self.runs) if self.runs > 1 else 1


@dataclass(frozen=True)
class Result:
    """One row of the result."""

    name: str
    median: float
    low: float
    high: float
    unit: str
    how: str
    asked: str = ""  # such as "< 0.5"; empty where nothing was asked
    share: float | None = None  # of the core that the process had while it was measured

    @property
    def met(self) -> bool | None:
        """True where the median is what was asked for; None where nothing was asked."""
        if not self.asked:
            return None
        sign, number = self.asked.split()
        return self.median < float(number) if sign == "<" else self.median >= float(number)


def on_one_core() -> str:
    """Keep this process and what it starts on one core; return in words whether that was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not bound to a core (this system can't)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"bound to core {core} (sched_setaffinity)"


def on_each() -> dict[str, contextlib.AbstractContextManager[None]]:
    """Return what to measure within, on one core and on all, by name."""
    return {"one core": contextlib.nullcontext(), "all cores": _all_cores()}


@contextlib.contextmanager
def _all_cores() -> Iterator[None]:
    """Let this process use all cores for a while; the other measurements are bound to one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def times(function: Callable[[], object], runs: int, *, warm: int = 1) -> tuple[list[float], float]:
    """Return the seconds of each run after `warm` runs that don't count, and the share of the core they had.

    Each run finds memory that has been used; see `memory`.
    """
    for _ in range(warm):
        function()
    walls, busy = [], 0.0
    for _ in range(runs):
        gc.collect()
        with memory.at_hand():
            cpu, wall = time.process_time(), time.perf_counter()
            kept = function()
            walls.append(time.perf_counter() - wall)
            busy += time.process_time() - cpu
            del kept  # the next run finds the memory free; giving it back is not measured
    return walls, busy / sum(walls)


def of_samples(
    name: str, samples: list[float], unit: str, how: str, *, asked: str = "", share: float | None = None
) -> Result:
    """Return the row of some samples."""
    return Result(name, statistics.median(samples), min(samples), max(samples), unit, how, asked, share)


def run(command: list[str], **options: object) -> subprocess.CompletedProcess:
    """Run a program to its end; what it prints on stdout comes back as text."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)  # type: ignore[call-overload]


def load() -> str:
    """Return the mean number of processes that wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 1e9:.0f} GB of memory"


def _version(program: str) -> str:
    place = shutil.which(program)
    if place is None:
        return f"{program} is not installed"
    told = subprocess.run([place, "--version"], check=False, capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
    return f"{program} {found[0] if found else ''}".strip()


def _commit() -> str:
    root = Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    told = git and subprocess.run(
        [git, "-C", str(root), "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    )
    return told.stdout.strip() if told and told.returncode == 0 else "not in git"


def circumstances() -> dict[str, str]:
    """Return machine and versions."""
    packages = ("nsm-nb", "numpy", "pandas", "pyarrow", "numba", "dpkt")
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}",
        "system": f"{platform.system()} {platform.release()}",
        "commit": _commit(),
        "Python": platform.python_version(),
        "packages": ", ".join(f"{each} {importlib.metadata.version(each)}" for each in packages),
        "programs": ", ".join(_version(each) for each in ("tcpdump", "tshark")),
    }
