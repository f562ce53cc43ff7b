"""When each host was busy: hosts down, time along, the darker the more."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FuncFormatter

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots import sessions as parts
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.schema import SESSIONS
from nsm_nb.statistics import quantities

__all__ = ["heatmap"]

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
          7_776_000, 31_536_000, 315_360_000)  # seconds  # fmt: skip
_MOST_STEPS = 72
_WEAK_ON_DARK = "#3d5266"


def heatmap(
    sessions: pd.DataFrame,
    *,
    by: Literal["octets", "sessions"] = "octets",
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    every: float | None = None,
    n: int = 25,
    theme: ThemeName = "light",
) -> Axes:
    """Draw when each host was busy: a row a host, time along, the stronger the colour the more octets or sessions.

    A session counts for both of its hosts, in the step in which it began.

    Parameters
    ----------
    sessions
        A table of SESSIONS.
    by
        What is counted.
    ax, title, caption, theme
        As in `timeline`.
    every
        Seconds of a step, such as 3600; without it one that fits. At most 2,000 steps are drawn.
    n
        How many hosts to draw: those with most. How many are not drawn is told.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        Where `by` is neither, or `every` no positive number of which 2,000 cover the time.
    """
    SESSIONS.require(sessions, "start", "src_ip", "dst_ip", "src_octets", "dst_octets")
    if by not in ("octets", "sessions"):
        raise ValueError(f"by={by!r} is not known; choose 'octets' or 'sessions'")
    caption = draw.caption_of(sessions) if caption is None else caption
    starts = parts.seconds(sessions["start"])
    src, dst, dtype = parts.hosts_of(sessions)
    drawn = ~np.isnan(starts) & ((src >= 0) | (dst >= 0))
    amount = np.nan_to_num(parts.octets_of(sessions)) if by == "octets" else np.ones(len(sessions))
    both = drawn & (dst >= 0) & (src != dst)  # who talks to itself counts once
    host = np.concatenate([np.where(src >= 0, src, dst)[drawn], dst[both & (src >= 0)]])
    totals = np.bincount(host, np.concatenate([amount[drawn], amount[both & (src >= 0)]]), len(dtype.categories))
    seen = np.bincount(host, minlength=len(dtype.categories)) > 0
    order = np.flatnonzero(seen)
    order = order[np.argsort(-totals[order], kind="stable")]
    shown = order[:n]
    lost = parts.left_out(sessions, drawn, "a time or an address")
    ax, look = draw.axes(ax, theme, 1.35 + 0.25 * max(len(shown), 3))
    if not len(shown):
        return draw.nothing(ax, look, title, parts.joined(caption, lost), "sessions", "when each host was busy")

    first, last = float(starts[drawn].min()), float(starts[drawn].max())
    step = _step(last - first, every)
    origin = first // step * step
    count = int((last - origin) // step) + 1
    place = np.full(len(dtype.categories), -1)
    place[shown] = np.arange(len(shown))
    column = np.minimum((np.where(drawn, starts, origin) - origin) // step, count - 1).astype(np.int64)
    cells = np.zeros((len(shown), count))
    for side, rows in ((np.where(src >= 0, src, dst), drawn), (dst, both & (src >= 0))):
        here = rows & (place[side] >= 0)
        np.add.at(cells, (place[side[here]], column[here]), amount[here])
    edges = (origin + step * np.arange(count + 1)) / parts.DAY
    weak, strong = _scale(look)
    lowest, highest = (cells[cells > 0].min(), cells.max()) if (cells > 0).any() else (1.0, 1.0)
    mesh = ax.pcolormesh(
        edges, np.arange(len(shown) + 1) - 0.5, np.ma.masked_less_equal(cells, 0), rasterized=True,
        cmap=LinearSegmentedColormap.from_list("amount", [weak, strong]), norm=LogNorm(lowest, max(highest, lowest * 10)),
    )  # fmt: skip
    names = [str(dtype.categories[each]) for each in shown]
    draw.rows_down(ax, len(shown), [draw.label(name) for name in names])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    parts.date_axis(ax, origin, origin + step * count)
    _legend(ax, mesh, look, by, step)

    row, when = np.unravel_index(int(cells.argmax()), cells.shape)
    at = quantities.moment(pd.Timestamp(origin + step * int(when), unit="s", tz="UTC"), digits=0)
    said = title or f"{names[row]} was busiest: {draw.said(cells.max(), by)} in the {quantities.span(step)} from {at}"
    hidden = len(order) - len(shown)
    unknown = int(np.isnan(parts.octets_of(sessions)).sum()) if by == "octets" else 0
    caption = parts.joined(
        caption,
        "a session counts for both hosts, where it began",
        f"the {len(shown):,} busiest of {len(order):,} hosts are drawn" if hidden else "",
        f"{quantities.amount(unknown, 'session')} of unknown size counted as nothing" if unknown else "",
        lost,
    )
    facts = [
        (name, f"{draw.said(cells[number].sum(), by)} in {quantities.amount(int((cells[number] > 0).sum()), 'step')}")
        for number, name in enumerate(names)
    ]
    return draw.finish(
        ax, look, said, caption,
        f"Heat map of {draw.unit(by)} by host, {quantities.amount(count, 'step')} of {quantities.span(step)}: "
        f"{draw.listed(facts)}.",
    )  # fmt: skip


def _step(span: float, every: float | None) -> float:
    """Return the seconds of a step."""
    if every is None:
        return next((each for each in _STEPS if span / each <= _MOST_STEPS), float(_STEPS[-1]))
    if not every > 0 or span / every > 2000:
        raise ValueError(
            f"every={every!r} does not fit {quantities.span(span)}: give seconds, at least {span / 2000:.3g}"
        )
    return float(every)


def _scale(look: draw.Look) -> tuple[str, str]:
    """Return the colours of little and of much, both apart from the ground."""
    weak = colours.RECEIVED if colours.ink(look.ground) == "#000000" else _WEAK_ON_DARK
    return weak, colours.readable(colours.SRC, look.ground, ratio=7)


def _legend(ax: Axes, mesh, look: draw.Look, by: str, step: float) -> None:  # type: ignore[no-untyped-def]
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(mesh, ax=ax, fraction=0.03, pad=0.02)
    bar.ax.yaxis.set_major_formatter(
        FuncFormatter(lambda amount, _: quantities.octets(amount) if by == "octets" else f"{amount:,.0f}")
    )
    bar.ax.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    bar.ax.tick_params(colors=look.faint, labelcolor=look.ink, labelsize=8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label(f"{draw.unit(by)} in {quantities.span(step)}", color=look.ink, fontsize=8)
