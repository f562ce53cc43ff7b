"""Files of alerts that grow while the case is open: what comes is there, and verdicts stay on the records they were given to."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.case.growing import Growing
from nsm_nb.errors import UnreadableEvidence
from nsm_nb.triage.autocat import Rule


def event(number, *, sensor=None, **alert):
    """Return a line of EVE whose signature is `number`."""
    ends = {"src_ip": "10.0.0.1", "src_port": number + 1, "dest_ip": "10.0.0.2", "dest_port": 80, "proto": "TCP"}
    said = {"action": "allowed", "gid": 1, "signature_id": number, "rev": 1, "signature": f"s{number}", "severity": 1}
    record = {"timestamp": f"2026-11-24T02:30:{number % 60:02d}.000000+0000", "event_type": "alert", **ends}
    record |= {"alert": {**said, "category": "c", **alert}} | ({"host": sensor} if sensor else {})
    return json.dumps(record) + "\n"


FLOW = json.dumps({"timestamp": "2026-11-24T02:30:02.000000+0000", "event_type": "flow", "proto": "TCP"}) + "\n"


@pytest.fixture
def place(tmp_path):
    """A case with a log of three alerts: signatures 0, 1 and 2."""
    folder = tmp_path / "running"
    (folder / "evidence").mkdir(parents=True)
    (folder / "case.toml").write_text('name = "running"\n')
    write(folder, *range(3))
    return folder


def write(folder, *numbers, name="eve.json"):
    with (folder / "evidence" / name).open("a") as file:
        file.write("".join(each if isinstance(each, str) else event(each) for each in numbers))


def followed(folder):
    case = nsm.open_case(folder)
    growing = Growing(case)
    growing.new()
    return case, growing


def verdicts(case):
    """Return the category of each judged alert by its signature, as tables of the case give it."""
    status = case.alerts["alert"].map(case.status())
    judged = status.notna()
    return dict(zip(case.alerts["sid"][judged].tolist(), status[judged].tolist(), strict=True))


def named(case, number):
    return case.alerts.loc[(case.alerts["sid"] == number).to_numpy(bool), "alert"].iloc[0]


def test_what_is_written_meanwhile_is_in_the_tables_of_the_case(place):
    case, growing = followed(place)
    assert len(case.alerts) == 3

    write(place, 3, 4, event(5)[:50])  # the last one is being written
    came = growing.new()

    assert came["sid"].tolist() == [3, 4] and len(case.alerts) == len(case.joins) == 5
    assert case.alert(came["alert"].iloc[0])["message"] == "s3"
    assert case.detail(came["alert"].iloc[1])["alert"]["signature"] == "s4"
    assert not len(growing.new())


def test_following_a_judged_file_keeps_its_verdicts(place):
    case = nsm.open_case(place)
    case.judge(case.alerts, "VI", analyst="ada")
    growing = Growing(case)
    growing.new()

    assert verdicts(case) == dict.fromkeys(range(3), "VI")
    write(place, 3)
    growing.new()
    assert verdicts(case) == dict.fromkeys(range(3), "VI")
    assert verdicts(nsm.open_case(place)) == dict.fromkeys(range(3), "VI")


def test_verdicts_given_while_a_file_grows_stand_when_it_is_whole_and_when_it_is_followed_again(place):
    case, growing = followed(place)
    write(place, 3, 4)
    growing.new()
    old = named(case, 4)
    case.judge([named(case, 1), old], "I", analyst="ada")
    write(place, 5)

    after = nsm.open_case(place)
    assert verdicts(after) == {1: "I", 4: "I"}
    assert named(after, 4) == f"{hashlib.sha256((place / 'evidence' / 'eve.json').read_bytes()).hexdigest()[:12]}:5"
    assert after.alert(old)["sid"] == 4 and after.history(old)["category"].tolist() == ["I"]
    assert after.history(named(after, 4))["subject"].tolist() == [old]  # as it was recorded
    assert after.judge(old, "II", analyst="bob")["subject"].tolist() == [named(after, 4)]
    assert set(after.verdicts["subject"]) == {named(after, 1), named(after, 4)}
    Growing(after).new()
    write(place, 6)
    assert verdicts(after) == {1: "I", 4: "II"}
    again, _ = followed(place)
    assert verdicts(again) == {1: "I", 4: "II"}


def test_outputs_that_begin_alike_share_no_names_and_no_verdicts(place):
    (place / "evidence" / "eve.json").rename(place / "evidence" / "z-alerts.json")
    case, _ = followed(place)
    case.judge(named(case, 2), "I", analyst="ada")
    write(place, event(0), FLOW, event(1), event(2))  # another output of the same sensor: it begins with the same line
    (place / "case.toml").write_text('name = "x"\n[sensors]\n"eve.json" = "s1"\n"z-alerts.json" = "s2"\n')

    for case in (nsm.open_case(place), followed(place)[0]):
        status = case.alerts["alert"].map(case.status())
        judged = case.alerts[status.notna()]
        assert judged[["evidence", "sid"]].to_numpy().tolist() == [["z-alerts.json", 2]]
        assert case.alerts["alert"].is_unique and len(case.alerts) == 6
        assert len(case.judge(judged, "NA", analyst="ada")) == 1


def test_two_growing_outputs_that_begin_alike_share_no_names(place):
    shutil.copy(place / "evidence" / "eve.json", place / "evidence" / "z-alerts.json")  # the same bytes: it counts once
    case, growing = followed(place)
    write(place, 3)
    write(place, FLOW, 3, name="z-alerts.json")
    growing.new()
    assert case.alerts["alert"].is_unique
    case.judge(named(case, 3), "I", analyst="ada")
    assert len(case.verdicts) == 1


@pytest.mark.parametrize("way", ["create", "copytruncate", "compress"])
def test_rotation_keeps_verdicts_and_the_places_of_records(place, way):
    case, growing = followed(place)
    write(place, 3)
    growing.new()
    case.judge([named(case, 1), named(case, 3)], "I", analyst="ada")
    log, old = place / "evidence" / "eve.json", place / "evidence" / "eve.json.1"
    known = log.read_bytes()
    write(place, 4)
    if way == "copytruncate":
        shutil.copy(log, old)
        os.truncate(log, 0)
    else:
        log.rename(old)
    write(place, 10, 11)
    growing.new()
    if way == "compress":
        (place / "evidence" / "eve.json.1.gz").write_bytes(gzip.compress(old.read_bytes()))
        old.unlink()
        write(place, 12)
        growing.new()
    where = "eve.json.1.gz" if way == "compress" else "eve.json.1"

    assert set(case.alerts["sid"]) >= {0, 1, 2, 3, 10, 11} and case.alerts["alert"].is_unique
    assert verdicts(case) == {1: "I", 3: "I"}
    assert case.alert(named(case, 1))["evidence"] == where and case.alert(named(case, 10))["evidence"] == "eve.json"
    for number in (1, 3, 10):
        assert case.detail(named(case, number))["alert"]["signature_id"] == number
    row = case.judge(named(case, 3), "VI", analyst="ada").iloc[0]
    assert row["evidence"].startswith(f"{where} (its first ") and row["evidence_record"] == 4
    size = int(row["evidence"].split("first ")[1].split()[0].replace(",", ""))
    whole = old.read_bytes() if way != "compress" else known
    assert len(known) <= size and row["evidence_sha256"] == hashlib.sha256(whole[:size]).hexdigest()

    after = nsm.open_case(place)
    after.refresh()
    assert verdicts(after) == {1: "I", 3: "VI"} and len(after.alerts) == len(case.alerts)


def test_a_log_that_was_rotated_again_is_found_by_its_bytes(place):
    case, growing = followed(place)
    folder = place / "evidence"
    case.judge(named(case, 2), "I", analyst="ada")
    for number in (10, 20):
        if (folder / "eve.json.1").exists():
            (folder / "eve.json.1").rename(folder / "eve.json.2")
        (folder / "eve.json").rename(folder / "eve.json.1")
        write(place, number)
        growing.new()

    places = dict(zip(case.alerts["sid"].tolist(), case.alerts["evidence"].tolist(), strict=True))
    assert places == {**dict.fromkeys(range(3), "eve.json.2"), 10: "eve.json.1", 20: "eve.json"}
    assert [case.detail(named(case, each))["alert"]["signature_id"] for each in (2, 10, 20)] == [2, 10, 20]
    assert verdicts(nsm.open_case(place)) == {2: "I"}


def test_a_record_whose_file_is_gone_is_not_read_of_another(place):
    case, growing = followed(place)
    (place / "evidence" / "eve.json").unlink()
    write(place, 10, 11, 12)
    with pytest.raises(UnreadableEvidence, match=r"eve\.json was rotated, and the file that record 2 was read of"):
        case.detail(named(case, 1))
    growing.new()
    with pytest.raises(UnreadableEvidence, match="was rotated"):
        case.detail(named(case, 1))


def test_a_verdict_on_a_growing_file_says_of_how_many_bytes_its_hash_is(place):
    case, growing = followed(place)
    row = case.judge(named(case, 1), "I", analyst="ada").iloc[0]
    log = place / "evidence" / "eve.json"
    assert row["evidence"] == "eve.json"  # whole as it is
    assert row["evidence_sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    write(place, 3)
    growing.new()
    data = log.read_bytes()
    row = case.judge(named(case, 3), "I", analyst="ada").iloc[0]
    assert (row["evidence"], row["evidence_record"]) == (f"eve.json (its first {len(data):,} bytes)", 4)
    assert row["evidence_sha256"] == hashlib.sha256(data).hexdigest()
    assert case.verify()


def test_a_rule_overrules_no_verdict_that_was_given_under_another_name(place):
    case, growing = followed(place)
    write(place, 3)
    growing.new()
    case.judge(named(case, 3), "I", analyst="ada")
    after = nsm.open_case(place)
    after.ledger.add_rule(Rule(category="NA", signature="s3"), analyst="bob")
    after.groups()
    assert verdicts(after) == {3: "I"} and len(after.verdicts) == 1


def test_what_reads_on_in_the_ledger_is_told_all_again_when_names_change(place):
    case = nsm.open_case(place)
    case.judge(case.alerts, "VI", analyst="ada")
    mark = case.ledger.status_since().mark
    write(place, 3)
    assert not case.ledger.status_since(mark).changed
    case.refresh()
    news = case.ledger.status_since(mark)
    assert news.whole and set(news.changed) == set(case.alerts["alert"][:3])
    assert not case.ledger.status_since(news.mark).changed


def test_a_growing_file_lets_nobody_read_the_whole_ledger_again(place):
    case, growing = followed(place)
    case.judge(case.alerts, "VI", analyst="ada")
    mark = case.ledger.status_since().mark
    for number in (3, 4):
        write(place, number)
        growing.new()
        news = case.ledger.status_since(mark)
        assert not news.whole and not news.changed
        mark = news.mark


def test_years_and_sensors_are_those_of_the_case(place, shared):
    for name in ("seed.pcap", "alert.fast"):
        shutil.copy2(shared / "fixtures" / name, place / "evidence")
    write(place, event(4, sensor="own"))
    (place / "case.toml").write_text('name = "x"\n[sensors]\n"*" = "given"\n')
    case, _ = followed(place)

    fast = case.alerts[(case.alerts["evidence"] == "alert.fast").to_numpy(bool)]
    assert fast["time"].min() == pd.Timestamp("2003-11-13 17:00:04.12", tz="UTC")
    assert case.joins["session"].notna().sum() == len(fast) == 7
    assert case.alert(named(case, 4))["sensor"] == "own" and case.alert(named(case, 0))["sensor"] == "given"


def test_a_file_that_can_t_be_followed_stays_as_it_was_read(place):
    packed = gzip.compress("".join(event(number) for number in range(20, 25)).encode())
    (place / "evidence" / "old.json.gz").write_bytes(packed)
    case, growing = followed(place)

    assert len(case.alerts) == 8
    assert "gzip" in growing.troubles["old.json.gz"]
