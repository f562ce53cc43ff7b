import pandas as pd
import pytest

from nsm_nb.schema import Caveat
from nsm_nb.transcripts import Transcript, Turn
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
    lines = conversation.text_lines(said(("src", b"id\n", 0), ("dst", b"uid=0(root)\r\n", 0)))

    assert text(lines).splitlines() == [
        "SRC 17:00:04.000001 frame 1, 3 bytes at 0", "SRC: id",
        "DST 17:00:04.000001 frame 2, 13 bytes at 0", "DST: uid=0(root)",
    ]  # fmt: skip
    assert [each["style"] for each in lines] == ["nsm-side-src"] * 2 + ["nsm-side-dst"] * 2
    assert lines[1]["spans"][0][1] == "nsm-src" and lines[3]["spans"][0][1] == "nsm-dst"


def test_a_gap_is_told_with_its_size():
    lines = conversation.text_lines(said(("dst", b"after", 1460)))

    assert "[1,460 bytes of DST are missing here]" in text(lines)
    assert lines[0]["style"] == "nsm-gap"


def test_caveats_stand_at_the_top_in_amber():
    caveat = Caveat("staged.pcap", None, None, "one side", "nothing of dst was captured")
    lines = conversation.top_lines(said(("src", b"a", 0), caveats=[caveat]))

    assert "one side: nothing of dst was captured" in text(lines)
    assert lines[-1]["spans"][0][1] == "nsm-doubt nsm-strong"


def test_the_top_is_sguils_header():
    shown = text(conversation.top_lines(said(("src", b"abc", 0))))

    assert "Sensor Name:        gateway" in shown and "Src Port:           1045" in shown
    assert "SRC sent:           3 bytes in 1 turns" in shown


@pytest.mark.parametrize("make", [conversation.text_lines, conversation.hex_lines])
def test_a_large_transcript_is_shown_in_part_and_says_so(make):
    large = said(("src", b"a" * 100, 0), ("dst", b"b" * 1000, 0))

    part = text(make(large, most=150))
    assert "950 bytes more; 'show all' has them" in part
    assert "bytes more" not in text(make(large, most=None))


def test_hostile_bytes_are_text(hostile):
    for make in (conversation.text_lines, conversation.hex_lines):
        shown = repr(make(said(("src", hostile.encode() + b"\xff\x9b", 0))))
        assert "\x1b" not in shown and "\u202e" not in shown and "\x9b" not in shown
    assert "<script>" in text(conversation.text_lines(said(("src", hostile.encode(), 0))))


def test_hex_rows_count_from_the_turn_s_offset():
    shown = text(conversation.hex_lines(said(("src", b"a" * 16, 0), ("src", b"b", 0))))

    assert "SRC: 00000010  62" in shown


def test_http_shows_exchanges_headers_and_bodies():
    shown = text(
        conversation.http_lines(
            said(
                ("src", b"GET /a HTTP/1.1\r\nHost: www\r\n\r\n", 0),
                ("dst", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0),
            )
        )
    )

    assert "exchange 1" in shown and "SRC: GET /a HTTP/1.1" in shown and "SRC: Host: www" in shown
    assert "body, 5 B (5 bytes)" in shown and "SHA-256 2cf24dba" in shown and "DST: hello" in shown


def test_what_is_not_http_says_so():
    assert "not HTTP/1" in text(conversation.http_lines(said(("src", b"id\n", 0))))


def test_nothing_said_says_so():
    assert text(conversation.text_lines(said())) == "no data was sent"
