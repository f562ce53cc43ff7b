"""A session as the report shows it: its figures with where they stand, and what was said in it.

What is no text in a turn is counted, not printed: a reader of paper wants the words, and the counts, offsets and hashes
lead to the bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.report.words import (
    ABSENT,
    Cell,
    Head,
    Table,
    absent,
    clock,
    cut,
    end,
    local,
    ranges,
    sentence,
    text_cell,
    time,
)
from nsm_nb.statistics import quantities
from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.saving import chunks

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript, Turn
    from nsm_nb.transcripts.http import Exchange, Message

__all__ = [
    "BODY", "EXCHANGES", "SHOWN", "Body", "Conversation", "Fact", "Passage", "Run", "Side", "conversation", "facts", "lines",
    "runs",
]  # fmt: skip

SHOWN = 16_384  # bytes of one session that are shown
BODY = 2_048  # bytes of a decoded HTTP body
EXCHANGES = 20  # of one session
_STRAYS, _OF_STRAY = 20, 256  # what is not in the stream: the first so many, and bytes of each
_ESCAPED = 8  # bytes that are no text: as many are shown as escapes, more are counted
_NO_TEXT = 20  # a turn is text where fewer than one character in so many is none

_CONTROL = re.compile(r"[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\ufffd]")  # BEL, BS and ESC come in terminals' text
_WORDS = re.compile(rb"(?P<wide>(?:[\x20-\x7e]\x00){4,})|(?P<text>[\t\n\r\x20-\x7e]{6,})")


@dataclass(frozen=True)
class Run:
    """A piece of a line: ``"text"``, ``"wide"`` (two bytes a character) or ``"bytes"`` that are no text."""

    kind: str
    text: str


@dataclass(frozen=True)
class Passage:
    """A turn: whose it is, when, in which frames, its lines."""

    side: str
    mark: str
    lines: Sequence[Sequence[Run]]
    gap: int = 0


@dataclass(frozen=True)
class Body:
    """An HTTP body that had to be decoded to be read; the turns show the others as they came."""

    side: str
    title: str
    lines: Sequence[Sequence[Run]]
    left: int


@dataclass(frozen=True)
class Side:
    """What one side sent in all."""

    side: str
    host: str
    packets: Cell
    octets: Cell
    payload: Cell
    sha256: str  # of the bytes of the transcript, gaps left out


@dataclass(frozen=True)
class Fact:
    """A name and what the evidence says of it."""

    name: str
    cells: Sequence[Cell]
    more: str = ""


@dataclass(frozen=True)
class Conversation:
    """A session with its figures and its transcript."""

    session: str
    anchor: str
    title: str
    facts: Sequence[Fact]
    sides: Sequence[Side]
    passages: Sequence[Passage] = ()
    exchanges: Table | None = None
    bodies: Sequence[Body] = ()
    caveats: Sequence[str] = ()
    said: int = 0  # bytes of the transcript in all
    shown: int = 0  # of them on the page
    problem: str = ""  # why there is no transcript
    silent: bool = False


def conversation(case: Case, row: pd.Series, *, anchor: str, names: dict[str, str], most: int = SHOWN) -> Conversation:
    """Return a session's figures and its transcript, of which at most `most` bytes are shown."""
    number = str(row["session"])
    packets = case.packets_of(int(number))
    found = Conversation(number, anchor, "", facts(case, row, packets, names), ())
    hashes = {"src": "", "dst": ""}
    try:
        transcript = case.transcript(int(number))
    except NsmError as problem:
        found = replace(found, problem=sentence(problem))
    else:
        hashes = {side: _sha256(transcript, side) for side in hashes if transcript.size(side)}
        passages, shown = _passages(transcript, most)
        exchanges = transcript.exchanges()
        found = replace(
            found,
            passages=passages,
            exchanges=_exchanges(exchanges) if exchanges else None,
            bodies=_bodies(exchanges[:EXCHANGES]),
            caveats=[each.detail for each in transcript.caveats],
            said=sum(turn.size for turn in transcript.turns),
            shown=shown,
            silent=not transcript.turns,
        )
    title = f"{end(row['src_ip'], row['src_port'])} → {end(row['dst_ip'], row['dst_port'])}"
    return replace(found, title=title, sides=[_side(row, side, hashes.get(side, "")) for side in ("src", "dst")])


def _side(row: pd.Series, side: str, sha256: str) -> Side:
    packets, octets, payload = (
        text_cell("sessions", row["session"], f"{side}_{each}", row[f"{side}_{each}"])
        for each in ("packets", "octets", "payload")
    )
    return Side(side, end(row[f"{side}_ip"], row[f"{side}_port"]), packets, octets, payload, sha256)


def facts(case: Case, row: pd.Series, packets: pd.DataFrame, names: dict[str, str]) -> list[Fact]:
    """Return what the evidence says of a session, each figure with where it stands."""
    zone = case.settings.time_zone

    def cell(column: str, shown: str | None = None, *, code: bool = False) -> Cell:
        return text_cell("sessions", row["session"], column, row[column], shown=shown, code=code)

    found = [Fact("session", [cell("session", str(row["session"]), code=True)])]
    for side, meaning in (("src", "who opened it"), ("dst", "who was asked")):
        known = names.get(str(row[f"{side}_ip"]), "")
        guess = (
            meaning if absent(row["direction_known"]) or row["direction_known"] else f"{meaning}: a guess, see caveats"
        )
        shown = [cell(f"{side}_ip", code=True)]
        if not absent(row[f"{side}_port"]):
            shown.append(cell(f"{side}_port", f"port {int(row[f'{side}_port'])}", code=True))
        found.append(
            Fact(side.upper(), shown, "; ".join(filter(None, [guess, known and f"the evidence names it {known}"])))
        )
    duration = f"took {quantities.span(float(row['duration']))}" if not absent(row["duration"]) else ""
    span = [cell("start", f"{time(row['start'])} UTC"), cell("end", f"{time(row['end'])} UTC")]
    found.append(Fact("first and last packet", span, "; ".join(filter(None, [duration, local(row["start"], zone)]))))
    kind = [cell("proto"), *([] if absent(row["application"]) else [cell("application")])]
    found.append(Fact("protocol", kind))
    ended = [
        cell(each, code=each == "history") for each in ("state", "closed", "history") if row[each] not in ("", None)
    ]
    found.append(Fact("state, how it closed, history", [each for each in ended if each.text != ABSENT]))
    if not absent(row["community_id"]):
        found.append(Fact("Community ID", [cell("community_id", code=True)]))
    found.append(Fact("evidence", [cell("evidence", code=True)], _where(row, packets)))
    if not absent(row["sensor"]):
        found.append(Fact("sensor", [cell("sensor")]))
    return [each for each in found if each.cells]


def _where(row: pd.Series, packets: pd.DataFrame) -> str:
    if not len(packets):
        return f"record {row['record']}, read as {row['source']}"
    frames = packets["frame"].astype(int).tolist()
    return f"{quantities.amount(len(frames), 'frame')}: {ranges(frames)}"


def _passages(transcript: Transcript, most: int) -> tuple[list[Passage], int]:
    """Return the turns as far as `most` bytes reach, and how many bytes those are."""
    found: list[Passage] = []
    shown = 0
    for turn in transcript.turns:
        room = most - shown
        if room <= 0:
            break
        data = turn.read(0, room)
        if turn.gap or data:
            found.append(Passage(turn.side, _mark(turn, len(data)), lines(data) if data else [], turn.gap))
        shown += len(data)
    for turn in transcript.strays[:_STRAYS]:
        data = turn.read(0, _OF_STRAY)
        found.append(Passage(turn.side, f"{_mark(turn, len(data))}; not in the stream", lines(data), 0))
    return found, shown


def _sha256(transcript: Transcript, side: str) -> str:
    digest = hashlib.sha256()
    for part in chunks(transcript, side):
        digest.update(part)
    return digest.hexdigest()


def _mark(turn: Turn, shown: int) -> str:
    frames = ranges(turn.frames) + (f" of {turn.evidence}" if turn.evidence else "")
    noun = form(len(turn.frames), "frame", "frames")
    size = quantities.amount(turn.size, "byte")
    more = f", the first {shown:,} shown" if shown < turn.size else ""
    return f"{clock(turn.time)}, {noun} {frames}, {size} at {turn.offset:,}{more}"


def lines(data: bytes) -> list[list[Run]]:
    """Return bytes as lines of runs."""
    found: list[list[Run]] = [[]]
    for run in runs(data):
        first, *rest = run.text.split("\n")
        found[-1].append(Run(run.kind, first))
        found += [[Run(run.kind, each)] for each in rest]
    if len(found) > 1 and not any(run.text for run in found[-1]):
        found.pop()  # what ends with a newline has no empty line after it
    return found


def runs(data: bytes) -> list[Run]:
    r"""Return bytes as text where they are text, as their count or their escapes where they are not.

    Examples
    --------
    >>> runs(b"uid=0(root)\n")
    [Run(kind='text', text='uid=0(root)\n')]
    >>> [run.text for run in runs(b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x00Volume Serial Number\x00\xff")]
    ['[10 bytes]', 'Volume Serial Number', '\\x00\\xff']
    """
    decoded = data.decode("utf-8", "replace").removesuffix("\ufffd")  # a character that the limit cut in two
    if len(_CONTROL.findall(decoded)) * _NO_TEXT <= len(decoded):
        return [Run("text", printable(data.replace(b"\r\n", b"\n"), lines=True))]
    found, at = [], 0
    for match in _WORDS.finditer(data):
        if match.start() > at:
            found.append(_bytes(data[at : match.start()]))
        kind = str(match.lastgroup)
        words = match.group().decode("utf-16-le" if kind == "wide" else "ascii")
        found.append(Run(kind, printable(words.replace("\r\n", "\n"), lines=True)))
        at = match.end()
    return [*found, _bytes(data[at:])] if at < len(data) else found


def _bytes(data: bytes) -> Run:
    if len(data) <= _ESCAPED:
        return Run("bytes", "".join(f"\\x{each:02x}" for each in data))
    return Run("bytes", f"[{len(data):,} bytes]")


def _exchanges(exchanges: Sequence[Exchange]) -> Table:
    """Return the first lines and the bodies of HTTP exchanges; the headers stand in the transcript."""
    heads = [Head("no.", right=True), Head("request"), Head("response"), Head("bodies", wide=True)]
    rows = [
        [Cell(str(number)), _first_line(each.request), _first_line(each.response), _body_cell(each)]
        for number, each in enumerate(exchanges[:EXCHANGES], 1)
    ]
    left = len(exchanges) - len(rows)
    their = form(left, "its", "their")
    more = f"{many(left, 'more exchange is', 'more exchanges are')} not listed; the transcript has {their} bytes."
    return Table("As HTTP", heads, rows, more if left else "")


def _first_line(message: Message | None) -> Cell:
    if message is None:
        return Cell("not in the evidence")
    return Cell(cut(message.start, 300), code=True, below=f"{clock(message.time)}, frame {message.frame}")


def _body_cell(exchange: Exchange) -> Cell:
    said = []
    for message, whose in ((exchange.request, "request"), (exchange.response, "response")):
        if message is not None and (message.body or message.note):
            note = f", {message.note}" if message.note else ""
            size = quantities.amount(len(message.body), "byte")
            said.append(f"{whose}: {size}{note}" + (f", SHA-256 {message.sha256}" if message.body else ""))
    return Cell("; ".join(said) or "none")


def _bodies(exchanges: Sequence[Exchange]) -> list[Body]:
    found = []
    for number, exchange in enumerate(exchanges, 1):
        for message, whose in ((exchange.request, "request"), (exchange.response, "response")):
            if message is not None and message.body and message.note:
                title = f"body of the {whose} of exchange {number}: {message.note}"
                body = message.body[:BODY]
                found.append(Body(message.side, title, lines(body), len(message.body) - len(body)))
    return found
