"""Zeek's notice.log, what its policies thought worth telling: with tabs or as JSON.

Source: Zeek's documentation, notice.log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import zeek_log
from nsm_nb.formats.lines import Fingerprint, Span
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.printed import alert_table
from nsm_nb.schema import ALERTS

__all__ = ["EXTENSIONS", "NAME", "TITLE", "alerts", "detail", "recognises", "told"]

NAME = "zeek-notice"
TITLE = "Zeek's notice.log"
EXTENSIONS = (".log", ".json")
# Of a notice without a connection, src, dst and p tell what it is about.
_FIELDS = ("ts", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "note", "msg", "sub", "src", "dst", "p",
           "peer_descr", "dropped")  # fmt: skip
_OF_ALERT = {
    "src": ("id.orig_h", "src"), "src_port": ("id.orig_p",), "dst": ("id.resp_h", "dst"), "dst_port": ("id.resp_p", "p"),
    "proto": ("proto",), "classification": ("note",), "sensor": ("peer_descr",),
}  # fmt: skip


def recognises(head: bytes) -> bool:
    """Return True where the header says notice, or the first object has the fields of one."""
    return zeek_log.path_of(head) == "notice" or {"ts", "note", "msg"} <= zeek_log.keys_of_json(head)


def alerts(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, span: Span | None = None
) -> pd.DataFrame:
    """Read the notices of a log: one row of ALERTS for each.

    `classification` is the kind of notice, such as ``Scan::Port_Scan``, and `message` that and what it says. A notice has
    no signature's numbers and no priority. Parameters and errors as `eve.alerts`.
    """
    return told(path, label, digest, span, _FIELDS, _OF_ALERT, ("note", "msg"), NAME)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one notice, all its fields; parameters and errors as `eve.detail`."""
    return zeek_log.row_at(path, record)


def told(
    path: str | os.PathLike,
    label: str | None,
    digest: str | None,
    span: Span | None,
    wanted: tuple[str, ...],
    of_alert: Mapping[str, tuple[str, ...]],
    says: tuple[str, str],
    source: str,
) -> pd.DataFrame:
    """Return the records of a log as ALERTS.

    Parameters
    ----------
    path, label, digest, span
        As `eve.alerts`.
    wanted
        The fields to read.
    of_alert
        For each part of an alert the fields that tell it, the first that is set.
    says
        The fields that make the message.
    source
        The format.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        try:
            found = zeek_log.read(path, label, wanted, span=span)
        except DamagedEvidence as problem:
            raise DamagedEvidence(str(problem), ALERTS.empty()) from None
    empty = pa.scalar(b"", pa.binary())
    fields = {
        name: pc.fill_null(pc.coalesce(*(found.fields[field] for field in of)), empty) for name, of in of_alert.items()
    }
    kind, words = (pc.fill_null(found.fields[field], empty) for field in says)
    both = pc.and_(pc.greater(pc.binary_length(kind), 0), pc.greater(pc.binary_length(words), 0))
    between = pc.if_else(both, pa.scalar(b": ", pa.binary()), empty)
    fields["message"] = pc.binary_join_element_wise(kind, between, words, empty)
    if "dropped" in wanted:
        dropped = pc.is_in(pc.fill_null(found.fields["dropped"], empty), pa.array([b"T", b"true"], pa.binary()))
        fields["action"] = pc.if_else(dropped, pa.scalar(b"drop", pa.binary()), empty)
    return alert_table(
        Found(pa.table(fields), found.record, found.start, found.caveats),
        path=path,
        label=label,
        digest=fingerprint.digits(),
        source=source,
        time=zeek_log.times(found.fields["ts"]),
    )
