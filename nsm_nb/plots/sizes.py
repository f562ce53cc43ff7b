"""How large packets are: a bar for each size, by powers of two."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities

__all__ = ["sizes"]


def sizes(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    theme: ThemeName = "light",
) -> Axes:
    """Draw how many packets there are of each size.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.sizes` gave.
    ax, title, caption, theme
        As in `timeline`.

    Returns
    -------
    matplotlib.axes.Axes
    """
    caption = draw.caption_of(table) if caption is None else caption
    ax, look = draw.axes(ax, theme, 1.35 + 0.27 * max(len(table), 3))
    packets = table["packets"].to_numpy(np.int64)
    if not packets.sum():
        return draw.nothing(ax, look, title, caption, "packets", "how many packets there are of each size")

    names = [f"{low:,} to {high:,}" for low, high in zip(table["low"], table["high"], strict=True)]
    ax.barh(range(len(table)), packets, height=0.72, color=colours.SENT)
    draw.rows_down(ax, len(table), [draw.label(name) for name in names])
    facts = []
    for at, (count, share) in enumerate(zip(packets.tolist(), (packets / packets.sum()).tolist(), strict=True)):
        facts.append(f"{quantities.amount(count, 'packet')}, {quantities.share(share)}")
        draw.at_end(ax, count, at, facts[-1], look)
    ax.set_xlim(0, float(packets.max()) * (1.2 if look.own else 1.6))  # room for what is said at the ends
    ax.set_xlabel("packets")
    ax.set_ylabel("bytes on the wire")
    draw.scale(ax.xaxis, "packets")
    most = int(packets.argmax())
    share = quantities.share(float(packets[most] / packets.sum()))
    said = title or f"{share} of {quantities.amount(int(packets.sum()), 'packet')} have {names[most]} bytes"
    listed = draw.listed(zip([f"{name} bytes" for name in names], facts, strict=True))
    return draw.finish(ax, look, said, caption, f"Packets by size, in powers of two: {listed}.")
