"""Who talked to whom: hosts in two columns, a line for each pair that talked, the wider the more it carried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots import sessions as parts
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.schema import SESSIONS, in_network
from nsm_nb.statistics import quantities
from nsm_nb.text import many

__all__ = ["hosts"]

_SWEEPS = 6  # of ordering by those at the other side, so that few lines cross
_SERVICES = 3  # named beside a host
_ALPHA = 0.7  # of lines, so that one behind another is seen
_ENTRY = 0.95  # inches of a legend's entry


def hosts(
    sessions: pd.DataFrame,
    *,
    home: Sequence[str] = (),
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    n: int = 40,
    theme: ThemeName = "light",
) -> Axes:
    """Draw who talked to whom: hosts as discs, a line for each pair, both the larger the more octets.

    At the left stand the hosts of the home networks, at the right all others; where `home` is not given, at the left those
    that mostly asked, at the right those that mostly were asked. A host is named with the services that it answered.

    Parameters
    ----------
    sessions
        A table of SESSIONS.
    home
        The home networks, such as `case.settings.home_networks`.
    ax, title, caption, theme
        As in `timeline`.
    n
        How many hosts to draw: those that moved most. The others of a side are drawn as one, and counted.

    Returns
    -------
    matplotlib.axes.Axes
    """
    SESSIONS.require(sessions, "proto", "src_ip", "dst_ip", "dst_port", "src_octets", "dst_octets")
    caption = draw.caption_of(sessions) if caption is None else caption
    src, dst, dtype = parts.hosts_of(sessions)
    drawn = (src >= 0) & (dst >= 0)
    size = np.nan_to_num(parts.octets_of(sessions))
    count = len(dtype.categories)
    moved = np.bincount(src[drawn], size[drawn], count) + np.bincount(dst[drawn], size[drawn], count)
    seen = (np.bincount(src[drawn], minlength=count) + np.bincount(dst[drawn], minlength=count)) > 0
    order = np.flatnonzero(seen)
    order = order[np.argsort(-moved[order], kind="stable")]
    at_left = _left(sessions, src, dst, drawn, dtype, home)
    sides = [[int(each) for each in order[:n] if at_left[each] == left] for left in (True, False)]
    lost = parts.left_out(sessions, drawn, "an address")
    ax, look = draw.axes(ax, theme, 1.2 + 0.26 * max(*map(len, sides), 4) + 0.3)
    if not len(order):
        return draw.nothing(
            ax, look, title, parts.joined(caption, lost), "sessions", "who talked to whom, and how much"
        )

    rest = [int(np.sum(at_left[order[n:]] == left)) for left in (True, False)]
    node = np.where(at_left, -2, -3)  # those that are not drawn alone, by side
    node[order[:n]] = order[:n]
    edges = _edges(sessions, node[src], node[dst], size, drawn)
    weight = dict(zip(order.tolist(), moved[order].tolist(), strict=True))
    for number, other in enumerate((-2, -3)):
        if rest[number]:
            sides[number].append(other)
            weight[other] = float(moved[order[n:]][at_left[order[n:]] == (number == 0)].sum())
    spots = _spots(_untangled(sides, edges))
    _draw_edges(ax, look, edges, spots)
    services = _services(sessions, node, dst, drawn, size)
    names = {each: str(dtype.categories[each]) if each >= 0 else many(rest[-2 - each], "other") for each in spots}
    _draw_nodes(ax, look, spots, names, weight, services)
    _frame(ax, look, spots, home)
    above = _legend(ax, look, edges)

    # those that are drawn by themselves first: "others" are no pair
    (one, other, _), carried = max(edges.items(), key=lambda each: (min(each[0][:2]) >= 0, each[1][0], each[0]))
    said = title or (
        f"{quantities.amount(len(order), 'host')} in {quantities.amount(int(drawn.sum()), 'session')}; most went between "
        f"{names[one]} and {names[other]}: {quantities.octets(carried[0])}"
    )
    few = f"the {n:,} hosts that moved most of {len(order):,} are drawn by themselves, the others as one a side"
    facts = [
        (f"{names[a]} and {names[b]}", f"{proto}, {quantities.octets(octets)}, {quantities.amount(number, 'session')}")
        for (a, b, proto), (octets, number) in sorted(edges.items(), key=lambda each: (-each[1][0], each[0]))
    ]
    return draw.finish(
        ax, look, said, parts.joined(caption, few if len(order) > n else "", lost),
        f"Graph of hosts, {_side_names(home)[0]} at the left and {_side_names(home)[1]} at the right: {draw.listed(facts)}.",
        above=above,
    )  # fmt: skip


def _side_names(home: Sequence[str]) -> tuple[str, str]:
    return ("home networks", "all others") if home else ("who mostly asked", "who mostly was asked")


def _left(
    sessions: pd.DataFrame, src: np.ndarray, dst: np.ndarray, drawn: np.ndarray, dtype: pd.CategoricalDtype,
    home: Sequence[str],
) -> np.ndarray:  # fmt: skip
    """Return, for each address, whether it stands at the left."""
    every = pd.Series(pd.Categorical.from_codes(np.arange(len(dtype.categories)), dtype=dtype))
    if home:
        inside = np.zeros(len(every), bool)
        for network in home:
            inside |= in_network(every, network)
        return inside
    return np.bincount(src[drawn], minlength=len(every)) >= np.bincount(dst[drawn], minlength=len(every))


def _edges(
    sessions: pd.DataFrame, src: np.ndarray, dst: np.ndarray, size: np.ndarray, drawn: np.ndarray
) -> dict[tuple[int, int, str], tuple[float, int]]:
    """Return octets and sessions of each pair of nodes, with the protocol that carried most of it."""
    proto = sessions["proto"].astype(object).where(sessions["proto"].notna(), "no protocol").astype(str)
    table = pd.DataFrame(
        {"one": np.minimum(src, dst), "other": np.maximum(src, dst), "proto": proto.to_numpy(), "octets": size}
    )[drawn]
    sums = table.groupby(["one", "other", "proto"])["octets"].agg(["sum", "count"]).reset_index()
    sums = sums.sort_values(["sum", "proto"], ascending=[False, True], kind="stable")
    found: dict[tuple[int, int], list] = {}
    for row in sums.itertuples():
        entry = found.setdefault((int(row.one), int(row.other)), [str(row.proto), 0.0, 0])
        entry[1], entry[2] = entry[1] + float(row.sum), entry[2] + int(row.count)
    return {(*pair, name): (octets, number) for pair, (name, octets, number) in found.items()}


def _untangled(sides: list[list[int]], edges: dict[tuple[int, int, str], tuple[float, int]]) -> list[list[int]]:
    """Return both columns in an order in which few lines cross: each host near the middle of those it talked to."""
    peers: dict[int, list[int]] = {}
    for one, other, _ in sorted(edges):
        peers.setdefault(one, []).append(other)
        peers.setdefault(other, []).append(one)
    sides = [list(each) for each in sides]
    for sweep in range(_SWEEPS):
        here, there = sweep % 2, 1 - sweep % 2
        place = {each: number / max(len(sides[there]) - 1, 1) for number, each in enumerate(sides[there])}
        old = {each: number / max(len(sides[here]) - 1, 1) for number, each in enumerate(sides[here])}
        middle = {
            each: float(np.mean(known))
            if (known := [place[peer] for peer in peers.get(each, []) if peer in place])
            else old[each]
            for each in sides[here]
        }
        sides[here].sort(key=lambda each: (middle[each], old[each]))
    return sides


def _spots(sides: list[list[int]]) -> dict[int, tuple[float, float]]:
    """Return where each node stands: x 0 or 1, y from the top."""
    most = max(map(len, sides))
    spots = {}
    for x, side in enumerate(sides):
        gap = most / max(len(side), 1)
        for number, each in enumerate(side):
            spots[each] = (float(x), (number + 0.5) * gap)
    return spots


def _draw_edges(
    ax: Axes,
    look: draw.Look,
    edges: dict[tuple[int, int, str], tuple[float, int]],
    spots: dict[int, tuple[float, float]],
) -> None:
    largest = max((octets for octets, _ in edges.values()), default=1) or 1
    for (one, other, proto), (octets, _) in sorted(edges.items(), key=lambda each: (each[1][0], each[0])):
        (x, y), (u, v) = spots[one], spots[other]
        # between the columns a calm S; within one an arc towards the middle, the wider the farther apart
        if x == u:
            out = (0.12 + 0.25 * min(abs(y - v) / 12, 1)) * (1 if x == 0 else -1)
            bend = [(x + out, y), (x + out, v)]
        else:
            bend = [((x + u) / 2, y), ((x + u) / 2, v)]
        path = Path([(x, y), *bend, (u, v)], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        colour = _through(parts.colour_of(proto), look.ground)
        width = 0.8 + 5 * (octets / largest) ** 0.5
        ax.add_patch(
            PathPatch(path, facecolor="none", edgecolor=colour, linewidth=width, alpha=_ALPHA, capstyle="round")
        )


def _through(colour: str, ground: str) -> str:
    """Return a colour that stands out as shapes must (3, WCAG 2.2 AA) where the ground shines through it."""
    for ratio in np.arange(3, 21, 0.25):
        found = colours.readable(colour, ground, ratio=float(ratio))
        if colours.contrast(colours.over(found, ground, _ALPHA), ground) >= 3:
            return found
    return colours.ink(ground)


def _draw_nodes(
    ax: Axes, look: draw.Look, spots: dict[int, tuple[float, float]], names: dict[int, str], weight: dict[int, float],
    services: dict[int, str],
) -> None:  # fmt: skip
    largest = max(weight.values(), default=1) or 1
    for each, (x, y) in spots.items():
        area = 14 + 160 * weight.get(each, 0) / largest
        ax.scatter([x], [y], s=area, color=look.ground, edgecolors=look.ink, linewidths=1.1, zorder=4)
        offered = f"  {services[each]}" if services.get(each) else ""
        words = draw.label(f"{names[each]}{offered}" if x else f"{offered.strip()}  {names[each]}".strip(), longest=64)
        ax.annotate(
            words, (x, y), xytext=(-11 if x == 0 else 11, 0), textcoords="offset points", ha="right" if x == 0 else "left",
            va="center", fontsize=8, color=look.ink, annotation_clip=False, zorder=6,
        )  # fmt: skip


def _services(
    sessions: pd.DataFrame, node: np.ndarray, dst: np.ndarray, drawn: np.ndarray, size: np.ndarray
) -> dict[int, str]:
    """Return in words what each host was asked for and answered, the largest first."""
    answered = drawn & ((sessions["dst_packets"].fillna(0) > 0).to_numpy(bool) if "dst_packets" in sessions else True)
    answered &= sessions["dst_port"].notna().to_numpy()
    if "closed" in sessions:  # who answers with a reset offers nothing
        answered &= (sessions["closed"].astype(object) != "refused by dst").to_numpy()
    rows = np.flatnonzero(answered)
    port = sessions["dst_port"].iloc[rows].astype("Int64").astype(str)
    named = (
        sessions["application"].iloc[rows]
        if "application" in sessions
        else pd.Series(None, index=port.index, dtype=object)
    )
    names = named.astype(object).where(named.notna(), sessions["proto"].iloc[rows].astype(str) + " " + port).astype(str)
    table = pd.DataFrame({"host": node[dst[rows]], "name": names.to_numpy(), "octets": size[rows]})
    sums = table[table["host"] >= 0].groupby(["host", "name"])["octets"].sum().reset_index()
    sums = sums.sort_values(["host", "octets", "name"], ascending=[True, False, True], kind="stable")
    words = {}
    for host, group in sums.groupby("host"):
        more = len(group) - _SERVICES
        words[int(host)] = ", ".join(group["name"].head(_SERVICES)) + (f" and {more:,} more" if more > 0 else "")
    return words


def _frame(ax: Axes, look: draw.Look, spots: dict[int, tuple[float, float]], home: Sequence[str]) -> None:
    lowest = max(y for _, y in spots.values())
    ax.set_xlim(-0.75, 1.75)
    ax.set_ylim(lowest + 0.8, -0.4)
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.set_xticks([0, 1], labels=list(_side_names(home)), fontsize=9)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("line and disc: the larger, the more octets; colour of a line: the protocol that carried most")
    for spine in ax.spines.values():
        spine.set_visible(False)


def _legend(ax: Axes, look: draw.Look, edges: dict[tuple[int, int, str], tuple[float, int]]) -> float:
    """Put the legend above the Axes, between them and the title; return how high it is, in points."""
    names: dict[str, list[str]] = {}
    for name in sorted({name for _, _, name in edges}):
        names.setdefault(parts.colour_of(name), []).append(name)  # those without a colour of their own share one
    handles = [
        Line2D(
            [], [], color=_through(colour, look.ground), alpha=_ALPHA, linewidth=3,
            label=draw.label(", ".join(those[:3]) + (f" and {len(those) - 3:,} more" if len(those) > 3 else "")),
        )
        for colour, those in sorted(names.items(), key=lambda each: (len(each[1]) > 1, each[1]))
    ]  # fmt: skip
    columns = max(min(len(handles), int(draw.width(ax) / _ENTRY)), 1)
    legend = ax.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize=8, labelcolor=look.ink,
        handlelength=1.2, ncols=columns,
    )  # fmt: skip
    figure = ax.get_figure(root=True)
    assert figure is not None
    return legend.get_window_extent().height * 72 / figure.dpi + legend.borderaxespad * 8
