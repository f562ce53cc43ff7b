"""A transcript as lines: header, caveats, turns as text or hex, HTTP exchanges. Pure functions.

Beside each line stands which bytes it shows, so that what is found or chosen in the lines is known by its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nsm_nb.statistics.quantities import amount
from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.paging import Page, Slice, page
from nsm_nb.transcripts.rendering import gap, header, slice_mark, stray_mark
from nsm_nb.widgets.lines import line

if TYPE_CHECKING:
    from nsm_nb.transcripts import Transcript

__all__ = ["MOST", "Mark", "Shown", "Spot", "byte_at", "hex_lines", "text_lines", "top_lines"]

MOST = 262_144  # bytes on a page
_ROW = 16
_PREFIX = len("SRC: ")
_DOTS = bytes(each if 0x20 <= each <= 0x7E else 0x2E for each in range(256))


class Mark(NamedTuple):
    """Bytes that are to be marked: where a search found something."""

    side: str
    start: int
    end: int
    now: bool = False  # the one looked at


class Spot(NamedTuple):
    """Which bytes a line shows."""

    turn: int  # its number; -1 - number for what is not in the stream
    side: str
    offset: int  # in its side's stream
    data: bytes
    hex: bool = False
    head: bool = False  # the line that begins a turn and tells of it


class Shown(NamedTuple):
    """A page as lines."""

    lines: list[dict]
    spots: list[Spot | None]  # of each line; None where it is about bytes and shows none
    page: Page


def top_lines(transcript: Transcript) -> list[dict]:
    """Return Sguil's header, how much each side said, and every caveat in amber."""
    lines = [line(f"{name:<20}", (value, "code"), style="head") for name, value in header(transcript)]
    for side in ("src", "dst"):
        turns = [turn for turn in transcript.turns if turn.side == side]
        size, missing = transcript.size(side), sum(turn.gap for turn in turns)
        words = f"{amount(size, 'byte')} in {amount(len(turns), 'turn')}"
        words += f", {amount(missing, 'byte')} missing" if missing else ""
        lines.append(line((f"{side.upper()} sent:".ljust(20), side), words, style="head"))
    lines += [line((f"{each.kind}: ", "doubt strong"), (each.detail, "doubt")) for each in transcript.caveats]
    return lines


def text_lines(
    transcript: Transcript,
    *,
    number: int = 1,
    size: int | None = MOST,
    times: bool = True,
    marks: Sequence[Mark] = (),
) -> Shown:
    """Return a page of turns as text.

    Parameters
    ----------
    transcript
        The conversation.
    number, size
        Which page, and how many bytes it has; all of them where `size` is None.
    times
        A line with time and frame before each turn.
    marks
        What is to be marked.
    """
    return _shown(transcript, number, size, marks, times=times, octets=False)


def hex_lines(
    transcript: Transcript,
    *,
    number: int = 1,
    size: int | None = MOST,
    times: bool = True,
    marks: Sequence[Mark] = (),
) -> Shown:
    """Return a page of turns as rows of hex and text; parameters as `text_lines`."""
    return _shown(transcript, number, size, marks, times=times, octets=True)


def byte_at(spot: Spot, column: int) -> int:
    r"""Return the offset in its side's stream of the byte that stands at a column of its line.

    Examples
    --------
    >>> byte_at(Spot(0, "src", 100, b"a\x00b"), len("SRC: a\\x00"))
    102
    """
    column = max(column - _PREFIX, 0)
    if spot.hex:
        column = max(column - 10, 0)
        place = column // 3 if column <= 24 else 8 + (column - 25) // 3 if column <= 49 else column - 50
        return spot.offset + min(max(place, 0), len(spot.data))
    place = 0
    for each in spot.data.decode("utf-8", "surrogateescape"):
        raw = "\udc80" <= each <= "\udcff"  # a byte that is no text
        column -= 4 if raw else len(_text(each.encode()))
        if column < 0:
            break
        place += 1 if raw else len(each.encode())
    return spot.offset + place


def _shown(
    transcript: Transcript, number: int, size: int | None, marks: Sequence[Mark], *, times: bool, octets: bool
) -> Shown:
    part = page(transcript.turns, number, size)
    lines: list[dict] = []
    spots: list[Spot | None] = []

    def say(said: dict, spot: Spot | None = None) -> None:
        lines.append(said)
        spots.append(spot)

    if not transcript.turns:
        say(line(("no data was sent", "muted")))
    beside: dict[int, list[str]] = {}
    for mark in transcript.marks:
        beside.setdefault(mark.before, []).append(mark.text)
    for each in part.slices:
        if each.begins:
            for words in beside.get(each.number, ()):
                say(line(f"[{words}]", style="gap"))
            if each.turn.gap:
                say(line(gap(each.turn), style="gap"))
        if not each.length:
            continue
        style = f"side-{each.turn.side}"
        if times:
            say(
                line((slice_mark(each), "muted"), style=style),
                Spot(each.number, each.turn.side, each.turn.offset, b"", head=True),
            )
        for said, spot in _rows(each, marks, octets=octets):
            say(said, spot)
    if part.last:
        for words in beside.get(len(transcript.turns), ()):
            say(line(f"[{words}]", style="gap"))
        for place, turn in enumerate(transcript.strays):
            say(line(stray_mark(turn), style="gap"), Spot(-1 - place, turn.side, turn.offset, b"", head=True))
            for said, spot in _rows(Slice(-1 - place, turn, 0, turn.size), (), octets=octets):
                say(said, spot)
    else:
        say(
            line(
                (f"{many(part.after, 'byte')} more: 'next page' has {form(part.after, 'it', 'them')}", "doubt"),
                style="gap",
            )
        )
    return Shown(lines, spots, part)


def _rows(part: Slice, marks: Sequence[Mark], *, octets: bool) -> Iterator[tuple[dict, Spot]]:
    side, data = part.turn.side, part.data
    at = part.turn.offset + part.skip
    style = f"nsm-side-{side}"
    own = [mark for mark in marks if mark.side == side and mark.start < at + len(data) and mark.end > at]
    if octets:
        for begin in range(0, len(data), _ROW):
            spot = Spot(part.number, side, at + begin, data[begin : begin + _ROW], hex=True)
            yield {"style": style, "spans": _hex_spans(spot, own)}, spot
        return
    rows = data.split(b"\n")
    if rows[-1] == b"" and len(rows) > 1:  # a turn that ends with a newline has no empty line after it
        rows.pop()
    for number, row in enumerate(rows):
        ended = number < len(rows) - 1 or data.endswith(b"\n")
        content = row[:-1] if ended and row.endswith(b"\r") else row
        spot = Spot(part.number, side, at, content)
        yield {"style": style, "spans": _text_spans(spot, own)}, spot
        at += len(row) + 1


def _text(data: bytes) -> str:
    return printable(data, lines=True)


def _text_spans(spot: Spot, marks: Sequence[Mark]) -> list[list[str]]:
    prefix, look = f"{spot.side.upper()}: ", f"nsm-{spot.side}"
    inside = [mark for mark in marks if mark.start < spot.offset + len(spot.data) and mark.end > spot.offset]
    if not inside:
        return [[prefix + _text(spot.data), look, ""]]
    spans, at = [[prefix, look, ""]], 0
    for mark in inside:
        start, end = max(mark.start - spot.offset, at), min(mark.end - spot.offset, len(spot.data))
        if start > at:
            spans.append([_text(spot.data[at:start]), look, ""])
        spans.append([_text(spot.data[start:end]), f"{look} {_hit(mark)}", ""])
        at = end
    if at < len(spot.data):
        spans.append([_text(spot.data[at:]), look, ""])
    return spans


def _hit(mark: Mark) -> str:
    return "nsm-hit nsm-hit-now" if mark.now else "nsm-hit"


def _hex_spans(spot: Spot, marks: Sequence[Mark]) -> list[list[str]]:
    look = f"nsm-{spot.side}"
    looks = [look] * len(spot.data)
    for mark in marks:
        for place in range(max(mark.start - spot.offset, 0), min(mark.end - spot.offset, len(spot.data))):
            looks[place] = f"{look} {_hit(mark)}"
    spans = [[f"{spot.side.upper()}: {spot.offset:08x}  ", look, ""]]
    shown = spot.data.translate(_DOTS).decode("ascii")
    for place, byte in enumerate(spot.data):
        _add(spans, f"{byte:02x}", looks[place])
        _add(spans, "  " if place == 7 else " ", look)
    _add(spans, "   " * (_ROW - len(spot.data)) + (" " if len(spot.data) < 8 else "") + " ", look)
    for place, each in enumerate(shown):
        _add(spans, each, looks[place])
    return spans


def _add(spans: list[list[str]], text: str, look: str) -> None:
    if spans[-1][1] == look:
        spans[-1][0] += text
    else:
        spans.append([text, look, ""])
