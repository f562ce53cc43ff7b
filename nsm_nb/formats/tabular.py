"""Text evidence whose lines are values in columns, taken column by column: a few seconds for a million lines.

Nothing is made of a line: where the values stand is found for a whole block at once, and only the columns that are asked for
are taken out of it. A line with another number of values is counted, told by its number, and the others are read. A header may
come again, with other columns, where listings were put together.

Source: RFC 4180.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.lines import Block, Lines, Noted
from nsm_nb.formats.patterns import Found, ending, texts_of
from nsm_nb.formats.value_places import column_of, split
from nsm_nb.formats.worded import Words, by_words, fits
from nsm_nb.schema import SESSIONS, Caveat
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Layout", "header_of", "read"]

_SPACE = 32
_MOST_COLUMNS = 250  # of lines that a pattern takes apart: it takes time in proportion to them for each byte


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
    words: Callable[[Sequence[str]], Words | None] | None = None  # of these columns, where most lines need no pattern
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
    known = (
        pa.table({}) if not taken.parts else pa.concat_tables(taken.parts, promote_options="default").combine_chunks()
    )
    nothing = pa.nulls(len(record), pa.binary())
    fields = {name: known[name] if name in known.column_names else nothing for name in wanted}
    return Found(pa.table(fields), record, start, caveats)


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
        count: np.ndarray | None = None
        if layout.pattern is None:
            passed = pc.match_substring_regex(lines, pattern=layout.passed).to_numpy(zero_copy_only=False)
            columns, whole, strange, count = _by_place(block.buffer, starts, ~passed, layout, names, self.wanted, bare)
        else:
            columns, whole, strange = _by_words_and_pattern(
                block.buffer, starts, lines, layout, names, self.wanted, bare
            )
        half = bool(bare and whole[-1])
        rows = np.flatnonzero(whole)
        self.parts.append(pa.table(columns or {self.wanted[0]: pa.nulls(len(rows), pa.binary())}))
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
    values = split(buffer, starts, layout.delimiter, units=layout.units)
    whole = among & (values.counts == len(names)) if names else np.zeros(len(values.counts), bool)
    strange = among & ~whole & (values.length > 0) & ~np.isin(values.counts, layout.others)
    rows = int(whole.sum())
    if not rows:
        return {}, whole, strange, values.counts
    begin, stop = values.of(whole, len(names))
    columns = {
        name: column_of(buffer, begin, stop, names.index(name), half=bool(bare and whole[-1]))
        for name in wanted
        if name in names
    }
    return columns, whole, strange, values.counts


def _by_words_and_pattern(
    buffer: np.ndarray,
    starts: np.ndarray,
    lines: pa.Array,
    layout: Layout,
    names: Sequence[str],
    wanted: Sequence[str],
    bare: bool,
) -> tuple[dict[str, pa.Array], np.ndarray, np.ndarray]:
    """Return the columns of the lines that match; which these are, and which are neither they nor empty."""
    import pyarrow as pa

    if len(names) > _MOST_COLUMNS:
        names = ()
    words = layout.words(names) if layout.words is not None and names else None
    if words is None or not fits(words, starts):
        return _by_pattern(lines, layout, names, wanted, bare)
    sure = len(starts) - (2 if bare else 1)  # the last may be torn
    found, plain = by_words(buffer, starts[: sure + 1], words, wanted)
    whole = np.append(plain, np.zeros(len(lines) - sure, bool))
    rest = np.flatnonzero(~whole)
    if not len(rest):
        return found, whole, ~whole
    others, matched, odd = _by_pattern(lines.take(pa.array(rest)), layout, names, wanted, bare)
    strange = np.zeros(len(lines), bool)
    strange[rest] = odd
    if matched.any():
        order = pa.array(np.argsort(np.concatenate([np.flatnonzero(whole), rest[matched]]), kind="stable"))
        # both have the columns that the header names, and no others
        found = {name: pa.concat_arrays([found[name], others[name]]).take(order) for name in found}
        whole[rest] = matched
    return found, whole, strange


def _by_pattern(
    lines: pa.Array, layout: Layout, names: Sequence[str], wanted: Sequence[str], bare: bool
) -> tuple[dict[str, pa.Array], np.ndarray, np.ndarray]:
    """Return the columns of the lines that match; which these are, and which are neither they nor empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    passed = pc.match_substring_regex(lines, pattern=layout.passed).to_numpy(zero_copy_only=False)
    pattern = layout.pattern(names) if layout.pattern is not None and names else "$.^"
    parts = pc.extract_regex(lines, pattern=pattern)
    whole = ~passed & parts.is_valid().to_numpy(zero_copy_only=False)
    strange = ~passed & ~whole & (pc.binary_length(lines).to_numpy() > 1)
    parts = parts.filter(pa.array(whole))
    known = [parts.type.field(place).name for place in range(parts.type.num_fields)]
    columns = {}
    for name in wanted:
        if name not in known:
            continue
        column = parts.field(name)
        absent = pc.binary_length(column).to_numpy(zero_copy_only=False) == 0
        if bare and whole[-1] and name == known[-1]:
            absent[-1] = True
        columns[name] = pc.if_else(pa.array(absent), pa.scalar(None, pa.binary()), column)
    return columns, whole, strange
