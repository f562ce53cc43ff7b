"""NTLM: the names in its three messages, wherever they stand - SMB, HTTP, mail, LDAP, RPC - raw or in base64.

Source: [MS-NLMP] 2.2.1 (messages), 2.2.2.1 (AV_PAIR). Challenges and responses are not told: they are secrets to be cracked.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator

from nsm_nb.transcripts.decoding.records import OutOfBudget, Record, Talk

_FOUND = re.compile(rb"NTLMSSP\0[\x01\x02\x03]\0\0\0|TlRMTVNTUA[A-Za-z0-9+/]{6,8192}={0,2}")
_UNICODE = 1
_PAIRS = {1: "computer", 2: "domain", 3: "dns_computer", 4: "dns_domain", 5: "dns_forest"}
_MOST = 1_000
_LONGEST = 8_192


def records(talk: Talk) -> Iterator[Record]:
    """Yield a record for each message of NTLM."""
    for stream, begin in talk.sides:
        for number, found in enumerate(_FOUND.finditer(stream.data, begin)):
            if number >= _MOST:
                raise OutOfBudget(f"it had found {_MOST:,} messages of {stream.side}")
            start = found.start()
            if found[0].startswith(b"NTLM"):
                message = stream.data[start : min(start + _LONGEST, stream.gap_from(start + 1))]
                end = start + 12
            else:
                text = found[0].rstrip(b"=")
                message, end = base64.b64decode(text[: len(text) // 4 * 4] + _padded(text)), found.end()
            fields = names(message)
            if fields:
                step = fields.pop("step")
                words = ", ".join(f"{name} {value}" for name, value in fields.items())
                yield talk.record("ntlm", stream, start, end, step, words or step, **fields)


def _padded(text: bytes) -> bytes:
    rest = text[len(text) // 4 * 4 :]
    return rest + b"=" * (-len(rest) % 4) if len(rest) > 1 else b""


def names(message: bytes) -> dict[str, str]:
    """Return the names in a message of NTLM and its `step`; empty where it is damaged."""
    if len(message) < 12:
        return {}
    step = message[8]
    try:
        if step == 1:
            return {"step": "negotiate", **_some(message, {"domain": 16, "workstation": 24}, 0)}
        if step == 2:
            flags = struct.unpack_from("<I", message, 20)[0]
            found = {"step": "challenge", **_some(message, {"target": 12}, flags)}
            return found | (_pairs(_field(message, 40)) if len(message) >= 48 else {})
        if step == 3:
            flags = struct.unpack_from("<I", message, 60)[0] if len(message) >= 64 else _UNICODE
            return {"step": "authenticate", **_some(message, {"domain": 28, "user": 36, "workstation": 44}, flags)}
    except struct.error:
        pass
    return {}


def _some(message: bytes, places: dict[str, int], flags: int) -> dict[str, str]:
    coding = "utf-16-le" if flags & _UNICODE else "latin-1"
    held = {name: _field(message, at) for name, at in places.items() if len(message) >= at + 8}
    found = {name: value.decode(coding, "backslashreplace") for name, value in held.items()}
    return {name: value for name, value in found.items() if value}


def _field(message: bytes, at: int) -> bytes:
    size, _, offset = struct.unpack_from("<HHI", message, at)
    return message[offset : offset + size] if offset + size <= len(message) else b""


def _pairs(data: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        if kind == 0:
            break
        if kind in _PAIRS:
            found[_PAIRS[kind]] = data[at + 4 : at + 4 + size].decode("utf-16-le", "backslashreplace")
        at += 4 + size
    return found
