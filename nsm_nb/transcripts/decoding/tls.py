"""TLS: what is said before all is encrypted - hellos with their fingerprints, server names, certificates, alerts.

Source: RFC 8446 4 and 5.1, RFC 5246 7.4, RFC 6066 3 (server_name), RFC 7301 (ALPN), RFC 8701 (GREASE). JA3 and JA3S as
salesforce/ja3 defines them; JA4 as FoxIO/ja4, technical_details/JA4.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nsm_nb.text import many
from nsm_nb.transcripts.decoding.certificates import described
from nsm_nb.transcripts.decoding.fingerprints import Hello, ja3, ja3s, ja4
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.streams import Stream

OVER, PORTS = ("tcp",), (443, 465, 636, 853, 990, 993, 995, 8443)
VERSIONS = {
    0x0200: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
}
_CHANGE, _ALERT, _HANDSHAKE, _DATA, _HEARTBEAT = 20, 21, 22, 23, 24
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE = 1, 2, 11
_HANDSHAKES = {
    0: "hello request", 4: "new session ticket", 8: "encrypted extensions", 12: "server key exchange",
    13: "certificate request", 14: "server hello done", 15: "certificate verify", 16: "client key exchange", 20: "finished",
    22: "certificate status",
}  # fmt: skip
_ALERTS = {
    0: "close notify", 10: "unexpected message", 20: "bad record mac", 40: "handshake failure", 42: "bad certificate",
    43: "unsupported certificate", 44: "certificate revoked", 45: "certificate expired", 46: "certificate unknown",
    47: "illegal parameter", 48: "unknown ca", 49: "access denied", 50: "decode error", 51: "decrypt error",
    70: "protocol version", 71: "insufficient security", 80: "internal error", 86: "inappropriate fallback",
    90: "user canceled", 109: "missing extension", 110: "unsupported extension", 112: "unrecognized name",
    116: "certificate required", 120: "no application protocol",
}  # fmt: skip
# RFC 8446 4.1.3: this random says that a ServerHello is a HelloRetryRequest
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_MOST_MESSAGE = 1 << 20
_MOST_CERTIFICATES = 20


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a side begins with a handshake, or with an alert."""
    return any(
        len(each) > 6 and each[1] == 3 and each[2] <= 4 and (
            (each[0] == _HANDSHAKE and each[5] in (0, _CLIENT_HELLO, _SERVER_HELLO))
            or (each[0] == _ALERT and each[3:5] == b"\0\2")
        )
        for each in (src, dst)
    )  # fmt: skip


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where a record of TLS begins it."""
    return any(len(each) > 5 and each[0] in (20, 21, 22, 23) and each[1] == 3 and each[2] <= 4 for each in (src, dst))


class _Message(NamedTuple):
    """A handshake message, and which bytes of the stream it lies in."""

    kind: int
    body: bytes
    start: int
    end: int


def records(talk: Talk) -> Iterator[Record]:
    """Yield hellos, certificates, alerts, and how much came encrypted."""
    for stream, begin in talk.sides:
        yield from _side(talk, stream, begin)


def hellos(talk: Talk) -> Iterator[tuple[Stream, int, int, Hello]]:
    """Yield the hellos of both sides with their places."""
    for stream, begin in talk.sides:
        for each in _handshake(talk, stream, begin):
            if isinstance(each, _Message) and each.kind in (_CLIENT_HELLO, _SERVER_HELLO):
                yield stream, each.start, each.end, hello(each.body, server=each.kind == _SERVER_HELLO)


def _side(talk: Talk, stream: Stream, begin: int) -> Iterator[Record]:
    for each in _handshake(talk, stream, begin):
        if isinstance(each, Record):
            yield each
        elif each.kind == _CLIENT_HELLO:
            yield _client_hello(talk, stream, each)
        elif each.kind == _SERVER_HELLO:
            yield _server_hello(talk, stream, each)
        elif each.kind == _CERTIFICATE:
            yield from _certificates(talk, stream, each)
        else:
            words = _HANDSHAKES.get(each.kind, f"handshake message {each.kind}")
            yield talk.record("tls", stream, each.start, each.end, "handshake", words)


def _handshake(talk: Talk, stream: Stream, at: int) -> Iterator[_Message | Record]:
    """Yield the handshake's messages put together from records, and records of what is no handshake."""
    data = stream.data
    pending, pending_at = bytearray(), at
    sealed = False
    hidden, hidden_at, records = 0, at, 0
    while at + 5 <= len(data):
        kind, size = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
        if (
            kind not in (_CHANGE, _ALERT, _HANDSHAKE, _DATA, _HEARTBEAT)
            or data[at + 1] != 3
            or stream.within(at, at + 5)
        ):
            again = at + 1 if stream.gap_from(at + 1) >= len(data) else stream.gap_from(at + 1)
            words = many(len(data) - at, "byte is no record of TLS", "bytes are no records of TLS")
            yield talk.record("tls", stream, at, len(data), "unreadable", words
                              + (" as a gap stands before or in them" if again != at + 1 else ""))  # fmt: skip
            break
        taken = stream.take(at + 5, size)
        if kind == _HANDSHAKE and not sealed and not (taken.missing or taken.short):
            if not pending:
                pending_at = at
            pending += taken.data
            while len(pending) >= 4:
                length = int.from_bytes(pending[1:4], "big")
                if length > _MOST_MESSAGE:
                    sealed = True
                    break
                if len(pending) < 4 + length:
                    break
                yield _Message(pending[0], bytes(pending[4 : 4 + length]), pending_at, taken.end)
                del pending[: 4 + length]
                pending_at = at
        elif kind == _CHANGE:
            sealed = True
            yield talk.record("tls", stream, at, taken.end, "change cipher spec", "what follows is encrypted")
        elif kind == _ALERT and size == 2 and len(taken.data) == 2:
            level = {1: "warning", 2: "fatal"}.get(taken.data[0], str(taken.data[0]))
            words = _ALERTS.get(taken.data[1], f"alert {taken.data[1]}")
            yield talk.record(
                "tls", stream, at, taken.end, "alert", f"{level}: {words}", level=level, code=taken.data[1]
            )
        else:
            hidden_at = hidden_at if hidden else at
            hidden, records = hidden + size, records + 1
        talk.budget.check()
        at = taken.end
        if taken.rest:
            break
    if hidden:
        words = f"{many(hidden, 'byte')} encrypted, in {many(records, 'record')}"
        yield talk.record(
            "tls", stream, hidden_at, min(at, len(data)), "encrypted", words, octets=hidden, records=records
        )


def hello(body: bytes, *, server: bool) -> Hello:
    """Return a hello taken apart (RFC 8446 4.1.2, 4.1.3); of a damaged one what stands before the damage."""
    version = int.from_bytes(body[:2], "big")
    at = 34
    at += 1 + (body[at] if at < len(body) else 0)
    if server:
        ciphers = [int.from_bytes(body[at : at + 2], "big")]
        at += 3
    else:
        size = int.from_bytes(body[at : at + 2], "big")
        ciphers = _numbers(body[at + 2 : at + 2 + size])
        at += 2 + size
        at += 1 + (body[at] if at < len(body) else 0)
    end = min(at + 2 + int.from_bytes(body[at : at + 2], "big"), len(body))
    at += 2
    kinds: list[int] = []
    values: dict[int, bytes] = {}
    while at + 4 <= end:
        kind, size = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        kinds.append(kind)
        values.setdefault(kind, body[at + 4 : min(at + 4 + size, end)])
        at += 4 + size
    versions = values.get(43, b"")
    versions = versions if server else versions[1:]
    return Hello(
        version=version,
        ciphers=ciphers,
        extensions=kinds,
        groups=_numbers(values.get(10, b"")[2:]),
        points=list(values.get(11, b"")[1:]),
        versions=_numbers(versions),
        signatures=_numbers(values.get(13, b"")[2:]),
        alpn=_strings(values.get(16, b"")[2:]),
        name=_server_name(values.get(0, b"")),
    )


def _client_hello(talk: Talk, stream: Stream, message: _Message) -> Record:
    said = hello(message.body, server=False)
    prints = {"ja3": ja3(said), "ja4": ja4(said)}
    name = said.name if said.name is not None else b""
    offered = [each for each in said.versions or [said.version] if each in VERSIONS]
    words = b"to " + name if name else b"no server name"
    return talk.record(
        "tls", stream, message.start, message.end, "client hello", words, server_name=name,
        versions=[VERSIONS[each] for each in offered], alpn=said.alpn, ciphers=[f"{each:04x}" for each in said.ciphers], **prints,
    )  # fmt: skip


def _server_hello(talk: Talk, stream: Stream, message: _Message) -> Record:
    said = hello(message.body, server=True)
    version = said.versions[0] if said.versions else said.version
    cipher = said.ciphers[0]
    words = VERSIONS.get(version, f"version {version:04x}")
    if message.body[2:34] == _RETRY:
        words += ", asks for another hello"
    return talk.record(
        "tls", stream, message.start, message.end, "server hello", f"{words}, cipher suite {cipher:04x}", version=words,
        cipher=f"{cipher:04x}", alpn=said.alpn, ja3s=ja3s(said),
    )  # fmt: skip


def _certificates(talk: Talk, stream: Stream, message: _Message) -> Iterator[Record]:
    at, number = 3, 0
    while at + 3 <= len(message.body) and number < _MOST_CERTIFICATES:
        size = int.from_bytes(message.body[at : at + 3], "big")
        der = message.body[at + 3 : at + 3 + size]
        words, fields = described(der)
        yield talk.record("tls", stream, message.start, message.end, "certificate", words, number=number, **fields)
        at, number = at + 3 + size, number + 1


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]


def _strings(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data) and data[at]:
        found.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return found


def _server_name(data: bytes) -> bytes | None:
    if len(data) < 5 or data[2]:
        return None
    return data[5 : 5 + int.from_bytes(data[3:5], "big")]
