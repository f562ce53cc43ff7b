"""Hosts: who is there and what was seen of them, in the bundled case and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.statistics import hosts
from nsm_nb.statistics.systems import SIGNATURES, guesses


@pytest.fixture(scope="module")
def case(bundled):
    return nsm.open_case(bundled)


@pytest.fixture(scope="module")
def table(case):
    return case.hosts.set_index("host")


def test_the_intruder_scans_with_nmap_from_linux_and_serves_tools(table):
    row = table.loc["203.0.113.66"]

    assert row["system"] == "scanner (nmap); Linux (4.20 or later)"
    assert row["sure"] == "good"
    assert "window 1024" in row["why"]
    assert row["distance"] == 1
    assert not row["inside"]
    assert row["offers"] == "tcp/8000"
    assert row["uses"].endswith("more")


def test_the_victim_offers_what_the_story_says(table):
    row = table.loc["172.16.10.80"]

    assert row["inside"]
    assert row["offers"] == "tcp/80 http, tcp/21 ftp, tcp/22 ssh, tcp/31337"
    assert row["names"] == "www.corp.example (dns, http)"
    assert (row["ttl_low"], row["ttl_high"]) == (64, 64)


def test_many_hosts_behind_one_card_are_behind_a_router(table, staged):
    row = table.loc["198.51.100.10"]
    behind = staged[(staged["src_mac"] == row["mac"]) & staged["src_ip"].notna()]["src_ip"].nunique()

    assert row["mac_hosts"] == behind == 13
    assert row["macs"] == 1
    assert row["vendor"].startswith("locally administered")


def test_amounts_and_times_are_those_that_pandas_finds(table, staged):
    of_ip = staged[staged["proto"] != "arp"]  # ARP tells that a host was there; its packets are not IP's
    sent = of_ip.groupby("src_ip", observed=True)
    got = of_ip.groupby("dst_ip", observed=True)

    some = table[table["sent_packets"] > 0]
    assert some["sent_packets"].to_dict() == sent.size().to_dict()
    assert some["sent_octets"].to_dict() == {host: int(each.sum()) for host, each in sent["octets"]}
    received = table[table["received_packets"] > 0]["received_packets"]
    assert received.to_dict() == got.size().to_dict()
    for host in ("10.10.20.5", "fe80::866:79ff:fec3:d05e"):
        times = staged.loc[(staged["src_ip"] == host) | (staged["dst_ip"] == host), "time"]
        assert (table.loc[host, "first"], table.loc[host, "last"]) == (times.min(), times.max())


def test_inside_a_tunnel_nobody_has_the_mac_of_its_end(packets_of):
    table = packets_of(
        [0, 1], src_mac=["00:50:56:00:00:01"] * 2, outer_src_ip=["192.0.2.1", None], outer_dst_ip=["192.0.2.2", None]
    )
    assert hosts(table).set_index("host").loc["10.0.0.1", "macs"] == 1
    assert hosts(table.iloc[:1])["mac"].isna().all()


def test_flows_alone_tell_who_is_there_and_say_what_they_cant(case):
    alone = hosts(None, case.sessions)
    of_packets = hosts(case.packets, case.sessions)

    assert set(alone["host"]) <= set(of_packets["host"])
    assert alone["offers"].dropna().tolist() == of_packets["offers"].dropna().tolist()
    assert alone["mac"].isna().all()
    assert alone["system"].isna().all()
    assert alone.attrs["limits"][0].startswith("no packets: MAC addresses")
    pd.testing.assert_frame_equal(hosts(case.sessions), alone)


def test_packets_alone_tell_all_but_services_and_names(case):
    table = hosts(case.packets)

    assert table["offers"].isna().all()
    assert len(table.attrs["limits"]) == 2
    assert table["inside"].isna().all()


@pytest.mark.parametrize("arguments", [(PACKETS.empty(), SESSIONS.empty()), (None,), (SESSIONS.empty(),)])
def test_no_packets_give_an_empty_typed_table(arguments):
    table = hosts(*arguments)

    assert len(table) == 0
    assert str(table["first"].dtype) == "datetime64[ns, UTC]"
    assert str(table["ttl_low"].dtype) == "UInt8"


def test_a_host_without_times_is_there_without_times(packets_of):
    table = hosts(packets_of([None, None]))

    assert table["host"].tolist() == ["10.0.0.1", "10.0.0.2"]
    assert table["first"].isna().all()


def syn(packets_of, ttl, options, window, *, six=False, count=1):
    octets = 40 + options + (20 if six else 0)
    return packets_of(
        range(count), layers=["eth:ipv6:tcp" if six else "eth:ip:tcp"] * count, ttl=[ttl] * count, window=[window] * count,
        octets=[octets] * count, payload=[0] * count, tcp_flags=[2] * count,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("look", "system", "sure", "distance"),
    [
        ((63, 20, 64240), "Linux (4.20 or later)", "good", 1),
        ((64, 20, 29200), "Linux (3.x or 4, to 4.19)", "good", 0),
        ((50, 20, 5840), "Linux (2.4 or 2.6)", "good", 14),
        ((118, 12, 64240), "Windows (10 or later)", "good", 10),
        ((128, 12, 8192), "Windows (Vista to 8)", "good", 0),
        ((127, 8, 65535), "Windows (XP or 2003)", "good", 1),
        ((60, 24, 65535), "macOS or iOS", "good", 4),
        ((41, 4, 1024), "scanner (nmap)", "good", None),
        ((250, 0, 65535), "scanner (ZMap)", "good", 5),
        ((250, 0, 1024), "scanner (masscan)", "good", 5),
        ((250, 4, 4128), "Cisco IOS", "good", 5),
        ((64, 20, 12345), "Linux", "fair", 0),
        ((128, 20, 12345), "Windows", "weak", 0),
        ((190, 20, 1), "not known", "weak", None),
    ],
)
def test_a_syn_gives_a_guess_that_says_how_sure_it_is(packets_of, look, system, sure, distance):
    row = guesses(syn(packets_of, *look)).iloc[0]

    assert (row["system"], row["sure"]) == (system, sure)
    assert pd.isna(row["distance"]) if distance is None else row["distance"] == distance


def test_a_syn_over_ipv6_is_told_by_the_same_habits(packets_of):
    row = guesses(syn(packets_of, 64, 20, 64800, six=True)).iloc[0]

    assert (row["system"], row["sure"]) == ("Linux (4.20 or later)", "good")


def test_no_two_habits_are_the_same():
    looks = [(each.ttl, each.headers, window) for each in SIGNATURES for window in each.windows or ()]
    segments = [
        (each.ttl, each.headers, size * part) for each in SIGNATURES for part in each.segments for size in (1440, 1460)
    ]

    assert len(set(looks)) == len(looks)
    assert not set(looks) & set(segments)


NUMBERS = [
    st.integers(0, most) for most in (255, 65_535, 2**32 - 1, 2**32 - 1, 511)
]  # TTL, window, octets, payload, flags


@settings(max_examples=15)
@given(st.lists(st.tuples(*NUMBERS), min_size=1, max_size=8))
def test_no_header_breaks_the_guess(packets_of, looks):
    ttl, window, octets, payload, flags = zip(*looks, strict=True)
    packets = packets_of(
        range(len(looks)),
        ttl=list(ttl),
        window=list(window),
        octets=list(octets),
        payload=list(payload),
        tcp_flags=list(flags),
    )

    told = guesses(packets)
    assert told["packets"].sum() <= sum(np.array(flags) & 0x12 == 2)
    assert len(hosts(packets)) == 2
