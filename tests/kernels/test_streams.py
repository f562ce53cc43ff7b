"""Whose bytes count where segments overlap, held to a twin that looks at each byte."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.kernels import streams


def of_each_byte(start, size, rank):
    """Return for each byte of the stream the segment of the lowest rank that covers it."""
    owners = {}
    for number, (at, many) in enumerate(zip(start, size, strict=True)):
        for place in range(at, at + many):
            best = owners.get(place)
            if best is None or rank[number] < rank[best]:
                owners[place] = number
    return owners


@given(st.data())
def test_each_byte_is_that_of_the_lowest_rank(data):
    segments = data.draw(st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 9)), max_size=30))
    if data.draw(st.booleans()):  # as most come: in sequence, but for a few
        segments.sort()
        for again in data.draw(st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 9)), max_size=3)):
            segments.insert(data.draw(st.integers(0, len(segments))), again)
    start, size = np.array(segments, np.int64).reshape(-1, 2).T
    rank = np.array(data.draw(st.permutations(range(len(segments)))), np.int64)

    owner, position, length = streams.swept(start, size, rank)

    assert (length > 0).all()
    assert (position[1:] >= (position + length)[:-1]).all(), "in the order of the stream, never overlapping"
    told = {
        place: number
        for number, at, many in zip(owner.tolist(), position.tolist(), length.tolist(), strict=True)
        for place in range(at, at + many)
    }
    assert told == of_each_byte(start.tolist(), size.tolist(), rank.tolist())


def test_segments_that_come_in_sequence_are_their_own_runs():
    start, size = np.array([0, 10, 10, 15]), np.array([10, 0, 5, 5])

    owner, position, length = streams.swept(start, size, np.arange(4))

    assert owner.tolist() == [0, 2, 3]
    assert position.tolist() == [0, 10, 15]
    assert length.tolist() == [10, 5, 5]
