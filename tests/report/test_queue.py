"""What several sensors saw of one event is one row of the analyst's queue, and one finding; nothing judged is lost."""

from __future__ import annotations

import functools
import re

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.report.queue import queue
from nsm_nb.report.words import ranges
from nsm_nb.triage.autocat import Rule
from nsm_nb.widgets.queue import Queue
from tests.report.conftest import case_of_two, findings, made, table, text_of


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A function that makes a case of what Suricata and Snort tell: (message, sid, seconds) each."""
    monkeypatch.setattr(
        "nsm_nb.report.content._timeline", lambda case: None
    )  # a figure takes long, and is not asked for here
    monkeypatch.setattr("nsm_nb.report.method._tshark", lambda: "not asked")
    return functools.partial(case_of_two, tmp_path / "two")


def names_of(case, sensor):
    return case.alerts.loc[case.alerts["sensor"] == sensor, "alert"].tolist()


def doubts(article):
    return [text_of(each) for each in article.iter("p") if each.get("class") == "doubt"]


def test_the_reports_rows_are_those_of_the_queue_that_was_judged(judged, document):
    shown = Queue(judged).table("All")
    assert queue(judged).groups["children"].tolist() == shown["children"].tolist()
    wanted = shown[~shown["status"].isin(["NA", "NEW"])]
    assert len(findings(document)) == len(wanted) + 1  # and a session
    said = [
        (text_of(each.find("h3")).split(". ", 1)[1], text_of(each.find("p")).rpartition(" · ")[2])
        for each in findings(document)
        if "Session" not in text_of(each.find("h3"))
    ]
    assert said == list(zip(wanted["message"].astype(str), wanted["sensor"].astype(str), strict=True))
    assert shown["count"].sum() == 80
    waiting = shown.loc[shown["status"] == "NEW", "children"].map(len)
    assert (
        f"156 alerts of 80 events fold into 18 queue rows; {156 - waiting.sum()} are judged, {waiting.sum()} in "
        f"{len(waiting)} rows wait for a verdict. {len(wanted) + 1} findings stand below."
    ) in text_of(document)


def test_a_row_judged_with_one_key_is_one_finding_of_both_sensors(two):
    case = two(
        [("ET SHELL root", 5, 4), ("ET SHELL root", 5, 9)], [("a shell of root", 5, 4), ("a shell of root", 5, 9)]
    )
    (row,) = Queue(case).table("RealTime").itertuples()
    case.judge(row.children, "I", comment="root it is", analyst="ada")

    document = made(case)

    (article,) = findings(document)
    words = text_of(article)
    assert "snort, suricata" in text_of(article.find("p"))
    rows = {row[0]: row for row in table(article, "What each sensor says")}
    assert rows["snort"] == ["snort", "2", "1:5, revision 7", "a shell of root", "A a shell of root", "2"]
    assert rows["suricata"] == ["suricata", "2", "1:5, revision 1", "ET SHELL root", "ET SHELL root", "1"]
    assert "4 alerts of 2 events" in words
    assert "on 4 alerts of snort, suricata" in words
    assert [row[1] for row in table(article, "Its alerts")] == ["snort", "suricata", "snort", "suricata"]
    assert not doubts(article)
    assert "4 alerts of 2 events fold into 1 queue row; 4 are judged, none waits. 1 finding stands below." in text_of(
        document
    )


def test_a_row_of_which_one_sensors_half_is_judged_says_so_on_both_sides(two):
    case = two([("a shell", 5, 4), ("a shell", 5, 9)], [("a shell", 5, 4), ("a shell", 5, 9)])
    case.judge(names_of(case, "suricata"), "I", comment="root", analyst="ada")

    document = made(case)

    (article,) = findings(document)
    assert text_of(article.find("p")).endswith("suricata")
    (said,) = doubts(article)
    assert said.endswith("2 alerts of snort, of the same events, are not judged yet; see section 3, not judged yet.")
    ((_, message, events, alerts, sensor, *_, apart),) = table(document, "Not judged yet")
    assert (message, events, alerts, sensor) == ("a shell", "2", "2", "snort")
    assert apart == "2 alerts of suricata, of the same events, are judged I (finding 1)"
    assert "4 alerts of 2 events fold into 2 queue rows; 2 are judged, 2 in 1 row wait for a verdict" in text_of(
        document
    )
    assert "2 events are not judged alike" in text_of(document)
    assert "stamped at most 60 s apart, tell of one event, which counts once" in text_of(document)


def test_a_row_whose_halves_are_judged_otherwise_stands_twice_and_each_leads_to_the_other(two):
    case = two([("a shell", 5, 4)], [("a shell", 5, 4)])
    case.judge(names_of(case, "suricata"), "I", comment="root", analyst="ada")
    case.judge(names_of(case, "snort"), "VI", comment="a scan", analyst="grace")

    document = made(case)

    by_sensor = {text_of(each.find("p")).rpartition(" · ")[2]: each for each in findings(document)}
    assert set(by_sensor) == {"snort", "suricata"}
    for mine, other, category in (("snort", "suricata", "I"), ("suricata", "snort", "VI")):
        (said,) = doubts(by_sensor[mine])
        assert f"1 alert of {other}, of the same event, is judged {category}" in said
        (link,) = (
            each.get("href") for each in by_sensor[mine].iter("a") if each.get("href", "").startswith("#finding")
        )
        assert link == f"#{by_sensor[other].get('id')}"
    assert "1 event is not judged alike" in text_of(document)


def test_a_dismissed_row_says_who_and_why_for_both_sensors(two):
    case = two([("ET PING large", 5, 4)], [("a large ping", 5, 4)])
    case.judge(names_of(case, "suricata"), "NA", comment="the printer", analyst="ada")
    case.judge(names_of(case, "snort"), "NA", comment="our own scanner", analyst="grace")

    ((what, events, alerts, sensor, *_, analyst, why, record),) = table(made(case), "No further action")

    assert what == "a large pingsuricata: ET PING large"
    assert (events, alerts, sensor) == ("1", "2", "snort, suricata")
    assert analyst == "grace, ada"
    assert "ada: the printer" in why
    assert "grace: our own scanner" in why
    assert record == "1-2"


def test_what_rules_judge_now_is_in_the_report_that_is_made_now(two):
    case = two([("a shell", 5, 4)], [("a shell", 5, 4)])
    case.ledger.add_rule(Rule(category="VI", sensor="suricata", comment="noise", owner="ada"))

    document = made(case)

    assert "2 alerts of 1 event fold into 2 queue rows; 1 is judged, 1 in 1 row waits for a verdict" in text_of(
        document
    )
    (article,) = findings(document)
    assert "noise" in text_of(article.find("blockquote"))
    assert f"{case.verify().count} records, each as it was written" in text_of(document)


def listed_in(article):
    """The alerts that a finding names: by their names, or by file and record where they are too many."""
    named = {
        each.get("data-row")
        for each in article.iter("span")
        if each.get("data-table") == "alerts" and each.get("data-column") == "alert"
    }
    places = set()
    for words in (text_of(each) for each in article.iter("p") if "not listed one by one" in text_of(each)):
        for label, runs in re.findall(r"\d+ records? of (\S+): ([\d, -]+)", words):
            for run in filter(None, (each.strip() for each in runs.split(","))):
                first, _, last = run.partition("-")
                places |= {(label, number) for number in range(int(first), int(last or first) + 1)}
    return named, places


def test_every_judged_alert_is_named_in_its_finding(judged, document):
    groups = queue(judged).groups
    alerts = judged.alerts.set_index("alert")
    rows = groups[~groups["status"].isin(["NA", "NEW"])]
    articles = [each for each in findings(document) if "Session" not in text_of(each.find("h3"))]
    left = 0
    for row, article in zip(rows.itertuples(), articles, strict=True):  # both in the order of time
        named, places = listed_in(article)
        for name in row.children:
            place = str(alerts.loc[name, "evidence"]), int(alerts.loc[name, "record"])
            assert name in named or place in places, (row.message, name)
            left += name not in named
    assert left == 0


def test_alerts_of_more_events_than_are_listed_are_named_by_record(two):
    many = [("noise", 5, at) for at in range(50)]
    case = two(many, many)
    (row,) = queue(case).groups.itertuples()
    case.judge(row.children, "VI", analyst="ada")

    (article,) = findings(made(case))

    named, places = listed_in(article)
    assert len(named) == 80
    assert places == {(name, number) for name in ("eve.json", "alert.fast") for number in range(41, 51)}
    assert "20 more alerts are not listed one by one" in text_of(article)


def test_a_case_of_one_sensor_is_told_as_sguil_folds_it(two):
    case = two([("a shell", 5, 4), ("a shell", 5, 9), ("a scan", 6, 9)], [])
    case.judge(names_of(case, "suricata"), "VI", analyst="ada")

    document = made(case)

    assert "3 alerts fold into 2 queue rows; 3 are judged, none waits. 2 findings stand below." in text_of(document)
    assert "as in Sguil" in text_of(document)
    for article in findings(document):
        assert "What each sensor says" not in text_of(article)
        assert "sensorsuricata" in text_of(article).replace("\n", "")


def test_runs_of_records_are_written_out_as_far_as_is_asked():
    assert ranges([1, 2, 3, 7, 9], most=2) == "1-3, 7 and 1 more up to 9"


def test_where_the_first_alert_has_no_session_the_packet_is_that_of_the_other_sensors_telling(own, two):
    case = two([("a shell", 5, 4)], [("a shell", 5, 4)])
    (case.path / "evidence" / "small.pcap").write_bytes((own.settings.evidence / "small.pcap").read_bytes())
    case = nsm.open_case(case.path)
    first = queue(case).groups["children"].iloc[0][0]
    case.joins.loc[case.joins["alert"] == first, "session"] = pd.NA
    case.judge(queue(case).groups["children"].iloc[0], "I", analyst="ada")

    (article,) = findings(made(case))

    title = next(map(text_of, article.iter("h4")))
    assert title == "The packet that the first event is about, as suricata tells it"
