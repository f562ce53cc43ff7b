"""Events that an analyst exported from a tab of Sguil's client, with the header row that its dialog offers.

Source: Sguil 0.9/1.0, the client's columns and its "Export Query Results to a Text File" (reference/seed-systems.md 11.1,
11.12): a comma, ``|``, ``||`` or a tab between the values, quotes or none. Sguil's times are UTC.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.formats import separated
from nsm_nb.formats.lines import Fingerprint, Span, as_utf8, whole_text
from nsm_nb.formats.printed import alert_table
from nsm_nb.formats.source import read_head
from nsm_nb.formats.stamps import parsed_times
from nsm_nb.schema import Caveat
from nsm_nb.text import many, printable

__all__ = ["COLUMNS", "EXTENSIONS", "NAME", "TITLE", "alerts", "detail", "recognises"]

NAME = "sguil-csv"
TITLE = "events exported from Sguil"
EXTENSIONS = (".csv", ".txt")
COLUMNS = ("ST", "CNT", "Sensor", "Alert ID", "Date/Time", "Src IP", "SPort", "Dst IP", "DPort", "Pr", "Event Message")
_OURS = {"Sensor": "sensor", "Src IP": "src", "SPort": "src_port", "Dst IP": "dst", "DPort": "dst_port", "Pr": "proto",
         "Event Message": "message"}  # fmt: skip
_SEPARATORS = ("||", ",", "|", "\t")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def _header(head: bytes) -> tuple[list[str], str] | None:
    """Return the names in the first line, and what stands between them; None where it is not Sguil's."""
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0][:2_000].strip()
    for separator in _SEPARATORS:
        names = [each.strip().strip('"') for each in whole_text(line).split(separator)]
        if (
            len(names) > 3
            and names == [each for each in COLUMNS if each in names]
            and {"Date/Time", "Event Message"} <= {*names}
        ):
            return names, separator
    return None


def recognises(head: bytes) -> bool:
    """Return True where the first line has the names of Sguil's columns, in its order."""
    return _header(head) is not None


def _layout(path: str | os.PathLike) -> separated.Layout:
    names, separator = _header(as_utf8(read_head(path, 4096))) or (list(COLUMNS), ",")
    return separated.Layout(
        "event of Sguil",
        names,
        lambda row: bool(_TIME.fullmatch(row["Date/Time"].strip())),
        separator,
        header=_header(as_utf8(read_head(path, 4096))) is not None,
    )


def alerts(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, span: Span | None = None
) -> pd.DataFrame:
    """Read the events of an export of Sguil: one row of ALERTS for each.

    A row of its queue stands for as many events as its CNT says; it is one alert here, and a caveat says how many events
    there were. The export tells neither the signature's numbers nor priority and class. Parameters and errors as
    `eve.alerts`.
    """
    import pyarrow as pa

    label = os.fspath(path) if label is None else label
    layout = _layout(path)
    with Fingerprint(path, digest) as fingerprint:
        found = separated.read(path, label, layout, span=span)
    texts = pd.Series([each.decode() for each in found.fields["Date/Time"].to_pylist()], dtype="str")
    times = parsed_times(texts, "%Y-%m-%d %H:%M:%S")
    caveats = list(found.caveats)
    if "CNT" in layout.names:
        counts = np.array(
            [int(each) if each.isdigit() and len(each) < 10 else 1 for each in found.fields["CNT"].to_pylist()]
        )
        if counts.sum() > len(counts):
            said = (
                f"{printable(label)}: its {many(len(counts), 'row stands', 'rows stand')} for {counts.sum():,} events, which "
                "Sguil had folded (column CNT); the others are not in the file"
            )
            caveats.append(Caveat(label, None, None, "count", said))
    fields = pa.table({mine: found.fields[name] for name, mine in _OURS.items() if name in layout.names})
    found = found._replace(fields=fields, caveats=caveats)
    return alert_table(found, path=path, label=label, digest=fingerprint.digits(), source=NAME, time=times)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one event, its `line` and its values by the names of Sguil's columns; parameters and errors as `eve.detail`."""
    return separated.row_at(path, record, _layout(path))
