"""The query lines of a case: those that ship, and the analyst's own, kept in ``queries.toml`` beside case.toml.

It is a small file of text, so that whoever shares the case's directory shares the queries, and may mend them by hand. Of
several who keep queries at once each reads what the others wrote, one after the other.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nsm_nb.case.atomic import alone, write_bytes
from nsm_nb.errors import CaseError
from nsm_nb.query import STANDARD, compile
from nsm_nb.text import printable

__all__ = ["FILE", "Kept", "drop", "keep", "read", "table"]

FILE = "queries.toml"
_LARGEST = 1_000_000  # bytes; a line is some hundred


class Kept(NamedTuple):
    """A query line that was kept under a name."""

    name: str
    line: str
    answers: str = ""


def read(folder: Path) -> list[Kept]:
    """Return the queries that are kept in a case, in the order of the file; none where there is no file.

    Raises
    ------
    CaseError
        Where the file can't be read.
    """
    place = folder / FILE
    try:
        if place.stat().st_size > _LARGEST:
            raise CaseError(
                f"{printable(place)} is larger than {_LARGEST:,} bytes; these are no query lines: move it away"
            )
        rows = tomllib.loads(place.read_text("utf-8")).get("query", [])
        kept = [Kept(*(each.get(name, "") for name in Kept._fields)) for each in rows]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, AttributeError, TypeError) as problem:
        raise CaseError(f"{printable(place)} can't be read: {printable(problem)}; mend it in an editor") from problem
    for each in kept:
        if not all(isinstance(part, str) for part in each) or not each.name:
            raise CaseError(f"{printable(place)} has a [[query]] without name and line as text; mend it in an editor")
    return kept


def keep(folder: Path, name: str, line: str, answers: str = "") -> None:
    """Keep a line under a name; the line that had the name is replaced.

    Raises
    ------
    QueryError
        Where the line can't be understood.
    CaseError
        Where the name is empty or that of a query that ships, or the file can't be written.
    """
    name = name.strip()
    if not name:
        raise CaseError("a query is kept under a name; give one")
    if name in {each.name for each in STANDARD}:
        raise CaseError(f"{printable(name)!r} is a query that ships; choose another name")
    compile(line)
    with alone(folder):
        kept = read(folder)
        names = [each.name for each in kept]
        if name in names:
            kept[names.index(name)] = Kept(name, line, answers)
        else:
            kept.append(Kept(name, line, answers))
        _write(folder, kept)


def drop(folder: Path, name: str) -> None:
    """Forget the line of a name.

    Raises
    ------
    CaseError
        Where no query of the case has that name, or the file can't be written.
    """
    with alone(folder):
        kept = read(folder)
        if name not in [each.name for each in kept]:
            raise CaseError(f"the case keeps no query {printable(name)!r}; case.queries lists them")
        _write(folder, [each for each in kept if each.name != name])


def table(folder: Path) -> pd.DataFrame:
    """Return all queries: `name`, `line`, `answers`, and `kept`, True for those of the case."""
    rows = [(*each, False) for each in STANDARD] + [(*each, True) for each in read(folder)]
    found = pd.DataFrame(rows, columns=[*Kept._fields, "kept"])
    return found.astype({**dict.fromkeys(Kept._fields, "str"), "kept": bool})


def _write(folder: Path, kept: list[Kept]) -> None:
    # JSON's strings are TOML's basic strings; what UTF-8 can't hold is kept as its escape, DEL as TOML wants it
    said = ["# Query lines of this case; those that ship are not here."]
    for each in kept:
        said += ["", "[[query]]"]
        for name, part in each._asdict().items():
            text = part.encode("utf-8", "backslashreplace").decode()
            said.append(f"{name} = {json.dumps(text, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    try:
        write_bytes(folder / FILE, ("\n".join(said) + "\n").encode())
    except OSError as problem:
        raise CaseError(f"the query can't be kept in {printable(folder)}: {printable(problem)}") from problem
