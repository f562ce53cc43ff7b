"""Damage is told and loses nothing that stands before it; where it is asked for, reading goes on behind it."""

from __future__ import annotations

import struct
from time import process_time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.full_content import frame_bytes
from nsm_nb.schema import PACKETS, caveats_of
from tests import writing

SECOND = 1_000_000_000
CONTAINERS = {
    "pcap": writing.pcap,
    "pcap, big, nanoseconds": lambda frames: writing.pcap(frames, big=True, nano=True),
    "Kuznetzov's pcap": lambda frames: writing.pcap(frames, magic=0xA1B2CD34, tail=bytes(8)),
    "snoop": writing.snoop,
    "pcapng": writing.pcapng,
    "pcapng, big": lambda frames: writing.pcapng(frames, ">"),
}


def many(count=40, seed=0):
    dice = np.random.default_rng(seed)
    start = 1_068_742_800 * SECOND
    return [(start + place * 10_000_000, dice.bytes(int(dice.integers(40, 400)))) for place in range(count)]


def bounds(container, frames):
    """Where each record begins, and where the last ends."""
    return [len(CONTAINERS[container](frames[:count])) for count in range(len(frames) + 1)]


@pytest.fixture
def read(tmp_path):
    def from_bytes(data, **options):
        (tmp_path / "x.pcap").write_bytes(data)
        return nsm.read_packets(tmp_path / "x.pcap", **options)

    return from_bytes


def details(table, kind=None):
    return [each.detail.partition(": ")[2] for each in caveats_of(table) if kind in (None, each.kind)]


# --- going on behind damage


@given(
    st.sampled_from(sorted(CONTAINERS)),
    st.integers(5, 30),
    st.integers(0, 2**32 - 1),
    st.integers(1, 3000),
    st.booleans(),
)
def test_garbage_that_was_put_in_costs_no_frame(tmp_path_factory, container, place, seed, size, packed):
    frames = many(seed=seed)
    whole, edges = CONTAINERS[container](frames), bounds(container, frames)
    # garbage that does not look like lengths, so that the damage is seen where it begins
    garbage = b"\xfe" * 12 + np.random.default_rng(seed).bytes(size)
    data = whole[: edges[place]] + garbage + whole[edges[place] :]
    path = tmp_path_factory.mktemp("garbage") / "x"
    path.write_bytes(writing.packed(data, "gzip" if packed else ""))

    strict = nsm.read_packets(path)
    table = nsm.read_packets(path, recover=True)

    assert len(strict) == place
    assert "recovered" not in strict
    assert f"damage at byte {edges[place]}" in details(strict, "damage")[0]
    assert f"{len(data) - edges[place]:,} bytes were not read" in details(strict, "damage")[0]
    assert frame_bytes(table) == [frame for _, frame in frames]
    assert table["recovered"].tolist() == [row >= place for row in range(len(frames))]
    assert f"{len(garbage):,} bytes were passed over" in details(table, "damage")[0]
    assert f"{len(frames) - place} frames stand behind damage" in details(table, "recovered")[0]


@pytest.mark.parametrize("container", CONTAINERS)
def test_zeros_in_the_middle_as_a_power_loss_leaves_them_are_damage_and_no_frames(read, container):
    frames = many()
    data, edges = bytearray(CONTAINERS[container](frames)), bounds(container, frames)
    data[edges[10] : edges[20] + 5] = bytes(edges[20] + 5 - edges[10])

    assert len(read(bytes(data))) == 10
    assert frame_bytes(read(bytes(data), recover=True)) == [frame for _, frame in frames[:10] + frames[21:]]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_file_of_zeros_behind_its_frames_gives_these_frames(read, container):
    table = read(CONTAINERS[container](many()) + bytes(100_000), recover=True)

    assert len(table) == 40
    assert not table["recovered"].any()
    assert "100,000 bytes were not read" in details(table, "damage")[0]


@given(st.sampled_from(["pcap", "pcap, big, nanoseconds", "Kuznetzov's pcap"]), st.integers(3, 20), st.integers(0, 999))
@example("Kuznetzov's pcap", 7, 148)
def test_frames_that_a_false_length_swallowed_come_back(tmp_path_factory, container, place, more):
    frames = many(60)
    data, edges = bytearray(CONTAINERS[container](frames)), bounds(container, frames)
    order = ">I" if "big" in container else "<I"
    struct.pack_into(
        order, data, edges[place] + 8, len(frames[place][1]) + 200 + more
    )  # its own length on the wire stays
    path = tmp_path_factory.mktemp("swallowed") / "x"
    path.write_bytes(data)

    table = nsm.read_packets(path, recover=True)

    if edges[place] + more + 200 in [edge - (edges[place + 1] - edges[place]) for edge in edges]:
        # the false length ends where a later frame begins: nothing is out of place, and what was swallowed can only be told of
        assert any("one of the two lengths is false" in each for each in details(table, "length"))
        return
    assert frame_bytes(table) == [frame for _, frame in frames]
    assert table["recovered"].tolist()[:place] == [False] * place
    assert any("other frames begin among them" in each for each in details(table, "length"))


def test_a_length_that_reaches_beyond_the_end_takes_no_other_frame(read):
    frames = many()
    data, edges = bytearray(writing.pcap(frames)), bounds("pcap", frames)
    struct.pack_into("<I", data, edges[30] + 8, 200_000)

    assert len(read(bytes(data))) == 30
    table = read(bytes(data), recover=True)

    assert frame_bytes(table) == [frame for place, (_, frame) in enumerate(frames) if place != 30]
    assert "claims more bytes than are left" in details(table, "damage")[0]


def test_a_capture_that_was_carried_in_a_frame_is_not_taken_for_records(read):
    carried = (1_068_742_800 * SECOND, b"FTP" + writing.pcap(many(30, seed=1)) + b"."), *many(3, seed=2)
    data = writing.pcap([*many(5), carried[0]]) + b"\xfe" * 1000 + writing.pcap(carried[1:])[24:]

    table = read(data, recover=True)

    assert len(table) == 5 + 1 + 3
    assert table["recovered"].tolist() == [False] * 6 + [True] * 3


def test_the_time_after_damage_may_be_another_if_more_records_bear_it_out(read):
    later = [(time + 30 * 86_400 * SECOND, frame) for time, frame in many(10, seed=3)]

    for count, found in ((10, 10), (5, 0)):
        data = writing.pcap(many(5)) + b"\xfe" * 100 + writing.pcap(later[:count])[24:] + b"\xfe" * 100
        assert len(read(data, recover=True)) == 5 + found


def test_of_many_places_of_damage_the_first_are_told_and_all_are_counted(read):
    frames = many()
    edges = bounds("pcap", frames)
    whole = writing.pcap(frames)
    pieces = [whole[: edges[4]]] + [
        b"\xfe" * 50 + whole[edges[place] : edges[min(place + 3, 40)]] for place in range(4, 40, 3)
    ] * 3
    table = read(b"".join(pieces), recover=True)

    assert len(table) == 4 + 36 * 3
    told = details(table, "damage")
    assert len(told) == 21
    assert told[-1].startswith("damage at 36 places in all, 1,800 bytes were passed over")


def test_a_pcapng_block_with_fields_that_cannot_be_true_is_passed_over_whole(read):
    frame = bytes(60)
    good = writing.enhanced(0, 1_000_000, frame)
    data = writing.section() + writing.interface() + good + writing.enhanced(7, 1, frame) + good

    assert len(read(data)) == 1
    table = read(data, recover=True)

    assert len(table) == 2
    assert not table["recovered"].any()
    assert details(table, "damage") == ["1 block can't be true and was passed over"]


def test_what_was_not_damaged_is_the_same_with_and_without_going_on(evidence):
    plain = nsm.read_packets(evidence / "staged.pcap")
    table = nsm.read_packets(evidence / "staged.pcap", recover=True)

    assert not table["recovered"].any()
    assert table.drop(columns="recovered").equals(plain)
    assert list(table.columns) == [*PACKETS.columns, "recovered"]


@pytest.mark.slow
def test_damage_at_every_turn_costs_no_more_than_its_length(read):
    frames = many(20_000)
    whole = writing.pcap(frames)
    dice = np.random.default_rng(5)
    data = np.frombuffer(bytearray(whole), np.uint8)
    data[dice.integers(24, len(data), 20_000)] = 0xFF

    before = process_time()
    table = read(data.tobytes(), recover=True)

    assert process_time() - before < 10
    assert len(table) > 5_000


# --- what the rows tell of themselves


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (writing.pcap([(SECOND, bytes(60))], snaplen=0), "snaplen", "its header says that 0 bytes of a frame are kept"),
        (writing.pcap([(SECOND, bytes(60))] * 2, snaplen=40), "snaplen", "2 frames are larger than the snaplen of 40"),
        (
            writing.pcap([(SECOND, bytes(60), 50)]),
            "length",
            "1 frame says that fewer bytes were on the wire than are in the file",
        ),
        (writing.pcap([(SECOND, b"", 50)]), "length", "1 frame holds no bytes at all"),
        (
            writing.pcap([(SECOND, bytes(60)), (2**31 * SECOND, bytes(60))]),
            "clock",
            "clock jumped ahead 68.1 years at frame 2",
        ),
        (
            writing.section() + writing.interface(snaplen=40) + writing.enhanced(0, 1, bytes(60)),
            "snaplen",
            "1 frame is larger than its snaplen",
        ),
    ],
)
def test_lengths_and_times_that_cannot_be_right_are_told(read, data, kind, words):
    assert any(words in each for each in details(read(data), kind))


@pytest.mark.parametrize("write", [writing.pcap, writing.snoop])
def test_a_fraction_that_is_more_than_a_second_is_told_and_added(read, write):
    data = bytearray(write([(SECOND, bytes(60))]))
    place = len(data) - 60 - (12 if write is writing.pcap else 4)
    struct.pack_into("<I" if write is writing.pcap else ">I", data, place, 4_000_000_000)

    table = read(bytes(data))

    assert table["time"].astype("int64").tolist() == [4001 * SECOND]
    assert any("a fraction of a second that is a second or more" in each for each in details(table, "clock"))


ROWS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=20)


@given(ROWS, st.integers(0, 5))
def test_one_pass_counts_what_a_plain_reading_counts(rows, first):
    from nsm_nb.kernels.noticing import Odd, notice
    from nsm_nb.kernels.records import NOT_A_TIME

    rows = rows[first:] and rows
    first = min(first, len(rows))
    time = np.array([NOT_A_TIME if each == -3 else each for each, *_ in rows], np.int64)
    captured, length, link = (np.array([row[place] for row in rows], np.uint32) for place in (1, 2, 3))

    odd, links = notice(time, captured, length, link.astype(np.uint16), first, len(rows))

    kept = range(first, len(rows))
    for what, which in (
        (Odd.SHORT, [row for row in kept if captured[row] < length[row]]),
        (Odd.LONGER, [row for row in kept if captured[row] > length[row]]),
        (Odd.EMPTY, [row for row in kept if captured[row] == 0]),
        (Odd.TIMELESS, [row for row in kept if time[row] == NOT_A_TIME]),
        (
            Odd.BACK,
            [row for row in list(kept)[1:] if NOT_A_TIME not in time[row - 1 : row + 1] and time[row] < time[row - 1]],
        ),
    ):
        assert odd[what] == len(which)
        assert not which or odd[what + 1] == which[0]
    steps = [int(time[row] - time[row - 1]) for row in list(kept)[1:] if NOT_A_TIME not in time[row - 1 : row + 1]]
    assert odd[Odd.BACK_MOST] == max([0, *(-step for step in steps)])
    assert odd[Odd.AHEAD_MOST] == max([0, *steps])
    assert odd[Odd.LARGEST] == max([0, *captured[first:].tolist()])
    assert links[:, 0].sum() == len(kept)
    assert all(links[kind, 0] == (link[first:] == kind).sum() for kind in range(4))


@given(
    st.lists(st.tuples(st.sampled_from([b"", b"\0" * 7, b"\xff\xff", b"junk"]), st.integers(1, 40)), max_size=8),
    st.booleans(),
)
def test_records_are_found_where_a_plain_search_finds_them(parts, last):
    from nsm_nb.kernels import recovery

    data = b"".join(
        junk + writing.pcap([(place * SECOND, bytes([size]) * size)])[24:] for place, (junk, size) in enumerate(parts)
    )
    buffer = np.frombuffer(bytearray(data + b"\0"), np.uint8)
    found = recovery.find_record(buffer, 0, len(data), last, False, 1000, 16, 0, 100, 0)

    assert found == slow_find(data, last)


def slow_find(data, last, near=0):
    """The first place where two records follow one another, or all that are left."""
    for place in range(len(data) - 15):
        at, seen, verdict = place, [], None
        while verdict is None:
            if len(seen) == 2:
                verdict = 0
            elif len(data) - at < 16:
                verdict = 1 if not last else 0 if seen else 2
            else:
                seconds, part, size, wire = struct.unpack_from("<IIII", data, at)
                if not 0 < size <= min(wire, 100) or wire > 262_144 or part >= 10**6 or abs(seconds - near) > 86_400:
                    verdict = 2
                elif at + 16 + size > len(data):
                    verdict = 1 if not last else 0 if seen else 2
                else:
                    seen.append(seconds)
                    at += 16 + size
        if verdict < 2:
            return place, verdict
    return max(0, len(data) - 15), 2 if last else 1
