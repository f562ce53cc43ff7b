"""Talkers against a loop over sessions, and honest about what is not known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import MissingColumn
from nsm_nb.schema import SESSIONS
from nsm_nb.sessions import assemble
from nsm_nb.statistics import talkers

SECOND = 10**9
SIDES = ("src_octets", "dst_octets", "src_packets", "dst_packets")

ADDRESS = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.10", "2001:db8::1"])
AMOUNT = st.one_of(st.none(), st.integers(0, 10**12))
ROW = st.fixed_dictionaries(
    {
        "src_ip": st.one_of(st.none(), ADDRESS),
        "dst_ip": st.one_of(st.none(), ADDRESS),
        "dst_port": st.sampled_from([None, 22, 80, 65_535]),
        "proto": st.sampled_from([None, "tcp", "udp"]),
        "start": st.one_of(st.none(), st.integers(0, 10**6).map(lambda s: pd.Timestamp(s, unit="s", tz="UTC"))),
        "end": st.one_of(st.none(), st.integers(0, 10**6).map(lambda s: pd.Timestamp(s, unit="s", tz="UTC"))),
        **dict.fromkeys(SIDES, AMOUNT),
    }
)


def plus(*amounts):
    known = [each for each in amounts if each is not None]
    return sum(known) if known else None


def slow_hosts(rows):
    """Return talkers by host, one session at a time."""
    hosts = {}
    for row in rows:
        src, dst = row["src_ip"], row["dst_ip"]
        if src is None or dst is None:
            continue
        for host, sends, gets in ((src, "src", "dst"), (dst, "dst", "src")):
            told = hosts.setdefault(host, {"sessions": set(), "opened": 0, "answered": 0, "peers": set(), "times": []})
            for what in ("octets", "packets"):
                told[f"sent_{what}"] = plus(told.get(f"sent_{what}"), row[f"{sends}_{what}"])
                told[f"received_{what}"] = plus(told.get(f"received_{what}"), row[f"{gets}_{what}"])
            told["sessions"].add(id(row))
            told["opened"] += sends == "src"
            told["answered"] += sends == "dst" and (row["dst_packets"] or 0) > 0
            told["peers"].add(dst if host == src else src)
            told["times"].append((row["start"], row["end"]))
        for what in ("octets", "packets"):
            for host in {src, dst}:
                hosts[host][what] = plus(hosts[host].get(what), row[f"src_{what}"], row[f"dst_{what}"])
    return {
        host: {
            **{name: told.get(name) for name in ("octets", "sent_octets", "received_octets", "packets")},
            "sessions": len(told["sessions"]),
            "opened": told["opened"],
            "answered": told["answered"],
            "peers": len(told["peers"]),
            "first": min((start for start, _ in told["times"] if start is not None), default=None),
            "last": max((each for pair in told["times"] for each in pair if each is not None), default=None),
        }
        for host, told in hosts.items()
    }


def absent_as_none(row):
    return {name: None if pd.isna(value) else value for name, value in row.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=12))
def test_hosts_agree_with_the_slow_way(sessions_of, rows):
    rows = [dict(row) for row in rows]
    table, expected = talkers(sessions_of(rows)), slow_hosts(rows)

    assert set(table["host"].astype(str)) == set(expected)
    for row in table.to_dict("records"):
        wanted = expected[str(row["host"])]
        assert {name: value for name, value in absent_as_none(row).items() if name in wanted} == wanted


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=12), st.sampled_from(["pairs", "ports"]))
def test_pairs_and_ports_agree_with_pandas(sessions_of, rows, ends):
    table = talkers(sessions_of(rows), of=ends)
    keys = {"pairs": ["src_ip", "dst_ip"], "ports": ["proto", "dst_port"]}[ends]
    frame = pd.DataFrame(
        rows, columns=[*keys, *SIDES] if ends == "ports" else ["src_ip", "dst_ip", *SIDES], dtype=object
    )
    if ends == "pairs":
        frame = frame.dropna(subset=keys)
    expected = {}
    for row in frame.to_dict("records"):
        told = expected.setdefault(tuple(None if pd.isna(row[key]) else row[key] for key in keys), [0, *[None] * 4])
        told[0] += 1
        told[1:] = [
            plus(one, None if pd.isna(row[name]) else row[name]) for one, name in zip(told[1:], SIDES, strict=True)
        ]

    columns = ["src_ip", "dst_ip"] if ends == "pairs" else ["proto", "port"]
    assert {
        tuple(None if pd.isna(row[name]) else row[name] for name in columns): [
            row["sessions"], *(None if pd.isna(row[name]) else row[name] for name in SIDES)
        ]
        for row in table.to_dict("records")
    } == expected  # fmt: skip


def test_hosts_of_the_bundled_case_move_what_its_sessions_carry(staged):
    sessions, _ = assemble(staged)
    table = talkers(sessions)

    carried = int(sessions["src_octets"].sum() + sessions["dst_octets"].sum())
    assert int(table["sent_octets"].sum()) == int(table["received_octets"].sum()) == carried
    assert int(table["octets"].sum()) == 2 * carried
    assert table.attrs["total"] == carried
    assert table["octets"].is_monotonic_decreasing
    intruder = table.set_index("host").loc["203.0.113.66"]
    assert intruder["opened"] > 300
    assert str(table.dtypes["host"]) == "category"


def test_who_moved_most_out_is_found_by_what_it_sent_as_opener(staged):
    sessions, _ = assemble(staged)
    table = talkers(sessions, by="src_octets")
    by_hand = sessions.groupby("src_ip", observed=True)["src_octets"].sum()

    assert table["src_octets"].max() == by_hand.max()
    assert table["host"].iloc[0] == by_hand.idxmax()


def test_a_scan_has_many_sessions_and_few_answers(sessions_of):
    rows = [
        {"src_ip": "203.0.113.66", "dst_ip": "172.16.10.80", "proto": "tcp", "dst_port": port,
         "src_packets": 1, "dst_packets": int(port == 80), "src_octets": 40, "dst_octets": 40 * (port == 80)}
        for port in range(1, 101)
    ]  # fmt: skip
    pair = talkers(sessions_of(rows), of="pairs", by="sessions").iloc[0]
    hosts = talkers(sessions_of(rows)).set_index("host")

    assert (pair["sessions"], pair["answered"]) == (100, 1)
    assert hosts.loc["203.0.113.66", ["opened", "answered", "peers"]].tolist() == [100, 0, 1]
    assert hosts.loc["172.16.10.80", ["sessions", "opened", "answered"]].tolist() == [100, 0, 1]


def test_services_count_clients_and_servers(sessions_of):
    rows = [
        {"src_ip": f"10.0.0.{client}", "dst_ip": f"10.0.1.{client % 2}", "proto": "tcp", "dst_port": 445}
        for client in range(1, 6)
    ]
    row = talkers(sessions_of(rows), of="ports", by="sessions").iloc[0]

    assert (row["proto"], row["port"], row["sessions"], row["clients"], row["servers"]) == ("tcp", 445, 5, 5, 2)


def test_what_is_not_known_is_missing_and_ranks_last(sessions_of):
    table = talkers(
        sessions_of(
            [
                {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"},
                {"src_ip": "10.0.0.3", "dst_ip": "10.0.0.4", "src_octets": 0, "dst_octets": 0},
                {"src_ip": None, "dst_ip": "10.0.0.9", "src_octets": 7},
            ]
        )
    )

    assert table["octets"].isna().tolist() == [False, False, True, True]
    assert table["octets"].iloc[0] == 0
    assert "10.0.0.9" not in set(table["host"].astype(str))
    assert table.attrs["notes"] == ["1 session without an address left out"]


def test_rows_of_one_amount_stand_in_the_order_of_their_addresses(sessions_of):
    rows = [{"src_ip": f"10.0.0.{n}", "dst_ip": "10.0.0.100", "src_octets": 5, "dst_octets": 5} for n in (10, 9, 2)]
    table = talkers(sessions_of(rows))

    assert table["host"].astype(str).tolist() == ["10.0.0.100", "10.0.0.2", "10.0.0.9", "10.0.0.10"]


@pytest.mark.parametrize("ends", ["hosts", "pairs", "ports"])
def test_n_gives_the_largest_and_the_total_stays_that_of_all(staged, ends):
    sessions, _ = assemble(staged)
    everything, some = talkers(sessions, of=ends), talkers(sessions, of=ends, n=3)

    pd.testing.assert_frame_equal(some, everything.head(3))
    assert some.attrs["total"] == everything.attrs["total"]


@pytest.mark.parametrize("ends", ["hosts", "pairs", "ports"])
def test_no_sessions_give_an_empty_typed_table(ends):
    table = talkers(SESSIONS.empty(), of=ends)

    assert len(table) == 0
    assert str(table["octets"].dtype) == "Int64"
    assert str(table["first"].dtype) == "datetime64[ns, UTC]"


def test_wrong_words_are_refused_in_a_sentence(sessions_of):
    table = sessions_of([{"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"}])

    with pytest.raises(ValueError, match="choose 'hosts', 'pairs', 'ports' or 'networks'"):
        talkers(table, of="nets")
    with pytest.raises(ValueError, match="hosts can't be ranked by 'bytes'; choose one of octets, sent_octets"):
        talkers(table, by="bytes")
    with pytest.raises(MissingColumn, match="'dst_ip'"):
        talkers(table.drop(columns="dst_ip"))


def test_the_table_is_not_changed(staged):
    sessions, _ = assemble(staged)
    before = sessions.copy(deep=True)
    for ends in ("hosts", "pairs", "ports"):
        talkers(sessions, of=ends)

    pd.testing.assert_frame_equal(sessions, before)


def test_flows_of_one_direction_are_not_taken_for_unanswered_bytes(sessions_of):
    rows = [{"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "src_octets": 500, "src_packets": 3}]
    hosts = talkers(sessions_of(rows)).set_index("host")

    assert hosts.loc["10.0.0.1", "sent_octets"] == 500
    assert pd.isna(hosts.loc["10.0.0.1", "received_octets"])
    assert pd.isna(hosts.loc["10.0.0.2", "sent_octets"])
    assert np.isclose(int(hosts.loc["10.0.0.2", "received_octets"]), 500)


def test_home_networks_part_inside_from_outside(sessions_of):
    ends = {"proto": "tcp", "dst_port": 80, "src_packets": 1, "dst_packets": 1, "src_octets": 100, "dst_octets": 10}
    sessions = sessions_of(
        [
            {**ends, "src_ip": "10.1.0.1", "dst_ip": "192.0.2.7"},
            {**ends, "src_ip": "10.1.0.2", "dst_ip": "192.0.2.8"},
            {**ends, "src_ip": "192.0.2.7", "dst_ip": "10.1.0.1"},
            {**ends, "src_ip": "10.1.0.1", "dst_ip": "10.1.0.2"},
            {**ends, "src_ip": "192.0.2.7", "dst_ip": "2001:db8::1"},
        ]
    )
    home = ["10.0.0.0/8", "10.1.0.0/16"]

    pairs = talkers(sessions, of="pairs", home=home)
    told = {(row.src_ip, row.dst_ip): row.direction for row in pairs.itertuples()}
    assert told == {
        ("10.1.0.1", "192.0.2.7"): "outbound", ("10.1.0.2", "192.0.2.8"): "outbound", ("192.0.2.7", "10.1.0.1"): "inbound",
        ("10.1.0.1", "10.1.0.2"): "internal", ("192.0.2.7", "2001:db8::1"): "external",
    }  # fmt: skip
    hosts = talkers(sessions, home=home).set_index("host")["inside"].to_dict()
    assert hosts == {"10.1.0.1": True, "10.1.0.2": True, "192.0.2.7": False, "192.0.2.8": False, "2001:db8::1": False}

    networks = talkers(sessions, of="networks", home=home).set_index("network")
    assert networks[["octets", "sessions", "hosts", "peers", "inside"]].to_dict("index") == {
        # the smallest home network that holds an address; what stays inside of it counts once
        "10.1.0.0/16": {"octets": 440, "sessions": 4, "hosts": 2, "peers": 2, "inside": True},
        "192.0.2.0/24": {"octets": 440, "sessions": 4, "hosts": 2, "peers": 2, "inside": False},
        "2001:db8::/64": {"octets": 110, "sessions": 1, "hosts": 1, "peers": 1, "inside": False},
    }


def test_networks_hold_what_their_hosts_do(staged):
    sessions, _ = assemble(staged)
    networks, hosts = talkers(sessions, of="networks"), talkers(sessions)

    assert networks["sent_octets"].sum() == hosts["sent_octets"].sum()
    assert networks["hosts"].sum() == len(hosts)
    assert networks.attrs["total"] == hosts.attrs["total"]
