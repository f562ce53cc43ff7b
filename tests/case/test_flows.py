"""A case of flow records: paired, over all files of a format, and only where no capture tells better."""

from __future__ import annotations

import shutil

import pytest

import nsm_nb as nsm
from nsm_nb.schema import SESSIONS


@pytest.fixture
def case_of(tmp_path, evidence):
    def made(*names):
        return nsm.create_case(tmp_path / "case", evidence=[evidence / name for name in names])

    return made


def test_flow_records_of_a_case_are_conversations(case_of, evidence):
    found = case_of("nfcapd/softflowd-v9.nfcapd").sessions
    records = nsm.read_sessions(evidence / "nfcapd/softflowd-v9.nfcapd")

    assert list(found.columns) == list(SESSIONS.columns)
    assert 0.4 * len(records) < len(found) < 0.6 * len(records)
    assert found["src_octets"].sum() + found["dst_octets"].sum() == records["src_octets"].sum()
    assert {"FIN", "RST", "CON"} <= set(found["state"].dropna())
    assert found["community_id"].notna().sum() >= found["src_port"].notna().sum()


def test_one_conversation_told_by_several_exporters_is_one_session(case_of, staged):
    found = case_of("nfcapd/softflowd-v9.nfcapd", "flow-tools", "argus", "netflow-export.pcap").sessions
    tcp = found[found["proto"] == "tcp"]
    known, _ = nsm.sessions.assemble(staged)

    ends = ["src_ip", "src_port", "dst_ip", "dst_port"]
    shown = known.loc[known["proto"] == "tcp", "community_id"]
    assert set(tcp["community_id"]) >= set(shown)
    assert len(tcp) < 1.05 * len(shown)
    assert not tcp.duplicated([*ends, "start"]).any()


@pytest.fixture(scope="module")
def staged(evidence):
    return nsm.read_packets(evidence / "staged.pcap")


def test_with_the_capture_there_are_no_others(bundled):
    case = nsm.open_case(bundled)
    assert set(case.sessions["source"]) == {"pcap"}


def test_a_conversation_runs_on_from_one_file_to_the_next(tmp_path, evidence):
    """Files that a collector began anew every so often, here by a cut between datagrams of an export capture."""
    data = (evidence / "netflow-export.pcap").read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, frames = 24, []
    while at + 16 <= len(data):
        size = int.from_bytes(data[at + 8 : at + 12], "little" if order == "<" else "big")
        frames.append(data[at : at + 16 + size])
        at += 16 + size
    half = len(frames) // 2
    place = tmp_path / "from"
    place.mkdir()
    for name, some in (("a.1.pcap", frames[:half]), ("a.2.pcap", frames[half:])):
        (place / name).write_bytes(data[:24] + b"".join(some))
    whole = nsm.create_case(tmp_path / "whole", evidence=[evidence / "netflow-export.pcap"]).sessions
    cut = nsm.create_case(tmp_path / "cut", evidence=[place / "a.1.pcap", place / "a.2.pcap"]).sessions

    columns = ["start", "src_port", "dst_port", "src_octets", "dst_octets"]
    v5 = [table[table["sensor"].astype(str).str.contains("9995")] for table in (whole, cut)]
    a, b = (each.sort_values([*columns]).reset_index(drop=True)[columns] for each in v5)
    assert len(a) == len(b) > 1000
    assert a.equals(b)


def test_opening_it_again_gives_the_same(tmp_path, evidence):
    shutil.copy(evidence / "nfcapd/softflowd-v9.nfcapd", tmp_path / "x.nfcapd")
    first = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "x.nfcapd"]).sessions
    again = nsm.open_case(tmp_path / "case").sessions
    assert first.astype("str").equals(again.astype("str"))
