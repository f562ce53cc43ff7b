"""`nsm-nb stats`: the summary, one table, or what is new and gone between two times."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from nsm_nb.cli import options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import print_table, say, write_file
from nsm_nb.cli.places import packets_or_flows
from nsm_nb.cli.wording import spoken
from nsm_nb.errors import NsmError
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from nsm_nb.case import Case

__all__ = ["add"]

_TABLES = ("protocols", "sizes", "hosts", "services", "talkers", "pairs", "ports", "networks")


def add(commands: Commands) -> None:
    """Add the command."""
    stats = commands.add(
        "stats", _stats, "print the statistics of a case or of captures or flows, or compare two",
        "nsm-nb stats my-case",
        "nsm-nb stats gateway.pcap --style tcpdstat",
        "nsm-nb stats 'day/snort.log.*'    # rotated captures as one",
        "nsm-nb stats my-case --show hosts -f csv -o hosts.csv",
        "nsm-nb stats monday.pcap --compare tuesday.pcap    # monday is before",
    )  # fmt: skip
    stats.add_argument("case", nargs="*", help="a case, a folder of evidence, captures, a pattern of them, or flows "
                       "(default: NSM_CASE, else this folder)")  # fmt: skip
    stats.add_argument("--show", choices=("summary", *_TABLES), help="which table (default: summary, which is text)")
    stats.add_argument("--style", choices=("plain", "tcpdstat"), help="how the summary is laid out (default: plain)")
    stats.add_argument("--as-printed", action="store_true", help="as tcpdstat, with its own figures, faults included")
    stats.add_argument("--compare", metavar="LATER", help="what is new, grown, gone or shrunk in LATER, a case, captures or "
                       "flows, against the first, which is the time before (columns b and a)")  # fmt: skip
    stats.add_argument(
        "--rates", action="store_true", help="with --compare: amounts a second, where one spans more time"
    )
    options.recover(stats)
    options.read_as(stats)
    options.written(stats)


def _stats(chosen: argparse.Namespace) -> None:
    if chosen.compare is None:
        options.needs("--compare", "how two are compared", {"--rates": chosen.rates})
    if chosen.compare is not None:
        if chosen.show or chosen.style or chosen.as_printed:
            raise NsmError("--compare prints one table of its own: leave out --show, --style and --as-printed")
        _compare(chosen)
    elif chosen.show not in (None, "summary"):
        if chosen.style or chosen.as_printed:
            raise NsmError(
                f"--style and --as-printed lay out the summary, and --show {chosen.show} is a table: leave out either"
            )
        case, table = packets_or_flows(chosen.case, chosen)
        shown = _shown(chosen.show, table, case)
        print_table(shown, chosen, [name for name in shown if name not in ("why", "limits")])
    else:
        if chosen.format != "text":
            raise NsmError(
                f"the summary is text: leave out --format, or say which table, such as --show protocols -f {chosen.format}"
            )
        if chosen.as_printed and chosen.style == "plain":
            raise NsmError("--as-printed is tcpdstat's own text: leave out --style plain, or --as-printed")
        _summary(chosen)


def _compare(chosen: argparse.Namespace) -> None:
    from nsm_nb import statistics

    _, before = packets_or_flows(chosen.case, chosen)
    _, later = packets_or_flows([chosen.compare], chosen)
    found = statistics.compare(before, later, rates=chosen.rates)
    for note in found.attrs["notes"]:
        say(f"  {note}")
    print_table(found, chosen, ["status", "kind", "name", "a", "b", "change", "factor", "query"])


def _summary(chosen: argparse.Namespace) -> None:
    from nsm_nb import statistics

    case, table = packets_or_flows(chosen.case, chosen)
    told, listed = statistics.summary(table), chosen.as_printed or chosen.style == "tcpdstat"
    if not listed:
        text = told.text()
    elif isinstance(told, statistics.Summary):
        files = list(table["evidence"].astype(str).unique())
        file = files[0] if case is None and len(files) == 1 else None
        text = told.text("tcpdstat", as_printed=chosen.as_printed, file=file)
    else:
        raise NsmError(
            f"{' '.join(map(printable, chosen.case))} holds flows and no packets, which tcpdstat does not read"
        )
    text = spoken(text)
    if chosen.out is None:
        sys.stdout.write(text)
    else:
        write_file(chosen.out, text.encode())


def _shown(what: str, table: pd.DataFrame, case: Case | None) -> pd.DataFrame:
    """Return one of the tables of statistics."""
    from nsm_nb import sessions, statistics

    home = () if case is None else case.settings.home_networks
    flows = "src_octets" in table
    if what in ("protocols", "sizes"):
        if what == "sizes" and flows:
            raise NsmError("flows do not tell the sizes of packets; there are none to show")
        return statistics.protocols(table) if what == "protocols" else statistics.sizes(table)
    if what == "hosts":
        if case is not None:
            return case.hosts
        return statistics.hosts(table, None if flows else sessions.assemble(table)[0])
    rows = table if flows else case.sessions if case is not None else sessions.assemble(table)[0]
    if what == "services":
        return statistics.services(rows, home=home)
    return statistics.talkers(rows, of="hosts" if what == "talkers" else what, home=home)  # type: ignore[arg-type]
