"""The queue on the screen: in one grid, or a grid for each band of priorities as Sguil's panes; one of them has the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.grid import Grid

__all__ = ["BACK", "BANDS", "Panes"]

#: Where the keyboard goes back to: the pane with the cursor, else the first.
BACK = [".nsm-queue [aria-activedescendant]", '.nsm-queue [role="grid"]']

#: Sguil's panes: the priorities of each; what has none is with the last.
BANDS = {"priority 1": (1, 1), "priority 2 and 3": (2, 3), "priority 4 and lower": (4, None)}
_HEIGHT, _LOW = 380, 174  # pixels of the one grid, and of each of three


class Panes(ipywidgets.VBox):
    """A table of groups in one grid or three; `grid` is the one with the cursor.

    Parameters
    ----------
    columns
        A function from the table to its columns.
    style
        As of a `Grid`.
    listens
        Keys to be told of.
    """

    def __init__(
        self,
        *,
        columns: Callable[[pd.DataFrame], Sequence[Field]],
        style: Callable[[Mapping], Mapping[str, str]],
        listens: Sequence[str],
        label: str,
        table: pd.DataFrame,
    ):
        self._columns, self._style, self._listens, self._label = columns, style, list(listens), label
        self._table, self._empty = table, ""
        self._quiet = False
        self._at = 0
        self._on: dict[str, list[Callable[..., object]]] = {
            "key": [],
            "choose": [],
            "mark": [],
            "cell": [],
            "activate": [],
        }
        self.parted = False
        self.grids: list[Grid] = []
        super().__init__()
        self.add_class("nsm-queue")
        self._make()

    def _make(self) -> None:
        old = self.grids
        bands = list(BANDS) if self.parted else [""]
        self.grids = [
            Grid(
                self._table.head(0), columns=self._columns(self._table.head(0)), style=self._style, identity="group",
                cells=True, narrow=True,
                height=_LOW if self.parted else _HEIGHT, filterable=not self.parted, fit=self.parted, listens=self._listens,
                label=f"{self._label}, {band}" if band else self._label, empty=self._said(band),
            )
            for band in bands
        ]  # fmt: skip
        for place, grid in enumerate(self.grids):
            grid.observe(partial(self._chosen, place), "active")
            grid.observe(lambda change: self._tell("mark"), "selected")
            grid.observe(lambda change: self._tell("cell"), "column")
            grid.on_key(partial(self._pressed, place))
            grid.on_activate(lambda position: self._tell("activate"))
        self._at = 0
        self.children = tuple(self.grids)
        for grid in old:
            grid.close()

    def _said(self, band: str) -> str:
        return f"{band}: {self._empty}" if band else self._empty

    # --- the table

    @property
    def table(self) -> pd.DataFrame:
        """All groups; setting others keeps the cursor where it makes sense, else it goes to the pane that has some."""
        return self._table

    @table.setter
    def table(self, table: pd.DataFrame) -> None:
        self._table = table
        with self.quietly():
            for grid, part in zip(self.grids, self._parts(), strict=True):
                grid.show(part, columns=self._columns(part))
            if self.grid.active is None and self.parted:
                self._at = next((place for place, grid in enumerate(self.grids) if grid.active is not None), self._at)

    def _parts(self) -> list[pd.DataFrame]:
        if not self.parted:
            return [self._table]
        priority = self._table["priority"].to_numpy(np.int64, na_value=np.iinfo(np.int64).max)
        parts = []
        for low, high in BANDS.values():
            inside = np.flatnonzero(
                (priority >= low) & (priority <= (np.iinfo(np.int64).max if high is None else high))
            )
            part = self._table.take(inside)
            parts.append(part.set_axis(pd.RangeIndex(len(part))))
        return parts

    @property
    def empty(self) -> str:
        """What is said where there is no group."""
        return self._empty

    @empty.setter
    def empty(self, text: str) -> None:
        self._empty = text
        for grid, band in zip(self.grids, list(BANDS) if self.parted else [""], strict=True):
            grid.empty = self._said(band)

    def part(self, parted: bool) -> None:
        """Show a pane for each band of priorities, or all in one."""
        if parted == self.parted:
            return
        row = self.row
        self.parted = parted
        with self.quietly():
            self._make()
            self.table = self._table
            if row is not None:
                self.go_to(str(row["group"]))
        self._tell("choose")

    # --- the cursor

    @property
    def grid(self) -> Grid:
        """The grid with the cursor."""
        return self.grids[self._at]

    @property
    def row(self) -> pd.Series | None:
        """The group with the cursor, or None."""
        return self.grid.row

    @property
    def chosen(self) -> pd.DataFrame:
        """The marked groups; where none is, the one with the cursor."""
        marked = [grid.table.iloc[grid.selected] for grid in self.grids if grid.selected]
        if marked:
            return pd.concat(marked, ignore_index=True)
        return self.grid.table.iloc[self.grid.chosen]

    @property
    def view(self) -> pd.DataFrame:
        """All groups that are shown, those out of sight too."""
        return pd.concat([grid.view() for grid in self.grids], ignore_index=True) if self.parted else self.grid.view()

    def go_to(self, group: str) -> bool:
        """Bring the cursor to a group; return whether it is there."""
        for place, grid in enumerate(self.grids):
            found = np.flatnonzero((grid.table["group"] == group).to_numpy(bool, na_value=False))
            if len(found) and int(found[0]) in grid.places:
                self._at = place
                grid.active = int(found[0])
                return True
        return False

    def step(self) -> None:
        """Go to the next group, if there is one."""
        places = self.grid.places
        here = np.flatnonzero(places == (-1 if self.grid.active is None else self.grid.active))
        at = int(here[0]) + 1 if len(here) else 0
        if at < len(places):
            self.grid.active = int(places[at])

    def start(self) -> None:
        """Put the cursor on the first group where it is nowhere, in the pane of the worst priority that has any."""
        if self.grid.active is None:
            self._at = next((place for place, grid in enumerate(self.grids) if len(grid.places)), 0)
            if len(self.grid.places):
                self.grid.active = int(self.grid.places[0])

    def unmark(self) -> None:
        """Take all marks away."""
        for grid in self.grids:
            grid.selected = []

    def ask(self) -> None:
        """Bring the keyboard back to the pane with the cursor."""
        self.grid.ask()

    def fallback(self) -> str:
        """Return the panes as HTML for where no widget can live; everything is escaped."""
        return "".join(grid.fallback() for grid in self.grids)

    # --- what happens

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Change the panes without telling of it."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def on(self, what: str, callback: Callable[..., object]) -> None:
        """Have a function called on a ``key``, on ``activate``, or where the cursor or marks change: ``choose cell mark``."""
        self._on[what].append(callback)

    def _tell(self, what: str, *words: Any) -> None:
        if not self._quiet:
            for callback in self._on[what]:
                callback(*words)

    def _chosen(self, place: int, change: dict) -> None:
        active = change["new"]
        if self._quiet or (active is None and place != self._at):
            return
        if active is not None and place != self._at:
            self._at = place
            with self.quietly():
                for grid in self.grids:
                    if grid is not self.grid:
                        grid.active = None
        self._tell("choose")

    def _pressed(self, place: int, key: str) -> None:
        if self.grids[place].active is not None:
            self._at = place
        self._tell("key", key)
