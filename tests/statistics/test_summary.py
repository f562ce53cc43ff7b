"""The summary against tcpdstat's listings, line by line, and where tcpdstat is wrong."""

from __future__ import annotations

import math
import re

import html5lib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import MissingColumn
from nsm_nb.schema import PACKETS, Caveat, with_caveats
from nsm_nb.statistics import summary

SECOND = 10**9


def tcpdstat_rate(times, lengths):
    """Return mean, deviation and peak as tcpdstat 2001/03/26 works them out: the slow twin of what is wrong.

    It leaves the first second and the last out, and after a gap counts the silent seconds but not their zeros.
    """
    first = now = times[0] // SECOND
    mean = squares = peak = 0.0
    count = held = 0
    for time, length in zip(times, lengths, strict=True):
        second = time // SECOND
        if now == first:
            if second > now:
                now, held = second, held + length
            continue
        if second > now:
            count += second - now
            apart = held * 8 - mean
            mean += apart / count
            squares += (count - 1) * apart * apart / count
            peak = max(peak, held * 8)
            held, now = 0, second
        held += length
    return mean, math.sqrt(squares / (count - 1)), peak


def in_bits(printed):
    number, unit = re.fullmatch(r"([\d.]+)([KM]?)(?:bps)?", printed).groups()
    return float(number) * {"": 1, "K": 1e3, "M": 1e6}[unit]


@pytest.mark.parametrize("name", ["seed", "www-files01"])
def test_size_and_time_are_those_that_tcpdstat_prints(name, tcpdstat, request):
    said, told = tcpdstat(name), summary(request.getfixturevalue("seed" if name == "seed" else "staged"))

    assert told.packets == said["packets"]
    assert told.length == next(row[4] for row in said["rows"] if row[1] == "total")
    assert told.longest == said["longest"]
    assert (told.start.floor("s"), told.end.floor("s")) == (said["start"], said["end"])
    assert round(told.duration, 2) == said["duration"]


@pytest.mark.parametrize("name", ["seed", "www-files01"])
def test_the_size_distribution_is_the_one_that_tcpdstat_prints(name, tcpdstat, request):
    told = summary(request.getfixturevalue("seed" if name == "seed" else "staged")).sizes

    assert list(told[["low", "high", "packets"]].itertuples(index=False, name=None)) == tcpdstat(name)["sizes"]
    assert told["share"].sum() == pytest.approx(1)


def test_flows_and_addresses_of_ipv4_are_those_that_tcpdstat_prints(seed, tcpdstat):
    said, told = tcpdstat("seed"), summary(seed)
    largest = told.largest_addresses

    assert (100 * told.largest_pairs["share"]).round(1).tolist() == said["flow_shares"]
    assert told.ipv4_addresses == said["addresses"]
    assert (100 * largest.loc[largest["version"] == 4, "share"]).round(1).tolist() == said["address_shares"]


def test_the_ipv6_flow_that_tcpdstat_does_not_see_is_counted(seed, tcpdstat):
    told = summary(seed)

    assert told.pairs == tcpdstat("seed")["flows"] + 1
    assert told.ipv6_addresses == 2
    assert told.addresses == 9


@pytest.mark.parametrize("name", ["seed", "www-files01"])
def test_tcpdstats_mean_rate_is_wrong_and_ours_is_all_bits_over_all_time(name, tcpdstat, request):
    packets = request.getfixturevalue("seed" if name == "seed" else "staged")
    said, told = tcpdstat(name), summary(packets)
    times, lengths = packets["time"].astype("int64").tolist(), packets["length"].tolist()

    # the twin shows that the listing comes from the fault it is said to have
    mean, deviation, peak = tcpdstat_rate(times, lengths)
    for printed, worked_out in zip(said["rate"], (mean, deviation, peak), strict=True):
        assert in_bits(printed) == pytest.approx(worked_out, rel=0.02)

    assert told.rate.mean == pytest.approx(sum(lengths) * 8 / ((max(times) - min(times)) / SECOND))
    assert in_bits(said["rate"][0]) > 1.5 * told.rate.mean


def test_the_mean_rate_of_the_sparse_capture_is_32_times_below_tcpdstats(seed, tcpdstat):
    assert round(in_bits(tcpdstat("seed")["rate"][0]) / summary(seed).rate.mean, 0) == 33  # 2.17 and 0.067 kbit/s
    assert round(summary(seed).rate.mean, 1) == 66.6


@pytest.mark.parametrize("name", ["seed", "www-files01"])
def test_the_peak_is_the_one_that_tcpdstat_prints_where_it_lies_inside(name, tcpdstat, request):
    told = summary(request.getfixturevalue("seed" if name == "seed" else "staged"))

    assert in_bits(tcpdstat(name)["rate"][2]) == pytest.approx(told.rate.peak, rel=0.002)


def test_tcpdstat_does_not_see_a_peak_in_the_first_second(packets_of):
    times, lengths = [0, SECOND, 2 * SECOND, 3 * SECOND], [1500, 60, 60, 60]

    assert tcpdstat_rate(times, lengths)[2] == 480
    assert summary(packets_of(times, lengths)).rate.peak == 12_000


def slow_rate(times, lengths):
    """Return deviation and peak from a list of all seconds, the empty ones included."""
    first, last = min(times) // SECOND, max(times) // SECOND
    bits = [0] * (last - first + 1)
    for time, length in zip(times, lengths, strict=True):
        bits[time // SECOND - first] += length * 8
    mean = sum(bits) / len(bits)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in bits) / (len(bits) - 1)) if len(bits) > 1 else math.nan
    return deviation, max(bits)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400 * SECOND), st.integers(0, 70_000)), min_size=2, max_size=30))
def test_the_rate_agrees_with_the_slow_way(packets_of, packets):
    times, lengths = zip(*packets, strict=True)
    told = summary(packets_of(list(times), list(lengths))).rate

    if min(times) == max(times):
        assert math.isnan(told.mean)
        return
    deviation, peak = slow_rate(times, lengths)
    assert told.deviation == pytest.approx(deviation, nan_ok=True)
    assert told.peak == peak
    assert told.seconds == max(times) // SECOND - min(times) // SECOND + 1


def test_ten_years_between_two_packets_take_no_memory(packets_of):
    told = summary(packets_of([0, 10 * 365 * 86_400 * SECOND]))

    assert told.rate.seconds == 315_360_001
    assert told.rate.peak == 480


def test_pairs_and_addresses_agree_with_pandas(staged):
    told = summary(staged)
    ip = staged[staged["layers"].astype(str).str.contains(":ip")]
    pairs = ip.groupby(["src_ip", "dst_ip"], observed=True)["length"].agg(["count", "sum"])
    ends = pd.concat([ip[["src_ip", "length"]].set_axis(["address", "length"], axis=1),
                      ip[["dst_ip", "length"]].set_axis(["address", "length"], axis=1)])  # fmt: skip
    addresses = ends.groupby("address", observed=True)["length"].agg(["count", "sum"])

    assert told.pairs == len(pairs)
    assert told.addresses == len(addresses)
    for row in told.largest_pairs.itertuples():
        assert (row.packets, row.length) == tuple(pairs.loc[(row.src_ip, row.dst_ip)])
    for row in told.largest_addresses.itertuples():
        assert (row.packets, row.length) == tuple(addresses.loc[row.address])
    assert told.largest_pairs["length"].tolist() == sorted(pairs["sum"], reverse=True)[:10]


def test_addresses_of_arp_are_no_ip_pairs(packets_of):
    told = summary(packets_of([0, 1], layers=["eth:arp", "eth:arp"], proto=["arp", "arp"]))

    assert (told.pairs, told.addresses) == (0, 0)


def test_a_packet_of_a_host_to_itself_counts_once_at_its_address(packets_of):
    # tcpdstat adds it at both ends: a share of 200 %
    told = summary(packets_of([0, 1], 100, src_ip=["10.0.0.1"] * 2, dst_ip=["10.0.0.1"] * 2))

    assert told.largest_addresses["packets"].tolist() == [2]
    assert told.largest_addresses["share"].tolist() == [1.0]


def test_a_clock_that_runs_backwards_does_not_make_the_duration_negative(packets_of):
    told = summary(packets_of([5 * SECOND, 9 * SECOND, 2 * SECOND]))

    assert told.duration == 7
    assert told.start == pd.Timestamp(2, unit="s", tz="UTC")
    assert any("backwards 1 time" in note for note in told.notes)


def test_no_packets_give_an_empty_summary_that_says_so():
    told = summary(PACKETS.empty())

    assert (told.packets, told.length, told.pairs) == (0, 0, 0)
    assert told.start is pd.NaT
    assert math.isnan(told.rate.mean)
    assert "no packets" in told.text()
    assert "no packets" in told._repr_html_()
    assert list(told.largest_pairs) == ["src_ip", "dst_ip", "packets", "length", "share"]
    assert told.sizes["packets"].sum() == 0


@pytest.mark.parametrize("times", [[0], [7, 7, 7], [pd.NaT], [pd.NaT, 5], [-(2**62), 2**62]])
def test_odd_times_are_summed_up(packets_of, times):
    told = summary(packets_of(times))

    assert told.packets == len(times)
    assert told.text()
    assert told._repr_html_()


def test_a_rate_over_no_time_is_not_defined_rather_than_infinite(packets_of):
    told = summary(packets_of([7, 7, 7]))

    assert told.duration == 0
    assert math.isnan(told.rate.mean)
    assert "all packets bear one time" in told.text()


def test_cut_packets_are_told(packets_of):
    told = summary(packets_of([0, 1], 1500, captured=[68, 1500]))

    assert (told.length, told.captured, told.longest) == (3000, 1568, 1500)
    assert any("1 packet cut by the capture: 1,432 bytes" in note for note in told.notes)


def test_caveats_of_the_reader_are_told(packets_of):
    packets = with_caveats(packets_of([0]), [Caveat("by hand", 1, 24, "cut", "the file ends early")])

    assert any("1 caveat" in note for note in summary(packets).notes)


def test_a_hostile_name_is_text_in_listing_and_html(packets_of):
    name = "<script>alert(1)</script>\x1b[31m\u202egpj.pcap"
    told = summary(packets_of([0, 1], evidence=[name, name]))
    tree = html5lib.parse(told._repr_html_(), namespaceHTMLElements=False)

    assert told.evidence == (name,)
    assert "\x1b" not in told.text()
    assert "\\u202e" in told.text()
    assert tree.find(".//script") is None
    assert "<script>alert(1)</script>" in "".join(tree.itertext())


def test_the_listing_reads_as_a_whole(seed):
    text = summary(seed).text()

    assert "137, 72.95 bytes on average" in text
    assert "66.63 bit/s over the whole duration" in text
    assert re.search(r"http from server\* +20 +14\.60 % +1,339", text)
    assert "  10.1.1.177     216.239.37.99       42  2,554  25.6 %\n" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_a_missing_column_is_named():
    with pytest.raises(MissingColumn, match="captured"):
        summary(PACKETS.empty().drop(columns="captured"))


def test_the_table_is_not_changed(staged):
    before = staged.copy(deep=True)
    summary(staged)

    pd.testing.assert_frame_equal(staged, before)


def test_packets_without_shared_categories_are_summed_up_alike(seed):
    plain = seed.astype({"src_ip": object, "dst_ip": object, "proto": object, "layers": object, "src_port": "float64"})

    assert summary(plain).text() == summary(seed).text()


def test_sizes_reach_beyond_64_kibibytes(packets_of):
    told = summary(packets_of([0, 1, 2], np.array([0, 1, 262_144]))).sizes

    assert len(told) == 19  # sizes that no packet has are rows of 0
    assert list(told.loc[told["packets"] > 0, ["low", "high", "packets"]].itertuples(index=False, name=None)) == [
        (0, 1, 2),
        (262_144, 524_287, 1),
    ]
