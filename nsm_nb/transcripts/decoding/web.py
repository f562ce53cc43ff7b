"""HTTP/1 as records: each request and response with its headers, and what its body is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsm_nb.text import printable
from nsm_nb.transcripts.decoding.charsets import text_of
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.http import Message, exchanges, speaks

OVER, PORTS = ("tcp",), (80, 8000, 8080, 3128)
_CHARSET = re.compile(r"charset=\"?([^\s;\"]{1,40})", re.IGNORECASE)
_TEXT = re.compile(r"text/|json|xml|javascript|urlencoded", re.IGNORECASE)
_SHOWN = 2_048  # bytes of a body that are given as text


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a request or a response begins a side."""
    return speaks(src, dst)


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: a first line tells."""
    return False


def records(talk: Talk) -> Iterator[Record | Talk]:
    """Yield requests and responses, and what a CONNECT opened."""
    for exchange in exchanges(talk.transcript, begin=talk.begin, most=talk.budget.octets, check=talk.budget.check):
        for message in (exchange.request, exchange.response):
            if message is not None:
                yield _record(talk, message)
        if exchange.tunnel:
            yield talk.inside(*exchange.tunnel)


def _record(talk: Talk, message: Message) -> Record:
    stream = talk.src if message.side == "src" else talk.dst
    first, _, rest = message.start.partition(" ")
    fields: dict = {"headers": [list(each) for each in message.headers], "note": message.note}
    if first.startswith("HTTP/"):
        kind = "response"
        fields |= {"status": rest[:3], "reason": rest[4:]}
    else:
        kind = "request"
        target, _, version = rest.rpartition(" ")
        fields |= {"method": first, "target": target, "version": version, "host": message.header("host")}
    claimed = message.header("content-type")
    if message.body:
        fields |= {"body_size": len(message.body), "body_type": claimed, "body_sha256": message.sha256}
        if _TEXT.search(claimed) or not claimed:
            named = _CHARSET.search(claimed)
            text, said = text_of(message.body[:_SHOWN], named[1] if named else "")
            fields |= {"body": printable(text, lines=True), "charset": said}
    return talk.record("http", stream, message.at, message.at + message.size, kind, message.start, **fields)
