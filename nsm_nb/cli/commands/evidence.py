"""`nsm-nb create`, `index`, `evidence` and `formats`: what there is to read."""

from __future__ import annotations

import argparse

from nsm_nb.cli import options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import print_table, say
from nsm_nb.cli.places import indexed

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the commands."""
    create = commands.add(
        "create", _create, "make a case of files and folders of evidence",
        "nsm-nb create my-case /mnt/evidence",
        "nsm-nb create my-case gateway.pcap eve.json",
    )  # fmt: skip
    create.add_argument("case", help="the directory to make")
    create.add_argument("evidence", nargs="*", help="files and folders; without --copy the case links to them")
    create.add_argument("--copy", action="store_true", help="copy the evidence into the case")

    index = commands.add("index", _index, "read all evidence of a case that was not read yet", "nsm-nb index my-case")
    options.case(index)

    evidence = commands.add("evidence", _evidence, "list the evidence of a case", "nsm-nb evidence my-case -f csv")
    options.case(evidence)
    options.table(evidence, query="format pcap")

    formats = commands.add(
        "formats",
        _formats,
        "list the formats that can be read",
        "nsm-nb formats",
        "nsm-nb formats -q 'tables ~ alerts'",
    )
    options.table(formats, query="tables ~ alerts")


def _create(chosen: argparse.Namespace) -> None:
    import nsm_nb as nsm
    from nsm_nb.statistics.quantities import amount

    case = nsm.create_case(chosen.case, chosen.evidence, copy=chosen.copy)
    say(f"{case.path} is a case of {amount(len(case.evidence), 'file')}; next: nsm-nb lab {case.path}")


def _index(chosen: argparse.Namespace) -> None:
    from nsm_nb.statistics.quantities import amount

    case = indexed(chosen)
    tables = {"file": case.evidence, "packet": case.packets, "session": case.sessions, "alert": case.alerts}
    say(f"{case.name}: {', '.join(amount(len(table), noun) for noun, table in tables.items())}")
    for caveat in case.caveats["detail"]:
        say(f"  {caveat}")


def _evidence(chosen: argparse.Namespace) -> None:
    case = indexed(chosen)
    columns = ["evidence", "size", "format", "rows", "first", "last", "caveats", "sha256"]
    print_table(case.evidence, chosen, columns, case=case)


def _formats(chosen: argparse.Namespace) -> None:
    from nsm_nb.formats import formats

    print_table(formats(), chosen, ["name", "title", "tables", "extensions"])
