"""Numbering of values as they are met: an open-addressing hash table over plain arrays.

A value is 128 bits and a tag (`high`, `low`, `tag`): an IPv6 address, a MAC address, a chain of layers. Its number is
the order in which it was first seen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

__all__ = ["Interned", "intern_value", "interned", "with_room"]


class Interned(NamedTuple):
    """The table: `slots` holds numbers or -1, the values stand at their number in the other arrays."""

    slots: np.ndarray
    high: np.ndarray
    low: np.ndarray
    tag: np.ndarray
    count: np.ndarray  # one int64: how many values there are


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
def _place(high, low, tag, mask):
    # Multiplication by odd constants of Steele and Vigna's SplitMix64, folded; wraps on purpose.
    mixed = (high * np.int64(-0x61C8864680B583EB)) ^ (low * np.int64(-0x40A7B892E31B1A47)) ^ tag
    mixed ^= mixed >> np.int64(29)
    mixed *= np.int64(-0x6B2FB644ECCEEE15)
    return (mixed ^ (mixed >> np.int64(32))) & mask


@njit(inline="always")
def intern_value(table, high, low, tag):
    """Return the number of a value, a new one where it was not seen before. The caller has made room."""
    mask = np.int64(len(table.slots) - 1)
    slot = _place(high, low, tag, mask)
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
