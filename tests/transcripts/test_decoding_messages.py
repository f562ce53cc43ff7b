"""Protocols of messages: DNS, TLS, SMB, NTLM, Kerberos, TFTP, SOCKS - and what tshark and nDPI say of the same bytes."""

from __future__ import annotations

import base64
import collections
import datetime
import struct
import subprocess

import pytest

import nsm_nb as nsm
from nsm_nb.errors import MissingTool
from nsm_nb.schema import caveats_of
from nsm_nb.transcripts import decoded, labels, unbase32
from nsm_nb.transcripts.decoding import fingerprints, ntlm, smb1, smb2, tls
from nsm_nb.transcripts.decoding.certificates import described
from nsm_nb.transcripts.decoding.records import Talk
from tests.transcripts.speaking import said, told


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def query(text, kind=16, number=7):
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + name(text) + struct.pack(">HH", kind, 1)


def answer(text, value, kind=16, number=7):
    return (
        struct.pack(">HHHHHH", number, 0x8180, 1, 1, 0, 0) + name(text) + struct.pack(">HH", kind, 1) + b"\xc0\x0c"
        + struct.pack(">HHIH", kind, 1, 60, len(value)) + value
    )  # fmt: skip


# --- DNS


def test_dns_questions_and_answers_are_told_over_udp_and_tcp():
    steps = (("src", query("a.example")), ("dst", answer("a.example", b"\x05hello")))
    framed = [(side, len(data).to_bytes(2, "big") + data) for side, data in steps]

    for table in (decoded(said(*steps, port=53, proto="udp")), decoded(said(*framed, port=53))):
        assert told(table, "side", "kind", "text") == [
            ("src", "query", "a.example. TXT"), ("dst", "answer", 'a.example. TXT: NOERROR: TXT "hello"'),
        ]  # fmt: skip
        assert table["fields"].iloc[1]["answers"] == [
            {"name": "a.example.", "type": "TXT", "ttl": 60, "data": '"hello"'}
        ]


def test_dns_that_is_damaged_keeps_what_stands_before_and_says_so():
    table = decoded(
        said(("src", query("a.example")), ("dst", answer("a.example", b"\x05hello")[:-4]), port=53, proto="udp")
    )

    assert table["kind"].tolist() == ["query", "answer"]
    assert "1 message of DNS is damaged" in caveats_of(table)[0].detail


def test_what_was_taken_out_through_labels_is_put_together():
    secret = b"root:x:0:0:root:/root:/bin/bash\n" * 20
    text = base64.b32encode(secret).decode().rstrip("=").lower()
    parts = [text[at : at + 40] for at in range(0, len(text), 40)]
    talks = [
        said(("src", query(f"{number:04}.{part}.t.x.example", number=number)), port=53, proto="udp")
        for number, part in enumerate([*parts, parts[0]])
    ]

    found = sorted(labels(talks, "T.x.example."))

    assert unbase32(each.partition(b".")[2] for each in dict.fromkeys(found) if int(each[:4]) < len(parts)) == secret
    with pytest.raises(ValueError, match="not base32"):
        unbase32([b"!!"])


def test_the_file_in_the_dns_of_the_bundled_case_comes_out_whole(bundled, truth):
    case = nsm.open_case(bundled)
    rows = case.sessions[(case.sessions["dst_port"] == 53) & (case.sessions["src_ip"].astype(str) == "172.16.10.80")]

    found = sorted(labels((case.transcript(number) for number in rows["session"]), "t.updates-cdn.example"))
    data = unbase32(each.partition(b".")[2] for each in found)

    assert (len(found), len(data)) == (35, 1_276)
    assert data.startswith(b"root:x:0:0:root:/root:/bin/bash\n")
    assert data in (truth / "exploit.txt").read_bytes()  # the same file, as the exploit had printed it before


# --- TLS


@pytest.mark.slow
@pytest.mark.parametrize(
    "capture",
    ["ndpi/tests/cfgs/default/pcap/http_ipv6.pcap", "arkime/tests/pcap/socks-https-example.pcap",
     "zeek/testing/btest/Traces/smtp.pcap", "zeek/testing/btest/Traces/tls/tls13draft23-chrome67.0.3368.0-canary.pcap"],
)  # fmt: skip
def test_fingerprints_and_names_are_those_of_tshark(capture, shared, tshark):
    path = shared / "corpus/captures" / capture
    wanted = ["tls.handshake.ja3", "tls.handshake.ja3s", "tls.handshake.extensions_server_name"]
    found = subprocess.run(
        [tshark, "-n", "-r", path, "-Y", "tls.handshake", "-T", "fields", *(part for each in wanted for part in ("-e", each))],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    oracle = [collections.Counter() for _ in wanted]
    for line in found.splitlines():
        for counter, value in zip(oracle, line.split("\t"), strict=False):
            counter.update(each for each in value.split(",") if each)

    ours = [collections.Counter() for _ in wanted]
    certificates = 0
    for table in tables(path, "tcp"):
        for kind, fields in told(table[table["protocol"] == "tls"], "kind", "fields"):
            certificates += kind == "certificate"
            for counter, key in zip(ours, ("ja3", "ja3s", "server_name"), strict=True):
                counter.update([fields[key]] if fields.get(key) else [])

    assert ours == oracle
    assert sum(ours[0].values()) > 0
    assert certificates > 0 or "tls13" in capture or "socks" in capture


def tables(path, proto):
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(path))
    for number, rows in packets[(packets["proto"] == proto).fillna(False)].groupby("session", observed=True):
        if (rows["payload"].fillna(0) > 0).any():
            yield decoded(nsm.transcripts.transcript(rows, session=sessions[sessions["session"] == number].iloc[0]))


def test_ja4_is_that_of_ndpi(shared):
    # nfstream 6.6's client_fingerprint of these captures
    said_by_ndpi = {
        "ndpi/tests/cfgs/default/pcap/http_ipv6.pcap": "t12d1612h1_94fc43e2fc61_c9eaec7dbab4",
        "zeek/testing/btest/Traces/smtp.pcap": "t12d370500_07a749158664_d075105c1994",
        "zeek/testing/btest/Traces/tls/tls13draft23-chrome67.0.3368.0-canary.pcap": "t00d1616h2_46e7e9700bed_420f9a5d0665",
    }
    for capture, wanted in said_by_ndpi.items():
        found = {
            fields["ja4"]
            for table in tables(shared / "corpus/captures" / capture, "tcp")
            for fields in table["fields"]
            if fields.get("ja4")
        }
        assert found == {wanted}


def test_tls_of_the_bundled_case_is_named(bundled):
    case = nsm.open_case(bundled)
    rows = case.sessions[(case.sessions["dst_port"] == 443) & (case.sessions["dst_payload"] > 0)]

    table = decoded(case.transcript(int(rows["session"].iloc[0])))

    hello = table[table["kind"] == "client hello"].iloc[0]
    assert hello["fields"]["server_name"] == "secure.example"
    assert hello["fields"]["ja4"] == "t13d3013h2_1d37bd780c83_8537cf56674e"
    assert "TLS 1.3" in table.loc[table["kind"] == "server hello", "text"].iloc[0]


def test_grease_counts_in_no_fingerprint():
    plain = fingerprints.Hello(0x0303, [0x1301], [0, 10, 16], [29], [0], [0x0304], [0x0403], [b"h2"], b"x")
    greased = plain._replace(
        ciphers=[0x0A0A, 0x1301], extensions=[0x1A1A, 0, 10, 16], groups=[0xFAFA, 29], versions=[0x2A2A, 0x0304]
    )  # fmt: skip

    assert fingerprints.ja3(plain) == fingerprints.ja3(greased)
    assert fingerprints.ja4(plain) == fingerprints.ja4(greased)
    assert fingerprints.ja4(plain).startswith("t13d0103h2_")
    assert fingerprints.ja4(plain._replace(alpn=[b"\x00\xff"])).startswith("t13d01030f_")


def certificate():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evil.example\u202egpj")])
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key()).serial_number(255)
        .not_valid_before(datetime.datetime(2026, 1, 1)).not_valid_after(datetime.datetime(2026, 12, 31))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("b.example")]), critical=False)
    )  # fmt: skip
    from cryptography.hazmat.primitives.serialization import Encoding

    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_certificates_come_with_subject_and_validity_in_records_of_any_size():
    der = certificate()
    chain = (len(der) + 3).to_bytes(3, "big") + len(der).to_bytes(3, "big") + der
    message = b"\x0b" + len(chain).to_bytes(3, "big") + chain
    hello = b"\x02\0\0\x26\x03\x03" + bytes(32) + b"\0\xc0\x2f\0"
    split = [hello + message[:100], message[100:101], message[101:]]
    data = b"".join(b"\x16\x03\x03" + len(each).to_bytes(2, "big") + each for each in split)

    table = decoded(said(("src", b"\x15\x03\x01\0\2\1\0"), ("dst", data), port=4433))

    found = table[table["kind"] == "certificate"].iloc[0]
    assert found["text"] == "CN=evil.example\\u202egpj, valid 2026-01-01 to 2026-12-31, signed by itself"
    assert (found["fields"]["names"], found["fields"]["serial"]) == (["a.example", "b.example"], "ff")
    assert described(b"no certificate")[0].startswith("a certificate of 14 bytes that can't be read")


def test_tls_hellos_that_are_cut_give_what_stands_before():
    for size in range(80):
        tls.hello(bytes(range(80))[:size], server=size % 2 == 0)


# --- SMB, NTLM, Kerberos


def test_smb2_tells_shares_files_listings_and_who_logged_on(bundled):
    case = nsm.open_case(bundled)
    rows = case.sessions[
        (case.sessions["dst_port"] == 445) & (case.sessions["src_ip"].astype(str) == "172.16.10.80")
        & (case.sessions["dst_payload"] > 0)
    ]  # fmt: skip
    found = {number: decoded(case.transcript(number)) for number in rows["session"]}
    (listing,) = (table for table in found.values() if (table["kind"] == "listing").any())
    first, second = (
        {entry["name"]: entry.get("size") for entry in fields["entries"] if entry["name"].strip(".")}
        for fields in listing.loc[listing["kind"] == "listing", "fields"]
        if fields.get("entries")
    )

    assert {"payroll-2003.csv": 298_648, "q4-forecast.txt": 6_119}.items() <= first.items()
    assert second == {"dir_D.txt": 342}
    assert "\\\\10.10.20.5\\finance\\inventory\\dir_D.txt: 342 bytes at 0" in listing["text"].tolist()
    assert listing.loc[listing["kind"] == "read", "frame"].tolist() == [3620]
    (log_on,) = listing.loc[listing["kind"] == "authenticate", "fields"]
    assert log_on == {"domain": "WORKGROUP", "user": "www-data", "workstation": "WWW"}


@pytest.mark.slow
def test_smb1_is_taken_apart_by_tshark_on_the_streams_as_they_are_shown(bundled, tshark):
    case = nsm.open_case(bundled)
    rows = case.sessions[(case.sessions["dst_port"] == 445) & (case.sessions["src_ip"].astype(str) == "172.16.10.80")]
    found = [decoded(case.transcript(number)) for number in rows["session"]]
    (table,) = (each for each in found if each.attrs["protocol"] == "smb1")

    shares = [fields["shares"] for fields in table["fields"] if "shares" in fields]
    assert shares == [["finance", "public", "IPC$"]]
    assert "tree connect: path \\\\10.10.20.5\\IPC$" in table["text"].tolist()
    assert table["frame"].is_monotonic_increasing


def test_smb1_without_tshark_is_a_sentence(monkeypatch):
    def missing(*_, **__):
        raise MissingTool("not here")

    monkeypatch.setattr(smb1, "chosen_fields", missing)
    table = decoded(said(("src", b"\0\0\0\x23\xffSMB" + bytes(31)), port=445))

    assert len(table) == 0
    assert "taken apart by tshark, which is not here: install it" in caveats_of(table)[0].detail


def smb(command, number, body, *, response=False, tree=1, status=0):
    head = (
        b"\xfeSMB"
        + struct.pack("<HHIHHIIQIIQ", 64, 0, status, command, 1, int(response), 0, number, 0, tree, 1)
        + bytes(16)
    )
    return len(head + body).to_bytes(4, "big") + head + body


def test_smb2_reads_and_writes_are_parts_of_files_with_what_is_missing():
    path = "\\\\h\\s".encode("utf-16-le")
    file = "a\\b.txt".encode("utf-16-le")
    handle = b"F" * 16
    create = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 120, len(file), 0, 0) + file
    created = struct.pack("<HBBIQQQQQQII", 89, 0, 0, 1, 0, 0, 0, 0, 0, 100, 0, 0) + handle + bytes(8)
    read = struct.pack("<HBBIQ", 49, 0, 0, 10, 50) + handle + bytes(17)
    got = struct.pack("<HBBIII", 17, 80, 0, 10, 0, 0) + b"0123456789"
    write = struct.pack("<HHIQ", 49, 112, 5, 7) + handle + bytes(16) + b"hello"
    transcript = said(
        ("src", smb(3, 1, struct.pack("<HHHH", 9, 0, 72, len(path)) + path)),
        ("dst", smb(3, 1, b"\x10\0\1\0" + bytes(12), response=True)),
        ("src", smb(5, 2, create)), ("dst", smb(5, 2, created, response=True)),
        ("src", smb(8, 3, read)), ("dst", smb(8, 3, got, response=True)),
        ("src", smb(9, 4, write)), ("dst", smb(9, 4, struct.pack("<HHIII", 17, 0, 5, 0, 0), response=True)), port=445,
    )  # fmt: skip

    (opened,) = smb2.files(Talk(transcript))

    assert (opened.share, opened.name, opened.size) == ("\\\\h\\s", "a\\b.txt", 100)
    assert [(part.offset, part.stream.data[part.start : part.end]) for part in opened.read] == [(50, b"0123456789")]
    assert [(part.offset, part.stream.data[part.start : part.end]) for part in opened.written] == [(7, b"hello")]
    table = nsm.transcripts.objects(transcript)
    assert told(table, "side", "name", "size", "complete", "gaps") == [
        ("dst", "b.txt", 10, False, 90), ("src", "b.txt", 5, False, 7),
    ]  # fmt: skip


def test_ntlm_is_found_in_base64_as_well():
    challenge = b"NTLMSSP\0\2\0\0\0" + struct.pack("<HHII", 8, 8, 48, 1) + bytes(16) + struct.pack("<HHI", 0, 0, 56)
    message = challenge + "CORP".encode("utf-16-le")
    text = base64.b64encode(message)

    table = decoded(said(
        ("src", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("dst", b"HTTP/1.1 401 no\r\nWWW-Authenticate: NTLM " + text + b"\r\nContent-Length: 0\r\n\r\n"),
    ))  # fmt: skip

    assert told(table[table["protocol"] == "ntlm"], "side", "kind", "text") == [("dst", "challenge", "target CORP")]
    assert ntlm.names(message[:20]) == {}


def der(tag, *parts):
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + size + body


def principal(tag, *parts):
    return der(tag, der(0x30, der(0xA0, der(2, b"\1")), der(0xA1, der(0x30, *(der(0x1B, each) for each in parts)))))


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_kerberos_says_who_asks_for_what(proto):
    body = der(
        0x30, der(0xA0, der(3, b"\0\0\0\0\0")), principal(0xA1, b"alice"), der(0xA2, der(0x1B, b"CORP.EXAMPLE")),
        principal(0xA3, b"krbtgt", b"CORP.EXAMPLE"), der(0xA8, der(0x30, der(2, b"\x17"), der(2, b"\x12"))),
    )  # fmt: skip
    request = der(0x6A, der(0x30, der(0xA1, der(2, b"\5")), der(0xA2, der(2, b"\x0a")), der(0xA4, body)))
    refusal = der(
        0x7E, der(0x30, der(0xA6, der(2, b"\x18")), der(0xA9, der(0x1B, b"CORP.EXAMPLE")), principal(0xAA, b"krbtgt"))
    )
    framed = [len(each).to_bytes(4, "big") + each if proto == "tcp" else each for each in (request, refusal)]

    table = decoded(said(("src", framed[0]), ("dst", framed[1]), port=88, proto=proto))

    assert told(table, "kind", "text") == [
        ("AS-REQ", "alice@CORP.EXAMPLE for krbtgt/CORP.EXAMPLE"), ("KRB-ERROR", "for krbtgt pre-authentication failed"),
    ]  # fmt: skip
    assert table["fields"].iloc[0]["etypes"] == ["rc4-hmac", "aes256"]


# --- TFTP, SOCKS


def test_tftp_requests_are_told():
    table = decoded(said(("src", b"\0\1../../etc/passwd\0octet\0blksize\x001024\0"), port=69, proto="udp"))

    assert told(table, "kind", "text") == [("read request", "read request b'../../etc/passwd'")]


def test_what_goes_through_socks_is_decoded():
    table = decoded(said(
        ("src", b"\5\1\2"), ("dst", b"\5\2"), ("src", b"\1\3eve\2pw"), ("dst", b"\1\0"),
        ("src", b"\5\1\0\3\x09a.example\0\x50"), ("dst", b"\5\0\0\1\0\0\0\0\0\0"),
        ("src", b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"), ("dst", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        port=9999,
    ))  # fmt: skip

    assert told(table, "protocol", "kind", "text")[3:] == [
        ("socks", "request", "connect to a.example port 80"), ("socks", "answer", "granted"),
        ("http", "request", "GET /x HTTP/1.1"), ("http", "response", "HTTP/1.1 200 OK"),
    ]  # fmt: skip


def test_what_connect_opens_is_decoded_and_no_more_requests_of_http():
    hello = bytes.fromhex("16030100 2f 0100002b 0303" + "00" * 32 + "00 0002 1301 0100".replace(" ", "") + "0000")
    table = decoded(said(
        ("src", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("dst", b"HTTP/1.1 200 Connection established\r\n\r\n"), ("src", hello),
        ("dst", b"\x15\x03\x03\0\2\2\x28"), port=3128,
    ))  # fmt: skip

    assert told(table, "protocol", "kind") == [
        ("http", "request"), ("http", "response"), ("tls", "client hello"), ("tls", "alert"),
    ]  # fmt: skip
