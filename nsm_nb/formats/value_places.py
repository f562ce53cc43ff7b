"""Where the values of lines stand in a buffer: between a byte, but for quotes, or between blanks.

Source: RFC 4180.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nsm_nb.formats.byte_columns import pieces

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Places", "column_of"]

_QUOTE = 34


class Places:
    """The values of lines: how many there are in each, and, on demand, where they stand.

    Nothing is kept of a single value, so that lines of a hundred thousand take no more room than others.

    Parameters
    ----------
    buffer
        uint8; the text.
    starts
        int64; where the lines start, and where the last one ends.
    delimiter
        The byte between values; none: blanks, however many.
    units
        Whether ``20.4 M`` is one value between blanks.

    Attributes
    ----------
    counts : ndarray of int32
        Values of each line.
    length : ndarray of int32
        Bytes of each line, without its line end.
    """

    def __init__(self, buffer: np.ndarray, starts: np.ndarray, delimiter: bytes, *, units: bool = False):
        from nsm_nb.kernels.values import count_values, count_words

        self._buffer, self._starts, self._units = buffer, starts, units
        self._delimiter = np.uint8(delimiter[0]) if delimiter else None
        lines = len(starts) - 1
        self.counts, self.length = (np.empty(lines, np.int32) for _ in range(2))
        self._quoted = np.empty(lines, bool)
        if self._delimiter is None:
            count_words(buffer, starts, units, self.counts, self.length)
        else:
            count_values(buffer, starts, self._delimiter, self.counts, self.length, self._quoted)

    def of(self, lines: np.ndarray, way: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where values of lines begin and stop, a row for each value that is asked for, a column for each line.

        Parameters
        ----------
        lines
            int64; which lines.
        way
            int64, one for each of them: which row of `places` holds for it.
        places
            int32; the places of the values that are asked for, in a line of each way, from 0 on; below 0 where a line of that
            way has no such value: it is empty. No value is asked for twice.
        """
        from nsm_nb.kernels.values import find_values, find_words

        slots = np.argsort(places, axis=1, kind="stable").astype(np.int32)
        rising = np.take_along_axis(places, slots, axis=1)
        begins, stops = (np.empty((places.shape[1], len(lines)), np.int32) for _ in range(2))
        if self._delimiter is None:
            find_words(self._buffer, self._starts, self._units, lines, way, rising, slots, begins, stops)
        else:
            find_values(
                self._buffer, self._starts, self._delimiter, self._quoted, lines, way, rising, slots, begins, stops
            )
        return begins, stops


def column_of(buffer: np.ndarray, begin: np.ndarray, stop: np.ndarray, *, half: bool) -> pa.Array:
    """Return one value of each line, without quotes around it, null where it is empty; the last one too, where it is `half`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    last = len(buffer) - 1  # where the text ends with a delimiter, a value begins behind it
    quoted = (
        (stop - begin >= 2) & (buffer[np.minimum(begin, last)] == _QUOTE) & (buffer[np.maximum(stop - 1, 0)] == _QUOTE)
    )
    begin, stop = begin + quoted, stop - quoted
    values = pieces(buffer, begin, stop)
    absent = stop == begin
    if half:
        absent[-1] = True
    if absent.any():
        values = pc.if_else(pa.array(absent), pa.scalar(None, pa.binary()), values)
    if quoted.any() and pc.any(pc.match_substring(values, '""')).as_py():
        values = pc.replace_substring(values, '""', '"')
    return values
