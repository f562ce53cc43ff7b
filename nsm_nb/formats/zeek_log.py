r"""Zeek's logs, as text columns: with tabs between the values and a header, or as JSON lines.

An unset field is missing, an empty set is empty text, ``\x09`` is the byte it stands for. A header may come again, with other
fields, where logs were put together.

Source: Zeek's documentation, "Zeek Log Formats" (ASCII writer: separator, set_separator, empty_field, unset_field, fields,
types); LogAscii::use_json, json_timestamps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats.json_lines import Fields, event_at, read_events
from nsm_nb.formats.lines import Block, Lines, Noted, Span, as_utf8, line_at, whole_text
from nsm_nb.formats.patterns import Found, ending, texts_of
from nsm_nb.formats.source import read_head
from nsm_nb.formats.stamps import epoch_times, parsed_times
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_json", "keys_of_json", "path_of", "read", "row_at", "times"]

_DIRECTIVE = re.compile(rb"#(separator|set_separator|empty_field|unset_field|path|fields|types|open|close)\b")
_KEY = re.compile(rb'"([\w.]{1,64})"\s{0,4}:')


class _Header(NamedTuple):
    """What the lines with ``#`` say of those below them."""

    separator: bytes = b"\t"
    unset: bytes = b"-"
    empty: bytes = b"(empty)"
    path: str = ""
    fields: tuple[str, ...] = ()

    def told(self, line: bytes) -> _Header:
        """Return the header after one more of its lines."""
        found = _DIRECTIVE.match(line)
        if not found:
            return self
        name, rest = found[1], line[found.end() :]
        if name == b"separator":
            return self._replace(separator=_unescaped(rest.strip(b" \t")) or b"\t")
        value = rest[len(self.separator) :] if rest.startswith(self.separator) else rest.lstrip(b" \t")
        if name == b"unset_field":
            return self._replace(unset=value)
        if name == b"empty_field":
            return self._replace(empty=value)
        if name == b"path":
            return self._replace(path=whole_text(value))
        if name == b"fields":
            return self._replace(fields=tuple(whole_text(value).split(whole_text(self.separator))))
        return self


def path_of(head: bytes) -> str:
    """Return the name of the log that the first bytes of a file with tabs say, such as ``notice``; empty where it is none."""
    lines = head.split(b"\n", 32)[:32]
    if not any(line.startswith((b"#separator ", b"#separator\t")) for line in lines):
        return ""
    header = _Header()
    for line in lines:
        header = header.told(line.rstrip(b"\r"))
    return header.path if header.fields else ""


def keys_of_json(head: bytes) -> set[str]:
    """Return the keys in the first whole line of JSON; none where the file is no log of Zeek's."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 16)[:16]:
        if line.lstrip().startswith(b"{"):
            keys = {key.decode() for key in _KEY.findall(line[:16_384])}
            if "ts" in keys or "_path" in keys:
                return keys
    return set()


def is_json(path: str | os.PathLike) -> bool:
    """Return True where a log is JSON lines."""
    return as_utf8(read_head(path, 4096)).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read(path: str | os.PathLike, label: str, wanted: Sequence[str], *, span: Span | None = None) -> Found:
    """Return the wanted fields of a log, each a column of bytes, null where it is unset or the log has no such field.

    Parameters
    ----------
    path
        The log, plain or compressed.
    label
        The evidence, as caveats name it.
    wanted
        Names of fields, such as ``id.orig_h``. In JSON a set comes as its JSON text.
    span
        The part of the file to read; the header is read in any case.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines is a record.
    """
    if is_json(path):
        return _read_json(path, label, wanted, span)
    import pyarrow as pa

    noted = Noted(label, "line")
    parts: list[pa.Table] = []
    records, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    header = _header_of(path, None if span is None else span.offset)
    with Lines(path, span=span) as lines:
        for block in lines:
            header = _take(block, header, wanted, noted, parts, records, starts)
        caveats = ending(lines, label, noted)
        count = lines.count
    record = np.concatenate(records)
    if not len(record) and noted.count and span is None:
        what = form(count, "its only line is no", f"not one of its {count:,} lines is a")
        raise DamagedEvidence(f"{printable(label)}: {what} record of Zeek's; {caveats[0].detail}")
    empty = pa.table({name: pa.array([], pa.binary()) for name in wanted})
    return Found(pa.concat_tables([*parts, empty]).combine_chunks(), record, np.concatenate(starts), caveats)


def row_at(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one record, its fields by their names: as text where the log has tabs, as JSON else.

    Raises
    ------
    UnknownName
        Where there is no such line, or no record in it.
    """
    if is_json(path):
        return event_at(path, record)
    header = _Header()
    line = line_at(path, record)
    with Lines(path) as lines:
        for block in lines:
            for place in _directives(block):
                if block.record + place < record:
                    header = header.told(block.line(place))
            if block.record + len(block.starts) > record:
                break
    values = line.split(header.separator)
    if line.startswith(b"#") or len(values) != len(header.fields):
        raise UnknownName(f"line {record:,} of {printable(os.path.basename(path))} is no record of Zeek's")  # noqa: PTH119
    return {
        name: None if value == header.unset else "" if value == header.empty else whole_text(_unescaped(value))
        for name, value in zip(header.fields, values, strict=True)
    }


def times(column: pa.ChunkedArray) -> pd.Series:
    """Return Zeek's times, which are seconds since 1970, milliseconds or ISO 8601; what is none of them is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.fill_null(column, pa.scalar(b"", pa.binary()))
    found = epoch_times(column)
    left = found.isna().to_numpy()
    dashed = left & pc.match_substring_regex(column, pattern=r"^\d{4}-\d\d-\d\dT").to_numpy(zero_copy_only=False)
    if dashed.any():
        texts = pd.Series([each.decode("ascii", "replace") for each in column.filter(pa.array(dashed)).to_pylist()])
        found[dashed] = parsed_times(texts, "ISO8601").array
    return found


# --- logs with tabs


def _header_of(path: str | os.PathLike, before: int | None) -> _Header:
    """Return what the first lines of a file say, those before a part of it that is read."""
    header = _Header()
    if before:
        for line in read_head(path)[:before].split(b"\n"):
            if line.startswith(b"#"):
                header = header.told(line.rstrip(b"\r"))
    return header


def _directives(block: Block) -> list[int]:
    """Return which lines of a block start with ``#``."""
    return np.flatnonzero(block.buffer[block.starts[:-1]] == ord("#")).tolist()


def _take(
    block: Block,
    header: _Header,
    wanted: Sequence[str],
    noted: Noted,
    parts: list[pa.Table],
    records: list[np.ndarray],
    starts: list[np.ndarray],
) -> _Header:
    """Take the records of a block; return the header that holds after it."""
    marked = _directives(block)
    first = 0
    for place in [*marked, len(block.starts) - 1]:
        if place > first:
            _take_run(block, first, place, header, wanted, noted, parts, records, starts)
        if place < len(block.starts) - 1:
            header = header.told(block.line(place))
        first = place + 1
    return header


def _take_run(
    block: Block,
    first: int,
    end: int,
    header: _Header,
    wanted: Sequence[str],
    noted: Noted,
    parts: list[pa.Table],
    records: list[np.ndarray],
    starts: list[np.ndarray],
) -> None:
    """Take the records between two lines of the header."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lines = texts_of(block).slice(first, end - first)
    lines = pc.replace_substring_regex(lines, pattern=r"\r?\n$", replacement="")
    split = pc.split_pattern(lines, header.separator.decode("latin-1"))
    size = pc.list_value_length(split).to_numpy(zero_copy_only=False)
    count = len(header.fields)
    whole = size == count if count else np.zeros(len(size), bool)
    blank = pc.equal(pc.binary_length(lines), 0).to_numpy(zero_copy_only=False)
    torn = block.torn and end == len(block.starts) - 1
    if torn:
        whole[-1] = False  # its last value may be half
    for place in np.flatnonzero(~whole & ~blank).tolist():
        at = first + place
        text = block.line(at)
        if torn and at == end - 1:
            said = f"breaks off after {many(len(text), 'byte')}: the log was cut, or is still being written"
        elif not count:
            said = (
                f"stands before any header, so that its fields have no names; it was not read: {printable(text[:60])!r}"
            )
        else:
            has = many(size[place], "value")
            said = f"has {has}, not the {count} of the header, and was not read: {printable(text[:60])!r}"
        noted.add(block.record + at, block.base + int(block.starts[at]), said)
    flat = split.filter(pa.array(whole)).flatten()
    found = int(whole.sum())
    columns = {}
    for name in wanted:
        if name in header.fields:
            place = header.fields.index(name)
            values = flat.take(pa.array(np.arange(found, dtype=np.int64) * count + place))
            columns[name] = _clean(values, header)
        else:
            columns[name] = pa.nulls(found, pa.binary())
    parts.append(pa.table(columns))
    rows = np.flatnonzero(whole) + first
    records.append(rows + block.record)
    starts.append(block.starts[rows].astype(np.int64) + block.base)


def _clean(values: pa.Array, header: _Header) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.if_else(pc.equal(values, pa.scalar(header.unset, pa.binary())), pa.scalar(None, pa.binary()), values)
    values = pc.if_else(pc.equal(values, pa.scalar(header.empty, pa.binary())), pa.scalar(b"", pa.binary()), values)
    escaped = pc.match_substring(values, "\\x")
    if pc.any(escaped).as_py():
        coded = values.dictionary_encode()
        texts = pa.array([_unescaped(each) for each in coded.dictionary.to_pylist()], pa.binary())
        values = texts.take(coded.indices)
    return values


def _unescaped(value: bytes) -> bytes:
    return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda match: bytes([int(match[1], 16)]), value)


# --- JSON


def _read_json(path: str | os.PathLike, label: str, wanted: Sequence[str], span: Span | None) -> Found:
    import pyarrow as pa

    fields = Fields({f"f{place}": f'"{name}"' for place, name in enumerate(wanted)}, {}, {})
    rows, caveats = read_events(path, label, fields, key="ts|_path", span=span)
    columns = {name: rows[f"f{place}"].cast(pa.binary()) for place, name in enumerate(wanted)}
    record, start = (rows[name].to_numpy().astype(np.int64) for name in ("record", "byte"))
    return Found(pa.table(columns), record, start, caveats)
