"""Sessions in the report: words where there are words, counts where there are none, and doubts said aloud."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.report import conversation as talk
from nsm_nb.report.conversation import conversation, lines, runs
from tests.writing import conversation as frames
from tests.writing import ethernet, ip, pcap, tcp


def said(row):
    return "".join(run.text for run in row)


def case_of(tmp_path, *captures):
    place = tmp_path / "case"
    (place / "evidence").mkdir(parents=True)
    for number, capture in enumerate(captures):
        (place / "evidence" / f"{number}.pcap").write_bytes(pcap(capture))
    (place / "case.toml").write_text('name = "case"\n')
    return nsm.open_case(place)


def told(case, **options):
    return conversation(case, case.sessions.iloc[0], anchor="here", names={}, **options)


def test_text_is_shown_as_text():
    assert [said(row) for row in lines(b"uid=0(root)\r\ngid=0\n")] == ["uid=0(root)", "gid=0"]


def test_bytes_that_are_no_text_are_counted():
    assert [run.text for run in runs(bytes(range(128, 228)) + b"Volume Serial Number" + b"\xff\x00")] == [
        "[100 bytes]", "Volume Serial Number", "\\xff\\x00",
    ]  # fmt: skip


def test_two_bytes_a_character_are_read():
    name = "inventory\\dir_D.txt".encode("utf-16-le")
    found = runs(b"\xfeSMB" + bytes(60) + name + b"\xff\xfe\xff")
    assert [run.text for run in found if run.kind == "wide"] == ["inventory\\dir_D.txt"]


def test_escapes_of_a_terminal_do_not_make_text_binary():
    assert [run.kind for run in runs(b"\x1b[31mred\x1b[0m and more text")] == ["text"]


@given(st.binary(max_size=300))
def test_runs_count_every_byte(data):
    if [run.kind for run in runs(data)] == ["text"]:
        return
    total = 0
    for run in runs(data):
        if run.kind == "bytes":
            total += int(run.text[1:-7].replace(",", "")) if run.text.startswith("[") else len(run.text) // 4
        else:
            total += len(run.text) * (2 if run.kind == "wide" else 1)
    missing = data.count(b"\r\n")  # a line's end is shown as one
    assert total + missing >= len(data) >= total - 3 * data.count(b"\r")


@given(st.binary(max_size=300))
def test_no_byte_acts(data):
    shown = "\n".join(said(row) for row in lines(data))
    assert not set(shown) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))


def test_a_long_session_is_cut_where_it_is_said(tmp_path):
    case = case_of(tmp_path, frames(request=b"x" * 100, answer=b"y" * 900))
    found = told(case, most=150)
    assert (found.said, found.shown) == (1000, 150)
    assert [(each.side, len(said(each.lines[0]))) for each in found.passages] == [("src", 100), ("dst", 50)]
    assert "the first 50 shown" in found.passages[1].mark


def test_each_side_has_the_hash_of_what_it_said(tmp_path):
    case = case_of(tmp_path, frames(request=b"a question", answer=b"an answer"))
    src, dst = told(case).sides
    assert src.sha256 == hashlib.sha256(b"a question").hexdigest()
    assert dst.sha256 == hashlib.sha256(b"an answer").hexdigest()


def test_http_bodies_are_shown_decoded_where_they_were_coded(tmp_path):
    packed = gzip.compress(b"the hidden words")
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed)
    found = told(case_of(tmp_path, frames(answer=answer)))
    ((_, request, response, bodies),) = found.exchanges.rows
    assert request.text == "GET / HTTP/1.1"
    assert response.text == "HTTP/1.1 200 OK"
    assert hashlib.sha256(b"the hidden words").hexdigest() in bodies.text
    (body,) = found.bodies
    assert said(body.lines[0]) == "the hidden words"
    assert "gzip unpacked" in body.title


def test_what_is_no_http_has_no_http_view(tmp_path):
    found = told(case_of(tmp_path, frames(request=b"id\n", answer=b"uid=0\n")))
    assert found.exchanges is None
    assert not found.bodies


def test_a_gap_is_told_with_its_size(tmp_path):
    capture = frames(request=b"GET / HTTP/1.1\r\n\r\n", answer=b"HTTP/1.1 200 OK\r\n\r\n")
    first = 5001 + len(b"HTTP/1.1 200 OK\r\n\r\n")
    late = ethernet(ip(tcp(b"after the gap", 80, 40000, seq=first + 70, ack=1019), "10.0.0.2", "10.0.0.1", 6))
    found = told(case_of(tmp_path, [*capture[:5], (capture[5][0], late)]))
    assert 70 in [each.gap for each in found.passages]
    assert any("70 bytes of dst are missing" in each for each in found.caveats)


def test_a_session_of_flow_records_says_why_it_has_no_transcript(tmp_path, own_case):
    import json

    place = tmp_path / "flows"
    (place / "evidence").mkdir(parents=True)
    event = {
        "timestamp": "2026-11-24T02:30:42.898627+0000", "event_type": "flow", "src_ip": "10.0.0.1", "src_port": 40000,
        "dest_ip": "10.0.0.2", "dest_port": 80, "proto": "TCP",
        "flow": {"pkts_toserver": 5, "pkts_toclient": 4, "bytes_toserver": 500, "bytes_toclient": 400,
                 "start": "2026-11-24T02:30:41.000000+0000", "end": "2026-11-24T02:30:42.000000+0000", "state": "closed"},
    }  # fmt: skip
    (place / "evidence" / "eve.json").write_text(json.dumps(event) + "\n")
    (place / "case.toml").write_text('name = "flows"\n')
    found = told(nsm.open_case(place))
    assert "a transcript needs full content" in found.problem
    assert any("record 1, read as" in fact.more for fact in found.facts)


def test_frames_are_named(tmp_path):
    found = told(case_of(tmp_path, frames()))
    assert any(fact.more == "8 frames: 1-8" for fact in found.facts)


@pytest.mark.parametrize(
    "name", ["a01_xss.pcap", "a02_ansi_bidi.pcap", "a07_dns_xss.pcap", "a08_badutf8.pcap", "a04_gzipbomb200M.pcap"]
)
def test_hostile_captures_are_told(shared, tmp_path, name):
    capture = shared / "hostile" / "synthetic" / name
    case = nsm.create_case(tmp_path / "hostile", [capture])
    for number in case.sessions["session"].head(5):
        found = conversation(case, case.session(number), anchor="here", names={})
        assert found.shown <= talk.SHOWN
        for passage in found.passages:
            assert "\x1b" not in "".join(said(row) for row in passage.lines)


def test_what_is_not_in_the_stream_is_in_the_report(tmp_path):
    sent = [
        (second * 1_000_000_000, ethernet(ip(tcp(data, 40000, 80, seq=seq), "10.0.0.1", "10.0.0.2", 6)))
        for second, (seq, data) in enumerate([(1_000, b"hello"), (1_000 + (1 << 30), b"far away"), (1_005, b"!")])
    ]
    (tmp_path / "x.pcap").write_bytes(pcap(sent))
    told = nsm.transcripts.transcript(nsm.read_packets(tmp_path / "x.pcap"))

    passages, _ = talk._passages(told, 1_000)

    assert passages[-1].mark.endswith("; not in the stream") and passages[-1].lines
