"""The cipher of PKWARE's zip, byte by byte.

It keeps nothing secret: it is there so that a program which opens or scans files by itself leaves them alone.

Source: PKWARE APPNOTE.TXT 6.1.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["sealed"]


def _table() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, np.uint32(0xEDB88320) ^ (values >> np.uint32(1)), values >> np.uint32(1))
    return values


_CRC = _table()


@numba.njit(cache=True)
def sealed(data: np.ndarray, password: np.ndarray) -> np.ndarray:
    """Return bytes as the cipher seals them; `password` and `data` are uint8."""
    low, middle, high = np.uint32(0x12345678), np.uint32(0x23456789), np.uint32(0x34567890)
    out = np.empty(len(data), np.uint8)
    for number in range(len(password) + len(data)):
        if number < len(password):
            byte = np.uint32(password[number])
        else:
            byte = np.uint32(data[number - len(password)])
            key = np.uint32((high | np.uint32(2)) & np.uint32(0xFFFF))
            out[number - len(password)] = np.uint8(
                (byte ^ ((key * (key ^ np.uint32(1))) >> np.uint32(8))) & np.uint32(0xFF)
            )
        low = _CRC[(low ^ byte) & np.uint32(0xFF)] ^ (low >> np.uint32(8))
        middle = np.uint32(np.uint32(middle + (low & np.uint32(0xFF))) * np.uint32(134775813) + np.uint32(1))
        high = _CRC[(high ^ (middle >> np.uint32(24))) & np.uint32(0xFF)] ^ (high >> np.uint32(8))
    return out
