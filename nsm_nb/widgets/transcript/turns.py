"""Which bytes stand in which line of a transcript: what is gone to, chosen and given to a recipe. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsm_nb.errors import NsmError
from nsm_nb.statistics.quantities import amount
from nsm_nb.widgets import conversation
from nsm_nb.widgets.conversation import Spot, byte_at
from nsm_nb.widgets.giving import MOST

if TYPE_CHECKING:
    from nsm_nb.transcripts import Transcript, Turn

__all__ = ["Chosen", "Spots", "brought_by", "chosen_in", "given", "line_of", "next_turn", "page_of"]

Spots = Sequence[Spot | None]
"""Which bytes each line shows; None where it is about bytes and shows none."""

Chosen = tuple[str, int, int]
"""A side, the first byte of it that is chosen, and the one behind the last."""


def page_of(said: Transcript, side: str, offset: int) -> int | None:
    """Return the number of the page that has a byte of a side, None where no turn has it."""
    before = 0
    for turn in said.turns:
        if turn.side == side and turn.offset <= offset < turn.offset + turn.size:
            return (before + offset - turn.offset) // conversation.MOST + 1
        before += turn.size
    return None


def brought_by(said: Transcript, side: str, frame: int) -> list[Turn]:
    """Return the turns of a side that a frame brought bytes of."""
    return [turn for turn in said.turns if turn.side == side and frame in turn.frames]


def line_of(spots: Spots, side: str, offset: int) -> int | None:
    """Return the line that shows a byte of a side, None where there is none on the page."""
    places = [
        place for place, spot in enumerate(spots)
        if spot is not None and spot.turn >= 0 and spot.side == side and not spot.head and spot.offset <= offset
    ]  # fmt: skip
    return places[-1] if places else None


def next_turn(spots: Spots, at: int | None, by: int) -> int | None:
    """Return the first line of the turn behind (`by` > 0) or before a line, None where it is the last or the first."""
    begins = []
    before: Spot | None = None
    for place, spot in enumerate(spots):
        if spot is not None and (before is None or before.turn != spot.turn):
            begins.append(place)
        before = spot
    ahead = [place for place in begins if at is None or (place > at if by > 0 else place < at)]
    if not ahead:
        return None
    return ahead[0] if by > 0 else ahead[-1]


def chosen_in(spots: Spots, start: tuple[int, int], end: tuple[int, int]) -> Chosen | None:
    """Return what is chosen between two places, line and column, as bytes of the side of its first line.

    None where no bytes are, or none that are in the stream.
    """
    some = spots[start[0] : end[0] + 1]
    first = next((spot for spot in some if spot is not None and spot.data), None)
    if start == end or first is None:
        return None
    at = byte_at(first, start[1]) if first is some[0] else first.offset
    own = [
        (place, spot) for place, spot in enumerate(some, start[0])
        if spot is not None and spot.side == first.side and spot.turn >= 0 and spot.data
    ]  # fmt: skip
    if not own:
        return None
    place, last = own[-1]
    until = byte_at(last, end[1]) if place == end[0] else last.offset + len(last.data)
    return first.side, at, max(until, at)


def given(said: Transcript, which: str, chosen: Chosen | None, spot: Spot | None) -> tuple[list[bytes], str]:
    """Return what a recipe is given, and which bytes those are.

    Parameters
    ----------
    said
        The conversation.
    which
        A name of `nsm_nb.widgets.recipe.FROM`.
    chosen
        What is chosen in the text.
    spot
        What the marked line shows; its turn is given where nothing is chosen.

    Raises
    ------
    NsmError
        Where it is too much.
    """
    if which != "chosen":
        side = which[:3].lower()
        turns = [turn for turn in said.turns if turn.side == side]
        if sum(turn.size for turn in turns) > MOST:
            raise NsmError(f"{side.upper()} sent more than {MOST >> 20} MiB; choose a part of it in the text")
        return [turn.data for turn in turns], f"{side.upper()}, {amount(len(turns), 'turn')}"
    if chosen is None and spot is not None:
        turn = said.turns[spot.turn] if spot.turn >= 0 else said.strays[-1 - spot.turn]
        if spot.turn < 0:
            return [turn.data], f"{turn.side.upper()}, not in the stream"
        chosen = turn.side, turn.offset, turn.offset + turn.size
    if chosen is None:
        chosen = "src", 0, max((turn.offset + turn.size for turn in said.turns if turn.side == "src"), default=0)
    side, start, end = chosen
    parts = [
        turn.read(max(start - turn.offset, 0), min(end, turn.offset + turn.size) - max(start, turn.offset))
        for turn in said.turns
        if turn.side == side and turn.offset < end and turn.offset + turn.size > start
    ]
    return [b"".join(parts)], f"{side.upper()} bytes {start:,} to {end:,}"
