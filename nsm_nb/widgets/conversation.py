"""A transcript as lines: header, caveats, turns as text or hex, HTTP exchanges. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nsm_nb.text import printable
from nsm_nb.transcripts.rendering import header, hex_rows, turn_mark, turn_text
from nsm_nb.widgets.cells import octets, time
from nsm_nb.widgets.lines import line

if TYPE_CHECKING:
    from nsm_nb.transcripts import Message, Transcript, Turn

__all__ = ["MOST", "hex_lines", "http_lines", "text_lines", "top_lines"]

MOST = 262_144  # bytes shown at first; all are a click away

_BODY = 4_096  # bytes of a body shown


def top_lines(transcript: Transcript) -> list[dict]:
    """Return Sguil's header, how much each side said, and every caveat in amber."""
    lines = [line(f"{name:<20}", (value, "code"), style="head") for name, value in header(transcript)]
    for side in ("src", "dst"):
        turns = [turn for turn in transcript.turns if turn.side == side]
        size, missing = transcript.size(side), sum(turn.gap for turn in turns)
        words = f"{size:,} bytes in {len(turns):,} turns" + (f", {missing:,} bytes missing" if missing else "")
        lines.append(line((f"{side.upper()} sent:".ljust(20), side), words, style="head"))
    lines += [line((f"{each.kind}: ", "doubt strong"), (each.detail, "doubt")) for each in transcript.caveats]
    return lines


def text_lines(transcript: Transcript, *, most: int | None = MOST) -> list[dict]:
    """Return the turns as text, each with its side, time and frame; `most` bytes, all where it is None."""
    return _turns(transcript, most, lambda turn: turn_text(turn).removesuffix("\n").split("\n"))


def hex_lines(transcript: Transcript, *, most: int | None = MOST) -> list[dict]:
    """Return the turns as rows of hex and text; `most` bytes, all where it is None."""
    return _turns(transcript, most, lambda turn: hex_rows(turn.data, turn.offset))


def _turns(transcript: Transcript, most: int | None, rows: Any) -> list[dict]:
    lines: list[dict] = []
    shown, total = 0, sum(len(turn.data) for turn in transcript.turns)
    if not transcript.turns:
        return [line(("no data was sent", "muted"))]
    for turn in transcript.turns:
        if turn.gap:
            lines.append(line(f"[{turn.gap:,} bytes of {turn.side.upper()} are missing here]", style="gap"))
        if not turn.data:
            continue
        if most is not None and shown + len(turn.data) > most:
            turn = _short(turn, max(0, most - shown))  # the same turn, as far as it is shown
        if turn.data:
            lines.append(line((turn_mark(turn), "muted"), style=f"side-{turn.side}"))
            prefix = f"{turn.side.upper()}: "
            lines += [line((prefix + row, turn.side), style=f"side-{turn.side}") for row in rows(turn)]
        shown += len(turn.data)
        if most is not None and shown >= most and shown < total:
            lines.append(line((f"{total - shown:,} bytes more; 'show all' has them", "doubt"), style="gap"))
            break
    return lines


def _short(turn: Turn, length: int) -> Turn:
    from dataclasses import replace

    return replace(turn, data=turn.data[:length])


def http_lines(transcript: Transcript) -> list[dict]:
    """Return the HTTP exchanges: first lines, headers, and what the bodies are (decoded, with their SHA-256)."""
    exchanges = transcript.exchanges()
    if not exchanges:
        return [line(("its bytes are not HTTP/1; text and hex show them", "muted"))]
    lines: list[dict] = []
    for number, exchange in enumerate(exchanges, 1):
        lines.append(line(f"exchange {number}", style="head"))
        for message, missing in ((exchange.request, "the request"), (exchange.response, "the response")):
            lines += [line((f"{missing} is not in the evidence", "doubt"))] if message is None else _message(message)
    return lines


def _message(message: Message) -> Iterable[dict]:
    side = message.side
    style = f"side-{side}"
    yield line((f"{side.upper()} {time(message.time)[11:]} frame {message.frame}", "muted"), style=style)
    yield line((f"{side.upper()}: {message.start}", f"{side} strong"), style=style)
    for name, value in message.headers:
        yield line((f"{side.upper()}: {name}: ", "muted"), (value, side), style=style)
    if message.body:
        note = f" ({message.note})" if message.note else ""
        size = f"body, {octets(len(message.body))} ({len(message.body):,} bytes){note}, SHA-256 "
        yield line((size, "muted"), (message.sha256, "code"), style=style)
        shown = printable(message.body[:_BODY].replace(b"\r\n", b"\n"), lines=True).removesuffix("\n")
        yield from (line((f"{side.upper()}: {row}", side), style=style) for row in shown.split("\n"))
        if len(message.body) > _BODY:
            yield line((f"{len(message.body) - _BODY:,} bytes more", "doubt"), style=style)
    elif message.note:
        yield line((message.note, "doubt"), style=style)
