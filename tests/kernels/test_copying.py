"""Bytes are copied as a slice of NumPy is, and nothing else is touched."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.kernels.copying import copy_bytes


@numba.njit
def _copied(into, there, data, here, size):
    copy_bytes(into, there, data, here, size)


@given(st.binary(max_size=300), st.data())
def test_a_piece_goes_where_a_slice_would_put_it(data, draw):
    source = np.frombuffer(data, np.uint8).copy()
    here = draw.draw(st.integers(0, len(source)))
    size = draw.draw(st.integers(0, len(source) - here))
    into = np.full(draw.draw(st.integers(size, size + 50)), 7, np.uint8)
    there = draw.draw(st.integers(0, len(into) - size))
    expected = into.copy()
    expected[there : there + size] = source[here : here + size]
    _copied(into, there, source, here, size)
    assert into.tolist() == expected.tolist()


def test_an_array_with_gaps_or_of_other_numbers_is_refused():
    whole = np.zeros(20, np.uint8)
    for into, data in ((whole[::2], whole), (whole, whole[::2]), (whole.view(np.uint16), whole)):
        with pytest.raises(numba.TypingError):
            _copied(into, 0, data, 0, 2)
