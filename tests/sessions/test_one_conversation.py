"""One HTTP conversation of the bundled case, as every source tells it: the same ends, times and octets by the rule."""

from __future__ import annotations

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.sessions import assemble, pair

ENDS = ("198.51.100.10", 51998, "172.16.10.80", 80)
# file, exporter (part of its name), milliseconds that its clock may be off, who can say who opened
EVIDENCE = [
    ("netflow-export.pcap", "9995", 1, False),  # NetFlow version 5 by fprobe
    ("netflow-export.pcap", "9996", 1, False),  # version 5 by softflowd
    ("netflow-export.pcap", "9997", 1000, False),  # version 9: whole seconds in the header (RFC 3954 5.1)
    ("netflow-export.pcap", "4739", 1, False),  # IPFIX
    ("nfcapd/fprobe-v5.nfcapd", "", 1, False),
    ("nfcapd/fprobe-v5.nfdump16.nfcapd", "", 1, False),
    ("nfcapd/softflowd-v9.nfcapd", "", 1000, False),
    ("flow-tools/ft-v05.2026-11-24.023915+0000", "", 1, False),
    ("argus/argus5.argus", "", 0, True),
    ("suricata/eve.json", "", 0, True),
]
LISTINGS = [
    "ra.csv.gz",  # counts frames, of which the reader takes the 14 bytes of Ethernet
    "nfdump-fprobe-v5.csv.gz", "nfdump-softflowd-v9.csv.gz", "nfdump-softflowd-v5.csv.gz", "nfdump-softflowd-ipfix.csv.gz",
]  # fmt: skip


def the_one(table: pd.DataFrame) -> pd.Series:
    rows = table[(table["src_port"] == ENDS[1]) & (table["dst_port"] == ENDS[3]) & (table["src_ip"] == ENDS[0])]
    (row,) = (row for _, row in rows.iterrows() if str(row["dst_ip"]) == ENDS[2])
    return row


@pytest.fixture(scope="module")
def packets(evidence):
    table = nsm.read_packets(evidence / "staged.pcap")
    return the_one(
        assemble(table[(table["src_port"] == ENDS[1]) | (table["dst_port"] == ENDS[1])].reset_index(drop=True))[0]
    )


def numbers(row: pd.Series) -> list[int]:
    return [int(row[f"{side}_{what}"]) for side in ("src", "dst") for what in ("packets", "octets")]


@pytest.mark.parametrize(("name", "exporter", "off", "knows"), EVIDENCE)
def test_every_source_tells_the_same_conversation(evidence, packets, name, exporter, off, knows):
    table = nsm.read_sessions(evidence / name)
    near = table["src_port"].isin([ENDS[1]]) | table["dst_port"].isin([ENDS[1]])
    some = table[near & table["sensor"].astype("str").fillna("").str.contains(exporter)].reset_index(drop=True)
    row = the_one(pair(some))

    assert numbers(row) == numbers(packets) == [9, 574, 7, 5501]
    for which in ("start", "end"):
        assert abs(row[which] - packets[which]) <= pd.Timedelta(off + 1 if off else 0, "ms")
    assert row["state"] == "FIN"
    assert bool(row["direction_known"]) == knows  # both sides began in one tick of a clock of milliseconds


@pytest.mark.parametrize("name", LISTINGS)
def test_listings_tell_it_too(truth, packets, name):
    table = nsm.read_sessions(truth / name)
    near = table["src_port"].isin([ENDS[1]]) | table["dst_port"].isin([ENDS[1]])
    row = the_one(pair(table[near].reset_index(drop=True)))

    assert numbers(row) == numbers(packets)
    assert abs(row["start"] - packets["start"]) <= pd.Timedelta("1001ms")


def test_a_listing_without_times_tells_it_by_its_ends(truth, packets):
    table = nsm.read_sessions(truth / "ft-print.txt.gz")
    near = table["src_port"].isin([ENDS[1]]) | table["dst_port"].isin([ENDS[1]])
    assert numbers(the_one(pair(table[near].reset_index(drop=True)))) == numbers(packets)


def test_zeek_tells_ip_bytes_beside_payload(tmp_path, packets):
    """No Zeek ran on the case: a log as Zeek 6 writes it, of this conversation."""
    names = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig"
    names += " local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
    kinds = "time string addr port addr port enum string interval count count string bool bool count string count count"
    kinds += " count count set[string]"
    duration = (packets["end"] - packets["start"]).total_seconds()
    values = [
        f"{packets['start'].timestamp():.6f}", "CxT121", ENDS[0], ENDS[1], ENDS[2], ENDS[3], "tcp", "http", f"{duration:.6f}",
        packets["src_payload"], packets["dst_payload"], "SF", "-", "-", 0, packets["history"], 9, 574, 7, 5501, "-",
    ]  # fmt: skip
    log = tmp_path / "conn.log"
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn"]
    rows = ["#fields\t" + names.replace(" ", "\t"), "#types\t" + kinds.replace(" ", "\t"), "\t".join(map(str, values))]
    log.write_text("\n".join([*head, *rows, ""]))
    row = the_one(pair(nsm.read_sessions(log)))

    assert numbers(row) == numbers(packets)
    assert row["src_payload"] == packets["src_payload"]
    assert abs(row["end"] - packets["end"]) <= pd.Timedelta("1us")
