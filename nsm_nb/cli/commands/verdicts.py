"""`nsm-nb judge` and `verify`: verdicts are written to the ledger, and the ledger is checked."""

from __future__ import annotations

import argparse

from nsm_nb.cli import options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import say
from nsm_nb.cli.places import indexed, opened
from nsm_nb.cli.wording import spoken
from nsm_nb.errors import NsmError
from nsm_nb.text import form, printable

__all__ = ["add"]

_BAD = 3  # the exit status of what is not as it was


def add(commands: Commands) -> None:
    """Add the commands."""
    judge = commands.add(
        "judge", _judge, "write a verdict on alerts to the ledger",
        "nsm-nb judge my-case I c536ee6a9d96:17 --comment 'root shell, see session 4657181179822775'",
        "nsm-nb judge my-case NA -q 'sid 2200075 and category NEW' --comment 'offloaded checksums'",
    )  # fmt: skip
    options.named_case(judge)
    judge.add_argument("category", help="I ... VII, NA, ESC (needs a comment), NEW")
    judge.add_argument("alert", nargs="*", help="the alerts' names, as `nsm-nb alerts` lists them")
    judge.add_argument(
        "-q", "--query", default="", help="instead of names: every alert that matches, such as 'sid 2100498'"
    )
    judge.add_argument("--comment", default="", help="why")
    judge.add_argument("--analyst", help="who (default: NSM_ANALYST, else the log-in name)")

    verify = commands.add(
        "verify", _verify, "check a case's ledger, and with --evidence the hashes of its evidence",
        "nsm-nb verify my-case",
        "nsm-nb verify my-case --evidence",
    )  # fmt: skip
    options.case(verify)
    verify.add_argument("--evidence", action="store_true", help="hash the evidence anew")
    verify.add_argument(
        "--head", metavar="HASH", help="the head hash that a report shows; tells whether records were cut off"
    )


def _judge(chosen: argparse.Namespace) -> None:
    from nsm_nb import query
    from nsm_nb.statistics.quantities import amount

    if bool(chosen.alert) == bool(chosen.query.strip()):
        raise NsmError("name the alerts to judge, or say with --query which; not both")
    subjects = query.compile(chosen.query) if chosen.query.strip() else chosen.alert
    added = indexed(chosen).judge(subjects, chosen.category, comment=chosen.comment, analyst=chosen.analyst)
    last = form(len(added), "it", "the last")
    say(f"{amount(len(added), 'verdict')} written, {last} is record {added['id'].iloc[-1]}")


def _verify(chosen: argparse.Namespace) -> int:
    from nsm_nb.statistics.quantities import amount

    case = opened(chosen)
    found = case.verify(head=chosen.head or None)
    print(f"ledger: {'fine' if found.ok else 'BAD'}, {amount(found.count, 'record')}, head {found.head}")
    if not found.ok:
        print(f"  {printable(spoken(found.reason))}")
    changed = case.changed() if chosen.evidence else None
    if changed is not None:
        print(f"evidence: {amount(len(case.evidence), 'file')} hashed, {len(changed):,} changed")
        for row in changed.itertuples():
            print(f"  {printable(row.evidence)} was {row.sha256}, is {printable(row.now)}")
    return 0 if found.ok and (changed is None or not len(changed)) else _BAD
