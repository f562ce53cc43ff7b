"""Live capture: dumpcap or tcpdump, whole packets, files by size and time, and a manifest with their hashes.

Nothing is captured unless somebody asks for it. The program runs in a process group of its own and ends with us. A file is
in the manifest as soon as it is there, with its size and its hash when they are known: they are null until then, also where
somebody did not wait for them.

Source: dumpcap(1), tcpdump(8) -C -G -W.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from nsm_nb.errors import MissingTool, NsmError
from nsm_nb.full_content.filters import compile
from nsm_nb.full_content.writing import write_whole
from nsm_nb.text import many, printable

__all__ = ["MANIFEST", "Asked", "capture", "interfaces"]

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_SNAPLEN = 262_144
_LOOK = 0.3  # seconds between looks at the folder
_LONGEST = 30  # seconds that the program has to list its interfaces
_PIECE = 1 << 22  # bytes that are hashed between two looks at the clock
_PATIENCE = 10  # seconds that the program has to write out its last file


class Asked(NamedTuple):
    """What to capture.

    `size` is bytes of a file and `every` seconds, at which the next one is begun; None: one file. `files` is how many are
    kept, the oldest go; None: all. `seconds` is how long; None: until it is stopped.
    """

    interface: str
    folder: Path
    filter: str = ""
    size: int | None = None
    every: int | None = None
    files: int | None = None
    seconds: float | None = None


def interfaces() -> list[tuple[str, str]]:
    """Return the interfaces that can be captured on: name, and what is known of it.

    Raises
    ------
    MissingTool
        Where neither dumpcap nor tcpdump is installed.
    NsmError
        Where the program lists none.
    """
    program = _program()
    try:
        done = subprocess.run(  # noqa: S603 - an argument list
            [program, "-D"], capture_output=True, text=True, errors="backslashreplace", timeout=_LONGEST, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as problem:
        late = isinstance(problem, subprocess.TimeoutExpired)
        why = f"named no interface within {_LONGEST} s" if late else f"can't be run: {printable(problem)}"
        raise NsmError(
            f"{printable(program)} {why}; try {Path(program).name} -D, or ip link, in a terminal"
        ) from problem
    found = []
    for line in done.stdout.splitlines():
        match = re.match(r"\d+\.\s*(\S+)\s*(.*)", line)
        if match:
            found.append((printable(match[1]), printable(match[2].strip("() "))))
    if not found:
        raise NsmError(_why(done.stderr) or f"{Path(program).name} lists no interface")
    return found


def _program() -> str:
    for name in ("dumpcap", "tcpdump"):
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found:
            return found
    raise MissingTool(
        "neither dumpcap (of Wireshark) nor tcpdump is installed, and one of them captures; install wireshark-common"
    )


def capture(
    asked: Asked, *, told: Callable[[dict], object] | None = None, stop: Callable[[], bool] | None = None
) -> Path:
    """Capture until it is stopped (Ctrl-C), or for the time asked; return the path of the manifest.

    Parameters
    ----------
    asked
        What to capture, and where to.
    told
        Called with the entry of each file that is done.
    stop
        Asked a few times a second whether to stop.

    Raises
    ------
    QueryError
        Where the filter can't be understood.
    MissingTool
        Where no program is installed that captures.
    NsmError
        Where rights are missing, the interface is not there, the folder can't be written or is not empty of captures.
    KeyboardInterrupt
        Where somebody interrupts again while the last files are hashed; the manifest has what is known by then.
    """
    compile(asked.filter)  # says what is wrong better than the program does, and before it starts
    if not asked.interface or asked.interface.startswith("-"):
        raise NsmError(f"{printable(asked.interface)!r} is no interface; nsm-nb capture --list shows them")
    program = _program()
    size = _size(program, asked)
    if size != asked.size:
        log.warning(
            "%s begins new files in steps of %s: after %s bytes, not %s",
            Path(program).name, "1 kB" if size is not None and size % 1_000_000 else "1 MB", f"{size:,}", f"{asked.size:,}",
        )  # fmt: skip
    try:
        asked.folder.mkdir(parents=True, exist_ok=True)
        if (asked.folder / MANIFEST).exists():
            raise NsmError(f"{printable(asked.folder)} holds a capture already (its {MANIFEST}); give another folder")
        with _Running(program, asked) as running:
            _watch(running, asked, told, stop)
    except OSError as problem:
        raise NsmError(f"{printable(asked.folder)}: {printable(problem)}; give another folder") from problem
    return asked.folder / MANIFEST


def _command(program: str, asked: Asked) -> list[str]:
    size = _size(program, asked)
    # the folder is the working directory: nothing in its path is read as a pattern of names
    stamp = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    if Path(program).name == "dumpcap":
        command = [program, "-q", "-i", asked.interface, "-s", str(_SNAPLEN)]
        if asked.size is None and asked.every is None:
            command += ["-w", f"capture_{stamp}.pcapng"]
        else:
            command += ["-w", "capture.pcapng"]  # it puts number and time into the name
        if size is not None:
            command += ["-b", f"filesize:{size // 1000}"]
        if asked.every is not None:
            command += ["-b", f"duration:{asked.every}"]
        return [*command, *(["-f", asked.filter] if asked.filter else [])]
    command = [program, "-n", "-U", "-i", asked.interface, "-s", str(_SNAPLEN)]
    command += ["-w", f"capture_{stamp}.pcap" if asked.every is None else "capture_%Y%m%d%H%M%S.pcap"]
    if asked.every is not None:
        command += ["-G", str(asked.every)]
    if size is not None:
        command += ["-C", str(size // 1_000_000)]
    if os.geteuid() == 0:
        command += ["-Z", "root"]  # it would give away the rights to begin the second file
    return [*command, *(["--", asked.filter] if asked.filter else [])]


# The program ends with us, also where we are killed; what the `subprocess` module runs between fork and exec can deadlock.
# Where we were started in the background SIGINT is ignored, and would be by the program, which it tells to end its file.
_START = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG, of Linux
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
except (ImportError, AttributeError, OSError):
    pass
os.execv(sys.argv[2], sys.argv[2:])
"""


class _Running:
    """The program that captures; it ends when this is left, however that comes."""

    def __init__(self, program: str, asked: Asked):
        self.program = program
        self.said = asked.folder / ".said"
        self._asked = asked

    def __enter__(self) -> _Running:
        self.before = {path.name for path in self._asked.folder.iterdir()}
        self.started = datetime.now(UTC)
        self._out: IO[bytes] = self.said.open("wb")
        command = _command(self.program, self._asked)
        log.debug("running %s", command)
        self.process = subprocess.Popen(  # noqa: S603 - an argument list
            [sys.executable, "-I", "-S", "-c", _START, str(os.getpid()), *command],
            cwd=self._asked.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._out,
            start_new_session=True, env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return self

    def end(self) -> None:
        """Ask the program to finish its file, and wait for it."""
        if self.process.poll() is None:
            self._signal(signal.SIGINT)
            try:
                self.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self.process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def __exit__(self, *_: object) -> None:
        try:
            self.end()
        finally:
            self._out.close()
            self.said.unlink(missing_ok=True)

    def heard(self) -> str:
        """Return what the program has said."""
        return self.said.read_text("utf-8", "backslashreplace") if self.said.exists() else ""


class _Files:
    """The files of a capture and what is known of them, in the order in which they were begun."""

    def __init__(self, running: _Running, asked: Asked):
        self._running, self._asked = running, asked
        self._known: dict[str, dict] = {}
        self._hash: tuple[str, IO[bytes], Any] | None = None

    def look(self, *, over: bool) -> None:
        """See which files are there; all but the last are closed, and that one too where the capture is over."""
        names = _names(self._asked.folder, self._running.before)
        for name in names:
            self._known.setdefault(name, {"name": name, "size": None, "sha256": None, "kept": True})
        for name in names if over else names[:-1]:
            if self._known[name]["size"] is None:
                self._known[name]["size"] = (self._asked.folder / name).stat().st_size

    @property
    def idle(self) -> bool:
        """True where no file waits for its hash."""
        return not any(each["size"] is not None and not each["sha256"] for each in self._known.values())

    @property
    def hashed(self) -> int:
        """How many have their hash."""
        return sum(entry["sha256"] is not None for entry in self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def hash(self, until: float) -> dict | None:
        """Go on with the hashes of closed files up to a time; return the entry of one that is done, None where none is."""
        if self._hash is None:
            entry = next(
                (each for each in self._known.values() if each["size"] is not None and not each["sha256"]), None
            )
            if entry is None:
                return None
            file = (self._asked.folder / entry["name"]).open("rb")
            os.fsync(file.fileno())
            self._hash = entry["name"], file, hashlib.sha256()
        name, file, digest = self._hash
        while data := file.read(_PIECE):
            digest.update(data)
            if time.monotonic() >= until:
                return None
        file.close()
        self._hash = None
        self._known[name]["sha256"] = digest.hexdigest()
        return self._known[name]

    def again(self) -> None:
        """Begin anew with a hash that was interrupted, which may have been between reading and counting."""
        if self._hash is not None:
            self._hash[1].close()
            self._hash = None

    def keep(self) -> None:
        """Remove the oldest files beyond those that are kept; the manifest remembers them."""
        here = [entry for entry in self._known.values() if entry["kept"] and entry["sha256"]]
        for entry in here[: len(here) - self._asked.files] if self._asked.files is not None else ():
            (self._asked.folder / entry["name"]).unlink(missing_ok=True)
            entry["kept"] = False

    def write(self, *, over: bool) -> None:
        """Write the manifest, whole, over the one before."""
        running, asked = self._running, self._asked
        facts = {
            "interface": printable(asked.interface),
            "filter": asked.filter,
            "snaplen": _SNAPLEN,
            "program": Path(running.program).name,
            "asked": {"size": asked.size, "every": asked.every, "files": asked.files, "seconds": asked.seconds},
            "size": _size(running.program, asked),
            "started": running.started.isoformat(timespec="microseconds"),
            "ended": datetime.now(UTC).isoformat(timespec="microseconds") if over else None,
            "counts": _counts(running.heard()) if over else {},
            "files": list(self._known.values()),
        }
        write_whole(asked.folder / MANIFEST, [json.dumps(facts, indent=2).encode() + b"\n"])


def _watch(
    running: _Running, asked: Asked, told: Callable[[dict], object] | None, stop: Callable[[], bool] | None
) -> None:
    """Put each file into the manifest as it is begun, closed and hashed; come back when all are."""
    until = None if asked.seconds is None else time.monotonic() + asked.seconds
    files = _Files(running, asked)
    written, ended, over, interrupted = (0, 0, False), False, False, False
    while not over or files.hashed < len(files):
        try:
            if not over:
                over = running.process.poll() is not None
                if not over and (
                    ended or (until is not None and time.monotonic() >= until) or (stop is not None and stop())
                ):
                    ended = True
                    running.end()
                    over = True
            files.look(over=over)
            if len(files) and written != (now := (len(files), files.hashed, over)):
                files.write(over=over)
                written = now
            if not over and files.idle:
                time.sleep(_LOOK)
            entry = files.hash(time.monotonic() + _LOOK)
            if entry is not None and told is not None:
                told(entry)
            files.keep()
        except KeyboardInterrupt:
            files.again()
            if interrupted:  # nobody waits for the hashes
                running.end()
                files.look(over=True)
                files.write(over=True)
                raise
            ended = interrupted = True
    if len(files):
        files.write(over=True)
    if not ended and running.process.returncode:
        why = _why(running.heard()) or "the program that captures ended by itself"
        where = (
            f"; {many(len(files), 'file is', 'files are')} in {printable(asked.folder / MANIFEST)}"
            if len(files)
            else ""
        )
        raise NsmError(why + where)


def _names(folder: Path, before: set[str]) -> list[str]:
    """Return the files of this capture in the order in which they were begun."""
    found = [path.name for path in folder.iterdir() if path.name.startswith("capture_") and path.name not in before]
    return sorted(found, key=lambda name: [int(each) for each in re.findall(r"\d+", name)])


def _size(program: str, asked: Asked) -> int | None:
    """Return at how many bytes the program begins a new file: dumpcap in steps of 1 kB, tcpdump of 1 MB."""
    if asked.size is None:
        return None
    step = 1000 if Path(program).name == "dumpcap" else 1_000_000
    return max(asked.size // step, 1) * step


def _counts(said: str) -> dict[str, int]:
    """Return how many packets were captured and how many were lost, as the program says at its end."""
    found = {}
    captured = re.search(r"Packets captured: (\d+)|(\d+) packets? captured", said)
    if captured:
        found["captured"] = int(captured[1] or captured[2])
    # dumpcap: received/dropped on interface 'lo': 12/0 (pcap:0/dumpcap:0/flushed:0/ps_ifdrop:0)
    dropped = re.search(r"received/dropped on interface .*: \d+/(\d+)|(\d+) packets? dropped by kernel", said)
    if dropped:
        found["dropped"] = int(dropped[1] or dropped[2])
    return found


def _why(said: str) -> str:
    """Return in one sentence why the program can't capture, with the next step; empty where it said nothing of it."""
    low = said.lower()
    if re.search(r"no such device|there is no device named|doesn't exist|that device is not up|no such interface", low):
        try:
            names = ", ".join(name for name, _ in interfaces()[:12])
        except NsmError:
            names = "none"
        return f"there is no such interface, or it is down; there is: {names} (nsm-nb capture --list tells more)"
    if re.search(r"permission|operation not permitted|not permitted to|you don't have", low):
        return (
            "you may not capture on this machine: have its administrator put you into the group wireshark "
            "(dpkg-reconfigure wireshark-common; usermod -aG wireshark YOU; log in anew), or run "
            "setcap cap_net_raw,cap_net_admin+eip on dumpcap"
        )
    about = re.compile(r"Capturing on|File:|Packets|.*listening on")
    lines = [line for line in said.splitlines() if line.strip() and not about.match(line)]
    return f"the program that captures says: {printable(lines[-1][:300])}" if lines else ""
