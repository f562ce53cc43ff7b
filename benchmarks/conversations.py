"""Transcripts: of sessions in the large capture, of one long download, of thousands of tiny segments, and the index alone."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import nsm_nb as nsm
from benchmarks import captures
from benchmarks.cases import case_of
from benchmarks.measuring import Result, Run, of_samples, on_each, times
from nsm_nb.kernels import streams

__all__ = ["measure_transcripts"]

LONG = 2_000_000_000  # bytes of the long download
SEGMENTS = 5_000_000  # of the index
TINY = 30_000  # segments of one byte


def measure_transcripts(this: Run) -> Iterator[Result]:
    """Yield the times of transcripts of every size."""
    runs = max(5, this.runs) if this.runs > 1 else 1
    yield from _in_the_large_capture(this, runs)
    name = "transcript of a 2.5 MB download"
    packets = _assembled(captures.download(this.folder, 2_500_000))
    seconds, share = times(lambda: nsm.transcripts.transcript(packets), runs)
    yield of_samples(
        name,
        [1e3 * each for each in seconds],
        "ms",
        f"{len(packets):,} packets, all bytes read",
        asked="< 10",
        share=share,
    )
    tiny = _assembled(captures.download(this.folder, TINY, segment=1))
    seconds, share = times(lambda: nsm.transcripts.transcript(tiny), runs)
    yield of_samples(
        f"transcript of {TINY:,} one-byte segments", seconds, "s", f"{len(tiny):,} packets", asked="< 0.2", share=share
    )
    yield _index(this, runs)
    yield from _long(this)


def _in_the_large_capture(this: Run, runs: int) -> Iterator[Result]:
    case = nsm.open_case(case_of(this))
    sessions = case.sessions
    # the intruder's shell, which answered; there is one in each copy of the bundled capture
    shells = sessions[(sessions["dst_port"] == 31337) & (sessions["dst_payload"] > 0)]
    both = (sessions["src_payload"] + sessions["dst_payload"]).where(sessions["proto"] == "tcp").fillna(0).astype(int)
    largest = sessions[both == both.max()]
    for name, rows, asked in (("a shell", shells, "< 10"), ("the largest sessions", largest, "< 10")):
        row = rows.iloc[0]
        packets, size = row["src_packets"] + row["dst_packets"], row["src_payload"] + row["dst_payload"]
        turn = itertools.cycle(rows["session"].tolist())
        seconds, share = times(lambda turn=turn: case.transcript(next(turn)), runs)
        how = f"case.transcript in the 1 GB case, another one each time, {packets:,} packets, {size:,} bytes of payload"
        yield of_samples(f"transcript, {name}", [each * 1e3 for each in seconds], "ms", how, asked=asked, share=share)


def _index(this: Run, runs: int) -> Result:
    """Return the time of the numbers alone: which segment stands where, and whose bytes count."""
    count = round(SEGMENTS * this.scale)
    rng = np.random.default_rng(1)
    size = rng.integers(1, 1461, count)
    size[::3] = 0  # acknowledgements of the other side
    from_src = np.ones(count, bool)
    from_src[::3] = False
    begin = np.cumsum(np.where(from_src, size, 0)) - np.where(from_src, size, 0)
    again = rng.integers(0, count, count // 100)
    begin[again], size[again], from_src[again] = begin[again - 1], size[again - 1], from_src[again - 1]  # sent again
    seq = np.where(from_src, begin + 1_001, 5_001) & 0xFFFFFFFF
    ack = np.where(from_src, 5_001, begin + 1_001) & 0xFFFFFFFF
    flags = np.full(count, 0x10)

    def index() -> None:
        entries, _ = streams.walked(from_src, seq, ack, flags, size)
        own = entries.side == 0
        begin = entries.position[own]
        streams.swept(begin, size[entries.row[own]], np.arange(len(begin)))

    seconds, share = times(index, runs)
    how = f"walk and sweep of {count:,} segments of one session, one in a hundred sent again"
    return of_samples("index of a transcript", seconds, "s", how, asked="< 0.3", share=share)


def _long(this: Run) -> Iterator[Result]:
    wanted = round(LONG * this.scale)
    packets = _assembled(captures.download(this.folder, wanted))
    runs = min(this.runs, 3)
    seconds, share = times(lambda: nsm.transcripts.transcript(packets), runs)
    how = f"{len(packets):,} packets, {wanted:,} bytes of one side; none of them read"
    yield of_samples("open a long transcript", seconds, "s", how, asked="< 0.5", share=share)
    told = nsm.transcripts.transcript(packets)
    for name, place in _places(this.folder, wanted):
        for where, cores in on_each().items():
            with cores:
                seconds, share = times(lambda place=place: told.write("dst", place), runs)
            how = f"Transcript.write, {wanted:,} bytes, fsync, on {where}"
            asked = ">= 1" if where == "all cores" else ""
            yield of_samples(f"a long stream to {name}, {where}", [wanted / 1e9 / each for each in seconds], "GB/s", how,
                             asked=asked, share=min(share, 1.0))  # fmt: skip
            place.unlink()
        # what the place itself takes: as many bytes, from memory
        seconds, share = times(lambda place=place: _plain(place, wanted), runs)
        yield of_samples(f"as many bytes to {name}, by themselves", [wanted / 1e9 / each for each in seconds], "GB/s",
                         "one buffer of 1 MiB written again and again, fsync", share=share)  # fmt: skip
        place.unlink()
    seconds, share = times(lambda: told.search("no such words"), 1, warm=0)
    yield of_samples("search a long transcript", [wanted / 1e9 / each for each in seconds], "GB/s", "text, any case",
                     share=share)  # fmt: skip


def _plain(place: Path, size: int) -> None:
    block = bytes(1 << 20)
    with place.open("wb", buffering=0) as file:
        for at in range(0, size, len(block)):
            file.write(block[: size - at])
        os.fsync(file.fileno())


def _places(folder: Path, size: int) -> Iterator[tuple[str, Path]]:
    yield "a file", folder / "stream.bin"
    memory = Path("/dev/shm")
    if memory.is_dir() and os.statvfs(memory).f_bavail * os.statvfs(memory).f_frsize > 2 * size:
        yield "a file in memory", memory / "nsm-nb-stream.bin"


def _assembled(capture: Path) -> pd.DataFrame:
    return nsm.sessions.assemble(nsm.read_packets(capture))[1]
