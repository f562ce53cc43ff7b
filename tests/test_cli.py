"""The command line: tables where they are wanted, evidence never touched, no escape that reaches the terminal."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

import nsm_nb as nsm
from nsm_nb import cli
from tests import writing


@pytest.fixture
def place(tmp_path):
    """The directory of a case with one capture."""
    folder = tmp_path / "case"
    (folder / "evidence").mkdir(parents=True)
    (folder / "case.toml").write_text('name = "x"\n')
    (folder / "evidence" / "a.pcap").write_bytes(writing.pcap(writing.conversation()))
    return folder


def run(*arguments):
    return cli.main([str(each) for each in arguments])


@pytest.mark.parametrize("form", ["text", "csv", "jsonl", "parquet"])
def test_a_table_is_written_whole_to_a_file(place, tmp_path, form):
    out = tmp_path / "out"

    assert run("sessions", place, "-f", form, "-o", out) == 0

    if form == "parquet":
        import pandas as pd

        assert len(pd.read_parquet(out)) == 1
    else:
        assert "10.0.0.1" in out.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case", "out"]


@pytest.mark.parametrize("form", ["text", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("target", ["evidence/a.pcap", "evidence/new.csv", "link"])
def test_evidence_is_never_written_over(place, capsys, form, target):
    evidence = place / "evidence" / "a.pcap"
    (place / "link").symlink_to(evidence)
    before = hashlib.sha256(evidence.read_bytes()).hexdigest()

    for command in ("sessions", "alerts", "evidence"):
        assert run(command, place, "-f", form, "-o", place / target) == 1

    assert "among the evidence, which is never written to" in capsys.readouterr().err
    assert hashlib.sha256(evidence.read_bytes()).hexdigest() == before
    assert os.listdir(place / "evidence") == ["a.pcap"]


def test_a_carve_and_a_report_are_kept_out_of_the_evidence(place, capsys):
    number = int(nsm.open_case(place).sessions["session"][0])

    assert run("carve", place, number, "-o", place / "evidence" / "a.pcap") == 1
    assert run("report", place, "--to", "html", "-o", place / "evidence") == 1

    assert capsys.readouterr().err.count("never written to") == 2
    assert os.listdir(place / "evidence") == ["a.pcap"]


def test_a_failed_write_leaves_the_file_before_and_says_why(place, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.csv"
    out.write_text("before")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    nsm.open_case(place)
    assert run("formats", "-o", out) == 1
    monkeypatch.undo()

    assert "can't be written: No space left on device; choose another place" in capsys.readouterr().err
    assert out.read_text() == "before"
    assert run("formats", "-o", "/nonexistent/x.csv") == 1
    assert "can't be written: No such file" in capsys.readouterr().err


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    assert run("formats", "-o", pipe) == 0

    assert os.read(reader, 4).decode() == "name"
    os.close(reader)
    assert pipe.is_fifo()


def test_json_lines_are_one_object_a_row(place, capsys):
    assert run("sessions", place, "-f", "jsonl") == 0

    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["dst_port"] == 80


def test_no_escape_reaches_the_terminal(tmp_path, capsys):
    name = "case\x1b]0;x\x07"
    (tmp_path / name / "evidence").mkdir(parents=True)
    (tmp_path / name / "case.toml").write_text('name = "x"\n')
    (tmp_path / name / "evidence" / "a\x1b[31m.pcap").write_bytes(writing.pcap(writing.conversation()))
    number = int(nsm.open_case(tmp_path / name).sessions["session"][0])

    for arguments in (
        ["index"],
        ["evidence"],
        ["carve", number],
        ["report", "--to", "html"],
        ["sessions", "-q", "\x1b[1m"],
    ):
        run(arguments[0], tmp_path / name, *arguments[1:])
    for wrong in (["sessions", "--\x1b[31mred"], ["\x1b[31m"], ["transcript", "x", "\x1b[31m"]):
        with pytest.raises(SystemExit):
            run(*wrong)

    said = capsys.readouterr()
    assert not set(said.out + said.err) & {"\x1b", "\x07", "\x9b"}
    assert "\\x1b[31mred" in said.err


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
    assert run("stats", place, "-o", capture) == 1
    assert "among the evidence" in capsys.readouterr().err


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


def test_a_filter_chooses_packets_to_print_and_to_carve(place, tmp_path, capsys):
    assert run("packets", place, "--filter", "tcp[tcpflags] & tcp-fin != 0") == 0
    assert capsys.readouterr().out.count("Flags [F.]") == 2
    assert run("packets", place / "evidence" / "a.pcap", "--filter", "tcp[tcpflags] = tcp-syn") == 0
    assert capsys.readouterr().out.count("Flags [S]") == 1

    assert run("carve", place, "--filter", "src port 80", "-o", tmp_path / "x.pcapng") == 0
    assert len(nsm.read_packets(tmp_path / "x.pcapng")) == 3
    assert run("carve", place, "--filter", "udp") == 1
    assert "there are no packets to carve" in capsys.readouterr().err
    assert run("carve", place) == 1
    assert "say which packets" in capsys.readouterr().err
    assert run("packets", place, "--filter", "tcp prt 80") == 1
    assert "at character 5: and, or, or the end of the filter is expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-i", "lo"], "say where to capture and where to"),
        (["--dir", "x"], "say where to capture and where to"),
        (["-i", "lo", "--dir", "x", "--files", "3"], "say with --size or --every"),
        (["-i", "lo", "--dir", "x", "--filter", "tcp prt 80"], "at character 5"),
    ],
)
def test_a_capture_that_is_asked_in_part_captures_nothing(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)

    assert run("capture", *words) == 1

    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--size", "1x"], ["--every", "0"], ["--files", "-1"], ["--size", "99999999999999"]])
def test_an_amount_that_is_none_is_told(words, capsys):
    with pytest.raises(SystemExit) as ended:
        run("capture", *words)

    assert ended.value.code == 2
    assert "is not a" in capsys.readouterr().err or words[1].startswith("-")
