"""The HTTP view: messages as RFC 9112 frames them, bodies unpacked within bounds, whatever is in them."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

import nsm_nb as nsm
from tests import writing


@pytest.fixture
def exchanges(tmp_path):
    def of(request, answer):
        (tmp_path / "x.pcap").write_bytes(writing.pcap(writing.conversation(request=request, answer=answer)))
        return nsm.transcripts.transcript(nsm.read_packets(tmp_path / "x.pcap")).exchanges()

    return of


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

    assert "the last is not there" in found.response.note


def test_headers_and_start_lines_hold_no_active_character(exchanges):
    (found,) = exchanges(b"GET /\x1b[31m HTTP/1.1\r\nX: \xe2\x80\xaey\r\n\r\n", sized(b""))

    assert found.request.start == "GET /\\x1b[31m HTTP/1.1"
    assert found.request.headers == (("X", "\\u202ey"),)


def test_what_is_not_http_has_no_exchanges(exchanges):
    assert exchanges(b"SSH-2.0-x\r\n", b"SSH-2.0-y\r\n") == []


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
