"""Zeek's conn.log is read as a slow reading of its lines reads it, whatever its fields are called."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

import nsm_nb as nsm
from nsm_nb.formats import zeek_conn, zeek_log
from nsm_nb.schema import caveats_of
from tests.formats.session_samples import SAMPLES

NAMES = {
    "id.orig_h": "src_ip", "id.orig_p": "src_port", "id.resp_h": "dst_ip", "id.resp_p": "dst_port", "proto": "proto",
    "service": "application", "orig_bytes": "src_payload", "resp_bytes": "dst_payload", "history": "history",
    "orig_pkts": "src_packets", "orig_ip_bytes": "src_octets", "resp_pkts": "dst_packets", "resp_ip_bytes": "dst_octets",
    "duration": "duration",
}  # fmt: skip
VARIANTS = ("scope_sep", "field-name-map", "scope_sep_and_field_name_map", "field-extension", "field-extension-complex",
            "field-extension-optional")  # fmt: skip


def slow(path):
    """Return the log as a list of dicts, read line by line; what is unset is left out."""
    fields, rows = [], []
    for line in path.read_text("utf-8", "surrogateescape").split("\n"):
        if line.startswith("{"):
            rows.append({name: value for name, value in json.loads(line).items() if value != []})
        elif line.startswith("#fields"):
            fields = line.split("\t")[1:]
        elif line and not line.startswith("#"):
            values = dict(zip(fields, line.split("\t"), strict=True))
            rows.append({name: value for name, value in values.items() if value not in ("-", "(empty)")})
    return rows


def logs(shared):
    """Return the logs that hold connections with addresses."""
    found = [*shared.rglob("corpus/other/zeek-baseline/*/conn.log"), *shared.rglob("corpus/other/zat/data/**/conn.log")]
    return [path for path in sorted(found) if b"resp_" in path.read_bytes()[:2000]]


@pytest.mark.slow(3)
def test_every_log_at_hand_is_what_a_slow_reading_gives(shared):
    read = logs(shared)
    assert len(read) >= 24
    for path in read:
        found, expected = zeek_conn.sessions(path), slow(path)
        protos = found["proto"].tolist()
        assert len(found) == len(expected), path
        for name, ours in NAMES.items():
            if name not in expected[0] and not any(name in row for row in expected):
                continue
            for row, (mine, theirs) in enumerate(
                zip(found[ours].tolist(), (each.get(name) for each in expected), strict=True)
            ):
                proto = protos[row]
                if name in ("id.orig_p", "id.resp_p") and proto not in ("tcp", "udp"):
                    assert mine is pd.NA
                elif name == "proto":
                    assert mine == theirs or (mine, theirs) == ("icmp6", "icmp") or theirs == "unknown_transport"
                elif theirs is None:
                    one = int(expected[row].get("orig_pkts", 0)) + int(expected[row].get("resp_pkts", 0)) == 1
                    assert pd.isna(mine) or (name == "duration" and one), (path, row, name)
                elif isinstance(mine, str):
                    assert mine == str(theirs), (path, row, name)
                else:
                    assert float(mine) == pytest.approx(float(theirs), rel=1e-9), (path, row, name)
        # ICMP has no ports
        ported = found["proto"].isin(["tcp", "udp"])
        assert found["src_port"].notna().equals(ported) or "id.orig_p" not in expected[0]


def test_other_names_of_the_fields_change_nothing(shared):
    place = shared / "corpus" / "other" / "zeek-baseline"
    plain = zeek_conn.sessions(place / "scripts.base.frameworks.logging.scope_sep" / "conn.log", label="x")
    for variant in VARIANTS:
        found = zeek_conn.sessions(place / f"scripts.base.frameworks.logging.{variant}" / "conn.log", label="x")
        names = [name for name in plain if name not in ("session", "record", "sensor")]
        # the same capture; its lines stand in another order
        left, right = (sorted(map(repr, table[names].astype(object).to_numpy().tolist())) for table in (found, plain))
        assert left == right, variant
        assert found["sensor"].notna().all() == (variant == "field-extension") or variant.startswith("field-extension-")


def test_json_and_tabs_tell_the_same(tmp_path):
    tables = []
    for name in ("conn.log", "conn.json"):
        place = tmp_path / name
        place.write_text(SAMPLES[name][1])
        tables.append(nsm.read_sessions(place, label="x")[:1].drop(columns=["session", "record"]))
    pd.testing.assert_frame_equal(*tables, check_categorical=False)


def test_a_rotated_log_and_several_put_together_are_read(tmp_path):
    text = SAMPLES["conn.log"][1]
    place = tmp_path / "conn.02:00:00-03:00:00.log"
    place.write_text(text + text)
    found = nsm.read_sessions(place)
    assert len(found) == 6
    assert found["record"].tolist() == [7, 8, 9, 17, 18, 19]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("S0", ("REQ", "no answer")), ("S1", ("CON", "open")), ("SF", ("FIN", "both")), ("REJ", ("RST", "refused by dst")),
        ("RSTO", ("RST", "reset by src")), ("RSTR", ("RST", "reset by dst")), ("S2", ("FIN", "src only")), ("OTH", (None, None)),
    ],
)  # fmt: skip
def test_its_states_are_told_in_words_of_argus(tmp_path, state, expected):
    place = tmp_path / "conn.log"
    place.write_text(SAMPLES["conn.log"][1].replace("\tSF\t", f"\t{state}\t"))
    row = nsm.read_sessions(place).iloc[0]
    assert [None if pd.isna(each) else each for each in (row["state"], row["closed"])] == list(expected)


@pytest.mark.parametrize(("history", "known"), [("ShADadFf", True), ("^hADd", False), ("DdAa", False)])
def test_the_direction_is_known_where_the_history_has_the_syn(tmp_path, history, known):
    place = tmp_path / "conn.log"
    place.write_text(SAMPLES["conn.log"][1].replace("ShADadFf", history))
    assert nsm.read_sessions(place)["direction_known"].iloc[0] == known


def test_lines_without_a_header_are_refused_and_the_sentence_says_what_they_lack(tmp_path):
    place = tmp_path / "grepped.log"
    place.write_text(SAMPLES["conn.log"][1].split("\n")[6] + "\n")
    with pytest.raises(nsm.errors.UnknownFormat):
        nsm.read_sessions(place)
    with pytest.raises(nsm.errors.DamagedEvidence, match="before any header, so that its fields have no names"):
        nsm.read_sessions(place, format="zeek-conn")


def test_bytes_that_zeek_missed_and_times_that_are_none_are_told(tmp_path):
    place = tmp_path / "conn.log"
    text = SAMPLES["conn.log"][1].replace("SF\t-\t0", "SF\t-\t77").replace("1068742804.020000", "XXXXXXXXXX.XXXXXX")
    place.write_text(text)
    found = nsm.read_sessions(place)
    told = " ".join(each.detail for each in caveats_of(found))
    assert "Zeek missed 77 bytes" in told
    assert "1 of 3 connections has no time" in told
    assert found["start"].isna().tolist() == [True, False, False]


def test_a_time_that_is_none_or_beyond_nanoseconds_is_missing_and_costs_no_other_row():
    texts = [b"2026-11-24T\x00", b"9999-01-01T00:00:00Z", b"0001-01-01T00:00:00Z", b"2026-11-24T02:30:00.5Z"]

    for kept in (texts, texts[:1], texts[1:2], texts[3:]):
        found = zeek_log.times(pa.array(kept)).tolist()

        assert [str(each) for each in found] == [
            "2026-11-24 02:30:00.500000+00:00" if b"30:00.5" in each else "NaT" for each in kept
        ]
