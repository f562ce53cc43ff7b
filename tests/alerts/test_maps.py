"""The maps beside a sensor's rules, and the words that alerts get from them."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.alerts import Maps, is_map, maps, named, rules
from nsm_nb.schema import ALERTS, caveats_of

SID_1 = "# comment\n498 || ATTACK id || url,example.com || cve,1999-0067\n\nbad line\n"
SID_2 = "#v2\n1 || 498 || 6 || bad-unknown || 2 || ATTACK id || cve,1999-0067\n1 || 499 || 1 || NOCLASS || 0 || other\n"
GEN = "# gid || sid || message\n116 || 45 || (snort_decoder) TCP header length\n1 || 1 || snort general alert\n"
CLASSES = (
    "# c\nconfig classification: mine,My own class,5\nconfig classification: bad-unknown,Potentially Bad Traffic, 2\n"
)
REFERENCES = "config reference: cve       http://cve.example/name?\nconfig reference: url\thttp://\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in {
        "sid-msg.map": SID_1, "gen-msg.map": GEN, "classification.config": CLASSES, "reference.config": REFERENCES,
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


def alerts(**columns):
    return ALERTS.conform(pd.DataFrame(columns))


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


def test_each_map_is_read_by_its_name(folder):
    found = maps(sorted(folder.iterdir()))
    assert values(found.messages["message"]) == [
        "(snort_decoder) TCP header length",
        "snort general alert",
        "ATTACK id",
    ]
    assert found.messages["references"].iloc[-1] == ["url,example.com", "cve,1999-0067"]
    assert found.classes[["number", "name", "priority"]].to_numpy().tolist() == [[1, "mine", 5], [2, "bad-unknown", 2]]
    assert found.references == {"cve": "http://cve.example/name?", "url": "http://"}
    assert values(found.messages["line"])[-1] == 2
    (caveat,) = caveats_of(found.messages)
    assert "sid-msg.map line 4" in caveat.detail
    assert not is_map("local.rules")


def test_version_2_tells_class_and_priority(tmp_path):
    (tmp_path / "sid-msg.map").write_text(SID_2)
    messages = maps([tmp_path / "sid-msg.map", tmp_path / "none" / "gen-msg.map"]).messages
    assert values(messages["rev"]) == [6, 1]
    assert values(messages["class_name"]) == ["bad-unknown", None]
    assert values(messages["priority"]) == [2, None]
    assert "can't be read" in caveats_of(messages)[0].detail


def test_the_maps_of_idstools_are_read_whole(shared):
    found = maps(sorted((shared / "corpus" / "other" / "py-idstools" / "tests").iterdir()))
    assert len(found.classes) == 34
    assert len(found.messages) == 436
    assert caveats_of(found.messages) == []


def test_alerts_get_the_words_that_they_lack_and_keep_their_own(folder):
    table = alerts(
        gid=[1, 1, 116, 1, 1], sid=[498, 498, 45, 498, 7],
        message=[None, "its own", None, None, None],
        classification=["class 2", "Own Class", "class 99", None, "class 1"],
        priority=[1, None, 3, None, None],
    )  # fmt: skip
    result = named(table, maps(folder.iterdir()), None)
    assert values(result["message"]) == ["ATTACK id", "its own", "(snort_decoder) TCP header length", "ATTACK id", None]
    assert values(result["classification"]) == [
        "Potentially Bad Traffic",
        "Own Class",
        "class 99",
        None,
        "My own class",
    ]
    assert values(result["priority"]) == [1, None, 3, None, None]
    assert values(table["message"])[0] is None  # the table given is as it was
    assert {name: str(dtype) for name, dtype in result.dtypes.items() if name != "classification"} == {
        name: str(dtype) for name, dtype in table.dtypes.items() if name != "classification"
    }


def test_a_rule_is_surer_than_the_order_of_snorts_own_classes(tmp_path):
    (tmp_path / "x.rules").write_text(
        'alert tcp any any -> any any (msg:"m"; classtype:trojan-activity; sid:5; rev:1;)\n'
        'alert tcp any any -> any any (msg:"n"; classtype:misc-activity; priority:9; sid:6; rev:1;)\n'
    )
    table = alerts(gid=[1, None, 1], sid=[5, 6, 7], classification=["class 3", None, "class 3"], evidence=["x"] * 3)
    result = named(table, None, rules([tmp_path / "x.rules"]))
    assert values(result["classification"]) == [
        "A Network Trojan was detected", "Misc activity", "Potentially Bad Traffic",
    ]  # fmt: skip
    assert values(result["message"]) == ["m", "n", None]
    assert values(result["priority"]) == [1, 9, None]
    (caveat,) = caveats_of(result)
    assert "no classification.config is at hand" in caveat.detail


def test_alerts_that_lack_nothing_are_handed_back(evidence):
    from nsm_nb.formats import read_alerts

    table = read_alerts(evidence / "snort2" / "alert.fast")
    assert named(table, None, None) is table
    assert len(named(ALERTS.empty(), Maps(*maps([])), None)) == 0
