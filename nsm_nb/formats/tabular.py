"""Text evidence whose lines are values in columns, taken column by column: a few seconds for a million lines.

Nothing is made of a line: where the values stand is found for a whole block at once, and only the columns that are asked for
are taken out of it. A line with another number of values is counted, told by its number, and the others are read. A header may
come again, with other columns, where listings were put together.

Source: RFC 4180.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.lines import Block, Lines, Noted
from nsm_nb.formats.patterns import Found, ending, texts_of
from nsm_nb.formats.tabular_ways import by_ways
from nsm_nb.formats.value_places import Places, column_of
from nsm_nb.formats.worded import Words
from nsm_nb.schema import SESSIONS, Caveat
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Layout", "Named", "header_of", "read"]

_SPACE = 32
_LONGEST_HEADER = 16_384  # bytes; nfstream's, the longest, has below 3,000
_MOST_COLUMNS = 250  # of lines that a pattern takes apart: it takes time in proportion to them for each byte
_MOST_WAYS = 1_000  # to name columns, of patterns: each takes a millisecond


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
        if len(line) < _LONGEST_HEADER and wanted.search(line):
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
        what = form(count, f"its only line is no {layout.what}", f"not one of its {count:,} lines is a {layout.what}")
        raise DamagedEvidence(
            f"{printable(label)}: {what}; {caveats[0].detail}",
            SESSIONS.empty(),
        )
    known = (
        pa.table({}) if not taken.parts else pa.concat_tables(taken.parts, promote_options="default").combine_chunks()
    )
    nothing = pa.nulls(len(record), pa.binary())
    fields = {name: known[name] if name in known.column_names else nothing for name in wanted}
    return Found(pa.table(fields), record, start, caveats)


class Named(NamedTuple):
    """What the lines of a block are, by the headers above them."""

    ways: list  # in which columns are named, each once; where a pattern takes lines apart, the names, else see `_Taken`
    way: np.ndarray  # which of them holds for each line
    columns: np.ndarray  # how many each line has by them; 0 before any header
    header: np.ndarray  # which lines are headers


class _Taken:
    """The records taken so far.

    A header costs little, however many there are: of a block all lines whose columns are named alike are taken together, and
    where no pattern is needed, all lines at once.
    """

    def __init__(self, layout: Layout, wanted: Sequence[str], noted: Noted):
        self.layout, self.wanted, self.noted = layout, wanted, noted
        self.counted = 0
        self.parts: list[pa.Table] = []
        self.records: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []
        self._packed = struct.Struct(f"={1 + len(wanted)}h")
        self._patterns: dict[str, tuple[str, ...]] = {}
        self._use(layout.default)

    def _use(self, names: Sequence[str]) -> None:
        """Take lines from here on as having columns of these names."""
        self.count, self.last = len(names), names[-1] if names else ""
        if self.layout.pattern is not None:
            pattern = self.layout.pattern(names) if 0 < len(names) <= _MOST_COLUMNS else ""
            follow = pattern and (pattern in self._patterns or len(self._patterns) < _MOST_WAYS)
            # names that a pattern passes over may be any
            self.way: Any = self._patterns.setdefault(pattern, tuple(names)) if follow else None
            return
        at = {name: place for place, name in reversed([*enumerate(names)])}  # of two with one name the first
        # their number, and where those that are wanted stand: a few bytes, for there may be as many ways as lines
        self.way = self._packed.pack(len(names), *(at.get(name, -1) for name in self.wanted))

    def take(self, block: Block) -> None:
        """Take the records of a block."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = texts_of(block)
        header = pc.match_substring_regex(texts, pattern=self.layout.header).to_numpy(zero_copy_only=False)
        long = header & (np.diff(block.starts) > _LONGEST_HEADER)
        named = self._named(block, header, long)
        bare = bool(block.torn and block.buffer[block.starts[-1] - 1] > _SPACE)  # the last value may be half of one
        counts: np.ndarray | None = None
        if self.layout.pattern is None:
            passed = pc.match_substring_regex(texts, pattern=self.layout.passed).to_numpy(zero_copy_only=False)
            columns, whole, strange, counts = _by_place(block, named, ~passed & ~header, self.layout, self.wanted, bare)
        else:
            columns, whole, strange = by_ways(block, named, texts, self.layout, self.wanted, bare)
        strange = strange | long
        rows = np.flatnonzero(whole)
        self.parts.append(pa.table(columns or {self.wanted[0]: pa.nulls(len(rows), pa.binary())}))
        self.records.append(rows + block.record)
        self.starts.append(block.starts[rows].astype(np.int64) + block.base)
        self._note(block, texts, np.flatnonzero(strange), named, counts, set(np.flatnonzero(long).tolist()))
        if bare and whole[-1]:
            said = (
                f"has no line end, so that it may be torn: what it says last, its {printable(self.last)}, was left out"
            )
            at = len(whole) - 1
            self.noted.add(block.record + at, block.base + int(block.starts[at]), said)

    def _named(self, block: Block, header: np.ndarray, long: np.ndarray) -> Named:
        """Return by what names the lines of a block go: below a header that is too `long`, by none until the next."""
        ways, count, read = {self.way: 0}, [self.count], b""
        at = np.flatnonzero(header)
        number = np.zeros(len(at) + 1, np.int64)
        for row, place in enumerate(at.tolist()):
            line = b"" if long[place] else block.line(place)
            if block.record + place == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if long[place] or line != read:
                read = line
                self._use(() if long[place] else self.layout.names(line))
            number[row + 1] = ways.setdefault(self.way, len(ways))
            if len(ways) > len(count):
                count.append(self.count)
        way = np.repeat(number, np.diff(at, prepend=0, append=len(header)))
        return Named(list(ways), way, np.array(count, np.int32)[way], header)

    def _note(
        self,
        block: Block,
        texts: pa.Array,
        strange: np.ndarray,
        named: Named,
        counts: np.ndarray | None,
        long: set[int],
    ) -> None:
        """Note the lines that are no records: the first few by what they hold, the others by their count."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(strange) or self.layout.quiet:
            return
        if self.layout.counted[0]:
            lines = texts.take(pa.array(strange))
            known = pc.match_substring_regex(lines, pattern=self.layout.counted[0]).to_numpy(zero_copy_only=False)
            self.counted += int(known.sum())
            strange = strange[~known]
        for at in strange[: self.noted.most].tolist():
            line = block.line(at)
            if block.torn and at == len(block.starts) - 2:
                said = f"breaks off after {many(len(line), 'byte')}: the file was cut, or is still being written"
            elif at in long:
                said = (
                    f"names columns in {len(line):,} bytes, more than {_LONGEST_HEADER:,}; neither it was read, nor what "
                    "follows until the next header: "
                    f"{printable(line[:60])!r}"
                )
            elif not named.columns[at]:
                said = (
                    f"stands below no header that was read, so that its values have no names; it was not read: "
                    f"{printable(line[:60])!r}"
                )
            elif named.ways[named.way[at]] is None:
                said = (
                    f"stands below a header of more than {_MOST_COLUMNS:,} columns, or after {_MOST_WAYS:,} that differ; it "
                    f"was not read: {printable(line[:60])!r}"
                )
            else:
                why = "" if counts is None else f" ({many(counts[at], 'value')}, not {named.columns[at]:,})"
                said = f"is no {self.layout.what} and was not read{why}: {printable(line[:60])!r}"
            self.noted.add(block.record + at, block.base + int(block.starts[at]), said)
        if len(strange) > self.noted.most:
            at = int(strange[self.noted.most])
            self.noted.add_unseen(len(strange) - self.noted.most, block.record + at, block.base + int(block.starts[at]))


def _by_place(
    block: Block, named: Named, among: np.ndarray, layout: Layout, wanted: Sequence[str], bare: bool
) -> tuple[dict[str, pa.Array], np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns of the lines that have as many values as there are names; which these are, which neither; counts."""
    values = Places(block.buffer, block.starts.astype(np.int64), layout.delimiter, units=layout.units)
    whole = among & (values.counts == named.columns) & (named.columns > 0)
    strange = among & ~whole & (values.length > 0) & ~np.isin(values.counts, layout.others)
    rows = np.flatnonzero(whole)
    if not len(rows):
        return {}, whole, strange, values.counts
    ways = np.frombuffer(b"".join(named.ways), np.int16).reshape(len(named.ways), -1)[:, 1:].astype(np.int32)
    there = np.flatnonzero((ways >= 0).any(axis=0))
    begins, stops = values.of(rows, named.way[rows], ways[:, there])
    last = ways[named.way[-1], there] == named.columns[-1] - 1
    columns = {
        wanted[name]: column_of(block.buffer, begins[slot], stops[slot], half=bool(bare and whole[-1] and last[slot]))
        for slot, name in enumerate(there.tolist())
    }
    return columns, whole, strange, values.counts
