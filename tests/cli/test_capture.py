"""`nsm-nb capture`, where nothing is captured."""

from __future__ import annotations

import pytest

from nsm_nb import cli


def run(*arguments):
    return cli.main([str(each) for each in arguments])


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "1x"], "argument --size: '1x' is not a size such as 500M or 1G"),
        (["--size", "99999999999999"], "argument --size: '99999999999999' is not a size such as 500M or 1G"),
        (["--every", "0"], "argument --every: '0' is not a time such as 60s, 5m or 1h"),
        (["--for", "-5"], "argument --for: '-5' is not a time such as 60s, 5m or 1h"),
        (["--files", "-1"], "argument --files: '-1' is not a number from 1 on"),
        (["--files=-1"], "argument --files: '-1' is not a number from 1 on"),
        (["--files", "0"], "argument --files: '0' is not a number from 1 on"),
    ],
)
def test_an_amount_that_is_none_is_told(words, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run("capture", "-i", "lo", "--dir", tmp_path / "x", *words)

    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"nsm-nb capture: error: {said}\n")
    assert not (tmp_path / "x").exists()


def test_an_option_that_has_no_amount_wants_one(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run("capture", "-i", "lo", "--dir", tmp_path, "--files", "--size", "1M")

    assert ended.value.code == 2
    assert "argument --files: expected one argument" in capsys.readouterr().err
