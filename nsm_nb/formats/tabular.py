"""Text evidence whose lines are values in columns, taken column by column: a few seconds for a million lines.

Nothing is made of a line: where the values stand is found for a whole block at once, and only the columns that are asked for
are taken out of it. A line with another number of values is counted, told by its number, and the others are read. A header may
come again, with other columns, where listings were put together.

Source: RFC 4180; the layout of Arrow's binary arrays (https://arrow.apache.org/docs/format/Columnar.html).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.lines import Block, Lines, Noted
from nsm_nb.formats.patterns import Found, ending, texts_of
from nsm_nb.schema import SESSIONS, Caveat
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Layout", "header_of", "read"]

_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32
_UNITS = np.frombuffer(b"KMGT", np.uint8)


class Layout(NamedTuple):
    """What the lines of a format look like."""

    what: str  # "flow record as nfdump prints it", for sentences
    header: str  # of a line that names the columns, as RE2
    names: Callable[[bytes], Sequence[str]]  # of such a line, as they are asked for
    delimiter: bytes = b","  # one byte; none: blanks, however many
    passed: str = r"^\s*$"  # lines that are no records, whatever they look like, and passed over in silence
    default: Sequence[str] = ()  # names of the values that stand before any header
    others: Sequence[int] = ()  # numbers of values of lines that are read at another time
    pattern: Callable[[Sequence[str]], str] | None = None  # of a record of these columns, where blanks stand in values
    quiet: bool = False  # whether all that is no record is passed over in silence
    units: bool = False  # whether "20.4 M" is one value
    counted: tuple[str, str] = ("", "")  # lines that are no records: their pattern, and what is said of their number


def header_of(head: bytes, header: str) -> bytes:
    """Return the first of the first lines that names columns, without its line end; empty where none does."""
    import re

    wanted = re.compile(header.encode())
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 32)[:32]:
        if len(line) < 16_384 and wanted.search(line):
            return line.rstrip(b"\r")
    return b""


def read(path: str | os.PathLike, label: str, layout: Layout, wanted: Sequence[str]) -> Found:
    """Return the wanted columns of a listing, each of bytes; null where the listing has no such column, or no value there.

    Parameters
    ----------
    path
        The file, plain or compressed.
    label
        The evidence, as caveats name it.
    layout
        Of its lines.
    wanted
        Names of columns.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines is a record.
    """
    import pyarrow as pa

    taken = _Taken(layout, wanted, Noted(label, "line"))
    with Lines(path) as lines:
        for block in lines:
            taken.take(block)
        caveats = ending(lines, label, taken.noted)
        count = lines.count
    if taken.counted:
        said = f"{printable(label)}: {taken.counted:,} {layout.counted[1]}"
        caveats.append(Caveat(label, None, None, "management", said))
    record, start = (np.concatenate([np.empty(0, np.int64), *each]) for each in (taken.records, taken.starts))
    if not len(record) and taken.noted.count:
        raise DamagedEvidence(
            f"{printable(label)}: not one of its {count:,} lines is a {layout.what}; {caveats[0].detail}",
            SESSIONS.empty(),
        )
    empty = pa.table({name: pa.array([], pa.binary()) for name in wanted})
    return Found(pa.concat_tables([*taken.parts, empty]).combine_chunks(), record, start, caveats)


class _Taken:
    """The records taken so far."""

    def __init__(self, layout: Layout, wanted: Sequence[str], noted: Noted):
        self.layout, self.wanted, self.noted = layout, wanted, noted
        self.names = list(layout.default)
        self.counted = 0
        self.parts: list[pa.Table] = []
        self.records: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []

    def take(self, block: Block) -> None:
        """Take the records of a block."""
        import pyarrow.compute as pc

        texts = texts_of(block)
        marked = np.flatnonzero(
            pc.match_substring_regex(texts, pattern=self.layout.header).to_numpy(zero_copy_only=False)
        )
        first, last = 0, len(block.starts) - 1
        for place in [*marked.tolist(), last]:
            if place > first:
                self._run(block, texts, first, place)
            if place < last:
                line = block.line(place)
                if block.record + place == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                self.names = list(self.layout.names(line))
            first = place + 1

    def _run(self, block: Block, texts: pa.Array, first: int, end: int) -> None:
        """Take the records between two lines that name the columns."""
        import pyarrow as pa
        import pyarrow.compute as pc

        layout, names = self.layout, self.names
        starts = block.starts[first : end + 1].astype(np.int64)
        torn = block.torn and end == len(block.starts) - 1
        bare = bool(torn and block.buffer[starts[-1] - 1] > _SPACE)  # the last value may be half of one
        lines = texts.slice(first, end - first)
        passed = pc.match_substring_regex(lines, pattern=layout.passed).to_numpy(zero_copy_only=False)
        count: np.ndarray | None
        if layout.pattern is None:
            columns, whole, strange, count = _by_place(block.buffer, starts, ~passed, layout, names, self.wanted, bare)
        else:
            columns, whole, strange, count = _by_pattern(lines, ~passed, layout, names, self.wanted, bare)
        half = bool(bare and whole[-1])
        rows = np.flatnonzero(whole)
        self.parts.append(pa.table(columns))
        self.records.append(rows + (first + block.record))
        self.starts.append(starts[rows] + block.base)
        if half:
            said = (
                f"has no line end, so that it may be torn: what it says last, its {printable(names[-1])}, was left out"
            )
            self.noted.add(block.record + end - 1, block.base + int(starts[-2]), said)
        self._note(block, texts, first, np.flatnonzero(strange), count, torn)

    def _note(
        self, block: Block, texts: pa.Array, first: int, strange: np.ndarray, count: np.ndarray | None, torn: bool
    ) -> None:
        """Note the lines that are no records: the first few by what they hold, the others by their count."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(strange) or self.layout.quiet:
            return
        if self.layout.counted[0]:
            lines = texts.take(pa.array(strange + first))
            known = pc.match_substring_regex(lines, pattern=self.layout.counted[0]).to_numpy(zero_copy_only=False)
            self.counted += int(known.sum())
            strange = strange[~known]
        for place in strange[: self.noted.most].tolist():
            at = first + place
            line = block.line(at)
            if torn and at == len(block.starts) - 2:
                said = f"breaks off after {len(line):,} bytes: the file was cut, or is still being written"
            elif not self.names:
                said = f"stands before any header, so that its values have no names; it was not read: {printable(line[:60])!r}"
            else:
                why = "" if count is None else f" ({count[place]:,} values, not {len(self.names):,})"
                said = f"is no {self.layout.what} and was not read{why}: {printable(line[:60])!r}"
            self.noted.add(block.record + at, block.base + int(block.starts[at]), said)
        if len(strange) > self.noted.most:
            at = first + int(strange[self.noted.most])
            self.noted.add_unseen(len(strange) - self.noted.most, block.record + at, block.base + int(block.starts[at]))


def _by_place(
    buffer: np.ndarray,
    starts: np.ndarray,
    among: np.ndarray,
    layout: Layout,
    names: Sequence[str],
    wanted: Sequence[str],
    bare: bool,
) -> tuple[dict[str, pa.Array], np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns of the lines that have as many values as there are names; which these are, which neither; counts."""
    import pyarrow as pa

    values = _split(buffer, starts, layout.delimiter, units=layout.units)
    whole = among & (values.counts == len(names)) if names else np.zeros(len(values.counts), bool)
    strange = among & ~whole & (values.length > 0) & ~np.isin(values.counts, layout.others)
    rows = int(whole.sum())
    if not rows:
        return {name: pa.nulls(0, pa.binary()) for name in wanted}, whole, strange, values.counts
    begin, stop = values.of(whole, len(names))
    columns = {
        name: _column(buffer, begin, stop, names.index(name), half=bool(bare and whole[-1]))
        if name in names
        else pa.nulls(rows, pa.binary())
        for name in wanted
    }
    return columns, whole, strange, values.counts


def _by_pattern(
    lines: pa.Array, among: np.ndarray, layout: Layout, names: Sequence[str], wanted: Sequence[str], bare: bool
) -> tuple[dict[str, pa.Array], np.ndarray, np.ndarray, None]:
    """Return the columns of the lines that match; which these are, and which are neither they nor empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pattern = layout.pattern(names) if layout.pattern is not None and names else "$.^"
    parts = pc.extract_regex(lines, pattern=pattern)
    whole = among & parts.is_valid().to_numpy(zero_copy_only=False)
    strange = among & ~whole & (pc.binary_length(lines).to_numpy() > 1)
    parts = parts.filter(pa.array(whole))
    known = [parts.type.field(place).name for place in range(parts.type.num_fields)]
    columns = {}
    for name in wanted:
        if name not in known:
            columns[name] = pa.nulls(len(parts), pa.binary())
            continue
        column = parts.field(name)
        absent = pc.binary_length(column).to_numpy(zero_copy_only=False) == 0
        if bare and whole[-1] and name == known[-1]:
            absent[-1] = True
        columns[name] = pc.if_else(pa.array(absent), pa.scalar(None, pa.binary()), column)
    return columns, whole, strange, None


class _Values(NamedTuple):
    """Where the values of lines stand."""

    begin: np.ndarray  # int64; of all values of all lines
    stop: np.ndarray
    counts: np.ndarray  # int64; values of each line
    length: np.ndarray  # int64; bytes of each line, without its line end

    def of(self, which: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where the values of these lines begin and stop, a row a line, each of `count` values."""
        kept = np.repeat(which, self.counts)
        return self.begin[kept].reshape(-1, count), self.stop[kept].reshape(-1, count)


def _split(buffer: np.ndarray, starts: np.ndarray, delimiter: bytes, *, units: bool = False) -> _Values:
    """Return where the values of lines stand in a buffer, by the byte between them; by blanks where there is none."""
    low = int(starts[0])
    text = buffer[low : starts[-1]]
    begins, stops = starts[:-1].copy(), starts[1:].copy()
    for end in (10, 13):  # a line end is \n, \r\n, or none
        stops -= (stops > begins) & (buffer[np.maximum(stops - 1, 0)] == end)
    if not delimiter:
        blank = text <= _SPACE
        if units and len(text) > 3:
            # a lone letter behind a number belongs to it
            digit = (text[:-3] >= ord("0")) & (text[:-3] <= ord("9"))
            lone = digit & (text[1:-2] == _SPACE) & np.isin(text[2:-1], _UNITS) & blank[3:]
            blank[1:-2][lone] = False
        edge = np.empty(len(text) + 1, bool)
        edge[0], edge[-1] = not blank[0], not blank[-1]
        np.not_equal(blank[1:], blank[:-1], out=edge[1:-1])
        place = np.flatnonzero(edge) + low
        begin, stop = place[::2], place[1::2]
        return _Values(begin, stop, np.diff(np.searchsorted(begin, starts)), stops - begins)
    place = np.flatnonzero(text == delimiter[0]) + low
    quote = text == _QUOTE
    if quote.any():
        place = place[_outside(text, quote, starts - low, place - low)]
    count = np.diff(np.searchsorted(place, starts))
    # between two delimiters is a value; the first begins with its line, the last stops with it
    first = np.cumsum(count + 1) - (count + 1)
    begin, stop = (np.empty(len(place) + len(count), np.int64) for _ in range(2))
    inner = np.ones(len(begin), bool)
    inner[first] = False
    begin[first], begin[inner] = begins, place + 1
    inner[:] = True
    inner[first + count] = False
    stop[first + count], stop[inner] = stops, place
    return _Values(begin, stop, count + 1, stops - begins)


def _outside(text: np.ndarray, quote: np.ndarray, starts: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return which delimiters stand outside quotes; in a line whose quotes do not pair up, all do."""
    quote = quote.copy()
    quote[1:] &= text[:-1] != _BACKSLASH
    before = np.concatenate([[0], np.cumsum(quote)])
    line = np.searchsorted(starts, place, "right") - 1
    paired = (before[starts[1:]] - before[starts[:-1]]) % 2 == 0
    inside = (before[place] - before[starts[line]]) % 2 == 1
    result: np.ndarray = ~(inside & paired[line])
    return result


def _column(buffer: np.ndarray, begin: np.ndarray, stop: np.ndarray, place: int, *, half: bool) -> pa.Array:
    """Return one value of each line, null where it is empty; where the last line may be torn, its last value is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first, last = begin[:, place], stop[:, place]
    quoted = (last - first >= 2) & (buffer[first] == _QUOTE) & (buffer[np.maximum(last - 1, 0)] == _QUOTE)
    first, last = first + quoted, last - quoted
    offsets = np.empty(2 * len(first) + 1, np.int32)
    offsets[:-1:2], offsets[1::2], offsets[-1] = first, last, last[-1]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(buffer)]
    pieces = pa.Array.from_buffers(pa.binary(), 2 * len(first), buffers)
    values = pieces.take(pa.array(np.arange(0, 2 * len(first), 2)))
    absent = last == first
    if half and place == begin.shape[1] - 1:
        absent[-1] = True
    if absent.any():
        values = pc.if_else(pa.array(absent), pa.scalar(None, pa.binary()), values)
    if quoted.any() and pc.any(pc.match_substring(values, '""')).as_py():
        values = pc.replace_substring(values, '""', '"')
    return values
