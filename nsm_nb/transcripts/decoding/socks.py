"""SOCKS: who was asked to connect to what, and what went through (SOCKS4 and 4a; RFC 1928; log-on of RFC 1929)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("tcp",), (1080, 9050)
_COMMANDS = {1: "connect", 2: "bind", 3: "UDP associate"}
_METHODS = {0: "no log-on", 1: "GSS-API", 2: "user and password", 0xFF: "none"}
_REPLIES = {
    0: "granted", 1: "failed", 2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "refused", 6: "expired",
    7: "command not supported", 8: "address not supported", 90: "granted", 91: "rejected", 92: "rejected", 93: "rejected",
}  # fmt: skip


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a greeting of SOCKS 5 is answered as such, or a request of SOCKS 4 is."""
    if len(src) >= 3 and src[0] == 5 and 0 < src[1] <= 10 and len(src) >= 2 + src[1]:
        return len(dst) >= 2 and dst[0] == 5 and (dst[1] in src[2 : 2 + src[1]] or dst[1] == 0xFF)
    return len(src) >= 9 and src[0] == 4 and src[1] in (1, 2) and len(dst) >= 8 and dst[0] == 0 and 90 <= dst[1] <= 93


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: both sides tell."""
    return False


def records(talk: Talk) -> Iterator[Record | Talk]:
    """Yield the request and its answer, and what goes through."""
    (client, at), (server, back) = talk.sides
    asked, told = client.data, server.data
    if asked[at] == 4:
        end = asked.find(b"\0", at + 8) + 1
        host: bytes | str = str(ipaddress.IPv4Address(asked[at + 4 : at + 8]))
        user = asked[at + 8 : end - 1]
        if asked[at + 4 : at + 7] == b"\0\0\0" and asked[at + 7]:  # SOCKS 4a
            start, end = end, asked.find(b"\0", end) + 1
            host = asked[start : end - 1]
        if end <= at:
            return
        port = int.from_bytes(asked[at + 2 : at + 4], "big")
        answer, ready = told[back + 1], back + 8
    else:
        method = told[back + 1]
        yield talk.record("socks", client, at, at + 2 + asked[at + 1], "greeting", "SOCKS 5")
        yield talk.record("socks", server, back, back + 2, "method", _METHODS.get(method, f"method {method}"))
        at, back, user = at + 2 + asked[at + 1], back + 2, b""
        if method == 2 and asked[at] == 1:
            user = asked[at + 2 : at + 2 + asked[at + 1]]
            secret = at + 2 + len(user)
            end = secret + 1 + asked[secret]
            yield talk.record(
                "socks", client, at, end, "log-on", b"user " + user, user=user, password=asked[secret + 1 : end]
            )
            at, back = end, back + 2
        if method not in (0, 2) or asked[at] != 5:
            return
        host, size = _address(asked, at + 3)
        end = at + 3 + size + 2
        port = int.from_bytes(asked[end - 2 : end], "big")
        answer = told[back + 1]
        ready = back + 3 + _address(told, back + 3)[1] + 2
    command = _COMMANDS.get(asked[at + 1], f"command {asked[at + 1]}")
    place = host if isinstance(host, bytes) else host.encode()
    words = command.encode() + b" to " + place + f" port {port}".encode()
    yield talk.record("socks", client, at, end, "request", words, command=command, host=host, port=port, user=user)
    said = _REPLIES.get(answer, f"reply {answer}")
    yield talk.record("socks", server, back, min(ready, len(told)), "answer", said)
    if said == "granted" and asked[at + 1] == 1:
        yield talk.inside(end, ready)


def _address(data: bytes, at: int) -> tuple[bytes | str, int]:
    """Return an address and the bytes it takes (RFC 1928 5)."""
    kind = data[at]
    if kind == 3:
        return data[at + 2 : at + 2 + data[at + 1]], 2 + data[at + 1]
    size = {1: 4, 4: 16}.get(kind)
    if size is None:
        raise ValueError(f"address of kind {kind}")
    return str(ipaddress.ip_address(data[at + 1 : at + 1 + size])), 1 + size
