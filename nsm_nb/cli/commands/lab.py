"""`nsm-nb lab`."""

from __future__ import annotations

import argparse
from pathlib import Path

from nsm_nb.cli import amounts, options
from nsm_nb.cli.options import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    lab = commands.add(
        "lab", _lab, "open JupyterLab on a case", "nsm-nb lab my-case", "nsm-nb lab /mnt/evidence --port 8899"
    )
    options.case(lab)
    lab.add_argument(
        "--port", type=amounts.port, help="the port on 127.0.0.1 (default: the first free one from 8888 on)"
    )
    lab.add_argument("--no-browser", action="store_true", help="print the address and open nothing")


def _lab(chosen: argparse.Namespace) -> int:
    from nsm_nb import lab

    return lab.start(Path(chosen.case), port=chosen.port, browser=not chosen.no_browser)
