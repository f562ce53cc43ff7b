"""Numbering values agrees with a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from nsm_nb.kernels.interning import intern_value, interned, with_room

SMALL = st.integers(-2, 2)
WORD = st.one_of(SMALL, st.integers(-(2**63), 2**63 - 1))


@njit
def number_of(table, high, low, tag):
    return intern_value(table, high, low, tag)


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
