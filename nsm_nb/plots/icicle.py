"""What the traffic is made of, as an icicle: each layer a row, each part as wide as its share of all."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.plots.protocols import leading, protocol_colour
from nsm_nb.statistics import quantities

__all__ = ["icicle"]

_LETTER = 0.0077  # of the width, in a figure of ours: what a letter takes
_SMALLEST = 0.0008  # of the width: about a point


def icicle(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    by: str | None = None,
    theme: ThemeName = "light",
) -> Axes:
    """Draw the tree of protocols as an icicle: what a part carries lies below it, as wide as its share of all.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.protocols` gave.
    ax, title, caption, theme
        As in `timeline`.
    by
        What the widths stand for: ``"packets"``, or the bytes that the table has (``"length"`` of packets, ``"octets"``
        of sessions) where it is None.

    Returns
    -------
    matplotlib.axes.Axes
    """
    by = by or ("length" if "length" in table else "octets")
    caption = draw.caption_of(table) if caption is None else caption
    levels = int(table["level"].max()) + 1 if len(table) else 0
    ax, look = draw.axes(ax, theme, 1.2 + 0.34 * max(levels, 3))
    total = int(table.loc[table["level"] == 0, by].sum()) if len(table) else 0
    if not total:
        return draw.nothing(ax, look, title, caption, "packets", "what share of all each protocol carries")

    begins = [0.0]
    letter = _LETTER * (1 if look.own else 2)
    for row in table.to_dict("records"):
        level, size = int(row["level"]), float(row[by]) / total
        del begins[level + 1 :]
        begin = begins[level]
        begins[level] += size
        begins.append(begin)
        colour = protocol_colour(str(row["name"]))
        ax.add_patch(Rectangle((100 * begin, level), 100 * max(size, _SMALLEST), 0.94, facecolor=colour, edgecolor=look.ground,
                               linewidth=0.6))  # fmt: skip
        name = draw.label(row["name"], longest=24)
        part = quantities.share(size)
        words = f"{name}  {part}" if letter * (len(name) + len(part) + 3) < size else name
        if letter * (len(words) + 1) < size:
            ax.text(
                100 * begin + 0.5, level + 0.49, words, ha="left", va="center", fontsize=8, color=colours.ink(colour)
            )
    ax.set_xlim(0, 100)
    ax.set_ylim(levels, 0)
    ax.set_yticks([level + 0.47 for level in range(levels)], labels=[f"layer {level + 1}" for level in range(levels)])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(f"share of all {draw.unit(by)}, %")
    name, share = leading(table, by)
    said = title or f"{name} carries {quantities.share(share)} of {draw.said(total, by)}"
    listed = draw.listed(
        (row["layers"], f"{quantities.share(row[by] / total)}, {quantities.amount(int(row['packets']), 'packet')}")
        for row in table.to_dict("records")
    )
    return draw.finish(
        ax, look, said, caption, f"Protocols, the parts of each below it, by share of {draw.unit(by)}: {listed}."
    )
