"""Rotated captures in a case: whatever the names say, they give the sessions of the whole."""

from __future__ import annotations

import itertools
import random

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.case.rotated import Piece, named, runs
from tests import writing

SECOND = 1_000_000_000


def conversation(host: int, begin: int) -> list[tuple[int, bytes]]:
    """Frames of one TCP conversation with ten turns, four seconds long."""
    ends = (f"10.0.0.{host}", "10.0.0.200", 1000 + host, 80)
    back = (ends[1], ends[0], ends[3], ends[2])
    said = [(ends, 0x02, 0, 0, b""), (back, 0x12, 0, 1, b""), (ends, 0x10, 1, 1, b"")]
    seq = {ends: 1, back: 1}
    for number in range(10):
        mine, other = (ends, back) if number % 2 == 0 else (back, ends)
        data = f"turn {number} of {host}; ".encode()
        said.append((mine, 0x18, seq[mine], seq[other], data))
        seq[mine] += len(data)
    end = seq[back]
    said += [(ends, 0x11, seq[ends], end, b""), (back, 0x11, end, seq[ends] + 1, b"")]
    said.append((ends, 0x10, seq[ends] + 1, end + 1, b""))
    return [
        (
            begin + number * SECOND // 4,
            writing.ethernet(writing.ip(writing.tcp(data, sport, dport, seq=at, ack=ack, flags=flags), src, dst, 6)),
        )
        for number, ((src, dst, sport, dport), flags, at, ack, data) in enumerate(said)
    ]


FRAMES = sorted(frame for host in range(1, 9) for frame in conversation(host, host * SECOND // 2))
SAME = [
    "session", "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "dst_packets", "src_octets",
    "dst_octets", "src_payload", "dst_payload", "state", "closed", "history", "direction_known", "community_id",
]  # fmt: skip


def case_of(folder, pieces, names):
    (folder / "evidence").mkdir(parents=True)
    for name, piece in zip(names, pieces, strict=True):
        (folder / "evidence" / name).write_bytes(writing.pcap(piece))
    (folder / "case.toml").write_text('name = "rotated"\n')
    return nsm.open_case(folder)


def sessions(case):
    return case.sessions[SAME].astype("str").sort_values(SAME, ignore_index=True)


@pytest.mark.parametrize("seed", range(6))
def test_any_pieces_under_any_names_give_the_sessions_of_the_whole(tmp_path, seed):
    chance = random.Random(seed)
    cuts = [0, *sorted(chance.sample(range(1, len(FRAMES)), chance.randint(1, 5))), len(FRAMES)]
    pieces = [FRAMES[at:end] for at, end in itertools.pairwise(cuts)]
    names = [f"snort.log.{chance.randint(10**9, 2 * 10**9)}" for _ in pieces]  # the name tells nothing

    whole = case_of(tmp_path / "whole", [FRAMES], ["whole.pcap"])
    rotated = case_of(tmp_path / "rotated", pieces, names)

    pd.testing.assert_frame_equal(sessions(rotated), sessions(whole))
    assert rotated.packets["time"].tolist() == whole.packets["time"].tolist()
    assert rotated.packets["session"].tolist() == whole.packets["session"].tolist()
    for number in whole.sessions["session"]:
        assert rotated.transcript(number).data("src") == whole.transcript(number).data("src")
        assert rotated.transcript(number).data("dst") == whole.transcript(number).data("dst")
        assert len(rotated.packets_of(number)) == len(whole.packets_of(number))
    again = nsm.open_case(tmp_path / "rotated")  # from the index
    pd.testing.assert_frame_equal(sessions(again), sessions(whole))
    assert any("are one capture in" in detail for detail in again.caveats["detail"])


def test_a_frame_of_a_piece_is_where_its_piece_says(tmp_path):
    case = case_of(tmp_path, [FRAMES[:50], FRAMES[50:]], ["a.2.pcap", "a.1.pcap"])
    for row in case.packets.iloc[[0, 49, 50, len(FRAMES) - 1]].itertuples():
        assert (
            case.frame(row.evidence, row.frame) == FRAMES[(0 if row.evidence == "a.2.pcap" else 50) + row.frame - 1][1]
        )


def test_captures_at_one_time_are_no_pieces(tmp_path):
    case = case_of(tmp_path, [FRAMES[::2], FRAMES[1::2]], ["eth1.pcap", "eth2.pcap"])
    assert not any("are one capture in" in detail for detail in case.caveats["detail"])


def test_a_carved_session_holds_the_packets_of_all_pieces(tmp_path):
    case = case_of(tmp_path, [FRAMES[:60], FRAMES[60:]], ["a1.pcap", "a2.pcap"])
    number = int(case.sessions["session"].iloc[3])
    assert len(nsm.read_packets(case.carve(number))) == len(case.packets_of(number)) == 16


def test_pieces_have_one_name_but_for_numbers_and_follow_each_other():
    assert named("day/snort.log.17") == named("day/snort.log.18") != named("night/snort.log.18")
    assert named("a-2026-11-24.pcap.gz") == named("a-2026-11-25.pcap")
    first, second, other = Piece("a1", "x", 0, 10), Piece("a2", "y", 20, 30), Piece("b1", "z", 0, 10)
    assert runs([second, other, first]) == [[first, second]]
    assert runs([first, Piece("a2", "y", 0, 10 * SECOND), Piece("a3", "w", 5 * SECOND, 20 * SECOND)]) == []
