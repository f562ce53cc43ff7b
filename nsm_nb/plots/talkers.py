"""Who moved most: a bar for each host, pair of hosts or service, its directions apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities

__all__ = ["talkers"]


def talkers(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    n: int = 15,
    theme: ThemeName = "light",
) -> Axes:
    """Draw who moved most: a bar for each host, pair or service, its two directions apart.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.talkers` gave.
    ax, title, caption, theme
        As in `timeline`.
    n
        How many rows to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ends = (
        "hosts" if "host" in table else "networks" if "network" in table else "pairs" if "src_ip" in table else "ports"
    )
    by = str(table.attrs.get("by", "octets"))
    caption = draw.caption_of(table) if caption is None else caption
    shown = table.head(n)
    ax, look = draw.axes(ax, theme, 1.35 + 0.27 * max(len(shown), 3))
    if not len(shown):
        return draw.nothing(ax, look, title, caption, "sessions", f"which {ends} moved most")

    names = [_end_name(row, ends) for row in _rows(shown)]
    place, base = list(range(len(shown))), np.zeros(len(shown))
    for name, column, colour, hatch in _directions(shown, by, ends, look):
        amounts = shown[column].astype("Float64").to_numpy(float, na_value=0)
        ax.barh(place, amounts, left=base, height=0.72, color=colour, label=name, hatch=hatch,
                edgecolor=look.ground, linewidth=0)  # fmt: skip
        base = base + amounts
    draw.rows_down(ax, len(shown), [draw.label(name) for name in names])
    said_values = ["unknown" if pd.isna(value) else draw.said(value, by) for value in shown[by]]
    for at, end, said in zip(place, base, said_values, strict=True):
        draw.at_end(ax, end, at, said, look)
    ax.set_xlim(0, max(float(base.max()), 1) * (1.13 if look.own else 1.3))  # room for what is said at the ends
    ax.set_xlabel(draw.unit(by))
    draw.scale(ax.xaxis, by)
    if len(ax.get_legend_handles_labels()[1]) > 1:
        draw.legend(ax, look)

    share = _of_all(table, by)
    noun = {"hosts": "hosts", "networks": "networks", "pairs": "pairs of hosts", "ports": "services"}[ends]
    of = f" of {len(table):,}" if len(table) > len(shown) else ""
    said = title or f"{names[0]} leads by {draw.unit(by)}: {said_values[0]}{share}"
    listed = draw.listed(zip(names, said_values, strict=True))
    return draw.finish(ax, look, said, caption, f"The largest {len(shown):,}{of} {noun} by {draw.unit(by)}: {listed}.")


def _rows(table: pd.DataFrame) -> Iterable[Any]:
    return table.itertuples()


def _end_name(row: Any, ends: str) -> str:
    if ends == "hosts":
        return str(row.host)
    if ends == "networks":
        return str(row.network)
    if ends == "pairs":
        return f"{row.src_ip} → {row.dst_ip}"
    proto = "no protocol" if pd.isna(row.proto) else str(row.proto)
    return proto if pd.isna(row.port) else f"{proto} {row.port}"


def _directions(shown: pd.DataFrame, by: str, ends: str, look: draw.Look) -> list[tuple[str, str, str, str]]:
    """Return the parts of each bar: what it is called, its column, colour and hatch."""
    if by in ("octets", "packets"):
        if ends in ("hosts", "networks"):
            return [
                ("sent", f"sent_{by}", colours.SENT, ""),
                ("received", f"received_{by}", colours.RECEIVED, "////"),
            ]
        src, dst = (colours.readable(colour, look.ground, ratio=3) for colour in (colours.SRC, colours.DST))
        return [("from src", f"src_{by}", src, ""), ("from dst", f"dst_{by}", dst, "////")]
    return [(draw.unit(by), by, colours.SENT, "")]


def _of_all(table: pd.DataFrame, by: str) -> str:
    """Return the first row's part of all there was, in words."""
    total, first = table.attrs.get("total"), table[by].iloc[0]
    if not total or pd.isna(first):
        return ""
    return f", {quantities.share(float(first) / total)} of all"
