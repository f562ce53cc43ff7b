"""Tables of several evidence files as one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from nsm_nb.schema import ADDRESS, Schema, addresses

__all__ = ["together"]


def together(schema: Schema, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables, one after the other; one table comes back as it is, mapped if it was.

    Categories are united, so that the columns stay categorical; address columns share one dtype.
    """
    tables = [table for table in tables if len(table)] or list(tables[:1])
    if not tables:
        return schema.empty()
    if len(tables) == 1:
        return tables[0]
    names = [name for name, column in schema.columns.items() if column.dtype == ADDRESS]
    united = addresses(*(table[name] for table in tables for name in names))
    columns: dict[str, object] = {}
    for name in schema.columns:
        parts: list[pd.Series] = [table[name] for table in tables]
        if name in names:
            parts = [pd.Series(united[place * len(names) + names.index(name)]) for place in range(len(tables))]
            columns[name] = pd.concat(parts, ignore_index=True)
        elif any(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            columns[name] = pd.api.types.union_categoricals([_of_text(part) for part in parts], ignore_order=True)
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, copy=False)


def _of_text(part: pd.Series) -> pd.Categorical:
    # a column that is missing throughout has categories of no certain dtype
    values = pd.Categorical(part)
    return values.rename_categories(values.categories.astype("str"))
