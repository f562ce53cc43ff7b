"""TFTP: requests, and the blocks of the file where they went by the same ports (RFC 1350, 2347)."""

from __future__ import annotations

from collections.abc import Iterator

from nsm_nb.text import many
from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("udp",), (69,)
_KINDS = {1: "read request", 2: "write request", 3: "data", 4: "acknowledgement", 5: "error", 6: "options"}
_MODES = (b"octet", b"netascii", b"mail")


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a request begins it."""
    return request(src) is not None


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: without a request it is not TFTP."""
    return False


def request(data: bytes) -> dict | None:
    """Return what a request asks for: `verb`, `name`, `mode`, `options`; None where it is none."""
    if len(data) < 4 or data[0] or data[1] not in (1, 2):
        return None
    parts = data[2:].split(b"\0")
    if len(parts) < 3 or not parts[0] or parts[1].lower() not in _MODES:
        return None
    options = dict(zip(parts[2:-1:2], parts[3:-1:2], strict=False))
    return {"verb": "read" if data[1] == 1 else "write", "name": parts[0], "mode": parts[1].lower(), "options": options}


def records(talk: Talk) -> Iterator[Record]:
    """Yield a record for each message."""
    for stream, start, turn, data in talk.datagrams():
        if len(data) < 4 or turn.gap:
            continue
        code = int.from_bytes(data[:2], "big")
        kind = _KINDS.get(code)
        if kind is None:
            continue
        fields = request(data) or {}
        words = f"{kind} {fields['name']!r}" if fields else kind
        if code in (3, 4):
            fields = {"block": int.from_bytes(data[2:4], "big")}
            words = f"{kind} {fields['block']}" + (f", {many(len(data) - 4, 'byte')}" if code == 3 else "")
        elif code == 5:
            fields = {"code": int.from_bytes(data[2:4], "big"), "message": data[4:].split(b"\0")[0]}
            words = f"error: {fields['message']!r}"
        yield talk.record("tftp", stream, start, start + len(data), kind, words, **fields)
