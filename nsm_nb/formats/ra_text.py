"""Sessions as Argus' ra prints them for people, by version 3 with a header, and by version 2 without one.

The header says which columns there are; addresses and ports stand together with a point between them. Of Argus 3's default, times
have no date, or are cut with an asterisk.

Source: ra(1) of argus-clients 2.0.6 and 3.0.8; its listings in reference/article.txt and the fixtures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import pandas as pd

from nsm_nb.formats import ra_columns, tabular
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.printed_values import Values

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "recognises", "sessions"]

NAME = "ra-text"
TITLE = "sessions of Argus, printed by ra"
EXTENSIONS = (".txt",)
YEARLESS = True
_HEADER = r"^(?:\xef\xbb\xbf)? *(?:StartTime|SrcId|LastTime) [^\t,]*\bSrcAddr [^\t,]*\bDir [^\t,]*\bDstAddr\b"
_TIME = (
    r"(?:\d{1,2} [A-Z][a-z]{2} \d{2} |\d{1,4}/\d{1,2}(?:/\d{1,4})?[. ])?\d{1,2}:\d{2}:\d{2}(?:\.\d{0,9})?\*?"
    r"|\d{1,10}\.\d{1,9}\*?"
)
# IPv6 has a colon; the port behind it a point
_ADDRESS = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|[0-9a-fA-F]*:[0-9a-fA-F:]*\*?|[^\s.]+(?:\.\d{1,3}){0,3}\*?"
_PORT = r"0x[0-9a-fA-F]+|[\w*-]+"
_KINDS = {
    "starttime": _TIME, "lasttime": _TIME, "dur": r"[\d.]+\*?", "proto": r"[\w*-][\w*.-]+", "dir": r"[<>?|o-]{2,3}|who|\|",
    "state": r"\S+",
}  # fmt: skip
# of version 2, and of lines that were cut out of a listing: (packets and bytes) state
_DEFAULT = ("starttime", "flgs", "proto", "srcaddr", "sport", "dir", "dstaddr", "dport")


def _pattern(names: Sequence[str]) -> str:
    """Return what a line of these columns looks like."""
    parts, before = [], ""
    for name in names:
        if name == "flgs":  # letters with blanks between them, or nothing
            parts.append(r"(?P<flgs>(?:\s+\S{1,9}){0,5}?)")
        elif name in ("sport", "dport") and before in ("srcaddr", "daddr", "dstaddr"):
            parts.append(rf"(?:\.(?P<{name}>{_PORT}))?")
        elif name in ("srcaddr", "dstaddr"):
            parts.append(rf"\s+(?P<{name}>{_ADDRESS})")
        elif name in ra_columns.COLUMNS:
            parts.append(rf"\s+(?P<{name}>{_KINDS.get(name, _NUMBER)})")
        else:
            parts.append(r"\s+\S+")
        before = name
    if tuple(names) == _DEFAULT:
        parts.append(
            r"(?:\s+(?P<srcpkts>\d+)\s+(?P<dstpkts>\d+)\s+(?P<srcbytes>\d+)\s+(?P<dstbytes>\d+)"
            r"|\s+(?P<totpkts>\d+)\s+(?P<totbytes>\d+))?\s+(?P<state>[A-Za-z_*]{1,20})"
        )
    return "^" + "".join(parts).replace(r"\s+", r"\s*", 1) + r"\s*$"


_NUMBER = r"[\w.:*-]+"
_ALONE = re.compile(_pattern(_DEFAULT).encode())


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is ra's header, or the first two with text are lines of its own."""
    if tabular.header_of(head, _HEADER):
        return True
    lines = [line for line in head[:4096].split(b"\n", 8)[:8] if line.strip() and len(line) < 400][:2]
    return bool(lines) and all(_ALONE.match(line) for line in lines)


def sessions(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, near: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read a listing: one row of SESSIONS for each record; see `ra_csv.sessions`.

    `near` is a time close to which the listing was written. Other parameters, and errors, as
    `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    layout = tabular.Layout(
        "line of ra's",
        _HEADER,
        lambda line: ra_columns.names_of(line, b""),
        delimiter=b"",
        default=_DEFAULT,
        pattern=_pattern,
        counted=(
            r"^\s*\S.*\sman\s.*\sST[A-Z]\s*$",
            "management records of Argus are no sessions; they were left out",
        ),
    )
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, ra_columns.COLUMNS), label)
    return ra_columns.table(values, path=path, digest=fingerprint.digits(), source=NAME, near=near)
