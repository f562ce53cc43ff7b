"""What a rule looks for, found in the rebuilt stream."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from nsm_nb.transcripts.matching import matching
from tests import writing

RULE = 'alert tcp any any -> any any (flow:to_server; content:"secret"; content:"word"; distance:0; sid:1;)'


@pytest.fixture
def talked(tmp_path):
    """A session of (from the client?, seq, payload)."""

    def make(*segments):
        ends = {True: ("10.0.0.1", "10.0.0.2", 1000, 80), False: ("10.0.0.2", "10.0.0.1", 80, 1000)}
        frames = []
        for number, (onward, seq, data) in enumerate(segments):
            src, dst, sport, dport = ends[onward]
            frame = writing.ethernet(writing.ip(writing.tcp(data, sport, dport, seq=seq, ack=1), src, dst, 6))
            frames.append((number * 1_000_000, frame))
        (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcap"))
        return nsm.transcripts.transcript(packets, session=sessions.iloc[0]), packets

    return make


def test_what_segments_cut_in_two_is_found_with_offset_and_frame(talked):
    (match,) = matching(RULE, *talked((True, 100, b"the sec"), (True, 107, b"ret w"), (True, 112, b"ord.")))
    assert (match.side, match.offset, match.end, match.frame) == ("src", 4, 15, 1)


def test_segments_out_of_order_are_read_in_their_order(talked):
    (match,) = matching(RULE, *talked((True, 100, b"ab"), (True, 109, b"ret word"), (True, 102, b"cde sec")))
    assert (match.offset, match.frame) == (6, 3)


def test_the_frame_of_a_stream_whose_numbers_wrap_is_right(talked):
    start = 2**32 - 4
    (match,) = matching(RULE, *talked((True, start, b"abcd"), (True, 0, b"secre"), (True, 5, b"t word")))
    assert (match.offset, match.frame) == (4, 2)


def test_nothing_is_joined_over_a_gap(talked):
    assert matching(RULE, *talked((True, 100, b"the sec"), (True, 200, b"ret word"))) == []


def test_the_rules_direction_counts(talked):
    assert matching(RULE, *talked((True, 100, b"hello"), (False, 500, b"secret word"))) == []
    (match,) = matching(
        RULE.replace("flow:to_server; ", ""), *talked((True, 100, b"hello"), (False, 500, b"secret word"))
    )
    assert (match.side, match.frame) == ("dst", 2)


def test_a_rule_without_content_matches_nowhere(talked):
    assert matching("alert tcp any any -> any any (sid:1;)", *talked((True, 100, b"secret word"))) == []


def test_what_lies_behind_the_first_window_is_found_too(talked, monkeypatch):
    monkeypatch.setattr("nsm_nb.transcripts.matching._WINDOW", 40)
    monkeypatch.setattr("nsm_nb.transcripts.matching._OVERLAP", 20)
    pieces = [(True, 100 + 10 * number, b"%010d" % number) for number in range(30)]
    (match,) = matching(RULE, *talked(*pieces, (True, 400, b"the secret"), (True, 410, b" word")))
    assert (match.offset, match.end, match.frame) == (304, 315, 31)
