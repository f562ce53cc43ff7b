"""Unified2 files with damage, of many small records, or with fields that no sensor means: the rest is read, in bounds."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats import unified2, unified2_records
from nsm_nb.formats.following import follow
from nsm_nb.schema import caveats_of
from tests.formats.samples import event4, event6, packet

BAD = {
    "a length that can't be": struct.pack(">2I", 2, 1 << 21) + b"x" * 100,
    "a length beyond the end": struct.pack(">2I", 2, 1 << 19) + b"x" * 100,
    "an event that is too long": struct.pack(">2I", 7, 5000) + b"x" * 100,
    "zeros": bytes(64),
    "garbage": b"\xfe" * 77,
}


def write(tmp_path, *records):
    path = tmp_path / "snort.u2"
    path.write_bytes(b"".join(records))
    return path


def told(table, kind):
    return [each.detail for each in caveats_of(table) if each.kind == kind]


@pytest.mark.parametrize("bad", BAD)
def test_records_behind_damage_are_read(tmp_path, bad):
    behind = [event4(number=place) + packet(b"frame", number=place) for place in range(2, 6)]
    path = write(tmp_path, event4(), packet(b"frame"), BAD[bad], *behind)

    table = unified2.alerts(path)

    assert len(table) == 5
    (said,) = told(table, "damage")
    assert "record 3 (byte 101)" in said
    assert f"{len(BAD[bad])} bytes were passed over; the records behind them were found by searching" in said
    last = int(table["record"].iloc[-1])
    assert [each.data for each in unified2.packets_of(path, last)] == [b"frame"]
    assert unified2.detail(path, last)["event_id"] == 5


def test_records_that_a_false_length_swallowed_come_back(tmp_path):
    first = bytearray(packet(b"frame" * 20, number=1))
    struct.pack_into(">I", first, 4, len(first) - 8 + 100)  # what the packet says of itself stays
    path = write(
        tmp_path, event4(), bytes(first), *(event4(number=place) for place in range(2, 6)), BAD["garbage"], event4()
    )

    table = unified2.alerts(path)

    assert [unified2.detail(path, int(each))["event_id"] for each in table["record"]] == [1, 2, 3, 4, 5, 1]


def test_records_that_a_packet_carries_are_not_taken_for_events(tmp_path):
    carried = packet(b"FTP" + b"".join(event4(number=each) for each in range(9)))
    whole = event4() + carried
    for size in (len(whole), len(whole) - 70):  # and where the file breaks off within it
        assert len(unified2.alerts(write(tmp_path, whole[:size]))) == 1


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(1, 3000))
def test_garbage_that_was_put_in_costs_no_event(tmp_path_factory, seed, place, size):
    dice = np.random.default_rng(seed)
    records = [event4(number=each) + packet(dice.bytes(int(dice.integers(0, 200))), number=each) for each in range(20)]
    garbage = b"\xfe" * 8 + dice.bytes(size)
    path = tmp_path_factory.mktemp("garbage") / "x.u2"
    path.write_bytes(b"".join([*records[:place], garbage, *records[place:]]))
    if not place:
        path.write_bytes(event4(number=99) + path.read_bytes())

    assert len(unified2.alerts(path)) == 20 + (not place)


def test_a_file_that_is_followed_waits_for_a_record_and_goes_on_behind_damage(tmp_path):
    path = write(tmp_path, event4())
    follower = follow(path, format="unified2")
    assert len(follower.new()) == 1
    later = [event4(number=place) for place in range(2, 5)]
    found = []
    data = BAD["a length that can't be"] + b"".join(later)
    for at in range(0, len(data), 50):
        with path.open("ab") as file:
            file.write(data[at : at + 50])
        found += follower.new()["record"].tolist()

    assert found == [2, 3, 4]
    assert found == unified2.alerts(path)["record"].tolist()[1:]


def test_of_many_places_of_damage_the_first_are_told_and_all_are_counted(tmp_path, monkeypatch):
    table = unified2.alerts(write(tmp_path, event4(), *[BAD["garbage"] + event4() + event6()] * 30))

    assert len(table) == 61
    assert len(told(table, "damage")) == 21
    assert "damage at 30 places in all, 2,310 bytes were not read" in told(table, "damage")[-1]
    monkeypatch.setattr(unified2_records, "_MOST_PLACES", 10)
    assert len(unified2.alerts(tmp_path / "snort.u2")) == 21


def test_damage_is_passed_over_across_the_buffers_end(tmp_path, monkeypatch):
    many = [event4(number=place) for place in range(100)]
    path = write(tmp_path, *many, b"\xfe" * 3_000_000, *many, BAD["garbage"], *many)
    expected = unified2.alerts(path)
    assert len(expected) == 300
    monkeypatch.setattr(unified2_records, "_BUFFER", 2 << 20)
    pd.testing.assert_frame_equal(unified2.alerts(path), expected)


def test_microseconds_that_no_second_has_are_told_and_left_out(tmp_path):
    odd = bytearray(event4())
    struct.pack_into(">I", odd, 20, 4_294_967_295)
    path = write(tmp_path, bytes(odd), packet(b"frame"))

    table = unified2.alerts(path)

    assert table["time"].tolist() == [pd.Timestamp("2026-11-24 02:30:42", tz="UTC")]
    (said,) = told(table, "clock")
    assert "record 1 (byte 0) has 4,294,967,295 microseconds" in said
    assert unified2.detail(path, 1)["time"] == "2026-11-24T02:30:42+00:00"


def test_an_address_of_zeros_is_an_address(tmp_path):
    dhcp = event4(proto=17, ports=(68, 67)).replace(bytes([216, 239, 37, 99, 10, 1, 1, 177]), bytes(4) + b"\xff" * 4)
    bare = event4(proto=255, ports=(0, 0)).replace(bytes([216, 239, 37, 99, 10, 1, 1, 177]), bytes(8))
    six = event6().replace(bytes.fromhex("20010db8000000000000000000000001"), bytes(16))

    table = unified2.alerts(write(tmp_path, dhcp, bare, six))

    found = [None if pd.isna(each) else each for each in table["src_ip"].astype(object)]
    assert found == ["0.0.0.0", None, "::"]
    assert table["dst_ip"].astype(object).iloc[0] == "255.255.255.255"


def test_an_empty_file_that_is_compressed_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "a.u2.gz"
    path.write_bytes(gzip.compress(b""))

    with pytest.raises(DamagedEvidence, match="holds no whole record of unified2; it is empty"):
        unified2.alerts(path)


def test_a_file_of_tiny_records_takes_no_more_memory_than_it_is_large(tmp_path):
    path = write(tmp_path, event4(), struct.pack(">2I", 999, 0) * 100_000, struct.pack(">2I", 7, 0) * 100)
    data = b"".join(struct.pack(">2I", 1000 + place, 0) for place in range(5_000))
    path.write_bytes(path.read_bytes() + data)
    tracemalloc.start()
    table = unified2.alerts(path)
    unified2._index.cache_clear()
    unified2.detail(path, 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(table) == 1
    assert most < 12e6  # 4 MiB of them are the buffer
    assert any("105,000 records of unknown types" in each.detail for each in caveats_of(table))
    with pytest.raises(UnknownName, match=r"record 2 of snort\.u2 is no event"):
        unified2.detail(path, 2)
