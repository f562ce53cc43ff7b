"""Who serves what: a bar for each service, what it was asked and what it sent apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities

__all__ = ["services"]


def services(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    n: int = 15,
    theme: ThemeName = "light",
) -> Axes:
    """Draw the services that hosts offered: a bar for each as long as what it carried, both directions apart.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.services` gave.
    ax, title, caption, theme
        As in `timeline`.
    n
        How many services to draw: those that carried most.

    Returns
    -------
    matplotlib.axes.Axes
    """
    caption = draw.caption_of(table) if caption is None else caption
    octets = table["octets"].astype("Float64").to_numpy(float, na_value=0)
    shown = table.iloc[np.argsort(-octets, kind="stable")[:n]]
    ax, look = draw.axes(ax, theme, 1.35 + 0.27 * max(len(shown), 3))
    if not len(shown):
        return draw.nothing(ax, look, title, caption, "services", "which hosts offered what, and how much they sent")

    names = [_name(row) for row in shown.to_dict("records")]
    place, base = list(range(len(shown))), np.zeros(len(shown))
    for name, column, colour, hatch in (
        ("asked, by clients", "src_octets", colours.SRC, ""), ("sent, by the service", "dst_octets", colours.DST, "////"),
    ):  # fmt: skip
        amounts = shown[column].astype("Float64").to_numpy(float, na_value=0)
        ax.barh(place, amounts, left=base, height=0.72, color=colours.readable(colour, look.ground, ratio=3), label=name,
                hatch=hatch, edgecolor=look.ground, linewidth=0)  # fmt: skip
        base = base + amounts
    draw.rows_down(ax, len(shown), [draw.label(name) for name in names])
    facts = []
    for at, row in zip(place, shown.to_dict("records"), strict=True):
        carried = "unknown" if pd.isna(row["octets"]) else quantities.octets(float(row["octets"]))
        facts.append(
            f"{carried}, {quantities.amount(int(row['sessions']), 'session')}, {quantities.amount(int(row['clients']), 'client')}"
        )
        draw.at_end(ax, base[at], at, facts[-1], look)
    ax.set_xlim(0, max(float(base.max()), 1) * (1.5 if look.own else 1.8))  # room for what is said at the ends
    ax.set_xlabel(draw.unit("octets"))
    draw.scale(ax.xaxis, "octets")
    draw.legend(ax, look)
    total = float(octets.sum())
    share = quantities.share(float(base[0]) / total) if total else "no part"
    said = title or f"{names[0]} leads the {quantities.amount(len(table), 'service')}: {share} of what they carried"
    hidden = len(table) - len(shown)
    if hidden:
        caption = f"{caption}; {quantities.amount(hidden, 'smaller service')} not drawn".removeprefix("; ")
    return draw.finish(
        ax, look, said, caption, f"Services by {draw.unit('octets')}: {draw.listed(zip(names, facts, strict=True))}."
    )


def _name(row: dict) -> str:
    proto = "no protocol" if pd.isna(row["proto"]) else str(row["proto"])
    application = "" if pd.isna(row["application"]) or not str(row["application"]) else f" {row['application']}"
    return f"{row['host']} {proto} {row['port']}{application}"
