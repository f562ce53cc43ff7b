"""Datagrams that came in fragments: put together in any order, and what is missing or does not agree is told."""

from __future__ import annotations

import ipaddress
import random
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.transcripts import datagrams
from tests import writing

SECOND = 1_000_000_000
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def told(tmp_path):
    """The transcript of the one session of frames that a test writes."""

    def from_frames(frames):
        (tmp_path / "x.pcap").write_bytes(
            writing.pcap([(10**9 + at * 10**6, *of(frame)) for at, frame in enumerate(frames)])
        )
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcap"))
        assert len(sessions) == 1
        return nsm.transcripts.transcript(packets, session=sessions.iloc[0])

    def of(frame):
        return frame if isinstance(frame, tuple) else (frame,)

    return from_frames


def cut(data, size, *, proto=17, number=7, vlans=()):
    """Frames of an IPv4 datagram in fragments of `size` bytes."""
    return [
        writing.ethernet(
            writing.ip(
                data[at : at + size],
                CLIENT,
                SERVER,
                proto,
                number=number,
                place=(0x2000 if at + size < len(data) else 0) | at // 8,
            ),
            vlans=vlans,
        )
        for at in range(0, len(data), size)
    ]


def cut6(data, size, *, proto=17, number=7):
    frames = []
    for at in range(0, len(data), size):
        head = struct.pack(">BBHI", proto, 0, at | (at + size < len(data)), number)
        body = head + data[at : at + size]
        ends = ipaddress.IPv6Address("2001:db8::1").packed + ipaddress.IPv6Address("2001:db8::2").packed
        frames.append(
            writing.ethernet(struct.pack(">IHBB", 6 << 28, len(body), 44, 64) + ends + body, ethertype=0x86DD)
        )
    return frames


def said(transcript):
    return [(turn.offset, turn.gap, turn.data) for turn in transcript.turns]


def rebuilt(frames):
    """The transcript of frames, for tests that write many captures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pcap"
        path.write_bytes(writing.pcap([(10**9 + at * 10**6, frame) for at, frame in enumerate(frames)]))
        return nsm.transcripts.transcript(nsm.read_packets(path))


WORDS = bytes(range(256)) * 12


@pytest.mark.parametrize("build", [cut, cut6])
@pytest.mark.parametrize("seed", range(4))
def test_fragments_in_any_order_give_the_datagram(told, build, seed):
    frames = build(writing.udp(WORDS, 4000, 53), 1480)
    random.Random(seed).shuffle(frames)

    transcript = told(frames)

    assert said(transcript) == [(0, 0, WORDS)]
    assert sorted(transcript.turns[0].frames) == [1, 2, 3]
    assert [caveat.kind for caveat in transcript.caveats] == ["one side"]


def test_fragments_with_a_vlan_tag_and_padding_give_the_datagram(told):
    frames = [frame + bytes(18) for frame in cut(writing.udp(b"0123456789" * 3, 4000, 53), 16, vlans=(5,))]

    assert told(frames).data("src") == b"0123456789" * 3


def test_a_missing_fragment_is_a_gap_and_told(told):
    frames = cut(writing.udp(WORDS, 4000, 53), 1480)

    transcript = told([frames[0], frames[2]])

    assert said(transcript) == [(0, 0, WORDS[:1472]), (2952, 1480, WORDS[2952:])]
    assert "1,480 bytes are missing (first is frame 1)" in transcript.caveats[-1].detail


def test_a_missing_last_fragment_is_a_gap_by_the_length_in_the_udp_header(told):
    transcript = told(cut(writing.udp(WORDS, 4000, 53), 1480)[:1])

    assert said(transcript) == [(0, 0, WORDS[:1472]), (3072, 1600, b"")]
    assert "the end of 1 is missing" in transcript.caveats[-1].detail


def test_a_tcp_head_cut_into_fragments_is_read(told):
    raw = writing.tcp(b"GET /evil HTTP/1.1\r\n\r\n", 40000, 80, seq=1001, ack=5001)
    opening = [frame for _, frame in writing.conversation()[:3]]

    transcript = told(opening + cut(raw, 8, proto=6))

    assert transcript.data("src") == b"GET /evil HTTP/1.1\r\n\r\n"
    assert transcript.caveats == []


def test_a_fragment_of_tcp_without_its_head_stays_reachable(told):
    raw = writing.tcp(b"GET /evil HTTP/1.1\r\n\r\n" * 9, 40000, 80, seq=1001, ack=5001)
    opening = [frame for _, frame in writing.conversation()[:3]]
    _, second, third = cut(raw, 80, proto=6)
    cut_first = writing.ethernet(writing.ip(raw[:8], CLIENT, SERVER, 6, number=7, place=0x2000))

    transcript = told([*opening, cut_first, second, third])

    assert transcript.data("src") == b""
    assert [turn.data for turn in transcript.strays] == [raw[:8] + raw[80:]]
    assert ".strays has all" in transcript.caveats[-1].detail


def test_the_first_of_two_fragments_that_overlap_wins_and_both_are_told(told):
    first, second = cut(writing.udp(b"GET /goodpage...", 4000, 53), 16)
    evil = writing.ethernet(writing.ip(b"EVILPAGE", CLIENT, SERVER, 17, number=7, place=0x2000 | 1))

    transcript = told([first, evil, second])

    assert transcript.data("src") == b"GET /goodpage..."
    (conflict,) = (caveat for caveat in transcript.caveats if caveat.kind == "conflict")
    assert '"GET /goo" is shown, frame 2 says "EVILPAGE"' in conflict.detail


def test_frames_that_the_sensor_saw_twice_are_one_datagram(told):
    frames = [each for frame in cut(writing.udp(WORDS, 4000, 53), 1480) for each in (frame, frame)]

    transcript = told(frames)

    assert transcript.data("src") == WORDS
    assert [caveat.kind for caveat in transcript.caveats] == ["one side"]


def test_a_number_used_again_is_another_datagram(told):
    frames = cut(writing.udp(b"first" * 9, 4000, 53), 32) + cut(writing.udp(b"other" * 9, 4000, 53), 32)

    assert [turn.data for turn in told(frames).turns] == [b"first" * 9, b"other" * 9]


def test_fragments_captured_in_part_have_gaps(told):
    frames = [(frame[:60], len(frame)) for frame in cut(writing.udp(WORDS, 4000, 53), 1480)]

    transcript = told(frames)

    assert [(turn.gap, len(turn.data)) for turn in transcript.turns] == [(0, 18), (1454, 26), (1454, 26), (94, 0)]
    assert transcript.turns[-1].offset == len(WORDS)


def test_a_fragment_beyond_the_largest_datagram_is_not_put_in(told):
    frames = cut(writing.udp(b"ping" * 6, 4000, 53), 16)
    frames.insert(1, writing.ethernet(writing.ip(b"x" * 80, CLIENT, SERVER, 17, number=7, place=0x1FFF)))

    transcript = told(frames)

    assert transcript.data("src") == b"ping" * 6
    assert [turn.data for turn in transcript.strays] == [b"x" * 80]


def test_the_large_pings_of_the_bundled_case_have_their_bytes(evidence):
    _, packets = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))
    large = packets.loc[packets["fragment"].notna(), "session"].unique()

    for number in large:
        transcript = nsm.transcripts.transcript(packets[packets["session"] == number])
        assert {len(turn.data) for turn in transcript.turns} >= {3000}
        assert not any(caveat.kind in ("gap", "fragment") for caveat in transcript.caveats)


@settings(max_examples=30)
@given(st.data())
def test_fragments_that_overlap_hold_the_first_byte_at_each_place_as_in_the_slow_way(data):
    head = writing.udp(b"", 4000, 53)[:4] + b"\0\0\0\0"  # no length: what there is counts
    steps = data.draw(
        st.lists(
            st.tuples(
                st.integers(1, 6), st.binary(min_size=8, max_size=24).map(lambda body: body[: len(body) // 8 * 8])
            ),
            min_size=1,
            max_size=6,
        )
    )
    frames = [writing.ethernet(writing.ip(head, CLIENT, SERVER, 17, number=7, place=0x2000))]
    frames += [
        writing.ethernet(writing.ip(body, CLIENT, SERVER, 17, number=7, place=0x2000 | place)) for place, body in steps
    ]
    kept = {}
    for place, body in steps:
        for at, byte in enumerate(body):
            kept.setdefault(8 * place + at - 8, byte)

    transcript = rebuilt(frames)

    assert {turn.offset + at: byte for turn in transcript.turns for at, byte in enumerate(turn.data)} == kept


@given(st.binary(max_size=120), st.integers(0, 130), st.integers(0, 200))
def test_any_bytes_are_a_fragment_or_none(frame, at, length):
    fragment = datagrams._fragment(frame, at, length)

    assert fragment is None or len(fragment.data) <= fragment.size


CARRIED = {
    "mpls": lambda data, kind: writing.ethernet(writing.mpls(data, 16), ethertype=0x8847),
    "pppoe": lambda data, kind: writing.ethernet(
        writing.pppoe(writing.ppp(data, kind=0x57 if kind == 0x86DD else 0x21)), ethertype=0x8864
    ),
    "gre": lambda data, kind: writing.ethernet(
        writing.ip(writing.gre(data, kind=kind, key=7), "192.0.2.1", "192.0.2.2", 47)
    ),
    "vxlan": lambda data, kind: writing.ethernet(
        writing.ip(
            writing.udp(writing.vxlan(writing.ethernet(data, ethertype=kind, vlans=(5,))), 4000, 4789),
            "192.0.2.1",
            "192.0.2.2",
            17,
        )
    ),
}


@pytest.mark.parametrize("tunnel", CARRIED)
@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_fragments_in_a_tunnel_are_put_together(tunnel, six, turned):
    whole = writing.udp(bytes(range(200)), 4000, 53)
    if six:
        parts = [
            writing.ipv6(struct.pack(">BBHI", 17, 0, at | more, 77) + whole[at : at + 104], "2001:db8::1", "2001:db8::2", 44)
            for at, more in ((0, 1), (104, 0))
        ]  # fmt: skip
    else:
        parts = [
            writing.ip(whole[place : place + 104], CLIENT, SERVER, 17, number=7, place=place // 8 | more)
            for place, more in ((0, 0x2000), (104, 0))
        ]
    frames = [CARRIED[tunnel](part, 0x86DD if six else 0x0800) for part in parts]

    transcript = rebuilt(frames[::-1] if turned else frames)

    assert [turn.data for turn in transcript.turns] == [bytes(range(200))]
