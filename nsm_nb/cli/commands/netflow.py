"""`nsm-nb collect` and `export-netflow`: NetFlow and IPFIX that come in, and that are made."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nsm_nb.cli import amounts, options, progress
from nsm_nb.cli.options import Commands
from nsm_nb.cli.output import as_text, say
from nsm_nb.cli.places import may_write, packets_or_flows
from nsm_nb.text import form, many, printable

__all__ = ["add"]

_TOLD = 10  # seconds between two lines of a collector's progress where stderr is no screen


def add(commands: Commands) -> None:
    """Add the commands."""
    collect = commands.add(
        "collect", _collect, "keep NetFlow and IPFIX that exporters send, in captures, until Ctrl-C",
        "nsm-nb collect --dir /srv/netflow    # from this machine alone, on 127.0.0.1 port 9995",
        "nsm-nb collect --dir /srv/netflow --listen 192.0.2.10 --exporter 192.0.2.1 --keep 672 --size 50G",
        "kill -HUP PID    # begins a new file",
        "nsm-nb sessions /srv/netflow    # reads what was kept",
    )  # fmt: skip
    collect.add_argument(
        "--dir", metavar="FOLDER", type=Path, required=True, help="the folder for the files; made if it is not there"
    )
    collect.add_argument("--port", type=amounts.port, default=9995, help="the port of UDP to listen on (default: 9995)")
    collect.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1",
                         help="the address to listen on (default: 127.0.0.1, this machine alone)")  # fmt: skip
    collect.add_argument("--every", metavar="TIME", type=amounts.seconds, default=900,
                         help="begin a new file each 60s, 5m, 1h (default: 15m)")  # fmt: skip
    collect.add_argument("--keep", metavar="COUNT", type=amounts.count,
                         help="keep so many finished files, the latest (default: all)")  # fmt: skip
    collect.add_argument("--size", metavar="BYTES", type=amounts.octets,
                         help="keep so many bytes at most, the latest: 500M, 50G (default: all)")  # fmt: skip
    collect.add_argument("--exporter", action="append", default=[], metavar="ADDRESS",
                         help="keep what comes from this address alone; may be given again (default: from any)")  # fmt: skip

    exporting = commands.add(
        "export-netflow", _export, "make NetFlow or IPFIX of captures, into a file or sent",
        "nsm-nb export-netflow staged.pcap --to flows.pcap    # a capture of version 5 datagrams",
        "nsm-nb export-netflow staged.pcap --to flows.bin --version 9    # the datagrams alone",
        "nsm-nb export-netflow my-case --to 127.0.0.1:9995 --version 10 --biflow    # sends",
    )  # fmt: skip
    exporting.add_argument("case", nargs="+", metavar="CASE_OR_FILE",
                           help="a case, a folder of evidence, captures, a pattern of them, or flows")  # fmt: skip
    exporting.add_argument("--to", required=True, metavar="FILE_OR_ADDRESS", help="a file: a capture of the datagrams, or the "
                           "datagrams alone where it ends in .bin; or ADDRESS:PORT, to send them there over UDP")  # fmt: skip
    exporting.add_argument("--version", type=int, choices=(5, 9, 10), default=5, help="10 is IPFIX (default: 5)")
    exporting.add_argument("--active", metavar="TIME", type=amounts.seconds, default=60,
                           help="a flow that goes on is told in pieces of 60s, 30m (default: 60s)")  # fmt: skip
    exporting.add_argument("--idle", metavar="TIME", type=amounts.seconds, default=15,
                           help="a flow ends after a silence of 15s, 1h (default: 15s)")  # fmt: skip
    exporting.add_argument("--biflow", action="store_true", help="both directions in one record (IPFIX; RFC 5103)")
    exporting.add_argument("--rate", metavar="COUNT", type=amounts.count, default=20_000,
                           help="send so many flows a second (default: 20000)")  # fmt: skip
    options.recover(exporting)
    options.read_as(exporting)
    options.overwrite(exporting)
    exporting.set_defaults(out=None)


def _collect(chosen: argparse.Namespace) -> int:
    from nsm_nb.sessions.collector import Asked, Collected, collect

    asked = {"stop": False, "rotate": False}

    def note(what: str) -> Callable:
        def noted(*_: object) -> None:
            asked[what] = True

        return noted

    def rotate() -> bool:
        due, asked["rotate"] = asked["rotate"], False
        return due

    for number, what in ((signal.SIGINT, "stop"), (signal.SIGTERM, "stop"), (signal.SIGHUP, "rotate")):
        signal.signal(number, note(what))
    screen = sys.stderr.isatty()
    told = time.monotonic()

    def so_far(found: Collected) -> None:
        nonlocal told
        if screen:
            progress.line(found.line())
        elif time.monotonic() - told >= _TOLD:
            told = time.monotonic()
            print(f"{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}  {found.line()}", file=sys.stderr, flush=True)

    def tell(words: str) -> None:
        print((progress.CLEAR if screen else "") + words, file=sys.stderr, flush=True)

    found = collect(
        Asked(chosen.dir, chosen.port, chosen.listen, chosen.every, chosen.keep, chosen.size, tuple(chosen.exporter)),
        stop=lambda: asked["stop"], rotate=rotate, tell=tell, progress=so_far,
    )  # fmt: skip
    tell(found.line())
    table = found.exporters.table()
    if len(table):
        sys.stdout.write(as_text(table))
    for sender, count in found.exporters.refused_from():
        were = form(count, "was", "were")
        say(f"  {many(count, 'datagram')} of {sender} {were} refused: no NetFlow, lengths that lie, or not asked for")
    return 1 if found.unkept else 0


def _export(chosen: argparse.Namespace) -> None:
    from nsm_nb.sessions.exporting import destination, export
    from nsm_nb.statistics.quantities import amount

    to = destination(chosen.to)
    if isinstance(to, Path):
        may_write(to, overwrite=chosen.overwrite)
        chosen.out = to  # which is not to be what is read
    else:
        say(f"sending to {to[0]} port {to[1]} over UDP, {amount(chosen.rate, 'flow')} a second at most")
    _, table = packets_or_flows(chosen.case, chosen)
    found = export(
        table, to, version=chosen.version, active=chosen.active, idle=chosen.idle, biflow=chosen.biflow, rate=chosen.rate,
        progress=progress.on_screen(progress.flows),
    )  # fmt: skip
    name = "IPFIX" if chosen.version == 10 else f"NetFlow version {chosen.version}"
    flows, octets = amount(found.flows, "flow"), amount(found.octets, "octet")
    say(f"{flows} of {octets} {form(found.flows, 'is', 'are')} in {amount(found.datagrams, 'datagram')} of {name}")
    for words, count in found.left.items():
        say(f"  {many(count, _of_one(words), words)}")
    if isinstance(to, Path):
        print(printable(to))


def _of_one(words: str) -> str:
    """Return what is said of several flows as it is said of one."""
    return words.replace("flows", "flow", 1).replace(" are ", " is ", 1)
