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


@pytest.mark.parametrize("words", [["--size", "1x"], ["--every", "0"], ["--files", "-1"], ["--size", "99999999999999"]])
def test_an_amount_that_is_none_is_told(words, capsys):
    with pytest.raises(SystemExit) as ended:
        run("capture", *words)

    assert ended.value.code == 2
    assert "is not a" in capsys.readouterr().err or words[1].startswith("-")
