"""Files in HTTP: bodies of responses and of requests, and the files in forms; ranges of one file are put together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message as Headers
from typing import NamedTuple
from urllib.parse import unquote

from nsm_nb.transcripts.decoding.records import Talk
from nsm_nb.transcripts.http import Exchange, Message, exchanges
from nsm_nb.transcripts.objects.found import Object
from nsm_nb.transcripts.objects.multipart import file_name, parts

__all__ = ["carried"]

_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")


def carried(talk: Talk) -> Iterator[Object | Talk | str]:
    """Yield the files, what CONNECT opened, and a sentence where not all was looked at."""
    ranges: dict[tuple[str, str], list[_Range]] = {}
    for exchange in exchanges(talk.transcript, begin=talk.begin, check=talk.budget.check):
        for message in (exchange.request, exchange.response):
            if message is not None and message.body:
                made = _object(exchange, message)
                yield made
                yield from _parts(made, message)
                if (found := _range(message, made)) is not None:
                    ranges.setdefault((made.path, found.total), []).append(found)
            if message is not None and message.note.endswith("that are taken apart"):
                yield f"{message.note} (frame {message.frame})"
        if exchange.tunnel:
            yield talk.inside(*exchange.tunnel)
    for several in ranges.values():
        if len(several) > 1:
            yield _joined(several)


class _Range(NamedTuple):
    start: int
    total: str
    made: Object


def _object(exchange: Exchange, message: Message) -> Object:
    target = ""
    host = ""
    if exchange.request is not None:
        target = exchange.request.start.split(" ", 1)[1].rpartition(" ")[0] if " " in exchange.request.start else ""
        host = exchange.request.header("host")
    path = target if "://" in target[:12] else f"http://{host}{target}" if target or host else ""
    name = _disposed(message) or unquote(
        re.split(r"[?#]", re.sub(r"^[a-z]+://[^/]*", "", target))[0].rpartition("/")[2]
    )
    notes = [message.note] if message.note else []
    complete, missing = message.whole, message.missing
    found = _RANGE.fullmatch(message.header("content-range").strip())
    if found is not None and found[3] != str(int(found[2]) - int(found[1]) + 1):
        notes.append(f"bytes {found[1]} to {found[2]} of {found[3]}")
        complete = False
    return Object(
        "http", message.side, message.time, message.frame, message.last, name, path, message.header("content-type"),
        message.body, complete, missing, ", ".join(notes),
    )  # fmt: skip


def _disposed(message: Message) -> str:
    value = message.header("content-disposition")
    if not value:
        return ""
    headers = Headers()
    headers["Content-Disposition"] = value.replace("\n", " ").replace("\r", " ")
    return file_name(headers)


def _parts(made: Object, message: Message) -> Iterator[Object]:
    for part in parts(message.body, made.claimed_type):
        if part.name:
            whole = part.whole and bool(made.complete)
            yield Object(
                "http", made.side, made.time, made.frame, made.last_frame, part.name, made.path, part.claimed, part.data, whole,
                0 if whole else None, "part of a form" + ("" if part.whole else ", its end is not there"),
            )  # fmt: skip


def _range(message: Message, made: Object) -> _Range | None:
    found = _RANGE.fullmatch(message.header("content-range").strip())
    if found is None or message.start[9:12] != "206" or not message.whole:
        return None
    return _Range(int(found[1]), found[3], made)


def _joined(several: list[_Range]) -> Object:
    """Return the ranges of one file as one object; where they overlap the first one stands."""
    first = several[0].made
    held: list[bytes] = []
    at = missing = 0
    for each in sorted(several, key=lambda each: each.start):
        if each.start > at:
            missing += each.start - at
            at = each.start
        fresh = each.made.data[at - each.start :]
        held.append(fresh)
        at += len(fresh)
    total = several[0].total
    if total.isdigit():
        missing += max(int(total) - at, 0)
    return Object(
        "http", first.side, first.time, first.frame, several[-1].made.last_frame, first.name, first.path, first.claimed_type,
        b"".join(held), total.isdigit() and not missing, missing, f"put together of {len(several)} ranges",
    )  # fmt: skip
