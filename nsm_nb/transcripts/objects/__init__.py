"""Files that sessions carried: by HTTP, FTP, mail, SMB, TFTP. Listed with hashes; written only when somebody asks for it.

The name of a file is what the conversation claimed: it is shown, and never a place to write to. Bytes that are missing are
left out, counted, and make the hash that of what there is.

Source: reference/hostile.md T11, T12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import printable
from nsm_nb.transcripts.decoding import FAILURES, socks, spoken
from nsm_nb.transcripts.decoding.records import Budget, Talk
from nsm_nb.transcripts.objects import mails, shares, web
from nsm_nb.transcripts.objects.elsewhere import Connection, Finder, of_ftp, of_tftp
from nsm_nb.transcripts.objects.found import COLUMNS, Object, table_of
from nsm_nb.transcripts.objects.kinds import kind_of
from nsm_nb.transcripts.objects.writing import LARGEST, PASSWORD, write_objects, zip_objects
from nsm_nb.transcripts.streams import MOST

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = [
    "CARRIERS", "COLUMNS", "LARGEST", "PASSWORD", "Connection", "Finder", "Object", "carried", "kind_of", "objects", "table_of",
    "write_objects", "zip_objects",
]  # fmt: skip

CARRIERS = ("socks", "http", "ftp", "smtp", "pop3", "imap", "smb2", "smb1", "tftp")  # protocols that carry files
_MOST = 10_000  # of one session
_MOST_DEPTH = 2


def objects(transcript: Transcript, *, find: Finder | None = None) -> pd.DataFrame:
    """Return the files that a session carried, as a table; `caveats_of` tells of what could not be had.

    Parameters
    ----------
    transcript
        The conversation.
    find
        Who knows the sessions that carry the bytes which FTP and TFTP ask for; without it those are not told.

    Returns
    -------
    DataFrame
        A row a file: `session`, `evidence`, `frame`, `last_frame`, `time`, `protocol`, `side` (who sent it), `name` and `path`
        (as claimed), `claimed_type`, `type` (by its bytes), `size`, `complete`, `gaps` (bytes missing), `sha256`, `md5`,
        `note`.
    """
    caveats: list[Caveat] = []
    found = table_of(each.row for each in carried(transcript, find=find, caveats=caveats))
    return with_caveats(found, caveats)


def carried(
    transcript: Transcript, *, find: Finder | None = None, caveats: list[Caveat] | None = None
) -> Iterator[Object]:
    """Yield the files that a session carried, with their bytes.

    Parameters
    ----------
    transcript, find
        As in `objects`.
    caveats
        Is told what could not be had.
    """
    session = None if transcript.session is None else transcript.session.get("session")
    number = None if session is None or pd.isna(session) else int(session)
    label = (
        "" if transcript.packets is None or not len(transcript.packets) else str(transcript.packets["evidence"].iloc[0])
    )
    told = caveats if caveats is not None else []
    talk = Talk(transcript, Budget(octets=MOST, seconds=60.0))
    for count, each in enumerate(_carried(talk, find, told, label)):
        if count >= _MOST:
            told.append(
                Caveat(
                    label,
                    None,
                    None,
                    "objects",
                    f"session {number} carries more than {_MOST:,} files: no more are told",
                )
            )
            return
        yield replace(each, session=each.session or number, evidence=each.evidence or label)


def _carried(talk: Talk, find: Finder | None, caveats: list[Caveat], label: str) -> Iterator[Object]:
    protocol = spoken(talk)
    opened: list[Talk] = []
    talk.budget.begin()
    try:
        for each in _of(talk, protocol, find):
            if isinstance(each, str):
                caveats.append(Caveat(label, None, None, "objects", each))
            elif isinstance(each, Talk):
                opened.append(each)
            else:
                yield each
    except FAILURES as problem:
        why = str(problem) if isinstance(problem, NsmError) else f"{type(problem).__name__}: {printable(problem)[:200]}"
        caveats.append(
            Caveat(
                label, None, None, "objects", f"not all files in {protocol} could be had ({why}); the turns have all"
            )
        )
    for inner in opened:
        if inner.depth < _MOST_DEPTH:
            yield from _carried(inner, find, caveats, label)


def _of(talk: Talk, protocol: str | None, find: Finder | None) -> Iterator[Object | Talk | str]:
    if protocol == "http":
        yield from web.carried(talk)
    elif protocol == "socks":
        yield from (each for each in socks.records(talk) if isinstance(each, Talk))
    elif protocol in ("smtp", "pop3", "imap"):
        yield from mails.carried(talk, protocol)
    elif protocol == "smb2":
        yield from shares.carried(talk)
    elif protocol == "smb1":
        yield from shares.carried_by_smb1(talk)
    elif protocol == "ftp" and find is not None:
        yield from of_ftp(talk, find)
    elif protocol == "tftp" and find is not None:
        yield from of_tftp(talk, find)
