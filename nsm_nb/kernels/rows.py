"""Small loops over rows: what stands under a mask, gathering, texts of histories, numbers of conversations."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["any_under", "gathered", "history_texts", "looked_up", "session_numbers"]


@njit(cache=True, nogil=True)
def any_under(values, mask):
    """Return True where any value under the mask is not 0."""
    found = False
    for row in range(len(values)):
        found |= mask[row] & (values[row] != 0)
    return found


@njit(cache=True, nogil=True)
def gathered(values, places, result, none):
    """Write ``values[places]`` into `result`, 0 where a place is negative, and into `none` whether it is."""
    for row in range(len(places)):
        r = np.uintp(row)
        place = places[r]
        none[r] = place < 0
        result[r] = values[np.uintp(place)] if place >= 0 else 0


@njit(cache=True, nogil=True)
def looked_up(table, codes):
    """Return ``table[codes]``, the last of the table where a code is negative; NumPy makes int64 of small codes first."""
    result = np.empty(len(codes), table.dtype)
    for row in range(len(codes)):
        r = np.uintp(row)
        result[r] = table[np.uintp(codes[r])] if codes[r] >= 0 else table[len(table) - 1]
    return result


@njit(cache=True, nogil=True)
def history_texts(history, letters):
    """Return the histories one after the other as UTF-8 bytes, and int64 offsets (one more than histories)."""
    offsets = np.zeros(len(letters) + 1, np.int64)
    for row in range(len(letters)):
        offsets[row + 1] = offsets[row] + letters[row]
    data = np.empty(offsets[-1], np.uint8)
    for row in range(len(letters)):
        for place in range(letters[row]):
            data[offsets[row] + place] = history[row, place]
    return data, offsets


@njit(cache=True, nogil=True)
def session_numbers(src_high, src_low, dst_high, dst_low, sport, dport, kind, start, realm):
    """Return a number below 2**53 for each conversation, made of its endpoints, protocol and start only.

    The endpoints are taken in order of number, so that a guess of the direction does not change it. `realm` is what tells
    equal endpoints apart (VLAN and VNI in one number), 0 where there is none, or empty.
    """
    count = len(start)
    numbers = np.empty(count, np.int64)
    for row in range(count):
        swap = np.uint64(src_high[row]) > np.uint64(dst_high[row]) or (
            src_high[row] == dst_high[row]
            and (
                np.uint64(src_low[row]) > np.uint64(dst_low[row])
                or (src_low[row] == dst_low[row] and sport[row] > dport[row])
            )
        )
        mixed = np.uint64(kind[row]) ^ (np.uint64(start[row]) * np.uint64(0x9E3779B97F4A7C15))
        within = realm[row] if len(realm) else 0
        for part in range(7 if within else 6):
            if part == 0:
                value = np.uint64(dst_high[row] if swap else src_high[row])
            elif part == 1:
                value = np.uint64(dst_low[row] if swap else src_low[row])
            elif part == 2:
                value = np.uint64(dport[row] if swap else sport[row])
            elif part == 3:
                value = np.uint64(src_high[row] if swap else dst_high[row])
            elif part == 4:
                value = np.uint64(src_low[row] if swap else dst_low[row])
            elif part == 5:
                value = np.uint64(sport[row] if swap else dport[row])
            else:
                value = np.uint64(within)
            # the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
            mixed = (mixed ^ value) + np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = mixed ^ (mixed >> np.uint64(31))
        numbers[row] = np.int64(mixed >> np.uint64(11))
    return numbers
