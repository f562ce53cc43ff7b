"""Where the values of lines stand in a buffer: between a byte, but for quotes, or between blanks.

Source: RFC 4180.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nsm_nb.formats.byte_columns import pieces

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Places", "column_of", "split"]

_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32
_UNITS = np.frombuffer(b"KMGT", np.uint8)


class Places(NamedTuple):
    """Where the values of lines stand."""

    begin: np.ndarray  # int64; of all values of all lines
    stop: np.ndarray
    counts: np.ndarray  # int64; values of each line
    length: np.ndarray  # int64; bytes of each line, without its line end

    def of(self, which: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where the values of these lines begin and stop, a row a line, each of `count` values."""
        kept = np.repeat(which, self.counts)
        return self.begin[kept].reshape(-1, count), self.stop[kept].reshape(-1, count)


def split(buffer: np.ndarray, starts: np.ndarray, delimiter: bytes, *, units: bool = False) -> Places:
    """Return where the values of lines stand in a buffer, by the byte between them; by blanks where there is none."""
    low = int(starts[0])
    text = buffer[low : starts[-1]]
    begins, stops = starts[:-1].copy(), starts[1:].copy()
    for end in (10, 13):  # a line end is \n, \r\n, or none
        stops -= (stops > begins) & (buffer[np.maximum(stops - 1, 0)] == end)
    if not delimiter:
        blank = text <= _SPACE
        if units and len(text) > 3:
            # a lone letter behind a number belongs to it
            digit = (text[:-3] >= ord("0")) & (text[:-3] <= ord("9"))
            lone = digit & (text[1:-2] == _SPACE) & np.isin(text[2:-1], _UNITS) & blank[3:]
            blank[1:-2][lone] = False
        edge = np.empty(len(text) + 1, bool)
        edge[0], edge[-1] = not blank[0], not blank[-1]
        np.not_equal(blank[1:], blank[:-1], out=edge[1:-1])
        place = np.flatnonzero(edge) + low
        begin, stop = place[::2], place[1::2]
        return Places(begin, stop, np.diff(np.searchsorted(begin, starts)), stops - begins)
    place = np.flatnonzero(text == delimiter[0]) + low
    quote = text == _QUOTE
    if quote.any():
        place = place[_outside(text, quote, starts - low, place - low)]
    count = np.diff(np.searchsorted(place, starts))
    # between two delimiters is a value; the first begins with its line, the last stops with it
    first = np.cumsum(count + 1) - (count + 1)
    begin, stop = (np.empty(len(place) + len(count), np.int64) for _ in range(2))
    inner = np.ones(len(begin), bool)
    inner[first] = False
    begin[first], begin[inner] = begins, place + 1
    inner[:] = True
    inner[first + count] = False
    stop[first + count], stop[inner] = stops, place
    return Places(begin, stop, count + 1, stops - begins)


def _outside(text: np.ndarray, quote: np.ndarray, starts: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return which delimiters stand outside quotes; in a line whose quotes do not pair up, all do."""
    quote = quote.copy()
    quote[1:] &= text[:-1] != _BACKSLASH
    before = np.zeros(len(quote) + 1, np.int32)  # of a whole block: small numbers, made in place
    np.cumsum(quote, out=before[1:])
    line = np.searchsorted(starts, place, "right") - 1
    paired = (before[starts[1:]] - before[starts[:-1]]) % 2 == 0
    inside = (before[place] - before[starts[line]]) % 2 == 1
    result: np.ndarray = ~(inside & paired[line])
    return result


def column_of(buffer: np.ndarray, begin: np.ndarray, stop: np.ndarray, place: int, *, half: bool) -> pa.Array:
    """Return one value of each line, null where it is empty; where the last line may be torn, its last value is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first, last = begin[:, place], stop[:, place]
    quoted = (last - first >= 2) & (buffer[first] == _QUOTE) & (buffer[np.maximum(last - 1, 0)] == _QUOTE)
    first, last = first + quoted, last - quoted
    values = pieces(buffer, first, last)
    absent = last == first
    if half and place == begin.shape[1] - 1:
        absent[-1] = True
    if absent.any():
        values = pc.if_else(pa.array(absent), pa.scalar(None, pa.binary()), values)
    if quoted.any() and pc.any(pc.match_substring(values, '""')).as_py():
        values = pc.replace_substring(values, '""', '"')
    return values
