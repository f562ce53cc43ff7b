"""How a call is read: the parser, its commands, and the options that several commands have, each said in one way."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from nsm_nb.errors import NsmError
from nsm_nb.text import printable

__all__ = [
    "FORMATS", "Commands", "Parser", "case", "filtered", "named_case", "needs", "out", "overwrite", "read_as", "recover",
    "table", "written",
]  # fmt: skip

FORMATS = ("text", "csv", "jsonl", "parquet")

Run = Callable[[argparse.Namespace], int | None]


class Parser(argparse.ArgumentParser):
    """A parser whose errors show every character of what was typed."""

    def error(self, message: str) -> NoReturn:
        """End the program with what is wrong with the call."""
        super().error(printable(message))


class Commands:
    """The commands of a parser, in the order in which its help lists them."""

    def __init__(self, top: Parser):
        self._parsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(self, name: str, run: Run, words: str, *examples: str) -> argparse.ArgumentParser:
        """Return the parser of a new command, which has no options yet.

        Parameters
        ----------
        name
            What is typed.
        run
            What does it; what it returns is the exit status, None: 0.
        words
            What it does, as the list of commands says it: a sentence without a capital and a full stop.
        examples
            Lines to copy.
        """
        made = self._parsers.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
            epilog="\n  ".join(["examples:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made


def case(made: argparse.ArgumentParser, words: str = "the case, or a folder of evidence") -> None:
    """Add the case, which may be left out."""
    default = os.environ.get("NSM_CASE", ".")
    made.add_argument("case", nargs="?", default=default, help=f"{words} (default: NSM_CASE, else this folder)")
    made.add_argument("--case", dest="case", metavar="CASE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def named_case(made: argparse.ArgumentParser) -> None:
    """Add the case, which is to be named."""
    made.add_argument("case", help="the case, or a folder of evidence")


def table(made: argparse.ArgumentParser, *, query: str) -> None:
    """Add what chooses the rows of a table and writes them; `query` is an example of one."""
    made.add_argument("-q", "--query", default="", help=f"which rows, such as '{query}' (default: all)")
    written(made)


def written(made: argparse.ArgumentParser) -> None:
    """Add how a table is written, and where to."""
    made.add_argument("-f", "--format", choices=FORMATS, default="text", help="how to write the table (default: text)")
    out(made, "the file to write instead of stdout; parquet needs one")


def out(made: argparse.ArgumentParser, words: str = "the file to write instead of stdout") -> None:
    """Add the file that is written."""
    made.add_argument("-o", "--out", metavar="FILE", type=Path, help=words)
    overwrite(made)


def overwrite(made: argparse.ArgumentParser) -> None:
    """Add the leave to replace the file that is written, which `main` asks for."""
    made.add_argument("--overwrite", action="store_true", help="replace that file if it is there; never evidence")


def filtered(made: argparse.ArgumentParser) -> None:
    """Add a capture filter."""
    made.add_argument("--filter", default="", help="those that match, in tcpdump's language: 'udp port 53 or 5353'")


def recover(made: argparse.ArgumentParser) -> None:
    """Add the search behind damage."""
    made.add_argument("--recover", action="store_true", help="search captures behind damage; what is found is a guess")


def read_as(made: argparse.ArgumentParser) -> None:
    """Add the format of files that are named."""
    made.add_argument("--read-as", metavar="FORMAT", help="the format of a file that is named, where its first bytes do not "
                      "tell; nsm-nb formats lists them")  # fmt: skip


def needs(needed: str, what: str, options: Mapping[str, object]) -> None:
    """Refuse options that would mean nothing without another.

    Parameters
    ----------
    needed
        The option that is not there.
    what
        What the options say.
    options
        Their values by name; those that are true were given.

    Raises
    ------
    NsmError
        Where one was given.
    """
    given = [name for name, value in options.items() if value]
    if given:
        says, need = ("say", "they need") if len(given) > 1 else ("says", "it needs")
        raise NsmError(f"{' and '.join(given)} {says} {what}: {need} {needed}")
