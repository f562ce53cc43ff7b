"""The walk over both sides: whatever is sent in whatever order, each byte is shown, repeated, in conflict or set aside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.transcripts.datagrams import Datagram, Part
from nsm_nb.transcripts.tcp import connections, placed

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


@given(conversations())
def test_no_byte_vanishes(given_):
    datagrams, from_src = given_

    pairs = connections(datagrams, from_src)

    streams = [side.stream for pair in pairs for side in pair]
    aside = [each for pair in pairs for side in pair for each in (*side.strays, *side.garbage)]
    kept = sum(stream.held + stream.again + sum(len(each.other) for each in stream.conflicts) for stream in streams)
    kept += sum(len(part.data) for each in aside for part in each.datagram.parts)
    sent = [b"".join(part.data for part in each.parts) for each in datagrams if each.flags >= 0]
    # a keep-alive, one byte that is 0 or alike, is the only one that is left out without a word
    assert sum(map(len, sent)) - sum(len(data) == 1 for data in sent) <= kept <= sum(map(len, sent))


@given(conversations())
def test_pieces_do_not_overlap_and_their_gaps_add_up(given_):
    for pair in connections(*given_):  # each connection counts its own positions
        expected = {"src": None, "dst": None}
        for _, side, piece, gap, _ in sorted(placed([pair]), key=lambda each: (each.side, each.piece.position)):
            assert gap >= 0
            if expected[side] is not None:
                assert piece.position == expected[side] + gap
            expected[side] = piece.position + len(piece.data)


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

    ((src, dst),) = connections([*(opening if seen else []), *rows], [True, False, *[True] * 8])

    assert b"".join(piece.data for piece in src.stream.pieces) == b"".join(b"%03d" % place for place in range(8))
    assert (src.strays, src.garbage, dst.strays) == ([], [], [])
