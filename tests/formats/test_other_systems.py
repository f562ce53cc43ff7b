"""Alerts of Zeek, Sguil, Wazuh and Elastic, and EVE's events besides alerts and flows."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from nsm_nb.errors import UnknownFormat
from nsm_nb.formats import event_types, mapped_json, read_alerts, read_events, sguil_csv, zeek_notice, zeek_weird
from nsm_nb.formats.json_lines import json_paths
from nsm_nb.schema import caveats_of
from tests.formats.samples import SAMPLES


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


@pytest.fixture
def write(tmp_path):
    def made(content):
        path = tmp_path / "log"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return made


# --- Zeek


def test_a_notice_tells_what_it_is_about(write):
    table = zeek_notice.alerts(write(SAMPLES["zeek-notice"]))
    assert values(table["message"]) == ["Scan::Port_Scan: a\tb", "CaptureLoss::Too_Much_Loss: 5 %"]
    assert values(table["classification"]) == ["Scan::Port_Scan", "CaptureLoss::Too_Much_Loss"]
    assert values(table["src_ip"]) == ["216.239.37.99", "10.0.0.1"]  # src, where there is no connection
    assert values(table["action"]) == [None, "drop"]
    assert values(table["dst_port"]) == [2254, None]
    assert values(table["record"]) == [7, 8]
    told = zeek_notice.detail(write(SAMPLES["zeek-notice"]), 7)
    assert (told["msg"], told["sub"], told["dropped"]) == ("a\tb", None, "F")


def test_the_header_may_come_again_with_other_fields(write):
    both = SAMPLES["zeek-weird"] + SAMPLES["zeek-weird"].replace(b"\tuid", b"").replace(b"\tC1", b"")
    table = zeek_weird.alerts(write(both))
    assert values(table["message"]) == ["odd: more"] * 2
    assert table["time"].nunique() == 1
    assert "uid" not in zeek_weird.detail(write(both), int(table["record"][1]))


def test_a_row_of_another_width_is_told(write):
    table = zeek_weird.alerts(write(SAMPLES["zeek-weird"].replace(b"#close", b"1.5\tx\n#close")))
    assert len(table) == 1
    assert "has 2 values, not the 10 of the header" in caveats_of(table)[0].detail


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1575413186.258834", "2019-12-03 22:46:26.258834"),
        ("1575413205.85388", "2019-12-03 22:46:45.85388"),
        ("1575413186258", "2019-12-03 22:46:26.258"),
        ('"2019-12-03T22:46:26.258834Z"', "2019-12-03 22:46:26.258834"),
        ("null", None), ('"x"', None), ("-1", None), ("99999999999", None),
    ],
)  # fmt: skip
def test_a_time_of_zeeks_json_is_exact(write, stamp, expected):
    content = f'{{"_path":"weird","ts":{stamp},"name":"odd","notice":false}}\n'
    table = zeek_weird.alerts(write(content))
    assert values(table["time"]) == [expected and pd.Timestamp(expected, tz="UTC")]
    assert bool(caveats_of(table)) == (expected is None)


def test_the_logs_of_the_corpus_are_read(shared):
    folder = shared / "corpus" / "other"
    plain = zeek_notice.alerts(folder / "zat" / "data" / "notice.log")
    rows = [
        line.split("\t") for line in (folder / "zat" / "data" / "notice.log").read_text().splitlines() if line[0] != "#"
    ]
    assert values(plain["message"]) == [f"{row[10]}: {row[11]}" for row in rows]
    assert [f"{time.timestamp():.6f}" for time in plain["time"]] == [row[0] for row in rows]
    (otrf,) = folder.glob("otrf/**/weird.log")
    table = zeek_weird.alerts(otrf)
    rows = [
        json.loads(line) if line[0] == "{" else line.split("\t")
        for line in otrf.read_text().splitlines()
        if line[0] != "#"
    ]
    assert len(table) == len(rows)
    assert caveats_of(table) == []


# --- Sguil


@pytest.mark.parametrize("separator", [",", "|", "||", "\t"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_an_export_of_sguil_is_read_with_each_separator(write, separator, quote):
    rows = [
        list(sguil_csv.COLUMNS),
        ["RT", "3", "s1", "1.12345", "2003-11-13 17:00:04", "216.239.37.99", "80", "10.1.1.177", "2254", "6", "ATTACK id"],
        ["C1", "1", "s1", "1.12346", "2003-11-13 17:00:05", "216.239.37.99", "8", "10.1.1.177", "0", "1", "ping"],
    ]  # fmt: skip
    path = write("".join(separator.join(f"{quote}{each}{quote}" for each in row) + "\r\n" for row in rows))
    assert sguil_csv.recognises(path.read_bytes())
    table = read_alerts(path)
    assert values(table["message"]) == ["ATTACK id", "ping"]
    assert values(table["proto"]) == ["tcp", "icmp"]
    assert values(table["src_port"]) == [80, None]
    assert values(table["record"]) == [2, 3]
    assert any("2 rows stand for 4 events" in caveat.detail for caveat in caveats_of(table))
    assert sguil_csv.detail(path, 3)["ST"] == "C1"


# --- Wazuh, Elastic, any


@pytest.mark.parametrize(("level", "priority"), [(15, 1), (12, 1), (11, 2), (7, 2), (6, 3), (4, 3), (3, 4), (0, 4)])
def test_levels_of_wazuh_become_priorities(write, level, priority):
    table = mapped_json.alerts(write(SAMPLES["mapped-json"].replace(b'"level": 10', b'"level": %d' % level)))
    assert values(table["priority"]) == [priority]
    assert any("Wazuh's levels" in caveat.detail for caveat in caveats_of(table))


def test_wazuh_and_elastic_need_no_map(write):
    table = read_alerts(write(SAMPLES["mapped-json"]))
    assert [values(table[name])[0] for name in ("sensor", "sid", "message", "classification", "src_ip", "src_port")] == [
        "web01", 5712, "sshd: brute force", "syslog", "203.0.113.5", 5555,
    ]  # fmt: skip
    table = read_alerts(write(SAMPLES["mapped-json ecs"]))
    assert [values(table[name])[0] for name in ("sensor", "sid", "priority", "proto", "dst_port", "community_id")] == [
        "s1", 2010935, 2, "tcp", 22, "1:abc=",
    ]  # fmt: skip
    flat = {"@timestamp": "2026-11-24T02:30:42Z", "kibana.alert.rule.name": "x", "kibana.alert.severity": "critical",
            "source.ip": ["10.0.0.1", "10.0.0.2"]}  # fmt: skip
    table = read_alerts(write(json.dumps(flat) + "\n"))
    assert [values(table[name])[0] for name in ("message", "priority", "src_ip")] == ["x", 1, "10.0.0.1"]


def test_a_map_of_ones_own_reads_any_json(write):
    lines = [
        {"when": 1068742804.5, "a.b": {"it's": "first"}},
        {"when": "2003-11-13T17:00:05Z", "c": "second"},
        {"d": 1},
    ]
    path = write("".join(json.dumps(line) + "\n" for line in lines))
    table = read_alerts(path, format="mapped-json", columns={"time": "when", "message": '"a.b".it\'s|c'})
    assert values(table["message"]) == ["first", "second"]
    assert values(table["time"]) == [pd.Timestamp(f"2003-11-13 17:00:0{each}", tz="UTC") for each in ("4.5", "5")]
    assert [caveat.record for caveat in caveats_of(table)] == [3]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"message": "a"}, "must have time"), ({"time": "a", "colour": "b"}, "'colour' is none"), ("other", "no map 'other'"),
        ({"time": "a\\b"}, "no path"), ({"time": 'a"'}, "no path"), ({"time": ""}, "no path"), ({"time": "a..b"}, "no path"),
        (["time"], "list of names, a map"),
    ],
)  # fmt: skip
def test_a_map_that_can_not_be_is_refused(write, columns, said):
    with pytest.raises(UnknownFormat, match=said):
        read_alerts(write(SAMPLES["mapped-json"]), format="mapped-json", columns=columns)


def test_a_path_can_not_leave_its_quotes():
    assert json_paths("rule.description|x") == ["""'$."rule"."description"'""", """'$."x"'"""]
    assert json_paths('"id.orig_h"') == ["""'$."id.orig_h"'"""]
    assert json_paths("a') FROM secrets --") == ["""'$."a'') FROM secrets --"'"""]


# --- events


def test_every_event_of_a_type_equals_its_line(evidence):
    path = evidence / "suricata" / "eve.json"
    told = [json.loads(line) for line in path.read_bytes().splitlines()]
    counts = event_types(path)
    assert counts.to_dict() == pd.Series([event["event_type"] for event in told]).value_counts().to_dict()
    for kind in ("dns", "http", "tls", "smb", "ssh", "fileinfo", "anomaly", "stats"):
        expected = [(number, event) for number, event in enumerate(told, 1) if event["event_type"] == kind]
        table = read_events(path, kind)
        assert values(table["record"]) == [number for number, _ in expected]
        assert values(table["dst_port"]) == [event.get("dest_port") for _, event in expected]
        for name in [name for name in table if "." in name][:40]:
            for got, (_, event) in zip(values(table[name]), expected, strict=True):
                value = event
                for key in name.split("."):
                    value = value.get(key) if isinstance(value, dict) else None
                assert got == (json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value), name
    with pytest.raises(UnknownFormat, match="no events of type 'login'"):
        read_events(path, "login")


def test_a_line_of_endless_keys_makes_no_endless_table(tmp_path):
    event = {"timestamp": "2026-11-24T02:30:42.5+0000", "event_type": "dns", "dns": {f"k{n}": n for n in range(5_000)}}
    path = tmp_path / "eve.json"
    path.write_text(json.dumps(event) + "\n" + json.dumps(event | {"dns": {"k1": "x", "k2": True, "k3": None}}) + "\n")
    table = read_events(path, "dns")
    assert len(table.columns) < 520
    assert len(json.loads(table["other"][0])) == 5_000 - 500
    assert values(table["dns.k1"]) == ["1", "x"]
    assert values(table["dns.k3"]) == [3, None]
