"""`nsm-nb sessions`: as a table, or as other programs print them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_nb.cli import amounts, options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import print_lines, print_table
from nsm_nb.cli.places import given, holds_packets, packets_in
from nsm_nb.errors import NsmError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add"]

_STYLES = ("plain", "ra", "ra2", "flow-print", *(f"flow-print -f {each}" for each in (0, 1, 3, 5, 6)), "sguil")
_COLUMNS = [
    "session", "start", "duration", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "dst_packets",
    "src_octets", "dst_octets", "state", "closed", "application",
]  # fmt: skip


def add(commands: Commands) -> None:
    """Add the command."""
    sessions = commands.add(
        "sessions", _sessions, "list the sessions of a case, a capture or a file of flows",
        "nsm-nb sessions my-case -q 'src net 10.0.0.0/8 and dst port 445'",
        "nsm-nb sessions my-case -f csv -o sessions.csv",
        "nsm-nb sessions staged.pcap --style ra --link 14 | grep 10.0.0.7",
        "nsm-nb sessions my-case --style 'flow-print -f 5'",
    )  # fmt: skip
    options.case(sessions, "a case, a folder of evidence, a capture or a file of flows")
    sessions.add_argument(
        "--style", metavar="STYLE", choices=_STYLES, help="as other programs print them: " + ", ".join(_STYLES)
    )
    sessions.add_argument("--link", type=amounts.count, default=0, metavar="BYTES", help="with --style ra: bytes of the link "
                          "layer that are counted with each packet, 14 for Ethernet (default: 0, octets)")  # fmt: skip
    options.read_as(sessions)
    options.table(sessions, query="dst port 445 and octets > 1e6")


def _sessions(chosen: argparse.Namespace) -> None:
    if chosen.style is not None and chosen.format != "text":
        raise NsmError(f"--style is a layout of text: leave out --style, or --format {chosen.format}")
    if chosen.style != "ra":
        options.needs("--style ra", "what ra counts with each packet", {"--link": chosen.link})
    place = given([chosen.case], chosen)
    case = None if isinstance(place, list) else place
    table = _of_file(place[0], chosen.read_as) if isinstance(place, list) else place.sessions
    if case is not None and chosen.query:  # which may ask for alerts and $HOME
        table, chosen.query = case.query(chosen.query)[list(table)], ""
    if chosen.style is None:
        print_table(table, chosen, _COLUMNS, case=case)
        return
    from nsm_nb.query import query
    from nsm_nb.sessions.listings import lines

    print_lines(lines(query(table, chosen.query), chosen.style, link=chosen.link), chosen.out)


def _of_file(path: Path, read_as: str | None) -> pd.DataFrame:
    """Return the sessions of a file: its records, or those of a capture's packets."""
    import nsm_nb as nsm

    if holds_packets(path, read_as):
        return nsm.sessions.assemble(packets_in([path], recover=False, read_as=read_as))[0]
    return nsm.read_sessions(path, format=read_as)
