"""The same packets in several captures: each session counts once, from the capture that holds most of it."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.case.doubles import doubled, fullest, retagged
from tests import writing


def sessions(*rows):
    table = pd.DataFrame(rows, columns=["session", "src_ip", "src_port"])
    return table.assign(proto="tcp", dst_ip="10.0.0.2", dst_port=80, vlan=pd.array([pd.NA] * len(table), "UInt16"))


def test_sessions_are_doubled_where_number_and_endpoints_are_the_same():
    one = sessions((1, "10.0.0.1", 5), (2, "10.0.0.1", 6), (3, "10.0.0.1", 7))
    other = sessions((2, "10.0.0.1", 6), (3, "192.0.2.7", 7), (4, "10.0.0.1", 8))

    assert doubled({"a": one, "b": other}) == {2}  # 3 only has the number of another
    assert doubled({"a": one}) == doubled({}) == set()


def test_a_number_that_collides_with_that_of_another_vlan_is_no_double():
    one, other = (sessions((1, "10.0.0.1", 5)).assign(vlan=pd.array([vlan], "UInt16")) for vlan in (7, 8))
    none, priority = (sessions((1, "10.0.0.1", 5)).assign(vlan=pd.array([vlan], "UInt16")) for vlan in (pd.NA, 0))

    assert doubled({"a": one, "b": other}) == doubled({"a": one, "b": none}) == set()
    assert doubled({"a": one, "b": other}, by_vlan=False) == {1}
    assert doubled({"a": none, "b": priority}) == {1}  # VLAN 0 is none


def test_the_capture_with_most_bytes_holds_a_session_and_the_first_of_equals():
    held = {"a": pd.Series({1: 10, 2: 30}), "b": pd.Series({1: 20, 2: 30}), "c": pd.Series({3: 1})}

    assert fullest(held).to_dict() == {1: "b", 2: "a", 3: "c"}
    assert len(fullest({})) == 0


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def made(folder):
    return nsm.create_case(folder.parent / "case", evidence=[folder])


def test_a_capture_and_its_gzip_are_one(folder):
    data = writing.pcap(writing.conversation())
    (folder / "a.pcap").write_bytes(data)
    (folder / "a.pcap.gz").write_bytes(gzip.compress(data))

    case = made(folder)

    assert (len(case.packets), len(case.sessions)) == (8, 1)
    assert case.caveats["detail"].tolist() == ["a.pcap.gz holds the same bytes as a.pcap; they count once"]


def test_a_session_is_read_from_the_capture_that_holds_most_of_it(folder):
    frames = [*writing.conversation(), *writing.conversation(sport=41_000)]
    (folder / "a-headers.pcap").write_bytes(
        writing.pcap([(time, frame[:54], len(frame)) for time, frame in frames], snaplen=54)
    )
    (folder / "b-whole.pcap").write_bytes(writing.pcap(frames[:8]))

    case = made(folder)
    (number,) = case.sessions.loc[case.sessions["src_port"] == 40_000, "session"]

    assert len(case.sessions) == 2
    assert case.session(number)["evidence"] == "b-whole.pcap"
    assert set(case.packets_of(number)["evidence"]) == {"b-whole.pcap"}
    assert case.transcript(number).data("src") == b"GET / HTTP/1.1\r\n\r\n"
    assert case.sessions["src_packets"].tolist() == [5, 5]
    assert (
        "1 session is in a-headers.pcap and b-whole.pcap; each counts once, from the capture that holds most of its bytes; "
        "the packets are those of each capture"
    ) in case.caveats["detail"].tolist()
    assert len(case.packets) == 24  # all frames that there are


def test_the_copy_of_a_mirror_port_that_tags_counts_once_where_the_analyst_says_so(folder):
    frames = writing.conversation()
    other = writing.conversation(sport=41_000)
    tagged = [(time, frame[:12] + b"\x81\x00\x00\x07" + frame[12:]) for time, frame in frames]
    (folder / "a.pcap").write_bytes(writing.pcap([*frames, *other]))
    (folder / "b.pcap").write_bytes(writing.pcap(tagged))

    case = made(folder)
    assert len(case.sessions) == 3  # another network may have the same addresses
    (said,) = case.caveats.query("kind == 'duplicates'")["detail"]
    assert said.startswith("1 session of a.pcap and b.pcap differs in nothing but its VLAN, and each counts")

    (case.path / "case.toml").write_text("by_vlan = false\n" + (case.path / "case.toml").read_text())
    once = nsm.open_case(case.path)
    assert len(once.sessions) == 2
    (said,) = once.caveats.query("kind == 'duplicates'")["detail"]
    assert said.startswith("1 session is in a.pcap and b.pcap; each counts once")


def test_only_the_same_start_in_another_capture_is_taken_for_a_copy_with_a_tag():
    def told(*rows):
        table = pd.DataFrame(rows, columns=["community_id", "start", "vlan"])
        return table.assign(vlan=table["vlan"].astype("UInt16"), start=pd.to_datetime(table["start"], utc=True))

    one = told(("1:a", "2003-11-13", 7), ("1:b", "2003-11-13", 7), ("1:c", "2003-11-13", 7), (None, "2003-11-13", 7))
    other = told(
        ("1:a", "2003-11-13", None), ("1:b", "2003-11-14", 8), ("1:c", "2003-11-13", 7), (None, "2003-11-13", 8)
    )

    assert retagged({"a": one, "b": other}) == (1, ["a", "b"])
    assert retagged({"a": told(("1:a", "2003-11-13", 7), ("1:a", "2003-11-13", 8)), "b": other.tail(1)}) == (0, [])
    assert retagged({"a": one}) == retagged({}) == (0, [])
