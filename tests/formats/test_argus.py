"""Argus' own files: what ra and racluster print of them is the oracle."""

from __future__ import annotations

import csv
import gzip
import io
import ipaddress
import shutil
import struct
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import NsmError
from nsm_nb.formats import argus
from nsm_nb.kernels.argus import rows_for, walk_argus
from nsm_nb.schema import SESSIONS, caveats_of
from tests.formats.argus_slowly import FAR, flow_of, pieces

SECOND = 1_795_487_401


def dsr(kind, form, qualifier, body):
    return bytes([kind, form, qualifier, 1 + len(body) // 4]) + body


def far(*parts, cause=0x10, version=3):
    body = b"".join(parts)
    return bytes([0x10 | version, cause]) + struct.pack(">H", 1 + len(body) // 4) + body


def mar(version=3):
    return bytes([0x80 | version, 0x10]) + struct.pack(">HI", 32, 0) + b"\xe5\x71\x2d\xcb" + bytes(116)


def key(src=0x0A000001, dst=0xC0A80001, proto=6, ports=(1024, 80), form=1):
    return dsr(2, form, 1, struct.pack(">2I2B3H", src, dst, proto, 0, *ports, 0))


def time(start=0.0, end=1.0):
    return dsr(
        3, 2, 0x18, struct.pack(">4I", SECOND + int(start), int(start % 1 * 1e6), SECOND + int(end), int(end % 1 * 1e6))
    )


def meter(*counts, qualifier=3, form=1):
    code = {1: "B", 2: "H", 3: "I", 4: "Q"}[(qualifier - 1) % 4 + 1]
    body = struct.pack(f">{len(counts)}{code}", *counts)
    return dsr(0x10, form, qualifier, body + bytes(-len(body) % 4))


def status(bits):
    return dsr(0x30, 3, 0, struct.pack(">4I", bits, 0, 0, 0))


ETHER = dsr(0x20, 0, 0, struct.pack(">2I", 2, 2))


def read(tmp_path, *records, name="x.argus"):
    path = tmp_path / name
    path.write_bytes(b"".join(records))
    return argus.sessions(path, label="x", digest="0" * 64)


def kinds(table):
    return [caveat.kind for caveat in caveats_of(table)]


@pytest.fixture
def ra():
    """Run ra or racluster, which read no configuration of the user, and return the rows that it prints."""
    if shutil.which("ra") is None or shutil.which("racluster") is None:
        pytest.skip("argus-clients are not installed; they are the oracle of this test")

    def run(program, path):
        fields = ["stime", "ltime", "proto", "saddr", "sport", "dir", "daddr", "dport"]
        fields += ["spkts", "dpkts", "sbytes", "dbytes", "state"]
        command = [
            shutil.which(program),
            "-F",
            "/dev/null",
            "-n",
            "-u",
            "-c",
            ",",
            "-p",
            "6",
            "-M",
            "noman",
            "-r",
            path,
            "-s",
            *fields,
        ]
        text = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"HOME": "/", "TZ": "UTC"}
        ).stdout
        return [row for row in csv.DictReader(io.StringIO(text)) if row["Proto"] != "man"]

    return run


def told(row):
    """Return a row of ra's: who, how much in frames, how it ended; ports of what has some."""
    ported = row["Proto"] in ("tcp", "udp")
    proto = {"ipv6-icmp": "icmp6", "ipv6-*": "icmp6"}.get(row["Proto"], row["Proto"])
    return (
        proto, row["SrcAddr"], row["Sport"] if ported else None, row["DstAddr"], row["Dport"] if ported else None,
        int(row["SrcPkts"]), int(row["DstPkts"]), int(row["SrcBytes"]), int(row["DstBytes"]),
    )  # fmt: skip


def framed(row):
    """Return a row of the table as ra tells it: octets and 14 a packet."""
    ported = row.proto in ("tcp", "udp")
    frames = [None if pd.isna(octets) else int(octets + 14 * packets) for octets, packets in
              ((row.src_octets, row.src_packets), (row.dst_octets, row.dst_packets))]  # fmt: skip
    return (
        row.proto, str(row.src_ip), str(row.src_port) if ported else None, str(row.dst_ip),
        str(row.dst_port) if ported else None, int(row.src_packets), int(row.dst_packets), *frames,
    )  # fmt: skip


def test_each_record_of_the_bundled_file_is_what_ra_says(evidence, truth):
    data = (evidence / "argus" / "argus5.argus").read_bytes()
    flows = [flow_of(data, piece) for piece in pieces(data, len(data)) if piece.kind == FAR]
    rows = list(csv.DictReader(io.StringIO(gzip.decompress((truth / "ra.csv.gz").read_bytes()).decode())))

    assert len(flows) == len(rows) == 1742
    for flow, row in zip(flows, rows, strict=True):
        assert [str(ipaddress.ip_address(each)) for each in (flow.src, flow.dst)] == [row["SrcAddr"], row["DstAddr"]]
        assert list(map(str, flow.counts)) == [row[name] for name in ("SrcPkts", "SrcBytes", "DstPkts", "DstBytes")]
        if row["Proto"] in ("tcp", "udp"):
            assert [str(flow.src_port), str(flow.dst_port)] == [row["Sport"], row["Dport"]]
        assert [f"{each / 1e9:.6f}" for each in (flow.start, flow.end)] == [row["StartTime"], row["LastTime"]]


def fast(data):
    """Return what the kernel reads, in the words of the slow twin."""
    rows, counted = rows_for(len(data)), np.zeros(6, np.int64)
    count, end = walk_argus(np.frombuffer(bytearray(data), np.uint8), 0, len(data), rows, counted)
    found = []
    for row in range(count):
        wide = rows.tag[row] == 6
        numbers = [int(each) & (2**64 - 1) for each in rows.address[row]]
        ends = [(numbers[at] << 64 | numbers[at + 1]).to_bytes(16 if wide else 4) for at in (0, 2)]
        payload = tuple(rows.payload[row].tolist())
        found.append((
            int(rows.record[row]), int(rows.cause[row]), int(rows.proto[row]), *ends, *rows.port[row].tolist(),
            *rows.time[row].tolist(), tuple(rows.count[row].tolist()), None if payload[0] < 0 else payload,
            int(rows.status[row]), int(rows.link[row]), int(rows.sensor[row]), int(rows.vlan[row]),
        ))  # fmt: skip
    return found, end


def slow(data):
    """Return what the slow twin reads."""
    found, end = [], 0
    for number, piece in enumerate(pieces(data, len(data)), 1):
        end = piece.end
        flow = flow_of(data, piece) if piece.kind == FAR else None
        if flow is not None and flow.proto != -2 and max(*flow.counts, *(flow.payload or (0,))) <= 2**53:
            found.append((number, *flow[:-2], int.from_bytes(flow.sensor or b"\0"), flow.vlan))
    return found, end


def test_the_kernel_reads_what_the_slow_way_reads(evidence):
    data = (evidence / "argus" / "argus5.argus").read_bytes()
    rng = np.random.default_rng(5)
    assert fast(data) == slow(data)
    for _ in range(60):
        damaged = bytearray(data[: rng.integers(4_000, 12_000)])
        for at in rng.integers(128, len(damaged), 12):
            damaged[at] = rng.integers(0, 256)
        assert fast(bytes(damaged)) == slow(bytes(damaged))


def test_sessions_of_the_bundled_file_have_ras_sums_and_states(evidence, truth):
    table = argus.sessions(evidence / "argus" / "argus5.argus")
    rows = list(csv.DictReader(io.StringIO(gzip.decompress((truth / "ra.csv.gz").read_bytes()).decode())))

    assert len(table) == 1448
    assert kinds(table) == ["management", "pieces"]
    assert table["src_packets"].sum() == sum(int(row["SrcPkts"]) for row in rows)
    assert table["dst_packets"].sum() == sum(int(row["DstPkts"]) for row in rows)
    states = {(row["Proto"], row["SrcAddr"], row["Sport"], row["DstAddr"], row["Dport"]): row["State"] for row in rows}
    ported = table[table["proto"].isin(["tcp", "udp"])]
    for row in ported.itertuples():
        assert row.state == states[row.proto, row.src_ip, str(row.src_port), row.dst_ip, str(row.dst_port)]


def test_octets_are_those_of_netflow(shared):
    # reference/seed-systems.md 6: the HTTP conversation is 592 bytes of IP, which ra tells as 732 of frames
    table = argus.sessions(shared / "fixtures" / "seed.argus")
    http = table[(table["src_port"] == 2254) & (table["dst_port"] == 80)].iloc[0]

    assert (http.src_packets, http.dst_packets) == (6, 4)
    assert (http.src_octets, http.dst_octets) == (320, 272)


def test_the_fixture_is_what_racluster_says(shared, ra):
    path = shared / "fixtures" / "seed.argus"
    table = argus.sessions(path)

    assert sorted(map(str, map(framed, table[table["proto"] != "arp"].itertuples()))) == sorted(
        str(told(row)) for row in ra("racluster", path) if row["Proto"] != "arp"
    )


def test_the_fixtures_states_are_those_of_ra(shared, ra):
    path = shared / "fixtures" / "seed.argus"
    states = {told(row)[:5]: (row["State"], row["Dir"].strip()) for row in ra("ra", path)}
    table = argus.sessions(path)

    for row in table.itertuples():
        state, arrow = states[framed(row)[:5]]
        assert row.state == state
        assert row.direction_known == (row.proto == "arp" or (row.proto == "tcp" and "?" not in arrow))


def test_records_of_one_flow_are_one_session(tmp_path):
    first = far(key(), time(0, 4), meter(3, 200, 2, 150), status(7), ETHER)
    later = [far(key(), time(5 * n, 5 * n + 4), meter(1, 100, 1, 100), status(4), ETHER, cause=0x20) for n in (1, 2)]
    again = far(key(), time(20, 21), meter(1, 60, 0, 0), status(0x1001), ETHER)
    last = far(key(), time(30, 31), meter(2, 120, 0, 0), status(1), ETHER)
    table = read(tmp_path, mar(), first, *later, again, last)

    # a SYN after a reset opens another
    assert table["src_packets"].tolist() == [6, 2]
    assert table["duration"].tolist() == [21.0, 1.0]
    assert table["state"].tolist() == ["RST", "REQ"]
    assert table["src_octets"].tolist() == [460 - 6 * 14, 120 - 2 * 14]
    assert table["record"].tolist() == [2, 6]


def test_a_flow_that_argus_began_anew_after_long_silence_is_another(tmp_path):
    one, two = (far(key(proto=17), time(start, start + 1), meter(1, 60, 1, 60), ETHER) for start in (0, 100))
    assert len(read(tmp_path, mar(), one, two)) == 2


@pytest.mark.parametrize("qualifier", range(1, 13))
def test_every_width_of_counts_is_read(tmp_path, qualifier):
    counts = (2, 100) if qualifier > 4 else (2, 100, 1, 60)
    table = read(tmp_path, mar(), far(key(), time(), meter(*counts, qualifier=qualifier), ETHER))

    if qualifier > 8:
        assert (table["src_packets"][0], table["dst_packets"][0], table["dst_octets"][0]) == (0, 2, 72)
    else:
        assert (table["src_octets"][0], table["dst_packets"][0]) == (72, 0 if qualifier > 4 else 1)


def test_bytes_above_the_transport_layer_are_payload_where_argus_counted_them(tmp_path):
    table = read(tmp_path, mar(), far(key(), time(), meter(2, 100, 12, 1, 60, 0, form=4), ETHER))
    assert (table["src_payload"][0], table["dst_payload"][0]) == (12, 0)


def test_a_tag_is_a_vlan_of_its_own_and_four_bytes(tmp_path):
    # measured: argus 3.0.8 on frames with 802.1Q
    tag, ether = dsr(0x40, 0, 3, struct.pack(">2H", 7, 7)), dsr(0x20, 0, 0, struct.pack(">2I", 6, 6))
    tagged = far(key(proto=17), time(), meter(3, 258, 3, 258), tag, ether)
    table = read(tmp_path, mar(), tagged, far(key(proto=17), time(2, 3), meter(3, 246, 3, 246), ETHER, cause=0x20))

    assert table["vlan"].tolist() == [7, pd.NA]
    assert table["src_octets"].tolist() == [204, 204]


def test_an_unknown_link_layer_leaves_octets_missing(tmp_path):
    table = read(
        tmp_path, mar(), far(key(), time(), meter(2, 100, 1, 60), dsr(0x20, 0, 0, struct.pack(">2I", 0x40, 0x40)))
    )
    assert table["src_octets"].isna().all()
    assert "octets" in kinds(table)


def test_what_is_not_known_is_passed_over_and_counted(tmp_path):
    event = bytes([0x93, 0x10]) + struct.pack(">H", 2) + bytes(4)
    strange = far(dsr(0x77, 1, 2, bytes(8)), key(), dsr(0x11, 9, 9, bytes(4)), time(), meter(1, 60, 0, 0), ETHER)
    table = read(
        tmp_path, mar(), event, strange, far(key(), time()), far(dsr(2, 2, 3, bytes(16)), time(), meter(1, 60, 0, 0))
    )

    assert len(table) == 1
    details = " ".join(caveat.detail for caveat in caveats_of(table))
    assert "1 record lacks who" in details
    assert "1 record of events" in details
    assert "1 record of neither IP nor ARP" in details


def test_rows_before_a_cut_are_kept_wherever_it_is(tmp_path):
    records = [far(key(ports=(1024 + n, 80)), time(), meter(1, 60 + n, 0, 0), status(1), ETHER) for n in range(4)]
    data = mar() + b"".join(records)
    size = len(records[0])
    for end in (128, 130, 128 + size, 130 + size, 128 + 3 * size - 1, 128 + 3 * size, len(data) - 1):
        table = read(tmp_path, data[:end])
        assert len(table) == (end - 128) // size
        assert ("cut" in kinds(table)) == bool((end - 128) % size)


def test_a_record_of_no_length_ends_the_reading(tmp_path):
    table = read(tmp_path, mar(), far(key(), time(), meter(1, 60, 0, 0), ETHER), bytes(64))
    assert len(table) == 1
    assert kinds(table)[-1] == "damage"


def test_what_is_not_argus_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(NsmError, match="does not begin as a file of Argus"):
        read(tmp_path, b"\x83\x10\0\x20" + bytes(200))


def test_the_table_conforms(evidence):
    table = argus.sessions(evidence / "argus" / "argus5.argus")
    assert list(table.columns) == list(SESSIONS.columns)
    assert dict(table.dtypes) == dict(SESSIONS.conform(table).dtypes)


@pytest.mark.slow(2)
@settings(max_examples=60)
@given(data=st.data())
def test_no_damage_raises_anything_but_ours(tmp_path_factory, data):
    forms = enumerate((1, 0x41, 6, 2))
    flows = [
        far(key(ports=(1024 + n, 80), form=form), time(), meter(1, 60 + n, 0, 0), status(1), ETHER) for n, form in forms
    ]
    whole = bytearray(mar() + b"".join(flows))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(1, len(whole)))
    path = tmp_path_factory.getbasetemp() / "damaged.argus"
    path.write_bytes(whole[:size])
    argus.recognises(bytes(whole[:size]))
    try:
        table = argus.sessions(path, label="x", digest="0" * 64)
    except NsmError:
        return
    assert list(table.columns) == list(SESSIONS.columns)
    assert all(caveat.detail.startswith("x: ") for caveat in caveats_of(table))
