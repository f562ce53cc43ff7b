"""The parts of a multipart body, byte for byte (RFC 2046 5.1; RFC 7578 for forms)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import MessageError
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import NamedTuple

__all__ = ["Part", "file_name", "parts"]

_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE)
_MOST_PARTS = 1_000
_MOST_HEAD = 65_536


class Part(NamedTuple):
    """A part of a body."""

    name: str
    claimed: str
    data: bytes
    whole: bool


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """Yield the parts of a body; nothing where its type names no boundary."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/"):
        return
    mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    at = body.find(mark)
    for _ in range(_MOST_PARTS):
        if at < 0:
            return
        start = body.find(b"\n", at + len(mark), at + len(mark) + 200) + 1
        if body.startswith(b"--", at + len(mark)) or not start:
            return
        end = body.find(b"\r\n" + mark, start - 2)
        whole = end >= 0
        inside = body[start : end if whole else len(body)]
        head_end = re.search(rb"\r?\n\r?\n", inside[:_MOST_HEAD])
        if inside.startswith((b"\r\n", b"\n")):
            head, data = b"", inside[1 if inside[:1] == b"\n" else 2 :]
        elif head_end is None:
            head, data = b"", inside
        else:
            head, data = inside[: head_end.start()], inside[head_end.end() :]
        message = BytesHeaderParser(policy=compat32).parsebytes(head + b"\r\n\r\n")
        yield Part(file_name(message), str(message.get("Content-Type", "")), data, whole)
        at = end + 2 if whole else -1


def file_name(message: Message) -> str:
    """Return the file name in a Content-Disposition, empty where there is none."""
    try:
        return str(message.get_filename() or "")
    except (LookupError, ValueError, TypeError, MessageError):
        return ""
