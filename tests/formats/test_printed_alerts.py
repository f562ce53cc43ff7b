"""The forms in which Snort prints alerts besides the fast one: full, syslog, CSV, and Snort 3's CSV and JSON."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.errors import UnknownFormat
from nsm_nb.formats import read_alerts, recognised, snort3_csv, snort3_json, snort_csv, snort_full, snort_syslog
from nsm_nb.formats.following import follow
from nsm_nb.schema import caveats_of
from tests.formats.samples import ALERT, SAMPLES


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


@pytest.fixture
def write(tmp_path):
    def made(*lines):
        path = tmp_path / "log"
        path.write_text("\n".join(lines) + "\n")
        return path

    return made


# --- full

FULL = SAMPLES["snort-full"].decode()


def test_references_stand_in_the_detail_as_text(write):
    told = snort_full.detail(write(FULL), 1)
    assert told["references"] == ["http://example.com/x", "http://cve.example/1999-0067"]
    assert told["text"] == FULL.rstrip()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("[Classification: Potentially Bad Traffic] ", ""), {"classification": None, "priority": 2}),
        (("[**] [1", "[Drop] [**] [1"), {"action": "drop", "sid": 498}),
        (("/26-", "/2003-"), {"time": pd.Timestamp("2003-11-24 02:30:42.898627", tz="UTC")}),
        (
            ("627 216.239.37.99:80 -> 10.1.1.177:2254", "627 0:C:29:AA:BB:1 -> 0:C:29:AA:BB:3 type:0x800 len:0x9E\n"
             "216.239.37.99:80 -> 10.1.1.177:2254"),
            {"src_ip": "216.239.37.99", "src_port": 80, "dst_port": 2254, "proto": "tcp"},
        ),
        (
            ("216.239.37.99:80 -> 10.1.1.177:2254\nTCP", "fe80::1 -> ff02::1\nIPV6-ICMP"),
            {"src_ip": "fe80::1", "dst_port": None, "proto": "icmp6"},
        ),
        (("\nTCP TTL", "\nPROTO:255 TTL"), {"proto": "255", "src_port": None}),
    ],
)  # fmt: skip
def test_a_form_of_the_full_alert_is_read(write, change, expected):
    table = snort_full.alerts(write(FULL.replace(*change)))
    assert {name: values(table[name])[0] for name in expected} == expected
    assert {caveat.kind for caveat in caveats_of(table)} == {"clock"}


def test_an_alert_across_two_blocks_is_whole(evidence, monkeypatch):
    from nsm_nb.formats import lines

    expected = snort_full.alerts(evidence / "snort2" / "alert.full", label="x")
    monkeypatch.setattr(lines.Lines.__init__, "__kwdefaults__", {"block": 700, "longest": 300, "span": None})
    table = snort_full.alerts(evidence / "snort2" / "alert.full", label="x")
    pd.testing.assert_frame_equal(table, expected)


def test_an_alert_without_its_time_is_told_and_left_out(write):
    head = FULL.splitlines()[0]
    table = snort_full.alerts(write(head, "", FULL, "other", ""))
    assert values(table["record"]) == [3]
    assert [(caveat.record, caveat.kind) for caveat in caveats_of(table) if caveat.record] == [
        (11, "line"),
        (1, "line"),
    ]


# --- syslog


@pytest.mark.parametrize(
    ("prefix", "time", "sensor"),
    [
        ("<33>Nov  3 17:00:04 sensor snort[123]: ", "2026-11-03 17:00:04", "sensor"),
        ("Nov 13 17:00:04 sensor snort: ", "2026-11-13 17:00:04", "sensor"),
        ("<33>Nov 13 17:00:04 snort[123]: ", "2026-11-13 17:00:04", None),
        ("Nov 13 2003 17:00:04 sensor suricata[3]: ", "2003-11-13 17:00:04", "sensor"),
        ("2003 Nov 13 17:00:04 sensor barnyard2[3]: ", "2003-11-13 17:00:04", "sensor"),
        ("<33>1 2003-11-13T17:00:04.003Z sensor snort 123 - - ", "2003-11-13 17:00:04.003", "sensor"),
        ("2003-11-13T17:00:04.003000+01:00 sensor snort[1]: ", "2003-11-13 16:00:04.003", "sensor"),
        ("2003-11-13 17:00:04 sensor snort[1]: ", "2003-11-13 17:00:04", "sensor"),
    ],
)
def test_a_header_of_syslog_is_read(write, prefix, time, sensor):
    path = write("Nov 13 16:59:00 sensor sshd[1]: Server listening", prefix + ALERT)
    assert recognised(path) == ["snort-syslog"]
    table = snort_syslog.alerts(path, near=pd.Timestamp("2026-11-24", tz="UTC"))
    assert values(table["time"]) == [pd.Timestamp(time, tz="UTC")]
    assert values(table["sensor"]) == [sensor]
    assert values(table["record"]) == [2]
    assert {caveat.kind for caveat in caveats_of(table)} <= {"clock"}  # lines of others are passed over


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("2] {", "2]: {"), {"priority": 2}),
        (("2] {", "2]: <eth0> {"), {"priority": 2, "proto": "tcp"}),
        (("[Classification: Potentially Bad Traffic] ", ""), {"classification": None}),
        (("[1:498", "[Drop] [1:498"), {"action": "drop"}),
        (("ATTACK-RESPONSES id", '"ATTACK-RESPONSES id"'), {"message": "ATTACK-RESPONSES id"}),
        (("{TCP} 216.239.37.99:80 -> 10.1.1.177:2254", "{ICMP} 10.0.0.1 -> 10.0.0.2"), {"src_port": None, "proto": "icmp"}),
    ],
)  # fmt: skip
def test_a_form_of_the_line_is_read(write, change, expected):
    table = snort_syslog.alerts(write("2026-11-24T02:30:42Z s snort[1]: " + ALERT.replace(*change)))
    assert {name: values(table[name])[0] for name in expected} == expected


# --- CSV

CSV = SAMPLES["snort-csv"].decode().strip()


def test_the_traps_of_snorts_csv_are_known(write):
    icmp = '11/13/03-17:00:17.000000 ,1,3,3,"a ""b"", c",ICMP,172.27.20.3,,192.168.60.2,,a,b,0x4A,,,,,,64,0,1,60,61440,8,0,77,0'
    table = snort_csv.alerts(write(CSV, icmp))
    assert values(table["message"]) == ["ATTACK-RESPONSES id", 'a "b", c']
    assert values(table["src_port"]) == [80, None]
    assert table[["classification", "priority"]].isna().all(axis=None)
    told = snort_csv.detail(write(CSV, icmp), 2)
    assert (told["icmptype"], told["dgmlen"], told["tcpflags"]) == ("8", "60", None)


def test_columns_of_ones_own_are_read_where_they_are_named(write):
    path = write(
        "11/13/03-17:00:04.5 ,hi,1.2.3.4,5,2", "11/13/03-17:00:05.5 ,there,1.2.3.4,,x", "11/13/03-17:00:04,torn"
    )
    names = ["timestamp", "msg", "src", "srcport", "priority"]
    table = read_alerts(path, format="snort-csv", columns=names)
    assert values(table["message"]) == ["hi", "there"]
    assert values(table["priority"]) == [2, None]
    assert values(table["src_ip"]) == ["1.2.3.4"] * 2
    assert values(table["src_port"]) == [5, None]  # the protocol is not told
    assert snort_csv.detail(path, 1, columns=names)["msg"] == "hi"
    assert any("has 2 values, not 5" in caveat.detail for caveat in caveats_of(table))
    for wrong, said in (
        (["timestamp", "message"], "no column 'message'"),
        (["msg"], "no times"),
        ("msg", "list of names"),
    ):
        with pytest.raises(UnknownFormat, match=said):
            read_alerts(path, format="snort-csv", columns=wrong)


def test_a_quote_that_is_not_closed_swallows_no_other_line(write):
    table = snort_csv.alerts(write(CSV, CSV.replace('id"', "id"), CSV))
    assert values(table["record"]) == [1, 3]


# --- Snort 3


@pytest.mark.parametrize(
    ("line", "names", "expected"),
    [
        ("11/13-17:00:04.5, 11, ICMP, raw, 158, S2C, 1.2.3.4:0, 5.6.7.8:0, 1:498:6, allow", None,
         {"proto": "icmp", "src_ip": "1.2.3.4", "src_port": None, "action": "allow", "sid": 498}),
        ("11/13-17:00:04.5, 11, TCP, raw, 158, UNK, 2001:db8::1:80, fe80::2:90, 1:498:6, drop", None,
         {"src_ip": "2001:db8::1", "src_port": 80, "dst_port": 90}),
        ('1068742804, 11/13-17:00:04.5, "a, b", none, 3, UDP, 1.2.3.4, 53',
         ["seconds", "timestamp", "msg", "class", "priority", "proto", "src_addr", "src_port"],
         {"time": pd.Timestamp("2003-11-13 17:00:04.5", tz="UTC"), "message": "a, b", "classification": None, "src_port": 53}),
    ],
)  # fmt: skip
def test_a_form_of_snort_3s_csv_is_read(write, line, names, expected):
    table = snort3_csv.alerts(write(line), columns=names)
    assert {name: values(table[name])[0] for name in expected} == expected


def test_seconds_are_the_time_where_snort_3_tells_them(write):
    line = '{ "seconds" : 1068742804, "timestamp" : "11/13-18:00:04.120000", "rule" : "1:498:6", "proto" : "TCP" }'
    table = snort3_json.alerts(write(line, line.replace("1068742804", '"x"')))
    # the timestamp is local: an hour later here
    assert values(table["time"]) == [pd.Timestamp("2003-11-13 17:00:04.12", tz="UTC"), None]
    assert [caveat.record for caveat in caveats_of(table)] == [2]


def test_fields_that_are_not_there_are_missing(write):
    table = snort3_json.alerts(
        write('{ "timestamp" : "03/11/13-17:00:04.120000", "sid" : 498, "src_addr" : "1.2.3.4" }')
    )
    assert values(table["time"]) == [pd.Timestamp("2003-11-13 17:00:04.12", tz="UTC")]
    for name in ("message", "gid", "dst_ip", "src_port", "proto", "action"):
        assert values(table[name]) == [None], name
    assert values(table["sid"]) == [498]


def test_alerts_that_a_daemon_counted_instead_of_writing_them_are_told(tmp_path):
    head = "Nov 24 02:30:42 sensor "
    path = tmp_path / "auth.log"
    whole = f"{head}snort[1]: {ALERT}\n{head}last message repeated 5 times\n"
    path.write_text(
        f"{whole}{head}cron[2]: x\n{head}last message repeated 2 times\n{head}snort[1]: message repeated 3 times: [ {ALERT}]\n"
        f"{head}snort[1]: {ALERT.replace('ATTACK', 'message repeated 9 times')}\n"
    )
    table = read_alerts(path)
    assert table["record"].tolist() == [1, 5, 6]
    assert table["dst_port"].tolist() == [2254] * 3
    assert table["message"].nunique() == 2
    said = [caveat.detail.partition(": ")[2] for caveat in caveats_of(table) if caveat.kind == "repeated"]
    assert [each.partition(" ")[2] for each in said[:2]] == [
        f"2 (byte {len(whole.splitlines()[0]) + 1}) says that the line before it came 5 times more; the table has no rows of it",
        f"5 (byte {path.read_text().index(head + 'snort[1]: message')}) stands for 3 alerts, of which the table has one",
    ]
    assert said[2] == "its daemon put 8 repeated alerts into 2 lines"
    assert said[3].startswith("1 line says that a line before it, which is no alert")


def test_a_count_that_follows_an_alert_read_before_is_told(tmp_path):
    head = "Nov 24 02:30:42 sensor "
    path = tmp_path / "auth.log"
    path.write_text(f"{head}snort[1]: {ALERT}\n")
    follower = follow(path)
    follower.new()
    with path.open("a") as file:
        file.write(f"{head}last message repeated 5 times\n")
    assert any("came 5 times more" in caveat.detail for caveat in caveats_of(follower.new()))


def test_snort_3_whose_fields_change_within_a_file_is_read_row_by_row(write):
    old = ('{ "timestamp" : "11/13-17:00:04.120000", "proto" : "TCP", "src_ap" : "10.1.1.177:1045", '
           '"dst_ap" : "fe80::1:2:80", "rule" : "1:498:6" }')  # fmt: skip
    new = ('{ "seconds" : 1068742805, "timestamp" : "11/13-17:00:05.120000", "proto" : "TCP", "src_addr" : "10.1.1.178", '
           '"src_port" : 1046, "dst_addr" : "fe80::1:2", "dst_port" : 80, "gid" : 1, "sid" : 499, "rev" : 1 }')  # fmt: skip
    table = read_alerts(write(old, new, old), near=pd.Timestamp("2003-11-20", tz="UTC"))
    assert table["time"].tolist() == [pd.Timestamp(f"2003-11-13 17:00:0{each}.12", tz="UTC") for each in (4, 5, 4)]
    assert values(table["src_ip"]) == ["10.1.1.177", "10.1.1.178", "10.1.1.177"]
    assert values(table["src_port"]) == [1045, 1046, 1045]
    assert values(table["dst_ip"]) == ["fe80::1:2"] * 3
    assert values(table["dst_port"]) == [80] * 3
    assert values(table["sid"]) == [498, 499, 498]
    assert any("2 of 2 times carry no year" in caveat.detail for caveat in caveats_of(table))


def test_the_end_of_an_address_is_no_port_where_that_stands_elsewhere(write):
    row = SAMPLES["snort-csv"].decode().strip().replace("216.239.37.99", "fe80::1:2")
    table = read_alerts(write(row))
    assert values(table["src_ip"]) == ["fe80::1:2"]
    assert values(table["src_port"]) == [80]


def test_columns_that_a_format_does_not_take_name_the_one_that_does(write):
    columns = {"time": "when", "message": "what"}
    eve = '{"timestamp":"2026-11-24T02:30:00.000000+0000","event_type":"alert","alert":{"signature_id":1}}'
    for line in (eve, '{"when":"2026-11-24T02:30:00Z","what":"x"}'):
        with pytest.raises(UnknownFormat, match='say format="mapped-json"'):
            read_alerts(write(line), columns=columns)
    mapped = read_alerts(write('{"when":"2026-11-24T02:30:00Z","what":"x"}'), columns=columns, format="mapped-json")
    assert mapped["message"].tolist() == ["x"]
