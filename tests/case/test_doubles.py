"""The same packets in several captures: each session counts once, from the capture that holds most of it."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.case.doubles import doubled, fullest
from tests import writing


def sessions(*rows):
    table = pd.DataFrame(rows, columns=["session", "src_ip", "src_port"])
    return table.assign(proto="tcp", dst_ip="10.0.0.2", dst_port=80)


def test_sessions_are_doubled_where_number_and_endpoints_are_the_same():
    one = sessions((1, "10.0.0.1", 5), (2, "10.0.0.1", 6), (3, "10.0.0.1", 7))
    other = sessions((2, "10.0.0.1", 6), (3, "192.0.2.7", 7), (4, "10.0.0.1", 8))

    assert doubled({"a": one, "b": other}) == {2}  # 3 only has the number of another
    assert doubled({"a": one}) == doubled({}) == set()


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
        "1 sessions are in a-headers.pcap and b-whole.pcap; each counts once, from the capture that holds most of its bytes; "
        "the packets are those of each capture"
    ) in case.caveats["detail"].tolist()
    assert len(case.packets) == 24  # all frames that there are
