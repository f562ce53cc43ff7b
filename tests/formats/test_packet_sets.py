"""Rotated captures are one evidence set, in the order of the times inside; seams, gaps and what was left out are told."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import UnreadableEvidence
from nsm_nb.formats import read_packet_set
from nsm_nb.full_content import frame_bytes
from nsm_nb.schema import caveats_of
from tests import writing

SECOND = 1_000_000_000
START = 1_068_742_800 * SECOND


def frames(first, count, step=SECOND):
    return [
        (START + first + place * step, (first // 1000 + place * step // 1000).to_bytes(8, "big") * 5)
        for place in range(count)
    ]


def put(folder, files):
    folder.mkdir(exist_ok=True)
    for name, each in files.items():
        (folder / name).write_bytes(each if isinstance(each, bytes) else writing.pcap(each))
    return folder


def details(table, kind):
    return [each.detail for each in caveats_of(table) if each.kind == kind]


def test_files_stand_in_the_order_of_the_times_inside_not_of_their_names(tmp_path):
    folder = put(
        tmp_path / "log",
        {
            "snort.log.1068750000": frames(0, 5),
            "snort.log.1068740000": frames(10 * SECOND, 5),
            "snort.log.9": frames(5 * SECOND, 5),
        },
    )

    table = nsm.read_packets(folder)

    assert table["time"].is_monotonic_increasing
    assert (
        table["evidence"].astype(str).str.rpartition(".")[2].tolist()
        == ["1068750000"] * 5 + ["9"] * 5 + ["1068740000"] * 5
    )
    assert table["frame"].tolist() == [1, 2, 3, 4, 5] * 3
    assert frame_bytes(table) == [frame for _, frame in frames(0, 15)]
    assert caveats_of(table) == []


def test_a_folder_a_pattern_and_a_list_are_the_same_set(tmp_path):
    folder = put(tmp_path / "log", {"a.pcap": frames(0, 3), "b.pcap": frames(3 * SECOND, 3)})

    first = nsm.read_packets(folder)

    assert first.equals(nsm.read_packets(f"{folder}/*.pcap"))
    assert first.equals(nsm.read_packets([folder / "b.pcap", str(folder / "a.pcap")]))
    assert first.equals(read_packet_set(iter([folder])))


def test_a_name_that_looks_like_a_pattern_is_a_file_where_there_is_one(tmp_path):
    put(tmp_path, {"a[1].pcap": frames(0, 3), "a1.pcap": frames(0, 9)})

    assert len(nsm.read_packets(tmp_path / "a[1].pcap")) == 3


def test_what_is_no_capture_or_cannot_be_read_is_told_and_the_others_are_read(tmp_path):
    folder = put(
        tmp_path / "log",
        {
            "a.pcap": frames(0, 3),
            "empty.pcap": b"",
            "notes.txt": b"hello",
            "head.pcap": writing.pcap([])[:12],
            ".hidden": b"x",
        },
    )

    table = nsm.read_packets(folder)

    assert len(table) == 3
    assert details(table, "format") == ["1 file is no capture and was left out: notes.txt"]
    assert len(details(table, "unread")) == 2
    assert any("is empty" in each for each in details(table, "unread"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there is no file in"),
        ({"a.txt": b"x"}, "is a capture (1 is something else, such as a.txt)"),
        ({"a": b""}, "is empty"),
    ],
)
def test_a_folder_without_captures_is_refused_in_a_sentence(tmp_path, files, words):
    with pytest.raises(UnreadableEvidence) as caught:
        nsm.read_packets(put(tmp_path / "log", files))
    assert words in str(caught.value)
    with pytest.raises(UnreadableEvidence, match="there is no file in"):
        nsm.read_packets(tmp_path / "*.nothing")


def test_a_set_takes_no_label(tmp_path):
    with pytest.raises(ValueError, match="neither a label nor a format"):
        nsm.read_packets(put(tmp_path / "log", {"a.pcap": frames(0, 3)}), label="x")


# --- seams


def test_files_that_overlap_are_put_in_order_of_time_and_frames_that_both_hold_count_once(tmp_path):
    whole = frames(0, 30)
    folder = put(tmp_path / "log", {"one.pcap": whole[:20], "two.pcap": whole[15:]})

    table = nsm.read_packets(folder)

    assert frame_bytes(table) == [frame for _, frame in whole]
    assert table["evidence"].astype(str).str.endswith("one.pcap").sum() == 20
    assert (
        "5 frames stand in several of the files, with the same time and the same bytes"
        in details(table, "duplicates")[0]
    )
    assert "two.pcap begins 4.000000 s before" in details(table, "overlap")[0]


def test_files_in_turn_are_put_in_order_and_lose_nothing(tmp_path):
    whole = frames(0, 30)
    folder = put(tmp_path / "log", {"even.pcap": whole[::2], "odd.pcap": whole[1::2]})

    table = nsm.read_packets(folder)

    assert frame_bytes(table) == [frame for _, frame in whole]
    assert details(table, "duplicates") == []


def test_a_copy_of_a_file_adds_nothing_and_frames_twice_in_one_file_stay(tmp_path):
    whole = [each for each in frames(0, 5) for _ in range(2)]
    folder = put(
        tmp_path / "log",
        {"a.pcap": whole, "b.pcap.zst": writing.packed(writing.pcap(whole), "zstd"), "c.pcapng": writing.pcapng(whole)},
    )
    (folder / "link.pcap").symlink_to(folder / "a.pcap")

    table = nsm.read_packets(folder)

    assert len(table) == 10
    assert "20 frames stand in several" in details(table, "duplicates")[0]


def test_frames_of_the_same_time_with_other_bytes_are_no_doubles(tmp_path):
    folder = put(tmp_path / "log", {"a.pcap": [(START, b"a" * 60)], "b.pcap": [(START, b"b" * 60)]})

    assert len(nsm.read_packets(folder)) == 2


def test_a_clock_that_ran_backwards_does_not_change_the_order_within_a_file(tmp_path):
    odd = [(START + second * SECOND, bytes([second]) * 60) for second in (5, 3, 4, 9)]
    folder = put(tmp_path / "log", {"a.pcap": odd, "b.pcap": [(START + 6 * SECOND, bytes(60))]})

    table = nsm.read_packets(folder)

    assert [frame[0] for frame in frame_bytes(table)] == [5, 3, 4, 0, 9]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 2)), max_size=40))
def test_any_split_into_files_gives_every_frame_once(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("split")
    files = {}
    for number, (file, second, value) in enumerate(rows):
        files.setdefault(f"{file}.pcap", []).append(
            (START + second * SECOND, bytes([value]) * 40 + number.to_bytes(4, "big"))
        )
    for name, each in files.items():
        put(folder, {name: sorted(each)})
    if not files:
        return

    table = nsm.read_packets(folder)

    expected = sorted(each for file in files.values() for each in file)
    assert table["time"].astype("int64").tolist() == [time for time, _ in expected]
    assert sorted(frame_bytes(table)) == sorted(frame for _, frame in expected)


def test_silence_between_files_that_is_longer_than_any_within_is_told(tmp_path):
    folder = put(
        tmp_path / "log",
        {"a.pcap": frames(0, 5), "b.pcap": frames(4 * SECOND + 600 * SECOND, 5), "c.pcap": frames(609 * SECOND, 5)},
    )

    (told,) = details(nsm.read_packets(folder), "gap")

    assert "nothing was captured for 600.000 s between" in told
    assert "from 2003-11-13T17:00:04+00:00 to 2003-11-13T17:10:04+00:00" in told


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (
            ["x.pcap", "x.pcap1", "x.pcap2", "x.pcap4", "x.pcap6"],
            "x.pcap... are numbered, and 2 numbers are missing: 3, 5",
        ),
        (
            ["c_00001_20031113170000.pcap", "c_00002_20031113170010.pcap", "c_00004_20031113170020.pcap"],
            "1 number is missing: 3",
        ),
        (["snort.log.1068742800", "snort.log.1068742810", "snort.log.1068742820"], None),
        (["dump00.pcap", "dump01.pcap", "dump02.pcap"], None),
    ],
)
def test_numbers_that_are_missing_in_names_are_told(tmp_path, names, missing):
    folder = put(tmp_path / "log", {name: frames(place * SECOND, 2) for place, name in enumerate(names)})

    told = details(nsm.read_packets(folder), "gap")

    assert [missing in each for each in told] == ([True] if missing else [])


def test_caveats_of_each_file_carry_its_name_and_frame(tmp_path):
    late = writing.pcap(frames(5 * SECOND, 5))
    folder = put(tmp_path / "log", {"a.pcap": frames(0, 5), "b.pcap": late[:-10]})

    (cut,) = (each for each in caveats_of(nsm.read_packets(folder)) if each.kind == "cut")

    assert cut.evidence == str(folder / "b.pcap")
    assert cut.record == 5


def test_frames_found_behind_damage_are_marked_file_by_file(tmp_path):
    later = writing.pcap(frames(10 * SECOND, 10))
    damaged = later[: 24 + 3 * 56] + b"\xfe" * 100 + later[24 + 3 * 56 :]
    folder = put(tmp_path / "log", {"a.pcap": frames(0, 5), "b.pcap": damaged, "c.pcap": frames(30 * SECOND, 5)})

    table = nsm.read_packets(folder, recover=True)

    assert table["recovered"].tolist() == [False] * 8 + [True] * 7 + [False] * 5


# --- what is made of a set


def test_sessions_reach_over_the_files_of_a_set(tmp_path):
    whole = writing.conversation()
    folder = put(tmp_path / "log", {"a.pcap": whole[:3], "b.pcap": whole[3:5], "c.pcap": whole[5:]})

    sessions, packets = nsm.sessions.assemble(nsm.read_packets(folder))
    told = nsm.transcripts.transcript(packets, session=sessions.iloc[0])

    assert len(sessions) == 1
    assert sessions["closed"].tolist() == ["both"]
    assert (told.size("src"), told.size("dst")) == (18, 24)


def test_what_tcpdump_rotated_is_the_capture_it_was(evidence, tmp_path):
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed; it is the oracle of this test")
    (tmp_path / "log").mkdir()
    subprocess.run(
        ["tcpdump", "-r", evidence / "staged.pcap", "-C", "1", "-Z", "root", "-w", tmp_path / "log" / "x.pcap"],
        check=True,
        capture_output=True,
    )

    table = nsm.read_packets(tmp_path / "log")
    expected = nsm.read_packets(evidence / "staged.pcap")

    assert len(list((tmp_path / "log").iterdir())) > 3
    for name in ("time", "length", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "seq", "payload", "layers"):
        assert table[name].astype(str).tolist() == expected[name].astype(str).tolist(), name
    assert caveats_of(table) == []
