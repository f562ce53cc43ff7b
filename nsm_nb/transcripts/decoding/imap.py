"""IMAP: commands with their tags, answers, and the messages in their literals (RFC 9051, 2.2 and 4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsm_nb.text import many
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.decoding.smtp import Mail
from nsm_nb.transcripts.mail import heading
from nsm_nb.transcripts.streams import Stream

OVER, PORTS = ("tcp",), (143,)
_COMMAND = re.compile(rb"([^\s*+(){%\"\\]{1,40}) (UID )?([A-Za-z]{3,14})(?: (.*))?$", re.DOTALL | re.IGNORECASE)
_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}$")
_MESSAGE = re.compile(rb"(?:BODY\[\]|RFC822)(?:<\d+>)? \{[0-9]+\}$|APPEND .*\{[0-9]+\+?\}$", re.IGNORECASE)


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where the server greets as IMAP does."""
    return dst.startswith((b"* OK", b"* PREAUTH", b"* BYE"))


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where a command with a tag begins it."""
    return bool(_COMMAND.match(src.split(b"\r\n")[0]))


def records(talk: Talk) -> Iterator[Record | Talk]:
    """Yield commands, answers and messages."""
    for each in _steps(talk):
        if isinstance(each, Mail):
            words = f"message, {many(len(each.data), 'byte')}" + (f", {each.missing:,} missing" if each.missing else "")
            yield talk.record("imap", each.stream, each.start, each.end, "message", words, **heading(each.data))
        else:
            yield each


def mails(talk: Talk) -> Iterator[Mail]:
    """Yield the messages that were fetched or stored."""
    for each in _steps(talk):
        if isinstance(each, Mail):
            yield each


def _steps(talk: Talk) -> Iterator[Record | Talk | Mail]:
    secured = b""
    for stream, line in talk.lines():
        if stream is talk.src:
            found = _COMMAND.match(line.data)
            fields = (
                {"tag": found[1], "verb": (found[2] or b"") + found[3], "argument": found[4] or b""} if found else {}
            )
            yield talk.record("imap", stream, line.start, line.end, "command" if found else "text", line.data, **fields)
            if found and found[3].upper() == b"STARTTLS":
                secured = found[1]
        else:
            yield talk.record("imap", stream, line.start, line.end, "answer", line.data)
            if secured and line.data.startswith(secured + b" OK"):
                yield talk.inside(talk.behind(stream, line.start, talk.src), line.end)
                return
        if literal := _LITERAL.search(line.data):
            mail = _literal(stream, line.end, int(literal[1]))
            talk.skip(stream, mail.end)
            if _MESSAGE.search(line.data):
                yield mail


def _literal(stream: Stream, at: int, size: int) -> Mail:
    taken = stream.take(at, size)
    missing = taken.missing + taken.short
    return Mail(stream, at, taken.end, taken.data, missing, not missing)
