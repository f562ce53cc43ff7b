"""Alerts in Snort's fast format, one a line, as Snort 2, Snort 3 and Suricata write it.

Source: Snort 2.9 manual 2.6 (alert_fast), Snort 3's alert_fast, Suricata user guide (fast.log); measured on Snort 2.9
and Suricata 7.0.10 (reference/seed-systems.md 4).
"""

from __future__ import annotations

import os
import re
from typing import Any

import pandas as pd

from nsm_nb.formats import patterns
from nsm_nb.formats.date_order import in_order
from nsm_nb.formats.lines import Fingerprint, Span
from nsm_nb.formats.printed import alert_table
from nsm_nb.formats.stamps import DATE

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "alerts", "detail", "recognises"]

NAME = "snort-fast"
TITLE = "alerts in Snort's fast format (Snort 2 and 3, Suricata's fast.log)"
EXTENSIONS = (".fast", ".log", ".txt")
YEARLESS = True

# 11/24-02:30:42.898627  [**] [1:498:6] MESSAGE [**] [Classification: x] [Priority: 2] {TCP} 1.2.3.4:80 -> 5.6.7.8:1024
# [Drop] stands before the first [**]; Snort 3 quotes the message and adds [AppID: x]; -I adds <interface>; old Snort writes
# a colon after the priority.
_LINE = (
    rf"^\s*{DATE}\s+"
    r"(?:\[(?P<action>[A-Za-z_]{1,20})\]\s+)?\[\*\*\]\s+"
    r"(?:\[(?P<gid>\d{1,10}):(?P<sid>\d{1,10}):(?P<rev>\d{1,10})\]\s+)?(?P<message>.*?)\s*\[\*\*\]\s*"
    r"(?:\[Classification: (?P<classification>[^\]]*)\]\s*)?(?:\[Priority: (?P<priority>\d{1,10})\]:?\s*)?"
    r"(?:\[AppID: (?P<application>[^\]]*)\]\s*)?(?:<(?P<interface>[^>]*)>\s*)?"
    r"\{(?P<proto>[^}]{1,40})\}\s+(?P<src>\S+)\s+->\s+(?P<dst>\S+)\s*$"
)
_START = re.compile(
    rb"\s?\d{1,2}/\d{1,2}(?:/\d{2,4})?-\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?\s+(?:\[\w{1,20}\]\s+)?\[\*\*\]\s"
)
# What `-A full` and `-dev` put after an alert: headers, options and bytes of the packet.
_PACKET = (
    r"^(?:=\+=|[0-9A-F]{2}(?: [0-9A-F]{2}){0,15} |\d{1,2}/\d{1,2}(?:/\d{2,4})?-\d{1,2}:\d\d:\d\d\S* [0-9A-Fa-f.:]+ -> |"
    r"[0-9A-Fa-f.:]+ -> [0-9A-Fa-f.:]+(?: [A-Z0-9:-]{1,20} TTL:|\s*$)|[A-Z0-9:-]{1,20} TTL:\d|[12UAPRSF*]{8} Seq: |"
    r"Len: \d|TCP Options |IP Options |UrgPtr: |Frag Offset: |Type: ?\d|\*\* |\[Xref => |\(\d+ |"
    r"[A-Z][A-Z ]+: [A-Z][A-Z ]+\s*$|[A-Z][A-Z ]+ DATAGRAM DUMP|\s*$)"
)
PATTERN = patterns.Pattern("alert in Snort's fast format", _LINE, _START, _PACKET)


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines starts as an alert in fast format does, and says who and to whom."""
    return any(_START.match(line) and b" -> " in line for line in head.split(b"\n", 256)[:256])


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    near: pd.Timestamp | None = None,
    span: Span | None = None,
) -> pd.DataFrame:
    """Read the alerts of a log in fast format: one row of ALERTS for each.

    Times are read as UTC, and a year that the lines lack is taken from `near`, else from the file's modification time;
    caveats say so. Lines of packets that stand between the alerts are passed over.

    Parameters
    ----------
    path
        The log, plain or compressed.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.
    near
        A time close to which the alerts were written, such as that of a capture of the same sensor.
    span
        The part of the file to read; all of it where not given.

    Returns
    -------
    DataFrame
        Lines that are neither alerts nor packets stand in the caveats, with their number and first byte.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines is an alert.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        found = in_order(patterns.read(path, label, PATTERN, span=span), path=path, label=label, near=near)
    return alert_table(found, path=path, label=label, digest=fingerprint.digits(), source=NAME, near=near)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one alert: its `line` as it was written, and the parts of it, as text; a part that is not there is None.

    Parameters
    ----------
    path
        The log.
    record
        The number of its line, from 1.

    Raises
    ------
    UnknownName
        Where there is no such line, or no alert in it.
    """
    return patterns.parts_of_line(path, record, PATTERN)
