"""How well conversations went: what was sent again, late or never seen, window zero, round trips, times to live, silence.

Holes in what each side sent are kept in a list of their own; at most `HOLES` of a side are looked through for a segment, so
that no capture makes it slow: what lies deeper counts as sent again, and its hole stays missing.

Source: RFC 9293 3.4 (sequence numbers), RFC 1982 (their order); tshark's tcp.analysis for the zero window and initial RTT.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["COUNTS", "HOLES", "measure"]

COUNTS = ("retransmitted", "out_of_order", "duplicate", "missing", "zero_windows")
HOLES = 256
_AGAIN, _LATE, _TWICE, _MISSING, _ZERO = range(5)
TH_FIN, TH_SYN, TH_RST, TH_ACK = 0x01, 0x02, 0x04, 0x10  # RFC 9293 3.1
_NOT_A_TIME = np.iinfo(np.int64).min


@njit(cache=True, nogil=True)
def measure(count, session, to_dst, time, flags, no_tcp, seq, ack, size, window, ttl, no_ip, ip_id):
    """Return counts (conversations, 2, len(COUNTS)), TTLs (conversations, 2, 2) and nanoseconds (conversations, 3).

    Parameters
    ----------
    count
        How many conversations there are.
    session : int32 array
        The conversation of each packet, from 0, -1 for none; packets stand in order of time.
    to_dst : bool array
        True where it goes from src to dst.
    time, flags, no_tcp, seq, ack, size, window, ttl, no_ip, ip_id
        Columns of PACKETS; `size` is the payload.
    """
    counts = np.zeros((count, 2, 5), np.int64)
    ttls = np.full((count, 2, 2), -1, np.int16)
    spans = np.full((count, 3), -1, np.int64)  # SYN to SYN-ACK, SYN to ACK, the largest silence
    last = np.full(count, _NOT_A_TIME, np.int64)
    opened = np.full((count, 2), _NOT_A_TIME, np.int64)  # SYN, SYN-ACK
    following = np.full((count, 2), -1, np.int64)  # the number after the highest, unwrapped
    before = np.full((count, 2), -1, np.int64)  # the row before, of each side
    heads = np.full((count, 2), -1, np.int64)
    holes = np.empty((64, 3), np.int64)  # start, end, the next
    met = 0
    for row in range(len(session)):
        number = session[row]
        if number < 0:
            continue
        side = 0 if to_dst[row] else 1
        if time[row] != _NOT_A_TIME:
            if last[number] != _NOT_A_TIME:
                spans[number, 2] = max(spans[number, 2], time[row] - last[number])
            last[number] = max(last[number], time[row])
        if not no_ip[row]:
            if ttls[number, side, 0] < 0 or ttl[row] < ttls[number, side, 0]:
                ttls[number, side, 0] = ttl[row]
            ttls[number, side, 1] = max(ttls[number, side, 1], ttl[row])
        if no_tcp[row]:
            continue
        flag = flags[row]
        other = before[number, side]
        before[number, side] = row
        if (
            other >= 0 and ip_id[other] == ip_id[row] and ip_id[row] != 0 and seq[other] == seq[row]
            and ack[other] == ack[row] and size[other] == size[row] and flags[other] == flag
        ):  # fmt: skip
            counts[number, side, _TWICE] += 1  # the same packet, seen twice
            continue
        if flag & TH_SYN:
            place = 1 if flag & TH_ACK else 0
            if place == 1 or side == 0:
                opened[number, place] = time[row]
            if place == 1 and spans[number, 0] < 0 and opened[number, 0] != _NOT_A_TIME and side == 1:
                spans[number, 0] = time[row] - opened[number, 0]
        elif flag & TH_ACK and side == 0 and spans[number, 0] >= 0 and spans[number, 1] < 0:
            spans[number, 1] = time[row] - opened[number, 0]
        if window[row] == 0 and not flag & (TH_SYN | TH_FIN | TH_RST):
            counts[number, side, _ZERO] += 1
        length = np.int64(size[row]) + (1 if flag & TH_SYN else 0) + (1 if flag & TH_FIN else 0)
        if length == 0 or flag & TH_RST:
            continue
        known = following[number, side]
        if known < 0:
            following[number, side] = np.int64(seq[row]) + (1 << 32) + length  # room for what came before
            continue
        ahead = (np.int64(seq[row]) - known) & 0xFFFFFFFF
        start = known + (ahead - (1 << 32) if ahead >= 1 << 31 else ahead)
        end = start + length
        if start > known:
            if met == len(holes):
                larger = np.empty((2 * met, 3), np.int64)
                larger[:met] = holes
                holes = larger
            holes[met, 0], holes[met, 1], holes[met, 2] = known, start, heads[number, side]
            heads[number, side] = met
            met += 1
            counts[number, side, _MISSING] += start - known
        elif start < known and not (size[row] == 1 and length == 1 and start == known - 1):  # a keep-alive is not
            filled = np.int64(0)
            place, parent = heads[number, side], np.int64(-1)
            for _ in range(HOLES):
                if place < 0:
                    break
                low, high, deeper = holes[place, 0], holes[place, 1], holes[place, 2]
                from_, upto = max(low, start), min(high, end)
                if from_ < upto:
                    filled += upto - from_
                    if low == from_ and high == upto:  # filled: out of the list
                        if parent < 0:
                            heads[number, side] = deeper
                        else:
                            holes[parent, 2] = deeper
                        place = deeper
                        continue
                    if low < from_ and upto < high:  # two are left
                        if met == len(holes):
                            larger = np.empty((2 * met, 3), np.int64)
                            larger[:met] = holes
                            holes = larger
                        holes[met, 0], holes[met, 1], holes[met, 2] = upto, high, deeper
                        holes[place, 1], holes[place, 2] = from_, met
                        met += 1
                    elif low < from_:
                        holes[place, 1] = from_
                    else:
                        holes[place, 0] = upto
                parent, place = place, deeper
            counts[number, side, _MISSING] -= filled
            counts[number, side, _LATE if filled > 0 else _AGAIN] += 1
        following[number, side] = max(known, end)
    return counts, ttls, spans
