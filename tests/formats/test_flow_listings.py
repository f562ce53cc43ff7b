"""What nfdump and flow-print print of the same records is the same table, and its sums are those that they state."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.formats import cicflowmeter_csv, nfdump_csv, nfdump_line, nfstream_csv, printed_values, sancp_csv
from nsm_nb.schema import caveats_of
from tests.formats.session_samples import SAMPLES, SANCP, cicflowmeter

KEY = ["proto", "src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "src_octets", "state"]


def keys(table, names=KEY):
    rows = table[names].astype(object).where(table[names].notna(), None).to_numpy().tolist()
    return sorted(map(repr, rows))


@pytest.fixture(scope="module")
def fprobe(truth):
    return nsm.read_sessions(truth / "nfdump-fprobe-v5.csv.gz", label="x")


def test_flow_print_and_nfdump_tell_the_same_flows(truth, fprobe):
    printed = nsm.read_sessions(truth / "ft-print.txt.gz", label="x")
    assert len(printed) == len(fprobe) == 2360
    assert keys(printed) == keys(fprobe)
    # Total Flows, Octets, Packets of flow-stat
    said = (truth / "ft-stat.txt").read_text()
    for words, number in (
        ("Flows", len(printed)),
        ("Octets", printed["src_octets"].sum()),
        ("Packets", printed["src_packets"].sum()),
    ):
        assert int(re.search(rf"Total {words}\s+:?\s*(\d+)", said)[1]) == number


@pytest.mark.parametrize("name", ["fprobe-v5", "softflowd-v5", "softflowd-v9", "softflowd-ipfix"])
def test_the_sums_of_each_exporter_are_those_of_a_slow_reading(truth, name):
    path = truth / f"nfdump-{name}.csv.gz"
    found = nsm.read_sessions(path, label="x")
    with gzip.open(path, "rt") as file:
        rows = [line.rstrip("\n").split(",") for line in file][1:]
    assert found["src_packets"].tolist() == [int(row[7]) for row in rows]
    assert found["src_octets"].tolist() == [int(row[8]) for row in rows]
    assert found["src_ip"].tolist() == [row[3] for row in rows]
    assert found["duration"].to_numpy() == pytest.approx([float(row[1]) for row in rows], abs=1e-6)
    assert found["start"].dt.strftime("%Y-%m-%d %H:%M:%S.%f").str[:-3].tolist() == [row[0] for row in rows]
    assert found["record"].tolist() == list(range(2, len(rows) + 2))
    ports = [(row[4], row[6]) if row[2] in ("6", "17") else (None, None) for row in rows]
    assert [
        (None, None) if a is pd.NA else (str(a), str(b))
        for a, b in zip(found["src_port"], found["dst_port"], strict=True)
    ] == ports


@pytest.mark.slow(1)
def test_the_evidence_is_that_of_the_capture(evidence, fprobe):
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))
    sides = ["src_ip", "src_port", "dst_ip", "dst_port"]
    flows = {tuple(row) for row in fprobe.loc[fprobe["proto"] == "tcp", sides].astype(str).to_numpy().tolist()}
    tcp = sessions.loc[sessions["proto"] == "tcp", sides].astype(str)
    ways = {tuple(row) for row in tcp.to_numpy().tolist()} | {
        tuple(row) for row in tcp[sides[2:] + sides[:2]].to_numpy().tolist()
    }
    assert flows <= ways


@pytest.fixture(scope="module")
def nfdump():
    if shutil.which("nfdump") is None:
        pytest.skip("nfdump is not installed; it is the oracle of this test")

    def run(path, *options):
        done = subprocess.run(
            ["nfdump", "-r", str(path), *options],
            capture_output=True,
            check=True,
            env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        )
        return done.stdout

    return run


@pytest.mark.slow(1)
@pytest.mark.parametrize("name", ["fprobe-v5.nfcapd", "softflowd-v9.nfcapd", "fprobe-v5.nfdump16.nfcapd"])
def test_all_that_the_installed_nfdump_prints_is_one_table(nfdump, evidence, tmp_path, name):
    path = evidence / "nfcapd" / name
    expected = nfdump(path, "-q", "-N", "-o", "fmt:%ts %td %pr %sa %sp %da %dp %pkt %byt").decode().splitlines()
    tables = {}
    for mode, reader in (("csv", nfdump_csv), ("line", nfdump_line), ("long", nfdump_line), ("extended", nfdump_line)):
        place = tmp_path / mode
        place.write_bytes(nfdump(path, "-N", "-6", "-o", mode))
        assert nsm.formats.recognised(place) == [reader.NAME]
        tables[mode] = reader.sessions(place, label="x")
        assert not [each for each in caveats_of(tables[mode]) if each.kind in ("line", "number", "address")], mode
    one = tables["long"]
    assert len(one) == len(expected)
    assert one["src_octets"].sum() == sum(int(line.split()[-1]) for line in expected)
    assert one["src_packets"].sum() == sum(int(line.split()[-2]) for line in expected)
    for mode in ("csv", "line", "extended"):
        assert keys(tables[mode]) == keys(one), mode
    assert keys(tables["csv"], [*KEY, "src_flags"]) == keys(one, [*KEY, "src_flags"])
    # the csv of this version has whole seconds
    assert (one["start"].dt.floor("s").to_numpy() == tables["csv"]["start"].to_numpy()).all()


def test_rows_of_both_directions_are_two_way(nfdump, evidence, tmp_path):
    path = evidence / "nfcapd" / "fprobe-v5.nfcapd"
    one = nsm.read_sessions(_write(tmp_path / "one", nfdump(path, "-o", "csv")), label="x")
    for mode, reader in (("csv", nfdump_csv), ("bilong", nfdump_line)):
        both = reader.sessions(_write(tmp_path / mode, nfdump(path, "-N", "-B", "-o", mode)), label="x")
        assert len(both) < len(one)
        for what in ("packets", "octets"):
            assert both[f"src_{what}"].sum() + both[f"dst_{what}"].sum() == one[f"src_{what}"].sum()
        assert both["src_flags"].isna().all()  # they are those of both sides together


def test_rounded_counts_are_told(tmp_path):
    text = SAMPLES["nfdump-long.txt"][1].replace("      320", "   20.4 M")
    found = nsm.read_sessions(_write(tmp_path / "x", text.encode()))
    assert found["src_octets"].tolist() == [20_400_000, 56]
    assert any("1 count is printed rounded" in each.detail for each in caveats_of(found))


def test_an_ipv6_address_cut_in_the_middle_is_none(tmp_path):
    text = SAMPLES["nfdump-long.txt"][1].replace("  10.1.1.177:2254", "2001:..1a:2b.2254")
    found = nsm.read_sessions(_write(tmp_path / "x", text.encode()))
    assert found["src_ip"].isna().tolist() == [True, False]
    assert found["src_port"].tolist()[0] == 2254
    assert any("which is no address" in each.detail for each in caveats_of(found))


# --- flow-print


def test_formats_3_and_5_of_flow_print_tell_the_same(shared):
    three, five = (nsm.read_sessions(shared / "fixtures" / f"flow-print{each}.txt", label="x") for each in ("", "_f5"))
    assert keys(three) == keys(five)
    assert len(five) == 79
    assert three["start"].isna().all()


def test_the_year_is_taken_from_a_time_near_by(shared):
    near = pd.Timestamp("2003-11-13", tz="UTC")
    found = nsm.read_sessions(shared / "fixtures" / "flow-print_f5.txt", label="x", near=near)
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(shared / "fixtures" / "seed.pcap"))
    times = set(sessions["start"].dt.floor("ms"))
    assert found["start"].isin(times).mean() > 0.95
    assert any("79 of 79 times carry no year" in each.detail for each in caveats_of(found))


def test_a_flow_over_new_year_does_not_end_before_it_began(tmp_path):
    text = SAMPLES["flow-print-5.txt"][1].replace(
        "1113.17:00:04.020 1113.17:00:04.200", "1231.23:59:59.020 0101.00:00:01.020"
    )
    found = nsm.read_sessions(_write(tmp_path / "x", text.encode()), near=pd.Timestamp("2004-01-01", tz="UTC"))
    assert found["start"].iloc[0] == pd.Timestamp("2003-12-31 23:59:59.020", tz="UTC")
    assert found["duration"].iloc[0] == 2.0


def test_formats_0_and_1_are_hexadecimal(tmp_path):
    for number in (0, 1):
        found = nsm.read_sessions(_write(tmp_path / "x", SAMPLES[f"flow-print-{number}.txt"][1].encode()))
        assert found["src_port"].tolist()[0] == 0x8CE
        assert found["state"].tolist()[1] == "URP"
    assert found["src_flags"].tolist() == [0x1B, pd.NA]
    assert found["duration"].tolist() == pytest.approx([0.18, 0.0])


@pytest.mark.parametrize("number", ["4", "4-wide", "7", "8", "9"])
def test_formats_of_masks_and_tags_tell_addresses_and_counts(tmp_path, number):
    row = nsm.read_sessions(_write(tmp_path / "x", SAMPLES[f"flow-print-{number}.txt"][1].encode())).iloc[0]
    assert (row["src_ip"], row["dst_ip"], row["src_octets"], row["src_packets"]) == (
        "10.1.1.177",
        "216.239.37.99",
        320,
        6,
    )
    ported = number in "78"
    assert (row["src_port"], row["dst_port"]) == ((2254, 80) if ported else (pd.NA, pd.NA))
    assert row["proto"] is np.nan if number == "9" else row["proto"] == "tcp"


@pytest.mark.parametrize(
    ("printed", "address"),
    [("10.1.1.177/24", "10.1.1.177"), ("10/8", "10.0.0.0"), ("10.1/16", "10.1.0.0"), ("10.0.1/24", "10.0.1.0"),
     ("0/0", "0.0.0.0"), ("192.168.100.177/24", "192.168.100.177"), ("10.0.0.1/0", "10.0.0.1")],
)  # fmt: skip
def test_the_zeros_that_an_address_with_a_mask_ends_in_are_put_back(tmp_path, printed, address):
    text = SAMPLES["flow-print-4.txt"][1].replace("10.1.1.177/24     ", printed)
    assert nsm.read_sessions(_write(tmp_path / "x", text.encode()))["src_ip"].tolist() == [address]


# --- NFStream, CICFlowMeter, SANCP


@pytest.mark.parametrize("mode", ["ip", "frames"])
def test_octets_of_nfstream_are_those_of_the_capture_in_either_mode(shared, mode):
    found = nfstream_csv.sessions(Path(__file__).parent / "data" / f"nfstream-{mode}.csv", label="x")
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(shared / "fixtures" / "seed.pcap"))
    names = ["proto", "src_ip", "src_port", "dst_ip", "dst_port"]
    # of a conversation whose opening it did not see, NFStream takes the first sender for the one who opened
    found, sessions = (
        table[~table[["src_port", "dst_port"]].isin([2306, 2307]).any(axis=1)] for table in (found, sessions)
    )
    for what in ("packets", "octets"):
        mine, theirs = (
            table[table["proto"].isin(["tcp", "udp"])]
            .astype({"proto": str})
            .groupby(names, observed=True)[[f"src_{what}", f"dst_{what}"]]
            .sum()
            .sort_index()
            for table in (found, sessions)
        )
        assert mine.to_numpy().tolist() == theirs.to_numpy().tolist()
    assert any(
        ("taken for those of IP" if mode == "ip" else "Ethernet's header") in each.detail for each in caveats_of(found)
    )


def test_flags_that_nfstream_counts_give_states(shared):
    found = nfstream_csv.sessions(Path(__file__).parent / "data" / "nfstream-frames.csv", label="x")
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(shared / "fixtures" / "seed.pcap"))
    names = ["src_ip", "src_port", "dst_ip", "dst_port"]
    both = found.astype(dict.fromkeys(names, str)).merge(
        sessions[sessions["proto"] == "tcp"].astype(dict.fromkeys(names, str)), on=names, suffixes=("", "_ours")
    )
    assert len(both) == 14  # the other, whose opening was not seen, it turns the other way
    assert (both["state"].astype(str) == both["state_ours"].astype(str)).all()
    assert (both["direction_known"] == both["direction_known_ours"]).all()


def test_cicflowmeters_clock_of_twelve_hours_is_told(tmp_path):
    for year, hour in ((2017, 5), (2018, 5), (0, 17)):
        found = cicflowmeter_csv.sessions(_write(tmp_path / "x", cicflowmeter(year).encode()), label="x")
        assert found["start"].dt.hour.tolist() == [hour]
        assert found["duration"].tolist() == [0.18]
        assert found["src_octets"].isna().all()
        assert any("twelve hours" in each.detail for each in caveats_of(found)) == (year != 0)


def test_midnight_of_that_clock_is_twelve(tmp_path):
    text = cicflowmeter(0).replace("05:00:04 PM", "12:00:04 AM")
    found = cicflowmeter_csv.sessions(_write(tmp_path / "x", text.encode()), label="x")
    assert found["start"].dt.hour.tolist() == [0]


def test_addresses_that_sancp_writes_as_numbers_are_addresses(tmp_path):
    found = sancp_csv.sessions(_write(tmp_path / "x", SANCP.encode()), label="x")
    assert found["src_ip"].tolist() == ["10.1.1.177", "192.168.60.2"]
    assert found["dst_ip"].tolist() == ["216.239.37.99", "172.27.20.3"]
    assert found["direction_known"].tolist() == [True, False]
    assert not any("zone" in each.detail for each in caveats_of(found))


@pytest.mark.parametrize("separator", [",", "|", "||", "\t"])
def test_what_stands_between_sguils_values_does_not_matter(tmp_path, separator):
    text = SAMPLES["sguil.csv"][1].replace('","', f'"{separator}"')
    place = _write(tmp_path / "x", text.encode())
    assert nsm.formats.recognised(place) == ["sancp-csv"]
    assert nsm.read_sessions(place)["src_payload"].tolist() == [76]


def _write(place, content):
    place.write_bytes(content)
    return place


@pytest.mark.slow(1)
def test_two_hundred_thousand_lines_are_read_in_a_second(tmp_path, truth):
    from time import process_time

    with gzip.open(truth / "nfdump-fprobe-v5.csv.gz") as file:
        head, body = file.read().split(b"\n", 1)
    place = _write(tmp_path / "x.csv", head + b"\n" + body * (200_000 // 2360))
    before = process_time()
    found = nfdump_csv.sessions(place, label="x")
    assert len(found) == 2360 * (200_000 // 2360)
    assert np.unique(found["session"]).size == len(found)
    assert process_time() - before < 4  # measured 4.2 s of the processor for a million


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"12.5", 12.5), (b"1:02:03.5", 3723.5), (b"2 d", 172_800), (b"2 d 01:00:00", 176_400), (b"", None), (b"x", None)],
)
def test_durations_of_nfdump_are_read_however_long(text, seconds):
    assert nfdump_line._seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "number"), [(b".AP.SF", 27), (b"FSPA", 27), (b"0x1b", 27), (b"27", 27), (b"256", None), (b"what", None)]
)
def test_flags_are_read_as_letters_and_as_numbers(text, number):
    assert printed_values.flags(text) == number
