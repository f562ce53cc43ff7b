"""`nsm-nb packets`: a case's or a file's packets as text, chosen by frame, session and capture."""

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
    return cli.main(["packets", *map(str, arguments)])


@pytest.mark.parametrize("style", ["tcpdump", "snort", "hex"])
def test_a_file_is_printed_as_view_shows_it(capture, capsys, style):
    assert run(capture, "--style", style) == 0

    assert capsys.readouterr().out == nsm.full_content.view(nsm.read_packets(capture), style)


def test_frames_are_chosen_by_number_and_range(capture, capsys):
    assert run(capture, "--frames", "1, 3-4,8") == 0

    packets = nsm.read_packets(capture)
    assert capsys.readouterr().out == nsm.full_content.view(packets.iloc[[0, 2, 3, 7]])


def test_a_session_of_a_case_and_of_a_file_is_the_same(capture, capsys):
    number = int(nsm.sessions.assemble(nsm.read_packets(capture))[0]["session"].iloc[0])

    assert run(capture, "--session", number) == 0
    of_file = capsys.readouterr().out
    assert of_file.count("10.0.0.1") >= 8
    assert run(capture.parent, "--session", number, "--evidence", "talk.pcap") == 0
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
    assert run(capture, *arguments) == 1

    said = capsys.readouterr()
    assert said.out == "" and why in said.err and said.err.count("\n") == 1
