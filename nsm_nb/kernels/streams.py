"""Both sides of a TCP conversation by numbers alone: which segment stands where, and whose bytes count where they overlap.

No payload is looked at but where segments overlap, so that a conversation of any size has its index in memory.

Source: RFC 9293 3.4 and 3.10.7 (what a receiver accepts), 3.8.4 (keep-alives); RFC 7323 2.3 (windows).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.arrays import read_only
from nsm_nb.kernels.copying import copy_bytes

__all__ = [
    "ACKED", "BASE", "ENDED", "FIRST", "HAS_ACKED", "HAS_BASE", "HAS_FIRST", "HAS_LAST_ACK", "IGNORED", "KEEP_ALIVE", "LAST",
    "LAST_ACK", "LATE", "REACH", "STRAY", "STREAM", "TH_FIN", "TH_RST", "TH_SYN", "TH_URG", "Entries",
    "bare_keep_alives", "in_plain_packets", "scattered", "swept", "unwrapped", "walked",
]  # fmt: skip

TH_FIN, TH_SYN, TH_RST, TH_ACK, TH_URG = 0x01, 0x02, 0x04, 0x10, 0x20
_FAR = 1 << 30  # further than any window reaches (RFC 7323 2.3)
_AHEAD = 16 << 20  # how far a segment may stand ahead of what the other side acknowledged or what was seen

# What an entry is
STREAM = 1  # bytes of the stream
STRAY = 2  # too far from the stream to belong to it
KEEP_ALIVE = 3  # one byte that the other side has had already
IGNORED = 4  # a SYN with another beginning that nobody answered
LATE = 5  # bytes of the stream that stood too far from it when they came, and were acknowledged in the end

# What is known of a side, one word each
(
    BASE, HAS_BASE, ANSWERED, ENDED, FIRST, HAS_FIRST, NEAR, EDGE, ACKED, HAS_ACKED, LAST_ACK, HAS_LAST_ACK, SYN, REACH, LAST,
) = range(15)  # fmt: skip
_WORDS = 15


class Entries(NamedTuple):
    """What became of the segments: one entry for each that carries something or is told of; in the order of arrival."""

    row: np.ndarray  # int64
    connection: np.ndarray  # int64; of those that used the ports one after the other
    side: np.ndarray  # int64; 0 for src, 1 for dst
    kind: np.ndarray  # int64
    position: np.ndarray  # int64; of its first byte in the stream of its side and connection, from 0


@njit(cache=True)
def unwrapped(seq, near):
    """Return the 64-bit position whose lower 32 bits are `seq` and which lies nearest to `near` (RFC 9293 3.4)."""
    ahead = (seq - near) & 0xFFFFFFFF
    if ahead >= 0x80000000:
        return near + ahead - 0x100000000
    return near + ahead


@njit(cache=True)
def _acknowledged(state, side, ack):
    """Note what the other side says it has of this one."""
    if state[side, HAS_LAST_ACK] and ack == state[side, LAST_ACK] and state[side, HAS_ACKED]:
        return
    last = state[side, LAST_ACK]
    if not state[side, HAS_LAST_ACK] or state[side, HAS_BASE] or unwrapped(ack, last) > last:
        state[side, LAST_ACK], state[side, HAS_LAST_ACK] = ack, 1
    if not state[side, HAS_BASE]:
        return
    edge = state[side, EDGE]
    position = unwrapped(ack, edge)
    if position - edge <= _FAR:
        state[side, ACKED] = max(state[side, ACKED], position) if state[side, HAS_ACKED] else position
        state[side, HAS_ACKED] = 1
        state[side, EDGE] = max(edge, position)


@njit(cache=True)
def _begin(state, side, base):
    state[side, BASE] = state[side, NEAR] = state[side, EDGE] = base
    state[side, HAS_BASE], state[side, HAS_ACKED] = 1, 0
    if state[side, HAS_LAST_ACK]:
        _acknowledged(state, side, state[side, LAST_ACK])


@njit(cache=True)
def _reaches(state, side, position):
    if not state[side, HAS_ACKED]:
        return abs(position - state[side, NEAR]) <= _FAR
    edge = state[side, EDGE]
    return position - edge >= -_FAR and position <= max(edge, state[side, NEAR]) + _AHEAD


@njit(cache=True)
def _placed(state, side, entries, count, row, connection, kind, position, size):
    base = state[side, BASE] if state[side, HAS_BASE] else 0
    entries[0, count], entries[1, count], entries[2, count] = row, connection, side
    entries[3, count], entries[4, count] = kind, position - base
    if kind == STREAM:
        state[side, REACH] = max(state[side, REACH], position - base + size)
        state[side, LAST] = row
    return count + 1


@njit(cache=True)
def _take(state, side, seq, flags, size):
    """Return what a segment is, 0 where it carries nothing, and its position by the numbers of its sender."""
    if flags & TH_FIN:
        state[side, ENDED] = 1
    if flags & TH_SYN:
        seq += 1
    if not state[side, HAS_BASE]:
        if not state[side, HAS_FIRST]:
            state[side, FIRST], state[side, HAS_FIRST] = seq, 1
        if size:
            _begin(state, side, seq)
    if not size or not state[side, HAS_BASE]:
        return 0, seq
    # the other side's word is a firm place to count from; where it is silent, the last segment has to do
    position = unwrapped(seq, state[side, EDGE] if state[side, HAS_ACKED] else state[side, NEAR])
    if not _reaches(state, side, position):
        if state[side, ANSWERED] or state[side, REACH]:
            return STRAY, position
        _begin(state, side, seq)  # the SYN that was seen is not the one of this connection
        position = seq
    edge = state[side, EDGE]
    if size == 1 and state[side, HAS_ACKED] and state[side, ACKED] == edge and edge == position + 1:
        return KEEP_ALIVE, position
    if state[side, ANSWERED] and position + size <= state[side, BASE]:
        return STRAY, position  # before the first byte
    state[side, NEAR] = position + size
    if position <= edge:
        state[side, EDGE] = max(edge, position + size)
    return STREAM, position


@njit(cache=True)
def _open(state, side, entries, count, row, connection, seq, syn_seq):
    """Take the beginning from a SYN, unless there is one; return how many entries there are."""
    if not state[side, HAS_BASE] or (not state[side, ANSWERED] and not state[side, REACH]):
        if state[side, SYN] >= 0 and syn_seq != seq:
            count = _placed(state, side, entries, count, state[side, SYN], connection, IGNORED, syn_seq, 0)
        state[side, SYN], state[side, HAS_LAST_ACK] = row, 0
        _begin(state, side, seq + 1)
    elif (state[side, BASE] - 1 - seq) & 0xFFFFFFFF:
        count = _placed(state, side, entries, count, row, connection, IGNORED, seq, 0)
    return count


@njit(cache=True)
def _renewed(state, side, entries, begin, count, ack, seq):
    """Return the row of the SYN with another beginning that `ack`, of a SYN-ACK, answers; -1 where there is none."""
    if state[side, HAS_BASE] and (state[side, BASE] - ack) & 0xFFFFFFFF == 0:
        return -1
    found = -1
    for place in range(begin, count):
        ours = entries[3, place] == IGNORED and entries[2, place] == side
        if ours and (seq[entries[0, place]] + 1 - ack) & 0xFFFFFFFF == 0:
            found = entries[0, place]
            entries[3, place] = 0
    return found


@njit(cache=True)
def _finish(state, entries, begin, count, seq, size):
    """Take what stood too far away when it came, and was acknowledged in the end."""
    for place in range(begin, count):
        side = entries[2, place]
        if entries[3, place] == STRAY and state[side, HAS_ACKED] and state[side, HAS_BASE]:
            row = entries[0, place]
            position = unwrapped(seq[row], state[side, EDGE])
            if state[side, BASE] <= position < state[side, ACKED]:
                entries[3, place], entries[4, place] = LATE, position - state[side, BASE]
                state[side, REACH] = max(state[side, REACH], position - state[side, BASE] + size[row])
                state[side, LAST] = row


@njit(cache=True)
def _walk(from_src, seq, ack, flags, size, words, entries):
    connection = begin = count = 0
    state = words[0]
    state[:, SYN] = -1
    state[:, LAST] = -1
    ignored = np.zeros(2, np.int64)  # SYNs of each side of this connection that are kept aside
    for row in range(len(seq)):
        if flags[row] < 0:
            continue
        side = 0 if from_src[row] else 1
        other = 1 - side
        if flags[row] & TH_SYN:
            if flags[row] & TH_ACK:
                syn = -1
                if ignored[other]:
                    syn = _renewed(state, other, entries, begin, count, ack[row], seq)
                if syn >= 0:
                    carried = False
                    for place in range(begin, count):
                        carried |= 0 < entries[3, place] < IGNORED
                    if carried:
                        _finish(state, entries, begin, count, seq, size)
                        connection += 1
                        state = words[connection]
                    else:  # it never came to anything
                        for place in range(begin, count):
                            entries[3, place] = 0
                        state[:] = 0
                    begin = count
                    ignored[:] = 0
                    state[:, SYN] = -1
                    state[:, LAST] = -1
                    count = _open(state, other, entries, count, syn, connection, seq[syn], 0)
                    kind, position = _take(state, other, seq[syn], flags[syn], size[syn])
                    if kind:
                        count = _placed(state, other, entries, count, syn, connection, kind, position, size[syn])
                if state[other, HAS_BASE] and (state[other, BASE] - ack[row]) & 0xFFFFFFFF == 0:
                    state[other, ANSWERED] = 1
            before = count
            syn_seq = seq[state[side, SYN]] if state[side, SYN] >= 0 else 0
            count = _open(state, side, entries, count, row, connection, seq[row], syn_seq)
            ignored[side] += count - before
        if flags[row] & (TH_ACK | TH_RST) == TH_ACK:
            _acknowledged(state, other, ack[row])
        kind, position = _take(state, side, seq[row], flags[row], size[row])
        if kind:
            count = _placed(state, side, entries, count, row, connection, kind, position, size[row])
    _finish(state, entries, begin, count, seq, size)
    return connection + 1, count


@njit(cache=True)
def _answers(flags):
    """Return how many SYN-ACKs there are: each may begin another connection."""
    count = 0
    for row in range(len(flags)):
        count += flags[row] > 0 and flags[row] & (TH_SYN | TH_ACK) == TH_SYN | TH_ACK
    return count


def walked(
    from_src: np.ndarray, seq: np.ndarray, ack: np.ndarray, flags: np.ndarray, size: np.ndarray
) -> tuple[Entries, np.ndarray]:
    """Return what became of the segments of a conversation, in the order of their arrival.

    Parameters
    ----------
    from_src : bool array
    seq, ack, flags, size : int64 arrays
        Of each segment; `flags` is negative where there is no TCP header, `size` what it carried on the wire.

    Returns
    -------
    entries : Entries
    words : int64 array, (connections, 2, words)
        What was known of each side of each connection in the end, by the names above.
    """
    many = len(seq)
    words = np.zeros((_answers(read_only(flags)) + 1, 2, _WORDS), np.int64)
    entries = np.empty((5, 3 * many + 2), np.int64)  # only what is used is ever touched
    connections, count = _walk(*map(read_only, (from_src, seq, ack, flags, size)), words, entries)
    known = np.flatnonzero(entries[3][:count])
    which = slice(count) if len(known) == count else known  # hardly ever is one forgotten: then nothing is copied
    return Entries(*(each[which] for each in entries)), words[:connections]


@njit(cache=True)
def _bare(from_src, seq, ack, flags, size, found):
    count = 0
    waited_for = np.full(2, -1, np.int64)  # the number that each side was last told to go on with
    for row in range(len(seq)):
        if flags[row] < 0 or not flags[row] & TH_ACK:
            continue
        side = 0 if from_src[row] else 1
        bare = not size[row] and not flags[row] & (TH_FIN | TH_SYN | TH_RST)
        if bare and waited_for[side] >= 0 and (waited_for[side] - seq[row]) & 0xFFFFFFFF == 1:
            found[count] = row
            count += 1
        waited_for[1 - side] = ack[row]
    return count


def bare_keep_alives(
    from_src: np.ndarray, seq: np.ndarray, ack: np.ndarray, flags: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Return the keep-alives that carry nothing: one number before what the other side waits for (RFC 9293 3.8.4).

    Parameters are those of `walked`.
    """
    found = np.empty(len(seq), np.int64)  # only what is used is ever touched
    count = _bare(*map(read_only, (from_src, seq, ack, flags, size)), found)
    return found[:count].copy()


@njit(cache=True)
def _push(heap, size, rank, value):
    at = size
    heap[at] = value
    while at and rank[heap[(at - 1) // 2]] > rank[heap[at]]:
        heap[at], heap[(at - 1) // 2] = heap[(at - 1) // 2], heap[at]
        at = (at - 1) // 2
    return size + 1


@njit(cache=True)
def _pop(heap, size, rank):
    size -= 1
    heap[0] = heap[size]
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and rank[heap[child + 1]] < rank[heap[child]]:
            child += 1
        if rank[heap[at]] <= rank[heap[child]]:
            break
        heap[at], heap[child] = heap[child], heap[at]
        at = child
    return size


@njit(cache=True)
def _sweep(order, start, size, rank, owner, position, length):
    """Walk the stream once; at each place the segment of the lowest rank that covers it is on top of the heap."""
    many = len(order)
    heap = np.empty(many, np.int64)
    there = next_ = count = 0  # segments in the heap, the next of the order, runs
    at = 0
    while True:
        if there == 0:
            # most segments overlap with none: they need no heap
            while next_ < many:
                alone = order[next_]
                if next_ + 1 < many and start[order[next_ + 1]] < start[alone] + size[alone]:
                    break
                owner[count], position[count], length[count] = alone, start[alone], size[alone]
                count += 1
                next_ += 1
            if next_ == many:
                return count
            at = start[order[next_]]
        while next_ < many and start[order[next_]] <= at:
            there = _push(heap, there, rank, order[next_])
            next_ += 1
        while there and start[heap[0]] + size[heap[0]] <= at:
            there = _pop(heap, there, rank)
        if there == 0:
            continue
        best = heap[0]
        until = start[best] + size[best]
        if next_ < many:
            until = min(until, start[order[next_]])
        if count and owner[count - 1] == best and position[count - 1] + length[count - 1] == at:
            length[count - 1] = until - position[count - 1]
        else:
            owner[count], position[count], length[count] = best, at, until - at
            count += 1
        at = until


@njit(cache=True)
def _in_sequence(start, size, order, late):
    """Write to `order` the segments that begin at or behind all before them, to `late` the others, to neither what is empty."""
    many = behind = 0
    furthest = start[0] if len(start) else 0
    for row in range(len(start)):
        if size[row] <= 0:
            continue
        if many and start[row] < furthest:
            late[behind] = row
            behind += 1
        else:
            furthest = start[row]
            order[many] = row
            many += 1
    return many, behind


@njit(cache=True)
def _merged(order, many, late, start):
    """Put the late ones, sorted, where they belong among the first `many` of `order`, from the end on; of equals behind."""
    place, kept = many + len(late) - 1, many - 1
    for number in range(len(late) - 1, -1, -1):
        while kept >= 0 and start[order[kept]] > start[late[number]]:
            order[place] = order[kept]
            place, kept = place - 1, kept - 1
        order[place] = late[number]
        place -= 1


def _by_start(start: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the segments that are not empty by where they begin, equal ones as they came.

    Most come in sequence: those alone that don't are sorted.
    """
    order, late = np.empty(len(start), np.int64), np.empty(len(start), np.int64)
    many, behind = _in_sequence(*map(read_only, (start, size)), order, late)
    if behind:
        late = late[:behind]
        _merged(order, many, late[np.argsort(start[late], kind="stable")], read_only(start))
    return order[: many + behind]


def swept(start: np.ndarray, size: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whose bytes count where segments overlap: runs in the order of the stream that never overlap.

    Parameters
    ----------
    start, size : int64 arrays
        Where each segment stands in the stream, and how many bytes of it there are.
    rank : int64 array
        Of two segments the one of the lower rank counts.

    Returns
    -------
    owner, position, length : int64 arrays
        The segment of each run, where the run begins and how long it is. A segment may own several.
    """
    order = _by_start(start, size)
    owner, position, length = (
        np.empty(2 * len(order), np.int64) for _ in range(3)
    )  # only what is used is ever touched
    count = _sweep(*map(read_only, (order, start, size, rank)), owner, position, length)
    return owner[:count], position[:count], length[:count]


@njit(cache=True)
def _in_plain_packets(head, octets, size, length, captured, offset, begin, held):
    for row in range(len(size)):
        begin[row] = held[row] = 0
        if size[row] == 0:
            continue
        if head[row] < 0 or octets[row] < size[row] or head[row] + octets[row] > length[row]:
            return False
        place = head[row] + octets[row] - size[row]
        begin[row] = offset[row] + place
        held[row] = min(max(captured[row] - place, 0), size[row])
    return True


def in_plain_packets(
    head: np.ndarray, octets: np.ndarray, size: np.ndarray, length: np.ndarray, captured: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return where in its file the payload of each packet begins, and how much of it was captured.

    Parameters
    ----------
    head, octets, size, length, captured, offset : int64 arrays
        The bytes before IP (-1 where not known), those of the IP packet, of its payload, of the frame on the wire and as
        captured, and where the frame begins.

    Returns
    -------
    begin, held : int64 arrays, or None
        None where headers say more than a frame holds, so that the numbers alone do not tell.
    """
    begin, held = np.empty(len(size), np.int64), np.empty(len(size), np.int64)
    columns = map(read_only, (head, octets, size, length, captured, offset))
    return (begin, held) if _in_plain_packets(*columns, begin, held) else None


@njit(cache=True, nogil=True)
def scattered(buffer, begin, length, into, at):
    """Copy pieces of a buffer to where they belong; the caller has checked all bounds."""
    for number in range(len(begin)):
        copy_bytes(into, at[number], buffer, begin[number], length[number])
