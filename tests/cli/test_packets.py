"""`nsm-nb packets` and `carve`: packets as text, chosen by frame, session, capture and filter, and as a capture."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from nsm_nb import cli
from tests.writing import conversation, pcap


@pytest.fixture
def capture(tmp_path):
    """A capture with one conversation of eight packets."""
    (tmp_path / "evidence").mkdir()
    path = tmp_path / "evidence" / "talk.pcap"
    path.write_bytes(pcap(conversation()))
    return path


def run(*arguments):
    return cli.main([str(each) for each in arguments])


@pytest.mark.parametrize("style", ["tcpdump", "snort", "hex"])
def test_a_file_is_printed_as_view_shows_it(capture, capsys, style):
    assert run("packets", capture, "--style", style) == 0

    assert capsys.readouterr().out == nsm.full_content.view(nsm.read_packets(capture), style)


def test_frames_are_chosen_by_number_and_range(capture, capsys):
    assert run("packets", capture, "--frames", "1, 3-4,8") == 0

    packets = nsm.read_packets(capture)
    assert capsys.readouterr().out == nsm.full_content.view(packets.iloc[[0, 2, 3, 7]])


def test_a_session_of_a_case_and_of_a_file_is_the_same(capture, capsys):
    number = int(nsm.sessions.assemble(nsm.read_packets(capture))[0]["session"].iloc[0])

    assert run("packets", capture, "--session", number) == 0
    of_file = capsys.readouterr().out
    assert of_file.count("10.0.0.1") >= 8
    assert run("packets", capture.parent, "--session", number, "--evidence", "talk.pcap") == 0
    assert capsys.readouterr().out == of_file


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--frames", "99"], "there is no such packet"),
        (["--frames", "x"], "'x' is no list of frames; write 7, or 5-9,12"),
        (["--frames", "5-"], "no list of frames"),
        (["--frames", "²"], "no list of frames"),
        (["--evidence", "other.pcap"], "there is no such packet"),
    ],
)
def test_what_is_not_there_is_one_sentence(capture, capsys, arguments, why):
    assert run("packets", capture, *arguments) == 1

    said = capsys.readouterr()
    assert said.out == "" and why in said.err and said.err.count("\n") == 1


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
