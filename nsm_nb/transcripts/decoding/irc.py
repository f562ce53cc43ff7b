"""IRC: who said what to whom (RFC 2812 2.3; tags of IRCv3 in front)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("tcp",), (6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 7000)
_MESSAGE = re.compile(rb"(?:@([^ ]{1,8191}) +)?(?::([^ ]{1,512}) +)?([A-Za-z]{3,16}|[0-9]{3})((?: .*)?)$", re.DOTALL)
_FIRST = re.compile(rb"(?:(?:PASS|NICK|USER|CAP|SERVER) [^\r\n]{1,500}\r?\n){2}|CAP (?:LS|REQ)", re.IGNORECASE)
_SERVER = re.compile(rb":[^ \r\n]{1,255} (?:NOTICE|001|020|433|451) ")
_CTCP = re.compile(rb"\x01([^\x01]*)\x01?")


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a client gives its nick, or the server's first words are IRC's."""
    return bool(_FIRST.match(src) or _SERVER.match(dst) or dst.startswith(b"NOTICE AUTH :"))


def possible(src: bytes, dst: bytes) -> bool:
    """Return True where a message may begin it."""
    return bool(src and _MESSAGE.match(src.split(b"\n")[0].rstrip(b"\r")))


def records(talk: Talk) -> Iterator[Record]:
    """Yield the messages."""
    for stream, line in talk.lines():
        if not line.data.strip():
            continue
        found = _MESSAGE.match(line.data)
        if found is None:
            yield talk.record("irc", stream, line.start, line.end, "text", line.data)
            continue
        middle, colon, trailing = found[4].partition(b" :")
        words = middle.split() + ([trailing] if colon else [])
        command = found[3].upper()
        fields = {"from": found[2], "command": command, "parameters": words, "tags": found[1]}
        kind = "reply" if command.isdigit() else "message"
        if command in (b"PRIVMSG", b"NOTICE") and len(words) > 1:
            fields |= {"to": words[0], "said": words[1]}
            if ctcp := _CTCP.match(words[1]):
                fields["ctcp"] = ctcp[1]
        yield talk.record("irc", stream, line.start, line.end, kind, line.data, **fields)
