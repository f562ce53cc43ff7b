"""Statistics of flows alone: NetFlow without captures, as far as it tells."""

from __future__ import annotations

import html5lib
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.schema import SESSIONS
from nsm_nb.statistics import FlowSummary, protocols, summary, talkers, timeline


@pytest.fixture(scope="module")
def flows(evidence):
    return nsm.read_sessions(evidence / "netflow-export.pcap")


@pytest.fixture(scope="module")
def exporter(flows):
    """What one exporter saw, so that nothing counts twice."""
    return flows[flows["sensor"] == flows["sensor"].iloc[0]].reset_index(drop=True)


@pytest.fixture(scope="module")
def sessions(staged):
    return nsm.sessions.assemble(staged)[0]


def test_a_summary_of_netflow_has_the_figures_of_the_capture(exporter, sessions):
    told = summary(exporter)
    of_ip4 = sessions[~sessions["src_ip"].astype("str").str.contains(":")]

    assert isinstance(told, FlowSummary)
    assert told.packets == int(exporter["src_packets"].sum())
    # NetFlow version 5 has no IPv6, and this exporter lost some flows
    assert 0.85 < told.packets / int(of_ip4["src_packets"].sum() + of_ip4["dst_packets"].sum()) < 1
    assert told.addresses == 20
    assert told.duration == pytest.approx(482.4, abs=0.2)
    assert told.largest_services["application"].iloc[0] == "dns"


def test_a_summary_says_what_flows_cant_tell(exporter):
    told = summary(exporter)

    assert any("its peak and deviation" in limit for limit in told.limits)
    assert any("of one direction" in limit for limit in told.limits)
    text = told.text()
    assert "What sessions can't tell" in text
    html5lib.HTMLParser(strict=True).parseFragment(told._repr_html_())


def test_sessions_of_a_capture_agree_with_its_packets(sessions, staged):
    told = summary(sessions)
    ip = staged[staged["session"].notna()] if "session" in staged and staged["session"].notna().any() else staged

    assert told.sessions == len(sessions)
    assert told.octets == int(ip["octets"].sum())
    tree = protocols(sessions).set_index("layers")
    layers = staged["layers"].astype("str")
    assert tree.loc["ip:tcp", "packets"] == int((layers == "eth:ip:tcp").sum())
    assert tree.loc["ipv6:tcp", "octets"] == int(staged.loc[layers == "eth:ipv6:tcp", "octets"].sum())
    assert tree.loc["ip:tcp", "sessions"] == int(
        ((sessions["proto"] == "tcp") & ~sessions["src_ip"].astype("str").str.contains(":")).sum()
    )


def test_the_tree_of_sessions_adds_up(exporter):
    tree = protocols(exporter)
    for row in tree.itertuples():
        below = tree[tree["layers"].str.startswith(f"{row.layers}:") & (tree["level"] == row.level + 1)]
        assert below["octets"].sum() <= row.octets
        assert below["sessions"].sum() <= row.sessions
    assert tree.loc[tree["level"] == 0, "share"].sum() == pytest.approx(1)


def test_a_timeline_of_flows_sums_both_sides_at_their_start(sessions):
    told = timeline(sessions, every="1min", value="octets")

    assert told["octets"].sum() == int(sessions["src_octets"].sum() + sessions["dst_octets"].sum())
    assert any("counted with all it carried" in note for note in told.attrs["notes"])
    assert timeline(sessions, every="1min")["sessions"].sum() == len(sessions)


def test_content_that_contradicts_its_port_is_flagged(sessions_of, packets_of):
    sessions = sessions_of(
        [
            {"session": 1, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "proto": "tcp", "dst_port": 80, "application": "ssh",
             "src_packets": 2, "dst_packets": 1, "src_octets": 100, "dst_octets": 50},
            {"session": 2, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "proto": "tcp", "dst_port": 443, "application": "tls",
             "src_packets": 1, "dst_packets": 0, "src_octets": 10, "dst_octets": 0},
            {"session": 3, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "proto": "tcp", "dst_port": 5555, "application": "http",
             "src_packets": 1, "dst_packets": 0, "src_octets": 10, "dst_octets": 0},
        ]
    )  # fmt: skip
    packets = packets_of(range(6), [60, 70, 80, 90, 100, 110], session=pd.array([1, 1, 1, 2, 3, None], "Int64"))

    told = protocols(packets, sessions).set_index("layers")
    assert told.loc["eth:ip:tcp", ["packets", "length"]].tolist() == [6, 510]
    ssh = told.loc["eth:ip:tcp:ssh"]
    assert (ssh["packets"], ssh["length"], ssh["sessions"], ssh["contradicted"]) == (3, 210, 1, 1)
    assert ssh["port_says"] == "http (1 session)"
    assert told["contradicted"].sum() == 1  # tls is what https is made of, and port 5555 says nothing
    assert told[told["application"]].index.tolist() == ["eth:ip:tcp:ssh", "eth:ip:tcp:http", "eth:ip:tcp:tls"]

    of_flows = protocols(sessions).set_index("layers")
    assert of_flows.loc["ip:tcp:ssh", ["sessions", "octets", "contradicted"]].tolist() == [1, 150, 1]
    assert of_flows.loc["ip:tcp:ssh", "port_says"] == "http (1 session)"


def test_packets_in_no_session_have_no_applications_and_a_note(packets_of, sessions_of):
    told = protocols(packets_of([0]).drop(columns="session"), sessions_of([]))

    assert not told["application"].any()
    assert "the packets have no session" in told.attrs["notes"][0]


def test_an_application_called_like_a_layer_is_not_the_layer(sessions_of):
    told = protocols(
        sessions_of(
            [
                {
                    "src_ip": "10.0.0.1",
                    "dst_ip": "10.0.0.2",
                    "proto": "ip",
                    "application": "ip",
                    "src_octets": 7,
                    "dst_octets": 0,
                }
            ]
        )
    )

    assert told[["name", "level", "application"]].values.tolist() == [
        ["ip", 0, False],
        ["ip", 1, False],
        ["ip", 2, True],
    ]


def test_no_sessions_give_empty_typed_answers():
    told = summary(SESSIONS.empty(), flows=True)

    assert (told.sessions, told.addresses, told.octets) == (0, 0, 0)
    assert "no sessions" in told.text()
    assert "no sessions" in told._repr_html_()
    assert len(protocols(SESSIONS.empty())) == 0
    assert len(timeline(SESSIONS.empty(), value="octets")) == 0
    assert len(talkers(SESSIONS.empty(), of="networks", home=["10.0.0.0/8"])) == 0
