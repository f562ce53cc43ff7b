"""Alerts that tell of one event: of one sensor in several formats, of several sensors."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.alerts import correlate, retold, same_event, told_by
from nsm_nb.formats import eve, snort_fast
from nsm_nb.schema import ALERTS


@pytest.fixture(scope="module")
def both(evidence):
    tables = [eve.alerts(evidence / "suricata" / "eve.json", label="eve.json")]
    tables += [snort_fast.alerts(evidence / "snort2" / "alert.fast", label="alert.fast")]
    return ALERTS.conform(pd.concat(tables, ignore_index=True))


def rows(*told):
    """ALERTS from (name, seconds, sensor, evidence, more)."""
    same = {
        "gid": 1,
        "sid": 7,
        "proto": "tcp",
        "src_ip": "10.0.0.1",
        "src_port": 1000,
        "dst_ip": "10.0.0.2",
        "dst_port": 80,
    }
    return ALERTS.conform(
        pd.DataFrame(
            [
                {
                    **same,
                    "alert": name,
                    "time": pd.Timestamp(at, unit="s", tz="UTC"),
                    "sensor": sensor,
                    "evidence": file,
                    **more,
                }
                for name, at, sensor, file, *rest in told
                for more in (rest or [{}])
            ]
        )
    )


def test_of_the_cases_156_alerts_76_events_were_seen_by_both_sensors(both):
    events = same_event(both)
    # Suricata's 79 and one of Snort's own: the limit of the rule for DNS let another query through
    assert events.nunique() == 80
    assert (events.value_counts() == 2).sum() == 76
    groups = correlate(both, events=events)
    assert len(groups) == 18
    assert groups["count"].sum() == 80
    assert sorted(name for names in groups["children"] for name in names) == sorted(both["alert"])


def test_an_event_has_one_alert_of_each_sensor():
    table = rows(("a", 0, "snort", "f"), ("b", 1, "snort", "f"), ("c", 2, "suricata", "e"), ("d", 3, "suricata", "e"))
    assert same_event(table).tolist() == ["a", "b", "b", "a"]


def test_the_nearest_alert_of_the_other_sensor_is_meant():
    # snort missed the first of three
    table = rows(("a", 0, "suricata", "e"), ("b", 10, "suricata", "e"), ("c", 10.1, "snort", "f"))
    assert same_event(table).tolist() == ["a", "b", "b"]


def test_other_signatures_ends_and_times_are_other_events():
    table = rows(
        ("a", 0, "suricata", "e"),
        ("b", 0, "snort", "f", {"sid": 8}),
        ("c", 0, "snort", "f", {"dst_port": 81}),
        ("d", 61, "snort", "f"),
        ("e", 0, "snort", "f", {"src_ip": "10.0.0.2", "src_port": 80, "dst_ip": "10.0.0.1", "dst_port": 1000}),
    )
    assert same_event(table).tolist() == ["a", "b", "c", "d", "a"]  # e: the same ends, the other way round
    assert same_event(table.iloc[[0, 3]], within="2min").tolist() == ["a", "a"]


def test_several_files_of_one_sensor_tell_an_alert_once(evidence):
    fast = snort_fast.alerts(evidence / "snort2" / "alert.fast", label="alert.fast").assign(sensor="snort")
    again = fast.assign(
        alert="again:" + fast["record"].astype("str"), evidence="b.csv", source="snort-csv", classification=pd.NA
    )
    table = ALERTS.conform(pd.concat([again, fast], ignore_index=True))
    left_out = retold(table)
    assert table["evidence"][left_out].unique().tolist() == ["b.csv"]  # it fills fewer columns
    assert left_out.sum() == 77
    assert told_by(table).tolist() == fast["alert"].tolist() * 2
    assert not retold(table.assign(sensor=table["evidence"])).any()  # two sensors are two witnesses


def test_snort_and_suricata_on_one_box_are_two_witnesses(both):
    assert not retold(both.assign(sensor="box1")).any()
    assert not retold(both.assign(sensor=None)).any()


def test_suricatas_fast_log_tells_what_its_eve_tells(evidence, truth):
    eve_, fast = (
        eve.alerts(evidence / "suricata" / "eve.json", label="s/eve.json"),
        snort_fast.alerts(truth / "fast.log", label="s/fast.log"),
    )
    table = ALERTS.conform(pd.concat([eve_, fast], ignore_index=True)).assign(sensor="suricata")
    assert table["evidence"][retold(table)].unique().tolist() == ["s/fast.log"]
    assert retold(table).sum() == 79


def test_an_alert_that_one_file_lacks_is_kept():
    table = rows(
        *[(f"a{at}", at + 0.5, "s", "f", {"source": "snort-fast"}) for at in range(20)],
        *[(f"b{at}", at + 0.5, "s", "g", {"source": "snort-csv"}) for at in range(19)],
        ("c", 99, "s", "g", {"source": "snort-csv"}),
    )
    assert table["alert"][~retold(table)].tolist() == [f"a{at}" for at in range(20)] + ["c"]


def test_files_of_one_format_are_pieces_of_one_log():
    # one second of a flood, cut in two by rotation: no alert is another's twin
    told = [(f"a{n}", 0, "s", "alert.1", {"source": "snort-fast"}) for n in range(3)]
    told += [(f"b{n}", 0, "s", "alert", {"source": "snort-fast"}) for n in range(2)]
    assert not retold(rows(*told)).any()


def test_a_file_with_whole_seconds_is_compared_by_the_second():
    table = rows(
        ("a", 0.25, "s", "fast", {"source": "snort-fast"}),
        ("b", 1.5, "s", "fast", {"source": "snort-fast"}),
        ("c", 0, "s", "syslog", {"source": "snort-syslog"}),
        ("d", 1, "s", "syslog", {"source": "snort-syslog"}),
        ("e", 3, "s", "syslog", {"source": "snort-syslog"}),
    )
    assert told_by(table).tolist() == ["a", "b", "a", "b", "e"]


def test_what_one_sensor_writes_in_two_files_are_two_events():
    table = rows(("a", 7, None, "x/eve.json.1", {"source": "eve"}), ("b", 19, None, "x/eve.json", {"source": "eve"}))
    assert same_event(table).tolist() == ["a", "b"]


def test_a_flood_that_two_sensors_see_takes_no_longer_for_each_alert():
    count = 60_000
    table = ALERTS.conform(
        pd.DataFrame(
            {
                "alert": [f"n{number}" for number in range(count)],
                "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(count), unit="ms"),
                "sensor": ["one", "two"] * (count // 2),
                "sid": 7, "gid": 1, "proto": "icmp", "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "evidence": "e",
            }
        )
    )  # fmt: skip
    before = time.process_time()
    assert same_event(table).nunique() == count // 2
    assert time.process_time() - before < 5  # 0.2 s; where every alert looks at all before it, minutes


def test_no_alerts_are_no_events():
    assert len(same_event(ALERTS.empty())) == 0
    assert retold(ALERTS.empty()).tolist() == []


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from("ab"), st.sampled_from([7, 8]), st.booleans()), max_size=20)
)
def test_events_agree_with_the_slow_way(drawn):
    turned = {"src_ip": "10.0.0.2", "src_port": 80, "dst_ip": "10.0.0.1", "dst_port": 1000}
    told = [
        (f"n{i:02}", at, who, who, {"sid": sid, **(turned if turn else {})})
        for i, (at, who, sid, turn) in enumerate(drawn)
    ]
    table = rows(*told) if told else ALERTS.empty()
    events: list[list[int]] = []
    for number in sorted(range(len(drawn)), key=lambda each: (drawn[each][0], each)):
        at, who, sid, _ = drawn[number]
        fits = [
            event
            for event in events
            if drawn[event[0]][2] == sid
            and at - drawn[event[0]][0] <= 60
            and who not in {drawn[each][1] for each in event}
        ]
        if fits:
            fits[-1].append(number)
        else:
            events.append([number])
    expected = {f"n{number:02}": f"n{event[0]:02}" for event in events for number in event}
    assert same_event(table).to_dict() == expected
