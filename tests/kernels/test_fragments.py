"""Later fragments have the ports of the first one of their datagram, told as a plain search over all frames tells it."""

from __future__ import annotations

import struct

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.kernels.fragments import WAIT
from tests import writing

STEP = 10_000_000_000  # nanoseconds, a sixth of how long fragments are waited for


def slow(table):
    """For each row, look at every other one: the latest first fragment before it, else the next after it."""
    rows = table.to_dict("records")
    ports = []
    for here, row in enumerate(rows):
        own = None if pd.isna(row["src_port"]) else (row["src_port"], row["dst_port"])
        if own is None and not pd.isna(row["fragment"]) and row["fragment"]:
            same = [
                there for there, other in enumerate(rows)
                if all(str(other[name]) == str(row[name]) for name in ("src_ip", "dst_ip", "proto", "ip_id", "vlan"))
                and other["fragment"] == 0
            ]  # fmt: skip
            nearest = [
                max((at for at in same if at < here), default=None),
                min((at for at in same if at > here), default=None),
            ]
            for at in nearest:
                if at is not None and abs(rows[at]["time"].value - row["time"].value) <= WAIT:
                    own = rows[at]["src_port"], rows[at]["dst_port"]
                    break
        ports.append(own)
    return ports


def ports(table):
    pairs = zip(table["src_port"].astype(object), table["dst_port"].astype(object), strict=True)
    return [None if pd.isna(src) else (src, dst) for src, dst in pairs]


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(1, 2), st.integers(1, 3), st.sampled_from([(), (5,)]), st.integers(0, 12),
            st.sampled_from([4, 30]),
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
@settings(max_examples=60)
def test_ports_are_those_of_the_nearest_first_fragment(tmp_path_factory, steps):
    frames, time = [], STEP
    for number, (first, host, ident, vlans, wait, size) in enumerate(steps):
        body = writing.udp(bytes(size - 4), 4000 + number, 53)[:size] if first else bytes(size)
        place = 0x2000 if first else 3
        datagram = writing.ip(body, f"10.0.0.{host}", "10.0.0.9", 17, number=ident, place=place)
        time += wait * STEP
        frames.append((time, writing.ethernet(datagram, vlans=vlans)))
    path = tmp_path_factory.mktemp("fragments") / "x.pcap"
    path.write_bytes(writing.pcap(frames))

    table = nsm.read_packets(path, format="pcap")

    firsts = table["src_port"].where(table["fragment"] == 0)
    assert ports(table) == slow(table.assign(src_port=firsts, dst_port=table["dst_port"].where(table["fragment"] == 0)))


@pytest.mark.parametrize("six", [False, True])
def test_pieces_that_come_before_the_first_have_its_ports_too(tmp_path, six):
    def piece(place, more, body):
        if six:
            head = struct.pack(">BBHI", 6, 0, place | more, 99)
            return writing.ethernet(writing.ipv6(head + body, "2001:db8::1", "2001:db8::2", 44), ethertype=0x86DD)
        return writing.ethernet(writing.ip(body, "10.0.0.1", "10.0.0.2", 6, number=9, place=place // 8 | more << 13))

    frames = [piece(24, 0, bytes(8)), piece(16, 1, bytes(8)), piece(0, 1, writing.tcp(b"", 1234, 80)[:16])]
    (tmp_path / "x.pcap").write_bytes(writing.pcap([(STEP, frame) for frame in frames]))

    table = nsm.read_packets(tmp_path / "x.pcap")

    assert table["src_port"].tolist() == [1234] * 3
    assert table["dst_port"].tolist() == [80] * 3
