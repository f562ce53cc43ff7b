"""Which packets of a conversation tell where it begins and ends, so that a piece of it can be handed on as few of them.

Whatever came before the piece: folding the packets that tell, after those of an earlier piece, comes to the same
conversations as folding all of them (kernels/conversations.py), but for how often segments were sent again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.arrays import read_only
from nsm_nb.kernels.conversations import Packets
from nsm_nb.kernels.pages import TH_ACK, TH_FIN, TH_RST, TH_SYN, apart, goes_on, sent_before

__all__ = ["Telling", "telling"]

# Sequence numbers are compared modulo 2**32 (RFC 1982): which is ahead is sure for less than half of it
_JUMP = 1 << 30

# What was seen of a side since the last SYN
_ANY, _DATA, _ACK_ALONE, _ACK = 1, 2, 4, 8
# The latest packets of a side: any, the one that took its sequence number on, and those with the last and the highest
# number that it acknowledged
_LAST, _AHEAD, _ACKING, _HIGHEST = range(4)


class Telling(NamedTuple):
    """The packets that tell, one conversation after the other, in each in order; each stands for others of its side too.

    Attributes
    ----------
    rows : int64 array
        The packets.
    starts : int64 array
        Where each conversation begins among them, and the end.
    packets, octets, payload : int64 arrays
        Of each packet and those of the same side since the one before that tells.
    """

    rows: np.ndarray
    starts: np.ndarray
    packets: np.ndarray
    octets: np.ndarray
    payload: np.ndarray


def telling(packets: Packets, session: np.ndarray, first: np.ndarray) -> Telling:
    """Return the packets that tell of each conversation.

    Parameters
    ----------
    packets
        As they were folded.
    session
        The conversation of each packet, -1 for none.
    first
        The first packet of each conversation.
    """
    packets = Packets(*map(read_only, packets))
    session = read_only(session)
    # what comes between a SYN and the SYN-ACK that takes it stays in the conversation before: those of the same ends are
    # gone through together
    ends, count = _ends(packets, first), len(first)
    order, starts = _grouped(session, ends)
    tells = _telling(packets, session, count, order, starts)
    rows, sums = _sums(packets, order, tells)
    numbers = session[rows]
    by_session = np.argsort(numbers, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=count))])
    return Telling(rows[by_session], begins, *(each[by_session] for each in sums))


def _ends(packets: Packets, first: np.ndarray) -> np.ndarray:
    """Return for each conversation a number of its ends and protocol."""
    a, b = (
        each[first].astype(np.int64) << 16 | port[first]
        for each, port in ((packets.src, packets.sport), (packets.dst, packets.dport))
    )
    low, high = np.minimum(a, b), np.maximum(a, b)
    kind = packets.kind[first].astype(np.int64) << 1 | (packets.one_way[first] & (a > b))
    order = np.lexsort((high, low, kind))
    other = np.zeros(len(first), bool)
    for each in (low, high, kind):
        other[1:] |= np.diff(each[order]) != 0
    result = np.empty(len(first), np.int64)
    result[order] = np.cumsum(other)
    return result


@njit(cache=True, nogil=True)
def _grouped(session, ends):
    """Return the rows of those of the same ends one after the other, and where each group begins, and the end."""
    groups = ends.max() + 1 if len(ends) else 0
    starts = np.zeros(groups + 1, np.int64)
    for number in session:
        if number >= 0:
            starts[ends[number] + 1] += 1
    for group in range(groups):
        starts[group + 1] += starts[group]
    places = starts[:-1].copy()
    order = np.empty(starts[-1], np.int64)
    for row in range(len(session)):
        if session[row] >= 0:
            group = ends[session[row]]
            order[places[group]] = row
            places[group] += 1
    return order, starts


@njit(inline="always")
def _side(packets, row):
    # 0 where it goes from the end of the lower number
    a = (np.int64(packets.src[row]) << 16) | np.int64(packets.sport[row])
    b = (np.int64(packets.dst[row]) << 16) | np.int64(packets.dport[row])
    return 0 if a <= b else 1


@njit(cache=True, nogil=True)
def _telling(packets, session, count, order, starts):
    """Return True for the places of the packets that tell.

    Those are: SYN, FIN, RST; of each side the first packet, the first data and acknowledgements; a window of 0; what is sent
    again or jumps; clocks that run backwards; and before each of them the latest packets, by which it will be judged. A SYN,
    and the SYN-ACK that takes it, may turn out to open another conversation: from there on nothing is taken as known.
    """
    tells = np.zeros(len(order), np.bool_)
    latest = np.empty((2, 4), np.int64)
    seen, known, highest = np.empty(2, np.int64), np.empty(2, np.int64), np.empty(2, np.int64)
    ever, closed = np.full((count, 2), -1, np.int64), np.zeros((count, 2), np.bool_)
    for group in range(len(starts) - 1):
        latest[:] = -1
        before, newest, clock = np.int64(-1), np.int64(-1), np.int64(0)
        for place in range(starts[group], starts[group + 1]):
            row = order[place]
            number = np.int64(session[row])
            side = _side(packets, row)
            if number != before:
                seen[:] = 0
                known[:] = -1
            if number > newest:
                newest, clock = number, packets.time[row]
            is_tcp = packets.kind[row] == 6 and not packets.no_tcp[row]
            telling = not seen[side] & _ANY or packets.time[row] < clock
            clock = max(clock, packets.time[row])
            flag = np.int64(packets.tcp_flags[row]) if is_tcp else np.int64(0)
            seq, ack = np.int64(packets.seq[row]), np.int64(packets.ack[row])
            size = np.int64(packets.payload[row])
            until = (seq + size + (1 if flag & TH_SYN else 0) + (1 if flag & TH_FIN else 0)) & 0xFFFFFFFF
            shows = _ANY
            if is_tcp:
                if size > 0:
                    shows |= _DATA
                if flag & TH_ACK and not flag & TH_SYN:
                    shows |= _ACK
                    if size == 0 and not flag & (TH_FIN | TH_RST):
                        shows |= _ACK_ALONE
                telling |= (
                    flag & (TH_SYN | TH_FIN | TH_RST) > 0
                    or shows & ~seen[side] > 0
                    or packets.window[row] == 0
                    or sent_before(until, seq, size, known[side])
                    or sent_before(until, seq, size, ever[number, side])
                    or (known[side] >= 0 and abs(apart(until, known[side])) > _JUMP)
                    or (closed[number, side] and apart(until, ever[number, side]) > 0)
                )
            if telling:
                _flush(tells, latest)
                tells[place] = True
            if flag & TH_SYN:
                seen[:] = 0
                known[:] = -1
            seen[side] |= shows
            latest[side, _LAST] = place
            if not is_tcp:
                before = number
                continue
            if not flag & TH_RST:
                if goes_on(until, known[side]):
                    known[side] = until
                    latest[side, _AHEAD] = place
                if goes_on(until, ever[number, side]):
                    ever[number, side] = until
                    latest[side, _AHEAD] = place
                # a SYN that is taken later was of the conversation before until then
                opens = flag & (TH_SYN | TH_ACK) == TH_SYN
                if opens and 0 <= before < number and goes_on(until, ever[before, side]):
                    ever[before, side] = until
            if flag & TH_ACK:
                if latest[side, _HIGHEST] < 0 or apart(ack, highest[side]) > 0:
                    highest[side] = ack
                    latest[side, _HIGHEST] = place
                latest[side, _ACKING] = place
            before = number
            closed[number, side] |= flag & TH_FIN > 0
        _flush(tells, latest)
    return tells


@njit(inline="always")
def _flush(tells, latest):
    for side in range(2):
        for what in range(4):
            if latest[side, what] >= 0:
                tells[latest[side, what]] = True
                latest[side, what] = -1


@njit(cache=True, nogil=True)
def _sums(packets, order, tells):
    """Return the rows of the packets that tell, and packets, octets and payload as in `Telling`."""
    count = tells.sum()
    rows, sums = np.empty(count, np.int64), np.empty((3, count), np.int64)
    so_far = np.zeros((2, 3), np.int64)
    written = 0
    for place in range(len(order)):
        row = order[place]
        side = _side(packets, row)
        so_far[side, 0] += 1
        so_far[side, 1] += np.int64(packets.octets[row])
        so_far[side, 2] += np.int64(packets.payload[row])
        if tells[place]:  # so is the last of each side before another conversation: nothing is left over
            rows[written] = row
            for what in range(3):
                sums[what, written] = so_far[side, what]
                so_far[side, what] = 0
            written += 1
    return rows, sums
