"""What a user reads first: every command's help, its examples, and how soon it is there."""

from __future__ import annotations

import argparse
import itertools
import shlex
import subprocess
import sys

import pytest

from nsm_nb import cli

COMMANDS = next(
    action.choices for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)
)  # fmt: skip


def examples(command):
    """Return the words of each example as a shell would pass them, up to a pipe and without remarks."""
    first, *lines = COMMANDS[command].epilog.splitlines()
    assert first == "examples:"
    for line in lines:
        words = shlex.shlex(line, posix=True, punctuation_chars="|")
        words.whitespace_split = True
        yield list(itertools.takewhile(lambda word: word != "|", words))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_a_call_that_is_understood(command):
    calls = [words for words in examples(command) if words[0] == "nsm-nb"]

    assert command in {call[1] for call in calls}
    for call in calls:
        assert cli.parser().parse_args(call[1:]).run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    said = COMMANDS[command].format_help()

    for action in COMMANDS[command]._actions:
        assert action.help, action.dest
    assert said.startswith(f"usage: nsm-nb {command} ")
    assert COMMANDS[command].description.endswith(".")
    assert "''" not in said  # an example that is empty


def test_what_is_exit_status_and_case_is_in_the_help_of_all(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])

    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert "A CASE is a directory with case.toml" in said and "2 the call was wrong" in said
    for command in COMMANDS:
        assert f" {command} " in said


@pytest.mark.parametrize("module", ["nsm_nb", "nsm_nb.cli"])
def test_it_runs_as_a_module_and_brings_nothing_heavy(module):
    words = [sys.executable, "-X", "importtime", "-m", module, "packets", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}

    assert done.stdout.startswith("usage: nsm-nb packets ")
    assert "argparse" in loaded
    assert loaded & {"numpy", "pandas", "numba", "matplotlib", "pyarrow", "duckdb", "sqlalchemy", "ipywidgets"} == set()
