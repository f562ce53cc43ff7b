"""A transcript as text and as HTML: both sides told apart by more than colour, every turn with its time and frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.colours import DOUBT, DST, SRC
from nsm_nb.errors import NsmError
from nsm_nb.text import html, printable

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript, Turn

__all__ = ["SHOWN", "as_html", "as_text", "header", "hex_rows", "turn_mark", "turn_text"]

SHOWN = 65_536  # bytes of one turn that HTML shows; it says how many more there are


def header(transcript: Transcript) -> list[tuple[str, str]]:
    """Return Sguil's header rows, names and values (printable).

    Notes
    -----
    *Source*: sguild 1.0, ``InitXscript``.
    """
    number = "" if transcript.session is None else str(transcript.session.get("session", ""))
    stamp = "" if transcript.start is None else _clock(transcript.start, "%Y-%m-%d %H:%M:%S")
    rows = [
        ("Sensor Name:", transcript.sensor or "unknown"),
        ("Timestamp:", stamp),
        ("Connection ID:", number),
        ("Src IP:", transcript.src_ip),
        ("Dst IP:", transcript.dst_ip),
    ]
    if transcript.src_port is not None:
        rows += [("Src Port:", str(transcript.src_port)), ("Dst Port:", str(transcript.dst_port))]
    return [(name, printable(value)) for name, value in rows]


def turn_text(turn: Turn) -> str:
    """Return a turn's bytes as printable text with its own line ends."""
    return printable(turn.data.replace(b"\r\n", b"\n"), lines=True)


def turn_mark(turn: Turn) -> str:
    """Return who, when and where of a turn: ``SRC 02:31:54.309123 frame 3160, 17 bytes at 0``."""
    frames = f"frame {turn.frames[0]}" if len(turn.frames) == 1 else f"frames {turn.frames[0]}-{turn.frames[-1]}"
    return (
        f"{turn.side.upper()} {_clock(turn.time, '%H:%M:%S.%f')} {frames}, {len(turn.data):,} bytes at {turn.offset:,}"
    )


def _clock(time: pd.Timestamp, form: str) -> str:
    return "no time" if pd.isna(time) else time.strftime(form)


def _gap(turn: Turn) -> str:
    return f"[{turn.gap:,} bytes of {turn.side} are missing here]"


def hex_rows(data: bytes, start: int = 0) -> Iterator[str]:
    """Yield rows of sixteen bytes: offset, hex, text."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start + at:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}"


def as_text(transcript: Transcript, style: str) -> str:
    """Return the transcript as text; see `Transcript.text`.

    Raises
    ------
    NsmError
        Where there is no such style.
    """
    if style not in ("plain", "sguil", "hex"):
        raise NsmError(f"there is no style {printable(style)!r}; there are plain, sguil and hex")
    lines = [
        f"{name:<20}{value:<20}".rstrip() if style != "sguil" else f"{name:<20}{value:<20}"
        for name, value in header(transcript)
    ]
    lines += [f"[{printable(caveat.detail)}]" for caveat in transcript.caveats]
    lines.append("")
    if not transcript.turns:
        lines.append("No Data Sent.")
    for turn in transcript.turns:
        prefix = turn.side.upper()
        if turn.gap:
            lines.append(f"{prefix}: {_gap(turn)}")
        if not turn.data:
            continue
        if style != "sguil":
            lines.append(f"--- {turn_mark(turn)}")
        if style == "hex":
            lines += [f"{prefix}: {row}" for row in hex_rows(turn.data, turn.offset)]
        else:
            text = turn_text(turn)
            # a turn that ends with a newline has no empty line after it
            lines += [f"{prefix}: {line}" for line in text.removesuffix("\n").split("\n")]
    return "\n".join(lines) + "\n"


def as_html(transcript: Transcript) -> str:
    """Return the transcript as one HTML block: no script, no outside address, all text escaped."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html(name)}</th><td>{html(value)}</td></tr>"
        for name, value in header(transcript)
    )
    parts = [
        "<div class='nsm-transcript' style='font-family:var(--jp-code-font-family,monospace);font-size:13px'>",
        f"<table>{rows}</table>",
    ]
    for caveat in transcript.caveats:
        parts.append(
            f"<p style='border-left:4px solid {DOUBT};padding-left:8px;margin:2px 0'>{html(caveat.detail)}</p>"
        )
    if not transcript.turns:
        parts.append("<p>No data sent.</p>")
    for turn in transcript.turns:
        colour, indent = (SRC, 0) if turn.side == "src" else (DST, 24)
        if turn.gap:
            parts.append(
                f"<p style='border-left:4px solid {DOUBT};padding-left:8px;margin:2px 0 2px {indent}px'>{html(_gap(turn))}</p>"
            )
        if not turn.data:
            continue
        shown = printable(turn.data[:SHOWN].replace(b"\r\n", b"\n"), lines=True)
        more = (
            ""
            if len(turn.data) <= SHOWN
            else f"\n[{len(turn.data) - SHOWN:,} more bytes; .data({turn.side!r}) has all]"
        )
        parts.append(
            f"<div style='margin:4px 0 4px {indent}px;border-left:4px solid {colour};padding-left:8px'>"
            f"<div style='opacity:.75'>{html(turn_mark(turn))}</div>"
            f"<pre style='margin:0;white-space:pre-wrap;overflow-wrap:anywhere'>{html(shown + more, lines=True)}</pre></div>"
        )
    parts.append("</div>")
    return "".join(parts)
