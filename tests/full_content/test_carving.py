"""Carved captures: the frames as they were, in their order, and never over the evidence."""

from __future__ import annotations

import hashlib
import os
import struct

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import CaseError, NsmError
from nsm_nb.full_content import carve
from nsm_nb.full_content.carving import carving_order
from tests import writing


def rows(*each):
    table = pd.DataFrame(each, columns=["evidence", "frame", "time"])
    return table.assign(time=pd.to_datetime(table["time"], unit="s", utc=True).astype("datetime64[ns, UTC]"))


def order(*each):
    found = carving_order(rows(*each))
    return list(zip(found["evidence"], found["frame"], strict=True))


def test_frames_of_one_capture_stand_as_they_stood_whatever_its_clock_did():
    assert order(("a", 3, 900), ("a", 1, 1000), ("a", 2, None)) == [("a", 1), ("a", 2), ("a", 3)]


def test_frames_of_several_captures_are_in_the_order_of_time():
    found = order(("a", 1, 10), ("a", 2, 30), ("a", 3, 20), ("b", 1, None), ("b", 2, 25), ("b", 3, 40))

    assert found == [("b", 1), ("a", 1), ("b", 2), ("a", 2), ("a", 3), ("b", 3)]


@pytest.fixture
def case(tmp_path):
    frames = writing.conversation()
    frames[-1] = (900 * 10**9, frames[-1][1])  # the clock was set back
    (tmp_path / "case" / "evidence").mkdir(parents=True)
    (tmp_path / "case" / "case.toml").write_text('name = "x"\n')
    (tmp_path / "case" / "evidence" / "a.pcap").write_bytes(writing.pcap(frames))
    return nsm.open_case(tmp_path / "case")


def test_a_session_whose_clock_ran_backwards_is_carved_in_the_order_of_its_frames(case, tmp_path):
    path = case.carve(int(case.sessions["session"][0]), tmp_path / "carved.pcap")

    assert nsm.read_packets(path)["time"].tolist() == case.packets["time"].tolist()


def test_frames_without_a_time_keep_their_place_and_are_told(tmp_path, caplog):
    frames = [frame for _, frame in writing.conversation()]
    simple = [writing.block(3, struct.pack("<I", len(frame)) + frame) for frame in frames]
    whole = [simple[0], writing.enhanced(0, 1_068_742_800 * 10**6, frames[1]), *simple[2:]]
    (tmp_path / "a.pcapng").write_bytes(writing.section() + writing.interface() + b"".join(whole))
    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "a.pcapng"])

    path = case.carve(int(case.sessions["session"][0]), tmp_path / "carved.pcap")

    assert nsm.read_packets(path)["tcp_flags"].tolist() == case.packets["tcp_flags"].tolist()
    assert "7 frames have no time; they are written with 0, which is 1970" in caplog.text


def test_evidence_is_never_carved_over(case, tmp_path):
    evidence = case.paths["a.pcap"]
    before = hashlib.sha256(evidence.read_bytes()).hexdigest()
    (tmp_path / "link.pcap").symlink_to(evidence)
    number = int(case.sessions["session"][0])

    for target in (evidence, tmp_path / "link.pcap", evidence.parent / "new.pcap", evidence.parent / "x" / ".." / "n"):
        with pytest.raises(CaseError, match="among the evidence, which is never written to"):
            case.carve(number, target)
    with pytest.raises(NsmError, match="is evidence, which is never written to"):
        carve(nsm.read_packets(evidence), evidence)

    assert hashlib.sha256(evidence.read_bytes()).hexdigest() == before
    assert [path.name for path in evidence.parent.iterdir()] == ["a.pcap"]


def test_what_cannot_be_written_gets_a_sentence(case, tmp_path):
    number = int(case.sessions["session"][0])
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(NsmError, match="is no file that could be replaced"):
        case.carve(number, tmp_path / "pipe")
    with pytest.raises(NsmError, match="could not be written"):
        case.carve(number, "/proc/nowhere/x.pcap")
