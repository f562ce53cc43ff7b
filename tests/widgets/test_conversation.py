import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.schema import Caveat
from nsm_nb.transcripts import Transcript, Turn
from nsm_nb.transcripts.marks import Mark
from nsm_nb.widgets import conversation
from nsm_nb.widgets.lines import Lines

NOON = pd.Timestamp("2003-11-13T17:00:04.000001Z")


def said(*turns, caveats=()):
    made, offset = [], {"src": 0, "dst": 0}
    for number, (side, data, gap) in enumerate(turns, 1):
        made.append(Turn(side, NOON, NOON, (number,), offset[side] + gap, data, gap))
        offset[side] += gap + len(data)
    return Transcript("tcp", "10.1.1.177", 1045, "216.239.37.99", 31337, made, list(caveats), NOON, "gateway")


def text(lines):
    return Lines(*lines).text()


def test_both_sides_are_told_apart_by_prefix_indent_and_colour():
    lines, *_ = conversation.text_lines(said(("src", b"id\n", 0), ("dst", b"uid=0(root)\r\n", 0)))

    assert text(lines).splitlines() == [
        "SRC 17:00:04.000001 frame 1, 3 bytes at 0", "SRC: id",
        "DST 17:00:04.000001 frame 2, 13 bytes at 0", "DST: uid=0(root)",
    ]  # fmt: skip
    assert [each["style"] for each in lines] == ["nsm-side-src"] * 2 + ["nsm-side-dst"] * 2
    assert lines[1]["spans"][0][1] == "nsm-src" and lines[3]["spans"][0][1] == "nsm-dst"


def test_a_gap_is_told_with_its_size():
    lines, *_ = conversation.text_lines(said(("dst", b"after", 1460)))

    assert "[1,460 bytes of dst are missing here]" in text(lines)
    assert lines[0]["style"] == "nsm-gap"


def test_caveats_stand_at_the_top_in_amber():
    caveat = Caveat("staged.pcap", None, None, "one side", "nothing of dst was captured")
    lines = conversation.top_lines(said(("src", b"a", 0), caveats=[caveat]))

    assert "one side: nothing of dst was captured" in text(lines)
    assert lines[-1]["spans"][0][1] == "nsm-doubt nsm-strong"


def test_the_top_is_sguils_header():
    shown = text(conversation.top_lines(said(("src", b"abc", 0))))

    assert "Sensor Name:        gateway" in shown and "Src Port:           1045" in shown
    assert "SRC sent:           3 bytes in 1 turn" in shown


@pytest.mark.parametrize("make", [conversation.text_lines, conversation.hex_lines])
def test_a_large_transcript_is_shown_in_pages_and_says_so(make):
    large = said(("src", b"a" * 100, 0), ("dst", b"b" * 1000, 0))

    assert "950 bytes more; " not in text(make(large, size=150).lines)
    assert "950 bytes more: 'next page' has them" in text(make(large, size=150).lines)
    assert "bytes more" not in text(make(large, size=None).lines)
    shown = [make(large, number=number, size=150) for number in range(1, 9)]
    assert b"".join(spot.data for each in shown for spot in each.spots if spot is not None) == b"a" * 100 + b"b" * 1000


def test_hostile_bytes_are_text(hostile):
    for make in (conversation.text_lines, conversation.hex_lines):
        shown = repr(make(said(("src", hostile.encode() + b"\xff\x9b", 0))).lines)
        assert "\x1b" not in shown and "\u202e" not in shown and "\x9b" not in shown
    assert "<script>" in text(conversation.text_lines(said(("src", hostile.encode(), 0))).lines)


def test_hex_rows_count_from_the_turn_s_offset():
    shown = text(conversation.hex_lines(said(("src", b"a" * 16, 0), ("src", b"b", 0))).lines)

    assert "SRC: 00000010  62" in shown


@given(st.lists(st.tuples(st.sampled_from(["src", "dst"]), st.binary(max_size=40), st.just(0)), max_size=5), st.data())
def test_every_byte_is_found_at_its_column(turns, data):
    """What is chosen from a line's first to its last column is all its bytes, in text and in hex."""
    for make in (conversation.text_lines, conversation.hex_lines):
        lines, spots, _ = make(said(*turns))
        for each, spot in zip(lines, spots, strict=True):
            if spot is None or not spot.data:
                continue
            whole = "".join(span[0] for span in each["spans"])
            assert conversation.byte_at(spot, 5) == spot.offset
            end = 5 + 10 + len(spot.data) * 3 + (len(spot.data) > 8) if spot.hex else len(whole)
            assert conversation.byte_at(spot, end) == spot.offset + len(spot.data)


def test_what_is_found_is_marked_over_lines_and_in_hex():
    told = said(("src", b"ab\r\ncd\x00ef", 0))
    marks = [conversation.Mark("src", 1, 5, now=True), conversation.Mark("src", 6, 7)]
    for make, expected in ((conversation.text_lines, ["b", "c", "\\x00"]), (conversation.hex_lines, None)):
        spans = [span for each in make(told, marks=marks).lines for span in each["spans"]]
        hits = [span[0] for span in spans if "nsm-hit" in span[1]]
        assert hits == expected or (expected is None and hits[0] == "62" and "".join(hits).count("0") >= 3)
        assert text(make(told, marks=marks).lines) == text(make(told).lines)


def test_strays_and_marks_stand_where_they_belong():
    told = said(("src", b"a", 0), ("dst", b"b", 0))
    told.strays.append(Turn("src", NOON, NOON, (9,), 1 << 30, b"far"))
    told.marks.append(Mark("src", "keep-alive", NOON, (2, 2), 1, 1, "SRC: keep-alive, frame 2"))
    shown = text(conversation.text_lines(told, times=False).lines).splitlines()

    assert shown == ["SRC: a", "[SRC: keep-alive, frame 2]", "DST: b",
                     "SRC 17:00:04.000001 frame 9, 3 bytes at 1,073,741,824, not in the stream", "SRC: far"]  # fmt: skip


def test_nothing_said_says_so():
    assert text(conversation.text_lines(said()).lines) == "no data was sent"
