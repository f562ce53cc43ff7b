"""A capture cut into pieces, each assembled, shuffled and stitched: the sessions of the whole."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import MissingColumn
from nsm_nb.schema import PACKETS
from nsm_nb.sessions import assemble
from nsm_nb.sessions.stitching import stitch

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SAME = [
    "session", "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "dst_packets", "src_octets",
    "dst_octets", "src_payload", "dst_payload", "state", "closed", "direction_known", "community_id", "isn",
]  # fmt: skip


def packets(said) -> pd.DataFrame:
    """(time in s, from the client, client, flags, seq, ack, payload), in any order, as a table."""
    rows = []
    for number, (at, to_dst, client, flags, seq, ack, size) in enumerate(sorted(said), 1):
        one, other = (f"10.0.0.{client}", 40000 + client), ("10.1.0.1", 80)
        src, dst = (one, other) if to_dst else (other, one)
        rows.append(
            {
                "evidence": "e", "frame": number, "time": pd.Timestamp(at, unit="s", tz="UTC"), "length": 54 + size,
                "captured": 54 + size, "octets": 40 + size, "src_ip": src[0], "src_port": src[1], "dst_ip": dst[0],
                "dst_port": dst[1], "proto": "tcp", "tcp_flags": flags, "seq": seq, "ack": ack, "window": 100, "payload": size,
                "offset": number, "layers": "eth:ip:tcp",
            }
        )  # fmt: skip
    return PACKETS.conform(pd.DataFrame(rows))


def plainly(table: pd.DataFrame, columns=SAME) -> pd.DataFrame:
    return table[columns].astype("str").sort_values(["start", *columns[3:8], "end"], ignore_index=True)


def cut(table: pd.DataFrame, places) -> list[pd.DataFrame]:
    bounds = [0, *sorted(places), len(table)]
    return [table.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(bounds)]


def assembled(parts):
    return [assemble(part, pieces=True)[0] for part in parts]


def conversation(client, at, isn, shape, step=1.0):
    """Segments of one connection by a shape of letters: those of Zeek's history, with the numbers that go with them."""
    said, seq = [], {True: isn, False: isn + 7}
    for number, letter in enumerate(shape):
        mine = letter.isupper()
        flags = {"s": SYN, "h": SYN | ACK, "a": ACK, "d": ACK | PSH, "f": FIN | ACK, "r": RST | ACK}[letter.lower()]
        size = 10 if letter in "dD" else 0
        ack = 0 if letter == "S" else seq[not mine]
        said.append((at + number * step, mine, client, flags, seq[mine] & 0xFFFFFFFF, ack & 0xFFFFFFFF, size))
        seq[mine] += size + (1 if letter.lower() in "shf" else 0)
    return said


SHAPES = ["ShADadFafA", "ShADadFfA", "S", "Sr", "SSS", "ShADaR", "ShADadr", "DadA", "ShA", "Sh", "ShADafADaFa"]


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 8000), st.sampled_from(SHAPES)), min_size=1, max_size=6),
    st.data(),
)
def test_a_capture_cut_and_stitched_is_the_capture(made, data):
    said, used = [], {}
    for number, (client, at, shape) in enumerate(sorted(made, key=lambda each: each[1])):
        then, _ = used.get(client, (-10_000, "r"))
        # of one pair of ends, one after the other; where a port is used anew sooner, a piece that holds the end of the one
        # and the SYN of the next can't tell them apart: which is not had yet
        if at - then < 3700:
            continue
        used[client] = at, shape
        said += conversation(client, at, 1_000_000 * (number + 1), shape)
    table = packets(said)
    places = data.draw(st.lists(st.integers(0, len(table)), max_size=4))
    parts = assembled(cut(table, places))
    data.draw(st.randoms(use_true_random=False)).shuffle(parts)
    whole = stitch(assembled([table]))

    found = stitch(parts)
    pd.testing.assert_frame_equal(plainly(found), plainly(whole))
    pd.testing.assert_frame_equal(plainly(found), plainly(assembled([table])[0]))
    left = parts[0]
    for part in parts[1:]:
        left = stitch([left, part])
    right = parts[-1]
    for part in parts[-2::-1]:
        right = stitch([part, right])
    columns = [*SAME, "history", "bits"]
    pd.testing.assert_frame_equal(plainly(left, columns), plainly(found, columns))
    pd.testing.assert_frame_equal(plainly(right, columns), plainly(found, columns))


@pytest.fixture(scope="module")
def staged(evidence):
    table = nsm.read_packets(evidence / "staged.pcap")
    return table[table["octets"].notna()].reset_index(drop=True)  # the last frame may be of ARP


@pytest.mark.parametrize("seed", range(2))
def test_the_staged_capture_cut_and_stitched_is_the_capture(staged, seed):
    chance = random.Random(seed)
    parts = assembled(cut(staged, [chance.randrange(len(staged)) for _ in range(6)]))
    chance.shuffle(parts)
    found, whole = plainly(stitch(parts)), plainly(assembled([staged])[0])

    assert sum(map(len, parts)) > len(whole)
    pd.testing.assert_frame_equal(found, whole)


def test_the_history_is_that_of_the_whole_but_for_counts():
    table = packets(conversation(1, 0, 5, "ShADadFafA"))
    for place in range(1, len(table)):
        found = stitch(assembled(cut(table, [place])))
        assert found["history"].tolist() == assembled([table])[0]["history"].tolist()


def test_a_port_used_anew_without_a_close_is_told_by_its_answer():
    table = packets([*conversation(1, 0, 5_000_000, "DadA"), *conversation(1, 124, 4_000_000, "ShADadFafA")])
    whole = assembled([table])[0]

    assert len(whole) == 2
    for place in (2, 4, 6, 9):  # not between the SYN and its answer
        found = stitch(assembled(cut(table, [place])))
        assert found["src_packets"].tolist() == whole["src_packets"].tolist()


def test_silence_beyond_the_timeout_is_not_bridged_unless_told_so():
    table = packets([*conversation(1, 0, 5, "DaDa"), *conversation(1, 4000, 500, "DaDa")])
    parts = assembled(cut(table, [4]))

    assert len(stitch(parts)) == 2
    assert len(stitch(parts, idle={"tcp": 5000})) == 1


def test_what_was_filtered_out_does_not_come_back():
    table = packets([*conversation(1, 0, 5, "ShADadFafA"), *conversation(2, 0.5, 9, "ShADadFafA")])
    found = stitch(assembled(cut(table, [8])))
    one = found[found["src_ip"] == "10.0.0.2"]

    assert len(stitch([one])) == 1
    assert stitch([one])["src_packets"].tolist() == one["src_packets"].tolist()


def test_sessions_without_what_stitching_needs_are_refused():
    sessions, _ = assemble(packets(conversation(1, 0, 5, "ShA")))
    with pytest.raises(MissingColumn, match="pieces=True"):
        stitch([sessions])


def test_stitching_one_table_changes_nothing(staged):
    whole, _ = assemble(staged.iloc[:3000], pieces=True)
    found = stitch([whole])
    assert found["parts"].isna().all()
    pd.testing.assert_frame_equal(plainly(found, [*SAME, "history"]), plainly(whole, [*SAME, "history"]))
    assert np.array_equal(np.sort(found["session"]), np.sort(whole["session"]))
