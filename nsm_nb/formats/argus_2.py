"""Argus' own files of version 2, read through the ra of argus-clients 3, which prints them.

Source: argus-clients 3.0.8, common/argus_client.c, `ArgusReadConnection`: the first record is one of management, of 128 bytes,
whose cookie is that of version 2. What ra does with such files was measured on files written after it.
"""

from __future__ import annotations

import os

import pandas as pd

from nsm_nb.formats import ra_columns, ra_csv
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.through import Program, printed
from nsm_nb.schema import with_caveats

__all__ = ["recognises", "sessions"]

_HEAD = b"\x80"  # ARGUS_MAR
_LENGTH_AND_COOKIE = ((2, b"\x00\x80"), (8, b"\xe5\x61\x7a\xcb"))
_FIELDS = "stime ltime dur flgs proto saddr sport dir daddr dport spkts dpkts sbytes dbytes state"
_RA = Program(
    "ra",
    # -X: none of the analyst's own settings; -p: microseconds
    ("-X", "-n", "-u", "-p", "6", "-c", ",", "-s", *_FIELDS.split(), "-r"),
    "a file of Argus 2",
    "install argus-clients (Debian: argus-client), or print the file where it is: "
    f"ra -n -u -c, -s {_FIELDS} -r FILE > FILE.csv",
)


def recognises(head: bytes) -> bool:
    """Return True where the file starts with the first management record of Argus 2."""
    return head[:1] == _HEAD and all(head[at : at + len(mark)] == mark for at, mark in _LENGTH_AND_COOKIE)


def sessions(path: str | os.PathLike, *, label: str, digest: str | None, source: str) -> pd.DataFrame:
    """Read the sessions: a row for each record that ra prints, `record` its number among these.

    Parameters
    ----------
    path, label
        The file, and how it is named.
    digest
        Its SHA-256, where that is known.
    source
        The format, as the rows name it.
    """
    with Fingerprint(path, digest) as fingerprint, printed(path, label, _RA) as listing:
        values = ra_csv.listing(listing.path, label)
        values.found = values.found._replace(record=values.found.record - 1)  # its first line is the header
        table = ra_columns.table(values, path=listing.path, digest=fingerprint.digits(), source=source)
    return with_caveats(table, listing.caveats)
