"""`nsm-nb transcript` and `objects`: what was said in sessions, and the files that they carried."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_nb.cli import options, progress
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import as_text, print_parts, print_table, say
from nsm_nb.cli.places import indexed
from nsm_nb.errors import NsmError
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.transcripts import Transcript

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the commands."""
    transcript = commands.add(
        "transcript", _transcript, "print the transcript of a session, search it, decode it",
        "nsm-nb transcript my-case 4657181179822775",
        "nsm-nb transcript my-case 4657181179822775 --style hex | less",
        "nsm-nb transcript my-case 4657181179822775 --side dst -o answers.bin",
        "nsm-nb transcript my-case 4657181179822775 --find 'uid=\\d+' --kind regex",
        "nsm-nb transcript my-case 4657181179822775 --side src --decode 'match cmd=(.*) | url | base64'",
        "nsm-nb transcript my-case 4657181179822775 --policy linux    # whose bytes count in overlaps",
    )  # fmt: skip
    options.named_case(transcript)
    transcript.add_argument("session", type=int, help="the session's number, as `nsm-nb sessions` lists it")
    transcript.add_argument("--style", choices=("plain", "sguil", "hex"), help="how it is laid out (default: plain)")
    transcript.add_argument(
        "--side", choices=("src", "dst"), help="its raw bytes alone; the side to search or to decode"
    )
    transcript.add_argument("--policy", choices=("first", "last", "bsd", "linux", "windows"), default="first",
                            help="whose bytes count where TCP segments overlap (default: first)")  # fmt: skip
    transcript.add_argument("--find", metavar="WHAT", help="print where it stands: side, offset, frame, time")
    transcript.add_argument("--kind", choices=("text", "hex", "regex"), help="what --find is (default: text)")
    transcript.add_argument(
        "--decode", metavar="RECIPE", help="print what a recipe makes of the turns of --side (default: src)"
    )
    options.out(transcript)

    objects = commands.add(
        "objects", _objects, "print the files that sessions carried, and write them on request",
        "nsm-nb objects my-case",
        "nsm-nb objects my-case -q 'protocol smb and size > 100k' --write",
        "nsm-nb objects my-case --write --zip --into ~/samples    # the zip's password is infected",
    )  # fmt: skip
    options.case(objects)
    objects.add_argument(
        "--write", action="store_true", help="write them, each as <sha256>.bin, into the case's carved folder"
    )
    objects.add_argument("--zip", action="store_true", help="with --write: one zip whose password is infected")
    objects.add_argument("--into", metavar="FOLDER", type=Path, help="with --write: another folder")
    options.table(objects, query="protocol ftp or size > 1e6")


def _transcript(chosen: argparse.Namespace) -> None:
    if chosen.find is not None and chosen.decode is not None:
        raise NsmError("--find and --decode are two things: give one of them")
    if chosen.find is None:
        options.needs("--find", "what is searched for", {"--kind": chosen.kind})
    part = next((name for name in ("find", "decode", "side") if getattr(chosen, name) is not None), None)
    if chosen.style and part:
        raise NsmError(f"--style lays out the whole transcript, and --{part} prints something else: leave out either")
    case = indexed(chosen)
    parts = _printed(case.transcript(chosen.session, policy=chosen.policy), chosen)
    if chosen.out is None and part == "side" and sys.stdout.isatty():
        raise NsmError("raw bytes may hold what acts on a terminal: write them to a file with -o, or into a pipe")
    print_parts(parts, None if chosen.out is None else case.spare(chosen.out))


def _printed(told: Transcript, chosen: argparse.Namespace) -> Iterable[bytes]:
    """Return what is asked of a transcript, in parts."""
    from nsm_nb.transcripts.recipes import decode
    from nsm_nb.transcripts.rendering import pieces
    from nsm_nb.transcripts.saving import chunks
    from nsm_nb.transcripts.search import search

    if chosen.find is not None:
        hits = search(told, chosen.find, kind=chosen.kind or "text", side=chosen.side)
        if hits.note:
            say(f"nsm-nb: {hits.note}")
        return [as_text(hits.table()).encode() + b"\n" if hits else b""]
    if chosen.decode is not None:
        made = decode([turn.data for turn in told.turns if turn.side == (chosen.side or "src")], chosen.decode)
        print("\n".join([*made.notes, str(made)]), file=sys.stderr)
        return [made.data if chosen.out else printable(made.data, lines=True).encode()]
    if chosen.side is not None:
        return chunks(told, chosen.side)
    # a page at a time would repeat the header: the lines of all of it, one after the other
    return (f"{each}\n".encode() for each in pieces(told, chosen.style or "plain", size=None))


def _objects(chosen: argparse.Namespace) -> None:
    if not chosen.write:
        options.needs("--write", "how objects are written", {"--zip": chosen.zip, "--into": chosen.into})
    from nsm_nb.schema import caveats_of

    case = indexed(chosen)
    columns = ["frame", "protocol", "side", "name", "type", "size", "complete", "sha256", "note"]
    found = case.find_objects(progress.on_screen(progress.sessions))
    if chosen.write:
        if chosen.query:
            from nsm_nb.query import query

            found, chosen.query = query(found, chosen.query), ""
        found = case.write_objects(found, chosen.into, zipped=chosen.zip)
        columns = [*columns[:-1], "file"]
    print_table(found, chosen, columns, case=case)
    for caveat in caveats_of(found):
        say(caveat.detail)
