"""The HTTP view: messages as RFC 9112 frames them, bodies unpacked within bounds, whatever is in them."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import pandas as pd
import pytest

import nsm_nb as nsm
from tests import writing


@pytest.fixture
def exchanges(tmp_path):
    def of(request, answer):
        (tmp_path / "x.pcap").write_bytes(writing.pcap(writing.conversation(request=request, answer=answer)))
        return nsm.transcripts.transcript(nsm.read_packets(tmp_path / "x.pcap")).exchanges()

    return of


@pytest.fixture
def spoken(tmp_path):
    """The exchanges of a conversation in steps: (side, bytes) or (side, bytes, False) for what the sensor lost."""

    def of(*steps):
        frames = writing.conversation()[:3]
        at = {"src": 1001, "dst": 5001}
        ends = {"src": ("10.0.0.1", "10.0.0.2", 40000, 80), "dst": ("10.0.0.2", "10.0.0.1", 80, 40000)}
        for place, (side, data, *seen) in enumerate(steps):
            src, dst, sport, dport = ends[side]
            other = "dst" if side == "src" else "src"
            raw = writing.tcp(data, sport, dport, seq=at[side], ack=at[other])
            at[side] += len(data)
            if seen != [False]:
                frames.append(((1_068_742_801 + place) * 10**9, writing.ethernet(writing.ip(raw, src, dst, 6))))
        (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))
        return [
            (each.request and each.request.start.split(" ")[1], each.response and each.response.body,
             each.response and each.response.note)
            for each in nsm.transcripts.transcript(nsm.read_packets(tmp_path / "x.pcap")).exchanges()
        ]  # fmt: skip

    return of


def get(path, method=b"GET"):
    return ("src", method + b" " + path + b" HTTP/1.1\r\n\r\n")


GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def answer(body, *headers, status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def sized(body, *headers):
    return answer(body, b"Content-Length: %d" % len(body), *headers)


def test_pipelined_requests_meet_their_answers(exchanges):
    found = exchanges(GET + GET.replace(b"/a", b"/b"), sized(b"one") + sized(b"two"))

    assert [(each.request.start, each.response.body) for each in found] == [
        ("GET /a HTTP/1.1", b"one"),
        ("GET /b HTTP/1.1", b"two"),
    ]


def test_chunks_are_joined_and_gzip_is_unpacked(exchanges):
    packed = gzip.compress(b"hello " * 100)
    chunked = b"%x\r\n%s\r\n%x;x=y\r\n%s\r\n0\r\nTrailer: t\r\n\r\n" % (10, packed[:10], len(packed) - 10, packed[10:])

    (found,) = exchanges(GET, answer(chunked, b"Transfer-Encoding: chunked", b"Content-Encoding: gzip"))

    assert found.response.body == b"hello " * 100
    assert found.response.note == "chunks joined, gzip unpacked"


@pytest.mark.parametrize("pack", [zlib.compress, lambda data: zlib.compress(data)[2:-4]])
def test_deflate_is_unpacked_with_and_without_its_header(exchanges, pack):
    (found,) = exchanges(GET, sized(pack(b"hello"), b"Content-Encoding: deflate"))

    assert found.response.body == b"hello"


def test_an_answer_to_head_has_no_body(exchanges):
    found = exchanges(GET.replace(b"GET", b"HEAD") + GET, answer(b"", b"Content-Length: 9") + sized(b"body"))

    assert [each.response.body for each in found] == [b"", b"body"]


def test_a_hundred_continue_is_no_answer(exchanges):
    (found,) = exchanges(GET, answer(b"", status=b"100 Continue") + sized(b"done"))

    assert found.response.body == b"done"


def test_a_body_until_the_close_is_taken_to_the_end(exchanges):
    (found,) = exchanges(GET, answer(b"all of it"))

    assert found.response.body == b"all of it"


def test_a_body_that_is_not_whole_says_how_much_is_missing(exchanges):
    (found,) = exchanges(GET, answer(b"part", b"Content-Length: 10"))

    assert found.response.body == b"part"
    assert found.response.note == "6 of 10 bytes missing at the end"


def test_a_bomb_stops_at_its_bound_and_says_so(exchanges):
    (found,) = exchanges(GET, sized(gzip.compress(bytes(50_000_000)), b"Content-Encoding: gzip"))

    assert len(found.response.body) <= 16 << 20
    assert "stopped there" in found.response.note


@pytest.mark.parametrize("body", [b"ffffffffffffffff\r\nabc", b"-5\r\nabc\r\n", b"5\r\nab", b"zz\r\n", b""])
def test_chunk_sizes_that_cannot_be_true_end_the_body(exchanges, body):
    (found,) = exchanges(GET, answer(body, b"Transfer-Encoding: chunked"))

    assert "the last is not among them" in found.response.note


def test_headers_and_start_lines_hold_no_active_character(exchanges):
    (found,) = exchanges(b"GET /\x1b[31m HTTP/1.1\r\nX: \xe2\x80\xaey\r\n\r\n", sized(b""))

    assert found.request.start == "GET /\\x1b[31m HTTP/1.1"
    assert found.request.headers == (("X", "\\u202ey"),)


def test_what_is_not_http_has_no_exchanges(exchanges):
    assert exchanges(b"SSH-2.0-x\r\n", b"SSH-2.0-y\r\n") == []


def test_a_gap_in_a_body_counts_and_takes_nothing_of_the_next_message(spoken):
    whole = sized(b"a" * 300)
    steps = [("dst", whole[:-200]), ("dst", b"a" * 100, False), ("dst", b"a" * 100), ("dst", sized(b"next"))]

    assert spoken(get(b"/1"), get(b"/2"), *steps) == [
        ("/1", b"a" * 200, "partial: a gap of 100 bytes lies in it"),
        ("/2", b"next", ""),
    ]


def test_a_body_that_ends_in_a_gap_ends_there(spoken):
    first, second = sized(b"a" * 300), sized(b"lost whole")
    steps = [("dst", first[:-200]), ("dst", first[-200:] + second, False), ("dst", sized(b"third"))]

    assert spoken(get(b"/1"), get(b"/2"), get(b"/3"), *steps) == [
        ("/1", b"a" * 100, "partial: a gap of 200 bytes lies in it"),
        ("/2", None, None),
        ("/3", b"third", f"a gap of {len(second)} bytes stands before it"),
    ]


def test_a_gap_in_a_chunk_counts(spoken):
    raw = answer(b"64\r\n" + b"a" * 100 + b"\r\n3\r\nend\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")
    at = raw.index(b"aaa") + 10
    steps = [("dst", raw[:at]), ("dst", raw[at : at + 50], False), ("dst", raw[at + 50 :])]

    assert spoken(get(b"/1"), *steps) == [
        ("/1", b"a" * 50 + b"end", "chunks joined, partial: a gap of 50 bytes lies in it")
    ]


def test_chunks_stop_where_a_gap_hides_a_size(spoken):
    raw = answer(b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")
    at = raw.index(b"abc") + 3
    steps = [
        ("dst", raw[:at]),
        ("dst", raw[at : at + 4], False),
        ("dst", raw[at + 4 :]),
        get(b"/2"),
        ("dst", sized(b"next")),
    ]

    assert spoken(get(b"/1"), *steps) == [
        ("/1", b"abc", "chunks joined, the last is not among them"),
        ("/2", b"next", "a gap of 4 bytes stands before it"),
    ]


def test_a_lost_answer_moves_no_other(spoken):
    steps = [
        get(b"/1"),
        ("dst", sized(b"one"), False),
        get(b"/2"),
        ("dst", sized(b"two")),
        get(b"/3"),
        ("dst", sized(b"three")),
    ]

    assert [each[:2] for each in spoken(*steps)] == [("/1", None), ("/2", b"two"), ("/3", b"three")]


def test_a_lost_answer_to_pipelined_requests_moves_no_other(spoken):
    steps = [
        get(b"/1"),
        get(b"/2"),
        get(b"/3"),
        ("dst", sized(b"one"), False),
        ("dst", sized(b"two")),
        ("dst", sized(b"three")),
    ]

    found = spoken(*steps)

    assert [each[:2] for each in found] == [("/1", None), ("/2", b"two"), ("/3", b"three")]
    assert "stands before it" in found[1][2]


def test_a_lost_request_leaves_its_answer_alone(spoken):
    steps = [
        get(b"/1"),
        ("dst", sized(b"one")),
        (*get(b"/2"), False),
        ("dst", sized(b"two")),
        get(b"/3"),
        ("dst", sized(b"three")),
    ]

    assert [each[:2] for each in spoken(*steps)] == [("/1", b"one"), (None, b"two"), ("/3", b"three")]


def test_a_head_with_a_gap_is_not_joined_over(spoken):
    raw = answer(b"", b"Content-Length: 5", b"X: " + b"y" * 50) + b"hello"
    at = raw.index(b"yyy") + 5
    steps = [
        get(b"/1"),
        ("dst", raw[:at]),
        ("dst", raw[at : at + 20], False),
        ("dst", raw[at + 20 :]),
        get(b"/2"),
        ("dst", sized(b"two")),
    ]

    assert spoken(*steps) == [
        ("/1", b"", "head not whole: a gap of 20 bytes lies in it"),
        ("/2", b"two", "a gap of 20 bytes stands before it"),
    ]


def test_a_first_line_with_a_gap_begins_no_message(spoken):
    steps = [
        get(b"/1"),
        ("dst", sized(b"one")),
        ("dst", b"HTT"),
        ("dst", b"???", False),
        ("dst", b"P/1.1 200 OK\r\n\r\n"),
    ]

    assert [each[:2] for each in spoken(*steps)] == [("/1", b"one")]


def test_the_answer_to_head_after_a_lost_one_has_no_body(spoken):
    steps = [
        get(b"/1"), ("dst", sized(b"one"), False), get(b"/2", b"HEAD"), ("dst", answer(b"", b"Content-Length: 99")),
        get(b"/3"), ("dst", sized(b"three")),
    ]  # fmt: skip

    assert [each[:2] for each in spoken(*steps)] == [("/1", None), ("/2", b""), ("/3", b"three")]


def test_all_members_of_a_gzip_body_are_unpacked(exchanges):
    packed = gzip.compress(b"harmless ") + gzip.compress(b"evil")

    (found,) = exchanges(GET, sized(packed, b"Content-Encoding: gzip"))

    assert (found.response.body, found.response.note) == (b"harmless evil", "gzip unpacked, 2 members")


def test_what_stands_behind_a_packed_body_is_told(exchanges):
    (found,) = exchanges(GET, sized(gzip.compress(b"harmless") + b"evil", b"Content-Encoding: gzip"))

    assert found.response.note == "gzip unpacked; 4 bytes stand behind it"


def test_a_bomb_in_many_members_stops_at_the_same_bound(exchanges):
    (found,) = exchanges(GET, sized(gzip.compress(bytes(1_000_000)) * 40, b"Content-Encoding: gzip"))

    assert len(found.response.body) <= 16 << 20
    assert "stopped there" in found.response.note


@pytest.mark.parametrize("length", ["\u00b2".encode(), b"9" * 5000, b"-1", b"+3", b""])
def test_a_content_length_that_is_no_number_is_none(exchanges, length):
    (found,) = exchanges(GET, answer(b"abc", b"Content-Length: " + length))

    assert found.response.body == b"abc"


def test_many_gaps_cost_no_more_than_their_number():
    stamp = pd.Timestamp("2024-01-01", tz="UTC")
    data = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
    turns = [nsm.transcripts.Turn("src", stamp, stamp, (at,), at * 43, data, 1) for at in range(20_000)]
    before = time.process_time()

    found = nsm.transcripts.Transcript("tcp", "10.0.0.1", 1, "10.0.0.2", 2, turns, []).exchanges()

    assert len(found) == 20_000
    assert time.process_time() - before < 3


@pytest.mark.slow
def test_requests_of_the_bundled_case_are_those_that_suricata_logged(evidence):
    _, packets = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))
    with (evidence / "suricata" / "eve.json").open() as lines:
        logged = [json.loads(line) for line in lines if '"event_type":"http"' in line]
    theirs = sorted(
        (each["http"].get("http_method"), each["http"].get("url"), each["http"].get("status")) for each in logged
    )

    mine = []
    for _, rows in packets[packets["proto"] == "tcp"].groupby("session"):
        for each in nsm.transcripts.transcript(rows).exchanges():
            method, url, _ = each.request.start.split(" ")
            mine.append((method, url, int(each.response.start.split(" ")[1])))

    assert sorted(mine) == theirs
