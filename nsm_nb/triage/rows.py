"""Records of the chain as a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import VERDICTS
from nsm_nb.text import printable
from nsm_nb.triage.chain import Record

__all__ = ["table_of", "times_of"]

_TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z")


def times_of(texts: Sequence[Any]) -> pd.Series:
    """Return the times that a ledger keeps as text; what somebody edited into nonsense is missing."""
    once = {text: _moment(text) for text in set(texts)}  # records of one act share their time
    moments = np.array([once[text] for text in texts], "datetime64[ns]")
    return pd.Series(pd.DatetimeIndex(moments, tz="UTC"))


def _moment(text: Any) -> np.datetime64:
    if isinstance(text, str) and _TIME.fullmatch(text):
        try:
            return np.datetime64(text[:-1], "ns")
        except ValueError:
            pass  # the 31st of February
    return np.datetime64("NaT")


def table_of(records: Sequence[Record]) -> pd.DataFrame:
    """Return records as VERDICTS, made column by column: a verdict on one alert waits for no casts."""
    if not records:
        return VERDICTS.empty()
    columns: dict[str, Any] = {}
    for name, values in zip(Record._fields, zip(*records, strict=True), strict=True):
        dtype = VERDICTS.columns[name].dtype
        if dtype == "Int64":
            columns[name] = _whole_numbers(values)
        elif name == "time":
            columns[name] = times_of(values).array
        elif dtype == "category":
            codes, texts = pd.factorize(np.array(_texts(values), dtype=object))
            columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(texts, dtype="str"))
        else:
            columns[name] = pd.array(_texts(values), dtype="str")
    return pd.DataFrame(columns, copy=False)


def _whole_numbers(values: Sequence[Any]) -> pd.arrays.IntegerArray:
    missing = np.array([not isinstance(each, int) for each in values])
    numbers = np.array([0 if none else each for each, none in zip(values, missing.tolist(), strict=True)], np.int64)
    return pd.arrays.IntegerArray(numbers, missing)


def _texts(values: Sequence[Any]) -> list[str | None]:
    # Where somebody edited the file, a text can be anything; it is shown as text, and verify() names the record.
    return [each if each is None or isinstance(each, str) else printable(each) for each in values]
