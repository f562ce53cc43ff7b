"""Every flow file of the case, the fixtures and the corpus is read, and tells as many records, packets and octets as its program.

`ORACLES` lists the files by what tells their truth. A file that is none of these, and a pattern that no file fits, fails.
"""

from __future__ import annotations

import csv
import functools
import gzip
import json
import shutil
import subprocess
from typing import NamedTuple

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import UnknownFormat, UnreadableEvidence
from nsm_nb.formats import reader, recognised


class Sums(NamedTuple):
    """What a file tells: sessions where the program counts records of pieces, each once."""

    records: int
    packets: int
    octets: int


@functools.lru_cache(maxsize=1)
def read(path):
    """By the public reader."""
    yearless = path.suffix == ".txt" and path.name.startswith(("flow-print", "ra_"))
    return nsm.read_sessions(path, **({"near": pd.Timestamp("2003-11-13", tz="UTC")} if yearless else {}))


# --- what the programs say


def nfdump_csv(path, *, tunnels=True):
    """nfdump's own listing, with or without the names of its columns, in either layout.

    Of a flow within a tunnel the older layout has a line for the tunnel besides, without counts.
    """
    rows = [row for row in csv.reader(path.read_text().split("\nSummary")[0].splitlines()) if row[0][:1].isdigit()]
    packets, octets = ((7,), (8,)) if rows and len(rows[0]) == 10 else ((11, 13), (12, 14))
    rows = [row for row in rows if len(row) in (10, 48) and (tunnels or row[packets[0]] != "0")]
    return Sums(len(rows), *(sum(int(row[at]) for row in rows for at in places) for places in (packets, octets)))


def beside(name, reading):
    """The listing that lies beside a file, read by hand."""
    return lambda path: reading(path.parent / name)


def stored(path):
    """nfdump's listing beside a nfcapd file; the installed nfdump, where that is of several files or was not kept."""
    listing = path.parent / "nfdump.csv"
    return (
        nfdump_csv(listing, tunnels=False)
        if len([*path.parent.glob("nfcapd.*")]) == 1 and listing.exists()
        else nfdump(path)
    )


def nfdump(path):
    """The installed nfdump."""
    if shutil.which("nfdump") is None:
        pytest.skip("nfdump is not installed; it is the oracle of these files")
    done = subprocess.run(
        ["nfdump", "-q", "-N", "-r", path, "-o", "fmt:%pkt %byt"], capture_output=True, check=True, text=True
    )
    rows = [list(map(int, line.split())) for line in done.stdout.splitlines() if line.strip()[:1].isdigit()]
    return Sums(len(rows), *(sum(row[at] for row in rows) for at in (0, 1)))


def nfdump_line(path):
    rows = [line.split() for line in path.read_text().splitlines() if line[:2] == "20" and "->" in line]
    return Sums(len(rows), sum(int(row[-3]) for row in rows), sum(int(row[-2]) for row in rows))


def flow_print(path):
    """flow-print's own listing, format 3 or 5."""
    lines = path.read_text().splitlines()
    names = lines[0].split()
    rows = [line.split() for line in lines[1:] if line.strip()]
    packets, octets = (
        names.index(each) for each in (("packets", "octets") if "octets" in names else ("Pkts", "Octets"))
    )
    return Sums(len(rows), sum(int(row[packets]) for row in rows), sum(int(row[octets]) for row in rows))


def fixed(*sums):
    return lambda _: Sums(*sums)


def ra_rows(path):
    """Rows of ra's that are of IP or ARP: packets of both sides, bytes of frames."""
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    delimiter = "\t" if "\t" in text.split("\n", 1)[0] else ","
    rows = [row for row in csv.DictReader(text.splitlines(), delimiter=delimiter) if row["Proto"].strip() != "man"]
    if rows and "TotPkts" in rows[0]:
        return [(row, int(row["TotPkts"]), int(row["TotBytes"])) for row in rows]
    sides = [[int(row[f"{side}{what}"] or 0) for side in ("Src", "Dst") for what in ("Pkts", "Bytes")] for row in rows]
    return [(row, each[0] + each[2], each[1] + each[3]) for row, each in zip(rows, sides, strict=True)]


def ra_csv(path):
    """ra's own CSV. Octets are its bytes of frames less 14 a packet; of records without octets they are not counted."""
    found = read(path)
    rows = ra_rows(path)
    known = (found["src_octets"].notna() & found["dst_octets"].notna()).tolist()
    octets = sum(size - 14 * count for (_, count, size), fine in zip(rows, known, strict=True) if fine)
    lost = [row["Proto"] for (row, _, _), fine in zip(rows, known, strict=True) if not fine]
    assert not {"tcp", "udp"} & {*lost} or "vlan" in str(path) or "Flgs" in rows[0][0], lost
    return Sums(len(rows), sum(count for _, count, _ in rows), octets)


def ra_packets(path):
    """The packets in ra's CSV. The number of its records is not ours: pieces are put together."""
    return Sums(-1, sum(count for _, count, _ in ra_rows(path)), -1)


def ra_text(path):
    rows = [line.split() for line in path.read_text().splitlines()[1:] if line.strip() and " man " not in line]
    return Sums(len(rows), sum(int(row[-3]) for row in rows), -1)


def argus(path):
    """The installed ra: the packets of its records."""
    if shutil.which("ra") is None:
        pytest.skip("ra is not installed; it is the oracle of these files")
    fields = ["proto", "saddr", "spkts", "dpkts"]
    done = subprocess.run(
        ["ra", "-X", "-n", "-c", ",", "-s", *fields, "-r", path], capture_output=True, check=True, text=True
    )
    rows = [line.split(",") for line in done.stdout.splitlines()[1:]]
    return Sums(-1, sum(int(row[2]) + int(row[3]) for row in rows if row[0] != "man"), -1)


def eve(path):
    """Suricata's own flow events: bytes of frames, 14 of Ethernet a packet."""
    events = [json.loads(line) for line in path.read_text().splitlines() if '"flow"' in line]
    flows = [event["flow"] for event in events if event["event_type"] == "flow"]
    packets, size = (
        sum(flow[f"{what}_to{side}"] for flow in flows for side in ("server", "client")) for what in ("pkts", "bytes")
    )
    return Sums(len(flows), packets, size - 14 * packets)


def zeek(path):
    """Zeek's own log, with tabs or as JSON."""
    names, rows = [], []
    for line in path.read_text().splitlines():
        if line.startswith("{"):
            rows.append(json.loads(line))
        elif line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif line and line[0] != "#" and not names:  # cut by zeek-cut
            names = line.split("\t")
        elif line and line[0] != "#":
            rows.append(dict(zip(names, line.split("\t"), strict=True)))
    return Sums(len(rows), *(sum_of(rows, what) for what in ("pkts", "ip_bytes")))


def sum_of(rows, what):
    """Both sides' counts, whatever stands before their names."""
    values = [value for row in rows for name, value in row.items() if name.endswith((f"orig_{what}", f"resp_{what}"))]
    return sum(int(value) for value in values if value not in ("-", "(empty)"))


def pmacct(path):
    """What pmacct printed; it multiplies what was sampled."""
    lines = (path.parent / "output-flow-00.json").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    scale = 256 if "104-" in path.parent.name else 1
    return Sums(len(rows), *(sum(row[each] for row in rows) // scale for each in ("packets", "bytes")))


def all_four(path):
    """nfdump's listings of what the four exporters of the capture sent."""
    listings = [nfdump_csv(path.parent / "nfcapd" / f"{name}.csv") for name in
                ("fprobe-v5", "softflowd-v5", "softflowd-v9", "softflowd-ipfix")]  # fmt: skip
    return Sums(*(sum(each) for each in zip(*listings, strict=True)))


CASE, CODECS = "cases/www-files01", "corpus/other/logstash-netflow/spec/codecs"
NOTHING = fixed(0, 0, 0)
# tshark 4.0.17 on the datagrams: -d udp.port==9995,cflow -T fields -e cflow.srcaddr -e cflow.packets -e cflow.octets
V5, V9 = fixed(79, 134, 7938), fixed(80, 135, 8020)
ORACLES = [
    # files of nfcapd: nfdump's listings where they lie beside, the installed nfdump else
    *((f"{CASE}/nfcapd/{name}.nfcapd", beside(f"{name}.csv", nfdump_csv)) for name in (
        "fprobe-v5", "softflowd-v5", "softflowd-v9", "softflowd-ipfix", "fprobe-v5.nfdump16")),
    ("fixtures/nfcapd.v5", nfdump), ("fixtures/broken_clock/nfcapd.v5", nfdump),
    ("corpus/truth/*/nfcapd.*", stored),
    # what nfdump printed of them: added up by hand
    (f"{CASE}/nfcapd/*.csv", nfdump_csv), (f"{CASE}/nfcapd/*.line.txt", nfdump_line), ("corpus/truth/*/nfdump.csv", nfdump_csv),
    # files of flow-tools: flow-print; those of flow-gen by spark-netflow's own tests, it counts up
    (f"{CASE}/flow-tools/ft-v05*", beside("ft-print.txt", flow_print)),
    ("fixtures/flow-capture.ft-v05", beside("flow-print_f5.txt", flow_print)),
    ("fixtures/broken_clock/flow-capture.ft-v05", beside("../flow-print.txt", flow_print)),
    ("corpus/other/spark-netflow/**/*.sample", fixed(1000, 500_500, 500_500)),
    (f"{CASE}/flow-tools/ft-print.txt", flow_print), ("fixtures/flow-print*.txt", flow_print),
    # Argus' own: the installed ra; what ra printed: added up by hand
    # (which reads no version 5, as the case's is)
    (f"{CASE}/argus/*.argus", beside("argus5.ra.csv", ra_packets)), ("fixtures/seed.argus", argus),
    (f"{CASE}/argus/*.csv", ra_csv), (f"{CASE}/argus/*.txt", ra_text), ("fixtures/ra_*.txt", ra_text),
    ("corpus/truth/*/argus_ra.csv*", ra_csv), ("corpus/other/slips/**/*.binetflow", ra_csv),
    # datagrams: tshark, pmacct, nfdump of what the same exporters sent
    ("fixtures/**/softflowd.v5.bin", V5), ("fixtures/**/softflowd.v9.bin", V9), ("fixtures/**/softflowd.v10*.bin", V9),
    (f"{CODECS}/netflow5.dat", fixed(30, 230, 18_684)), (f"{CODECS}/netflow5_test_juniper_mx80.dat", fixed(29, 31, 3989)),
    (f"{CODECS}/netflow5_test_microtik.dat", fixed(30, 160, 40_812)), (f"{CODECS}/ipfix.dat", fixed(12, 54, 13_279)),
    (f"{CODECS}/netflow9_test_softflowd_tpl_data.dat", fixed(7, 13, 1128)),
    (f"{CODECS}/netflow9_test_valid01.dat", fixed(7, 13, 1128)),
    ("corpus/other/pmacct/tests/*/traffic-00.pcap", pmacct), (f"{CASE}/netflow-export.pcap", all_four),
    # templates alone, and data whose templates lie in another of these files: see test_netflow_templates.py, which joins them
    *((f"{CODECS}/{name}.dat", NOTHING) for name in (
        "ipfix_test_netscaler_*", "ipfix_test_openbsd_*", "ipfix_test_yaf_*", "netflow9_test_cisco_asa_1_*",
        "netflow9_test_macaddr_*")),
    # no program tells: tshark shows no flow of it, for its header counts more records than are there
    (f"{CODECS}/netflow9_test_invalid01.dat", fixed(2, 2, 194)),
    # Suricata's and Zeek's own logs: added up by hand
    ("**/eve.json", eve), ("corpus/other/**/conn*.log*", zeek),
]  # fmt: skip
# what is no flow record, or not enough of one to tell who talked to whom
REFUSED = {
    "corpus/truth/*/argus_ra.csv": "ra found no record, and printed nothing: no byte",
    "corpus/truth/*/nfdump.csv": "nfdump found no flow, and says so in the place of a listing",
    f"{CODECS}/netflow5_test_invalid0?.dat": "the header counts 55,582 and 163 records, of which 30 are there",
    "corpus/other/zeek-baseline/scripts.base.protocols.ssh.max-lengths*/conn.log": "cut by zeek-cut: no addresses",
    "corpus/other/zeek-baseline/scripts.base.files.mime.*/conn.log": "cut by zeek-cut: no addresses",
    "corpus/other/zeek-baseline/scripts.base.protocols.vlan.vlan-0/conn.log.cut": "cut by zeek-cut: no addresses",
    "corpus/other/zeek-baseline/scripts.policy.protocols.conn.community-id-logging-flipped/conn.log.cut":
        "cut by zeek-cut, without the names of its columns",
}  # fmt: skip


@functools.cache
def refused(shared):
    paths = [path for pattern in REFUSED for path in shared.glob(pattern)]
    return {path for path in paths if path.stat().st_size == 0 or not recognised(path)}


@pytest.mark.slow(10)
@pytest.mark.parametrize("pattern", [pattern for pattern, _ in ORACLES])
def test_records_packets_and_octets_are_those_that_its_program_tells(shared, pattern):
    oracle = dict(ORACLES)[pattern]
    paths = sorted({*shared.glob(pattern)} - refused(shared))
    assert paths, "no file fits"
    for path in paths:
        said = oracle(path)
        table = read(path)
        found = Sums(len(table), told(table, "packets"), told(table, "octets"))
        known = [place for place, each in enumerate(said) if each >= 0]
        assert [found[place] for place in known] == [said[place] for place in known], path


def told(table, what):
    """Return the sum of both sides; of both together, where that is all that was printed."""
    if what in table:
        return int(table[what].sum())
    return int(table[f"src_{what}"].sum() + table[f"dst_{what}"].fillna(0).sum())


def test_every_flow_file_is_among_them(shared):
    listed = {path for pattern, _ in ORACLES for path in shared.glob(pattern)} | refused(shared)
    patterns = [f"corpus/truth/*/{name}*" for name in ("nfcapd", "nfdump", "argus")]
    patterns += ["corpus/other/**/conn*.log*", "corpus/other/**/*.dat"]
    named = {path for pattern in patterns for path in shared.glob(pattern)}
    walked = {
        path for root in ("cases", "fixtures", "corpus/other") for path in (shared / root).rglob("*") if path.is_file()
    }
    known = {path for path in walked if any(hasattr(reader(name), "sessions") for name in recognised(path))}
    exports = {path for path in (shared / "corpus" / "captures").rglob("*.pcap*") if "netflow" in recognised(path)}
    magic = {path for path in walked if path.read_bytes()[:2] in (b"\xcf\x10", b"\x0c\xa5")}
    assert named | known | exports | magic <= listed
    assert len(magic) == 12  # 5 files of flow-tools, 7 of nfcapd


def test_what_is_refused_is_refused_in_a_sentence(shared):
    for path in sorted(refused(shared)):
        with pytest.raises(
            (UnknownFormat, UnreadableEvidence), match=r"is in no format that nsm_nb knows|is empty \(0 bytes\)"
        ):
            nsm.read_sessions(path)
