"""Addresses as numbers and as text: IPv4 dotted, IPv6 as RFC 5952 writes it, MAC with colons.

Text is written straight into the buffers of an Arrow string array: 200,000 addresses take milliseconds.

Source: RFC 5952 4 (the text of an IPv6 address), RFC 4291 2.2 (how it may be written).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["address_order", "address_texts", "address_values", "mac_texts", "mapped", "met"]

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_MAPPED = np.frombuffer(b"::ffff:", np.uint8)


def address_order(high: np.ndarray, low: np.ndarray, tag: np.ndarray) -> np.ndarray:
    """Return the order of addresses by number, IPv4 before IPv6, as int64 indices.

    Parameters
    ----------
    high, low : int64 arrays
        The 128 bits; an IPv4 address stands in `low`.
    tag : int64 array
        4 or 6.
    """
    return np.lexsort((low.view(np.uint64), high.view(np.uint64), tag))


def address_texts(high: np.ndarray, low: np.ndarray, tag: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return addresses as text: the UTF-8 bytes of all, one after the other, and int64 offsets (one more than texts)."""
    data = np.empty(40 * len(low), np.uint8)
    offsets = np.zeros(len(low) + 1, np.int64)
    end = _write_addresses(high, low, tag, data, offsets)
    return data[:end], offsets


def mac_texts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 48-bit numbers as ``00:0c:29:aa:bb:01``; bytes and offsets as in `address_texts`."""
    shifts = np.arange(44, -4, -4)
    digits = _HEX[(values[:, None] >> shifts) & 15]
    text = np.full((len(values), 17), ord(":"), np.uint8)
    text[:, [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16]] = digits
    return text.reshape(-1), np.arange(len(values) + 1, dtype=np.int64) * 17


@njit(cache=True)
def _write_dotted(value, data, at):
    for shift in (24, 16, 8, 0):
        part = (value >> shift) & 255
        if part >= 100:
            data[at] = 48 + part // 100
            at += 1
        if part >= 10:
            data[at] = 48 + part // 10 % 10
            at += 1
        data[at] = 48 + part % 10
        at += 1
        if shift:
            data[at] = 46
            at += 1
    return at


@njit(cache=True, nogil=True)
def _write_addresses(high, low, tag, data, offsets):
    at = 0
    groups = np.zeros(8, np.int64)
    for row in range(len(low)):
        if tag[row] == 4:
            at = _write_dotted(low[row], data, at)
        elif high[row] == 0 and low[row] >> 32 == 0xFFFF:
            # RFC 5952 5: IPv4-mapped addresses end as IPv4
            for letter in _MAPPED:
                data[at] = letter
                at += 1
            at = _write_dotted(low[row], data, at)
        else:
            for group in range(4):
                groups[group] = (high[row] >> (48 - 16 * group)) & 0xFFFF
                groups[group + 4] = (low[row] >> (48 - 16 * group)) & 0xFFFF
            # RFC 5952 4.2: the longest run of zero groups, the first of equals, never of one group only
            best, longest = -1, 1
            group = 0
            while group < 8:
                run = group
                while run < 8 and groups[run] == 0:
                    run += 1
                if run - group > longest:
                    best, longest = group, run - group
                group = run + 1
            group = 0
            while group < 8:
                if group == best:
                    data[at] = 58
                    data[at + 1] = 58
                    at += 2
                    group += longest
                    continue
                if group and group != best + longest:
                    data[at] = 58
                    at += 1
                started = False
                for shift in (12, 8, 4, 0):
                    digit = (groups[group] >> shift) & 15
                    if digit or started or shift == 0:
                        data[at] = _HEX[digit]
                        at += 1
                        started = True
                group += 1
        offsets[row + 1] = at
    return at


@njit(cache=True, nogil=True)
def address_values(data, offsets):
    """Return the numbers of address texts: `high`, `low` (int64 bit patterns) and `tag`: 4, 6, or 0 where it is no address.

    Parameters
    ----------
    data : uint8 array
        UTF-8 bytes of all texts.
    offsets : int64 array
        Where each starts; one more than there are texts.
    """
    count = len(offsets) - 1
    high = np.zeros(count, np.int64)
    low = np.zeros(count, np.int64)
    tag = np.zeros(count, np.int64)
    groups = np.zeros(8, np.int64)
    for row in range(count):
        start, end = offsets[row], offsets[row + 1]
        six = False
        for at in range(start, end):
            if data[at] == 58:
                six = True
                break
        if not six:
            value, fine = _dotted(data, start, end)
            if fine:
                low[row] = value
                tag[row] = 4
            continue
        # RFC 4291 2.2: groups of up to four digits, at most one "::", the last two perhaps as a dotted quad
        known = 0
        gap = -1
        at = start
        fine = True
        if end - start >= 2 and data[at] == 58 and data[at + 1] == 58:
            gap = 0
            at += 2
        elif data[at] == 58:
            fine = False
        while fine and at < end:
            stop = at
            dots = False
            while stop < end and data[stop] != 58:
                if data[stop] == 46:
                    dots = True
                stop += 1
            if dots:
                value, fine = _dotted(data, at, end)
                if not fine or known > 6:
                    fine = False
                    break
                groups[known] = value >> 16
                groups[known + 1] = value & 0xFFFF
                known += 2
                at = end
                break
            if stop == at or stop - at > 4 or known > 7:
                fine = False
                break
            value = 0
            for place in range(at, stop):
                digit = _hex_digit(data[place])
                if digit < 0:
                    fine = False
                    break
                value = value * 16 + digit
            groups[known] = value
            known += 1
            at = stop
            if at < end:  # a colon
                at += 1
                if at < end and data[at] == 58:
                    if gap >= 0:
                        fine = False
                        break
                    gap = known
                    at += 1
                elif at == end:
                    fine = False
        if fine and ((known == 8 and gap < 0) or (known < 8 and gap >= 0)):
            for group in range(8):
                if gap < 0 or group < gap:
                    value = groups[group]
                elif group < gap + 8 - known:
                    value = 0
                else:
                    value = groups[group - 8 + known]
                if group < 4:
                    high[row] = (high[row] << 16) | value
                else:
                    low[row] = (low[row] << 16) | value
            tag[row] = 6
    return high, low, tag


@njit(inline="always")
def _hex_digit(byte):
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102:
        return byte - 87
    if 65 <= byte <= 70:
        return byte - 55
    return -1


@njit(cache=True)
def _dotted(data, start, end):
    value = 0
    part = 0
    digits = 0
    dots = 0
    for at in range(start, end):
        byte = data[at]
        if 48 <= byte <= 57:
            if digits and part == 0:
                return 0, False  # a leading zero may mean octal: no address (as ipaddress decides)
            part = part * 10 + np.int64(byte) - 48
            digits += 1
            if part > 255:
                return 0, False
        elif byte == 46 and digits:
            value = value * 256 + part
            part = 0
            digits = 0
            dots += 1
        else:
            return 0, False
    if dots != 3 or not digits:
        return 0, False
    return value * 256 + part, True


@njit(cache=True, nogil=True)
def mapped(codes, lookup, ends, shifts):
    """Return what `lookup` has for each code, -1 for negative ones, in the dtype of `lookup`.

    Parameters
    ----------
    codes, lookup : arrays of signed integers
    ends, shifts : int64 arrays
        Where parts of the rows end, and what is added to a part's codes to find them in `lookup`.
    """
    found = np.empty(len(codes), lookup.dtype)
    start = 0
    for part in range(len(ends)):
        shift = shifts[part]
        for row in range(start, ends[part]):
            code = np.int64(codes[np.uintp(row)])
            found[np.uintp(row)] = lookup[np.uintp(code + shift)] if code >= 0 else -1
        start = ends[part]
    return found


@njit(cache=True, nogil=True)
def met(codes, count, ends, shifts):
    """Return for each place of a lookup of `count` whether it is needed; parameters as in `mapped`."""
    found = np.zeros(count, np.bool_)
    start = 0
    for part in range(len(ends)):
        shift = shifts[part]
        for row in range(start, ends[part]):
            code = np.int64(codes[np.uintp(row)])
            if code >= 0:
                found[np.uintp(code + shift)] = True
        start = ends[part]
    return found
