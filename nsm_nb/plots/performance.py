"""Measured speed: a bar for each tool at each job, compared with ours."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities

__all__ = ["performance"]


def performance(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str = "",
    value: str = "seconds",
    ours: str = "nsm_nb",
    theme: ThemeName = "light",
) -> Axes:
    """Draw measured speed: a bar for each tool at each job, with how many times it is slower or quicker than ours.

    Parameters
    ----------
    table
        One row a measurement: ``tool``, the column `value`, and, where there are several jobs, ``job``.
    ax, title, caption, theme
        As in `timeline`.
    value
        ``"seconds"`` (less is better), or a column of rates such as ``"packets/s"`` (more is better), which is also
        the unit that is shown.
    ours
        The tool that the others are compared with.

    Returns
    -------
    matplotlib.axes.Axes
    """
    shown = table[table[value].notna() & (table[value] > 0)]
    jobs = list(dict.fromkeys(shown["job"])) if "job" in shown else [None]
    groups = [shown if job is None else shown[shown["job"] == job] for job in jobs]
    lines = sum(len(group) for group in groups) + len(groups) - 1
    ax, look = draw.axes(ax, theme, 1.0 + 0.27 * max(lines, 3))
    if not len(shown):
        return draw.nothing(ax, look, title, caption, "measurements", "how fast each tool is")

    at = 0
    ratios: list[tuple[float, str]] = []
    facts: list[tuple[str, str]] = []
    places: list[int] = []
    for job, group in zip(jobs, groups, strict=True):
        own = group.loc[group["tool"] == ours, value]
        for row in group.to_dict("records"):
            name = str(row["tool"]) if job is None else f"{job}: {row['tool']}"
            ratio = _ratio(float(row[value]), float(own.iloc[0]) if len(own) else math.nan, value)
            is_ours = row["tool"] == ours
            ax.barh(at, row[value], height=0.72, color=colours.SENT if is_ours else colours.RECEIVED)
            said = _measured(float(row[value]), value)
            if not is_ours and ratio == ratio:
                said += f", {ours} is {_times(ratio)} as fast"
                ratios.append((ratio, str(row["tool"])))
            draw.at_end(ax, float(row[value]), at, said, look)
            places.append(at)
            facts.append((name, said))
            at += 1
        at += 1
    draw.rows_down(ax, at - 1, [draw.label(name) for name, _ in facts], places)
    if shown[value].max() > 50 * shown[value].min():
        ax.set_xscale("log")
        ax.set_xlim(shown[value].min() / 2, shown[value].max() * 1.2)
    better = "less" if value == "seconds" else "more"
    ax.set_xlabel(f"{value}; {better} is better" + (", logarithmic" if ax.get_xscale() == "log" else ""))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda amount, _: _tick(amount)))
    ax.xaxis.set_minor_formatter(NullFormatter())  # on a logarithmic axis matplotlib would name some in its own way
    said = title or _compared(ratios, ours) or f"Measured {value}"
    return draw.finish(ax, look, said, caption, f"Measured {value}: {draw.listed(facts)}.")


def _tick(amount: float) -> str:
    """Return an amount at an axis: plain digits throughout, never in powers of ten.

    Examples
    --------
    >>> _tick(0.0005), _tick(0.1), _tick(20.0), _tick(5_000_000)
    ('0.0005', '0.1', '20', '5,000,000')
    """
    return f"{amount:,.0f}" if abs(amount) >= 10 else f"{amount:.9f}".rstrip("0").rstrip(".")


def _ratio(value: float, ours: float, column: str) -> float:
    """Return how many times as fast ours is; not a number where ours was not measured."""
    return value / ours if column == "seconds" else ours / value


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×" if ratio >= 0.95 else f"{ratio:.2f} ×"


def _compared(ratios: list[tuple[float, str]], ours: str) -> str:
    if not ratios:
        return ""
    low, high = min(ratios), max(ratios)
    if len(ratios) == 1:
        return f"{ours} is {_times(low[0])} as fast as {low[1]}"
    return f"{ours} is {_times(low[0])} ({low[1]}) to {_times(high[0])} ({high[1]}) as fast"


def _measured(value: float, column: str) -> str:
    if column == "seconds":
        return quantities.span(value)
    scaled = quantities.scaled(value, "", 2).strip()
    return f"{scaled} {column}" if scaled[-1].isdigit() else f"{scaled[:-1].strip()} {scaled[-1]} {column}"
