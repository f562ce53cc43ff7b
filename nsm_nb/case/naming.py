"""The name that the evidence gives to an address, looked for when somebody asks for the first one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

__all__ = ["Named"]


class Named(Mapping[str, str]):
    """Address to name: the first of those that the evidence gives.

    Parameters
    ----------
    table
        Returns the table of `nsm_nb.full_content.names`.
    """

    def __init__(self, table: Callable[[], pd.DataFrame]):
        self._table = table
        self._made: dict[str, str] | None = None

    @property
    def _names(self) -> dict[str, str]:
        if self._made is None:
            first = self._table().drop_duplicates("address")
            self._made = dict(zip(first["address"].astype(str), first["name"].astype(str), strict=True))
        return self._made

    def __getitem__(self, address: str) -> str:
        return self._names[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
