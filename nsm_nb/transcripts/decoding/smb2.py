"""SMB2 and SMB3: shares, files, listings, pipes, and the bytes of files that were read and written.

Source: [MS-SMB2] 2.1 (transport), 2.2 (messages); [MS-FSCC] 2.4 (directory entries); [MS-ERREF] 2.3 (status).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from nsm_nb.text import many
from nsm_nb.transcripts.decoding.records import Record, Talk
from nsm_nb.transcripts.streams import Stream

__all__ = ["Opened", "Part", "files"]

OVER, PORTS = ("tcp",), (445, 139)
_FRAME = re.compile(rb"\0[\s\S]{3}[\xfc\xfd\xfe\xff]SMB")
_NEGOTIATE, _SETUP, _LOGOFF, _TREE, _UNTREE, _CREATE, _CLOSE = range(7)
_READ, _WRITE, _IOCTL, _LIST = 8, 9, 11, 14
_NAMES = (
    "negotiate", "session setup", "log off", "tree connect", "tree disconnect", "create", "close", "flush", "read", "write",
    "lock", "ioctl", "cancel", "echo", "query directory", "change notify", "query info", "set info", "oplock break",
)  # fmt: skip
_PENDING, _MORE = 0x103, 0xC0000016
_STATUS = {
    0: "ok", 0x80000005: "more data", 0x80000006: "no more files", 0xC0000008: "invalid handle", 0xC000000F: "no such file",
    0xC0000011: "end of file", _MORE: "goes on", 0xC0000022: "access denied", 0xC0000033: "invalid name",
    0xC0000034: "not found", 0xC0000035: "exists already", 0xC000003A: "path not found", 0xC0000043: "sharing violation",
    0xC000006A: "wrong password", 0xC000006D: "log-on failure", 0xC000006E: "account restriction",
    0xC0000071: "password expired", 0xC0000072: "account disabled", 0xC00000BA: "is a directory", 0xC00000BB: "not supported",
    0xC00000CC: "no such share", 0xC000010B: "not a directory", 0xC0000128: "file closed", 0xC000019C: "not found",
    0xC0000203: "session deleted", 0xC0000225: "not found", 0xC0000234: "account locked out",
}  # fmt: skip
_DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x02FF: "2.?", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}
_ACTIONS = {0: "superseded", 1: "opened", 2: "created", 3: "overwritten"}
_SHARES = {1: "disk", 2: "pipe", 3: "printer"}
_NAME_AT = {1: 64, 2: 68, 3: 94, 37: 104, 38: 80, 60: 88}  # where the name stands in an entry, by information class
_LAST = b"\xff" * 16
_MOST_ENTRIES = 5_000
_EPOCH = 116_444_736_000_000_000  # 1970 in FILETIME


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where SMB2 begins a side, or answers the SMB1 that asked for it."""
    return any(each[:1] == b"\0" and each[4:8] in (b"\xfeSMB", b"\xfdSMB", b"\xfcSMB") for each in (src, dst))


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: the signature tells."""
    return False


class Part(NamedTuple):
    """Bytes of a file: where in it, and where in a stream."""

    offset: int
    stream: Stream
    start: int
    end: int
    frame: int
    size: int  # of the part as it was asked for or announced; more than there is where bytes are missing


@dataclass
class Opened:
    """A file that was opened."""

    share: str
    name: str
    frame: int
    time: pd.Timestamp
    offset: int
    size: int | None
    pipe: bool = False
    directory: bool = False
    read: list[Part] = field(default_factory=list)
    written: list[Part] = field(default_factory=list)


class _Message(NamedTuple):
    stream: Stream
    at: int  # of the header in the stream
    end: int
    data: bytes  # from the header on
    missing: int


class _Asked(NamedTuple):
    command: int
    message: _Message
    file: bytes
    values: dict[str, Any]


def records(talk: Talk) -> Iterator[Record]:
    """Yield what was asked for and answered."""
    conversation = _Conversation(talk)
    for message in _messages(talk):
        yield from conversation.read(message)


def files(talk: Talk) -> list[Opened]:
    """Return the files that were opened, with the parts of them that were read and written."""
    conversation = _Conversation(talk)
    for message in _messages(talk):
        for _ in conversation.read(message):
            pass
    return conversation.files


def _messages(talk: Talk) -> list[_Message]:
    """Return the messages of both sides in the order in which they were complete; compounds are taken apart."""
    found: list[tuple[int, int, _Message]] = []
    for stream, begin in talk.sides:
        at = begin
        while at + 8 <= len(stream.data):
            talk.budget.check()
            if not _FRAME.match(stream.data, at, stream.gap_from(at + 1)):
                keep = stream.data[at] == 0x85 or stream.data[at] in (
                    0x81,
                    0x82,
                )  # NetBIOS: keep-alive, session request
                if keep and stream.data[at + 1] <= 1:
                    at += 4 + int.from_bytes(stream.data[at + 1 : at + 4], "big")
                    continue
                again = stream.start_from(at + 1, _FRAME)
                if again is None:
                    break
                at = again
            taken = stream.take(at + 4, int.from_bytes(stream.data[at + 1 : at + 4], "big"))
            done = stream.numbers[stream.turn_at(max(taken.end - 1, at))]
            for start, end in _chain(taken.data):
                missing = taken.missing + taken.short
                found.append(
                    (done, len(found), _Message(stream, at + 4 + start, at + 4 + end, taken.data[start:end], missing))
                )
            at = taken.end
            if taken.rest:
                again = stream.start_from(at, _FRAME)
                if again is None:
                    break
                at = again
    return [message for _, _, message in sorted(found, key=lambda each: each[:2])]


def _chain(data: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    for _ in range(100):
        if data[at : at + 4] != b"\xfeSMB" or len(data) < at + 64:
            if at == 0 and data:
                yield 0, len(data)
            return
        following = struct.unpack_from("<I", data, at + 20)[0]
        end = at + following if 64 <= following <= len(data) - at else len(data)
        yield at, end
        if not following or end == len(data):
            return
        at = end


class _Conversation:
    """What is known at a point of the conversation: trees, open files, what waits for an answer."""

    def __init__(self, talk: Talk):
        self.talk = talk
        self.files: list[Opened] = []
        self.trees: dict[int, tuple[str, bool]] = {}
        self.open: dict[bytes, Opened] = {}
        self.waiting: dict[int, _Asked] = {}
        self.last = b""  # the file of the compound that is answered
        self.sealed = {"src": 0, "dst": 0}

    def read(self, message: _Message) -> Iterator[Record]:
        data = message.data
        if data[:4] != b"\xfeSMB":
            yield from self._other(message)
            return
        if len(data) < 66:
            yield self._record(
                message, "damaged", f"a message of {many(len(data), 'byte')}, which is less than its head"
            )
            return
        status, command = struct.unpack_from("<IH", data, 8)
        (flags,) = struct.unpack_from("<I", data, 16)
        (number,) = struct.unpack_from("<Q", data, 24)
        (tree,) = struct.unpack_from("<I", data, 36)
        body = data[64:]
        try:
            if not flags & 1:
                self._asked(message, command, number, tree, body)
            elif status != _PENDING:
                asked = self.waiting.pop(number, None)
                if asked is None or asked.command != command:
                    asked = _Asked(command, message, b"", {})
                yield from self._answered(message, asked, status, tree, body, related=bool(flags & 4))
        except struct.error:
            yield self._record(message, "damaged", f"{_name(command)} that is not whole")

    def _other(self, message: _Message) -> Iterator[Record]:
        kind = message.data[:1]
        if kind == b"\xfd":
            if not self.sealed[message.stream.side]:
                yield self._record(message, "encrypted", "what follows is encrypted")
            self.sealed[message.stream.side] += 1
        elif kind == b"\xfc":
            yield self._record(
                message, "compressed", f"a compressed message of {len(message.data):,} bytes, left as it is"
            )
        elif kind == b"\xff":
            yield self._record(message, "SMB1", "a message of SMB1")

    def _asked(self, message: _Message, command: int, number: int, tree: int, body: bytes) -> None:
        values: dict[str, Any] = {"tree": tree}
        file = b""
        if command == _NEGOTIATE:
            several = struct.unpack_from("<H", body, 2)[0]
            values["dialects"] = [struct.unpack_from("<H", body, 36 + 2 * each)[0] for each in range(min(several, 20))]
        elif command == _TREE:
            values["path"] = _text(message.data, *struct.unpack_from("<HH", body, 4))
        elif command == _CREATE:
            values["access"], values["disposition"], values["options"] = (
                struct.unpack_from("<I", body, at)[0] for at in (24, 36, 40)
            )
            values["name"] = _text(message.data, *struct.unpack_from("<HH", body, 44))
        elif command in (_READ, _WRITE):
            file = body[16:32]
            values["length"], values["offset"] = struct.unpack_from("<IQ", body, 4)
            if command == _WRITE:
                values["at"] = struct.unpack_from("<H", body, 2)[0]
        elif command in (_CLOSE, _IOCTL, _LIST):
            file = body[8:24]
            if command == _LIST:
                values["class"] = body[2]
                values["pattern"] = _text(message.data, *struct.unpack_from("<HH", body, 24))
            elif command == _IOCTL:
                values["code"] = struct.unpack_from("<I", body, 4)[0]
        elif command in (16, 17):
            file = body[24:40] if command == 16 else body[16:32]
        if len(self.waiting) < 10_000:
            self.waiting[number] = _Asked(command, message, file, values)

    def _answered(
        self, message: _Message, asked: _Asked, status: int, tree: int, body: bytes, *, related: bool
    ) -> Iterator[Record]:
        command, values = asked.command, asked.values
        said = _STATUS.get(status, f"status {status:08x}")
        good = status >> 30 != 3 or status == _MORE
        file = self.last if asked.file == _LAST and related else asked.file
        opened = self.open.get(file)
        where = f"{opened.share}\\{opened.name}" if opened else "a file opened before"
        fields: dict[str, Any] = {"status": said, "asked_frame": asked.message.stream.place(asked.message.at).frame}
        if command == _NEGOTIATE:
            dialect = struct.unpack_from("<H", body, 4)[0] if good else 0
            yield self._record(message, "negotiate", f"dialect {_DIALECTS.get(dialect, hex(dialect))}", **fields)
        elif command == _SETUP:
            yield self._record(message, "session setup", said, **fields)
        elif command == _TREE:
            share = values.get("path", "")
            kind = _SHARES.get(body[2], "share") if good and len(body) > 2 else ""
            if good:
                self.trees[tree] = (share, kind == "pipe")
            yield self._record(message, "tree connect", f"{share}: {said}", share=share, share_type=kind, **fields)
        elif command == _CREATE:
            yield self._created(message, asked, good, said, body, fields)
        elif command == _CLOSE:
            if opened:
                yield self._record(message, "close", f"{where}: {said}", file=opened.name, share=opened.share, **fields)
            self.open.pop(file, None)
        elif command in (_READ, _WRITE):
            yield from self._moved(message, asked, opened, where, good, said, body, fields)
        elif command == _LIST:
            entries = _entries(message.data, body, values.get("class", 0)) if good else []
            words = f"{where} {values.get('pattern', '')}: {said}" + (
                f", {many(len(entries), 'entry', 'entries')}" if entries else ""
            )
            yield self._record(message, "listing", words, pattern=values.get("pattern", ""), entries=entries,
                               share=opened.share if opened else "", directory=opened.name if opened else "",
                               **fields)  # fmt: skip
        elif command == _IOCTL:
            yield self._record(message, "ioctl", f"{where}: {values.get('code', 0):08x}, {said}", **fields)
        elif not good or command not in (16, 17, 13, 7, 15):
            yield self._record(message, _name(command), said, **fields)

    def _created(
        self, message: _Message, asked: _Asked, good: bool, said: str, body: bytes, fields: dict[str, Any]
    ) -> Record:
        share, pipe = self.trees.get(asked.values.get("tree", -1), ("", False))
        name = asked.values.get("name", "")
        where = f"{share}\\{name}"
        if not good or len(body) < 80:
            return self._record(message, "create", f"{where}: {said}", file=name, share=share, **fields)
        (action,) = struct.unpack_from("<I", body, 4)
        size, attributes = struct.unpack_from("<QI", body, 48)
        place = self._where(asked.message)
        opened = Opened(share, name, place.frame, place.time, place.offset, size, pipe, bool(attributes & 0x10))
        self.last = body[64:80]
        self.open[self.last] = opened
        if len(self.files) < self.talk.budget.records:
            self.files.append(opened)
        what = "pipe" if pipe else "directory" if opened.directory else "file"
        done = _ACTIONS.get(action, "opened")
        tail = f", {many(size, 'byte')}" if what == "file" else ""
        return self._record(
            message, "pipe" if pipe else "create", f"{what} {where} {done}{tail}", file=name, share=share, action=done,
            type=what, file_size=None if pipe or opened.directory else size, written=_time(body, 24), **fields,
        )  # fmt: skip

    def _moved(
        self, message: _Message, asked: _Asked, opened: Opened | None, where: str, good: bool, said: str, body: bytes,
        fields: dict[str, Any],
    ) -> Iterator[Record]:  # fmt: skip
        reads = asked.command == _READ
        offset = asked.values.get("offset", 0)
        holder = message if reads else asked.message
        size = at = 0
        if good and reads and len(body) >= 8:
            at, size = body[2], struct.unpack_from("<I", body, 4)[0]
        elif good and not reads:
            at, size = asked.values.get("at", 0), asked.values.get("length", 0)
        if opened is not None and size and 64 <= at <= len(holder.data):
            held = min(size, len(holder.data) - at) if not holder.missing else 0
            start = holder.at + at
            part = Part(
                offset, holder.stream, start, start + held, holder.stream.place(start).frame if held else 0, size
            )
            (opened.read if reads else opened.written).append(part)
        verb = "read" if reads else "write"
        words = f"{where}: {many(size, 'byte')} at {offset:,}" if good else f"{where}: {said}"
        yield self._record(message, verb, words, file=opened.name if opened else "", share=opened.share if opened else "",
                           at=offset, length=size, **fields)  # fmt: skip

    def _where(self, message: _Message) -> Any:
        return message.stream.place(message.at)

    def _record(self, message: _Message, kind: str, text: str, **fields: Any) -> Record:
        return self.talk.record("smb2", message.stream, message.at, message.end, kind, text, **fields)


def _entries(data: bytes, body: bytes, kind: int) -> list[dict[str, Any]]:
    """Return the entries of a listing."""
    at, size = struct.unpack_from("<HI", body, 2)
    end = min(at + size, len(data))
    found: list[dict[str, Any]] = []
    while at + 12 <= end and len(found) < _MOST_ENTRIES:
        following = struct.unpack_from("<I", data, at)[0]
        if kind == 12:
            length = struct.unpack_from("<I", data, at + 8)[0]
            found.append({"name": _text(data, at + 12, min(length, end - at - 12))})
        elif kind in _NAME_AT and at + _NAME_AT[kind] <= end:
            (octets,) = struct.unpack_from("<Q", data, at + 40)
            attributes, length = struct.unpack_from("<II", data, at + 56)
            start = at + _NAME_AT[kind]
            found.append({
                "name": _text(data, start, min(length, end - start)), "size": octets, "written": _time(data, at + 24),
                "directory": bool(attributes & 0x10),
            })  # fmt: skip
        else:
            break
        if not following:
            break
        at += max(following, 8)
    return found


def _text(data: bytes, at: int, size: int) -> str:
    return data[at : at + size].decode("utf-16-le", "backslashreplace")


def _time(data: bytes, at: int) -> str:
    """Return a FILETIME as ISO text; empty where it is none."""
    ticks = struct.unpack_from("<Q", data, at)[0]
    if not abs(ticks - _EPOCH) < 9 * 10**16:
        return ""
    return pd.Timestamp((ticks - _EPOCH) * 100, unit="ns", tz="UTC").isoformat()


def _name(command: int) -> str:
    return _NAMES[command] if command < len(_NAMES) else f"command {command}"
