"""Transcripts: the bytes of both sides as tshark follows them, in turns, with every doubt told."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess

import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from tests import writing

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def staged(evidence):
    return nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))


@pytest.fixture
def joined(tmp_path):
    """The transcript of frames of two hosts as one session, whether or not they were told apart before."""

    def from_frames(frames):
        (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcap"))
        packets["session"] = sessions["session"].iloc[0]
        return nsm.transcripts.transcript(packets)

    return from_frames


def of(staged, **wanted):
    sessions, packets = staged
    for name, value in wanted.items():
        sessions = sessions[(sessions[name] == value).fillna(False)]
    row = sessions.loc[sessions["src_octets"].idxmax()]
    return nsm.transcripts.transcript(packets[packets["session"] == row["session"]], session=row)


@pytest.fixture
def told(tmp_path):
    """The transcript of frames that a test writes."""

    def from_frames(frames):
        (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcap"))
        assert len(sessions) == 1
        return nsm.transcripts.transcript(packets, session=sessions.iloc[0])

    return from_frames


# --- the truth of the bundled case


def test_the_shells_transcript_is_the_truth_byte_for_byte(staged, truth):
    shell = of(staged, dst_port=31337)

    assert shell.size("src") == 826
    assert shell.data("dst") == (truth / "shell.txt").read_bytes()
    assert len(shell.data("dst")) == 3012
    assert (shell.src_ip, shell.src_port) == ("203.0.113.66", 59208)
    assert shell.caveats == []


def test_the_file_that_left_by_ftp_has_the_hash_of_the_truth(staged, truth):
    expected = next(line.split()[0] for line in (truth / "sha256.txt").read_text().splitlines() if "b.tgz" in line)

    data = of(staged, dst_port=40009) if len(staged[0].query("dst_port == 40009")) else of(staged, src_port=40009)

    assert hashlib.sha256(data.data("src") or data.data("dst")).hexdigest() == expected


def test_the_smb_listing_is_in_the_transcript_of_its_session(staged):
    sessions, packets = staged
    holding = []
    for row in sessions[(sessions["src_ip"] == "172.16.10.80") & (sessions["dst_port"] == 445)].itertuples():
        told = nsm.transcripts.transcript(packets[packets["session"] == row.session])
        holding += [frame for turn in told.turns if b"Volume Serial Number" in turn.data for frame in turn.frames]

    assert 3620 in holding


def test_the_commands_of_the_exploit_are_in_the_http_view(staged):
    sessions, packets = staged
    starts = []
    for row in sessions[(sessions["src_ip"] == "203.0.113.66") & (sessions["dst_port"] == 80)].itertuples():
        told = nsm.transcripts.transcript(packets[packets["session"] == row.session])
        starts += [
            (each.request.start, each.response)
            for each in told.exchanges()
            if each.request and "%3B" in each.request.start
        ]

    assert len(starts) == 4
    assert b"uid=33(www-data)" in next(response.body for start, response in starts if "%3Bid" in start)


@pytest.mark.slow
def test_every_tcp_session_of_the_bundled_case_equals_tshark_follow(staged, evidence, tshark):
    sessions, packets = staged
    order = sessions[(sessions["proto"] == "tcp")].reset_index(drop=True)
    carrying = order[(order["src_payload"] + order["dst_payload"]) > 0]
    commands = [part for stream in carrying.index for part in ("-z", f"follow,tcp,raw,{stream}")]
    text = subprocess.run(
        [tshark, "-n", "-q", "-r", str(evidence / "staged.pcap"), *commands], capture_output=True, text=True, check=True
    ).stdout
    blocks = [
        part
        for part in text.split("===================================================================\n")
        if "Node 0" in part
    ]

    assert len(blocks) == len(carrying)
    for block_ in blocks:
        stream = int(re.search(r"tcp\.stream eq (\d+)", block_)[1])
        row = carrying.loc[stream]
        sides = {"src": b"", "dst": b""}
        node = re.search(r"Node 0: (?:\[(.*?)\]|(.*?)):(\d+)\n", block_)
        first = "src" if node[3] == str(row["src_port"]) else "dst"
        for line in block_.splitlines():
            if re.fullmatch(r"\t?[0-9a-f]+", line) and "Node" not in line:
                side = first if not line.startswith("\t") else {"src": "dst", "dst": "src"}[first]
                sides[side] += bytes.fromhex(line.strip())
        mine = nsm.transcripts.transcript(packets[packets["session"] == row["session"]])
        assert {side: mine.data(side) for side in sides} == sides, stream


# --- turns


def test_turns_alternate_and_name_their_frames_and_times(told):
    transcript = told(writing.conversation())

    assert [(turn.side, turn.frames, turn.offset) for turn in transcript.turns] == [("src", (4,), 0), ("dst", (5,), 0)]
    assert transcript.turns[0].data == b"GET / HTTP/1.1\r\n\r\n"
    assert str(transcript.turns[0].time) == "2003-11-13 17:00:00.003000+00:00"


def segments(*steps, syn=True):
    """Frames of one side, with the handshake before them: (sequence number from 0, bytes)."""
    frames = writing.conversation()[:3] if syn else []
    for place, (offset, data) in enumerate(steps):
        raw = writing.tcp(data, 40000, 80, seq=1001 + offset, ack=5001, flags=0x18)
        frames.append(((1_068_742_801 + place) * SECOND, writing.ethernet(writing.ip(raw, "10.0.0.1", "10.0.0.2", 6))))
    return frames


def test_out_of_order_segments_come_in_order(told):
    assert told(segments((5, b"world"), (0, b"hello"))).data("src") == b"helloworld"


def test_a_retransmission_is_shown_once_and_told(told):
    transcript = told(segments((0, b"hello"), (0, b"hello"), (5, b"!")))

    assert transcript.data("src") == b"hello!"
    assert [caveat.detail for caveat in transcript.caveats] == ["5 bytes of src were sent again, alike; shown once",
                                                                "nothing from dst is in the evidence"][:1]  # fmt: skip


def test_a_gap_is_marked_with_its_size_and_never_joined_over(told):
    transcript = told(segments((0, b"hello"), (105, b"world")))

    assert [(turn.offset, turn.gap, turn.data) for turn in transcript.turns] == [(0, 0, b"hello"), (105, 100, b"world")]
    assert "100 bytes of src are missing in 1 place" in transcript.caveats[0].detail
    assert "[100 bytes of src are missing here]" in transcript.text()


def test_both_versions_of_an_overlap_are_told(told):
    transcript = told(segments((0, b"GET /good"), (4, b"/evil"), (9, b"!")))

    assert transcript.data("src") == b"GET /good!"
    assert '"/good" is shown, frame 5 says "/evil"' in transcript.caveats[0].detail


def answer(number, *, flags=0x10):
    """An acknowledgement by the other side of so many bytes, and its SYN."""
    raw = writing.tcp(b"", 80, 40000, seq=5001, ack=1001 + number, flags=flags)
    return (0, writing.ethernet(writing.ip(raw, "10.0.0.2", "10.0.0.1", 6)))


def in_order(*frames):
    return [((1_068_742_800 + place) * SECOND, frame) for place, (_, frame) in enumerate(frames)]


@pytest.mark.parametrize("byte", [b"\0", b"o"])
def test_a_keep_alive_is_no_conflict(told, byte):
    *opening, hello, keep_alive, rest = segments((0, b"hello"), (4, byte), (5, b"!"))
    transcript = told(in_order(*opening, hello, answer(5), keep_alive, rest))

    assert transcript.data("src") == b"hello!"
    assert transcript.caveats == []


def test_a_keep_alive_before_the_first_byte_is_no_byte(told):
    transcript = told(segments((-1, b"\0"), (0, b"hello")))

    assert transcript.data("src") == b"hello"
    assert transcript.caveats == []


def test_a_keep_alive_that_holds_a_byte_of_its_own_is_told(told):
    *opening, hello, keep_alive, rest = segments((0, b"hello"), (4, b"Z"), (5, b"!"))
    transcript = told(in_order(*opening, hello, answer(5), keep_alive, keep_alive, rest))

    assert transcript.data("src") == b"hello!"
    (told_,) = transcript.caveats
    assert told_.kind == "keep-alive"
    assert 'frame 6 says "Z", frame 7 says "Z"' in told_.detail
    assert [turn.data for turn in transcript.strays] == [b"Z", b"Z"]


def test_a_byte_sent_twice_before_it_was_acknowledged_is_no_keep_alive(told):
    steps = [(place // 2, b"X" if place % 2 == 0 else bytes([byte])) for place, byte in enumerate(b"rrmm  --rrff")]
    transcript = told(segments(*steps))

    assert transcript.data("src") == b"XXXXXX"
    said = [caveat.detail for caveat in transcript.caveats if caveat.kind == "conflict"]
    assert [detail[-2] for detail in said] == list("rm -rf")


def test_the_beginning_is_the_first_segment_where_a_syn_comes_later(told):
    frames = segments(*((at * 4, b"abcd") for at in range(4)), syn=False)
    forged = writing.ethernet(
        writing.ip(writing.tcp(b"", 40000, 80, seq=0x60000000, flags=2), "10.0.0.1", "10.0.0.2", 6)
    )
    transcript = told(in_order(*frames[:2], (0, forged), *frames[2:]))

    assert transcript.data("src") == b"abcd" * 4
    assert any("1 SYN of src begins elsewhere" in caveat.detail for caveat in transcript.caveats)


def test_a_syn_that_was_not_answered_does_not_move_the_stream(joined):
    forged = writing.ethernet(
        writing.ip(writing.tcp(b"", 40000, 80, seq=0x60000000, flags=2), "10.0.0.1", "10.0.0.2", 6)
    )
    opening, real = segments(syn=True), segments((0, b"hello"), syn=True)

    for frames in (
        [(0, forged), *real],
        [opening[0], (0, forged), *real[1:]],
        [(0, forged), *segments((0, b"hello"), syn=False)],
    ):
        transcript = joined(in_order(*frames))
        assert [(turn.offset, turn.gap, turn.data) for turn in transcript.turns] == [(0, 0, b"hello")]


def test_decoys_far_ahead_push_nothing_out_and_stay_reachable(told):
    steps = [(0, b"GET /a\r\n"), ((1 << 30) - 10, b"z"), ((1 << 31) - 50, b"y")]
    steps += [(8 + at * 4, b"evil") for at in range(5)]
    transcript = told(segments(*steps))

    assert transcript.data("src") == b"GET /a\r\n" + b"evil" * 5
    (told_,) = transcript.caveats
    assert 'frame 5 says "z", frame 6 says "y"; .strays has all' in told_.detail
    assert [(turn.offset, turn.data) for turn in transcript.strays] == [((1 << 30) - 10, b"z"), ((1 << 31) - 50, b"y")]


def test_steps_of_decoys_push_nothing_out_either(told):
    steps = [(0, b"begin"), *((at * (15 << 20), b"z") for at in range(1, 300)), (5, b"evil"), (9, b"more")]
    transcript = told(segments(*steps))

    assert transcript.data("src").replace(b"z", b"") == b"beginevilmore"
    assert transcript.turns[0].data == b"beginevilmore"


def test_what_stood_far_ahead_and_was_acknowledged_in_the_end_belongs(told):
    far = 100 << 20
    transcript = told(in_order(*segments((0, b"hello"), (far, b"world")), answer(far + 5)))

    assert [(turn.offset, turn.gap, turn.data) for turn in transcript.turns] == [
        (0, 0, b"hello"),
        (far, far - 5, b"world"),
    ]
    assert transcript.strays == []


@pytest.mark.parametrize("beginning", [500, 9_000_000, 3_000_000_000])
def test_ports_used_again_within_a_session_are_another_stream(joined, beginning):
    again = []
    for seq, ack, flags, data, back in [
        (beginning, 0, 2, b"", False),
        (900_000, beginning + 1, 0x12, b"", True),
        (beginning + 1, 900_001, 0x18, b"SECOND", False),
        (900_001, beginning + 7, 0x18, b"answer2", True),
    ]:
        ports, ends = ((80, 40000), ("10.0.0.2", "10.0.0.1")) if back else ((40000, 80), ("10.0.0.1", "10.0.0.2"))
        again.append(
            (0, writing.ethernet(writing.ip(writing.tcp(data, *ports, seq=seq, ack=ack, flags=flags), *ends, 6)))
        )

    transcript = joined(in_order(*segments((0, b"FIRST")), answer(5), *again))

    assert [(turn.side, turn.offset, turn.gap, turn.data) for turn in transcript.turns] == [
        ("src", 0, 0, b"FIRST"),
        ("src", 5, 0, b"SECOND"),
        ("dst", 0, 0, b"answer2"),
    ]
    assert [caveat.kind for caveat in transcript.caveats] == ["reuse"]
    assert "from frame 8 on" in transcript.caveats[0].detail


def test_conflicts_are_told_up_to_a_bound_and_then_summed(told):
    steps = [(at * 3, b"abc") for at in range(60)] + [(at * 3 + 1, b"X") for at in range(60)]
    transcript = told(segments(*steps))

    conflicts = [caveat.detail for caveat in transcript.caveats if caveat.kind == "conflict"]
    assert len(conflicts) == 21
    assert "src sent bytes twice, not alike, in 40 more places, 40 bytes" in conflicts[-1]


def test_a_conflict_over_many_segments_is_one(told):
    transcript = told(segments(*((at, b"a") for at in range(50)), (0, b"a" * 49 + b"b")))

    conflicts = [caveat.detail for caveat in transcript.caveats if caveat.kind == "conflict"]
    assert len(conflicts) == 1


def test_a_conflict_far_into_a_segment_shows_where_they_differ(told):
    transcript = told(segments((0, b"a" * 1000 + b"good" + b"c" * 100), (0, b"a" * 1000 + b"evil" + b"c" * 100)))

    (conflict,) = (caveat.detail for caveat in transcript.caveats if caveat.kind == "conflict")
    assert "byte 984 twice" in conflict and "good" in conflict and "evil" in conflict


def test_a_side_that_only_acknowledged_misses_no_bytes(told):
    frames = []
    for at in range(3):
        data = writing.tcp(b"0123456789", 80, 40000, seq=9000 + 10 * at, ack=300_000_000)
        only = writing.tcp(b"", 40000, 80, seq=300_000_000, ack=9010 + 10 * at, flags=0x10)
        frames.append((0, writing.ethernet(writing.ip(data, "10.0.0.2", "10.0.0.1", 6))))
        frames.append((0, writing.ethernet(writing.ip(only, "10.0.0.1", "10.0.0.2", 6))))

    assert [caveat.kind for caveat in told(in_order(*frames)).caveats] == ["direction"]


def test_sequence_numbers_wrap(told):
    frames = []
    for place, (seq, flags, data) in enumerate([(2**32 - 3, 2, b""), (2**32 - 2, 0x18, b"abc"), (1, 0x18, b"def")]):
        raw = writing.tcp(data, 40000, 80, seq=seq, flags=flags)
        frames.append((place * SECOND, writing.ethernet(writing.ip(raw, "10.0.0.1", "10.0.0.2", 6))))

    assert told(frames).data("src") == b"abcdef"


def test_bytes_that_were_acknowledged_and_never_seen_are_told(told):
    frames = writing.conversation()
    transcript = told(frames[:4] + frames[5:])  # without the answer

    assert any(caveat.kind == "gap" and "of dst" in caveat.detail for caveat in transcript.caveats)


def test_one_side_only_is_told(told):
    transcript = told(segments((0, b"hello"), syn=False))

    details = [caveat.detail for caveat in transcript.caveats]
    assert "nothing from dst is in the evidence" in details
    assert any("is a guess" in detail for detail in details)


def test_what_snaplen_cut_off_is_a_gap(tmp_path):
    frame = writing.ethernet(writing.ip(writing.tcp(b"0123456789" * 10, 40000, 80, seq=1), "10.0.0.1", "10.0.0.2", 6))
    (tmp_path / "x.pcap").write_bytes(writing.pcap([(0, frame[:68], len(frame))]))

    transcript = nsm.transcripts.transcript(nsm.read_packets(tmp_path / "x.pcap"))

    assert transcript.data("src") == b"01234567890123"
    assert transcript.turns[-1].gap == 86
    assert any("captured 14 of 100 bytes" in caveat.detail for caveat in transcript.caveats)


def test_a_segment_far_outside_the_stream_is_left_out_and_told(told):
    transcript = told(segments((0, b"hello"), (1_500_000_000, b"decoy"), (5, b"!")))

    assert transcript.data("src") == b"hello!"
    assert any(caveat.kind == "stray" for caveat in transcript.caveats)


def test_datagrams_are_turns_of_their_own(told):
    frames = []
    for place, (src, dst, sport, dport, data) in enumerate(
        [
            ("10.0.0.1", "10.0.0.2", 4000, 53, b"ask"),
            ("10.0.0.2", "10.0.0.1", 53, 4000, b"answer"),
            ("10.0.0.1", "10.0.0.2", 4000, 53, b"ask"),
        ]
    ):
        frames.append((place * SECOND, writing.ethernet(writing.ip(writing.udp(data, sport, dport), src, dst, 17))))

    transcript = told(frames)

    assert [(turn.side, turn.data) for turn in transcript.turns] == [
        ("src", b"ask"),
        ("dst", b"answer"),
        ("src", b"ask"),
    ]


def test_packets_of_two_sessions_are_refused(staged):
    _, packets = staged
    with pytest.raises(NsmError, match="a transcript is of one"):
        nsm.transcripts.transcript(packets.iloc[:300])


def test_no_packets_are_refused(staged):
    _, packets = staged
    with pytest.raises(NsmError, match="no packets of a session"):
        nsm.transcripts.transcript(packets.iloc[:0])


# --- text and HTML are safe whatever was said


HOSTILE = b"<script>alert(1)</script> \x1b[31mred\x07 \xe2\x80\xaeevil $x_{$ /etc/passwd\r\nnext\xff"


@pytest.mark.parametrize("style", ["plain", "sguil", "hex"])
def test_text_holds_no_active_character(told, style):
    text = told(writing.conversation(request=HOSTILE)).text(style)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    if style != "hex":
        assert "\\x1b[31mred\\x07" in text
        assert "\\u202eevil" in text
        assert "SRC: next\\xff" in text


def test_html_holds_no_tag_of_the_evidence(told):
    html5lib = pytest.importorskip("html5lib")
    html = told(writing.conversation(request=HOSTILE))._repr_html_()

    tree = html5lib.parse(html, namespaceHTMLElements=False)

    assert {element.tag for element in tree.iter()} <= {
        "html",
        "head",
        "body",
        "div",
        "table",
        "tbody",
        "tr",
        "th",
        "td",
        "p",
        "pre",
    }
    assert "<script>alert(1)</script>" in "".join(tree.itertext())
    assert "src=" not in html
    assert "href=" not in html


def test_sguils_style_has_its_header_and_prefixes(told):
    lines = told(writing.conversation()).text("sguil").splitlines()

    assert lines[3:5] == ["Src IP:             10.0.0.1 (unknown)  ", "Dst IP:             10.0.0.2\t(unknown)"]
    assert "SRC: GET / HTTP/1.1" in lines
    assert "DST: HTTP/1.1 200 OK" in lines


def test_packets_without_a_time_are_shown_without_one(tmp_path):
    simple = [struct.pack("<I", len(frame)) + frame for _, frame in writing.conversation()]
    blocks = b"".join(writing.block(3, each) for each in simple)
    (tmp_path / "x.pcapng").write_bytes(writing.section() + writing.interface() + blocks)

    transcript = nsm.transcripts.transcript(nsm.read_packets(tmp_path / "x.pcapng"))

    assert "SRC no time frame 4, 18 bytes at 0" in transcript.text()
    assert "no time" in transcript._repr_html_()
    assert transcript.exchanges()
