"""Messages and the files in them, of SMTP, POP3 and IMAP."""

from __future__ import annotations

from collections.abc import Iterator
from email.errors import MessageError

from nsm_nb.transcripts.decoding import imap, pop3, smtp
from nsm_nb.transcripts.decoding.records import Talk
from nsm_nb.transcripts.decoding.smtp import Mail
from nsm_nb.transcripts.mail import attachments, heading
from nsm_nb.transcripts.objects.found import Object

__all__ = ["carried"]

_MOST_ATTACHED = 64 << 20  # bytes of a message that is taken apart, and
_MOST_LINES = 1_000_000  # its lines: Python's parser takes its time with each


def carried(talk: Talk, protocol: str) -> Iterator[Object]:
    """Yield each message, then the files in it."""
    for mail in {"smtp": smtp, "pop3": pop3, "imap": imap}[protocol].mails(talk):
        if mail.data:
            yield from _of(mail, protocol)


def _of(mail: Mail, protocol: str) -> Iterator[Object]:
    first, last = mail.stream.place(mail.start), mail.stream.place(max(mail.end - 1, mail.start))
    said = heading(mail.data)
    path = f"message {said.get('subject', '')}".strip()

    def made(name: str, claimed: str, data: bytes, note: str) -> Object:
        return Object(
            protocol, mail.stream.side, first.time, first.frame, last.frame, name, path, claimed, data, mail.whole,
            mail.missing, note,
        )  # fmt: skip

    small = len(mail.data) <= _MOST_ATTACHED and mail.data.count(b"\n") <= _MOST_LINES
    notes = [] if mail.whole or mail.missing else ["its end is not there"]
    notes += (
        []
        if small
        else [f"too long to look for files in it: {_MOST_ATTACHED:,} bytes, {_MOST_LINES:,} lines are the most"]
    )
    yield made("", "message/rfc822", mail.data, ", ".join(notes))
    if not small:
        return
    try:
        for each in attachments(mail.data):
            yield made(each.name, each.claimed, each.data, ", ".join(filter(None, ["in the message", each.note])))
    except (MessageError, ValueError, LookupError, RecursionError, TypeError, AttributeError):
        return  # the message itself is there
