"""Alerts of a case whose files need more than themselves: maps, columns, the year of a capture."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import CaseError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "case" / "evidence").mkdir(parents=True)
    return tmp_path / "case"


def opened(folder, toml=""):
    (folder / "case.toml").write_text(f'name = "x"\n{toml}')
    return nsm.open_case(folder)


def test_unified2_is_named_by_the_maps_among_the_evidence(folder, evidence):
    shutil.copy(evidence / "snort2" / "snort.u2", folder / "evidence")
    (folder / "evidence" / "sid-msg.map").write_text("9000006 || SMB2 query directory || url,example.com\n")
    (folder / "evidence" / "local.rules").write_text(
        'alert tcp any any -> any any (msg:"SCAN"; classtype:attempted-recon; sid:9000001; rev:1;)\n'
    )
    case = opened(folder)
    told = case.alerts.drop_duplicates("sid").set_index("sid")
    assert told.loc[9000006, "message"] == "SMB2 query directory"
    assert told.loc[9000001, ["message", "classification"]].tolist() == ["SCAN", "Attempted Information Leak"]
    assert case.rule_of(told.loc[9000001, "alert"])["line"] == 1
    assert case.detail(told.loc[9000006, "alert"])["packet_info"] == {"linktype": 1}
    notes = case.evidence.set_index("evidence")["note"]
    assert notes[["local.rules", "sid-msg.map"]].tolist() == ["rules of the sensors"] * 2


def test_columns_of_alerts_stand_in_case_toml(folder):
    (folder / "evidence" / "mine.csv").write_text("11/13/03-17:00:04.5 ,hi,1.2.3.4\n")
    (folder / "evidence" / "other.json").write_text(
        json.dumps({"when": "2003-11-13T17:00:05Z", "what": "there"}) + "\n"
    )
    case = opened(
        folder, '[columns]\n"mine.csv" = ["timestamp", "msg", "src"]\n"*.json" = { time = "when", message = "what" }\n'
    )
    assert case.alerts["message"].tolist() == ["hi", "there"]
    assert case.detail(case.alerts["alert"][0])["msg"] == "hi"
    assert case.detail(case.alerts["alert"][1])["what"] == "there"
    again = opened(
        folder, '[columns]\n"mine.csv" = ["timestamp", "src", "msg"]\n'
    )  # what was read before is not what is asked
    assert again.alerts["message"].tolist() == ["1.2.3.4"]


@pytest.mark.parametrize("columns", ['"x" = ["nothing"]', '"x" = { message = "a" }', '"x" = "none"', '"x" = 5'])
def test_columns_that_can_not_be_are_refused(folder, columns):
    with pytest.raises(CaseError, match="columns of 'x'"):
        opened(folder, f"[columns]\n{columns}\n")


def test_a_year_that_alerts_lack_is_that_of_the_capture(folder, shared):
    for name in ("alert.fast", "alert.full", "seed.pcap"):
        shutil.copy(shared / "fixtures" / name, folder / "evidence")
    case = opened(folder)
    assert set(case.alerts["time"].dt.year) == {2003}
    assert case.alerts["time"].min() == pd.Timestamp("2003-11-13 17:00:04.12", tz="UTC")
    assert case.caveats["detail"].str.contains("capture's time, 2003-11-13").sum() == 2
    assert case.joins["session"].notna().all()


def test_a_log_of_alerting_packets_is_a_capture(folder, evidence):
    """Snort's own snort.log is a pcap: its packets have sessions and transcripts as those of any capture."""
    from nsm_nb.formats import recognised

    data = (evidence / "staged.pcap").read_bytes()
    path = folder / "evidence" / "snort.log.1795487400"
    path.write_bytes(data[:20_000])
    assert recognised(path) == ["pcap"]
    assert len(opened(folder).packets)
