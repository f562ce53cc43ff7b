r"""DNS over UDP and TCP: questions and answers (RFC 1035), read by dnspython.

Names are given with dnspython's escapes: a byte that is no plain character of a name is ``\DDD``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nsm_nb.schema import Caveat
from nsm_nb.text import many
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.streams import Stream

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["labels", "unbase32"]

OVER, PORTS = ("udp", "tcp"), (53, 5353, 5355)
_MOST_RECORDS = 500  # of one message that are told


def recognises(src: bytes, dst: bytes) -> bool:
    """Return False: twelve bytes of numbers begin too many things."""
    return False


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where a header of DNS, or one behind the length that TCP has, may begin it."""
    return len(src) >= 12 or len(dst) >= 12


def records(talk: Talk) -> Iterator[Record | Caveat]:
    """Yield a record for each message."""
    failed, why = 0, ""
    for stream, start, end, data in _messages(talk):
        fields, problem = _fields(data)
        if problem:
            failed, why = failed + 1, why or problem
        if not fields:
            continue
        kind = "answer" if fields["response"] else "query"
        if fields["opcode"] != "QUERY":
            kind = fields["opcode"].lower()
        asked = ", ".join(f"{each['name']} {each['type']}" for each in fields["questions"]) or "nothing asked"
        told = "; ".join(f"{each['type']} {each['data']}" for each in fields["answers"][:8])
        words = asked + (f": {fields['status']}" if fields["response"] else "") + (f": {told}" if told else "")
        yield talk.record("dns", stream, start, end, kind, words, **fields)
    if failed:
        what = many(failed, "message of DNS is", "messages of DNS are")
        yield Caveat("", None, None, "decoding", f"{what} damaged or not DNS: {why}")


def labels(transcripts: Iterable[Transcript], under: str) -> list[bytes]:
    """Return, of the queries for names under a domain, the labels before it: each name once, in the order they were asked.

    Parameters
    ----------
    transcripts
        Conversations in DNS.
    under
        The domain, ``t.example.org``.

    Returns
    -------
    list of bytes
        The labels of a name, joined by dots; bytes as they were sent.
    """
    tail = tuple(under.lower().encode().strip(b".").split(b"."))
    asked: dict[bytes, None] = {}
    for transcript in transcripts:
        talk = Talk(transcript)
        for _, _, _, data in _messages(talk):
            message, _ = _read(data)
            for each in message.question if message is not None and not message.flags & 0x8000 else ():
                parts = tuple(part for part in each.name.labels if part)
                if tuple(part.lower() for part in parts[-len(tail) :]) == tail and len(parts) > len(tail):
                    asked.setdefault(b".".join(parts[: -len(tail)]))
    return list(asked)


def unbase32(texts: Iterable[bytes]) -> bytes:
    """Return the bytes that texts of base32 hold together: any case, dots and padding left out (RFC 4648 6).

    Raises
    ------
    ValueError
        Where it is no base32.
    """
    joined = b"".join(texts).replace(b".", b"").replace(b"=", b"").upper()
    try:
        return base64.b32decode(joined + b"=" * (-len(joined) % 8))
    except binascii.Error as problem:
        raise ValueError(f"it is not base32: {problem}") from problem


def _messages(talk: Talk) -> Iterator[tuple[Stream, int, int, bytes]]:
    if talk.proto != "tcp":
        for stream, start, turn, data in talk.datagrams():
            if data and not turn.gap:
                yield stream, start, start + len(data), data
        return
    for stream, at in talk.sides:
        while at + 2 <= len(stream.data):
            size = int.from_bytes(stream.data[at : at + 2], "big")
            taken = stream.take(at + 2, size)
            if taken.missing or taken.short or taken.rest:
                break
            yield stream, at, taken.end, taken.data
            at = taken.end


def _read(data: bytes) -> tuple[Any, str]:
    """Return a message, None where it is none, and what is wrong with it."""
    import dns.exception
    import dns.message

    try:
        # its errors are kept in the message: what comes before them is there
        message = dns.message.from_wire(data, ignore_trailing=True, continue_on_error=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError, LookupError) as problem:
        return None, str(problem) or type(problem).__name__
    return message, str(message.errors[0].exception) if message.errors else ""


def _fields(data: bytes) -> tuple[dict, str]:
    message, problem = _read(data)
    if message is None:
        return {}, problem
    import dns.flags
    import dns.opcode
    import dns.rcode
    import dns.rdatatype

    def sets(section: Any) -> list[dict]:
        found: list[dict] = []
        for rrset in section:
            for each in rrset:
                if len(found) >= _MOST_RECORDS:
                    return found
                kind = dns.rdatatype.to_text(rrset.rdtype)
                found.append({"name": rrset.name.to_text(), "type": kind, "ttl": rrset.ttl, "data": each.to_text()})
        return found

    questions = [{"name": each.name.to_text(), "type": dns.rdatatype.to_text(each.rdtype)} for each in message.question]
    return {
        "id": message.id,
        "response": bool(message.flags & 0x8000),
        "opcode": dns.opcode.to_text(message.opcode()),
        "status": dns.rcode.to_text(message.rcode()),
        "flags": dns.flags.to_text(message.flags),
        "questions": questions,
        "answers": sets(message.answer),
        "authority": sets(message.authority),
        "additional": sets(message.additional),
    }, problem
