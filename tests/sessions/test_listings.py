"""Sessions as text, beside what ra and flow-print themselves print of the same traffic."""

from __future__ import annotations

import gzip
from collections import Counter

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb import cli
from nsm_nb.schema import FLOWS, SESSIONS, addresses
from nsm_nb.sessions import assemble, text
from nsm_nb.sessions.listing_columns import icmp_messages
from nsm_nb.sessions.listings import STYLES


@pytest.fixture(scope="module")
def seed(shared):
    return assemble(nsm.read_packets(shared / "fixtures" / "seed.pcap"))[0]


@pytest.fixture(scope="module")
def staged(evidence):
    return assemble(nsm.read_packets(evidence / "staged.pcap"))[0]


def one(**columns):
    src, dst = addresses([columns.pop("src", "10.1.1.177")], [columns.pop("dst", "216.239.37.99")])
    times = {"start": pd.to_datetime(["2003-11-13T12:00:04Z"]), "end": pd.to_datetime(["2003-11-13T12:00:05Z"])}
    values = {name: [value] for name, value in columns.items()}
    return FLOWS.conform(pd.DataFrame({"src_ip": src, "dst_ip": dst, **times, **values}))


def test_ra_prints_the_fixture_as_argus_does(seed, shared):
    theirs = (shared / "fixtures" / "ra_n.txt").read_text().splitlines()
    ours = text(seed, "ra", link=14).splitlines()
    differ = [line for line in ours if line not in theirs]

    assert ours[0] == theirs[0]
    assert len(ours) > 40
    # three SYNs are two records of Argus', echoes of one identifier a record each; the identifier of ICMP is not in the table;
    # that an answer of ICMP told of a UDP session is a flag of Argus' (U)
    assert [line.split()[2 + ("s" in line.split()[1:3])] for line in differ] == ["tcp", "icmp", "icmp", "udp", "icmp"]
    assert [line for line in theirs if line.replace("eU", "e ") == differ[3]]


def test_ra_prints_the_bundled_case_as_argus_does(staged, truth):
    records = gzip.decompress((truth / "ra.txt.gz").read_bytes()).decode().splitlines()
    theirs = Counter(line[18:] for line in records)  # its times are cut to fit
    ours = Counter(line[18:] for line in text(staged[staged["proto"].isin(["tcp", "udp"])], "ra", link=14).splitlines())

    # the others are those of which Argus has several records, and two whose SYN or FIN was sent again, which Argus does not flag
    told = Counter(tuple(line[35:].split()[:3]) for line in records)
    assert (ours & theirs).total() == 1196
    once = [line for line in ours - theirs if told[tuple(line[17:].split()[:3])] == 1]
    assert [line.replace("e d", "e  ") in theirs for line in once] == [True, True]


@pytest.mark.parametrize(
    ("style", "file", "others"), [("flow-print", "flow-print.txt", 1), ("flow-print -f 5", "flow-print_f5.txt", 3)]
)
def test_flow_print_prints_what_flow_tools_prints_of_softflowds_export(seed, shared, style, file, others):
    theirs = Counter((shared / "fixtures" / file).read_text().splitlines())
    ours = Counter(text(seed, style).splitlines())

    # IPv6, of which version 5 knows nothing; and each direction of an echo has times of its own
    assert (ours - theirs).total() == others
    assert (ours & theirs).total() >= 78


def test_records_of_flow_tools_are_printed_as_it_prints_them(evidence, truth):
    (path,) = (evidence / "flow-tools").iterdir()

    theirs = gzip.decompress((truth / "ft-print.txt.gz").read_bytes()).decode().splitlines()
    differ = [
        pair
        for pair in zip(text(nsm.read_sessions(path), "flow-print").splitlines(), theirs, strict=True)
        if len(set(pair)) > 1
    ]

    # fprobe writes the type of ICMP into the port of the source, where no other exporter has it
    assert len(theirs) > 1000
    assert {theirs.split()[2] for _, theirs in differ} <= {"1"}


def test_the_listing_of_argus_2_has_the_articles_words():
    rows = pd.concat([
        one(proto="udp", src="216.182.1.1", src_port=53, dst="10.1.1.241", dst_port=1123, src_packets=1, state="TIM"),
        one(proto="tcp", src_port=2254, dst_port=80, src_packets=3, direction_known=False, state="FIN"),
    ])  # fmt: skip

    assert [line.split() for line in text(rows, "ra2").splitlines()] == [
        ["13", "Nov", "03", "12:00:04", "udp", "216.182.1.1.53", "->", "10.1.1.241.1123", "TIM"],
        ["13", "Nov", "03", "12:00:04", "tcp", "10.1.1.177.2254", "?>", "216.239.37.99.80", "FIN"],
    ]


def test_the_articles_771_is_type_3_code_3():
    row = one(proto="icmp", src="172.27.20.3", dst="192.168.60.2", src_packets=1, src_octets=56, state="URP")

    assert text(row, "flow-print").split()[7:] == ["172.27.20.3", "192.168.60.2", "1", "0", "771", "56", "1"]
    assert "192.168.60.2 type 3 code 3" in text(row)
    assert text(row, "sguil").splitlines()[1].split()[6:11] == ["172.27.20.3", "3", "192.168.60.2", "3", "1"]
    assert icmp_messages("icmp")["ECO"] == (8, 0)
    assert icmp_messages("icmp6")["NNS"] == (135, 0)


def test_sguils_columns_are_those_of_its_client(staged):
    header, first = text(staged.head(1), "sguil").splitlines()

    assert "Ssn.ID" in header
    assert header.split()[-13:] == [
        "SPort",
        "Dst",
        "IP",
        "DPort",
        "Pr",
        "S",
        "Pckts",
        "S",
        "Bytes",
        "D",
        "Pckts",
        "D",
        "Bytes",
    ]
    assert first.split()[1] == str(staged["session"].iloc[0])


def test_a_one_way_record_is_one_line_and_a_session_of_both_directions_two():
    there = {"proto": "tcp", "src_port": 4000, "dst_port": 80, "src_packets": 2, "src_octets": 80}

    assert len(text(one(**there), "flow-print").splitlines()) == 2
    assert len(text(one(**there, dst_packets=0), "flow-print").splitlines()) == 2
    assert len(text(one(**there, dst_packets=1), "flow-print").splitlines()) == 3


def test_what_is_not_known_is_a_minus_sign_and_no_zero():
    row = FLOWS.conform(pd.DataFrame({"proto": [None]}))

    assert text(row, "sguil").splitlines()[1].split() == ["-"] * 13
    assert text(row, "flow-print -f 5").splitlines()[2].split() == [
        "-",
        "-",
        "0",
        "-",
        "0",
        "0",
        "-",
        "0",
        "-",
        "0",
        "-",
        "-",
    ]
    assert text(row, "ra").splitlines()[1].split() == ["-", "-", "-", "->", "-", "-", "-", "-"]


@pytest.mark.parametrize("style", STYLES)
def test_no_column_is_cut_and_nothing_of_the_evidence_acts(style):
    src = "2001:db8:1111:2222:3333:4444:5555:6666"
    row = one(proto="tcp\x1b[31m", src=src, dst="fe80::1", src_packets=1, src_octets=9, src_port=1, dst_port=2, sensor="a\nb",
              state="C\u202eON", application="x\r")  # fmt: skip
    said = text(row, style)

    assert src in said
    assert not {"\x1b", "\u202e", "\r"} & set(said)
    assert text(SESSIONS.empty(), style).strip() or style == "ra2"


def test_sessions_of_several_days_have_their_dates():
    rows = pd.concat([one(proto="udp"), one(proto="udp").assign(start=pd.Timestamp("2013-01-02T03:04:05.000006Z"))])

    assert [line.split()[0] for line in text(rows, "ra").splitlines()[1:]] == [
        "2003-11-13.12:00:04.000000",
        "2013-01-02.03:04:05.000006",
    ]


def test_a_style_that_is_not_known_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="style='rb' is not known; choose one of plain, ra, "):
        text(SESSIONS.empty(), "rb")
    with pytest.raises(ValueError, match="autonomous systems"):
        text(SESSIONS.empty(), "flow-print -f 4")


def test_the_command_prints_sessions_of_a_case_or_a_file_in_a_style(bundled, evidence, staged, capsys, tmp_path):
    asked = ["-q", "dst port 445 and state FIN"]
    assert cli.main(["sessions", str(evidence / "staged.pcap"), "--style", "ra", "--link", "14", *asked]) == 0
    of_file = capsys.readouterr().out
    assert of_file == text(nsm.sessions.query(staged, asked[1]), "ra", link=14)
    assert len(of_file.splitlines()) > 1

    out = tmp_path / "sessions.txt"
    assert cli.main(["sessions", str(evidence / "netflow-export.pcap"), "--style", "flow-print", "-o", str(out)]) == 0
    assert len(out.read_text().splitlines()) > 1000
    assert cli.main(["sessions", str(evidence / "staged.pcap"), "--style", "ra", "-f", "csv"]) == 1
    assert "leave out" in capsys.readouterr().err
    assert (
        cli.main(
            ["sessions", str(evidence / "staged.pcap"), "-f", "csv", "-o", str(evidence / "staged.pcap"), "--overwrite"]
        )
        == 1
    )
    assert "never written to" in capsys.readouterr().err
