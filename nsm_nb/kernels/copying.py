"""Copying bytes from one array to another as the processor does it best."""

from __future__ import annotations

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["copy_bytes"]


@intrinsic
def _move(typingctx, into, there, data, here, size):
    if any(array.layout != "C" or array.dtype != types.uint8 for array in (into, data)):
        return None  # numba says that there is no such function

    def generate(context, builder, signature, arguments):
        into_type, _, data_type, _, _ = signature.args
        target = context.make_array(into_type)(context, builder, arguments[0]).data
        source = context.make_array(data_type)(context, builder, arguments[2]).data
        target, source = builder.gep(target, [arguments[1]]), builder.gep(source, [arguments[3]])
        cgutils.raw_memcpy(builder, target, source, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(into, types.intp, data, types.intp, types.intp), generate


@njit(_nrt=False)
def copy_bytes(into, there, data, here, size):
    """Write `size` bytes of `data`, from `here` on, to another uint8 array, from `there` on. The caller has checked the bounds.

    A slice that is assigned is copied byte by byte, after a look whether both are the same array.
    """
    if size > 0:
        # where numba is asked to check bounds (NUMBA_BOUNDSCHECK=1), these are looked at
        into[there], into[there + size - 1], data[here], data[here + size - 1]
        _move(into, there, data, here, size)
