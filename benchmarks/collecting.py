"""The collector of NetFlow: how many flows a second it keeps, and whether any are lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import Result, Run, of_samples

__all__ = ["Found", "measure_collecting", "replayed"]

SECONDS = 10
RECORDS = 30  # flows in a datagram of version 5, and here of version 9
_AT_ONCE = 10  # datagrams that are sent without a pause
_FIELDS = [(8, 4), (12, 4), (22, 4), (21, 4), (1, 4), (2, 4), (7, 2), (11, 2), (4, 1), (6, 1)]

# Another interpreter sends, so that it takes no time from the collector's.
_SEND = """
import os, sys
from pathlib import Path
from benchmarks.collecting import replay
replay(int(sys.argv[1]), flows=int(sys.argv[2]), seconds=float(sys.argv[3]), version=int(sys.argv[4]))
"""


class Found(NamedTuple):
    """What became of a stream of exports."""

    sent: int  # flows
    kept: int  # flows that are read back from the files
    lost: int  # by the sequence numbers in the files, as the collector counts
    dropped: int  # datagrams that the system had no room for
    seconds: float  # that sending took
    cpu: float  # seconds of the collector's process, its start without


def payloads(version: int) -> Iterator[bytes]:
    """Yield datagrams without end, with the sequence numbers and times of a real exporter."""
    number = 0
    first = time.time()
    if version == 5:
        record = struct.pack(">IIIHHIIIIHHBBBBHHBBH", 0x0A000001, 0x0A000002, 0, 0, 0, 3, 180, 0, 500, 1024, 80, 0, 27, 6,
                             0, 0, 0, 0, 0, 0) * RECORDS  # fmt: skip
    else:
        fields = b"".join(struct.pack(">HH", *each) for each in _FIELDS)
        record = struct.pack(">IIIIIIHHBB", 0x0A000001, 0x0A000002, 0, 500, 180, 3, 1024, 80, 6, 27) * RECORDS
        template = struct.pack(">HHHH", 0, 8 + len(fields), 256, len(_FIELDS)) + fields
        record = struct.pack(">HH", 256, 4 + len(record)) + record
    while True:
        now = time.time()
        up = int((now - first) * 1000) + 1000
        if version == 5:
            yield (
                struct.pack(">HHIIIIBBH", 5, RECORDS, up, int(now), int(now % 1 * 1e9), number % 2**32, 0, 0, 0)
                + record
            )
            number += RECORDS
        else:
            head = struct.pack(">HHIIII", 9, RECORDS + (number % 100 == 0), up, int(now), number % 2**32, 0)
            yield head + (template if number % 100 == 0 else b"") + record
            number += 1


def replay(port: int, *, flows: int, seconds: float, version: int) -> None:
    """Send a stream to a port of this machine at so many flows a second; print how many were sent, and in which time."""
    begun = time.monotonic()
    count = -(-int(flows * seconds) // RECORDS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        for number, payload in zip(range(count), payloads(version), strict=False):
            if number % _AT_ONCE == 0:
                ahead = number * RECORDS / flows - (time.monotonic() - begun)
                if ahead > 0:
                    time.sleep(ahead)
            sender.send(payload)
    print(count * RECORDS, time.monotonic() - begun, flush=True)


def replayed(folder: Path, *, flows: int, seconds: float, version: int) -> Found:
    """Run `nsm-nb collect` in a folder that is not there yet, send it a stream, and read back what it kept."""
    import nsm_nb as nsm

    here = Path(__file__).resolve().parent.parent
    place = folder / f"netflow-v{version}-{flows}"
    shutil.rmtree(place, ignore_errors=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    collector = subprocess.Popen(
        [sys.executable, "-m", "nsm_nb.cli", "collect", "--dir", str(place), "--port", str(port)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here,
    )  # fmt: skip
    assert collector.stderr is not None
    collector.stderr.readline()  # it listens
    before = _cpu(collector.pid)
    told = subprocess.run(
        [sys.executable, "-c", _SEND, str(port), str(flows), str(seconds), str(version)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=here,
    ).stdout.split()  # fmt: skip
    time.sleep(0.3)
    cpu = _cpu(collector.pid) - before
    collector.send_signal(signal.SIGTERM)
    _, said = collector.communicate(timeout=60)
    last = [line for line in said.splitlines() if " dropped by the system" in line][-1]
    lost, dropped = (
        int(found[1].replace(",", "")) if (found := re.search(rf"([\d,]+) {what}", last)) else -1
        for what in ("lost", "dropped")
    )
    files = sorted(place.glob("netflow.*"))
    if version == 5:
        kept = sum(len(nsm.read_sessions(file)) for file in files)
    else:
        kept = sum(nsm.read_packets(file)["payload"].ge(RECORDS * 30).sum() for file in files) * RECORDS
    shutil.rmtree(place)
    return Found(int(told[0]), int(kept), lost, dropped, float(told[1]), cpu)


def _cpu(pid: int) -> float:
    """Return the seconds of CPU time that a process has had (proc(5), stat: fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_collecting(this: Run) -> Iterator[Result]:
    """Yield how many flows a second are kept of those sent, and of how many the collector has lost."""
    seconds = SECONDS if this.scale == 1 else max(SECONDS * this.scale, 1)
    for version, flows in ((5, 20_000), (9, 20_000), (5, 200_000)):
        found = replayed(this.folder, flows=flows, seconds=seconds, version=version)
        how = (
            f"nsm-nb collect on loopback; version {version}, {RECORDS} flows a datagram, {found.sent:,} flows sent in "
            f"{found.seconds:.1f} s by another process, {found.kept:,} read back, {found.dropped:,} datagrams dropped by the "
            f"system; the collector took {found.cpu:.2f} s of CPU time"
        )
        asked = "< 1" if flows == 20_000 else ""
        name = f"collector, version {version}, {flows:,} flows/s"
        yield of_samples(f"{name}: lost", [float(found.sent - found.kept)], "flows", how, asked=asked)
        yield of_samples(f"{name}: CPU", [100 * found.cpu / found.seconds], "% of a core", how)
