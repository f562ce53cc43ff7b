"""The tree of protocols against tshark's protocol hierarchy."""

from __future__ import annotations

import collections
import csv
import re
import subprocess

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS
from nsm_nb.statistics import protocols
from nsm_nb.statistics.protocols import UNDECODED

# Layers that tshark and our decoder both know, under one name.
KNOWN = {"eth", "vlan", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "arp", "llc", "sll", "raw", "null", "sctp"}


def ours(packets):
    return {row.layers: (row.packets, row.length) for row in protocols(packets).itertuples()}


def hierarchy(text):
    """Return tshark's ``-z io,phs`` as paths with frames and bytes."""
    found, path = {}, []
    for indent, name, frames, length in re.findall(r"^( *)(\S+) +frames:(\d+) bytes:(\d+)$", text, re.MULTILINE):
        path = [*path[: len(indent) // 2], name]
        found[":".join(path)] = (int(frames), int(length))
    return found


def test_the_bundled_case_has_tsharks_hierarchy(staged, truth):
    said, told = hierarchy((truth / "phs.txt").read_text()), ours(staged)
    both = {path for path in said if set(path.split(":")) <= KNOWN}

    assert {"eth:ip:tcp", "eth:ipv6:icmpv6", "eth:arp"} <= both
    # tshark joins the four pieces of each large ping and counts it where the last piece is; we count pieces
    pieces = told.pop("eth:ip:fragment")
    assert {path: told[path] for path in both if path != "eth:ip:icmp"} == {
        path: said[path] for path in both if path != "eth:ip:icmp"
    }
    assert told["eth:ip:icmp"][0] + pieces[0] == 42


def test_a_capture_has_the_hierarchy_that_tshark_prints_now(seed, tshark, request):
    capture = request.path.parent / "data" / "seed.pcap"
    printed = subprocess.run(
        [tshark, "-n", "-q", "-r", capture, "-z", "io,phs"], capture_output=True, text=True, check=True
    )  # fmt: skip
    said = {path: row for path, row in hierarchy(printed.stdout).items() if set(path.split(":")) <= KNOWN}

    assert ours(seed) == said


# Of tunnels and other links too; the captures of the corpus have them.
DEEP = KNOWN | {"pppoe", "ppp", "mpls", "gre", "vxlan", "geneve", "gtp", "teredo", "erspan", "ah", "radiotap", "wlan"}
TSHARKS = {"pppoes": "pppoe"}  # its words for what we call otherwise
NO_LAYERS = {"ethertype", "wlan_radio"}  # what tshark names and no bytes stand for


def cumulative(path):
    """Return the frames and bytes under each path of layers from counts of whole paths."""
    found = collections.defaultdict(lambda: [0, 0])
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            layers = [TSHARKS.get(name, name) for name in row["protocols"].split(":") if name not in NO_LAYERS]
            for depth in range(1, len(layers) + 1):
                found[":".join(layers[:depth])][0] += int(row["frames"])
                found[":".join(layers[:depth])][1] += int(row["bytes"])
    return {path: tuple(row) for path, row in found.items()}


def quoted(path):
    """Say whether a path goes on in what an ICMP error quotes, or in what follows an ARP message: tshark reads that too."""
    return re.search(r":icmp(v6)?:ip|:arp:arp", path) is not None


def test_captures_of_the_corpus_have_tsharks_counts_for_the_layers_both_know(shared):
    compared = 0
    for path in pd.read_csv(shared / "corpus" / "INDEX.csv")["path"]:
        truth = shared / "corpus" / "truth" / re.sub(r"[^A-Za-z0-9._-]+", "_", path)[-150:]
        capture = shared / "corpus" / "captures" / path.replace("+", "_")
        if not (truth / "phs.csv").exists() or not capture.exists():
            continue
        try:
            packets = nsm.read_packets(capture)
        except NsmError:
            continue
        told, said = ours(packets), cumulative(truth / "phs.csv")
        told = {each.replace("sll2", "sll"): row for each, row in told.items()}
        if any("fragment" in each for each in told) or sum(
            frames for path, (frames, _) in said.items() if ":" not in path
        ) != len(packets):
            continue  # tshark joins fragments, and refuses some files that we read
        common = {each: row for each, row in told.items() if set(each.split(":")) <= DEEP}
        if "eth:ipx" in said:
            common.pop(
                "eth:llc", None
            )  # Novell's frames, which have a length and no LLC header: LLC by their length here
        assert {each: said.get(each) for each in common} == common, path
        missing = [each for each in said if set(each.split(":")) <= DEEP and each not in told and not quoted(each)]
        assert not missing, (path, missing)
        compared += 1
    assert compared >= 80


def test_levels_follow_the_tree_with_the_larger_branch_first():
    table = protocols(
        pd.DataFrame({"layers": ["eth:arp", "eth:ip:udp", "eth:ip:tcp", "eth:ip:tcp"], "length": [60, 500, 70, 80]})
    )

    assert list(table[["layers", "level", "packets", "length"]].itertuples(index=False, name=None)) == [
        ("eth", 0, 4, 710),
        ("eth:ip", 1, 3, 650),
        ("eth:ip:udp", 2, 1, 500),
        ("eth:ip:tcp", 2, 2, 150),
        ("eth:arp", 1, 1, 60),
    ]
    assert table["share"].tolist() == [each / 710 for each in (710, 650, 500, 150, 60)]


def test_a_layer_that_comes_twice_is_two_levels():
    table = protocols(pd.DataFrame({"layers": ["eth:ip:ip:tcp"], "length": [60]}))

    assert table["layers"].tolist() == ["eth", "eth:ip", "eth:ip:ip", "eth:ip:ip:tcp"]


def test_packets_without_layers_are_not_lost():
    table = protocols(pd.DataFrame({"layers": pd.Series([None, "eth"], dtype="category"), "length": [10, 30]}))

    assert table.set_index("layers")["length"].to_dict() == {"eth": 30, UNDECODED: 10}


@pytest.mark.parametrize("length", [[], [0, 0]])
def test_no_bytes_give_no_share(length):
    table = protocols(pd.DataFrame({"layers": pd.Series(["eth"] * len(length), dtype="str"), "length": length}))

    assert table["share"].isna().all()
    assert str(table["length"].dtype) == "int64"


def test_no_packets_give_an_empty_typed_table():
    table = protocols(PACKETS.empty())

    assert len(table) == 0
    assert list(table) == ["layers", "name", "level", "packets", "length", "share"]
