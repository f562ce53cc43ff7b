"""Going on behind damage: the source is moved to where records follow one another again."""

from __future__ import annotations

from nsm_nb.formats.reading import Reading
from nsm_nb.formats.source import Source
from nsm_nb.kernels.records import LARGEST_FRAME, Seen

__all__ = ["find_block", "find_record"]


def find_record(source: Source, reading: Reading, shape: tuple[bool, int, int, int]) -> bool:
    """Move the source to where records go on: behind the damage, or within the frame before it if that swallowed them.

    Parameters
    ----------
    source
        Stands at the damage; it keeps what was read before, as far as a frame reaches.
    reading
        What was read so far.
    shape
        How records look: big-endian, tick, head and swapped of `kernels.recovery.find_record`.

    Returns
    -------
    bool
        False where they don't go on.
    """
    from nsm_nb.kernels import recovery

    c, row = reading.frames.columns, reading.frames.count - 1
    snaplen = reading.snaplen or LARGEST_FRAME
    most = LARGEST_FRAME if reading.seen[Seen.OVER_SNAPLEN] else min(snaplen, LARGEST_FRAME)
    near = int(c.time[row]) // 10**9 if row >= reading.first else -1
    more = source.need(recovery.REACH)
    if row >= reading.first and source.base <= (begins := int(c.offset[row])) < source.at:
        place = recovery.find_swallowed(
            source.buffer, begins - source.base, source.start, source.end, not more, *shape, most, near
        )  # fmt: skip
        if place < source.start:
            source.start = place
            size = source.at - begins
            if reading.telling:
                reading.tell(
                    "length",
                    f"frame {reading.frame(row)} claims {c.captured[row]:,} bytes, but other frames begin among them; it was "
                    f"cut to {size:,}",
                    frame=reading.frame(row),
                    at=begins,
                )
            c.captured[row] = size
            reading.recovered = row if reading.recovered is None else reading.recovered
            return True
    source.start += 1
    while True:
        source.start, verdict = recovery.find_record(
            source.buffer, source.start, source.end, not more, *shape, most, near
        )
        if verdict == recovery.FOUND:
            return True
        if verdict == recovery.NONE:
            return False
        more = source.fill()


def find_block(source: Source, *, big: bool) -> bool:
    """Move the source to where blocks of pcapng follow one another again; False where they don't.

    Parameters
    ----------
    source
        Stands at the damage.
    big
        True where numbers of the section are big-endian.
    """
    from nsm_nb.kernels import recovery

    source.start += 1
    more = True
    while True:
        source.start, verdict = recovery.find_block(source.buffer, source.start, source.end, not more, big)
        if verdict == recovery.FOUND:
            return True
        if verdict == recovery.NONE:
            return False
        more = source.fill()
