"""Files that sessions carried: found, named as claimed, hashed, and written only on request and only under their hash."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import struct
import subprocess
import sys
import zipfile
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.transcripts import carried, objects, write_objects, zip_objects
from nsm_nb.transcripts.objects import kind_of
from nsm_nb.transcripts.objects.multipart import parts
from nsm_nb.transcripts.objects.writing import _member
from tests.transcripts.speaking import said, told

GET = b"GET /files/a.bin?x=1 HTTP/1.1\r\nHost: h.example\r\n\r\n"
BODY = bytes(range(256)) * 10


def sha(data):
    return hashlib.sha256(data).hexdigest()


def ok(body, *headers, status=b"200 OK"):
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", b""]
    return b"\r\n".join(lines) + body


# --- HTTP


def test_http_bodies_of_both_sides_are_objects_with_name_path_and_hashes():
    post = b"POST /up.php HTTP/1.1\r\nHost: h.example\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nloot"
    table = objects(
        said(("src", GET), ("dst", ok(BODY, b"Content-Type: image/png")), ("src", post), ("dst", ok(b"done")))
    )

    assert told(table, "side", "name", "path", "claimed_type", "type", "size", "complete", "gaps") == [
        ("dst", "a.bin", "http://h.example/files/a.bin?x=1", "image/png", "application/octet-stream", 2560, True, 0),
        ("src", "up.php", "http://h.example/up.php", "text/plain", "text/plain", 4, True, 0),
        ("dst", "up.php", "http://h.example/up.php", "", "text/plain", 4, True, 0),
    ]  # fmt: skip
    assert table["sha256"].tolist() == [sha(BODY), sha(b"loot"), sha(b"done")]
    assert table["md5"].iloc[0] == hashlib.md5(BODY).hexdigest()
    assert table["frame"].tolist() == [5, 7, 8]
    assert table["last_frame"].iloc[0] == 6
    assert table["session"].notna().all()


def test_a_gap_makes_an_object_partial_and_is_counted():
    answer = ok(BODY)
    table = objects(
        said(("src", GET), ("dst", answer[:1400]), ("dst", answer[1400:2000], False), ("dst", answer[2000:]))
    )

    assert told(table, "complete", "gaps", "size") == [(False, 600, 1960)]
    assert "a gap of 600 bytes lies in it" in table["note"].iloc[0]


def test_files_in_a_form_come_out_byte_for_byte():
    form = (
        b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; "
        b"filename=\"../../evil.php\"\r\nContent-Type: image/gif\r\n\r\n" + BODY + b"\r\n--x--\r\n"
    )  # fmt: skip
    post = (
        b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n"
        % len(form)
    )

    table = objects(said(("src", post + form), ("dst", ok(b""))))

    assert told(table, "name", "claimed_type", "size") == [
        ("up", "multipart/form-data; boundary=x", len(form)), ("../../evil.php", "image/gif", len(BODY)),
    ]  # fmt: skip
    assert table["sha256"].iloc[1] == sha(BODY)


@given(contents=st.lists(st.binary(max_size=60).filter(lambda data: b"--mark" not in data), max_size=5))
def test_any_parts_of_a_form_come_back(contents):
    body = b"".join(b"--mark\r\nA: b\r\n\r\n" + each + b"\r\n" for each in contents) + b"--mark--\r\n"

    assert [each.data for each in parts(body, 'multipart/mixed; boundary="mark"')] == contents


def test_ranges_of_one_file_are_put_together():
    def part(start, end):
        return ok(
            BODY[start:end], b"Content-Range: bytes %d-%d/%d" % (start, end - 1, len(BODY)), status=b"206 Partial"
        )

    table = objects(said(("src", GET), ("dst", part(1000, 2560)), ("src", GET), ("dst", part(0, 1200))))

    assert told(table, "size", "complete") == [(1560, False), (1200, False), (2560, True)]
    assert table["sha256"].iloc[2] == sha(BODY)
    assert table["note"].tolist() == [
        "bytes 1000 to 2559 of 2560",
        "bytes 0 to 1199 of 2560",
        "put together of 2 ranges",
    ]


@pytest.mark.slow
def test_http_bodies_are_those_that_tshark_exports(shared, tshark, tmp_path):
    """What differs is told in docs/differences.md: bodies of no bytes, and segments behind a gap or without a head."""
    arkime, zeek = "arkime/tests/pcap/", "zeek/testing/btest/Traces/"
    captures = [
        arkime + "http-content-gzip.pcap", "chrissanders/aurora.pcapng", "chrissanders/ek_to_cryptowall4.pcapng",
        "chrissanders/sessionhijacking.pcapng", "malcolm-artifacts/pcap/plugins/cve-2021-44228/log4j-webapp.pcap",
        "suricata-verify/tests/http-gap-simple/input.pcap", zeek + "http/100-continue.pcap", zeek + "http/bro.org.pcap",
        zeek + "http/get-gzip.pcap", zeek + "http/multipart.pcap", zeek + "http/pipelined-requests.pcap",
        zeek + "tcp/missing-syn.pcap",
    ]  # fmt: skip
    same = 0
    for number, capture in enumerate(captures):
        path, folder = shared / "corpus/captures" / capture, tmp_path / str(number)
        export = ["--export-objects", f"http,{folder}"]
        subprocess.run([tshark, "-n", "-q", "-r", path, *export], check=True, capture_output=True)
        wanted = Counter(sha(data) for each in folder.iterdir() if (data := each.read_bytes()))
        found = [each for each in of_capture(path) if not each.note.startswith("part of a form")]
        ours = Counter(each.sha256 for each in found)

        assert not wanted - ours, capture
        assert not [each for each in found if each.sha256 in ours - wanted and each.complete], capture
        same += wanted.total()
    assert same == 76


def of_capture(path):
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(path))
    for number, rows in packets[(packets["proto"] == "tcp").fillna(False)].groupby("session", observed=True):
        if (rows["payload"].fillna(0) > 0).any():
            yield from carried(
                nsm.transcripts.transcript(rows, session=sessions[sessions["session"] == number].iloc[0])
            )


def test_files_of_smb_are_those_that_tshark_exports(shared):
    smb = shared / "corpus/captures/zeek/testing/btest/Traces/smb"
    # tshark 4.0.17 --export-objects smb; it gives the bytes of a pipe as a file too, \srvsvc
    assert [(each.name, each.sha256, each.complete) for each in of_capture(smb / "smb1.pcap")] == [
        ("2009-12 Payroll.xlsx", "ccec011226c8513d3c3e9f821fe91bbf4f6de391ca8b3ef770a80427275644bf", True)
    ]
    assert [(each.name, each.sha256, each.side) for each in of_capture(smb / "smb2.pcap")] == [
        ("WP_SMBPlugin.pdf", "bfd6c1e37163061efa56555df55911dcab8a5bbb332c47e4ebac3ac11e6f6c5c", "src")
    ]


# --- mail


def test_mail_and_the_files_in_it_are_objects():
    mail = (
        b"Subject: bill\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; "
        b"filename*=utf-8''bill%E2%80%AEfdp.exe\r\n\r\n"
        + base64.encodebytes(b"MZ" + BODY).replace(b"\n", b"\r\n") + b"--b--\r\n"
    )  # fmt: skip
    table = objects(said(
        ("dst", b"220 mx ESMTP\r\n"), ("src", b"EHLO h\r\nDATA\r\n"), ("dst", b"250 ok\r\n354 go\r\n"),
        ("src", mail + b".\r\n"), port=25,
    ))  # fmt: skip

    assert told(table, "protocol", "name", "path", "claimed_type", "type", "size") == [
        ("smtp", "", "message bill", "message/rfc822", "text/plain", len(mail)),
        ("smtp", "bill\\u202efdp.exe", "message bill", "application/pdf", "application/x-dosexec", 2562),
    ]  # fmt: skip
    assert table["sha256"].iloc[1] == sha(b"MZ" + BODY)


def test_a_message_of_a_thousand_layers_is_still_an_object():
    layers = b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (each, each) for each in range(1_000)
    )
    steps = (("src", b"EHLO h\r\nDATA\r\n"), ("dst", b"250 ok\r\n354 go\r\n"), ("src", layers + b"\r\n.\r\n"))
    table = objects(said(*steps, port=25))

    assert told(table, "size", "claimed_type")[:1] == [(len(layers) + 2, "message/rfc822")]


# --- what it is


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ""), (b"hello\n", "text/plain"), (b"\x89PNG\r\n\x1a\n" + bytes(20), "image/png"),
        (b"MZ" + bytes(90), "application/x-dosexec"),
        (b"%PDF-1.7\n", "application/pdf"), (b"  <!-- x --><HTML>", "text/html"), (b'{"a": [1, 2]}', "application/json"),
        (b"#!/bin/sh\nid\n", "text/x-shellscript"), (b"#!/usr/bin/env python3\n", "text/x-python"),
        (b"<?xml version='1'?><svg >", "image/svg+xml"),
        (b"\x1f\x8b\x08\0", "application/gzip"), (b"PK\x03\x04", "application/zip"),
        (b"\0\1\2\3" * 9, "application/octet-stream"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"), (b"{not json", "text/plain"), (b"[" * 100_000, "text/plain"),
    ],
)  # fmt: skip
def test_the_type_is_told_by_the_bytes(data, kind):
    assert kind_of(data) == kind


@given(st.binary(max_size=300))
def test_any_bytes_have_a_type(data):
    assert re.fullmatch(r"(?:[a-z]+/[A-Za-z0-9.+-]+)?", kind_of(data))


# --- writing


def test_objects_are_written_under_their_hash_for_their_owner_alone(tmp_path):
    transcript = said(("src", GET), ("dst", ok(BODY, b'Content-Disposition: attachment; filename="/etc/cron.d/x"')))

    table = write_objects(carried(transcript), tmp_path / "carved")

    (path,) = (tmp_path / "carved").iterdir()
    assert path.name == f"{sha(BODY)}.bin"
    assert path.read_bytes() == BODY
    assert path.stat().st_mode & 0o777 == 0o600
    assert told(table, "name", "file") == [("/etc/cron.d/x", str(path))]


@pytest.mark.parametrize("number", range(10))
def test_no_name_leads_out_of_the_folder(number, shared, tmp_path):
    place = tmp_path / "in" / "carved"
    table = write_objects(of_capture(shared / f"hostile/synthetic/a05_{number}_traversal.pcap"), place)

    written = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert written == [place / f"{digest}.bin" for digest in table["sha256"]]
    assert len(written) == 1
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", table["name"].iloc[0])


def test_a_link_in_the_place_of_a_file_is_replaced_and_a_link_for_a_folder_refused(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "carved").mkdir()
    (tmp_path / "carved" / f"{sha(BODY)}.bin").symlink_to(victim)
    (tmp_path / "link").symlink_to(tmp_path / "carved", target_is_directory=True)
    found = list(carried(said(("src", GET), ("dst", ok(BODY)))))

    write_objects(found, tmp_path / "carved")

    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "carved" / f"{sha(BODY)}.bin").is_symlink()
    with pytest.raises(NsmError, match="is a link to elsewhere"):
        write_objects(found, tmp_path / "link")


def test_an_object_that_is_too_large_is_listed_and_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["nsm_nb.transcripts.objects.writing"], "LARGEST", len(BODY) - 1)
    found = list(carried(said(("src", GET), ("dst", ok(BODY)), ("src", GET), ("dst", ok(b"small")))))

    table = write_objects(found, tmp_path)

    assert table["file"].isna().tolist() == [True, False]
    assert len(list(tmp_path.iterdir())) == 1
    assert zip_objects(found, tmp_path / "z" / "o.zip")["file"].isna().tolist() == [True, False]


def test_a_zip_is_opened_with_infected_by_pythons_zipfile_and_by_unzip(tmp_path):
    steps = [each for body in (BODY, b"small", BODY) for each in (("src", GET), ("dst", ok(body)))]
    found = list(carried(said(*steps)))

    table = zip_objects(found, tmp_path / "o.zip")

    assert (tmp_path / "o.zip").stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(tmp_path / "o.zip") as archive:
        assert sorted(archive.namelist()) == sorted({*table["file"], "objects.json"})
        assert archive.read(f"{sha(BODY)}.bin", pwd=b"infected") == BODY
        assert archive.read(f"{sha(b'small')}.bin", pwd=b"infected") == b"small"
        rows = json.loads(archive.read("objects.json", pwd=b"infected"))
        with pytest.raises(RuntimeError, match="password"):
            archive.read("objects.json")
    assert [row["sha256"] for row in rows] == table["sha256"].tolist()
    assert BODY not in (tmp_path / "o.zip").read_bytes()


@given(st.lists(st.binary(max_size=2_000), max_size=4))
def test_any_bytes_come_back_from_a_zip(contents):
    file = io.BytesIO()
    entries = [_member(file, f"{number}.bin", data) for number, data in enumerate(contents)]
    start = file.tell()
    file.write(b"".join(entries))
    size = file.tell() - start
    file.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(contents), len(contents), size, start, 0))

    with zipfile.ZipFile(file) as archive:
        assert [archive.read(f"{number}.bin", pwd=b"infected") for number in range(len(contents))] == contents


# --- hostile evidence


def test_a_bomb_is_an_object_that_says_where_it_was_stopped(shared):
    (bomb,) = of_capture(shared / "hostile/synthetic/a04_gzipbomb200M.pcap")
    (nested,) = of_capture(shared / "hostile/synthetic/a04b_gzip_nested.pcap")

    assert (len(bomb.data), bomb.complete) == (16 << 20, False)
    assert bomb.note == "gzip unpacked to 16,777,216 bytes and stopped there: it goes on"
    assert not nested.complete
    assert len(nested.data) <= 100 * 65_536


@pytest.mark.parametrize("name", ["a04c_chunk2pow64", "a04d_clen"])
def test_sizes_that_are_lies_are_no_sizes(name, shared):
    found = list(of_capture(shared / f"hostile/synthetic/{name}.pcap"))

    assert [each.complete for each in found] == [False] * len(found)


@pytest.mark.slow
def test_hostile_content_is_safe_in_tables_and_files(shared, tmp_path):
    active = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
    for path in sorted((shared / "hostile/synthetic").glob("a*.pcap")):
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(path))
        for number, rows in packets[packets["session"].notna()].groupby("session", observed=True):
            transcript = nsm.transcripts.transcript(rows, session=sessions[sessions["session"] == number].iloc[0])
            for table in (objects(transcript), nsm.transcripts.decoded(transcript)):
                texts = [str(value) for name in table for value in table[name] if name != "fields"]
                texts += [each for fields in table.get("fields", []) for each in leaves(fields)]
                assert not [each for each in texts if active.search(each.replace("\n", "").replace("\t", ""))], (
                    path.name
                )
                table.drop(columns="fields", errors="ignore").to_parquet(tmp_path / "x.parquet")
                json.dumps([dict(each) for each in table.get("fields", [])])


def leaves(value):
    if isinstance(value, dict):
        return [each for name, inner in value.items() for each in [name, *leaves(inner)]]
    return [each for inner in value for each in leaves(inner)] if isinstance(value, list) else [str(value)]
