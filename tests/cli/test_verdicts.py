"""`nsm-nb judge` and `verify`."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from nsm_nb import cli


def run(*arguments):
    return cli.main([str(each) for each in arguments])


def test_every_alert_that_matches_is_judged_and_the_ledger_checked(judged, capsys):
    count = len(nsm.open_case(judged).alerts)
    assert run("judge", judged, "NA", "-q", "priority >= 1", "--comment", "noise", "--analyst", "ada") == 0
    assert f"{count:,} verdicts written" in capsys.readouterr().err
    head = nsm.open_case(judged).ledger.head()
    assert run("verify", judged) == run("verify", judged, "--head", head) == 0
    assert run("verify", judged, "--head", "ab" * 32) == 3
    assert "BAD" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["x:1", "-q", "priority 1"], ["-q", "priority >"], ["-q", "sid 0"]])
def test_what_is_to_be_judged_is_named_one_way(judged, capsys, words):
    records = nsm.open_case(judged).verify().count
    assert run("judge", judged, "NA", *words) == 1
    said = capsys.readouterr().err
    assert said.startswith("nsm-nb: ") and said.count("\n") == 1
    assert nsm.open_case(judged).verify().count == records
