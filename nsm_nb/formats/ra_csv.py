"""Sessions that Argus' ra printed with a character between the values (``ra -c,``), and binetflow listings, which are such.

Source: ra(1), ``-c``; the binetflow files of the CTU-13 and Stratosphere captures, made by ra with a comma or a tab.
"""

from __future__ import annotations

import os

import pandas as pd

from nsm_nb.formats import ra_columns, tabular
from nsm_nb.formats.lines import Fingerprint, as_utf8
from nsm_nb.formats.printed_values import Values
from nsm_nb.formats.source import read_head

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "listing", "recognises", "sessions"]

NAME = "ra-csv"
TITLE = "sessions of Argus, printed by ra as CSV"
EXTENSIONS = (".csv", ".binetflow")
YEARLESS = True
_DELIMITERS = (b",", b"\t", b"|", b";")
_HEADER = r"^(?:\xef\xbb\xbf)?\"?(?:StartTime|SrcId|LastTime|Rank)\"?[,\t|;]"
_NEEDED = {"proto", "srcaddr", "dir", "dstaddr"}


def _delimiter(head: bytes) -> bytes:
    """Return what stands between the values of a listing; empty where it is none of ra's."""
    line = tabular.header_of(head, _HEADER)
    found = [each for each in _DELIMITERS if set(ra_columns.names_of(line, each)) >= _NEEDED]
    return found[0] if found else b""


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines names ra's columns, with a character between them."""
    return bool(_delimiter(head))


def sessions(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, near: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read the records of ra: one row of SESSIONS for each, which may be a part of a long conversation.

    `src` is who opened by ra's arrow (`Dir`); ICMP has no ports, its kind is told by `state`. Where the arrow points to the
    left, src and dst are exchanged. `near` is a time close to which the listing was written, from which times without a
    date or a year take it. Other parameters, and errors, as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        values = listing(path, label)
    return ra_columns.table(values, path=path, digest=fingerprint.digits(), source=NAME, near=near)


def listing(path: str | os.PathLike, label: str) -> Values:
    """Return the columns of a listing, by the names that ra gives them."""
    delimiter = _delimiter(as_utf8(read_head(path))) or b","
    layout = tabular.Layout("record of ra's", _HEADER, lambda line: ra_columns.names_of(line, delimiter), delimiter)
    return Values(tabular.read(path, label, layout, ra_columns.COLUMNS), label)
