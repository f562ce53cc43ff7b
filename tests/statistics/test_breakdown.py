"""The protocol breakdown against tcpdstat's rows, and the rows that tcpdstat lacks."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.schema import PACKETS
from nsm_nb.statistics import breakdown, protocols
from nsm_nb.statistics.breakdown import TCP_SERVICES, UDP_SERVICES


def rows(table):
    return [
        (row.level, row.name, row.packets, round(100 * row.packets_share, 2), row.length,
         round(100 * row.length_share, 2), round(row.mean, 2))
        for row in table.itertuples(index=False)
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["seed", "www-files01"])
def test_every_row_that_tcpdstat_prints_is_there_in_its_order(name, tcpdstat, request):
    table = breakdown(request.getfixturevalue("seed" if name == "seed" else "staged"))
    said = tcpdstat(name)["rows"]
    ours = rows(table)
    until = next((place for place, row in enumerate(ours) if row[1] in ("frag", "ip6")), len(ours))

    assert ours[:until] == said


def test_what_tcpdstat_leaves_in_the_total_alone_has_rows_of_its_own(seed, staged):
    def of(table):
        return {(row.level, row.name): row.packets for row in breakdown(table).itertuples(index=False)}

    assert (of(seed)[1, "ip"], of(seed)[1, "ip6"], of(seed)[1, "arp"]) == (134, 1, 2)
    assert (of(staged)[1, "ip"], of(staged)[1, "ip6"], of(staged)[1, "arp"]) == (8711, 998, 37)
    assert of(staged)[2, "tcp6"] == 961


@pytest.mark.parametrize("name", ["seed", "staged"])
def test_the_rows_of_a_level_add_up_to_the_row_above(name, request):
    table = breakdown(request.getfixturevalue(name))
    table = table[~table["name"].isin(["frag"])]
    total = table.iloc[0]

    assert table.loc[table["level"] == 1, ["packets", "length"]].sum().tolist() == [total["packets"], total["length"]]
    above = None
    for row in table.itertuples(index=False):
        if row.level == 1:
            network = row
            left = row.packets
        elif row.level == 2:
            left -= row.packets
            assert left >= 0
            above, below = row, row.packets
        elif row.level == 3:
            below -= row.packets
            assert below >= 0, (network, above)


def test_the_level_of_networks_agrees_with_the_tree_of_layers(staged):
    tree = protocols(staged).set_index("layers")["packets"]
    table = breakdown(staged)

    def of(name):
        return table.loc[table["name"] == name, "packets"].iloc[0]

    assert of("ip") == tree["eth:ip"]
    assert of("ip6") == tree["eth:ipv6"]
    assert of("tcp") == tree["eth:ip:tcp"]
    assert of("icmp") == tree["eth:ip:icmp"] + tree["eth:ip:fragment"]


def names(table):
    return {row.name: row.packets for row in table.itertuples(index=False) if row.level == 3}


def test_the_source_port_is_looked_at_before_the_destination_port(packets_of):
    table = breakdown(packets_of([0, 1, 2], src_port=[80, 22, 40_000], dst_port=[22, 80, 80]))

    assert names(table) == {"http(s)": 1, "ssh": 1, "http(c)": 1}


def test_a_service_told_by_its_port_says_so(packets_of):
    table = breakdown(packets_of([0, 1], dst_port=[80, 9]))

    assert table.loc[table["level"] == 3, "by"].tolist() == ["port", "port"]
    assert table.loc[table["level"] < 3, "by"].tolist() == ["layers"] * 3


def test_udp_to_a_group_is_mcast_whatever_its_port(packets_of):
    udp = {"layers": ["eth:ip:udp"] * 4, "proto": ["udp"] * 4, "dst_port": [53] * 4}
    table = breakdown(
        packets_of([0, 1, 2, 3], dst_ip=["224.0.0.251", "239.255.255.255", "240.0.0.1", "223.1.1.1"], **udp)
    )
    six = {"layers": ["eth:ipv6:udp"] * 3, "proto": ["udp"] * 3, "dst_port": [53] * 3, "src_ip": ["fe80::1"] * 3}
    table6 = breakdown(packets_of([0, 1, 2], dst_ip=["ff02::fb", "ff::1", "fe80::2"], **six))

    assert names(table) == {"mcast": 2, "dns": 2}
    assert names(table6) == {"mcast": 1, "dns": 2}  # ff::1 is 00ff::1
    assert table.loc[table["name"] == "mcast", "by"].tolist() == ["address"]


def test_later_fragments_go_to_the_service_of_their_first(packets_of):
    table = breakdown(
        packets_of(
            range(6),
            layers=[
                "eth:ip:udp",
                "eth:ip:fragment",
                "eth:ip:fragment",
                "eth:ip:udp",
                "eth:ip:fragment",
                "eth:ip:fragment",
            ],
            proto=["udp"] * 6,
            # the third datagram's first fragment comes after its later one; the last belongs to no first fragment
            ip_id=[7, 7, 8, 8, 7, 9],
            fragment=[0, 1480, 1480, 0, 2960, 1480],
            src_port=pd.array([40_000, None, None, 40_000, None, None], "UInt16"),
            dst_port=pd.array([53, None, None, 123, None, None], "UInt16"),
        )
    )

    assert names(table) == {"dns": 3, "ntp": 2}
    assert table.loc[table["name"] == "udp", "packets"].iloc[0] == 6
    assert table.loc[table["name"] == "frag", "packets"].iloc[0] == 6


def test_an_ip_identification_that_comes_again_is_another_datagram(packets_of):
    table = breakdown(
        packets_of(
            range(4),
            layers=["eth:ip:udp", "eth:ip:fragment"] * 2,
            proto=["udp"] * 4,
            ip_id=[7, 7, 7, 7],
            fragment=[0, 1480, 0, 1480],
            src_port=pd.array([40_000, None] * 2, "UInt16"),
            dst_port=pd.array([53, None, 123, None], "UInt16"),
        )
    )

    assert names(table) == {"dns": 2, "ntp": 2}


def test_fragments_of_icmp_are_counted_though_tcpdstat_leaves_them_out(staged, tcpdstat):
    table = breakdown(staged)

    assert "frag" not in {row[1] for row in tcpdstat("www-files01")["rows"]}
    assert table.loc[table["name"] == "frag", "packets"].tolist() == [12]
    assert int(staged["fragment"].notna().sum()) == 12


def test_what_a_tunnel_carries_is_one_row_of_the_tunnels_name(packets_of):
    table = breakdown(packets_of([0, 1], layers=["eth:ip:gre:ip:tcp", "eth:ip:udp:vxlan:eth:ip:tcp"]))

    assert {(row.level, row.name) for row in table.itertuples(index=False)} == {
        (0, "total"), (1, "ip"), (2, "gre"), (2, "udp"),
    }  # fmt: skip


def test_tagged_frames_count_where_they_belong(packets_of):
    # tcpdstat does not look behind a VLAN tag: such frames are in its total alone
    table = breakdown(packets_of([0], layers=["eth:vlan:ip:tcp"]))

    assert table["name"].tolist() == ["total", "ip", "tcp", "http(c)"]


@pytest.mark.parametrize(
    ("layers", "proto", "expected"),
    [
        ("eth", None, ["total", "other"]),
        (None, None, ["total", "other"]),
        ("eth:lldp", "lldp", ["total", "lldp"]),
        ("eth:llc", "stp", ["total", "llc"]),
        ("linktype-105", None, ["total", "linktype-105"]),
        ("eth:ip:cut", "tcp", ["total", "ip", "tcp"]),
        ("eth:ip:99", "99", ["total", "ip", "proto 99"]),
        ("raw:ipv6:ipv6.extension:icmpv6", "icmp6", ["total", "ip6", "icmp6"]),
        ("eth:ipv6:ipv6.fragment:fragment", "udp", ["total", "ip6", "udp6"]),
    ],
)
def test_layers_have_the_rows_that_their_names_say(packets_of, layers, proto, expected):
    nothing = pd.array([None], "UInt16")
    table = breakdown(packets_of([0], layers=[layers], proto=[proto], src_port=nothing, dst_port=nothing))

    assert table["name"].tolist() == expected


def test_no_packets_give_no_rows():
    assert len(breakdown(PACKETS.empty())) == 0


def test_the_ports_are_those_of_tcpdstat_and_no_port_is_out_of_range():
    assert len(TCP_SERVICES) == 53
    assert all(0 < port < 65_536 for port in [*TCP_SERVICES, *UDP_SERVICES])
    assert 1434 not in UDP_SERVICES  # Slammer's port is not among them
