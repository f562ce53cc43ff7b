"""Plain arrays of flow records to FLOWS: addresses, ports, ICMP, times."""

from __future__ import annotations

import ipaddress

import numpy as np
import pandas as pd
import pytest

from nsm_nb.formats.flow_columns import NOT_A_TIME, Addresses, flow_table, masked
from nsm_nb.kernels.flow_addresses import numbered
from nsm_nb.schema import FLOWS, caveats_of

NOW = 1_795_487_400_000_000_000


def table(count=2, **columns):
    given = {
        "src": np.arange(count, dtype=np.uint32), "dst": np.arange(count, dtype=np.uint32), "proto": np.full(count, 6),
        "start": np.full(count, NOW), "end": np.full(count, NOW), "label": "x", "source": "netflow", "digest": "ab" * 32,
    }  # fmt: skip
    return flow_table(**(given | columns))


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


@pytest.mark.parametrize("count", [0, 3])
def test_the_table_has_the_dtypes_of_flows(count):
    made = table(count, src_port=np.arange(count), sampling=np.arange(count), received=np.full(count, NOW))
    pd.testing.assert_frame_equal(FLOWS.conform(made), made)
    assert made.dtypes.astype(str).to_dict() == FLOWS.empty().dtypes.astype(str).to_dict()
    assert not made["direction_known"].any()


@pytest.mark.parametrize("distinct", [1, 5_000, 60_000])
def test_addresses_are_numbered_alike_by_either_way_and_in_order(distinct):
    random = np.random.default_rng(distinct)
    low = random.choice(random.integers(0, 2**32, distinct, np.uint32), 50_000)
    wide = Addresses(np.zeros(1, np.int64), low.astype(np.int64), np.full(1, 4))
    one, other = table(50_000, src=low, dst=low[::-1].copy()), table(50_000, src=wide, dst=wide)
    assert (one["src_ip"].astype(str) == other["src_ip"].astype(str)).all()
    assert one["src_ip"].astype(str).tolist()[:50] == [str(ipaddress.ip_address(int(each))) for each in low[:50]]
    assert (one["dst_ip"].cat.codes.to_numpy()[::-1] == one["src_ip"].cat.codes.to_numpy()).all()
    assert (np.diff([int(ipaddress.ip_address(each)) for each in one["src_ip"].cat.categories]) > 0).all()


def test_numbers_follow_the_order_in_which_addresses_are_met():
    (_, low, _), (codes,) = numbered([(np.zeros(1, np.int64), np.array([9, 7, 9, 0], np.uint32), np.full(1, 4))])
    assert (low.tolist(), codes.tolist()) == ([9, 7, 0], [0, 1, 0, 2])


def test_no_address_is_missing():
    none = Addresses(np.zeros(2, np.int64), np.array([5, 0]), np.array([4, 0]))
    assert values(table(src=none, dst=none)["src_ip"]) == ["0.0.0.5", None]


@pytest.mark.parametrize(
    ("proto", "sport", "dport", "icmp", "state"),
    [
        (1, 0, 771, None, "URP"),
        (1, 0, 2048, None, "ECO"),
        (1, 3, 3, None, "URP"),  # fprobe's way
        (58, 0, 129 << 8, None, "ECR"),
        (1, 0, 0, 771, "URP"),
        (1, 0, 2048, -1, "ECO"),
        (6, 0, 771, None, None),
    ],
)
def test_messages_of_icmp_become_the_state(proto, sport, dport, icmp, state):
    own = None if icmp is None else masked(np.array([icmp]), np.array([icmp < 0]), dtype=np.int64)
    made = table(1, proto=np.array([proto]), src_port=np.array([sport]), dst_port=np.array([dport]), icmp=own)
    assert values(made["state"]) == [state]
    assert values(made["dst_port"]) == [dport if proto == 6 else None]


def test_times_are_turned_and_what_is_far_from_receipt_is_told():
    start, end = np.array([NOW, NOW + 5, NOT_A_TIME]), np.array([NOW - 10**9, NOW + 10**13, NOW])
    made = table(3, start=start, end=end, received=np.array([NOW, NOW, -(2**62)]))
    assert made["duration"].tolist()[:2] == [1.0, 10_000 - 5e-9]
    assert made["start"].isna().tolist() == [False, False, True]
    assert [caveat.detail.partition(": ")[2][:40] for caveat in caveats_of(made)] == [
        "1 of 3 flows ends before it begins; star", "2 of 3 flows lie more than 2 hours from ",
    ]  # fmt: skip
