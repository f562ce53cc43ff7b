"""Files of nfcapd: what nfdump prints of them is the oracle; records of all kinds are also written by hand after its source."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import shutil
import struct
import subprocess
import sys

import lz4.block
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.errors import NsmError
from nsm_nb.formats import nfcapd, nfdump_csv
from nsm_nb.kernels.lzo import CUT, DONE, FALSE, FULL, unpack_lzo
from nsm_nb.schema import FLOWS, caveats_of

MS = 1_795_487_401_000
V6 = bytes.fromhex("20010db8000000000000000000000001"), bytes.fromhex("fe800000000000000000000000000002")


def zstd(data):
    if sys.version_info >= (3, 14):
        from compression import zstd as library
    else:
        from backports import zstd as library
    return library.compress(data)


def stored(data):
    """Return bytes as LZO with nothing but literals."""
    assert len(data) > 18 + 255
    zeros, rest = divmod(len(data) - 18 - 1, 255)
    return b"\0" + bytes(zeros) + bytes([rest + 1]) + data + b"\x11\0\0"


PACK = {0: bytes, 1: stored, 2: bz2.compress, 3: lambda data: lz4.block.compress(data, store_size=False), 4: zstd}


def element(kind, body):
    return struct.pack("<2H", kind, 4 + len(body)) + body


def generic(number=0, proto=6, ports=(1024, 80), times=(MS, MS + 250, MS + 9_000), counts=(1, 40)):
    return element(1, struct.pack("<5Q2H4B", *times, counts[0] + number, counts[1] + number, *ports, proto, 0x1B, 0, 0))


def ipv4(number=0):
    return element(2, struct.pack("<2I", 0x0A000001 + number, 0xC0A80001))


def ipv6():
    return element(3, b"".join(half[::-1] for each in V6 for half in (each[:8], each[8:])))


def record3(*elements, exporter=1, flags=0):
    body = b"".join(elements)
    return struct.pack("<3H2BH2B", 11, 12 + len(body), len(elements), 0, 0, exporter, flags, 9) + body


def exporter(number=1, address=0xC0000201, lost=0, source=0):
    """Return the two records about an exporter."""
    found = struct.pack("<2HI2Q2HI", 7, 32, 9, 0, address, 2, number, source)
    return found, struct.pack("<2HI2I2Q", 8, 32, 1, number, lost, 7, 5)


def layout2(*blocks, compression=0, count=None, stat=None):
    """Return a file of layout 2; a block is a list of records."""
    pack = PACK[compression]
    body = b""
    for records in blocks:
        data = pack(b"".join(records))
        body += struct.pack("<2I2H", len(records), len(data), 3, 0) + data
    appendix = []
    if stat is not None:
        appendix = [
            struct.pack("<2H", 0x8001, 8) + b"net\0",
            struct.pack("<2H", 0x8002, 148) + struct.pack("<18Q", stat, *[0] * 17),
        ]
    data = b"".join(appendix)
    at = 40 + len(body)
    head = struct.pack("<2HIQ2BHIQ2I", 0xA50C, 2, 0x01070100, 0, compression, 0, bool(appendix), 0, at, 1 << 20,
                       len(blocks) if count is None else count)  # fmt: skip
    return head + body + (struct.pack("<2I2H", 2, len(data), 3, 1) + data if appendix else b"")


def map1(number=0, extensions=(4, 13, 15, 16, 27)):
    ids = struct.pack(f"<{len(extensions) + 1}H", *extensions, 0)
    ids += bytes(-len(ids) % 4)
    size = sum({4: 4, 13: 4, 15: 8, 16: 4, 27: 8}[each] for each in extensions)
    return struct.pack("<4H", 2, 8 + len(ids), number, size) + ids


def common1(number=0, kind=10, flags=0, map_=0, more=b"", proto=6):
    """Return a record of nfdump 1.6; `flags`: 1 IPv6, 2 packets and 4 octets in 64 bits."""
    second = MS // 1000
    addresses = b"".join(half[::-1] for each in V6 for half in (each[:8], each[8:]))
    addresses = addresses if flags & 1 else struct.pack("<2I", 0x0A000001 + number, 0xC0A80001)
    body = struct.pack("<2H2I4B2H", 5, 255, second, second, 0, 0x12, proto, 0, 1024, 80 if proto != 1 else 771)
    body += struct.pack("<2H", 1, 0) if kind == 10 else b""
    body += (
        addresses
        + struct.pack("<Q" if flags & 2 else "<I", 1 + number)
        + struct.pack("<Q" if flags & 4 else "<I", 40 + number)
    )
    body += more
    begin = struct.pack("<HH", flags, map_) if kind == 10 else struct.pack("<2BH", flags, 1, map_)
    return struct.pack("<2H", kind, 8 + len(body)) + begin + body


def layout1(*blocks, flags=0, flows=0, failures=0, count=None):
    packed = {0: 0, 1: 1, 8: 2, 16: 3}[flags]
    head = struct.pack("<2H2I", 0xA50C, 1, flags, len(blocks) if count is None else count) + b"none".ljust(128, b"\0")
    head += struct.pack("<15Q2I2HI", flows, *[0] * 14, 0, 0, 0, 0, failures)
    body = b""
    for records in blocks:
        data = PACK[packed](b"".join(records))
        body += struct.pack("<2I2H", len(records), len(data), 2, 0) + data
    return head + body


def read(tmp_path, data, name="nfcapd.x"):
    path = tmp_path / name
    path.write_bytes(data)
    return nfcapd.sessions(path, label="x", digest="0" * 64)


def kinds(table):
    return [caveat.kind for caveat in caveats_of(table)]


NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "icmp6": 58}


def as_printed(table):
    """Return the rows as nfdump prints them; ports only where there are some."""
    return [
        (
            f"{row.start:%Y-%m-%d %H:%M:%S}.{row.start.microsecond // 1000:03}", f"{row.duration:.3f}",
            NUMBERS.get(row.proto, row.proto), str(row.src_ip), str(row.dst_ip),
            None if pd.isna(row.src_port) else row.src_port, None if pd.isna(row.dst_port) else row.dst_port,
            row.src_packets, row.src_octets,
        )
        for row in table.itertuples()
    ]  # fmt: skip


def listed(text):
    """Return the rows of a CSV of nfdump 1.7 (firstSeen ...)."""
    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        ported = row["proto"] in ("6", "17")
        rows.append((
            row["firstSeen"], row["duration"], int(row["proto"]), row["srcAddr"], row["dstAddr"],
            int(row["srcPort"]) if ported else None, int(row["dstPort"]) if ported else None,
            int(row["packets"]), int(row["bytes"]),
        ))  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("file", "listing"),
    [
        ("fprobe-v5.nfcapd", "nfdump-fprobe-v5.csv.gz"),
        ("fprobe-v5.nfdump16.nfcapd", "nfdump-fprobe-v5.csv.gz"),
        ("softflowd-v9.nfcapd", "nfdump-softflowd-v9.csv.gz"),
    ],
)
def test_the_bundled_files_are_what_nfdump_says_row_by_row(evidence, truth, file, listing):
    table = nfcapd.sessions(evidence / "nfcapd" / file)

    assert as_printed(table) == listed(gzip.decompress((truth / listing).read_bytes()).decode())
    assert caveats_of(table) == []
    assert table["sensor"].unique().tolist() == ["127.0.0.1"]
    assert table["dst_packets"].isna().all()


def wide(text):
    """Return the rows of a CSV of early nfdump 1.7 (ts, te ...), without the sums behind them."""
    return list(csv.DictReader(io.StringIO(text.partition("\nSummary")[0])))


@pytest.fixture
def nfdump():
    found = shutil.which("nfdump")
    if found is None:
        pytest.skip("nfdump is not installed; it is the oracle of this test")

    def run(*arguments):
        return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_whatever_nfdump_packs_is_unpacked_to_the_same(evidence, tmp_path, nfdump, kind):
    packed = tmp_path / "packed"
    shutil.copy(evidence / "nfcapd" / "softflowd-v9.nfcapd", packed)
    nfdump("-J", kind, "-r", packed)
    table = nfcapd.sessions(packed, label="x", digest="0" * 64)

    pd.testing.assert_frame_equal(
        table, nfcapd.sessions(evidence / "nfcapd" / "softflowd-v9.nfcapd", label="x", digest="0" * 64)
    )


def test_records_of_both_ways_have_what_nfdump_counts_of_each(evidence, tmp_path, nfdump):
    both = tmp_path / "both"
    nfdump("-B", "-r", evidence / "nfcapd" / "fprobe-v5.nfcapd", "-w", both)
    table = nfcapd.sessions(both)
    rows = wide(nfdump("-r", both, "-N", "-o", "csv"))

    assert table["src_octets"].tolist() == [int(row["ibyt"]) for row in rows]
    assert table["dst_octets"].fillna(0).tolist() == [int(row["obyt"]) for row in rows]
    assert table["dst_packets"].fillna(0).tolist() == [int(row["opkt"]) for row in rows]
    assert table["dst_octets"].notna().any()


def test_records_of_layout_1_written_by_hand_are_nfdumps_too(tmp_path, nfdump):
    more = struct.pack("<2H2HQIQ", 3, 4, 7, 8, 11, 500, MS + 60_000)
    records = [map1(), *(common1(number, 10, flags, more=more) for number, flags in enumerate((0, 1, 2, 4, 7)))]
    path = tmp_path / "one"
    path.write_bytes(layout1(records, flows=5))
    table = nfcapd.sessions(path)
    rows = wide(nfdump("-r", path, "-N", "-o", "csv"))

    assert table["src_ip"].tolist() == [row["sa"] for row in rows]
    assert table["src_octets"].tolist() == [int(row["ibyt"]) for row in rows]
    assert table["dst_packets"].tolist() == [int(row["opkt"]) for row in rows] == [11] * 5
    assert table["dst_octets"].tolist() == [int(row["obyt"]) for row in rows] == [500] * 5
    assert table["vlan"].tolist() == [int(row["svln"]) for row in rows] == [7] * 5


@pytest.mark.parametrize("compression", PACK)
def test_layout_2_is_read_however_it_is_packed(tmp_path, compression):
    records = [
        *exporter(source=9),
        *(record3(generic(number), ipv4(number)) for number in range(5)),
        record3(generic(), ipv6()),
    ]
    table = read(tmp_path, layout2(records, records[2:], compression=compression, stat=12))

    assert caveats_of(table) == []
    assert dict(table.dtypes) == dict(FLOWS.conform(table).dtypes)
    assert table["src_ip"].tolist()[:6] == [*(f"10.0.0.{each}" for each in range(1, 6)), "2001:db8::1"]
    assert table["dst_ip"].tolist()[5] == "fe80::2"
    assert table["record"].tolist() == list(range(1, 13))
    assert table["start"].iloc[0] == pd.Timestamp(MS, unit="ms", tz="UTC")
    assert table["received"].iloc[0] == pd.Timestamp(MS + 9_000, unit="ms", tz="UTC")
    assert table["src_flags"].unique().tolist() == [0x1B]
    assert table["sensor"].unique().tolist() == ["192.0.2.1 source 9 as net"]


@pytest.mark.parametrize("kind", [1, 10])
@pytest.mark.parametrize("flags", [0, 1, 8, 16])
def test_layout_1_is_read_however_it_is_packed(tmp_path, kind, flags):
    more = struct.pack("<2H2HQIQ", 3, 4, 7, 8, 11, 500, MS + 60_000)
    records = [map1(3), exporter()[0], *(common1(number, kind, 0, 3, more) for number in range(6))]
    records += [common1(0, kind, 7, 3, more), common1(0, kind, 0, 9, proto=1)]  # of a map that is not there
    table = read(tmp_path, layout1(records, flags=flags, flows=8, failures=2))

    assert kinds(table) == ["lost"]
    assert table["src_ip"].tolist()[-2:] == ["2001:db8::1", "10.0.0.1"]
    assert table["vlan"].tolist()[:7] == [7] * 7
    assert table["dst_octets"].tolist()[:7] == [500] * 7
    assert table["received"].iloc[0] == pd.Timestamp(MS + 60_000, unit="ms", tz="UTC")
    assert table["duration"].tolist() == [0.25] * 8
    assert table["state"].iloc[-1] == "URP"
    assert table["received"].isna().iloc[-1]


def test_sampling_and_losses_are_told(tmp_path):
    sampler = struct.pack("<4HQ2I", 15, 24, 1, 1, 0, 1, 99)
    records = [*exporter(lost=4), sampler, record3(generic(), ipv4(), flags=2), record3(generic(), ipv4(), exporter=2)]
    table = read(tmp_path, layout2(records))

    assert table["sampling"].tolist() == [100, pd.NA]
    assert kinds(table) == ["lost", "sampling"]
    assert "1 of its 1 flow are multiplied" in caveats_of(table)[-1].detail


def test_old_samplers_are_told(tmp_path):
    old = struct.pack("<2H2I2H", 9, 16, 0, 50, 0, 1)
    assert read(tmp_path, layout1([map1(), old, common1()]))["sampling"].tolist() == [50]


def test_what_is_not_known_is_passed_over_and_counted(tmp_path):
    strange = struct.pack("<2H", 99, 12) + bytes(8)
    records = [strange, record3(generic(), element(77, b"x" * 9), ipv4()), strange, record3(ipv4())]
    table = read(tmp_path, layout2(records))

    assert len(table) == 1
    details = " ".join(caveat.detail for caveat in caveats_of(table))
    assert "1 flow record lacks times" in details
    assert "2 records of unknown type (99)" in details


def test_a_firewalls_event_has_the_time_of_the_event(tmp_path):
    event = element(19, struct.pack("<QIH2B", MS, 1, 0, 2, 0))
    table = read(tmp_path, layout2([record3(event, generic(times=(0, 0, 0)), ipv4(), flags=1),
                                    record3(generic(times=(0, 0, 0)), event, ipv4(), flags=1)]))  # fmt: skip

    assert table["start"].tolist()[1] == pd.Timestamp(MS, unit="ms", tz="UTC")


@pytest.mark.parametrize("compression", PACK)
def test_rows_before_a_cut_are_kept_wherever_it_is(tmp_path, compression):
    blocks = [[record3(generic(number), ipv4(number)) for number in range(6)] for _ in range(2)]
    data = layout2(*blocks, compression=compression)
    whole = read(tmp_path, data)["src_octets"].tolist()
    first = read(tmp_path, layout2(blocks[0], compression=compression, count=1))
    for size in range(40, len(data), 61):
        table = read(tmp_path, data[:size])
        assert table["src_octets"].tolist() == whole[: len(table)]
        assert "cut" in kinds(table)
        if size >= 40 + (len(data) - 40) // 2:
            assert len(table) >= len(first)


def test_a_false_length_inside_a_block_costs_the_rest_of_that_block_alone(tmp_path):
    good = [record3(generic(number), ipv4(number)) for number in range(3)]
    bad = [good[0], struct.pack("<2H", 11, 3), good[1]]
    table = read(tmp_path, layout2(bad, good))

    assert table["src_octets"].tolist() == [40, 40, 41, 42]
    assert kinds(table) == ["damage"]


def test_a_block_that_claims_too_much_is_the_last(tmp_path):
    data = layout2([record3(generic(), ipv4())]) + struct.pack("<2I2H", 1, 0xFFFFFFF0, 3, 0)
    table = read(tmp_path, data)

    assert len(table) == 1
    assert "4,294,967,280 bytes" in caveats_of(table)[0].detail


@pytest.mark.slow(2)
@pytest.mark.parametrize("kind", [2, 4])
def test_a_decompression_bomb_is_left(tmp_path, kind):
    head = layout2([], compression=kind, count=1)[:40]
    packed = PACK[kind](bytes(60 << 20))
    table = read(tmp_path, head + struct.pack("<2I2H", 1, len(packed), 3, 0) + packed)

    assert "bomb" in kinds(table)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xa5\x0c\x00\x01" + bytes(300), "other byte order"),
        (b"\x0c\xa5\x04\x00" + bytes(300), "layout 4"),
        (b"\x0c\xa5\x02\x00" + bytes(12) + b"\0\1" + bytes(300), "encrypted"),
        (b"\x0c\xa5\x02\x00" + bytes(12) + b"\x63\0" + bytes(300), "compressed in a way"),
        (b"\x0c\xa5\x01\x00" + bytes(100), "cut inside its head"),
    ],
)
def test_what_can_not_be_read_is_refused_with_a_sentence(tmp_path, data, said):
    with pytest.raises(NsmError, match=said):
        read(tmp_path, data)


NEW = b"\x0c\xa5\x03\x00" + bytes(300)


def test_layout_3_is_read_through_an_nfdump_that_knows_it(tmp_path, truth, monkeypatch):
    # none that does is to be had yet: this one prints what nfdump 1.7 printed of another file
    listing = truth / "nfdump-fprobe-v5.csv.gz"
    program = tmp_path / "nfdump"
    program.write_text(f'#!/bin/sh\n[ "$*" = "-N -o csv -r $PWD/evidence" ] && exec gzip -dc {listing}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    table, expected = read(tmp_path, NEW), nfdump_csv.sessions(listing, label="x")

    assert set(table["source"]) == {"nfcapd"}
    assert table["src_octets"].tolist() == expected["src_octets"].tolist()
    assert kinds(table)[-1] == "through"


def test_an_nfdump_that_does_not_know_layout_3_is_told(tmp_path):
    if shutil.which("nfdump") is None:
        pytest.skip("nfdump is not installed")
    with pytest.raises(NsmError, match=r"layout 3, which the nfdump of this machine does not read \(.*bad version: 3"):
        read(tmp_path, NEW)


def test_without_nfdump_layout_3_is_refused_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NsmError, match="layout 3, which is read through nfdump; nfdump is not installed: print it"):
        read(tmp_path, NEW)


def test_a_file_that_is_still_written_says_so(tmp_path):
    assert kinds(read(tmp_path, layout2([record3(generic(), ipv4())], count=0))) == ["open"]


def unpacked(data, room=100):
    out = np.zeros(room, np.uint8)
    count, why = unpack_lzo(np.frombuffer(bytearray(data), np.uint8), out)
    return out[:count].tobytes(), why


def test_lzo_repeats_what_it_wrote_and_stays_in_bounds():
    end = b"\x11\0\0"
    assert unpacked(b"\x15abcd" + end) == (b"abcd", DONE)
    assert unpacked(b"\x15abcd" + bytes([0x4C, 0]) + end) == (b"abcdabc", DONE)  # 3 bytes from 4 back
    assert unpacked(b"\x15abcd" + bytes([0x20, 5, 0, 0]) + end) == (b"abcd" + b"d" * 38, DONE)
    assert unpacked(b"\x15abcd" + bytes([0x20, 5, 0, 0]) + end, 20) == (b"abcd" + b"d" * 16, FULL)
    assert unpacked(b"\x15abcd" + bytes([0x4C, 9])) == (b"abcd", FALSE)
    assert unpacked(b"\x15ab") == (b"ab", CUT)
    assert unpacked(b"") == (b"", CUT)


@given(st.binary(max_size=200))
def test_no_bytes_take_lzo_out_of_bounds(data):
    found, why = unpacked(data)
    assert len(found) <= 100
    assert why in (DONE, CUT, FULL, FALSE)


@pytest.mark.slow(2)
@given(data=st.data())
def test_no_damage_raises_anything_but_ours(tmp_path_factory, data):
    records = [
        *exporter(),
        *(record3(generic(number), ipv4(number)) for number in range(5)),
        record3(generic(), ipv6()),
    ]
    old = [map1(), exporter()[0], *(common1(number, flags=flags) for number, flags in enumerate((0, 1, 7)))] * 3
    whole = bytearray(data.draw(st.sampled_from([
        *(layout2(records, records, compression=each, stat=14) for each in PACK), layout1(old), layout1(old, flags=1),
    ])))  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(1, len(whole)))
    path = tmp_path_factory.getbasetemp() / "damaged.nfcapd"
    path.write_bytes(whole[:size])
    nfcapd.recognises(bytes(whole[:size]))
    try:
        table = nfcapd.sessions(path, label="x", digest="0" * 64)
    except NsmError:
        return
    assert list(table.columns) == list(FLOWS.columns)
    assert all(caveat.detail.startswith("x: ") for caveat in caveats_of(table))
