"""`nsm-nb alerts`, where they are handed on."""

from __future__ import annotations

import email
import json
from email.policy import default

import pytest

import nsm_nb as nsm
from nsm_nb import cli
from nsm_nb.widgets.queue import Queue
from tests import writing
from tests.report.conftest import case_of_two


def run(*arguments):
    return cli.main([str(each) for each in arguments])


def test_alerts_are_handed_on_to_stdout_and_to_a_file(judged, tmp_path, capsysbinary):
    assert run("alerts", judged, "--export", "summary", "-q", "priority >= 1") == 0
    assert capsysbinary.readouterr().out.startswith(b"-" * 72 + b"\nCount:1 Event#")
    draft = tmp_path / "draft.eml"
    assert run("alerts", judged, "--export", "eml", "--sanitised", "--to", "abuse@example.net", "-o", draft) == 0
    mail = email.message_from_bytes(draft.read_bytes(), policy=default)
    assert mail["To"] == "abuse@example.net" and "ip4-" in mail.get_content()
    assert run("alerts", judged, "--export", "eml", "--to", "nobody", "-o", draft) == 1
    assert email.message_from_bytes(draft.read_bytes(), policy=default)["To"] == "abuse@example.net"
    evidence = next(iter(nsm.open_case(judged).paths.values()))
    before = evidence.read_bytes()
    assert run("alerts", judged, "--export", "csv", "-o", evidence) == 1
    assert evidence.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sanitised"], "--sanitised says how alerts are handed on: it needs --export"),
        (["--export", "csv", "--to", "x@y.example"], "it needs --export eml"),
        (
            ["--to", "x@y.example", "--subject", "x"],
            "--to and --subject say what stands at the head of a mail: they need",
        ),
        (["--export", "csv", "--groups"], "--export csv has a layout of its own"),
        (["--export", "csv", "-f", "csv"], "--export csv has a layout of its own"),
    ],
)
def test_an_option_that_would_mean_nothing_is_refused(judged, capsys, words, said):
    assert run("alerts", judged, *words) == 1

    told = capsys.readouterr()
    assert said in told.err and not told.out


def test_alerts_that_nobody_judged_are_new(judged, capsys):
    assert run("alerts", judged, "-f", "jsonl", "-q", "category NEW") == 0

    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert len(rows) == len(nsm.open_case(judged).alerts) > 0
    assert {row["category"] for row in rows} == {"NEW"}


def test_groups_are_the_rows_of_the_queue_where_two_sensors_saw_the_same(tmp_path, capsys):
    case = case_of_two(tmp_path / "two", [("a shell", 5, 4), ("a scan", 6, 9)], [("the shell", 5, 4)])

    assert run("alerts", case.path, "--groups", "-f", "jsonl") == 0

    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    shown = Queue(case).table("All")
    assert [row["children"] for row in rows] == shown["children"].tolist()
    assert [(row["count"], row["sensor"]) for row in rows] == [(1, "snort, suricata"), (1, "suricata")]


def test_groups_of_one_sensor_count_its_alerts(tmp_path, capsys):
    case = case_of_two(tmp_path / "two", [("a shell", 5, 4), ("a shell", 5, 4)], [])

    assert run("alerts", case.path, "--groups", "-f", "jsonl") == 0

    (row,) = (json.loads(row) for row in capsys.readouterr().out.splitlines())
    assert (row["count"], row["sensor"]) == (2, "suricata")


def test_sessions_of_a_case_are_asked_for_their_alerts(tmp_path, capsys):
    case = case_of_two(tmp_path / "two", [("a shell", 5, 4)], [])
    (case.path / "evidence" / "small.pcap").write_bytes(writing.pcap(writing.conversation()))

    assert run("sessions", case.path, "-q", "alert ~ shell", "-f", "csv") == 0
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split(",") == list(nsm.open_case(case.path).sessions) and "10.0.0.1" in row
    assert run("sessions", case.path, "-q", "alert ~ scan", "--style", "ra") == 0
    assert "10.0.0.1" not in capsys.readouterr().out
    assert run("sessions", case.path / "evidence" / "small.pcap", "-q", "alert ~ shell") == 1
    assert "the sessions of a case do: nsm-nb sessions CASE -q" in capsys.readouterr().err
