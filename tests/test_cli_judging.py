"""The command line where it judges, checks and hands on."""

from __future__ import annotations

import email
import shutil
from email.policy import default

import pytest

import nsm_nb as nsm
from nsm_nb import cli


@pytest.fixture(scope="module")
def place(bundled, tmp_path_factory):
    """A case of one sensor's alerts, which the tests of this file judge one after another."""
    folder = tmp_path_factory.mktemp("cli")
    source = next(path for path in (bundled / "evidence").rglob("*") if "fast" in path.name)
    shutil.copy(source, folder / source.name)
    nsm.create_case(folder / "case", [folder / source.name])
    return folder / "case"


def run(*arguments):
    return cli.main([str(each) for each in arguments])


def test_every_alert_that_matches_is_judged_and_the_ledger_checked(place, capsys):
    count = len(nsm.open_case(place).alerts)
    assert run("judge", place, "NA", "-q", "priority >= 1", "--comment", "noise", "--analyst", "ada") == 0
    assert f"{count:,} verdicts written" in capsys.readouterr().err
    head = nsm.open_case(place).ledger.head()
    assert run("verify", place) == run("verify", place, "--head", head) == 0
    assert run("verify", place, "--head", "ab" * 32) == 3
    assert "BAD" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["x:1", "-q", "priority 1"], ["-q", "priority >"], ["-q", "sid 0"]])
def test_what_is_to_be_judged_is_named_one_way(place, capsys, words):
    records = nsm.open_case(place).verify().count
    assert run("judge", place, "NA", *words) == 1
    said = capsys.readouterr().err
    assert said.startswith("nsm-nb: ") and said.count("\n") == 1
    assert nsm.open_case(place).verify().count == records


def test_alerts_are_handed_on_to_stdout_and_to_a_file(place, tmp_path, capsysbinary):
    assert run("alerts", place, "--export", "summary", "-q", "priority >= 1") == 0
    assert capsysbinary.readouterr().out.startswith(b"-" * 72 + b"\nCount:1 Event#")
    draft = tmp_path / "draft.eml"
    assert run("alerts", place, "--export", "eml", "--sanitised", "--to", "abuse@example.net", "-o", draft) == 0
    mail = email.message_from_bytes(draft.read_bytes(), policy=default)
    assert mail["To"] == "abuse@example.net" and "ip4-" in mail.get_content()
    assert run("alerts", place, "--export", "eml", "--to", "nobody", "-o", draft) == 1
    assert email.message_from_bytes(draft.read_bytes(), policy=default)["To"] == "abuse@example.net"
    evidence = next(iter(nsm.open_case(place).paths.values()))
    before = evidence.read_bytes()
    assert run("alerts", place, "--export", "csv", "-o", evidence) == 1
    assert evidence.read_bytes() == before
