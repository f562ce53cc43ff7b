"""HTTP/1 in a transcript: requests with their responses, bodies decoded within bounds.

A parser of our own, because libraries refuse or lose what evidence holds: bodies with gaps, requests that break the
grammar on purpose, headers sent twice. It never replaces the bytes: the turns stay what they are.

Source: RFC 9112 (messages, chunked coding), RFC 9110 15.2 (interim responses).
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from nsm_nb.text import printable
from nsm_nb.transcripts.codings import unpacked

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["Exchange", "Message", "exchanges"]

_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [^\r\n]{1,65536} HTTP/1\.[01]\r?\n")
_RESPONSE = re.compile(rb"HTTP/1\.[01] \d{3}[^\r\n]{0,1024}\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_MOST_HEAD = 1 << 20


@dataclass(frozen=True)
class Message:
    """One request or response."""

    side: str
    time: pd.Timestamp
    frame: int
    start: str  # request line or status line, printable
    headers: tuple[tuple[str, str], ...]  # as they came, names and values printable
    body: bytes  # chunks joined, content coding removed where that was possible
    note: str = ""  # what was decoded, what is missing

    @property
    def sha256(self) -> str:
        """The SHA-256 of `body`; empty where there is no body."""
        return hashlib.sha256(self.body).hexdigest() if self.body else ""

    def header(self, name: str) -> str:
        """Return the first header of that name, any case; empty where there is none."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), "")


@dataclass(frozen=True)
class Exchange:
    """A request and what was answered; either is None where it is not in the evidence."""

    request: Message | None
    response: Message | None


class _Found(NamedTuple):
    """A message and where it stands in the conversation, by the numbers of turns."""

    message: Message
    began: int
    known: int  # the turn with which its head was whole
    lost: int  # bytes missing before it


class _Taken(NamedTuple):
    """Bytes of a stream by their number on the wire."""

    data: bytes
    end: int  # the place behind them
    missing: int  # bytes of them that lie in gaps
    short: int  # bytes of them that are behind the last byte seen
    rest: int  # bytes that are missing behind them


class _Side:
    """The bytes of one side and where in them each turn starts and gaps lie."""

    def __init__(self, transcript: Transcript, side: str):
        numbered = [(number, turn) for number, turn in enumerate(transcript.turns) if turn.side == side]
        self.side = side
        self.numbers = [number for number, _ in numbered]
        self.turns = [turn for _, turn in numbered]
        self.data = b"".join(turn.data for turn in self.turns)
        self.starts = [0, *accumulate(len(turn.data) for turn in self.turns)][:-1]
        gaps = [(start, turn.gap) for start, turn in zip(self.starts, self.turns, strict=True) if turn.gap]
        self.gaps = [at for at, _ in gaps]  # places before which bytes are missing
        self.upto = [0, *accumulate(size for _, size in gaps)]

    def turn_at(self, place: int) -> int:
        return max(bisect_right(self.starts, place) - 1, 0)

    def missing(self, start: int, end: int) -> int:
        """Return how many bytes are missing between two places, at `start` and `end` themselves too."""
        return self.upto[bisect_right(self.gaps, end)] - self.upto[bisect_left(self.gaps, start)]

    def gap_from(self, place: int) -> int:
        """Return the place of the first gap from there on, the end where there is none."""
        number = bisect_left(self.gaps, place)
        return self.gaps[number] if number < len(self.gaps) else len(self.data)

    def start_from(self, place: int, first_line: re.Pattern[bytes]) -> int | None:
        """Return where the next turn begins that begins with a message."""
        starts = islice(self.starts, bisect_left(self.starts, place), None)
        return next((start for start in starts if self.begins(start, first_line)), None)

    def begins(self, place: int, first_line: re.Pattern[bytes]) -> bool:
        """Return True where a message begins; its first line has no gap."""
        return first_line.match(self.data, place, self.gap_from(place + 1)) is not None

    def take(self, at: int, size: int) -> _Taken:
        """Return the next `size` bytes as they were on the wire: what lies in a gap counts."""
        start, left, missing, rest = at, size, 0, 0
        for number in range(bisect_left(self.gaps, at), len(self.gaps)):
            place, gap = self.gaps[number], self.upto[number + 1] - self.upto[number]
            if left <= place - at:
                rest = gap if left == place - at else 0
                break
            left -= place - at
            at = place
            missing += min(gap, left)
            if gap >= left:
                return _Taken(self.data[start:at], at, missing, 0, gap - left)
            left -= gap
        end = min(at + left, len(self.data))
        return _Taken(self.data[start:end], end, missing, left - (end - at), rest)


def exchanges(transcript: Transcript) -> list[Exchange]:
    """Return the HTTP exchanges of a transcript, in order; empty where its bytes are not HTTP/1.

    A response belongs to the oldest request without one whose head was there before the response began. Where bytes are
    missing between responses, whole ones may be lost: what follows is paired with the latest requests, and its note says
    that a gap stands before it.
    """
    src, dst = _Side(transcript, "src"), _Side(transcript, "dst")
    if not (_REQUEST.match(src.data[:70_000]) or _RESPONSE.match(dst.data[:2_000])):
        return []
    requests = _messages(src, _REQUEST, [])
    heads: list[bool] = [each.message.start.startswith("HEAD ") for each in requests]
    # the answer to HEAD has no body, so what answers what must be known first: guessed by count, then by the pairs
    for _ in range(3):
        final = [each for each in _messages(dst, _RESPONSE, heads) if _is_final(each.message.start)]
        pairs = _pairs(requests, final)
        found = [place is not None and requests[place].message.start.startswith("HEAD ") for place in pairs]
        if found == heads[: len(found)] or not any((*found, *heads)):
            break
        heads = found
    answers = {place: each for place, each in zip(pairs, final, strict=True) if place is not None}
    both = [
        (each.began, Exchange(each.message, answers[place].message if place in answers else None))
        for place, each in enumerate(requests)
    ]
    both += [
        (each.began, Exchange(None, each.message))
        for place, each in zip(pairs, final, strict=True)
        if place is None
    ]  # fmt: skip
    return [exchange for _, exchange in sorted(both, key=lambda each: each[0])]


def _is_final(start: str) -> bool:
    """Return True where a response answers its request: 1xx does not, but for the switch of protocols."""
    return start[9] != "1" or start[9:12] == "101"


def _pairs(requests: Sequence[_Found], responses: Sequence[_Found]) -> list[int | None]:
    """Return the place of the request that each response answers, None where it is not there."""
    pairs: list[int | None] = []
    waiting: deque[int] = deque()
    at = 0
    for number, response in enumerate(responses):
        while at < len(requests) and requests[at].known < response.began:
            waiting.append(at)
            at += 1
        if response.lost:
            following = 1
            for later in islice(responses, number + 1, None):
                if later.lost or (at < len(requests) and requests[at].known < later.began):
                    break
                following += 1
            while len(waiting) > following:
                waiting.popleft()  # its answer is in the gap
        pairs.append(waiting.popleft() if waiting else None)
    return pairs


def _messages(side: _Side, first_line: re.Pattern[bytes], heads: Sequence[bool]) -> list[_Found]:
    """Return the messages of one side; `heads` says of each final response whether it answers HEAD."""
    found: list[_Found] = []
    answered = 0
    at, data = 0, side.data
    lost = side.missing(0, 0)  # bytes missing before what comes next
    while at < len(data):
        if not side.begins(at, first_line):
            # behind a gap the stream is taken up again where a turn begins with a message
            again = side.start_from(at if lost else side.gap_from(at + 1), first_line)
            if again is None:
                break
            at, lost = again, lost + side.missing(at + 1, again)
        number = side.turn_at(at)
        notes = [f"a gap of {lost:,} bytes stands before it"] if lost else []
        gap = side.gap_from(at + 1)
        end = _HEAD_END.search(data, at, min(at + _MOST_HEAD, gap))
        known, after = (end.start(), end.end()) if end else (min(at + _MOST_HEAD, gap), gap)
        lines = data[at:known].replace(b"\r\n", b"\n").split(b"\n")
        start = printable(lines[0].rstrip())
        named = lines[1:] if end else lines[1:-1]
        headers = tuple(
            (printable(name.strip()), printable(value.strip()))
            for name, _, value in (line.partition(b":") for line in named)
        )
        body = b""
        if end is None:
            behind = gap
            beyond = side.missing(gap, gap)
            notes.append("head not whole" + (f": a gap of {beyond:,} bytes lies in it" if beyond else ""))
        else:
            bare = first_line is _RESPONSE and (
                start[9] == "1" or start[9:12] in ("204", "304") or (answered < len(heads) and heads[answered])
            )
            lowered = {} if bare else {name.lower(): value for name, value in reversed(headers)}
            body, behind, beyond, said = _body(side, after, lowered, first_line is _RESPONSE and not bare)
            notes += said
        if first_line is _RESPONSE and _is_final(start):
            answered += 1
        turn = side.turns[number]
        message = Message(side.side, turn.time, turn.frames[0], start, headers, body, ", ".join(notes))
        found.append(_Found(message, side.numbers[number], side.numbers[side.turn_at(max(after - 1, at))], lost))
        at, lost = behind, beyond
    return found


def _body(side: _Side, at: int, headers: dict[str, str], until_close: bool) -> tuple[bytes, int, int, list[str]]:
    """Return the body, the place behind it, the bytes missing there, and notes. RFC 9112 6.3 in its order."""
    notes = []
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, behind, missing, beyond, whole = _chunks(side, at)
        notes.append("chunks joined" if whole else "chunks joined, the last is not there")
    elif re.fullmatch(r"[0-9]{1,15}", headers.get("content-length", "")):
        size = int(headers["content-length"])
        body, behind, missing, short, beyond = side.take(at, size)
        if short:
            notes.append(f"{short:,} of {size:,} bytes missing at the end")
    elif until_close:
        body, behind, beyond = side.data[at:], len(side.data), 0
        missing = side.missing(at, behind)
    else:
        return b"", at, side.missing(at, at), []
    if missing:
        notes.append(f"partial: a gap of {missing:,} bytes lies in it")
    codings = [each.strip() for each in headers.get("content-encoding", "").lower().split(",") if each.strip()]
    for coding in reversed(codings[:2]):
        if coding in ("gzip", "x-gzip", "deflate"):
            body, said = unpacked(body)
            notes.append(f"{coding} {said}")
        elif coding != "identity":
            notes.append(f"{printable(coding)} left as it is")
    return body, behind, beyond, notes


def _chunks(side: _Side, at: int) -> tuple[bytes, int, int, int, bool]:
    """Return the chunks joined, the place behind them, bytes missing in them and there, and whether the last was seen.

    Where a gap hides the size of a chunk they end.
    """
    data = side.data
    parts: list[bytes] = []
    missing = 0
    since = at  # a gap before that place is counted already
    while True:
        line_end = data.find(b"\n", at, at + 4096)
        gap = side.gap_from(since)
        digits = data[at:line_end].split(b";")[0].strip() if at <= line_end < gap else b""
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", digits):
            return b"".join(parts), gap, missing, side.missing(gap, gap), False
        size = int(digits, 16)
        at = line_end + 1
        if size == 0:
            return b"".join(parts), (end := _trailers(data, at)), missing, side.missing(end, end), True
        taken = side.take(at, size)
        parts.append(taken.data)
        missing += taken.missing
        if taken.rest or taken.short:
            return b"".join(parts), taken.end, missing, taken.rest, False
        at, since = taken.end, taken.end + 1
        at += 2 if data[at : at + 2] == b"\r\n" else 1


def _trailers(data: bytes, at: int) -> int:
    """Return the place behind the empty line that ends the trailers."""
    while True:
        line_end = data.find(b"\n", at, at + 65_536)
        if line_end < 0:
            return len(data)
        empty = not data[at:line_end].strip()
        at = line_end + 1
        if empty:
            return at
