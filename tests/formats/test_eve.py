"""Suricata's EVE log: alerts and flows, and what must come out of damaged ones."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsm_nb.errors import DamagedEvidence, UnknownName, UnreadableEvidence
from nsm_nb.formats import eve
from nsm_nb.schema import ALERTS, SESSIONS, caveats_of

ALERT = {
    "timestamp": "2026-11-24T02:30:42.898627+0000",
    "event_type": "alert",
    "src_ip": "10.10.30.102",
    "src_port": 57564,
    "dest_ip": "10.10.20.5",
    "dest_port": 445,
    "proto": "TCP",
    "community_id": "1:7PspP4PC0v1WmzmvK+YZq3YZot0=",
    "alert": {
        "action": "allowed",
        "gid": 1,
        "signature_id": 9000006,
        "rev": 1,
        "signature": "SMB2 query directory",
        "category": "Misc activity",
        "severity": 3,
    },
}


@pytest.fixture(scope="module")
def log(evidence):
    return evidence / "suricata" / "eve.json"


@pytest.fixture(scope="module")
def events(log):
    """Every event with the number of its line, by Python's own reader."""
    return [(number, json.loads(line)) for number, line in enumerate(log.read_bytes().splitlines(), 1)]


def write(tmp_path, *lines, end=b"\n"):
    path = tmp_path / "eve.json"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines) + end)
    return path


def nanoseconds(text):
    when = datetime.datetime.fromisoformat(text)
    since = when.astimezone(datetime.UTC) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since // datetime.timedelta(microseconds=1)) * 1000


def values(column):
    """Return a column as plain Python values, None where it is missing."""
    return [None if pd.isna(value) else value for value in column.astype(object)]


# --- the bundled case


def test_every_alert_of_the_case_equals_its_line(log, events):
    table = eve.alerts(log, label="suricata/eve.json")
    expected = [(number, event) for number, event in events if event["event_type"] == "alert"]

    assert len(table) == 79
    assert list(table.columns) == list(ALERTS.columns)
    assert caveats_of(table) == []
    assert values(table["record"]) == [number for number, _ in expected]
    assert table["time"].dt.tz_localize(None).to_numpy().view("i8").tolist() == [
        nanoseconds(event["timestamp"]) for _, event in expected
    ]
    for name, field in (("src_ip", "src_ip"), ("dst_ip", "dest_ip")):
        assert values(table[name]) == [str(ipaddress.ip_address(event[field])) for _, event in expected]
    for name, field in (("src_port", "src_port"), ("dst_port", "dest_port"), ("community_id", "community_id")):
        assert values(table[name]) == [event.get(field) for _, event in expected]
    for name, field in (
        ("gid", "gid"),
        ("sid", "signature_id"),
        ("rev", "rev"),
        ("message", "signature"),
        ("classification", "category"),
        ("priority", "severity"),
        ("action", "action"),
    ):
        assert values(table[name]) == [event["alert"][field] for _, event in expected]
    assert set(table["evidence"]) == {"suricata/eve.json"}
    assert set(table["source"]) == {"eve"}


def test_the_alerts_are_those_that_suricata_wrote_in_its_other_log(log, truth):
    table = eve.alerts(log)
    lines = (truth / "fast.log").read_text().splitlines()

    seen = table["time"].dt.strftime("%m/%d/%Y-%H:%M:%S.%f") + " " + table["sid"].astype(str) + " " + table["message"]
    told = [re.sub(r"^(\S+)  \[\*\*\] \[1:(\d+):\d+\] (.*) \[\*\*\].*", r"\1 \2 \3", line) for line in lines]
    assert seen.tolist() == told


def test_alerts_are_named_by_the_evidence_and_the_line(log):
    import hashlib

    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    table = eve.alerts(log)
    assert values(table["alert"]) == [f"{digest[:12]}:{record}" for record in table["record"]]
    assert eve.alerts(log, digest="f" * 64)["alert"][0] == f"ffffffffffff:{table['record'][0]}"


def test_every_flow_of_the_case_equals_its_line(log, events):
    table = eve.sessions(log)
    expected = [(number, event) for number, event in events if event["event_type"] == "flow"]

    assert len(table) == 1444
    assert list(table.columns) == list(SESSIONS.columns)
    assert table["session"].is_unique
    assert values(table["record"]) == [number for number, _ in expected]
    for name in ("start", "end"):
        assert table[name].dt.tz_localize(None).to_numpy().view("i8").tolist() == [
            nanoseconds(event["flow"][name]) for _, event in expected
        ]
    assert values(table["src_packets"]) == [event["flow"]["pkts_toserver"] for _, event in expected]
    assert values(table["dst_packets"]) == [event["flow"]["pkts_toclient"] for _, event in expected]
    assert values(table["src_ip"]) == [str(ipaddress.ip_address(event["src_ip"])) for _, event in expected]
    assert values(table["dst_port"]) == [event.get("dest_port") for _, event in expected]
    apps = [event.get("app_proto") for _, event in expected]
    assert values(table["application"]) == [None if app == "failed" else app for app in apps]
    assert [caveat.kind for caveat in caveats_of(table)] == ["octets"]


def test_octets_of_the_flows_are_the_ip_bytes_that_tshark_counts(log, truth):
    packets = pd.read_csv(truth / "packets.tsv.gz", sep="\t", dtype=str, keep_default_na=False)
    if "ip.len" not in packets:
        pytest.skip("truth/packets.tsv.gz has no IP lengths")
    for name in packets:
        packets[name] = packets[name].str.split(",").str[0]
    v6 = packets["ip.len"] == ""
    packets["octets"] = (
        packets["ip.len"].where(~v6, pd.to_numeric(packets["ipv6.plen"]) + 40).replace("", None).astype(float)
    )
    src = packets["ip.src"].where(~v6, packets["ipv6.src"])
    dst = packets["ip.dst"].where(~v6, packets["ipv6.dst"])
    truth_octets = {}
    for proto in ("tcp", "udp"):
        some = packets[f"{proto}.srcport"] != ""
        keys = [proto + " " + src + " " + packets[f"{proto}.srcport"], dst + " " + packets[f"{proto}.dstport"]]
        truth_octets |= packets["octets"][some].groupby([key[some] for key in keys]).sum().to_dict()

    table = eve.sessions(log)
    ported = table[table["proto"].isin(["tcp", "udp"])].astype(object)
    counted: dict[tuple[str, str], int] = {}
    for row in ported.itertuples():
        for side, far in (("src", "dst"), ("dst", "src")):
            near = f"{row.proto} {getattr(row, side + '_ip')} {getattr(row, side + '_port')}"
            key = (near, f"{getattr(row, far + '_ip')} {getattr(row, far + '_port')}")
            counted[key] = counted.get(key, 0) + getattr(row, side + "_octets")
    counted = {key: octets for key, octets in counted.items() if octets}
    assert counted == truth_octets


def test_state_and_closing_agree_with_the_sessions_of_the_capture(log, evidence):
    from nsm_nb.formats import pcap
    from nsm_nb.sessions import assemble

    seen, _ = assemble(pcap.packets(evidence / "staged.pcap"))
    key = ["proto", "src_ip", "src_port", "dst_ip", "dst_port"]
    told = eve.sessions(log)
    both = pd.merge(
        told[told["proto"].isin(["tcp", "udp"])].astype(object), seen.astype(object), on=key, suffixes=("", "_seen")
    )

    assert len(both) == 1413
    for name in ("start", "end", "src_octets", "dst_octets", "state", "closed", "community_id"):
        assert values(both[name]) == values(both[f"{name}_seen"]), name
    tcp = both[both["proto"] == "tcp"]
    assert len(tcp) == 652
    assert values(tcp["direction_known"]) == values(tcp["direction_known_seen"])


def test_the_detail_of_an_alert_is_its_whole_line(log, events):
    for number, event in events[::500]:
        assert eve.detail(log, number) == event
    with pytest.raises(UnknownName, match="has no line 9,999"):
        eve.detail(log, 9999)


def test_gzip_gives_the_same_rows(log, tmp_path):
    path = tmp_path / "eve.json.gz"
    path.write_bytes(gzip.compress(log.read_bytes(), 1))
    for read in (eve.alerts, eve.sessions):
        pd.testing.assert_frame_equal(
            read(path, label="x", digest="0" * 64), read(log, label="x", digest="0" * 64), check_flags=False
        )
    assert eve.detail(path, 170) == eve.detail(log, 170)


def test_evidence_is_not_touched_and_nothing_is_written_beside_it(log, tmp_path, monkeypatch):
    folder = tmp_path / "evidence"
    folder.mkdir()
    path = folder / "eve ['; DROP*?.json"
    path.write_bytes(log.read_bytes())
    before = path.stat()
    monkeypatch.chdir(folder)

    assert len(eve.alerts(path)) == 79

    assert [each.name for each in folder.iterdir()] == [path.name]
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_the_engine_reaches_no_file_no_network_and_no_extension(tmp_path):
    import duckdb

    from nsm_nb.formats.json_lines import Fields, _Engine

    (tmp_path / "secret.csv").write_text("a\n1\n")
    with _Engine(Fields({}, {}, {}), "key", "value") as engine:
        for statement in (
            f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            f"ATTACH '{tmp_path / 'other.db'}'",
            "SELECT * FROM read_json('http://127.0.0.1:9/x')",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET autoinstall_known_extensions = true",
        ):
            with pytest.raises(duckdb.Error):
                engine.connection.execute(statement)
    assert [each.name for each in tmp_path.iterdir()] == ["secret.csv"]


# --- damage


def test_rows_around_damage_keep_the_numbers_of_their_lines(tmp_path):
    path = write(tmp_path, ALERT, b"", b"{not json}", b"  \r", ALERT, b'"text"', b"[]", ALERT, b"garbage")

    table = eve.alerts(path, label="eve.json")

    assert values(table["record"]) == [1, 5, 8]
    noted = caveats_of(table)
    assert [(caveat.record, caveat.kind) for caveat in noted] == [(3, "json"), (6, "json"), (7, "json"), (9, "json")]
    data = path.read_bytes()
    lines = data.split(b"\n")
    for caveat in noted:
        assert data[caveat.offset :].split(b"\n")[0] == lines[caveat.record - 1]
    assert "eve.json: line 3" in noted[0].detail
    assert "without 'event_type'" in noted[1].detail


def test_a_torn_last_line_says_that_it_breaks_off(tmp_path):
    torn = json.dumps(ALERT).encode()[:100]
    path = write(tmp_path, ALERT, torn, end=b"")

    table = eve.alerts(path)

    assert len(table) == 1
    (caveat,) = caveats_of(table)
    assert (caveat.record, caveat.offset) == (2, path.stat().st_size - 100)
    assert "breaks off after 100 bytes" in caveat.detail


def test_the_last_line_may_lack_its_end(tmp_path):
    table = eve.alerts(write(tmp_path, ALERT, ALERT, end=b""))
    assert len(table) == 2
    assert caveats_of(table) == []


def test_bytes_that_are_not_utf8_do_not_hide_an_alert(tmp_path):
    hidden = json.dumps(ALERT).encode().replace(b"SMB2 query", b"caf\xe9 \xff query")
    path = write(tmp_path, ALERT, hidden, ALERT)

    table = eve.alerts(path)

    assert values(table["record"]) == [1, 2, 3]
    assert table["message"][1] == r"caf\xe9 \xff query directory"
    (caveat,) = caveats_of(table)
    assert caveat.record == 2
    assert "not UTF-8" in caveat.detail
    assert eve.detail(path, 2)["alert"]["signature"] == r"caf\xe9 \xff query directory"


def test_lone_surrogates_and_bare_control_characters_do_not_hide_an_alert(tmp_path):
    text = json.dumps(ALERT).encode()
    path = write(tmp_path, text.replace(b"SMB2", rb"\ud800\\ud801 \ud83d\ude00"), text.replace(b"SMB2", b"a\x00\x1bb"))

    table = eve.alerts(path)

    assert table["message"].tolist() == [
        "\\ud800\\ud801 \U0001f600 query directory",
        "a\x00\x1bb query directory",
    ]
    assert [caveat.record for caveat in caveats_of(table)] == [1, 2]
    table["message"].str.encode("utf-8")  # no surrogates are left


def test_nul_bytes_in_a_log_are_told_and_the_rest_is_read(tmp_path):
    # what a file system leaves after a power cut: a run of NUL bytes, then the next lines
    path = write(tmp_path, ALERT, b"\x00" * 5000 + json.dumps(ALERT).encode(), ALERT)
    table = eve.alerts(path)
    assert values(table["record"]) == [1, 3]
    assert [caveat.record for caveat in caveats_of(table)] == [2]


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(ALERT).encode(), ALERT)
    table = eve.alerts(path)
    assert len(table) == 2
    assert caveats_of(table) == []
    assert eve.recognises(path.read_bytes())
    assert eve.detail(path, 1) == ALERT


def test_a_line_of_a_hundred_megabytes_is_passed_over_and_told(tmp_path):
    path = tmp_path / "eve.json"
    text = json.dumps(ALERT).encode()
    with path.open("wb") as file:
        file.write(text + b"\n")
        file.write(b'{"event_type":"alert","pad":"')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + text + b"\n")

    table = eve.alerts(path)

    assert values(table["record"]) == [1, 3]
    (caveat,) = caveats_of(table)
    assert (caveat.record, caveat.offset) == (2, len(text) + 1)
    assert "100,000,032 bytes long" in caveat.detail


def test_a_gzip_bomb_is_not_followed(tmp_path, monkeypatch):
    from nsm_nb.formats import source

    monkeypatch.setattr(source, "_BOMB_SIZE", 20_000_000)
    path = tmp_path / "eve.json.gz"
    path.write_bytes(gzip.compress(json.dumps(ALERT).encode() + b"\n" + b" " * 80_000_000))
    table = eve.alerts(path)
    assert len(table) == 1
    assert "unpacks to more than" in caveats_of(table)[-1].detail


def test_a_cut_gzip_says_so(tmp_path, log):
    path = tmp_path / "eve.json.gz"
    path.write_bytes(gzip.compress(log.read_bytes())[:-100_000])
    table = eve.alerts(path)
    assert 0 < len(table) < 79
    assert any(caveat.kind == "cut" and "end early" in caveat.detail for caveat in caveats_of(table))


def test_a_thousand_bad_lines_make_a_few_caveats_and_keep_the_count(tmp_path):
    path = write(tmp_path, *[b"bad", ALERT] * 1000)
    table = eve.alerts(path)
    assert len(table) == 1000
    assert len(caveats_of(table)) == 21
    assert "980 more" in caveats_of(table)[-1].detail


def test_damaged_lines_beyond_those_looked_at_are_counted(tmp_path, monkeypatch):
    from nsm_nb.formats import json_lines

    monkeypatch.setattr(json_lines, "_MOST_MENDED", 50)
    table = eve.alerts(write(tmp_path, *[b"bad", ALERT] * 1000))
    assert len(table) == 1000
    assert "1,000 in all" in caveats_of(table)[-1].detail
    monkeypatch.setattr(json_lines, "_MOST_MENDED", 0)
    table = eve.alerts(write(tmp_path, *[b"bad", ALERT] * 1000))
    assert [caveat.record for caveat in caveats_of(table)] == [1]


@pytest.mark.parametrize("line", [b"", b"x", b"{x", b"{}", b" "], ids=["empty", "text", "torn", "no event", "space"])
def test_a_file_of_tiny_lines_is_cheap(tmp_path, line):
    path = write(tmp_path, ALERT)
    path.write_bytes(path.read_bytes() + (line + b"\n") * 1_000_000)
    start = time.process_time()
    assert len(eve.alerts(path)) == 1
    assert time.process_time() - start < 20


def test_deep_nesting_and_endless_numbers_are_no_crash(tmp_path):
    path = write(
        tmp_path, b"[" * 100_000, b'{"a":' * 100_000, b'{"event_type":"alert","n":' + b"9" * 5000 + b"}", ALERT
    )
    table = eve.alerts(path)
    assert values(table["record"]) == [3, 4]
    assert [caveat.record for caveat in caveats_of(table) if caveat.kind == "json"] == [1, 2]


def test_a_file_without_one_line_of_json_is_refused(tmp_path):
    path = tmp_path / "eve.json"
    path.write_bytes("\n".join([json.dumps(ALERT)] * 3).encode("utf-32"))
    with pytest.raises(DamagedEvidence, match="not one of its") as problem:
        eve.alerts(path)
    assert list(problem.value.table.columns) == list(ALERTS.columns)
    with pytest.raises(UnreadableEvidence, match="does not exist"):
        eve.alerts(tmp_path / "none.json")


def test_a_log_without_alerts_gives_an_empty_table(tmp_path):
    path = write(tmp_path, {"timestamp": "2026-11-24T02:30:42.898627+0000", "event_type": "stats"})
    table = eve.alerts(path)
    assert len(table) == 0
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        name: str(dtype) for name, dtype in ALERTS.empty().dtypes.items()
    }
    assert len(eve.sessions(path)) == 0
    path.write_bytes(b"\n\n\n")
    assert len(eve.alerts(path)) == 0


# --- what is written and what is not


@pytest.mark.parametrize(
    ("field", "value", "column", "expected"),
    [
        ("src_port", 65535, "src_port", 65535),
        ("src_port", 65536, "src_port", None),
        ("src_port", -1, "src_port", None),
        ("src_port", 1.5, "src_port", None),
        ("src_port", "abc", "src_port", None),
        ("src_port", True, "src_port", None),
        ("src_port", None, "src_port", None),
        ("src_port", 0, "src_port", 0),
        ("proto", "IPv6-ICMP", "src_port", None),
        ("proto", "IPv6-ICMP", "proto", "icmp6"),
        ("proto", "UDP", "proto", "udp"),
        ("proto", "017", "proto", "udp"),
        ("proto", "255", "proto", "255"),
        ("proto", "", "proto", None),
        ("src_ip", "999.1.1.1", "src_ip", None),
        ("src_ip", "2001:0db8:0030:0000:0000:0000:0000:0101", "src_ip", "2001:db8:30::101"),
        ("host", "sensor-1", "sensor", "sensor-1"),
        ("host", "", "sensor", None),
        ("community_id", None, "community_id", None),
    ],
)
def test_a_field_is_read_exactly_or_is_missing(tmp_path, field, value, column, expected):
    table = eve.alerts(write(tmp_path, ALERT | {field: value}))
    assert values(table[column]) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T02:30:42.898627+0000", "2026-11-24 02:30:42.898627"),
        ("2026-11-24T02:30:42.898627+0130", "2026-11-24 01:00:42.898627"),
        ("2026-11-24T02:30:42.898627-05:00", "2026-11-24 07:30:42.898627"),
        ("2026-11-24T02:30:42Z", "2026-11-24 02:30:42"),
        ("2026-11-24T02:30:42.5+0000", "2026-11-24 02:30:42.5"),
        ("1969-12-31T23:59:59.999999+0000", "1969-12-31 23:59:59.999999"),
        ("2300-01-01T00:00:00.000000+0000", None),
        ("2026-02-30T00:00:00.000000+0000", None),
        ("2026-11-24", None),
        ("epoch", None),
        ("not a time", None),
        (None, None),
        (1795487442, None),
    ],
)
def test_a_time_is_read_to_the_microsecond_or_is_missing_with_a_caveat(tmp_path, text, expected):
    table = eve.alerts(write(tmp_path, ALERT | {"timestamp": text}))
    if expected is None:
        assert table["time"].isna().all()
        (caveat,) = caveats_of(table)
        assert (caveat.record, caveat.kind) == (1, "clock")
    else:
        assert table["time"][0] == pd.Timestamp(expected, tz="UTC")
        assert caveats_of(table) == []


def test_a_time_without_a_zone_is_utc_and_told(tmp_path):
    table = eve.alerts(write(tmp_path, ALERT | {"timestamp": "2026-11-24T02:30:42.898627"}, ALERT))
    assert table["time"].nunique() == 1
    (caveat,) = caveats_of(table)
    assert "1 time (time) names no zone" in caveat.detail


def test_an_alert_without_its_alert_keeps_its_row(tmp_path):
    table = eve.alerts(write(tmp_path, ALERT | {"alert": None}, ALERT | {"alert": [1]}, {"event_type": "alert"}))
    assert len(table) == 3
    for name in ("sid", "message", "priority", "action", "classification"):
        assert table[name].isna().all()


def test_hostile_text_comes_out_as_it_is(tmp_path):
    text = "<script>alert(1)</script> \x1b[2J =cmd|x $\\alpha$ /etc/passwd \u202e"
    table = eve.alerts(write(tmp_path, ALERT | {"alert": ALERT["alert"] | {"signature": text}}))
    assert table["message"][0] == text


def test_the_hostile_sample_is_read(shared):
    path = shared / "hostile" / "synthetic" / "a11_eve.json"
    table = eve.alerts(path)
    assert values(table["record"]) == [1, 2, 3]
    assert {caveat.record for caveat in caveats_of(table) if caveat.kind == "json"} == {4, 5}
    assert table["message"][0].startswith("<img src=x")


def test_a_flow_with_a_vlan_has_its_tag_and_no_octets(tmp_path):
    flow = {
        "timestamp": "2026-11-24T02:30:42.898627+0000", "event_type": "flow", "vlan": [7, 9], "src_ip": "10.0.0.1",
        "dest_ip": "10.0.0.2", "proto": "UDP", "src_port": 1, "dest_port": 2, "app_proto": "failed",
        "flow": {"pkts_toserver": 2, "pkts_toclient": 0, "bytes_toserver": 120, "bytes_toclient": 0,
                 "start": "2026-11-24T02:30:40.000001+0000", "end": "2026-11-24T02:30:41.500001+0000",
                 "state": "new", "reason": "timeout"},
    }  # fmt: skip
    without = {name: value for name, value in flow.items() if name != "vlan"}
    raw = without | {"flow": flow["flow"] | {"bytes_toserver": 2 * 20}}  # not Ethernet: too few bytes
    table = eve.sessions(write(tmp_path, flow, without, raw))

    assert values(table["vlan"]) == [7, None, None]
    assert values(table["src_octets"]) == [None, 120 - 2 * 14, None]
    assert values(table["duration"]) == [1.5] * 3
    assert values(table["state"]) == ["INT"] * 3
    assert values(table["application"]) == [None] * 3
    assert table["direction_known"].isna().all()


@pytest.mark.parametrize(
    ("client", "server", "progress", "state", "closed", "known"),
    [
        ("1b", "1b", "closed", "FIN", "both", True),
        ("02", "14", "closed", "RST", "refused by dst", True),
        ("06", "12", "closed", "RST", "reset by src", True),
        ("1a", "16", "closed", "RST", "reset by dst", True),
        ("1b", "1a", "fin_wait2", "FIN", "src only", True),
        ("1a", "1b", "close_wait", "FIN", "dst only", True),
        ("02", "00", "syn_sent", "REQ", "no answer", True),
        ("02", "12", "syn_recv", "ACC", "idle", True),
        ("1a", "1a", "established", "CON", "idle", True),
        ("18", "18", "established", "CON", "idle", False),
        ("00", "00", None, None, None, None),
        ("zz", "", None, None, None, None),
    ],
)
def test_how_a_tcp_flow_ended_is_read_from_its_flags(tmp_path, client, server, progress, state, closed, known):
    flow = {
        "event_type": "flow", "proto": "TCP", "flow": {"reason": "timeout"},
        "tcp": {"tcp_flags_ts": client, "tcp_flags_tc": server, "state": progress},
    }  # fmt: skip
    table = eve.sessions(write(tmp_path, flow))
    assert values(table["state"]) == [state]
    assert values(table["closed"]) == [closed]
    assert values(table["direction_known"]) == [known]


# --- recognising


def test_only_eve_logs_are_recognised(heads):
    recognised = {name for name, head in heads.items() if eve.recognises(head)}
    assert {name for name in recognised if "eve" not in name} == set()
    samples = {"cases/www-files01/suricata/eve.json", "fixtures/eve.json", "hostile/synthetic/a11_eve.json"}
    assert samples <= recognised


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{}",
        b'{"ts":1.5,"uid":"C1","event_type":"alert"}\n',
        b'{"timestamp":"2026","event_type":"login"}\n',
        b'["timestamp","event_type"]\n',
        b'x {"timestamp":"2026","event_type":"alert"}\n',
    ],
)
def test_other_json_is_not_recognised(head):
    assert not eve.recognises(head)


# --- against the slow way, on lines that anybody could have written

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8), st.just([])
)


def slow_number(value, most=2**53 - 1):
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if 0 <= number <= most and number == int(number) else None


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {"event_type": st.sampled_from(["alert", "flow"])},
            optional={
                "alert": st.fixed_dictionaries({}, optional={"signature_id": SCALARS, "signature": st.text()}),
                "src_port": st.integers(-5, 70_000),
                "proto": st.sampled_from(["TCP", "UDP", "ICMP"]),
                "host": st.text(max_size=5),
            },
        ),
        max_size=20,
    )
)
def test_any_events_are_read_as_python_reads_them(tmp_path, lines):
    path = write(tmp_path, ALERT, *lines)

    table = eve.alerts(path)

    expected = [(number, line) for number, line in enumerate(lines, 2) if line["event_type"] == "alert"]
    assert values(table["record"])[1:] == [number for number, _ in expected]
    assert values(table["message"])[1:] == [line.get("alert", {}).get("signature") for _, line in expected]
    for got, (_, line) in zip(values(table["sid"])[1:], expected, strict=True):
        value = line.get("alert", {}).get("signature_id")
        if not isinstance(value, str):  # text that is a number is read as one; which text is, is DuckDB's choice
            assert got == slow_number(value)
    ported = [
        slow_number(line.get("src_port"), 65_535) if line.get("proto") in ("TCP", "UDP") else None
        for _, line in expected
    ]
    assert values(table["src_port"])[1:] == ported
    assert values(table["sensor"])[1:] == [line.get("host") or None for _, line in expected]
    assert {caveat.kind for caveat in caveats_of(table)} <= {"clock", "number"}
    odd = [number for number, line in expected if "src_port" in line and slow_number(line["src_port"], 65_535) is None]
    told = [each.record for each in caveats_of(table) if each.kind == "number" and "as its src_port" in each.detail]
    assert told == odd[: len(told)]
    assert bool(told) == bool(odd)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=30), max_size=12))
def test_any_bytes_give_rows_caveats_or_one_error(tmp_path, lines):
    path = write(tmp_path, ALERT, *lines, ALERT)
    table = eve.alerts(path)
    assert len(table) >= 2
    assert table["record"].is_monotonic_increasing
    assert table["record"].iloc[-1] == path.read_bytes().count(b"\n")
    assert np.isin([caveat.record for caveat in caveats_of(table)], np.arange(1, table["record"].iloc[-1] + 1)).all()


def test_numbers_that_can_not_be_are_missing_and_told(tmp_path):
    path = tmp_path / "eve.json"
    event = {"timestamp": "2026-11-24T02:30:42.678+0000", "event_type": "alert", "proto": "TCP", "src_ip": "10.0.0.1"}
    odd = [("src_port", 70_000), ("dest_port", 1.5), ("src_port", -1), ("signature_id", 2**53 + 1), ("rev", 0.5)]
    with path.open("w") as file:
        for name, value in [*odd, ("dest_port", 443)]:
            alert = {"signature_id": 1, "rev": 1} | ({name: value} if name in ("signature_id", "rev") else {})
            file.write(json.dumps(event | {"alert": alert} | ({name: value} if "port" in name else {})) + "\n")
    table = eve.alerts(path)
    said = [caveat for caveat in caveats_of(table) if caveat.kind == "number"]
    assert {caveat.record: caveat.detail.partition("as its ")[2].partition(",")[0] for caveat in said} == {
        place: name for place, (name, _) in enumerate(odd, 1)
    }
    assert "line 1 (byte 0) has 70,000.0 as its src_port, which can't be; it is missing" in said[0].detail
    assert table["src_port"].isna().all()
    assert table["sid"].isna().tolist() == [False, False, False, True, False, False]
    assert table["rev"].isna().tolist() == [False, False, False, False, True, False]
    assert table["dst_port"].dropna().tolist() == [443]


def test_a_field_called_other_or_as_a_column_is_not_lost(tmp_path, monkeypatch):
    from nsm_nb.formats import event_tables

    monkeypatch.setattr(event_tables, "_MOST_COLUMNS", 3)
    monkeypatch.setattr(event_tables, "_LEAST_COLUMNS", 3)
    path = tmp_path / "eve.json"
    event = {"timestamp": "2026-11-24T02:30:42.678+0000", "event_type": "dns", "proto": "TCP"}
    path.write_text(json.dumps(event | {"other": "mine", "record": "theirs", "a": 1, "b": 2, "c": 3}) + "\n")
    table = eve.events(path, type="dns")
    assert table["other"].tolist() == ["mine"]
    assert table["event.record"].tolist() == ["theirs"]
    assert table["record"].tolist() == [1]
    assert json.loads(table["event.other"][0]) == {"b": 2, "c": 3}
