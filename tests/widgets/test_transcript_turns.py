"""Which bytes stand in which line of a transcript, gone to, chosen and given to a recipe."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nsm_nb.errors import NsmError
from nsm_nb.transcripts import Transcript, Turn
from nsm_nb.widgets import conversation
from nsm_nb.widgets.conversation import Spot
from nsm_nb.widgets.transcript import tabs, turns

NOON = pd.Timestamp("2003-11-13T17:00:04Z")
said_so = st.lists(
    st.tuples(st.sampled_from(["src", "dst"]), st.binary(min_size=1, max_size=40), st.integers(0, 3)), min_size=1, max_size=8
)  # fmt: skip


def conversation_of(parts, strays=()):
    made, offset = [], {"src": 0, "dst": 0}
    for number, (side, data, gap) in enumerate(parts, 1):
        made.append(Turn(side, NOON, NOON, (number,), offset[side] + gap, data, gap))
        offset[side] += gap + len(data)
    return Transcript("tcp", "10.0.0.1", 1, "10.0.0.2", 2, made, [], NOON, "x", strays=list(strays))


@settings(max_examples=50)
@given(said_so, st.booleans())
@example([("src", b"\n", 0)], False)  # its line is empty, and is there
@example([("src", b"a", 0), ("src", b"\n", 0)], False)
def test_every_byte_is_gone_to_where_it_stands(parts, octets):
    said = conversation_of(parts)
    spots = (conversation.hex_lines if octets else conversation.text_lines)(said).spots
    for turn in said.turns:
        for offset in range(turn.offset, turn.offset + turn.size):
            spot = spots[turns.line_of(spots, turn.side, offset)]

            assert turns.page_of(said, turn.side, offset) == 1
            assert said.turns[spot.turn] is turn
            assert spot.offset <= offset <= spot.offset + len(spot.data) + 1  # its line may end in CR LF


def test_a_byte_on_a_later_page_is_gone_to_there(monkeypatch):
    monkeypatch.setattr(conversation, "MOST", 10)
    said = conversation_of([("src", b"0123456", 0), ("dst", b"abcdefghijklm", 0)])

    assert [turns.page_of(said, "dst", offset) for offset in (0, 2, 3, 12, 13)] == [1, 1, 2, 2, None]
    spots = conversation.text_lines(said, number=2, size=10).spots
    assert spots[turns.line_of(spots, "dst", 12)].data == b"defghijklm"
    assert turns.line_of(spots, "src", 3) is None


@settings(max_examples=50)
@given(said_so, st.data())
def test_what_is_chosen_in_hex_is_what_a_recipe_is_given(parts, data):
    said = conversation_of(parts)
    spots = conversation.hex_lines(said).spots
    lines = [place for place, spot in enumerate(spots) if spot is not None and spot.data]
    place = data.draw(st.sampled_from(lines))
    first = data.draw(st.integers(0, len(spots[place].data) - 1))
    last = data.draw(st.integers(first, len(spots[place].data) - 1))
    columns = [5 + 10 + 3 * each + (each > 7) for each in (first, last)]  # "SRC: ", the offset, a gap after eight

    chosen = turns.chosen_in(spots, (place, columns[0]), (place, columns[1] + 3))

    assert chosen == (spots[place].side, spots[place].offset + first, spots[place].offset + last + 1)
    given_to, words = turns.given(said, "chosen", chosen, None)
    assert given_to == [spots[place].data[first : last + 1]]
    assert words == f"{chosen[0].upper()} bytes {chosen[1]:,} to {chosen[2]:,}"


def test_only_the_side_of_the_first_line_is_chosen():
    said = conversation_of([("src", b"ab\n", 0), ("dst", b"no\n", 0), ("src", b"cd\n", 0)])
    spots = conversation.text_lines(said, times=False).spots

    assert turns.chosen_in(spots, (0, 6), (2, 6)) == ("src", 1, 4)
    assert turns.given(said, "chosen", ("src", 1, 4), None)[0] == [b"b\nc"]
    assert turns.chosen_in(spots, (0, 6), (0, 6)) is None


def test_what_is_not_in_the_stream_is_given_whole_and_can_not_be_chosen():
    stray = Turn("dst", NOON, NOON, (9,), 0, b"late")
    said = conversation_of([("src", b"ab\n", 0)], [stray])
    spots = conversation.text_lines(said, times=False).spots
    place = next(place for place, spot in enumerate(spots) if spot is not None and spot.turn < 0 and spot.data)

    assert turns.chosen_in(spots, (place, 5), (place, 8)) is None
    assert turns.given(said, "chosen", None, spots[place]) == ([b"late"], "DST, not in the stream")
    assert turns.line_of(spots, "dst", 0) is None


def test_a_recipe_is_given_the_marked_turn_else_all_of_src_else_each_turn(monkeypatch):
    said = conversation_of([("src", b"ab", 0), ("dst", b"no", 0), ("src", b"cd", 2)])

    assert turns.given(said, "chosen", None, Spot(1, "dst", 0, b"no"))[0] == [b"no"]
    assert turns.given(said, "chosen", None, None) == ([b"abcd"], "SRC bytes 0 to 6")
    assert turns.given(said, "SRC turns", None, None) == ([b"ab", b"cd"], "SRC, 2 turns")
    monkeypatch.setattr(turns, "MOST", 3)
    with pytest.raises(NsmError, match="SRC sent more than"):
        turns.given(said, "SRC turns", None, None)


def test_turns_follow_each_other():
    said = conversation_of([("src", b"a\nb\n", 0), ("dst", b"c\n", 5)])
    spots = conversation.text_lines(said).spots  # a time, a, b; a gap, a time, c

    assert [turns.next_turn(spots, at, 1) for at in (None, 0, 2, 4)] == [0, 4, 4, None]
    assert [turns.next_turn(spots, at, -1) for at in (None, 5, 4, 0)] == [4, 4, 0, None]


def test_trees_are_paged_and_leave_out_what_carries_nothing():
    packets = pd.DataFrame({"frame": range(1, 91), "payload": pd.array([None, 0, 5] * 30, "Int64")})

    some, number, count = tabs.trees(packets, 9)
    assert (number, count, some["frame"].tolist()) == (2, 2, list(range(63, 91, 3)))
    some, number, count = tabs.trees(packets.assign(payload=0), 5)
    assert (number, count, some["frame"].tolist()) == (5, 5, list(range(81, 91)))
