"""Records that are parts of one session are joined: by racluster, by Argus' own files, by a slow twin, by shapes by hand."""

from __future__ import annotations

import gzip
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.schema import FLOWS, SESSIONS
from nsm_nb.sessions.exporting import export
from nsm_nb.sessions.flag_bits import bits_of
from nsm_nb.sessions.pairing import pair
from nsm_nb.sessions.status_records import joined, partial

BASE = pd.Timestamp("2003-11-13 17:00", tz="UTC")
WHO = ["proto", "src_ip", "src_port", "dst_ip", "dst_port"]
TOLD = [*WHO, "start", "end", "src_packets", "dst_packets", "src_octets", "dst_octets", "state"]


def records(*rows: dict) -> pd.DataFrame:
    """Records of ra; times in seconds."""
    table = pd.DataFrame(
        [
            {
                "session": 1000 + number, "proto": "tcp", "src_ip": "10.0.0.2", "src_port": 40000, "dst_ip": "10.0.0.80",
                "dst_port": 80, "at": 0, "until": 1, "src_packets": 1, "dst_packets": 1, "src_octets": 40, "dst_octets": 60,
                "src_payload": pd.NA, "dst_payload": pd.NA, "sensor": None, "evidence": "e", "source": "ra-csv",
                "record": number, "direction_known": True, "vlan": pd.NA, "state": "CON", **row,
            }
            for number, row in enumerate(rows, 1)
        ]
    )  # fmt: skip
    for name, column in (("start", "at"), ("end", "until")):
        table[name] = BASE + pd.to_timedelta(table[column].astype(float), unit="s")
    table["duration"] = table["until"].astype(float) - table["at"].astype(float)
    return SESSIONS.conform(table)


def back(**row):
    """A record whose opening Argus has not seen, the other way round."""
    ends = {"src_ip": "10.0.0.80", "src_port": 80, "dst_ip": "10.0.0.2", "dst_port": 40000, "direction_known": False}
    return {**ends, **row}


def test_records_of_one_session_are_a_row_with_sums_the_first_start_and_the_last_end():
    table = joined(
        records(
            {"at": 6, "until": 7.5, "src_packets": 5, "src_octets": 500},
            {"at": 0, "until": 4},
            {"at": 12, "state": "FIN"},
        )
    )

    (row,) = table.to_dict("records")
    assert (row["start"], row["end"], row["duration"]) == (BASE, BASE + pd.Timedelta("7.5s"), 7.5)
    assert (row["src_packets"], row["src_octets"], row["dst_packets"], row["dst_octets"]) == (7, 580, 3, 180)
    assert (row["state"], row["pieces"], row["record"], row["session"]) == ("FIN", 3, 2, 1002)


def test_who_opened_is_told_by_any_of_the_records():
    table = joined(records(back(src_packets=9, dst_packets=2), {"at": 2, "until": 3}))

    (row,) = table.to_dict("records")
    assert [str(row[name]) for name in WHO[1:]] == ["10.0.0.2", "40000", "10.0.0.80", "80"]
    assert (row["src_packets"], row["dst_packets"], row["direction_known"]) == (3, 10, True)


def test_silence_and_a_new_opening_end_a_session():
    def pieces(*rows, **idle):
        return joined(records(*rows), idle=idle or None)["pieces"].tolist()

    assert pieces({}, {"at": 3000, "until": 3001, "direction_known": False}) == [2]
    assert pieces({}, {"at": 3602, "until": 3603, "direction_known": False}) == [1, 1]
    assert pieces({}, {"at": 3000, "until": 3001, "direction_known": False}, tcp=60) == [1, 1]
    assert pieces({}, {"at": 62, "until": 63}) == [
        1,
        1,
    ]  # Argus would have forgotten the first: this has a SYN of its own
    assert pieces({}, {"at": 61, "until": 62}) == [2]
    assert pieces({"state": "FIN"}, {"at": 2, "until": 3}) == [1, 1]
    assert pieces({"state": "FIN"}, {"at": 2, "until": 3, "state": "FIN"}) == [2]  # the close goes on
    assert pieces({"state": "FIN"}, back(at=2, until=3)) == [2]
    assert pieces({"proto": "udp"}, {"proto": "udp", "at": 302}) == [1, 1]
    assert pieces({"proto": "udp", "direction_known": False}, {"proto": "udp", "at": 301}) == [2]


@pytest.mark.parametrize(
    "other",
    [{"vlan": 7}, {"proto": "udp"}, {"src_port": 40001}, {"sensor": "s2"}, {"evidence": "f"}, {"source": "argus"}],
)
def test_what_differs_in_who_where_or_by_whom_is_another_session(other):
    assert joined(records({}, {"at": 2, "until": 3, **other}))["pieces"].tolist() == [1, 1]


def test_one_sensor_may_tell_of_a_session_in_several_files():
    assert len(joined(records({"sensor": "s"}, {"sensor": "s", "evidence": "f"}))) == 1


def test_times_at_both_ends_of_the_calendar_are_far_apart_and_a_session_may_last_as_long():
    ends = pd.to_datetime(["1677-09-21T00:12:44", "2262-04-11T23:47:16"], utc=True).as_unit("ns")
    table = records({}, {}, {}).assign(start=ends[[0, 0, 1]], end=ends[[0, 1, 1]])

    assert joined(table.iloc[[0, 2]])["pieces"].tolist() == [1, 1]
    (row,) = joined(table).to_dict("records")
    assert (row["pieces"], row["duration"]) == (3, pytest.approx(18_446_744_072))


@pytest.mark.parametrize("lacking", [{"src_ip": None}, {"dst_ip": None}, {"proto": None}, {"at": np.nan}])
def test_what_does_not_tell_who_or_when_is_left_as_it_is(lacking):
    table = records({}, lacking, lacking)
    found = joined(table)

    assert found["pieces"].tolist() == [1, 1, 1]
    others = [name for name in SESSIONS.columns if name != "application"]
    pd.testing.assert_frame_equal(found[others], table[others])
    assert table["application"].isna().all() and found["application"][0] == "http"  # where none is told, the port's


def test_formats_that_tell_of_a_session_once_are_left_as_they_are():
    table = records({"source": "zeek-conn"}, {"source": "zeek-conn", "at": 2})
    assert joined(table)["pieces"].tolist() == [1, 1]
    assert pair(table)["pieces"].tolist() == [1, 1]
    assert pair(records({}, {"at": 2}))["pieces"].tolist() == [2]


def test_what_one_record_does_not_tell_is_missing_in_the_whole():
    (row,) = joined(records({}, {"src_octets": pd.NA, "at": 2, "until": np.nan})).to_dict("records")

    assert all(pd.isna(row[name]) for name in ("src_octets", "end", "duration"))
    assert row["dst_octets"] == 120


def test_the_state_is_what_ra_says_of_all_flags():
    def state(*states, **row):
        return joined(records(*({"state": each, "at": at, **row} for at, each in enumerate(states))))["state"].tolist()

    assert state("REQ", "ACC", "CON") == ["CON"]
    assert state("CON", "RST", "FIN") == ["RST"]
    assert state("REQ", None) == ["REQ"]
    assert state("INT", "INT", proto="udp", dst_packets=0) == ["INT"]
    assert state("INT", "CON", proto="udp", src_packets=pd.NA, dst_packets=pd.NA) == ["CON"]
    assert state("ECO", "URP", proto="icmp", src_port=pd.NA, dst_port=pd.NA) == ["ECO", "URP"]  # two kinds of messages
    two = {"proto": "udp", "state": "INT", "dst_packets": 0, "dst_octets": 0}
    assert joined(records(two, back(**{**two, "at": 1})))["state"].tolist() == ["CON"]  # now both have sent


def slowly(table: pd.DataFrame) -> list[tuple]:
    """One record after the other: who it goes with, by a dictionary."""
    last: dict[tuple, dict] = {}
    found = []
    rows = sorted(table.to_dict("records"), key=lambda row: (row["start"], row["record"]))
    for row in rows:
        ends = [(str(row["src_ip"]), row["src_port"]), (str(row["dst_ip"]), row["dst_port"])]
        key = (row["proto"], *sorted(ends))
        known = last.get(key)
        if known is not None:
            gap = (row["start"] - known["end"]).total_seconds()
            closing = ("RST", "FIN", "CLO")
            opened = row["proto"] == "tcp" and row["direction_known"]
            anew = opened and (gap > 60 or (known["last"] in closing and row["state"] not in closing))
            if anew or gap > {"tcp": 3600, "udp": 300}[row["proto"]]:
                known = None
        if known is None:
            known = last[key] = {"rows": [], "ends": ends, "known": bool(row["direction_known"]), "end": row["end"]}
            found.append(known)
        elif row["direction_known"] and not known["known"]:
            known.update(ends=ends, known=True)
        known["rows"].append((ends, row))
        known["last"] = row["state"]
        known["end"] = max(known["end"], row["end"])
    told = []
    for each in found:
        same = [row["src_packets"] if ends == each["ends"] else row["dst_packets"] for ends, row in each["rows"]]
        other = [row["dst_packets"] if ends == each["ends"] else row["src_packets"] for ends, row in each["rows"]]
        start = min(row["start"] for _, row in each["rows"])
        told.append((start, each["end"], *each["ends"], sum(same), sum(other), each["known"], len(each["rows"])))
    return sorted(told)


_ROW = st.fixed_dictionaries(
    {
        "at": st.sampled_from([0, 1, 5, 30, 65, 70, 131, 400, 4000, 4001]),
        "until": st.sampled_from([0, 2, 7]),
        "proto": st.sampled_from(["tcp", "tcp", "udp"]),
        "state": st.sampled_from(["CON", "FIN", "REQ", "RST"]),
        "direction_known": st.booleans(),
        "src_packets": st.integers(0, 9),
        "dst_packets": st.integers(0, 9),
        "turned": st.booleans(),
        "port": st.sampled_from([40000, 40000, 40001]),
    }
)


@settings(max_examples=12)
@given(st.lists(_ROW, max_size=20))
def test_records_are_joined_as_the_slow_way_does(drawn):
    rows = []
    for each in drawn:
        ends = {"src_ip": "10.0.0.2", "src_port": each.pop("port"), "dst_ip": "10.0.0.80", "dst_port": 80}
        if each.pop("turned"):
            ends = {name: ends[("dst" if name[0] == "s" else "src") + name[3:]] for name in ends}
        rows.append({**each, **ends, "until": each["at"] + each["until"]})
    table = records(*rows) if rows else SESSIONS.empty()
    found = joined(table)

    told = [
        (row.start, row.end, (str(row.src_ip), row.src_port), (str(row.dst_ip), row.dst_port), row.src_packets,
         row.dst_packets, bool(row.direction_known), row.pieces)
        for row in found.itertuples()
    ]  # fmt: skip
    assert sorted(told) == slowly(table)


@pytest.fixture(scope="module")
def assembled(evidence):
    return nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))


def compared(table: pd.DataFrame, protos: tuple[str, ...]) -> list[list[str]]:
    some = table[table["proto"].isin(protos)][TOLD]
    return sorted(some.astype("str").to_numpy().tolist())


def test_the_listing_of_the_bundled_case_gives_the_sessions_of_argus_own_file_and_of_the_capture(
    evidence, truth, tmp_path, assembled
):
    (tmp_path / "ra.csv").write_bytes(gzip.decompress((truth / "ra.csv.gz").read_bytes()))
    listed = nsm.read_sessions(tmp_path / "ra.csv")
    own = nsm.read_sessions(evidence / "argus" / "argus5.argus")
    found = joined(listed)

    assert len(listed) == 1742 == found["pieces"].sum()
    assert (
        compared(found, ("tcp", "udp"))
        == compared(joined(own), ("tcp", "udp"))
        == compared(pair(listed), ("tcp", "udp"))
    )
    counts = [*WHO, "src_packets", "dst_packets"]
    for proto, many in (("tcp", 652), ("udp", 761)):
        ours, theirs = (sorted(table.loc[table["proto"] == proto, counts].astype("str").to_numpy().tolist())
                        for table in (found, assembled[0]))  # fmt: skip
        assert len(theirs) == many
        assert ours == theirs


def test_sessions_are_those_of_racluster(evidence, tmp_path):
    """But for echoes: a listing has lost their identifiers as they are read, so that those of several pings go together."""
    if not all(map(shutil.which, ("argus", "ra", "racluster"))):
        pytest.skip("argus and argus-clients are not installed; they are the oracle of this test")
    surroundings = {"HOME": "/", "TZ": "UTC"}
    file = tmp_path / "x.argus"
    command = ["argus", "-F", "/dev/null", "-S", "5", "-r", evidence / "staged.pcap", "-w", file]
    subprocess.run([shutil.which(command[0]), *command[1:]], check=True, env=surroundings, capture_output=True)
    columns = "stime ltime dur flgs proto saddr sport dir daddr dport spkts dpkts sbytes dbytes state"
    tables = []
    for program in ("ra", "racluster"):
        shown = ["-F", "/dev/null", "-n", "-u", "-c", ",", "-p", "6", "-M", "noman", "-r", file, "-s", *columns.split()]
        text = subprocess.run([shutil.which(program), *shown], check=True, env=surroundings, capture_output=True).stdout
        (tmp_path / f"{program}.csv").write_bytes(text)
        tables.append(nsm.read_sessions(tmp_path / f"{program}.csv"))
    protos = ("tcp", "udp", "arp", "icmp6", "igmp")

    assert len(tables[0]) > len(tables[1]) > 1400
    assert compared(joined(tables[0]), protos) == compared(tables[1], protos)


# --- biflows


def biflows(*rows: dict) -> pd.DataFrame:
    """Records of an exporter that tells both directions; SYN|ACK|PSH of both sides where nothing else is said."""
    table = records(*({"source": "netflow", "state": None, **row} for row in rows))
    for side in ("src", "dst"):
        table[f"{side}_flags"] = pd.array([row.get(f"{side}_flags", 0x1A) for row in rows], "UInt8")
    return FLOWS.conform(table)


def test_pieces_of_biflows_are_the_sessions_of_their_packets(assembled, tmp_path):
    sessions, packets = assembled
    export(packets, tmp_path / "x.bin", version=10, active=3, idle=2, biflow=True)
    flows = nsm.read_sessions(tmp_path / "x.bin")
    found = pair(flows)

    assert len(flows) == 1509 == found["pieces"].sum()
    told = [*WHO, "src_packets", "dst_packets", "src_octets", "dst_octets", "state", "closed", "application"]
    for proto in ("tcp", "udp", "icmp6"):
        ours, theirs = (sorted(table.loc[table["proto"] == proto, told].astype("str").to_numpy().tolist())
                        for table in (found, sessions))  # fmt: skip
        assert ours == theirs
    assert len(found) == len(sessions) - 14  # of 15 pings, whose identifiers no flow record has


def test_a_biflow_with_a_syn_begins_another_session_behind_one_that_went_on():
    def pieces(*rows):
        return joined(biflows(*rows))["pieces"].tolist()

    assert pieces({}, {"at": 2, "src_flags": 0x18, "dst_flags": 0x18}) == [2]
    assert pieces({}, {"at": 70, "src_flags": 0x18, "dst_flags": 0x18}) == [2]  # a minute is Argus' limit alone
    assert pieces({"src_flags": 0x1B, "dst_flags": 0x1B}, {"at": 2}) == [1, 1]
    assert pieces({"src_flags": 0x1B, "dst_flags": 0x1B}, {"at": 2, "src_flags": 0x10, "dst_flags": 0x10}) == [2]
    assert pieces({"src_flags": 2, "dst_flags": 0}, {"at": 2}) == [2]  # the SYN once more, now answered
    assert pieces({"src_flags": 2, "dst_flags": 0x14}, {"at": 2}) == [1, 1]


def test_biflows_end_as_their_flags_say_and_not_where_flags_are_missing():
    def ended(**row):
        (one,) = joined(biflows({**row})).to_dict("records")
        return one["state"], one["closed"]

    assert ended(src_flags=0x1B, dst_flags=0x1B) == ("FIN", "both")
    assert ended(src_flags=2, dst_flags=0x14) == ("RST", "refused by dst")
    assert ended(src_flags=2, dst_flags=0, dst_packets=0) == ("REQ", "no answer")
    assert pd.isna(ended(src_flags=0x1B, dst_flags=pd.NA)[0])
    assert ended(proto="udp", src_flags=0, dst_flags=0)[0] == "CON"
    assert ended(proto="udp", src_flags=0, dst_flags=0, dst_packets=0)[0] == "INT"
    two = biflows({"src_flags": 2, "dst_flags": 0x12}, {**back(at=1), "src_flags": 0x11, "dst_flags": 0x11})
    assert joined(two)[["state", "closed"]].to_numpy().tolist() == [["FIN", "both"]]


def test_records_of_one_direction_are_no_parts():
    one = biflows({"dst_packets": pd.NA, "dst_octets": pd.NA}, {"at": 2, "dst_packets": pd.NA, "dst_octets": pd.NA})

    assert not partial(one).any() and joined(one)["pieces"].tolist() == [1, 1]


def test_bits_of_flags_are_those_that_pairing_finds():
    """Both directions of a conversation as two records, and as one."""
    for src, dst in ((0x1B, 0x1B), (2, 0x14), (0x1F, 0x1B), (0x10, 0x14)):
        whole = biflows({"src_flags": src, "dst_flags": dst})
        one = whole.assign(dst_packets=pd.NA, dst_octets=pd.NA, dst_flags=pd.NA, direction_known=False)
        other = biflows(back(src_flags=dst, dst_flags=pd.NA, dst_packets=pd.NA, dst_octets=pd.NA, at=0.1, record=2))
        halves = FLOWS.conform(pd.concat([one.astype(object), other.astype(object)], ignore_index=True))
        assert (
            pair(halves)[["state", "closed"]].to_numpy().tolist()
            == pair(whole)[["state", "closed"]].to_numpy().tolist()
        )
    assert bits_of(np.array([0]), np.array([0])).tolist() == [0]
