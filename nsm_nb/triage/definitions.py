"""How the tables of a ledger were made, to be held against how they are: a table that was remade may lack its key.

A definition is a list of lines, a line a column, key or index, in lower case. What a database says of its tables is brought
into the same words by its store.

*Source*: sqlite.org/schematab.html (the statement is kept as it was written); PostgreSQL 15, 53.7 and 53.11 (pg_attribute,
pg_class); MariaDB 10.11, "Information Schema COLUMNS Table".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from nsm_nb.text import printable
from nsm_nb.triage import tables

__all__ = ["Definitions", "columns_made", "first_difference", "lines_of", "statements_made"]

Definitions = Mapping[str, Sequence[str]]
"""The lines of each table, and of what else there is, by its name."""

_NEW_IN_2 = frozenset(step.name for step in tables.STEPS[2] if isinstance(step, sa.Table))


def lines_of(statement: str) -> list[str]:
    """Return what a CREATE statement says: its head, then a line a column or key, without quotes, in lower case."""
    head, _, rest = re.sub(r'["`\[\]]', "", statement).partition("(")
    body, _, tail = rest.rpartition(")")
    lines = [head, *re.split(r",(?![^()]*\))", body), tail]
    return [text for line in lines if (text := re.sub(r"\s*([(),])\s*", r"\1", " ".join(line.split())).lower())]


def _made(version: int) -> list[sa.Table]:
    """Return the tables of a ledger of some version, with the columns they had then."""
    if version > 1:
        return list(tables.metadata.sorted_tables)
    made = []
    for table in tables.metadata.sorted_tables:
        if table.name in _NEW_IN_2:
            continue
        columns = tables.verdicts_of(version) if table.name == "verdicts" else list(table.columns)
        then = sa.Table(table.name, sa.MetaData(), *map(_again, columns), sqlite_autoincrement=table.name == "verdicts")
        for index in table.indexes:
            sa.Index(str(index.name), *(then.c[column.name] for column in index.columns))
        made.append(then)
    return made


def _again(column: sa.ColumnElement) -> sa.Column:
    same: sa.Column = column  # type: ignore[assignment]
    return sa.Column(same.name, same.type, primary_key=same.primary_key, nullable=same.nullable)


def statements_made(version: int, dialect: sa.Dialect) -> dict[str, list[str]]:
    """Return the lines of the statements that made the tables and indexes of a ledger of some version."""
    made = {}
    for table in _made(version):
        made[table.name] = lines_of(str(CreateTable(table).compile(dialect=dialect)))
        for index in table.indexes:
            made[str(index.name)] = lines_of(str(CreateIndex(index).compile(dialect=dialect)))
    return made


def columns_made(version: int, dialect: sa.Dialect) -> dict[str, list[str]]:
    """Return a line a column of the tables of a ledger of some version: its name, its type, what it demands."""
    made: dict[str, list[str]] = {}
    for table in _made(version):
        made[table.name] = []
        for column in table.columns:
            kind = column.type.compile(dialect=dialect).lower()
            demands = "" if column.nullable else " not null"
            made[table.name].append(f"{column.name} {kind}{demands}{' primary key' if column.primary_key else ''}")
    return made


def first_difference(found: Definitions, made: Definitions) -> str:
    """Return the first thing that is not as it was made, as the rest of a sentence; "" where all is."""
    for name in made:
        there = found.get(name)
        if there is None:
            return f"{name} is gone"
        if list(there) == list(made[name]):
            continue
        was = next((line for line in made[name] if line not in there), None)
        now = next((line for line in there if line not in made[name]), None)
        if was is None and now is None:
            return f"the parts of {name} are in another order"
        if was is None or now is None:
            return f"{name} has {printable(now)!r} besides" if now is not None else f"{name} lacks {was!r}"
        return f"{name} has {printable(now)!r} where {was!r} was made"
    other = sorted(set(found) - set(made))
    return f"{printable(other[0])} was put in" if other else ""
