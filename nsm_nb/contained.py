"""A program that reads hostile bytes, run where it can do little harm.

An argument list and never a shell; a process group of its own, ended as a group whatever happens; limits on its CPU time,
memory, open files and the size of what it writes; no core dump; a folder of its own for a home and a working directory;
an environment of few names. The limits are set by a few lines of Python that then become the program: what the `subprocess`
module runs between fork and exec (`preexec_fn`) can deadlock in a process with threads, and a kernel has many.

Source: reference/hostile.md T5; setrlimit(2); subprocess, "preexec_fn".
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nsm_nb.errors import NsmError
from nsm_nb.text import printable

__all__ = ["Limits", "Outcome", "run"]

log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """What a program may use: seconds of CPU time and by the clock, bytes of memory, bytes of a file it writes."""

    cpu: int
    seconds: float
    memory: int
    written: int


class Outcome(NamedTuple):
    """How a program ended.

    `status` is its exit status, or the signal that ended it as a negative number; `why` is the limit that it ran into, in
    words, empty where it was none; `said` is the end of what it wrote to stderr.
    """

    status: int
    why: str
    said: str


# Where a limit can't be set (macOS has no limit on memory), the others still hold.
_START = """
import os, resource, signal, sys
for name in (signal.SIGXFSZ, signal.SIGPIPE):
    signal.signal(name, signal.SIG_DFL)  # Python ignores them, and what is ignored stays so in the program
cpu, memory, written = map(int, sys.argv[1:4])
for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory),
                   (resource.RLIMIT_FSIZE, written), (resource.RLIMIT_NOFILE, 256)):
    ceiling = resource.getrlimit(kind)[1]
    soft, hard = (most, most + 1) if kind == resource.RLIMIT_CPU else (most, most)  # SIGXCPU first, then SIGKILL
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    try:
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError):
        pass
try:
    os.execv(sys.argv[4], sys.argv[4:])
except OSError as problem:
    sys.exit(f"it can't be started: {problem}")
"""
_TOLD = 2_000  # bytes of stderr


def run(
    command: Sequence[str | os.PathLike],
    *,
    folder: Path,
    out: Path,
    limits: Limits,
    source: Path | None = None,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], object] | None = None,
) -> Outcome:
    """Run a program to its end or to its limits; return how it ended. What it wrote is in `out`.

    Parameters
    ----------
    command
        The program's absolute path and its arguments.
    folder
        Its home and working directory, which the caller has made for it.
    out
        The file for its stdout.
    limits
        What it may use.
    source
        The file on its stdin; nothing where not given.
    environment
        More variables.
    watch
        Called about five times a second while it runs.

    Raises
    ------
    NsmError
        Where it can't be started.
    """
    names = {
        "HOME": str(folder), "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC",
        "PATH": os.defpath, **(environment or {}),
    }  # fmt: skip
    limited = [sys.executable, "-I", "-S", "-c", _START, str(limits.cpu), str(limits.memory), str(limits.written)]
    told = folder / "stderr"
    log.debug("running %s", [str(each) for each in command])
    with (source or Path(os.devnull)).open("rb") as stdin, out.open("wb") as stdout, told.open("wb") as stderr:
        try:
            process = subprocess.Popen(  # noqa: S603
                [*limited, *(os.fspath(each) for each in command)], stdin=stdin, stdout=stdout, stderr=stderr, cwd=folder,
                env=names, start_new_session=True,
            )  # fmt: skip
        except OSError as problem:
            raise NsmError(f"{printable(command[0])} can't be started: {printable(problem)}") from problem
    late = False
    try:
        late = not _ended(process, limits.seconds, watch)
    finally:
        _end(process)
    with told.open("rb") as file:
        file.seek(max(0, told.stat().st_size - _TOLD))
        said = file.read()
    return Outcome(process.returncode, _why(process.returncode, late, limits), printable(said, lines=True).strip())


def _ended(process: subprocess.Popen, seconds: float, watch: Callable[[], object] | None) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            process.wait(min(left, 0.2) if watch else left)
        except subprocess.TimeoutExpired:
            if watch:
                watch()
        else:
            return True
    return False


def _end(process: subprocess.Popen) -> None:
    """End the whole group: its number is that of its first process."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _why(status: int, late: bool, limits: Limits) -> str:
    if late:
        return f"it was ended after {limits.seconds:g} seconds"
    if status == -signal.SIGXCPU:
        return f"it was ended after {limits.cpu} seconds of CPU time"
    if status == -signal.SIGXFSZ:
        return f"it wrote more than {limits.written / 1e6:g} MB"
    return ""
