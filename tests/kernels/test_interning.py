"""Numbering values agrees with a dictionary."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from nsm_nb.kernels.interning import _place, intern_value, interned, with_room

SMALL = st.integers(-2, 2)
WORD = st.one_of(SMALL, st.integers(-(2**63), 2**63 - 1))


@njit
def number_of(table, high, low, tag):
    return intern_value(table, high, low, tag)


@njit
def places_of(high, low, table, mask):
    places = np.empty(len(high), np.int64)
    for row in range(len(high)):
        places[row] = _place(high[row], low[row], 0, table.odd, mask)
    return places


@given(st.lists(st.tuples(WORD, WORD, SMALL), max_size=60))
def test_numbers_are_given_in_the_order_of_first_sight(values):
    table, known = interned(1), {}

    for value in values:
        table = with_room(table, 1)
        assert number_of(table, *value) == known.setdefault(value, len(known))

    assert int(table.count[0]) == len(known)
    assert list(zip(table.high[: len(known)], table.low[: len(known)], table.tag[: len(known)], strict=True)) == list(
        known
    )


def _aimed(count):
    """Values that all fell into one place when the multipliers were SplitMix64's."""
    one, other = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
    back = pow(one, -1, 2**64)
    return [(((0x1234567 ^ (low * other)) * back) % 2**64, low) for low in range(1, count + 1)]


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(_aimed, id="aimed"),
        *(
            pytest.param(lambda n, by=by: [(0, each << by) for each in range(n)], id=f"low{by}")
            for by in (0, 16, 32, 48)
        ),
        *(
            pytest.param(lambda n, by=by: [(each << by, 7) for each in range(n)], id=f"high{by}")
            for by in (0, 16, 32, 48)
        ),
        pytest.param(lambda n: [(each, each) for each in range(n)], id="both"),
        pytest.param(lambda n: [(each, -each % 2**64) for each in range(n)], id="against"),
    ],
)
def test_values_that_somebody_chose_are_spread_over_the_table(family):
    count, mask = 20_000, np.int64((1 << 16) - 1)
    words = np.array(family(count), np.uint64).view(np.int64)

    places = places_of(words[:, 0].copy(), words[:, 1].copy(), interned(1), mask)

    # by chance alone 20,000 values fall into 17,200 of 65,536 places; a family may do a little worse, never much
    assert len(np.unique(places)) > 12_000


def test_the_multipliers_are_not_those_of_another_process():
    code = "from nsm_nb.kernels.interning import interned; print(*interned(1).odd)"

    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert other.split() != [str(each) for each in interned(1).odd]
