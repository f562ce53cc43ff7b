"""Kerberos: who asked for a ticket to what, and which tickets were shown (RFC 4120 5.4-5.9; RFC 4121 4.1 for GSS-API).

DER is walked by bounds alone: libraries that check a message against its grammar give nothing of one that breaks it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from nsm_nb.transcripts.decoding.records import OutOfBudget, Record, Talk

OVER, PORTS = ("udp", "tcp"), (88, 464)
_KINDS = {10: "AS-REQ", 11: "AS-REP", 12: "TGS-REQ", 13: "TGS-REP", 14: "AP-REQ", 15: "AP-REP", 30: "KRB-ERROR"}
_ERRORS = {
    6: "client not known", 7: "server not known", 12: "policy forbids it", 14: "encryption type not supported",
    18: "account disabled, expired or locked", 23: "password expired", 24: "pre-authentication failed",
    25: "pre-authentication needed", 31: "integrity check failed", 32: "ticket expired", 37: "clocks differ too much",
    52: "answer too long for UDP", 68: "wrong realm",
}  # fmt: skip
_ETYPES = {1: "des-cbc-crc", 3: "des-cbc-md5", 17: "aes128", 18: "aes256", 23: "rc4-hmac", 24: "rc4-hmac-exp"}
_TICKET = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00\x6e"  # the mechanism's OID, then "AP-REQ follows"
_MOST = 1_000
_MOST_ITEMS = 200

_Item = tuple[int, bytes]  # number of its tag, content


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a message of Kerberos begins a side, as UDP or as TCP has it."""
    return any(_kind(each) is not None or (each[:1] == b"\0" and _kind(each[4:]) is not None) for each in (src, dst))


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: the first byte of a message tells."""
    return False


def records(talk: Talk) -> Iterator[Record]:
    """Yield the messages."""
    if talk.proto == "udp":
        for stream, start, turn, data in talk.datagrams():
            if not turn.gap and _kind(data) is not None:
                yield _record(talk, stream, start, start + len(data), data)
        return
    for stream, begin in talk.sides:
        at = begin
        while at + 4 <= len(stream.data):
            taken = stream.take(at + 4, int.from_bytes(stream.data[at : at + 4], "big") & 0x7FFFFFFF)
            if taken.missing or taken.short or _kind(taken.data) is None:
                break
            yield _record(talk, stream, at, taken.end, taken.data)
            at = taken.end


def tickets(talk: Talk) -> Iterator[Record]:
    """Yield the tickets that are shown within other protocols, by GSS-API."""
    for stream, begin in talk.sides:
        at = begin
        for number in itertools.count():
            at = stream.data.find(_TICKET, at)
            if at < 0:
                break
            if number == _MOST:
                raise OutOfBudget(f"it had found {_MOST:,} tickets of {stream.side}")
            start = at + len(_TICKET) - 1
            yield _record(talk, stream, start, start + 4, stream.data[start : start + 65_536])
            at = start


def _kind(data: bytes) -> int | None:
    """Return which message it is: it begins with an application's tag, and a sequence stands in it."""
    if len(data) < 8 or data[0] & 0xE0 != 0x60 or (data[0] & 0x1F) not in _KINDS:
        return None
    size = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    return data[0] & 0x1F if size < len(data) and data[size] == 0x30 else None


def _record(talk: Talk, stream: Any, start: int, end: int, data: bytes) -> Record:
    number = data[0] & 0x1F
    fields = _fields(number, data)
    who, realm, what = fields.get("client", ""), fields.get("realm", ""), fields.get("service", "")
    words = " ".join(
        part for part in (who and f"{who}@{realm}", what and f"for {what}", fields.get("error", "")) if part
    )
    return talk.record("kerberos", stream, start, end, _KINDS.get(number, "message"), words or realm, **fields)


def _fields(number: int, data: bytes) -> dict[str, Any]:
    top = dict(_items(_inside(_inside(data))))
    if number in (10, 12):
        body = dict(_items(_inside(top.get(4, b""))))
        etypes = [int.from_bytes(each, "big") for _, each in _items(_inside(body.get(8, b"")))]
        return {
            "client": _principal(body.get(1, b"")), "realm": _text(body.get(2, b"")), "service": _principal(body.get(3, b"")),
            "etypes": [_ETYPES.get(each, str(each)) for each in etypes],
        }  # fmt: skip
    if number in (11, 13):
        return {"client": _principal(top.get(4, b"")), "realm": _text(top.get(3, b"")), **_ticket(top.get(5, b""))}
    if number == 14:
        return _ticket(top.get(3, b""), realm=True)
    if number == 30:
        code = int.from_bytes(_inside(top.get(6, b""))[:4], "big")
        return {
            "error": _ERRORS.get(code, f"error {code}"), "code": code, "client": _principal(top.get(8, b"")),
            "realm": _text(top.get(9, b"")), "service": _principal(top.get(10, b"")),
        }  # fmt: skip
    return {}


def _ticket(data: bytes, *, realm: bool = False) -> dict[str, str]:
    parts = dict(_items(_inside(_inside(data))))
    sealed = dict(_items(_inside(parts.get(3, b""))))
    etype = int.from_bytes(_inside(sealed.get(0, b""))[:4], "big")
    found = {"service": _principal(parts.get(2, b"")), "ticket_etype": _ETYPES.get(etype, str(etype))}
    return found | ({"realm": _text(parts.get(1, b""))} if realm else {})


def _items(data: bytes) -> list[_Item]:
    """Return what stands in a sequence, as far as its lengths are true."""
    found: list[_Item] = []
    at = 0
    while at + 2 <= len(data) and len(found) < _MOST_ITEMS:
        size, place = _length(data, at)
        if place + size > len(data) and not found and at:
            break
        found.append((data[at] & 0x1F, data[place : place + size]))
        at = place + size
    return found


def _inside(data: bytes) -> bytes:
    """Return the content of the first item."""
    if len(data) < 2:
        return b""
    size, place = _length(data, 0)
    return data[place : place + size]


def _length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at + 1]
    if not first & 0x80:
        return first, at + 2
    many = first & 0x7F
    return (int.from_bytes(data[at + 2 : at + 2 + many], "big") if 0 < many <= 4 else len(data)), at + 2 + many


def _text(data: bytes) -> str:
    return _inside(data).decode("utf-8", "backslashreplace")


def _principal(data: bytes) -> str:
    parts = dict(_items(_inside(data)))
    return "/".join(each.decode("utf-8", "backslashreplace") for _, each in _items(_inside(parts.get(1, b"")))[:10])
