"""The formats that nsm_nb reads: one module each, tried in order on the first bytes of a file.

A format is `NAME`, `TITLE`, `EXTENSIONS`, `recognises(head)` and one or more of `packets`, `sessions`, `alerts`. A new one
is its module, a sample in the tests, and a line in `FORMATS`.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from types import ModuleType

import pandas as pd

from nsm_nb.errors import UnknownFormat
from nsm_nb.formats.source import read_head
from nsm_nb.schema import caveats_of
from nsm_nb.text import printable

__all__ = [
    "FORMATS",
    "TABLES",
    "find",
    "formats",
    "read_alerts",
    "read_packets",
    "read_sessions",
    "reader",
    "recognised",
]

log = logging.getLogger(__name__)

# Tried in order. NetFlow stands before pcap: captured export datagrams are a capture too.
FORMATS = {
    "netflow": "nsm_nb.formats.netflow",
    "pcap": "nsm_nb.formats.pcap",
    "eve": "nsm_nb.formats.eve",
    "snort-fast": "nsm_nb.formats.snort_fast",
}
TABLES = ("packets", "sessions", "alerts")


def reader(name: str) -> ModuleType:
    """Return the module of a format.

    Raises
    ------
    UnknownFormat
        Where there is none of that name; the sentence lists those there are.
    """
    if name not in FORMATS:
        raise UnknownFormat(f"there is no format {printable(name)!r}; there are {', '.join(FORMATS)}")
    return importlib.import_module(FORMATS[name])


def formats() -> pd.DataFrame:
    """Return the formats that can be read: `name`, `title`, `tables` (what they hold), `extensions`."""
    rows = []
    for name in FORMATS:
        module = reader(name)
        tables = [table for table in TABLES if hasattr(module, table)]
        rows.append((name, module.TITLE, ", ".join(tables), " ".join(module.EXTENSIONS)))
    return pd.DataFrame(rows, columns=["name", "title", "tables", "extensions"], dtype="str")


def recognised(path: str | os.PathLike) -> list[str]:
    """Return the names of the formats that recognise a file, in the order in which they are tried.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    """
    head = read_head(path)
    return [name for name in FORMATS if reader(name).recognises(head)]


def find(path: str | os.PathLike, table: str, format: str | None = None) -> str:
    """Return the format by which a table can be read from a file.

    Parameters
    ----------
    path
        The file.
    table
        ``packets``, ``sessions`` or ``alerts``.
    format
        A name of `formats`, to force it; found from the first bytes where not given.

    Raises
    ------
    UnknownFormat
        Where no format recognises the file, or none that does holds the table.
    """
    names = recognised(path) if format is None else [format]
    for name in names:
        if hasattr(reader(name), table):
            return name
    place = printable(path)
    if names:
        raise UnknownFormat(
            f"{place} is a {reader(names[0]).TITLE}, which holds no {table}; formats that do: "
            + ", ".join(name for name in FORMATS if hasattr(reader(name), table))
            + (
                "; sessions of a capture are made by nsm_nb.sessions.assemble(read_packets(path))"
                if table == "sessions"
                else ""
            )
        )
    raise UnknownFormat(
        f"{place} is in no format that nsm_nb knows (its first bytes are {read_head(path, 8)!r}); "
        f'say format="..." if you know better: {", ".join(FORMATS)}'
    )


def _read(path: str | os.PathLike, table: str, format: str | None, label: str | None) -> pd.DataFrame:
    read = getattr(reader(find(path, table, format)), table)
    rows = read(path, label=label)
    for caveat in caveats_of(rows):
        log.warning("%s", caveat.detail)
    return rows


def read_packets(path: str | os.PathLike, *, format: str | None = None, label: str | None = None) -> pd.DataFrame:
    """Read a capture into a table of PACKETS, one row for each frame.

    Parameters
    ----------
    path
        The file.
    format
        A name of `formats`, to force it.
    label
        What the rows' `evidence` says; the path where not given.

    Returns
    -------
    DataFrame
        What is wrong with the evidence stands in ``.attrs["caveats"]``; the rows before the damage are kept.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    UnknownFormat
        Where no format recognises it, or its format holds no packets.
    DamagedEvidence
        Where nothing in it could be read.
    """
    return _read(path, "packets", format, label)


def read_sessions(path: str | os.PathLike, *, format: str | None = None, label: str | None = None) -> pd.DataFrame:
    """Read session or flow records into a table of SESSIONS, one row a record; parameters and errors as `read_packets`.

    A capture holds packets: `nsm_nb.sessions.assemble(read_packets(path))` makes sessions of them.
    """
    return _read(path, "sessions", format, label)


def read_alerts(path: str | os.PathLike, *, format: str | None = None, label: str | None = None) -> pd.DataFrame:
    """Read alerts into a table of ALERTS, one row an alert; parameters and errors as `read_packets`."""
    return _read(path, "alerts", format, label)


class _Formats(ModuleType):
    """The package, which is also a verb: ``nsm.formats()`` is the table, ``nsm.formats.pcap`` the module."""

    def __call__(self) -> pd.DataFrame:
        """Return the formats that can be read, as `formats` does."""
        return formats()


sys.modules[__name__].__class__ = _Formats
