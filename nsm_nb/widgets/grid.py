"""A grid over any DataFrame: rows go to the browser window by window, so that a million are shown at once.

Sorting and filtering happen here, on the whole table; the browser gets the text of the rows that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from nsm_nb.text import many
from nsm_nb.widgets import cells, order
from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.lines import plain_table, with_fallback
from nsm_nb.widgets.style import module, sheet

__all__ = ["Grid"]

_FALLBACK_ROWS = 20
_MOST_ROWS = 1_000  # asked for at once
_BLOCK = 100  # as in rows.js


class Grid(anywidget.AnyWidget):
    """A table to walk: `active` is the row with the cursor, `selected` are the marked ones, as positions in `table`.

    Click, arrows, PageUp/Down, Home/End, j and k move the cursor; x, Ctrl-click and Shift-click mark; Enter or a
    double click activates; a click on a heading sorts.

    Parameters
    ----------
    table
        Any DataFrame; it is not changed.
    columns
        Names or `Field`, in the order to show; all where it is None.
    style
        A pure function from a row (a mapping) to class names of `cells.CLASSES` by column ("" is the whole row).
    identity
        The column that tells rows apart: with it, `active` and `selected` follow their rows when `table` is replaced.
    listens
        Further keys to be told of, such as ``F1`` or ``Shift+F1``; the browser does not act on them.

    Examples
    --------
    >>> grid = Grid(pd.DataFrame({"dst_port": [445, 80, None], "octets": [10, 30, 20]}))
    >>> grid.sort = ("octets", "descending")
    >>> grid.active = 0
    >>> int(grid.row["octets"]), grid.places.tolist()
    (10, [1, 2, 0])
    """

    _esm = module("rows.js", "grid.js")
    _css = sheet("grid.css")

    active = traitlets.Int(None, allow_none=True, help="position in the table of the row with the cursor")
    selected = traitlets.List(traitlets.Int(), help="positions in the table of the marked rows")
    cells = traitlets.Bool(False, help="the cursor stands in a cell: a click or the arrows say in which").tag(sync=True)
    column: Any = traitlets.Unicode(None, allow_none=True, help="name of the column in which the cursor stands")
    sort = traitlets.Tuple(
        traitlets.Unicode(), traitlets.Enum(["ascending", "descending"]), default_value=None, allow_none=True
    ).tag(sync=True)
    filter = traitlets.Unicode(help="words that a row must hold").tag(sync=True)
    filterable = traitlets.Bool(False, help="with a box to filter in").tag(sync=True)
    key = traitlets.Dict(help="the last of `listens` that was pressed, numbered")
    listens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    narrow = traitlets.Bool(False, help="cut the last column rather than be wider than the place").tag(sync=True)
    height = traitlets.Int(320).tag(sync=True)
    fit = traitlets.Bool(False, help="no higher than its rows").tag(sync=True)
    label = traitlets.Unicode("table", help="ARIA label").tag(sync=True)
    empty = traitlets.Unicode("no rows", help="what an empty table says").tag(sync=True)

    _columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    _count = traitlets.Int(0).tag(sync=True)
    _total = traitlets.Int(0).tag(sync=True)
    _version = traitlets.Int(0).tag(sync=True)
    _place: traitlets.Dict = traitlets.Dict({"version": 0, "active": None, "picked": [], "column": None}).tag(sync=True)

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        columns: Sequence[str | Field] | None = None,
        style: Callable[[Mapping], Mapping[str, str]] | None = None,
        identity: str | None = None,
        **traits: Any,
    ):
        self._wanted = columns
        self.style = style
        self._identity = identity
        self._telling = False  # the browser's own place is being taken over
        self._on_key: list[Callable[[str], object]] = []
        self._on_activate: list[Callable[[int], object]] = []
        self._take(table)
        super().__init__(**traits)
        self.on_msg(self._told)
        self._arrange()

    # --- the table ---

    @property
    def table(self) -> pd.DataFrame:
        """The table; setting another keeps the sort, the filter, and the cursor where it makes sense."""
        return self._table

    @table.setter
    def table(self, table: pd.DataFrame) -> None:
        names, place = self._names(), self._view_of(self.active)
        active = names.take([self.active]) if names is not None and self.active is not None else None
        selected = names.take(self.selected) if names is not None else None
        self._take(table)
        with self.hold_sync():
            self._arrange(follow=False)
            found = self._names()
            self.selected = _where(found, selected)
            here = _where(found, active)
            if here and self._view_of(here[0]) is not None:
                self.active = here[0]
            elif place is not None and len(self.places):
                self.active = int(self.places[min(place, len(self.places) - 1)])  # the next one takes its place
            else:
                self.active = None
            self._tell_place()
        if self.comm is not None and len(self._places):  # sent along: the browser need not ask, and wait
            start = (self._view_of(self.active) or 0) // _BLOCK * _BLOCK
            self._send_rows(start, start + _BLOCK)

    def show(self, table: pd.DataFrame, *, columns: Sequence[str | Field] | None) -> None:
        """Show another table with other columns."""
        self._wanted = columns
        self.table = table

    def _take(self, table: pd.DataFrame) -> None:
        named = any(name is not None for name in table.index.names)
        self._table = table.reset_index() if named else table
        self._fields = cells.fields(self._table, self._wanted)

    def _names(self) -> pd.Series | None:
        if self._identity is None or self._identity not in self._table:
            return None
        return self._table[self._identity]

    @property
    def places(self) -> np.ndarray:
        """Positions in the table of the rows shown, in their order."""
        return self._places

    @property
    def row(self) -> pd.Series | None:
        """The row with the cursor, or None."""
        return None if self.active is None else self._table.iloc[self.active]

    @property
    def chosen(self) -> list[int]:
        """The marked rows; where none is, the row with the cursor."""
        return list(self.selected) or ([] if self.active is None else [self.active])

    def view(self) -> pd.DataFrame:
        """Return the rows that are shown, in their order."""
        return self._table.iloc[self._places]

    # --- order ---

    def _arrange(self, *, follow: bool = True) -> None:
        names = [field.name for field in self._fields]
        places = np.arange(len(self._table))
        if self.sort is not None and self.sort[0] in names:
            column = cells.column_of(self._table, self.sort[0])
            places = order.sorted_places(column, descending=self.sort[1] == "descending")
        if self.filter.strip():
            columns = [cells.column_of(self._table, name) for name in names]
            keep = np.zeros(len(self._table), bool)
            keep[order.matching(pd.concat(columns, axis=1), self.filter)] = True
            places = places[keep[places]]
        self._places = places
        self._back: np.ndarray | None = None
        with self.hold_sync():
            self._columns = [
                {"name": each.name, "title": each.title, "meaning": each.meaning, "width": each.width,
                 "right": each.right, "code": each.code}
                for each in self._fields
            ]  # fmt: skip
            self._count, self._total = len(places), len(self._table)
            self._version += 1
            if follow:
                if self.active is not None and self._view_of(self.active) is None:
                    self.active = None
                self._tell_place()

    def _view_of(self, position: int | None) -> int | None:
        if position is None or not 0 <= position < len(self._table):
            return None
        if self._back is None:
            self._back = np.full(len(self._table), -1, np.int64)
            self._back[self._places] = np.arange(len(self._places))
        place = int(self._back[position])
        return None if place < 0 else place

    @traitlets.observe("sort", "filter")
    def _rearrange(self, change: dict) -> None:
        if hasattr(self, "_places"):
            self._arrange()

    @traitlets.validate("sort")
    def _sortable(self, proposal: dict) -> tuple[str, str] | None:
        if proposal["value"] is not None:
            cells.column_of(self._table, proposal["value"][0])
        return proposal["value"]

    # --- the place of the reader ---

    @traitlets.observe("active", "selected", "column")
    def _moved(self, change: dict) -> None:
        if hasattr(self, "_places") and not self._telling:
            self._tell_place()

    def _tell_place(self) -> None:
        picked = [place for place in map(self._view_of, self.selected) if place is not None]
        self._place = {
            "version": self._version,
            "active": self._view_of(self.active),
            "picked": order.ranges(np.sort(np.array(picked, np.int64))),
            "column": next((place for place, each in enumerate(self._fields) if each.name == self.column), None),
        }

    @traitlets.observe("_place")
    def _placed(self, change: dict) -> None:
        place = change["new"]
        if hasattr(self, "_places") and place.get("version") == self._version:
            self._take_place(place)

    def _take_place(self, place: Mapping) -> None:
        count = len(self._places)
        picked = [self._places[max(0, low) : min(count, high + 1)] for low, high in place.get("picked") or ()]
        active: Any = place.get("active")
        column: Any = place.get("column")
        self._telling = True
        try:
            with self.hold_trait_notifications():
                known = isinstance(column, int) and 0 <= column < len(self._fields)
                self.column = self._fields[int(column)].name if known else None
                self.selected = np.unique(np.concatenate(picked)).tolist() if picked else []
                self.active = int(self._places[active]) if active is not None and 0 <= active < count else None
        finally:
            self._telling = False

    # --- messages ---

    def _told(self, _widget: Grid, content: dict, _buffers: Sequence) -> None:
        current = content.get("version") == self._version  # else it speaks of an order that is gone
        if content["type"] == "place":
            try:
                if current:
                    self._take_place(content)
            finally:
                self.send({"type": "placed"})
        elif not current:
            return
        elif content["type"] == "rows":
            start = max(0, int(content["start"]))
            stop = start + min(_MOST_ROWS, max(0, int(content["count"])))
            self._send_rows(start, stop)
        elif content["type"] == "key" and content.get("key") in self.listens:
            self._take_place(content)
            self.press(content["key"])
        elif content["type"] == "activate":
            self._take_place({**self._place, "active": content.get("active")})
            self.activate()

    def _send_rows(self, start: int, stop: int) -> None:
        self.send({"type": "rows", "version": self._version, "start": start, "rows": self.window(start, stop)})

    def window(self, start: int, stop: int) -> list[dict]:
        """Return the rows shown from `start` up to `stop`, as a browser gets them."""
        return cells.rows(self._table, self._places[start:stop], self._fields, self.style)

    def on_key(self, callback: Callable[[str], object]) -> None:
        """Have a function called with the name of each key pressed that is one of `listens`."""
        self._on_key.append(callback)

    def on_activate(self, callback: Callable[[int], object]) -> None:
        """Have a function called with the position of the row on which Enter or a double click happened."""
        self._on_activate.append(callback)

    def press(self, key: str) -> None:
        """Do what pressing one of `listens` does."""
        self.key = {"key": key, "number": self.key.get("number", 0) + 1}
        for callback in self._on_key:
            callback(key)

    def activate(self) -> None:
        """Do what Enter does on the row with the cursor."""
        if self.active is not None:
            for callback in self._on_activate:
                callback(self.active)

    def ask(self) -> None:
        """Bring the keyboard back to the grid."""
        self.send({"type": "focus"})

    # --- where no widget can live ---

    def fallback(self) -> str:
        """Return the first rows as a plain HTML table, everything escaped, for a notebook saved without its widgets."""
        shown = [row["texts"] for row in self.window(0, _FALLBACK_ROWS)]
        more = many(len(self._table), "row") + (
            f", the first {len(shown)} shown" if len(shown) < len(self._table) else ""
        )
        note = f"{more}; run the notebook to walk them."
        return plain_table([field.title for field in self._fields], shown, note)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)


def _where(names: pd.Series | None, wanted: pd.Series | None) -> list[int]:
    """Return the places of the names that are wanted, in order."""
    if names is None or wanted is None or not len(wanted):
        return []
    # one name is compared with all, without taking Arrow's strings apart
    found = names == wanted.iloc[0] if len(wanted) == 1 else names.isin(wanted.tolist())
    return np.flatnonzero(found.to_numpy(bool, na_value=False)).tolist()
