"""Values of lines, between a byte but for quotes, or between blanks: how many there are, and where those asked for stand.

Only what is asked for is kept, so that lines of nothing but commas take no more room than their own bytes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["count_values", "count_words", "find_values", "find_words"]

_NEWLINE, _RETURN, _SPACE, _QUOTE, _BACKSLASH = 10, 13, 32, 34, 92


@njit(cache=True, nogil=True)
def _content(buffer, begin, end):
    r"""Return where a line ends without its line end: \n, \r\n, or none."""
    if end > begin and buffer[end - 1] == _NEWLINE:
        end -= 1
    if end > begin and buffer[end - 1] == _RETURN:
        end -= 1
    return end


@njit(cache=True, nogil=True)
def _opens(buffer, at, begin):
    """Return whether a quote stands here, and no backslash before it."""
    return buffer[at] == _QUOTE and (at == begin or buffer[at - 1] != _BACKSLASH)


@njit(cache=True, nogil=True)
def count_values(buffer, starts, delimiter, counts, length, quoted):
    """Count the values of each line: those between delimiters outside quotes; in a line whose quotes do not pair up, any.

    Parameters
    ----------
    buffer
        uint8; the text.
    starts
        int64; where the lines start, and where the last one ends.
    delimiter
        uint8; what stands between values.
    counts, length
        int32, one for each line: filled with how many values it has, and how many bytes without its line end.
    quoted
        bool, one for each line: filled with whether it has quotes that pair up.
    """
    for line in range(len(starts) - 1):
        begin = starts[line]
        end = _content(buffer, begin, starts[line + 1])
        found = np.int32(0)
        quotes = np.int32(0)
        for at in range(begin, end):  # without a branch: many bytes at a time
            found += buffer[at] == delimiter
            quotes += buffer[at] == _QUOTE
        quoted[line] = False
        if quotes:
            outside = True
            bare = np.int32(0)
            for at in range(begin, end):
                if outside and buffer[at] == delimiter:
                    bare += 1
                elif _opens(buffer, at, begin):
                    outside = not outside
            if outside:
                quoted[line] = True
                found = bare
        counts[line] = found + 1
        length[line] = end - begin


@njit(cache=True, nogil=True)
def find_values(buffer, starts, delimiter, quoted, lines, way, places, slots, begins, stops):
    """Find values of lines.

    Parameters
    ----------
    buffer, starts, delimiter, quoted
        As in `count_values`, which has filled the last.
    lines
        int64; which lines are looked at. They have as many values as are asked for.
    way
        int64, one for each of them: which row of `places` holds for it.
    places, slots
        int32, of as many columns as there are slots: the places of the values that are asked for, from 0 on and rising; and
        the slots that they go to. A place below 0 is of no value: it stands before all others.
    begins, stops
        int32, a row for each slot and a column for each of `lines`: filled with where the values begin and stop. A slot
        without a value is empty.
    """
    wanted = places.shape[1]
    for row in range(len(lines)):
        line = lines[row]
        begin = starts[line]
        end = _content(buffer, begin, starts[line + 1])
        next_ = 0
        while next_ < wanted and places[way[row], next_] < 0:
            begins[slots[way[row], next_], row] = begin
            stops[slots[way[row], next_], row] = begin
            next_ += 1
        value = 0
        first = begin
        outside = True
        for at in range(begin, end + 1):
            if next_ == wanted:
                break
            if at == end or (outside and buffer[at] == delimiter):
                if places[way[row], next_] == value:
                    begins[slots[way[row], next_], row] = first
                    stops[slots[way[row], next_], row] = at
                    next_ += 1
                value += 1
                first = at + 1
            elif quoted[line] and _opens(buffer, at, begin):
                outside = not outside


@njit(cache=True, nogil=True)
def _blank(buffer, at, begin, end, units):
    """Return whether a byte stands between words; a space between a digit and a lone K, M, G or T does not, if `units`."""
    if buffer[at] > _SPACE:
        return False
    if units and buffer[at] == _SPACE and at > begin and at + 2 < end and 48 <= buffer[at - 1] <= 57:
        letter = buffer[at + 1]
        return not ((letter == 75 or letter == 77 or letter == 71 or letter == 84) and buffer[at + 2] <= _SPACE)
    return True


@njit(cache=True, nogil=True)
def count_words(buffer, starts, units, counts, length):
    """Count the words of each line; parameters as in `count_values`, and `units`: whether ``20.4 M`` is one word."""
    for line in range(len(starts) - 1):
        begin, end = starts[line], starts[line + 1]
        found = np.int32(0)
        before = True
        for at in range(begin, end):
            blank = _blank(buffer, at, begin, end, units)
            if before and not blank:
                found += 1
            before = blank
        counts[line] = found
        length[line] = _content(buffer, begin, end) - begin


@njit(cache=True, nogil=True)
def find_words(buffer, starts, units, lines, way, places, slots, begins, stops):
    """Find words of lines; parameters as in `count_words` and `find_values`."""
    wanted = places.shape[1]
    for row in range(len(lines)):
        begin, end = starts[lines[row]], starts[lines[row] + 1]
        next_ = 0
        while next_ < wanted and places[way[row], next_] < 0:
            begins[slots[way[row], next_], row] = begin
            stops[slots[way[row], next_], row] = begin
            next_ += 1
        word = 0
        at = begin
        while next_ < wanted and at < end:
            while at < end and _blank(buffer, at, begin, end, units):
                at += 1
            first = at
            while at < end and not _blank(buffer, at, begin, end, units):
                at += 1
            if places[way[row], next_] == word:
                begins[slots[way[row], next_], row] = first
                stops[slots[way[row], next_], row] = at
                next_ += 1
            word += 1
