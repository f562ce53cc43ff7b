"""Messages of mail: who wrote to whom about what, and the files in them (RFC 5322, 2045, 2047, 2231), by Python's email.

The `compat32` policy: it takes headers as they are, where the newer ones parse them by a grammar that hostile ones break.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from typing import NamedTuple

__all__ = ["Attachment", "attachments", "heading"]

_MOST_HEAD = 65_536  # bytes of headers that are read
_MOST_PARTS = 1_000
_NAMES = ("From", "To", "Cc", "Subject", "Date", "Message-ID", "User-Agent", "X-Mailer", "Content-Type")


class Attachment(NamedTuple):
    """A part of a message that is a file, or may be one."""

    name: str
    claimed: str
    data: bytes
    note: str


def heading(data: bytes) -> dict[str, str]:
    """Return the headers that say who wrote to whom about what; encoded words are decoded."""
    end = min((place for place in (data.find(b"\r\n\r\n"), data.find(b"\n\n")) if place >= 0), default=len(data))
    message = BytesHeaderParser(policy=compat32).parsebytes(data[: min(end, _MOST_HEAD)])
    return {name.lower().replace("-", "_"): _words(str(message[name])) for name in _NAMES if message[name] is not None}


def attachments(data: bytes) -> Iterator[Attachment]:
    """Yield the files in a message: parts with a name, or that are neither text nor made of parts.

    Raises
    ------
    MessageError, ValueError, LookupError, RecursionError
        Where the message is such that Python's parser gives up.
    """
    message = BytesParser(policy=compat32).parsebytes(data)
    for number, part in enumerate(message.walk()):
        if number >= _MOST_PARTS:
            return
        if part.is_multipart():
            continue
        name = _name(part)
        if not name and part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            continue
        if not name and part is message and not part["Content-Type"]:
            continue
        yield _decoded(part, name)


def _decoded(part: Message, name: str) -> Attachment:
    note = ""
    coding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    try:
        data = part.get_payload(decode=True)
    except (binascii.Error, MessageError, ValueError, LookupError):
        data = None
    if not isinstance(data, bytes):
        data, note = str(part.get_payload()).encode("utf-8", "surrogateescape"), f"{coding} could not be decoded"
    if coding and coding not in ("base64", "quoted-printable", "7bit", "8bit", "binary", "x-uuencode", "uuencode"):
        note = f"coding {coding} left as it is"
    if part.defects:
        note = ", ".join([*([note] if note else []), *(type(each).__name__ for each in part.defects[:3])])
    return Attachment(name, part.get_content_type(), data, note)


def _name(part: Message) -> str:
    try:
        return _words(part.get_filename() or "")
    except (LookupError, ValueError, TypeError):
        return ""


def _words(text: str) -> str:
    """Return encoded words (RFC 2047) decoded, as far as their charsets are known."""
    try:
        return "".join(
            each if isinstance(each, str) else each.decode(charset or "ascii", "backslashreplace")
            for each, charset in decode_header(text)
        )
    except (LookupError, ValueError, MessageError):
        return text
