"""Community IDs: the specification's own examples, hashlib as the twin, and Suricata's as the oracle."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import struct

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.sessions.endpoints import address_numbers, community_id

NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}


def made(src, sport, dst, dport, proto, seed=0):
    columns = nsm.schema.addresses([src], [dst])
    ends = [address_numbers(pd.Series(each)) for each in columns]
    ports = [pd.Series([port], dtype="uint16").to_numpy() for port in (sport, dport)]
    return community_id(*ends, *ports, pd.Series([proto]), seed=seed)[0]


def slow(src, sport, dst, dport, proto, seed=0):
    """The specification in the plainest Python."""
    ends = sorted([(ipaddress.ip_address(src).packed, sport), (ipaddress.ip_address(dst).packed, dport)])
    data = struct.pack(">H", seed) + ends[0][0] + ends[1][0] + bytes([NUMBERS[proto], 0])
    data += struct.pack(">HH", ends[0][1], ends[1][1])
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        # README of corelight/community-id-spec and its baseline
        (("128.232.110.120", 34855, "66.35.250.204", 80, "tcp"), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (("192.168.1.52", 54585, "8.8.8.8", 53, "udp"), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    ],
)
def test_the_examples_of_the_specification_come_out(ends, expected):
    assert made(*ends) == expected


PORT = st.integers(0, 65535)


@given(st.sampled_from([4, 6]).flatmap(lambda v: st.tuples(st.ip_addresses(v=v), PORT, st.ip_addresses(v=v), PORT)),
       st.sampled_from(["tcp", "udp", "sctp"]), st.integers(0, 65535))  # fmt: skip
def test_any_five_tuple_agrees_with_hashlib_in_both_directions(ends, proto, seed):
    src, sport, dst, dport = str(ends[0]), ends[1], str(ends[2]), ends[3]

    expected = slow(src, sport, dst, dport, proto, seed)

    assert made(src, sport, dst, dport, proto, seed) == expected
    assert made(dst, dport, src, sport, proto, seed) == expected


def test_the_bundled_case_has_exactly_suricatas_ids(evidence):
    with (evidence / "suricata" / "eve.json").open() as lines:
        records = [json.loads(line) for line in lines if '"event_type":"flow"' in line]

    sessions, _ = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))

    assert set(sessions["community_id"]) == {record["community_id"] for record in records}
