"""nsm-nb transcript: printed in each style, a side written, searched, decoded."""

from __future__ import annotations

import hashlib

import pytest

import nsm_nb as nsm
from nsm_nb.cli import main


@pytest.fixture(scope="module")
def shell(tmp_path_factory, bundled):
    """A case with the bundled capture, and the session of the shell in it."""
    place = tmp_path_factory.mktemp("cases") / "case"
    case = nsm.create_case(place, [bundled / "evidence" / "staged.pcap"])
    sessions = case.sessions
    row = sessions[(sessions["dst_port"] == 31337) & (sessions["dst_payload"] > 0)].iloc[0]
    return str(place), str(row["session"])


def test_each_style_is_printed(shell, capfd):
    case = nsm.open_case(shell[0])
    for style in ("plain", "sguil", "hex"):
        assert main(["transcript", *shell, "--style", style]) == 0
        assert capfd.readouterr().out == case.transcript(int(shell[1])).text(style)


def test_the_bytes_of_a_side_are_written_or_piped(shell, capfdbinary, tmp_path, truth):
    expected = (truth / "shell.txt").read_bytes()

    assert main(["transcript", *shell, "--side", "dst"]) == 0
    assert capfdbinary.readouterr().out == expected
    assert main(["transcript", *shell, "--side", "dst", "-o", str(tmp_path / "dst.bin")]) == 0
    assert (tmp_path / "dst.bin").read_bytes() == expected
    assert main(["transcript", *shell, "--side", "dst", "-o", str(tmp_path / "no" / "dst.bin")]) == 1
    assert b"can't be written" in capfdbinary.readouterr().err


def test_places_are_printed_with_frame_and_offset(shell, capfd):
    assert main(["transcript", *shell, "--find", r"uid=\d+", "--kind", "regex"]) == 0
    shown = capfd.readouterr().out

    assert "3261" in shown and "uid=33" in shown and "406" in shown
    assert main(["transcript", *shell, "--find", "nowhere"]) == 0
    assert capfd.readouterr().out == ""


def test_a_recipe_is_run_over_the_turns(shell, capfd, tmp_path):
    assert (
        main(["transcript", *shell, "--side", "dst", "--decode", r"match uid=(\d+) | join", "-o", str(tmp_path / "x")])
        == 0
    )
    told = capfd.readouterr().err

    assert (tmp_path / "x").read_bytes() == b"330"
    assert hashlib.sha256(b"330").hexdigest() in told and "recipe match" in told
    assert main(["transcript", *shell, "--decode", "bse64"]) == 1
    assert "there is no step 'bse64'" in capfd.readouterr().err
    assert main(["transcript", *shell, "--decode", "hex", "--find", "x"]) == 1


def test_a_policy_is_named_in_the_header(shell, capfd):
    assert main(["transcript", *shell, "--policy", "linux"]) == 0
    assert "Overlaps:           linux" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kind", "hex"], "--kind says what is searched for: it needs --find"),
        (["--style", "hex", "--side", "dst"], "--side prints something else"),
        (["--style", "plain", "--find", "uid"], "--find prints something else"),
    ],
)
def test_an_option_that_would_mean_nothing_is_refused(shell, capfd, words, said):
    assert main(["transcript", *shell, *words]) == 1

    told = capfd.readouterr()
    assert said in told.err and not told.out


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["transcript", "--help"])
    assert "--decode 'match cmd=(.*) | url | base64'" in capsys.readouterr().out
