"""Asking for memory ahead changes nothing, wherever the place is."""

import numpy as np
from numba import njit

from nsm_nb.kernels.prefetching import prefetch


@njit
def asked(array, places):
    for place in places:
        prefetch(array, place)
    return array.sum()


def test_nothing_changes():
    array = np.arange(1000)

    assert asked(array, np.arange(1000)) == 499_500
    assert array.tolist() == list(range(1000))


def test_a_place_outside_is_no_error():
    assert asked(np.ones((3, 4), np.int32), np.array([-1, 12, 1 << 60, -(1 << 60)])) == 12
