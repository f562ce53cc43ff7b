"""Sessions of Sguil: those exported from a tab of its client, and SANCP's own records, with ``|`` between the values.

Bytes are of payload: SANCP leaves out the headers that it knows. (PRADS and CXTracker, which write the same records, count the
headers of TCP and UDP as well.) Of ICMP, ports are type and code. Sguil's times are UTC; SANCP's are seconds.

Source: SANCP 1.6.1, docs/fields.LIST; Sguil's sancp table and its client's columns (reference/seed-systems.md 11.9, 11.12).
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, tabular
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.formats.lines import Fingerprint, as_utf8, whole_text
from nsm_nb.formats.printed_values import Values
from nsm_nb.formats.source import read_head
from nsm_nb.schema import FLOWS

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "sancp-csv"
TITLE = "sessions of SANCP, or exported from Sguil"
EXTENSIONS = (".csv", ".txt", ".sancp")
# of the client's tab, of the database's table, and of SANCP
_NAMES = {
    "Sensor": "sensor", "Start Time": "start", "End Time": "end", "Src IP": "src", "SPort": "sp", "Dst IP": "dst", "DPort": "dp",
    "Pr": "proto", "S Pckts": "src_packets", "S Bytes": "src_payload", "D Pckts": "dst_packets", "D Bytes": "dst_payload",
    "start_time": "start", "end_time": "end", "start_time_gmt": "start", "stop_time_gmt": "end", "ip_proto": "proto",
    "src_ip": "src", "src_ip_decimal": "src", "src_ip_dotted": "src", "dst_ip": "dst", "dst_ip_decimal": "dst",
    "dst_ip_dotted": "dst", "src_port": "sp", "dst_port": "dp", "src_pkts": "src_packets", "src_bytes": "src_payload",
    "dst_pkts": "dst_packets", "dst_bytes": "dst_payload", "src_flags": "src_flags", "dst_flags": "dst_flags",
    "sflags": "src_flags", "dflags": "dst_flags",
}  # fmt: skip
_WANTED = tuple(dict.fromkeys(_NAMES.values()))
# what SANCP writes for Sguil, and what PRADS and CXTracker write
_SANCP = ("sancp_id", "start_time_gmt", "stop_time_gmt", "duration", "ip_proto", "src_ip_decimal", "src_port", "dst_ip_decimal",
          "dst_port", "src_pkts", "src_bytes", "dst_pkts", "dst_bytes", "sflags", "dflags")  # fmt: skip
_RECORD = re.compile(
    rb"\d{6,20}\|(?:\d{9,10}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\|(?:\d{9,10}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\|\d{1,9}\|\d{1,3}"
    rb"\|[\da-fA-F.:]{1,45}\|\d{1,5}\|[\da-fA-F.:]{1,45}\|\d{1,5}(?:\|\d{1,19}){4}\|\d{1,3}\|\d{1,3}\s*"
)
_SEPARATORS = (b"||", b",", b"|", b"\t")
_HEADER = r"^(?:\xef\xbb\xbf)?\"?(?:Sensor|Cnx ID|Start Time|sancp_id|sancp\.sid|sid|start_time)\b"


def _names(line: bytes, separator: bytes) -> list[str]:
    found = whole_text(line.removeprefix(b"\xef\xbb\xbf")).split(whole_text(separator))
    return [_NAMES.get(each.strip().strip('"').removeprefix("sancp."), each) for each in found]


def _separator(head: bytes) -> bytes:
    """Return what stands between the values, empty where the file is none of these."""
    line = tabular.header_of(head, _HEADER)
    for separator in _SEPARATORS:
        if {"start", "src", "dst", "proto", "src_packets"} <= {*_names(line, separator)}:
            return separator
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    return b"|" if len(first) < 400 and _RECORD.fullmatch(first) else b""


def recognises(head: bytes) -> bool:
    """Return True where the first line has the columns of Sguil's sessions, or is a record of SANCP's."""
    return bool(_separator(head))


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the sessions: one row of FLOWS for each, both directions; `src` is who SANCP took for the one who opened.

    Parameters and errors as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    separator = _separator(as_utf8(read_head(path))) or b"|"
    doubled = separator == b"||"
    layout = tabular.Layout(
        "session of Sguil's",
        _HEADER,
        lambda line: _names(line, b"|" if doubled else separator),
        separator[:1],
        default=[_NAMES.get(each, each) for each in _SANCP],
    )
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, _WANTED), label)
    proto = values.protocols("proto")
    kinds, codes = (columns.numbers(values.raw(each), _small) for each in ("sp", "dp"))
    start, end = _times(values, "start", path), _times(values, "end", path)
    flags = {side: values.whole(f"{side}_flags", most=255, dtype="UInt8") for side in ("src", "dst")}
    table: dict[str, Any] = {
        "session": columns.session_numbers(fingerprint.digits(), values.found.record),
        "start": start, "end": end, "duration": (end - start).dt.total_seconds(), "proto": proto,
        "src_ip": columns.mapped(values.raw("src"), _address), "src_port": values.ports("sp", proto),
        "dst_ip": columns.mapped(values.raw("dst"), _address), "dst_port": values.ports("dp", proto),
        "state": _icmp(proto, kinds, codes), "sensor": values.texts("sensor"),
        "direction_known": _opened(proto, flags["src"], flags["dst"]),
        "src_flags": flags["src"], "dst_flags": flags["dst"],
        "evidence": columns.same(label, values.count), "record": values.found.record,
        "source": columns.same(NAME, values.count),
    }  # fmt: skip
    table |= {name: values.whole(name) for name in ("src_packets", "dst_packets", "src_payload", "dst_payload")}
    values.caveats = [each for each in values.caveats if "name no zone" not in each.detail]  # Sguil's are UTC
    return columns.conformed(FLOWS, table, values.found.record, values.found.start, label, values.told())


def _times(values: Values, name: str, path: str | os.PathLike) -> pd.Series:
    import pyarrow.compute as pc

    text = values.raw(name)
    if values.count and pc.all(pc.match_substring_regex(text, pattern=r"^\s*\d{1,10}\s*$")).as_py():
        return values.numbers_of_time(name, "s")
    return values.times(name, path=path)


def _address(text: bytes) -> str | None:
    """Return an address, of the decimal number that SANCP writes."""
    text = text.strip()
    if text.isdigit() and len(text) < 11 and int(text) < 2**32:
        return str(ipaddress.IPv4Address(int(text)))
    return whole_text(text) or None


def _small(text: bytes) -> float | None:
    return float(text) if text.isdigit() and len(text) < 4 else None


def _icmp(proto: pd.Categorical, kinds: np.ndarray, codes: np.ndarray) -> pd.Categorical:
    names = np.array([*proto.categories, None], object)[proto.codes]
    states: list[str | None] = [None] * len(names)
    known: dict[tuple[str, float, float], str] = {}
    for row in np.flatnonzero(
        np.isin(names.astype(str), ["icmp", "icmp6"]) & ~np.isnan(kinds) & ~np.isnan(codes)
    ).tolist():
        key = (names[row], kinds[row], codes[row])
        if key not in known:
            known[key] = icmp_state(key[0], int(key[1]), int(key[2]))
        states[row] = known[key]
    return pd.Categorical(states)


def _opened(proto: pd.Categorical, src: pd.Series, dst: pd.Series) -> pd.arrays.BooleanArray:
    """Return True where the flags of src hold a SYN, and so do those of dst, or dst sent nothing but a reset."""
    tcp = np.array([*(each == "tcp" for each in proto.categories), False])[proto.codes]
    told = src.notna().to_numpy() & dst.notna().to_numpy()
    first, answer = (each.fillna(0).to_numpy(np.uint8) for each in (src, dst))
    known = tcp & (first & 2 > 0) & ((answer & 2 > 0) | (answer & ~np.uint8(20) == 0))
    return pd.arrays.BooleanArray(known, ~told & tcp)
