"""NetFlow versions 1, 5 and 7 from captured export datagrams, against nfdump, flow-print and the slow way."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import netflow
from nsm_nb.formats.netflow_fixed import HEADERS, fixed_flows
from nsm_nb.formats.netflow_v5 import HEADER, RECORD, sequence
from nsm_nb.schema import FLOWS, caveats_of
from tests import writing

NOW = 1_795_487_400  # 2026-11-24 02:30:00


# --- making exports and captures of them


def header(count, *, uptime=10_000_000, seconds=NOW, nanoseconds=0, number=0, engine=(0, 0), sampling=0, version=5):
    return struct.pack(">HHIIIIBBH", version, count, uptime, seconds, nanoseconds, number, *engine, sampling)


def record(first=9_990_000, last=9_999_000, *, proto=6, sport=1024, dport=80, packets=3, octets=180, src=0x0A000001):
    return struct.pack(
        ">IIIHHIIIIHHBBBBHHBBH", src, 0x0A000002, 0, 0, 0, packets, octets, first, last, sport, dport, 0, 27, proto,
        0, 0, 0, 0, 0, 0,
    )  # fmt: skip


def export(*records, **fields):
    return header(len(records), **fields) + b"".join(records)


def udp(payload, *, sport=40_000, dport=9995, src=1):
    datagram = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, 0xC0000200 + src, 0xC0000263)
    return bytes(12) + b"\x08\x00" + ip + datagram


def capture(tmp_path, *frames, seconds=NOW, name="export.pcap"):
    path = tmp_path / name
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    for number, frame in enumerate(frames):
        data += struct.pack("<IIII", seconds, number, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return path


def read(tmp_path, *payloads, **options):
    return netflow.sessions(capture(tmp_path, *map(udp, payloads), **options), label="export.pcap")


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


def told(table, kind):
    return [caveat.detail for caveat in caveats_of(table) if caveat.kind == kind]


def apart(data):
    """Split ``u32be length + datagram``, repeated, into buffer, starts and sizes."""
    start, size, at = [], [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        start.append(at + 4)
        size.append(length)
        at += 4 + length
    return np.frombuffer(bytearray(data), np.uint8), np.array(start), np.array(size)


_COLUMNS = (
    "src_low", "dst_low", "src_packets", "src_octets", "src_port", "dst_port", "src_flags", "proto",
)  # fmt: skip


def flows(buffer, start, size, version=5):
    return fixed_flows(buffer, start, size, np.full(len(start), version), version)


def rows_of(found):
    return list(zip(*(found.flows[name].tolist() for name in _COLUMNS), strict=True))


def address(number):
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


# --- other programs' readings of the same exports


@pytest.fixture(scope="module")
def bundled_flows(evidence):
    return netflow.sessions(evidence / "netflow-export.pcap", label="netflow-export.pcap")


@pytest.mark.parametrize(
    ("program", "port", "count"),
    [
        ("fprobe-v5", 9995, 2360),
        ("softflowd-v5", 9996, 2490),
        ("softflowd-v9", 9997, 2616),
        ("softflowd-ipfix", 4739, 2616),
    ],
)
def test_every_flow_equals_what_nfdump_stored(bundled_flows, truth, program, port, count):
    stored = pd.read_csv(truth / f"nfdump-{program}.csv.gz", dtype={"srcPort": str, "dstPort": str})
    mine = bundled_flows[bundled_flows["sensor"].str.endswith(f"to port {port}")].copy()

    assert len(mine) == len(stored) == count
    assert mine["src_packets"].sum() == stored["packets"].sum()
    assert mine["src_octets"].sum() == stored["bytes"].sum()
    portless = ~stored["proto"].isin([6, 17])
    expected = zip(
        stored["firstSeen"],
        stored["duration"],
        stored["proto"].map({6: "tcp", 17: "udp", 1: "icmp", 58: "icmp6"}),
        stored["srcAddr"],
        stored["srcPort"].where(~portless),
        stored["dstAddr"],
        stored["dstPort"].where(~portless),
        stored["packets"],
        stored["bytes"],
        strict=True,
    )
    seen = zip(
        mine["start"].dt.strftime("%Y-%m-%d %H:%M:%S.%f").str[:-3],
        mine["duration"].round(3),
        mine["proto"].astype(str),
        mine["src_ip"].astype(str),
        mine["src_port"].astype("str"),
        mine["dst_ip"].astype(str),
        mine["dst_port"].astype("str"),
        mine["src_packets"],
        mine["src_octets"],
        strict=True,
    )
    assert sorted(map(repr, map(_plain, seen))) == sorted(map(repr, map(_plain, expected)))


def _plain(row):
    return tuple(None if pd.isna(value) else value.item() if hasattr(value, "item") else value for value in row)


def test_every_record_equals_what_flow_print_prints(evidence, truth):
    from nsm_nb.formats import pcap
    from nsm_nb.formats.datagrams import datagrams

    path = evidence / "netflow-export.pcap"
    packets = pcap.packets(path)
    packets = packets[packets["dst_port"] == 9995].reset_index(drop=True)
    (part,) = datagrams(path, packets)
    found = flows(part.buffer, part.start, part.size)
    listing = pd.read_csv(truth / "ft-print.txt.gz", sep=r"\s+")

    mine = [
        (address(src), address(dst), proto, sport, dport, octets, packets)
        for src, dst, packets, octets, sport, dport, _, proto in rows_of(found)
    ]
    assert len(mine) == 2360
    assert sorted(mine) == sorted(listing.itertuples(index=False, name=None))


def test_the_fixture_equals_flow_print_row_by_row(shared):
    found = flows(*apart((shared / "fixtures" / "softflowd.v5.bin").read_bytes()))
    listing = pd.read_csv(shared / "fixtures" / "flow-print.txt", sep=r"\s+")
    assert len(rows_of(found)) == len(listing) == 79
    mine = [
        (address(src), address(dst), proto, sport, dport, octets, packets)
        for src, dst, packets, octets, sport, dport, _, proto in rows_of(found)
    ]
    assert mine == list(listing.itertuples(index=False, name=None))


def test_times_of_the_fixture_equal_those_of_flow_print(shared, tmp_path):
    data = (shared / "fixtures" / "softflowd.v5.bin").read_bytes()
    buffer, start, size = apart(data)
    payloads = [buffer[at : at + length].tobytes() for at, length in zip(start, size, strict=True)]
    table = read(tmp_path, *payloads, seconds=1_068_743_000)
    lines = (shared / "fixtures" / "flow-print_f5.txt").read_text().splitlines()
    printed = [line.split()[:2] for line in lines if line[:2] == "11"]
    mine = [
        [when.strftime("%m%d.%H:%M:%S.%f")[:-3] for when in pair]
        for pair in zip(table["start"], table["end"], strict=True)
    ]
    assert mine == printed
    assert table["start"].dt.year.unique().tolist() == [2003]


def test_the_table_has_the_columns_of_flows(bundled_flows):
    assert list(bundled_flows.columns) == list(FLOWS.columns)
    assert bundled_flows.dtypes.astype(str).to_dict() == FLOWS.empty().dtypes.astype(str).to_dict()
    assert bundled_flows["src_ip"].dtype == bundled_flows["dst_ip"].dtype
    pd.testing.assert_frame_equal(FLOWS.conform(bundled_flows), bundled_flows)
    assert values(bundled_flows["record"]) == list(range(1, 10_083))
    assert bundled_flows["session"].is_unique
    assert not bundled_flows["direction_known"].any()
    for name in ("dst_packets", "dst_octets", "src_payload", "closed", "history", "application", "vlan"):
        assert bundled_flows[name].isna().all(), name


def test_only_that_there_are_several_exporters_is_to_tell(bundled_flows):
    assert [caveat.kind for caveat in caveats_of(bundled_flows)] == ["duplicates"]
    assert "4 exporters are heard" in told(bundled_flows, "duplicates")[0]


# --- single fields


def test_ports_are_missing_where_the_protocol_has_none(tmp_path):
    table = read(tmp_path, export(*(record(proto=proto, sport=8, dport=2048) for proto in (1, 6, 17, 47, 132, 255))))
    assert values(table["proto"]) == ["icmp", "tcp", "udp", "gre", "sctp", "255"]
    assert values(table["src_port"]) == [None, 8, 8, None, 8, None]
    assert values(table["dst_port"]) == [None, 2048, 2048, None, 2048, None]


@pytest.mark.parametrize(
    ("uptime", "first", "last", "start", "end"),
    [
        (10_000_000, 9_990_000, 9_999_000, -10.0, -1.0),
        (5_000, 2**32 - 5_000, 1_000, -10.0, -4.0),  # the uptime went round between first and last
        (5_000, 2**32 - 6_000, 2**32 - 5_000, -11.0, -10.0),
        (10_000, 10_500, 11_000, 0.5, 1.0),  # an exporter whose flows are ahead of its header
        (2**32 - 1, 2**32 - 1_001, 2**32 - 1, -1.0, 0.0),
    ],
)
def test_times_are_right_where_the_uptime_wraps(tmp_path, uptime, first, last, start, end):
    table = read(tmp_path, export(record(first, last), uptime=uptime, nanoseconds=250_999_999))
    base = pd.Timestamp(NOW, unit="s", tz="UTC") + pd.Timedelta(milliseconds=250)
    assert table["start"][0] == base + pd.Timedelta(seconds=start)
    assert table["end"][0] == base + pd.Timedelta(seconds=end)
    assert table["duration"][0] == pytest.approx(end - start)


def test_a_flow_that_ends_before_it_begins_is_turned_and_told(tmp_path):
    table = read(tmp_path, export(record(9_999_000, 9_990_000), record()))
    assert values(table["duration"]) == [9.0, 9.0]
    assert "1 of 2 flows ends before it begins" in told(table, "clock")[0]


def test_a_wrong_clock_is_told(tmp_path, shared):
    assert told(read(tmp_path, export(record())), "clock") == []
    assert (
        "1 of 1 flow lies more than 2 hours" in told(read(tmp_path, export(record()), seconds=NOW + 10_000), "clock")[0]
    )
    broken = apart((shared / "fixtures" / "broken_clock" / "softflowd.v5.bin").read_bytes())
    payloads = [broken[0][at : at + size].tobytes() for at, size in zip(*broken[1:], strict=True)]
    assert "the exporter's clock is wrong" in told(read(tmp_path, *payloads), "clock")[0]


def test_the_exporter_is_the_sensor(tmp_path):
    path = capture(
        tmp_path,
        udp(export(record())),
        udp(export(record(), engine=(1, 7)), src=2),
        udp(export(record()), dport=2055),
    )
    assert values(netflow.sessions(path)["sensor"]) == [
        "192.0.2.1:40000 to port 9995",
        "192.0.2.2:40000 to port 9995 engine 1/7",
        "192.0.2.1:40000 to port 2055",
    ]


def test_sampling_is_told(tmp_path):
    table = read(tmp_path, export(record(packets=5), sampling=0x4000 | 100))
    assert values(table["src_packets"]) == [5]
    assert "samples 1 in 100 packets" in told(table, "sampling")[0]


# --- what was lost


def headers(*pairs, started=0):
    made = np.zeros(len(pairs), HEADER)
    for place, (number, count) in enumerate(pairs):
        made[place] = (5, count, 100_000 + place, NOW + started, 0, number % 2**32, 0, 0, 0)
    return made


@pytest.mark.parametrize(
    ("pairs", "lost", "again"),
    [
        ([(0, 30), (30, 30), (60, 5), (65, 30)], 0, 0),
        ([(0, 30), (60, 30)], 30, 0),
        ([(1000, 30), (1060, 30), (1090, 1), (1100, 2)], 39, 0),
        ([(0, 30), (60, 30), (30, 30), (90, 30)], 0, 0),  # one came late
        ([(0, 30), (90, 30), (30, 30), (120, 30)], 30, 0),
        ([(0, 30), (30, 30), (30, 30), (60, 30)], 0, 1),  # captured twice
        ([(2**32 - 30, 30), (0, 30), (30, 30)], 0, 0),  # the number goes round
        ([(2**32 - 30, 30), (30, 30)], 30, 0),
        ([(7, 30)], 0, 0),
    ],
)
def test_lost_flows_are_counted_by_the_sequence_numbers(pairs, lost, again):
    assert sequence(headers(*pairs)) == (lost, again, 1, True)


def test_an_exporter_that_was_started_again_has_lost_nothing_for_it():
    both = np.concatenate([headers((500, 30), (530, 30)), headers((0, 30), (30, 30), started=3600)])
    assert sequence(both) == (0, 0, 2, True)


def test_numbers_that_count_datagrams_say_nothing_of_flows():
    assert not sequence(headers((1, 30), (2, 30), (3, 30))).counts_flows


def test_lost_flows_become_a_caveat_for_each_exporter(tmp_path):
    path = capture(
        tmp_path,
        udp(export(record(), number=0)),
        udp(export(record(), number=100), src=2),
        udp(export(record(), number=10)),
        udp(export(record(), number=101), src=2),
    )
    (detail,) = told(netflow.sessions(path, label="x"), "lost")
    assert detail == "x: 9 flows lost of exporter 192.0.2.1:40000 to port 9995, 82 % of those it sent"


def test_thousands_of_forged_exporters_make_few_caveats(tmp_path):
    frames = [udp(export(record(), number=number), sport=port) for port in range(1000, 4000) for number in (0, 5)]
    table = netflow.sessions(capture(tmp_path, *frames))
    assert len(table) == 6000
    assert len(caveats_of(table)) == 22
    assert any("2,980 more" in detail for detail in told(table, "lost"))


# --- damage


def test_a_cut_datagram_gives_its_whole_records_and_is_told(tmp_path):
    whole = export(record(), record(), record(), number=3)
    table = read(tmp_path, export(record()), whole[:-40], export(record(), number=6))
    assert len(table) == 4
    (caveat,) = [caveat for caveat in caveats_of(table) if caveat.kind == "cut"]
    assert caveat.record == 2
    assert "1 flow record is not there: 1 datagram (the first is frame 2)" in caveat.detail


def test_a_frame_that_the_snaplen_cut_gives_its_whole_records(tmp_path):
    frame = udp(export(record(), record(), record()))
    path = tmp_path / "snap.pcap"
    kept = frame[: 42 + 24 + 48 + 20]
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1)
    path.write_bytes(head + struct.pack("<IIII", NOW, 0, len(kept), len(frame)) + kept)
    table = netflow.sessions(path)
    assert len(table) == 1
    assert {"snaplen", "cut"} <= {caveat.kind for caveat in caveats_of(table)}
    assert "2 flow records are not there" in told(table, "cut")[0]


def test_a_header_that_is_cut_or_counts_wrongly_is_told(tmp_path):
    good = export(record())
    table = read(tmp_path, good, header(3)[:20], header(1) + record() * 2, header(3000) + record(), good)
    assert len(table) == 3
    assert "1 datagram of NetFlow version 5 is cut inside its header" in told(table, "cut")[0]
    assert "1 flow record was not read: 1 datagram (the first is frame 3)" in told(table, "count")[0]
    assert "1 datagram (the first is frame 4) claims more records" in told(table, "count")[1]


def test_a_jumbo_datagram_whose_length_agrees_is_read(tmp_path):
    assert len(read(tmp_path, export(*[record()] * 100))) == 100


def test_other_datagrams_are_counted(tmp_path):
    table = read(tmp_path, export(record()), b"", b"\x05", b"hello", header(1, version=8))
    assert len(table) == 1
    assert [detail.partition(": ")[2] for detail in told(table, "format")] == ["4 datagrams of UDP are no NetFlow"]


def test_frames_behind_the_exports_are_counted_wherever_they_stand(tmp_path):
    exports = [udp(export(record(), number=number)) for number in range(650)]
    attack = [frame for _, frame in writing.conversation()]
    path = capture(tmp_path, *exports, *attack)
    assert path.stat().st_size > 65_536

    table = netflow.sessions(path, label="export.pcap")

    assert netflow.holds_packets(table)
    assert told(table, "other frames") == [
        "export.pcap: 8 of 658 frames are no exports (the first is frame 651): they are packets"
    ]


def test_answers_of_a_collector_that_does_not_listen_are_of_no_account(tmp_path):
    def unreachable(src, dst):
        return writing.ethernet(writing.ip(b"\x03\x03" + bytes(34), src, dst, 1))

    one = udp(export(record()))
    arp = writing.ethernet(bytes(28), ethertype=0x0806)
    answered = netflow.sessions(capture(tmp_path, one, unreachable("192.0.2.99", "192.0.2.1"), arp))
    strange = netflow.sessions(capture(tmp_path, one, unreachable("192.0.2.1", "10.0.0.9")))

    assert not netflow.holds_packets(answered)
    assert any("2 frames of ARP, and ICMP that answers exports" in detail for detail in told(answered, "format"))
    assert netflow.holds_packets(strange)


def test_the_bundled_exports_hold_no_packets_of_their_own(bundled_flows):
    assert not netflow.holds_packets(bundled_flows)


def test_a_capture_without_netflow_gives_an_empty_table(tmp_path):
    table = netflow.sessions(capture(tmp_path))
    assert len(table) == 0
    assert table.dtypes.astype(str).to_dict() == FLOWS.empty().dtypes.astype(str).to_dict()
    with pytest.raises(DamagedEvidence):
        (tmp_path / "text").write_bytes(b"no capture, only text")
        netflow.sessions(tmp_path / "text")


def test_gzip_and_small_windows_give_the_same_rows(evidence, tmp_path, monkeypatch):
    from nsm_nb.formats import datagrams

    plain = evidence / "netflow-export.pcap"
    packed = tmp_path / "netflow-export.pcap.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    expected = netflow.sessions(plain, label="x", digest="0" * 64)
    monkeypatch.setattr(datagrams, "_WINDOW", 5000)
    pd.testing.assert_frame_equal(netflow.sessions(plain, label="x", digest="0" * 64), expected)
    pd.testing.assert_frame_equal(netflow.sessions(packed, label="x", digest="0" * 64), expected)


def test_a_cut_gzip_keeps_the_flows_before_the_cut(evidence, tmp_path):
    packed = tmp_path / "cut.pcap.gz"
    packed.write_bytes(gzip.compress((evidence / "netflow-export.pcap").read_bytes())[:-20_000])
    table = netflow.sessions(packed)
    assert 2000 < len(table) < 10_082
    assert any("end early" in detail for detail in told(table, "cut"))


def test_later_fragments_are_left_out(tmp_path):
    frame = bytearray(udp(export(record())))
    frame[14 + 6 : 14 + 8] = struct.pack(">H", 3)  # fragment offset 24
    table = netflow.sessions(capture(tmp_path, udp(export(record())), bytes(frame)))
    assert len(table) == 1


def slow_flows(payloads):
    """What `flows` must give, one record at a time."""
    found = []
    for payload in payloads:
        if len(payload) < 24 or payload[:2] != b"\x00\x05":
            continue
        count = struct.unpack_from(">H", payload, 2)[0]
        if count > 30 and len(payload) != 24 + 48 * count:
            continue
        stream = io.BytesIO(payload[24:])
        for _ in range(count):
            each = stream.read(48)
            if len(each) < 48:
                break
            src, dst, *_, packets, octets, _, _, sport, dport, _, flags, proto = struct.unpack(
                ">IIIHHIIIIHHBBB", each[:39]
            )
            found.append((src, dst, packets, octets, sport, dport, flags, proto))
    return found


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.tuples(st.integers(0, 33), st.integers(0, 1800)).map(
                lambda pair: (header(pair[0]) + bytes(range(256)) * 8)[: pair[1]]
            ),
        ),
        max_size=8,
    )
)
def test_records_agree_with_the_slow_way_whatever_the_datagrams_are(payloads):
    payloads = [payload for payload in payloads if payload[:2] == b"\x00\x05"]
    size = np.array([len(payload) for payload in payloads], np.int64)
    start = np.cumsum(size) - size
    found = flows(np.frombuffer(bytearray(b"".join(payloads) or b"\0"), np.uint8), start, size)
    assert rows_of(found) == slow_flows(payloads)
    assert np.bincount(found.flows["owner"], minlength=len(found.held)).tolist() == found.held.tolist()


def test_samples_of_other_exporters_are_read(shared):
    folder = shared / "corpus" / "other" / "logstash-netflow" / "spec" / "codecs"
    counts = {}
    for path in sorted(folder.glob("netflow5*.dat")):
        payload = path.read_bytes()
        found = flows(np.frombuffer(bytearray(payload), np.uint8), np.array([0]), np.array([len(payload)]))
        assert rows_of(found) == slow_flows([payload])
        counts[path.name] = (len(rows_of(found)), len(found.false))
    assert counts == {
        "netflow5.dat": (2, 0),
        "netflow5_test_invalid01.dat": (0, 1),
        "netflow5_test_invalid02.dat": (0, 1),
        "netflow5_test_juniper_mx80.dat": (29, 0),
        "netflow5_test_microtik.dat": (30, 0),
    }


# --- recognising


def test_only_captures_of_exports_are_recognised(heads):
    recognised = {name for name, head in heads.items() if netflow.recognises(head)}
    exports = {name for name in recognised if any(word in name.lower() for word in ("netflow", "nfv9", "ipfix"))}
    assert "cases/www-files01/netflow-export.pcap" in exports
    assert recognised == exports


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([export(record())], True),
        ([export(*[record()] * 30)] * 50, True),
        ([export(record()), b"other"], True),
        ([export(record()), b"other", b"other"], False),
        ([export(record())[:-1]], False),
        ([header(1, version=1)[:16] + bytes(52)], True),
        ([header(1, version=7) + bytes(52)], True),
        ([header(1, version=9)[:20] + struct.pack(">HH", 0, 8) + bytes(4)], True),
        ([header(1, version=9)[:20] + struct.pack(">HH", 5, 8) + bytes(4)], False),
        ([header(20, version=10)[:16] + struct.pack(">HH", 2, 4)], True),
        ([header(21, version=10)[:16] + struct.pack(">HH", 2, 4)], False),
        ([], False),
    ],
)
def test_exports_are_recognised_by_lengths_that_add_up(tmp_path, frames, expected):
    assert netflow.recognises(capture(tmp_path, *map(udp, frames)).read_bytes()[:65_536]) is expected


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_can_be_looked_at(data):
    assert not netflow.is_export(data[:10])
    netflow.is_export(data)
    for magic in (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a"):
        netflow.recognises(magic + data)


def test_the_record_has_48_bytes_and_the_header_24():
    assert (HEADER.itemsize, RECORD.itemsize) == (24, 48)
    assert [each.itemsize for each in HEADERS.values()] == [16, 24, 24]
