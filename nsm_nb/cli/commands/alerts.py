"""`nsm-nb alerts`: as a table, folded as the queue folds them, or to be handed on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nsm_nb.cli import options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import print_parts, print_table
from nsm_nb.cli.places import indexed
from nsm_nb.errors import NsmError

if TYPE_CHECKING:
    import pandas as pd

    from nsm_nb.case import Case

__all__ = ["add"]

_EXPORTS = ("detail", "summary", "sanitised", "csv", "jsonl", "eml")
_COLUMNS = [
    "category", "alert", "time", "sensor", "priority", "src_ip", "src_port", "dst_ip", "dst_port", "sid", "message",
]  # fmt: skip
_OF_GROUPS = [
    "status", "count", "sensor", "first", "last", "priority", "src_ip", "dst_ip", "dst_port", "message", "group",
]  # fmt: skip


def add(commands: Commands) -> None:
    """Add the command."""
    alerts = commands.add(
        "alerts", _alerts, "list the alerts of a case with their categories, or hand them on",
        "nsm-nb alerts my-case -q 'priority <= 2'",
        "nsm-nb alerts my-case --groups",
        "nsm-nb alerts my-case -q 'src 203.0.113.66' --export eml --sanitised -o draft.eml",
    )  # fmt: skip
    options.case(alerts)
    options.table(alerts, query="priority <= 2")
    alerts.add_argument("--groups", action="store_true", help="folded as the queue folds them: what several sensors saw of "
                        "one event counts once")  # fmt: skip
    alerts.add_argument("--export", metavar="STYLE", choices=_EXPORTS, help="to hand on, each alert whole: "
                        + ", ".join(_EXPORTS) + "; eml is a draft of a mail, which is never sent")  # fmt: skip
    alerts.add_argument(
        "--sanitised", action="store_true", help="with --export: without payload and secrets, words for addresses"
    )
    for name, words in (("--to", "whom it is to"), ("--cc", "who gets a copy")):
        alerts.add_argument(
            name, metavar="ADDRESS", action="append", default=[], help=f"of the draft: {words}; may be given again"
        )
    alerts.add_argument("--from", dest="sender", metavar="ADDRESS", default="", help="of the draft: whom it is from")
    alerts.add_argument("--subject", default="", help="of the draft: its subject")


def _alerts(chosen: argparse.Namespace) -> None:
    if chosen.export is None:
        options.needs("--export", "how alerts are handed on", {"--sanitised": chosen.sanitised})
    elif chosen.groups or chosen.format != "text":
        raise NsmError(
            f"--export {chosen.export} has a layout of its own: leave out --groups and --format, or --export"
        )
    if chosen.export != "eml":
        mail = {"--to": chosen.to, "--cc": chosen.cc, "--from": chosen.sender, "--subject": chosen.subject}
        options.needs("--export eml", "what stands at the head of a mail", mail)
    case = indexed(chosen)
    if chosen.groups:
        joined = case.alerts["sensor"].nunique() > 1  # as the Alerts widget and the report begin
        print_table(case.groups(events=joined), chosen, _OF_GROUPS, case=case)
        return
    table = _with_category(case)
    if chosen.export is None:
        print_table(table, chosen, _COLUMNS, case=case)
        return
    from nsm_nb.case.handing_on import export
    from nsm_nb.query import query

    data = export(
        case, query(table, chosen.query), chosen.export, sanitised=chosen.sanitised, to=chosen.to, cc=chosen.cc,
        sender=chosen.sender, subject=chosen.subject,
    )  # fmt: skip
    print_parts([data], None if chosen.out is None else case.spare(chosen.out))


def _with_category(case: Case) -> pd.DataFrame:
    return case.alerts.assign(category=case.alerts["alert"].map(case.status()).astype("str").fillna("NEW"))
