"""Alerts in Snort 2's CSV format: the 27 columns of its default, or those that were chosen.

Its traps: a space behind the time; no header; by default neither class nor priority; `ethlen`, `tcpseq`, `tcpack` in
hexadecimal; `tcplen` is empty; `iplen` is 1,024 times `dgmlen` and means nothing.

Source: Snort 2.9 manual 2.6 (csv); measured on Snort 2.9 (reference/seed-systems.md 4).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nsm_nb.errors import UnknownFormat
from nsm_nb.formats import separated
from nsm_nb.formats.lines import Fingerprint, Span
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.printed import alert_table
from nsm_nb.formats.stamps import DATE

__all__ = ["COLUMNS", "EXTENSIONS", "NAME", "TITLE", "YEARLESS", "alerts", "check", "detail", "recognises", "table_of"]

NAME = "snort-csv"
TITLE = "alerts in Snort 2's CSV format"
EXTENSIONS = (".csv",)
YEARLESS = True
COLUMNS = (
    "timestamp", "sig_generator", "sig_id", "sig_rev", "msg", "proto", "src", "srcport", "dst", "dstport", "ethsrc", "ethdst",
    "ethlen", "tcpflags", "tcpseq", "tcpack", "tcplen", "tcpwindow", "ttl", "tos", "id", "dgmlen", "iplen", "icmptype",
    "icmpcode", "icmpid", "icmpseq",
)  # fmt: skip
_KNOWN = (*COLUMNS, "trheader", "udplength", "classification", "priority")
_OURS = {
    "sig_generator": "gid", "sig_id": "sid", "sig_rev": "rev", "msg": "message", "proto": "proto", "src": "src",
    "srcport": "src_port", "dst": "dst", "dstport": "dst_port", "classification": "classification", "priority": "priority",
}  # fmt: skip
_TIME = re.compile(rf"\s*{DATE}\s*")
_START = re.compile(
    rb"\s?\d{1,2}/\d{1,2}(?:/\d{2,4})?-\d{1,2}:\d\d:\d\d\.\d{1,9} ?, ?\d{1,10}, ?\d{1,10}, ?\d{1,10}, ?"
    rb'(?:"[^"]{0,500}|[^",]{0,500})"?,'
)


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines has Snort's time, three numbers and the 27 values of the default."""
    return any(_START.match(line) and line.count(b",") >= 26 for line in head.split(b"\n", 64)[:64])


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    near: pd.Timestamp | None = None,
    span: Span | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read the alerts of a CSV log of Snort 2: one row of ALERTS for each; parameters and errors as `snort_fast.alerts`.

    Parameters
    ----------
    columns
        The columns that Snort was told to write, in their order, such as ``["timestamp", "msg", "src", "dst"]``; those of
        its default where not given.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        found = separated.read(path, label, _layout(columns), span=span)
    found = table_of(found, _OURS, "timestamp")
    return alert_table(found, path=path, label=label, digest=fingerprint.digits(), source=NAME, near=near)


def detail(path: str | os.PathLike, record: int, *, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Return one alert, its `line` and its values by their names, as text; errors as `snort_fast.detail`."""
    return separated.row_at(path, record, _layout(columns))


def check(columns: Sequence[str] | None) -> None:
    """Raise `UnknownFormat` where columns can't be those of such a log."""
    _layout(columns)


def _layout(names: Sequence[str] | None) -> separated.Layout:
    names = COLUMNS if names is None else separated.checked_names(names, _KNOWN, "Snort's CSV format")
    if "timestamp" not in names:
        raise UnknownFormat(
            "Snort's CSV format without its column timestamp has no times; give the columns as Snort had them"
        )
    return separated.Layout("alert in Snort's CSV format", names, lambda row: bool(_TIME.fullmatch(row["timestamp"])))


def table_of(found: Found, ours: Mapping[str, str], time: str, pattern: str = DATE) -> Found:
    """Return what was found under our names, the time in its parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from nsm_nb.formats.patterns import names

    fields = {mine: found.fields[name] for name, mine in ours.items() if name in found.fields.column_names}
    if time in found.fields.column_names:
        parts = pc.extract_regex(found.fields[time], pattern=rf"^\s*{pattern}\s*$")
        chunk = parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
        fields |= {name: pa.chunked_array([chunk.field(name)]) for name in names(pattern)}
    return found._replace(fields=pa.table(fields))
