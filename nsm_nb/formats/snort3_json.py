"""Alerts in Snort 3's JSON format, one object a line.

Source: Snort 3 reference manual, alert_json (``fields``); its objects have spaces around colons.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.json_lines import Fields, event_at, read_events
from nsm_nb.formats.lines import Fingerprint, Span
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.snort3_csv import made
from nsm_nb.schema import ALERTS

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "alerts", "detail", "recognises"]

NAME = "snort3-json"
TITLE = "alerts in Snort 3's JSON format"
EXTENSIONS = (".json", ".txt")
YEARLESS = True
_FIELDS = (
    "timestamp", "seconds", "action", "class", "msg", "priority", "proto", "gid", "sid", "rev", "rule", "src_addr", "src_port",
    "src_ap", "dst_addr", "dst_port", "dst_ap",
)  # fmt: skip
_READ = Fields(text={f"f_{name}": name for name in _FIELDS}, numbers={}, times={})
_TIME = re.compile(rb'"timestamp"\s{0,4}:\s{0,4}"(?:\d{2}/)?\d{1,2}/\d{1,2}-\d{1,2}:\d\d:\d\d\.\d')
_SECONDS = re.compile(rb'"seconds"\s{0,4}:\s{0,4}\d{9,11}\b')
_OTHER = re.compile(rb'"(?:rule|src_ap|dst_ap|src_addr|sid|msg|pkt_gen|pkt_num)"\s{0,4}:')


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is an object with Snort's time, or seconds, and another field of Snort 3."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 64)[:64]:
        if line.lstrip().startswith(b"{") and (_TIME.search(line) or _SECONDS.search(line)) and _OTHER.search(line):
            return True
    return False


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    near: pd.Timestamp | None = None,
    span: Span | None = None,
) -> pd.DataFrame:
    """Read the alerts of a JSON log of Snort 3: one row of ALERTS for each; parameters and errors as `snort_fast.alerts`.

    Where the objects have `seconds`, they are the time, for those are UTC; else `timestamp` is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        try:
            rows, caveats = read_events(path, label, _READ, key="timestamp|seconds|rule|msg|sid", span=span)
        except DamagedEvidence as problem:
            raise DamagedEvidence(str(problem), ALERTS.empty()) from None
    fields = {}
    for name in _FIELDS:
        column = rows[f"f_{name}"]
        # DuckDB gives a text, which is UTF-8
        if column.null_count < len(column):
            fields[name] = pc.fill_null(column.cast(pa.binary()), b"")
    if rows.num_rows and not {"timestamp", "seconds"} & fields.keys():
        fields["timestamp"] = pa.chunked_array([pa.array([b""] * rows.num_rows, pa.binary())])
    found = Found(
        pa.table(fields), rows["record"].to_numpy().astype(np.int64), rows["byte"].to_numpy().astype(np.int64), caveats
    )
    return made(found, path=path, label=label, digest=fingerprint.digits(), source=NAME, near=near)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one alert as Snort wrote it, all of it; parameters and errors as `eve.detail`."""
    return event_at(path, record)
