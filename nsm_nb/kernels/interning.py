"""Numbering of values as they are met: an open-addressing hash table over plain arrays.

A value is 128 bits and a tag (`high`, `low`, `tag`): an IPv6 address, a MAC address, a chain of layers. Its number is
the order in which it was first seen, wherever it stands in the table.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["Interned", "intern_value", "interned", "with_room"]


# Multipliers of the hash, other ones in each process: nobody can make a capture whose values all fall into one place.
_ODD = tuple(np.uint64(secrets.randbits(64) | 1) for _ in range(3))


class Interned(NamedTuple):
    """The table: `slots` holds numbers or -1, the values stand at their number in the arrays after it."""

    slots: np.ndarray
    high: np.ndarray
    low: np.ndarray
    tag: np.ndarray
    count: np.ndarray  # one int64: how many values there are
    odd: tuple[np.uint64, ...]  # what the hash multiplies by


def interned(room: int = 256) -> Interned:
    """Return an empty table with room for `room` values."""
    size = 1
    while size < 2 * room:
        size *= 2
    return Interned(
        np.full(size, -1, np.int32),
        np.zeros(size // 2, np.int64),
        np.zeros(size // 2, np.int64),
        np.zeros(size // 2, np.int64),
        np.zeros(1, np.int64),
        _ODD,
    )


def with_room(table: Interned, more: int) -> Interned:
    """Return the table, or a larger one with the same numbers, that has room for `more` further values."""
    count = int(table.count[0])
    if count + more <= len(table.high):
        return table
    larger = interned(max(count + more, 2 * len(table.high)))
    _refill(table, larger)
    return larger


@njit(inline="always")
def _place(high, low, tag, odd, mask):
    # Multiplied and folded, three times; unsigned, because it wraps. `high` is folded before `low` comes to it: were both
    # only multiplied, values could be chosen whose products cancel each other.
    mixed = (np.uint64(high) ^ np.uint64(tag)) * odd[0]
    mixed = (mixed ^ (mixed >> np.uint64(32)) ^ np.uint64(low)) * odd[1]
    mixed = (mixed ^ (mixed >> np.uint64(29))) * odd[2]
    return np.int64(mixed >> np.uint64(32)) & mask


@njit(inline="always")
def intern_value(table, high, low, tag):
    """Return the number of a value, a new one where it was not seen before. The caller has made room."""
    mask = np.int64(len(table.slots) - 1)
    slot = _place(high, low, tag, table.odd, mask)
    while True:
        number = table.slots[np.uintp(slot)]
        if number < 0:
            number = np.int32(table.count[0])
            table.slots[np.uintp(slot)] = number
            table.high[np.uintp(number)] = high
            table.low[np.uintp(number)] = low
            table.tag[np.uintp(number)] = tag
            table.count[0] += 1
            return number
        place = np.uintp(number)
        if table.low[place] == low and table.high[place] == high and table.tag[place] == tag:
            return number
        slot = (slot + 1) & mask


@njit(cache=True, nogil=True)
def _refill(table, larger):
    for number in range(table.count[0]):
        intern_value(larger, table.high[number], table.low[number], table.tag[number])
