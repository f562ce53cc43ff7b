"""Events of JSON lines as a table: a column for each field, named by its path."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.json_lines import mended
from nsm_nb.formats.lines import Lines
from nsm_nb.schema import ADDRESS, TIME, Caveat, Column, Schema

__all__ = ["event_table"]

_EVENT = Schema(
    "events",
    {
        "time": Column(TIME, "what the sensor stamped"),
        "sensor": Column("category", "the sensor that saw it"),
        "proto": Column("category", "tcp, udp, icmp ..."),
        "src_ip": Column(ADDRESS, "source that the sensor names"),
        "src_port": Column("UInt16", "port of src"),
        "dst_ip": Column(ADDRESS, "destination that the sensor names"),
        "dst_port": Column("UInt16", "port of dst"),
        "community_id": Column("str", "Community ID v1, seed 0"),
        "evidence": Column("category", "the file"),
        "record": Column("Int64", "line number in the evidence, from 1"),
        "source": Column("category", "the format"),
    },
)
# what stands in the columns above
_TAKEN = {"timestamp", "host", "proto", "src_ip", "src_port", "dest_ip", "dest_port", "community_id", "event_type"}
_MOST_COLUMNS = 500  # a line of keys that nobody wrote before must not make a table without end
_LEAST_COLUMNS = 60  # Suricata's widest, besides statistics, has 45
_MOST_CELLS = 100_000_000
_DEEPEST = 8
_INT64 = 2**63


def event_table(
    path: str | os.PathLike, common: dict[str, Any], start: np.ndarray, label: str, caveats: list[Caveat]
) -> pd.DataFrame:
    """Return the events in some lines of a file.

    Parameters
    ----------
    path
        The file.
    common
        The columns that all events have; `record` says which lines.
    start
        Where these lines start.
    label
        The evidence.
    caveats
        What was noticed before.

    Returns
    -------
    DataFrame
        Lists stand in their column as JSON; so do objects more than eight deep, and, in the column `other` (`event.other`
        where a field has that name), what is more than 500 columns (fewer, where there are over 200,000 rows).
    """
    record = common["record"]
    values: dict[str, list[Any]] = {}
    others: dict[int, str] = {}
    most = min(_MOST_COLUMNS, max(_LEAST_COLUMNS, _MOST_CELLS // max(len(record), 1)))
    for row, line in enumerate(_lines(path, record)):
        event, other = _event(line), {}
        for name, value in _flat("", event if isinstance(event, dict) else {}, 0):
            if name in _TAKEN:
                continue
            known = values.get(name)
            if known is None:
                if len(values) >= most:
                    other[name] = value
                    continue
                known = values[name] = [None] * len(record)
            known[row] = value
        if other:
            others[row] = json.dumps(other)
    table = columns.conformed(_EVENT, common, record, start, label, caveats)
    if others:
        values[_free("other", values, table)] = [others.get(row) for row in range(len(record))]
    # a field that is called as a column of all tables is called so behind "event."
    extra = {_free(name, (), table) if name in table else name: _typed(each) for name, each in values.items()}
    result = pd.concat([table, pd.DataFrame(extra, index=table.index)], axis=1)
    result.attrs = dict(table.attrs)
    return result


def _free(name: str, *taken: Container[str]) -> str:
    """Return a name, behind "event." as often as it needs to be one that is not taken."""
    while any(name in each for each in taken):
        name = f"event.{name}"
    return name


def _event(line: bytes) -> Any:
    if b"\\ud" not in line and b"\\uD" not in line:  # a lone surrogate would be no text
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            pass
    text, _ = mended(line)
    return json.loads(text) if text is not None else {}


def _lines(path: str | os.PathLike, record: np.ndarray) -> Iterator[bytes]:
    """Yield the lines of some numbers, which ascend."""
    with Lines(path) as lines:
        for block in lines:
            first, last = np.searchsorted(record, [block.record, block.record + len(block.starts) - 1])
            for number in record[first:last].tolist():
                line = block.line(number - block.record)
                yield line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if last == len(record):
                return


def _flat(prefix: str, value: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, each in value.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(each, dict) and depth < _DEEPEST:
            yield from _flat(name, each, depth + 1)
        elif each is not None:
            yield name, json.dumps(each, ensure_ascii=False) if isinstance(each, (dict, list)) else each


def _typed(values: list[Any]) -> pd.Series:
    """Return values of one kind as a column of that kind, else as text."""
    kinds = {type(each) for each in values if each is not None}
    if kinds == {bool}:
        return pd.Series(values, dtype="boolean")
    if kinds == {int} and all(each is None or -_INT64 <= each < _INT64 for each in values):
        return pd.Series(pd.array(values, dtype="Int64"))
    if kinds <= {int, float} and kinds:
        return pd.Series([np.nan if each is None else float(each) for each in values])
    texts = [each if each is None or isinstance(each, str) else json.dumps(each) for each in values]
    return pd.Series(pd.array(texts, dtype="str"))
