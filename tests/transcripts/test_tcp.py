"""The walk over both sides: whatever is sent in whatever order, each byte is shown, repeated, in conflict or set aside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import UnknownName
from nsm_nb.transcripts.datagrams import Datagram, Part
from nsm_nb.transcripts.segments import of_datagrams
from nsm_nb.transcripts.tcp import POLICIES, connections, placed
from tests.transcripts import slow_tcp

SYN, ACK = 0x02, 0x10

PLACES = st.one_of(st.integers(-3, 40), st.integers(0, 2**32 - 1), st.sampled_from([1 << 24, 1 << 30, (1 << 31) - 5]))


@st.composite
def conversations(draw):
    """Datagrams of both sides with true, forged and repeated numbers, and who sent each."""
    begin = {True: draw(st.integers(0, 2**32 - 1)), False: draw(st.integers(0, 2**32 - 1))}
    datagrams, from_src = [], []
    for row in range(draw(st.integers(1, 20))):
        mine = draw(st.booleans())
        data = draw(st.binary(max_size=6))
        datagrams.append(
            Datagram(
                row,
                (Part(row, 0, data),) if data else (),
                len(data) + draw(st.sampled_from([0, 0, 0, 3])),
                (begin[mine] + draw(PLACES)) & 0xFFFFFFFF,
                (begin[not mine] + draw(PLACES)) & 0xFFFFFFFF,
                draw(st.sampled_from([ACK, ACK, ACK, SYN, SYN | ACK, 0x04, 0x11, -1])),
            )
        )
        from_src.append(mine)
    return datagrams, from_src


def walked(given_, policy="first"):
    """The segments of a conversation and its connections."""
    datagrams, from_src = given_
    these = of_datagrams(datagrams, np.array(from_src, bool))
    return these, connections(these, policy=policy)


def stream(these, side):
    """Position and bytes of each piece."""
    data = these.source.read(side.part, side.skip, side.length)
    ends = np.cumsum(side.length).tolist()
    return [
        (position, data[end - size : end])
        for position, size, end in zip(side.position.tolist(), side.length.tolist(), ends, strict=True)
    ]


@settings(max_examples=400)
@given(conversations())
def test_both_sides_are_those_of_the_slow_way(given_):
    these, pairs = walked(given_)
    slow = slow_tcp.connections(*given_)

    assert len(pairs) == len(slow)
    for side, twin in zip(
        (side for pair in pairs for side in pair), (side for pair in slow for side in pair), strict=True
    ):
        assert stream(these, side) == [(piece.position, piece.data) for piece in twin.stream.pieces]
        assert these.part_row[side.part].tolist() == [piece.arrival for piece in twin.stream.pieces]
        assert (side.again, side.reach, side.last) == (twin.stream.again, twin.stream.reach, twin.last)
        assert sorted(side.conflicts) == sorted(twin.stream.conflicts)
        assert [these.row[each.segment] for each in side.strays] == [each.datagram.row for each in twin.strays]
        assert [these.row[each.segment] for each in side.garbage] == [each.datagram.row for each in twin.garbage]
        assert [these.row[each] for each in side.ignored] == [each.row for each in twin.ignored]
        assert side.unseen == twin.unseen()


@given(conversations())
def test_no_byte_vanishes(given_):
    these, pairs = walked(given_)

    sides = [side for pair in pairs for side in pair]
    kept = sum(int(side.length.sum()) + side.again + sum(len(each.other) for each in side.conflicts) for side in sides)
    kept += sum(len(these.data(each.segment)) for side in sides for each in (*side.strays, *side.garbage))
    sent = [b"".join(part.data for part in each.parts) for each in given_[0] if each.flags >= 0]
    # what a SYN carries is told in both connections where it was put aside in the one and begins the next
    twice = sum(len(part.data) for each in given_[0] if each.flags >= 0 and each.flags & SYN for part in each.parts)
    # a keep-alive, one byte that is 0 or alike, is the only one that is left out without a word
    assert sum(map(len, sent)) - sum(len(data) == 1 for data in sent) <= kept <= sum(map(len, sent)) + twice


@given(conversations())
def test_pieces_do_not_overlap_and_their_gaps_add_up(given_):
    these, pairs = walked(given_)
    for pair in pairs:  # each connection counts its own positions
        found = placed(these, [pair])
        for side in (0, 1):
            rows = np.flatnonzero(found.side == side)
            rows = rows[np.argsort(found.position[rows], kind="stable")]
            assert (found.gap[rows] >= 0).all()
            ends = found.position[rows] + found.length[rows]
            assert found.position[rows][1:].tolist() == (ends[:-1] + found.gap[rows][1:]).tolist()


@given(st.integers(0, 2**32 - 1), st.permutations(range(8)), st.booleans())
def test_segments_in_any_order_give_the_stream_whatever_its_beginning(beginning, order, seen):
    opening = [
        Datagram(0, (), 0, beginning, 0, SYN),
        Datagram(1, (), 0, 7, (beginning + 1) & 0xFFFFFFFF, SYN | ACK),
    ]
    rows = [
        Datagram(2 + row, (Part(2 + row, 0, b"%03d" % place),), 3, (beginning + 1 + 3 * place) & 0xFFFFFFFF, 8, ACK)
        for row, place in enumerate(order)
    ]

    these, ((src, dst),) = walked(([*(opening if seen else rows[:0]), *rows], [True, False, *[True] * 8]))

    assert b"".join(data for _, data in stream(these, src)) == b"".join(b"%03d" % place for place in range(8))
    assert (src.strays, src.garbage, dst.strays) == ([], [], [])


# (begin, bytes) in the order of arrival -> what each kind of host keeps; the shapes of Novak and Sturges: a segment that begins
# before, with or after the one that is there, and ends before, with or behind it
SHAPES = [
    (
        [(2, b"aaaa"), (0, b"bbbb")],
        {"first": "bbaaaa", "last": "bbbbaa", "bsd": "bbbbaa", "windows": "bbbbaa", "linux": "bbbbaa"},
    ),
    (
        [(0, b"aaaa"), (2, b"bbbb")],
        {"first": "aaaabb", "last": "aabbbb", "bsd": "aaaabb", "windows": "aaaabb", "linux": "aaaabb"},
    ),
    (
        [(0, b"aaaa"), (0, b"bbbb")],
        {"first": "aaaa", "last": "bbbb", "bsd": "aaaa", "windows": "aaaa", "linux": "aaaa"},
    ),
    ([(0, b"aa"), (0, b"bbbb")], {"first": "aabb", "last": "bbbb", "bsd": "aabb", "windows": "aabb", "linux": "bbbb"}),
    ([(0, b"aaaa"), (1, b"bb")], {"first": "aaaa", "last": "abba", "bsd": "aaaa", "windows": "aaaa", "linux": "aaaa"}),
    ([(1, b"aa"), (0, b"bbbb")], {"first": "baab", "last": "bbbb", "bsd": "bbbb", "windows": "bbbb", "linux": "bbbb"}),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("segments", "kept"), SHAPES)
def test_each_kind_of_host_keeps_its_own_version_of_an_overlap(segments, kept, policy):
    opening = [Datagram(0, (), 0, 99, 0, SYN), Datagram(1, (), 0, 7, 100, SYN | ACK)]
    rows = [
        Datagram(2 + row, (Part(2 + row, 0, data),), len(data), 100 + begin, 8, ACK)
        for row, (begin, data) in enumerate(segments)
    ]

    these, ((src, _),) = walked(([*opening, *rows], [True, False, *[True] * len(rows)]), policy)

    assert b"".join(data for _, data in stream(these, src)).decode() == kept[policy]
    assert all(each.kept != each.other for each in src.conflicts)
    assert sum(len(each.other) for each in src.conflicts) == sum(len(data) for _, data in segments) - len(kept[policy])


@given(conversations(), st.sampled_from(sorted(POLICIES)))
def test_a_policy_changes_versions_and_never_what_is_there(given_, policy):
    these, pairs = walked(given_)
    others = walked(given_, policy)[1]

    for side, other in zip(
        (side for pair in pairs for side in pair), (side for pair in others for side in pair), strict=True
    ):
        covered = [
            {place + at for place, data in stream(these, each) for at in range(len(data))} for each in (side, other)
        ]
        assert covered[0] == covered[1]


def test_an_unknown_policy_is_refused():
    with pytest.raises(UnknownName, match="there is no policy 'best'; there are first, last, bsd, windows, linux"):
        connections(of_datagrams([], np.empty(0, bool)), policy="best")
