"""Alerts that Snort, Suricata or barnyard2 sent to syslog, as a syslog daemon wrote them to a file.

Source: Snort 2.9 manual 2.6 (alert_syslog), barnyard2's spo_alert_syslog, RFC 3164 4.1 and RFC 5424 6 (headers), rsyslog's
templates RSYSLOG_TraditionalFileFormat and RSYSLOG_FileFormat.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pandas as pd

from nsm_nb.formats import patterns
from nsm_nb.formats.lines import Fingerprint, Span
from nsm_nb.formats.printed import alert_table

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "alerts", "detail", "recognises"]

NAME = "snort-syslog"
TITLE = "alerts of Snort, Suricata or barnyard2 in syslog"
EXTENSIONS = (".log", ".txt", "")
YEARLESS = True

# <33>Nov 13 17:00:04 sensor snort[123]: [1:498:6] MESSAGE [Classification: x] [Priority: 2] {TCP} 1.2.3.4:80 -> 5.6.7.8:10
# The number in front stands where no daemon took it off; its time is RFC 3164's or ISO 8601, with a year or without; old
# Snort writes a colon after the priority, -I the interface, Snort 3 quotes the message.
_LINE = (
    r"^\s*(?:<\d{1,3}>)?(?:1 )?"
    r"(?:(?P<isoyear>\d{4})-(?P<isomonth>\d{2})-(?P<isoday>\d{2})[T ]"
    r"|(?:(?P<yearfirst>\d{4}) )?(?P<word>[A-Z][a-z]{2})\s+(?P<wordday>\d{1,2})\s+(?:(?P<yearlast>\d{4})\s+)?)"
    r"(?P<clock>\d{1,2}:\d{2}:\d{2})(?:[.,](?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d{2}:?\d{2})?:?\s+"
    r"(?:(?P<sensor>\S+)\s+)?(?P<program>[\w./-]+)(?:\[\d*\])?(?::|\s+\S+\s+\S+\s+\S+)\s+"
    r"(?:message repeated \d{1,9} times: \[ ?)?"
    r"(?:\[(?P<action>[A-Za-z_]{1,20})\]\s+)?"
    r"\[(?P<gid>\d{1,10}):(?P<sid>\d{1,10}):(?P<rev>\d{1,10})\]\s+(?P<message>.*?)\s*"
    r"(?:\[Classification: (?P<classification>[^\]]*)\]:?\s*)?(?:\[Priority: (?P<priority>\d{1,10})\]:?\s*)?"
    r"(?:\[AppID: [^\]]*\]\s*)?(?:<(?P<interface>[^>]*)>\s*)?"
    r"\{(?P<proto>[^}]{1,40})\}\s+(?P<src>\S+)\s+->\s+(?P<dst>\S+?)\]?\s*$"
)
_START = re.compile(
    rb"\s?(?:<\d{1,3}>)?(?:1 )?(?:\d{4}-\d\d-\d\d[T ]|(?:\d{4} )?[A-Z][a-z]{2}\s{1,2}\d{1,2}\s(?:\d{4}\s)?)"
    rb"\d{1,2}:\d\d:\d\d[^\[]{0,200}"
    rb"(?:\[\d{0,10}\][: ][^\[]{0,80})?(?:\[\w{1,20}\]\s)?\[\d{1,10}:\d{1,10}:\d{1,10}\]\s"
)
# A syslog file holds lines of other programs too; one that breaks off, without a line end, is told all the same.
_OTHERS = r"^\s*(?:<\d{1,3}>)?(?:1 )?(?:\d{4}-\d\d-\d\d[T ]|(?:\d{4} )?[A-Z][a-z]{2}\s+\d{1,2}\s)[^{\n]*\n$|^\s*$"
# the forms of a date, of which a line has one
_DATES = {"year": ("isoyear", "yearfirst", "yearlast"), "month": ("isomonth", "word"), "day": ("isoday", "wordday")}
# syslogd's "last message repeated 5 times", and rsyslog's "message repeated 5 times: [ ...]"
_REPEATED = r"^[^{}]{10,200}?(?:\[\d*\])?:?\s(?:last )?message repeated (?P<times>\d{1,9}) times(?:\s*$|: \[)"
PATTERN = patterns.Pattern("alert in syslog", _LINE, _START, _OTHERS, repeated=_REPEATED)


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is syslog's, with a signature's numbers, and says who and to whom."""
    return any(
        _START.match(line) and b"} " in line and b" -> " in line and b"[**]" not in line
        for line in head.split(b"\n", 256)[:256]
    )


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    near: pd.Timestamp | None = None,
    span: Span | None = None,
) -> pd.DataFrame:
    """Read the alerts of a syslog file: one row of ALERTS for each; parameters and errors as `snort_fast.alerts`.

    The time is that of the header, which the daemon or the sensor set, mostly to the second; `sensor` is the host that it
    names. Lines of other programs are passed over.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        found = patterns.read(path, label, PATTERN, span=span)
    fields = found.fields
    empty = pa.scalar(b"", pa.binary())
    for name, parts in _DATES.items():
        joined = pc.binary_join_element_wise(*(pc.fill_null(fields[part], empty) for part in parts), empty)
        fields = fields.append_column(name, joined)
    return alert_table(
        found._replace(fields=fields), path=path, label=label, digest=fingerprint.digits(), source=NAME, near=near
    )


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one alert, its `line` and the parts of it; parameters and errors as `snort_fast.detail`."""
    return patterns.parts_of_line(path, record, PATTERN)
