"""The command line, `nsm-nb`: a thin door to the same functions. Tables go to stdout, everything else to stderr.

`commands` has a module for each group of commands, with its parser and what it does. Beside it is what they share:
`options` and `amounts` say how a call is read, `places` what it reads and may write to, `output` how tables and files are
written, `wording` how the package's sentences are said here, `progress` the line on the screen while one waits.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence

from nsm_nb import __version__
from nsm_nb.cli import commands
from nsm_nb.cli.options import Commands, Parser
from nsm_nb.cli.places import may_write
from nsm_nb.cli.wording import spoken
from nsm_nb.errors import NsmError
from nsm_nb.text import printable

__all__ = ["main", "parser"]

_STATUSES = (
    "Exit status: 0 done, 1 it could not be done, 2 the call was wrong, 3 a ledger or evidence is not as it was "
    "(nsm-nb verify), 130 stopped by Ctrl-C."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 fine, 1 it could not be done, 2 the call was wrong, 3 the ledger is bad."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without the letters of a file's name
    chosen = parser().parse_args(arguments)
    try:
        if hasattr(chosen, "overwrite") and chosen.out is not None:
            may_write(chosen.out, overwrite=chosen.overwrite)
        status = int(chosen.run(chosen) or 0)
        sys.stdout.flush()  # what is lost is told here, not by the interpreter at its end
    except NsmError as problem:
        print(f"nsm-nb: {printable(spoken(str(problem)))}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # whoever read the table has seen enough
        _nothing_more()
        return 0
    except OSError as problem:
        print(f"nsm-nb: {_told(problem)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nsm-nb: stopped", file=sys.stderr)
        return 130
    return status


def parser() -> Parser:
    """Return the parser of the command line."""
    top = Parser(
        prog="nsm-nb",
        description="Network security monitoring in Jupyter: from a folder of evidence to a report.",
        epilog="A CASE is a directory with case.toml, or a bare folder of evidence. `nsm-nb COMMAND --help` has examples. "
        + _STATUSES,
    )
    top.add_argument("--version", action="version", version=f"nsm-nb {__version__}", help="print the version and exit")
    commands.add(Commands(top))
    return top


class _Printable(logging.Formatter):
    """Messages with every character visible: paths and evidence may hold terminal escapes."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(spoken(super().format(record)), lines=True)


def _nothing_more() -> None:
    """Send what is still to be written nowhere: stdout takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(problem: OSError) -> str:
    """Return a sentence on what the system refused."""
    try:
        sys.stdout.flush()
    except OSError:
        _nothing_more()
    name = "stdout or a file of the case" if problem.filename is None else printable(problem.filename)
    return f"{name}: {printable(problem.strerror or problem)}; see that it is there, has room and is open to you"
