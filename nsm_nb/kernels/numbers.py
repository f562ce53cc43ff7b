"""Numbers out of a byte array. The caller has checked the bounds.

A number is read in one go, wherever it stands: put together byte by byte, reading costs more than all else that is done with
a packet. Where numba is asked to check bounds (NUMBA_BOUNDSCHECK=1), the first and the last byte are looked at as well.
"""

from __future__ import annotations

import sys

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["be16", "be32", "be64", "byte", "le16", "le32", "le64"]


def _reader(width: int, order: str):
    @intrinsic
    def read(_, array, index):
        def code(context, builder, signature, arguments):
            held = context.make_array(array)(context, builder, value=arguments[0])
            place = builder.gep(held.data, [arguments[1]])
            number = builder.load(builder.bitcast(place, ir.IntType(width).as_pointer()), align=1)
            if order != sys.byteorder:
                number = builder.bswap(number)
            return number if width == 64 else builder.zext(number, ir.IntType(64))

        return types.int64(array, types.uintp), code

    return read


_BE16, _BE32, _BE64 = (_reader(width, "big") for width in (16, 32, 64))
_LE16, _LE32, _LE64 = (_reader(width, "little") for width in (16, 32, 64))


# _nrt=False: without counting references to the array, which costs more than the reading. What reads headers does so too.
@njit(_nrt=False)
def byte(b, i):
    """Return byte `i`, as int64."""
    return np.int64(b[np.uintp(i)])  # an unsigned index spares the look whether one counts from the end


@njit(_nrt=False)
def be16(b, i):
    """Return the big-endian 16-bit number at byte `i`, as int64."""
    b[np.uintp(i)], b[np.uintp(i + 1)]
    return _BE16(b, np.uintp(i))


@njit(_nrt=False)
def le16(b, i):
    """Return the little-endian 16-bit number at byte `i`, as int64."""
    b[np.uintp(i)], b[np.uintp(i + 1)]
    return _LE16(b, np.uintp(i))


@njit(_nrt=False)
def be32(b, i):
    """Return the big-endian 32-bit number at byte `i`, as int64."""
    b[np.uintp(i)], b[np.uintp(i + 3)]
    return _BE32(b, np.uintp(i))


@njit(_nrt=False)
def le32(b, i):
    """Return the little-endian 32-bit number at byte `i`, as int64."""
    b[np.uintp(i)], b[np.uintp(i + 3)]
    return _LE32(b, np.uintp(i))


@njit(_nrt=False)
def be64(b, i):
    """Return the big-endian 64 bits at byte `i`, as the int64 of that pattern."""
    b[np.uintp(i)], b[np.uintp(i + 7)]
    return _BE64(b, np.uintp(i))


@njit(_nrt=False)
def le64(b, i):
    """Return the little-endian 64 bits at byte `i`, as the int64 of that pattern."""
    b[np.uintp(i)], b[np.uintp(i + 7)]
    return _LE64(b, np.uintp(i))
