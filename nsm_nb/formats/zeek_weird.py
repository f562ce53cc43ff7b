"""Zeek's weird.log, what was odd about the traffic: with tabs or as JSON.

Source: Zeek's documentation, weird.log.
"""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from nsm_nb.formats import zeek_log
from nsm_nb.formats.lines import Span
from nsm_nb.formats.zeek_notice import told

__all__ = ["EXTENSIONS", "NAME", "TITLE", "alerts", "detail", "recognises"]

NAME = "zeek-weird"
TITLE = "Zeek's weird.log"
EXTENSIONS = (".log", ".json")
_FIELDS = ("ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "name", "addl", "peer")
_OF_ALERT = {
    "src": ("id.orig_h",), "src_port": ("id.orig_p",), "dst": ("id.resp_h",), "dst_port": ("id.resp_p",),
    "classification": ("name",), "sensor": ("peer",),
}  # fmt: skip


def recognises(head: bytes) -> bool:
    """Return True where the header says weird, or the first object has the fields of one."""
    return zeek_log.path_of(head) == "weird" or {"ts", "name", "notice"} <= zeek_log.keys_of_json(head)


def alerts(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, span: Span | None = None
) -> pd.DataFrame:
    """Read a weird.log: one row of ALERTS for each record.

    `classification` is the name of what was odd, and `message` that and what else is said. The log does not tell the
    protocol, so that the ports of a record may be the type and code of ICMP. Parameters and errors as `eve.alerts`.
    """
    return told(path, label, digest, span, _FIELDS, _OF_ALERT, ("name", "addl"), NAME)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one record, all its fields; parameters and errors as `eve.detail`."""
    return zeek_log.row_at(path, record)
