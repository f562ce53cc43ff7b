"""Searching a conversation: the places of a plain search over all bytes, however they were cut, within time and memory."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.transcripts import Transcript, Turn, search
from nsm_nb.transcripts.search import Hits

NOON = pd.Timestamp("2003-11-13T17:00:04Z")


def said(*turns, proto="tcp"):
    """A conversation of (side, bytes) or (side, bytes, missing before)."""
    made, offset = [], {"src": 0, "dst": 0}
    for number, (side, data, *gap) in enumerate(turns, 1):
        missing = gap[0] if gap else 0
        made.append(Turn(side, NOON, NOON, (number,), offset[side] + missing, data, missing))
        offset[side] += missing + len(data)
    return Transcript(proto, "10.0.0.1", 1, "10.0.0.2", 2, made, [])


def places(hits):
    return [(hit.side, hit.offset, hit.length) for hit in hits]


@given(st.lists(st.text("ab", max_size=5), max_size=8), st.text("ab", min_size=1, max_size=4), st.integers(1, 7))
def test_the_places_are_those_of_a_plain_search(parts, needle, chunk):
    """Whatever the turns and the chunks, text and expression find what they find in all bytes at once."""
    whole = "".join(parts).encode()
    expected = [("src", match.start(), match.end() - match.start()) for match in re.finditer(needle.encode(), whole)]
    told = said(*(("src", part.encode()) for part in parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_CHUNK", chunk)
        patch.setattr(search, "_LONGEST", 8)
        assert places(told.search(needle)) == expected
        assert places(told.search(needle, kind="regex")) == expected
        assert places(told.search(needle.encode().hex(), kind="hex")) == expected


def test_places_know_their_turn_frame_and_bytes():
    (hit,) = said(("src", b"id\n"), ("dst", b"uid=0(ro"), ("src", b"\n"), ("dst", b"ot)\n")).search("(ROOT)")

    assert hit == ("dst", 5, 6, 1, 2, NOON, "", b"(root)")


def test_frames_are_those_that_carry_the_first_byte(evidence):
    packets = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))[1]
    number = packets.loc[packets["frame"] == 3620, "session"].iloc[0]
    told = nsm.transcripts.transcript(packets[packets["session"] == number])

    assert {hit.frame for hit in told.search("Volume Serial Number")} == {3620}
    assert not told.search("volume serial number", ignore_case=False)


def test_nothing_is_found_over_a_gap_or_two_datagrams():
    assert not said(("src", b"roo"), ("src", b"t", 5)).search("root")
    assert not said(("src", b"roo"), ("src", b"t"), proto="udp").search("root")
    assert places(said(("src", b"roo"), ("src", b"t"), proto="udp").search("ro")) == [("src", 0, 2)]


def test_one_side_alone_can_be_searched():
    told = said(("src", b"id"), ("dst", b"id"))

    assert places(told.search("id", side="dst")) == [("dst", 0, 2)]
    assert places(told.search("id")) == [("src", 0, 2), ("dst", 0, 2)]


def test_an_expression_that_would_go_on_for_years_is_stopped_and_says_so():
    hits = said(("src", b"a" * 64 + b"b")).search(r"(a|aa)+$", kind="regex", seconds=0.3)

    assert hits == [] and "stopped after 0.3 s at byte 0 of src" in hits.note


def test_more_places_than_asked_for_are_said():
    hits = said(("src", b"x" * 50)).search("x", most=20)

    assert len(hits) == 20 and "the first 20 places" in hits.note
    assert said(("src", b"x" * 20)).search("x", most=20).note == ""


@pytest.mark.parametrize(
    ("what", "kind"), [("", "text"), ("0", "hex"), ("zz", "hex"), ("(", "regex"), ("a" * 1001, "regex"), ("x", "words")]
)
def test_what_cannot_be_looked_for_is_one_sentence(what, kind):
    with pytest.raises(NsmError) as problem:
        said(("src", b"x")).search(what, kind=kind)

    assert "\n" not in str(problem.value)


def test_places_are_a_table_that_is_safe_to_show():
    table = said(("src", b"\x1b[2J<script>")).search("1b5b", kind="hex").table()

    assert table["text"].tolist() == ["\\x1b["]
    assert list(Hits().table().columns) == list(table.columns)
