"""Text evidence whose lines a pattern takes apart, by RE2: its time is in proportion to a line's length, whatever that holds.

Source: https://github.com/google/re2/wiki/Syntax; Arrow's documentation, "extract_regex".
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.formats.endpoints import certain
from nsm_nb.formats.lines import Block, Lines, Noted, Span, line_at, whole_text
from nsm_nb.schema import ALERTS, Caveat
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Found", "Pattern", "ending", "names", "parts_of_line", "read", "texts_of", "untorn"]


class Pattern(NamedTuple):
    """What the lines of a format look like."""

    what: str  # "alert in Snort's fast format", for sentences
    line: str  # of an alert, with named groups
    starts: re.Pattern[bytes]  # how such a line begins: one that breaks off is told from one of another kind
    passed: str = r"^\s*$"  # lines that are passed over in silence
    shortest: int = 30  # bytes of the shortest line that can be an alert
    repeated: str = ""  # a line among those passed over that says how often the one before it came again, as `times`


class Found(NamedTuple):
    """The parts of the lines that matched, as columns of bytes; their numbers and first bytes; what was noticed."""

    fields: pa.Table
    record: np.ndarray
    start: np.ndarray
    caveats: list[Caveat]


def names(pattern: str) -> list[str]:
    """Return the names of a pattern's groups, in their order."""
    return re.findall(r"\?P<(\w+)>", pattern)


def texts_of(block: Block) -> pa.Array:
    """Return the lines of a block as an Arrow array of bytes, not copied, line ends included."""
    import pyarrow as pa

    buffers = [None, pa.py_buffer(block.starts), pa.py_buffer(block.buffer)]
    return pa.Array.from_buffers(pa.binary(), len(block.starts) - 1, buffers)


def read(path: str | os.PathLike, label: str, pattern: Pattern, *, span: Span | None = None) -> Found:
    """Return what a pattern finds in the lines of a file.

    Parameters
    ----------
    path
        The file, plain or compressed.
    label
        The evidence, as caveats name it.
    pattern
        Of its lines.
    span
        The part of the file to read.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines matches.
    """
    import pyarrow as pa

    noted = Noted(label, "line")
    parts: list[pa.Table] = []
    records, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    repeats = _Repeats(label, pattern.repeated, 0 if span is None else span.record)
    with Lines(path, span=span) as lines:
        for block in lines:
            fields, found, strange = _taken_apart(block, pattern)
            repeats.look(block, found)
            if block.torn and len(found) and found[-1] == len(block.starts) - 2:
                place = int(found[-1])
                fields = untorn(fields, block.record + place, block.base + int(block.starts[place]), noted)
            parts.append(fields)
            records.append(found + block.record)
            starts.append(block.starts[found].astype(np.int64) + block.base)
            _note(block, strange, noted, pattern)
        caveats = [*ending(lines, label, noted), *repeats.caveats()]
        count = lines.count
    record = np.concatenate(records)
    if not len(record) and noted.count and span is None:
        what = form(
            count, f"its only line is no {pattern.what}", f"not one of its {count:,} lines is an {pattern.what}"
        )
        raise DamagedEvidence(
            f"{printable(label)}: {what}; {caveats[0].detail}",
            ALERTS.empty(),
        )
    empty = pa.table({name: pa.array([], pa.binary()) for name in names(pattern.line)})
    return Found(pa.concat_tables(parts) if parts else empty, record, np.concatenate(starts), caveats)


class _Repeats:
    """The lines that say that the one before came again: such alerts are counted in caveats, for nobody wrote their times."""

    def __init__(self, label: str, pattern: str, first: int):
        self.label, self._pattern, self._first = label, pattern, first
        self._noted = Noted(label, "repeated")
        self._last = 0  # the last line of the block before that is an alert
        self._times = self._others = 0

    def look(self, block: Block, found: np.ndarray) -> None:
        """Look at a block, of which these lines are alerts."""
        if not self._pattern:
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = texts_of(block)
        places = np.flatnonzero(pc.match_substring(texts, " repeated ").to_numpy(zero_copy_only=False))
        said = pc.struct_field(pc.extract_regex(texts.take(pa.array(places)), pattern=self._pattern), ["times"])
        alerts = set(found.tolist()) | {self._last - block.record} if len(places) else set()
        for place, times_ in zip(places.tolist(), said.to_pylist(), strict=True):
            if times_ is None:
                continue
            number, times = block.record + place, int(times_)
            at = block.base + int(block.starts[place])
            if place in alerts:
                self._noted.add(number, at, f"stands for {many(times, 'alert')}, of which the table has one")
            elif place - 1 in alerts or number == self._first > 1:  # the line before that was read at another time
                self._noted.add(
                    number,
                    at,
                    f"says that the line before it came {many(times, 'time')} more; the table has no rows of it",
                )
            else:
                self._others += 1
                continue
            self._times += times
        if len(found):
            self._last = int(found[-1]) + block.record

    def caveats(self) -> list[Caveat]:
        """Return what there is to say of them."""
        told = self._noted.caveats()
        if self._noted.count:
            put = f"{many(self._times, 'repeated alert')} into {many(self._noted.count, 'line')}"
            said = f"{printable(self.label)}: its daemon put {put}"
            told.append(Caveat(self.label, None, None, "repeated", said))
        if self._others:
            say = many(self._others, "line says that a line before it", "lines say that a line before them")
            said = f"{printable(self.label)}: {say}, which is no alert, came again"
            told.append(Caveat(self.label, None, None, "repeated", said))
        return told


def untorn(fields: pa.Table, record: int, start: int, noted: Noted) -> pa.Table:
    """Return the parts of lines; of the last one, which has no line end and ends with `dst`, what is certain of that.

    Parameters
    ----------
    fields
        The parts.
    record, start
        Number and first byte of the last line.
    noted
        What was left out is noted there.
    """
    import pyarrow as pa

    text = fields["dst"][-1].as_py() or b""
    kept = certain(text)
    if not text or (kept == text and b":" in text):  # without a port, that may be missing
        return fields
    said = f"only {whole_text(kept)} is certain" if kept else "nothing is certain"
    noted.add(
        record, start, f"has no line end, so that it may be torn: of {printable(text)!r}, which it ends with, {said}"
    )
    column = pa.chunked_array([fields["dst"].slice(0, len(fields) - 1).combine_chunks(), pa.array([kept], pa.binary())])
    return fields.set_column(fields.column_names.index("dst"), "dst", column)


def ending(lines: Lines, label: str, noted: Noted) -> list[Caveat]:
    """Return the caveats of a file that was read: those of its lines, and what there is to say of the file itself."""
    for number, offset, size in lines.passed:
        noted.add(
            number, offset, f"is {size:,} bytes long, more than a line may have ({lines.longest:,}); it was not read"
        )
    caveats = noted.caveats()
    if lines.wide:
        said = f"{printable(label)} is in UTF-16; it was read as UTF-8, in which its bytes are counted"
        caveats.append(Caveat(label, None, None, "encoding", said))
    if lines.trouble:
        said = f"{printable(label)}: {lines.trouble}, after line {lines.count:,}"
        caveats.append(Caveat(label, lines.count, lines.at, "cut", said))
    return caveats


def parts_of_line(path: str | os.PathLike, record: int, pattern: Pattern) -> dict[str, str | None]:
    """Return one line, as `line`, and the parts of it as text; a part that is not there is None.

    Raises
    ------
    UnknownName
        Where there is no such line, or it does not match.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    line = line_at(path, record)
    (parts,) = pc.extract_regex(pa.array([line], pa.binary()), pattern=pattern.line).to_pylist()
    if parts is None:
        raise UnknownName(f"line {record:,} of {printable(Path(path).name)} is no {pattern.what}")
    return {"line": whole_text(line)} | {name: whole_text(part) if part else None for name, part in parts.items()}


def _taken_apart(block: Block, pattern: Pattern) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Return the parts of the lines that match, which they are, and which are neither they nor to be passed over."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = texts_of(block)
    long = np.flatnonzero(np.diff(block.starts) >= pattern.shortest)
    parts = pc.extract_regex(texts.take(pa.array(long)), pattern=pattern.line)
    matched = parts.is_valid()
    found = long[matched.to_numpy(zero_copy_only=False)]
    parts = parts.filter(matched)
    others = np.ones(len(texts), bool)
    others[found] = False
    others = np.flatnonzero(others & (np.diff(block.starts) > 1))  # no empty lines
    passed = pc.match_substring_regex(texts.take(pa.array(others)), pattern=pattern.passed)
    strange = others[~passed.to_numpy(zero_copy_only=False)]
    return pa.table({name: parts.field(name) for name in names(pattern.line)}), found, strange


def _note(block: Block, strange: np.ndarray, noted: Noted, pattern: Pattern) -> None:
    """Note the lines that are strange: the first few by what they hold, the others by their count."""
    for place in strange[: noted.most].tolist():
        line = block.line(place)
        torn = block.torn and place == len(block.starts) - 2
        noted.add(
            block.record + place,
            block.base + int(block.starts[place]),
            f"breaks off after {many(len(line), 'byte')}: the log was cut, or is still being written"
            if torn and pattern.starts.match(line)
            else f"is no {pattern.what} and was not read: {printable(line[:60])!r}",
        )
    if len(strange) > noted.most:
        place = int(strange[noted.most])
        start = block.base + int(block.starts[place])
        noted.add_unseen(len(strange) - noted.most, block.record + place, start)
