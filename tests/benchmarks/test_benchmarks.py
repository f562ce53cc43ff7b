"""The benchmarks run, on captures of a size for tests, and write what they promise."""

from __future__ import annotations

import csv
import struct

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from benchmarks import __main__ as benchmarks
from benchmarks import captures, measuring, reading, writing


def test_copies_have_addresses_and_times_of_their_own(tmp_path):
    staged = nsm.read_packets(captures.STAGED)

    both = nsm.read_packets(captures.make(tmp_path / "two.pcap", size=captures.STAGED.stat().st_size + 1))

    assert len(both) == 2 * len(staged)
    first, second = both.iloc[: len(staged)], both.iloc[len(staged) :]
    assert (first["src_ip"].astype(str).to_numpy() == staged["src_ip"].astype(str).to_numpy()).all()
    later = second["time"].to_numpy() - first["time"].to_numpy()
    assert set(later) == {np.timedelta64(captures.STEP, "s")}
    # ARP and IPv6 stay as they were
    ip4 = first["octets"].notna().to_numpy() & first["src_ip"].astype(str).str.contains(".", regex=False).to_numpy()
    assert not set(first["src_ip"].astype(str)[ip4]) & set(second["src_ip"].astype(str)[ip4])


def test_a_capture_has_the_packets_that_were_asked_for_and_a_slice_its_first(tmp_path):
    small = captures.make(tmp_path / "small.pcap", packets=12_345, largest=200)
    slice_ = captures.first_packets(small, 321)

    table = nsm.read_packets(small)
    assert len(table) == 12_345
    assert table["captured"].max() <= 200
    assert nsm.read_packets(slice_)["offset"].tolist() == table["offset"].tolist()[:321]
    assert struct.unpack("<I", slice_.read_bytes()[:4]) == (0xA1B2C3D4,)


def test_dpkt_gives_the_fields_that_we_give(evidence):
    theirs = pd.DataFrame(reading.with_dpkt(evidence / "staged.pcap"), columns=reading.FIELDS)
    ours = nsm.read_packets(evidence / "staged.pcap")

    assert len(theirs) == len(ours)
    assert set(reading.FIELDS) == set(ours) - {
        "evidence",
        "session",
        "to_dst",
        "outer_src_ip",
        "outer_dst_ip",
        "vni",
        "icmp_id",
    }
    for name in ("frame", "captured", "offset", "src_mac", "dst_mac"):
        assert theirs[name].tolist() == ours[name].tolist(), name
    whole = ours["fragment"].isna().to_numpy() & ours["proto"].isin(["tcp", "udp", "icmp"]).to_numpy()
    ip4 = whole & ~ours["src_ip"].astype(str).str.contains(":").to_numpy()
    for name in (
        "src_ip",
        "dst_ip",
        "src_port",
        "dst_port",
        "ttl",
        "octets",
        "seq",
        "ack",
        "window",
        "icmp_type",
        "icmp_code",
    ):
        left, right = (
            table.loc[ip4, name].astype(object).where(table.loc[ip4, name].notna(), None) for table in (theirs, ours)
        )
        assert left.tolist() == right.tolist(), name


def test_a_median_that_misses_what_was_asked_is_told():
    slow = measuring.of_samples("x", [0.9, 0.4, 0.6], "s", "so", asked="< 0.5")
    rate = measuring.of_samples("y", [5.0], "million packets/s", "so", asked=">= 5")

    assert (slow.median, slow.low, slow.high, slow.met, rate.met) == (0.6, 0.4, 0.9, False, True)
    shown = writing.page([slow, rate], {"machine": "m"})
    assert "| x [1] | < 0.5 | 0.6 | 0.4 | 0.9 | s | **no** |" in shown
    assert "**no**" not in writing.page([slow], {"machine": "m"}, scale=0.01)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a result: all that needs no browser, each once, on small captures."""
    folder = tmp_path_factory.mktemp("benchmarks")
    parts = [word for name in benchmarks.PARTS if name not in ("brush", "queue") for word in ("--only", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "on_one_core", lambda: "not bound")  # the tests' own process keeps all its cores
        assert benchmarks.main(["--runs", "1", "--scale", "0.005", "--folder", str(folder), *parts]) == 0
    return folder


@pytest.mark.slow
def test_imports_are_measured_and_written(written):
    with (written / "result.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert float(rows["import nsm_nb, whole process"]["median"]) < 5
    assert "import nsm_nb, whole process" in (written / "result.md").read_text()


@pytest.mark.slow(40)
def test_all_but_what_needs_a_browser_runs_on_small_captures(written):
    with (written / "result.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = {row["name"] for row in rows}
    assert {"times dpkt", "transcript, a shell", "open case, packets and sessions", "memory of case.packets"} <= names
    assert all(float(row["min"]) <= float(row["median"]) <= float(row["max"]) for row in rows)
    assert (written / "result.svg").stat().st_size > 1000
    assert (written / "result.png").read_bytes()[:4] == b"\x89PNG"
