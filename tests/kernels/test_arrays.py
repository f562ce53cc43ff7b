"""Zeros are zeros however much memory was given back before, and where the system grants nothing special."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from nsm_nb.kernels import arrays

COUNTS = (0, 1, 1_000, 100_000, 3_000_000)


@pytest.mark.parametrize("dtype", [bool, "u2", "i8"])
def test_all_are_zero_and_can_be_written(dtype):
    for count in COUNTS:
        for _ in range(2):  # the second time in memory that was used
            found = arrays.zeros(count, dtype)
            assert found.dtype == np.dtype(dtype) and found.shape == (count,) and not found.any()
            found[:] = 1
            assert found.all()


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="there are no huge pages on this system")
def test_a_kernel_without_huge_pages_gives_zeros_too(monkeypatch):
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 9999)
    assert not arrays.zeros(COUNTS[-1], "i8").any()


def test_where_no_map_is_granted_there_are_zeros_all_the_same(monkeypatch):
    def refused(*_, **__):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(arrays.mmap, "mmap", refused)
    assert arrays.zeros(COUNTS[-1], "u2").sum() == 0


def test_most_of_a_large_room_that_is_not_written_takes_no_memory():
    page = mmap.PAGESIZE
    before = _resident()
    room = arrays.zeros(400_000_000, bool)
    room[:10] = True
    assert (_resident() - before) * page < 20_000_000


def _resident():
    try:
        with open("/proc/self/statm") as told:
            return int(told.read().split()[1])
    except OSError:
        pytest.skip("/proc is not there")
