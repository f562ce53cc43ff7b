"""Alerts in Snort's fast format, one a line, as Snort 2, Snort 3 and Suricata write it.

The lines are taken apart by RE2 (through Arrow), which needs time in proportion to a line's length whatever it holds.

Source: Snort 2.9 manual 2.6 (alert_fast), Snort 3's alert_fast, Suricata user guide (fast.log); measured on Snort 2.9
and Suricata 7.0.10 (reference/seed-systems.md 4).
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats import columns
from nsm_nb.formats.lines import Block, Fingerprint, Lines, Noted, line_at, whole_text
from nsm_nb.schema import ALERTS, Caveat, with_caveats
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EXTENSIONS", "NAME", "TITLE", "alerts", "detail", "recognises"]

NAME = "snort-fast"
TITLE = "alerts in Snort's fast format"
EXTENSIONS = (".fast", ".log", ".txt")

# 11/24-02:30:42.898627  [**] [1:498:6] MESSAGE [**] [Classification: x] [Priority: 2] {TCP} 1.2.3.4:80 -> 5.6.7.8:1024
# The date may carry a year of two (Snort -y) or four digits (Suricata); [Drop] stands before the first [**]; Snort 3
# quotes the message and adds [AppID: x]; -I adds <interface>; old Snort writes a colon after the priority.
_LINE = (
    r"^\s*(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/(?P<year>\d{2}|\d{4}))?"
    r"-(?P<clock>\d{1,2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?\s+"
    r"(?:\[(?P<action>[A-Za-z_]{1,20})\]\s+)?\[\*\*\]\s+"
    r"(?:\[(?P<gid>\d{1,10}):(?P<sid>\d{1,10}):(?P<rev>\d{1,10})\]\s+)?(?P<message>.*?)\s*\[\*\*\]\s*"
    r"(?:\[Classification: (?P<classification>[^\]]*)\]\s*)?(?:\[Priority: (?P<priority>\d{1,10})\]:?\s*)?"
    r"(?:\[AppID: (?P<application>[^\]]*)\]\s*)?(?:<(?P<interface>[^>]*)>\s*)?"
    r"\{(?P<proto>[^}]{1,40})\}\s+(?P<src>\S+)\s+->\s+(?P<dst>\S+)\s*$"
)
_START = re.compile(
    rb"\s?\d{1,2}/\d{1,2}(?:/\d{2,4})?-\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?\s+(?:\[\w{1,20}\]\s+)?\[\*\*\]\s"
)
# What `-A full` and `-dev` put after an alert: headers, options and bytes of the packet.
_PACKET = (
    r"^(?:=\+=|[0-9A-F]{2}(?: [0-9A-F]{2}){0,15} |\d{1,2}/\d{1,2}(?:/\d{2,4})?-\d{1,2}:\d\d:\d\d\S* [0-9A-Fa-f.:]+ -> |"
    r"[0-9A-Fa-f.:]+ -> [0-9A-Fa-f.:]+(?: [A-Z0-9:-]{1,20} TTL:|\s*$)|[A-Z0-9:-]{1,20} TTL:\d|[12UAPRSF*]{8} Seq: |"
    r"Len: \d|TCP Options |IP Options |UrgPtr: |Frag Offset: |Type: ?\d|\*\* |\[Xref => |\(\d+ |"
    r"[A-Z][A-Z ]+: [A-Z][A-Z ]+\s*$|[A-Z][A-Z ]+ DATAGRAM DUMP|\s*$)"
)
_SHORTEST = 30  # bytes of the shortest line that can be an alert


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines starts as an alert in fast format does, and says who and to whom."""
    return any(_START.match(line) and b" -> " in line for line in head.split(b"\n", 256)[:256])


def alerts(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the alerts of a log in fast format: one row of ALERTS for each.

    Times are read as UTC, and a year that the lines lack is taken from the file's modification time; caveats say so.
    Lines of packets that stand between the alerts are passed over.

    Parameters
    ----------
    path
        The log, plain or gzip.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.

    Returns
    -------
    DataFrame
        Lines that are neither alerts nor packets stand in the caveats, with their number and first byte.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines is an alert.
    """
    import pyarrow as pa

    label = os.fspath(path) if label is None else label
    noted = Noted(label, "line")
    parts: list[pa.Table] = []
    records, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    with Fingerprint(path, digest) as fingerprint, Lines(path) as lines:
        for block in lines:
            fields, found, strange = _taken_apart(block)
            parts.append(fields)
            records.append(found + block.record)
            starts.append(block.starts[found].astype(np.int64) + block.base)
            _note(block, strange, noted)
        for number, offset, size in lines.passed:
            noted.add(number, offset, f"is {size:,} bytes long, more than a line may have; it was not read")
        cut = (
            [Caveat(label, lines.count, lines.at, "cut", f"{printable(label)}: {lines.trouble}")]
            if lines.trouble
            else []
        )
    caveats = [*noted.caveats(), *cut]
    record = np.concatenate(records)
    if not len(record) and noted.count:
        raise DamagedEvidence(
            f"{printable(label)}: not one of its {lines.count:,} lines is an alert in Snort's fast format; "
            f"{caveats[0].detail}",
            ALERTS.empty(),
        )
    fields = pa.concat_tables(parts) if parts else pa.table({name: pa.array([], pa.binary()) for name in _names()})
    return _table(fields, record, np.concatenate(starts), path, label, fingerprint, caveats)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one alert: its `line` as it was written, and the parts of it, as text; a part that is not there is None.

    Parameters
    ----------
    path
        The log.
    record
        The number of its line, from 1.

    Raises
    ------
    UnknownName
        Where there is no such line, or no alert in it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    line = line_at(path, record)
    (parts,) = pc.extract_regex(pa.array([line], pa.binary()), pattern=_LINE).to_pylist()
    if parts is None:
        raise UnknownName(f"line {record:,} of {printable(Path(path).name)} is no alert in Snort's fast format")
    return {"line": whole_text(line)} | {name: whole_text(part) if part else None for name, part in parts.items()}


# --- lines


def _names() -> list[str]:
    return re.findall(r"\?P<(\w+)>", _LINE)


def _taken_apart(block: Block) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Return the parts of the alerts in a block, which of its lines they are, and which are neither alert nor packet."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(block.starts) - 1
    texts = pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(block.starts), pa.py_buffer(block.buffer)])
    long = np.flatnonzero(np.diff(block.starts) >= _SHORTEST)
    parts = pc.extract_regex(texts.take(pa.array(long)), pattern=_LINE)
    matched = parts.is_valid()
    found = long[matched.to_numpy(zero_copy_only=False)]
    parts = parts.filter(matched)
    others = np.ones(count, bool)
    others[found] = False
    others = np.flatnonzero(others & (np.diff(block.starts) > 1))  # no empty lines
    packets = pc.match_substring_regex(texts.take(pa.array(others)), pattern=_PACKET)
    strange = others[~packets.to_numpy(zero_copy_only=False)]
    return pa.table({name: parts.field(name) for name in _names()}), found, strange


def _note(block: Block, strange: np.ndarray, noted: Noted) -> None:
    """Note the lines that are neither alerts nor packets: the first few by what they hold, the others by their count."""
    for place in strange[: noted.most].tolist():
        line = block.line(place)
        torn = block.torn and place == len(block.starts) - 2
        noted.add(
            block.record + place,
            block.base + int(block.starts[place]),
            f"breaks off after {len(line):,} bytes: the log was cut, or is still being written"
            if torn and _START.match(line)
            else f"is no alert in Snort's fast format and was not read: {printable(line[:60])!r}",
        )
    if len(strange) > noted.most:
        place = int(strange[noted.most])
        start = block.base + int(block.starts[place])
        noted.add_unseen(len(strange) - noted.most, block.record + place, start)


# --- columns


def _table(
    fields: pa.Table,
    record: np.ndarray,
    start: np.ndarray,
    path: str | os.PathLike,
    label: str,
    fingerprint: Fingerprint,
    caveats: list[Caveat],
) -> pd.DataFrame:
    count = len(record)
    proto = columns.mapped(fields["proto"], _protocol)
    src, dst = (_endpoints(fields[side], proto) for side in ("src", "dst"))
    known = {
        "alert": columns.alert_names(fingerprint.digits(), record),
        "time": _times(fields, record, start, path, label, caveats),
        "message": pd.Series(columns.mapped(fields["message"], _message)).astype("str"),
        "classification": columns.mapped(fields["classification"], _text),
        "action": columns.mapped(fields["action"], lambda text: text.decode().lower() or None),
        "proto": proto,
        "src_ip": src[0],
        "src_port": columns.ports(src[1], proto),
        "dst_ip": dst[0],
        "dst_port": columns.ports(dst[1], proto),
        "evidence": columns.same(label, count),
        "record": record,
        "source": columns.same(NAME, count),
        **{name: columns.whole(_numbers(fields[name])) for name in ("gid", "sid", "rev", "priority")},
    }
    table = ALERTS.conform(pd.DataFrame(known | columns.absent(ALERTS, known, count), copy=False))
    noted = Noted(label, "address")
    for name, text in (("src_ip", "src"), ("dst_ip", "dst")):
        for place in np.flatnonzero(table[name].isna().to_numpy()).tolist():
            said = printable(fields[text][place].as_py()[:60])
            noted.add(int(record[place]), int(start[place]), f"names {said!r} as {text}, which is no address")
    return with_caveats(table, [*caveats, *noted.caveats()])


def _text(text: bytes) -> str | None:
    return whole_text(text) or None


def _message(text: bytes) -> str | None:
    quoted = len(text) > 1 and text[:1] == text[-1:] == b'"'  # Snort 3
    return _text(text[1:-1] if quoted else text)


def _protocol(text: bytes) -> str | None:
    # Snort writes TCP, UDP, ICMP, IP, or PROTO:255 for what has no name
    return columns.protocol(whole_text(text).lower().removeprefix("proto:"))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return columns.numbers(column, lambda text: float(text) if text else None)


def _endpoints(column: pa.ChunkedArray, proto: pd.Categorical) -> tuple[pd.Categorical, np.ndarray]:
    """Return addresses and ports; whether a last ``:80`` is a port depends on the protocol (IPv6 has no brackets)."""
    ported = np.array([*(name in columns.PORTED for name in proto.categories), False])[proto.codes]
    valid: dict[str, bool] = {}

    def is_address(text: str) -> bool:
        if text not in valid:
            try:
                valid[text] = bool(ipaddress.ip_address(text))
            except ValueError:
                valid[text] = False
        return valid[text]

    def parts(text: str, *, port: bool) -> tuple[str, float]:
        front, _, last = text.rpartition(":")
        front = front.removeprefix("[").removesuffix("]")
        if is_address(front) and last.isascii() and last.isdigit() and (port or not is_address(text)):
            return front, float(last) if port else np.nan
        return text.removeprefix("[").removesuffix("]"), np.nan

    whole = columns.mapped(column, _text)
    found = [[parts(text, port=port) for text in whole.categories] for port in (False, True)]
    texts = np.array([[each[0] for each in side] + [""] for side in found], object)
    numbers = np.array([[each[1] for each in side] + [np.nan] for side in found])
    place = (ported.astype(int), whole.codes)
    return pd.Categorical(texts[place]), numbers[place]


# --- times


def _times(
    fields: pa.Table,
    record: np.ndarray,
    start: np.ndarray,
    path: str | os.PathLike,
    label: str,
    caveats: list[Caveat],
) -> pd.Series:
    name = printable(label)
    changed = datetime.datetime.fromtimestamp(Path(path).stat().st_mtime, datetime.UTC)
    month, day = (_numbers(fields[each]) for each in ("month", "day"))
    year = columns.numbers(fields["year"], _year)
    dates = pd.DataFrame({"year": year, "month": month, "day": day})
    code, known = pd.factorize(pd.MultiIndex.from_frame(dates.fillna(-1)))
    days = np.array([*(_days(*each, changed=changed.date()) for each in known.tolist()), np.nan])[code]
    clock = columns.numbers(fields["clock"], _seconds)
    fraction = _nanoseconds(fields["fraction"])
    fine = ~np.isnan(days) & ~np.isnan(clock)
    total = np.where(fine, days, 0).astype(np.int64) * 86_400 + np.where(fine, clock, 0).astype(np.int64)
    stamps = (total * 1_000_000_000 + fraction).view("datetime64[ns]")
    stamps[~fine] = np.datetime64("NaT", "ns")

    if len(record):
        caveats.append(Caveat(label, None, None, "clock", f"{name}: its times name no zone; they were read as UTC"))
    guessed = np.isnan(year)
    if guessed.any():
        caveats.append(
            Caveat(
                label, int(record[np.argmax(guessed)]), None, "clock",
                f"{name}: {int(guessed.sum()):,} of {len(record):,} times carry no year; it was taken from the file's "
                f"modification time, {changed:%Y-%m-%d}, as the last year in which they are not later than that",
            )
        )  # fmt: skip
    noted = Noted(label, "clock")
    for place in np.flatnonzero(~fine).tolist():
        noted.add(int(record[place]), int(start[place]), "has a time that no calendar has; it is missing")
    caveats += noted.caveats()
    return pd.Series(stamps).dt.tz_localize("UTC")


def _year(text: bytes) -> float | None:
    if len(text) == 2:
        return float(text) + (1900 if text >= b"69" else 2000)  # as strptime's %y (POSIX)
    return float(text) if text else None


def _days(year: float, month: float, day: float, *, changed: datetime.date) -> float:
    """Return the days from 1970 to a date; a missing year (-1) is the last in which the date is not after `changed`."""
    if year >= 0:
        return _days_of(int(year), month, day) if 1678 < year < 2262 else np.nan
    latest = _days_of(changed.year, changed.month, changed.day) + 1  # the clock that wrote the file may be west of UTC
    # eight years back there was a 29 February
    found = [_days_of(each, month, day) for each in range(changed.year + 1, changed.year - 8, -1)]
    return next((days for days in found if days <= latest), np.nan)


def _days_of(year: int, month: float, day: float) -> float:
    try:
        return (datetime.date(year, int(month), int(day)) - datetime.date(1970, 1, 1)).days
    except ValueError:
        return np.nan


def _seconds(text: bytes) -> float | None:
    hour, minute, second = (int(part) for part in text.split(b":"))
    return 3600.0 * hour + 60 * minute + second if hour < 24 and minute < 60 and second <= 60 else None


def _nanoseconds(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = column.cast(pa.string())
    length = pc.binary_length(column).to_numpy().astype(np.int64)
    value = pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()).to_numpy()
    return value * 10 ** (9 - length)
