"""Tables where they are wanted, evidence never touched, no escape that reaches the terminal."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

import nsm_nb as nsm
from nsm_nb import cli
from tests import writing


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
@pytest.mark.parametrize("target", ["evidence/a.pcap", "evidence/new.csv", "link", "hard"])
def test_evidence_is_never_written_over(place, capsys, form, target):
    evidence = place / "evidence" / "a.pcap"
    (place / "link").symlink_to(evidence)
    before = hashlib.sha256(evidence.read_bytes()).hexdigest()

    os.link(evidence, place / "hard")

    for command in ("sessions", "alerts", "evidence"):
        assert run(command, place, "-f", form, "-o", place / target, "--overwrite") == 1

    assert "among the evidence, which is never written to" in capsys.readouterr().err
    assert hashlib.sha256(evidence.read_bytes()).hexdigest() == before
    assert os.listdir(place / "evidence") == ["a.pcap"]


def test_what_is_there_is_replaced_only_where_that_is_asked(place, tmp_path, capsys):
    capture = tmp_path / "a.pcap"
    capture.write_bytes(b"the only copy")

    for words in (["formats"], ["sessions", place], ["stats", place], ["carve", place, "--filter", "tcp"]):
        assert run(*words, "-o", capture) == 1
        assert "is there already; choose another name, or say --overwrite" in capsys.readouterr().err
        assert capture.read_bytes() == b"the only copy"
    assert run("formats", "-o", capture, "--overwrite") == 0
    assert capture.read_text().startswith("name")


def test_a_carve_and_a_report_are_kept_out_of_the_evidence(place, capsys):
    number = int(nsm.open_case(place).sessions["session"][0])

    assert run("carve", place, number, "-o", place / "evidence" / "a.pcap", "--overwrite") == 1
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
    assert run("formats", "-o", out, "--overwrite") == 1
    monkeypatch.undo()

    assert "can't be written: No space left on device; choose another place" in capsys.readouterr().err
    assert out.read_text() == "before"
    assert run("formats", "-o", "/nonexistent/x.csv") == 1
    assert "can't be written: No such file" in capsys.readouterr().err


def test_a_pipe_is_written_to_and_not_replaced(place, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    number = int(nsm.open_case(place).sessions["session"][0])

    for words, start in (
        (["formats"], b"name"),
        (["sessions", place, "--style", "ra"], b" "),
        (["transcript", place, number], b"Sensor"),
        (["transcript", place, number, "--side", "src"], b"GET"),
        (["export-netflow", place / "evidence" / "a.pcap"], b"M<\xb2\xa1"),
    ):
        assert run(*words, "--to" if words[0] == "export-netflow" else "-o", pipe) == 0
        assert os.read(reader, 100_000).startswith(start)
        assert pipe.is_fifo()
    os.close(reader)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_stdout_that_takes_no_more_is_one_sentence():
    words = [sys.executable, "-m", "nsm_nb", "formats", "-q", "name pcap"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert "No space left on device" in done.stderr and done.stderr.count("\n") == 1


def test_who_has_read_enough_ends_it_without_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "nsm_nb", "formats"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (done.returncode, done.stderr) == (0, "")


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
