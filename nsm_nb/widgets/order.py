"""Which rows a grid shows and in which order: positions in the table, by sorting and by words, in NumPy and Arrow."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["matching", "ranges", "sorted_places"]


def sorted_places(column: pd.Series, *, descending: bool = False) -> np.ndarray:
    """Return the positions of a column's values in order: stable both ways, missing values last both ways.

    Text is ordered by code point, categories in their own order where they have one (addresses by number), else by
    their text.
    """
    key, missing = _key(column)
    step = -1 if descending else 1  # descending: reversed twice, so that equal values keep their order
    present = np.flatnonzero(~missing)[::step]
    present = present[np.argsort(key[present], kind="stable")][::step]
    return np.concatenate([present, np.flatnonzero(missing)])


def _key(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    missing = column.isna().to_numpy(dtype=bool)
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        if dtype.ordered:
            return codes, missing
        names = [str(each) for each in dtype.categories]
        rank = np.empty(len(names) + 1, np.int64)
        rank[np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)] = np.arange(len(names))
        return rank[codes], missing
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind == "M":
        return np.asarray(column, dtype="datetime64[ns]").view("int64"), missing
    if dtype.kind == "m":
        return np.asarray(column, dtype="timedelta64[ns]").view("int64"), missing
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_integer_dtype(dtype):
        return column.to_numpy(dtype="uint64" if dtype.kind == "u" else "int64", na_value=0), missing
    if pd.api.types.is_float_dtype(dtype):
        return column.to_numpy(dtype="float64", na_value=np.nan), missing
    texts = column if isinstance(dtype, pd.StringDtype) else column.astype("str")
    codes, uniques = pd.factorize(texts, use_na_sentinel=True)
    rank = np.empty(len(uniques) + 1, np.int64)
    rank[np.argsort(np.asarray(uniques, dtype=object), kind="stable")] = np.arange(len(uniques))
    return rank[codes], missing


def matching(table: pd.DataFrame, line: str) -> np.ndarray:
    """Return the positions of the rows that hold every word of a line, in any column, upper or lower case alike.

    A word is found in text and categories (addresses too); a number also equals a cell of whole numbers. Times are
    not searched.
    """
    found = np.ones(len(table), bool)
    for word in line.split():
        hit = np.zeros(len(table), bool)
        for place in range(table.shape[1]):
            hit |= _holds(table.iloc[:, place], word)
        found &= hit
    return np.flatnonzero(found)


def _holds(column: pd.Series, word: str) -> np.ndarray:
    nowhere = np.zeros(len(column), bool)
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        names = [word.casefold() in str(each).casefold() for each in dtype.categories]
        return np.array([*names, False], bool)[column.cat.codes.to_numpy()]
    if isinstance(dtype, pd.StringDtype):
        found = column.str.contains(word, case=False, regex=False, na=False)
        return found.to_numpy(dtype=bool)
    if dtype.kind == "O" and not pd.api.types.is_bool_dtype(dtype):
        return np.array([word.casefold() in str(each).casefold() for each in column], bool)
    if not pd.api.types.is_integer_dtype(dtype) or not (word.isascii() and word.isdigit() and len(word) < 19):
        return nowhere
    return (column == int(word)).fillna(False).to_numpy(dtype=bool)


def ranges(places: np.ndarray) -> list[list[int]]:
    """Return sorted positions as closed ranges, the short way to tell a browser of many.

    Examples
    --------
    >>> ranges(np.array([1, 2, 3, 7]))
    [[1, 3], [7, 7]]
    """
    places = np.asarray(places, np.int64)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) != 1)
    firsts, lasts = places[np.r_[0, breaks + 1]], places[np.r_[breaks, len(places) - 1]]
    return [[int(first), int(last)] for first, last in zip(firsts, lasts, strict=True)]
