"""Alerts in fast format: the forms that Snort 2, Snort 3 and Suricata write, and what is none of them."""

from __future__ import annotations

import csv
import gzip
import ipaddress
import os
import time

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsm_nb.errors import DamagedEvidence, UnknownName, UnreadableEvidence
from nsm_nb.formats import eve, snort_fast
from nsm_nb.schema import ALERTS, caveats_of

LINE = (
    "11/24/26-02:30:42.898627  [**] [1:498:6] ATTACK-RESPONSES id [**] [Classification: Potentially Bad Traffic] "
    "[Priority: 2] {TCP} 216.239.37.99:80 -> 10.1.1.177:2254"
)


def write(tmp_path, *lines, changed="2026-11-25"):
    path = tmp_path / "alert.fast"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    stamp = pd.Timestamp(changed, tz="UTC").timestamp()
    os.utime(path, (stamp, stamp))
    return path


def read(tmp_path, *lines, **options):
    return snort_fast.alerts(write(tmp_path, *lines, **options))


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


def details(table, kind=None):
    return [caveat.detail for caveat in caveats_of(table) if kind in (None, caveat.kind)]


# --- the bundled case, against other outputs of the same run


def test_snorts_fast_log_agrees_with_its_csv_log(evidence):
    table = snort_fast.alerts(evidence / "snort2" / "alert.fast")
    with (evidence / "snort2" / "alert.csv").open(newline="") as file:
        told = list(csv.reader(file))

    assert len(table) == len(told) == 77
    assert list(table.columns) == list(ALERTS.columns)
    assert table["time"].dt.strftime("%m/%d/%y-%H:%M:%S.%f").tolist() == [row[0].strip() for row in told]
    for place, name in enumerate(("gid", "sid", "rev"), 1):
        assert values(table[name]) == [int(row[place]) for row in told]
    assert values(table["message"]) == [row[4] for row in told]
    assert values(table["proto"]) == [row[5].lower() for row in told]
    for place, name in ((6, "src_ip"), (8, "dst_ip")):
        assert values(table[name]) == [row[place] for row in told]
    for place, name in ((7, "src_port"), (9, "dst_port")):
        assert values(table[name]) == [int(row[place]) if row[place] else None for row in told]
    assert values(table["record"]) == list(range(1, 78))
    assert {caveat.kind for caveat in caveats_of(table)} == {"clock"}


def test_suricatas_fast_log_agrees_with_its_eve_log(evidence, truth):
    fast = snort_fast.alerts(truth / "fast.log", label="x")
    told = eve.alerts(evidence / "suricata" / "eve.json", label="x")
    same = [name for name in ALERTS.columns if name not in ("alert", "record", "source", "action", "community_id")]
    for name in same:
        assert values(fast[name]) == values(told[name]), name


def test_the_fixtures_are_read(shared):
    table = snort_fast.alerts(shared / "fixtures" / "alert.fast")
    assert len(table) == 7
    assert values(table["src_port"])[2] is None
    assert values(table["classification"])[1] is None
    assert len(snort_fast.alerts(shared / "fixtures" / "fast.log")) == 2


# --- forms of a line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (LINE, {"time": "2026-11-24 02:30:42.898627", "sid": 498, "message": "ATTACK-RESPONSES id", "src_port": 80}),
        (LINE.replace("/26-", "/2003-"), {"time": "2003-11-24 02:30:42.898627"}),
        (LINE.replace("/26-", "/99-"), {"time": "1999-11-24 02:30:42.898627"}),
        (LINE.replace("/26-", "-"), {"time": "2026-11-24 02:30:42.898627"}),
        (LINE.replace(".898627", ""), {"time": "2026-11-24 02:30:42"}),
        (LINE.replace(".898627", ".123456789"), {"time": "2026-11-24 02:30:42.123456789"}),
        (LINE.replace("  [**]", "  [Drop] [**]"), {"action": "drop"}),
        (LINE.replace("  [**]", "  [wDrop] [**]"), {"action": "wdrop"}),
        (LINE.replace("  [**]", " [would_block] [**]"), {"action": "would_block"}),
        (LINE.replace("[Classification: Potentially Bad Traffic] ", ""), {"classification": None, "priority": 2}),
        (LINE.replace("Potentially Bad Traffic", ""), {"classification": None}),
        (LINE.replace("[Priority: 2]", "[Priority: 2]:"), {"priority": 2}),
        (LINE.replace("[Priority: 2] ", ""), {"priority": None, "sid": 498}),
        (LINE.replace("{TCP}", "[AppID: http] {TCP}"), {"message": "ATTACK-RESPONSES id", "proto": "tcp"}),
        (LINE.replace("{TCP}", "<eth0> {TCP}"), {"proto": "tcp"}),
        (LINE.replace("ATTACK-RESPONSES id", '"ATTACK-RESPONSES id"'), {"message": "ATTACK-RESPONSES id"}),
        (LINE.replace("ATTACK-RESPONSES id", '"'), {"message": '"'}),
        (LINE.replace("ATTACK-RESPONSES id ", ""), {"message": None}),
        (LINE.replace("[1:498:6] ", ""), {"gid": None, "sid": None, "rev": None, "message": "ATTACK-RESPONSES id"}),
        (LINE.replace("ATTACK-RESPONSES id", "a [1:2:3] {UDP} 1.1.1.1 -> 2.2.2.2 b"),
         {"sid": 498, "message": "a [1:2:3] {UDP} 1.1.1.1 -> 2.2.2.2 b", "proto": "tcp"}),
        (LINE + "\r", {"dst_port": 2254}),
        (LINE.split("{")[0] + "{ICMP} 10.0.0.1 -> 10.0.0.2", {"proto": "icmp", "src_port": None, "dst_ip": "10.0.0.2"}),
        (LINE.split("{")[0] + "{ICMP} 10.0.0.1:8 -> 10.0.0.2:0", {"src_ip": "10.0.0.1", "src_port": None}),
        (LINE.split("{")[0] + "{PROTO:255} 10.0.0.1 -> 10.0.0.2", {"proto": "255"}),
        (LINE.split("{")[0] + "{IPv6-ICMP} fe80::1 -> ff02::1", {"proto": "icmp6", "src_ip": "fe80::1"}),
        (LINE.split("{")[0] + "{IPV6-ICMP} fe80:0000:0000:0000:0000:0000:0000:0001 -> ff02::1", {"src_ip": "fe80::1"}),
        (LINE.split("{")[0] + "{UDP} fe80:0000:0000:0000:0000:0000:0000:0001:5353 -> ff02::fb:5353",
         {"src_ip": "fe80::1", "src_port": 5353, "dst_ip": "ff02::fb", "dst_port": 5353}),
        (LINE.split("{")[0] + "{TCP} [2001:db8::1]:443 -> 2001:0db8:0000:0000:0000:0000:0000:0002:80",
         {"src_ip": "2001:db8::1", "src_port": 443, "dst_ip": "2001:db8::2", "dst_port": 80}),
        (LINE.split("{")[0] + "{TCP} 10.0.0.1 -> 10.0.0.2", {"src_ip": "10.0.0.1", "src_port": None}),
        (LINE.split("{")[0] + "{TCP} 2001:db8:0:0:0:0:0:1 -> 10.0.0.2:70000",
         {"src_ip": "2001:db8::1", "dst_port": None}),
        (LINE.replace("{TCP}", "{6}"), {"proto": "tcp", "src_port": 80}),
    ],
)  # fmt: skip
def test_a_form_of_the_line_is_read(tmp_path, line, expected):
    table = read(tmp_path, line)
    assert len(table) == 1
    for name, value in expected.items():
        got = values(table[name])[0]
        assert got == (pd.Timestamp(value, tz="UTC") if name == "time" else value), name


@pytest.mark.parametrize(
    ("changed", "line", "expected"),
    [
        ("2026-11-25", "11/24-02:30:42.5", "2026-11-24 02:30:42.5"),
        ("2026-11-24", "11/25-02:30:42.5", "2026-11-25 02:30:42.5"),  # a clock east of UTC
        ("2026-11-23", "11/25-02:30:42.5", "2025-11-25 02:30:42.5"),
        ("2027-01-02", "12/31-23:59:59.5", "2026-12-31 23:59:59.5"),
        ("2026-12-31", "01/01-00:00:00.5", "2027-01-01 00:00:00.5"),
        ("2026-03-01", "02/29-00:00:00.5", "2024-02-29 00:00:00.5"),
    ],
)
def test_a_missing_year_is_the_last_one_before_the_file_was_changed(tmp_path, changed, line, expected):
    table = read(tmp_path, line + LINE[24:], changed=changed)
    assert table["time"][0] == pd.Timestamp(expected, tz="UTC")
    assert any(f"modification time, {changed}" in detail for detail in details(table, "clock"))


@pytest.mark.parametrize("date", ["02/30/26", "13/01/26", "11/31/2026", "00/10/26", "11/24/0001"])
def test_a_date_that_no_calendar_has_is_missing_and_told(tmp_path, date):
    table = read(tmp_path, LINE, date + LINE[8:])
    assert values(table["time"])[1] is None
    assert any("line 2 (byte" in detail and "calendar" in detail for detail in details(table, "clock"))


def test_times_without_a_zone_are_told_once(tmp_path):
    table = read(tmp_path, LINE, LINE)
    assert [detail for detail in details(table) if "zone" in detail] == details(table)


def test_an_address_that_is_none_is_missing_and_told(tmp_path):
    table = read(tmp_path, LINE.replace("216.239.37.99", "999.239.37.99"))
    assert values(table["src_ip"]) == [None]
    assert "'999.239.37.99:80'" in details(table, "address")[0]


# --- lines that are no alerts


def test_lines_of_the_packet_are_passed_over(tmp_path, shared):
    packets = (shared / "fixtures" / "snort_dve.txt").read_bytes().split(b"\n")
    rules = [place for place, line in enumerate(packets) if line.startswith(b"=+")]
    lines = [LINE.encode(), *packets[: rules[-1] + 1], LINE.encode()]
    table = read(tmp_path, *lines)
    assert values(table["record"]) == [1, len(lines)]
    assert details(table, "line") == []


def test_lines_of_the_full_format_are_packets_and_its_files_are_not_recognised(tmp_path, evidence):
    full = (evidence / "snort2" / "alert.full").read_bytes()
    assert not snort_fast.recognises(full[:65_536])


def test_other_lines_are_told_with_line_and_byte(tmp_path):
    path = write(tmp_path, LINE, "", "Nov 24 02:30:42 sensor snort[1]: started", LINE, LINE[:60])
    table = snort_fast.alerts(path, label="alert.fast")
    assert values(table["record"]) == [1, 4]
    noted = [caveat for caveat in caveats_of(table) if caveat.kind == "line"]
    data = path.read_bytes()
    assert [(caveat.record, data[caveat.offset :][:3]) for caveat in noted] == [(3, b"Nov"), (5, b"11/")]
    assert "alert.fast: line 3" in noted[0].detail


def test_a_torn_last_line_says_that_it_breaks_off(tmp_path):
    path = write(tmp_path, LINE)
    path.write_bytes(path.read_bytes() + LINE.encode()[:60])
    assert "breaks off after 60 bytes" in details(snort_fast.alerts(path), "line")[0]


def test_many_bad_lines_keep_their_count(tmp_path):
    table = read(tmp_path, *["bad", LINE] * 500)
    assert len(table) == 500
    noted = details(table, "line")
    assert len(noted) == 21
    assert "480 more" in noted[-1]


def test_bytes_that_are_not_utf8_and_nul_bytes_are_shown(tmp_path):
    table = read(tmp_path, LINE.encode().replace(b"ATTACK", b"caf\xe9 \x00\x1b[2J"))
    assert table["message"][0] == "caf\\xe9 \x00\x1b[2J-RESPONSES id"


@pytest.mark.parametrize(
    "line",
    [
        LINE[:24] + "[**] " * 1_000_000,
        LINE[:24] + "[**] [1:1:1] " + " [**] [Classification: " * 500_000,
        LINE[:24] + "[**] x [**] " + "[Priority: 1] " * 500_000,
        " " * 8_000_000,
        LINE[:24] + " " * 8_000_000,
        "A" + " A" * 4_000_000,
        "A: A" + " " * 8_000_000 + "x",
        LINE + " -> " * 2_000_000,
    ],
    ids=range(8),
)
def test_a_hostile_line_takes_no_longer_than_its_length(tmp_path, line):
    path = write(tmp_path, LINE, line)
    start = time.process_time()
    table = snort_fast.alerts(path)
    snort_fast.recognises(path.read_bytes())
    assert len(table) == 1
    assert time.process_time() - start < 10  # seconds for 8 MB, on any machine; backtracking would take hours


@pytest.mark.parametrize("line", [b"", b"x", b"=+=", b"01 02 "], ids=["empty", "text", "ruler", "bytes"])
def test_a_file_of_tiny_lines_is_cheap(tmp_path, line):
    path = write(tmp_path, LINE)
    path.write_bytes(path.read_bytes() + (line + b"\n") * 1_000_000 + LINE.encode() + b"\n")
    start = time.process_time()
    table = snort_fast.alerts(path)
    assert values(table["record"]) == [1, 1_000_002]
    assert time.process_time() - start < 20
    assert len(details(table, "line")) == (21 if line == b"x" else 0)
    assert line != b"x" or "1,000,000 in all" in details(table, "line")[-1]


def test_a_file_of_something_else_is_refused(tmp_path):
    path = write(tmp_path, "GET / HTTP/1.1", "Host: x")
    with pytest.raises(DamagedEvidence, match="not one of its 2 lines") as problem:
        snort_fast.alerts(path)
    assert len(problem.value.table) == 0
    with pytest.raises(UnreadableEvidence, match="is a folder"):
        snort_fast.alerts(tmp_path)


def test_a_log_of_blank_lines_gives_an_empty_table(tmp_path):
    table = read(tmp_path, "", "")
    assert len(table) == 0
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        name: str(dtype) for name, dtype in ALERTS.empty().dtypes.items()
    }
    assert caveats_of(table) == []


def test_gzip_gives_the_same_rows(evidence, tmp_path):
    path = tmp_path / "alert.fast.gz"
    plain = evidence / "snort2" / "alert.fast"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    pd.testing.assert_frame_equal(
        snort_fast.alerts(path, label="x", digest="0" * 64), snort_fast.alerts(plain, label="x", digest="0" * 64)
    )


# --- detail, recognising


def test_the_detail_is_the_line_and_its_parts(evidence):
    path = evidence / "snort2" / "alert.fast"
    lines = path.read_text().splitlines()
    for record in (1, 40, 77):
        found = snort_fast.detail(path, record)
        assert found["line"] == lines[record - 1]
        assert f"[{found['gid']}:{found['sid']}:{found['rev']}] {found['message']} [**]" in found["line"]
    with pytest.raises(UnknownName, match="has no line 78"):
        snort_fast.detail(path, 78)


def test_the_detail_of_a_line_that_is_no_alert_is_refused(tmp_path):
    with pytest.raises(UnknownName, match=r"line 2 of .* is no alert"):
        snort_fast.detail(write(tmp_path, LINE, "other"), 2)


def test_only_fast_logs_are_recognised(heads):
    recognised = {name for name, head in heads.items() if snort_fast.recognises(head)}
    assert recognised == {
        "cases/www-files01/snort2/alert.fast",
        "cases/www-files01/suricata/fast.log",
        "corpus/other/suricata-verify/tests/lua/lua-fastlog/expected/fast.log",
        "fixtures/alert.fast",
        "fixtures/fast.log",
    }


# --- any text


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=30).filter(
        lambda text: "[**]" not in text and text.strip() == text and text != '""'
    ),
    st.ip_addresses(),
    st.ip_addresses(),
    st.integers(0, 65_535),
    st.datetimes(min_value=pd.Timestamp("1990-01-01"), max_value=pd.Timestamp("2060-01-01")),
)
def test_what_is_written_is_read_back(tmp_path, message, src, dst, port, when):
    quoted = message[1:-1] if len(message) > 1 and message[0] == message[-1] == '"' else message
    text = f"{when:%m/%d/%Y-%H:%M:%S.%f}  [**] [1:2:3] {message} [**] [Priority: 1] {{UDP}} "
    text += f"{src.exploded}:{port} -> {dst.exploded}:{port}"
    table = read(tmp_path, text)
    assert values(table["message"]) == [quoted or None]
    assert table["time"][0] == pd.Timestamp(when, tz="UTC")
    assert [ipaddress.ip_address(table[name][0]) for name in ("src_ip", "dst_ip")] == [src, dst]
    assert values(table["src_port"]) == values(table["dst_port"]) == [port]


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_give_rows_and_caveats(tmp_path, lines):
    path = write(tmp_path, LINE, *lines, LINE)
    table = snort_fast.alerts(path)
    assert len(table) >= 2
    assert table["record"].iloc[-1] == path.read_bytes().count(b"\n")
