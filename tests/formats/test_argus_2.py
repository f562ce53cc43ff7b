"""Files of Argus 2 are read as ra prints them; they are written here after the source of ra, which reads them."""

from __future__ import annotations

import gzip
import ipaddress
import shutil
import struct

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import argus, argus_2
from nsm_nb.schema import caveats_of

ETHERTYPE_IP = 0x800
START, STATUS = 1, 4


def management():
    body = struct.pack(">4I4B2H4I2Q", 1068742800, 0, 1068742800, 0, 2, 0, 1, 0, 60, 60, 0xE5617ACB, 0, 0, 0, 0, 0)
    return struct.pack(">2BH3I", 0x80, START, 128, 0, 0xE5617ACB, 0) + body.ljust(112, b"\0")


def flow(number, src, dst, proto, src_port, dst_port, counts, start=1068742804.02, end=1068742804.2):
    times = [part for each in (start, end) for part in (int(each), round(each % 1 * 1e6))]
    ends = [int(ipaddress.ip_address(each)) for each in (src, dst)]
    body = struct.pack(">BBHI4I", 1, 0, 0, number, *times) + struct.pack(
        ">2I2B3H", *ends, proto, 0, src_port, dst_port, 0
    )
    body += struct.pack(">2H4B", 0, 0, 64, 57, 0, 0) + struct.pack(">6I", *counts[:2], 76, *counts[2:], 104)
    body = body[:1] + bytes([len(body)]) + body[2:]
    return struct.pack(">2BH3I", 1, STATUS, 16 + len(body), ETHERTYPE_IP, 1, number) + body


FLOWS = [
    (1, "10.1.1.177", "216.182.1.1", 17, 1123, 53, (1, 82, 1, 96)),
    (2, "10.1.1.177", "216.239.37.99", 6, 2254, 80, (6, 404, 4, 328)),
    (3, "192.168.60.2", "172.27.20.3", 1, 0x0303, 5, (2, 140, 0, 0)),
]


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "old; touch x"
    path.write_bytes(management() + b"".join(flow(*each) for each in FLOWS))
    return path


@pytest.fixture
def ra():
    if shutil.which("ra") is None:
        pytest.skip("ra is not installed; it is what reads these files")


def test_sessions_are_those_that_ra_prints(ra, written):
    found = nsm.read_sessions(written, label="x")
    assert found["proto"].tolist() == ["udp", "tcp", "icmp"]
    assert found["src_ip"].tolist() == [each[1] for each in FLOWS]
    assert found["dst_ip"].tolist() == [each[2] for each in FLOWS]
    assert found["src_port"].tolist() == [1123, 2254, pd.NA]
    assert found["dst_port"].tolist() == [53, 80, pd.NA]
    for side, at in (("src", 0), ("dst", 2)):
        assert found[f"{side}_packets"].tolist() == [each[6][at] for each in FLOWS]
        # frames less Ethernet's header
        assert found[f"{side}_octets"].tolist() == [each[6][at + 1] - 14 * each[6][at] for each in FLOWS]
    assert found["start"].tolist() == [pd.Timestamp("2003-11-13 17:00:04.02", tz="UTC")] * 3
    assert found["duration"].tolist() == [0.18] * 3
    assert found["state"].tolist() == ["CON", "CON", "URP"]
    assert found["record"].tolist() == [1, 2, 3]
    assert set(found["source"]) == {"argus"}
    assert [each.kind for each in caveats_of(found)] == ["octets", "through"]


def test_a_packed_file_is_unpacked_first(ra, written, tmp_path):
    packed = tmp_path / "old.gz"
    packed.write_bytes(gzip.compress(written.read_bytes()))
    assert len(nsm.read_sessions(packed, label="x")) == 3
    packed.write_bytes(gzip.compress(written.read_bytes())[:-20])
    found = nsm.read_sessions(packed, label="x")
    assert any(each.kind == "cut" and "end early" in each.detail for each in caveats_of(found))


def test_a_file_that_ends_within_a_record_keeps_those_before(ra, written):
    written.write_bytes(written.read_bytes()[:-30])
    assert nsm.read_sessions(written, label="x")["proto"].tolist() == ["udp", "tcp"]


def test_without_ra_it_is_told_what_to_do(written, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DamagedEvidence, match=r"of Argus 2.* ra is not installed: install argus-clients"):
        nsm.read_sessions(written)


def test_it_is_known_by_its_first_record_alone():
    assert argus.recognises(management()[:12])
    for at in (0, 2, 3, 8, 9, 10, 11):
        head = bytearray(management())
        head[at] ^= 1
        assert not argus_2.recognises(bytes(head))
    assert not any(argus_2.recognises(management()[:size]) for size in range(12))
