"""Old programs that put more into the header of a pcap's record, under the magic number of others.

Source: Wireshark's wiretap/libpcap.c, which tells them as it is done here: by the records that follow one another.
"""

from __future__ import annotations

import struct

from nsm_nb.formats.capture_heads import Variant
from nsm_nb.formats.source import Source
from nsm_nb.kernels.records import LARGEST_FRAME

__all__ = ["old_variant"]

_LOOKED = 8  # records
_AHEAD = 1 << 20  # bytes that they may take
# by the size that the magic number tells: the sizes of others that use it, and whose they are
_OTHERS = {
    16: ((20, "Nokia's tcpdump"), (24, "the tcpdump of Red Hat Linux 6.1")),
    24: ((28, "the tcpdump of SuSE Linux 6.3"),),
}


def old_variant(source: Source, kind: Variant) -> tuple[int, str]:
    """Return the size of a record's header and whose variant that is; nothing where it is as the magic number says.

    Parameters
    ----------
    source
        Stands at the first record.
    kind
        What the magic number says.
    """
    source.need(_AHEAD)
    if _follow(source, kind, kind.head, least=0):
        return kind.head, ""
    for size, name in _OTHERS.get(kind.head, ()):
        if _follow(source, kind, size, least=2):
            return size, name
    return kind.head, ""


def _follow(source: Source, kind: Variant, size: int, *, least: int) -> bool:
    """Return True where the first records, with headers of this size, follow one another as far as is looked."""
    order = ">" if kind.big else "<"
    at = source.start
    for count in range(_LOOKED):
        if at + size > source.end:
            return count >= least and (not least or at == source.end)
        _, part, captured, length = struct.unpack_from(order + "IIII", source.buffer.data, at)
        if (
            max(captured, length) > LARGEST_FRAME
            or captured > length
            or part * kind.tick >= 1_000_000_000
            or not length
        ):
            return False
        at += size + captured
    return True
