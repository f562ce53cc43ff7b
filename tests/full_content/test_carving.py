"""Carved captures: the frames as they were, in their order, and never over the evidence."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tracemalloc

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import CaseError, NsmError
from nsm_nb.full_content import carve, frame_bytes, matching
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


def options(path):
    """The comments of a capture's section and the descriptions of its interfaces, as capinfos tells them."""
    if shutil.which("capinfos") is None:
        pytest.skip("capinfos is not installed; it is the oracle of this test")
    done = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True)
    return [line.strip() for line in done.stdout.splitlines()]


def same(one, other):
    assert frame_bytes(one) == frame_bytes(other)
    for column in ("time", "length", "captured", "layers"):
        assert one[column].astype(object).tolist() == other[column].astype(object).tolist(), column


def two_links():
    """A pcapng of three interfaces, two of them of other link types, with nanoseconds and a frame cut short."""
    frame = writing.conversation()[0][1]
    named = writing.block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH4sHHBxxxHH", 2, 4, b"eth7", 9, 1, 9, 0, 0))
    start = 1_068_742_800 * 10**9
    return b"".join(
        [writing.section(), named, writing.interface(link=101, tsresol=9), writing.interface(link=228, tsresol=9),
         writing.enhanced(0, start + 123_456_789, frame), writing.enhanced(2, start + 1, frame[14:]),
         writing.enhanced(1, start + 7, frame[14:40], length=len(frame) - 14),
         writing.enhanced(0, start + 999_999_999, frame[:33], length=54)]
    )  # fmt: skip


@pytest.mark.parametrize("name", ["carved.pcap", "carved.pcapng"])
def test_what_is_carved_reads_back_as_it_was(evidence, tmp_path, name):
    packets = nsm.read_packets(evidence / "staged.pcap")
    chosen = packets[matching(packets, "udp or tcp port 445")]

    same(nsm.read_packets(carve(chosen, tmp_path / name)), chosen)


def test_frames_keep_their_interface_their_nanoseconds_and_their_cut(tmp_path):
    (tmp_path / "a.pcapng").write_bytes(two_links())
    packets = nsm.read_packets(tmp_path / "a.pcapng")

    path = carve(packets, tmp_path / "b.pcapng")

    same(nsm.read_packets(path), packets)
    said = options(path)
    assert "Number of interfaces in file: 3" in said
    assert "Name = eth7" in said
    assert any("Encapsulation = Raw IPv4" in line for line in said), said  # which the layers of a table do not tell
    with pytest.raises(NsmError, match=r"link types 1, 101, 228, and pcap holds one: name the file c.pcapng"):
        carve(packets, tmp_path / "c.pcap")
    assert not list(tmp_path.glob(".writing-*"))


def test_a_carved_pcapng_says_what_it_is_of(case, tmp_path):
    digest = hashlib.sha256(case.paths["a.pcap"].read_bytes()).hexdigest()
    number = int(case.sessions["session"][0])

    said = options(case.carve(number, tmp_path / "x.pcapng", filter="tcp[13] & 1 != 0"))
    plain = options(carve(case.packets, tmp_path / "y.pcapng", evidence=case.paths, comment="all of \x1b[31mthem"))

    assert any(f"2 packets: session {number} of case x; filter tcp[13] & 1 != 0" in line for line in said)
    assert any(f"evidence a.pcap, SHA-256 {digest}" in line for line in said)
    assert any("8 packets: all of \\x1b[31mthem;" in line and digest in line for line in plain)


def test_a_case_carves_sessions_tables_and_filters(case, tmp_path):
    number = int(case.sessions["session"][0])

    by_session = case.carve([number])
    by_filter = case.carve("tcp dst port 80")
    by_table = case.carve(case.packets.iloc[2:4], tmp_path / "t.pcap")

    assert (by_session.parent, by_session.name) == (case.work / "carved", f"session-{number}.pcapng")
    assert (len(nsm.read_packets(by_session)), len(nsm.read_packets(by_filter)), len(nsm.read_packets(by_table))) == (
        8,
        5,
        2,
    )
    assert case.carve("tcp dst port 80") == by_filter
    with pytest.raises(NsmError, match="there are no packets to carve"):
        case.carve("udp")


def test_the_same_packets_carve_to_the_same_bytes(case, tmp_path):
    one, other = (case.carve("tcp", tmp_path / name).read_bytes() for name in ("a.pcapng", "b.pcapng"))

    assert one == other


def test_a_carved_capture_is_for_its_owner(case, tmp_path):
    assert case.carve("tcp", tmp_path / "x.pcapng").stat().st_mode & 0o777 == 0o600


def test_a_failing_carve_leaves_the_old_file(case, tmp_path, monkeypatch):
    target = tmp_path / "x.pcapng"
    target.write_bytes(b"old")

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nsm_nb.full_content.carving.frame_bytes", stop)
    with pytest.raises(KeyboardInterrupt):
        case.carve("tcp", target)

    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["x.pcapng"]


def test_times_beyond_pcap_are_told(tmp_path):
    frame = writing.conversation()[0][1]
    late = writing.section() + writing.interface(tsresol=9) + writing.enhanced(0, (2**32 + 5) * 10**9, frame)
    (tmp_path / "a.pcapng").write_bytes(late)
    packets = nsm.read_packets(tmp_path / "a.pcapng")

    same(nsm.read_packets(carve(packets, tmp_path / "b.pcapng")), packets)
    with pytest.raises(NsmError, match="pcap has no times after 2106"):
        carve(packets, tmp_path / "b.pcap")


def test_sections_and_byte_orders_are_followed_to_the_interface(tmp_path):
    frame = writing.conversation()[0][1]
    parts = [
        writing.section(), writing.interface(link=1), writing.enhanced(0, 10**15, frame),
        writing.section(">"), writing.interface(">", link=12), writing.interface(">", link=229),
        writing.enhanced(0, 10**15, frame[14:], ">"), writing.enhanced(1, 10**15, b"\x60" + bytes(39), ">"),
    ]  # fmt: skip
    (tmp_path / "a.pcapng").write_bytes(b"".join(parts))

    from nsm_nb.full_content.interfaces import interfaces

    known, which = interfaces(nsm.read_packets(tmp_path / "a.pcapng"))
    assert [known[each].link for each in which] == [1, 12, 229]


@pytest.mark.slow
def test_a_large_carve_holds_a_small_part_of_it(tmp_path):
    frames = [(10**18 + place, b"\xff" * 60_000) for place in range(2_000)]
    (tmp_path / "a.pcap").write_bytes(writing.pcap(frames, nano=True))
    packets = nsm.read_packets(tmp_path / "a.pcap")
    del frames

    tracemalloc.start()
    carve(packets, tmp_path / "b.pcapng", sha256={str(tmp_path / "a.pcap"): "0" * 64})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 80e6 < (tmp_path / "b.pcapng").stat().st_size
