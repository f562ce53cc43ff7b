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


def test_a_file_that_is_read_is_never_written_over_by_whatever_name(place, tmp_path, capsys):
    capture, other = tmp_path / "a.pcap", tmp_path / "b.pcap"
    for each in (capture, other):
        each.write_bytes((place / "evidence" / "a.pcap").read_bytes())
    (tmp_path / "soft").symlink_to(capture)
    os.link(capture, tmp_path / "hard")
    before = hashlib.sha256(capture.read_bytes()).hexdigest()

    for out in ("a.pcap", "./x/../a.pcap", "soft", "hard"):
        for words in ([capture], [capture, "--show", "hosts"], [other, "--compare", capture], [capture, other],
                      [tmp_path / "*.pcap"], [place, "--compare", capture]):  # fmt: skip
            assert run("stats", *words, "-o", tmp_path / out) == 1
            assert run("stats", *words, "-o", tmp_path / out, "--overwrite") == 1
            assert "is evidence, which is never written to" in capsys.readouterr().err

    (tmp_path / "x").mkdir()
    assert run("stats", capture, "--compare", place, "-o", place / "evidence" / "new.txt") == 1
    assert "among the evidence" in capsys.readouterr().err
    assert {hashlib.sha256(each.read_bytes()).hexdigest() for each in (capture, other)} == {before}
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


@pytest.fixture
def rotated(tmp_path):
    """A folder of three pieces of one conversation, as snort names them, and something else."""
    folder = tmp_path / "day"
    folder.mkdir()
    packets = writing.conversation()
    for number, part in enumerate((packets[:3], packets[3:5], packets[5:])):
        (folder / f"snort.log.{number}").write_bytes(writing.pcap(part))
    (folder / "notes.txt").write_text("seen by me")
    return folder


def test_rotated_captures_are_one_by_a_pattern_or_their_names(place, rotated, capsys):
    names = sorted(rotated.glob("snort*"))
    assert run("stats", place / "evidence" / "a.pcap", "--show", "talkers", "-f", "csv") == 0
    whole = capsys.readouterr().out

    for words in ([f"{rotated}/snort.log.*"], names, [f"{rotated}/snort.log.[01]", names[2]]):
        assert run("stats", *words, "--show", "talkers", "-f", "csv") == 0
        assert capsys.readouterr().out == whole
        assert run("stats", *words) == 0
        capsys.readouterr()

    assert run("stats", f"{rotated}/*.pcap") == 1
    assert "no file matches" in capsys.readouterr().err
    assert run("stats", names[0], rotated) == 1
    assert "is a folder; give one case, one folder, or files" in capsys.readouterr().err
    assert run("packets", rotated / "x.pcap", names[0]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["tcpdump", "hex", "snort"])
@pytest.mark.parametrize("many", [True, False])
def test_each_packet_of_several_captures_has_the_name_of_its_own_above_it(rotated, capsys, style, many):
    assert run("packets", *([f"{rotated}/snort.log.*"] if many else [rotated]), "--frames", "1", "--style", style) == 0

    out = capsys.readouterr().out
    label = f"{rotated}/snort.log" if many else "snort.log"
    heads = [line for line in out.splitlines() if line.startswith("reading from")]
    assert heads == [f"reading from {label}.{number}" for number in range(3)]
    assert run("packets", rotated / "snort.log.1", "--style", style) == 0
    assert "reading from" not in capsys.readouterr().out


def test_captures_are_searched_behind_damage_where_that_is_asked(place, tmp_path, capsys):
    frame = writing.ethernet(writing.ip(writing.udp(b"x" * 99, 1000, 53), "10.9.9.9", "10.8.8.8", 17))
    data = bytearray(writing.pcap([((10**9 + each) * 10**9, frame, len(frame)) for each in range(30)]))
    at = 24 + 10 * (16 + len(frame))
    data[at : at + 16] = b"\xff" * 16
    capture = tmp_path / "damaged.pcap"
    capture.write_bytes(data)

    assert run("packets", capture, "--style", "hex") == 0
    short = capsys.readouterr().out
    assert run("packets", capture, "--style", "hex", "--recover") == 0
    told = capsys.readouterr()
    assert len(told.out) > 2 * len(short)
    assert "19 frames from 11 on are a guess, found behind damage" in told.err
    assert run("stats", capture, "--show", "talkers", "--recover") == 0
    assert "19 frames" in capsys.readouterr().err
    assert run("stats", place, "--recover") == 1
    assert "write recover = true into its case.toml" in capsys.readouterr().err


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
