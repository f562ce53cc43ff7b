"""One side of a stream: any order, any cut, any repetition of its segments gives the same bytes."""

from __future__ import annotations

import random
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.transcripts import reassembly
from nsm_nb.transcripts.reassembly import Segment, Stream, unwrapped


def built(segments):
    stream = Stream()
    for arrival, (position, data) in enumerate(segments):
        stream.add(Segment(arrival, position, data, len(data)))
    return stream


def slow(segments):
    """Byte by byte: the first that came at a place is kept."""
    kept = {}
    for position, data in segments:
        for place, byte in enumerate(data):
            kept.setdefault(position + place, byte)
    return kept


@st.composite
def shuffled(draw):
    data = draw(st.binary(min_size=1, max_size=60))
    cuts = sorted(draw(st.sets(st.integers(1, len(data)), max_size=6)) | {0, len(data)})
    parts = [(start, data[start:end]) for start, end in pairwise(cuts)]
    again = draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(1, 30)), max_size=4))
    parts += [(start, data[start : start + size]) for start, size in again]
    return data, draw(st.permutations(parts))


@given(shuffled())
def test_segments_in_any_order_with_repetitions_give_the_stream(given_):
    data, segments = given_

    stream = built(segments)

    assert b"".join(piece.data for piece in stream.pieces) == data
    assert stream.conflicts == []
    assert stream.again == sum(len(part) for _, part in segments) - len(data)


SEGMENTS = st.lists(st.tuples(st.integers(-5, 40), st.binary(max_size=12)), max_size=12)


@given(SEGMENTS)
def test_the_first_byte_at_a_place_wins_as_in_the_slow_way(segments):
    stream = built(segments)

    mine = {piece.position + at: byte for piece in stream.pieces for at, byte in enumerate(piece.data)}

    assert mine == slow(segments)
    ends = [(piece.position, piece.position + len(piece.data)) for piece in stream.pieces]
    assert ends == sorted(ends)
    assert all(before[1] <= after[0] for before, after in pairwise(ends))


@given(SEGMENTS)
def test_every_byte_is_shown_or_counted_as_repeated_or_kept_as_a_conflict(segments):
    stream = built(segments)

    shown = sum(len(piece.data) for piece in stream.pieces)
    conflicting = sum(len(conflict.other) for conflict in stream.conflicts)

    assert shown + stream.again + conflicting == sum(len(data) for _, data in segments)
    assert all(conflict.kept != conflict.other for conflict in stream.conflicts)


@given(st.integers(0, 2**40), st.integers(-(2**31) + 1, 2**31 - 1))
def test_sequence_numbers_unwrap_to_the_nearest_position(near, step):
    assert unwrapped((near + step) & 0xFFFFFFFF, near) == near + step


def test_segments_in_reverse_are_put_in_order_in_good_time():
    before = time.process_time()
    stream = built((place, b"a") for place in range(160_000, 0, -1))

    assert time.process_time() - before < 4  # 1 s on two old cores; a list that moves at each of them takes minutes
    assert [piece.position for piece in stream.pieces] == list(range(1, 160_001))


@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_byte_is_found_at_its_place_and_nowhere_else(places):
    stream = built((2 * place, b"%c" % (65 + place)) for place in places)

    assert [stream.at(place) for place in range(-1, 62)] == [
        b"%c" % (65 + place // 2) if place % 2 == 0 and place // 2 in places else b"" for place in range(-1, 62)
    ]
    assert stream.held == len(set(places))


def test_what_a_long_segment_says_otherwise_is_one_conflict():
    stream = built([*((place, b"a") for place in range(3000)), (0, b"b" * 3000)])

    assert [(each.position, len(each.kept), len(each.other)) for each in stream.conflicts] == [(0, 3000, 3000)]


def test_blocks_stay_in_order_whatever_comes_between(monkeypatch):
    monkeypatch.setattr(reassembly, "_FULL", 4)
    places = random.Random(7).sample(range(500), 500)
    stream = built((3 * place, b"%03d" % place) for place in places)

    assert b"".join(piece.data for piece in stream.pieces) == b"".join(b"%03d" % place for place in range(500))
