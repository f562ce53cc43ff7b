"""Comparing two tables against the slow way, and the intrusion that a comparison shows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb import query
from nsm_nb.formats import read_sessions
from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.statistics import compare

BEFORE = pd.Timestamp("2026-11-24 02:31:36Z")  # the first command of the intruder


@pytest.fixture(scope="module")
def case(bundled):
    return nsm.open_case(bundled)


ENDS = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"])
ROWS = st.lists(st.tuples(ENDS, ENDS, st.integers(0, 50), st.integers(0, 50)), max_size=12)


def slow(rows):
    told = {}
    for src, dst, sent, received in rows:
        for host in {src, dst}:
            told[host] = told.get(host, 0) + sent + received
    return told


@settings(max_examples=30)
@given(ROWS, ROWS)
def test_hosts_are_new_gone_grown_or_shrunk_as_the_slow_way_says(sessions_of, before, after):
    tables = [
        sessions_of(
            [
                {"src_ip": src, "dst_ip": dst, "src_octets": sent, "dst_octets": got, "dst_packets": 1}
                for src, dst, sent, got in rows
            ]
        )
        for rows in (before, after)
    ]
    was, now = slow(before), slow(after)
    told = {row.name: row for row in compare(*tables, by="hosts", same=True).itertuples(index=False)}

    assert set(told) == {*was, *now}
    for host, row in told.items():
        a, b = was.get(host), now.get(host)
        assert (row.a, row.b, row.change) == (a or 0, b or 0, (b or 0) - (a or 0))
        expected = (
            "new" if a is None else "gone" if b is None else "same" if not a or not b
            else "grown" if b >= 2 * a else "shrunk" if 2 * b <= a else "same"
        )  # fmt: skip
        assert row.status == expected


def test_what_is_new_in_the_case_after_the_first_command_is_the_intrusion(case):
    sessions = case.sessions
    told = compare(sessions[sessions["start"] < BEFORE], sessions[sessions["start"] >= BEFORE])
    new = set(told.loc[told["status"] == "new", "name"])

    assert {
        "tcp/31337",
        "198.51.100.77",
        "203.0.113.99",
        "172.16.10.80 > 10.10.20.5",
        "172.16.10.80 > 203.0.113.66",
    } <= new
    # the largest change of each kind of news comes first
    for _, some in told.groupby("status", observed=True):
        assert some["change"].abs().is_monotonic_decreasing
    assert told["status"].is_monotonic_increasing


def test_packets_say_the_same_of_hosts_as_their_sessions(case):
    packets, sessions = case.packets, case.sessions
    ip = packets[packets["session"].notna()]
    of_packets = compare(ip.iloc[:0], ip, by="hosts").set_index("name")["b"]
    of_sessions = compare(sessions.iloc[:0], sessions, by="hosts").set_index("name")["b"]

    assert of_packets.to_dict() == of_sessions.to_dict()
    pairs = [
        compare(table.iloc[:0], table, by=["pairs", "services"]).set_index("name")["b"].to_dict()
        for table in (ip, sessions)
    ]
    assert pairs[0] == pairs[1]


def test_the_query_of_a_row_finds_what_it_counts(case):
    sessions = case.sessions
    rows = compare(sessions.iloc[:0], sessions, value="sessions", by=["hosts", "pairs", "services"])
    for row in rows.itertuples():
        assert len(query.query(sessions, row.query)) == row.b, row.query


@pytest.mark.parametrize("kind", ["hosts", "pairs", "services"])
def test_of_packets_the_query_finds_all_that_a_row_counts(case, kind):
    packets = case.packets
    for row in compare(packets.iloc[:0], packets, value="packets", by=kind).itertuples():
        found = len(query.query(packets, row.query))
        assert found == row.b if kind == "hosts" else found >= row.b, row.query


def test_of_one_way_flows_the_query_finds_both_directions(evidence):
    flows = read_sessions(evidence / "netflow-export.pcap", label="flows")
    for row in compare(flows.iloc[:0], flows, by="services").head(40).itertuples():
        found = query.query(flows, row.query)
        assert int(found["src_octets"].sum()) >= row.b, row.query


def test_rates_take_the_length_of_time_into_account(sessions_of):
    ends = {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "dst_packets": 0}
    day = sessions_of([{**ends, "start": "2026-01-01", "end": "2026-01-02", "src_octets": 2400}])
    hour = sessions_of([{**ends, "start": "2026-01-02", "end": "2026-01-02 01:00", "src_octets": 200}])

    plain, rate = compare(day, hour, by="hosts"), compare(day, hour, by="hosts", rates=True)
    assert plain["status"].tolist() == ["shrunk", "shrunk"]
    assert rate["status"].tolist() == ["grown", "grown"]
    assert rate["factor"].tolist() == pytest.approx([2, 2])
    assert any("a spans 24 h, b 1 h" in note for note in plain.attrs["notes"])


def test_packets_and_sessions_are_compared_but_for_protocols(case):
    told = compare(case.packets, case.sessions)

    assert "protocols" not in set(told["kind"])
    assert any("protocols not compared" in note for note in told.attrs["notes"])


@pytest.mark.parametrize("schema", [PACKETS, SESSIONS])
def test_empty_tables_are_compared(schema):
    told = compare(schema.empty(), schema.empty())

    assert len(told) == 0
    assert str(told["a"].dtype) == "int64"
    assert list(told.attrs["totals"]) == [0, 0]


def test_wrong_words_are_refused_in_a_sentence():
    table = SESSIONS.empty()
    with pytest.raises(ValueError, match="by='ports' is not known; choose of 'hosts'"):
        compare(table, table, by="ports")
    with pytest.raises(ValueError, match="choose of 'octets', 'packets', 'sessions'"):
        compare(table, table, value="bytes")
    with pytest.raises(ValueError, match="must be above 1"):
        compare(table, table, factor=1)
