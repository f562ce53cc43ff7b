"""JSON lines: one object a line, read by DuckDB with declared fields, every row with the number and byte of its line.

Whole blocks of lines go to DuckDB as an Arrow array, so a row keeps its number whatever stands in the lines around it.
DuckDB gets no file, no network and no extension: it parses what it is handed. A line that it refuses is tried once
more by hand: a byte that is not UTF-8 must not hide an event.

Source: RFC 8259 (JSON), https://jsonlines.org; DuckDB's documentation, "JSON functions" and "Securing DuckDB".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats.lines import Block, Lines, Noted, Span, line_at
from nsm_nb.formats.patterns import ending
from nsm_nb.schema import Caveat
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Fields", "event_at", "json_paths", "mended", "read_events"]

_CHUNK = 8192  # lines in one piece of work for a thread of DuckDB
_MOST_MENDED = 200_000  # damaged lines of a file that are looked at one by one
_MARK = b"\xef\xbb\xbf"  # UTF-8's byte order mark
# Times without a zone are cast as UTC; the engine is set so. A date alone, or "epoch", is no time.
_TIME = "CASE WHEN {0}[11] IN ('T', ' ') THEN epoch_us(TRY_CAST({0} AS TIMESTAMPTZ)) END"
_ZONED = "right({0}, 1) = 'Z' OR {0}[-5] IN ('+', '-') OR {0}[-6] IN ('+', '-')"


class Fields(NamedTuple):
    """What is read of each object: name of the column -> path of the field, such as ``alert.signature_id``.

    A path is keys with dots between them; a key that holds a dot stands in quotes, ``"id.orig_h"``; ``a|b`` is the first of
    the two that is there. `text` comes as it stands; `numbers` as float64, so that 1.5 stays 1.5; `times` as microseconds
    since 1970 (int64), each with a column ``<name>_text``, what is written where that is no time, and a column
    ``<name>_zoned``, True where the text names its zone.
    """

    text: Mapping[str, str]
    numbers: Mapping[str, str]
    times: Mapping[str, str]

    def query(self, key: str, value: str | None, *, checked: bool) -> str:
        """Return the statement that reads the rows where `key` is `value` (any, where None), and those that have no `key`.

        Not `checked`, it is quicker, and fails where one line is no JSON.
        """
        paths: dict[str, int] = {}
        place = {
            path: _first_of([f"v[{paths.setdefault(each, len(paths) + 1)}]" for each in json_paths(path)])
            for path in (*self.text.values(), *self.numbers.values(), *self.times.values())
        }
        columns = [f"{place[path]} AS {name}" for name, path in self.text.items()]
        columns += [f"TRY_CAST({place[path]} AS DOUBLE) AS {name}" for name, path in self.numbers.items()]
        for name, path in self.times.items():
            time = _TIME.format(place[path])
            columns += [f"{time} AS {name}", f"CASE WHEN {time} IS NULL THEN {place[path]} END AS {name}_text"]
            columns += [f"{_ZONED.format(place[path])} AS {name}_zoned"]
        found = _first_of([f"json_extract_string(line, {each})" for each in json_paths(key)])
        fine = "json_valid(line)" if checked else "true"
        if checked:
            found = f"CASE WHEN json_valid(line) THEN {found} END"
        wanted = "" if value is None else f"WHERE k IS NULL OR k = '{value}'"
        # Names are ours; a path may be an analyst's and is quoted. Most lines are of another event: of those only the key
        # is taken out. Not materialized, each line would be parsed once a column.
        return f"""
            WITH keyed AS MATERIALIZED (SELECT record, byte, line, {fine} AS fine, {found} AS k FROM lines),
            parsed AS MATERIALIZED (
                SELECT record, byte, fine, k IS NOT NULL AS known,
                    CASE WHEN k IS NOT NULL THEN json_extract_string(line, [{", ".join(paths)}]) END AS v
                FROM keyed {wanted})
            SELECT record, byte, fine, known, {", ".join(columns)} FROM parsed"""  # noqa: S608


def json_paths(path: str) -> list[str]:
    """Return the alternatives of a path as DuckDB's, each a literal of SQL.

    Raises
    ------
    UnknownName
        Where it is no path.
    """
    if not _PATH.fullmatch(path):
        raise UnknownName(
            f"{printable(path)!r} is no path to a field; write keys with dots between them, such as rule.description, and "
            'a key that holds a dot in quotes, such as "id.orig_h"'
        )
    found = []
    for each in re.findall(r'((?:"[^"]*"|[^|"])+)', path):
        keys = [part.strip('"').replace("'", "''") for part in re.findall(r'"[^"]*"|[^."]+', each)]
        found.append("'$" + "".join(f'."{key}"' for key in keys) + "'")
    return found


_PATH = re.compile(r'(?:"[^"\\]+"|[^".|\\]+)(?:[.|](?:"[^"\\]+"|[^".|\\]+))*')


def _first_of(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"


def read_events(
    path: str | os.PathLike, label: str, fields: Fields, *, key: str, value: str | None = None, span: Span | None = None
) -> tuple[pa.Table, list[Caveat]]:
    """Return the fields of the objects whose `key` is `value`, in the order of their lines, and what was noticed.

    Parameters
    ----------
    path
        The file, plain or gzip.
    label
        The evidence, as caveats name it.
    fields
        What to read.
    key, value
        Which objects, such as ``event_type`` and ``alert``; without a value all those that have the key.
    span
        The part of the file to read; all of it where not given.

    Returns
    -------
    table : pyarrow.Table
        Columns `record` (number of the line), `byte` (where it starts) and those of `fields`.
    caveats : list of Caveat

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one line is JSON; the error's `table` is not set.
    """
    import pyarrow as pa

    parts: list[pa.Table] = []
    noted = Noted(label, "json")
    seen = bad = tried = 0
    with _Engine(fields, key, value) as engine, Lines(path, span=span) as lines:
        for block in lines:
            texts, records, starts = _columns(block)
            rows = engine.ask(texts, records, starts)
            known = rows["known"].to_numpy()
            parts.append(rows.filter(pa.array(known)))
            odd = _Odd(block, key)
            odd.look(rows.filter(pa.array(~known)), most=_MOST_MENDED - tried)
            tried += len(odd.sentences) + len(odd.mended)
            if odd.mended:
                rows = engine.ask(pa.chunked_array([pa.array(odd.mended)]), odd.records, odd.starts)
                parts.append(rows.filter(rows["known"]))
            for record, sentence in sorted(odd.sentences.items()):
                noted.add(record, block.base + int(block.starts[record - block.record]), sentence)
            if odd.unseen:
                noted.add_unseen(*odd.unseen)
            seen += len(records) - odd.blank
            bad += odd.bad
        if not parts:
            parts.append(engine.ask(pa.chunked_array([], pa.string()), np.empty(0, "i8"), np.empty(0, "i8")))
        caveats = ending(lines, label, noted)
        if seen == bad and noted.count and span is None:
            what = form(lines.count, "its only line is not", f"not one of its {lines.count:,} lines is")
            raise DamagedEvidence(
                f"{printable(label)}: {what} JSON in UTF-8, so there is nothing to read; "
                f"{caveats[0].detail if caveats else 'it is empty'}"
            )
    table = pa.concat_tables(parts).drop_columns(["fine", "known"])
    order = table["record"].to_numpy()
    if (np.diff(order) < 0).any():
        table = table.take(np.argsort(order, kind="stable"))
    return table.combine_chunks(), caveats


def event_at(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return the object in one line, all of it.

    Parameters
    ----------
    path
        The file.
    record
        The number of the line, from 1.

    Raises
    ------
    UnknownName
        Where there is no such line, or no object in it.
    """
    text, problem = mended(line_at(path, record).removeprefix(_MARK))
    event = None if text is None else json.loads(text, object_pairs_hook=_first_wins)
    if not isinstance(event, dict):
        raise UnknownName(f"line {record:,} of {printable(Path(path).name)} {problem or 'is JSON, but no object'}")
    return event


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # DuckDB takes the first of two equal keys, Python the last; what is shown must not contradict the table
    return dict(reversed(pairs)) if len({key for key, _ in pairs}) < len(pairs) else dict(pairs)


class _Odd:
    """The lines of one block that DuckDB did not take for an object with the key."""

    def __init__(self, block: Block, key: str):
        self.block, self.key = block, key
        self.bad = self.blank = 0
        self.unseen: tuple[int, int, int] | None = None
        self.sentences: dict[int, str] = {}
        self.mended: list[str] = []
        self._records: list[int] = []

    @property
    def records(self) -> np.ndarray:
        """Numbers of the lines in `mended`."""
        return np.array(self._records, np.int64)

    @property
    def starts(self) -> np.ndarray:
        """First bytes of the lines in `mended`."""
        return self.block.base + self.block.starts[self.records - self.block.record].astype(np.int64)

    def look(self, rows: pa.Table, *, most: int) -> None:
        """Say of each of these rows what is the matter, and mend what can be mended; of `most` rows, not more."""
        if rows.num_rows > most:
            more = rows.slice(max(most, 0))
            fine = int(more["fine"].to_numpy().sum())
            self.unseen = (more.num_rows, more["record"][0].as_py(), more["byte"][0].as_py())
            self.bad += more.num_rows - fine
            rows = rows.slice(0, max(most, 0))
        for record, fine in zip(rows["record"].to_pylist(), rows["fine"].to_pylist(), strict=True):
            if fine:
                self.sentences[record] = f"is JSON without {self.key!r}; it was passed over"
                continue
            place = record - self.block.record
            line = self.block.line(place)
            if not line.strip():
                self.blank += 1
                continue
            text, problem = mended(line.removeprefix(_MARK) if record == 1 else line)
            last = self.block.torn and place == len(self.block.starts) - 2
            if text is not None:
                self.mended.append(text)
                self._records.append(record)
            else:
                self.bad += 1
                if last:
                    problem = f"breaks off after {many(len(line), 'byte')}: the file was cut, or is still being written"
            if problem:
                self.sentences[record] = problem


_SURROGATE = re.compile(r"\\(?:ud[89ab]..\\ud[c-f]..|u(d[89a-f]..)|.)")


def mended(line: bytes) -> tuple[str | None, str]:
    r"""Return a line as JSON that any parser takes, or None where it is no JSON; and what was wrong with it, in words.

    Bytes that are not UTF-8 become the text ``\xNN``, lone surrogates the text ``\udNNN``; control characters that
    stand bare in a string are kept.
    """
    try:
        value = json.loads(line.decode("utf-8", "surrogateescape"), strict=False)
    except json.JSONDecodeError as problem:
        at = len(problem.doc[: problem.pos].encode("utf-8", "surrogateescape"))
        return None, f"is not JSON and was not read: {problem.msg[0].lower()}{problem.msg[1:]} at its byte {at:,}"
    except RecursionError:
        return None, "is not JSON that can be read: it is nested too deeply"
    except ValueError as problem:  # a number of more than 4,300 digits
        return None, f"is not JSON that can be read: {printable(problem)}"
    text = json.dumps(value)
    whole = _SURROGATE.sub(_spelled, text)
    if whole != text:
        return whole, "holds bytes that are not UTF-8; they are shown as \\xNN"
    if re.search(rb"[\x00-\x08\x0a-\x1f]", line.strip()):
        return whole, "holds control characters that JSON forbids; they were kept"
    return whole, ""


def _spelled(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    code = int(match[1], 16)
    return f"\\\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\\\u{code:04x}"


def _columns(block: Block) -> tuple[pa.ChunkedArray, np.ndarray, np.ndarray]:
    """Return the block's lines, not copied, and their numbers and first bytes; empty lines are left out."""
    import pyarrow as pa

    count = len(block.starts) - 1
    buffers = [None, pa.py_buffer(block.starts), pa.py_buffer(block.buffer)]
    texts = pa.Array.from_buffers(pa.string(), count, buffers)
    starts = block.starts[:-1]
    size = np.diff(block.starts)
    empty = (size == 1) | ((size == 2) & (block.buffer[starts] == 13))
    records = np.arange(block.record, block.record + count)
    if empty.any():
        texts, records, starts = texts.filter(pa.array(~empty)), records[~empty], starts[~empty]
    chunks = [texts.slice(at, _CHUNK) for at in range(0, len(texts), _CHUNK)]
    return pa.chunked_array(chunks, pa.string()), records, starts.astype(np.int64) + block.base


class _Engine:
    """A DuckDB that can reach no file, no network and no extension, and reads the fields of lines that it is handed."""

    def __init__(self, fields: Fields, key: str, value: str | None):
        self._quick, self._checked = (fields.query(key, value, checked=checked) for checked in (False, True))

    def __enter__(self) -> _Engine:
        """Open it, and return itself."""
        import duckdb

        self.connection = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        for setting in (
            "temp_directory = ''",  # it would spill into the working directory
            "TimeZone = 'UTC'",
            "enable_external_access = false",
            "python_enable_replacements = false",
            "lock_configuration = true",
        ):
            self.connection.execute(f"SET {setting}")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.connection.close()

    def ask(self, texts: pa.ChunkedArray, records: np.ndarray, starts: np.ndarray) -> pa.Table:
        """Return the fields of some lines, with `fine` (it is JSON) and `known` (it has the key)."""
        import duckdb
        import pyarrow as pa

        lines = pa.table({"line": texts, "record": pa.array(records), "byte": pa.array(starts)})
        self.connection.register("lines", lines)
        try:
            return self.connection.sql(self._quick).to_arrow_table()
        except (duckdb.InvalidInputException, UnicodeDecodeError):
            # A line is no JSON; which one, costs a second look at all of them. (Where the line is not UTF-8 either, it is
            # DuckDB's message that can't be decoded.)
            return self.connection.sql(self._checked).to_arrow_table()
        finally:
            self.connection.unregister("lines")
