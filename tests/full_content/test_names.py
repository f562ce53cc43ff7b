"""Names that the evidence gives to addresses, against tshark's reading and against bytes made to hurt."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.full_content.names import _name, _of_dns, _of_dns_stream, _of_stream, names
from nsm_nb.schema import PACKETS
from tests import writing


@pytest.fixture(scope="module")
def case(bundled):
    return nsm.open_case(bundled)


def by_tshark(tshark, capture, show, *fields):
    """Return the values that tshark prints for the frames of a filter, one list of texts a frame."""
    options = [each for field in fields for each in ("-e", field)]
    printed = subprocess.run(
        [tshark, "-n", "-r", capture, "-Y", show, "-T", "fields", *options], capture_output=True, text=True, check=True
    )
    return [line.split("\t") for line in printed.stdout.splitlines()]


def test_names_of_the_bundled_case_are_those_that_tshark_reads(case, tshark):
    capture = case.paths["staged.pcap"]
    said = set()
    for name, four, six in by_tshark(
        tshark, capture, "dns.flags.response == 1 and (dns.a or dns.aaaa)", "dns.qry.name", "dns.a", "dns.aaaa"
    ):
        said |= {(address, name, "dns") for address in f"{four},{six}".split(",") if address}
    for four, six, host in by_tshark(tshark, capture, "http.host", "ip.dst", "ipv6.dst", "http.host"):
        if not host[0].isdigit():
            said.add((four or six, host.split(":")[0], "http"))
    for four, name in by_tshark(
        tshark, capture, "tls.handshake.extensions_server_name", "ip.dst", "tls.handshake.extensions_server_name"
    ):
        said.add((four, name, "tls"))

    table = case.names
    assert set(zip(table["address"], table["name"], table["source"], strict=True)) == said
    assert len(said) == 16


def test_each_name_says_which_frame_and_how_often(case):
    row = case.names.set_index(["name", "source"]).loc[("secure.example", "tls")]

    assert (row["evidence"], row["frame"], row["count"]) == ("staged.pcap", 1830, 15)


def test_packets_left_unread_are_counted_in_a_note(case):
    table = names(case.packets, evidence=case.paths, most=20)

    assert table.attrs["notes"][0].startswith("1,048 of 1,068 packets that may carry names not read")
    # of streams, one of each service is read before the second of any
    assert {"http", "tls"} <= set(table["source"])


def test_packets_that_are_in_no_session_give_names_of_dns_alone_and_a_note(case):
    table = names(case.packets.drop(columns=["session", "to_dst"]), evidence=case.paths)

    assert set(table["source"]) == {"dns"}
    assert "not in sessions yet" in table.attrs["notes"][0]


def test_no_packets_give_an_empty_typed_table():
    table = names(PACKETS.empty(), evidence={})

    assert len(table) == 0
    assert str(table["first"].dtype) == "datetime64[ns, UTC]"
    assert str(table["frame"].dtype) == "int64"


def answer(*records, asked=b"\3www\7example\0"):
    head = b"\0\1\x81\x80\0\1" + len(records).to_bytes(2, "big") + b"\0\0\0\0"
    return head + asked + b"\0\1\0\1" + b"".join(records)


def record(kind, value, owner=b"\xc0\x0c"):
    return owner + kind.to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(value).to_bytes(2, "big") + value


def test_an_alias_names_the_address_by_both():
    data = answer(record(5, b"\3cdn\3net\0"), record(1, bytes([10, 0, 0, 1]), b"\3cdn\3net\0"))

    assert list(_of_dns(data, 53)) == [("10.0.0.1", "www.example", "dns"), ("10.0.0.1", "cdn.net", "dns cname")]


def test_a_reverse_answer_names_its_address():
    data = answer(record(12, b"\1x\3org\0"), asked=b"\x011\x010\x010\x0210\7in-addr\4arpa\0")

    assert list(_of_dns(data, 53)) == [("10.0.0.1", "x.org", "dns ptr")]


@pytest.mark.parametrize(
    "data",
    [
        answer(record(1, b"\1\2\3\4"))[:-1],
        answer(record(1, b"\1\2\3\4"), asked=b"\xc0\x0c"),  # a pointer to itself
        answer(record(1, b"\1\2\3\4"), asked=b"\x40" + b"a" * 64 + b"\0"),
        answer(record(1, b"\1\2\3\4"), asked=(b"\x3f" + b"a" * 63) * 5 + b"\0"),
    ],
)
def test_a_damaged_answer_gives_no_name(data):
    assert list(_of_dns(data, 53)) == []


def test_pointers_in_circles_end():
    assert _name(b"\xc0\x02\xc0\x00", 0)[0] is None


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(data):
    for head in (b"", b"\0\0\x80\0\0\1\0\2\0\0\0\0", b"\x16\3\1\1\0\1\0\0\xfc\3\3" + bytes(32), b"GET / HTTP/1.1\r\n"):
        list(_of_dns(head + data, 53))
        list(_of_stream(head + data, "10.0.0.1"))


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (b"WWW.Example:8080", ["www.example"]), (b"10.0.0.1", []), (b"[2001:db8::1]:80", []), (b"a" * 300, []), (b" ", []),
    ],
)  # fmt: skip
def test_the_host_of_a_request_is_a_name_or_nothing(host, told):
    data = b"POST /x HTTP/1.1\r\nAccept: */*\r\nHost: " + host + b"\r\n\r\n"

    assert [name for _, name, _ in _of_stream(data, "10.0.0.1")] == told


def hello(name: bytes, padding: int) -> bytes:
    """A ClientHello with a long extension before its server name, as one with a post-quantum key has."""
    server = len(name).to_bytes(2, "big")
    server = b"\0" + server + name
    server = b"\0\0" + (len(server) + 2).to_bytes(2, "big") + len(server).to_bytes(2, "big") + server
    extensions = b"\x00\x33" + padding.to_bytes(2, "big") + bytes(padding) + server
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\0"
        + b"\0\x02\x13\x01"
        + b"\x01\0"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    shake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(shake).to_bytes(2, "big") + shake


def named(tmp_path, data: bytes, *cuts: int, order=None, sport=50_000, dport=443):
    """The names in a stream of a client, sent in the pieces between the cuts."""
    pieces = [(at, data[at:end]) for at, end in pairwise([0, *cuts, len(data)])]
    frames = [writing.ethernet(writing.ip(writing.tcp(b"", sport, dport, seq=99, flags=2), "10.0.0.1", "10.0.0.2", 6))]
    for number in order or range(len(pieces)):
        at, piece = pieces[number]
        frames.append(
            writing.ethernet(
                writing.ip(writing.tcp(piece, sport, dport, seq=100 + at, ack=1), "10.0.0.1", "10.0.0.2", 6)
            )
        )
    path = tmp_path / "x.pcap"
    path.write_bytes(writing.pcap([(number * 1000, frame) for number, frame in enumerate(frames)]))
    _, packets = nsm.sessions.assemble(nsm.read_packets(path))
    return list(names(packets)[["address", "name", "source"]].itertuples(index=False, name=None))


def test_a_server_name_behind_the_first_segment_is_found(tmp_path):
    found = [("10.0.0.2", "late.example", "tls")]
    assert named(tmp_path, hello(b"late.example", 1700), 1400) == found
    assert named(tmp_path, hello(b"late.example", 3000), 1400, 2800) == found


def test_a_host_behind_the_first_segment_is_found_and_one_in_the_body_is_none(tmp_path):
    request = b"POST /x HTTP/1.1\r\nUser-Agent: " + b"a" * 50 + b"\r\nHost: real.example\r\nContent-Length: 30\r\n\r\n"
    assert named(tmp_path, request, 40, dport=80) == [("10.0.0.2", "real.example", "http")]
    body = b"POST /x HTTP/1.1\r\nContent-Length: 30\r\n\r\n\r\nHost: spoofed.example\r\n"
    assert named(tmp_path, body, dport=80) == []


def test_answers_over_tcp_and_long_ones_give_their_names():
    question = b"\x03www\x07example\0\0\x01\0\x01"
    answer = b"\xc0\x0c\0\x01\0\x01\0\0\0<\0\x04"
    message = b"\0\x01\x81\x80\0\x01\x01\x2c\0\0\0\0" + question
    message += b"".join(answer + bytes([10, 0, number >> 8, number & 255]) for number in range(300))
    assert len(list(_of_dns(message, 53))) == 300
    several = b"\0\x01\x81\x80\0\x05\0\x01\0\0\0\0" + question * 5 + answer + bytes([10, 0, 0, 1])
    assert list(_of_dns(several, 53)) == [("10.0.0.1", "www.example", "dns")]
    assert len(list(_of_dns_stream(len(message).to_bytes(2, "big") + message, 53))) == 300
