"""Arrow's columns of bytes as NumPy arrays, for what is done to all of their texts at once.

Source: https://arrow.apache.org/docs/format/Columnar.html, "Variable-size Binary Layout".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["array_of", "matches", "parts_of", "pieces", "shape", "texts_in", "whole_numbers"]

_SHORT = 64  # bytes


def array_of(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column in one piece."""
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def texts_in(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of a column, uint8, and the places (int32) where its texts start and the last one ends."""
    _, offsets, data = column.buffers()
    first, count = column.offset, len(column)
    places = np.frombuffer(offsets, np.int32)[first : first + count + 1] if count else np.zeros(1, np.int32)
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), places


def pieces(data: np.ndarray, begin: np.ndarray, stop: np.ndarray) -> pa.Array:
    """Return parts of a text, each from `begin` to `stop`, as a column."""
    import pyarrow as pa

    from nsm_nb.kernels import words

    begin, stop = (np.ascontiguousarray(each, np.int32) for each in (begin, stop))
    offsets = np.zeros(len(begin) + 1, np.int32)
    np.cumsum(stop - begin, out=offsets[1:])
    found = np.empty(offsets[-1], np.uint8)
    words.gather(data, begin, stop, offsets, found)
    return pa.Array.from_buffers(pa.binary(), len(begin), [None, pa.py_buffer(offsets), pa.py_buffer(found)])


def shape(column: pa.Array) -> np.ndarray | None:
    r"""Return a column's bytes, a row a text, where its texts differ in the values of digits alone; else None.

    All of them fit a pattern, and in the same places, where one does: if the pattern asks no more of a digit than ``\d``.
    """
    if not len(column) or column.null_count:
        return None
    data, places = texts_in(column)
    long = int(places[1]) - int(places[0])
    if not long or (np.diff(places) != long).any():
        return None
    rows = data[places[0] : places[-1]].reshape(-1, long)
    digit = (rows >= ord("0")) & (rows <= ord("9"))
    alike = (digit == digit[0]).all() and (rows[:, ~digit[0]] == rows[0, ~digit[0]]).all()
    return rows if alike else None


def matches(column: pa.Array, pattern: str) -> np.ndarray:
    r"""Return which texts fit a pattern (RE2) that asks no more of a digit than ``\d``."""
    import pyarrow.compute as pc

    if shape(column) is not None:
        return np.full(len(column), pc.match_substring_regex(column.slice(0, 1), pattern=pattern)[0].as_py())
    coded = column.dictionary_encode()
    found = pc.match_substring_regex(coded.dictionary, pattern=pattern).to_numpy(zero_copy_only=False)
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    result: np.ndarray = np.append(found, False)[codes]
    return result


def parts_of(column: pa.Array, pattern: str, rows: np.ndarray | None) -> pa.StructArray:
    """Return the parts of texts that a pattern (RE2) names, null where a text does not fit.

    Parameters
    ----------
    column
        The texts.
    pattern
        As in `matches`.
    rows
        Their `shape`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    example = rows[0].tobytes() if rows is not None else b""
    # of short and plain texts Python's expressions find what RE2 finds, and tell where that stands
    if not 0 < len(example) <= _SHORT or min(example) < ord(" "):
        return pc.extract_regex(column, pattern=pattern)
    fits = re.search(pattern.encode(), example)
    if rows is None or fits is None:
        return pa.nulls(len(column), pc.extract_regex(column.slice(0, 1), pattern=pattern).type)
    found = {}
    for name in fits.re.groupindex:
        first, last = fits.span(name)  # -1, -1 where it takes no part: RE2 has an empty text there
        long = last - first
        data = np.ascontiguousarray(rows[:, max(first, 0) : max(last, 0)]).reshape(-1)
        offsets = np.arange(len(column) + 1, dtype=np.int32) * np.int32(long)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        found[name] = pa.Array.from_buffers(pa.binary(), len(column), buffers)
    return pa.StructArray.from_arrays(list(found.values()), list(found))


def whole_numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return texts of 1 to 18 digits, perhaps with blanks around them, as int64, and which are such."""
    from nsm_nb.kernels import words

    data, places = texts_in(column)
    numbers, fine = np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    words.whole_numbers(data, places, numbers, fine)
    if column.null_count:
        fine &= column.is_valid().to_numpy(zero_copy_only=False)
    return np.where(fine, numbers, 0), fine
