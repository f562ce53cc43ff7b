"""What an object is, by its first bytes: a media type. What it claims to be is told beside it.

puremagic knows some thousand signatures. Where several kinds of file begin alike, and for text, which has no signature, the
names are those that libmagic gives.
"""

from __future__ import annotations

import re

__all__ = ["kind_of"]

_HEAD = 4_096
# Signatures that many formats share, or that puremagic has no type for.
_FIRST = (
    (b"MZ", "application/x-dosexec"), (b"\x7fELF", "application/x-executable"), (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"), (b"\x1f\x8b", "application/gzip"), (b"%PDF-", "application/pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"), (b"\xca\xfe\xba\xbe\0\0\0", "application/java-vm"),
    (b"\xac\xed\0\5", "application/java-serialized-object"), (b"BZh", "application/x-bzip2"), (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"), (b"Rar!\x1a\x07", "application/x-rar"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"), (b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"), (b"FWS", "application/x-shockwave-flash"),
    (b"CWS", "application/x-shockwave-flash"), (b"ZWS", "application/x-shockwave-flash"), (b"MDMP", "application/x-dmp"),
    (b"\0\0\1\0", "image/vnd.microsoft.icon"), (b"wOFF", "font/woff"), (b"wOF2", "font/woff2"),
)  # fmt: skip
_MARKUP = re.compile(
    rb"\s*(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body|script|iframe|title|table|div|a\s)",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(rb"\s*<\?xml\s", re.I)
_SVG = re.compile(rb"<svg[\s>]", re.I)
_SCRIPTS = ((b"python", "text/x-python"), (b"perl", "text/x-perl"), (b"php", "text/x-php"), (b"ruby", "text/x-ruby"))
_NO_TEXT = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")


def kind_of(data: bytes) -> str:
    """Return the media type of what bytes are; ``application/octet-stream`` where nothing tells, empty without any."""
    if not data:
        return ""
    head = data[:_HEAD]
    for mark, name in _FIRST:
        if head.startswith(mark):
            return name
    if len(data) > 262 and data[257:262] == b"ustar":
        return "application/x-tar"
    if head.startswith(b"#!"):
        line = head.split(b"\n", 1)[0]
        return next((name for word, name in _SCRIPTS if word in line), "text/x-shellscript")
    if _is_text(head):
        if _MARKUP.match(head):
            return "text/html"
        if _XML.match(head):
            return "image/svg+xml" if _SVG.search(head) else "text/xml"
        if _SVG.match(head.lstrip()):
            return "image/svg+xml"
        if head.lstrip()[:5].lower() == b"<?php":
            return "text/x-php"
        if head.lstrip()[:1] in (b"{", b"[") and _is_json(data):
            return "application/json"
        return "text/plain"
    return _guess(head)


def _guess(head: bytes) -> str:
    import puremagic

    try:
        found = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError, LookupError):
        return "application/octet-stream"
    return next(
        (each.mime_type for each in found if each.mime_type and each.confidence >= 0.3), "application/octet-stream"
    )


def _is_text(head: bytes) -> bool:
    """Return True where bytes are text: no control characters, and UTF-8 or mostly plain."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(head) > 3 and b"\0\0" not in head[2:]
    if _NO_TEXT.search(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as problem:
        if problem.start >= len(head) - 4 and problem.reason.startswith("unexpected end"):
            return True
        return sum(each >= 0x80 for each in head) * 5 < len(head)
    return True


def _is_json(data: bytes) -> bool:
    import json

    if len(data) > 1 << 20:
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
