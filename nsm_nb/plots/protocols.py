"""What the traffic is made of: the tree of protocols, a bar for each layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.statistics import quantities

__all__ = ["leading", "protocol_colour", "protocols"]

_PROTOCOL_OF = {"icmpv6": "icmp6", "tcp6": "tcp", "udp6": "udp"}
_NEUTRAL = "#8796a5"


def protocols(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    n: int = 24,
    theme: ThemeName = "light",
) -> Axes:
    """Draw the tree of protocols: a bar for each layer, as long as its share of all bytes.

    Parameters
    ----------
    table
        What `nsm_nb.statistics.protocols` gave.
    ax, title, caption, theme
        As in `timeline`.
    n
        How many layers to draw at most; the largest are kept.

    Returns
    -------
    matplotlib.axes.Axes
    """
    by = "length" if "length" in table else "octets"
    caption = draw.caption_of(table) if caption is None else caption
    shown = table.loc[table[by].nlargest(n, keep="first").index.sort_values()]
    ax, look = draw.axes(ax, theme, 1.1 + 0.235 * max(len(shown), 3))
    if not len(shown):
        return draw.nothing(ax, look, title, caption, "packets", "what share of the bytes each protocol carries")

    place = list(range(len(shown)))
    bar_colours = [protocol_colour(name) for name in shown["name"]]
    ax.barh(place, 100 * shown["share"].fillna(0), height=0.72, color=bar_colours)
    names = [draw.label(name) for name in shown["name"]]
    width = max(5.4 * len(name) + 11 * level for name, level in zip(names, shown["level"], strict=True)) + 8
    for at, name, level in zip(place, names, shown["level"], strict=True):
        draw.beside(ax, at, name, -width + 11 * level, look.ink)
    for at, row in zip(place, _rows(shown), strict=True):
        amounts = f"{quantities.octets(getattr(row, by))}, {quantities.amount(row.packets, 'packet')}"
        draw.at_end(ax, 100 * row.share, at, f"{quantities.share(row.share)}  {amounts}", look)
    draw.rows_down(ax, len(shown), [])
    ax.set_xlim(0, 100)
    ax.set_xlabel(f"share of all {draw.unit(by)}, %")

    total = int(table.loc[table["level"] == 0, by].sum())
    name, share = leading(table, by)
    said = title or f"{name} carries {quantities.share(share)} of {quantities.octets(total)}"
    hidden = len(table) - len(shown)
    if hidden:
        caption = f"{caption}; {quantities.amount(hidden, 'smaller layer')} not drawn".removeprefix("; ")
    listed = draw.listed(
        (row.layers, f"{quantities.share(row.share)}, {quantities.amount(row.packets, 'packet')}")
        for row in _rows(shown)
    )
    return draw.finish(ax, look, said, caption, f"Protocol layers by share of bytes: {listed}.")


def _rows(table: pd.DataFrame) -> Iterable[Any]:
    return table.itertuples()


def protocol_colour(name: str) -> str:
    """Return the fixed colour of a protocol, a quiet one of any other layer."""
    return colours.PROTOCOL.get(_PROTOCOL_OF.get(name, name), _NEUTRAL)


def leading(table: pd.DataFrame, by: str) -> tuple[str, float]:
    """Return the protocol right above IP, or of a layer that is no IP, that carries most, and its share of all."""
    paths = list(table["layers"])
    parents = {path.rpartition(":")[0] for path in paths}
    total = max(float(table.loc[table["level"] == 0, by].sum()), 1)
    shares: dict[str, float] = {}
    for path, amount in zip(paths, table[by].astype(float).fillna(0), strict=True):
        *above, name = path.split(":")
        on_ip = bool(above) and above[-1] in ("ip", "ipv6")
        if on_ip or (path not in parents and not {"ip", "ipv6"} & {name, *above}):
            name = _PROTOCOL_OF.get(name, name)
            shares[name] = shares.get(name, 0) + amount / total
    if not shares:
        return str(table["name"].iloc[0]), float(table[by].iloc[0]) / total
    return max(shares.items(), key=lambda each: each[1])
