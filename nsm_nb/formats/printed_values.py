"""From the texts of a listing's columns to numbers, times, addresses and protocols; what is none of them is told and missing.

Each text that occurs is looked at once, or all of them by Arrow: no Python runs for a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.byte_columns import array_of, parts_of, pieces, shape, texts_in, whole_numbers
from nsm_nb.formats.lines import Noted, whole_text
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.stamps import printed_times
from nsm_nb.schema import Caveat, utc_times
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DATED", "Values", "flags", "worded"]

# 2026-11-24 02:30:20.937, with slashes, with a T, with or without a zone
DATED = (
    r"^\s*(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})[ T.](?P<clock>\d{1,2}:\d{2}:\d{2})"
    r"(?:[.,](?P<fraction>\d{1,9}))?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?\s*$"
)
_DECIMAL = r"^\s*-?\d{1,15}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?\s*$"
_FLAGS = b"FSRPAUEC"  # from bit 0 on, RFC 9293 3.1


class Values:
    """The columns of a listing, one after the other made into values.

    Parameters
    ----------
    found
        The listing; columns that it lacks are asked for as if they were empty.
    label
        The evidence, as caveats name it.

    Attributes
    ----------
    caveats : list of Caveat
        What was noticed before, and what the times lack; see `told`.
    """

    def __init__(self, found: Found, label: str):
        self.found, self.label = found, label
        self.count = len(found.record)
        self.caveats: list[Caveat] = list(found.caveats)
        self._numbers = Noted(label, "number")

    def told(self) -> list[Caveat]:
        """Return all that was noticed."""
        return [*self.caveats, *self._numbers.caveats()]

    def has(self, *names: str) -> bool:
        """Return True where the listing has a value in one of these columns."""
        there = self.found.fields.column_names
        return any(name in there and self.found.fields[name].null_count < self.count for name in names)

    def raw(self, name: str) -> pa.ChunkedArray:
        """Return a column as it stands, nulls as empty text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if name not in self.found.fields.column_names:
            return pa.chunked_array([pa.array([b""], pa.binary()).take(pa.array(np.zeros(self.count, np.int64)))])
        return pc.fill_null(self.found.fields[name], pa.scalar(b"", pa.binary()))

    def texts(self, name: str) -> pd.Categorical:
        """Return a column as text, without the blanks around it."""
        return columns.mapped(self.raw(name), lambda text: whole_text(text).strip() or None)

    def protocols(self, name: str) -> pd.Categorical:
        """Return a column of names or numbers of protocols as the tables have them."""
        return columns.mapped(self.raw(name), lambda text: columns.protocol(whole_text(text)))

    def whole(self, name: str, *, most: int = columns.LARGEST, dtype: str = "Int64") -> pd.Series:
        """Return a column as whole numbers from 0 to `most`."""
        numbers, fine = np.zeros(self.count, np.int64), np.zeros(self.count, bool)
        if self.has(name):
            numbers, fine = whole_numbers(array_of(self.found.fields[name]))
            fine &= numbers <= most
            self._odd(name, ~fine, "which is no such number")
        return pd.Series(pd.arrays.IntegerArray(np.where(fine, numbers, 0).astype(dtype.lower()), ~fine))

    def decimals(self, name: str) -> np.ndarray:
        """Return a column as float64, NaN where it has none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.has(name):
            return np.full(self.count, np.nan)
        column = self.found.fields[name]
        matched = pc.fill_null(pc.match_substring_regex(column, pattern=_DECIMAL), False)
        texts = pc.utf8_trim_whitespace(pc.if_else(matched, column, pa.scalar(b"0", pa.binary())).cast(pa.string()))
        fine = matched.to_numpy()
        self._odd(name, ~fine, "which is no number")
        return np.where(fine, texts.cast(pa.float64()).to_numpy(), np.nan)

    def ports(self, name: str, proto: pd.Categorical) -> pd.Series:
        """Return a column as ports; missing where the protocol has none, whatever stands there."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ported = np.array([*(each in columns.PORTED for each in proto.categories), False])[proto.codes]
        if name not in self.found.fields.column_names or not ported.any():
            return self._none("UInt16")
        kept = pc.if_else(pa.array(ported), self.found.fields[name], pa.scalar(None, pa.binary()))
        self._set(name, kept)
        return self.whole(name, most=65_535, dtype="UInt16")

    def keep(self, which: np.ndarray) -> None:
        """Keep these records only."""
        import pyarrow as pa

        if not which.all():
            fields, record, start, caveats = self.found
            self.found = Found(fields.filter(pa.array(which)), record[which], start[which], caveats)
            self.count = len(self.found.record)

    def change(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change the texts of a column; `change` is called once for each that occurs."""
        import pyarrow as pa

        if not self.has(name):
            return
        coded = self.found.fields[name].combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        self._set(
            name, pa.array([change(each) for each in coded.dictionary.to_pylist()], pa.binary()).take(coded.indices)
        )

    def join(self, name: str, *parts: str) -> None:
        """Make a column of others, with a blank between them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self._set(name, pc.binary_join_element_wise(*(self.raw(each) for each in parts), pa.scalar(b" ", pa.binary())))

    def split(self, name: str, port: str, apart: Callable[[bytes], tuple[bytes, bytes]]) -> None:
        """Take the ports off a column of addresses; `apart` is called once for each text, and gives an address and a port."""
        import pyarrow as pa

        coded = self.raw(name).combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        parts = [apart(each) for each in coded.dictionary.to_pylist()]
        for place, column in enumerate((name, port)):
            self._set(column, pa.array([each[place] for each in parts], pa.binary()).take(coded.indices))

    def cut(self, name: str, rest: str, where: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        """Cut a column in two at a byte that belongs to neither; `where` is called with all texts and where each starts.

        It gives the places of these bytes, or where a text ends that is not cut.
        """
        column = array_of(self.raw(name))
        data, places = texts_in(column)
        at = where(data, places)
        end = places[1:]
        self._set(name, pieces(data, places[:-1], at))
        self._set(rest, pieces(data, np.minimum(at + 1, end), end))

    def add(self, fields: pa.Table, rows: np.ndarray, there: np.ndarray) -> None:
        """Add the columns of another listing: of each record those in a row of it, null where there is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for name in fields.column_names:
            if fields.num_rows:
                taken = pc.if_else(pa.array(there), fields[name].take(pa.array(rows)), pa.scalar(None, pa.binary()))
                self._set(name, taken)

    def _set(self, name: str, column: pa.Array | pa.ChunkedArray) -> None:
        fields = self.found.fields
        if name in fields.column_names:
            fields = fields.set_column(fields.column_names.index(name), name, column)
        else:
            fields = fields.append_column(name, column)
        self.found = self.found._replace(fields=fields)

    def parts(self, name: str, patterns: Sequence[str] = (DATED,)) -> pa.Table:
        """Return a column's dates and clocks taken apart (`year` and so on, bytes), by the first pattern that fits a text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = ("year", "month", "day", "clock", "fraction", "zone")
        found = dict.fromkeys(names, pa.nulls(self.count, pa.binary()))
        column = array_of(self.raw(name))
        rows = shape(column)
        for pattern in patterns:
            parts = parts_of(column, pattern, rows)
            known = {parts.type.field(place).name: parts.field(place) for place in range(parts.type.num_fields)}
            if parts.null_count == 0 and found["clock"].null_count == self.count:  # most listings write all times alike
                found |= {each: known[each] for each in names if each in known}
            elif parts.null_count < self.count:
                found |= {
                    each: pc.coalesce(found[each], pc.struct_field(parts, [each])) for each in names if each in known
                }
            if found["clock"].null_count == 0:
                break
        # what does not fit has no year: it is no time without a year, of which one would be guessed
        lost = pa.array(found["clock"].is_null().to_numpy(zero_copy_only=False))
        found["year"] = pc.if_else(lost, pa.scalar(b"0001", pa.binary()), found["year"])
        return pa.table({each: pc.fill_null(found[each], pa.scalar(b"", pa.binary())) for each in names})

    def times(
        self,
        name: str,
        *,
        path: str | os.PathLike,
        near: pd.Timestamp | None = None,
        patterns: Sequence[str] = (DATED,),
    ) -> pd.Series:
        """Return a column of dates and clocks as times, read as UTC where they name no zone; a caveat says so.

        Parameters
        ----------
        name
            Of the column.
        path
            The file, whose time of modification tells a year that is missing.
        near
            A time close to which the listing was written.
        patterns
            How the times look, with the groups that `printed_times` takes.
        """
        return self.stamped(self.parts(name, patterns), path=path, near=near)

    def stamped(self, parts: pa.Table, *, path: str | os.PathLike, near: pd.Timestamp | None = None) -> pd.Series:
        """Return times of their parts; see `times`."""
        if not self.count:
            return self.timeless()
        _, record, start, _ = self.found
        return printed_times(parts, record, start, path=path, label=self.label, near=near, caveats=self.caveats)

    def numbers_of_time(self, name: str, unit: str) -> pd.Series:
        """Return a column of whole numbers since 1970, in `unit` (``s``, ``ms``, ``us``), as times."""
        values = self.whole(name, most=9_200_000_000 * {"s": 1, "ms": 1000, "us": 1_000_000}[unit])
        stamps = values.fillna(0).to_numpy(np.int64).astype(f"datetime64[{unit}]").astype("datetime64[ns]")
        stamps[values.isna().to_numpy()] = np.datetime64("NaT", "ns")
        return utc_times(stamps)

    def say(self, kind: str, said: str, record: int | None = None) -> None:
        """Note something about the listing."""
        self.caveats.append(Caveat(self.label, record, None, kind, f"{printable(self.label)}: {said}"))

    def timeless(self) -> pd.Series:
        """Return a column without times."""
        return utc_times(np.full(self.count, "NaT", "datetime64[ns]"))

    def _none(self, dtype: str) -> pd.Series:
        return pd.Series(pd.arrays.IntegerArray(np.zeros(self.count, dtype.lower()), np.ones(self.count, bool)))

    def _odd(self, name: str, missing: np.ndarray, said: str) -> None:
        """Note the values that are there and are missing in the table."""
        import pyarrow.compute as pc

        column = self.found.fields[name]
        if column.null_count:
            missing = missing & column.is_valid().to_numpy()
        if not missing.any():
            return
        places = np.flatnonzero(missing)
        column = column.take(places)
        there = pc.fill_null(pc.match_substring_regex(column, pattern=r"[^\s]"), False)
        places, column = places[there.to_numpy(zero_copy_only=False)], column.filter(there)
        for place, value in zip(
            places[: self._numbers.most].tolist(), column.slice(0, self._numbers.most), strict=False
        ):
            text = printable(whole_text(value.as_py()))[:60]
            self._numbers.add(
                int(self.found.record[place]),
                int(self.found.start[place]),
                f"has {text!r} as its {printable(name)}, {said}; it is missing",
            )
        if len(places) > self._numbers.most:
            at = places[self._numbers.most]
            more = len(places) - self._numbers.most
            self._numbers.add_unseen(more, int(self.found.record[at]), int(self.found.start[at]))


def worded(words: np.ndarray) -> pd.Categorical:
    """Return an array of words as a categorical; empty ones are missing."""
    codes, known = pd.factorize(np.asarray(words, object))
    place = np.array([-1 if not each else row for row, each in enumerate(known)] + [-1])
    found = pd.Categorical.from_codes(place[codes], categories=pd.Index(known, dtype="str"))
    return found.remove_unused_categories()


def flags(text: bytes) -> float | None:
    """Return the number of TCP flags written as letters, such as ``...AP.SF`` or ``FSPA``; also as digits, or ``0x1b``."""
    text = text.strip().upper()
    if not text:
        return None
    if text.startswith(b"0X"):
        return float(int(text, 16)) if len(text) <= 4 and text[2:].isalnum() and _is_hex(text[2:]) else None
    if text.isdigit():
        return float(int(text)) if len(text) <= 3 and int(text) < 256 else None
    letters = text.replace(b".", b"")
    if all(each in _FLAGS + b"W" for each in letters):
        # nfdump has C for CWR, Argus W
        bits = {each: 1 << place for place, each in enumerate(_FLAGS)} | {ord("W"): 128}
        return float(sum({bits[each] for each in letters}))
    return None


def _is_hex(text: bytes) -> bool:
    return bool(text) and all(each in b"0123456789ABCDEF" for each in text)
