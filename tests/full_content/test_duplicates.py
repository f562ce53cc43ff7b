"""Frames that a mirror port copied twice are told with their number; what only looks alike is not."""

from __future__ import annotations

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.full_content import duplicates, faults
from nsm_nb.schema import caveats_of
from tests import writing

SECOND = 1_000_000_000
MS = 1_000_000


def read(path, frames):
    path.write_bytes(writing.pcap(frames))
    return nsm.read_packets(path)


def doubled(frames, *, late=20_000):
    return [each for time, frame in frames for each in ((time, frame), (time + late, frame))]


def test_each_second_copy_is_a_duplicate(tmp_path):
    packets = read(tmp_path / "x.pcap", doubled(writing.conversation()))

    assert duplicates(packets).tolist() == [False, True] * 8
    (told,) = [each for each in faults(packets, tmp_path / "x.pcap") if each.kind == "duplicates"]
    assert "8 of 16 frames (50 %) are there twice within 5 ms" in told.detail
    assert "first is frame 2; all were compared byte for byte" in told.detail


def test_a_copy_that_comes_later_than_a_moment_or_differs_in_a_byte_is_none(tmp_path):
    frames = writing.conversation()
    late = read(tmp_path / "late.pcap", doubled(frames[:1], late=6 * MS))
    other = [
        (time, frame[:-1] + bytes([frame[-1] ^ 1])) if place % 2 else (time, frame)
        for place, (time, frame) in enumerate(doubled(frames[3:5]))
    ]
    other = read(tmp_path / "other.pcap", other)

    assert not duplicates(late).any()
    assert duplicates(late, within=pd.Timedelta("10ms")).tolist() == [False, True]
    assert not duplicates(other).any()
    assert not [each for each in faults(other, tmp_path / "other.pcap") if each.kind == "duplicates"]


def test_of_three_copies_two_are_duplicates_also_without_ip(tmp_path):
    arp = writing.ethernet(bytes.fromhex("0001080006040001") + bytes(20), ethertype=0x0806)

    assert duplicates(read(tmp_path / "x.pcap", [(SECOND, arp)] * 3)).tolist() == [False, True, True]


def test_of_many_a_sample_is_compared_and_the_number_is_an_estimate(tmp_path):
    datagrams = (writing.udp(place.to_bytes(8, "big"), 5, 6) for place in range(3000))
    frames = [
        (SECOND + place * MS, writing.ethernet(writing.ip(each, "10.0.0.1", "10.0.0.2", 17, number=place)))
        for place, each in enumerate(datagrams)
    ]
    packets = read(tmp_path / "x.pcap", doubled(frames))

    (told,) = [each for each in faults(packets, tmp_path / "x.pcap") if each.kind == "duplicates"]

    assert "3,000 of 6,000 frames (50 %)" in told.detail
    assert "estimated from 1,000 that were compared byte for byte" in told.detail


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_a_case_says_so_of_its_captures(tmp_path, kind):
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "span.pcap").write_bytes(
        writing.packed(writing.pcap(doubled(writing.conversation())), kind)
    )

    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "evidence"])

    assert any("8 of 16 frames (50 %) are there twice" in each for each in case.caveats["detail"])
    assert len(case.packets) == 16


def test_the_bundled_case_has_neither(evidence):
    packets = nsm.read_packets(evidence / "staged.pcap")

    assert faults(packets, evidence / "staged.pcap") == []


def test_evidence_that_is_gone_is_no_reason_to_fall_over(tmp_path):
    packets = read(tmp_path / "x.pcap", writing.conversation())
    (tmp_path / "x.pcap").unlink()

    assert faults(packets, tmp_path / "x.pcap") == []


def test_the_hostile_duplicates_are_counted(shared):
    path = shared / "hostile" / "synthetic" / "e02_dups.pcap"
    packets = nsm.read_packets(path)

    assert caveats_of(packets) == []
    assert any("11 of 22 frames (50 %)" in each.detail for each in faults(packets, path))
