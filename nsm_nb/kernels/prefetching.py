"""Asking for memory before it is needed."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["prefetch"]


@intrinsic
def prefetch(typingctx, array, place):
    """Ask for the line of cache of an array's item, by its place in memory; a hint, which never fails nor changes anything.

    Notes
    -----
    *Source*: ``llvm.prefetch`` of the LLVM Language Reference.
    """

    def generate(context, builder, signature, arguments):
        of_array, of_place = signature.args
        data = context.make_array(of_array)(context, builder, arguments[0]).data
        where = context.cast(builder, arguments[1], of_place, types.intp)
        byte = builder.bitcast(builder.gep(data, [where]), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *[ir.IntType(32)] * 3])
        name = "llvm.prefetch.p0i8" if "*" in str(cgutils.voidptr_t) else "llvm.prefetch.p0"
        hint = cgutils.get_or_insert_function(builder.module, kind, name)
        number = [ir.Constant(ir.IntType(32), each) for each in (1, 3, 1)]  # to be written, to be kept, data
        builder.call(hint, [byte, *number])
        return context.get_dummy_value()

    return types.void(array, place), generate
