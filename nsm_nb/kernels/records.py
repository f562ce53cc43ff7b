"""Walking the records of a capture held in a buffer: where each frame stands, its lengths and its time.

All kernels stop before a record that is not whole in the buffer; the caller moves the rest to the front and reads on.

Source: draft-ietf-opsawg-pcap and libpcap's sf-pcap.c (pcap), draft-ietf-opsawg-pcapng 4.1-4.6 (pcapng), RFC 1761 (snoop).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nsm_nb.kernels.numbers import be32, be64, le32

__all__ = [
    "BLOCK", "DAMAGE", "LARGEST_FRAME", "MORE", "NOT_A_TIME", "Interface", "Seen", "to_nanoseconds", "walk_pcap",
    "walk_pcapng", "walk_snoop",
]  # fmt: skip

MORE, DAMAGE, BLOCK = 0, 1, 2  # why a walk stopped: buffer used up; a length can't be true; a block for the caller
LARGEST_FRAME = 262_144  # MAXIMUM_SNAPLEN of libpcap; a longer frame is taken for damage (hostile.md T3)
NOT_A_TIME = np.iinfo(np.int64).min


class Seen:
    """Places of what a walk counts, in an int64 array of `SIZE`; a row comes after each count: the first that it is true of."""

    OVER_SNAPLEN, OVER_SNAPLEN_ROW, PART, PART_ROW = range(4)  # PART: fractions of a second that are a second or more
    DROPS = 4  # frames that the file says were dropped before or between those it holds
    NAMES, SECRETS, STATISTICS, UNKNOWN, UNKNOWN_KIND, COMMENTS, OVERRUN = range(5, 12)  # blocks of pcapng
    SIZE = 12


class Interface:
    """Columns of what is known of an interface of pcapng; `STAMP` is three columns wide, see `to_nanoseconds`."""

    LINK, STAMP, SNAPLEN, RECEIVED, DROPPED, SIZE = 0, 1, 4, 5, 6, 7


_DAY = 86_400 * 1_000_000_000
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _NAMES, _STATISTICS, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6
_SECRETS = 10
_OPT_COMMENT, _EPB_DROPCOUNT = 1, 4
_ISB_IFRECV, _ISB_IFDROP, _ISB_OSDROP = 4, 5, 7
MOST_NAMES = 64  # blocks of names that the caller is shown
_OVER_SNAPLEN, _PART, _DROPS = Seen.OVER_SNAPLEN, Seen.PART, Seen.DROPS
_SEEN_NAMES, _SEEN_SECRETS, _SEEN_STATISTICS = Seen.NAMES, Seen.SECRETS, Seen.STATISTICS
_UNKNOWN, _UNKNOWN_KIND, _COMMENTS, _OVERRUN = Seen.UNKNOWN, Seen.UNKNOWN_KIND, Seen.COMMENTS, Seen.OVERRUN
_LINK, _STAMP, _SNAPLEN = Interface.LINK, Interface.STAMP, Interface.SNAPLEN
_RECEIVED, _DROPPED = Interface.RECEIVED, Interface.DROPPED


@njit(inline="always")
def _u32(b, i, big):
    return be32(b, i) if big else le32(b, i)


@njit(inline="always")
def _u16(b, i, big):
    one, two = np.int64(b[np.uintp(i)]), np.int64(b[np.uintp(i + 1)])
    return one << 8 | two if big else two << 8 | one


@njit(inline="always")
def _u64(b, i, big):
    return _u32(b, i, big) << 32 | _u32(b, i + 4, big) if big else _u32(b, i + 4, big) << 32 | _u32(b, i, big)


@njit(inline="always")
def _note(seen, what, row):
    if seen[what] == 0:
        seen[what + 1] = row
    seen[what] += 1


@njit(cache=True, nogil=True)
def _another_begins(b, at):
    """Return True where the header of another capture may stand: pcap's in any variant, or snoop's."""
    for number in (be32(b, at), le32(b, at)):
        if number in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34, 0x1C0001AC, 0x1C0001AB, 0x736E6F6F):
            return True
    return False


@njit(cache=True, nogil=True)
def _holds_no_record(b, at):
    """Return True for a record without a byte that is none: zeros, or the header of a file that was appended."""
    return be64(b, at) == 0 or _another_begins(b, at)


@njit(cache=True, nogil=True)
def walk_pcap(
    buffer, start, end, big, tick, head, swapped, snaplen, strict, base, offset, captured, length, time, first, n, seen
):  # fmt: skip
    """Walk pcap records in ``buffer[start:end]``; write one row for each frame, from row `n` on.

    Parameters
    ----------
    buffer : uint8 array
    start, end : int
        The bytes to look at.
    big : bool
        True where numbers are big-endian.
    tick : int
        Nanoseconds of one unit of the second time field: 1,000 or 1.
    head : int
        Bytes of a record's header: 16, or 24 in Kuznetzov's variant.
    swapped : int
        1 where the two lengths stand in the other order (before version 2.3), 2 where they do if the first is the larger.
    snaplen : int
        The most bytes that the file says it keeps of a frame.
    strict : bool
        Take a record for damage where two things about it can't be right: a fraction of a second that is one or more, more
        bytes than `snaplen`, fewer bytes on the wire or more than there can be, no bytes at all, a time more than a day from that
        of the row before.
    base : int
        Where ``buffer[0]`` stands in the evidence.
    offset, captured, length, time : arrays
        Written; the caller has made room for ``(end - start) // 16`` more rows.
    first, n : int
        The first row of this file, and the rows already written.
    seen : int64 array
        Counted in, see `Seen`.

    Returns
    -------
    n, position, why : int
        Rows now, the first byte not used, and `MORE` or `DAMAGE`.
    """
    at = start
    second = 1_000_000_000 // tick
    while end - at >= head:
        size = _u32(buffer, at + 8, big)
        wire = _u32(buffer, at + 12, big)
        if swapped and (swapped == 1 or size > wire):
            size, wire = wire, size
        if size > LARGEST_FRAME or (size == 0 and wire == 0 and _holds_no_record(buffer, at)):
            return n, at, DAMAGE
        if size > end - at - head:
            return n, at, MORE
        stamp = _u32(buffer, at, big) * 1_000_000_000
        part = _u32(buffer, at + 4, big)
        if strict:
            far = n > first and abs(stamp - time[n - 1]) > _DAY
            doubts = np.int64(part >= second) + np.int64(wire < size or wire > LARGEST_FRAME) + np.int64(size > snaplen)
            if doubts + np.int64(size == 0) + np.int64(far) > 1:
                return n, at, DAMAGE
        if part >= second:
            _note(seen, _PART, n)
        if size > snaplen:
            _note(seen, _OVER_SNAPLEN, n)
        row = np.uintp(n)
        time[row] = stamp + part * tick
        captured[row] = size
        length[row] = wire
        offset[row] = base + at + head
        n += 1
        at += head + size
    return n, at, MORE


@njit(cache=True, nogil=True)
def walk_snoop(buffer, start, end, base, offset, captured, length, time, n, seen):
    """Walk the records of a snoop capture in ``buffer[start:end]``; parameters and results as `walk_pcap`.

    `Seen.DROPS` becomes the cumulative drops of the last record.
    """
    at = start
    while end - at >= 24:
        wire = be32(buffer, at)
        size = be32(buffer, at + 4)
        record = be32(buffer, at + 8)
        if size > LARGEST_FRAME or record < 24 + size or record > LARGEST_FRAME + 65_536:
            return n, at, DAMAGE
        if record > end - at:
            return n, at, MORE
        part = be32(buffer, at + 20)
        if part >= 1_000_000:
            _note(seen, _PART, n)
        seen[_DROPS] = be32(buffer, at + 12)
        time[n] = be32(buffer, at + 16) * 1_000_000_000 + part * 1000
        captured[n] = size
        length[n] = wire
        offset[n] = base + at + 24
        n += 1
        at += record
    return n, at, MORE


@njit(cache=True)
def to_nanoseconds(high, low, exponent, shift, epoch):
    """Return a pcapng time stamp in nanoseconds since 1970, or `NOT_A_TIME` where it does not fit.

    Parameters
    ----------
    high, low : int
        The two 32-bit halves of the stamp.
    exponent : int
        Units are 10**-exponent seconds; -1 where they are a power of two.
    shift : int
        Units are 2**-shift seconds, where `exponent` is -1.
    epoch : int
        if_tsoffset, seconds.

    Notes
    -----
    *Source*: draft-ietf-opsawg-pcapng 4.2, if_tsresol and if_tsoffset.
    """
    stamp = np.uint64(high) << np.uint64(32) | np.uint64(low)
    if exponent >= 0:
        units = np.uint64(1)
        for _ in range(min(exponent, 19)):
            units *= np.uint64(10)
        if exponent > 19:
            return NOT_A_TIME
        seconds = stamp // units
        rest = stamp % units
        if exponent <= 9:
            for _ in range(9 - exponent):
                rest *= np.uint64(10)
        else:
            for _ in range(exponent - 9):
                rest //= np.uint64(10)
    else:
        if shift > 63:
            return NOT_A_TIME
        seconds = stamp >> np.uint64(shift)
        rest = stamp & ((np.uint64(1) << np.uint64(shift)) - np.uint64(1))
        if shift > 34:  # 2**34 * 10**9 is the most that fits
            rest >>= np.uint64(shift - 34)
            shift = 34
        rest = (rest * np.uint64(1_000_000_000)) >> np.uint64(shift)
    if seconds > np.uint64(9_223_372_035) or epoch > 9_223_372_035 or epoch < -9_223_372_035:
        return NOT_A_TIME
    total = np.int64(seconds) + epoch
    if total > 9_223_372_035 or total < -9_223_372_035:
        return NOT_A_TIME
    return total * 1_000_000_000 + np.int64(rest)


@njit(cache=True, nogil=True)
def _packet_options(buffer, at, stop, big, row, seen, comments):
    """Count the comments and the drops among the options of a packet block; keep where the first comments stand."""
    while stop - at >= 4:
        code = _u16(buffer, at, big)
        size = _u16(buffer, at + 2, big)
        at += 4
        if code == 0:
            return
        if size > stop - at:
            seen[_OVERRUN] += 1
            return
        if code == _OPT_COMMENT:
            if seen[_COMMENTS] < len(comments):
                comments[seen[_COMMENTS], 0] = at
                comments[seen[_COMMENTS], 1] = size
                comments[seen[_COMMENTS], 2] = row
            seen[_COMMENTS] += 1
        elif code == _EPB_DROPCOUNT and size >= 8:
            seen[_DROPS] += min(max(_u64(buffer, at, big), 0), 1 << 40)
        at += size + (-size & 3)


@njit(cache=True, nogil=True)
def _statistics(buffer, at, stop, big, interface):
    """Take the counters of an interface out of the options of a statistics block; each replaces the one before."""
    dropped = np.int64(-1)
    while stop - at >= 4:
        code = _u16(buffer, at, big)
        size = _u16(buffer, at + 2, big)
        at += 4
        if code == 0 or size > stop - at:
            break
        if size >= 8:
            value = min(max(_u64(buffer, at, big), 0), 1 << 60)
            if code == _ISB_IFRECV:
                interface[_RECEIVED] = value
            elif code in (_ISB_IFDROP, _ISB_OSDROP):
                dropped = max(dropped, 0) + value
        at += size + (-size & 3)
    if dropped >= 0:
        interface[_DROPPED] = dropped


@njit(cache=True, nogil=True)
def walk_pcapng(
    buffer, start, end, big, interfaces, base, offset, captured, length, time, link, n, seen, comments
):  # fmt: skip
    """Walk pcapng blocks in ``buffer[start:end]``; write one row for each packet block.

    Parameters
    ----------
    buffer, start, end, big, base, offset, captured, length, time, n, seen
        As in `walk_pcap`; the caller has made room for ``(end - start) // 16`` more rows.
    interfaces : int64 array, shape (k, 7)
        Of each interface of this section, see `Interface`; its counters are written.
    link : uint16 array
        Written: the link type of each frame.
    comments : int64 array, shape (k, 3)
        Written, as far as it reaches: where in the buffer comments of packets stand, their bytes, their row.

    Returns
    -------
    n, position, why : int
        As in `walk_pcap`; `BLOCK` where a block stands at `position` that the caller has to read.
    """
    at = start
    while end - at >= 12:
        kind = _u32(buffer, at, big)
        if kind == _SECTION:
            return n, at, BLOCK  # its length is in the byte order of the section that begins
        size = _u32(buffer, at + 4, big)
        if size < 12 or size & 3 or (kind > 0xFFFF and _another_begins(buffer, at)):
            return n, at, DAMAGE
        if kind == _INTERFACE or (kind == _NAMES and seen[_SEEN_NAMES] < MOST_NAMES):
            return n, at, BLOCK
        if size > end - at:
            return n, at, MORE
        if _u32(buffer, at + size - 4, big) != size:
            return n, at, DAMAGE
        row = np.uintp(n)
        if kind in (_ENHANCED, _PACKET):
            if size < 32:
                return n, at, DAMAGE
            which = _u32(buffer, at + 8, big) if kind == _ENHANCED else _u16(buffer, at + 8, big)
            held = _u32(buffer, at + 20, big)
            if which >= len(interfaces) or held > size - 32 or held > LARGEST_FRAME:
                return n, at, DAMAGE
            time[row] = to_nanoseconds(
                _u32(buffer, at + 12, big),
                _u32(buffer, at + 16, big),
                interfaces[which, _STAMP],
                interfaces[which, _STAMP + 1],
                interfaces[which, _STAMP + 2],
            )
            captured[row] = held
            length[row] = _u32(buffer, at + 24, big)
            offset[row] = base + at + 28
            link[row] = interfaces[which, _LINK]
            if held > interfaces[which, _SNAPLEN]:
                _note(seen, _OVER_SNAPLEN, n)
            if kind == _PACKET and _u16(buffer, at + 10, big) != 0xFFFF:
                seen[_DROPS] += _u16(buffer, at + 10, big)
            options = at + 28 + held + (-held & 3)
            if at + size - 4 - options >= 4:
                _packet_options(buffer, options, at + size - 4, big, n, seen, comments)
            n += 1
        elif kind == _SIMPLE:
            if size < 16 or len(interfaces) == 0:
                return n, at, DAMAGE
            wire = _u32(buffer, at + 8, big)
            held = min(min(wire, interfaces[0, _SNAPLEN]), size - 16)
            if held > LARGEST_FRAME:
                return n, at, DAMAGE
            time[row] = NOT_A_TIME
            captured[row] = held
            length[row] = wire
            offset[row] = base + at + 12
            link[row] = interfaces[0, _LINK]
            n += 1
        elif kind == _STATISTICS:
            seen[_SEEN_STATISTICS] += 1
            if size >= 24:
                which = _u32(buffer, at + 8, big)
                if which < len(interfaces):
                    _statistics(buffer, at + 20, at + size - 4, big, interfaces[which])
        elif kind == _SECRETS:
            seen[_SEEN_SECRETS] += 1
        elif kind == _NAMES:
            seen[_SEEN_NAMES] += 1
        else:
            if seen[_UNKNOWN] == 0:
                seen[_UNKNOWN_KIND] = kind
            seen[_UNKNOWN] += 1
        at += size
    return n, at, MORE
