"""Flows to conversations: what belongs together, who opened, how it ended; by a slow twin, and by conversations cut up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.schema import FLOWS, SESSIONS
from nsm_nb.sessions.pairing import UNSEEN, pair

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
BASE = pd.Timestamp("2003-11-13 17:00", tz="UTC")


def flows(*rows: dict) -> pd.DataFrame:
    """Records of one direction; times in seconds."""
    table = pd.DataFrame(
        [
            {
                "proto": "tcp", "src_ip": "10.0.0.2", "src_port": 40000, "dst_ip": "10.0.0.80", "dst_port": 80, "at": 0,
                "until": 1, "src_packets": 1, "src_octets": 40, "src_flags": pd.NA, "sensor": "r1", "evidence": "e",
                "source": "netflow", "record": number, "direction_known": False, "vlan": pd.NA, "state": None, **row,
            }
            for number, row in enumerate(rows, 1)
        ]
    )  # fmt: skip
    for name, column in (("start", "at"), ("end", "until")):
        table[name] = BASE + pd.to_timedelta(table[column].astype(float), unit="s")
    return FLOWS.conform(table)


def back(**row):
    """A record of the other direction."""
    return {"src_ip": "10.0.0.80", "src_port": 80, "dst_ip": "10.0.0.2", "dst_port": 40000, **row}


def test_both_directions_become_one_conversation():
    table = pair(
        flows({"src_flags": 0x1B, "src_octets": 320, "src_packets": 6}, back(at=0.001, src_flags=0x1B, until=2))
    )

    assert len(table) == 1
    row = table.iloc[0]
    assert (row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"]) == ("10.0.0.2", 40000, "10.0.0.80", 80)
    assert (row["src_packets"], row["src_octets"], row["dst_packets"], row["dst_octets"]) == (6, 320, 1, 40)
    assert (row["state"], row["closed"], row["direction_known"], row["pieces"]) == ("FIN", "both", True, 2)
    assert row["duration"] == 2
    assert row["application"] == "http"


def test_what_comes_out_is_a_table_of_sessions_and_the_number_of_records():
    table = pair(flows({}))
    assert list(table.columns) == [*SESSIONS.columns, "pieces"]
    assert SESSIONS.conform(table).dtypes.equals(table[list(SESSIONS.columns)].dtypes)


def test_a_flow_alone_is_kept_and_marked():
    row = pair(flows(back(src_flags=ACK | PSH))).iloc[0]

    assert row["src_ip"] == "10.0.0.80"  # who sent; what opened was not seen
    assert row["closed"] == UNSEEN
    assert pd.isna(row["dst_packets"]) and pd.isna(row["dst_octets"])
    assert not row["direction_known"]


def test_a_syn_without_ack_tells_who_opened_whatever_the_ports_and_times_say():
    table = pair(flows(back(at=1, src_flags=SYN), {"src_flags": RST | ACK, "at": 0.999}))

    assert table["src_ip"].tolist() == ["10.0.0.80"]
    assert table["direction_known"].all()
    assert table["closed"].tolist() == ["refused by dst"]
    assert table["state"].tolist() == ["RST"]


def test_in_one_tick_of_the_clock_the_lower_port_is_the_service_and_that_is_a_guess():
    table = pair(flows(back(src_flags=0x1B), {"src_flags": 0x1B}))

    assert table["src_ip"].tolist() == ["10.0.0.2"]
    assert not table["direction_known"].any()


def test_of_udp_who_spoke_first_asked_unless_a_service_did():
    asked = pair(flows({"proto": "udp", "src_port": 5000, "dst_port": 6000},
                       back(proto="udp", src_port=6000, dst_port=5000, at=0.5)))  # fmt: skip
    late = pair(flows(back(proto="udp"), {"proto": "udp", "at": 0.5}))

    assert (asked["src_ip"].tolist(), asked["direction_known"].tolist()) == (["10.0.0.2"], [True])
    assert (late["src_ip"].tolist(), late["direction_known"].tolist()) == (["10.0.0.2"], [False])
    assert late["state"].tolist() == ["CON"]


def test_pieces_that_a_timeout_cut_are_joined_until_silence():
    pieces = [{"at": at, "until": at + 300, "src_flags": ACK} for at in (0, 301, 602)]
    late = {"at": 902 + 3601, "until": 5000, "src_flags": ACK}
    table = pair(flows(*pieces, late, back(at=0, until=900, src_flags=ACK)))

    assert table["pieces"].tolist() == [4, 1]
    assert table["src_packets"].tolist() == [3, 1]
    assert pair(flows(*pieces, late), idle={"tcp": 4000})["pieces"].tolist() == [4]


def test_a_syn_after_a_close_begins_another_conversation():
    one = [{"src_flags": 0x1B}, back(src_flags=0x1B, at=0.01)]
    two = [{"src_flags": 0x1B, "at": 10, "until": 11}, back(src_flags=0x1B, at=10.01, until=11)]
    rest = {"src_flags": ACK, "at": 2, "until": 2}  # the last acknowledgement of the first, told late

    assert pair(flows(*two, *one, rest))["pieces"].tolist() == [2, 3]


def test_a_lone_syn_sent_again_is_no_other_conversation():
    table = pair(
        flows({"src_flags": SYN}, {"src_flags": SYN, "at": 3, "until": 3}, {"src_flags": SYN, "at": 9, "until": 9})
    )
    assert table["pieces"].tolist() == [3]
    assert table["state"].tolist() == ["REQ"]


@pytest.mark.parametrize("apart", [{"sensor": "r2"}, {"vlan": 7}, {"proto": "sctp"}, {"source": "flow-tools"}])
def test_what_other_exporters_or_vlans_saw_is_not_paired(apart):
    assert len(pair(flows({}, back(**apart)))) == 2


def test_where_no_exporter_is_named_one_evidence_is_one():
    assert len(pair(flows({"sensor": None}, back(sensor=None)))) == 1
    assert len(pair(flows({"sensor": None}, back(sensor=None, evidence="f")))) == 2


def test_icmp_requests_go_with_their_answers_and_other_messages_alone():
    icmp = {"proto": "icmp", "src_port": pd.NA, "dst_port": pd.NA}
    table = pair(
        flows(back(**icmp, state="ECR"), {**icmp, "state": "ECO"}, {**icmp, "state": "URP"}, back(**icmp, state="URP"))
    )
    assert table["state"].tolist() == ["ECO", "URP", "URP"]
    assert table["src_ip"].tolist() == ["10.0.0.2", "10.0.0.2", "10.0.0.80"]
    assert table["closed"].isna().all()
    assert table["direction_known"].all()


def test_rows_of_both_directions_stay_what_they_are():
    two_way = flows({"source": "argus", "state": "CON"}).assign(dst_packets=0, dst_octets=0)
    mixed = pd.concat([SESSIONS.conform(two_way), flows({"at": 5, "until": 6}, back(at=5, until=6))], ignore_index=True)
    table = pair(FLOWS.conform(mixed))

    assert table["source"].tolist() == ["argus", "netflow"]
    assert table["pieces"].tolist() == [1, 2]
    assert pair(two_way)["pieces"].tolist() == [1]


def test_without_flags_nothing_is_said_of_the_state():
    table = pair(SESSIONS.conform(flows({}, back())))
    assert table["state"].isna().all() and table["closed"].isna().all()


def test_a_sum_is_missing_where_a_piece_does_not_tell():
    table = pair(flows({"src_octets": pd.NA}, {"at": 2, "until": 3}, back()))
    assert pd.isna(table["src_octets"].iloc[0]) and table["dst_octets"].tolist() == [40]


def test_listings_without_times_are_paired_by_their_ends():
    table = flows({}, back(), {"src_port": 40001})
    table["start"] = table["end"] = pd.Series(pd.NaT, index=table.index, dtype="datetime64[ns, UTC]")

    assert pair(table)["pieces"].tolist() == [2, 1]


# --- the slow twin, and what was cut


def conversations():
    side = st.tuples(st.integers(1, 5), st.integers(0, 40))
    one = st.tuples(
        st.integers(0, 3), st.integers(0, 2), st.sampled_from(["tcp", "udp"]), st.integers(1, 30), side, st.booleans(),
        st.integers(1, 50),
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=12)


@settings(max_examples=20, deadline=None)
@given(conversations(), st.randoms(use_true_random=False))
def test_conversations_cut_by_timeouts_and_shuffled_come_back(made, random):
    rows, truth, clock = [], [], 0.0
    for client, server, proto, many, (cuts, gap), answered, size in made:
        clock += 4000  # further apart than any timeout
        ends = {
            "src_ip": f"10.0.0.{client + 1}",
            "src_port": 30000 + client,
            "dst_ip": f"10.1.0.{server}",
            "dst_port": 80,
        }
        other = {"src_ip": ends["dst_ip"], "src_port": 80, "dst_ip": ends["src_ip"], "dst_port": ends["src_port"]}
        for to_dst in (True, False) if answered else (True,):
            for cut in range(cuts):
                begin = clock + cut * (60 + gap) + (0 if to_dst else 0.002)
                flags = (SYN if cut == 0 and not (to_dst and not answered and proto == "udp") else 0) | ACK
                flags = SYN if not answered and cut == 0 else flags
                rows.append(
                    {**(ends if to_dst else other), "proto": proto, "at": begin, "until": begin + 60, "src_packets": many,
                     "src_octets": size * many, "src_flags": flags if proto == "tcp" else 0}
                )  # fmt: skip
        truth.append((ends["src_ip"], ends["dst_ip"], proto, many * cuts, many * cuts if answered else None,
                      cuts * (2 if answered else 1), clock))  # fmt: skip
    random.shuffle(rows)
    table = pair(flows(*rows)).sort_values("start")

    found = [
        (row.src_ip, row.dst_ip, row.proto, row.src_packets, None if pd.isna(row.dst_packets) else row.dst_packets,
         row.pieces, (row.start - BASE).total_seconds())
        for row in table.itertuples()
    ]  # fmt: skip
    assert found == truth


def slow(table: pd.DataFrame) -> list[list[int]]:
    """The records of each conversation, as sets of their numbers: the rules of `pair`, one record after the other."""
    heaps: dict = {}
    for row in table.itertuples():
        ends = tuple(sorted([(row.src_ip, row.src_port), (row.dst_ip, row.dst_port)]))
        heaps.setdefault((ends, row.proto, row.sensor), []).append(row)
    found = []
    for heap in heaps.values():
        current: list = []
        for row in sorted(heap, key=lambda each: (each.start, each.end, each.record)):
            mine = [each for each in current if each.src_ip == row.src_ip]
            end = max((each.end for each in current), default=row.start)
            flags = [0, 0]
            for each in current:
                flags[each.src_ip != row.src_ip] |= each.src_flags
            over = (flags[0] & flags[1] & FIN) or (flags[0] | flags[1]) & RST
            fresh = not current or row.start - end > pd.Timedelta(seconds=3600)
            if row.src_flags & SYN:
                fresh |= bool(over) and row.start > end
                last = max((each.end for each in mine), default=row.start)
                fresh |= bool(flags[0] & SYN and flags[0] & (ACK | FIN | RST)) and row.start > last
            if fresh:
                current = []
                found.append(current)
            current.append(row)
    return sorted(sorted(each.record for each in one) for one in found)


@pytest.mark.parametrize("seed", range(5))
def test_pairing_agrees_with_the_slow_way(seed):
    random = np.random.default_rng(seed)
    count = 300
    one = random.integers(0, 2, count).astype(bool)
    port = random.choice([40000, 40001, 40002], count)
    at = random.integers(0, 20_000, count) / 2
    table = flows(
        *(
            {"at": at[n], "until": at[n] + random.integers(0, 60), "src_flags": int(random.choice([2, 16, 18, 27, 20, 17])),
             **({"src_port": port[n]} if one[n] else back(dst_port=port[n])), "sensor": str(random.choice(["a", "b"]))}
            for n in range(count)
        )
    )  # fmt: skip
    shuffled = table.sample(frac=1, random_state=seed)
    found = pair(shuffled.reset_index(drop=True))

    # records of each, told by numbers that only sums of themselves give
    bits = {record: 1 << place for place, record in enumerate(sorted(table["record"].tolist()))}
    assert sorted(found["pieces"]) == sorted(map(len, slow(table)))
    starts = sorted((min(each), len(each)) for each in slow(table))
    assert len(starts) == len(found) and len(bits) == count
    firsts = {record: len(each) for each in slow(table)
              for record in [min(each, key=lambda n: (table["start"][n - 1], table["end"][n - 1], n))]}  # fmt: skip
    assert dict(zip(found["record"].tolist(), found["pieces"].tolist(), strict=True)) == firsts


@pytest.fixture(scope="module")
def staged(evidence):
    return nsm.read_packets(evidence / "staged.pcap")


@pytest.fixture(scope="module")
def exported(evidence):
    return nsm.read_sessions(evidence / "netflow-export.pcap")


def test_the_bundled_exports_give_what_their_packets_give(exported, staged):
    """Of each exporter: five-tuples, packets and octets of both sides and states of conversations of the capture."""
    table = pair(exported)
    known, _ = nsm.sessions.assemble(staged)
    ends = [
        "proto",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "src_packets",
        "src_octets",
        "dst_packets",
        "dst_octets",
    ]
    for name in ("src_ip", "dst_ip", "proto"):
        table[name], known[name] = table[name].astype(str), known[name].astype(str)
    tcp = table[(table["proto"] == "tcp") & table["direction_known"] & table["dst_packets"].notna()]
    both = tcp.merge(known, on=ends, suffixes=("", "_of"))

    assert table["pieces"].sum() == len(exported)
    assert table["src_packets"].sum() + table["dst_packets"].fillna(0).sum() == exported["src_packets"].sum()
    assert len(both) > 0.97 * len(tcp) > 1000
    assert (both["state"].astype(str) == both["state_of"].astype(str)).mean() > 0.97


@pytest.mark.parametrize("source", ["netflow", "ra-csv"])
def test_a_sum_that_does_not_fit_64_bits_is_missing_and_not_a_false_one(source):
    most = 2**63 - 1
    table = flows({"src_octets": most - 1, "source": source}, {"src_octets": 1, "source": source, "at": 1})
    if source == "ra-csv":
        table = table.assign(dst_packets=pd.array([0, 0], "Int64"), dst_octets=pd.array([0, 0], "Int64"))
    fits = pair(table)
    more = pair(table.assign(src_octets=pd.array([most, 1], "Int64")))

    assert fits["pieces"].tolist() == more["pieces"].tolist() == [2]
    assert more["src_octets"].isna().all() and more["src_packets"].notna().all()
    if source == "netflow":
        assert fits["src_octets"].tolist() == [most]


def test_a_record_may_last_longer_than_63_bits_of_nanoseconds():
    ends = pd.to_datetime(["1679-01-01", "2261-01-01"], utc=True).as_unit("ns")
    table = flows({}).assign(start=ends[:1], end=ends[1:])

    assert pair(table)["duration"].tolist() == [212_571 * 86_400]
