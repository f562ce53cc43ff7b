"""Alerts in Snort's full format: a block of lines each, with the headers of the packet and references.

Source: Snort 2.9 manual 2.6 (alert_full), Snort 3's alert_full; measured on Snort 2.9 (reference/seed-systems.md 4).
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats import patterns
from nsm_nb.formats.date_order import in_order
from nsm_nb.formats.lines import Block, Fingerprint, Lines, Noted, Span, line_at, whole_text
from nsm_nb.formats.patterns import Found, names
from nsm_nb.formats.printed import alert_table
from nsm_nb.formats.stamps import DATE
from nsm_nb.schema import ALERTS
from nsm_nb.text import form, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EXTENSIONS", "NAME", "RECORD_ENDS", "TITLE", "YEARLESS", "alerts", "detail", "recognises"]

NAME = "snort-full"
TITLE = "alerts in Snort's full format"
EXTENSIONS = (".full", ".ids", ".log", ".txt")
YEARLESS = True
RECORD_ENDS = (b"\n\n", b"\n\r\n")  # an alert is whole where a blank line stands behind it

# The lines of one alert, each with what it tells. Ethernet's line (-e) stands before the addresses, and has the time.
_LINES = {
    "head": (
        r"^\s*(?:\[(?P<action>[A-Za-z_]{1,20})\]\s+)?\[\*\*\]\s+"
        r"(?:\[(?P<gid>\d{1,10}):(?P<sid>\d{1,10}):(?P<rev>\d{1,10})\]\s+)?(?P<message>.*?)\s*\[\*\*\]\s*$"
    ),
    "class": (
        r"^(?:\[Classification: (?P<classification>[^\]]*)\]\s*)?(?:\[Priority: (?P<priority>\d{1,10})\]:?\s*)"
        r"(?:\[AppID: [^\]]*\]\s*)?\s*$"
    ),
    "time": rf"^{DATE}(?:\s+(?P<src>[0-9A-Fa-f.:]+)\s+->\s+(?P<dst>[0-9A-Fa-f.:]+)|\s.*)\s*$",
    "ends": r"^(?P<src>[0-9A-Fa-f.:]+)\s+->\s+(?P<dst>[0-9A-Fa-f.:]+)(?:\s+(?P<proto>[A-Z0-9:-]{1,20}) TTL:\d.*)?\s*$",
    "proto": r"^(?P<proto>[A-Za-z0-9:-]{1,20}) TTL:\d.*\s*$",
}
_HEAD = re.compile(rb"\s?(?:\[\w{1,20}\]\s)?\[\*\*\]\s+\[\d{1,10}:\d{1,10}:\d{1,10}\].*\[\*\*\]\s*$")
_SECOND = re.compile(rb"\[(?:Classification: [^\]]*|Priority: \d+)\]|\d{1,2}/\d{1,2}(?:/\d{2,4})?-\d{1,2}:\d\d:\d\d")
# All else that belongs to an alert: headers, options, references and what -d prints of the payload.
_REST = (
    r"^(?:=\+=|[0-9A-F]{2}(?: [0-9A-F]{2}){0,15} |[12UAPRSFCE*]{8} Seq: |Len: ?\d|TCP Options |IP Options |UrgPtr: |"
    r"Frag Offset: |Type: ?\d|\*\* |\[Xref => |\(\d+ |[A-Z][A-Z ]+: [A-Z][A-Z ]+\s*$|[A-Z][A-Z ]+ DATAGRAM DUMP|"
    r"[A-Za-z ]+: ?[\d.]+\s*$|snort\.\w+:|[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5} -> |\s*$)"
)
_MOST_LINES = 400  # of one alert that detail shows


def recognises(head: bytes) -> bool:
    """Return True where a line is the head of an alert, and the next one its class, priority or time."""
    lines = head.split(b"\n", 512)[:512]
    return any(_HEAD.match(line) and _SECOND.match(after) for line, after in itertools.pairwise(lines))


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    near: pd.Timestamp | None = None,
    span: Span | None = None,
) -> pd.DataFrame:
    """Read the alerts of a log in full format: one row of ALERTS for each; parameters and errors as `snort_fast.alerts`.

    `record` is the number of the line that an alert begins with. The references stand in `detail`, as text.
    """
    label = os.fspath(path) if label is None else label
    noted = Noted(label, "line")
    kinds: dict[str, _Kind] = {name: _Kind(pattern) for name, pattern in _LINES.items()}
    torn: int | None = None
    blank = 0  # number of the last blank line
    with Fingerprint(path, digest) as fingerprint:
        with Lines(path, span=span) as lines:
            for block in lines:
                _sort(block, kinds, noted)
                torn = block.record + len(block.starts) - 2 if block.torn else None
                short = np.flatnonzero(np.diff(block.starts) <= 2)[::-1]  # with its line end
                blank = next((block.record + each for each in short.tolist() if not block.line(each).strip()), blank)
            count = lines.count
            parts = {name: kind.whole() for name, kind in kinds.items()}
            for name in ("time", "ends"):
                fields, records, starts = parts[name]
                if torn is not None and len(records) and records[-1] == torn:
                    parts[name] = patterns.untorn(fields, torn, int(starts[-1]), noted), records, starts
            caveats = patterns.ending(lines, label, noted)
        _, heads, begins = parts["head"]
        if not len(heads) and count and span is None:
            first = caveats[0].detail if caveats else "it holds blank lines"
            if noted.count:
                what = form(count, "its only line begins no", f"not one of its {count:,} lines begins an")
                raise DamagedEvidence(
                    f"{printable(label)}: {what} alert in Snort's full format; {first}",
                    ALERTS.empty(),
                )
        found, bare = _joined(parts)
        unsaid = Noted(label, "line")
        for record, start in bare:
            last = torn is not None and (record == heads[-1])
            unsaid.add(
                record,
                start,
                "begins an alert that breaks off: the log was cut, or is still being written"
                if last
                else "begins an alert without a time and addresses; it was left out",
            )
        if len(found.record) and blank < found.record[-1] == heads[-1]:
            said = "begins an alert without a blank line behind it: the log may break off within it"
            unsaid.add(int(heads[-1]), int(begins[-1]), said)
        found = found._replace(caveats=[*caveats, *unsaid.caveats()])
        found = in_order(found, path=path, label=label, near=near)
        return alert_table(found, path=path, label=label, digest=fingerprint.digits(), source=NAME, near=near)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one alert: its `text` as it was written, its `references`, as text, and the other parts of it.

    Parameters and errors as `snort_fast.detail`; `record` is the number of its first line.
    """
    first = line_at(path, record)
    if not re.match(_LINES["head"].encode(), first):
        raise UnknownName(f"line {record:,} of {printable(Path(path).name)} begins no alert in Snort's full format")
    lines = [first]
    for number in range(record + 1, record + _MOST_LINES):
        try:
            line = line_at(path, number)
        except UnknownName:  # the file's last alert
            break
        if not line.strip() or re.match(_LINES["head"].encode(), line):
            break
        lines.append(line)
    told: dict[str, Any] = {"text": "\n".join(map(whole_text, lines)), "references": []}
    for line in lines:
        told["references"] += [whole_text(each) for each in re.findall(rb"\[Xref => ([^\]]*)\]", line)]
        for pattern in _LINES.values():
            match = re.match(pattern.encode(), line)
            for name, part in match.groupdict().items() if match else ():
                if part and name not in told:
                    told[name] = whole_text(part)
    return told


class _Kind:
    """The lines of one kind, of all blocks."""

    def __init__(self, pattern: str):
        self.pattern = pattern
        self.fields: list[pa.Table] = []
        self.records: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []

    def whole(self) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        """Return parts, numbers and first bytes of all of them."""
        import pyarrow as pa

        empty = pa.table({name: pa.array([], pa.binary()) for name in names(self.pattern)})
        none = np.empty(0, np.int64)
        return (
            pa.concat_tables([*self.fields, empty]).combine_chunks(),
            np.concatenate([none, *self.records]),
            np.concatenate([none, *self.starts]),
        )


def _sort(block: Block, kinds: dict[str, _Kind], noted: Noted) -> None:
    """Put each line of a block to its kind; note those of none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = patterns.texts_of(block)
    left = np.flatnonzero(np.diff(block.starts) > 1)
    for kind in kinds.values():
        parts = pc.extract_regex(texts.take(pa.array(left)), pattern=kind.pattern)
        matched = parts.is_valid()
        where = matched.to_numpy(zero_copy_only=False)
        parts = parts.filter(matched)
        kind.fields.append(pa.table({name: parts.field(name) for name in names(kind.pattern)}))
        kind.records.append(left[where] + block.record)
        kind.starts.append(block.starts[left[where]].astype(np.int64) + block.base)
        left = left[~where]
    known = pc.match_substring_regex(texts.take(pa.array(left)), pattern=_REST)
    strange = left[~known.to_numpy(zero_copy_only=False)]
    for place in strange[: noted.most].tolist():
        last = block.torn and place == len(block.starts) - 2
        said = f"belongs to no alert in Snort's full format and was not read: {printable(block.line(place)[:60])!r}"
        if last:
            said = "breaks off: the log was cut, or is still being written"
        noted.add(block.record + place, block.base + int(block.starts[place]), said)
    if len(strange) > noted.most:
        place = int(strange[noted.most])
        noted.add_unseen(len(strange) - noted.most, block.record + place, block.base + int(block.starts[place]))


def _joined(
    parts: dict[str, tuple[pa.Table, np.ndarray, np.ndarray]],
) -> tuple[Found, list[tuple[int, int]]]:
    """Return the alerts: to each head the first line of every other kind up to the next head; and heads that lack a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    heads, record, start = parts["head"]
    columns = {name: heads[name] for name in heads.column_names}
    whole = np.zeros(len(record), bool)
    for kind in ("class", "time", "ends", "proto"):
        fields, lines, _ = parts[kind]
        place = np.searchsorted(lines, record)  # the first line of this kind behind each head
        upto = np.append(record[1:], np.iinfo(np.int64).max)
        there = place < len(lines)
        there[there] = lines[place[there]] < upto[there]
        index = pa.array(np.where(there, place, 0), mask=~there)
        if kind == "time":
            whole = there
        for name in fields.column_names:
            taken = fields[name].take(index) if len(lines) else pa.nulls(len(record), pa.binary())
            known = columns.get(name)
            # a group that took no part is empty text
            columns[name] = taken if known is None else pc.if_else(_said(known), known, taken)
    fine = pa.array(whole)
    table = pa.table(columns).filter(fine)
    bare = [(int(each), int(at)) for each, at in zip(record[~whole], start[~whole], strict=True)]
    empty = pa.scalar(b"", pa.binary())
    table = pa.table({name: pc.fill_null(table[name], empty) for name in table.column_names})
    return Found(table, record[whole], start[whole], []), bare


def _said(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.fill_null(pc.greater(pc.binary_length(column), 0), False)
