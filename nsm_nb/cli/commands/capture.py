"""`nsm-nb capture`: whole packets from an interface."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import NoReturn

from nsm_nb.cli import amounts, options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import say
from nsm_nb.errors import NsmError
from nsm_nb.text import printable

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    live = commands.add(
        "capture", _capture, "capture whole packets from an interface until Ctrl-C, with a manifest of hashes",
        "nsm-nb capture --list",
        "nsm-nb capture -i eth0 --dir /srv/captures/monday --size 1G --every 1h --files 48",
        "nsm-nb capture -i eth0 --dir monday --filter 'net 10.0.0.0/8 and not port 22' --for 30m",
    )  # fmt: skip
    live.add_argument("-i", "--interface", metavar="NAME", default="", help="where to capture; --list shows the names")
    live.add_argument("--list", action="store_true", help="list the interfaces and capture nothing")
    live.add_argument(
        "--dir",
        metavar="FOLDER",
        type=Path,
        help="the folder for the files and their manifest; made if it is not there",
    )
    options.filtered(live)
    live.add_argument(
        "--size", metavar="BYTES", type=amounts.octets, help="begin a new file after so many bytes: 500M, 1G"
    )
    live.add_argument(
        "--every", metavar="TIME", type=amounts.seconds, help="begin a new file after so long: 60s, 5m, 1h"
    )
    live.add_argument(
        "--files", metavar="COUNT", type=amounts.count, help="keep so many files, the latest (default: all)"
    )
    live.add_argument("--for", dest="seconds", metavar="TIME", type=amounts.seconds,
                      help="stop after so long: 60s, 5m, 1h (default: at Ctrl-C)")  # fmt: skip


def _capture(chosen: argparse.Namespace) -> None:
    from nsm_nb.full_content.capture import MANIFEST, Asked, capture, interfaces
    from nsm_nb.statistics.quantities import amount

    if chosen.list:
        for name, words in interfaces():
            print(f"{name:<16} {words}".rstrip())
        return
    if not chosen.interface or chosen.dir is None:
        raise NsmError(
            "say where to capture and where to: nsm-nb capture -i eth0 --dir monday; --list shows the interfaces"
        )
    if chosen.files is not None and chosen.size is None and chosen.every is None:
        raise NsmError("--files keeps the latest of several files: say with --size or --every when a new one begins")

    def stopped(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # in the background the first would be ignored
        signal.signal(number, stopped)
    say(f"capturing on {chosen.interface} to {chosen.dir}; Ctrl-C ends it")
    asked = Asked(chosen.interface, chosen.dir, chosen.filter, chosen.size, chosen.every, chosen.files, chosen.seconds)
    try:
        path = capture(
            asked, told=lambda file: say(f"{file['name']}  {amount(file['size'], 'byte')}  {file['sha256']}")
        )
    except KeyboardInterrupt:
        if (chosen.dir / MANIFEST).exists():
            say(f"not all files are hashed; {chosen.dir / MANIFEST} says which")
        raise
    print(printable(path))
