"""Counts over time, by protocol or whatever parts them, with alerts above and a window to brush and to zoom into.

`statistics.timeline` makes the table; the browser draws it and gives back the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from nsm_nb import colours
from nsm_nb.errors import NsmError
from nsm_nb.text import printable
from nsm_nb.widgets.cells import time
from nsm_nb.widgets.lines import plain_table, with_fallback
from nsm_nb.widgets.style import module, sheet

__all__ = ["Timeline"]

_MOST_BINS = 600  # more columns than this no screen shows apart
_MOST_NAMES = 6  # more colours than this no eye tells apart
_PRIORITIES = 5
_REST = ("other", "none", "no session")

Window = tuple[pd.Timestamp, pd.Timestamp]


class Timeline(anywidget.AnyWidget):
    """A timeline; `window` is what is brushed: two texts of nanoseconds since 1970, or None.

    Drag brushes, the window's edges and its middle can be moved, a double click or Escape gives it up. The window
    stands on whole bins; `zoom in` shows it alone, in finer bins. On the keyboard arrows read the bins, with Shift they
    brush, z and Z zoom in and out, l changes between columns and lines on a log scale.

    Parameters
    ----------
    table
        A time index of even steps (`statistics.timeline(packets, by="proto")`) and a column of counts for each name.
    alerts
        Rows with `time` and `priority`: marks above the columns.

    Examples
    --------
    >>> index = pd.date_range("2026-11-24T02:30:00Z", periods=3, freq="1s")
    >>> timeline = Timeline(pd.DataFrame({"tcp": [5, 0, 7]}, index=index))
    >>> timeline.bins["values"], timeline.bins["every"]
    ([[5, 0, 7]], '1000000000')
    """

    _esm = module("timeline.js")
    _css = sheet("timeline.css")

    window: Any = traitlets.List(traitlets.Unicode(), default_value=None, allow_none=True, minlen=2, maxlen=2).tag(
        sync=True
    )
    bins = traitlets.Dict().tag(sync=True)
    zooms: Any = traitlets.List(
        traitlets.List(traitlets.Unicode(), minlen=2, maxlen=2), help="the windows zoomed into, the innermost last"
    ).tag(sync=True)
    log = traitlets.Bool(False, help="lines on a log scale instead of stacked columns").tag(sync=True)
    unit = traitlets.Unicode("packets").tag(sync=True)
    by = traitlets.Unicode("protocol", help="what the colours tell apart")
    label = traitlets.Unicode("timeline", help="alternative text").tag(sync=True)
    height = traitlets.Int(190).tag(sync=True)
    empty = traitlets.Unicode("no packets: there is no time to show").tag(sync=True)

    def __init__(self, table: pd.DataFrame | None = None, *, alerts: pd.DataFrame | None = None, **traits: Any):
        self._table: pd.DataFrame | None = None
        self._alerts: pd.DataFrame | None = None
        self._finer: Callable[[Window | None], pd.DataFrame] = self._rows_of
        super().__init__(**traits)
        if table is not None:
            self.show(table, alerts=alerts)

    def show(
        self,
        table: pd.DataFrame,
        *,
        alerts: pd.DataFrame | None = None,
        finer: Callable[[Window | None], pd.DataFrame] | None = None,
    ) -> None:
        """Show another table; the window stays.

        Parameters
        ----------
        table
            As in the constructor, of the time that is zoomed into.
        alerts
            Rows with `time` and `priority`.
        finer
            Asked for the table of a window that is zoomed into (of all time where it is None); without it the table's
            own rows of the window are shown.

        Raises
        ------
        NsmError
            Where the table's index is not of time.
        """
        if not isinstance(table.index, pd.DatetimeIndex):
            raise NsmError(
                "a timeline needs a table with times as its index; make it with nsm.statistics.timeline(packets)"
            )
        self._table, self._alerts = table, alerts
        self._finer = finer or self._rows_of
        self._draw(table if finer else self._rows_of(self.view))

    def _rows_of(self, view: Window | None) -> pd.DataFrame:
        table = self._table if self._table is not None else pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))
        if view is None:
            return table
        return table.iloc[slice(*table.index.searchsorted(pd.DatetimeIndex(view)).tolist())]

    @traitlets.observe("zooms")
    def _zoomed(self, change: dict) -> None:
        if self._table is not None:
            self._draw(self._finer(self.view))

    def _draw(self, table: pd.DataFrame) -> None:
        starts, every, values = _bins(table)
        alerts = self._alerts
        lanes = [] if alerts is None or not len(starts) else _lanes(alerts, starts[0], every, values.shape[0])
        sums = values.sum(axis=0)
        rest = np.array([str(name) in _REST for name in table.columns], bool)
        largest = np.lexsort((np.arange(len(sums)), -sums, rest))  # the largest at the bottom, what is left on top
        names = [printable(table.columns[place]) for place in largest]
        values = values[:, largest]
        if len(names) > _MOST_NAMES:
            values = np.column_stack([values[:, : _MOST_NAMES - 1], values[:, _MOST_NAMES - 1 :].sum(axis=1)])
            names = [*names[: _MOST_NAMES - 1], "other"]
        with self.hold_sync():
            self.bins = {
                "start": str(int(starts[0])) if len(starts) else "0",
                "every": str(every),
                "names": names,
                "colours": [_colour(name, place, self.by) for place, name in enumerate(names)],
                "values": values.T.tolist(),
                "marks": lanes,
            }
            self.label = self._describe(starts, every, values, names, lanes)

    def _describe(self, starts: Any, every: int, values: Any, names: list, lanes: list) -> str:
        if not len(starts):
            return self.empty
        first, last = _stamp(starts[0]), _stamp(starts[-1] + every)
        busiest = int(values.sum(axis=1).argmax())
        counts = ", ".join(f"{name} {int(count):,}" for name, count in zip(names, values.sum(axis=0), strict=True))
        marks = ", ".join(f"{sum(lane['counts'])} of priority {lane['priority']}" for lane in lanes)
        return (
            f"{self.unit} by {self.by} from {first} to {last} UTC: {counts}; most, {int(values[busiest].sum()):,}, "
            f"at {_stamp(starts[busiest])}" + (f"; alerts: {marks}" if marks else "")
        )

    @property
    def times(self) -> Window | None:
        """The window as two times, or None."""
        return None if self.window is None else _times(self.window)

    @times.setter
    def times(self, window: Window | None) -> None:
        self.window = None if window is None else _texts(window)

    @property
    def view(self) -> Window | None:
        """What is zoomed into as two times, or None for all of the time."""
        return None if not self.zooms else _times(self.zooms[-1])

    def zoom_in(self) -> None:
        """Show the window alone, as the button does."""
        if self.window is not None:
            window = self.window
            with self.hold_sync():
                self.window = None
                self.zooms = [*self.zooms, window]

    def zoom_out(self) -> None:
        """Show what was shown before `zoom_in`, with the window that was zoomed into brushed."""
        if self.zooms:
            *outer, window = self.zooms
            with self.hold_sync():
                self.zooms = outer
                self.window = window

    def fallback(self) -> str:
        """Return the sums as a plain HTML table, for a notebook saved without its widgets."""
        names, values = self.bins.get("names", []), self.bins.get("values", [])
        cells = [[name, f"{sum(counts):,}"] for name, counts in zip(names, values, strict=True)]
        return plain_table([self.by, self.unit], cells, f"{self.label}; run the notebook to brush.")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)


def _times(texts: list[str]) -> Window:
    first, last = (pd.Timestamp(int(each), unit="ns", tz="UTC") for each in texts)
    return first, last


def _texts(window: Window) -> list[str]:
    return [str(pd.Timestamp(each).as_unit("ns").value) for each in window]


def _colour(name: str, place: int, by: str) -> str:
    """Return which of the fixed colours a name has: a protocol its own, other things by their rank."""
    if by == "protocol":
        return name if name in colours.PROTOCOL else "other"
    return "other" if name in _REST else list(colours.PROTOCOL)[min(place, len(colours.PROTOCOL) - 1)]


def _stamp(ns: int) -> str:
    return time(pd.Timestamp(int(ns), unit="ns", tz="UTC"))


def _bins(table: pd.DataFrame) -> tuple[np.ndarray, int, np.ndarray]:
    """Return the bins' starts, their length in nanoseconds and the counts, folded to what a screen shows."""
    starts = np.asarray(table.index, dtype="datetime64[ns]").view("int64")
    values = table.fillna(0).to_numpy(dtype="int64")
    alone = pd.Timedelta(table.attrs.get("every") or getattr(table.index, "freq", None) or "1s").value
    every = int(starts[1] - starts[0] if len(starts) > 1 else alone)
    fold = -(-len(starts) // _MOST_BINS) if len(starts) else 1
    if fold > 1:
        spare = -len(starts) % fold
        values = np.pad(values, ((0, spare), (0, 0))).reshape(-1, fold, values.shape[1]).sum(axis=1)
        starts, every = starts[::fold], every * fold
    return starts, every, values


def _lanes(alerts: pd.DataFrame, start: int, every: int, count: int) -> list[dict]:
    """Return for each priority that occurs the number of its alerts in each bin."""
    known = alerts[alerts["time"].notna()]
    place = (np.asarray(known["time"], dtype="datetime64[ns]").view("int64") - start) // every
    priority = known["priority"].fillna(_PRIORITIES).clip(1, _PRIORITIES).to_numpy(dtype="int64")
    inside = (place >= 0) & (place < count)
    return [
        {"priority": int(each), "counts": np.bincount(place[inside & (priority == each)], minlength=count).tolist()}
        for each in np.unique(priority[inside])
    ]
