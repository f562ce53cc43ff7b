"""Lines of a listing that a pattern takes apart, those whose columns are named alike together, in whatever order they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsm_nb.formats.byte_columns import texts_in
from nsm_nb.formats.worded import by_words, fits

if TYPE_CHECKING:
    import pyarrow as pa

    from nsm_nb.formats.lines import Block
    from nsm_nb.formats.tabular import Layout, Named

__all__ = ["by_ways"]


def by_ways(
    block: Block, named: Named, texts: pa.Array, layout: Layout, wanted: Sequence[str], bare: bool
) -> tuple[dict[str, pa.Array], np.ndarray, np.ndarray]:
    """Return the columns of the lines that match, those of each way to name columns together; which these are, which neither."""
    import pyarrow as pa

    whole, strange = (np.zeros(len(texts), bool) for _ in range(2))
    among = np.flatnonzero(~named.header)
    among = among[np.argsort(named.way[among], kind="stable")]
    found: list[dict[str, pa.Array]] = []
    rows: list[np.ndarray] = []
    for group in np.split(among, np.flatnonzero(np.diff(named.way[among])) + 1) if len(among) else ():
        first, last = int(group[0]), int(group[-1])
        if last - first + 1 == len(group):  # as where a listing has one header
            buffer, starts, lines = block.buffer, block.starts[first : last + 2], texts.slice(first, len(group))
        else:
            lines = texts.take(pa.array(group))
            buffer, starts = (each.copy() for each in texts_in(lines))
        columns, mine, odd = _by_words_and_pattern(
            buffer, starts.astype(np.int64), lines, layout, named.ways[named.way[first]] or (), wanted,
            bare and last == len(texts) - 1,
        )  # fmt: skip
        whole[group[mine]] = strange[group[odd]] = True
        found.append(columns)
        rows.append(group[mine])
    if len(found) == 1:
        return found[0], whole, strange
    if not found:
        return {}, whole, strange
    tables = [
        pa.table(columns or {wanted[0]: pa.nulls(len(mine), pa.binary())})
        for columns, mine in zip(found, rows, strict=True)
    ]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    table = table.take(pa.array(np.argsort(np.concatenate(rows), kind="stable")))
    return {name: table[name].combine_chunks() for name in table.column_names}, whole, strange


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
