"""How tables and files are written: as text, CSV, JSON lines or Parquet; whole or not at all."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_nb.cli.wording import spoken
from nsm_nb.errors import NsmError
from nsm_nb.text import csv_table, printable

if TYPE_CHECKING:
    import pandas as pd

    from nsm_nb.case import Case

__all__ = ["as_text", "print_lines", "print_parts", "print_table", "say", "write_file", "write_parts"]


def say(words: object) -> None:
    """Tell something that is no result: on stderr, every character visible."""
    print(printable(spoken(str(words))), file=sys.stderr)


def print_table(
    table: pd.DataFrame, chosen: argparse.Namespace, columns: list[str], *, case: Case | None = None
) -> None:
    """Write the rows of a table that were asked for, to the file that was asked for or to stdout.

    Parameters
    ----------
    table
        The table.
    chosen
        The call, with the options of `options.table`.
    columns
        Those that matter, which text has; the other formats have all.
    case
        The case whose evidence is not to be written over.
    """
    if chosen.out is not None and case is not None:
        case.spare(chosen.out)
    if getattr(chosen, "query", ""):
        from nsm_nb.query import query

        table = query(table, chosen.query)
    if chosen.format == "parquet":
        if chosen.out is None:
            raise NsmError("parquet is not text: say where to write it with --out FILE")
        plain = table.copy()
        plain.attrs = {}
        write_file(chosen.out, plain.to_parquet(index=False))
        return
    if chosen.format == "text":
        text = as_text(table[columns])
    elif chosen.format == "csv":
        text = csv_table(table).to_csv(index=False)
    else:
        rows = json.loads(table.to_json(orient="records", date_format="iso", date_unit="ns", default_handler=str))
        text = "".join(json.dumps(row) + "\n" for row in rows)
    if chosen.out is not None:
        write_file(chosen.out, text.encode())
    else:
        sys.stdout.write(text)


def print_lines(lines: Iterable[str], out: Path | None) -> None:
    """Write lines, of which there may be many, to a file or to stdout."""
    if out is not None:
        write_parts(out, (f"{each}\n".encode() for each in lines))
        return
    for each in lines:
        sys.stdout.write(f"{each}\n")


def print_parts(parts: Iterable[bytes], out: Path | None) -> None:
    """Write bytes, of which there may be many, to a file or to stdout."""
    if out is not None:
        write_parts(out, parts)
        return
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.flush()


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all; what is no file (a pipe, a device) is written to and not replaced."""
    from nsm_nb.case.atomic import write_bytes

    with _told(path):
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            write_bytes(Path(os.path.realpath(path)), data)


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file of any size whole, or not at all, for its owner's eyes; a pipe or a device is written to."""
    from nsm_nb.full_content.writing import write_whole

    with _told(path):
        write_whole(Path(os.path.realpath(path)), parts)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell what the system refuses in a sentence."""
    try:
        yield
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} can't be written: {printable(problem.strerror or problem)}; choose another place"
        ) from problem


def as_text(table: pd.DataFrame) -> str:
    """Return aligned columns, times to the microsecond, absent as a minus sign."""
    import pandas as pd

    shown = {}
    for name, column in table.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            cells = column.dt.strftime("%Y-%m-%d %H:%M:%S.%f").astype(object).where(column.notna(), "-")
        else:
            cells = column.astype(object).where(column.notna(), "-")
        cells = [printable(f"{cell:.6f}" if isinstance(cell, float) else cell) for cell in cells]
        width = max([len(str(name)), *map(len, cells)])
        number = pd.api.types.is_numeric_dtype(column.dtype)
        shown[name] = [cell.rjust(width) if number else cell.ljust(width) for cell in [str(name), *cells]]
    return "".join("  ".join(row).rstrip() + "\n" for row in zip(*shown.values(), strict=True))
