"""`nsm-nb stats`."""

from __future__ import annotations

import pytest

from nsm_nb import cli
from tests import writing


def run(*arguments):
    return cli.main([str(each) for each in arguments])


@pytest.mark.parametrize("show", ["protocols", "sizes", "hosts", "services", "talkers", "pairs", "ports", "networks"])
def test_statistics_are_shown_of_a_case_and_of_a_file_alike(place, capsys, show):
    assert run("stats", place, "--show", show, "-f", "csv") == 0
    of_case = capsys.readouterr().out
    assert run("stats", place / "evidence" / "a.pcap", "--show", show, "-f", "csv") == 0

    assert len(of_case.splitlines()) == len(capsys.readouterr().out.splitlines()) > 1


def test_a_listing_is_laid_out_as_tcpdstat_does(place, tmp_path, capsys):
    capture = place / "evidence" / "a.pcap"

    assert run("stats", capture, "--as-printed") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"\nDumpFile:  {capture}\nFileSize: 0.00MB\nId: ")
    assert "### Protocol Breakdown ###" in out

    assert run("stats", place, "--style", "tcpdstat", "-o", tmp_path / "out") == 0
    assert "AvgRate" in (tmp_path / "out").read_text()
    assert run("stats", place, "-o", capture, "--overwrite") == 1
    assert "among the evidence" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "jsonl"], "the summary is text"),
        (["-f", "parquet", "--style", "tcpdstat"], "the summary is text"),
        (["--show", "hosts", "--style", "tcpdstat"], "--show hosts is a table"),
        (["--show", "sizes", "--as-printed"], "--show sizes is a table"),
        (["--style", "plain", "--as-printed"], "leave out --style plain"),
        (["--compare", "{}", "--show", "hosts"], "--compare prints one table"),
        (["--compare", "{}", "--style", "plain"], "--compare prints one table"),
        (["--compare", "{}", "--as-printed"], "--compare prints one table"),
    ],
)
def test_an_option_that_would_mean_nothing_is_refused(place, capsys, words, said):
    assert run("stats", place, *(each.format(place) for each in words)) == 1

    told = capsys.readouterr()
    assert said in told.err and not told.out


def test_the_first_of_two_is_before(place, tmp_path, capsys):
    later = tmp_path / "later.pcap"
    frame = writing.ethernet(writing.ip(writing.udp(b"x" * 99, 1000, 53), "10.9.9.9", "10.8.8.8", 17))
    later.write_bytes(writing.pcap([(10**18, frame, len(frame))]))

    assert run("stats", place / "evidence" / "a.pcap", "--compare", later) == 0

    rows = capsys.readouterr().out.splitlines()
    assert any(row.startswith("new") and "10.9.9.9" in row for row in rows)
    assert any(row.startswith("gone") and "10.0.0.1" in row for row in rows)


def test_two_files_are_compared(place, capsys):
    capture = place / "evidence" / "a.pcap"

    assert run("stats", capture, "--compare", place, "-f", "csv") == 0
    assert capsys.readouterr().out.splitlines() == ["kind,name,status,a,b,change,factor,query"]


def test_flows_have_statistics_and_no_listing_of_tcpdstat(bundled, capsys):
    flows = bundled / "evidence" / "netflow-export.pcap"

    assert run("stats", flows) == 0
    assert "What sessions can't tell" in capsys.readouterr().out
    assert run("stats", flows, "--style", "tcpdstat") == 1
    assert "holds flows and no packets" in capsys.readouterr().err
