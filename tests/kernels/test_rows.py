"""Small loops over rows agree with the slow way."""

from __future__ import annotations

import numpy as np

from nsm_nb.kernels import rows


def test_what_stands_under_a_mask_is_found():
    values = np.array([0, 3, 0], np.uint32)

    assert rows.any_under(values, np.array([False, True, False]))
    assert not rows.any_under(values, np.array([True, False, True]))


def test_gathering_agrees_with_the_slow_way():
    values, places = np.array([10, 20, 30], np.int64), np.array([2, -1, 0, 0], np.int32)

    found, none = np.empty(4, np.int64), np.empty(4, bool)
    rows.gathered(values, places, found, none)

    assert found.tolist() == [30, 0, 10, 10]
    assert none.tolist() == [False, True, False, False]


def test_looking_up_takes_the_last_for_what_is_missing():
    table, codes = np.array([6, 17, 256], np.int16), np.array([1, -1, 0, 1], np.int8)

    found = rows.looked_up(table, codes)

    assert found.tolist() == [17, 256, 6, 17]
    assert found.dtype == np.int16
