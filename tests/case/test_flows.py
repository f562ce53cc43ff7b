"""A case of flow records: paired, over all files of a format, and only where no capture tells better."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest

import nsm_nb as nsm
from nsm_nb.case.recorded import timeless
from nsm_nb.formats.lines import Fingerprint
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


@pytest.fixture
def listing(tmp_path, truth):
    """Put what a program printed of the bundled evidence into a file, its lines from `start` to `end`."""

    def made(name, start=0, end=None):
        text = gzip.decompress((truth / f"{name}.gz").read_bytes())
        lines = text.splitlines(keepends=True)
        place = tmp_path / "listings" / (name if end is None else f"{start}-{end}-{name}")
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"".join([lines[0], *lines[1 + start : None if end is None else 1 + end]]))
        return place

    return made


def test_records_of_argus_are_sessions_also_where_one_runs_on_in_the_next_file(tmp_path, listing):
    whole = nsm.create_case(tmp_path / "whole", evidence=[listing("ra.csv")]).sessions
    parts = [listing("ra.csv", 0, 900), listing("ra.csv", 900, 1742)]
    cut = nsm.create_case(tmp_path / "cut", evidence=parts).sessions

    for proto, many in (("tcp", 652), ("udp", 761)):
        assert (whole["proto"] == proto).sum() == many  # as many as the packets make
    shell = whole[(whole["dst_port"] == 31337).to_numpy(bool, na_value=False)]
    assert (shell["src_packets"].tolist(), shell["dst_packets"].tolist(), shell["state"].tolist()) == (
        [45],
        [35],
        ["FIN"],
    )
    assert cut["src_packets"].sum() == whole["src_packets"].sum()
    assert len(whole) <= len(cut) <= len(whole) + 10  # no sensor is named: what each file tells is its own


def test_of_listings_beside_a_capture_those_without_ends_are_known_and_those_without_times_told(
    tmp_path, evidence, listing
):
    case = nsm.create_case(
        tmp_path / "case", evidence=[evidence / "staged.pcap", listing("ra.txt"), listing("ft-print.txt")]
    )
    assert case.index().set_index("evidence").loc[["ra.txt", "ft-print.txt"], "rows"].tolist() == [1742, 2360]

    assert {*case.sessions["source"]} == {"pcap", "flow-print"}
    (said,) = (each for each in case.caveats["detail"] if "tell no time" in each)
    assert said.startswith("2,360 records of ft-print.txt tell no time; 2,3")
    assert "have the ends of sessions that captures hold and may be these" in said


def test_of_records_without_a_time_those_are_counted_whose_ends_captures_hold():
    records = SESSIONS.empty().reindex(range(3)).assign(community_id=["1:a", "1:b", None])

    (caveat,) = timeless("x", records, {"1:a", "1:c"})
    assert caveat.detail.startswith("3 records of x tell no time; 1 has the ends of a session that captures hold")
    assert timeless("x", records, {"1:c"}) == timeless("x", records.head(0), {"1:a"}) == []


def test_timeouts_of_case_toml_hold_for_flow_records(tmp_path, evidence):
    case = nsm.create_case(tmp_path / "case", evidence=[evidence / "nfcapd/softflowd-v9.nfcapd"])
    before = len(case.sessions)
    (case.path / "case.toml").write_text((case.path / "case.toml").read_text() + "\n[idle]\nudp = 0.001\n")

    shorter = nsm.open_case(case.path).sessions
    flows = nsm.read_sessions(evidence / "nfcapd/softflowd-v9.nfcapd")
    assert len(shorter) == len(nsm.sessions.pair(flows, idle={"udp": 0.001})) > before


def test_no_file_is_hashed_twice(case_of, monkeypatch):
    def again(self):
        raise AssertionError(f"{self._path} is hashed by its reader, too")

    monkeypatch.setattr(Fingerprint, "_compute", again)
    case = case_of("nfcapd", "flow-tools", "argus", "suricata", "snort2", "netflow-export.pcap")

    assert case.index()["rows"].notna().sum() == 11
    assert len(case.sessions) and len(case.alerts)
    named = case.alerts["alert"].str.partition(":")[0]
    hashes = case.evidence.set_index("evidence")["sha256"].str[:12]
    assert (named == case.alerts["evidence"].astype("str").map(hashes)).all()
    assert np.isin(case.sessions["evidence"].astype("str"), case.evidence["evidence"]).all()
