"""A transcript as text: Sguil's header, both sides by prefix, every turn with its time and frame, every doubt at the top."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import UnknownName
from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.paging import PAGE, Slice, page

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript
    from nsm_nb.transcripts.turns import Turn

__all__ = [
    "STYLES", "as_text", "direction", "gap", "header", "hex_rows", "pieces", "slice_mark", "stray_mark", "systems",
    "turn_mark", "turn_text",
]  # fmt: skip

STYLES = {
    "plain": "with time and frame at each turn",
    "sguil": "as Sguil shows it, line by line",
    "hex": "a hex dump with time and frame at each turn",
}


def header(transcript: Transcript, *, style: str = "plain") -> list[tuple[str, str]]:
    """Return Sguil's header rows, names and values (printable); other styles tell more than Sguil does.

    Notes
    -----
    *Source*: sguild 1.0, ``InitXscript``.
    """
    number = "" if transcript.session is None else str(transcript.session.get("session", ""))
    stamp = "" if transcript.start is None else _clock(transcript.start, "%Y-%m-%d %H:%M:%S")
    sensor = transcript.sensor or "unknown"
    named = {end: transcript.names.get(end, "") for end in (transcript.src_ip, transcript.dst_ip)}
    sguil = style == "sguil"

    def name(address: str) -> str:
        return f" ({named[address] or 'unknown'})" if sguil or named[address] else ""

    rows = [
        ("Sensor Name:", sensor),
        ("Timestamp:", stamp),
        ("Connection ID:", f".{sensor}_{number}" if sguil else number),
        ("Src IP:", f"{transcript.src_ip}{name(transcript.src_ip)}"),
        ("Dst IP:", f"{transcript.dst_ip}{name(transcript.dst_ip)}"),
    ]
    if transcript.src_port is not None:
        rows += [("Src Port:", str(transcript.src_port)), ("Dst Port:", str(transcript.dst_port))]
    rows += [("OS Fingerprint:", words) for words in systems(transcript)]
    if not sguil:
        rows.append(("Direction:", direction(transcript)))
        if transcript.policy != "first":
            rows.append(("Overlaps:", f"{transcript.policy}: {_policy(transcript.policy)} counts"))
    return [(name_, printable(value)) for name_, value in rows]


def _policy(name: str) -> str:
    from nsm_nb.transcripts.tcp import POLICIES

    return POLICIES[POLICIES[name].removeprefix("as ") if POLICIES[name].startswith("as ") else name]


def systems(transcript: Transcript) -> list[str]:
    """Return what its SYNs say of the systems that sent them, as p0f's lines; a guess, with how sure it is."""
    packets = transcript.packets
    if packets is None or transcript.proto != "tcp" or "tcp_flags" not in packets:
        return []
    flags = packets["tcp_flags"].to_numpy("int64", na_value=0)
    opening = packets[(flags & 0x12) == 0x02].head(8)
    if not len(opening):
        return []
    from nsm_nb.statistics.systems import guesses

    port = f":{transcript.src_port}" if transcript.src_port is not None else ""
    return [
        f"{each.host}{port if str(each.host) == transcript.src_ip else ''} - {each.system} (a {each.sure} guess: {each.why})"
        for each in guesses(opening).itertuples()
    ]


def direction(transcript: Transcript) -> str:
    """Return in words how sure it is who is src and who dst."""
    guessed = any(each.kind == "direction" for each in transcript.caveats)
    if guessed:
        return "a guess: the opening was not seen"
    if transcript.proto == "tcp":
        seen = not any(each.kind == "mid-stream" for each in transcript.caveats)
        return "sure: SRC sent the SYN" if seen else "as the session has it; the opening was not seen"
    return "SRC spoke first in the evidence"


def turn_text(turn: Turn) -> str:
    """Return a turn's bytes as printable text with its own line ends."""
    return _lines_of(turn.data)


def _lines_of(data: bytes) -> str:
    return printable(data.replace(b"\r\n", b"\n"), lines=True)


def turn_mark(turn: Turn) -> str:
    """Return who, when and where of a turn: ``SRC 02:31:54.309123 frame 3160, 17 bytes at 0``."""
    first, last = turn.ends
    frames = f"frame {first}" if first == last else f"frames {first}-{last}"
    capture = f" of {turn.evidence}" if turn.evidence else ""
    size = many(turn.size, "byte")
    return f"{turn.side.upper()} {_clock(turn.time, '%H:%M:%S.%f')} {frames}{capture}, {size} at {turn.offset:,}"


def slice_mark(part: Slice) -> str:
    """Return the mark of a turn, and which bytes of it stand here where it is not all of them."""
    mark = turn_mark(part.turn)
    begin = part.turn.offset + part.skip
    return mark if part.whole else f"{mark}; here {begin:,} to {begin + part.length - 1:,}"


def stray_mark(turn: Turn) -> str:
    """Return the mark of what has no place in the turns."""
    return f"{turn_mark(turn)}, not in the stream"


def _clock(time: pd.Timestamp, form: str) -> str:
    return "no time" if pd.isna(time) else time.strftime(form)


def gap(turn: Turn) -> str:
    """Return what is missing before a turn, in words."""
    return f"[{many(turn.gap, 'byte')} of {turn.side} {form(turn.gap, 'is', 'are')} missing here]"


def hex_rows(data: bytes, start: int = 0) -> Iterator[str]:
    """Yield rows of sixteen bytes: offset, hex, text."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start + at:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}"


def as_text(transcript: Transcript, style: str, *, page: int | None = None) -> str:
    """Return the transcript as text; see `Transcript.text`.

    Raises
    ------
    UnknownName
        Where there is no such style or page.
    """
    from nsm_nb.transcripts.transcript import IN_MEMORY

    whole = page is None and sum(turn.size for turn in transcript.turns) <= IN_MEMORY
    return "".join(f"{line}\n" for line in pieces(transcript, style, page=page or 1, size=None if whole else PAGE))


def pieces(transcript: Transcript, style: str, *, page: int = 1, size: int | None = PAGE) -> Iterator[str]:
    """Yield the lines of a page: the first has the header and every doubt, the last what has no place in the turns.

    Raises
    ------
    UnknownName
        Where there is no such style or page.
    """
    if style not in STYLES:
        raise UnknownName(f"there is no style {printable(style)!r}; there are {', '.join(STYLES)}")
    return _pieces(transcript, style, page, size)


def _pieces(transcript: Transcript, style: str, number: int, size: int | None) -> Iterator[str]:
    part = page(transcript.turns, number, size)
    if number == 1:
        yield from _head(transcript, style)
    else:
        before = many(part.before, "byte stands", "bytes stand")
        yield f"[page {number:,} of {part.count:,}; {before} on the pages before]"
    if not transcript.turns:
        yield "No Data Sent."
    beside: dict[int, list[str]] = {}
    for mark in transcript.marks:
        beside.setdefault(mark.before, []).append(printable(mark.text))
    for each in part.slices:
        if each.begins:
            yield from (f"[{words}]" for words in beside.get(each.number, ()))
        yield from _slice(each, style)
    if not part.last:
        yield f"[{many(part.after, 'byte')} more: page {number + 1:,} of {part.count:,} goes on]"
        return
    yield from (f"[{words}]" for words in beside.get(len(transcript.turns), ()))
    for turn in transcript.strays:
        yield f"--- {stray_mark(turn)}"
        yield from _bytes(turn.side, turn.data, turn.offset, style)


def _head(transcript: Transcript, style: str) -> Iterator[str]:
    for number, (name, value) in enumerate(header(transcript, style=style)):
        row = f"{name:<20}{value:<20}"
        if style == "sguil" and number == 4:
            row = f"{name:<20}" + "\t(".join(value.rsplit(" (", 1))  # sguild writes a tab there
        yield row if style == "sguil" else row.rstrip()
    yield from (f"[{printable(caveat.detail)}]" for caveat in transcript.caveats)
    yield " " * 40 if style == "sguil" else ""


def _slice(part: Slice, style: str) -> Iterator[str]:
    turn = part.turn
    if turn.gap and part.begins:
        yield f"{turn.side.upper()}: {gap(turn)}"
    if part.length:
        if style != "sguil":
            yield f"--- {slice_mark(part)}"
        yield from _bytes(turn.side, part.data, turn.offset + part.skip, style)


def _bytes(side: str, data: bytes, offset: int, style: str) -> Iterator[str]:
    prefix = side.upper()
    if style == "hex":
        yield from (f"{prefix}: {row}" for row in hex_rows(data, offset))
        return
    text = _lines_of(data)
    if style != "sguil":  # Sguil shows an empty line behind a turn that ends with a newline
        text = text.removesuffix("\n")
    yield from (f"{prefix}: {line}" for line in text.split("\n"))
