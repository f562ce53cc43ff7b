"""What a case judges: names, tables, queries; what its rules do; what it hands on."""

from __future__ import annotations

import logging
import shutil
import stat

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.alerts import references
from nsm_nb.case.handing_on import STYLES, cloak_of, export
from nsm_nb.errors import CaseError, LedgerError, NsmError, UnknownName
from nsm_nb.query import compile
from nsm_nb.triage.autocat import Rule


@pytest.fixture(scope="module")
def indexed(bundled, tmp_path_factory):
    """A copy of the bundled case whose evidence was read, once for all tests here."""
    place = tmp_path_factory.mktemp("indexed") / "www-files01"
    place.mkdir()
    shutil.copy(bundled / "case.toml", place / "case.toml")
    (place / "evidence").symlink_to(bundled / "evidence", target_is_directory=True)
    nsm.open_case(place).index()
    return place


@pytest.fixture
def own_case(indexed, tmp_path):
    """A case of the test's own, whose evidence need not be read again."""
    shutil.copytree(indexed, tmp_path / "case", symlinks=True)
    return nsm.open_case(tmp_path / "case")


def test_a_verdict_on_an_alert_says_where_it_stands_in_the_evidence(own_case):
    alert = own_case.alerts.iloc[3]
    row = own_case.judge(alert["alert"], "VI", comment="scan", analyst="ada").iloc[0]
    hashes = own_case.evidence.set_index("evidence")["sha256"]

    assert row["evidence"] == alert["evidence"] and row["evidence_record"] == alert["record"]
    assert row["evidence_sha256"] == hashes[alert["evidence"]]
    assert row["subject"] == alert["alert"]
    session = own_case.sessions.iloc[5]
    row = own_case.judge(int(session["session"]), "V", kind="session", analyst="ada").iloc[0]
    assert (row["evidence"], row["evidence_record"]) == (session["evidence"], session["record"])
    row = own_case.judge("staged.pcap:3620", "I", kind="packet", analyst="ada").iloc[0]
    assert (row["evidence"], row["evidence_record"]) == ("staged.pcap", 3620)
    rows = own_case.judge(["10.10.20.5", "203.0.113.250"], "I", kind="host", analyst="ada")
    assert rows["evidence"].isna().all() and own_case.verify().ok


@pytest.mark.parametrize(
    ("kind", "subject", "sentence"),
    [
        ("packet", "gone.pcap:7", "no evidence 'gone.pcap' in this case"),
        ("packet", "staged.pcap", "no evidence '' in this case"),
        ("packet", "staged.pcap:0", "staged.pcap has no frame '0'"),
        ("packet", "staged.pcap:99999999", "staged.pcap has no frame '99999999'; it has "),
        ("packet", "staged.pcap:\u00b2", "staged.pcap has no frame"),
        ("host", "gone.pcap:7", "no address, and no name that this case knows"),
        ("host", "10.10.20.500", "no address, and no name that this case knows"),
        ("host", "", "no address, and no name that this case knows"),
        ("session", "\u00b2", "no session"),
        ("session", "-1", "no session"),
    ],
)
def test_what_is_not_in_the_case_is_not_judged(own_case, kind, subject, sentence):
    with pytest.raises(UnknownName, match=sentence):
        own_case.judge(
            ["10.10.20.5" if kind == "host" else "staged.pcap:1" if kind == "packet" else 1, subject], "I", kind=kind
        )
    with pytest.raises(UnknownName, match=" is no capture, so it has no frames"):
        own_case.judge(f"{own_case.alerts['evidence'].iloc[0]}:7", "I", kind="packet")
    assert own_case.verdicts.empty


def test_a_subject_has_one_name_however_it_is_given(own_case):
    name = str(own_case.names["name"].iloc[0])
    session = own_case.sessions["session"].iloc[0]
    judge = lambda kind, *names: own_case.judge(list(names), "V", kind=kind, analyst="ada")["subject"].tolist()  # noqa: E731
    assert judge("host", "2001:DB8::0:7", name.upper()) == ["2001:db8::7", name]
    assert judge("packet", "staged.pcap:007") == ["staged.pcap:7"] and judge("session", f"0{session}") == [str(session)]


def test_names_and_macs_of_the_captures_are_words_where_alerts_are_handed_on(own_case):
    cloak = cloak_of(own_case)
    mac = str(own_case.packets["src_mac"].dropna().iloc[0])
    assert cloak.text(f"from {mac.replace(':', '')}") == f"from {cloak.name(mac.replace(':', ''), 'mac')}"
    name = str(own_case.names["name"].iloc[0])
    assert cloak.text(f"to {name} x") == f"to {cloak.name(name)} x"


def test_a_group_is_judged_by_its_children_and_says_how_many(own_case):
    groups = own_case.groups()
    chosen = groups.nlargest(2, "count")
    rows = own_case.judge(chosen, "NA", comment="noise", analyst="ada")

    assert rows["subject"].tolist() == [name for children in chosen["children"] for name in children]
    assert rows.attrs["on"] == f"{chosen['count'].sum():,} alerts of 2 groups"
    assert rows["time"].nunique() == 1 and rows["comment"].unique().tolist() == ["noise"]


def test_everything_that_matches_a_query_is_judged(own_case):
    worst = own_case.alerts.query("priority == 1")["alert"]
    rows = own_case.judge(compile("priority 1"), "VI", analyst="ada")
    assert rows["subject"].tolist() == worst.tolist() and rows.attrs["on"] == f"{len(worst):,} alerts"
    rest = own_case.judge(compile("category NEW"), "NA", analyst="ada")
    assert len(rest) == len(own_case.alerts) - len(worst)
    with pytest.raises(LedgerError, match="nothing in this case matches 'category NEW'"):
        own_case.judge(compile("category NEW"), "NA", analyst="ada")
    with pytest.raises(LedgerError, match="a query finds alerts or sessions"):
        own_case.judge(compile("category NEW"), "NA", kind="host", analyst="ada")
    sessions = own_case.judge(compile("dst port 445"), "V", kind="session", analyst="ada")
    assert len(sessions) == (own_case.sessions["dst_port"] == 445).sum()


def test_tables_of_another_case_and_of_other_things_are_refused(own_case):
    foreign = own_case.alerts.head(2).assign(alert=["0fd1a2b3c4d5:1", "x\x1b:2"])
    with pytest.raises(UnknownName, match="no alert '0fd1a2b3c4d5:1' in this case"):
        own_case.judge(foreign, "NA", analyst="ada")
    with pytest.raises(LedgerError, match="names no alerts: it has no column 'alert'"):
        own_case.judge(pd.DataFrame({"x": [1]}), "NA", analyst="ada")
    assert own_case.verdicts.empty


def test_rules_judge_before_the_queue_is_folded(own_case):
    message = own_case.groups()["message"].mode()[0]
    first = own_case.alerts[own_case.alerts["message"] == message]
    own_case.judge(first["alert"].iloc[0], "NEW", analyst="ada")  # somebody looked: it waits for a person
    rule = own_case.ledger.add_rule(Rule(category="VI", signature=message, comment="known"), analyst="ada")
    trial = own_case.try_rules()
    assert trial["count"].tolist() == [len(first) - 1] and len(own_case.verdicts) == 1

    groups = own_case.groups(pending=True)
    assert own_case.verdicts["analyst"].tolist()[1:] == [f"rule {rule.number}"] * (len(first) - 1)
    assert own_case.verdicts["evidence_sha256"].notna()[1:].all()
    assert groups.loc[groups["message"] == message, "count"].tolist() == [1]
    records = own_case.verify().count
    own_case.groups()
    assert own_case.verify().count == records  # judged once
    own_case.refresh()
    own_case.groups()
    assert own_case.verify().count == records


def test_rules_that_can_not_be_recorded_leave_the_queue_to_be_seen(own_case, monkeypatch, caplog):
    own_case.ledger.add_rule(Rule(category="NA"), analyst="ada")

    def refuse(*arguments, **options):
        raise LedgerError("the ledger is read-only")

    monkeypatch.setattr(own_case.ledger, "record", refuse)
    with caplog.at_level(logging.WARNING):
        groups = own_case.groups()
    assert (groups["status"] == "NEW").all() and len(groups)
    assert (
        groups.attrs["troubles"] == ["the rules judged nothing: the ledger is read-only"] and "read-only" in caplog.text
    )


def test_alerts_are_handed_on_in_every_style_and_sanitised_in_every_one(own_case):
    alerts = own_case.alerts.head(6)
    for style in STYLES:
        plain, hidden = (
            export(own_case, alerts, style).decode(),
            export(own_case, alerts, style, sanitised=True).decode(),
        )
        for name in ("src_ip", "dst_ip"):
            for address in alerts[name].dropna().astype("str").unique():
                assert (address in plain) != (style == "sanitised") and address not in hidden, style
        assert "ip4-" in hidden and export(own_case, alerts, style, sanitised=True).decode() == hidden  # the same words
        assert all(name in plain for name in alerts["alert"])


def test_the_key_of_a_case_is_its_owners_and_another_case_has_another(own_case):
    word = cloak_of(own_case).address("10.10.20.5")
    key = own_case.work / "pseudonyms.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and cloak_of(own_case).address("10.10.20.5") == word
    key.unlink()
    assert cloak_of(own_case).address("10.10.20.5") != word
    for content in ("xyz", "00"):
        key.write_text(content)
        with pytest.raises(CaseError, match=r"can't be used|is no key"):
            cloak_of(own_case)


def test_a_way_that_is_not_there_is_told(own_case):
    with pytest.raises(NsmError, match="no way 'pdf' to hand alerts on"):
        export(own_case, own_case.alerts, "pdf")


def test_a_group_is_handed_on_with_its_children(own_case):
    group = own_case.groups().nlargest(1, "count")
    assert len(export(own_case, group, "jsonl").splitlines()) == group["count"].iloc[0]


def test_numbers_of_any_make_name_sessions(own_case):
    number = own_case.sessions["session"].iloc[0]
    rows = own_case.judge([np.int64(number), str(number)], "V", kind="session", analyst="ada")
    assert rows["subject"].tolist() == [str(number)]


def test_any_alert_of_a_case_has_its_references(own_case):
    alert = own_case.alerts["alert"].iloc[0]
    own_case.rules.loc[own_case.rules["sid"] == own_case.alert(alert)["sid"], "references"].map(
        lambda listed: listed.append("url,example.org/x")
    )
    assert references(own_case.rule_of(alert), own_case.maps)[-1] == ("url", "example.org/x", "http://example.org/x")
