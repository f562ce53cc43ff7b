"""Parts of a conversation, so that one of any size is shown in pages and nothing is cut without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from nsm_nb.errors import UnknownName
from nsm_nb.transcripts.turns import Turn

__all__ = ["PAGE", "Page", "Slice", "page"]

PAGE = 4 << 20  # bytes of a conversation on a page


@dataclass(frozen=True)
class Slice:
    """A turn, or as much of it as stands on a page."""

    number: int  # of the turn
    turn: Turn
    skip: int  # bytes of the turn before it
    length: int

    @property
    def data(self) -> bytes:
        """Its bytes, read now."""
        return self.turn.read(self.skip, self.length)

    @property
    def begins(self) -> bool:
        """True where the turn begins here."""
        return self.skip == 0

    @property
    def whole(self) -> bool:
        """True where it is all of the turn."""
        return self.length == self.turn.size


@dataclass(frozen=True)
class Page:
    """Some of a conversation."""

    number: int  # from 1
    count: int
    slices: list[Slice]
    before: int  # bytes of the conversation on the pages before
    after: int  # and behind

    @property
    def last(self) -> bool:
        """True where nothing follows."""
        return self.number == self.count


def page(turns: Sequence[Turn], number: int = 1, size: int | None = PAGE) -> Page:
    """Return a page of turns; of one alone, all turns, where `size` is None.

    Raises
    ------
    UnknownName
        Where there is no such page.
    """
    sizes = [turn.size for turn in turns]
    total = sum(sizes)
    count = 1 if size is None else max(1, -(-total // size))
    if not 1 <= number <= count:
        raise UnknownName(f"there is no page {number}; the transcript has {count:,}")
    start, end = (0, total) if size is None else ((number - 1) * size, min(number * size, total))
    slices = []
    for place, (turn, length, stop) in enumerate(zip(turns, sizes, accumulate(sizes), strict=True)):
        begin = stop - length
        if length == 0:  # a gap alone stands behind what is before it
            here = start < begin <= end or (begin == 0 and start == 0)
            if here:
                slices.append(Slice(place, turn, 0, 0))
        elif begin < end and stop > start:
            skip = max(start - begin, 0)
            slices.append(Slice(place, turn, skip, min(stop, end) - begin - skip))
    return Page(number, count, slices, start, total - end)
