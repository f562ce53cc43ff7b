"""Folding packets into conversations: one pass, one hash table, both directions at once.

A conversation is keyed by its two endpoints and its protocol. What ends it, so that the next packet of the same key starts
another: silence longer than the protocol's timeout, or a TCP SYN with a new sequence number after a close or after a SYN
that nobody answered.

Source: RFC 9293 3.3-3.5 (TCP), Zeek's conn.log (history), Argus 3 (which flags make a state).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "ESTABLISHED", "FIN_DST", "FIN_SRC", "FLIPPED", "HISTORY", "KNOWN", "REFUSED", "RST_DST", "RST_SRC", "SYN", "SYN_ACK",
    "converse", "history_texts", "session_numbers",
]  # fmt: skip

TH_FIN, TH_SYN, TH_RST, TH_ACK = 0x01, 0x02, 0x04, 0x10  # RFC 9293 3.1

# What is known of a conversation, one bit each
SYN, SYN_ACK, ESTABLISHED, FIN_SRC, FIN_DST, RST_SRC, RST_DST, KNOWN, FLIPPED, REFUSED = (1 << bit for bit in range(10))

HISTORY = 56  # letters: six of each side once, two of each side at 1, 10, 100 ... 10**9, and ^
_RST_WINDOW = 1 << 20  # a reset further from the expected number does not belong (RFC 9293 3.5.2, window unscaled)

_KEY_A, _KEY_B, _START, _END, _FIRST, _BITS, _OPENER, _ISN = range(8)
_NEXT, _ACKED, _LETTERS, _AGAIN, _ZERO = range(5)


@njit(inline="always")
def _apart(a, b):
    # how far sequence number a is ahead of b, modulo 2**32, from -2**31 to 2**31 - 1 (RFC 1982)
    difference = (a - b) & 0xFFFFFFFF
    return difference - 0x100000000 if difference >= 0x80000000 else difference


@njit(inline="always")
def _slot(key_a, key_b, mask):
    mixed = (key_a * np.int64(-0x61C8864680B583EB)) ^ (key_b * np.int64(-0x40A7B892E31B1A47))
    mixed ^= mixed >> np.int64(29)
    mixed *= np.int64(-0x6B2FB644ECCEEE15)
    return (mixed ^ (mixed >> np.int64(32))) & mask


@njit(inline="always")
def _write(history, letters, number, letter, side):
    # Zeek: upper case is the originator's
    if letters[number] < HISTORY:
        history[number, letters[number]] = letter - 32 if side == 0 and letter != 94 else letter
        letters[number] += 1


@njit(inline="always")
def _power_of_ten(count):
    while count >= 10 and count % 10 == 0:
        count //= 10
    return count == 1


@njit(cache=True, nogil=True)
def converse(
    absent, src, dst, sport, dport, kind, one_way, time, octets, payload, flags, no_tcp, seq, ack, window, idle
):  # fmt: skip
    """Fold packets into conversations, in the order in which they stand.

    Parameters
    ----------
    absent : bool array
        True for packets that belong to none (no IP).
    src, dst : int32 arrays
        Numbers of the addresses.
    sport, dport : uint16 arrays
        Ports, or what stands for them (ICMP); 0 where there are none.
    kind : int32 array
        IP protocol, or any number from 256 on for others; below 16384.
    one_way : bool array
        True where the other direction is another conversation (ICMP messages that have no answer).
    time : int64 array
        Nanoseconds.
    octets, payload : uint32 arrays
        0 where absent.
    flags, no_tcp, seq, ack, window
        TCP's, as in `decode.Columns`.
    idle : int64 array
        Timeout in nanoseconds by `kind`; the last one holds for kinds beyond.

    Returns
    -------
    session : int32 array
        The conversation of each packet, -1 for none; numbered in the order of their first packets.
    to_dst : bool array
        True where the packet goes from the opener to the other.
    head : int64 array, shape (sessions, 8)
        Keys, start, end, row of the first packet, bits, opener, initial sequence number.
    tally : int64 array, shape (sessions, 2, 3)
        Packets, octets and payload of src and dst.
    history, letters : uint8 arrays, shapes (sessions, HISTORY) and (sessions,)
        Zeek's letters and how many of them.
    """
    n = len(time)
    session = np.empty(n, np.int32)
    to_dst = np.zeros(n, np.bool_)
    # room for as many conversations as packets: pages that are not written cost nothing
    head = np.empty((n, 8), np.int64)
    tally = np.empty((n, 2, 3), np.int64)
    tcp = np.empty((n, 2, 5), np.int64)
    history = np.empty((n, HISTORY), np.uint8)
    letters = np.empty(n, np.uint8)
    count = 0
    keys = 0
    slots = np.full(1024, -1, np.int32)

    for row in range(n):
        if absent[row]:
            session[row] = -1
            continue
        a = (np.int64(src[row]) << 16) | np.int64(sport[row])
        b = (np.int64(dst[row]) << 16) | np.int64(dport[row])
        forward = a <= b
        what = np.int64(kind[row])
        key_a = (a if forward else b) | (what << 49)
        key_b = b if forward else a
        if one_way[row] and not forward:
            key_a |= np.int64(1) << 48
        is_tcp = what == 6 and not no_tcp[row]
        flag = np.int64(flags[row])
        syn_only = is_tcp and (flag & (TH_SYN | TH_ACK)) == TH_SYN

        mask = np.int64(len(slots) - 1)
        slot = _slot(key_a, key_b, mask)
        number = np.int64(slots[slot])
        while number >= 0 and (head[number, _KEY_A] != key_a or head[number, _KEY_B] != key_b):
            slot = (slot + 1) & mask
            number = np.int64(slots[slot])

        fresh = number < 0
        if not fresh:
            if time[row] - head[number, _END] > idle[min(what, len(idle) - 1)]:
                fresh = True
            elif syn_only and np.int64(seq[row]) != head[number, _ISN]:
                bits = head[number, _BITS]
                over = (bits & FIN_SRC and bits & FIN_DST) or bits & (RST_SRC | RST_DST)
                unanswered = bits & SYN and tally[number, 1, 0] == 0
                if over or unanswered:
                    fresh = True

        if fresh:
            if number < 0:
                keys += 1
                if 2 * keys > len(slots):
                    larger = np.full(4 * len(slots), -1, np.int32)
                    mask = np.int64(len(larger) - 1)
                    for old in slots:
                        if old >= 0:
                            slot = _slot(head[old, _KEY_A], head[old, _KEY_B], mask)
                            while larger[slot] >= 0:
                                slot = (slot + 1) & mask
                            larger[slot] = old
                    slots = larger
                    slot = _slot(key_a, key_b, mask)
                    while slots[slot] >= 0:
                        slot = (slot + 1) & mask
            number = np.int64(count)
            slots[slot] = number
            count += 1
            # who opened: the sender of the first packet, unless that was an answer or the middle of a conversation
            sender = True
            bits = np.int64(0)
            if what == 6:
                if is_tcp and flag & TH_SYN:
                    sender = not flag & TH_ACK
                    bits = KNOWN
                else:
                    sender = not _serves(sport[row], dport[row])
            elif what == 17 or what == 132 or what == 136:
                if sport[row] < 1024 <= dport[row]:
                    sender = False
                else:
                    bits = KNOWN
            else:
                bits = KNOWN
            if not sender:
                bits |= FLIPPED
            head[number, _KEY_A] = key_a
            head[number, _KEY_B] = key_b
            head[number, _START] = time[row]
            head[number, _END] = time[row]
            head[number, _FIRST] = row
            head[number, _BITS] = bits
            head[number, _OPENER] = forward == sender
            head[number, _ISN] = np.int64(seq[row]) if syn_only else -1
            letters[number] = 0
            for side in range(2):
                for field in range(3):
                    tally[number, side, field] = 0
                tcp[number, side, _NEXT] = -1
                tcp[number, side, _ACKED] = -1
                tcp[number, side, _LETTERS] = 0
                tcp[number, side, _AGAIN] = 0
                tcp[number, side, _ZERO] = 0
            if bits & FLIPPED:
                _write(history, letters, number, 94, 0)

        side = 0 if forward == head[number, _OPENER] else 1
        session[row] = number
        to_dst[row] = side == 0
        if time[row] > head[number, _END]:
            head[number, _END] = time[row]
        if time[row] < head[number, _START]:
            head[number, _START] = time[row]
        tally[number, side, 0] += 1
        tally[number, side, 1] += np.int64(octets[row])
        tally[number, side, 2] += np.int64(payload[row])

        if is_tcp:
            _follow(
                head, tcp, history, letters, number, side, flag,
                np.int64(seq[row]), np.int64(ack[row]), np.int64(window[row]), np.int64(payload[row]),
            )  # fmt: skip
        elif (what == 17 or what == 132) and not tcp[number, side, _LETTERS] & 8:
            tcp[number, side, _LETTERS] |= 8
            _write(history, letters, number, 100, side)

    return session, to_dst, head[:count].copy(), tally[:count].copy(), history[:count].copy(), letters[:count].copy()


@njit(inline="always")
def _serves(sport, dport):
    # a guess: the lower port is the service
    return sport < dport


@njit(cache=True)
def _follow(head, tcp, history, letters, number, side, flag, seq, ack, window, size):
    """Follow one TCP segment: what it says of the conversation's state, and its letters."""
    bits = head[number, _BITS]
    other = 1 - side
    was = tcp[number, side, _LETTERS]
    if flag & TH_SYN:
        if flag & TH_ACK:
            bits |= SYN_ACK
            if not was & 2:
                was |= 2
                _write(history, letters, number, 104, side)
        else:
            bits |= SYN
            if side == 0 and head[number, _ISN] < 0:
                head[number, _ISN] = seq
            if not was & 1:
                was |= 1
                _write(history, letters, number, 115, side)
    elif flag & TH_ACK and side == 0 and bits & SYN_ACK:
        bits |= ESTABLISHED
    if flag & TH_FIN:
        bits |= FIN_SRC if side == 0 else FIN_DST
        if not was & 16:
            was |= 16
            _write(history, letters, number, 102, side)
    if flag & TH_RST:
        belongs = True
        if side == 1 and bits & SYN and not bits & SYN_ACK and flag & TH_ACK:
            belongs = tcp[number, 0, _NEXT] < 0 or ack == tcp[number, 0, _NEXT]
            if belongs:
                bits |= REFUSED
        elif tcp[number, side, _NEXT] >= 0:
            belongs = abs(_apart(seq, tcp[number, side, _NEXT])) <= _RST_WINDOW
        elif tcp[number, other, _ACKED] >= 0:
            belongs = abs(_apart(seq, tcp[number, other, _ACKED])) <= _RST_WINDOW
        if belongs and not (bits & FIN_SRC and bits & FIN_DST):
            bits |= RST_SRC if side == 0 else RST_DST
        if not was & 32:
            was |= 32
            _write(history, letters, number, 114, side)
    if size > 0 and not was & 8:
        was |= 8
        _write(history, letters, number, 100, side)
    if size == 0 and flag & TH_ACK and not flag & (TH_SYN | TH_FIN | TH_RST) and not was & 4:
        was |= 4
        _write(history, letters, number, 97, side)
    if window == 0 and not flag & (TH_SYN | TH_RST):
        tcp[number, side, _ZERO] += 1
        if _power_of_ten(tcp[number, side, _ZERO]):
            _write(history, letters, number, 119, side)
    if flag & TH_ACK:
        tcp[number, side, _ACKED] = ack
    if not flag & TH_RST:
        until = (seq + size + (1 if flag & TH_SYN else 0) + (1 if flag & TH_FIN else 0)) & 0xFFFFFFFF
        known = tcp[number, side, _NEXT]
        if known < 0:
            tcp[number, side, _NEXT] = until
        else:
            ahead = _apart(until, known)
            if ahead > 0:
                tcp[number, side, _NEXT] = until
            elif until != seq and _apart(seq, known) < 0 and not (size == 1 and _apart(seq, known) == -1):
                tcp[number, side, _AGAIN] += 1  # sent before, in whole (a keep-alive of one byte is not)
                if _power_of_ten(tcp[number, side, _AGAIN]):
                    _write(history, letters, number, 116, side)
    tcp[number, side, _LETTERS] = was
    head[number, _BITS] = bits


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
def session_numbers(src_high, src_low, dst_high, dst_low, sport, dport, kind, start):
    """Return a number below 2**53 for each conversation, made of its endpoints, protocol and start only.

    The endpoints are taken in order of number, so that a guess of the direction does not change it.
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
        for part in range(6):
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
            else:
                value = np.uint64(sport[row] if swap else dport[row])
            # the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
            mixed = (mixed ^ value) + np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = mixed ^ (mixed >> np.uint64(31))
        numbers[row] = np.int64(mixed >> np.uint64(11))
    return numbers
