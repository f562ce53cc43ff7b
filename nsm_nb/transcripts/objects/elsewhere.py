"""Files whose bytes go over a connection of their own: FTP and TFTP. Who has all sessions says which one it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pandas as pd

from nsm_nb.text import many, printable
from nsm_nb.transcripts.decoding import ftp, tftp
from nsm_nb.transcripts.decoding.records import Talk
from nsm_nb.transcripts.objects.found import Object
from nsm_nb.transcripts.streams import Stream
from nsm_nb.transcripts.transcript import Transcript

__all__ = ["Connection", "Finder", "of_ftp", "of_tftp"]

_BLOCK = 512  # bytes of a block of TFTP where nothing else was agreed
_LISTS = ("LIST", "NLST", "MLSD")


class Connection(NamedTuple):
    """A connection that carries a file: one end of it, the host at the other, and when it was asked for."""

    proto: str
    host: str  # that listens, or was told where to send to
    port: int
    other: str
    time: pd.Timestamp


Finder = Callable[[Connection], Transcript | None]


def of_ftp(talk: Talk, find: Finder) -> Iterator[Object | str]:
    """Yield the files that FTP moved; a sentence for a transfer whose connection is not in the evidence."""
    transcript = talk.transcript
    ends = {"src": transcript.src_ip, "dst": transcript.dst_ip}
    for each in ftp.transfers(talk):
        what = f"{each.verb} {printable(each.name)}".strip()
        listens, other = ends[each.by or "dst"], ends["src" if each.by != "src" else "dst"]
        found = None
        for host in dict.fromkeys([each.host, listens]):
            if each.port and found is None:
                found = find(Connection("tcp", host, each.port, other, each.time))
        if found is None:
            said = f"; it was to come by {each.host} port {each.port}" if each.port else ""
            yield f"the data of {what} (frame {each.frame}) are in no session of the evidence{said}"
            continue
        side = _sender(found, ends[each.sender])
        stream = Stream(found, side)
        if not stream.numbers:
            yield f"the data of {what} (frame {each.frame}) are empty"
            continue
        missing = stream.missing(0, len(stream.data))
        closed = found.session is None or str(found.session.get("closed")) in ("both", f"{side} only")
        whole = not missing and not stream.left and not each.restart and closed
        notes = [f"{each.verb}, asked for in session {_number(transcript)} frame {each.frame}"]
        notes += [f"the file from byte {each.restart:,} on"] if each.restart else []
        notes += [f"{many(missing, 'byte is', 'bytes are')} missing"] if missing else []
        notes += ["its connection was not closed in order: it may go on"] if not closed else []
        notes += (
            ["sent as text: line ends may not be those of the file"]
            if each.binary is False and each.verb not in _LISTS
            else []
        )
        name = printable(each.name)
        first, last = stream.place(0), stream.place(max(len(stream.data) - 1, 0))
        yield Object(
            "ftp", side, first.time, first.frame, last.frame, "" if each.verb in _LISTS else name.rpartition("/")[2], name,
            "directory listing" if each.verb in _LISTS else "", stream.data, whole, missing, ", ".join(notes), _number(found),
            _evidence(found),
        )  # fmt: skip


def of_tftp(talk: Talk, find: Finder) -> Iterator[Object | str]:
    """Yield the file that a request of TFTP asked for."""
    asked = None
    for _, _, turn, data in talk.datagrams():
        if (request := tftp.request(data)) is not None:
            asked = (request, turn)
            break
    if asked is None:
        return
    request, turn = asked
    transcript = talk.transcript
    client = transcript.src_ip if turn.side == "src" else transcript.dst_ip
    port = (transcript.src_port if turn.side == "src" else transcript.dst_port) or 0
    server = transcript.dst_ip if turn.side == "src" else transcript.src_ip
    found = find(Connection("udp", client, port, server, turn.time))
    sender = client if request["verb"] == "write" else server
    made = None
    for each in (found, transcript):
        if each is not None and made is None:
            made = _blocks(each, _sender(each, sender), request)
    name = printable(request["name"])
    if made is None:
        yield f"the blocks of {name} (frame {turn.frames[0]}) are in no session of the evidence"
    else:
        yield made


def _blocks(found: Transcript, side: str, request: dict) -> Object | None:
    """Return the blocks of a file in their order; the first version of each stands (RFC 1350 2)."""
    agreed = request["options"].get(b"blksize", b"") if request["options"] else b""
    limit = int(agreed) if agreed.isdigit() and len(agreed) < 6 else _BLOCK
    blocks: list[bytes] = []
    first = last = None
    missing = expected = 0
    expected = 1
    ended = False
    for turn in found.turns:
        data = turn.read(0, 70_000)
        if data[:2] == b"\0\6" and b"blksize" not in data.lower():
            limit = _BLOCK
        if turn.side != side or data[:2] != b"\0\3" or len(data) < 4:
            continue
        ahead = (int.from_bytes(data[2:4], "big") - expected) & 0xFFFF
        if ahead >= 0x8000 or ended:
            continue  # sent again
        missing += ahead
        blocks.append(data[4:])
        first, last = first or turn, turn
        expected += ahead + 1
        ended = len(data) - 4 < limit
    if first is None or last is None:
        return None
    name = printable(request["name"])
    notes = [] if ended else ["its last block is not there"]
    notes += [f"{many(missing, 'block is', 'blocks are')} missing"] if missing else []
    notes += ["sent as text: line ends may not be those of the file"] if request["mode"] != b"octet" else []
    return Object(
        "tftp", side, first.time, first.frames[0], last.frames[-1], name.replace("\\", "/").rpartition("/")[2], name, "",
        b"".join(blocks), ended and not missing, missing * limit if ended or missing else None, ", ".join(notes), _number(found),
        _evidence(found),
    )  # fmt: skip


def _sender(found: Transcript, host: str) -> str:
    """Return the side that a host is; where both ends are the same host, the one that sent more."""
    if found.src_ip == found.dst_ip or host not in (found.src_ip, found.dst_ip):
        return "src" if found.size("src") > found.size("dst") else "dst"
    return "src" if found.src_ip == host else "dst"


def _number(transcript: Transcript) -> int | None:
    number = None if transcript.session is None else transcript.session.get("session")
    return None if number is None or pd.isna(number) else int(number)


def _evidence(transcript: Transcript) -> str:
    return (
        "" if transcript.packets is None or not len(transcript.packets) else str(transcript.packets["evidence"].iloc[0])
    )
