"""From the parts of printed alerts, as columns of bytes, to a table of ALERTS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.endpoints import endpoints, protocol
from nsm_nb.formats.lines import Noted, whole_text
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.stamps import printed_times
from nsm_nb.schema import ALERTS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["alert_table"]

_WHOLE = ("gid", "sid", "rev", "priority")


def alert_table(
    found: Found,
    *,
    path: str | os.PathLike,
    label: str,
    digest: str,
    source: str,
    near: pd.Timestamp | None = None,
    time: pd.Series | None = None,
) -> pd.DataFrame:
    """Return the alerts that were found in a text file.

    Parameters
    ----------
    found
        Their parts: `month`, `day`, `year`, `clock`, `fraction` of the time; `proto`; `src` and `dst`, each with its port, or
        also `src_port` and `dst_port`; and those columns of ALERTS that are there.
    path
        The file.
    label
        The evidence.
    digest
        SHA-256 of the file.
    source
        The format.
    near
        A time close to which the alerts were written; see `printed_times`.
    time
        The times, where they are known already.
    """
    fields, record, start, caveats = found
    count = len(record)
    caveats = list(caveats)
    there = set(fields.column_names)
    known = time is not None  # printed_times says itself what it could not read
    if time is None and count:
        time = printed_times(fields, record, start, path=path, label=label, near=near, caveats=caveats)
    proto = columns.mapped(fields["proto"], protocol) if "proto" in there else pd.Categorical([None] * count)
    table: dict[str, Any] = {
        "alert": columns.alert_names(digest, record),
        "proto": proto,
        "evidence": columns.same(label, count),
        "record": record,
        "source": columns.same(source, count),
    }
    if time is not None:
        table["time"] = time
        untimed = Noted(label, "clock")
        for place in np.flatnonzero(time.isna().to_numpy() & known).tolist():
            untimed.add(int(record[place]), int(start[place]), "has no time that can be read; it is missing")
        caveats += untimed.caveats()
    for side in ("src", "dst"):
        if side in there:
            text, apart = fields[side], None
            if f"{side}_port" in there:
                apart = columns.numbers(fields[f"{side}_port"], number)
                text = _bare(text, ~np.isnan(apart))
            table[f"{side}_ip"], numbers = endpoints(text, proto)
            if apart is not None:
                numbers = np.where(np.isnan(apart), numbers, apart)
            table[f"{side}_port"] = columns.ports(numbers, proto, unknown=True)
    if "message" in there:
        table["message"] = pd.Series(columns.mapped(fields["message"], _message)).astype("str")
    for name, change in _TEXTS.items():
        if name in there:
            table[name] = columns.mapped(fields[name], change)
    table |= {name: columns.whole(columns.numbers(fields[name], number)) for name in _WHOLE if name in there}
    return columns.conformed(ALERTS, table, record, start, label, caveats)


def _bare(text: pa.ChunkedArray, which: np.ndarray) -> pa.ChunkedArray:
    """Return addresses, in brackets where the port stands elsewhere, so that the end of fe80::1:2 is not taken for one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    left, right, none = (pa.scalar(each, pa.binary()) for each in (b"[", b"]", b""))
    text = pc.fill_null(text, none)
    return pc.if_else(pa.array(which & _there(text)), pc.binary_join_element_wise(left, text, right, none), text)


def _there(text: pa.ChunkedArray) -> np.ndarray:
    import pyarrow.compute as pc

    return pc.greater(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)


def number(text: bytes) -> float | None:
    """Return a whole number; None where there is none."""
    return float(text) if text.isdigit() and len(text) < 16 else None


def _text(text: bytes) -> str | None:
    return whole_text(text) or None


def _message(text: bytes) -> str | None:
    quoted = len(text) > 1 and text[:1] == text[-1:] == b'"'  # Snort 3
    return _text(text[1:-1] if quoted else text)


def _action(text: bytes) -> str | None:
    return whole_text(text).lower() or None


_TEXTS = {"classification": _text, "action": _action, "sensor": _text}
