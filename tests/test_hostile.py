"""Captures made to hurt: packets and caveats, or one of our own errors; nothing else, and within bounds.

The captures are tcpdump's own test suite and synthetic ones, which are not in this repository; what is claimed here is
claimed again on captures that the other tests write themselves.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS, caveats_of

pytestmark = pytest.mark.slow


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


def test_every_hostile_capture_is_read_or_refused_in_a_sentence(shared):
    spent = read_all(captures(shared))

    assert len(spent) > 800
    assert max(spent.values()) < 30


def test_they_are_read_with_every_index_checked(shared, tmp_path):
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
    code += "from pathlib import Path\nfrom tests.test_hostile import captures, read_all\n"
    code += f"print(len(read_all(captures(Path({str(shared)!r})))))"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, timeout=900
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 800


def test_no_capture_makes_the_process_large(shared):
    read_all(path for path in captures(shared) if "synthetic" in str(path))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20  # kilobytes: 1 GiB


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        # hostile.md T2, T3, T19
        ("c03_trunc_rechdr.pcap", 11, "cut short at byte 5536"),
        ("c04_trunc_data.pcap", 10, "cut short at byte 5498"),
        ("c31_garbage_mid.pcap", 5, "damage at byte 1842"),
        ("c34_lt_unknown.pcap", 11, "link type 9999 is not supported"),
        ("c13_time_back.pcap", 11, "at most 3600 s at frame 9"),
        ("c26_comments_nrb.pcapng", 11, "name resolution blocks"),
        ("c27_dsb.pcapng", 11, "decryption secrets blocks"),
        ("c29_bomb_1GiB.pcap.gz", None, "unpacks to more than 100 times its size"),
    ],
)
def test_damage_is_told_and_loses_nothing_before_it(shared, name, count, words):
    packets = nsm.read_packets(shared / "hostile" / "synthetic" / name)

    assert count is None or len(packets) == count
    assert any(words in caveat.detail for caveat in caveats_of(packets))


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
