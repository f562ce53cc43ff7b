"""Pairing flow records: those of one conversation, both directions and all pieces, found in one pass over small heaps.

Records are thrown into heaps by a hash of their endpoints, so that what is looked up stays in the processor's cache; in a
heap they are sorted by endpoints and time, and then walked.

Source: RFC 9293 3.3-3.5 (what closes a TCP connection); the rules are those of `sessions.pair`.
"""

from __future__ import annotations

import secrets
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.arrays import read_only
from nsm_nb.kernels.prefetching import prefetch
from nsm_nb.kernels.threads import in_threads, shares

__all__ = ["NOT_A_TIME", "Conversed", "Records", "paired", "summed"]

NOT_A_TIME = np.iinfo(np.int64).min
TH_FIN, TH_SYN, TH_RST, TH_ACK = 0x01, 0x02, 0x04, 0x10  # RFC 9293 3.1
_TCP, _UDP, _SCTP, _UDPLITE = 6, 17, 132, 136
_ODD = tuple(np.uint64(secrets.randbits(64) | 1) for _ in range(2))  # see kernels/conversations.py
_LARGEST = np.iinfo(np.int64).max
_HEAP = 64  # records a heap, about
_AHEAD = 24  # records between asking for a place of the book and needing it
_A, _B, _START, _END, _ROW, _FLAGS, _SIDE, _KIND = range(8)
# What is found takes the record's place: the row of the first record of its conversation and, in the lowest bit, whether
# it is of what src sent; of first records alone, the conversation
_HEAD, _SINCE, _UNTIL, _PIECES, _SRC_FLAGS, _DST_FLAGS, _SIDES, _SURE = range(8)


class Records(NamedTuple):
    """Flow records of one direction, one row each.

    Attributes
    ----------
    src, dst : int32 arrays
        Numbers of the addresses, -1 where there is none: such a record stays alone.
    sport, dport : uint16 arrays
        Ports, or what stands for them: 1 and 2 for an ICMP request, 2 and 1 for its answer.
    kind : int16 array
        IP protocol; from 256 on for others.
    group : int32 array
        Records of different groups are never of one conversation; below 2**30.
    one_way : bool array
        True where the other direction is another conversation.
    start, end : int64 arrays
        Nanoseconds, `NOT_A_TIME` where not told.
    flags : int16 array
        TCP flags of all packets together, -1 where they are not told.
    """

    src: np.ndarray
    dst: np.ndarray
    sport: np.ndarray
    dport: np.ndarray
    kind: np.ndarray
    group: np.ndarray
    one_way: np.ndarray
    start: np.ndarray
    end: np.ndarray
    flags: np.ndarray


class Conversed(NamedTuple):
    """What records were paired into, in the order in which their first records stand.

    Attributes
    ----------
    conversation : int32 array
        Of each record.
    from_src : bool array
        True where the record tells what src of its conversation sent.
    first : int64 array
        The row of the first record of each conversation.
    pieces : int64 array
        How many records.
    start, end : int64 arrays
        Nanoseconds.
    known : bool array
        True where the opening was seen.
    sides : uint8 array
        1 where src was seen, 2 where dst was, 3 for both.
    src_flags, dst_flags : int16 arrays
        TCP flags of each side, -1 where any of its records told none, or it was not seen.
    """

    conversation: np.ndarray
    from_src: np.ndarray
    first: np.ndarray
    pieces: np.ndarray
    start: np.ndarray
    end: np.ndarray
    known: np.ndarray
    sides: np.ndarray
    src_flags: np.ndarray
    dst_flags: np.ndarray


def paired(records: Records, order: np.ndarray, idle: np.ndarray, *, parts: int | None = None) -> Conversed:
    """Pair records.

    Parameters
    ----------
    records
        Their columns.
    order : int64 array
        What decides between records of equal times, such as their numbers in the evidence.
    idle : int64 array
        Nanoseconds of silence that end a conversation, by `kind`; the last one holds for kinds beyond.
    parts
        Among how many threads the work is parted; by the cores there are where it is not given. What comes out does not
        depend on it.
    """
    records = Records(*map(read_only, records))
    order, idle = read_only(order), read_only(idle)
    count = len(records.start)
    heaps = 1 << max(0, (count // _HEAP).bit_length())
    spans = shares(count, parts)
    heap = np.empty(count, np.int32)
    sizes = np.array(in_threads([partial(_counted, records, heaps, _ODD, *span, heap) for span in spans]))
    bounds = np.concatenate([[0], sizes.sum(axis=0).cumsum()])
    at = bounds[:-1] + sizes.cumsum(axis=0) - sizes  # where each part begins in each heap
    book, places = np.empty((count, 8), np.int64), np.empty(count, np.int32)
    in_threads(
        [partial(_thrown, records, heap, *span, place, book, places) for span, place in zip(spans, at, strict=True)]
    )
    own = pairwise([*np.searchsorted(bounds, [begin for begin, _ in spans]).tolist(), heaps])
    in_threads([partial(_walked, book, bounds, *span, order, idle) for span in own])
    # conversations stand in the order of the rows of their first records
    heads, numbers = np.empty(count, np.int64), np.empty(count, np.int32)
    found = in_threads([partial(_taken, book, places, *span, heads, numbers) for span in spans])
    conversation, from_src = np.empty(count, np.int32), np.empty(count, np.bool_)
    before = np.cumsum([0, *(len(each[0]) for each in found)])
    for (begin, end), already in zip(spans, before, strict=False):
        numbers[begin:end] += already
    in_threads([partial(_numbered, heads, numbers, *span, conversation, from_src) for span in spans])
    return Conversed(conversation, from_src, *map(np.concatenate, zip(*found, strict=True)))


@njit(inline="always")
def _key(records, r):
    src, dst = np.int64(records.src[r]), np.int64(records.dst[r])
    a, b = (src << 16) | np.int64(records.sport[r]), (dst << 16) | np.int64(records.dport[r])
    side = np.int64(0)
    if not records.one_way[r] and a > b:
        a, b, side = b, a, np.int64(1)
    group = np.int64(records.group[r])
    return a | (group & 0x7FFF) << 48, b | (group >> 15) << 48, side


@njit(inline="always")
def _mixed(a, b, odd):
    mixed = np.uint64(a) * odd[0]
    mixed = (mixed ^ (mixed >> np.uint64(32)) ^ np.uint64(b)) * odd[1]
    return mixed ^ (mixed >> np.uint64(29))


@njit(cache=True, nogil=True)
def _counted(records, heaps, odd, begin, until, heap):
    """Return how many of the records from `begin` to `until` belong into each heap; `heap` is filled for each of them."""
    mask = np.uint64(heaps - 1)
    sizes = np.zeros(heaps, np.int64)
    for row in range(begin, until):
        r = np.uintp(row)
        a, b, _ = _key(records, r)
        place = (_mixed(a, b, odd) >> np.uint64(20)) & mask
        heap[r] = np.int32(place)
        sizes[np.uintp(place)] += 1
    return sizes


@njit(cache=True, nogil=True)
def _thrown(records, heap, begin, until, at, book, places):
    """Write the records from `begin` to `until` into their heaps, where `at` says, and into `places` where each lies."""
    for row in range(begin, until):
        r = np.uintp(row)
        a, b, side = _key(records, r)
        place = np.uintp(at[np.uintp(heap[r])])
        at[np.uintp(heap[r])] += 1
        places[r] = place
        book[place, _A] = a
        book[place, _B] = b
        book[place, _START] = records.start[r]
        book[place, _END] = records.end[r]
        book[place, _ROW] = row
        book[place, _FLAGS] = records.flags[r]
        book[place, _SIDE] = side
        # without an address nothing is known to belong together
        book[place, _KIND] = records.kind[r] if records.src[r] >= 0 and records.dst[r] >= 0 else -1


@njit(inline="always")
def _before(book, p, q, order):
    # endpoints, then time, then what the evidence says came first
    for word in range(4):
        one, other = book[np.uintp(p), np.uintp(word)], book[np.uintp(q), np.uintp(word)]
        if one != other:
            return one < other
    first, second = book[np.uintp(p), _ROW], book[np.uintp(q), _ROW]
    one, other = order[np.uintp(first)], order[np.uintp(second)]
    return one < other if one != other else first < second


@njit(cache=True, nogil=True)
def _sorted(book, begin, end, order, places, room):
    """Sort the places of a heap, by merging from below: no order of the records makes it slow."""
    count = end - begin
    for step in range(count):
        places[step] = begin + step
    for low in range(0, count, 16):
        for step in range(low + 1, min(low + 16, count)):
            each, at = places[step], step
            while at > low and _before(book, each, places[at - 1], order):
                places[at] = places[at - 1]
                at -= 1
            places[at] = each
    width = 16
    while width < count:
        for low in range(0, count, 2 * width):
            middle, high = min(low + width, count), min(low + 2 * width, count)
            left, right = low, middle
            for at in range(low, high):
                if left < middle and (right >= high or not _before(book, places[right], places[left], order)):
                    room[at] = places[left]
                    left += 1
                else:
                    room[at] = places[right]
                    right += 1
        for at in range(count):
            places[at] = room[at]
        width *= 2


@njit(cache=True, nogil=True)
def _walked(book, bounds, begin, until_heap, order, idle):
    """Walk the heaps from `begin` to `until_heap`: what is found takes the place of their records."""
    largest = np.int64(0)
    for heap in range(begin, until_heap):
        largest = max(largest, bounds[heap + 1] - bounds[heap])
    places, room = np.empty(largest, np.int64), np.empty(largest, np.int64)
    began, ended = np.zeros(2, np.int64), np.zeros(2, np.int64)
    told, seen = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for heap in range(begin, until_heap):
        size = bounds[heap + 1] - bounds[heap]
        _sorted(book, bounds[heap], bounds[heap + 1], order, places, room)
        opened, start, end = np.int64(0), np.int64(NOT_A_TIME), np.int64(NOT_A_TIME)
        for step in range(size):
            p = np.uintp(places[step])
            side, flag, kind = np.uintp(book[p, _SIDE]), book[p, _FLAGS], book[p, _KIND]
            since, until = book[p, _START], book[p, _END]
            fresh = step == 0 or kind < 0
            if not fresh:
                q = np.uintp(places[step - 1])
                fresh = book[p, _A] != book[q, _A] or book[p, _B] != book[q, _B]
            if not fresh and since != NOT_A_TIME and end != NOT_A_TIME and since > end:
                silent = np.uint64(since - end) > np.uint64(idle[np.uintp(min(kind, len(idle) - 1))])
                fresh = silent or (kind == _TCP and flag > 0 and flag & TH_SYN and _over(told))
            if not fresh and kind == _TCP and flag > 0 and flag & TH_SYN and seen[side] and told[side] > 0:
                # a SYN stands at the begin of a conversation only; a lone one may have been sent again
                mine = told[side]
                fresh = mine & TH_SYN and mine & (TH_ACK | TH_FIN | TH_RST) and since > ended[side]
            if fresh:
                if step:
                    _close(book, places, opened, step, seen, told, began, start, end)
                opened, start, end = np.int64(step), since, until
                for each in range(2):
                    seen[each] = 0
                    told[each] = 0
            if until != NOT_A_TIME and (end == NOT_A_TIME or until > end):
                end = until
            if start == NOT_A_TIME:
                start = since
            if not seen[side]:
                began[side], ended[side], told[side] = since, until, flag
            else:
                ended[side] = max(ended[side], until)
                told[side] = told[side] | flag if flag >= 0 and told[side] >= 0 else -1
            seen[side] += 1
        if size:
            _close(book, places, opened, size, seen, told, began, start, end)


@njit(inline="always")
def _over(told):
    both = told[0] > 0 and told[1] > 0 and told[0] & TH_FIN and told[1] & TH_FIN
    return both or (told[0] > 0 and told[0] & TH_RST) or (told[1] > 0 and told[1] & TH_RST)


@njit(inline="always")
def _opener(kind, seen, told, began, sport, dport, side):
    """Return who opened, 0 or 1, and whether that is known; the ports are those of a record that `side` sent."""
    if not seen[0] or not seen[1]:
        lone = 0 if seen[0] else 1
        flag = told[lone]
        if kind == _TCP:
            return lone, flag > 0 and flag & TH_SYN > 0 and not flag & TH_ACK
        return lone, (kind == 1 or kind == 58) and sport <= 1
    if kind == 1 or kind == 58:
        return (side if sport <= 1 else 1 - side), True
    earlier = 0 if began[0] <= began[1] else 1
    tie = began[0] == began[1]
    # the lower port is the service; of equal ones, who spoke first asked
    asked = earlier if sport == dport else (1 - side if sport < dport else side)
    if kind == _TCP:
        one, other = max(told[0], 0), max(told[1], 0)
        lone_one, lone_other = (one & (TH_SYN | TH_ACK)) == TH_SYN, (other & (TH_SYN | TH_ACK)) == TH_SYN
        if lone_one != lone_other:
            return (0 if lone_one else 1), True
        if one & TH_SYN and other & TH_SYN and not tie:
            return earlier, True
        if one & TH_SYN and not other & TH_SYN and other & TH_RST:
            return 0, True
        if other & TH_SYN and not one & TH_SYN and one & TH_RST:
            return 1, True
        return asked, False
    if tie:
        return asked, False
    if kind in (_UDP, _SCTP, _UDPLITE):
        mine, theirs = (sport, dport) if earlier == side else (dport, sport)
        if mine < 1024 <= theirs:
            return 1 - earlier, False
    return earlier, True


@njit(inline="always")
def _close(book, places, opened, until, seen, told, began, start, end):
    """Write down a conversation, in the places of its records."""
    p = np.uintp(places[opened])
    row, kind, side = book[p, _ROW], book[p, _KIND], book[p, _SIDE]
    ports = book[p, _A] & 0xFFFF, book[p, _B] & 0xFFFF
    src, sure = _opener(kind, seen, told, began, ports[side], ports[1 - side], side)
    for step in range(opened, until):
        q = np.uintp(places[step])
        book[q, _HEAD] = row << 1 | (1 if book[q, _SIDE] == src else 0)
    book[p, _SINCE], book[p, _UNTIL], book[p, _PIECES] = start, end, until - opened
    book[p, _SRC_FLAGS] = told[src] if seen[src] else -1
    book[p, _DST_FLAGS] = told[1 - src] if seen[1 - src] else -1
    book[p, _SIDES] = (1 if seen[src] else 0) | (2 if seen[1 - src] else 0)
    book[p, _SURE] = 1 if sure else 0


@njit(cache=True, nogil=True)
def _taken(book, places, begin, until, heads, numbers):
    """Return the conversations whose first records are of the rows from `begin` to `until`, as the columns of `Conversed`.

    `heads` is filled for each of these rows, `numbers` with how many conversations begin before it.
    """
    rows = until - begin
    first, pieces = np.empty(rows, np.int64), np.empty(rows, np.int64)
    start, end = np.empty(rows, np.int64), np.empty(rows, np.int64)
    sure, sides = np.empty(rows, np.bool_), np.empty(rows, np.uint8)
    src_flags, dst_flags = np.empty(rows, np.int16), np.empty(rows, np.int16)
    count = 0
    for row in range(begin, until):
        r = np.uintp(row)
        if row + _AHEAD < until:
            prefetch(book, np.int64(places[np.uintp(row + _AHEAD)]) * 8)
        p, c = np.uintp(places[r]), np.uintp(count)
        heads[r] = book[p, _HEAD]
        numbers[r] = count
        if book[p, _HEAD] >> 1 == row:
            start[c], end[c], first[c], pieces[c] = book[p, _SINCE], book[p, _UNTIL], row, book[p, _PIECES]
            src_flags[c], dst_flags[c] = book[p, _SRC_FLAGS], book[p, _DST_FLAGS]
            sure[c], sides[c] = book[p, _SURE], book[p, _SIDES]
            count += 1
    return (
        first[:count], pieces[:count], start[:count], end[:count], sure[:count], sides[:count], src_flags[:count],
        dst_flags[:count],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _numbered(heads, numbers, begin, until, conversation, from_src):
    """Write conversation and side of the rows from `begin` to `until` down."""
    for row in range(begin, until):
        r = np.uintp(row)
        conversation[r] = numbers[np.uintp(heads[r] >> 1)]
        from_src[r] = heads[r] & 1


@njit(cache=True, nogil=True)
def summed(conversation, from_src, values, absent, count):
    """Return what `values` (0 or more) add up to on each side, int64 (2, count), and a bool array.

    It is True where any was absent or none was, and where the sum does not fit 64 bits.
    """
    total = np.zeros((2, count), np.int64)
    bad = np.zeros((2, count), np.uint8)  # 1: a record was seen, 2: one of them tells nothing
    for row in range(len(values)):
        r = np.uintp(row)
        side, c = np.uintp(0 if from_src[r] else 1), np.uintp(conversation[r])
        if absent[r] or values[r] > _LARGEST - total[side, c]:
            bad[side, c] = 3
        else:
            bad[side, c] |= np.uint8(1)
            total[side, c] += values[r]
    missing = np.empty((2, count), np.bool_)
    for side in range(2):
        for c in range(count):
            missing[side, c] = bad[side, c] != 1
            if missing[side, c]:
                total[side, c] = 0
    return total, missing
