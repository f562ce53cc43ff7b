"""Whichever thread decodes which block, the table is the one that a single thread makes."""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
import threading

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.formats import frames as frames_module
from nsm_nb.formats import pcap
from nsm_nb.formats.source import Source
from nsm_nb.schema import caveats_of
from tests import writing

ENDS = ("10.0.0.1", "10.0.0.2", "192.0.2.7", "9.9.9.9")
SIX = ("2001:db8::1", "2001:db8::2", "::ffff:10.0.0.1")


def _tcp(src, dst, number):
    return writing.ip(writing.tcp(b"x" * (number % 9), 1000 + number, 80, seq=number), src, dst, 6, number=number)


KINDS = {
    "tcp": lambda src, dst, number: writing.ethernet(_tcp(src, dst, number), src=number % 5),
    "udp": lambda src, dst, number: writing.ethernet(writing.ip(writing.udp(b"q", number, 53), src, dst, 17)),
    "vlan": lambda src, dst, number: writing.ethernet(_tcp(src, dst, number), vlans=(number % 4,)),
    "icmp": lambda src, dst, number: writing.ethernet(writing.ip(bytes([8, 0, 0, 0, 0, number % 256, 0, 1]), src, dst, 1)),
    "first": lambda src, dst, number: writing.ethernet(
        writing.ip(writing.udp(b"part", 7000 + number, 9), src, dst, 17, number=number % 3, place=0x2000)
    ),
    "later": lambda src, dst, number: writing.ethernet(
        writing.ip(b"more of it", src, dst, 17, number=number % 3, place=3)
    ),
    "gre": lambda src, dst, number: writing.ethernet(
        writing.ip(writing.gre(_tcp(dst, src, number)), "172.16.0.1", src, 47)
    ),
    "vxlan": lambda src, dst, number: writing.ethernet(
        writing.ip(
            writing.udp(writing.vxlan(writing.ethernet(_tcp(src, dst, number)), number=number % 7), 4000, 4789),
            dst, "172.16.0.2", 17,
        )
    ),
    "arp": lambda src, dst, number: writing.ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), ethertype=0x0806),
    "other": lambda src, dst, number: writing.ethernet(b"?" * 20, ethertype=0x1000 + number % 3),
}  # fmt: skip
FRAME = st.one_of(
    st.builds(
        lambda kind, src, dst, number: KINDS[kind](src, dst, number),
        st.sampled_from(sorted(KINDS)), st.sampled_from(ENDS), st.sampled_from(ENDS), st.integers(0, 40),
    ),
    st.builds(
        lambda src, dst, number: writing.ethernet(
            writing.ipv6(writing.tcp(b"six", number, 443), src, dst, 6), ethertype=0x86DD
        ),
        st.sampled_from(SIX), st.sampled_from(SIX), st.integers(0, 9),
    ),
)  # fmt: skip


class Turns(frames_module.Frames):
    """Frames whose blocks go to the other thread as they are told, not as it has time."""

    turns = itertools.cycle([True])

    def _free_thread(self):
        self.names += [frames_module.kernel.Names.empty(4)][len(self.names) - 1 :]
        if self._other is None:
            self._other = frames_module.ThreadPoolExecutor(1)
        return self._other if next(self.turns) else None


@pytest.fixture(scope="module")
def in_turns():
    """A function that reads a capture in small blocks, each decoded by the thread that it is told."""

    def read(path, turns, size, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pcap, "Source", functools.partial(Source, size=size))
            patch.setattr(pcap, "Frames", Turns)
            patch.setattr(Turns, "turns", itertools.cycle(turns))
            patch.setattr(frames_module, "_WORTH_HANDING_OVER", 1)
            return nsm.read_packets(path, **options)

    return read


@pytest.fixture(scope="module")
def alone():
    """A function that reads a capture with one thread."""

    def read(path, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frames_module, "cores", lambda: 1)
            return nsm.read_packets(path, **options)

    return read


@given(
    st.lists(FRAME, min_size=1, max_size=60), st.lists(st.booleans(), min_size=1, max_size=9), st.integers(400, 2000),
    st.sampled_from([writing.pcap, writing.pcapng, writing.snoop]),
)  # fmt: skip
def test_a_table_does_not_tell_which_thread_decoded_what(tmp_path_factory, in_turns, alone, some, turns, size, write):
    path = tmp_path_factory.mktemp("turns") / "x.pcap"
    path.write_bytes(write([(place * 10**6, frame) for place, frame in enumerate(some)]))
    expected = alone(path)
    for order in (turns, [True], [True, False]):
        pd.testing.assert_frame_equal(in_turns(path, order, size), expected)


# more than the buffer has that finds records: what follows is in other blocks
LARGE = [(0, writing.ethernet(_tcp("10.0.0.1", "10.0.0.2", number) + bytes(60_000))) for number in range(30)]


@given(st.lists(FRAME, min_size=8, max_size=40), st.data())
def test_damage_is_told_and_passed_over_as_by_one_thread(tmp_path_factory, in_turns, alone, some, data):
    behind = bytearray(writing.pcap([(place * 10**6, frame) for place, frame in enumerate(some)])[24:])
    for _ in range(data.draw(st.integers(1, 4))):
        behind[data.draw(st.integers(0, len(behind) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.pcap"
    path.write_bytes(writing.pcap(LARGE) + behind)
    for recover in (False, True):
        expected, read = alone(path, recover=recover), in_turns(path, [True, True, False], 700_000, recover=recover)
        pd.testing.assert_frame_equal(read, expected)
        assert caveats_of(read) == caveats_of(expected)


def test_a_fragment_has_the_ports_of_its_first_one_though_another_thread_read_that(tmp_path, in_turns):
    first = KINDS["first"]("10.0.0.1", "10.0.0.2", 1)
    others = [KINDS["tcp"]("9.9.9.9", "192.0.2.7", number) for number in range(40)]
    later = KINDS["later"]("10.0.0.1", "10.0.0.2", 1)
    # to the thread that reads these, their addresses have the numbers that those of the first have to the other
    strange = [KINDS["later"]("192.0.2.7", "9.9.9.9", 1), KINDS["later"]("10.0.0.2", "10.0.0.1", 1)]
    path = tmp_path / "x.pcap"
    path.write_bytes(writing.pcap([(place, each) for place, each in enumerate([first, *others, later, *strange])]))
    for turns in ([True], [False], [True, False], [False, True]):
        ports = in_turns(path, turns, 500)["src_port"]
        assert ports.iloc[[0, 41]].tolist() == [7001, 7001]
        assert ports.iloc[[42, 43]].isna().all()


def test_a_block_is_not_overwritten_while_another_thread_looks_at_it(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 40)
    work = frames_module.Future()
    with Source(path, size=1024) as source:
        source.fill()
        lent = source.buffer
        before = lent.copy()
        source.lend(work)
        seen = bytes(source.held[: source.end])
        for _ in range(6):
            source.start = source.end - 3  # a record that goes on in the next block
            kept = bytes(source.held[source.start : source.end])
            source.fill()
            assert bytes(source.held[source.start : source.start + 3]) == kept
            seen += bytes(source.held[source.start + 3 : source.end])
            assert (lent == before).all()
        assert seen == path.read_bytes()[: len(seen)]
        work.set_result(None)
        source.lend(frames_module.Future())
        source.start = source.end
        source.fill()
        assert source.buffer is lent  # nobody looks at it any more


@pytest.fixture
def long_capture(tmp_path):
    """A capture of several buffers, all but the first of which are worth another thread."""
    path = tmp_path / "long.pcap"
    frame = KINDS["udp"]("10.0.0.1", "10.0.0.2", 7) + bytes(200)
    path.write_bytes(writing.pcap([(number, frame) for number in range(30_000)]))
    return path


def _no_thread(*_, **__):
    raise RuntimeError("cannot schedule new futures after interpreter shutdown")


def _refused_once_started(pool, *what):
    if pool._work_queue.qsize() or pool._threads:
        _no_thread()
    return SUBMIT(pool, *what)


SUBMIT = frames_module.ThreadPoolExecutor.submit


@pytest.mark.parametrize("submit", [_no_thread, _refused_once_started])
def test_where_no_thread_is_to_be_had_one_reads_alone(long_capture, alone, monkeypatch, submit):
    expected = alone(long_capture)
    monkeypatch.setattr(frames_module, "cores", lambda: 2)
    monkeypatch.setattr(frames_module.ThreadPoolExecutor, "submit", submit)
    pd.testing.assert_frame_equal(nsm.read_packets(long_capture), expected)


def test_a_thread_that_starts_when_the_program_ends_reads_too(long_capture):
    script = (
        "import sys, threading, time, nsm_nb as nsm\n"
        "def read():\n"
        "    time.sleep(0.3)\n"
        "    print(len(nsm.read_packets(sys.argv[1])))\n"
        "nsm.read_packets\n"
        "threading.Thread(target=read).start()\n"
    )
    told = subprocess.run([sys.executable, "-c", script, long_capture], capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr) == ("30000\n", "")


def test_reading_that_is_given_up_leaves_no_thread(long_capture, monkeypatch):
    calls = itertools.count()
    decode = frames_module.kernel.decode

    def failing(*what):
        if next(calls) == 2:
            raise MemoryError("no more")
        return decode(*what)

    monkeypatch.setattr(frames_module, "cores", lambda: 2)
    monkeypatch.setattr(frames_module.kernel, "decode", failing)
    with pytest.raises(MemoryError):
        nsm.read_packets(long_capture)
    assert not [each.name for each in threading.enumerate() if each.name.startswith("nsm-decode")]


def test_a_small_table_does_not_keep_the_room_that_was_made_for_it(tmp_path):
    path = tmp_path / "small.pcap"
    path.write_bytes(writing.pcap([(0, KINDS["tcp"]("10.0.0.1", "10.0.0.2", 1))] * 10))
    held = nsm.read_packets(path)["seq"].array._data
    while held.base is not None:
        held = held.base
    assert held.nbytes == 40


@pytest.mark.slow(30)
def test_captures_of_the_corpus_are_the_same_in_turns(shared, in_turns, alone):
    read = 0
    for path in sorted((shared / "corpus").rglob("*")):
        if path.suffix in (".pcap", ".pcapng", ".cap") and 400_000 < path.stat().st_size < 30_000_000:
            pd.testing.assert_frame_equal(in_turns(path, [True, False, True], 300_000), alone(path))
            read += 1
    assert read > 3
