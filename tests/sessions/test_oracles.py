"""Sessions beside those of Argus (its reading of the bundled capture) and of Zeek (the baselines of its own tests)."""

from __future__ import annotations

import json
import logging

import pandas as pd
import pytest

import nsm_nb as nsm


def ends(table, *names):
    """Return "src:port>dst:port" for each row."""
    parts = [table[name].astype(str).to_numpy() for name in names]
    return [f"{src}:{sport}>{dst}:{dport}" for src, sport, dst, dport in zip(*parts, strict=True)]


@pytest.mark.parametrize(("proto", "count"), [("tcp", 652), ("udp", 761)])
def test_every_session_of_the_bundled_case_has_arguss_packets_octets_and_state(evidence, truth, proto, count):
    records = pd.read_csv(truth / "ra.csv.gz", dtype=str)
    records = records[records["Proto"] == proto]
    numbers = ["SrcPkts", "DstPkts", "SrcBytes", "DstBytes"]
    records = records.assign(
        ends=ends(records, "SrcAddr", "Sport", "DstAddr", "Dport"), **records[numbers].astype(int).to_dict("list")
    )
    # Argus reports on a long conversation several times: its records together are the conversation, the last has its state
    theirs = records.groupby("ends").agg({**dict.fromkeys(numbers, "sum"), "State": "last"})
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))
    sessions = sessions[sessions["proto"] == proto]
    ours = sessions.set_index(pd.Index(ends(sessions, "src_ip", "src_port", "dst_ip", "dst_port")))

    assert len(ours) == len(theirs) == count
    theirs = theirs.loc[ours.index]
    for side, packets, length in (("src", "SrcPkts", "SrcBytes"), ("dst", "DstPkts", "DstBytes")):
        assert ours[f"{side}_packets"].tolist() == theirs[packets].tolist()
        # Argus counts frames: 14 bytes of Ethernet more for each packet
        assert (ours[f"{side}_octets"] + 14 * ours[f"{side}_packets"]).tolist() == theirs[length].tolist()
    assert ours["state"].astype(str).tolist() == theirs["State"].tolist()


def argus_rows(path):
    """Return the records of a listing of ra, those of TCP, UDP and ICMP: proto, ends, direction, packets and state of each."""
    words = [line.split() for line in path.read_text().splitlines()]
    place = [next((number for number, word in enumerate(line) if word in ("tcp", "udp", "icmp")), 0) for line in words]
    return [
        (proto, src if proto != "icmp" else src.rpartition(".")[0], arrow, dst if proto != "icmp" else dst.rpartition(".")[0],
         int(packets), state)
        for line, first in zip(words, place, strict=True) if first
        for proto, src, arrow, dst, packets, _, state in [line[first:]]
    ]  # fmt: skip


def arrow(session):
    """Return the direction as Argus prints it (ra(1)): ? where no opening was seen, an end only from who sent."""
    middle = "?" if session["proto"] == "tcp" and "h" not in session["history"].lower().replace("s", "h") else "-"
    opened = session["proto"] == "tcp" and middle == "-"
    both = session["src_packets"] > 0 and session["dst_packets"] > 0 and not opened
    return ("<" if both else "") + middle + ">"


@pytest.fixture(scope="module")
def shapes(shared):
    """Sessions of the fixture's shapes as rows like those of ra."""
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(shared / "fixtures" / "seed.pcap"), pieces=True)
    ported = sessions["src_port"].notna()
    ends = [
        sessions[f"{side}_ip"]
        .astype(str)
        .where(~ported, sessions[f"{side}_ip"].astype(str) + "." + sessions[f"{side}_port"].astype(str))
        for side in ("src", "dst")
    ]
    return sessions.assign(
        src=ends[0], dst=ends[1], arrow=[arrow(row) for _, row in sessions.iterrows()],
        packets=sessions["src_packets"] + sessions["dst_packets"], letters=nsm.sessions.argus_letters(sessions),
    )  # fmt: skip


def told_together(rows):
    """Return ra's records by their ends: packets summed, the last state; the state is all records' in every case here.

    Argus reports on what goes on for more than five seconds, and on each echo, by a record of its own.
    """
    together = {}
    for proto, src, direction, dst, packets, state in rows:
        key = proto, src, direction, dst, state
        together[key] = together.get(key, 0) + packets
    return together


def test_state_and_direction_of_the_shapes_are_arguss(shapes, shared):
    theirs = told_together(argus_rows(shared / "fixtures" / "ra_n.txt"))
    ours = shapes[["proto", "src", "arrow", "dst", "state", "packets"]].astype({"packets": int})

    assert {tuple(row[:5]): row[5] for row in ours.itertuples(index=False)} == theirs
    assert len(ours) == len(theirs) == 44


def test_letters_of_the_shapes_are_arguss(shapes, shared):
    theirs = told_together(argus_rows(shared / "fixtures" / "ra_z.txt"))
    ours = shapes.loc[shapes["proto"] == "tcp", ["proto", "src", "arrow", "dst", "letters", "packets"]]

    assert {tuple(row[:5]): int(row[5]) for row in ours.itertuples(index=False)} == theirs
    assert shapes.loc[shapes["proto"] != "tcp", "letters"].isna().all()


def test_closed_tells_apart_what_argus_does_not(shapes):
    closed = shapes[shapes["proto"] == "tcp"].groupby("letters")["closed"].agg(lambda each: set(each.astype(str)))

    assert {"both", "dst only"} == closed["sSEfF"]
    assert {"reset by src", "reset by dst"} == closed["sSER"]
    assert all("idle" in each for each in closed["sSE"])


def test_states_of_argus_2_are_the_articles(shared):
    sessions, _ = nsm.sessions.assemble(nsm.read_packets(shared / "fixtures" / "seed.pcap"), argus2=True)
    first = sessions.iloc[0]

    assert (first["proto"], first["dst_port"], first["state"]) == ("udp", 53, "TIM")
    assert set(sessions.loc[sessions["proto"] == "tcp", "state"]) == {"FIN", "RST", "TIM"}
    assert sessions["state"].iloc[-1] == "CON"  # UDP, answered just now


# Baselines that are no reading of the whole trace: a packet filter was set, or an analyser was switched off.
NOT_WHOLE = {"core.pcap.dynamic-filter", "scripts.base.frameworks.netcontrol.packetfilter", "core.skip_analyzer"}


def baselines(shared):
    """Yield name, table of Zeek's conn.log and path of the trace."""
    folder = shared / "corpus"
    traces = {path.name: path for path in (folder / "captures" / "zeek").rglob("*") if path.is_file()}
    for entry in json.loads((folder / "zeek_baseline_map.dev.json").read_text()):
        name, _, log = entry["baseline"].partition("/")
        place = folder / "other" / "zeek-baseline" / name / log
        if log != "conn.log" or name in NOT_WHOLE or len(entry["traces"]) != 1 or not place.exists():
            continue
        trace = traces.get(entry["traces"][0].rpartition("/")[2])
        lines = place.read_text(errors="replace").splitlines()
        heads = [line.split("\t")[1:] for line in lines if line.startswith("#fields\t")]
        if trace is None or not heads or not {"id.orig_h", "history"} <= set(heads[0]):
            continue
        rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        yield name, pd.DataFrame(rows, columns=heads[0], dtype="str"), trace


@pytest.fixture(scope="module")
def compared(shared):
    """Every conversation of Zeek's baselines with our session of the same ends: baseline, row, session, turned."""
    logging.disable(logging.WARNING)
    found = []
    for name, log, trace in baselines(shared):
        sessions, packets = nsm.sessions.assemble(nsm.read_packets(trace))
        tunnels = set(zip(packets["outer_src_ip"].astype(str), packets["outer_dst_ip"].astype(str), strict=True))
        parents = {uid for cell in log.get("tunnel_parents", []) for uid in cell.split(",")}
        place = dict(zip(ends(sessions, "src_ip", "src_port", "dst_ip", "dst_port"), range(len(sessions)), strict=True))
        log = log[log["proto"].isin(["tcp", "udp"])]
        forth = ends(log, "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")
        back = ends(log, "id.resp_h", "id.resp_p", "id.orig_h", "id.orig_p")
        for row, ours, turned in zip(log.to_dict("records"), forth, back, strict=True):
            number = place.get(ours, place.get(turned))
            if row["uid"] in parents or number is None:
                # Zeek has a conversation for a tunnel as well; for us it is what others went through
                assert (row["id.orig_h"], row["id.resp_h"]) in tunnels, f"{name}: {ours} is not among the sessions"
                continue
            found.append((name, row, sessions.iloc[number], ours not in place))
    logging.disable(logging.NOTSET)
    return found


def test_history_is_zeeks_but_for_repeated_syn_and_fin(compared):
    differ = [(name, row["history"], session["history"]) for name, row, session, turned in compared
              if not turned and row["history"] != session["history"]]  # fmt: skip

    assert len(compared) > 200
    assert len(differ) < 10
    # Zeek's T is payload sent again; ours is any numbered segment sent again, SYN and FIN as well
    for name, zeeks, ours in differ:
        assert ours.replace("T", "").replace("t", "") == zeeks, name


def test_packets_and_octets_are_zeeks(compared):
    counted = [each for each in compared if each[1].get("orig_pkts", "-") != "-" and not each[3]]

    assert len(counted) > 150
    for name, row, session, _ in counted:
        ours = session[["src_packets", "src_octets", "dst_packets", "dst_octets"]].tolist()
        theirs = [int(row[each]) for each in ("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes")]
        assert ours == theirs, name


def test_who_was_answered_by_a_lone_syn_ack_opened_the_conversation(compared):
    turned = [(row["history"], session["history"]) for _, row, session, turned in compared if turned]

    # Zeek takes the sender of the SYN-ACK for the opener here
    assert set(turned) == {("H", "^h")}
