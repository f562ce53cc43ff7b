"""The page of a conversation: its words, how it begins, and what each packet adds to it.

Source: RFC 9293 3.3-3.5 (TCP), Zeek's conn.log (history), Argus 3 (which flags make a state).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "BITS", "END", "ESTABLISHED", "FIN_ACKED", "FIN_DST", "FIN_SRC", "FIRST", "FLIPPED", "HISTORY", "ISN", "KEY_A", "KEY_B",
    "KNOWN", "KNOWN_BITS", "LOWER_OPENED", "REFUSED", "RST_DST", "RST_SRC", "START", "SYN", "SYN_ACK", "TALLY", "TH_ACK",
    "TH_FIN", "TH_RST", "TH_SYN", "WAITING", "WAITING_END", "WAITING_ISN", "WORDS", "apart", "begin_page", "count_packet",
    "goes_on", "read_out", "sent_before", "write_letter",
]  # fmt: skip

TH_FIN, TH_SYN, TH_RST, TH_ACK = 0x01, 0x02, 0x04, 0x10  # RFC 9293 3.1

# What is known of a conversation, one bit each
SYN, SYN_ACK, ESTABLISHED, FIN_SRC, FIN_DST, RST_SRC, RST_DST, KNOWN, FLIPPED, REFUSED, FIN_ACKED = (
    1 << bit for bit in range(11)
)
BITS = 11
LOWER_OPENED = 1 << BITS  # and whether the opener is the endpoint of the lower number

HISTORY = 56  # letters: six of each side once, two of each side at 1, 10, 100 ... 10**9, and ^
_RST_WINDOW = 1 << 20  # a reset further from the expected number does not belong (RFC 9293 3.5.2, window unscaled)

# The words of a conversation's page: most packets touch three lines of a processor's cache
KEY_A, KEY_B, END, KNOWN_BITS, START, FIRST, ISN, WRITTEN = range(8)
TALLY = 8  # packets, octets, payload of src; the same of dst
_NEXT, _ACKED, _SEEN, _AGAIN, _ZERO = 14, 16, 18, 20, 22  # of src, and one further of dst
# A SYN that may open the next conversation: its place + 1, its number, and the end without it
WAITING, WAITING_ISN, WAITING_END = 24, 25, 26
WORDS = 32


@njit(inline="always")
def apart(a, b):
    """Return how far sequence number a is ahead of b, modulo 2**32, from -2**31 to 2**31 - 1 (RFC 1982)."""
    difference = (a - b) & 0xFFFFFFFF
    return difference - 0x100000000 if difference >= 0x80000000 else difference


@njit(inline="always")
def goes_on(until, known):
    """Return True where a segment that ends before `until` takes its side on; `known` is how far it is, -1 where that is not."""
    return known < 0 or apart(until, known) > 0


@njit(inline="always")
def sent_before(until, seq, size, known):
    """Return True for a segment all of which was sent before; a keep-alive of one byte is none."""
    ahead = apart(seq, known)
    return not goes_on(until, known) and until != seq and ahead < 0 and not (size == 1 and ahead == -1)


@njit(inline="always")
def write_letter(book, history, page, letter, side):
    """Write a letter of the history down, if there is room: upper case is the originator's (Zeek)."""
    written = book[page, WRITTEN]
    if written < HISTORY:
        history[page, np.uintp(written)] = letter - 32 if side == 0 and letter != 94 else letter
        book[page, WRITTEN] = written + 1


@njit(inline="always")
def _power_of_ten(count):
    while count >= 10 and count % 10 == 0:
        count //= 10
    return count == 1


@njit(inline="always")
def begin_page(book, page, key_a, key_b, time, row, isn):
    """Start a conversation's page."""
    for word in range(WORDS):
        book[page, np.uintp(word)] = 0
    book[page, KEY_A] = key_a
    book[page, KEY_B] = key_b
    book[page, START] = time
    book[page, END] = time
    book[page, FIRST] = row
    book[page, ISN] = isn
    for side in range(2):
        book[page, np.uintp(_NEXT + side)] = -1
        book[page, np.uintp(_ACKED + side)] = -1


@njit(inline="always")
def count_packet(packets, r, book, history, page, bits, side, is_tcp, what):
    """Count a packet in its conversation; return what is known of it now."""
    size = np.int64(packets.payload[r])
    book[page, np.uintp(TALLY + 3 * side)] += 1
    book[page, np.uintp(TALLY + 3 * side + 1)] += np.int64(packets.octets[r])
    book[page, np.uintp(TALLY + 3 * side + 2)] += size
    if is_tcp:
        bits = _follow(
            book, history, page, bits, side, np.int64(packets.tcp_flags[r]), np.int64(packets.seq[r]),
            np.int64(packets.ack[r]), np.int64(packets.window[r]), size,
        )  # fmt: skip
    elif (what == 17 or what == 132) and not book[page, np.uintp(_SEEN + side)] & 8:
        book[page, np.uintp(_SEEN + side)] |= 8
        write_letter(book, history, page, 100, side)
    return bits


@njit(inline="always")
def _follow(book, history, page, bits, side, flag, seq, ack, window, size):
    """Follow one TCP segment: its letters and what is known of the conversation, which comes back."""
    seen, again, zero = np.uintp(_SEEN + side), np.uintp(_AGAIN + side), np.uintp(_ZERO + side)
    mine, acked, theirs = np.uintp(_NEXT + side), np.uintp(_ACKED + side), np.uintp(_ACKED + 1 - side)
    was = book[page, seen]
    if flag & TH_SYN:
        if flag & TH_ACK:
            bits |= SYN_ACK
            if not was & 2:
                was |= 2
                write_letter(book, history, page, 104, side)
        else:
            bits |= SYN
            if side == 0 and book[page, ISN] < 0:
                book[page, ISN] = seq
            if not was & 1:
                was |= 1
                write_letter(book, history, page, 115, side)
    elif flag & TH_ACK and side == 0 and bits & SYN_ACK:
        bits |= ESTABLISHED
    if flag & TH_FIN:
        bits |= FIN_SRC if side == 0 else FIN_DST
        if not was & 16:
            was |= 16
            write_letter(book, history, page, 102, side)
    known = book[page, mine]
    if flag & TH_RST:
        belongs = True
        if side == 1 and bits & SYN and not bits & SYN_ACK and flag & TH_ACK:
            belongs = book[page, _NEXT] < 0 or ack == book[page, _NEXT]
            if belongs:
                bits |= REFUSED
        elif known >= 0:
            belongs = abs(apart(seq, known)) <= _RST_WINDOW
        elif book[page, theirs] >= 0:
            belongs = abs(apart(seq, book[page, theirs])) <= _RST_WINDOW
        if belongs and not (bits & FIN_SRC and bits & FIN_DST):
            bits |= RST_SRC if side == 0 else RST_DST
        if not was & 32:
            was |= 32
            write_letter(book, history, page, 114, side)
    if size > 0 and not was & 8:
        was |= 8
        write_letter(book, history, page, 100, side)
    if size == 0 and flag & TH_ACK and not flag & (TH_SYN | TH_FIN | TH_RST) and not was & 4:
        was |= 4
        write_letter(book, history, page, 97, side)
    if window == 0 and not flag & (TH_SYN | TH_RST):
        book[page, zero] += 1
        if _power_of_ten(book[page, zero]):
            write_letter(book, history, page, 119, side)
    if flag & TH_ACK:
        book[page, acked] = ack
        if bits & (FIN_DST if side == 0 else FIN_SRC) and apart(ack, book[page, np.uintp(_NEXT + 1 - side)]) >= 0:
            bits |= FIN_ACKED
    if not flag & TH_RST:
        until = (seq + size + (1 if flag & TH_SYN else 0) + (1 if flag & TH_FIN else 0)) & 0xFFFFFFFF
        if goes_on(until, known):
            book[page, mine] = until
        elif sent_before(until, seq, size, known):
            book[page, again] += 1
            if _power_of_ten(book[page, again]):
                write_letter(book, history, page, 116, side)
    book[page, seen] = was
    return bits


@njit(cache=True, nogil=True)
def read_out(book, written, places, start, end, first, bits, isn, tally, history, letters):
    """Write each page down at its conversation's place."""
    for number in range(len(places)):
        page, c = np.uintp(number), np.uintp(places[np.uintp(number)])
        start[c] = book[page, START]
        end[c] = book[page, END]
        first[c] = book[page, FIRST]
        bits[c] = book[page, KNOWN_BITS] & (LOWER_OPENED - 1)
        isn[c] = book[page, ISN]
        letters[c] = book[page, WRITTEN]
        for field in range(6):
            tally[field, c] = book[page, np.uintp(TALLY + field)]
        for letter in range(book[page, WRITTEN]):
            history[c, np.uintp(letter)] = written[page, np.uintp(letter)]
