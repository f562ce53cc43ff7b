"""From Arrow columns to those of the tables: categories, whole numbers, times, stable names of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.formats.lines import Noted
from nsm_nb.schema import ADDRESS, Caveat, Schema, utc_times, with_caveats
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LARGEST",
    "PORTED",
    "absent",
    "alert_names",
    "category",
    "conformed",
    "mapped",
    "numbers",
    "ports",
    "protocol",
    "same",
    "session_numbers",
    "text",
    "times",
    "whole",
]

PORTED = ("tcp", "udp", "sctp", "dccp", "udplite")  # protocols whose first bytes are two ports
# other spellings: Suricata's (from /etc/protocols) and Snort's
_PROTOCOLS = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6", "ipv4-icmp": "icmp", "ipencap": "ipip", "ip-encap": "ipip"}
LARGEST = 2**53 - 1  # whole numbers are exact in float64 up to here; 2**53 may have been 2**53 + 1
_RECORD_BITS = 33


def category(column: pa.ChunkedArray | pa.Array) -> pd.Categorical:
    """Return text as a categorical; empty text is missing."""
    return mapped(column, lambda value: value or None)


def mapped(column: pa.ChunkedArray | pa.Array, change: Callable[[Any], Any]) -> pd.Categorical:
    """Return text as a categorical whose categories went through `change`; where that gives None it is missing.

    `change` is called once for each distinct text.
    """
    import pyarrow as pa

    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = encoded.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values = [change(each) for each in encoded.dictionary.to_pylist()]
    known = list(dict.fromkeys(each for each in values if each is not None))
    place = {each: number for number, each in enumerate(known)}
    lookup = np.array([-1 if each is None else place[each] for each in values] + [-1], np.int32)
    categories = pd.Index(known, dtype="str" if all(isinstance(each, str) for each in known) else None)
    return pd.Categorical.from_codes(lookup[codes], categories=categories)


def numbers(column: pa.ChunkedArray | pa.Array, change: Callable[[Any], float | None]) -> np.ndarray:
    """Return text as float64 numbers, `change` called once for each distinct text; where that gives None it is NaN."""
    values = mapped(column, change)
    return np.array([*values.categories, np.nan], float)[values.codes]


def protocol(name: str) -> str | None:
    """Return the name of a protocol as the tables have it, from a name or a number that a sensor wrote."""
    name = name.strip().lower()
    if name.isascii() and name.isdigit():
        from nsm_nb.formats.frames import protocol_name

        return protocol_name(int(name)) if int(name) < 256 else name
    return _PROTOCOLS.get(name, name) or None


def text(column: pa.ChunkedArray) -> pd.Series:
    """Return text as a column of dtype `str`."""
    import pyarrow as pa

    return pd.Series(pd.array(column.cast(pa.large_string()), dtype="str"))


def whole(values: np.ndarray, *, most: int = LARGEST, dtype: str = "Int64") -> pd.Series:
    """Return float64 numbers as whole ones; what is no whole number from 0 to `most` is missing."""
    with np.errstate(invalid="ignore"):
        fine = (values >= 0) & (values <= most) & (values == np.floor(values))
    numbers = np.where(fine, values, 0).astype(dtype.lower())
    array = pd.arrays.IntegerArray(numbers, ~fine)
    return pd.Series(array)


def ports(values: np.ndarray, proto: pd.Categorical, *, unknown: bool = False) -> pd.Series:
    """Return float64 numbers as ports; missing where the protocol has none, and where it is not known unless `unknown`."""
    ported = np.array([*(name in PORTED for name in proto.categories), unknown])[proto.codes]
    return whole(np.where(ported, values, np.nan), most=65_535, dtype="UInt16")


def times(microseconds: pa.ChunkedArray) -> pd.Series:
    """Return microseconds since 1970 as times; before 1678 and after 2262 (nanoseconds can't hold them) missing."""
    values = microseconds.to_numpy()
    if values.dtype.kind == "f":  # there are missing ones; float64 would lose microseconds after 2255
        valid = microseconds.is_valid().to_numpy()
        values = microseconds.fill_null(0).to_numpy()
    else:
        valid = np.ones(len(values), bool)
    limit = np.iinfo(np.int64).max // 1000
    valid = valid & (values > -limit) & (values < limit)
    stamps = np.where(valid, values, 0).astype("datetime64[us]").astype("datetime64[ns]")
    stamps[~valid] = np.datetime64("NaT", "ns")
    return utc_times(stamps)


def same(value: str, count: int) -> pd.Categorical:
    """Return a column that says the same in every row."""
    return pd.Categorical.from_codes(np.zeros(count, np.int8), categories=pd.Index([value], dtype="str"))


def absent(schema: Schema, known: Iterable[str], count: int) -> dict[str, Any]:
    """Return the columns of a schema that are not `known`, missing in every row."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in schema.columns.keys() - set(known):
        dtype = schema.columns[name].dtype
        if dtype == "category":
            columns[name] = pd.Categorical.from_codes(np.full(count, -1, np.int8), categories=pd.Index([], dtype="str"))
        elif dtype == "str":
            columns[name] = pd.array(pa.nulls(count, pa.large_string()), dtype="str")
        elif dtype in ("Int64", "UInt16"):
            columns[name] = pd.arrays.IntegerArray(np.zeros(count, dtype.lower()), np.ones(count, bool))
    return columns


def conformed(
    schema: Schema,
    table: dict[str, Any],
    record: np.ndarray,
    start: np.ndarray,
    label: str,
    caveats: Iterable[Caveat],
    *,
    place: str = "line",
) -> pd.DataFrame:
    """Return the table with the columns and dtypes of its schema; addresses that are none become caveats.

    Parameters
    ----------
    schema
        Of the table.
    table
        The columns that are known; address columns are categoricals of text.
    record, start
        Numbers and first bytes of the records, for the caveats.
    label
        The evidence, as caveats name it.
    caveats
        What was noticed before.
    place
        What a record is called.
    """
    result = schema.conform(pd.DataFrame(table | absent(schema, table, len(record)), copy=False))
    noted = Noted(label, "address", place=place)
    for name, column in schema.columns.items():
        if column.dtype != ADDRESS or name not in table:
            continue
        texts = pd.Categorical(table[name])
        lost = np.flatnonzero(result[name].isna().to_numpy() & (texts.codes >= 0))
        for row in lost[: noted.most].tolist():
            said = printable(texts[row])[:60]
            noted.add(
                int(record[row]), int(start[row]), f"names {said!r} as {name}, which is no address; it is missing"
            )
        if len(lost) > noted.most:
            row = int(lost[noted.most])
            noted.add_unseen(len(lost) - noted.most, int(record[row]), int(start[row]))
    return with_caveats(result, [*caveats, *noted.caveats()])


def alert_names(digest: str, record: np.ndarray) -> pd.Series:
    """Return stable names of alerts: the first twelve digits of the evidence's SHA-256, a colon, the record."""
    import pyarrow as pa
    import pyarrow.compute as pc

    start, colon = (pa.scalar(each, pa.large_string()) for each in (digest[:12], ":"))
    numbers = pa.array(record).cast(pa.large_string())
    return pd.Series(pd.array(pc.binary_join_element_wise(start, numbers, colon), dtype="str"))


def session_numbers(digest: str, record: np.ndarray) -> np.ndarray:
    """Return stable numbers of sessions: 20 bits of the evidence's SHA-256, then the record.

    They are below 2**53, so that a browser holds them exactly, and differ within a file.
    """
    return (np.int64(int(digest[:5], 16)) << _RECORD_BITS) | record.astype(np.int64)
