"""How much there was, when: stacked bars along time, with alerts marked above."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities
from nsm_nb.text import many

__all__ = ["MARKS", "timeline"]

_MOST_BARS = 1200  # more intervals than this are finer than the pixels that show them
_MOST_SERIES = 6
_DATES = ["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"]  # what the ticks leave out, as ISO 8601
MARKS = {1: "v", 2: "D", 3: "s", 4: "o", 5: "."}  # a priority is told by its shape too


def timeline(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    marks: pd.DataFrame | pd.Series | pd.DatetimeIndex | None = None,
    log: bool = False,
    theme: ThemeName = "light",
) -> Axes:
    """Draw how much there was, when, stacked by the columns of the table.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.timeline` gave.
    ax
        The Axes to draw on; a new one where it is None.
    title, caption
        Instead of the ones that are made from the table: what is seen, and the evidence and interval.
    marks
        Alerts, or times, to mark above the figure; alerts by the colour of their priority.
    log
        Draw the amounts on a logarithmic scale; columns are then not parted.
    theme
        ``"light"`` or ``"dark"``.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, look = draw.axes(ax, theme, 3.1)
    value = str(table.attrs.get("value", table.columns[0] if len(table.columns) == 1 else "packets"))
    caption = draw.caption_of(table) if caption is None else caption
    if not len(table) or not int(table.to_numpy().sum()):
        noun = "packets" if draw.is_bytes(value) else value
        return draw.nothing(ax, look, title, caption, noun, f"how many {noun} there were, when")

    bars, step = _coarser(table)
    starts = date2num(pd.DatetimeIndex(bars.index).tz_convert("UTC").tz_localize(None).to_numpy())
    edges = np.append(starts, starts[-1] + step / 86400)
    series = [("all", bars.sum(axis=1).to_numpy())] if log else _columns(bars)
    base = np.zeros(len(bars))
    for place, (name, amounts) in enumerate(series):
        colour = _series_colour(name, place, table.attrs.get("by"), len(series))
        ax.stairs(base + amounts, edges, baseline=0.5 if log else base, fill=True, color=colour, label=draw.label(name))
        base = base + amounts
    if log:
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5)
    ax.set_xlim(edges[0], edges[-1])
    locator = AutoDateLocator(tz="UTC")
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC", offset_formats=_DATES))
    ax.set_xlabel("time, UTC")
    ax.set_ylabel(f"{draw.unit(value)} in {quantities.span(step)}")
    draw.scale(ax.yaxis, value)
    marked = _mark(ax, marks, look, (table.index[0], table.index[-1] + pd.Timedelta(seconds=_step_of(table))))
    if len(series) > 1 or marked:
        draw.legend(ax, look, reverse=True)

    total = int(table.to_numpy().sum())
    per_interval = table.sum(axis=1)
    peak_at, peak = table.index[int(per_interval.to_numpy().argmax())], int(per_interval.max())
    every = quantities.span(_step_of(table))
    span = quantities.span(len(table) * _step_of(table))
    said = title or (
        f"{draw.said(total, value)} in {span}; the busiest {'second' if every == '1 s' else every} "
        f"had {draw.said(peak, value)}, at {quantities.moment(peak_at, digits=0 if _step_of(table) >= 1 else 6)}"
    )
    parts = draw.listed((name, draw.said(int(amounts.sum()), value)) for name, amounts in series)
    parts = f" By {table.attrs.get('by')}: {parts}." if len(series) > 1 else ""
    first, last = (quantities.moment(each, digits=0) for each in (table.index[0], table.index[-1]))
    silent = int((per_interval == 0).sum())
    details = (
        f"Timeline of {draw.unit(value)} from {first} to {last}, {many(len(table), 'interval')} of {every}, "
        f"{silent:,} of them empty.{parts}{marked}"
    )
    return draw.finish(ax, look, said, caption, details)


def _step_of(table: pd.DataFrame) -> float:
    """Return the length of a timeline's intervals in seconds; of months, that of the last."""
    if len(table) > 1:
        return float((table.index[-1] - table.index[-2]).total_seconds())
    every = table.attrs.get("every", "1s")
    at = table.index[0]
    return float((at + pd.tseries.frequencies.to_offset(every) - at).total_seconds())


def _coarser(table: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return a timeline of no more intervals than can be seen, and their length in seconds."""
    together = math.ceil(len(table) / _MOST_BARS)
    step = _step_of(table)
    if together == 1:
        return table, step
    starts = np.arange(0, len(table), together)
    sums = np.add.reduceat(table.to_numpy(), starts, axis=0)
    bars = pd.DataFrame(sums, columns=table.columns, index=table.index[starts])
    bars.attrs = table.attrs
    return bars, step * together


def _columns(bars: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Return the columns to stack, the small ones and those without a colour of their own as one."""
    by_protocol = bars.attrs.get("by") == "proto"
    known = [name for name in bars if str(name) in colours.PROTOCOL] if by_protocol else list(bars)
    if len(known) > _MOST_SERIES - 1:
        known = known[: _MOST_SERIES - 1]
    series = [(str(name), bars[name].to_numpy()) for name in known if name != "other"]
    rest = [name for name in bars if name not in known or name == "other"]
    if rest:
        name = "other" if len(rest) > 1 or str(rest[0]) == "other" else str(rest[0])
        series.append((name, bars[rest].sum(axis=1).to_numpy()))
    return series


def _series_colour(name: str, place: int, by: object, count: int) -> str:
    if by is None or count == 1:
        return colours.PROTOCOL.get(name, colours.PROTOCOL["tcp"]) if by == "proto" else colours.SENT
    if by == "proto":
        return colours.PROTOCOL.get(name, colours.PROTOCOL["other"])
    return list(colours.PROTOCOL.values())[min(place, len(colours.PROTOCOL) - 1)]


def _mark(
    ax: Axes,
    marks: pd.DataFrame | pd.Series | pd.DatetimeIndex | None,
    look: draw.Look,
    window: tuple[pd.Timestamp, pd.Timestamp],
) -> str:
    """Mark times above the figure; return what was marked, in words."""
    if marks is None or not len(marks):
        return ""
    times = pd.Series(pd.to_datetime(marks["time"] if isinstance(marks, pd.DataFrame) else marks, utc=True))
    priority = marks["priority"] if isinstance(marks, pd.DataFrame) and "priority" in marks else None
    kinds = pd.Series([None] * len(times)) if priority is None else priority.reset_index(drop=True)
    times = times.reset_index(drop=True)
    said = []
    for kind in [*([None] if kinds.isna().any() else []), *sorted(kinds.dropna().unique(), reverse=True)]:
        here = times[kinds.isna() if kind is None else (kinds == kind).fillna(False)]
        here = here[here.between(*window)].dt.tz_localize(None)
        name = "mark" if kind is None else f"alert, priority {int(kind)}"
        shape = "v" if kind is None else MARKS.get(int(kind), ".")
        colour = colours.DOUBT if kind is None else colours.PRIORITY.get(int(kind), colours.DOUBT)
        ax.plot(
            here.to_numpy(), np.ones(len(here)), linestyle="none", marker=shape, markersize=6, color=colour,
            markeredgecolor=look.ink, markeredgewidth=0.5, transform=ax.get_xaxis_transform(), clip_on=False,
            label=name, zorder=5,
        )  # fmt: skip
        said.append(f"{len(here):,} of {name}")
    outside = int((~times.between(*window)).sum())
    return f" Marked above: {', '.join(reversed(said))}{f'; {outside:,} lie outside' if outside else ''}."
