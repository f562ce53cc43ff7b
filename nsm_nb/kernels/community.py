"""Community ID version 1: the hash by which tools name the same conversation.

Source: github.com/corelight/community-id-spec (version 1); FIPS 180-4 (SHA-1); RFC 4648 (base64).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["LENGTH", "community_ids"]

LENGTH = 30  # "1:" and 28 characters of base64
_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)


@njit(inline="always")
def _rotated(x, bits):
    return ((x << np.uint32(bits)) | (x >> np.uint32(32 - bits))) & np.uint32(0xFFFFFFFF)


@njit(cache=True)
def _sha1_block(w, digest):
    """Hash one block of 64 bytes: `w` holds its sixteen words and room for eighty."""
    for i in range(16, 80):
        w[i] = _rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1)
    h0, h1, h2 = np.uint32(0x67452301), np.uint32(0xEFCDAB89), np.uint32(0x98BADCFE)
    h3, h4 = np.uint32(0x10325476), np.uint32(0xC3D2E1F0)
    a, b, c, d, e = h0, h1, h2, h3, h4
    for i in range(80):
        if i < 20:
            f, k = (b & c) | (~b & d), np.uint32(0x5A827999)
        elif i < 40:
            f, k = b ^ c ^ d, np.uint32(0x6ED9EBA1)
        elif i < 60:
            f, k = (b & c) | (b & d) | (c & d), np.uint32(0x8F1BBCDC)
        else:
            f, k = b ^ c ^ d, np.uint32(0xCA62C1D6)
        t = np.uint32(_rotated(a, 5) + f + e + k + w[i])
        e, d, c, b, a = d, c, np.uint32(_rotated(b, 30)), a, t
    digest[0] = np.uint32(h0 + a)
    digest[1] = np.uint32(h1 + b)
    digest[2] = np.uint32(h2 + c)
    digest[3] = np.uint32(h3 + d)
    digest[4] = np.uint32(h4 + e)


@njit(cache=True, nogil=True)
def community_ids(src_high, src_low, dst_high, dst_low, tag, sport, dport, protocol, one_way, has_ports, seed):
    """Return the Community IDs as ASCII, shape (n, `LENGTH`).

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
    text = np.empty((count, LENGTH), np.uint8)
    message = np.zeros(64, np.uint8)
    w = np.zeros(80, np.uint32)
    digest = np.zeros(5, np.uint32)
    raw = np.zeros(21, np.uint8)
    for row in range(count):
        sh, sl, sp = src_high[row], src_low[row], np.int64(sport[row])
        dh, dl, dp = dst_high[row], dst_low[row], np.int64(dport[row])
        larger = np.uint64(sh) > np.uint64(dh) or (sh == dh and np.uint64(sl) > np.uint64(dl))
        if not one_way[row] and (larger or (sh == dh and sl == dl and sp > dp)):
            sh, sl, sp, dh, dl, dp = dh, dl, dp, sh, sl, sp
        for i in range(64):
            message[i] = 0
        message[0] = seed >> 8 & 255
        message[1] = seed & 255
        at = 2
        for side in range(2):
            high = sh if side == 0 else dh
            low = sl if side == 0 else dl
            if tag[row] == 6:
                for i in range(8):
                    message[at + i] = (high >> (56 - 8 * i)) & 255
                    message[at + 8 + i] = (low >> (56 - 8 * i)) & 255
                at += 16
            else:
                for i in range(4):
                    message[at + i] = (low >> (24 - 8 * i)) & 255
                at += 4
        message[at] = protocol[row]
        at += 2  # and a byte of padding
        if has_ports[row]:
            message[at] = sp >> 8 & 255
            message[at + 1] = sp & 255
            message[at + 2] = dp >> 8 & 255
            message[at + 3] = dp & 255
            at += 4
        message[at] = 0x80
        bits = at * 8
        message[62] = bits >> 8
        message[63] = bits & 255
        for i in range(16):
            w[i] = (
                np.uint32(message[4 * i]) << np.uint32(24)
                | np.uint32(message[4 * i + 1]) << np.uint32(16)
                | np.uint32(message[4 * i + 2]) << np.uint32(8)
                | np.uint32(message[4 * i + 3])
            )
        _sha1_block(w, digest)
        for i in range(20):
            raw[i] = (digest[i >> 2] >> np.uint32(24 - 8 * (i & 3))) & np.uint32(255)
        text[row, 0] = 49
        text[row, 1] = 58
        for i in range(7):
            three = (np.int64(raw[3 * i]) << 16) | (np.int64(raw[3 * i + 1]) << 8) | np.int64(raw[3 * i + 2])
            for j in range(4):
                text[row, 2 + 4 * i + j] = _BASE64[(three >> (18 - 6 * j)) & 63]
        text[row, LENGTH - 1] = 61
    return text
