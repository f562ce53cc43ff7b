"""Listings of sessions: one conversation is told alike by all of them, and each format knows its own files alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.formats import FORMATS, reader, recognised
from nsm_nb.schema import FLOWS, SESSIONS, caveats_of
from tests.formats.samples import SAMPLES as ALERTS
from tests.formats.session_samples import SAMPLES

OURS = {format for format, _ in SAMPLES.values()}
# what a listing can't tell of the conversation
WITHOUT_PORTS = ("flow-print-4.txt", "flow-print-4-wide.txt", "flow-print-6.txt", "flow-print-9.txt")
WITHOUT_OCTETS = (
    "cic-2017.csv",
    "cic-2018.csv",
    "cic.csv",
    "sguil.csv",
    "stats.sancp",
    "ra2.txt",
    "ra.txt",
    "conn.json",
)


@pytest.fixture(params=SAMPLES)
def sample(request, tmp_path):
    name = request.param
    place = tmp_path / name
    place.write_text(SAMPLES[name][1])
    return place


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The table of each sample, read once."""
    place = tmp_path_factory.mktemp("samples")
    return {
        name: nsm.read_sessions(_write(place / name, text), label="evidence") for name, (_, text) in SAMPLES.items()
    }


def test_each_listing_is_known_by_its_own_format_alone(sample):
    assert recognised(sample) == [SAMPLES[sample.name][0]]


def test_no_listing_of_alerts_is_taken_for_one_of_sessions():
    for name, text in ALERTS.items():
        assert not [each for each in OURS if reader(each).recognises(text)], name


@pytest.mark.slow(3)
def test_nothing_else_is_taken_for_a_listing(heads):
    named = {
        "zeek-conn": "conn",
        "flow-print": "f[tl]",
        "ra-text": "ra",
        "ra-csv": "ra.csv|binetflow|argus",
        "nfdump-csv": "nfdump|[.]csv$",
        "nfdump-line": "line[.]txt$",
    }
    for name, head in heads.items():
        known = [each for each in OURS if reader(each).recognises(head)]
        assert len(known) < 2, name
        for each in known:
            assert pd.Series([name.rpartition("/")[2]]).str.contains(named.get(each, "^$"))[0], (name, each)


@pytest.mark.parametrize("name", SAMPLES)
def test_each_listing_gives_the_columns_and_dtypes_of_its_schema(tables, name):
    found = tables[name]
    schema = FLOWS if "src_flags" in found else SESSIONS
    names = list(schema.columns)
    assert list(found)[: len(names)] == names
    assert (
        found[names].dtypes.astype(str).to_dict()
        == schema.empty()
        .astype({"src_ip": found["src_ip"].dtype, "dst_ip": found["dst_ip"].dtype})
        .dtypes.astype(str)
        .to_dict()
    )
    assert set(found["evidence"]) == {"evidence"}
    assert set(found["source"]) == {SAMPLES[name][0]}
    assert found["session"].is_unique


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_conversation_is_told_alike_by_all(tables, name):
    found = tables[name]
    row = (
        found[(found["proto"] == "tcp") & (found["src_ip"] == "10.1.1.177")] if found["proto"].notna().any() else found
    )
    row = row.iloc[-1 if name == "ra2.txt" else 0]
    assert (row["src_ip"], row["dst_ip"]) == ("10.1.1.177", "216.239.37.99")
    if name not in WITHOUT_PORTS:
        assert (row["src_port"], row["dst_port"]) == (2254, 80)
    if name not in ("ra.txt", "ra2.txt"):
        assert row["src_packets"] == 6
        assert row["dst_packets"] is pd.NA or row["dst_packets"] == 4
    if name not in WITHOUT_OCTETS:
        assert row["src_octets"] == 320
        assert row["dst_octets"] is pd.NA or row["dst_octets"] == 272
    if row["src_payload"] is not pd.NA:
        assert (row["src_payload"], row["dst_payload"]) == (76, 104)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_port_unreachable_is_told_as_such_and_has_no_ports(tables, name):
    found = tables[name]
    rows = found[found["proto"] == "icmp"]
    assert (rows["state"] == "URP").all()
    assert rows[["src_port", "dst_port"]].isna().all(axis=None)


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_missing_is_missing_and_not_nought_or_a_dash(tables, name):
    found = tables[name]
    for column in ("history", "community_id", "application", "sensor", "state"):
        assert not found[column].astype(object).isin(["-", "", "(empty)", "nan", "None", "*"]).any()


def _cut(sample, sizes, full):
    whole = sample.read_bytes()
    format = SAMPLES[sample.name][0]
    for size in sizes:
        sample.write_bytes(whole[:size])
        try:
            found = nsm.read_sessions(sample, label="x", format=format)
        except NsmError as problem:
            assert str(problem)
            continue
        assert len(found) <= len(full)
        # nothing is told that the whole listing does not tell
        for name in ("src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "src_octets", "dst_octets"):
            mine, all_ = found[name].astype(object), full[name].astype(object)[: len(found)]
            assert (mine.isna() | (mine == all_)).all(), (size, name)


def test_cut_near_its_end_a_listing_tells_nothing_that_is_not_so(sample, tables):
    size = sample.stat().st_size
    _cut(sample, [size - 1, size - 9], tables[sample.name])


@pytest.mark.slow(1)
def test_cut_anywhere_a_listing_tells_nothing_that_is_not_so(sample, tables):
    _cut(sample, range(sample.stat().st_size - 2, 0, -max(sample.stat().st_size // 4, 5)), tables[sample.name])


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "conn.json"])
def test_a_line_of_nonsense_is_told_by_its_number(tables, tmp_path, name):
    lines = SAMPLES[name][1].splitlines(keepends=True)
    table = nsm.read_sessions(_write(tmp_path / name, "".join(lines) + "a\0b,\u202e!\n"), label="x")
    assert len(table) == len(tables[name])
    assert len(lines) + 1 in [each.record for each in caveats_of(table)]


@pytest.mark.parametrize("format", sorted(OURS))
def test_a_foreign_file_is_refused_in_a_sentence(tmp_path, format):
    place = tmp_path / "foreign"
    for content in (
        b"%PDF-1.7\n\0\1\2\n",
        b"\xd4\xc3\xb2\xa1" + bytes(400),
        b"a,b,c\n1,2,3\n",
        b"\n\n\n",
        b"{}\n[1]\n",
        b"\xff\xfe\0",
    ):
        place.write_bytes(content)
        try:
            found = nsm.read_sessions(place, format=format, label="x")
        except NsmError as problem:
            assert "x" in str(problem)
        else:
            assert len(found) == 0


@pytest.mark.parametrize("name", ["nfdump-1.7.csv", "ra.csv", "flow-print-3.txt", "conn.log"])
def test_addresses_and_numbers_that_are_none_are_missing_and_told(tmp_path, name):
    text = SAMPLES[name][1].replace("192.168.60.2", "999.1.1.x").replace("56", "-56")
    table = nsm.read_sessions(_write(tmp_path / name, text), label="x")
    assert table["src_ip"].isna().sum() == 1
    assert any("'999.1.1.x'" in each.detail for each in caveats_of(table))


def test_numbers_too_large_are_missing_and_told(tmp_path):
    text = SAMPLES["nfdump-1.7.csv"][1].replace(",6,320,", ",9999999999999999999999,99999999999999999,")
    table = nsm.read_sessions(_write(tmp_path / "x.csv", text), label="x")
    assert table["src_packets"].isna().tolist() == [True, False]
    assert any("which is no such number" in each.detail for each in caveats_of(table))


def test_events_of_netflow_in_eve_are_flows_of_one_direction(tmp_path):
    event = {
        "timestamp": "2003-11-13T17:00:30.000000+0000", "event_type": "netflow", "src_ip": "10.1.1.177", "src_port": 2254,
        "dest_ip": "216.239.37.99", "dest_port": 80, "proto": "TCP", "app_proto": "http", "tcp": {"tcp_flags": "1b"},
        "netflow": {"pkts": 6, "bytes": 404, "start": "2003-11-13T17:00:04.020000+0000",
                    "end": "2003-11-13T17:00:04.200000+0000"},
    }  # fmt: skip
    unreachable = event | {"proto": "ICMP", "icmp_type": 3, "icmp_code": 3}
    text = f"{json.dumps(event)}\n{json.dumps(unreachable)}\n"
    found = nsm.read_sessions(_write(tmp_path / "eve.json", text), label="x")
    assert found[["src_packets", "src_octets"]].values.tolist() == [[6, 320], [6, 320]]
    assert found["dst_packets"].isna().all()
    assert found["src_flags"].tolist() == [27, 27]
    assert found["state"].tolist()[1] == "URP"
    assert not found["direction_known"].any()
    # where flows stand beside them, these are read, and it is said that there are more
    flow = event | {"event_type": "flow", "flow": {"pkts_toserver": 6, "start": event["netflow"]["start"]}}
    both = nsm.read_sessions(_write(tmp_path / "both.json", text + json.dumps(flow) + "\n"), label="x")
    assert len(both) == 1
    assert any("2 events of type netflow" in each.detail for each in caveats_of(both))


@pytest.mark.parametrize("name", ["flow-print-5.txt", "flow-print-1.txt", "ra.txt"])
def test_in_a_case_the_year_and_the_date_come_from_its_capture(shared, tmp_path, name):
    (tmp_path / "evidence").mkdir()
    (tmp_path / "case.toml").write_text('name = "x"\n')
    (tmp_path / "evidence" / "seed.pcap").symlink_to(shared / "fixtures" / "seed.pcap")
    _write(tmp_path / "evidence" / name, SAMPLES[name][1])
    case = nsm.open_case(tmp_path)
    listed = case.sessions
    assert set(listed["start"].dt.date.astype(str)) == {"2003-11-13"}
    if name != "ra.txt":  # which tells no end; the others tell what the capture holds: there is nothing left of them
        assert set(listed["source"]) == {"pcap"}


@pytest.mark.slow(1)
@pytest.mark.parametrize("name", ["nfdump-1.7.csv", "conn.log", "ra.csv", "flow-print-3.txt"])
def test_tens_of_thousands_of_lines_take_no_second(tmp_path, name):
    from time import process_time

    lines = SAMPLES[name][1].splitlines(keepends=True)
    records = [line for line in lines if "10.1.1.177" in line]
    place = _write(tmp_path / name, "".join([*lines, *(records * (40_000 // len(records)))]))
    before = process_time()
    found = nsm.read_sessions(place, label="x")
    assert len(found) >= 40_000
    assert process_time() - before < 1.5  # measured 0.1 to 0.3 s of the processor


def _write(place, text):
    place.write_text(text)
    return place


def test_every_format_is_there():
    assert not OURS - set(FORMATS)
    assert np.all([hasattr(reader(each), "sessions") for each in OURS])
