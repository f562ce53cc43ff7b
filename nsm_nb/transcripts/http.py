"""HTTP/1 in a transcript: requests with their responses, bodies decoded within bounds.

A parser of our own, because libraries refuse or lose what evidence holds: bodies with gaps, requests that break the
grammar on purpose, headers sent twice. It never replaces the bytes: the turns stay what they are.

Source: RFC 9112 (messages, chunked coding), RFC 9110 8.4 (content codings), RFC 1952 and 1950 (gzip, deflate).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["Exchange", "Message", "exchanges"]

_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [^\r\n]{1,65536} HTTP/1\.[01]\r?\n")
_RESPONSE = re.compile(rb"HTTP/1\.[01] \d{3}[^\r\n]{0,1024}\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_MOST_HEAD = 1 << 20
_MOST_BODY = 16 << 20  # bytes that a coding may unpack to, and
_MOST_RATIO = 100  # how many times its size (hostile.md T12)


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


class _Side:
    """The bytes of one side and where in them each turn starts and gaps lie."""

    def __init__(self, transcript: Transcript, side: str):
        turns = [turn for turn in transcript.turns if turn.side == side]
        self.side = side
        self.data = b"".join(turn.data for turn in turns)
        self.starts, self.turns, self.gaps = [], turns, []
        at = 0
        for turn in turns:
            if turn.gap:
                self.gaps.append((at, turn.gap))
            self.starts.append(at)
            at += len(turn.data)

    def turn_at(self, place: int) -> tuple[pd.Timestamp, int]:
        from bisect import bisect_right

        turn = self.turns[max(bisect_right(self.starts, place) - 1, 0)]
        return turn.time, turn.frames[0]

    def missing(self, start: int, end: int) -> int:
        return sum(size for at, size in self.gaps if start < at <= end)


def exchanges(transcript: Transcript) -> list[Exchange]:
    """Return the HTTP exchanges of a transcript, in order; empty where its bytes are not HTTP/1."""
    src, dst = _Side(transcript, "src"), _Side(transcript, "dst")
    if not (_REQUEST.match(src.data[:70_000]) or _RESPONSE.match(dst.data[:2_000])):
        return []
    requests = _messages(src, _REQUEST, [])
    methods = [request.start.partition(" ")[0] for request in requests]
    responses = _messages(dst, _RESPONSE, methods)
    # 1xx answers are no final answers (RFC 9110 15.2)
    final = [each for each in responses if not each.start.split(" ")[1].startswith("1") or " 101" in each.start]
    count = max(len(requests), len(final))
    return [
        Exchange(requests[place] if place < len(requests) else None, final[place] if place < len(final) else None)
        for place in range(count)
    ]


def _messages(side: _Side, first_line: re.Pattern[bytes], methods: list[str]) -> list[Message]:
    found: list[Message] = []
    answered = 0
    at, data = 0, side.data
    while at < len(data):
        if not first_line.match(data, at):
            break
        end = _HEAD_END.search(data, at, at + _MOST_HEAD)
        if end is None:
            time, frame = side.turn_at(at)
            found.append(
                Message(
                    side.side,
                    time,
                    frame,
                    printable(data[at : at + 200].split(b"\n")[0].rstrip()),
                    (),
                    b"",
                    "head not whole",
                )
            )
            break
        lines = data[at : end.start()].replace(b"\r\n", b"\n").split(b"\n")
        headers = tuple(
            (printable(name.strip()), printable(value.strip()))
            for name, _, value in (line.partition(b":") for line in lines[1:])
        )
        start = printable(lines[0])
        is_response = bool(_RESPONSE.match(data, at))
        method = methods[answered] if is_response and answered < len(methods) else ""
        body, upto, note = _body(
            side, end.end(), {k.lower(): v for k, v in reversed(headers)}, start, is_response, method
        )
        if is_response and not start.split(" ")[1].startswith("1"):
            answered += 1
        time, frame = side.turn_at(at)
        found.append(Message(side.side, time, frame, start, headers, body, note))
        if upto <= at:
            break
        at = upto
    return found


def _body(
    side: _Side, at: int, headers: dict[str, str], start: str, is_response: bool, method: str
) -> tuple[bytes, int, str]:
    """Return the body, where the next message starts, and a note. RFC 9112 6.3 in its order."""
    data = side.data
    status = start.split(" ")[1] if is_response else ""
    notes = []
    if is_response and (method == "HEAD" or status.startswith("1") or status in ("204", "304")):
        return b"", at, ""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        raw, upto, whole = _chunks(data, at)
        notes.append("chunks joined" if whole else "chunks joined, the last is not there")
    elif headers.get("content-length", "").isdigit():
        size = int(headers["content-length"])
        raw, upto = data[at : at + size], min(at + size, len(data))
        if len(raw) < size:
            notes.append(f"{size - len(raw):,} of {size:,} bytes missing at the end")
    elif is_response:
        raw, upto = data[at:], len(data)
    else:
        return b"", at, ""
    missing = side.missing(at, upto)
    if missing:
        notes.append(f"partial: a gap of {missing:,} bytes lies in it")
    body = raw
    for coding in reversed(
        [each.strip() for each in headers.get("content-encoding", "").lower().split(",") if each.strip()][:2]
    ):
        if coding in ("gzip", "x-gzip", "deflate"):
            body, said = _unpacked(body)
            notes.append(f"{coding} {said}")
        elif coding != "identity":
            notes.append(f"{printable(coding)} left as it is")
    return body, upto, ", ".join(notes)


def _chunks(data: bytes, at: int) -> tuple[bytes, int, bool]:
    parts: list[bytes] = []
    while True:
        line_end = data.find(b"\n", at, at + 4096)
        if line_end < 0:
            return b"".join(parts), len(data), False
        digits = data[at:line_end].split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", digits):
            return b"".join(parts), len(data), False
        size = int(digits, 16)
        at = line_end + 1
        if size == 0:
            # trailers end with an empty line
            while True:
                line_end = data.find(b"\n", at, at + 65_536)
                if line_end < 0:
                    return b"".join(parts), len(data), True
                empty = not data[at:line_end].strip()
                at = line_end + 1
                if empty:
                    return b"".join(parts), at, True
        parts.append(data[at : at + size])
        if at + size > len(data):
            return b"".join(parts), len(data), False
        at += size
        at += 2 if data[at : at + 2] == b"\r\n" else 1


def _unpacked(data: bytes) -> tuple[bytes, str]:
    """Return the bytes unpacked as far as is safe and possible, and words that say how far."""
    limit = min(_MOST_BODY, max(_MOST_RATIO * len(data), 65_536))
    for width in (47, -15):  # 47: gzip or zlib by its header; -15: raw deflate, which some servers mean
        unpacker = zlib.decompressobj(width)
        try:
            body = unpacker.decompress(data, limit)
        except zlib.error:
            continue
        if unpacker.unconsumed_tail or (not unpacker.eof and len(body) >= limit):
            return body, f"unpacked to {limit:,} bytes and stopped there: it goes on"
        return body, "unpacked" if unpacker.eof else "unpacked as far as it goes: it ends early"
    return data, "could not be unpacked"
