"""Lines whose columns are words, but for one that may have any number of them: taken apart without a pattern.

A pattern says the same, at ten times the time: what does not look plain here is left to it, so that it alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nsm_nb.formats.byte_columns import matches, pieces

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Words", "by_words", "fits"]


class Words(NamedTuple):
    """What such lines hold."""

    names: Sequence[str]  # of their columns, as they stand; empty for one that nobody asks for
    loose: str  # the column that may have any number of words; empty where there is none
    like: Mapping[str, str]  # what values of columns must look like, as RE2 that asks no more of a digit than \d
    whole: frozenset[str]  # columns whose value may go on in a next word that begins with a digit: none does so here


def fits(words: Words, starts: np.ndarray) -> bool:
    """Return whether the places of all words of all lines take no more room than the lines do: of others there are too few."""
    return (len(words.names) + 1) * (len(starts) - 1) <= int(starts[-1] - starts[0])


def by_words(
    buffer: np.ndarray, starts: np.ndarray, words: Words, wanted: Sequence[str]
) -> tuple[dict[str, pa.Array], np.ndarray]:
    """Return the columns of the lines that are plain, and which these are.

    Parameters
    ----------
    buffer
        The text.
    starts
        int64; where the lines start, and where the last one ends.
    words
        What they hold.
    wanted
        Names of columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from nsm_nb.kernels.words import walk_words

    names = list(words.names)
    front = names.index(words.loose) if words.loose else len(names)
    back = len(names) - front - bool(words.loose)
    lines = len(starts) - 1
    begin, stop = (np.empty((front + 1 + back, lines), np.int32) for _ in range(2))
    plain = np.empty(lines, bool)
    walk_words(buffer, starts, front, back, begin, stop, plain)
    if not words.loose:
        plain &= begin[-1] == stop[-1]
    if not plain.all():
        begin, stop = begin[:, plain], stop[:, plain]
    columns: dict[str, pa.Array] = {}
    fine = np.ones(begin.shape[1], bool)
    for place, name in enumerate(names):
        if name:
            columns[name] = pieces(buffer, begin[place], stop[place])
        if name in words.like:
            fine &= matches(columns[name], words.like[name])
        if name in words.whole:
            fine &= ~_digit_behind(buffer, begin, stop, place, words)
    if not fine.all():
        plain[np.flatnonzero(plain)[~fine]] = False
        columns = {name: column.filter(pa.array(fine)) for name, column in columns.items()}
    result = {name: columns[name] for name in wanted if name in columns}
    if words.loose in result:
        empty = pc.equal(pc.binary_length(result[words.loose]), 0)
        result[words.loose] = pc.if_else(empty, pa.scalar(None, pa.binary()), result[words.loose])
    return result, plain


def _digit_behind(buffer: np.ndarray, begin: np.ndarray, stop: np.ndarray, place: int, words: Words) -> np.ndarray:
    """Return in which lines the word behind a column begins with a digit, where that is not such a column itself."""
    at = place + 1
    if at == len(begin) or (words.loose == "" and at == len(words.names)):
        return np.zeros(begin.shape[1], bool)
    if words.names[at] in words.whole:
        return np.zeros(begin.shape[1], bool)
    first = begin[at]
    if words.names[at] == words.loose and at + 1 < len(begin):  # nothing may stand there
        first = np.where(begin[at] == stop[at], begin[at + 1], first)
    byte = buffer[np.minimum(first, len(buffer) - 1)]
    found: np.ndarray = (byte >= ord("0")) & (byte <= ord("9"))
    return found
