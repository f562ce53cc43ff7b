"""What stands beside the bytes: decoys, resets, keep-alives, urgent data, data in a SYN, stitched captures."""

from __future__ import annotations

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.transcripts.tcp import POLICIES
from tests import writing

SECOND = 1_000_000_000
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


def frame(data=b"", *, back=False, seq, ack=0, flags=PSH | ACK, ttl=64, spoil=False, pointer=0):
    """A frame from 10.0.0.1:40000, or back; numbers count from each side's first byte."""
    ports, ends = ((80, 40000), ("10.0.0.2", "10.0.0.1")) if back else ((40000, 80), ("10.0.0.1", "10.0.0.2"))
    base, other = (5001, 1001) if back else (1001, 5001)
    raw = writing.tcp(data, *ports, seq=base + seq, ack=other + ack if flags & ACK else 0, flags=flags)
    if pointer:
        raw = raw[:18] + pointer.to_bytes(2, "big") + raw[20:]
    made = writing.ethernet(writing.ip(raw, *ends, 6, ttl=ttl))
    at = 14 + 20 + 16
    return made[:at] + bytes([made[at] ^ 0x55]) + made[at + 1 :] if spoil else made


def opening():
    return [frame(seq=-1, flags=SYN), frame(back=True, seq=-1, flags=SYN | ACK), frame(seq=0, flags=ACK)]


def capture(path, frames, *, first=0):
    path.write_bytes(writing.pcap([((first + place) * SECOND, each) for place, each in enumerate(frames)]))
    return path


@pytest.fixture
def told(tmp_path):
    """The transcript of frames that a test writes."""

    def from_frames(frames, **options):
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(capture(tmp_path / "x.pcap", frames)))
        assert len(sessions) == 1
        return nsm.transcripts.transcript(packets, session=sessions.iloc[0], **options)

    return from_frames


def kinds(transcript):
    return [mark.kind for mark in transcript.marks]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("odd", "kind"), [({"spoil": True}, "checksum"), ({"ttl": 1}, "ttl")])
def test_a_decoy_counts_in_no_policy_and_is_told(told, policy, odd, kind):
    good = frame(b"GET /good HTTP/1.0\r\n\r\n", seq=0)
    for frames in ([frame(b"GET /evil", seq=0, **odd), good], [good, frame(b"GET /evil", seq=0, **odd)]):
        transcript = told([*opening(), *frames, frame(seq=22, flags=ACK), frame(seq=22, flags=ACK)], policy=policy)

        assert transcript.data("src") == b"GET /good HTTP/1.0\r\n\r\n"
        assert [(each.offset, each.other) for each in transcript.conflicts] == [(0, b"GET /evil")]
        assert "GET /evil" in next(each.detail for each in transcript.caveats if each.kind == kind)
        assert kinds(transcript).count("decoy") == 1


def test_a_decoy_that_nothing_contradicts_is_shown_and_told(told):
    transcript = told([*opening(), frame(b"hello", seq=0), frame(b" there", seq=5, spoil=True), frame(b"!", seq=11)])

    assert transcript.data("src") == b"hello there!"
    assert [each.kind for each in transcript.caveats] == ["checksum"]


def test_checksums_that_the_card_fills_in_are_no_decoys(told):
    spoilt = [frame(b"x", seq=place, spoil=True) for place in range(5)]
    transcript = told([*opening()[:2], *spoilt])

    assert transcript.caveats == [] and "decoy" not in kinds(transcript)


def test_a_reset_that_does_not_belong_is_told_and_the_conversation_goes_on(told):
    for seq in (99_999, -70_000_000):
        transcript = told(
            [
                *opening(),
                frame(b"hello", seq=0),
                frame(seq=seq, flags=RST),
                frame(b" world", seq=5),
                frame(b"!", back=True, seq=0),
            ]
        )
        assert transcript.data("src") == b"hello world"
        (caveat,) = transcript.caveats
        assert caveat.kind == "reset" and "2 packets of the session follow" in caveat.detail
        assert "no host believes it" in transcript.text()


def test_resets_that_belong_are_no_doubt(told):
    for last in (
        frame(seq=5, flags=RST), frame(seq=0, flags=RST), frame(seq=5, flags=RST | ACK),
        frame(back=True, seq=0, flags=RST | ACK, ack=5),
    ):  # fmt: skip
        transcript = told([*opening(), frame(b"hello", seq=0), last])
        assert transcript.caveats == [] and kinds(transcript) == ["reset"]


def test_a_reset_that_answers_a_syn_is_no_doubt(told):
    refused = writing.ethernet(
        writing.ip(writing.tcp(b"", 80, 40000, seq=0, ack=1001, flags=RST | ACK), "10.0.0.2", "10.0.0.1", 6)
    )

    assert told([opening()[0], refused]).caveats == []


def test_keep_alives_are_counted_with_a_byte_and_without(told):
    hello = [*opening(), frame(b"hello", seq=0), frame(back=True, seq=0, ack=5, flags=ACK)]
    for data in (b"", b"o", b"\0"):
        answers = [frame(back=True, seq=0, ack=5, flags=ACK)]
        transcript = told([*hello, *[frame(data, seq=4, flags=ACK), *answers] * 3, frame(b"!", seq=5)])
        assert transcript.data("src") == b"hello!"
        assert [(mark.kind, mark.count, mark.before) for mark in transcript.marks] == [("keep-alive", 3, 1)]
        assert "[SRC: 3 keep-alives, frame 6 to frame 10" in transcript.text()


def test_what_was_sent_again_is_marked_with_its_frame(told):
    transcript = told([*opening(), frame(b"hello", seq=0), frame(b"hello", seq=0), frame(b"ok", back=True, seq=0)])

    assert str(transcript.marks[0]) == "[SRC: segment sent again, alike, frame 5, 5 bytes]"


def test_urgent_data_is_told_with_its_byte(told):
    transcript = told([*opening(), frame(b"abc", seq=0, flags=PSH | ACK | URG, pointer=2), frame(b"d", seq=3)])

    assert transcript.data("src") == b"abcd"
    (mark,) = transcript.marks
    assert 'the pointer says 2, so byte 1 is urgent ("b")' in mark.text


def test_data_in_a_syn_is_of_the_stream_and_marked(told):
    _, *rest = opening()
    transcript = told([frame(b"early", seq=-1, flags=SYN), *rest, frame(b"late", seq=5)])

    assert transcript.data("src") == b"earlylate"
    assert kinds(transcript) == ["data in SYN"] and "frame 1, 5 bytes" in transcript.marks[0].text


def test_what_was_captured_in_part_is_marked_where_it_stands(tmp_path):
    frames = [*opening(), frame(b"x" * 1448, seq=0)]
    path = tmp_path / "short.pcap"
    path.write_bytes(writing.pcap([(place * SECOND, each[:68], len(each)) for place, each in enumerate(frames)]))
    _, packets = nsm.sessions.assemble(nsm.read_packets(path))
    transcript = nsm.transcripts.transcript(packets)

    assert "[SRC: packet captured in part, frame 4, captured 14 of 1,448 bytes]" in transcript.text()


def test_strays_are_seen_in_text_and_html(told):
    transcript = told([*opening(), frame(b"hello", seq=0), frame(b"far", seq=1 << 30), frame(b"!", seq=5)])

    assert transcript.data("src") == b"hello!" and [turn.data for turn in transcript.strays] == [b"far"]
    assert "frame 5, 3 bytes at 1,073,741,824, not in the stream\nSRC: far\n" in transcript.text()
    assert "not in the stream" in transcript._repr_html_()


def test_a_session_over_two_captures_names_both(tmp_path):
    one = capture(tmp_path / "a.pcap", [*opening(), frame(b"hello", seq=0)])
    two = capture(tmp_path / "b.pcap", [frame(b" world", seq=5), frame(b"ok", back=True, seq=0, ack=11)], first=10)
    table = pd.concat([nsm.read_packets(two), nsm.read_packets(one)], ignore_index=True)
    sessions, packets = nsm.sessions.assemble(table)
    packets["session"] = sessions["session"].iloc[0]
    packets["to_dst"] = (packets["src_port"] == 40000).astype("boolean")
    transcript = nsm.transcripts.transcript(packets)

    assert transcript.data("src") == b"hello world" and transcript.data("dst") == b"ok"
    assert transcript.turns[0].frames == (4, 1)
    assert transcript.turns[0].evidence == f"{one}, {two}" and transcript.turns[1].evidence == str(two)
    assert f"frame 2 of {two}" in transcript.text()
    assert [(hit.evidence, hit.frame) for hit in transcript.search("world")] == [(str(two), 1)]


def test_each_byte_knows_its_packet(told):
    transcript = told([*opening(), frame(b"world", seq=5), frame(b"hello", seq=0)])

    assert [transcript.at("src", offset).frame for offset in (0, 4, 5, 9)] == [5, 5, 4, 4]
    assert transcript.at("dst", 0) is None
