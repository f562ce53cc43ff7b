"""Counts over time by protocol, with alerts above them and a window to brush.

`statistics.timeline` makes the table; the browser draws it and gives back the window.
"""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from nsm_nb.errors import NsmError
from nsm_nb.text import printable
from nsm_nb.widgets.cells import time
from nsm_nb.widgets.lines import plain_table, with_fallback
from nsm_nb.widgets.style import module, sheet

__all__ = ["Timeline"]

_MOST_BINS = 600  # more columns than this no screen shows apart
_MOST_NAMES = 6  # more colours than this no eye tells apart
_PRIORITIES = 5


class Timeline(anywidget.AnyWidget):
    """A timeline; `window` is what is brushed: two texts of nanoseconds since 1970, or None.

    Drag brushes, the window's edges and its middle can be moved, a double click or Escape gives it up. On the
    keyboard arrows read the bins, with Shift they brush, L changes between columns and lines on a log scale.

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
    log = traitlets.Bool(False, help="lines on a log scale instead of stacked columns").tag(sync=True)
    unit = traitlets.Unicode("packets").tag(sync=True)
    label = traitlets.Unicode("timeline", help="alternative text").tag(sync=True)
    height = traitlets.Int(190).tag(sync=True)
    empty = traitlets.Unicode("no packets: there is no time to show").tag(sync=True)

    def __init__(self, table: pd.DataFrame | None = None, *, alerts: pd.DataFrame | None = None, **traits: Any):
        super().__init__(**traits)
        if table is not None:
            self.show(table, alerts=alerts)

    def show(self, table: pd.DataFrame, *, alerts: pd.DataFrame | None = None) -> None:
        """Show another table; the window stays.

        Raises
        ------
        NsmError
            Where the table's index is not of time.
        """
        if not isinstance(table.index, pd.DatetimeIndex):
            raise NsmError(
                "a timeline needs a table with times as its index; make it with nsm.statistics.timeline(packets)"
            )
        starts, every, values = _bins(table)
        lanes = [] if alerts is None or not len(starts) else _lanes(alerts, starts[0], every, values.shape[0])
        sums = values.sum(axis=0)
        largest = np.argsort(-sums, kind="stable")  # the largest at the bottom
        names = [printable(table.columns[place]) for place in largest]
        values = values[:, largest]
        if len(names) > _MOST_NAMES:
            values = np.column_stack([values[:, : _MOST_NAMES - 1], values[:, _MOST_NAMES - 1 :].sum(axis=1)])
            names = [*names[: _MOST_NAMES - 1], "other"]
        self.bins = {
            "start": str(int(starts[0])) if len(starts) else "0",
            "every": str(every),
            "names": names,
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
            f"{self.unit} by protocol from {first} to {last} UTC: {counts}; most, {int(values[busiest].sum()):,}, "
            f"at {_stamp(starts[busiest])}" + (f"; alerts: {marks}" if marks else "")
        )

    @property
    def times(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """The window as two times, or None."""
        if self.window is None:
            return None
        first, last = (pd.Timestamp(int(each), unit="ns", tz="UTC") for each in self.window)
        return first, last

    @times.setter
    def times(self, window: tuple[pd.Timestamp, pd.Timestamp] | None) -> None:
        self.window = None if window is None else [str(pd.Timestamp(each).as_unit("ns").value) for each in window]

    def fallback(self) -> str:
        """Return the sums as a plain HTML table, for a notebook saved without its widgets."""
        names, values = self.bins.get("names", []), self.bins.get("values", [])
        cells = [[name, f"{sum(counts):,}"] for name, counts in zip(names, values, strict=True)]
        return plain_table(["protocol", self.unit], cells, f"{self.label}; run the notebook to brush.")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)


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
