"""Flows that CICFlowMeter wrote, in each of the spellings of its columns (3 and 4, the data sets of 2017 and 2018).

Its durations are microseconds, and its lengths bytes of payload. Its clock has twelve hours, of which older versions do not tell
the half, and whole seconds; dates have the day first.

Source: https://github.com/ahlashkari/CICFlowMeter, FlowFeature.java and DateFormatter.java ("dd/MM/yyyy hh:mm:ss"); the columns
of CIC-IDS2017 and CSE-CIC-IDS2018.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, tabular
from nsm_nb.formats.lines import Fingerprint, whole_text
from nsm_nb.formats.printed_flows import after, nanoseconds
from nsm_nb.formats.printed_values import DATED, Values
from nsm_nb.schema import SESSIONS, utc_times

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "cicflowmeter-csv"
TITLE = "flows of CICFlowMeter as CSV"
EXTENSIONS = (".csv",)
_HEADER = r"^(?:\xef\xbb\xbf)?\s*\"?(?:Flow ID\"?,\s*\"?(?:Src|Source) IP|Src IP\"?,\s*\"?Src Port|Dst Port\"?,\s*\"?Protocol)"
_NAMES = {
    "src ip": "src", "source ip": "src", "src port": "sp", "source port": "sp", "dst ip": "dst", "destination ip": "dst",
    "dst port": "dp", "destination port": "dp", "protocol": "proto", "timestamp": "start", "flow duration": "duration",
    "tot fwd pkts": "src_packets", "total fwd packets": "src_packets", "total fwd packet": "src_packets",
    "tot bwd pkts": "dst_packets", "total backward packets": "dst_packets", "total bwd packets": "dst_packets",
    "totlen fwd pkts": "src_payload", "total length of fwd packets": "src_payload",
    "total length of fwd packet": "src_payload", "totlen bwd pkts": "dst_payload",
    "total length of bwd packets": "dst_payload", "total length of bwd packet": "dst_payload",
}  # fmt: skip
_WANTED = ("src", "sp", "dst", "dp", "proto", "start", "duration", "src_packets", "dst_packets", "src_payload", "dst_payload",
           "half")  # fmt: skip
# 03/07/2017 08:55:58 AM, 7/7/2017 3:30
_CLOCK = (
    r"^\s*(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4}) (?P<clock>\d{1,2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?"
    r"(?: [AaPp]\.?[Mm]\.?)?\s*$"
)


def _names(line: bytes) -> list[str]:
    found = [each.strip().strip('"').strip() for each in whole_text(line.removeprefix(b"\xef\xbb\xbf")).split(",")]
    return [_NAMES.get(each.lower(), each) for each in found]


def recognises(head: bytes) -> bool:
    """Return True where the first line has the names of CICFlowMeter's columns."""
    return {"proto", "start", "duration", "src_packets", "dst_packets"} <= {*_names(tabular.header_of(head, _HEADER))}


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the flows: one row of SESSIONS for each, both directions.

    `src` is who sent the first packet that it saw. Octets are not told: its lengths are payload. Parameters and errors as
    `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    layout = tabular.Layout("flow of CICFlowMeter's", _HEADER, _names)
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, _WANTED), label)
    proto = columns.mapped(values.raw("proto"), _protocol)
    seconds = _whole(values, "duration").astype("float64").to_numpy() / 1e6
    start = _times(values, path)
    end = utc_times(after(nanoseconds(start), seconds))
    table: dict[str, Any] = {
        "session": columns.session_numbers(fingerprint.digits(), values.found.record),
        "start": start, "end": end, "duration": seconds, "proto": proto,
        "src_ip": values.texts("src"), "src_port": values.ports("sp", proto),
        "dst_ip": values.texts("dst"), "dst_port": values.ports("dp", proto),
        "direction_known": pd.arrays.BooleanArray(np.zeros(values.count, bool), np.zeros(values.count, bool)),
        "evidence": columns.same(label, values.count), "record": values.found.record,
        "source": columns.same(NAME, values.count),
    }  # fmt: skip
    table |= {name: _whole(values, name) for name in ("src_packets", "dst_packets", "src_payload", "dst_payload")}
    if values.count:
        values.say(
            "octets", "CICFlowMeter counts bytes of payload, padding of short frames among them; octets are not told"
        )
    if not values.has("src") and values.count:
        values.say("address", "it has no addresses: they were left out when it was published")
    return columns.conformed(SESSIONS, table, values.found.record, values.found.start, label, values.told())


def _protocol(text: bytes) -> str | None:
    name = columns.protocol(whole_text(text))
    return None if text.strip() == b"0" else name  # what CICFlowMeter does not know is 0


def _whole(values: Values, name: str) -> pd.Series:
    """Return whole numbers, which some versions write with a decimal point."""
    numbers = values.decimals(name)
    return columns.whole(numbers)


def _times(values: Values, path: str | os.PathLike) -> pd.Series:
    """Return the times, of the second half of the day where they say so."""
    import pyarrow.compute as pc

    if not values.has("start"):
        return values.timeless()
    # 7/7/2017 3:30 has no seconds
    values.change("start", lambda text: text + b":00" if text.count(b":") == 1 and text[-1:].isdigit() else text)
    text = values.raw("start")
    half = pc.match_substring_regex(text, pattern=r" [Pp]\.?[Mm]\.?\s*$").to_numpy(zero_copy_only=False)
    first = pc.match_substring_regex(text, pattern=r" [Aa]\.?[Mm]\.?\s*$").to_numpy(zero_copy_only=False)
    start = values.times("start", path=path, patterns=(_CLOCK, DATED))
    hour = start.dt.hour.to_numpy()
    moved = np.where(half & (hour < 12), 12, 0) - np.where(first & (hour == 12), 12, 0)
    if not (half | first).any() and not np.nanmax(np.where(start.isna(), 0, hour), initial=0) > 12:
        values.say(
            "clock",
            "its clock has twelve hours and does not say which half of the day: where it ran in the afternoon, times are "
            "twelve hours early",
        )
    return start + pd.to_timedelta(moved, unit="h")
