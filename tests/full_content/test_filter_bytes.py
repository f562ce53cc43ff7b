"""Filters look at the bytes of a packet only where nothing else tells, and read them in long stretches."""

from __future__ import annotations

import operator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import DamagedEvidence
from nsm_nb.full_content import frame_bytes, matching
from nsm_nb.full_content.filters import arithmetic, evidence, outcomes, primitives
from nsm_nb.full_content.filters.evidence import stretches
from tests import writing

sets = st.lists(st.sampled_from([1, 2, 3, 4, 5, 6, 7]), min_size=1, max_size=9)


# --- what the columns decide


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("tcp and port 80 and tcp[12] >> 4 > 4", set()),
        ("(tcp or udp) and not (port 81) and tcp[12] >> 4 > 4", set()),
        ("tcp[12] >> 4 > 4 and (port 80 or host 10.0.0.9)", set()),
        ("tcp[12] >> 4 > 4 and pppoes", {primitives.Session}),
    ],
)
def test_what_columns_decide_is_not_asked_of_the_bytes(tmp_path, monkeypatch, line, asked):
    path = tmp_path / "a.pcap"
    path.write_bytes(writing.pcap(writing.conversation()))
    packets = nsm.read_packets(path)
    if asked:  # then the columns leave it open
        packets = packets.assign(layers=packets["layers"].cat.set_categories([]))
    wanted = matching(packets, line).tolist()
    seen = set()

    def told(kind):
        ask = kind.bytes
        monkeypatch.setattr(kind, "bytes", lambda self, wire: seen.add(kind) or ask(self, wire))

    for kind in (primitives.Port, primitives.Host4, primitives.First, primitives.Proto, primitives.Session):
        told(kind)

    assert matching(packets, line).tolist() == wanted
    assert asked <= seen if asked else not seen
    assert any(wanted) or asked


@given(some=sets, data=st.data())
def test_outcomes_are_decided_where_one_is_left_for_each_packet(some, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(some) - 1), min_size=1)))

    found = outcomes.decided(np.array(some, np.uint8), rows)

    asked = np.array(some)[rows].tolist()
    if all(each in (1, 2, 4) for each in asked):
        assert np.broadcast_to(found, len(rows)).tolist() == asked
    else:
        assert found is None


def test_outcomes_that_are_one_for_all_are_decided_at_once():
    rows = np.arange(3)

    assert outcomes.decided(outcomes.TRUE, rows) == outcomes.TRUE
    assert outcomes.decided(outcomes.ANY, rows) is None
    assert outcomes.decided(np.broadcast_to(np.uint8(2), 5), rows).ndim == 0


@given(
    values=st.lists(st.sampled_from([1, 2, 7, 64]), min_size=1, max_size=20),
    dtype=st.sampled_from([np.uint8, np.uint32]),
    data=st.data(),
)
def test_values_by_code_agree_with_the_slow_way(values, dtype, data):
    codes = np.array(data.draw(st.lists(st.integers(-1, len(values) - 2))), np.int8)

    found = outcomes.by_code(np.array(values, dtype), codes)

    assert found.tolist() == [values[code] for code in codes.tolist()]
    assert found.dtype == dtype


@given(pairs=st.lists(st.tuples(st.booleans(), st.integers(0, 255), st.integers(0, 255)), min_size=1))
def test_one_of_two_outcomes_is_numpys_where(pairs):
    where = np.array([each for each, _, _ in pairs])
    first, second = np.array([each[1:] for each in pairs], np.uint8).T

    assert outcomes.one_of(where, first, second).tolist() == np.where(where, first, second).tolist()
    assert outcomes.one_of(where, first, outcomes.ANY).tolist() == np.where(where, first, 7).tolist()
    assert int(outcomes.one_of(bool(where[0]), first[0], second[0])) == int(first[0] if where[0] else second[0])


# --- arithmetic

WORDS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "&": operator.and_, "|": operator.or_,
         "^": operator.xor, "/": lambda a, b: a // max(b, 1), "%": lambda a, b: a % max(b, 1),
         "<<": lambda a, b: a << min(b, 32), ">>": operator.rshift}  # fmt: skip
words = st.one_of(st.sampled_from([0, 1, 2, 31, 32, 33, 0x7FFFFFFF, 0xFFFFFFFF]), st.integers(0, 0xFFFFFFFF))


@given(sign=st.sampled_from(sorted(WORDS)), first=words, second=words, narrow=st.sampled_from([8, 16, 32]))
def test_arithmetic_has_32_bits_whatever_the_columns_have(sign, first, second, narrow):
    dtype = {8: np.uint8, 16: np.uint16, 32: np.uint32}[narrow]
    small = first & ((1 << narrow) - 1)
    wanted = WORDS[sign](small, second) & 0xFFFFFFFF

    for a, b in (
        (np.array([small], dtype), np.uint32(second)),
        (np.uint32(small), np.array([second], np.uint32)),
        (np.array([small], dtype), np.array([second], np.uint32)),
        (np.uint32(small), np.uint32(second)),
    ):
        assert int(np.ravel(arithmetic._worked(sign, a, b))[0]) == wanted


# --- reading


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    """Packets of two captures, large and small ones by turns, and their frames."""
    folder = tmp_path_factory.mktemp("stretches")
    random = np.random.default_rng(3)
    tables = []
    for name in ("a.pcap", "b.pcap"):
        sizes = np.where(random.random(60) < 0.2, 3_000, random.integers(14, 90, 60))
        frames = [(number * 10**9, random.bytes(int(size)), int(size)) for number, size in enumerate(sizes)]
        (folder / name).write_bytes(writing.pcap(frames))
        tables.append(nsm.read_packets(folder / name))
    packets = pd.concat(tables, ignore_index=True)
    return packets, frame_bytes(packets)


@given(
    rows=st.lists(st.integers(0, 119), min_size=1),
    held=st.sampled_from([1, 100, 5_000, 1 << 20]),
    gap=st.sampled_from([0, 16, 200, 1 << 20]),
    at_once=st.sampled_from([1, 7, 1 << 16]),
)
@settings(max_examples=60)
def test_every_row_is_given_once_with_its_frame(two_files, rows, held, gap, at_once):
    packets, frames = two_files
    asked = np.array(rows)
    seen = []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "_STRETCH", held)
        patch.setattr(evidence, "_GAP", gap)
        patch.setattr(evidence, "_ROWS", at_once)
        for places, data, start, captured in stretches(packets, asked):
            assert len(places) <= at_once
            for place, first, size in zip(places.tolist(), start.tolist(), captured.tolist(), strict=True):
                assert data[first : first + size].tobytes() == frames[asked[place]]
                seen.append(place)

    assert sorted(seen) == list(range(len(rows)))


def test_frames_that_overlap_are_given_whole(two_files):
    packets, _ = two_files
    some = packets.iloc[:3].copy()
    some["offset"] = [24, 60, 40]
    some["captured"] = np.array([900, 20, 10], np.uint32)
    whole = [bytes(frame) for frame in frame_bytes(some)]

    found = {}
    for places, data, start, captured in stretches(some, np.arange(3)):
        for place, first, size in zip(places.tolist(), start.tolist(), captured.tolist(), strict=True):
            found[place] = data[first : first + size].tobytes()

    assert [found[place] for place in range(3)] == whole


def test_few_packets_of_a_large_file_are_read_without_what_lies_between(two_files, monkeypatch):
    packets, _ = two_files
    monkeypatch.setattr(evidence, "_GAP", 200)
    rows = np.flatnonzero(packets["captured"] < 100)
    read = []
    fill = evidence.Spans.fill
    monkeypatch.setattr(
        evidence.Spans, "fill", lambda self, offset, into: read.append(len(into)) or fill(self, offset, into)
    )

    parts = list(stretches(packets, rows))

    assert len(parts) == 2  # one a file, though in pieces
    assert len(read) > 10
    assert max(read) < 3_000


def test_a_file_that_ends_within_a_piece_is_told(two_files, tmp_path):
    packets, _ = two_files
    label = packets["evidence"].iloc[0]
    path = tmp_path / "short.pcap"
    with open(label, "rb") as whole:
        path.write_bytes(whole.read(2_000))
    some = packets[packets["evidence"] == label]

    with pytest.raises(DamagedEvidence, match="shorter than when it was read"):
        list(stretches(some, np.arange(len(some)), evidence={label: path}))


def test_rows_in_any_order_have_the_same_answers(two_files):
    packets, _ = two_files
    order = np.random.default_rng(5).permutation(len(packets))

    found = matching(packets, "ether[20] & 3 = 1")

    assert 0 < found.sum() < len(packets)
    assert matching(packets.iloc[order], "ether[20] & 3 = 1").tolist() == found[order].tolist()
