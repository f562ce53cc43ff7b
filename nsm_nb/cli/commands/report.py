"""`nsm-nb report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from nsm_nb.cli import options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.places import indexed
from nsm_nb.text import printable

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    report = commands.add(
        "report", _report, "make the report of a case", "nsm-nb report my-case", "nsm-nb report my-case --to html"
    )
    options.case(report)
    report.add_argument("--to", action="append", choices=("html", "pdf"), help="may be given twice (default: both)")
    report.add_argument(
        "-o", "--out", metavar="FOLDER", type=Path, help="the folder to write to (default: the case's reports folder)"
    )


def _report(chosen: argparse.Namespace) -> None:
    from nsm_nb import report

    case = indexed(chosen)
    out = None if chosen.out is None else case.spare(chosen.out)
    for path in report.build(case, to=tuple(chosen.to or ("html", "pdf")), out=out).values():
        print(printable(path))
