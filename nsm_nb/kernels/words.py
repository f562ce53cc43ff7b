"""Words of lines, ports behind addresses, whole numbers in digits: what patterns would find, in one pass over the bytes."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["gather", "port_points", "walk_words", "whole_numbers"]

_SPACE = 32
_POINT, _COLON = 46, 58
_MOST_DIGITS = 18  # that surely fit 64 bits


@njit(cache=True, nogil=True)
def _blank(byte):
    """Return whether a byte is one of RE2's blanks: tab, line feed, form feed, carriage return, space."""
    return byte == _SPACE or (9 <= byte <= 13 and byte != 11)


@njit(cache=True, nogil=True)
def walk_words(buffer, starts, front, back, begin, stop, whole):
    """Find the first words of each line, its last ones, and what stands between them.

    Parameters
    ----------
    buffer
        uint8; the text.
    starts
        int64; where the lines start, and where the last one ends.
    front, back
        How many words are looked for from the start of a line, and from its end.
    begin, stop
        int32, of ``front + 1 + back`` rows and a column for each line: filled with where the words begin and stop. Row `front`
        has what stands between, without the blanks around it; it may be several words, or nothing.
    whole
        bool, one for each line: filled with whether it has so many words. It is False as well where a byte below 33 is no blank.
    """
    for line in range(len(starts) - 1):
        at, end = starts[line], starts[line + 1]
        fine = True
        for word in range(front):
            while at < end and _blank(buffer[at]):
                at += 1
            begin[word, line] = at
            first = at
            while at < end and buffer[at] > _SPACE:
                at += 1
            stop[word, line] = at
            if at == first or (at < end and not _blank(buffer[at])):
                fine = False
                break
        low = at
        for word in range(front + back, front, -1):
            if not fine:
                break
            while end > low and _blank(buffer[end - 1]):
                end -= 1
            stop[word, line] = end
            last = end
            while end > low and buffer[end - 1] > _SPACE:
                end -= 1
            begin[word, line] = end
            if end == last or (end > low and not _blank(buffer[end - 1])):
                fine = False
        if fine:
            while low < end and _blank(buffer[low]):
                low += 1
            while end > low and _blank(buffer[end - 1]):
                end -= 1
            begin[front, line] = low
            stop[front, line] = end
            while low < end:
                if buffer[low] <= _SPACE and not _blank(buffer[low]):
                    fine = False
                    break
                low += 1
        whole[line] = fine


@njit(cache=True, nogil=True)
def gather(data, begin, stop, offsets, found):
    """Put parts of a text one behind the other.

    Parameters
    ----------
    data
        uint8; the text.
    begin, stop
        int32; where the parts begin and stop.
    offsets
        int32; where each part begins in what is filled, and where the last one stops.
    found
        uint8: filled.
    """
    for row in range(len(begin)):
        at = offsets[row] - begin[row]
        for place in range(begin[row], stop[row]):
            found[at + place] = data[place]


@njit(cache=True, nogil=True)
def whole_numbers(data, offsets, numbers, fine):
    """Read texts of 1 to 18 digits, perhaps with blanks around them, as numbers.

    Parameters
    ----------
    data
        uint8; the texts, one behind the other.
    offsets
        int32; where they start, and where the last one ends.
    numbers
        int64, one for each text: filled; 0 where it is no such number.
    fine
        bool, one for each text: filled with whether it is one.
    """
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        while at < end and _blank(data[at]):
            at += 1
        while end > at and _blank(data[end - 1]):
            end -= 1
        number = np.int64(0)
        good = 0 < end - at <= _MOST_DIGITS
        if good:
            while at < end:
                digit = np.int64(data[at]) - 48
                if digit < 0 or digit > 9:
                    good = False
                    number = np.int64(0)
                    break
                number = 10 * number + digit
                at += 1
        numbers[row] = number
        fine[row] = good


@njit(cache=True, nogil=True)
def port_points(data, offsets, points):
    """Find the points behind which ports stand: the fourth of IPv4, where there is no further one; the first of IPv6.

    Parameters
    ----------
    data, offsets
        As in `whole_numbers`.
    points
        int32, one for each text: filled with where the point stands; where the text ends, if it has none.
    """
    for row in range(len(offsets) - 1):
        end = offsets[row + 1]
        first = fourth = end
        count = 0
        colon = False
        for at in range(offsets[row], end):
            if data[at] == _POINT:
                count += 1
                if count == 1:
                    first = at
                elif count == 4:
                    fourth = at
            elif data[at] == _COLON:
                colon = True
        if colon:
            points[row] = first
        else:
            points[row] = fourth if count == 4 else end
