"""HTTP/1 in a transcript: requests with their responses, bodies decoded within bounds.

A parser of our own, because libraries refuse or lose what evidence holds: bodies with gaps, requests that break the
grammar on purpose, headers sent twice. It never replaces the bytes: the turns stay what they are.

Source: RFC 9112 (messages, chunked coding), RFC 9110 15.2 (interim responses).
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.codings import Allowance, uncoded
from nsm_nb.transcripts.streams import MOST, Stream

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["MOST_MESSAGES", "Exchange", "Message", "exchanges", "speaks"]

_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [^\r\n]{1,65536} HTTP/1\.[01]\r?\n")
_RESPONSE = re.compile(rb"HTTP/1\.[01] \d{3}[^\r\n]{0,1024}\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_MOST_HEAD = 1 << 20
_MOST_CHUNKS = 1_000_000  # of one body
MOST_MESSAGES = 30_000  # of one side
_BARE = ("HEAD", "CONNECT")  # what is answered without a body


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
    at: int = 0  # where it stands in its side's `Stream.data`
    size: int = 0  # bytes of it that were seen, head and body as they came
    last: int = 0  # the frame of its last byte
    missing: int = 0  # bytes of the body that are missing
    whole: bool = True  # nothing of the body is missing, and its codings came off

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
    tunnel: tuple[int, int] | None = None  # where in both streams what CONNECT or an upgrade opened begins


class _Found(NamedTuple):
    """A message and where it stands in the conversation, by the numbers of turns."""

    message: Message
    began: int
    known: int  # the turn with which its head was whole
    lost: int  # bytes missing before it
    end: int  # the place behind it in its stream
    codings: tuple[str, str]  # of the transfer and of the content, still on the body


def exchanges(
    transcript: Transcript,
    *,
    begin: tuple[int, int] = (0, 0),
    most: int = MOST,
    check: Callable[[], object] = lambda: None,
) -> list[Exchange]:
    """Return the HTTP exchanges of a transcript, in order; empty where its bytes are not HTTP/1.

    A response belongs to the oldest request without one whose head was there before the response began. Where bytes are
    missing between responses, whole ones may be lost: what follows is paired with the latest requests, and its note says
    that a gap stands before it. What a CONNECT or a switch of protocols opens is not HTTP, and ends it.

    Parameters
    ----------
    transcript
        The conversation.
    begin
        Where in both streams it begins.
    most
        Bytes of each side that are looked at.
    check
        Called at each message; what it raises ends it.
    """
    src, dst = Stream(transcript, "src", most), Stream(transcript, "dst", most)
    if not speaks(src.data[begin[0] : begin[0] + 70_000], dst.data[begin[1] : begin[1] + 2_000]):
        return []
    requests = _messages(src, _REQUEST, [], begin[0], check)
    asked = [each.message.start.split(" ", 1)[0] for each in requests]
    # the answer to HEAD has no body, so what answers what must be known first: guessed by count, then by the pairs
    for _ in range(3):
        final = [each for each in _messages(dst, _RESPONSE, asked, begin[1], check) if _is_final(each.message.start)]
        pairs = _pairs(requests, final)
        found = ["" if place is None else requests[place].message.start.split(" ", 1)[0] for place in pairs]
        if found == asked[: len(found)] or not any(each in _BARE for each in (*found, *asked)):
            break
        asked = found
    answers = {place: each for place, each in zip(pairs, final, strict=True) if place is not None}
    allowance = Allowance()
    both = []
    for place, each in enumerate(requests):
        answer = answers.get(place)
        tunnel = None
        if answer is not None and _opens(each.message.start, answer.message.start):
            tunnel = (each.end, answer.end)
        exchange = Exchange(_opened(each, allowance), None if answer is None else _opened(answer, allowance), tunnel)
        both.append((each.began, exchange))
        if tunnel:
            break  # what comes next is inside
    both += [
        (each.began, Exchange(None, _opened(each, allowance)))
        for place, each in zip(pairs, final, strict=True)
        if place is None
    ]  # fmt: skip
    return [exchange for _, exchange in sorted(both, key=lambda each: each[0])]


def speaks(src: bytes, dst: bytes) -> bool:
    """Return True where the first bytes of either side are HTTP/1."""
    return bool(_REQUEST.match(src[:70_000]) or _RESPONSE.match(dst[:2_000]))


def _opened(found: _Found, allowance: Allowance) -> Message:
    """Return a message with the codings taken off its body."""
    message, notes, whole = found.message, [], found.message.whole
    body = message.body
    for codings in found.codings:
        if codings:
            body, said, ended = uncoded(body, codings, allowance)
            notes += said
            whole = whole and ended
    if not notes:
        return message
    return replace(message, body=body, note=", ".join([*([message.note] if message.note else []), *notes]), whole=whole)


def _opens(request: str, response: str) -> bool:
    """Return True where a response opens a tunnel (RFC 9110 9.3.6) or switches protocols."""
    return response[9:12] == "101" or (request.startswith("CONNECT ") and response[9] == "2")


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


def _messages(
    side: Stream, first_line: re.Pattern[bytes], asked: Sequence[str], at: int, check: Callable[[], object]
) -> list[_Found]:
    """Return the messages of one side; `asked` has of each final response the method that it answers."""
    found: list[_Found] = []
    answered = 0
    data = side.data
    lost = side.missing(at, at)  # bytes missing before what comes next
    while at < len(data):
        check()
        if len(found) == MOST_MESSAGES:
            latest = found.pop()
            words = f"behind it stand more than the {MOST_MESSAGES:,} messages of one side that are taken apart"
            note = ", ".join([*([latest.message.note] if latest.message.note else []), words])
            found.append(latest._replace(message=replace(latest.message, note=note)))
            break
        if not side.begins(at, first_line):
            # behind a gap the stream is taken up again where a turn begins with a message
            again = side.start_from(at if lost else side.gap_from(at + 1), first_line)
            if again is None:
                break
            at, lost = again, lost + side.missing(at + 1, again)
        notes = [f"a gap of {many(lost, 'byte')} stands before it"] if lost else []
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
        body = _Body(b"", after, 0, 0, True, [])
        codings = ("", "")
        method = asked[answered] if answered < len(asked) else ""
        if end is None:
            beyond = side.missing(gap, gap)
            words = "head not whole" + (f": a gap of {many(beyond, 'byte')} lies in it" if beyond else "")
            body = _Body(b"", gap, beyond, 0, False, [words])
        else:
            bare = first_line is _RESPONSE and (
                start[9] == "1" or start[9:12] in ("204", "304") or method == "HEAD" or _opens(method + " ", start)
            )
            lowered = {} if bare else {name.lower(): value for name, value in reversed(headers)}
            body = _body(side, after, lowered, first_line is _RESPONSE and not bare)
            transfer = [each.strip() for each in lowered.get("transfer-encoding", "").split(",")]
            codings = (
                ",".join(each for each in transfer if each.lower() != "chunked"), lowered.get("content-encoding", "")
            )  # fmt: skip
        if first_line is _RESPONSE and _is_final(start):
            answered += 1
        place = side.place(at)
        last = side.place(max(body.behind - 1, at)).frame
        message = Message(
            side.side, place.time, place.frame, start, headers, body.data, ", ".join([*notes, *body.notes]),
            at, body.behind - at, last, body.missing, body.whole,
        )  # fmt: skip
        known_turn = side.numbers[side.turn_at(max(after - 1, at))]
        found.append(_Found(message, side.numbers[side.turn_at(at)], known_turn, lost, body.behind, codings))
        if first_line is _RESPONSE and end is not None and _opens(method + " ", start):
            break
        at, lost = body.behind, body.beyond
    return found


class _Body(NamedTuple):
    """A body as it came, chunks joined."""

    data: bytes
    behind: int  # the place behind it
    beyond: int  # bytes missing there
    missing: int  # bytes of it that are missing, as far as that is known
    whole: bool
    notes: list[str]


def _body(side: Stream, at: int, headers: dict[str, str], until_close: bool) -> _Body:
    """Return the body of a message; RFC 9112 6.3 in its order."""
    notes = []
    short, whole = 0, True
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, behind, missing, beyond, whole = _chunks(side, at)
        notes.append("chunks joined" if whole else "chunks joined, the last is not among them")
    elif re.fullmatch(r"[0-9]{1,18}", headers.get("content-length", "")):
        size = int(headers["content-length"])
        body, behind, missing, short, beyond = side.take(at, size)
        if short:
            notes.append(f"{short:,} of {many(size, 'byte')} missing at the end")
    elif until_close:
        body, behind, beyond = side.data[at:], len(side.data), 0
        missing = side.missing(at, behind)
        if "content-length" in headers:
            notes.append(f"its Content-Length is no size: {headers['content-length'][:40]}")
            whole = False
    else:
        return _Body(b"", at, side.missing(at, at), 0, True, [])
    if missing:
        notes.append(f"partial: a gap of {many(missing, 'byte')} lies in it")
    if side.left and behind == len(side.data):
        left = many(side.left, "byte of this side was", "bytes of this side were")
        notes.append(f"{left} not looked at: {len(side.data):,} {form(len(side.data), 'is', 'are')}")
        whole = False
    return _Body(body, behind, beyond, missing + short, whole and not (missing or short), notes)


def _chunks(side: Stream, at: int) -> tuple[bytes, int, int, int, bool]:
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
        if taken.rest or taken.short or len(parts) == _MOST_CHUNKS:
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
