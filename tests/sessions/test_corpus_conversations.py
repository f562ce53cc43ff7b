"""Sessions beside tshark: its conversations in all of the shared corpus, its analysis of TCP in the bundled case."""

from __future__ import annotations

import collections
import io
import json
import re
import subprocess

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError

IDLE = (
    "the same SYN, of the same number, more than an hour later: a session ends after an hour of silence, a stream never"
)
PIECES = (
    "tshark counts a fragmented datagram to the stream at its last piece alone; here every piece belongs to the session"
)
TUNNEL = "tshark has a stream for the tunnel as well; here packets are of the innermost conversation"

# Capture and protocol: how many pairs of ends differ, and why. One that agrees makes the test fail too.
DIFFER = {
    ("scanner.pcap", "tcp"): (64, IDLE),
    ("frag_http_req.pcap", "tcp"): (1, PIECES),
    ("fragmented-1.pcap", "udp"): (1, PIECES),
    ("ip4_fragments.pcap", "udp"): (1, PIECES),
    ("ipv6-fragmented-dns.pcap", "udp"): (2, PIECES),  # the other is a piece whose first was not captured: no ports
    ("vxlan.pcap", "udp"): (2, TUNNEL),
}


def by_ends(rows):
    """Return the sorted counts (packets, bytes of the one end, packets, bytes of the other) of each pair of ends."""
    found = collections.defaultdict(list)
    for one, other, sent, received in rows:
        (low, first), (high, second) = sorted([(one, sent), (other, received)])
        found[low, high].append((*first, *second))
    return {ends: sorted(counts) for ends, counts in found.items()}


def conversations(path):
    """Return those of tshark, by their ends."""
    said = pd.read_csv(path)
    rows = said[["a", "ap", "b", "bp", "pab", "bab", "pba", "bba"]].itertuples(index=False)
    return by_ends(((a, ap), (b, bp), (pab, bab), (pba, bba)) for a, ap, b, bp, pab, bab, pba, bba in rows)


def own(sessions, packets, proto):
    """Return our sessions by their ends; bytes are the frames' lengths, as tshark's are."""
    sizes = packets.groupby(["session", "to_dst"])["length"].sum().to_dict()
    table = sessions[sessions["proto"] == proto]
    ports = [table[name].astype("Int64").fillna(-1).astype(int) for name in ("src_port", "dst_port")]
    columns = [table["session"], table["src_ip"].astype(str), ports[0], table["dst_ip"].astype(str), ports[1],
               table["src_packets"], table["dst_packets"]]  # fmt: skip
    return by_ends(
        ((src, sport), (dst, dport), (sent, sizes.get((number, True), 0)), (received, sizes.get((number, False), 0)))
        for number, src, sport, dst, dport, sent, received in zip(*columns, strict=True)
    )


def captures(shared):
    """Yield name, capture and folder of truth of each capture of the corpus."""
    corpus = shared / "corpus"
    for path in pd.read_csv(corpus / "INDEX.csv")["path"]:
        place = re.sub(r"[^A-Za-z0-9._/-]", "_", path.removeprefix("unpacked/"))
        truth = re.sub(r"[^A-Za-z0-9._-]+", "_", path)[-150:]
        yield path.rpartition("/")[2], corpus / "captures" / place, corpus / "truth" / truth


@pytest.mark.slow(6)
def test_sessions_of_the_corpus_are_tsharks_conversations(shared):
    differ, compared, refused = {}, 0, 0
    for name, capture, truth in captures(shared):
        try:
            sessions, packets = nsm.sessions.assemble(nsm.read_packets(capture, format="pcap"))
        except NsmError:
            refused += 1
            continue
        for proto in ("tcp", "udp"):
            told = next(truth.glob(f"conv_{proto}.csv*"))
            theirs, ours = conversations(told), own(sessions, packets, proto)
            compared += sum(len(each) for each in theirs.values())
            ends = [each for each in {**theirs, **ours} if theirs.get(each) != ours.get(each)]
            if ends:
                differ[name, proto] = {each: (theirs.get(each, []), ours.get(each, [])) for each in ends}

    assert refused == 2  # versions that nobody has defined
    assert compared == 35950
    assert {key: len(ends) for key, ends in differ.items()} == {key: count for key, (count, _) in DIFFER.items()}
    for theirs, ours in differ["scanner.pcap", "tcp"].values():
        # one stream is two sessions, and nothing is lost between them
        assert (len(theirs), len(ours)) == (1, 2)
        assert [sum(each) for each in zip(*ours, strict=True)] == list(theirs[0])
    for theirs, ours in differ["vxlan.pcap", "udp"].values():
        assert (len(theirs), ours) == (1, [])


def test_with_a_longer_silence_the_scans_sessions_are_tsharks_conversations(shared):
    (_, capture, truth) = next(each for each in captures(shared) if each[0] == "scanner.pcap")
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(capture), tcp_idle="24h")

    assert own(sessions, packets, "tcp") == conversations(next(truth.glob("conv_tcp.csv*")))


@pytest.fixture(scope="module")
def assembled(evidence):
    return nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))


def test_community_ids_of_the_bundled_case_are_those_of_every_flow_of_suricata(assembled, evidence):
    with (evidence / "suricata" / "eve.json").open() as file:
        flows = [event for event in map(json.loads, file) if event["event_type"] == "flow"]
    theirs = {flow["community_id"] for flow in flows}

    assert len(flows) == 1444
    assert set(assembled[0]["community_id"].astype(str)) == theirs


def test_measures_of_the_bundled_case_are_those_of_tsharks_analysis(assembled, evidence, tshark):
    names = [
        "initial_rtt",
        "zero_window",
        "retransmission",
        "out_of_order",
    ]  # fast and spurious are retransmissions too
    command = [tshark, "-n", "-r", str(evidence / "staged.pcap"), "-Y", "tcp", "-T", "fields", "-e", "frame.number",
               "-e", "tcp.stream", *(word for name in names for word in ("-e", f"tcp.analysis.{name}"))]  # fmt: skip
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    frames = pd.read_csv(io.StringIO(told), sep="\t", names=["frame", "stream", *names])
    sessions, packets = assembled
    frames = frames.merge(packets[["frame", "session", "to_dst"]], on="frame")
    measures = nsm.sessions.measures(packets).set_index("session")
    measures = measures.loc[frames["session"].unique()]

    assert frames.groupby("stream")["session"].nunique().eq(1).all()
    assert len(measures) == frames["stream"].nunique() == 652
    theirs = frames.groupby("session")["initial_rtt"].first().reindex(measures.index)
    known = measures["rtt_ack"].notna()
    assert known.sum() == 306
    assert (measures["rtt_ack"] - theirs)[known].abs().max() < 1e-9
    # tshark takes the RST of a refused connection for the end of a handshake; here there was none
    only = measures.index[theirs.notna() & ~known]
    assert len(only) == 298
    assert set(sessions.set_index("session").loc[only, "history"].astype(str)) == {"Sr"}
    for side, to_dst in (("src", True), ("dst", False)):
        counts = frames[frames["to_dst"] == to_dst].groupby("session")[names].count()
        counts = counts.reindex(measures.index, fill_value=0)
        again = sum(measures[f"{side}_{name}"] for name in ("retransmitted", "out_of_order", "duplicate"))
        assert again.tolist() == (counts["retransmission"] + counts["out_of_order"]).tolist()
        assert measures[f"{side}_zero_windows"].tolist() == counts["zero_window"].tolist()
    assert frames["retransmission"].notna().sum() == 16
