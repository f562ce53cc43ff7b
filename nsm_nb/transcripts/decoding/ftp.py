"""FTP: commands, replies, and where each transfer's data went (RFC 959; EPRT and EPSV of RFC 2428)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("tcp",), (21, 2121)
_GREETED = re.compile(rb"220[ -][^\r\n]{0,512}(?:FTP|ftp)")
_REPLY = re.compile(rb"[1-6][0-9]{2}(?:[ -]|$)")
_COMMAND = re.compile(rb"([A-Za-z]{3,4})(?: (.*))?$", re.DOTALL)
_SIX = re.compile(rb"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
_LONG = re.compile(rb"\|\|\|(\d{1,5})\|")
_FIRST = (b"USER ", b"AUTH TLS", b"AUTH SSL")
_DATA = {"RETR": "dst", "STOR": "src", "APPE": "src", "STOU": "src", "LIST": "dst", "NLST": "dst", "MLSD": "dst"}


@dataclass(frozen=True)
class Transfer:
    """A transfer that was asked for, and where its data connection goes to."""

    verb: str
    name: bytes
    sender: str  # whose bytes they are: "src" the client's, "dst" the server's
    time: pd.Timestamp
    frame: int
    offset: int
    host: str  # that listens for the data; empty where it was not said
    port: int
    by: str  # who listens: "src" the client, "dst" the server
    restart: int = 0  # REST: the data begin there in the file
    binary: bool | None = None  # by TYPE, None where it was not said
    answer: bytes = b""


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where the server greets as FTP does, or one logs in to what greets with 220."""
    return bool(_GREETED.match(dst)) or (dst.startswith(b"220") and src.upper().startswith(_FIRST))


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where a reply or a command may begin it."""
    return bool(_REPLY.match(dst) or _COMMAND.match(src.split(b"\r\n")[0]))


def records(talk: Talk) -> Iterator[Record | Talk]:
    """Yield commands, replies and transfers."""
    for each in _steps(talk):
        if not isinstance(each, Transfer):
            yield each


def transfers(talk: Talk) -> list[Transfer]:
    """Return the transfers, in order."""
    return [each for each in _steps(talk) if isinstance(each, Transfer)]


def _steps(talk: Talk) -> Iterator[Record | Talk | Transfer]:
    where = ("", 0, "")
    asked: Transfer | None = None
    secured = False
    restart = 0
    binary: bool | None = None
    for stream, line in talk.lines():
        if stream is talk.dst:
            code = line.data[:3]
            fields: dict = {"code": code}
            if code in (b"227", b"229"):
                where = _passive(line.data, talk.transcript.dst_ip) or where
                fields["endpoint"] = f"{where[0]} port {where[1]}"
            yield talk.record("ftp", stream, line.start, line.end, "reply", line.data, **fields)
            if line.data[3:4] == b"-" or not code.isdigit():
                continue
            if secured and code == b"234":
                yield talk.inside(talk.behind(stream, line.start, talk.src), line.end)
                return
            if asked is not None and code[:1] in b"12":
                yield replace(asked, answer=line.data)
                asked, where, restart = None, ("", 0, ""), 0
            elif asked is not None and code[:1] in b"45":
                asked = None
            continue
        found = _COMMAND.match(line.data)
        if found is None:
            yield talk.record("ftp", stream, line.start, line.end, "text", line.data)
            continue
        verb, argument = found[1].upper().decode(), found[2] or b""
        fields = {"verb": verb, "argument": argument}
        secured = verb == "AUTH"
        if verb in ("PORT", "EPRT"):
            where = _active(verb, argument) or where
            fields["endpoint"] = f"{where[0]} port {where[1]}"
        elif verb == "TYPE":
            binary = argument[:1].upper() in (b"I", b"L")
        elif verb == "REST" and argument.isdigit():
            restart = int(argument[:15])
        elif verb in _DATA:
            if asked is not None:
                yield asked  # its reply is missing
            at = stream.place(line.start)
            asked = Transfer(verb, argument, _DATA[verb], at.time, at.frame, at.offset, *where, restart, binary)
            fields["endpoint"] = f"{where[0]} port {where[1]}" if where[1] else ""
        yield talk.record("ftp", stream, line.start, line.end, "command", line.data, **fields)
    if asked is not None:
        yield asked


def _passive(reply: bytes, server: str) -> tuple[str, int, str] | None:
    if found := _LONG.search(reply):
        return server, int(found[1]) & 0xFFFF, "dst"
    if found := _SIX.search(reply):
        numbers = [min(int(each), 255) for each in found.groups()]
        return ".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5], "dst"
    return None


def _active(verb: str, argument: bytes) -> tuple[str, int, str] | None:
    if verb == "PORT":
        found = _passive(argument, "")
        return None if found is None else (found[0], found[1], "src")
    parts = argument.strip().split(argument.strip()[:1] or b"|")
    if len(parts) < 4 or not re.fullmatch(rb"\d{1,5}", parts[3]):
        return None
    try:
        return str(ipaddress.ip_address(parts[2].decode("ascii"))), int(parts[3]) & 0xFFFF, "src"
    except ValueError:
        return None
