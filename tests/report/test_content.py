"""What the report says is what the case holds, and leads back to the evidence."""

from __future__ import annotations

import hashlib
import json
import random
import re
import sqlite3
import subprocess

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.report.content import content
from tests.report.conftest import DATE, PAYROLL, RIGHT, SHELL, finding, findings, made, table, text_of

WHEN = pd.Timestamp(DATE, tz="UTC")


def test_the_listing_over_smb_is_in_the_transcript(document):
    article = finding(document, "directory listing over SMB", sensor="snort")  # its alert is the first on that session
    said = [text_of(each) for each in article.iter("pre") if text_of(each).startswith("DST: ")]
    assert any("Volume Serial Number" in each for each in said)


def test_an_escalated_alert_stands_with_its_reason_and_its_transcript(own):
    article = finding(made(own), "a shell", sensor="")
    words = text_of(article)
    assert "Escalated" in words
    assert "who is root here?" in words
    assert str(own.sessions["session"].iloc[0]) in words
    assert "DST: uid=0(root)" in words


def test_findings_come_in_the_order_of_time(document):
    times = [text_of(each.find("p")).split(" · ")[1][:26] for each in findings(document)]
    assert len(times) == 9
    assert times == sorted(times)


def test_every_judged_group_is_a_finding_or_dismissed(document, judged):
    groups = judged.groups(pending=False, events=True)
    found = groups[groups["status"] != "NA"]
    assert len(findings(document)) == len(found) + 1  # and a session
    for row in found.itertuples():
        assert finding(document, row.message, row.sensor) is not None
    dismissed = [row[0] for row in table(document, "No further action")]
    assert sorted(dismissed) == sorted(groups.loc[groups["status"] == "NA", "message"])


def test_a_judged_session_is_a_finding_with_its_transcript(document):
    article = finding(document, "Session 172.16.10.80:54250", sensor="")
    words = text_of(article)
    assert str(PAYROLL) in words
    assert "payroll-2003.csv was read" in words
    assert re.search(r"16,384 of 308,\d\d\d bytes are shown, 292,\d\d\d are left", words)
    assert f"nsm-nb transcript www-files01 {PAYROLL}" in words


def test_the_history_of_a_verdict_is_told_whole(document):
    article = finding(document, "id check returned root", sensor="snort")
    first, second = (text_of(each) for each in article.iter("blockquote"))
    assert "ESC" in first
    assert "grace" in first
    assert "is this root? please look" in first
    assert "ada" in second
    assert "sudo id gave uid=0(root)" in second


def test_the_rule_stands_with_its_file_and_line(document, evidence):
    article = finding(document, "directory listing over SMB")
    place = re.search(r"evidence/rules/(\S+), line (\d+)", text_of(article))
    line = (evidence / "rules" / place[1]).read_text().splitlines()[int(place[2]) - 1]
    assert line in [text_of(each) for each in article.iter("pre")]


def test_the_packet_of_the_alert_is_shown(document):
    article = finding(document, "directory listing over SMB")
    assert "frame 3620 of staged.pcap" in text_of(article)


def test_the_shells_sides_have_the_hashes_of_tsharks_bytes(document, evidence, tshark):
    command = [tshark, "-n", "-r", str(evidence / "staged.pcap"), "-q", "-z", "follow,tcp,raw,423"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sides = {"": b"", "\t": b""}
    for tab, digits in re.findall(r"^(\t?)((?:[0-9a-f]{2})+)$", said, re.MULTILINE):
        sides[tab] += bytes.fromhex(digits)
    assert [len(each) for each in sides.values()] == [826, 3012]
    words = text_of(document)
    for each in sides.values():
        assert hashlib.sha256(each).hexdigest() in words


def test_a_transcript_stands_once(document, judged):
    titles = [
        text_of(each.find("dl")) for each in document.iter("section") if "conversation" in (each.get("class") or "")
    ]
    sessions = [re.search(r"session(\d+)SRC", each.replace("\n", ""))[1] for each in titles]
    assert len(sessions) == len(set(sessions))
    assert "Transcripts that stand elsewhere in this report" in text_of(document)


def test_the_summary_counts_what_holds(document, judged):
    status = judged.status()
    rows = {row[0]: row for row in table(document, "Verdicts that hold")}
    for short, amount in status.value_counts().items():
        (row,) = (row for name, row in rows.items() if name.startswith(f"{short} "))
        assert row[1] == str(amount)
    pending = next(row for name, row in rows.items() if name.startswith("NEW"))
    assert int(pending[1]) == len(judged.alerts) - len(status)
    assert int(pending[2]) == len(judged.groups(pending=True, events=True))
    for short, amount in judged.groups(pending=False, events=True)["status"].value_counts().items():
        assert next(row for name, row in rows.items() if name.startswith(f"{short} "))[2] == str(amount)
    seven = next(row for name, row in rows.items() if name.startswith("VII "))
    assert seven[4] == "1"  # the host
    assert seven[5] == f"ada {2 * 40 + 1}"


def test_taking_a_verdict_back_takes_the_finding_back_and_stays_in_the_ledger(own):
    (shell,) = (row.children for row in own.groups().itertuples() if row.message == "a shell")
    own.judge(shell, "NEW", comment="not sure any more", analyst="grace")
    document = made(own)
    assert [text_of(each.find("h3")) for each in findings(document)] == ["VI1. a scan"]
    assert any("not sure any more" in row[5] for row in table(document, "Every act of judging"))
    assert [row[1] for row in table(document, "Not judged yet")] == ["a shell"]


def test_evidence_hashes_are_those_of_the_checksums(document, bundled):
    sums = dict(
        reversed(line.split("  evidence/", 1))
        for line in (bundled / "SHA256SUMS").read_text().splitlines()
        if "evidence/" in line
    )  # fmt: skip
    said = {
        each.get("data-row"): each.get("data-value")
        for each in document.iter("span")
        if each.get("data-table") == "evidence" and each.get("data-column") == "sha256"
    }
    assert len(sums) == 14
    assert said == sums
    assert "14 of 14 files are as in the inventory" in text_of(document)


def test_evidence_that_changed_is_told_first(own):
    (own.settings.evidence / "notes.txt").write_text("as it is now\n")
    document = made(own)
    alarm = next(each for each in document.iter("p") if each.get("class") == "alarm")
    assert "notes.txt is not as it was" in text_of(alarm)
    assert hashlib.sha256(b"as it is now\n").hexdigest() in text_of(alarm)
    assert "2 of 3 files are as in the inventory, 1 changed" in text_of(document)


def test_evidence_that_is_gone_is_told_first(own):
    (own.settings.evidence / "notes.txt").unlink()
    alarm = next(each for each in made(own).iter("p") if each.get("class") == "alarm")
    assert "notes.txt can't be read" in text_of(alarm)


def test_the_head_is_the_ledgers(document, judged):
    words = text_of(document)
    assert judged.ledger.head() in words
    assert judged.ledger.verify(head=judged.ledger.head()).ok
    assert f"--head {judged.ledger.head()}" in words
    assert "shows only against a head noted elsewhere: nsm-nb verify --head HASH" in words
    assert f"{len(judged.verdicts)} records, each as it was written" in words


def test_a_ledger_that_was_tampered_with_is_told_first(own):
    with sqlite3.connect(own.work / "ledger.db") as database:
        for (name,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{name}"')
        database.execute("update verdicts set comment = 'all is well' where id = 2")
    database.close()
    document = made(nsm.open_case(own.path))
    alarm = next(each for each in document.iter("p") if each.get("class") == "alarm")
    assert "does not verify" in text_of(alarm)
    assert "record 2" in text_of(alarm)


def test_verdicts_on_what_is_gone_are_counted_and_told(own):
    own.ledger.judge(["000000000000:1"], "I", comment="x", analyst="ada")
    document = made(own)
    assert "1 judged alert can't be found in the evidence" in text_of(document)


def suricatas(line):
    event = json.loads(line)
    return {
        "sid": event["alert"]["signature_id"], "priority": event["alert"]["severity"], "sensor": "suricata",
        "time": pd.Timestamp(event["timestamp"]), "message": event["alert"]["signature"],
    }  # fmt: skip


def snorts(line):
    line_of = r"(\S+) .*?\[\d+:(\d+):\d+\] (.*?) \[\*\*\].*\[Priority: (\d+)\]"
    stamp, sid, message, priority = re.match(line_of, line).groups()
    return {
        "sid": sid, "priority": priority, "sensor": "snort", "message": message,
        "time": pd.to_datetime(stamp, format="%m/%d/%y-%H:%M:%S.%f", utc=True),
    }  # fmt: skip


def test_any_cell_leads_back_to_the_evidence(document, evidence, judged):
    """Fifty cells, read again from the files: alerts line by line, sessions and packets from the capture."""
    cells = [each for each in document.iter("span") if each.get("data-table") in ("alerts", "sessions", "packets")]
    assert len(cells) > 300
    logs = {}
    for name, read in (("suricata/eve.json", suricatas), ("snort2/alert.fast", snorts)):
        digits = hashlib.sha256((evidence / name).read_bytes()).hexdigest()[:12]
        logs[digits] = ((evidence / name).read_text().splitlines(), read)
    packets = nsm.read_packets(evidence / "staged.pcap")
    sessions, _ = nsm.sessions.assemble(packets)
    sessions = sessions.set_index("session")
    for cell in random.Random(7).sample(cells, 50):
        name, row, column = (cell.get(f"data-{each}") for each in ("table", "row", "column"))
        value = cell.get("data-value")
        if name == "alerts":
            digits, _, record = row.partition(":")
            lines, read = logs[digits]
            found = {"alert": row, "record": record, **read(lines[int(record) - 1])}[column]
        elif name == "packets":
            found = packets.iloc[int(row.rpartition(":")[2]) - 1][column]
        elif column == "session":
            assert int(row) in sessions.index
            found = row
        elif column == "community_id":
            found = judged.session(int(row))[column]
        else:
            found = {"evidence": "staged.pcap", "sensor": "tap"}.get(column) or sessions.loc[int(row), column]
        assert str(found) == value
        if column.endswith(("_packets", "_octets", "_payload")):
            assert re.sub(r"\D", "", text_of(cell)) == value


def test_octets_of_a_session_equal_tsharks(document, truth):
    frames = pd.read_csv(truth / "packets.tsv.gz", sep="\t", low_memory=False)
    shell = frames[frames["tcp.stream"] == 423]
    said = {
        each.get("data-column"): int(each.get("data-value"))
        for each in document.iter("span")
        if each.get("data-row") == str(SHELL) and each.get("data-column", "").endswith(("_octets", "_payload"))
    }
    out = shell["ip.src"] == "203.0.113.66"
    assert said["src_octets"] == int(shell.loc[out, "ip.len"].astype(int).sum())
    assert said["dst_octets"] == int(shell.loc[~out, "ip.len"].astype(int).sum())
    assert said["src_payload"] == 826
    assert said["dst_payload"] == 3012


def test_alerts_say_how_they_were_joined(document, judged):
    joins = judged.joins.set_index("alert")
    article = finding(document, "check-in URI")
    rows = table(article, "Its alerts")
    assert len(rows) == 80  # 40 events, each as both sensors tell it
    for row in rows:
        alert = re.match("[0-9a-f]{12}:[0-9]+", row[0])[0]
        assert row[4] == str(joins.loc[alert, "session"])
        assert row[5] == f"{joins.loc[alert, 'confidence']}: {joins.loc[alert, 'how']}"


def test_more_sessions_than_are_shown_are_named(document):
    words = text_of(finding(document, "check-in URI"))
    assert "35 more sessions of this finding have transcripts that are not shown" in words
    assert "nsm-nb transcript www-files01 " in words


def test_the_period_is_that_of_the_evidence(judged):
    said = content(judged, WHEN)
    assert said.period[0] == "2026-11-24 02:30:01.622544 UTC"
    assert said.period[1] == f"{judged.evidence['last'].max():%Y-%m-%d %H:%M:%S.%f} UTC"


def test_the_cases_zone_stands_beside_utc(own):
    toml = own.path / "case.toml"
    toml.write_text(toml.read_text() + 'time_zone = "America/New_York"\n')
    words = text_of(made(nsm.open_case(own.path)))
    assert "2026-11-25 14:00:00 UTC" in words
    assert "2026-11-25 09:00:00 America/New_York" in words
    assert "2003-11-13 12:00:04 America/New_York" in words


def test_the_method_names_the_timeouts(own):
    toml = own.path / "case.toml"
    toml.write_text(toml.read_text() + "\n[idle]\ntcp = 1234\n")
    words = text_of(made(nsm.open_case(own.path)))
    assert "tcp 1,234 s" in words
    assert "as case.toml says" in words


def test_an_unjudged_case_says_what_would_be_here(own_case):
    document = made(own_case)
    words = text_of(document)
    assert "Nothing has been escalated or put into a category yet" in words
    assert "156 alerts of 80 events fold into 18 queue rows; 0 are judged, 156 in 18 rows wait for a verdict" in words
    assert len(table(document, "Not judged yet")) == 18


def test_an_empty_case_has_a_report(empty):
    words = text_of(made(empty))
    assert "The evidence holds no alerts, and nothing has been judged yet." in words
    assert "The case has no evidence." in words
    assert "nothing in the evidence has a time" in words


def test_programs_are_named_with_their_versions(document):
    rows = dict(table(document, "Programs that made"))
    assert rows["nsm_nb"] == nsm.__version__
    assert rows["pandas"] == pd.__version__
    assert set(rows) >= {"Python", "numba", "tshark"}


def test_making_a_report_leaves_the_evidence_alone(judged, evidence):
    before = {path: path.stat().st_mtime_ns for path in evidence.rglob("*")}
    content(judged, WHEN)
    assert {path: path.stat().st_mtime_ns for path in evidence.rglob("*")} == before


@pytest.mark.parametrize("sid", sorted(RIGHT))
def test_categories_are_the_analysts(document, judged, sid):
    for row in judged.groups(pending=False, events=True).itertuples():
        if row.sid == sid and row.status != "NA":
            article = finding(document, row.message, row.sensor)
            badge = next(each for each in article.find("h3").iter("span") if "badge" in (each.get("class") or ""))
            assert text_of(badge) == row.status
