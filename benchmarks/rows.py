"""From a row of a table to the bytes of its packet, and to its text."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

import nsm_nb as nsm
from benchmarks import captures
from benchmarks.measuring import Result, Run, of_samples, times
from nsm_nb.full_content import frame_bytes, view

__all__ = ["measure_rows"]

ROWS = 500  # rows picked at random; one after the other, each by a call of its own
MANY = 100_000


def measure_rows(this: Run) -> Iterator[Result]:
    """Yield the milliseconds of one row, and of the text of many."""
    capture = captures.large(this.folder, this.scale)
    packets = nsm.read_packets(capture)
    picked = np.random.default_rng(1).integers(0, len(packets), max(50, round(ROWS * this.scale)))
    where = f"{len(picked)} rows at random of {len(packets):,}, {capture.stat().st_size / 1e6:,.0f} MB, one by one"

    def one_by_one(job: Callable[[pd.DataFrame], object]) -> None:
        for place in picked.tolist():
            job(packets.iloc[place : place + 1])  # a slice: no column is copied

    for name, job, asked in (
        ("a table row to its bytes", frame_bytes, "< 1"),
        ("a table row to tcpdump's text", view, ""),
    ):
        seconds, share = times(functools.partial(one_by_one, job), this.runs)
        yield of_samples(name, [1e3 * each / len(picked) for each in seconds], "ms", where, asked=asked, share=share)
    many = packets.head(max(1_000, round(MANY * this.scale)))
    seconds, share = times(lambda: view(many), min(this.runs, 3))
    rates = [len(many) / each for each in seconds]
    yield of_samples("packets as tcpdump's text", rates, "packets/s", f"the first {len(many):,} of them", share=share)
