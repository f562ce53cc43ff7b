"""Captures made to hurt: packets and caveats, or one of our own errors; nothing else, and within bounds.

The captures are tcpdump's own test suite and synthetic ones, which are not in this repository; what is claimed here is
claimed again on captures that the other tests write themselves.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS, caveats_of
from tests import writing

pytestmark = pytest.mark.slow

GIB = 1 << 30
SECONDS = 30  # of CPU, for one capture


def captures(shared: Path) -> list[Path]:
    return sorted(path for path in (shared / "hostile").rglob("*") if ".pcap" in path.name and path.is_file())


def read_all(paths):
    """Read each capture to sessions; return the seconds each took."""
    spent = {}
    for path in paths:
        before = time.process_time()
        try:
            packets = nsm.read_packets(path, format="pcap")
        except NsmError as problem:
            assert "\n" not in str(problem)
        else:
            assert list(packets.columns) == list(PACKETS.columns)
            assert (packets["captured"] <= 262_144).all()
            sessions, _ = nsm.sessions.assemble(packets)
            assert sessions["src_packets"].sum() + sessions["dst_packets"].sum() <= len(packets)
        spent[path.name] = time.process_time() - before
    return spent


def in_a_process(code: str, folder: Path, *, checked: bool = False) -> dict:
    """Run code that fills `spent` in a process of its own; return it and the most memory that was used, in bytes.

    A signal, another exception than ours or a warning fails the test, and so does more CPU than one capture may take for each.
    """
    environment = {**os.environ, "NSM_HOME": str(folder)}
    if checked:
        environment |= {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder)}
    root = Path(__file__).parent.parent
    lines = [
        "import json, logging, resource, sys",
        f"sys.path.insert(0, {str(root)!r})",
        "resource.setrlimit(resource.RLIMIT_CPU, (600, 600))",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        "logging.disable()",
        "from pathlib import Path",
        "from tests.test_hostile import *",
        code,
        # not ru_maxrss: that counts what the process that started this one had
        "peak = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))",
        "print(json.dumps({'spent': spent, 'memory': peak * 1024}))",
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, timeout=1800
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_hostile_capture_is_read_or_refused_in_a_sentence_within_bounds(shared, tmp_path):
    told = in_a_process(f"spent = read_all(captures(Path({str(shared)!r})))", tmp_path)

    assert len(told["spent"]) > 800
    assert max(told["spent"].values()) < SECONDS
    assert told["memory"] < GIB


def test_evidence_is_the_same_before_and_after_and_nothing_is_written_beside_it(shared, tmp_path):
    folder = shared / "hostile" / "synthetic"
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    in_a_process(f"spent = read_all(captures(Path({str(shared)!r}))[:100])", tmp_path)

    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == before


# --- mutations


def originals() -> list[bytes]:
    """Small captures of every container, with all that can stand in them."""
    frames = writing.conversation()
    frames += [(time, frame[:60], len(frame)) for time, frame in writing.conversation(src="10.0.0.3", sport=5)]
    frames += [(time, frame[:12] + b"\x81\0\0\5" + frame[12:]) for time, frame in writing.conversation(src="10.0.0.4")]
    inner = writing.ip(writing.udp(b"inner", 53, 9), "192.0.2.1", "192.0.2.2", 17)
    frames.append((frames[0][0], writing.ethernet(writing.ip(b"\0\0\x08\0" + inner, "10.0.0.1", "10.0.0.2", 47))))
    frames.append(
        (
            frames[0][0],
            writing.ethernet(writing.ipv6(writing.udp(b"six", 1, 2), "2001:db8::1", "::2", 17), ethertype=0x86DD),
        )
    )
    raw = [(time, frame[14:]) for time, frame, *_ in frames[:8]]
    extras = b"".join(
        (
            writing.block(4, bytes.fromhex("01000a000a000001") + b"name\0\0" + bytes(6)),
            writing.block(5, bytes(12) + writing.option(4, bytes(8)) + writing.option(5, b"\5" + bytes(7))),
            writing.block(10, bytes(12)),
            writing.block(3, bytes([60, 0, 0, 0]) + bytes(60)),
            writing.block(2, bytes(12) + bytes([60, 0, 0, 0]) * 2 + bytes(60)),
            writing.block(99, b"unknown"),
            writing.enhanced(0, 1, bytes(60), options=writing.option(1, b"comment") + writing.option(4, bytes(8))),
        )
    )
    return [
        writing.pcap(frames),
        writing.pcap(frames, big=True, nano=True),
        writing.pcap(frames, magic=0xA1B2CD34, tail=bytes(8)),
        writing.pcap(raw, link=101),
        writing.pcap(frames, link=113),
        writing.pcap(frames, link=127),
        writing.snoop(frames),
        writing.pcapng(frames),
        writing.pcapng(frames, ">") + writing.pcapng(frames[:3]),
        writing.pcapng(frames[:4]) + extras + writing.interface(link=101, options=writing.option(2, b"eth1")),
        writing.pcap(frames[:5]) + writing.snoop(frames[:5]),
    ]


def mutated(seed: int, captures: list[bytes]) -> bytes:
    """A capture with bytes changed, put in, left out or moved; every fourth one is compressed, some are damaged after that."""
    dice = random.Random(seed)
    data = bytearray(dice.choice(captures))
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data))
        what = dice.random()
        if what < 0.6:
            data[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
        elif what < 0.75:
            data[at : at + 4] = dice.choice([0, 0xFFFFFFFF, 0x7FFFFFFF, 262_144, len(data)]).to_bytes(
                4, dice.choice(["little", "big"])
            )
        elif what < 0.85:
            data[at:at] = dice.randbytes(dice.randrange(1, 200))
        elif what < 0.95:
            del data[at : at + dice.randrange(1, 200)]
        else:
            data += data[at:]
        if not data:
            data = bytearray(1)
    if dice.random() < 0.1:
        del data[dice.randrange(1, len(data) + 1) :]
    if seed % 4:
        return bytes(data)
    packed = bytearray(writing.packed(bytes(data), dice.choice(["gzip", "zstd", "lz4"])))
    if dice.random() < 0.7:
        packed[dice.randrange(4, len(packed))] = dice.randrange(256)
    return bytes(packed[: dice.randrange(4, len(packed))] if dice.random() < 0.2 else packed)


def read_mutations(first: int, last: int) -> dict[str, float]:
    """Read mutations: all of them to frames and caveats, some to a table and sessions; return the slowest's seconds."""
    from nsm_nb.formats import pcap
    from nsm_nb.formats.compressed import Unpacked, compression
    from nsm_nb.formats.frames import Frames, packet_table
    from nsm_nb.formats.source import Source

    whole, slowest, frames_read = originals(), 0.0, 0
    for seed in range(first, last):
        data = mutated(seed, whole)
        before = time.process_time()
        kind = compression(io.BytesIO(data))
        source = Source.of(data)
        if kind:
            source._file = Unpacked(io.BytesIO(data), kind)
        frames = Frames(256)
        recover = seed % 2 == 0
        try:
            reading = pcap.read(source, "x", frames, recover=recover)
        except NsmError as problem:
            assert "\n" not in str(problem)
            continue
        told = reading.finish()
        assert all("\n" not in each.detail and "\x1b" not in each.detail for each in told)
        count = frames.count
        assert (frames.columns.captured[:count] <= 262_144).all()
        # no frame reaches beyond what there is, and none begins before the one before it ends
        ends = frames.columns.offset[:count] + frames.columns.captured[:count]
        assert (frames.columns.offset[1:count] >= ends[: max(count - 1, 0)]).all()
        assert kind or not count or ends[-1] <= len(data)
        frames_read += count
        if seed % 32 < 2:
            table = packet_table(frames, "x")
            assert list(table.columns) == list(PACKETS.columns)
            nsm.sessions.assemble(table)
        slowest = max(slowest, time.process_time() - before)
    return {"slowest": slowest, "frames": frames_read}


def test_10_000_mutations_of_every_container_give_frames_and_caveats_or_one_of_our_errors(tmp_path):
    told = in_a_process("spent = read_mutations(0, 10_000)", tmp_path)

    assert told["spent"]["slowest"] < SECONDS
    assert told["memory"] < GIB
    assert told["spent"]["frames"] > 50_000  # most mutations leave something to read


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        # hostile.md T2, T3, T19
        ("c03_trunc_rechdr.pcap", 11, "cut short at byte 5536"),
        ("c04_trunc_data.pcap", 10, "cut short at byte 5498"),
        ("c31_garbage_mid.pcap", 5, "damage at byte 1842"),
        ("c34_lt_unknown.pcap", 11, "link type 9999 is not supported"),
        ("c13_time_back.pcap", 11, "at most 3600 s at frame 9"),
        ("c26_comments_nrb.pcapng", 11, "name resolution block"),
        ("c27_dsb.pcapng", 11, "decryption secrets block"),
        ("c29_bomb_1GiB.pcap.gz", None, "unpacks to more than 100 times its size"),
        ("c07_snaplen0.pcap", 11, "says that 0 bytes of a frame are kept"),
        ("c09_incl_gt_orig.pcap", 12, "1 frame says that fewer bytes were on the wire"),
        ("c10_incl_gt_snap.pcap", 11, "5 frames are larger than the snaplen of 68"),
        ("c11_usec_4e9.pcap", 12, "a fraction of a second that is a second or more"),
        ("c12_zero_len.pcap", 15, "2 frames hold no bytes at all"),
        ("c14_ts_extremes.pcap", 3, "clock jumped ahead 136.2 years"),
        ("c18_btl0.pcapng", 11, "damage at byte 5748"),
        ("c23_opt_overrun.pcapng", 11, "block whose options run over its end"),
        ("c24_missing_iface.pcapng", 1, "damage at byte 136"),
        ("c26_comments_nrb.pcapng", 11, '216.239.37.99 is "trusted-bank.example"'),
        ("c30_two_concat.pcap", 22, "another capture begins at byte 5528, behind frame 11"),
    ],
)
def test_damage_is_told_and_loses_nothing_before_it(shared, name, count, words):
    packets = nsm.read_packets(shared / "hostile" / "synthetic" / name)

    assert count is None or len(packets) == count
    assert any(words in caveat.detail for caveat in caveats_of(packets))


def test_what_stands_behind_damage_comes_back_marked(shared):
    table = nsm.read_packets(shared / "hostile" / "synthetic" / "c31_garbage_mid.pcap", recover=True)

    assert table["recovered"].tolist() == [False] * 5 + [True] * 6
    assert any("5,000 bytes were passed over" in each.detail for each in caveats_of(table))


@pytest.mark.parametrize(
    ("name", "src", "dst", "words"),
    [
        ("e01_snap68", 14, 56, "captured 70 of 4,734 bytes"),
        ("e02_dups", 68, 4666, "sent again, alike; shown once"),
        ("e05_reordered", 68, 4666, None),
        ("e06_gap", 68, 3266, "1,400 bytes of dst are missing"),
        ("e07_overlap_conflict", 22, 0, '"/good" is shown, frame 5 says "/evil"'),
        ("e09_seq_wrap", 68, 4666, None),
        ("e11_ipfrag", 68, 4666, None),
        ("e11b_ipfrag_missing", 44, 4666, "24 bytes are missing (first is frame 4)"),
        ("e14_badsum_insert", 68, 4666, "not alike"),
        ("e15_ttl_insert", 68, 4666, "not alike"),
        ("e10b_qinq", 68, 4666, None),
        ("e17d_sll2", 68, 4666, None),
        ("e20_onebyte_segs", 68, 30019, None),
    ],
)
def test_a_transcript_is_honest_about_faulty_evidence(shared, name, src, dst, words):
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(shared / "hostile" / "synthetic" / f"{name}.pcap"))

    told = nsm.transcripts.transcript(packets, session=sessions.iloc[0])

    assert (told.size("src"), told.size("dst")) == (src, dst)
    assert any(words in caveat.detail for caveat in told.caveats) if words else told.caveats == []


def test_a_reset_that_does_not_belong_closes_nothing_and_a_used_port_is_another_session(shared):
    folder = shared / "hostile" / "synthetic"

    assert nsm.sessions.assemble(nsm.read_packets(folder / "e13_rst_badseq.pcap"))[0]["closed"].tolist() == ["both"]
    assert len(nsm.sessions.assemble(nsm.read_packets(folder / "e08_port_reuse.pcap"))[0]) == 2
    assert len(nsm.sessions.assemble(nsm.read_packets(folder / "e19_idle_2h.pcap"))[0]) == 2
