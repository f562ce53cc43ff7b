"""Checks of one column against one value: numbers, times, addresses, truth and text, each on whole columns at once."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.query.times import check_time
from nsm_nb.query.values import EXAMPLES, Value, mistake, span
from nsm_nb.schema import ADDRESS, ALERTS, PACKETS, SESSIONS, TIME, in_network
from nsm_nb.text import printable

__all__ = ["KINDS", "Check", "check", "is_network", "kind_of", "known_sum", "pattern", "text"]

Check = Callable[..., np.ndarray]
"""One column (for a stretch of time two) -> True where its value matches."""


def _kind(name: str, dtype: str) -> str:
    if name.endswith("port"):
        return "port"
    if dtype in (TIME, ADDRESS, "boolean"):
        return {TIME: "time", ADDRESS: "address"}.get(dtype, "truth")
    return "number" if dtype.lower().startswith(("int", "uint", "float")) else "text"


KINDS = {
    **{
        each: _kind(each, column.dtype)
        for table in (PACKETS, SESSIONS, ALERTS)
        for each, column in table.columns.items()
    },
    "time": "time",
    "packets": "number",
    "octets": "number",
    "payload": "number",
    "port": "port",
    "ip": "address",
}
"""What the columns of our own tables hold, so that a wrong value is told before a table is there."""


def kind_of(name: str, column: pd.Series) -> str:
    """Return what a column holds: "number", "port", "time", "truth", "address" or "text"."""
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "time"
    if pd.api.types.is_bool_dtype(dtype):
        return "truth"
    if pd.api.types.is_numeric_dtype(dtype):
        return "port" if name.lower().endswith("port") else "number"
    return "address" if name.lower() == "ip" or name.lower().endswith("_ip") else "text"


def check(kind: str, name: str, comparison: Value, value: Value) -> Check:
    """Return the check of a column of some kind.

    Parameters
    ----------
    kind
        What the column holds, as `kind_of` says.
    name
        What the column is called in the line.
    comparison
        One of ``= != < <= > >= ~ !~``, and where it stands.
    value
        What it is compared with.

    Raises
    ------
    QueryError
        Where the value is none of that kind, or can't be compared so.
    """
    sign = comparison.text
    if sign in ("!=", "!~"):
        same = check(kind, name, Value(sign[1], comparison.column), value)
        return lambda *columns: _present(*columns) & ~same(*columns)
    if kind == "text" or (kind == "address" and sign in ("~", "matches")):
        if sign == "matches":
            return pattern(value)
        if sign in ("=", "~"):
            return text(value.text, whole=sign == "=")
        raise mistake(
            comparison.column, f"{printable(name)} is text, which is compared with = != ~ !~ or matches", "state = FIN"
        )
    if sign in ("~", "matches"):
        raise mistake(comparison.column, f"{sign} looks into text, and {printable(name)} is a {kind}", EXAMPLES[kind])
    if kind == "address":
        if sign == "=":
            return _address(value)
        raise mistake(comparison.column, "addresses are compared with = or !=", EXAMPLES[kind])
    if kind == "truth":
        if sign == "=":
            return _truth(name, value)
        raise mistake(comparison.column, f"{printable(name)} is compared with = or !=", EXAMPLES[kind])
    if kind == "time":
        return check_time(sign, value)
    return _number(kind, name, sign, value)


def _present(*columns: pd.Series) -> np.ndarray:
    return np.logical_or.reduce([column.notna().to_numpy() for column in columns])


# Numbers. A line's number is exact (a Fraction), so that session 2**53 + 1 is not 2**53.

_NUMBER = re.compile(
    r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:e[+-]?\d{1,2})?)([a-z]*)", re.ASCII | re.IGNORECASE
)
_SIZES = {"": 1, **{unit: 1000**power for power, unit in enumerate("kmgt", 1)},
          **{f"{unit}i": 1024**power for power, unit in enumerate("kmgt", 1)}}  # fmt: skip
_SPANS = {"": Fraction(1), "s": Fraction(1), "us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "m": Fraction(60),
          "min": Fraction(60), "h": Fraction(3600), "d": Fraction(86400)}  # fmt: skip


def _one_number(kind: str, name: str, value: Value) -> Fraction:
    if kind == "port":
        if not (value.text.isascii() and value.text.isdecimal() and len(value.text) < 9 and int(value.text) < 65536):
            raise mistake(value.column, f"{printable(value.text)!r} is no port, which is 0 to 65535", EXAMPLES[kind])
        return Fraction(int(value.text))
    found = _NUMBER.fullmatch(value.text)
    units: dict[str, Any] = _SPANS if name.lower() == "duration" else _SIZES
    unit = found[2].lower().removesuffix("b") if found else ""
    if found is None or unit not in units:
        example = "duration > 5m" if units is _SPANS else EXAMPLES["number"]
        raise mistake(
            value.column, f"{printable(name)} is a number and {printable(value.text[:40])!r} is none", example
        )
    return Fraction(found[1]) * units[unit]


def _number(kind: str, name: str, comparison: str, value: Value) -> Check:
    parts = span(value, "-" if kind == "port" else None) if comparison == "=" else None
    low: Fraction | None
    high: Fraction | None
    if parts:
        low, high = (_one_number(kind, name, each) for each in parts)
        if high < low:
            raise mistake(parts[1].column, "the range ends before it begins", "octets 100..2k")
    else:
        only = _one_number(kind, name, value)
        low, high = (
            (only if comparison in ("=", ">", ">=") else None),
            (only if comparison in ("=", "<", "<=") else None),
        )
    open_low, open_high = comparison == ">", comparison == "<"

    def test(column: pd.Series) -> np.ndarray:
        values, present = _values(column)
        hit = present
        if values.dtype.kind in "iu":
            least, most = np.iinfo(values.dtype).min, np.iinfo(values.dtype).max
            bottom = least if low is None else (math.floor(low) + 1 if open_low else math.ceil(low))
            top = most if high is None else (math.ceil(high) - 1 if open_high else math.floor(high))
            if bottom > most or top < least or bottom > top:
                return np.zeros(len(values), bool)
            if bottom > least:
                hit = hit & (values >= bottom)
            return hit & (values <= top) if top < most else hit
        if low is not None:
            hit = hit & ((values > float(low)) if open_low else (values >= float(low)))
        if high is not None:
            hit = hit & ((values < float(high)) if open_high else (values <= float(high)))
        return hit

    return test


def _values(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return a column's numbers, 0 where they are missing, and where they are not."""
    present = column.notna().to_numpy()
    dtype = getattr(column.dtype, "numpy_dtype", column.dtype)
    if not isinstance(dtype, np.dtype):
        dtype = np.dtype("float64")
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy(), present
    return column.to_numpy(dtype=dtype, na_value=0), present


def known_sum(first: pd.Series, second: pd.Series) -> pd.Series:
    """Return the sum of two columns of numbers; where one is missing, the other alone."""
    (a, here), (b, there) = _values(first), _values(second)
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        total = a.astype(np.int64, copy=False) + b.astype(np.int64, copy=False)
        return pd.Series(pd.arrays.IntegerArray(total, ~(here | there)), index=first.index)
    return first.add(second, fill_value=0)


# Truth

_TRUTH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def _truth(name: str, value: Value) -> Check:
    wanted = _TRUTH.get(value.text.lower())
    if wanted is None:
        raise mistake(value.column, f"{printable(name)} is yes or no", EXAMPLES["truth"])

    def test(column: pd.Series) -> np.ndarray:
        values = column.to_numpy(dtype=bool, na_value=False) if column.dtype != bool else column.to_numpy()
        return values if wanted else _present(column) & ~values

    return test


# Addresses


def is_network(text: str) -> bool:
    """Say whether a text is an address or a network."""
    return ("." in text or ":" in text) and all(_network(each) is not None for each in text.split(","))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address, slash, length = text.partition("/")
    try:
        return ipaddress.ip_network(f"{address.partition('%')[0]}{slash}{length}", strict=False)
    except ValueError:
        return None


def _address(value: Value) -> Check:
    wanted, place = [], value.column
    for each in value.text.split(","):
        network = _network(each)
        if network is None:
            raise mistake(place, f"{printable(each[:60])!r} is no address and no network", EXAMPLES["address"])
        wanted.append(str(network))
        place += len(each) + 1

    def test(column: pd.Series) -> np.ndarray:
        hit = in_network(column, wanted[0])
        for each in wanted[1:]:
            hit |= in_network(column, each)
        return hit

    return test


# Text

Texts = Any  # a pyarrow Array or ChunkedArray of strings


def text(needle: str, *, whole: bool) -> Check:
    """Return the check whether a column's texts are this text, or hold it, in any case of letters."""
    # What can't be in a text (a lone surrogate) is looked for as its escape, as all rooms show it.
    needle = _storable(needle)
    cased = needle.lower() != needle.upper()

    def find(texts: Texts) -> Texts:
        import pyarrow as pa
        import pyarrow.compute as pc

        if whole:
            return pc.equal(pc.utf8_lower(texts), pc.utf8_lower(pa.scalar(needle, texts.type)))
        return pc.match_substring(texts, needle, ignore_case=cased)  # several times as fast where case is nothing to it

    return _of_texts(find)


def pattern(value: Value) -> Check:
    """Return the check whether a regular expression is found in a column's texts, in any case of letters.

    RE2 runs it, whose time is in proportion to the text whatever the expression says.

    Raises
    ------
    QueryError
        Where it is no regular expression that RE2 can run.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = _storable(value.text)
    try:
        pc.match_substring_regex(pa.array([""], pa.large_string()), wanted, ignore_case=True)
    except pa.ArrowInvalid as problem:
        why = printable(str(problem).rpartition("regular expression: ")[2].splitlines()[0][:200])
        raise mistake(
            value.column, f"this is no regular expression that RE2 can run ({why})", 'history matches "^Sh.*F"'
        ) from None
    return _of_texts(lambda texts: pc.match_substring_regex(texts, wanted, ignore_case=True))


def _of_texts(find: Callable[[Texts], Texts]) -> Check:
    def told(texts: Texts) -> np.ndarray:
        import pyarrow.compute as pc

        return pc.fill_null(find(texts), False).to_numpy(zero_copy_only=False)

    def test(column: pd.Series) -> np.ndarray:
        import pyarrow as pa

        if isinstance(column.dtype, pd.CategoricalDtype):
            names = pd.Series(column.cat.categories)
            return np.append(test(names), False)[column.cat.codes.to_numpy()]
        if isinstance(column.dtype, pd.StringDtype):
            return told(pa.array(column.array))
        return told(pa.array([_written(each) for each in column], pa.large_string()))

    return test


def _storable(needle: str) -> str:
    return needle.encode("utf-8", "backslashreplace").decode()


def _written(value: Any) -> str | None:
    """Return a cell of a column of objects as text, None where it is missing."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    return _storable(value) if isinstance(value, str) else printable(value)
