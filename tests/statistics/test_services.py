"""Services: who serves what to whom, in the bundled case as its story tells it, and by hand."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from nsm_nb.errors import MissingColumn
from nsm_nb.schema import SESSIONS
from nsm_nb.statistics import services


@pytest.fixture(scope="module")
def case(bundled):
    return nsm.open_case(bundled)


def offered(table):
    return {(row.host, row.proto, row.port) for row in table.itertuples()}


def test_the_services_of_the_case_are_those_of_its_story(case):
    table = services(case.sessions, home=case.settings.home_networks)
    ours = table[table["inside"].astype(bool)]

    assert offered(ours) == {
        ("172.16.10.80", "tcp", 80), ("172.16.10.80", "tcp", 21), ("172.16.10.80", "tcp", 22),
        ("172.16.10.80", "tcp", 31337),  # the intruder's door
        ("10.10.20.5", "tcp", 445), ("10.10.20.5", "tcp", 139), ("10.10.20.25", "udp", 53), ("10.10.20.25", "tcp", 25),
    }  # fmt: skip
    assert ("203.0.113.66", "tcp", 8000) in offered(table)  # where the tools were fetched


def test_ports_that_refused_or_were_silent_come_when_they_are_asked_for(case):
    every, answering = services(case.sessions, answered=False), services(case.sessions)

    assert len(every) - len(answering) == 320
    assert answering.attrs["notes"][1].startswith("320 ports that gave no answer or refused left out")
    refused = every[(every["answered"] == 0) & (every["refused"] > 0)]
    assert len(refused) > 250


def test_a_service_counts_its_sessions_clients_and_octets(sessions_of):
    asked = {"dst_ip": "10.0.0.9", "proto": "tcp", "dst_port": 80, "src_packets": 1, "application": "http"}
    table = services(
        sessions_of(
            [
                {**asked, "src_ip": "10.0.0.1", "dst_packets": 2, "src_octets": 40, "dst_octets": 500},
                {**asked, "src_ip": "10.0.0.1", "dst_packets": 1, "src_octets": 40, "dst_octets": 90},
                {**asked, "src_ip": "10.0.0.2", "dst_packets": 0, "src_octets": 40, "dst_octets": 0},
                {**asked, "src_ip": "10.0.0.3", "dst_packets": 1, "history": "Sr", "src_octets": 40, "dst_octets": 40},
                {
                    **asked,
                    "src_ip": "10.0.0.3",
                    "dst_packets": 3,
                    "application": "ssh",
                    "src_octets": 1,
                    "dst_octets": 1,
                },
            ]
        )
    )

    row = table.iloc[0]
    assert len(table) == 1
    assert (row["sessions"], row["answered"], row["refused"], row["clients"]) == (5, 3, 1, 3)
    assert (row["octets"], row["src_octets"], row["dst_octets"]) == (792, 161, 631)
    assert row["application"] == "http"  # as most of its sessions say


def test_flows_of_one_direction_belong_to_the_end_whose_port_has_a_name(sessions_of):
    flow = {"proto": "tcp", "src_packets": 3, "src_octets": 300, "direction_known": False}
    table = services(
        sessions_of(
            [
                {**flow, "src_ip": "10.0.0.1", "src_port": 40_000, "dst_ip": "10.0.0.9", "dst_port": 80},
                {**flow, "src_ip": "10.0.0.9", "src_port": 80, "dst_ip": "10.0.0.1", "dst_port": 40_000},
                {**flow, "src_ip": "10.0.0.1", "src_port": 40_001, "dst_ip": "10.0.0.8", "dst_port": 5555},
                {**flow, "src_ip": "10.0.0.8", "src_port": 5555, "dst_ip": "10.0.0.1", "dst_port": 40_001},
            ]
        )
    ).set_index("host")

    assert table[["port", "sessions", "answered", "clients"]].to_dict("index") == {
        "10.0.0.9": {"port": 80, "sessions": 1, "answered": 1, "clients": 1},
        "10.0.0.8": {"port": 5555, "sessions": 1, "answered": 1, "clients": 1},
    }
    assert table.loc["10.0.0.9", "application"] == "http"
    assert any("4 flows of one direction" in limit for limit in table.attrs["limits"])


def test_netflow_alone_shows_the_services_of_the_case(evidence, case):
    alone = services(nsm.read_sessions(evidence / "netflow-export.pcap"))
    whole = services(case.sessions)

    # the resets that answered the scan are told from answers by their size
    told = offered(whole)
    # and where both ports have no name the lower one is a guess: here that of the scanner, wrong, as `limits` warns
    assert offered(alone) ^ told == {("203.0.113.66", "tcp", 64991)}
    assert any("where it is wrong, a client's port stands as a service" in limit for limit in alone.attrs["limits"])


def test_no_sessions_give_an_empty_typed_table():
    table = services(SESSIONS.empty())

    assert len(table) == 0
    assert str(table["octets"].dtype) == "Int64"
    assert str(table["first"].dtype) == "datetime64[ns, UTC]"
    with pytest.raises(MissingColumn, match="'dst_port'"):
        services(SESSIONS.empty().drop(columns="dst_port"))
