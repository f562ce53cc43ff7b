"""Every TCP stream of the shared corpus: its bytes are those that tshark, tcpflow and a plain reassembler agree on."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError

# Streams (capture, tshark's number, side) that are not what the plain reassembler says, with the reason.
OTHERS = {
    ("metasploit_logonpasswords_lsass_memory_dump.pcapng", 9, 0): "one keep-alive; tshark leaves its byte out as we do",
    ("reassembly.pcap", 0, 0): "15 of its segments have a wrong checksum, which tshark says too; the right ones count",
}


def _streams(folder):
    """The stream of each frame, as tshark numbers them."""
    with gzip.open(folder / "packets.tsv.gz", "rt", encoding="utf-8", errors="replace") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        # inside an ICMP error stands another one: the packet's own comes first
        return {int(row["frame.number"]): int(row["tcp.stream"].split(",")[-1]) for row in rows if row["tcp.stream"]}


def _truth(folder):
    def rows(name):
        if not (folder / name).exists():
            return []
        with (folder / name).open() as file:
            return list(csv.DictReader(file))

    follow = {int(row["stream"]): row for row in rows("follow_tcp.csv")}
    return follow, rows("reassembly3.csv")


def differing(capture, folder):
    """(stream, side, what) of each side whose bytes are not those of the plain reassembler, and how many sides there were."""
    follow, checked = _truth(folder)
    if not checked:
        return [], 0
    packets = nsm.read_packets(capture)
    streams = _streams(folder)
    if packets["fragment"].notna().any() and len(follow) == 1:
        # tshark counts a datagram's fragments to the stream at the last one only
        streams = dict.fromkeys(packets["frame"], *follow)
    packets = packets[packets["frame"].isin(streams) & (packets["proto"] == "tcp")].copy()
    stream = packets["frame"].map(streams)
    sender = packets["src_ip"].astype("str") + ":" + packets["src_port"].astype("str")
    found = []
    for row in checked:
        number, side = int(row["stream"]), int(row["node"])
        own = packets[stream == number].copy()
        node = _node(follow[number]["node0"])
        own["session"] = pd.array(np.full(len(own), number), dtype="Int64")
        own["to_dst"] = pd.array((sender[own.index] == node).to_numpy(), dtype="boolean")
        data = nsm.transcripts.transcript(own).data("src" if side == 0 else "dst")
        if hashlib.sha256(data).hexdigest() != row["py_sha256_first_wins"]:
            found.append(
                (
                    number,
                    side,
                    f"{len(data)} bytes, not {row['py_bytes']} ({row['note']}, follow {row['follow_bytes']})",
                )
            )
    return found, len(checked)


def _node(text):
    address, _, port = text.rpartition(":")
    return f"{address.strip('[]')}:{port}"


@pytest.mark.slow
def test_every_stream_of_the_corpus_is_what_three_others_say(shared):
    told, sides = {}, 0
    for done in sorted((shared / "corpus" / "truth").glob("*/done.json")):
        path = json.loads(done.read_text())["path"]
        found, count = differing(
            shared / "corpus" / "captures" / re.sub(r"[^A-Za-z0-9._/-]", "_", path.removeprefix("unpacked/")),
            done.parent,
        )
        sides += count
        told |= {(path.rpartition("/")[2], number, side): what for number, side, what in found}
    assert sides > 500
    assert {key: what for key, what in told.items() if key not in OTHERS} == {}
    assert set(OTHERS) - set(told) == set(), "they agree now"


# Frames whose datagram came in fragments that are not whole or contradict one another: tshark shows another part.
FRAGMENTS = {"fragmented-1.pcap", "ipv6-fragmented-dns.pcap"}


@pytest.mark.slow
def test_udp_payloads_are_tsharks(shared, evidence, tshark):
    small = (path for path in (shared / "corpus" / "captures").rglob("*.pcap*") if path.stat().st_size < 1_000_000)
    compared = 0
    for capture in [evidence / "staged.pcap", shared / "fixtures" / "seed.pcap", *sorted(small)]:
        try:
            packets = nsm.read_packets(capture)
        except NsmError:
            continue  # damaged on purpose
        if capture.name in FRAGMENTS or not (packets["proto"] == "udp").any():
            continue
        command = [tshark, "-n", "-r", str(capture), "-Y", "udp && !icmp && !icmpv6", "-T", "fields", "-E", "occurrence=l",
                   "-e", "frame.number", "-e", "udp.payload"]  # fmt: skip
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        pairs = (line.split("\t") for line in told.splitlines())
        theirs = {int(frame): bytes.fromhex(data) for frame, data in pairs if data}
        _, packets = nsm.sessions.assemble(packets)
        ours = {}
        for _, own in packets[packets["proto"] == "udp"].groupby("session"):
            for turn in nsm.transcripts.transcript(own).turns:
                ours[turn.frames[-1]] = turn.data
        assert {frame: data for frame, data in ours.items() if data} == theirs, capture.name
        compared += len(theirs)
    assert compared > 600
