"""NetFlow version 5 from captured datagrams to FLOWS: how long five million records take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import nsm_nb as nsm
from benchmarks.measuring import Result, Run, of_samples, on_each, times
from nsm_nb.formats import netflow

__all__ = ["exports", "measure_flows"]

RECORDS = 5_000_000
_A_DATAGRAM = 30
_START = 1_795_487_400  # 2026-11-24 02:30:00
_HOSTS = 200_000  # distinct addresses of either side
_DIGEST = "0" * 64  # any will do: it only numbers the rows

_RECORD = np.dtype(
    [
        ("src", ">u4"), ("dst", ">u4"), ("nexthop", ">u4"), ("interfaces", ">u4"), ("packets", ">u4"), ("octets", ">u4"),
        ("first", ">u4"), ("last", ">u4"), ("sport", ">u2"), ("dport", ">u2"), ("pad", "u1"), ("flags", "u1"),
        ("proto", "u1"), ("tos", "u1"), ("as", ">u4"), ("masks", ">u4"),
    ]
)  # fmt: skip
_FRAME = np.dtype(
    [
        ("seconds", "<u4"), ("micro", "<u4"), ("captured", "<u4"), ("length", "<u4"), ("macs", "u1", 12), ("type", ">u2"),
        ("ip", "u1", 20), ("sport", ">u2"), ("dport", ">u2"), ("size", ">u2"), ("sum", ">u2"), ("version", ">u2"),
        ("count", ">u2"), ("uptime", ">u4"), ("now", ">u4"), ("nanoseconds", ">u4"), ("sequence", ">u4"),
        ("engine", ">u2"), ("sampling", ">u2"), ("records", _RECORD, _A_DATAGRAM),
    ]
)  # fmt: skip


def exports(folder: Path, scale: float = 1.0, *, both: bool = False) -> Path:
    """Return a capture of export datagrams with five million flow records, made where it is not there yet (257 MB).

    With `both` every other record tells the other side of the one before it, else next to none has another side.
    """
    count = max(int(RECORDS * scale) // _A_DATAGRAM, 1)
    path = folder / f"netflow-v5-{'both-' if both else ''}{count * _A_DATAGRAM}.pcap"
    if path.exists():
        return path
    random = np.random.default_rng(5)
    frames = np.zeros(count, _FRAME)
    number = np.arange(count)
    size = _FRAME.itemsize - 16
    frames["seconds"], frames["micro"] = _START + number // 1000, number % 1000 * 1000
    frames["captured"] = frames["length"] = size
    frames["type"] = 0x0800
    head = [0x45, 0, (size - 14) >> 8, (size - 14) & 255, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 99]
    frames["ip"] = np.array(head, np.uint8)
    frames["sport"], frames["dport"], frames["size"] = 40_000, 9995, size - 34
    frames["version"], frames["count"], frames["sequence"] = 5, _A_DATAGRAM, number * _A_DATAGRAM
    frames["now"], frames["uptime"] = frames["seconds"], 100_000_000 + number // 1000 * 1000
    hosts = random.integers(0x0A000000, 0x0AFFFFFF, _HOSTS, np.uint32)
    records = frames["records"]
    shape = records.shape
    for side in ("src", "dst"):
        records[side] = hosts[(random.random(shape) ** 3 * _HOSTS).astype(np.int64)]
    records["packets"] = random.integers(1, 100, shape)
    records["octets"] = records["packets"] * random.integers(40, 1500, shape)
    records["last"] = frames["uptime"][:, None] - random.integers(0, 15_000, shape)
    records["first"] = records["last"] - random.integers(0, 60_000, shape)
    records["sport"], records["dport"] = random.integers(1024, 65_536, shape), random.choice([53, 80, 443, 22], shape)
    records["flags"], records["proto"] = 27, random.choice([6, 17, 1], shape, p=[0.7, 0.28, 0.02])
    if both:
        there, back = records[:, ::2], records[:, 1::2]
        for name, other in (("src", "dst"), ("dst", "src"), ("sport", "dport"), ("dport", "sport")):
            back[name] = there[other]
        for name in ("first", "last", "flags", "proto"):
            back[name] = there[name]
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(np.array([0xA1B2C3D4, 0x00040002, 0, 0, 262_144, 1], "<u4").tobytes())
        file.write(frames.tobytes())
    part.rename(path)
    return path


def measure_flows(this: Run) -> Iterator[Result]:
    """Yield how long the records take from the file to FLOWS, its SHA-256 known, as in a case, or not."""
    path = exports(this.folder, this.scale)
    read = (
        f"netflow.sessions of {path.name} ({path.stat().st_size / 1e6:,.0f} MB, in the page cache), its SHA-256 known"
    )
    for where, cores in on_each().items():
        with cores:
            walls, share = times(lambda: _records(path), this.runs)
        asked = "< 1.5" if where == "all cores" else ""
        name = f"NetFlow v5 records to FLOWS (5 M), {where}"
        yield of_samples(name, walls, "s", f"{read}, on {where}", asked=asked, share=min(share, 1.0))
    walls, share = times(lambda: nsm.read_sessions(path, label=path.name), this.runs)
    yield of_samples("the same with read_sessions, SHA-256 included", walls, "s", "as above, on one core", share=share)
    for told, both in (("next to none has another side", False), ("each has its other side", True)):
        capture = exports(this.folder, this.scale, both=both)
        for where, cores in on_each().items():
            with cores:
                walls, share = times(lambda: nsm.sessions.pair(_records(capture)), this.runs)  # noqa: B023
            how = f"netflow.sessions and sessions.pair of {capture.name}, on {where}"
            asked = "< 3" if where == "all cores" else ""
            yield of_samples(f"read and paired: {told}, {where}", walls, "s", how, asked=asked, share=min(share, 1.0))


def _records(path: Path) -> pd.DataFrame:
    return netflow.sessions(path, label=path.name, digest=_DIGEST)
