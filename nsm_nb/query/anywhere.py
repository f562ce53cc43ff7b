"""A text looked for in every column as `grep` would in a listing: texts, addresses, numbers and times as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from nsm_nb.query import checks
from nsm_nb.query.values import Value

__all__ = ["anywhere"]

_NUMERIC = re.compile(r"[-0-9.e]+", re.IGNORECASE | re.ASCII)
_TIMELY = re.compile(r"[-0-9:. TZ]+", re.IGNORECASE | re.ASCII)


def anywhere(value: Value, *, pattern: bool = False) -> Callable[[pd.DataFrame], np.ndarray]:
    """Return the test whether a row holds a text (or what a regular expression describes) in any of its columns.

    Numbers are looked at as digits without separators, times as ``2026-11-24 02:31:40.504000000`` (``T`` for the space
    will do); yes and no are not looked at.

    Raises
    ------
    QueryError
        Where it is to be a regular expression and is none.
    """
    find = checks.pattern(value) if pattern else checks.text(value.text, whole=False)
    numeric = pattern or bool(_NUMERIC.fullmatch(value.text))  # else no number can hold it
    timely = pattern or bool(_TIMELY.fullmatch(value.text))
    in_time = find
    if timely and not pattern:
        in_time = checks.text(value.text.upper().replace("T", " ").removesuffix("Z"), whole=False)

    def test(table: pd.DataFrame) -> np.ndarray:
        hit = np.zeros(len(table), bool)
        for place, name in enumerate(table.columns):
            column = table.iloc[:, place]
            kind = checks.kind_of(str(name), column)
            if kind in ("text", "address"):
                hit |= find(column)
            elif kind in ("number", "port") and numeric:
                hit |= _in_numbers(column, find)
            elif kind == "time" and timely:
                hit |= in_time(_told(column))
        return hit

    return test


def _in_numbers(column: pd.Series, find: checks.Check) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.dtype.kind == "u" and column.dtype.itemsize <= 2:  # ports: each number is looked at once
        values = column.to_numpy(f"uint{8 * column.dtype.itemsize}", na_value=0)
        texts = pd.Series(np.arange(1 << 8 * column.dtype.itemsize).astype(str), dtype="str")
        return find(texts)[values] & column.notna().to_numpy()
    texts = pc.cast(pa.array(column, from_pandas=True), pa.large_string())
    return find(pd.Series(texts.to_pandas(), dtype="str", index=column.index))


def _told(column: pd.Series) -> pd.Series:
    import pyarrow as pa
    import pyarrow.compute as pc

    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    texts = pc.cast(pa.array(column.astype("datetime64[ns]"), from_pandas=True), pa.large_string())
    return pd.Series(texts.to_pandas(), dtype="str", index=column.index)
