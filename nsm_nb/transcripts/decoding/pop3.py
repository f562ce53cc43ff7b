"""POP3: commands, answers, and the messages that were fetched (RFC 1939)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsm_nb.text import many
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.decoding.smtp import Mail, until_dot
from nsm_nb.transcripts.mail import heading

OVER, PORTS = ("tcp",), (110,)
_ANSWER = re.compile(rb"(?:\+OK|-ERR|\+)(?: |$)")
_COMMAND = re.compile(rb"([A-Za-z]{3,4})(?: (.*))?$", re.DOTALL)


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where the server greets with +OK."""
    return dst.startswith((b"+OK", b"-ERR"))


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where one logs in."""
    return src.upper().startswith((b"USER ", b"APOP ", b"AUTH", b"CAPA"))


def records(talk: Talk) -> Iterator[Record | Talk]:
    """Yield commands, answers and messages."""
    for each in _steps(talk):
        if isinstance(each, Mail):
            words = f"message, {many(len(each.data), 'byte')}" + (f", {each.missing:,} missing" if each.missing else "")
            yield talk.record("pop3", each.stream, each.start, each.end, "message", words, **heading(each.data))
        else:
            yield each


def mails(talk: Talk) -> Iterator[Mail]:
    """Yield the messages that were fetched."""
    for each in _steps(talk):
        if isinstance(each, Mail):
            yield each


def _steps(talk: Talk) -> Iterator[Record | Talk | Mail]:
    waiting: list[str] = []
    for stream, line in talk.lines():
        if stream is talk.src:
            found = _COMMAND.match(line.data)
            verb = found[1].upper().decode() if found else ""
            yield talk.record(
                "pop3", stream, line.start, line.end, "command" if found else "text", line.data, verb=verb
            )
            if verb:
                waiting.append(verb)
            continue
        yield talk.record("pop3", stream, line.start, line.end, "answer", line.data)
        if not _ANSWER.match(line.data) or not waiting:
            continue
        verb = waiting.pop(0)
        if line.data.startswith(b"+OK") and verb in ("RETR", "TOP"):
            mail = until_dot(stream, line.end)
            talk.skip(stream, mail.end)
            yield mail
        elif line.data.startswith(b"+OK") and verb == "STLS":
            yield talk.inside(talk.behind(stream, line.start, talk.src), line.end)
            return
