"""From the columns of a listing of flow records to a table of FLOWS, whatever program printed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.flow_columns import NOT_A_TIME, flow_table
from nsm_nb.formats.lines import Noted, whole_text
from nsm_nb.schema import with_caveats
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from nsm_nb.formats.printed_values import Values

__all__ = ["after", "flows", "nanoseconds", "other_ports"]


def nanoseconds(times: pd.Series) -> np.ndarray:
    """Return times as whole numbers since 1970, `NOT_A_TIME` where they are missing."""
    stamps = times.dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    return np.where(np.isnat(stamps), NOT_A_TIME, stamps.view(np.int64))


def after(start: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return when flows ended, by their duration; `NOT_A_TIME` where that is later than nanoseconds can tell."""
    known = (start != NOT_A_TIME) & ~np.isnan(seconds) & (np.abs(seconds) < 1e9)
    added = np.round(np.where(known, seconds, 0) * 1e9).astype(np.int64)
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    known &= np.where(added > 0, start <= most - np.maximum(added, 0), start > least - np.minimum(added, 0))
    return np.where(known, np.where(known, start, 0) + added, NOT_A_TIME)


def flows(
    values: Values,
    *,
    source: str,
    digest: str,
    proto: pd.Categorical,
    start: np.ndarray,
    end: np.ndarray,
    src: pd.Categorical,
    dst: pd.Categorical,
    **others: Any,
) -> pd.DataFrame:
    """Return the rows, with all that was noticed; addresses that are none are told. Other parameters as `flow_table`."""
    record, first = values.found.record, values.found.start
    if "src_flags" in others:  # of what is not TCP they say nothing
        tcp = np.array([*(each == "tcp" for each in proto.categories), False])[proto.codes]
        others["src_flags"] = others["src_flags"].where(pd.Series(tcp), pd.NA)
    table = flow_table(
        src=src, dst=dst, proto=proto, start=start, end=end, label=values.label, source=source, digest=digest,
        record=record, **{name: each.array if isinstance(each, pd.Series) else each for name, each in others.items()},
    )  # fmt: skip
    noted = Noted(values.label, "address")
    for name, texts in (("src_ip", src), ("dst_ip", dst)):
        lost = np.flatnonzero(table[name].isna().to_numpy() & (texts.codes >= 0))
        for row in lost[: noted.most].tolist():
            said = printable(texts[row])[:60]
            noted.add(
                int(record[row]), int(first[row]), f"names {said!r} as {name}, which is no address; it is missing"
            )
        if len(lost) > noted.most:
            row = int(lost[noted.most])
            noted.add_unseen(len(lost) - noted.most, int(record[row]), int(first[row]))
    return with_caveats(table, [*values.told(), *noted.caveats()])


def other_ports(column: pa.ChunkedArray) -> pd.Series:
    """Return destination ports as nfdump prints them: those of ICMP as type and code, ``3.3``, become the number 771."""

    def number(text: bytes) -> float | None:
        kind, dot, code = whole_text(text).strip().partition(".")
        if not (kind.isascii() and kind.isdigit() and len(kind) < 6):
            return None
        if not dot:
            return float(kind)
        return float(int(kind) << 8 | int(code)) if code.isascii() and code.isdigit() and int(code) < 256 else None

    return columns.whole(columns.numbers(column, number), most=65_535)
