"""The kernel that pairs flows: what comes out does not depend on threads, nor on how records fall into heaps."""

from __future__ import annotations

import numpy as np
import pytest

from nsm_nb.kernels import pairing

IDLE = np.full(257, 60 * 10**9, np.int64)


@pytest.fixture(scope="module")
def records():
    """Records of few ends, of many pieces each, some without addresses, times or flags."""
    random = np.random.default_rng(11)
    count = 20_000
    start = random.integers(0, 10**12, count)
    start[random.random(count) < 0.01] = pairing.NOT_A_TIME
    return pairing.Records(
        src=random.integers(-1, 300, count).astype(np.int32),
        dst=random.integers(-1, 300, count).astype(np.int32),
        sport=random.choice([53, 80, 1025], count).astype(np.uint16),
        dport=random.choice([53, 80, 1025], count).astype(np.uint16),
        kind=random.choice([1, 6, 17, 256], count).astype(np.int16),
        group=random.integers(0, 2, count).astype(np.int32),
        one_way=random.random(count) < 0.1,
        start=start,
        end=np.where(start == pairing.NOT_A_TIME, start, start + random.integers(0, 10**10, count)),
        flags=random.integers(-1, 32, count).astype(np.int16),
    )


@pytest.fixture(scope="module")
def alone(records):
    return pairing.paired(records, np.arange(len(records.start)), IDLE, parts=1)


def equal(one: pairing.Conversed, other: pairing.Conversed) -> bool:
    return all(map(np.array_equal, one, other))


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_what_comes_out_does_not_depend_on_the_threads(records, alone, parts):
    assert equal(alone, pairing.paired(records, np.arange(len(records.start)), IDLE, parts=parts))


@pytest.mark.parametrize("heap", [1, 1_000_000])
def test_nor_on_the_size_of_heaps(records, alone, heap, monkeypatch):
    monkeypatch.setattr(pairing, "_HEAP", heap)

    assert equal(alone, pairing.paired(records, np.arange(len(records.start)), IDLE))


def test_nor_on_the_multipliers(records, alone, monkeypatch):
    monkeypatch.setattr(pairing, "_ODD", (np.uint64(1), np.uint64(1)))

    assert equal(alone, pairing.paired(records, np.arange(len(records.start)), IDLE, parts=2))


def test_every_record_is_of_one_conversation(records, alone):
    count = len(alone.first)

    assert 1000 < count < len(records.start)
    assert np.array_equal(np.unique(alone.conversation), np.arange(count))
    assert np.array_equal(np.bincount(alone.conversation), alone.pieces)
    assert np.array_equal(alone.conversation[alone.first], np.arange(count))
    assert (np.diff(alone.first) > 0).all()


def test_no_records_give_none():
    none = pairing.Records(*(np.empty(0, each) for each in ("i4", "i4", "u2", "u2", "i2", "i4", "?", "i8", "i8", "i2")))

    assert len(pairing.paired(none, np.empty(0, np.int64), IDLE).first) == 0
