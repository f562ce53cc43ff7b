"""The formats that nsm_nb reads: one module each, tried in order on the first bytes of a file.

A format is `NAME`, `TITLE`, `EXTENSIONS`, `recognises(head)` and one or more of `packets`, `sessions`, `alerts`; it may have
`events` and `detail`. A new one is its module, a sample in the tests, and a line in `FORMATS`.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb.errors import UnknownFormat
from nsm_nb.formats.lines import as_utf8
from nsm_nb.formats.source import is_set, read_head
from nsm_nb.schema import caveats_of
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.formats.following import Follower

__all__ = [
    "FORMATS",
    "TABLES",
    "alert_columns",
    "event_types",
    "find",
    "follow",
    "formats",
    "read_alerts",
    "read_events",
    "read_packet_set",
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
    "netflow-file": "nsm_nb.formats.netflow_file",
    "flow-tools": "nsm_nb.formats.flow_tools",
    "nfcapd": "nsm_nb.formats.nfcapd",
    "argus": "nsm_nb.formats.argus",
    "eve": "nsm_nb.formats.eve",
    "snort-fast": "nsm_nb.formats.snort_fast",
    "snort-full": "nsm_nb.formats.snort_full",
    "snort-syslog": "nsm_nb.formats.snort_syslog",
    "snort-csv": "nsm_nb.formats.snort_csv",
    "unified2": "nsm_nb.formats.unified2",
    "snort3-json": "nsm_nb.formats.snort3_json",
    "snort3-csv": "nsm_nb.formats.snort3_csv",
    "zeek-notice": "nsm_nb.formats.zeek_notice",
    "zeek-weird": "nsm_nb.formats.zeek_weird",
    "sguil-csv": "nsm_nb.formats.sguil_csv",
    "zeek-conn": "nsm_nb.formats.zeek_conn",
    "nfdump-csv": "nsm_nb.formats.nfdump_csv",
    "nfdump-line": "nsm_nb.formats.nfdump_line",
    "flow-print": "nsm_nb.formats.flow_print",
    "ra-csv": "nsm_nb.formats.ra_csv",
    "ra-text": "nsm_nb.formats.ra_text",
    "nfstream-csv": "nsm_nb.formats.nfstream_csv",
    "cicflowmeter-csv": "nsm_nb.formats.cicflowmeter_csv",
    "sancp-csv": "nsm_nb.formats.sancp_csv",
    "mapped-json": "nsm_nb.formats.mapped_json",
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
    head = as_utf8(read_head(path))
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


def _read(path: str | os.PathLike, table: str, format: str | None, label: str | None, **options: Any) -> pd.DataFrame:
    name = find(path, table, format)
    read = getattr(reader(name), table)
    columns = options.get("columns")
    asked = {option: value for option, value in options.items() if value is not None}
    for option in asked.keys() - inspect.signature(read).parameters.keys():
        other = f'say format="{alert_columns(columns)}"' if option == "columns" else "force another format"
        raise UnknownFormat(f"{reader(name).TITLE} ({name}) take no {option}; leave it out, or {other}")
    return _told(read(path, label=label, **asked))


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    for caveat in caveats_of(rows):
        log.warning("%s", caveat.detail)
    return rows


def read_packets(
    path: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    format: str | None = None,
    label: str | None = None,
    recover: bool = False,
) -> pd.DataFrame:
    """Read a capture, or rotated ones as one, into a table of PACKETS, one row for each frame.

    Parameters
    ----------
    path
        The file. A folder, a pattern such as ``day1/*.pcap``, or several paths are read as `read_packet_set` does.
    format
        A name of `formats`, to force it.
    label
        What the rows' `evidence` says; the path where not given. A set has no label but the paths of its files.
    recover
        Search behind damage for where the records of a capture go on. What is found so is a guess: the table has a column
        `recovered` then, True for it.

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
    if is_set(path):
        if label is not None or format not in (None, "pcap"):
            raise ValueError(
                "a set of captures takes neither a label nor a format; its files are captures, known by path"
            )
        return read_packet_set(path, recover=recover)
    options = {"recover": True} if recover else {}  # captures alone can be searched
    return _read(path, "packets", "pcap" if recover and format is None else format, label, **options)  # type: ignore[arg-type]


def read_packet_set(paths: str | os.PathLike | Iterable[str | os.PathLike], *, recover: bool = False) -> pd.DataFrame:
    """Read rotated captures into one table of PACKETS, in the order of the times inside.

    Parameters
    ----------
    paths
        A folder, whose files that are captures are read (not those of folders in it); a pattern such as ``day1/*.pcap``;
        or several paths. What their names say of time is when logging began, and plays no part.
    recover
        As in `read_packets`.

    Returns
    -------
    DataFrame
        `evidence` is the path of each row's file, and `frame` and `offset` count in that. A frame that stands in several
        files, with the same time and the same bytes, is there once. Caveats are those of all files, and tell of files left
        out, of silence between files, and of files that overlap.

    Raises
    ------
    UnreadableEvidence
        Where there is no file, none that is a capture, or none of which anything could be read.
    """
    from nsm_nb.formats import packet_sets

    return _told(packet_sets.read_packet_set(paths, recover=recover))


def read_sessions(
    path: str | os.PathLike,
    *,
    format: str | None = None,
    label: str | None = None,
    near: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Read session or flow records into a table of SESSIONS, one row a record; errors as `read_packets`.

    A capture holds packets: `nsm_nb.sessions.assemble(read_packets(path))` makes sessions of them.

    Parameters
    ----------
    path, format, label
        As `read_packets`.
    near
        A time close to which they were, from which listings without a year or a date (of flow-print, of ra) take it.
    """
    return _read(path, "sessions", format, label, near=near)


def read_alerts(
    path: str | os.PathLike,
    *,
    format: str | None = None,
    label: str | None = None,
    near: pd.Timestamp | None = None,
    columns: Sequence[str] | Mapping[str, str] | str | None = None,
) -> pd.DataFrame:
    """Read alerts into a table of ALERTS, one row an alert.

    Parameters
    ----------
    path, format, label
        As `read_packets`.
    near
        A time close to which they were written, from which times without a year take it.
    columns
        Of the CSV formats of Snort the names of the columns, where they are not those of the default; of ``mapped-json`` a map
        from columns of ALERTS to paths of fields, or the name of one (``wazuh``, ``ecs``).

    Raises
    ------
    UnreadableEvidence, UnknownFormat, DamagedEvidence
        As `read_packets`.
    """
    if format is None and columns is not None and not recognised(path):
        raise UnknownFormat(
            f"{printable(path)} is in no format that is known by its first bytes; such columns are those of "
            f'{alert_columns(columns)}: say format="{alert_columns(columns)}"'
        )
    return _read(path, "alerts", format, label, near=near, columns=columns)


def alert_columns(columns: object) -> str:
    """Return the format whose alerts can have such columns.

    Parameters
    ----------
    columns
        As in `read_alerts`.

    Raises
    ------
    UnknownFormat
        Where none can; the sentence says what is wrong with them.
    """
    if isinstance(columns, list):
        name = (
            "snort3-csv"
            if set(map(str, columns)) & {"src_ap", "dst_ap", "src_addr", "rule", "seconds"}
            else "snort-csv"
        )
    else:
        name = "mapped-json"
    reader(name).check(columns)
    return name


def read_events(
    path: str | os.PathLike, type: str, *, format: str | None = None, label: str | None = None
) -> pd.DataFrame:
    """Read the events of one type, such as ``dns``, ``http``, ``tls``, ``smb``, ``fileinfo``, into a table of their own.

    Parameters
    ----------
    path, format, label
        As `read_packets`.
    type
        One of `event_types`.

    Returns
    -------
    DataFrame
        `time`, `sensor`, `proto`, `src_ip`, `src_port`, `dst_ip`, `dst_port`, `community_id`, `evidence`, `record`, and a
        column for each field that an event has, named by its path, such as ``dns.rrname``.

    Raises
    ------
    UnreadableEvidence, UnknownFormat, DamagedEvidence
        As `read_packets`.
    """
    return _read(path, "events", format, label, type=type)


def event_types(path: str | os.PathLike, *, format: str | None = None) -> pd.Series:
    """Return how many events of each type a file has, the most frequent first; parameters and errors as `read_events`."""
    return reader(find(path, "events", format)).event_types(path)


def follow(path: str | os.PathLike, **options: Any) -> Follower:
    """Return a follower of a growing file of alerts; see `nsm_nb.formats.following.follow`, which this is."""
    from nsm_nb.formats import following

    return following.follow(path, **options)


class _Formats(ModuleType):
    """The package, which is also a verb: ``nsm.formats()`` is the table, ``nsm.formats.pcap`` the module."""

    def __call__(self) -> pd.DataFrame:
        """Return the formats that can be read, as `formats` does."""
        return formats()


sys.modules[__name__].__class__ = _Formats
