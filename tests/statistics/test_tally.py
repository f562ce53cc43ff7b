"""Counting by codes: all three ways give what a dictionary gives."""

from __future__ import annotations

import collections

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.statistics import _tally

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 2**18)), max_size=40)


def slow(rows):
    counts, sums = collections.Counter(), collections.Counter()
    for one, other, weight in rows:
        counts[one, other] += 1
        sums[one, other] += weight
    return sorted((key, counts[key], sums[key]) for key in counts)


def told(found):
    return [
        ((int(a), int(b)), int(n), int(s)) for a, b, n, s in zip(*found.keys, found.counts, found.sums, strict=True)
    ]


@given(ROWS)
@pytest.mark.parametrize("sizes", [[5, 10], [5_000, 1_000_000], [5, 2**58]])
def test_counts_and_sums_agree_with_a_dictionary(sizes, rows):
    # few combinations are counted in place, many are sorted, more than a word holds go by a hash table
    one, other, weight = (np.array([row[part] for row in rows], np.int64) for part in range(3))

    assert told(_tally.tally([one, other], sizes, weight)) == slow(rows)


@given(ROWS)
@pytest.mark.parametrize("sizes", [[5, 10], [5_000, 1_000_000]])
def test_without_weights_the_sums_are_the_counts(sizes, rows):
    one, other = (np.array([row[part] for row in rows], np.int64) for part in range(2))
    found = _tally.tally([one, other], sizes)

    assert found.counts.tolist() == found.sums.tolist() == [count for _, count, _ in slow(rows)]


def test_small_codes_do_not_overflow():
    one, other = np.array([100, 100], np.int8), np.array([30_000, 30_000], np.int16)

    assert told(_tally.tally([one, other], [101, 40_000])) == [((100, 30_000), 2, 2)]


def test_numbers_that_are_missing_are_told():
    numbers, there = _tally.numbers_of(pd.Series([1, None, 3], dtype="UInt16"))

    assert (numbers.tolist(), there.tolist()) == ([1, 0, 3], [True, False, True])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_are_nanoseconds(unit):
    column = pd.Series(pd.to_datetime([0, 1, None], unit="s", utc=True)).astype(f"datetime64[{unit}, UTC]")
    times, there = _tally.times_of(column)

    assert times[:2].tolist() == [0, 10**9]
    assert there.tolist() == [True, True, False]


def test_times_as_text_are_read():
    assert _tally.times_of(pd.Series(["1970-01-01T00:00:01Z"]))[0].tolist() == [10**9]
