"""What changed between two times: a pair of bars for each thing that is new, gone, grown or shrunk."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities

__all__ = ["compare"]


def compare(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    names: tuple[str, str] = ("before", "after"),
    n: int = 12,
    theme: ThemeName = "light",
) -> Axes:
    """Draw what changed most: for each thing a bar for the one table and a bar for the other.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.compare` gave.
    ax, title, caption, theme
        As in `timeline`.
    names
        What the two tables are called in the legend.
    n
        How many rows to draw: the first of the table, of which each status gets its part.

    Returns
    -------
    matplotlib.axes.Axes
    """
    value = str(table.attrs.get("value", "octets"))
    caption = draw.caption_of(table) if caption is None else caption
    shown = _spread(table, n)
    ax, look = draw.axes(ax, theme, 1.35 + 0.36 * max(len(shown), 3))
    if not len(shown):
        return draw.nothing(
            ax, look, title, caption, "changes", "what is new, gone, grown or shrunk from one to the other"
        )

    place = np.arange(len(shown))
    largest = 0.0
    for column, name, shift, colour, hatch in (
        ("a", names[0], -0.2, colours.RECEIVED, ""), ("b", names[1], 0.2, colours.SENT, "////"),
    ):  # fmt: skip
        amounts = shown[column].astype("Float64").to_numpy(float, na_value=0)
        largest = max(largest, float(amounts.max()))
        ax.barh(place + shift, amounts, height=0.38, label=draw.label(name), hatch=hatch, edgecolor=look.ground, linewidth=0,
                color=colours.readable(colour, look.ground, ratio=3))  # fmt: skip
    labels = [f"{row['status']}: {row['name']}" for row in shown.to_dict("records")]
    draw.rows_down(ax, len(shown), [draw.label(each) for each in labels])
    facts = []
    for at, row in enumerate(shown.to_dict("records")):
        facts.append(f"{_said(row['a'], value)} → {_said(row['b'], value)}{_times(row)}")
        draw.at_end(ax, max(_number(row["a"]), _number(row["b"])), at, facts[-1], look)
    ax.set_xlim(0, max(largest, 1) * (1.35 if look.own else 1.8))  # room for what is said at the ends
    ax.set_xlabel(draw.unit(value))
    draw.scale(ax.xaxis, value)
    draw.legend(ax, look)
    counts = table["status"].astype("str").value_counts()
    said = title or "; ".join(
        f"{counts[each]:,} {each}" for each in ("new", "gone", "grown", "shrunk") if each in counts
    )
    hidden = len(table) - len(shown)
    if hidden:
        caption = f"{caption}; {quantities.amount(hidden, 'smaller change')} not drawn".removeprefix("; ")
    listed = draw.listed(zip(labels, facts, strict=True))
    details = f"What changed by {draw.unit(value)}, {names[0]} and {names[1]}: {listed}."
    return draw.finish(ax, look, said or "Nothing changed", caption, details)


def _spread(table: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return rows to draw, in their order: of each status its first, as many of each as there is room for."""
    turn = table.groupby("status", observed=True, sort=False).cumcount().to_numpy()
    return table.iloc[np.sort(np.lexsort((np.arange(len(table)), turn))[:n])]


def _number(amount: object) -> float:
    return 0.0 if pd.isna(amount) else float(amount)  # type: ignore[arg-type, call-overload]


def _said(amount: object, value: str) -> str:
    return "none" if pd.isna(amount) or not amount else draw.said(_number(amount), value)  # type: ignore[call-overload]


def _times(row: dict) -> str:
    factor = row.get("factor")
    if factor is None or pd.isna(factor) or factor <= 0:
        return ""
    return f", {factor:,.1f} ×" if factor < 100 else f", {factor:,.0f} ×"
