"""Rules of Snort and Suricata, as they are written and as they are miswritten."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsm_nb.alerts import rules
from nsm_nb.schema import caveats_of

RULE = 'alert tcp any any -> any 80 (msg:"a rule"; content:"x"; classtype:misc-activity; sid:5; rev:2;)'


def read(tmp_path, text, name="local.rules"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return rules([path])


def details(table):
    return [caveat.detail for caveat in caveats_of(table)]


def test_the_rules_of_the_case_are_those_that_its_alerts_name(evidence):
    from nsm_nb.formats import eve

    files = [evidence / "rules" / f"nsm-lab.{name}.rules" for name in ("suricata", "snort2")]
    table = rules(files)
    alerts = eve.alerts(evidence / "suricata" / "eve.json")

    assert len(table) == 26
    assert details(table) == []
    suricata = table[table["file"] == str(files[0])]
    assert suricata["sid"].tolist() == list(range(9000001, 9000014))
    assert suricata["line"].tolist() == list(range(2, 15))
    lines = files[0].read_text().splitlines()
    assert suricata["text"].tolist() == [lines[line - 1] for line in suricata["line"]]
    known = suricata.set_index("sid")["message"]
    assert set(zip(alerts["sid"], alerts["message"], strict=True)) <= set(known.items())


def test_no_files_give_an_empty_table_of_the_same_columns(evidence):
    some = rules([evidence / "rules" / "nsm-lab.suricata.rules"])
    pd.testing.assert_series_equal(rules([]).dtypes, some.dtypes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RULE, {"gid": 1, "sid": 5, "rev": 2, "message": "a rule", "classtype": "misc-activity", "line": 1}),
        (RULE.replace("sid:5;", "gid:3; sid:5;"), {"gid": 3}),
        (RULE.replace("rev:2;", ""), {"rev": None}),
        (RULE.replace('msg:"a rule"; ', ""), {"message": None}),
        (RULE.replace("alert tcp", "alert\ttcp"), {"sid": 5}),
        (RULE.replace("; ", ";").replace(";)", "; )"), {"sid": 5, "rev": 2, "message": "a rule"}),
        (RULE.replace("a rule", r"a \"rule\"\; with sid:7\; (in it)"), {"message": 'a "rule"; with sid:7; (in it)', "sid": 5}),
        (RULE.replace("a rule", "a; rule"), {"message": "a; rule"}),
        (RULE.replace('"x"', r'"|0d 0a|\\|3b|)"'), {"sid": 5}),
        (RULE.replace("sid:5", "http.uri; nocase; sid : 5"), {"sid": 5}),
        (RULE.replace("sid:5", "reference:cve,2003-0352; reference:url,example.com/a; sid:5"),
         {"references": ["cve,2003-0352", "url,example.com/a"]}),
        ("alert http any any -> any any (flow:to_server; sid:5;)", {"sid": 5}),
        ('alert ( msg:"Snort 3, built in"; sid:5; gid:116; )', {"gid": 116}),
        ("drop tls any any -> any any (sid:5;)", {"sid": 5}),
        ("# a comment\n\n" + RULE, {"line": 3}),
        (RULE.replace("; ", "; \\\n  "), {"line": 1, "sid": 5, "message": "a rule"}),
        ("\n" + RULE.replace("; ", ";\n\t"), {"line": 2, "sid": 5, "message": "a rule"}),  # Snort 3
        (RULE.replace("; ", ";\n# between\n"), {"sid": 5}),
        (RULE.replace("\n", "\r\n") + "\r\n", {"sid": 5}),
        ("\ufeff" + RULE, {"sid": 5, "line": 1}),
        ("\x0c\n\u2028x\n" + RULE, {"line": 3}),
    ],
)  # fmt: skip
def test_a_form_of_a_rule_is_read(tmp_path, text, expected):
    table = read(tmp_path, text)
    assert len(table) == 1
    assert details(table) == []
    for name, value in expected.items():
        got = table[name][0]
        assert (None if value is None and pd.isna(got) else got) == value, name


def test_rules_that_are_commented_out_and_settings_are_left_out(tmp_path):
    table = read(tmp_path, f"#{RULE}\n# {RULE}\nvar HOME_NET any\ninclude other.rules\npreprocessor x: y (z)\n")
    assert len(table) == 0
    assert details(table) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alert tcp any any -> any any", "no options"),
        (RULE.replace("sid:5; ", ""), "no sid"),
        (RULE.replace("sid:5", "sid:x"), "no sid"),
        (RULE.replace("sid:5", "sid:" + "9" * 40), "no sid"),
        (RULE.replace('"x"', '"x'), "can't be read from"),
        (RULE.replace("rev:2;)", "rev:2;"), "can't be read from ''"),
        (RULE.replace("rev:2;)", "rev:2)"), "can't be read from 'rev:2)'"),
    ],
)
def test_a_faulty_rule_is_told_and_the_next_one_is_read(tmp_path, text, said):
    table = read(tmp_path, f"{RULE}\n{text}\n{RULE.replace('sid:5', 'sid:6')}\n")
    assert table["sid"].tolist() == [5, 6]
    assert table["line"].tolist() == [1, 3]
    (caveat,) = caveats_of(table)
    assert caveat.record == 2
    assert f"line 2: {'' if said[0] == 'c' else 'it has '}" in caveat.detail or "its options" in caveat.detail
    assert said in caveat.detail


def test_a_file_that_is_not_there_does_not_hide_the_others(tmp_path):
    (tmp_path / "good.rules").write_text(RULE)
    table = rules([tmp_path / "none.rules", tmp_path, tmp_path / "good.rules"])
    assert len(table) == 1
    assert ["can't be read" in detail for detail in details(table)] == [True, True]


def test_many_faulty_rules_keep_their_count(tmp_path):
    table = read(tmp_path, "alert tcp any any -> any any\n" * 500 + RULE)
    assert len(table) == 1
    assert len(details(table)) == 21
    assert "480 more" in details(table)[-1]


def test_bytes_that_are_not_utf8_are_shown(tmp_path):
    assert read(tmp_path, RULE.encode().replace(b"a rule", b"caf\xe9"))["message"][0] == r"caf\xe9"


@pytest.mark.parametrize(
    "text",
    [
        'alert tcp any any -> any any (content:"' + 'a"b' * 300_000,
        "alert tcp any any -> any any (" + "a:b " * 300_000,
        "alert tcp any any -> any any (" + 'a:"b"' * 300_000,
        "alert tcp any any -> any any (" + "a;" * 300_000,
        "alert tcp any any -> any any (\n" + "a;\n" * 300_000,
        "alert tcp any any -> any any (" + "\\" * 300_001,
        "alert (\\\n" * 100_000,
        "alert tcp any any -> any any (a:" + " " * 300_000,
    ],
    ids=range(8),
)
def test_a_hostile_file_takes_no_longer_than_its_length(tmp_path, text):
    start = time.process_time()
    assert len(read(tmp_path, f"{text}\n\n{RULE}")) <= 1
    assert time.process_time() - start < 20


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(lambda text: "\n" not in text))
def test_any_message_is_read_back(tmp_path, message):
    quoted = message.replace("\\", "\\\\").replace('"', '\\"').replace(";", "\\;")
    table = read(tmp_path, f'alert tcp any any -> any any (msg:"{quoted}"; sid:1;)')
    assert table["message"].tolist() == [message]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_give_rows_and_caveats(tmp_path, data):
    table = read(tmp_path, b"alert tcp " + data + b"\n" + RULE.encode() + b"\n")
    assert len(table) + len(caveats_of(table)) >= 1
