"""A transcript as HTML: no script, no outside address, all text escaped; what is not shown is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nsm_nb.colours import DOUBT, DST, SRC
from nsm_nb.text import form, html, many, printable
from nsm_nb.transcripts.paging import Slice, page
from nsm_nb.transcripts.rendering import gap, header, slice_mark, stray_mark

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["SHOWN", "WHOLE", "as_html"]

SHOWN = 65_536  # bytes of one turn that HTML shows; it says how many more there are
WHOLE = 1 << 20  # bytes of all turns
_TURNS = 2_000  # turns, strays and notes of each


def as_html(transcript: Transcript) -> str:
    """Return the transcript as one HTML block."""
    return "".join(_parts(transcript))


def _parts(transcript: Transcript) -> Iterator[str]:
    yield "<div class='nsm-transcript' style='font-family:var(--jp-code-font-family,monospace);font-size:13px'><table>"
    for name, value in header(transcript):
        yield f"<tr><th style='text-align:left'>{html(name)}</th><td>{html(value)}</td></tr>"
    yield "</table>"
    yield from (_note(caveat.detail) for caveat in transcript.caveats)
    if not transcript.turns:
        yield "<p>No data sent.</p>"
    beside: dict[int, list[str]] = {}
    for mark in transcript.marks:
        beside.setdefault(mark.before, []).append(mark.text)
    part = page(transcript.turns, 1, WHOLE)
    shown = part.slices[:_TURNS]
    for each in shown:
        yield from (_note(words) for words in beside.get(each.number, ())[:_TURNS])
        yield from _turn(each)
    left = len(transcript.turns) - len(shown)
    if left or part.after:
        turns = form(left, "turn", "turns")
        rest = part.after + sum(each.length for each in part.slices[_TURNS:])
        yield _note(
            f"{many(rest, 'byte')} more{f' in {left:,} {turns}' if left else ''} {form(rest, 'is', 'are')} not shown here: "
            ".text(page=1) and on has all, .write(side, path) the bytes of a side"
        )
    else:
        yield from (_note(words) for words in beside.get(len(transcript.turns), ())[:_TURNS])
    for turn in transcript.strays[:_TURNS]:
        yield _box(turn.side, stray_mark(turn), turn.read(0, SHOWN), turn.size, dashed=True)
    if len(transcript.strays) > _TURNS:
        yield _note(f"{len(transcript.strays) - _TURNS:,} more that are not in the stream; .strays has all")
    yield "</div>"


def _turn(part: Slice) -> Iterator[str]:
    turn = part.turn
    if turn.gap and part.begins:
        yield _note(gap(turn), indent=_indent(turn.side))
    if part.length:
        yield _box(turn.side, slice_mark(part), turn.read(part.skip, min(part.length, SHOWN)), part.length)


def _box(side: str, mark: str, data: bytes, size: int, *, dashed: bool = False) -> str:
    colour, line = (SRC if side == "src" else DST), "dashed" if dashed else "solid"
    text = f"{side.upper()}: " + printable(data.replace(b"\r\n", b"\n"), lines=True)
    if size > len(data):
        text += f"\n[{many(size - len(data), 'more byte')} of this turn; .write({side!r}, path) has all]"
    return (
        f"<div style='margin:4px 0 4px {_indent(side)}px;border-left:4px {line} {colour};padding-left:8px'>"
        f"<div style='opacity:.75'>{html(mark)}</div>"
        f"<pre style='margin:0;white-space:pre-wrap;overflow-wrap:anywhere'>{html(text, lines=True)}</pre></div>"
    )


def _note(words: str, *, indent: int = 0) -> str:
    return f"<p style='border-left:4px double {DOUBT};padding-left:8px;margin:2px 0 2px {indent}px'>{html(words)}</p>"


def _indent(side: str) -> int:
    return 0 if side == "src" else 24
