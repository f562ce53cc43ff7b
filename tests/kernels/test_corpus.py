"""Every frame of the shared corpus against tshark: counts, times, lengths, innermost ends, flags, payloads.

What tshark says of a frame is not always about that frame: where fragments become a datagram it tells the datagram's fields at
its last piece, and inside an ICMP error those of the datagram that is quoted. Such frames are listed, each with its reason;
a listed frame that agrees fails the test as well.
"""

from __future__ import annotations

import collections
import re

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError

PROTOCOLS = {"1": "icmp", "2": "igmp", "4": "ipip", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "132": "sctp"}

JOINED = "tshark joins fragments and tells ports, flags and payload at the last piece; here the first has them, and all the ports"
QUOTED = "tshark's fields are those of the datagram that the ICMP error quotes; here those of the error"
TUNNEL = "what the tunnel carries has no ports and no such payload; tshark's fields are the tunnel's own"
INNER = "two tags: tshark's field is the inner one, `vlan` is the outer one"
DIFFERS = {
    "frag_http_req.pcap": (JOINED, "src_port: 1-10; dst_port: 1-10; payload: 1 11; tcp_flags: 1 11; seq: 1 11; ack: 1 11"),
    "fragmented-1.pcap": (JOINED, "src_port: 1-2; dst_port: 1-2; payload: 1 3"),
    "ip4_fragments.pcap": (
        JOINED,
        "src_port: 1-5 7-11 13-17 19-27 30-39 42-50 52; dst_port: 1-5 7-11 13-17 19-27 30-39 42-50 52; "
        "payload: 1 6-7 12-13 18-20 28 31-32 40 43-44 53",
    ),
    "ip_frag_source.pcapng": (JOINED, "icmp_type: 1 3-4 6"),
    "ipv6-fragmented-dns.pcap": (JOINED, "src_port: 6-7; dst_port: 6-7; payload: 6 8"),
    "gre-sample.pcap": (
        QUOTED, "src_ip: 34 36; dst_ip: 34 36; proto: 34 36; src_port: 34 36; dst_port: 34 36; payload: 34 36"
    ),
    "smtp.pcap": (
        QUOTED,
        "src_ip: 26 28-30; dst_ip: 26 28-30; proto: 26 28-30; src_port: 26 28-30; dst_port: 26 28-30; "
        "tcp_flags: 26 28-30; ack: 26 28-30",
    ),
    "test1.pcap": (QUOTED, "src_ip: 2 6; dst_ip: 2 6; proto: 2 6; src_port: 2 6; dst_port: 2 6; payload: 6"),
    "q-in-q.pcap": (INNER, "vlan: 1-5"),
    "vxlan.pcap": (TUNNEL, "proto: 1-2; src_port: 1-10; dst_port: 1-10; payload: 1-10"),
}  # fmt: skip


def spans(frames):
    """Return frame numbers as text: 1-3 7."""
    runs = []
    for frame in frames:
        if runs and runs[-1][1] == frame - 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def either(table, *names):
    column = table[names[0]]
    for name in names[1:]:
        column = column.fillna(table[name])
    return column


def numbers(column):
    return column.map(lambda text: None if pd.isna(text) else int(text, 0)).astype("Int64")


def columns(mine, theirs):
    """Return our column and tshark's by name, as texts or numbers with None."""
    arp = theirs["frame.protocols"].str.contains(r"\barp\b", na=False).to_numpy()
    ported = mine["proto"].isin(["tcp", "udp"]).to_numpy()
    more = theirs["ip.flags.mf"].isin(["1", "True"])
    place = numbers(theirs["ip.frag_offset"].fillna("0")) * 8
    protocol = theirs["ip.proto"].map(PROTOCOLS.get)
    told = {
        "src_ip": (mine["src_ip"].astype(object).mask(arp), either(theirs, "ip.src", "ipv6.src").mask(arp)),
        "dst_ip": (mine["dst_ip"].astype(object).mask(arp), either(theirs, "ip.dst", "ipv6.dst").mask(arp)),
        "proto": (mine["proto"].astype(object).where(protocol.notna()), protocol),
        "src_port": (mine["src_port"].where(ported), numbers(either(theirs, "tcp.srcport", "udp.srcport"))),
        "dst_port": (mine["dst_port"].where(ported), numbers(either(theirs, "tcp.dstport", "udp.dstport"))),
        "payload": (
            mine["payload"].where(ported),
            numbers(theirs["tcp.len"]).fillna(numbers(theirs["udp.length"]) - 8),
        ),
        "tcp_flags": (mine["tcp_flags"], numbers(theirs["tcp.flags"])),
        "seq": (mine["seq"], numbers(theirs["tcp.seq_raw"])),
        "ack": (mine["ack"], numbers(theirs["tcp.ack_raw"])),
        "icmp_type": (mine["icmp_type"], numbers(either(theirs, "icmp.type", "icmpv6.type"))),
        "vlan": (mine["vlan"], numbers(theirs["vlan.id"])),
        "fragment": (mine["fragment"].where(theirs["ip.src"].notna()), place.where((place > 0) | more)),
    }
    return {
        name: tuple(each.astype(object).where(each.notna(), None).to_numpy() for each in pair)
        for name, pair in told.items()
    }


def frames_that_differ(mine, theirs):
    found = {}
    for name, (ours, said) in columns(mine, theirs).items():
        bad = np.flatnonzero(ours != said)
        if len(bad):
            found[name] = spans((bad + 1).tolist())
    return "; ".join(f"{name}: {told}" for name, told in found.items())


def packets_by_ends(table, *names):
    """Return how many packets went from each end to each other."""
    found = collections.Counter()
    for *ends, count in table[list(names)].astype(str).itertuples(index=False):
        found[tuple(ends)] += int(count)
    return +found


@pytest.mark.slow
def test_every_frame_of_the_corpus_is_what_tshark_says(shared):
    index = pd.read_csv(shared / "corpus" / "INDEX.csv")
    differ, refused, untold = {}, [], []
    for path, packets in zip(index["path"], index["packets"], strict=True):
        place = shared / "corpus" / "captures" / re.sub(r"[^A-Za-z0-9._/-]", "_", path.removeprefix("unpacked/"))
        truth = shared / "corpus" / "truth" / re.sub(r"[^A-Za-z0-9._-]+", "_", path)[-150:] / "packets.tsv.gz"
        short = path.rpartition("/")[2]
        try:
            mine = nsm.read_packets(place, format="pcap")
        except NsmError:
            refused.append(short)
            assert packets == 0  # tshark reads none either
            continue
        assert len(mine) == packets, path
        if not truth.exists():
            untold.append(short)
            said = pd.read_csv(truth.with_name("conv_tcp.csv.gz"))
            forth, back = (
                packets_by_ends(said, "a", "ap", "b", "bp", "pab"),
                packets_by_ends(said, "b", "bp", "a", "ap", "pba"),
            )
            ours = packets_by_ends(mine.assign(one=1), "src_ip", "src_port", "dst_ip", "dst_port", "one")
            assert ours == forth + back, path
            continue
        theirs = pd.read_csv(truth, sep="\t", dtype=str)
        assert len(mine) == len(theirs), path
        assert mine["length"].tolist() == theirs["frame.len"].astype(int).tolist(), path
        assert mine["captured"].tolist() == theirs["frame.cap_len"].astype(int).tolist(), path
        known = mine["time"].notna().to_numpy()
        stamps = [text.split(".") for text in theirs["frame.time_epoch"][known]]
        assert mine["time"][known].astype("int64").tolist() == [
            int(seconds) * 10**9 + int(rest.ljust(9, "0")[:9]) for seconds, rest in stamps
        ], path
        if found := frames_that_differ(mine, theirs):
            differ[short] = found

    assert differ == {short: told for short, (_, told) in DIFFERS.items()}
    # versions of pcap and pcapng that nobody has defined
    assert refused == ["pcapng-invalid-vers-1.pcapng", "pcap-invalid-version-1.pcap"]
    assert untold == ["scanner.pcap"]  # of this one there are conversations only
