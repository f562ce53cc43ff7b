"""Frames are laid out whole, and numbers loaded from them agree with the slow way and never stand outside of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.kernels.loading import lay_out, load


def slowly(buffer, start, at, captured, width):
    for first, offset, size in zip(start, at, captured, strict=True):
        frame = buffer[first : first + size]
        whole = offset >= 0 and offset + width <= len(frame)
        yield int.from_bytes(frame[offset : offset + width], "big") if whole else 0, whole


frames = st.lists(st.tuples(st.integers(0, 30), st.integers(-3, 40), st.integers(0, 40)), max_size=8)


@given(buffer=st.binary(min_size=1, max_size=40), frames=frames, width=st.sampled_from([1, 2, 4]))
def test_loading_agrees_with_the_slow_way(buffer, frames, width):
    start, at, captured = np.array(frames, np.int64).reshape(-1, 3).T.copy()

    value, there, lost = load(np.frombuffer(bytearray(buffer), np.uint8), start, at, captured, width)

    wanted = list(slowly(buffer, start.tolist(), at.tolist(), captured.tolist(), width))
    assert list(zip(value.tolist(), there.tolist(), strict=True)) == wanted
    assert value.dtype == np.uint32
    assert lost == sum(not whole for _, whole in wanted)


def test_one_offset_may_stand_for_all():
    start, captured = np.array([0, 2, 3]), np.array([2, 2, 1])

    value, there, lost = load(np.arange(1, 5, dtype=np.uint8), start, np.array([0]), captured, 2)

    assert value.tolist() == [0x0102, 0x0304, 0]
    assert there.tolist() == [True, True, False]
    assert lost == 1


table = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), min_size=1, max_size=9)


@given(table=table, most=st.integers(1, 9), held=st.integers(1, 200), gap=st.integers(0, 60), data=st.data())
def test_frames_are_laid_out_whole_and_in_pieces_that_do_not_touch_each_other(table, most, held, gap, data):
    file = bytes(range(256)) * 2
    offset, captured = (
        np.array(each, dtype) for each, dtype in zip(zip(*table, strict=True), (np.int64, np.uint32), strict=True)
    )
    rows = np.array(data.draw(st.lists(st.integers(0, len(table) - 1), min_size=1, max_size=9)))
    order = np.arange(len(rows))
    first = data.draw(st.integers(0, len(rows) - 1))

    start, size, pieces, backwards = lay_out(offset, captured, rows, order, first, most, held, gap)

    memory, end = bytearray(), 0
    for begin, length, place in pieces.tolist():
        assert place == len(memory)
        memory += file[begin : begin + length]
        assert place == 0 or begin - end > gap
        end = begin + length
    asked = offset[rows[first : first + len(start)]]
    for row, place, length in zip(rows[first:], start.tolist(), size.tolist(), strict=False):
        assert memory[place : place + length] == file[offset[row] : offset[row] + captured[row]]
        assert length == captured[row]
    assert (start < held).all() or len(start) == 1
    assert (np.diff(asked) >= 0).all()
    full = len(start) in (most, len(rows) - first)
    assert backwards == (not full and offset[rows[first + len(start)]] < asked[-1])
