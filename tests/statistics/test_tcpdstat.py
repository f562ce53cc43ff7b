"""tcpdstat's listing, line by line: as it prints it, and true where it is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS
from nsm_nb.statistics import summary
from tests.statistics import tcpdstat_twin

DATA = Path(__file__).parent / "data"
SECOND = 10**9


@pytest.fixture(params=["seed", "www-files01"])
def known(request, evidence):
    """A capture and what tcpdstat printed of it."""
    capture = {"seed": DATA / "seed.pcap", "www-files01": evidence / "staged.pcap"}[request.param]
    return capture, (DATA / f"{request.param}.tcpdstat.txt").read_text()


def comparable(listing, *, flows):
    """Return the lines of a listing without the name of the file, and without flows where tcpdstat ran with -n."""
    if not flows:
        listing = re.sub(r"### IP flow.*(?=### Packet Size)", "", listing, flags=re.DOTALL)
    return [line for line in listing.split("\n") if not line.startswith("DumpFile")]


def test_the_twin_prints_what_tcpdstat_printed(known):
    capture, said = known

    assert comparable(tcpdstat_twin.listing(capture), flows="IP flow" in said) == comparable(said, flows=True)


def test_the_listing_as_printed_is_tcpdstats_byte_for_byte(known):
    capture, said = known
    told = summary(nsm.read_packets(capture)).text("tcpdstat", as_printed=True, file=capture)

    assert comparable(told, flows="IP flow" in said) == comparable(said, flows=True)


def corpus(shared):
    """Yield the captures of the corpus that tcpdstat reads, with what its twin prints."""
    folder = shared / "corpus"
    for path in pd.read_csv(folder / "INDEX.csv")["path"]:
        capture = folder / "captures" / path.replace("+", "_")
        if not capture.exists() or capture.stat().st_size > 3_000_000:
            continue
        try:
            said = tcpdstat_twin.listing(capture)
            packets = nsm.read_packets(capture)
        except (tcpdstat_twin.Unreadable, NsmError):
            continue
        if len(packets):
            yield capture, said, packets


def hidden(packets):
    """Say why tcpdstat sees less or other than is there: the reasons of docs/differences.md."""
    paths = [str(path).split(":") for path in packets["layers"].dropna().unique()]
    ip = [path for path in paths if {"ip", "ipv6"} & set(path)]
    reasons = set()
    if any(path[1:2] not in (["ip"],) for path in ip):
        reasons.add("ip")  # IPv6, and IP behind a tag or a tunnel of the link layer
    if any(path.count("ip") + path.count("ipv6") > 1 for path in ip):
        reasons.add("tunnel")
    if packets["fragment"].notna().any():
        reasons.add("fragment")
    if any(path[1:2] == ["ip"] and set(path[2:3]) <= {"cut"} for path in ip):
        reasons.add("cut")
    if len(ip) < len(paths):
        reasons.add("others")
    if (packets["time"].diff().dropna() < pd.Timedelta(0)).any():
        reasons.add("clock")
    if (packets["src_ip"].astype(object) == packets["dst_ip"].astype(object)).any():
        reasons.add("itself")
    return reasons


# Which lines of tcpdstat may be others here, and what of the capture is the reason; docs/differences.md tells each.
EXPLAINED = [
    (r"AvgRate", None),
    (r"Id|StartTime|EndTime|TotalTime", {"clock"}),
    (r"# of flows", {"ip", "others", "tunnel"}),
    (r" +\d+\.\d%|Top 10|# of IPv4", {"ip", "tunnel", "itself"}),
    (r"\[1\] ip ", {"ip"}),
    (r"\[2\]  frag", {"fragment"}),
    (r"\[3\]", {"ip", "tunnel", "fragment", "cut"}),
    (r"\[2\]", {"ip"}),
    (r"\[3\]   kasaa", None),
    (r" \[32768-65535\]", None),  # what is larger has a line of its own
]


@pytest.mark.slow
def test_the_corpus_is_listed_as_tcpdstat_does_and_each_line_that_differs_is_explained(shared):
    compared = same = 0
    for capture, said, packets in corpus(shared):
        told = summary(packets)
        assert told.text("tcpdstat", as_printed=True, file=capture) == said, capture
        true, reasons = told.text("tcpdstat", file=capture).split("\n"), hidden(packets)
        for line in said.split("\n"):
            if line in true:
                same += 1
                continue
            why = [which for pattern, which in EXPLAINED if re.match(pattern, line)]
            assert any(which is None or which & reasons for which in why), (capture, line, reasons)
        compared += 1
    assert compared >= 60
    assert same > 20 * compared


def test_what_is_not_shown_by_tcpdstat_has_lines_of_its_own(known):
    capture, said = known
    told = summary(nsm.read_packets(capture)).text("tcpdstat", file=capture)
    added = [line for line in told.split("\n") if line.startswith("[") and line not in said]

    assert {re.match(r"\[\d\] +(\S+)", line)[1] for line in added if line[1] in "12"} >= {"ip6", "arp"}
    assert "AvgRate: 66.63bps  stddev:412.57   PeakRate: 5.86Kbps" in told or "AvgRate: 49.25Kbps" in told


# Each of tcpdstat's faults by hand: packets, the line as it prints it, the line that is true.
FAULTS = {
    "the first second is left out of the peak": (
        {"times": [0, SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND], "lengths": [1500, 60, 60, 60, 60]},
        r"PeakRate: 480\.00bps", r"PeakRate: 12\.00Kbps",
    ),
    "silent seconds are counted but not their zeros": (
        {"times": [each * SECOND for each in (1, 2, 3, 1000, 1001)], "lengths": 1000},
        r"AvgRate: 8\.00Kbps  stddev:0\.00K", r"AvgRate: 40\.00bps  stddev:564\.",
    ),
    "the mean of packets a flow has ARP in it": (
        {"times": [0, 0, 0], "layers": ["eth:ip:tcp", "eth:ip:tcp", "eth:arp"]},
        r"avg\. 3\.00 pkts/flow", r"avg\. 2\.00 pkts/flow",
    ),
    "a host that talks to itself counts twice": (
        {"times": [0, 0], "src_ip": ["10.0.0.1"] * 2, "dst_ip": ["10.0.0.1", "10.0.0.2"]},
        r"\n 150\.0% 50\.0%", r"\n 100\.0% 50\.0%",
    ),
    "IPv6 is in the total alone": (
        {"times": [0], "layers": ["eth:ipv6:tcp"], "src_ip": ["2001:db8::1"], "dst_ip": ["2001:db8::2"]},
        r"\[0\] total .*\n>>>>", r"\[1\] ip6 ",
    ),
    "what is behind a VLAN tag is in the total alone": (
        {"times": [0], "layers": ["eth:vlan:ip:tcp"]}, r"\[0\] total .*\n>>>>", r"\[3\]   http\(c\) ",
    ),
    "fragments of ICMP are none": (
        {"times": [0, 0], "layers": ["eth:ip:icmp", "eth:ip:fragment"], "proto": ["icmp"] * 2, "fragment": [0, 1480]},
        r"\[2\]  icmp +2 .*\n>>>>", r"\[2\]  frag +2 ",
    ),
    "a fragment before its first one has no service": (
        {"times": [0, 1], "layers": ["eth:ip:fragment", "eth:ip:udp"], "proto": ["udp"] * 2, "fragment": [1480, 0],
         "ip_id": [7, 7], "dst_port": [53, 53]},
        r"\[3\]   dns +1 ", r"\[3\]   dns +2 ",
    ),
    "a slip of the pen": ({"times": [0], "dst_port": [1214]}, r"\[3\]   kasaa ", r"\[3\]   kazaa "),
    "what is larger than 65,535 bytes is in the last row": (
        {"times": [0], "lengths": 200_000}, r"\[32768-65535\]: +1", r"\[131072-262143\]: +1",
    ),
    "nanoseconds are cut off": (
        {"times": [SECOND, 6_005_000_900]}, r"TotalTime: 5\.00 seconds", r"TotalTime: 5\.01 seconds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_tcpdstat_is_in_its_listing_and_not_in_ours(packets_of, fault):
    columns, wrong, right = FAULTS[fault]
    columns = dict(columns)
    told = summary(packets_of(columns.pop("times"), columns.pop("lengths", 60), **columns))

    assert re.search(wrong, told.text("tcpdstat", as_printed=True))
    assert not re.search(wrong, told.text("tcpdstat"))
    assert re.search(right, told.text("tcpdstat"))


def test_tcpdstat_forgets_a_datagram_whose_last_fragment_came_and_we_do_not(packets_of):
    packets = packets_of(
        range(3), layers=["eth:ip:udp", "eth:ip:fragment", "eth:ip:fragment"], proto=["udp"] * 3, ip_id=[7] * 3,
        fragment=[0, 2960, 1480],
        src_port=pd.array([40_000, None, None], "UInt16"), dst_port=pd.array([53, None, None], "UInt16"),
    )  # fmt: skip
    told = summary(packets)

    assert re.search(r"\[3\]   dns +2 ", told.text("tcpdstat", as_printed=True))
    assert re.search(r"\[3\]   dns +3 ", told.text("tcpdstat"))


def test_tcpdstat_gives_a_rate_of_no_seconds_and_we_say_that_there_is_none(packets_of):
    told = summary(packets_of([0, SECOND], 100))

    assert "AvgRate: 0.00bps  stddev:-0.00   PeakRate: 0.00bps" in told.text("tcpdstat", as_printed=True)
    assert "AvgRate: 1.60Kbps" in told.text("tcpdstat")


def test_tcpdstats_time_is_negative_where_the_clock_ran_backwards(packets_of):
    told = summary(packets_of([9 * SECOND, 2 * SECOND]))

    assert "TotalTime: -7.00 seconds" in told.text("tcpdstat", as_printed=True)
    assert "TotalTime: 7.00 seconds" in told.text("tcpdstat")


@pytest.mark.parametrize("layers", ["sll:ip:tcp", "raw:ip:tcp", "null:ipv6:tcp", None])
def test_there_are_no_printed_figures_of_what_tcpdstat_does_not_read(packets_of, layers):
    told = summary(packets_of([0], layers=[layers]))

    assert "# of packets: 1 " in told.text("tcpdstat")
    with pytest.raises(NsmError, match="tcpdstat does not read"):
        told.text("tcpdstat", as_printed=True)


def test_no_packets_are_listed():
    told = summary(PACKETS.empty())

    assert "# of packets: 0 (0.00KB)" in told.text("tcpdstat")
    assert "Id: 197001010000" in told.text("tcpdstat", as_printed=True)
    assert "StartTime: no time" in told.text("tcpdstat")


def test_wrong_words_are_refused_in_a_sentence(seed):
    with pytest.raises(ValueError, match="choose 'plain' or 'tcpdstat'"):
        summary(seed).text("html")
    with pytest.raises(ValueError, match="of style='tcpdstat' alone"):
        summary(seed).text(as_printed=True)


def test_the_name_of_a_file_does_not_write_to_the_terminal(packets_of):
    told = summary(packets_of([0], evidence=["\x1b[2Jx"]))

    assert "\x1b" not in told.text("tcpdstat")
    assert "\x1b" not in told.text("tcpdstat", file="\x1b]0;x")
