"""Snort's unified2: records of every type, what belongs to an event, and files that break off anywhere."""

from __future__ import annotations

import base64
import struct

import pandas as pd
import pytest

from nsm_nb.errors import DamagedEvidence, UnknownName, UnreadableEvidence
from nsm_nb.formats import pcap, unified2, unified2_records
from nsm_nb.full_content import frame_bytes
from nsm_nb.schema import caveats_of
from tests.formats.samples import event4, event6, extra, packet, record


def write(tmp_path, *records):
    path = tmp_path / "snort.u2"
    path.write_bytes(b"".join(records))
    return path


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


def event3(src, dst, versions, *, status=0, action=0, name=b"http"):
    """Return an event of Snort 3, type 114: gid stands before sid, and IPv4 in the last four of sixteen bytes."""
    body = struct.pack(">9I3I", 0, 1, 1_795_487_442, 898_627, 1, 498, 6, 3, 2, 7, 8, 9) + src + dst
    body += struct.pack(">I4H4B", 0, 80, 2254, 12, 0, versions, 6, status, action) + name.ljust(64, b"\0")
    return record(114, body)


VLAN = struct.pack(">I2H", 17, 42, 3)


@pytest.mark.parametrize(
    ("event", "src"),
    [
        (event4(), "216.239.37.99"),
        (event4(kind=99, more=b"\0\0\0\1"), "216.239.37.99"),
        (event4(kind=104, more=VLAN), "216.239.37.99"),
        (event4(kind=104, more=VLAN + b"ssh".ljust(16, b"\0")), "216.239.37.99"),
        (event4(kind=111, more=VLAN + b"ssh".ljust(16, b"\0") + b"surplus"), "216.239.37.99"),
        (event6(), "2001:db8::1"),
        (event6(kind=105, more=VLAN), "2001:db8::1"),
        (event6(kind=112, more=VLAN + b"ssh".ljust(16, b"\0")), "2001:db8::1"),
        (event3(bytes(12) + bytes([216, 239, 37, 99]), bytes(12) + bytes([10, 1, 1, 177]), 0x44), "216.239.37.99"),
        (event3(bytes.fromhex("20010db8" + 23 * "0" + "1"), bytes.fromhex("fe80" + 27 * "0" + "2"), 0x66), "2001:db8::1"),
    ],
)  # fmt: skip
def test_every_type_of_event_is_read(tmp_path, event, src):
    table = unified2.alerts(write(tmp_path, event))
    (row,) = table.itertuples()
    assert (row.gid, row.sid, row.rev, row.priority, row.classification) == (1, 498, 6, 2, "class 3")
    assert row.time == pd.Timestamp("2026-11-24 02:30:42.898627", tz="UTC")
    assert (row.proto, row.src_ip, row.src_port, row.dst_port) == ("tcp", src, 80, 2254)
    assert caveats_of(table) == []
    told = unified2.detail(tmp_path / "snort.u2", 1)
    assert (told["gid"], told["sid"], told["src_ip"]) == (1, 498, src)
    if VLAN in event:
        assert (told["mpls_label"], told["vlan"], told["policy"]) == (17, 42, 3)
        assert told["application"] == ("ssh" if b"ssh" in event else None)
    if told["type"] == 114:
        assert (told["vlan"], told["application"], told["policy_detect"]) == (12, "http", 9)


def test_ports_of_icmp_are_type_and_code_and_not_ports(tmp_path):
    table = unified2.alerts(write(tmp_path, event4(proto=1, ports=(8, 0)), event4(proto=255, ports=(0, 0))))
    assert values(table["proto"]) == ["icmp", "255"]
    assert values(table["src_port"]) == [None, None]
    assert unified2.detail(tmp_path / "snort.u2", 1)["src_port_or_type"] == 8


@pytest.mark.parametrize(
    ("event", "action"),
    [
        (event4(), None), (event4(blocked=1), "drop"), (event4(blocked=2), "would drop"), (event4(blocked=9), None),
        (event3(bytes(16), bytes(16), 0x44, action=2), "block"), (event3(bytes(16), bytes(16), 0x44), None),
        (event3(bytes(16), bytes(16), 0x44, status=2, action=1), "would drop"),
    ],
)  # fmt: skip
def test_what_the_sensor_did_is_told(tmp_path, event, action):
    table = unified2.alerts(write(tmp_path, event))
    assert values(table["action"]) == [action]


def test_an_event_without_addresses_has_none(tmp_path):
    table = unified2.alerts(write(tmp_path, event3(bytes(16), bytes(16), 0), event4()))
    assert values(table["src_ip"]) == [None, "216.239.37.99"]


def test_packets_and_extra_data_go_with_their_event(tmp_path):
    path = write(
        tmp_path, event4(number=1), packet(b"first", number=1), event4(number=2), packet(b"second", number=2),
        packet(b"more", number=2), extra(9, b"/index\x1b.html", number=2), extra(1, bytes([203, 0, 113, 5]), number=2),
        packet(b"another second", number=2, second=5), event4(number=3), packet(b"buffer", number=3, kind=3),
    )  # fmt: skip
    table = unified2.alerts(path)
    assert values(table["record"]) == [1, 3, 9]
    assert [each.data for each in unified2.packets_of(path, 1)] == [b"first"]
    assert [each.data for each in unified2.packets_of(path, 3)] == [b"second", b"more"]
    assert [each.data for each in unified2.packets_of(path, 9)] == [b"buffer"]
    told = unified2.detail(path, 3)
    assert base64.b64decode(told["packet"]) == b"second"
    assert told["packet_info"] == {"linktype": 1}
    assert told["extra"] == [
        {"kind": "HTTP URI", "data": "/index\x1b.html"},
        {"kind": "XFF address", "data": "203.0.113.5"},
    ]
    for number, said in ((2, "no event"), (11, "no record 11"), (0, "no record 0")):
        with pytest.raises(UnknownName, match=said):
            unified2.detail(path, number)


def test_the_packet_of_an_alert_is_the_frame_of_the_capture(evidence):
    path = evidence / "snort2" / "snort.u2"
    table = unified2.alerts(path)
    capture = pcap.packets(evidence / "staged.pcap")
    for row in table[table["proto"] == "tcp"].iloc[::15].itertuples():  # fragments come put together
        (logged, *_) = unified2.packets_of(path, row.record)
        same = capture[capture["time"] == logged.time]
        assert logged.data in frame_bytes(same)


def test_unknown_types_are_passed_over_and_counted(tmp_path):
    path = write(tmp_path, event4(), record(77, b"x" * 20), record(113, b"y" * 20), record(77, b""), event4(number=2))
    table = unified2.alerts(path)
    assert values(table["record"]) == [1, 5]
    (caveat,) = caveats_of(table)
    assert "2 records of unknown types were passed over: 2 of type 77" in caveat.detail


def test_an_event_that_is_too_short_is_told(tmp_path):
    table = unified2.alerts(write(tmp_path, event4(), record(72, b"x" * 52), event4(number=2)))
    assert values(table["record"]) == [1, 3]
    (caveat,) = caveats_of(table)
    assert (caveat.record, caveat.offset) == (2, 60)
    assert "record 2 (byte 60)" in caveat.detail


@pytest.mark.parametrize("head", [struct.pack(">2I", 7, 1 << 31), struct.pack(">2I", 2, (1 << 20) + 1), bytes(8)])
def test_a_length_that_can_not_be_ends_the_reading_and_is_told(tmp_path, head):
    path = write(tmp_path, event4(), head, b"x" * 100)
    table = unified2.alerts(path)
    assert len(table) == 1
    (caveat,) = caveats_of(table)
    assert (caveat.kind, caveat.record, caveat.offset) == ("damage", 2, 60)
    assert "108 bytes were not read" in caveat.detail


def test_a_file_cut_at_every_byte_keeps_its_whole_records(tmp_path):
    records = [event4(), packet(b"frame"), event6(number=2), extra(9, b"/"), event4(kind=104, number=3, more=VLAN)]
    data = b"".join(records)
    ends = [sum(map(len, records[: count + 1])) for count in range(len(records))]
    path = tmp_path / "cut.u2"
    for size in range(1, len(data) + 1):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends)
        if not whole:
            with pytest.raises(DamagedEvidence, match="no whole record"):
                unified2.alerts(path)
            continue
        table = unified2.alerts(path)
        assert values(table["record"]) == [each for each in (1, 3, 5) if each <= whole]
        cut = [(caveat.kind, caveat.record, caveat.offset) for caveat in caveats_of(table)]
        assert cut == ([] if size in ends else [("cut", whole + 1, ends[whole - 1])])


def test_blocks_make_no_difference(tmp_path, monkeypatch, evidence):
    path = evidence / "snort2" / "snort.u2"
    expected = unified2.alerts(path, label="x")
    monkeypatch.setattr(unified2_records, "_BUFFER", 4_000)
    pd.testing.assert_frame_equal(unified2.alerts(path, label="x"), expected)


def test_the_corpus_is_read_as_idstools_reads_it(shared):
    """The figures are those of idstools 0.6.5 (FileEventReader), whose tests these files come from."""
    folder = shared / "corpus" / "other" / "py-idstools" / "tests"
    counts = {"merged.log": (6, 6, 0), "ipv6-alert.unified2": (1, 1, 0), "multi-record-event.log": (1, 15, 1)}
    for name, (events, packets, extras) in counts.items():
        table = unified2.alerts(folder / name)
        assert len(table) == events
        assert caveats_of(table) == []
        details = [unified2.detail(folder / name, int(each)) for each in table["record"]]
        assert sum(len(each["packets"]) for each in details) == packets, name
        assert sum(len(each.get("extra", [])) for each in details) == extras, name


def test_missing_and_foreign_files_get_a_sentence(tmp_path):
    with pytest.raises(UnreadableEvidence, match="does not exist"):
        unified2.alerts(tmp_path / "none")
    path = tmp_path / "text"
    path.write_bytes(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(DamagedEvidence, match="can't be"):
        unified2.alerts(path)
