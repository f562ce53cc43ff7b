"""The command line: a thin door to the same functions. Tables go to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import functools
import json
import logging
import operator
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nsm_nb.errors import NsmError
from nsm_nb.places import given, headed, may_write, packets_in, tell_recovered
from nsm_nb.text import csv_table, printable

if TYPE_CHECKING:
    import pandas as pd

    from nsm_nb.case import Case

__all__ = ["main", "parser"]

_FORMATS = ("text", "csv", "jsonl", "parquet")
_TOLD = 10  # seconds between two lines of a collector's progress where stderr is no screen
_STYLES = ("plain", "ra", "ra2", "flow-print", *(f"flow-print -f {each}" for each in (0, 1, 3, 5, 6)), "sguil")
_EXPORTS = ("detail", "summary", "sanitised", "csv", "jsonl", "eml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 fine, 1 it could not be done, 2 the call was wrong, 3 the ledger is bad."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    chosen = parser().parse_args(arguments)
    try:
        if hasattr(chosen, "overwrite") and chosen.out is not None:
            may_write(chosen.out, overwrite=chosen.overwrite)
        return int(chosen.run(chosen) or 0)
    except NsmError as problem:
        print(f"nsm-nb: {printable(problem)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # whoever read the table has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("nsm-nb: stopped", file=sys.stderr)
        return 130


class _Printable(logging.Formatter):
    """Messages with every character visible: paths and evidence may hold terminal escapes."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=True)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show every character of what was typed."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = _Parser(
        prog="nsm-nb",
        description="Network security monitoring in Jupyter: from a folder of evidence to a report.",
        epilog="A CASE is a directory with case.toml, or a bare folder of evidence. `nsm-nb COMMAND --help` has examples.",
    )
    from nsm_nb import __version__

    top.add_argument("--version", action="version", version=f"nsm-nb {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable, words: str, example: str, *, case: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=words, description=f"{words[0].upper()}{words[1:]}.", epilog="examples:\n" + example,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.set_defaults(run=run)
        if case:
            default = os.environ.get("NSM_CASE", ".")
            made.add_argument("case", nargs="?", default=default, help="the case (default: NSM_CASE, else this folder)")
            made.add_argument("--case", dest="case", metavar="CASE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    def table(made: argparse.ArgumentParser, *, query: str) -> None:
        made.add_argument("-q", "--query", default="", help=f"which rows, such as '{query}'")
        made.add_argument("-f", "--format", choices=_FORMATS, default="text", help="how to write them (default: text)")
        made.add_argument("-o", "--out", type=Path, help="the file to write instead of stdout; parquet needs one")
        made.set_defaults(writes=True)

    lab = command(
        "lab", _lab, "open JupyterLab on a case", "  nsm-nb lab my-case\n  nsm-nb lab /mnt/evidence --port 8899"
    )
    lab.add_argument("--port", type=int, help="the port on 127.0.0.1")
    lab.add_argument("--no-browser", action="store_true", help="print the address and open nothing")

    create = command("create", _create, "make a case of files and folders of evidence",
                     "  nsm-nb create my-case /mnt/evidence\n"
                     "  nsm-nb create my-case gateway.pcap eve.json", case=False)  # fmt: skip
    create.add_argument("case", help="the directory to make")
    create.add_argument("evidence", nargs="*", help="files and folders; they stay where they are")
    create.add_argument("--copy", action="store_true", help="copy the evidence into the case")

    command("index", _index, "read all evidence of a case that was not read yet", "  nsm-nb index my-case")
    evidence = command("evidence", _evidence, "list the evidence of a case", "  nsm-nb evidence my-case -f csv")
    table(evidence, query="format pcap")

    sessions = command("sessions", _sessions, "list the sessions of a case, a capture or a file of flows",
                       "  nsm-nb sessions my-case -q 'src net 10.0.0.0/8 and dst port 445'\n"
                       "  nsm-nb sessions my-case -f csv -o sessions.csv\n"
                       "  nsm-nb sessions staged.pcap --style ra --link 14 | grep 10.0.0.7\n"
                       "  nsm-nb sessions my-case --style 'flow-print -f 5'")  # fmt: skip
    sessions.add_argument(
        "--style", metavar="STYLE", choices=_STYLES, help="as other programs print them: " + ", ".join(_STYLES)
    )
    sessions.add_argument("--link", type=_count, default=0, metavar="BYTES", help="with --style ra: bytes of the link layer that "
                          "are counted with each packet, 14 for Ethernet (default: 0, octets)")  # fmt: skip
    table(sessions, query="dst port 445 and octets > 1e6")
    alerts = command("alerts", _alerts, "list the alerts of a case with their categories",
                     "  nsm-nb alerts my-case -q 'priority <= 2'\n  nsm-nb alerts my-case --groups\n"
                     "  nsm-nb alerts my-case -q 'src 203.0.113.66' --export eml --sanitised -o draft.eml")  # fmt: skip
    table(alerts, query="priority <= 2")
    alerts.add_argument("--groups", action="store_true", help="folded as the queue folds them")
    alerts.add_argument("--export", metavar="STYLE", choices=_EXPORTS, help=f"to hand on: {', '.join(_EXPORTS)}")
    alerts.add_argument("--sanitised", action="store_true", help="without payload and secrets, words for addresses")
    alerts.add_argument("--to", action="append", default=[], help="of the mail's draft; may be given again")
    alerts.add_argument("--cc", action="append", default=[], help="of the mail's draft; may be given again")
    alerts.add_argument("--from", dest="sender", default="", help="of the mail's draft, which is never sent")
    alerts.add_argument("--subject", default="", help="of the mail's draft")

    stats = command("stats", _stats, "print the statistics of a case or of captures or flows, or compare two",
                    "  nsm-nb stats my-case\n  nsm-nb stats gateway.pcap --style tcpdstat\n"
                    "  nsm-nb stats 'day/snort.log.*'    # rotated captures as one\n"
                    "  nsm-nb stats my-case --show hosts -f csv -o hosts.csv\n"
                    "  nsm-nb stats monday.pcap --compare tuesday.pcap    # monday is before", case=False)  # fmt: skip
    stats.add_argument(
        "case", nargs="*", help="a case, a folder, captures, a pattern of them, or flows (default: NSM_CASE)"
    )
    stats.add_argument("--show", choices=_SHOWN, help="which table (default: summary, which is text)")
    stats.add_argument("--style", choices=("plain", "tcpdstat"), help="how the summary is laid out (default: plain)")
    stats.add_argument("--as-printed", action="store_true", help="as tcpdstat, with its own figures, faults included")
    stats.add_argument("--compare", metavar="LATER", help="what is new, grown, gone or shrunk in LATER, a case, captures or "
                       "flows, against the first, which is the time before (columns b and a)")  # fmt: skip
    stats.add_argument("--recover", action="store_true", help="search captures behind damage; what is found is a guess")
    stats.add_argument("-f", "--format", choices=_FORMATS, default="text", help="how to write tables (default: text)")
    stats.add_argument("-o", "--out", type=Path, help="the file to write instead of stdout; parquet needs one")
    stats.set_defaults(query="", writes=True)

    transcript = command("transcript", _transcript, "print the transcript of a session, search it, decode it",
                         "  nsm-nb transcript my-case 4657181179822775\n"
                         "  nsm-nb transcript my-case 4657181179822775 --style hex | less\n"
                         "  nsm-nb transcript my-case 4657181179822775 --side dst -o answers.bin\n"
                         "  nsm-nb transcript my-case 4657181179822775 --find 'uid=\\d+' --kind regex\n"
                         "  nsm-nb transcript my-case 4657181179822775 --side src --decode 'match cmd=(.*) | url | base64'\n"
                         "  nsm-nb transcript my-case 4657181179822775 --policy linux    # whose bytes count in overlaps",
                         case=False)  # fmt: skip
    transcript.add_argument("case", help="the case")
    transcript.add_argument("session", type=int, help="the session's number")
    transcript.add_argument("--style", choices=("plain", "sguil", "hex"), default="plain", help="how (default: plain)")
    transcript.add_argument(
        "--side", choices=("src", "dst"), help="its raw bytes alone; the side to search or to decode"
    )
    transcript.add_argument("--policy", choices=("first", "last", "bsd", "linux", "windows"), default="first",
                            help="whose bytes count where TCP segments overlap (default: first)")  # fmt: skip
    transcript.add_argument("--find", metavar="WHAT", help="print where it stands: side, offset, frame, time")
    transcript.add_argument(
        "--kind", choices=("text", "hex", "regex"), default="text", help="what --find is (default: text)"
    )
    transcript.add_argument(
        "--decode", metavar="RECIPE", help="print what a recipe makes of the turns of --side (default: src)"
    )
    transcript.add_argument("-o", "--out", type=Path, help="the file to write instead of stdout")
    transcript.set_defaults(writes=True)

    objects = command("objects", _objects, "print the files that sessions carried, and write them on request",
                      "  nsm-nb objects my-case\n"
                      "  nsm-nb objects my-case -q 'protocol smb and size > 100k' --write\n"
                      "  nsm-nb objects my-case --write --zip --into ~/samples    # the zip's password is infected")  # fmt: skip
    objects.add_argument(
        "--write", action="store_true", help="write them, each as <sha256>.bin, into the case's carved folder"
    )
    objects.add_argument("--zip", action="store_true", help="with --write: one zip whose password is infected")
    objects.add_argument("--into", metavar="FOLDER", type=Path, help="with --write: another folder")
    table(objects, query="protocol ftp or size > 1e6")

    packet = command("packet", _packet, "print the header fields and bytes of a packet, or its decode tree",
                     "  nsm-nb packet my-case staged.pcap 3620\n"
                     "  nsm-nb packet my-case staged.pcap 3620 --tree | less", case=False)  # fmt: skip
    packet.add_argument("case", help="the case")
    packet.add_argument("evidence", help="the capture, as `nsm-nb evidence` names it")
    packet.add_argument("frame", type=int, help="the frame's number, as Wireshark counts")
    packet.add_argument("--tree", action="store_true", help="all that tshark can tell of it")

    packets = command("packets", _packets, "print packets as tcpdump, snort or tshark do",
                      "  nsm-nb packets my-case --session 4657181179822775\n"
                      "  nsm-nb packets staged.pcap --frames 3160-3170,3620 --style snort\n"
                      "  nsm-nb packets 'day/snort.log.*' --filter 'host 10.0.0.7'    # rotated captures as one\n"
                      "  nsm-nb packets my-case --evidence staged.pcap --frames 3620 --style tethereal | less\n"
                      "  nsm-nb packets staged.pcap --filter 'tcp port 445 and tcp[tcpflags] & tcp-rst != 0'",
                      case=False)  # fmt: skip
    packets.add_argument("place", metavar="CASE_OR_FILE", nargs="+",
                         help="a case, a folder of evidence, captures, or a pattern of them")  # fmt: skip
    packets.add_argument(
        "--recover", action="store_true", help="search captures behind damage; what is found is a guess"
    )
    packets.add_argument("--style", choices=("tcpdump", "snort", "hex", "tethereal"), default="tcpdump",
                         help="whose layout (default: tcpdump -n -e -vvv -X, in UTC)")  # fmt: skip
    packets.add_argument("--session", type=int, help="those of this session")
    packets.add_argument("--frames", help="those of these numbers, as Wireshark counts: 7 or 5-9,12")
    packets.add_argument("--filter", default="", help="those that match, in tcpdump's language: 'udp port 53 or 5353'")
    packets.add_argument("--evidence", help="those of this capture, as `nsm-nb evidence` names it")

    carve = command("carve", _carve, "write packets to a new capture: those of sessions, or that a filter finds",
                    "  nsm-nb carve my-case 4657181179822775 -o shell.pcapng\n"
                    "  nsm-nb carve my-case --filter 'host 203.0.113.66 and tcp port 445' -o smb.pcapng\n"
                    "  nsm-nb carve my-case 4657181179822775 --filter 'tcp[tcpflags] & tcp-rst != 0'", case=False)  # fmt: skip
    carve.add_argument("case", help="the case")
    carve.add_argument("session", type=int, nargs="*", help="the sessions' numbers")
    carve.add_argument("--filter", default="", help="which packets, in tcpdump's language: 'udp port 53 or 5353'")
    carve.add_argument(
        "-o", "--out", type=Path, help="the file: .pcapng, or .pcap (default: in the case's carved folder)"
    )
    carve.set_defaults(writes=True)

    live = command("capture", _capture, "capture whole packets from an interface until Ctrl-C, with a manifest of hashes",
                   "  nsm-nb capture --list\n"
                   "  nsm-nb capture -i eth0 --dir /srv/captures/monday --size 1G --every 1h --files 48\n"
                   "  nsm-nb capture -i eth0 --dir monday --filter 'net 10.0.0.0/8 and not port 22' --for 30m",
                   case=False)  # fmt: skip
    live.add_argument("-i", "--interface", default="", help="where to capture; --list shows the names")
    live.add_argument("--list", action="store_true", help="list the interfaces and capture nothing")
    live.add_argument("--dir", type=Path, help="the folder for the files and their manifest; made if it is not there")
    live.add_argument("--filter", default="", help="which packets, in tcpdump's language (default: all)")
    live.add_argument("--size", type=_bytes, help="begin a new file after so many bytes: 500M, 1G")
    live.add_argument("--every", type=_seconds, help="begin a new file after so long: 60s, 5m, 1h")
    live.add_argument("--files", type=_count, help="keep so many files, the latest (default: all)")
    live.add_argument("--for", dest="seconds", type=_seconds, help="stop after so long (default: at Ctrl-C)")

    collect = command("collect", _collect, "keep NetFlow and IPFIX that exporters send, in captures, until Ctrl-C",
                      "  nsm-nb collect --dir /srv/netflow    # from this machine alone, on 127.0.0.1 port 9995\n"
                      "  nsm-nb collect --dir /srv/netflow --listen 192.0.2.10 --exporter 192.0.2.1 --keep 672 --size 50G\n"
                      "  kill -HUP PID    # begins a new file\n"
                      "  nsm-nb sessions /srv/netflow    # reads what was kept", case=False)  # fmt: skip
    collect.add_argument("--dir", type=Path, required=True, help="the folder for the files; made if it is not there")
    collect.add_argument("--port", type=_port, default=9995, help="the port of UDP to listen on (default: 9995)")
    collect.add_argument(
        "--listen", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, this machine alone)"
    )
    collect.add_argument("--every", type=_seconds, default=900, help="begin a new file each 60s, 5m, 1h (default: 15m)")
    collect.add_argument("--keep", type=_count, help="keep so many finished files, the latest (default: all)")
    collect.add_argument("--size", type=_bytes, help="keep so many bytes at most, the latest: 500M, 50G (default: all)")
    collect.add_argument("--exporter", action="append", default=[], metavar="ADDRESS",
                         help="keep what comes from this address alone; may be given again (default: from any)")  # fmt: skip

    exporting = command("export-netflow", _export_netflow, "make NetFlow or IPFIX of captures, into a file or sent",
                        "  nsm-nb export-netflow staged.pcap --to flows.pcap    # a capture of version 5 datagrams\n"
                        "  nsm-nb export-netflow staged.pcap --to flows.bin --version 9    # the datagrams alone\n"
                        "  nsm-nb export-netflow my-case --to 127.0.0.1:9995 --version 10 --biflow    # sends",
                        case=False)  # fmt: skip
    exporting.add_argument(
        "case", nargs="+", metavar="CASE_OR_FILE", help="a case, captures, a pattern of them, or flows"
    )
    exporting.add_argument("--to", required=True, metavar="FILE_OR_ADDRESS", help="a file: a capture of the datagrams, or the "
                           "datagrams alone where it ends in .bin; or ADDRESS:PORT, to send them there over UDP")  # fmt: skip
    exporting.add_argument("--version", type=int, choices=(5, 9, 10), default=5, help="10 is IPFIX (default: 5)")
    exporting.add_argument("--active", type=_seconds, default=60, help="a flow that goes on is told in pieces of 60s, 30m "
                           "(default: 60s)")  # fmt: skip
    exporting.add_argument(
        "--idle", type=_seconds, default=15, help="a flow ends after a silence of 15s, 1h (default: 15s)"
    )
    exporting.add_argument("--biflow", action="store_true", help="both directions in one record (IPFIX; RFC 5103)")
    exporting.add_argument("--rate", type=_count, default=20_000, help="send so many flows a second (default: 20000)")
    exporting.add_argument(
        "--recover", action="store_true", help="search captures behind damage; what is found is a guess"
    )
    exporting.set_defaults(writes=True, out=None)

    judge = command("judge", _judge, "write a verdict on alerts to the ledger",
                    "  nsm-nb judge my-case I c536ee6a9d96:17 --comment 'root shell, see session 4657181179822775'\n"
                    "  nsm-nb judge my-case NA -q 'sid 2200075 and category NEW' --comment 'offloaded checksums'",
                    case=False)  # fmt: skip
    judge.add_argument("case", help="the case")
    judge.add_argument("category", help="I ... VII, NA, ESC (needs a comment), NEW")
    judge.add_argument("alert", nargs="*", help="the alerts' names")
    judge.add_argument(
        "-q", "--query", default="", help="instead of names: every alert that matches, such as 'sid 2100498'"
    )
    judge.add_argument("--comment", default="", help="why")
    judge.add_argument("--analyst", help="who (default: NSM_ANALYST, else the log-in name)")

    report = command(
        "report", _report, "make the report of a case", "  nsm-nb report my-case\n  nsm-nb report my-case --to html"
    )
    report.add_argument("--to", action="append", choices=("html", "pdf"), help="may be given twice (default: both)")
    report.add_argument("-o", "--out", type=Path, help="the folder to write to (default: in the case's reports folder)")

    verify = command("verify", _verify, "check a case's ledger, and with --evidence the hashes of its evidence",
                     "  nsm-nb verify my-case\n  nsm-nb verify my-case --evidence")  # fmt: skip
    verify.add_argument("--evidence", action="store_true", help="hash the evidence anew")
    verify.add_argument("--head", help="the head hash that a report shows; tells whether records were cut off")

    formats = command("formats", _formats, "list the formats that can be read", "  nsm-nb formats", case=False)
    table(formats, query="")
    for made in commands.choices.values():
        if made.get_default("writes"):
            made.add_argument(
                "--overwrite", action="store_true", help="replace that file if it is there; never evidence"
            )
    return top


def _open(chosen: argparse.Namespace) -> Case:
    import nsm_nb as nsm

    return _apart(nsm.open_case(chosen.case), chosen)


def _apart(case: Case, chosen: argparse.Namespace) -> Case:
    """Return a case, whose evidence what is to be written does not touch."""
    if getattr(chosen, "out", None) is not None:
        case.spare(chosen.out)
    return case


def _indexed(chosen: argparse.Namespace) -> Case:
    case = _open(chosen)
    case.index(progress=_Progress() if sys.stderr.isatty() else None)
    return case


class _Progress:
    """One line on stderr: bytes done, speed, time left."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, label: str, done: int, total: int) -> None:
        """Rewrite the line; end it where all is done."""
        spent = time.monotonic() - self._start
        speed = done / spent if spent > 0.1 else 0
        left = f", {(total - done) / speed:.0f} s left" if speed else ""
        text = f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB, {speed / 1e6:,.0f} MB/s{left}  {printable(label)}"
        print(f"\r\x1b[K{text[:110]}", end="\r\x1b[K" if done >= total else "", file=sys.stderr, flush=True)


class _Counted:
    """One line on stderr: how many are done."""

    def __call__(self, label: str, done: int, total: int) -> None:
        """Rewrite the line; end it where all is done."""
        text = f"{done:,} of {total:,} sessions  {printable(label)}"
        print(f"\r\x1b[K{text[:110]}", end="\r\x1b[K" if done >= total else "", file=sys.stderr, flush=True)


def _lab(chosen: argparse.Namespace) -> int:
    from nsm_nb import lab

    return lab.start(Path(chosen.case), port=chosen.port, browser=not chosen.no_browser)


def _create(chosen: argparse.Namespace) -> None:
    import nsm_nb as nsm

    case = nsm.create_case(chosen.case, chosen.evidence, copy=chosen.copy)
    print(
        f"{printable(case.path)} is a case of {len(case.evidence)} files; next: nsm-nb lab {printable(case.path)}",
        file=sys.stderr,
    )


def _index(chosen: argparse.Namespace) -> None:
    case = _indexed(chosen)
    table = case.evidence
    print(f"{printable(case.name)}: {len(table)} files, {len(case.packets):,} packets, {len(case.sessions):,} sessions, "
          f"{len(case.alerts):,} alerts", file=sys.stderr)  # fmt: skip
    for caveat in case.caveats["detail"]:
        print(f"  {printable(caveat)}", file=sys.stderr)


def _evidence(chosen: argparse.Namespace) -> None:
    case = _indexed(chosen)
    columns = ["evidence", "size", "format", "rows", "first", "last", "caveats", "sha256"]
    _write(case.evidence, chosen, columns, case=case)


def _sessions(chosen: argparse.Namespace) -> None:
    if chosen.style is not None and chosen.format != "text":
        raise NsmError(f"--style is a layout of text: leave out --style, or --format {chosen.format}")
    chosen.recover = False  # which a case's settings say
    place = _given([chosen.case], chosen)
    case = None if isinstance(place, list) else place
    table = _sessions_in(place[0]) if isinstance(place, list) else place.sessions
    if chosen.style is not None:
        _listed(table, chosen)
        return
    _write(
        table,
        chosen,
        ["session", "start", "duration", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "src_packets", "dst_packets",
         "src_octets", "dst_octets", "state", "closed", "application"],
        case=case,
    )  # fmt: skip


def _sessions_in(path: Path) -> pd.DataFrame:
    """Return the sessions of a file: its records, or those of a capture's packets."""
    import nsm_nb as nsm

    known = nsm.formats.recognised(path)
    if known and hasattr(nsm.formats.reader(known[0]), "packets"):
        return nsm.sessions.assemble(packets_in([path], recover=False))[0]
    return nsm.read_sessions(path)


def _listed(sessions: pd.DataFrame, chosen: argparse.Namespace) -> None:
    """Write sessions in the layout of another program."""
    from nsm_nb.query import query
    from nsm_nb.sessions.listings import lines

    told = lines(query(sessions, chosen.query), chosen.style, link=chosen.link)
    if chosen.out is not None:
        _deliver_parts(chosen.out, (f"{each}\n".encode() for each in told))
        return
    for each in told:
        sys.stdout.write(f"{each}\n")


def _alerts(chosen: argparse.Namespace) -> None:
    case = _indexed(chosen)
    if chosen.export:
        _hand_on(case, chosen)
        return
    if chosen.groups:
        columns = [
            "status",
            "count",
            "sensor",
            "first",
            "last",
            "priority",
            "src_ip",
            "dst_ip",
            "dst_port",
            "message",
            "group",
        ]
        _write(case.groups(), chosen, columns, case=case)
        return
    table = case.alerts
    status = case.status()
    table = table.assign(category=table["alert"].map(status).fillna("NEW").astype("str"))
    columns = [
        "category",
        "alert",
        "time",
        "sensor",
        "priority",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "sid",
        "message",
    ]
    _write(table, chosen, columns, case=case)


def _stats(chosen: argparse.Namespace) -> None:
    from nsm_nb import statistics

    if chosen.compare is not None:
        if chosen.show or chosen.style or chosen.as_printed:
            raise NsmError("--compare prints one table of its own: leave out --show, --style and --as-printed")
        _, before = _counted(chosen.case, chosen)
        _, later = _counted([chosen.compare], chosen)
        found = statistics.compare(before, later)
        for note in found.attrs["notes"]:
            print(f"  {printable(note)}", file=sys.stderr)
        _write(found, chosen, ["status", "kind", "name", "a", "b", "change", "factor", "query"])
        return
    if (chosen.show or "summary") != "summary":
        if chosen.style or chosen.as_printed:
            raise NsmError(
                f"--style and --as-printed lay out the summary, and --show {chosen.show} is a table: leave out either"
            )
        case, table = _counted(chosen.case, chosen)
        shown = _shown(chosen.show, table, case)
        _write(shown, chosen, [name for name in shown if name not in ("why", "limits")])
        return
    if chosen.format != "text":
        raise NsmError(
            f"the summary is text: leave out --format, or say which table, such as --show protocols -f {chosen.format}"
        )
    if chosen.as_printed and chosen.style == "plain":
        raise NsmError("--as-printed is tcpdstat's own text: leave out --style plain, or --as-printed")
    case, table = _counted(chosen.case, chosen)
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
    if chosen.out is None:
        sys.stdout.write(text)
    else:
        _deliver(chosen.out, text.encode())


_SHOWN = ("summary", "protocols", "sizes", "hosts", "services", "talkers", "pairs", "ports", "networks")


def _counted(names: Sequence[str], chosen: argparse.Namespace) -> tuple[Case | None, pd.DataFrame]:
    """Return the packets of a case or of files, or the sessions where there are no packets; and the case, if it is one."""
    import nsm_nb as nsm

    place = _given(names, chosen)
    if not isinstance(place, list):
        return place, place.packets if len(place.packets) else place.sessions
    if len(place) == 1:
        known = nsm.formats.recognised(place[0])
        if known and not hasattr(nsm.formats.reader(known[0]), "packets"):
            if chosen.recover:
                raise NsmError(f"{printable(place[0])} is no capture, and captures alone can be searched behind damage")
            return None, nsm.read_sessions(place[0])
    packets = packets_in(place, recover=chosen.recover)
    tell_recovered(packets, lambda words: print(f"nsm-nb: {words}", file=sys.stderr))
    return None, nsm.sessions.assemble(packets)[1]


def _given(names: Sequence[str], chosen: argparse.Namespace) -> Case | list[Path]:
    """Return the case that is named, indexed, or the files."""
    import nsm_nb as nsm

    def opened(name: str) -> Case:
        return _apart(nsm.open_case(name), chosen)

    names = names or [os.environ.get("NSM_CASE", ".")]
    place = given(names, out=getattr(chosen, "out", None), opened=opened, recover=chosen.recover)
    if not isinstance(place, list):
        place.index(progress=_Progress() if sys.stderr.isatty() else None)
    return place


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
        return (
            case.hosts if case is not None else statistics.hosts(table, None if flows else sessions.assemble(table)[0])
        )
    rows = table if flows else case.sessions if case is not None else sessions.assemble(table)[0]
    if what == "services":
        return statistics.services(rows, home=home)
    return statistics.talkers(rows, of="hosts" if what == "talkers" else what, home=home)  # type: ignore[arg-type]


def _hand_on(case: Case, chosen: argparse.Namespace) -> None:
    from nsm_nb.case.handing_on import export
    from nsm_nb.query import query

    table = case.alerts
    table = table.assign(category=table["alert"].map(case.status()).astype("str").fillna("NEW"))
    data = export(
        case, query(table, chosen.query), chosen.export, sanitised=chosen.sanitised, to=chosen.to, cc=chosen.cc,
        sender=chosen.sender, subject=chosen.subject,
    )  # fmt: skip
    if chosen.out is not None:
        _deliver(case.spare(chosen.out), data)
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


def _transcript(chosen: argparse.Namespace) -> None:
    from nsm_nb.transcripts.recipes import decode
    from nsm_nb.transcripts.rendering import pieces
    from nsm_nb.transcripts.saving import chunks
    from nsm_nb.transcripts.search import search

    if chosen.find is not None and chosen.decode is not None:
        raise NsmError("--find and --decode are two things: give one of them")
    case = _indexed(chosen)
    told = case.transcript(chosen.session, policy=chosen.policy)
    if chosen.find is not None:
        hits = search(told, chosen.find, kind=chosen.kind, side=chosen.side)
        if hits.note:
            print(f"nsm-nb: {hits.note}", file=sys.stderr)
        parts: Iterable[bytes] = [_as_text(hits.table()).encode() + b"\n" if hits else b""]
    elif chosen.decode is not None:
        made = decode([turn.data for turn in told.turns if turn.side == (chosen.side or "src")], chosen.decode)
        print("\n".join([*made.notes, str(made)]), file=sys.stderr)
        parts = [made.data if chosen.out else printable(made.data, lines=True).encode()]
    elif chosen.side is not None:
        parts = chunks(told, chosen.side)
    else:
        # a page at a time would repeat the header: the lines of all of it, one after the other
        parts = (f"{each}\n".encode() for each in pieces(told, chosen.style, size=None))
    if chosen.out is not None:
        _deliver_parts(case.spare(chosen.out), parts)
        return
    if chosen.side is not None and chosen.find is None and chosen.decode is None and sys.stdout.isatty():
        raise NsmError("raw bytes may hold what acts on a terminal: write them to a file with -o, or into a pipe")
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.flush()


def _objects(chosen: argparse.Namespace) -> None:
    if (chosen.zip or chosen.into is not None) and not chosen.write:
        raise NsmError("--zip and --into say how objects are written: they need --write")
    from nsm_nb.schema import caveats_of

    case = _indexed(chosen)
    columns = ["frame", "protocol", "side", "name", "type", "size", "complete", "sha256", "note"]
    found = case.find_objects(_Counted() if sys.stderr.isatty() else None)
    if chosen.write:
        if chosen.query:
            from nsm_nb.query import query

            found, chosen.query = query(found, chosen.query), ""
        found = case.write_objects(found, chosen.into, zipped=chosen.zip)
        columns = [*columns[:-1], "file"]
    _write(found, chosen, columns, case=case)
    for caveat in caveats_of(found):
        print(printable(caveat.detail), file=sys.stderr)


def _packet(chosen: argparse.Namespace) -> None:
    from nsm_nb.full_content import dissect_packets, fields
    from nsm_nb.full_content.frames import link_types
    from nsm_nb.transcripts.rendering import hex_rows

    case = _indexed(chosen)
    frame = case.frame(chosen.evidence, chosen.frame)
    packets = case.packets
    row = packets[(packets["evidence"] == chosen.evidence) & (packets["frame"] == chosen.frame)]
    if chosen.tree:
        sys.stdout.write(dissect_packets(row, evidence=case.paths))
        return
    print(f"frame {chosen.frame} of {printable(chosen.evidence)}, {row['time'].iloc[0]}, {len(frame):,} bytes")
    for title, values in fields(frame, link=int(link_types(row)[0])):
        print(f"{title:<8} " + ", ".join(f"{name} {value}" for name, value in values))
    print("".join(f"{each}\n" for each in hex_rows(frame)), end="")


def _packets(chosen: argparse.Namespace) -> None:
    packets, paths = _chosen_packets(chosen)
    tell_recovered(packets, lambda words: print(f"nsm-nb: {words}", file=sys.stderr))
    for text in headed(packets, chosen.style, evidence=paths):
        sys.stdout.write(text)


def _chosen_packets(chosen: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, Path] | None]:
    """Return the packets that are asked for, and where their evidence lies (None where its name is its path)."""
    import nsm_nb as nsm

    place, paths = _given(chosen.place, chosen), None
    if isinstance(place, list):
        packets = packets_in(place, recover=chosen.recover)
        if chosen.session is not None:
            packets = nsm.sessions.assemble(packets)[1]
            packets = packets[(packets["session"] == chosen.session).fillna(value=False)]
    else:
        packets, paths = place.packets if chosen.session is None else place.packets_of(chosen.session), place.paths
    if chosen.evidence is not None:
        packets = packets[packets["evidence"] == chosen.evidence]
    if chosen.frames is not None:
        wanted = [packets["frame"].between(*each) for each in _ranges(chosen.frames)]
        packets = packets[functools.reduce(operator.or_, wanted)]
    if chosen.filter.strip():
        packets = packets[nsm.full_content.matching(packets, chosen.filter, evidence=paths)]
    if not len(packets):
        raise NsmError("there is no such packet; nsm-nb evidence and nsm-nb sessions say what there is")
    return packets, paths


def _ranges(text: str) -> list[tuple[int, int]]:
    """Return first and last number of each part of a list such as 5-9,12."""
    ranges = []
    for part in text.split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        last = last if dash else first
        if not all(each.isascii() and each.isdecimal() and len(each) < 19 for each in (first, last)):
            raise NsmError(f"{printable(text)!r} is no list of frames; write 7, or 5-9,12")
        ranges.append((int(first), int(last)))
    return ranges


def _carve(chosen: argparse.Namespace) -> None:
    if not chosen.session and not chosen.filter.strip():
        raise NsmError("say which packets: numbers of sessions, or --filter 'tcp port 445'")
    case = _indexed(chosen)
    path = case.carve(chosen.session or chosen.filter, chosen.out, filter=chosen.filter if chosen.session else "")
    print(printable(path))


def _capture(chosen: argparse.Namespace) -> None:
    from nsm_nb.full_content.capture import MANIFEST, Asked, capture, interfaces

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

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    print(f"capturing on {printable(chosen.interface)} to {printable(chosen.dir)}; Ctrl-C ends it", file=sys.stderr)
    asked = Asked(chosen.interface, chosen.dir, chosen.filter, chosen.size, chosen.every, chosen.files, chosen.seconds)
    try:
        path = capture(
            asked, told=lambda file: print(f"{file['name']}  {file['size']:,} bytes  {file['sha256']}", file=sys.stderr)
        )
    except KeyboardInterrupt:
        if (chosen.dir / MANIFEST).exists():
            print(f"not all files are hashed; {printable(chosen.dir / MANIFEST)} says which", file=sys.stderr)
        raise
    print(printable(path))


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

    def progress(so_far: Collected) -> None:
        nonlocal told
        if screen:
            print(f"\r\x1b[K{so_far.line()[:110]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - told >= _TOLD:
            told = time.monotonic()
            print(f"{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}  {so_far.line()}", file=sys.stderr, flush=True)

    def tell(words: str) -> None:
        print(("\r\x1b[K" if screen else "") + words, file=sys.stderr, flush=True)

    found = collect(
        Asked(chosen.dir, chosen.port, chosen.listen, chosen.every, chosen.keep, chosen.size, tuple(chosen.exporter)),
        stop=lambda: asked["stop"], rotate=rotate, tell=tell, progress=progress,
    )  # fmt: skip
    tell(found.line())
    table = found.exporters.table()
    if len(table):
        sys.stdout.write(_as_text(table))
    for sender, count in found.exporters.refused_from():
        print(
            f"  {count:,} datagrams of {sender} were refused: no NetFlow, lengths that lie, or not asked for",
            file=sys.stderr,
        )
    return 1 if found.unkept else 0


def _export_netflow(chosen: argparse.Namespace) -> None:
    from nsm_nb.sessions.exporting import destination, export

    to = destination(chosen.to)
    if isinstance(to, Path):
        may_write(to, overwrite=chosen.overwrite)
        chosen.out = to  # which is not to be what is read
    else:
        print(f"sending to {to[0]} port {to[1]} over UDP, {chosen.rate:,} flows a second at most", file=sys.stderr)
    _, table = _counted(chosen.case, chosen)
    found = export(
        table, to, version=chosen.version, active=chosen.active, idle=chosen.idle, biflow=chosen.biflow, rate=chosen.rate,
        progress=_Made() if sys.stderr.isatty() else None,
    )  # fmt: skip
    name = "IPFIX" if chosen.version == 10 else f"NetFlow version {chosen.version}"
    print(
        f"{found.flows:,} flows of {found.octets:,} octets are in {found.datagrams:,} datagrams of {name}",
        file=sys.stderr,
    )
    for words, count in found.left.items():
        print(f"  {count:,} {words}", file=sys.stderr)
    if isinstance(to, Path):
        print(printable(to))


class _Made:
    """One line on stderr: how many flows are done."""

    def __call__(self, done: int, total: int) -> None:
        """Rewrite the line; end it where all is done."""
        print(
            f"\r\x1b[K{done:,} of {total:,} flows", end="\r\x1b[K" if done >= total else "", file=sys.stderr, flush=True
        )


def _port(text: str) -> int:
    number = _amount(text, {"": 1}, "a port from 1 to 65535")
    if number > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return number


def _bytes(text: str) -> int:
    return _amount(text, {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}, "a size such as 500M or 1G")


def _seconds(text: str) -> int:
    return _amount(text, {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}, "a time such as 60s, 5m or 1h")


def _count(text: str) -> int:
    return _amount(text, {"": 1}, "a number from 1 on")


def _amount(text: str, units: dict[str, int], wanted: str) -> int:
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    if not (number.isascii() and number.isdecimal() and len(number) < 13 and int(number)) or unit not in units:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return int(number) * units[unit]


def _judge(chosen: argparse.Namespace) -> None:
    from nsm_nb import query

    if bool(chosen.alert) == bool(chosen.query.strip()):
        raise NsmError("name the alerts to judge, or say with --query which; not both")
    subjects = query.compile(chosen.query) if chosen.query.strip() else chosen.alert
    added = _indexed(chosen).judge(subjects, chosen.category, comment=chosen.comment, analyst=chosen.analyst)
    print(f"{len(added):,} verdicts written, the last is record {added['id'].iloc[-1]}", file=sys.stderr)


def _report(chosen: argparse.Namespace) -> None:
    from nsm_nb import report

    case = _indexed(chosen)
    out = None if chosen.out is None else case.spare(chosen.out)
    for path in report.build(case, to=tuple(chosen.to or ("html", "pdf")), out=out).values():
        print(printable(path))


def _verify(chosen: argparse.Namespace) -> int:
    case = _open(chosen)
    found = case.verify(head=chosen.head or None)
    print(f"ledger: {'fine' if found.ok else 'BAD'}, {found.count:,} records, head {found.head}")
    if not found.ok:
        print(f"  {printable(found.reason)}")
    changed = case.changed() if chosen.evidence else None
    if changed is not None:
        print(f"evidence: {len(case.evidence):,} files hashed, {len(changed):,} changed")
        for row in changed.itertuples():
            print(f"  {printable(row.evidence)} was {row.sha256}, is {printable(row.now)}")
    return 0 if found.ok and (changed is None or not len(changed)) else 3


def _formats(chosen: argparse.Namespace) -> None:
    from nsm_nb.formats import formats

    _write(formats(), chosen, ["name", "title", "tables", "extensions"])


def _write(table: pd.DataFrame, chosen: argparse.Namespace, columns: list[str], *, case: Case | None = None) -> None:
    """Write a table as text (the columns that matter), CSV, JSON lines or Parquet (all columns)."""
    if chosen.out is not None and case is not None:
        case.spare(chosen.out)
    if chosen.query:
        from nsm_nb.query import query

        table = query(table, chosen.query)
    if chosen.format == "parquet":
        if chosen.out is None:
            raise NsmError("parquet is not text: say where to write it with --out FILE")
        plain = table.copy()
        plain.attrs = {}
        _deliver(chosen.out, plain.to_parquet(index=False))
        return
    if chosen.format == "text":
        text = _as_text(table[columns])
    elif chosen.format == "csv":
        text = csv_table(table).to_csv(index=False)
    else:
        rows = json.loads(table.to_json(orient="records", date_format="iso", date_unit="ns", default_handler=str))
        text = "".join(json.dumps(row) + "\n" for row in rows)
    if chosen.out is not None:
        _deliver(chosen.out, text.encode())
    else:
        sys.stdout.write(text)


def _deliver(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all; what is no file (a pipe, a device) is written to and not replaced."""
    from nsm_nb.case.atomic import write_bytes

    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            write_bytes(Path(os.path.realpath(path)), data)
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} can't be written: {printable(problem.strerror or problem)}; choose another place"
        ) from problem


def _deliver_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file of any size whole, or not at all."""
    from nsm_nb.full_content.writing import write_whole

    try:
        write_whole(Path(os.path.realpath(path)), parts)
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} can't be written: {printable(problem.strerror or problem)}; choose another place"
        ) from problem


def _as_text(table: pd.DataFrame) -> str:
    """Return aligned columns, times to the microsecond, absent as a minus sign."""
    import pandas as pd

    shown = {}
    for name, column in table.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            cells = column.dt.strftime("%Y-%m-%d %H:%M:%S.%f").astype(object).where(column.notna(), "-")
        else:
            cells = column.astype(object).where(column.notna(), "-")
        cells = [printable(f"{cell:.6f}" if isinstance(cell, float) else cell) for cell in cells]
        width = max([len(str(name)), *map(len, cells)])
        number = pd.api.types.is_numeric_dtype(column.dtype)
        shown[name] = [cell.rjust(width) if number else cell.ljust(width) for cell in [str(name), *cells]]
    return "".join("  ".join(row).rstrip() + "\n" for row in zip(*shown.values(), strict=True))


if __name__ == "__main__":
    sys.exit(main())
