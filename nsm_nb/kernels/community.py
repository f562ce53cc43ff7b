"""Community ID version 1: the hash by which tools name the same conversation.

Source: github.com/corelight/community-id-spec (version 1); FIPS 180-4 (SHA-1); RFC 4648 (base64).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["LENGTH", "community_ids"]

LENGTH = 30  # "1:" and 28 characters of base64
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
_LANES = 64  # hashes that are worked out side by side, which lets the processor do eight at once


@njit(inline="always")
def _rotated(x, bits):
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


@njit(inline="always")
def _turn(state, w, step, lane, mixed, constant):
    # the five words change places at each step; here their places turn and the words stay
    a, b, e = np.uintp((80 - step) % 5), np.uintp((81 - step) % 5), np.uintp((84 - step) % 5)
    state[e, lane] += _rotated(state[a, lane], 5) + mixed + np.uint32(constant) + w[np.uintp(step), lane]
    state[b, lane] = _rotated(state[b, lane], 30)


@njit(cache=True)
def _sha1_blocks(w, state):
    """Hash one block of 64 bytes in each lane: `w` holds sixteen words a lane and room for eighty; `state` becomes the digest.

    *Source*: FIPS 180-4, 6.1.2.
    """
    for step in range(16, 80):
        i, j, k, m = np.uintp(step - 3), np.uintp(step - 8), np.uintp(step - 14), np.uintp(step - 16)
        for lane in range(_LANES):
            w[np.uintp(step), lane] = _rotated(w[i, lane] ^ w[j, lane] ^ w[k, lane] ^ w[m, lane], 1)
    for lane in range(_LANES):
        state[0, lane] = 0x67452301
        state[1, lane] = 0xEFCDAB89
        state[2, lane] = 0x98BADCFE
        state[3, lane] = 0x10325476
        state[4, lane] = 0xC3D2E1F0
    for step in range(80):
        b, c, d = np.uintp((81 - step) % 5), np.uintp((82 - step) % 5), np.uintp((83 - step) % 5)
        if step < 20:
            for lane in range(_LANES):
                x, y, z = state[b, lane], state[c, lane], state[d, lane]
                _turn(state, w, step, lane, (x & y) | (~x & z), 0x5A827999)
        elif step < 40:
            for lane in range(_LANES):
                x, y, z = state[b, lane], state[c, lane], state[d, lane]
                _turn(state, w, step, lane, x ^ y ^ z, 0x6ED9EBA1)
        elif step < 60:
            for lane in range(_LANES):
                x, y, z = state[b, lane], state[c, lane], state[d, lane]
                _turn(state, w, step, lane, (x & y) | (x & z) | (y & z), 0x8F1BBCDC)
        else:
            for lane in range(_LANES):
                x, y, z = state[b, lane], state[c, lane], state[d, lane]
                _turn(state, w, step, lane, x ^ y ^ z, 0xCA62C1D6)
    for lane in range(_LANES):
        state[0, lane] += np.uint32(0x67452301)
        state[1, lane] += np.uint32(0xEFCDAB89)
        state[2, lane] += np.uint32(0x98BADCFE)
        state[3, lane] += np.uint32(0x10325476)
        state[4, lane] += np.uint32(0xC3D2E1F0)


@njit(cache=True, nogil=True)
def community_ids(src_high, src_low, dst_high, dst_low, tag, sport, dport, protocol, one_way, has_ports, seed, text):
    """Write the Community IDs as ASCII into `text`, uint8, shape (n, `LENGTH`).

    Parameters
    ----------
    src_high, src_low, dst_high, dst_low : int64 arrays
        Addresses as bit patterns.
    tag : int64 array
        4 or 6.
    sport, dport : uint16 arrays
        Ports, or for ICMP the type and what the specification puts beside it.
    protocol : uint8 array
    one_way : bool array
        True for ICMP messages that have no answer: their endpoints are not put in order.
    has_ports : bool array
        False for protocols without ports, whose hash leaves them out.
    seed : int
        0 but for sites that agreed on another.
    """
    count = len(protocol)
    w = np.zeros((80, _LANES), np.uint32)
    state = np.zeros((5, _LANES), np.uint32)
    for start in range(0, count, _LANES):
        lanes = min(_LANES, count - start)
        for lane in range(lanes):
            row = np.uintp(start + lane)
            sh, sl, sp = src_high[row], src_low[row], np.int64(sport[row])
            dh, dl, dp = dst_high[row], dst_low[row], np.int64(dport[row])
            larger = np.uint64(sh) > np.uint64(dh) or (sh == dh and np.uint64(sl) > np.uint64(dl))
            if not one_way[row] and (larger or (sh == dh and sl == dl and sp > dp)):
                sh, sl, sp, dh, dl, dp = dh, dl, dp, sh, sl, sp
            # two bytes of seed stand first, so that everything after them lies across two words
            held, at = np.int64(seed), 0
            if tag[row] == 6:
                held, at = _put(w, lane, at, held, sh >> 32)
                held, at = _put(w, lane, at, held, sh)
                held, at = _put(w, lane, at, held, sl >> 32)
                held, at = _put(w, lane, at, held, sl)
                held, at = _put(w, lane, at, held, dh >> 32)
                held, at = _put(w, lane, at, held, dh)
                held, at = _put(w, lane, at, held, dl >> 32)
                held, at = _put(w, lane, at, held, dl)
            else:
                held, at = _put(w, lane, at, held, sl)
                held, at = _put(w, lane, at, held, dl)
            if has_ports[row]:
                held, at = _put(w, lane, at, held, (np.int64(protocol[row]) << 24) | sp)
                held, at = _put(w, lane, at, held, (dp << 16) | 0x8000)  # the bit that ends a message of SHA-1
            else:
                held, at = _put(w, lane, at, held, (np.int64(protocol[row]) << 24) | 0x8000)
            size = at * 32
            held, at = _put(w, lane, at, held, 0)
            for place in range(at, 15):
                w[np.uintp(place), lane] = 0
            w[15, lane] = size
        _sha1_blocks(w, state)
        for lane in range(lanes):
            row = np.uintp(start + lane)
            text[row, 0] = 49
            text[row, 1] = 58
            # five words are 26 digits of six bits, and a last one of four bits
            held, bits, word = np.int64(0), 0, 0
            for place in range(2, LENGTH - 2):
                if bits < 6:
                    held = (held << 32) | np.int64(state[np.uintp(word), lane])
                    bits += 32
                    word += 1
                bits -= 6
                text[row, np.uintp(place)] = _BASE64[np.uintp((held >> bits) & 63)]
            text[row, LENGTH - 2] = _BASE64[np.uintp((held << 2) & 63)]
            text[row, LENGTH - 1] = 61


@njit(inline="always")
def _put(w, lane, at, held, value):
    """Write a word of the 16 bits held and the upper 16 of 32 more; return the lower 16 and the next place."""
    w[np.uintp(at), lane] = np.uint32(((held & 0xFFFF) << 16) | ((value >> 16) & 0xFFFF))
    return value & 0xFFFF, at + 1
