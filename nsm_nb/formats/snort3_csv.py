"""Alerts in Snort 3's CSV format: the columns of its default, or those that were chosen.

Source: Snort 3 reference manual, alert_csv (``fields``, ``separator``); Snort 3's ``-y`` puts the year first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb.errors import UnknownFormat
from nsm_nb.formats import separated
from nsm_nb.formats.lines import Fingerprint, Span
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.printed import alert_table
from nsm_nb.formats.snort_csv import table_of
from nsm_nb.formats.stamps import epoch_times, printed_times

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "COLUMNS", "EXTENSIONS", "FIELDS", "NAME", "TITLE", "YEARLESS", "alerts", "check", "detail", "made", "recognises",
]  # fmt: skip

NAME = "snort3-csv"
TITLE = "alerts in Snort 3's CSV format"
EXTENSIONS = (".csv", ".txt")
YEARLESS = True
COLUMNS = ("timestamp", "pkt_num", "proto", "pkt_gen", "pkt_len", "dir", "src_ap", "dst_ap", "rule", "action")
FIELDS = (
    "action", "app_id", "class", "b64_data", "client_bytes", "client_pkts", "dir", "dst_addr", "dst_ap", "dst_port", "eth_dst",
    "eth_len", "eth_src", "eth_type", "flowstart_time", "geneve_vni", "gid", "icmp_code", "icmp_id", "icmp_seq", "icmp_type",
    "iface", "ip_id", "ip_len", "msg", "mpls", "pkt_gen", "pkt_len", "pkt_num", "priority", "proto", "rev", "rule", "seconds",
    "server_bytes", "server_pkts", "service", "sgt", "sid", "src_addr", "src_ap", "src_port", "target", "tcp_ack", "tcp_flags",
    "tcp_len", "tcp_seq", "tcp_win", "timestamp", "tos", "ttl", "udp_len", "vlan",
)  # fmt: skip
# 11/13-17:00:04.120000; with -y 03/11/13-17:00:04.120000
DATE_3 = (
    r"(?:(?P<year>\d{2}|\d{4})/)?(?P<month>\d{1,2})/(?P<day>\d{1,2})"
    r"-(?P<clock>\d{1,2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?"
)
_TIME = re.compile(rf"\s*{DATE_3}\s*")
_NUMBER = re.compile(r"\d{1,15}")
_OURS = {
    "action": "action", "class": "classification", "msg": "message", "priority": "priority", "proto": "proto", "gid": "gid",
    "sid": "sid", "rev": "rev", "src_addr": "src", "src_port": "src_port", "dst_addr": "dst", "dst_port": "dst_port",
    "src_ap": "src_both", "dst_ap": "dst_both", "rule": "rule", "seconds": "seconds",
}  # fmt: skip
_START = re.compile(
    rb"\s?(?:\d{2}/)?\d{1,2}/\d{1,2}-\d{1,2}:\d\d:\d\d\.\d{1,9}, ?\d{1,12}, ?[A-Z0-9:]{1,20}, ?\w{1,20}, ?\d{1,10}, ?"
    rb"(?:C2S|S2C|UNK), ?[^,]{1,60}, ?[^,]{1,60}, ?\d{1,10}:\d{1,10}:\d{1,10}, ?\w{1,20}\s*$"
)


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines has the ten values of Snort 3's default."""
    return any(_START.match(line) for line in head.split(b"\n", 64)[:64])


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    near: pd.Timestamp | None = None,
    span: Span | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read the alerts of a CSV log of Snort 3: one row of ALERTS for each; parameters and errors as `snort_fast.alerts`.

    Parameters
    ----------
    columns
        The ``fields`` that Snort was told to write, in their order; those of its default where not given.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        found = separated.read(path, label, _layout(columns), span=span)
    return made(found, path=path, label=label, digest=fingerprint.digits(), source=NAME, near=near)


def detail(path: str | os.PathLike, record: int, *, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Return one alert, its `line` and its values by their names, as text; errors as `snort_fast.detail`."""
    return separated.row_at(path, record, _layout(columns))


def check(columns: Sequence[str] | None) -> None:
    """Raise `UnknownFormat` where columns can't be those of such a log."""
    _layout(columns)


def _layout(names: Sequence[str] | None) -> separated.Layout:
    names = COLUMNS if names is None else separated.checked_names(names, FIELDS, "Snort 3's CSV format")
    if "timestamp" not in names and "seconds" not in names:
        raise UnknownFormat("Snort 3's CSV format needs timestamp or seconds; give the fields as Snort had them")

    def fits(row: dict[str, str]) -> bool:
        return bool(
            _TIME.fullmatch(row["timestamp"]) if "timestamp" in row else _NUMBER.fullmatch(row["seconds"].strip())
        )

    return separated.Layout("alert in Snort 3's CSV format", names, fits)


def made(
    found: Found, *, path: str | os.PathLike, label: str, digest: str, source: str, near: pd.Timestamp | None
) -> pd.DataFrame:
    """Return the alerts of Snort 3's fields, which its CSV and its JSON have in common."""
    import pyarrow as pa
    import pyarrow.compute as pc

    there = found.fields.column_names
    found = table_of(found, _OURS, "timestamp", DATE_3)
    fields, caveats = found.fields, list(found.caveats)
    if "class" in there:  # Snort 3 says none where the rule has no class
        place = fields.column_names.index("classification")
        known = pc.if_else(pc.equal(fields["classification"], b"none"), b"", fields["classification"])
        fields = fields.set_column(place, "classification", known)
    if "rule" in there:
        parts = pc.extract_regex(
            fields["rule"], pattern=r"^\s*(?P<gid>\d{1,10}):(?P<sid>\d{1,10}):(?P<rev>\d{1,10})\s*$"
        )
        for name in ("gid", "sid", "rev"):
            fields = _filled(fields, name, pc.struct_field(parts, [name]))
    for side in ("src", "dst"):
        if f"{side}_both" in fields.column_names:
            fields = _filled(fields, side, fields[f"{side}_both"])
    time = None
    if "seconds" in there:  # exact and in UTC; the fraction stands in the timestamp alone
        time = epoch_times(fields["seconds"], fields["fraction"] if "fraction" in fields.column_names else None)
        other = pc.equal(pc.binary_length(fields["seconds"]), 0).to_numpy(zero_copy_only=False)
        if "timestamp" in there and other.any():  # the sensor's fields were changed within the file
            rows = fields.filter(pa.array(other))
            time = time.copy()
            time[other] = printed_times(
                rows, found.record[other], found.start[other], path=path, label=label, near=near, caveats=caveats
            ).to_numpy()
    found = found._replace(fields=fields, caveats=caveats)
    return alert_table(found, path=path, label=label, digest=digest, source=source, near=near, time=time)


def _filled(fields: pa.Table, name: str, other: pa.ChunkedArray) -> pa.Table:
    """Return the fields, of which one has in each row what another says where it is empty or not there."""
    import pyarrow.compute as pc

    if name not in fields.column_names:
        return fields.append_column(name, other)
    column = pc.if_else(pc.equal(pc.binary_length(fields[name]), 0), other, fields[name])
    return fields.set_column(fields.column_names.index(name), name, column)
