"""How a report was made: the method in words, the programs and their versions, and how a reader checks it."""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.report import conversation as talk
from nsm_nb.report import findings as found

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["commands", "method", "tools", "version"]

_PACKAGES = ("numpy", "pandas", "pyarrow", "numba", "duckdb", "sqlalchemy", "dpkt", "matplotlib", "jinja2")


def tools() -> list[tuple[str, str]]:
    """Return the programs that made the report, with their versions."""
    said = [("nsm_nb", version("nsm-nb")), ("Python", platform.python_version()), ("system", platform.platform())]
    return [*said, *((name, version(name)) for name in _PACKAGES), ("tshark", _tshark())]


def version(package: str) -> str:
    """Return the version of a package as it is installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _tshark() -> str:
    place = shutil.which("tshark")
    if place is None:
        return "not installed; the report does not need it"
    with tempfile.TemporaryDirectory() as nowhere:  # no settings and no scripts of the user
        environment = {"HOME": nowhere, "WIRESHARK_CONFIG_DIR": nowhere, "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        try:
            said = subprocess.run(  # noqa: S603
                [place, "--version"], capture_output=True, text=True, timeout=10, env=environment, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return "does not answer; the report does not need it"
    match = re.search(r"\b\d+\.\d+\.\d+\b", said)
    return f"{match.group() if match else 'of an unknown version'} (there; the report does not need it)"


def method(case: Case, *, joined: bool) -> list[tuple[str, str]]:
    """Return how the figures came about: name and words; `joined` says that the queue joins what several sensors saw."""
    from nsm_nb.alerts.events import WITHIN
    from nsm_nb.sessions import IDLE

    idle = ", ".join(f"{name} {seconds:,.15g} s" for name, seconds in {**IDLE, **case.settings.idle}.items())
    within = f"{WITHIN.total_seconds():,.0f} s"
    own = "as case.toml says" if case.settings.idle else "the defaults"
    joins = case.joins["confidence"].astype("str").value_counts() if len(case.alerts) else pd.Series(dtype=int)
    order = [each for each in ("certain", "likely", "weak", "none") if each in joins.index]
    told = ", ".join(f"{int(joins[each]):,} {each}" for each in order) or "there are no alerts"
    networks = ", ".join(case.settings.home_networks) or "none named"
    return [
        ("Times", "All times are UTC, as the sensors stamped them. A sensor can stamp an alert seconds after the packet."),
        (
            "Sessions",
            "A session is a conversation, both directions. src is who opened it: who sent the SYN, or the first packet "
            f"seen; where the opening was not seen that is a guess, and marked. Silence ends a session after: {idle} ({own}).",
        ),
        (
            "Flow records",
            "Sessions read from flow records (NetFlow, Suricata's flows) are used only where no capture of the case holds "
            "the conversation; each session names the evidence it is from.",
        ),
        ("Amounts", "Octets are bytes at the IP layer, payload is bytes above TCP, UDP or ICMP, both by the headers."),
        (
            "Alerts and sessions",
            "An alert is joined to its session by Community ID or by addresses, ports and protocol in either direction, and by "
            f"time; never by the alert's exact time or frame. Of the joins here: {told}.",
        ),
        (
            "Queue rows",
            "Alerts of several sensors with the same signature, protocol and ends, stamped at most "
            f"{within} apart, tell of one event, which counts once. Events of one source address and "
            "message fold into one row, named as the sensor does that spoke first, and those judged alike into one row each: "
            "the rows that the Alerts queue first shows. An event whose alerts are not judged alike stands in several."
            if joined
            else "Alerts of one sensor, source address and message fold into one row, those judged alike into one row each, "
            "as in Sguil.",
        ),
        (
            "Transcripts",
            "TCP is put in the order of its sequence numbers, each byte once; gaps, and bytes that were sent twice and not "
            f"alike, are told. Up to {talk.SHOWN:,} bytes of a session are shown, up to {found.TRANSCRIPTS} sessions of a "
            "finding, each session once. "
            "A turn that is not text is given as the text in it; [n bytes] stand for the rest, and text of two bytes a "
            "character (UTF-16) is underlined. Characters that a screen would not show as themselves are written as escapes.",
        ),
        ("Names", "Nothing was looked up: no name server, no registry, no network was asked."),
        ("Home networks", networks),
    ]  # fmt: skip


def commands(
    case: Case, head: str, files: Sequence[tuple[str, str, str]], findings: Sequence[found.Finding]
) -> list[tuple[str, str]]:
    """Return the commands that check a report, and what each does.

    Parameters
    ----------
    case
        The case.
    head
        The digest of the ledger's last record.
    files
        Name, SHA-256 and format of each evidence that was hashed.
    findings
        What the report shows.
    """
    place = shlex.quote(case.path.resolve().name)
    said = [
        (
            f"nsm-nb verify {place} --evidence --head {head}",
            "checks the ledger record by record, that this report's head is one of them, and the hashes of all evidence",
        )
    ]
    if files:
        name, digest, _ = next((each for each in files if each[2] == "pcap"), files[0])
        said.append((f"sha256sum {shlex.quote(name)}", f"in the evidence folder; gives {digest}"))
    sessions = [each.session for finding in findings for each in finding.conversations]
    if sessions:
        said.append(
            (f"nsm-nb transcript {place} {sessions[0]}", "prints a transcript whole; --style hex gives every byte")
        )
        said.append(
            (f"nsm-nb carve {place} {sessions[0]} -o session.pcap", "writes its packets to a capture for other tools")
        )
    captures = [name for name, _, format_ in files if format_ == "pcap"]
    if captures:
        said.append(
            (
                f"tshark -n -r {shlex.quote(captures[0])} -Y frame.number==1 -x",
                "shows a frame: frame numbers here are Wireshark's, from 1 in each file",
            )
        )
    return said
