"""The kernel that folds packets: room that grows, and a hash table that nobody can aim at."""

from __future__ import annotations

import numpy as np
import pytest

import nsm_nb as nsm
from nsm_nb.kernels import conversations, rows


@pytest.fixture(scope="module")
def packets():
    """Packets of many short conversations and of some long ones, as arrays."""
    random = np.random.default_rng(7)
    count = 40_000
    long = random.random(count) < 0.3
    ends = random.integers(0, 50, (2, count)), random.integers(0, 30_000, (2, count))
    src, dst = np.where(long, *ends).astype(np.int32)
    zeros = np.zeros(count, np.uint32)
    return conversations.Packets(
        no_ip=random.random(count) < 0.01,
        src=src,
        dst=dst,
        sport=random.integers(0, 3, count).astype(np.uint16),
        dport=np.full(count, 53, np.uint16),
        kind=np.where(random.random(count) < 0.5, 6, 17).astype(np.int16),
        one_way=np.zeros(count, bool),
        time=np.sort(random.integers(0, 10**12, count)),
        octets=np.full(count, 60, np.uint32),
        payload=random.integers(0, 20, count).astype(np.uint32),
        tcp_flags=random.integers(0, 32, count).astype(np.uint16),
        no_tcp=np.zeros(count, bool),
        seq=random.integers(0, 1000, count).astype(np.uint32),
        ack=zeros,
        window=np.ones(count, np.uint16),
    )


IDLE = np.full(257, 100 * 10**9, np.int64)


def test_what_comes_out_does_not_depend_on_the_multipliers(packets, monkeypatch):
    first = conversations.converse(packets, IDLE)
    # 1 and 1: a poor choice, so that many conversations meet in one place
    monkeypatch.setattr(conversations, "_ODD", (np.uint64(1), np.uint64(1)))

    second = conversations.converse(packets, IDLE)

    for name in set(first._fields) - {"history"}:
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert all(map(np.array_equal, rows.history_texts(*first[-2:]), rows.history_texts(*second[-2:])))


@pytest.mark.parametrize("parts", [2, 8])
def test_what_comes_out_does_not_depend_on_the_threads(packets, parts):
    alone = conversations.converse(packets, IDLE, parts=1)

    together = conversations.converse(packets, IDLE, parts=parts)

    for name in set(alone._fields) - {"history"}:
        assert np.array_equal(getattr(alone, name), getattr(together, name)), name
    assert all(map(np.array_equal, rows.history_texts(*alone[-2:]), rows.history_texts(*together[-2:])))


def test_the_multipliers_are_other_ones_in_each_process():
    import subprocess
    import sys

    code = "from nsm_nb.kernels.conversations import _ODD; print(*_ODD)"
    told = {subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(2)}

    assert len(told) == 2
    assert all(int(each) % 2 for line in told for each in line.split())


def test_more_conversations_than_there_was_room_for_are_all_there(packets):
    whole = conversations.converse(packets, IDLE)
    assert len(whole.start) > 16_000  # more than the room at the start, which is a quarter of the packets

    letters = np.arange(conversations.HISTORY) < whole.letters[:, None]
    assert whole.session.max() == len(whole.start) - 1
    assert np.array_equal(np.unique(whole.session[whole.session >= 0]), np.arange(len(whole.start)))
    assert (whole.tally[0] + whole.tally[3]).sum() == (whole.session >= 0).sum()
    assert np.array_equal(whole.session[whole.first], np.arange(len(whole.start)))
    assert np.isin(whole.history[letters], np.frombuffer(b"^ShAaDdFfRrTtWwsH", np.uint8)).all()


def test_values_under_a_mask_do_not_count(evidence):
    packets = nsm.read_packets(evidence / "staged.pcap")
    before, _ = nsm.sessions.assemble(packets)
    dirty = packets.copy()
    for name in ("octets", "payload", "seq", "ack", "window", "tcp_flags", "src_port", "dst_port"):
        array = dirty[name].array.copy()
        array._data[array._mask] = 7
        dirty[name] = array

    after, _ = nsm.sessions.assemble(dirty)

    assert after.equals(before)
