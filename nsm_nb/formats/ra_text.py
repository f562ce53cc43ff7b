"""Sessions as Argus' ra prints them for people, by version 3 with a header, and by version 2 without one.

The header says which columns there are; addresses and ports stand together with a point between them. Of Argus 3's default, times
have no date, or are cut with an asterisk.

Source: ra(1) of argus-clients 2.0.6 and 3.0.8; its listings in reference/article.txt and the fixtures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nsm_nb.formats import ra_columns, tabular
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.printed_values import Values
from nsm_nb.formats.worded import Words

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "recognises", "sessions"]

NAME = "ra-text"
TITLE = "sessions of Argus, printed by ra"
EXTENSIONS = (".txt",)
YEARLESS = True
_FIRST = r"^(?:\xef\xbb\xbf)? *(?:StartTime|SrcId|LastTime) "
_HEADER = _FIRST + r"[^\t,]*\bSrcAddr [^\t,]*\bDir [^\t,]*\bDstAddr\b"  # for RE2, which does not go back
_TIME = (
    r"(?:\d{1,2} [A-Z][a-z]{2} \d{2} |\d{1,4}/\d{1,2}(?:/\d{1,4})?[. ])?\d{1,2}:\d{2}:\d{2}(?:\.\d{0,9})?\*?"
    r"|\d{1,10}\.\d{1,9}\*?"
)
# IPv6 has a colon; the port behind it a point
_ADDRESS = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|[0-9a-fA-F]*:[0-9a-fA-F:]*\*?"
_PORT = r"0x[0-9a-fA-F]+|[\w*-]+"
_WHEN_ONE = r"\d[\d/]*[.:/][\d.:/]*\*?"
_WHEN = rf"(?:\d{{1,2}} [A-Z][a-z]{{2}} \d{{2}} )?{_WHEN_ONE}(?: \d{{1,2}}:[\d.:]+\*?)?"
_WORD = r"\S+"
_KINDS = {"starttime": _WHEN, "lasttime": _WHEN, "dir": r"[<>?|o-]{2,3}|who"}
# of version 2, and of lines that were cut out of a listing: (packets and bytes) state
_DEFAULT = ("starttime", "flgs", "proto", "srcaddr", "sport", "dir", "dstaddr", "dport")


def _shown(names: Sequence[str]) -> list[str]:
    """Return the columns of a line: an address has its port behind it, see `_apart`; what is not wanted, or again, is empty."""
    found: list[str] = []
    before = ""
    for name in names:
        if name in ("sport", "dport") and before.endswith("addr"):
            continue
        found.append(name if name in ra_columns.COLUMNS and name not in found else "")
        before = name
    return found


def _pattern(names: Sequence[str]) -> str:
    """Return what a line of these columns looks like."""
    parts = []
    for name in _shown(names):
        if name == "flgs":  # letters with blanks between them, or nothing
            parts.append(r"(?P<flgs>(?:\S+\s+)*?)")
        else:
            parts.append(rf"(?P<{name}>{_KINDS.get(name, _WORD)})\s+" if name else rf"{_WORD}\s+")
    if tuple(names) == _DEFAULT:
        parts.append(
            r"(?:(?P<srcpkts>\d+)\s+(?P<dstpkts>\d+)\s+(?P<srcbytes>\d+)\s+(?P<dstbytes>\d+)\s+"
            r"|(?P<totpkts>\d+)\s+(?P<totbytes>\d+)\s+)?(?P<state>[A-Za-z_*]{1,20})\s*"
        )
    # the last value has no blank behind it where the line is torn
    return r"^\s*" + re.sub(r"\\s\+$", r"\\s*", "".join(parts)) + "$"


def _words(names: Sequence[str]) -> Words | None:
    """Return the same for lines whose times are one word each."""
    shown = _shown(names)
    if tuple(names) == _DEFAULT or not any(shown):
        return None
    like = {"starttime": rf"^{_WHEN_ONE}$", "lasttime": rf"^{_WHEN_ONE}$", "dir": rf"^(?:{_KINDS['dir']})$"}
    return Words(shown, "flgs" if "flgs" in shown else "", like, frozenset({"starttime", "lasttime"}))


def _apart(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return where addresses end that stand before a port."""
    from nsm_nb.kernels.words import port_points

    points = np.empty(len(places) - 1, np.int32)
    port_points(data, places, points)
    return points


_END = rf"(?:{_ADDRESS})(?:\.(?:{_PORT}))?"
_ALONE = re.compile(
    rf"^\s*(?:{_TIME})(?:\s+\S{{1,9}}){{0,5}}?\s+[\w*][\w*.-]+\s+{_END}\s+(?:[<>?|o-]{{2,3}}|who)\s+{_END}(?:\s+\d+){{0,4}}"
    r"\s+[A-Za-z_*]{1,20}\s*$".encode()
)


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is ra's header, or the first two with text are lines of its own."""
    names = ra_columns.names_of(tabular.header_of(head, _FIRST), b"")
    if {"srcaddr", "dir", "dstaddr"} <= {*names}:
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
        words=_words,
        counted=(
            r"^\s*\S.*\sman\s.*\sST[A-Z]\s*$",
            "management records of Argus are no sessions; they were left out",
        ),
    )
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, ra_columns.COLUMNS), label)
    for side in ("src", "dst"):
        if not values.has(f"{side[0]}port"):
            values.cut(f"{side}addr", f"{side[0]}port", _apart)
    return ra_columns.table(values, path=path, digest=fingerprint.digits(), source=NAME, near=near)
