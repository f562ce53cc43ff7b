"""Protocols of lines: SMTP, FTP, POP3, IMAP, IRC, Telnet, SSH."""

from __future__ import annotations

import base64

import pytest

from nsm_nb.transcripts import decoded
from nsm_nb.transcripts.decoding import ftp
from nsm_nb.transcripts.decoding.charsets import text_of
from nsm_nb.transcripts.decoding.records import Talk
from tests.transcripts.speaking import said, told

MAIL = b"From: a@x.example\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\r\nhello\r\n"


def fields_of(table, kind):
    return [fields for each, fields in zip(table["kind"], table["fields"], strict=True) if each == kind]


def test_smtp_tells_commands_replies_and_the_message_between():
    table = decoded(said(
        ("dst", b"220 mx ESMTP\r\n"), ("src", b"EHLO h\r\n"), ("dst", b"250-mx\r\n250 SIZE\r\n"), ("src", b"MAIL FROM:<a@x>\r\n"),
        ("dst", b"250 ok\r\n"), ("src", b"RCPT TO:<b@y>\r\n"), ("dst", b"250 ok\r\n"),
        ("src", b"DATA\r\n"), ("dst", b"354 go\r\n"),
        ("src", MAIL + b"..\r\nMAIL FROM:<no command>\r\n.\r\n"), ("dst", b"250 queued\r\n"), ("src", b"QUIT\r\n"), port=25,
    ))  # fmt: skip

    assert [(side, kind) for side, kind in told(table, "side", "kind") if side == "src"] == [
        ("src", "command"), ("src", "command"), ("src", "command"), ("src", "command"), ("src", "message"), ("src", "command"),
    ]  # fmt: skip
    (message,) = fields_of(table, "message")
    assert message["subject"] == "Grüße"
    assert table.loc[table["kind"] == "message", "text"].tolist() == [f"message, {len(MAIL) + 27:,} bytes"]


def test_smtp_refused_data_is_followed_by_commands():
    table = decoded(said(
        ("dst", b"220 mx ESMTP\r\n"), ("src", b"EHLO h\r\n"), ("dst", b"250 mx\r\n"), ("src", b"DATA\r\n"),
        ("dst", b"503 no\r\n"), ("src", b"RSET\r\n"), port=25,
    ))  # fmt: skip

    assert "message" not in set(table["kind"])
    assert table["text"].iloc[-1] == "RSET"


def test_smtp_log_on_is_told_in_plain():
    plain = base64.b64encode(b"\0eve\0secret")
    table = decoded(said(
        ("dst", b"220 mx ESMTP\r\n"), ("src", b"EHLO h\r\n"), ("dst", b"250 AUTH PLAIN LOGIN\r\n"), ("src", b"AUTH LOGIN\r\n"),
        ("dst", b"334 VXNlcm5hbWU6\r\n"), ("src", b"ZXZl\r\n"), ("dst", b"334 UGFzc3dvcmQ6\r\n"), ("src", b"c2VjcmV0\r\n"),
        ("dst", b"535 no\r\n"), ("src", b"AUTH PLAIN " + plain + b"\r\n"), ("dst", b"235 ok\r\n"), port=587,
    ))  # fmt: skip

    assert table.loc[table["kind"] == "authentication", "text"].tolist() == ["eve", "secret"]
    assert fields_of(table, "command")[-1]["credentials"] == "eve secret"


def test_smtp_behind_starttls_is_tls():
    hello = bytes.fromhex("16030100 2f 0100002b 0303" + "00" * 32 + "00 0002 1301 0100".replace(" ", "") + "0000")
    table = decoded(said(
        ("dst", b"220 mx ESMTP\r\n"), ("src", b"EHLO h\r\n"), ("dst", b"250 STARTTLS\r\n"), ("src", b"STARTTLS\r\n"),
        ("dst", b"220 go\r\n"), ("src", hello), port=25,
    ))  # fmt: skip

    assert told(table.tail(1), "protocol", "kind", "offset") == [("tls", "client hello", 18)]


@pytest.mark.parametrize(
    ("command", "reply", "where"),
    [
        (b"PASV", b"227 Entering Passive Mode (10,0,0,2,156,73).", ("10.0.0.2", 40009, "dst")),
        (b"EPSV", b"229 Extended (|||40009|)", ("10.0.0.2", 40009, "dst")),
        (b"PORT 10,0,0,1,156,73", b"200 ok", ("10.0.0.1", 40009, "src")),
        (b"EPRT |2|2001:db8::1|40009|", b"200 ok", ("2001:db8::1", 40009, "src")),
    ],
)
def test_ftp_tells_where_the_data_of_a_transfer_go(command, reply, where):
    transcript = said(
        ("dst", b"220 FTP\r\n"), ("src", command + b"\r\n"), ("dst", reply + b"\r\n"), ("src", b"TYPE I\r\nSTOR ../b.tgz\r\n"),
        ("dst", b"150 go\r\n226 done\r\n"), port=21,
    )  # fmt: skip

    (found,) = ftp.transfers(Talk(transcript))

    assert (found.host, found.port, found.by) == where
    assert (found.verb, found.name, found.sender, found.binary) == ("STOR", b"../b.tgz", "src", True)
    assert f"{where[0]} port {where[1]}" in str(decoded(transcript)["fields"].tolist())


def test_ftp_that_is_refused_is_no_transfer():
    transcript = said(
        ("dst", b"220 FTP\r\n"), ("src", b"PASV\r\n"), ("dst", b"227 (10,0,0,2,1,1)\r\n"), ("src", b"RETR x\r\n"),
        ("dst", b"550 no such file\r\n"), port=21,
    )  # fmt: skip

    assert ftp.transfers(Talk(transcript)) == []


def test_pop3_messages_are_told_and_their_lines_are_not_answers():
    table = decoded(said(
        ("dst", b"+OK hi\r\n"), ("src", b"USER a\r\n"), ("dst", b"+OK\r\n"), ("src", b"RETR 1\r\n"),
        ("dst", b"+OK 70 octets\r\n" + MAIL + b"+OK not an answer\r\n.\r\n"), ("src", b"QUIT\r\n"),
        ("dst", b"+OK bye\r\n"), port=110,
    ))  # fmt: skip

    assert [text for kind, text in told(table, "kind", "text") if kind == "answer"] == [
        "+OK hi",
        "+OK",
        "+OK 70 octets",
        "+OK bye",
    ]
    assert fields_of(table, "message")[0]["from"] == "a@x.example"


def test_imap_literals_are_messages():
    table = decoded(said(
        ("dst", b"* OK IMAP4rev1\r\n"), ("src", b"a1 LOGIN bob \"pw\"\r\n"), ("dst", b"a1 OK\r\n"),
        ("src", b"a2 UID FETCH 7 (BODY[])\r\n"),
        ("dst", b"* 1 FETCH (UID 7 BODY[] {%d}\r\n" % len(MAIL) + MAIL + b")\r\na2 OK done\r\n"), port=143,
    ))  # fmt: skip

    assert fields_of(table, "command")[1]["verb"] == "UID FETCH"
    assert fields_of(table, "message")[0]["subject"] == "Grüße"
    assert table["text"].tolist()[-2:] == [")", "a2 OK done"]


def test_irc_says_who_said_what_to_whom():
    table = decoded(said(
        ("src", b"NICK bot7\r\nUSER bot7 0 * :x\r\n"), ("dst", b":irc 001 bot7 :Welcome\r\n"),
        ("dst", b":m!u@h PRIVMSG #bots :\x01VERSION\x01\r\n:m!u@h PRIVMSG #bots :.ddos \x1b[31m\r\n"), port=31337,
    ))  # fmt: skip

    asked, ordered = (fields for fields in table["fields"] if fields.get("to"))
    assert (ordered["from"], ordered["to"], ordered["said"]) == ("m!u@h", "#bots", ".ddos \\x1b[31m")
    assert asked["ctcp"] == "VERSION"
    assert table["kind"].tolist() == ["message", "message", "reply", "message", "message"]


def test_telnet_options_are_taken_out_and_backspaces_are_shown():
    table = decoded(said(
        ("dst", b"\xff\xfd\x18\xff\xfb\x01login: "), ("src", b"\xff\xfa\x18\0xterm\xff\xf0rooz\x08t\r\n\xff\xff"), port=2323,
    ))  # fmt: skip

    assert told(table, "side", "kind", "text") == [
        ("dst", "option", "DO terminal type"), ("dst", "option", "WILL echo"), ("dst", "text", "login: "),
        ("src", "option", "terminal type: \\x00xterm"), ("src", "text", "rooz←t\\n\\xff"),
    ]  # fmt: skip
    assert table["fields"].iloc[-1]["left"] == "root\\n\\xff"


def test_ssh_banners_and_offers_are_told_with_hassh(shared):
    import nsm_nb as nsm

    packets = nsm.read_packets(shared / "corpus/captures/try-zeek/manager/static/pcaps/ssh.pcap")
    sessions, packets = nsm.sessions.assemble(packets)
    number = sessions.loc[sessions["dst_port"] == 22, "session"].iloc[0]
    table = decoded(nsm.transcripts.transcript(packets[packets["session"] == number]))

    assert table["kind"].tolist()[:2] == ["banner", "banner"]
    assert table["text"].str.startswith("SSH-").sum() == 2
    offers = fields_of(table, "offer")
    assert len(offers) == 2
    assert all(len(each["hassh"]) == 32 and each["kex"] for each in offers)


@pytest.mark.parametrize(
    ("data", "claimed", "text", "said_"),
    [
        (b"abc", "", "abc", "ascii"),
        ("Grüße".encode(), "", "Grüße", "utf-8"),
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße", "iso-8859-1 as named"),
        ("Grüße".encode("utf-16"), "", "Grüße", "utf-16 by its mark"),
        ("Grüße".encode(), "ascii", "Grüße", "utf-8; ascii, which was named, does not fit"),
        (b"abc", "zip", "abc", "ascii; zip, which was named, is not known"),
        ("Это текст на русском языке, и его кодировка не названа".encode("cp1251"), "",
         "Это текст на русском языке, и его кодировка не названа", "cp1251 by guess"),
    ],
)  # fmt: skip
def test_the_charset_is_said_whether_named_or_guessed(data, claimed, text, said_):
    assert text_of(data, claimed) == (text, said_)
