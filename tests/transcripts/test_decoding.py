"""Decoding as a whole: what is recognised, in which order, within which bounds, and what stays where a decoder fails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.schema import caveats_of
from nsm_nb.transcripts import Budget, decoded, decoding, http, objects
from nsm_nb.transcripts.decoding import PROTOCOLS, recognised
from tests.transcripts.speaking import said, told

GREETINGS = {
    "http": (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    "tls": (bytes.fromhex("160301 0005 01 000001 00"), b""),
    "ssh": (b"SSH-2.0-a\r\n", b"SSH-2.0-b\r\n"),
    "smb2": (b"\0\0\0\x40\xfeSMB" + bytes(60), b""),
    "smb1": (b"\0\0\0\x40\xffSMB" + bytes(60), b"\0\0\0\x40\xffSMB" + bytes(60)),
    "smtp": (b"EHLO a\r\n", b"220 mail ESMTP\r\n"),
    "ftp": (b"USER a\r\n", b"220 (vsFTPd 3.0.3)\r\n"),
    "pop3": (b"USER a\r\n", b"+OK ready\r\n"),
    "imap": (b"a1 LOGIN b c\r\n", b"* OK ready\r\n"),
    "irc": (b"NICK a\r\nUSER a 0 * :b\r\n", b":irc.example NOTICE * :hello\r\n"),
    "telnet": (b"\xff\xfb\x18", b"\xff\xfd\x18\xff\xfd\x20"),
    "socks": (b"\5\1\0\5\1\0\1\1\2\3\4\0\x50", b"\5\0\5\0\0\1\1\2\3\4\0\x50"),
}


@pytest.mark.parametrize("protocol", GREETINGS)
def test_content_tells_the_protocol_on_any_port_and_no_other_claims_it(protocol):
    assert recognised("tcp", (40_000, 31_337), GREETINGS[protocol]) == protocol
    assert {name for name, module in PROTOCOLS.items() if module.recognises(*GREETINGS[protocol])} == {protocol}


def test_a_port_tells_only_where_content_does_not():
    assert recognised("tcp", (40_000, 80), GREETINGS["ssh"]) == "ssh"
    assert recognised("tcp", (40_000, 23), (b"root\r\n", b"login: ")) == "telnet"
    assert recognised("tcp", (40_000, 31_337), (b"root\r\n", b"login: ")) is None
    assert recognised("tcp", (40_000, 22), (b"", b"")) is None


def test_records_name_side_time_frame_and_the_offset_of_their_bytes():
    transcript = said(
        ("dst", b"220 mail ESMTP\r\n"), ("src", b"EHLO me\r\nNOOP\r\n"), ("dst", b"250 mail\r\n250 ok\r\n"), port=25
    )

    table = decoded(transcript)

    assert told(table, "protocol", "side", "frame", "offset", "size", "kind", "text") == [
        ("smtp", "dst", 4, 0, 16, "reply", "220 mail ESMTP"),
        ("smtp", "src", 5, 0, 9, "command", "EHLO me"),
        ("smtp", "src", 5, 9, 6, "command", "NOOP"),
        ("smtp", "dst", 6, 16, 10, "reply", "250 mail"),
        ("smtp", "dst", 6, 26, 8, "reply", "250 ok"),
    ]
    assert table["time"].tolist() == [transcript.turns[number].time for number in (0, 1, 1, 2, 2)]
    assert table.attrs["protocol"] == "smtp"


def test_the_frame_is_the_one_that_brought_the_record_also_within_a_long_turn():
    lines = b"".join(b"PRIVMSG #c :%04d\r\n" % number for number in range(500))

    table = decoded(said(("src", b"NICK a\r\nUSER a 0 * :b\r\n" + lines), port=6667))

    offsets = table["offset"].to_numpy()
    assert table["frame"].tolist() == (4 + offsets // 1400).tolist()


def test_a_decoder_that_fails_leaves_what_it_made_and_a_caveat(monkeypatch):
    def broken(talk):
        yield talk.record("irc", talk.src, 0, 4, "message", "NICK")
        raise IndexError("out of it\x1b[2J")

    monkeypatch.setattr(decoding.irc, "records", broken)
    transcript = said(("src", b"NICK a\r\nUSER a 0 * :b\r\n"))

    table = decoded(transcript)

    assert table["text"].tolist() == ["NICK"]
    assert [each.detail for each in caveats_of(table)] == [
        "the decoder of irc did not come to the end (IndexError: out of it\\x1b[2J); the turns have all"
    ]
    assert transcript.data("src") == b"NICK a\r\nUSER a 0 * :b\r\n"


@pytest.mark.parametrize(
    ("budget", "why"),
    [(Budget(records=10), "it had made 10 records"), (Budget(seconds=0.0), "it had used 0 seconds of CPU time")],
)
def test_a_decoder_never_gets_more_than_its_budget(budget, why):
    table = decoded(said(("src", b"NICK a\r\nUSER a 0 * :b\r\n" + b"PING\r\n" * 500)), budget=budget)

    assert len(table) <= 10
    assert f"the decoder of irc was stopped: {why}; the turns have the rest" in [
        each.detail for each in caveats_of(table)
    ]


def test_a_decoder_is_given_so_many_bytes_of_a_side():
    table = decoded(said(("src", b"NICK a\r\nUSER a 0 * :b\r\n" + b"PING\r\n" * 500)), budget=Budget(octets=1_000))

    assert table["offset"].max() < 1_000
    assert "2,023 bytes of src behind the first 1,000 were not decoded" in [each.detail for each in caveats_of(table)]


@pytest.mark.slow
@settings(max_examples=60)
@given(
    protocol=st.sampled_from(sorted(GREETINGS)),
    src=st.binary(max_size=400),
    dst=st.binary(max_size=400),
    cut=st.integers(0, 40),
)
def test_no_bytes_behind_a_greeting_bring_anything_but_records_and_caveats(protocol, src, dst, cut):
    first, second = GREETINGS[protocol]
    steps = [("src", first[: len(first) - cut] + src), ("dst", second + dst), ("src", dst[:100]), ("dst", src[:100])]

    table = decoded(said(*[step for step in steps if step[1]] or [("src", b"x")]))

    assert list(table.columns) == list(decoding.records.COLUMNS)
    assert all("\x1b" not in text and "\x07" not in text for text in [*table["text"], *map(str, table["fields"])])


def test_a_session_without_bytes_is_an_empty_table():
    table = decoded(said())

    assert len(table) == 0
    assert str(table["time"].dtype).startswith("datetime64")


def test_lines_of_a_message_cost_no_records_and_no_time():
    steps = (("dst", b"220 mail ESMTP\r\n"), ("src", b"EHLO me\r\nDATA\r\n"), ("dst", b"250 mail\r\n354 go\r\n"))
    transcript = said(*steps, ("src", b"a\n" * 100_000 + b"\r\n.\r\nQUIT\r\n"), port=25)

    table = decoded(transcript, budget=Budget(records=7))

    assert table["text"].tolist()[-2:] == ["message, 200,002 bytes", "QUIT"]
    assert caveats_of(table) == []


def test_more_messages_than_are_taken_apart_are_told(monkeypatch):
    monkeypatch.setattr(http, "MOST_MESSAGES", 3)
    transcript = said(("src", b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx" * 5))

    table = decoded(transcript)

    assert table["kind"].tolist() == ["request"] * 3
    assert "more than the 3 messages of one side" in table["fields"].iloc[2]["note"]
    assert "more than the 3 messages of one side" in caveats_of(objects(transcript))[0].detail
