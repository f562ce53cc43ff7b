"""Numbers out of a byte array. The caller has checked the bounds.

Indices are unsigned, which spares the look whether one counts from the end.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["be16", "be32", "be64", "byte", "le16", "le32", "le64"]


@njit(inline="always")
def byte(b, i):
    """Return byte `i`, as int64."""
    return np.int64(b[np.uintp(i)])


@njit(inline="always")
def be16(b, i):
    """Return the big-endian 16-bit number at byte `i`, as int64."""
    return (np.int64(b[np.uintp(i)]) << 8) | np.int64(b[np.uintp(i + 1)])


@njit(inline="always")
def le16(b, i):
    """Return the little-endian 16-bit number at byte `i`, as int64."""
    return (np.int64(b[np.uintp(i + 1)]) << 8) | np.int64(b[np.uintp(i)])


@njit(inline="always")
def be32(b, i):
    """Return the big-endian 32-bit number at byte `i`, as int64."""
    return (
        (np.int64(b[np.uintp(i)]) << 24)
        | (np.int64(b[np.uintp(i + 1)]) << 16)
        | (np.int64(b[np.uintp(i + 2)]) << 8)
        | np.int64(b[np.uintp(i + 3)])
    )


@njit(inline="always")
def le32(b, i):
    """Return the little-endian 32-bit number at byte `i`, as int64."""
    return (
        (np.int64(b[np.uintp(i + 3)]) << 24)
        | (np.int64(b[np.uintp(i + 2)]) << 16)
        | (np.int64(b[np.uintp(i + 1)]) << 8)
        | np.int64(b[np.uintp(i)])
    )


@njit(inline="always")
def be64(b, i):
    """Return the big-endian 64 bits at byte `i`, as the int64 of that pattern."""
    return (be32(b, i) << 32) | be32(b, i + 4)


@njit(inline="always")
def le64(b, i):
    """Return the little-endian 64 bits at byte `i`, as the int64 of that pattern."""
    return (le32(b, i + 4) << 32) | le32(b, i)
