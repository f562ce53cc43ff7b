"""What was said in a session, understood: commands and replies, names, files, certificates. Never instead of the bytes.

One module a protocol: `recognises` says by the first bytes of both sides whether it is spoken, `PORTS` where it usually is,
and `records` yields what was said. The content decides; the port only where the content tells nothing.

A decoder reads bytes that an attacker wrote. It is given so many bytes of each side, may make so many records, and has so
much CPU time (`Budget`). One that fails or has used up its budget leaves a caveat and the records it made; the turns stay.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.decoding import (
    dns,
    ftp,
    imap,
    irc,
    kerberos,
    ntlm,
    pop3,
    smb1,
    smb2,
    smtp,
    socks,
    ssh,
    telnet,
    tftp,
    tls,
    web,
)
from nsm_nb.transcripts.decoding.records import COLUMNS, Budget, OutOfBudget, Record, Talk

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["PROTOCOLS", "Budget", "Record", "decoded", "recognised", "spoken"]

PROTOCOLS: dict[str, ModuleType] = {
    "socks": socks, "http": web, "tls": tls, "ssh": ssh, "smb2": smb2, "smb1": smb1, "smtp": smtp, "ftp": ftp, "pop3": pop3,
    "imap": imap, "irc": irc, "telnet": telnet, "kerberos": kerberos, "dns": dns, "tftp": tftp,
}  # fmt: skip
# What is told inside other protocols, found by its mark.
_SCANNERS = {"log-ons by NTLM": ntlm.records, "tickets of Kerberos": kerberos.tickets}
_MOST_DEPTH = 2
# What hostile bytes make of a parser: anything but the errors of a broken program, which are to be seen.
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NsmError, RecursionError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


def decoded(transcript: Transcript, *, budget: Budget | None = None) -> pd.DataFrame:
    """Return what was said in a session, as far as its protocol is understood.

    Parameters
    ----------
    transcript
        The conversation.
    budget
        What each decoder may use.

    Returns
    -------
    DataFrame
        A row for each thing said, in the order of the conversation: `protocol`, `side`, `time`, `frame`, `offset` (of its
        first byte in its side's stream), `size` (bytes it was read from), `kind`, `text` (safe to show), `fields` (a dict of
        names and values, its texts safe to show). ``attrs["protocol"]`` names what was recognised, `caveats_of` tells of
        what a decoder could not do.
    """
    talk = Talk(transcript, budget)
    caveats: list[Caveat] = []
    label = _label(transcript)
    found = list(_records(talk, caveats, label))
    found.sort(key=lambda each: each.turn)
    for stream in (talk.src, talk.dst):
        if stream.left:
            left, were = many(stream.left, "byte"), form(stream.left, "was", "were")
            words = f"{left} of {stream.side} behind the first {len(stream.data):,} {were} not decoded"
            caveats.append(Caveat(label, None, None, "decoding", words))
    table = pd.DataFrame([each[:-1] for each in found], columns=COLUMNS)
    if not len(table):
        table["time"] = pd.to_datetime(table["time"], utc=True)
    table = table.astype({"frame": "int64", "offset": "int64", "size": "int64"})
    table.attrs["protocol"] = spoken(talk) or ""
    return with_caveats(table, caveats)


def spoken(talk: Talk) -> str | None:
    """Return the protocol of a conversation: by its first bytes, else by its ports; None where neither tells."""
    return recognised(talk.proto, talk.ports if talk.depth == 0 else (0, 0), talk.heads)


def recognised(proto: str, ports: tuple[int, int], heads: tuple[bytes, bytes]) -> str | None:
    """Return the protocol of a conversation.

    Parameters
    ----------
    proto
        ``"tcp"`` or ``"udp"``.
    ports
        Of src and of dst.
    heads
        The first bytes of both.
    """
    if not any(heads):
        return None
    for name, module in PROTOCOLS.items():
        if proto in module.OVER and module.recognises(*heads):
            return name
    for name, module in PROTOCOLS.items():
        if proto in module.OVER and ports[1] in module.PORTS and module.possible(*heads):
            return name
    return None


def _records(talk: Talk, caveats: list[Caveat], label: str) -> Iterator[Record]:
    name = spoken(talk)
    if name is not None:
        yield from _guarded(name, talk, caveats, label)
    if talk.depth == 0 and talk.proto == "tcp":
        for scanner in _SCANNERS:
            yield from _guarded(scanner, talk, caveats, label)


def _guarded(name: str, talk: Talk, caveats: list[Caveat], label: str) -> Iterator[Record]:
    """Yield the records of one decoder, and those of what it opens; a caveat says where it stopped."""
    read = _SCANNERS[name] if name in _SCANNERS else PROTOCOLS[name].records
    opened: list[Talk] = []
    talk.budget.begin()
    try:
        for each in read(talk):
            if isinstance(each, Talk):
                opened.append(each)
            elif isinstance(each, Caveat):
                caveats.append(each._replace(evidence=label))
            else:
                yield each
    except OutOfBudget as problem:
        caveats.append(
            Caveat(
                label, None, None, "decoding", f"the decoder of {name} was stopped: {problem}; the turns have the rest"
            )
        )
    except FAILURES as problem:
        why = (
            f"{type(problem).__name__}: {printable(problem)[:200]}"
            if not isinstance(problem, NsmError)
            else str(problem)
        )
        caveats.append(
            Caveat(
                label,
                None,
                None,
                "decoding",
                f"the decoder of {name} did not come to the end ({why}); the turns have all",
            )
        )
    for inner in opened:
        if inner.depth >= _MOST_DEPTH:
            caveats.append(
                Caveat(label, None, None, "decoding", f"what {name} opens lies {_MOST_DEPTH} deep: not decoded")
            )
        else:
            yield from _records(inner, caveats, label)


def _label(transcript: Transcript) -> str:
    return (
        "" if transcript.packets is None or not len(transcript.packets) else str(transcript.packets["evidence"].iloc[0])
    )
