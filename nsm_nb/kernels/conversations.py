"""Folding packets into conversations: one pass, one hash table, both directions at once.

A conversation is keyed by its two endpoints and its protocol. What ends it, so that the next packet of the same key starts
another: silence longer than the protocol's timeout; a TCP SYN with a new sequence number after a close, or after a SYN
that nobody answered; a SYN in the middle that the other end takes, which a forged one can't bring about.

Source: RFC 9293 3.3-3.5 (TCP), Zeek's conn.log (history), Argus 3 (which flags make a state).
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import NamedTuple

import numpy as np
from numba import njit

from nsm_nb.kernels.arrays import read_only
from nsm_nb.kernels.pages import (
    BITS,
    END,
    ESTABLISHED,
    FIN_ACKED,
    FIN_DST,
    FIN_SRC,
    FIRST,
    FLIPPED,
    HISTORY,
    ISN,
    KEY_A,
    KEY_B,
    KNOWN,
    KNOWN_BITS,
    LOWER_OPENED,
    REFUSED,
    RST_DST,
    RST_SRC,
    START,
    SYN,
    SYN_ACK,
    TALLY,
    TH_ACK,
    TH_SYN,
    WAITING,
    WAITING_END,
    WAITING_ISN,
    WORDS,
    begin_page,
    count_packet,
    read_out,
    write_letter,
)  # fmt: skip
from nsm_nb.kernels.prefetching import prefetch
from nsm_nb.kernels.threads import in_threads, power_of_two, shares

__all__ = [
    "BITS", "ESTABLISHED", "FIN_ACKED", "FIN_DST", "FIN_SRC", "FLIPPED", "HISTORY", "KNOWN",
    "REFUSED", "RST_DST", "RST_SRC", "SYN", "SYN_ACK",
    "Conversations", "Packets", "converse",
]  # fmt: skip

_NOT_A_TIME = np.iinfo(np.int64).min
_AHEAD = 32  # packets between asking for a place of the hash table and needing it; half of them for the page behind it

# Multipliers of the hash table, other ones in each process: nobody can make a capture whose conversations all fall into
# one place. What comes out does not depend on them.
_ODD = tuple(np.uint64(secrets.randbits(64) | 1) for _ in range(2))


class Packets(NamedTuple):
    """What packets are folded by, one row a packet.

    Attributes
    ----------
    no_ip : bool array
        True for packets that belong to no conversation; so do those whose `src` or `dst` is negative.
    src, dst : int32 arrays
        Numbers of the addresses.
    sport, dport : uint16 arrays
        Ports, or what stands for them (ICMP); 0 where there are none.
    kind : int16 array
        IP protocol, or any number from 256 on for others; below 16384.
    one_way : bool array
        True where the other direction is another conversation (ICMP messages that have no answer).
    time : int64 array
        Nanoseconds.
    octets, payload : uint32 arrays
        0 where absent.
    tcp_flags, no_tcp, seq, ack, window
        TCP's, as in `decode.Columns`.
    """

    no_ip: np.ndarray
    src: np.ndarray
    dst: np.ndarray
    sport: np.ndarray
    dport: np.ndarray
    kind: np.ndarray
    one_way: np.ndarray
    time: np.ndarray
    octets: np.ndarray
    payload: np.ndarray
    tcp_flags: np.ndarray
    no_tcp: np.ndarray
    seq: np.ndarray
    ack: np.ndarray
    window: np.ndarray


class Conversations(NamedTuple):
    """What packets were folded into.

    Attributes
    ----------
    session : int32 array
        The conversation of each packet, -1 for none; numbered in the order of their first packets.
    to_dst : bool array
        True where the packet goes from the opener to the other.
    start, end : int64 arrays
        Of each conversation, nanoseconds.
    first : int64 array
        The row of its first packet.
    bits : int16 array
        What is known of it.
    isn : int64 array
        The opener's initial sequence number, -1 where no SYN of it was seen.
    tally : int64 array, shape (6, conversations)
        Packets, octets and payload of src, then of dst.
    history, letters : uint8 arrays, shapes (conversations, HISTORY) and (conversations,)
        Zeek's letters and how many of them.
    """

    session: np.ndarray
    to_dst: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    bits: np.ndarray
    isn: np.ndarray
    tally: np.ndarray
    history: np.ndarray
    letters: np.ndarray


def converse(packets: Packets, idle: np.ndarray, *, parts: int | None = None) -> Conversations:
    """Fold packets into conversations, in the order in which they stand.

    Parameters
    ----------
    packets
        Their columns.
    idle : int64 array
        Timeout in nanoseconds by `kind`; the last one holds for kinds beyond.
    parts
        Among how many threads the work is parted; by the cores there are where it is not given. What comes out does not
        depend on it.
    """
    packets = Packets(*map(read_only, packets))
    rows = len(packets.time)
    spans = shares(rows, parts)
    parts = power_of_two(len(spans), 8)
    found = in_threads([partial(_parted, packets, _ODD, *span, parts) for span in spans])
    parted = [[lists[part] for lists in found] for part in range(parts)]
    folded = in_threads([partial(_part, packets, idle, lists) for lists in parted])
    # numbered by their first packets: parts among one another, and where a SYN went over to a conversation of its own
    places = _places([book for _, _, book, _ in folded])
    count = sum(map(len, places))
    start, end, first, isn = (np.empty(count, np.int64) for _ in range(4))
    bits, tally, letters = np.empty(count, np.int16), np.empty((6, count), np.int64), np.empty(count, np.uint8)
    history = np.empty((count, HISTORY), np.uint8)
    session, to_dst = np.empty(rows, np.int32), np.empty(rows, np.bool_)
    in_threads([
        partial(read_out, book, written, place, start, end, first, bits, isn, tally, history, letters)
        for (_, _, book, written), place in zip(folded, places, strict=True)
    ])  # fmt: skip

    def number(turn: int, begin: int, until: int) -> None:
        session[begin:until], to_dst[begin:until] = -1, False
        for lists, (numbers, sides, _, _), place in zip(parted, folded, places, strict=True):
            at = sum(len(own) for own, _ in lists[:turn])
            own = lists[turn][0]
            _number(own, numbers[at : at + len(own)], sides[at : at + len(own)], place, session, to_dst)

    in_threads([partial(number, turn, *span) for turn, span in enumerate(spans)])
    return Conversations(session, to_dst, start, end, first, bits, isn, tally, history, letters)


def _part(packets: Packets, idle: np.ndarray, lists: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """Fold the packets of a part; return the conversation and direction of each, pages and letters."""
    own, hashes = (read_only(np.concatenate(each)) for each in zip(*lists, strict=True))
    rows = len(own)
    session, to_dst = np.empty(rows, np.int32), np.empty(rows, np.bool_)
    # NumPy asks for huge pages where it allocates much, numba does not: hence room is made here; what is not used of it
    # costs nothing
    book, history = _with_room(np.empty((0, WORDS), np.int64), np.empty((0, HISTORY), np.uint8), 4096 + rows // 4)
    slots = np.full(1 << max(12, (rows // 4).bit_length()), -1, np.int32)
    at, count = 0, 0
    while True:
        at, count = _fold(packets, idle, own, hashes, session, to_dst, book, history, slots, at, count)
        if at == rows:
            break
        if count == len(book):
            book, history = _with_room(book, history, 2 * count)
        if 2 * count >= len(slots):
            larger = np.full(2 * len(slots), -1, np.int32)
            _refill(book, _ODD, slots, larger)
            slots = larger
    return session, to_dst, book[:count], history[:count]


def _places(books: list[np.ndarray]) -> list[np.ndarray]:
    """Return int32 places of the conversations of each book, in the order of their first packets."""
    firsts = [np.ascontiguousarray(book[:, FIRST]) for book in books]
    bounds = np.cumsum([0, *map(len, firsts)])
    first = np.concatenate(firsts)
    if all((each[1:] > each[:-1]).all() for each in firsts):
        places = _merged(read_only(first), bounds)
    else:  # a SYN went over to a conversation of its own
        places = np.empty(len(first), np.int32)
        places[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return [read_only(each) for each in np.split(places, bounds[1:-1])]


def _with_room(book: np.ndarray, history: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    # a page begins where a line of the processor's cache does
    spare = np.empty(room * WORDS + 8, np.int64)
    begin = -spare.ctypes.data // 8 % 8
    larger = spare[begin : begin + room * WORDS].reshape(room, WORDS), np.empty((room, HISTORY), np.uint8)
    for old, new in zip((book, history), larger, strict=True):
        new[: len(old)] = old
    return larger


# Indices are unsigned below, which spares the look whether one counts from the end; the caller has made the room.


@njit(inline="always")
def _key(packets, r):
    """Return the two words of a packet's key, and whether it goes from the endpoint of the lower number."""
    a = (np.int64(packets.src[r]) << 16) | np.int64(packets.sport[r])
    b = (np.int64(packets.dst[r]) << 16) | np.int64(packets.dport[r])
    forward = a <= b
    key_a = (a if forward else b) | (np.int64(packets.kind[r]) << 49)
    if packets.one_way[r] and not forward:
        key_a |= np.int64(1) << 48
    return key_a, b if forward else a, forward


@njit(inline="always")
def _hash(key_a, key_b, odd):
    # one key is folded before the other comes to it (see interning); unsigned, because it wraps
    mixed = np.uint64(key_a) * odd[0]
    return np.uint32(((mixed ^ (mixed >> np.uint64(32)) ^ np.uint64(key_b)) * odd[1]) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _parted(packets, odd, begin, until, parts):
    """Return for each part the rows of its packets, int32, and their hashes, uint32; rows without a conversation are of none."""
    own = np.empty((parts, until - begin), np.int32)
    hashes = np.empty((parts, until - begin), np.uint32)
    counts = np.zeros(parts, np.int64)
    for row in range(begin, until):
        r = np.uintp(row)
        if packets.no_ip[r] or packets.src[r] < 0 or packets.dst[r] < 0:
            continue
        key_a, key_b, _ = _key(packets, r)
        mixed = _hash(key_a, key_b, odd)
        # the uppermost bits tell the part: no table is so large that they tell a place, too
        part = np.uintp((mixed >> np.uint32(29)) & np.uint32(parts - 1))
        at = np.uintp(counts[part])
        own[part, at] = row
        hashes[part, at] = mixed
        counts[part] += 1
    return [(own[part, : counts[part]], hashes[part, : counts[part]]) for part in range(parts)]


@njit(cache=True, nogil=True)
def _merged(first, bounds):
    """Return the place that each number has among all, of lists that are in order each: list p ends where p + 1 begins."""
    places = np.empty(len(first), np.int32)
    heads = bounds[:-1].copy()
    for place in range(len(first)):
        least, of = np.int64(0x7FFFFFFFFFFFFFFF), 0
        for each in range(len(heads)):
            if heads[each] < bounds[each + 1] and first[heads[each]] < least:
                least, of = first[heads[each]], each
        places[heads[of]] = place
        heads[of] += 1
    return places


@njit(cache=True, nogil=True)
def _refill(book, odd, slots, larger):
    mask = np.int64(len(larger) - 1)
    for number in slots:
        if number >= 0:
            slot = np.int64(_hash(book[np.uintp(number), KEY_A], book[np.uintp(number), KEY_B], odd)) & mask
            while larger[np.uintp(slot)] >= 0:
                slot = (slot + 1) & mask
            larger[np.uintp(slot)] = number


@njit(cache=True, nogil=True)
def _fold(packets, idle, own, hashes, session, to_dst, book, history, slots, at, count):
    """Fold the packets of the rows in `own` from place `at` on; return the place reached and the count of conversations.

    That is the end, or where more room is needed. `session` and `to_dst` have a place for each of these packets.
    """
    mask = np.int64(len(slots) - 1)
    room = min(len(book), len(slots) // 2)
    for at in range(at, len(own)):  # noqa: B020
        o, r = np.uintp(at), np.uintp(own[np.uintp(at)])
        # most of the time goes by waiting for memory: what later packets need is asked for now
        if at + _AHEAD < len(own):
            prefetch(slots, np.int64(hashes[np.uintp(at + _AHEAD)]) & mask)
            behind = np.int64(slots[np.uintp(np.int64(hashes[np.uintp(at + _AHEAD // 2)]) & mask)])
            if behind >= 0:
                for line in range(0, WORDS, 8):
                    prefetch(book, behind * WORDS + line)
        slot = np.int64(hashes[o]) & mask
        sport, dport = np.int64(packets.sport[r]), np.int64(packets.dport[r])
        what = np.int64(packets.kind[r])
        key_a, key_b, forward = _key(packets, r)
        is_tcp = what == 6 and not packets.no_tcp[r]
        flag = np.int64(packets.tcp_flags[r])
        seq = np.int64(packets.seq[r])
        syn_only = is_tcp and (flag & (TH_SYN | TH_ACK)) == TH_SYN
        time = packets.time[r]

        number = np.int64(slots[np.uintp(slot)])
        while number >= 0 and (book[np.uintp(number), KEY_A] != key_a or book[np.uintp(number), KEY_B] != key_b):
            slot = (slot + 1) & mask
            number = np.int64(slots[np.uintp(slot)])

        fresh = number < 0
        page = np.uintp(number)
        bits = np.int64(0)
        if not fresh:
            bits = book[page, KNOWN_BITS]
            ended = book[page, END]
            # as unsigned numbers, because times may lie further apart than a signed one can tell
            if (
                time != _NOT_A_TIME
                and ended != _NOT_A_TIME
                and time > ended
                and np.uint64(time - ended) > np.uint64(idle[np.uintp(min(what, len(idle) - 1))])
            ):
                fresh = True
            elif syn_only and seq != book[page, ISN]:
                over = (bits & FIN_SRC and bits & FIN_DST) or bits & (RST_SRC | RST_DST)
                from_opener = forward == (bits & LOWER_OPENED > 0)
                unanswered = from_opener and bits & SYN and book[page, TALLY + 3] == 0
                if over or unanswered:
                    fresh = True
                elif bits & SYN_ACK or not bits & SYN:
                    # the other end decides: if it takes this SYN, it is a new conversation (see below)
                    book[page, WAITING] = at + 1
                    book[page, WAITING_ISN] = seq
                    book[page, WAITING_END] = ended
            elif (
                is_tcp
                and book[page, WAITING]
                and (flag & (TH_SYN | TH_ACK)) == TH_SYN | TH_ACK
                and np.int64(packets.ack[r]) == (book[page, WAITING_ISN] + 1) & 0xFFFFFFFF
                and packets.src[r] == packets.dst[np.uintp(own[np.uintp(book[page, WAITING] - 1)])]
                and packets.sport[r] == packets.dport[np.uintp(own[np.uintp(book[page, WAITING] - 1)])]
            ):
                if count >= room:
                    return at, count
                # The port was used again without a close that was seen: the SYN goes over to a conversation of its own.
                waiting = np.uintp(book[page, WAITING] - 1)
                w = np.uintp(own[waiting])
                old = np.int64(0) if to_dst[waiting] else np.int64(1)
                book[page, np.uintp(TALLY + 3 * old)] -= 1
                book[page, np.uintp(TALLY + 3 * old + 1)] -= np.int64(packets.octets[w])
                book[page, np.uintp(TALLY + 3 * old + 2)] -= np.int64(packets.payload[w])
                book[page, END] = book[page, WAITING_END]
                book[page, WAITING] = 0
                number = np.int64(count)
                page = np.uintp(number)
                slots[np.uintp(slot)] = number
                count += 1
                bits = np.int64(KNOWN)
                if not forward:  # the SYN came the other way
                    bits |= LOWER_OPENED
                begin_page(book, page, key_a, key_b, packets.time[w], np.int64(w), np.int64(packets.seq[w]))
                session[waiting] = number
                to_dst[waiting] = True
                bits = count_packet(packets, w, book, history, page, bits, np.int64(0), True, what)
                book[page, KNOWN_BITS] = bits

        if fresh:
            if count >= room:
                return at, count
            number = np.int64(count)
            page = np.uintp(number)
            slots[np.uintp(slot)] = number
            count += 1
            # who opened: the sender of the first packet, unless that was an answer or the middle of a conversation
            sender = True
            bits = np.int64(KNOWN)
            if what == 6:
                if is_tcp and flag & TH_SYN:
                    sender = not flag & TH_ACK
                else:
                    sender = not sport < dport  # a guess: the lower port is the service
                    bits = np.int64(0)
            elif (what == 17 or what == 132 or what == 136) and sport < 1024 <= dport:
                sender = False
                bits = np.int64(0)
            elif (what == 1 and (sport == 0 or sport == 14 or sport == 16 or sport == 18)) or (
                what == 58 and (sport == 129 or sport == 140)
            ):
                sender = False  # an answer: who asked was not seen
                bits = np.int64(0)
            if not sender:
                bits |= FLIPPED
            if forward == sender:
                bits |= LOWER_OPENED
            begin_page(book, page, key_a, key_b, time, np.int64(r), seq if syn_only else np.int64(-1))
            if bits & FLIPPED:
                write_letter(book, history, page, 94, 0)

        side = np.int64(0) if forward == (bits & LOWER_OPENED > 0) else np.int64(1)
        session[o] = number
        to_dst[o] = side == 0
        if time != _NOT_A_TIME:
            if time > book[page, END] or book[page, END] == _NOT_A_TIME:
                book[page, END] = time
            if time < book[page, START] or book[page, START] == _NOT_A_TIME:
                book[page, START] = time
        book[page, KNOWN_BITS] = count_packet(packets, r, book, history, page, bits, side, is_tcp, what)
    return len(own), count


@njit(cache=True, nogil=True)
def _number(own, numbers, sides, places, session, to_dst):
    """Write conversation and direction of the packets of the rows in `own` down."""
    for at in range(len(own)):
        o, r = np.uintp(at), np.uintp(own[np.uintp(at)])
        session[r] = places[np.uintp(numbers[o])]
        to_dst[r] = sides[o]
