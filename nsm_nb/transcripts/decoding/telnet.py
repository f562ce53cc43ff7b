"""Telnet: what was typed and shown, its options taken out and told apart (RFC 854, 855; names of IANA's registry).

A backspace is shown as an arrow, and what was left of the line stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsm_nb.text import printable
from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("tcp",), (23, 2323, 60023)
_IAC, _SB, _SE = 255, 250, 240
_VERBS = {251: "WILL", 252: "WON'T", 253: "DO", 254: "DON'T"}
_COMMANDS = {
    240: "SE", 241: "NOP", 242: "data mark", 243: "break", 244: "interrupt", 245: "abort output", 246: "are you there",
    247: "erase character", 248: "erase line", 249: "go ahead", 236: "end of file", 237: "suspend", 238: "abort", 239: "EOR",
}  # fmt: skip
_OPTIONS = {
    0: "binary", 1: "echo", 3: "suppress go ahead", 5: "status", 6: "timing mark", 24: "terminal type", 31: "window size",
    32: "terminal speed", 33: "remote flow control", 34: "linemode", 35: "X display", 36: "environment", 37: "authentication",
    38: "encryption", 39: "new environment",
}  # fmt: skip


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a side begins with an option."""
    return any(
        len(each) >= 3 and each[0] == _IAC and (each[1] in _VERBS or each[1] == _SB) and each[2] < 64
        for each in (src, dst)
    )


def possible(src: bytes, dst: bytes) -> bool:
    """Return True: anything may be typed."""
    return True


def records(talk: Talk) -> Iterator[Record]:
    """Yield options, and each turn's text."""
    for stream, begin in talk.sides:
        data = stream.data
        for number, start in enumerate(stream.starts):
            end = stream.starts[number + 1] if number + 1 < len(stream.starts) else len(data)
            if start < begin:
                continue
            text, options = bytearray(), []
            at = start
            while at < end:
                stop = data.find(b"\xff", at, end)
                stop = end if stop < 0 else stop
                text += data[at:stop]
                if stop == end:
                    break
                at, words = _command(data, stop)
                if words is None:
                    text.append(_IAC)
                elif words:
                    options.append((stop, at, words))
                    if len(options) > talk.budget.records:
                        break  # they are more than may be told
            for first, behind, words in options:
                yield talk.record("telnet", stream, first, behind, "option", words)
            if text:
                said = bytes(text).replace(b"\r\0", b"\r").replace(b"\r\n", b"\n")
                shown = said.decode("utf-8", "backslashreplace").replace("\x08", "←").replace("\x7f", "←")
                fields = {"left": _left(said)} if b"\x08" in said or b"\x7f" in said else {}
                yield talk.record("telnet", stream, start, end, "text", printable(shown, lines=True), **fields)


def _command(data: bytes, at: int) -> tuple[int, str | None]:
    """Return the place behind what an IAC begins, and its words; None for the byte 255 itself."""
    if at + 1 >= len(data):
        return at + 1, ""
    code = data[at + 1]
    if code == _IAC:
        return at + 2, None
    if code in _VERBS:
        option = data[at + 2] if at + 2 < len(data) else -1
        return at + 3, f"{_VERBS[code]} {_OPTIONS.get(option, option)}"
    if code != _SB:
        return at + 2, _COMMANDS.get(code, f"command {code}")
    end = data.find(b"\xff\xf0", at + 2, at + 2048)
    if end < 0:
        return at + 2, "a subnegotiation without an end"
    option = data[at + 2] if end > at + 2 else -1
    return end + 2, f"{_OPTIONS.get(option, option)}: {printable(data[at + 3 : end])}"


def _left(said: bytes) -> str:
    """Return the text with what was taken back taken back."""
    kept: list[str] = []
    for each in said.decode("utf-8", "backslashreplace"):
        if each in "\x08\x7f":
            if kept and kept[-1] not in "\r\n":
                kept.pop()
        else:
            kept.append(each)
    return "".join(kept)
