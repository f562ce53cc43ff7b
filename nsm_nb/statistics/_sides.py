"""What sessions carried, direction by direction, summed over groups of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import utc_times
from nsm_nb.statistics._tally import numbers_of, times_of

__all__ = ["MEASURES", "Sides"]

MEASURES = ("src_octets", "dst_octets", "src_packets", "dst_packets", "src_payload", "dst_payload")


class Sides:
    """The columns of sessions as arrays, and sums of them over groups of rows."""

    def __init__(self, sessions: pd.DataFrame, kept: np.ndarray) -> None:
        self.kept = kept
        self.measures = {
            name: tuple(part[kept] for part in numbers_of(sessions[name])) for name in MEASURES if name in sessions
        }
        self.times = {name: tuple(part[kept] for part in times_of(sessions[name])) for name in ("start", "end")}

    def measure(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a measure and where it is known; nothing is known of a column that the table lacks."""
        count = int(self.kept.sum())
        return self.measures.get(name, (np.zeros(count, np.int64), np.zeros(count, bool)))

    def total(self, group: np.ndarray, size: int, *names: str) -> pd.arrays.IntegerArray:
        """Return the sum of measures over the rows of each group; missing where none of them is known."""
        sums, known = np.zeros(size, np.int64), np.zeros(size, bool)
        for name in names:
            values, there = self.measure(name)
            sums += np.bincount(group, values, minlength=size).astype(np.int64)
            known |= np.bincount(group[there], minlength=size) > 0
        return pd.arrays.IntegerArray(sums, ~known)

    def answered(self, group: np.ndarray, size: int) -> np.ndarray:
        """Return how many sessions of each group got a packet back."""
        packets, _ = self.measure("dst_packets")
        return np.bincount(group[packets > 0], minlength=size)

    def first_and_last(self, *groups: np.ndarray, size: int) -> dict[str, pd.Series]:
        """Return the earliest start and the latest end of each group."""
        first, last = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
        for group in groups:
            when, there = self.times["start"]
            np.minimum.at(first, group[there], when[there])
            for name in ("start", "end"):
                when, there = self.times[name]
                np.maximum.at(last, group[there], when[there])
        first[first == np.iinfo(np.int64).max] = np.iinfo(np.int64).min  # NaT
        return {
            "first": utc_times(first),
            "last": utc_times(last),
        }
