"""The index: what was read from one evidence, kept so that it opens in milliseconds.

One directory an evidence, named by its SHA-256 and the version of this layout. Packets lie in an uncompressed Arrow file
that is mapped, not loaded: each column as the numbers it is, masks and categories beside it, so that a table is made of
the mapped bytes without a copy. Sessions and alerts are Parquet. A directory is made under a temporary name and moved into
place; it can be deleted at any time.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.case.atomic import sync
from nsm_nb.schema import ALERTS, FLOWS, PACKETS, SESSIONS, Caveat, Schema, caveats_of, utc_times
from nsm_nb.text import many

__all__ = ["VERSION", "DamagedIndex", "Entry", "clean", "make"]

VERSION = 4
_TEMPORARY = ".part-"
_SCHEMAS: dict[str, Schema] = {"packets": PACKETS, "sessions": SESSIONS, "alerts": ALERTS}


class DamagedIndex(Exception):
    """A file of the index can't be read: it is not whole, or something else wrote it."""


class Entry:
    """The index of one evidence.

    Parameters
    ----------
    folder
        Of the index.
    sha256
        Of the evidence.
    """

    def __init__(self, folder: Path, sha256: str):
        self.place = folder / f"{sha256[:32]}-v{VERSION}"

    @property
    def there(self) -> bool:
        """True where it was made, whole."""
        try:
            self.meta()
        except DamagedIndex:
            return False
        return True

    def meta(self) -> dict[str, Any]:
        """Return rows, first and last time of each table, and the caveats.

        Raises
        ------
        DamagedIndex
            Where it was not made, or is no longer what was made.
        """
        try:
            meta = json.loads((self.place / "meta.json").read_bytes())
            spans = [(table["rows"], table["first"], table["last"]) for table in meta["tables"].values()]
            if all(isinstance(rows, int) for rows, _, _ in spans) and all(len(each) == 5 for each in meta["caveats"]):
                return meta
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            raise DamagedIndex(f"its index in {self.place} can't be read: {problem}") from problem
        raise DamagedIndex(f"its index in {self.place} is not as it was made")

    def remove(self) -> None:
        """Remove it from the disk, as far as it is there."""
        shutil.rmtree(self.place, ignore_errors=True)

    def caveats(self, label: str) -> list[Caveat]:
        """Return the caveats, under the evidence's label of today."""
        return [Caveat(label, *each[1:]) for each in self.meta()["caveats"]]

    def table(self, name: str, label: str) -> pd.DataFrame:
        """Return ``packets``, ``sessions`` or ``alerts``; packets are mapped from disk.

        Raises
        ------
        DamagedIndex
            Where the file can't be read.
        """
        try:
            table = _mapped(self.place / "packets.arrow") if name == "packets" else _parquet(self.place, name)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as problem:  # Arrow's errors are some of these
            raise DamagedIndex(f"its index in {self.place} can't be read: {problem}") from problem
        if len(table) != self.meta()["tables"][name]["rows"]:
            raise DamagedIndex(
                f"its index in {self.place} has {many(len(table), 'row')} of {name}, not those that were written"
            )
        table["evidence"] = pd.Categorical.from_codes(
            np.zeros(len(table), np.int8), dtype=pd.CategoricalDtype(pd.Index([label], dtype="str"))
        )
        return table[list(_schema(name, table).columns)]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return numbers that were kept beside the tables, mapped from disk.

        Raises
        ------
        DamagedIndex
            Where they can't be read.
        """
        try:
            batch = _open_ipc(self.place / f"{name}-more.arrow")
            return {each: batch.column(each).to_numpy(zero_copy_only=True) for each in batch.schema.names}
        except (OSError, ValueError, KeyError, IndexError) as problem:
            raise DamagedIndex(f"its index in {self.place} can't be read: {problem}") from problem


def make(
    folder: Path,
    sha256: str,
    tables: Mapping[str, pd.DataFrame],
    arrays: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> Entry:
    """Write the index of one evidence, whole or not at all; return it.

    Parameters
    ----------
    folder
        Of the index.
    sha256
        Of the evidence.
    tables
        Any of ``packets``, ``sessions``, ``alerts``; their caveats are kept once each.
    arrays
        Numbers to be kept beside them, by name: columns of one length each; `Entry.arrays` gives them back.

    Raises
    ------
    OSError
        Where it can't be written; nothing is left behind.
    """
    entry = Entry(folder, sha256)
    folder.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder, prefix=_TEMPORARY))
    try:
        meta: dict[str, Any] = {"tables": {}, "caveats": []}
        for name, table in tables.items():
            times = table["start" if name == "sessions" else "time"]
            first, last = (None, None) if times.isna().all() else (int(times.min().value), int(times.max().value))
            meta["tables"][name] = {"rows": len(table), "first": first, "last": last}
            meta["caveats"] += [each for each in map(list, caveats_of(table)) if each not in meta["caveats"]]
            write: Callable[[pd.DataFrame, Path], None] = _write_packets if name == "packets" else _write_parquet
            write(table, part / ("packets.arrow" if name == "packets" else f"{name}.parquet"))
        for name, columns in (arrays or {}).items():
            _write_ipc(_batch(columns), part / f"{name}-more.arrow")
        (part / "meta.json").write_text(json.dumps(meta, default=int))
        for file in part.iterdir():
            sync(file)
        part.chmod(0o755)
        if not entry.there:
            entry.remove()  # what is there without being whole would stand in the way for ever
        part.rename(entry.place)
        sync(folder)
    except OSError:
        if not entry.there:  # where it is, another process was quicker; the content is the same by its name
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return entry


def clean(folder: Path) -> None:
    """Remove what processes that were killed left behind."""
    for part in folder.glob(_TEMPORARY + "*"):
        # a directory that was not touched for an hour has no writer any more
        if part.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(part, ignore_errors=True)


def _write_packets(table: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa

    columns: dict[str, np.ndarray] = {}
    names: dict[str, pa.Array] = {}
    layout: dict[str, dict[str, Any]] = {}
    masks: dict[int, str] = {}
    shared: dict[int, str] = {}
    for name in PACKETS.columns:
        if name == "evidence":
            continue
        array = table[name].array
        if isinstance(array, pd.Categorical):
            columns[name] = np.asarray(array.codes)
            key = id(array.dtype.categories)
            if key not in shared:  # src_ip and dst_ip have the same categories
                shared[key] = name
                texts = pa.array(array.categories.to_numpy(dtype=object), pa.large_string())
                names[name] = pa.LargeListArray.from_arrays(pa.array([0, len(texts)], pa.int64()), texts)
            layout[name] = {"kind": "category", "names": shared[key], "ordered": bool(array.ordered)}
        elif isinstance(array, (pd.arrays.IntegerArray, pd.arrays.BooleanArray)):
            # the halves of a masked array have no public name; their constructor takes them, and so do we
            values, mask = array._data, array._mask
            columns[name] = values.view(np.uint8) if values.dtype == bool else values
            if mask.all():  # not a byte of it is kept
                layout[name] = {"kind": "absent", "dtype": values.dtype.name}
                del columns[name]
                continue
            if id(mask) not in masks:
                masks[id(mask)] = f"no {name}"
                columns[f"no {name}"] = mask.view(np.uint8)
            layout[name] = {"kind": "boolean" if values.dtype == bool else "integer", "mask": masks[id(mask)]}
        elif name == "time":
            columns[name] = table[name].dt.tz_localize(None).to_numpy().view(np.int64)
            layout[name] = {"kind": "time"}
        else:
            columns[name] = table[name].to_numpy()
            layout[name] = {"kind": "plain"}
    batch = _batch(columns).replace_schema_metadata({"layout": json.dumps(layout)})
    _write_ipc(batch, path)
    _write_ipc(pa.record_batch(names), path.with_name("names.arrow"))


def _batch(columns: Mapping[str, np.ndarray]) -> Any:
    import pyarrow as pa

    return pa.record_batch({name: pa.array(np.ascontiguousarray(values)) for name, values in columns.items()})


def _write_ipc(batch: Any, path: Path) -> None:
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _open_ipc(path: Path) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(os.fspath(path))).get_batch(0)


def _mapped(path: Path) -> pd.DataFrame:
    batch = _open_ipc(path)
    kept = _open_ipc(path.with_name("names.arrow"))
    layout = json.loads(batch.schema.metadata[b"layout"])
    column = {name: batch.column(name).to_numpy(zero_copy_only=True) for name in batch.schema.names}
    dtypes: dict[tuple[str, bool], pd.CategoricalDtype] = {}
    columns: dict[str, Any] = {}
    nowhere = np.ones(batch.num_rows, bool)
    nowhere.flags.writeable = False  # columns share it, and what is mapped can't be written to either
    for name, how in layout.items():
        if how["kind"] == "absent":
            kind = pd.arrays.BooleanArray if how["dtype"] == "bool" else pd.arrays.IntegerArray
            columns[name] = kind(np.zeros(batch.num_rows, how["dtype"]), nowhere, copy=False)
            continue
        values = column[name]
        if how["kind"] == "category":
            key = (how["names"], how["ordered"])
            if key not in dtypes:
                texts = kept.column(how["names"]).flatten()
                dtypes[key] = pd.CategoricalDtype(pd.Index(pd.array(texts, dtype="str")), ordered=how["ordered"])
            columns[name] = pd.Categorical.from_codes(values, dtype=dtypes[key], validate=False)
        elif how["kind"] == "integer":
            columns[name] = pd.arrays.IntegerArray(values, column[how["mask"]].view(bool), copy=False)
        elif how["kind"] == "boolean":
            columns[name] = pd.arrays.BooleanArray(values.view(bool), column[how["mask"]].view(bool), copy=False)
        elif how["kind"] == "time":
            # in memory, because every brush and every query goes through all times: from a mapped file that takes a fifth more
            columns[name] = utc_times(values.copy()).array
        else:
            columns[name] = values
    return pd.DataFrame(columns, copy=False)


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table = table.drop(columns="evidence")
    table.attrs = {}
    table.to_parquet(path, engine="pyarrow", compression="zstd", index=False)


def _parquet(place: Path, name: str) -> pd.DataFrame:
    table = pd.read_parquet(place / f"{name}.parquet", engine="pyarrow")
    table["evidence"] = ""
    return _schema(name, table).conform(table)


def _schema(name: str, table: pd.DataFrame) -> Schema:
    return FLOWS if name == "sessions" and "src_flags" in table else _SCHEMAS[name]
