"""SMTP: commands, replies, and the messages that were handed over (RFC 5321; BDAT of RFC 3030; AUTH of RFC 4954)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nsm_nb.text import many
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.mail import heading
from nsm_nb.transcripts.streams import Stream

OVER, PORTS = ("tcp",), (25, 587, 2525)
_GREETED = re.compile(rb"220[ -][^\r\n]{0,512}(?:SMTP|smtp|Postfix|Exim|Sendmail)", re.ASCII)
_HELLO = re.compile(rb"(?:EHLO|HELO|LHLO)[ \r\n]", re.IGNORECASE)
_REPLY = re.compile(rb"[1-5][0-9]{2}(?:[ -]|$)")
_COMMAND = re.compile(rb"([A-Za-z]{4,10})(?:[ :](.*))?$", re.DOTALL)


@dataclass(frozen=True)
class Mail:
    """A message that was handed over."""

    stream: Stream
    start: int
    end: int
    data: bytes  # without the dots that SMTP adds
    missing: int
    whole: bool


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where the client says hello as in SMTP, or the server greets so."""
    return bool(_HELLO.match(src) or _GREETED.match(dst))


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where a reply or a command may begin it."""
    return bool(_REPLY.match(dst) or _COMMAND.match(src.split(b"\r\n")[0]))


def records(talk: Talk) -> Iterator[Record | Talk]:
    """Yield commands, replies and messages."""
    for each in _steps(talk):
        if isinstance(each, Mail):
            words = f"message, {many(len(each.data), 'byte')}" + (f", {each.missing:,} missing" if each.missing else "")
            yield talk.record("smtp", each.stream, each.start, each.end, "message", words, **heading(each.data))
        else:
            yield each


def mails(talk: Talk) -> Iterator[Mail]:
    """Yield the messages that were handed over."""
    for each in _steps(talk):
        if isinstance(each, Mail):
            yield each


def _steps(talk: Talk) -> Iterator[Record | Talk | Mail]:
    client, server = talk.src, talk.dst
    if _GREETED.match(talk.heads[0]) or _HELLO.match(talk.heads[1]):
        client, server = server, client  # the direction was guessed the wrong way
    behind = talk.begin[0] if client is talk.src else talk.begin[1]
    waiting = ""  # DATA, or STARTTLS, until it is answered
    secret = 0  # lines of the client that answer AUTH
    for stream, line in talk.lines():
        if stream is server:
            yield talk.record("smtp", stream, line.start, line.end, "reply", line.data, code=line.data[:3])
            code = line.data[:3]
            if line.data[3:4] == b"-":
                continue
            if waiting == "STARTTLS" and code == b"220":
                begin = (max(talk.behind(stream, line.start, client), behind), line.end)
                yield talk.inside(*(begin if client is talk.src else begin[::-1]))
                return
            if waiting == "AUTH" and code == b"334":
                secret += 1
            elif code[:1] != b"3":
                secret = 0
            if waiting != "DATA" or code == b"354":
                waiting = waiting if waiting == "AUTH" and code == b"334" else ""
            continue
        if line.start < behind:
            continue  # of a message
        if secret:
            secret -= 1
            yield talk.record("smtp", stream, line.start, line.end, "authentication", _plain(line.data), said=line.data)
            continue
        found = _COMMAND.match(line.data)
        if found is None:
            yield talk.record("smtp", stream, line.start, line.end, "text", line.data)
            continue
        verb, argument = found[1].upper().decode(), (found[2] or b"").strip()
        fields = {"verb": verb, "argument": argument}
        if verb == "AUTH":
            _, _, first = argument.partition(b" ")
            if first:
                fields["credentials"] = _plain(first)
        yield talk.record("smtp", stream, line.start, line.end, "command", line.data, **fields)
        waiting = verb if verb in ("DATA", "STARTTLS", "AUTH") else ""
        if verb == "DATA" and _accepted(server, talk.behind(stream, line.start, server)):
            mail = until_dot(client, line.end)
            talk.skip(client, behind := mail.end)
            yield mail
        elif verb == "BDAT" and (size := re.match(rb"[0-9]{1,10}", argument)):
            taken = client.take(line.end, int(size[0]))
            talk.skip(client, behind := taken.end)
            yield Mail(
                client, line.end, taken.end, taken.data, taken.missing + taken.short, not (taken.missing or taken.short)
            )


def _accepted(server: Stream, at: int) -> bool:
    """Return True where the reply to DATA, or what is left of it, is not a refusal."""
    for count, line in enumerate(server.lines(at)):
        if count == 100 or line.data[:3] not in (b"250", b"251"):
            return line.data[:1] not in (b"4", b"5")
    return True


def until_dot(stream: Stream, at: int) -> Mail:
    """Return what stands before the line that is a dot alone, without the dots that were put before others."""
    data = stream.data
    if data.startswith(b".\r\n", at):
        return Mail(stream, at, at + 3, b"", 0, True)
    end = data.find(b"\r\n.\r\n", at)
    whole = end >= 0
    stop = end + 2 if whole else len(data)
    body = data[at:stop]
    if body.startswith(b".."):
        body = body[1:]
    missing = stream.missing(at, stop)
    return Mail(
        stream, at, stop + (3 if whole else 0), body.replace(b"\r\n..", b"\r\n."), missing, whole and not missing
    )


def _plain(data: bytes) -> bytes:
    """Return what stands in a line of base64; the line where it is none."""
    try:
        return base64.b64decode(data, validate=True).replace(b"\0", b" ").strip() or data
    except (binascii.Error, ValueError):
        return data
