"""Walking the records of a capture held in a buffer: where each frame stands, its lengths and its time.

Both kernels stop before a record that is not whole in the buffer; the caller moves the rest to the front and reads on.

Source: draft-ietf-opsawg-pcap (pcap), draft-ietf-opsawg-pcapng 4.1-4.3 (pcapng).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nsm_nb.kernels.numbers import be32, le32

__all__ = ["BLOCK", "DAMAGE", "LARGEST_FRAME", "MORE", "NOT_A_TIME", "to_nanoseconds", "walk_pcap", "walk_pcapng"]

MORE, DAMAGE, BLOCK = 0, 1, 2  # why a walk stopped: buffer used up; a length can't be true; a block for the caller
LARGEST_FRAME = 262_144  # MAXIMUM_SNAPLEN of libpcap; a longer frame is taken for damage (hostile.md T3)
NOT_A_TIME = np.iinfo(np.int64).min

_ENHANCED_PACKET = 6
# blocks that the caller has to know of: section, interface, packet (obsolete), simple packet, names, secrets
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _NAMES, _SECRETS = 0x0A0D0D0A, 1, 2, 3, 4, 10


@njit(inline="always")
def _u32(b, i, big):
    return be32(b, i) if big else le32(b, i)


@njit(cache=True, nogil=True)
def walk_pcap(buffer, start, end, big, tick, base, offset, captured, length, time, n):
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
    base : int
        Where ``buffer[0]`` stands in the evidence.
    offset, captured, length, time : arrays
        Written; the caller has made room for ``(end - start) // 16`` more rows.
    n : int
        Rows already written.

    Returns
    -------
    n, position, why : int
        Rows now, the first byte not used, and `MORE` or `DAMAGE`.
    """
    at = start
    while end - at >= 16:
        size = _u32(buffer, at + 8, big)
        if size > LARGEST_FRAME:
            return n, at, DAMAGE
        if size > end - at - 16:
            return n, at, MORE
        time[n] = _u32(buffer, at, big) * 1_000_000_000 + _u32(buffer, at + 4, big) * tick
        captured[n] = size
        length[n] = _u32(buffer, at + 12, big)
        offset[n] = base + at + 16
        n += 1
        at += 16 + size
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
def walk_pcapng(buffer, start, end, big, interfaces, base, offset, captured, length, time, link, n):
    """Walk pcapng blocks in ``buffer[start:end]``; write one row for each enhanced packet block.

    Parameters
    ----------
    buffer, start, end, big, base, offset, captured, length, time, n
        As in `walk_pcap`; the caller has made room for ``(end - start) // 32`` more rows.
    interfaces : int64 array, shape (k, 4)
        Of each interface of this section: link type, exponent, shift, epoch (see `to_nanoseconds`).
    link : uint16 array
        Written: the link type of each frame.

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
        if size < 12 or size & 3:
            return n, at, DAMAGE
        if kind in (_INTERFACE, _PACKET, _SIMPLE, _NAMES, _SECRETS):
            return n, at, BLOCK
        if size > end - at:
            return n, at, MORE
        if _u32(buffer, at + size - 4, big) != size:
            return n, at, DAMAGE
        if kind == _ENHANCED_PACKET:
            if size < 32:
                return n, at, DAMAGE
            which = _u32(buffer, at + 8, big)
            held = _u32(buffer, at + 20, big)
            if which >= len(interfaces) or held > size - 32 or held > LARGEST_FRAME:
                return n, at, DAMAGE
            time[n] = to_nanoseconds(
                _u32(buffer, at + 12, big),
                _u32(buffer, at + 16, big),
                interfaces[which, 1],
                interfaces[which, 2],
                interfaces[which, 3],
            )
            captured[n] = held
            length[n] = _u32(buffer, at + 24, big)
            offset[n] = base + at + 28
            link[n] = interfaces[which, 0]
            n += 1
        at += size
    return n, at, MORE
