"""Sums by interval and key, of which any run of intervals is added up without looking at a row again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["MOST_COUNTERS", "Counts", "counted"]

MOST_COUNTERS = 1 << 20  # where there are no more, there is one for every interval and key


class Counts(NamedTuple):
    """Sums by interval and key, in order of the interval; a key that an interval lacks takes no room."""

    bounds: np.ndarray  # where each interval's entries begin, and the end
    key: np.ndarray
    sums: tuple[np.ndarray, ...]  # the first are rows

    def within(
        self, low: int, high: int, size: int, totals: list[np.ndarray] | None = None, first: int | None = None
    ) -> list[np.ndarray]:
        """Return each sum (or the `first` of them) for every key, of the intervals from `low` up to `high`.

        Where the sums of all intervals are given, and most lie within, what lies outside is taken from them.
        """
        begin, end = int(self.bounds[low]), int(self.bounds[high])
        inside = totals is None or end - begin < len(self.key) // 2
        parts = [slice(begin, end)] if inside else [slice(0, begin), slice(end, None)]
        keys = [self.key[part].astype(np.int64) for part in parts]  # once: bincount does it at each call, and slowly
        result = []
        for number, each in enumerate(self.sums[:first]):
            found = sum(np.bincount(key, each[part], minlength=size) for key, part in zip(keys, parts, strict=True))
            found = np.asarray(found).astype(np.int64)
            result.append(found if len(parts) == 1 else totals[number] - found)  # type: ignore[index]
        return result

    def by_interval(self, group: np.ndarray, groups: int, number: int) -> np.ndarray:
        """Return one sum as a table of intervals by the group of each key."""
        count = len(self.bounds) - 1
        place = np.repeat(np.arange(count), np.diff(self.bounds))
        cell = place * groups + group[self.key]
        return np.bincount(cell, self.sums[number], minlength=count * groups).astype(np.int64).reshape(count, groups)


def counted(place: np.ndarray, key: np.ndarray, size: int, count: int, *weights: np.ndarray) -> Counts:
    """Return the rows of each of `count` intervals and each key below `size`, and their sums of weights."""
    cell = place.astype(np.int64) * size + key
    if count * size <= max(MOST_COUNTERS, len(cell) // 2):
        rows = np.bincount(cell, minlength=count * size)
        cells = np.flatnonzero(rows)
        sums = [rows[cells], *(np.bincount(cell, each, minlength=count * size)[cells] for each in weights)]
    else:
        group, found = pd.factorize(cell)
        order = np.argsort(found)
        cells = np.asarray(found)[order]
        sums = [np.bincount(group)[order], *(np.bincount(group, each)[order] for each in weights)]
    intervals, keys = np.divmod(cells, size)
    bounds = np.searchsorted(intervals, np.arange(count + 1))
    return Counts(bounds, keys.astype(np.int32), tuple(each.astype(np.int64) for each in sums))
