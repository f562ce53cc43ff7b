"""Counting by integer codes: what group-by does, on arrays, as quick as the memory allows.

A category's code is a small whole number, so counting is `numpy.bincount` where the combinations are few, and one sort
of packed 64-bit numbers where they are many (addresses by addresses). Text is never looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS

__all__ = ["Tally", "codes_of", "ends_of", "evidence_of", "is_flows", "numbers_of", "tally", "times_of"]

_FEW = 1 << 16  # a table of this many counters stays in the cache
_WORD = 63  # bits of a positive int64


class Tally(NamedTuple):
    """Distinct combinations in ascending order, how many rows each has, and its sum of weights."""

    keys: list[np.ndarray]
    counts: np.ndarray
    sums: np.ndarray


def codes_of(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return a column's codes (-1 where missing) and the value of each code; a column of text is coded first."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    return column.cat.codes.to_numpy(), column.cat.categories


def evidence_of(table: pd.DataFrame) -> list[str]:
    """Return the names of the evidence that a table's rows come from."""
    if "evidence" not in table or len(table) == 0:
        return []
    codes, names = codes_of(table["evidence"])
    seen = np.flatnonzero(np.bincount(codes.astype(np.int64) + 1, minlength=len(names) + 1)[1:])
    return [str(names[int(each)]) for each in seen]


def is_flows(table: pd.DataFrame) -> bool:
    """Return True where a table is one of SESSIONS and not of PACKETS."""
    return "src_octets" in table and "length" not in table


def ends_of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return the codes of `src_ip` and of `dst_ip` (-1 where missing) and the one dtype that both have."""
    src, dst = table["src_ip"], table["dst_ip"]
    if not isinstance(src.dtype, pd.CategoricalDtype) or src.dtype != dst.dtype:
        conformed = PACKETS.conform(table[["src_ip", "dst_ip"]])
        src, dst = conformed["src_ip"], conformed["dst_ip"]
    return src.cat.codes.to_numpy(), dst.cat.codes.to_numpy(), src.dtype


def numbers_of(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of whole numbers as int64 (0 where missing) and a bool array, True where one is there."""
    there = column.notna().to_numpy()
    if there.all():
        return column.to_numpy(dtype=np.int64), there
    return column.astype("Int64").to_numpy(dtype=np.int64, na_value=0), there


def times_of(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of times as nanoseconds since 1970 UTC and a bool array, True where one is there."""
    if not isinstance(column.dtype, (pd.DatetimeTZDtype, np.dtype)) or column.dtype == object:
        column = pd.to_datetime(column, utc=True)
    nanoseconds = pd.DatetimeIndex(column).as_unit("ns").asi8
    return nanoseconds, nanoseconds != np.iinfo(np.int64).min


def tally(codes: list[np.ndarray], sizes: list[int], weights: np.ndarray | None = None) -> Tally:
    """Count rows by combinations of codes.

    Parameters
    ----------
    codes
        One or more arrays of one length; each code is at least 0 and below its size.
    sizes
        How many codes each array may hold; their product stays below 2**63.
    weights
        Whole numbers of at least 0 to be summed; their sums are exact below 2**53.

    Notes
    -----
    Three ways, all giving the same: counters for every combination that could be; one sort of numbers that hold the
    combination and the weight; a hash table, where neither fits.
    """
    count = len(codes[0])
    room = 1
    for size in sizes:
        room *= max(size, 1)
    if count == 0:
        nothing = np.zeros(0, np.int64)
        return Tally([nothing] * len(codes), nothing, nothing)

    key = codes[0].astype(np.int64)
    for each, size in zip(codes[1:], sizes[1:], strict=True):
        key = key * size + each
    if room <= max(_FEW, count // 4):
        keys, counts, sums = _by_counters(key, room, weights)
    elif _bits(room - 1) + _bits(0 if weights is None else int(weights.max())) <= _WORD:
        keys, counts, sums = _by_sort(key, weights)
    else:
        keys, counts, sums = _by_hash(key, weights)

    parts = []
    for size in reversed(sizes[1:]):
        keys, part = np.divmod(keys, size)
        parts.append(part)
    return Tally([keys, *reversed(parts)], counts, sums)


def _bits(number: int) -> int:
    return int(number).bit_length()


def _by_counters(key: np.ndarray, room: int, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = np.bincount(key, minlength=room)
    keys = np.flatnonzero(counts)
    sums = counts if weights is None else np.bincount(key, weights, minlength=room).astype(np.int64)
    return keys, counts[keys], sums[keys]


def _by_sort(key: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shift = 0 if weights is None else _bits(int(weights.max()))
    packed = key << shift
    if weights is not None:
        packed |= weights.astype(np.int64, copy=False)
    packed.sort()
    key = packed >> shift
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    counts = np.diff(starts, append=len(key))
    if weights is None:
        return key[starts], counts, counts
    return key[starts], counts, np.add.reduceat(packed & ((1 << shift) - 1), starts)


def _by_hash(key: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    place, keys = pd.factorize(key, sort=True)
    counts = np.bincount(place)
    sums = counts if weights is None else np.bincount(place, weights).astype(np.int64)
    return np.asarray(keys), counts, sums
