"""When each conversation was: sessions as bars along time, a lane for each pair of hosts and protocol."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Patch, Rectangle

from nsm_nb import colours
from nsm_nb.plots import drawing as draw
from nsm_nb.plots import sessions as parts
from nsm_nb.plots.drawing import ThemeName
from nsm_nb.plots.timeline import MARKS
from nsm_nb.schema import SESSIONS, addresses
from nsm_nb.statistics import quantities
from nsm_nb.text import form

__all__ = ["gantt"]

_SIDE_BY_SIDE = 4  # sessions of a lane that are drawn one below the other where they are at the same time
_HEIGHT = 0.6  # of the bars of a lane; below them stand its alerts
_NARROWEST = 0.002  # of the width of the figure, so that the shortest is seen


def gantt(
    sessions: pd.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    caption: str | None = None,
    alerts: pd.DataFrame | None = None,
    n: int = 300,
    lanes: int = 25,
    theme: ThemeName = "light",
) -> Axes:
    """Draw when each session was: a bar from its start to its end, in a lane for each pair of hosts and protocol.

    Parameters
    ----------
    sessions
        A table of SESSIONS.
    ax, title, caption, theme
        As in `timeline`.
    alerts
        Alerts to mark where they were raised, in the lane of their hosts, or above where they have none.
    n, lanes
        How many sessions to draw, and in how many lanes: those that carried most. What is not drawn is told.

    Returns
    -------
    matplotlib.axes.Axes
    """
    SESSIONS.require(sessions, "start", "end", "proto", "src_ip", "dst_ip", "src_octets", "dst_octets")
    caption = draw.caption_of(sessions) if caption is None else caption
    starts, ends = parts.seconds(sessions["start"]), parts.seconds(sessions["end"])
    ends = np.fmax(starts, np.where(np.isnan(ends), starts, ends))
    src, dst, dtype = parts.hosts_of(sessions)
    timed = ~np.isnan(starts) & (src >= 0) & (dst >= 0)
    size = np.nan_to_num(parts.octets_of(sessions))
    rows = np.flatnonzero(timed)
    proto = sessions["proto"].astype(object).where(sessions["proto"].notna(), "no protocol").astype(str).to_numpy()
    lane_of = pd.DataFrame({"one": np.minimum(src, dst), "other": np.maximum(src, dst), "proto": proto}).iloc[rows]
    number = lane_of.groupby(["one", "other", "proto"], sort=True).ngroup().to_numpy()
    carried = np.bincount(number, size[rows]) if len(rows) else np.zeros(0)
    kept = np.argsort(-carried, kind="stable")[:lanes]
    inside = np.isin(number, kept)
    most = rows[inside]
    drawn = most[np.lexsort((most, starts[most], -size[most]))][:n].tolist()
    of_row = dict(zip(rows[inside].tolist(), lane_of[inside].itertuples(index=False, name=None), strict=True))
    lost = parts.left_out(sessions, timed, "a time or an address")
    ax, look = draw.axes(ax, theme, 1.35 + 0.3 * max(min(len({of_row[row] for row in drawn}), lanes), 3))
    if not drawn:
        return draw.nothing(
            ax, look, title, parts.joined(caption, lost), "sessions", "when each of them was, and between whom"
        )

    first_of: dict[tuple[int, int, str], int] = {}
    for row in sorted(drawn, key=lambda row: (starts[row], row)):
        first_of.setdefault(of_row[row], row)
    place = {key: number for number, key in enumerate(first_of)}
    first, last = parts.window(starts[drawn], ends[drawn])
    parts.date_axis(ax, first, last)
    bars: dict[str, list[Rectangle]] = {}
    below = _below(sorted(drawn, key=lambda row: (starts[row], row)), of_row, starts, ends, (last - first) * _NARROWEST)
    levels: dict[tuple[int, int, str], int] = {}
    for row, level in below.items():
        levels[of_row[row]] = max(levels.get(of_row[row], 0), level + 1)
    for row in drawn:
        width = max(ends[row] - starts[row], (last - first) * _NARROWEST)
        height = _HEIGHT / levels[of_row[row]]
        top = place[of_row[row]] - 0.42 + height * below[row]
        bars.setdefault(proto[row], []).append(
            Rectangle((starts[row] / parts.DAY, top), width / parts.DAY, height * 0.88)
        )
    handles = []
    for name in sorted(bars):
        colour = colours.readable(parts.colour_of(name), look.ground, ratio=3)
        ax.add_collection(PatchCollection(bars[name], facecolor=colour, edgecolor="none", alpha=0.85), autolim=False)
        handles.append(Patch(color=colour, label=draw.label(name)))
    names = [f"{dtype.categories[src[row]]} → {dtype.categories[dst[row]]} {key[2]}" for key, row in first_of.items()]
    draw.rows_down(ax, len(place), [draw.label(name) for name in names])
    ax.grid(visible=True, axis="x", color=look.grid, linewidth=0.7)
    marked, more = _mark(ax, alerts, look, place, dtype, (first, last))
    ax.legend(
        handles=[*handles, *more], loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, fontsize=8,
        labelcolor=look.ink, handlelength=1.2,
    )  # fmt: skip

    count, unseen = len(drawn), int(timed.sum()) - len(drawn)
    few = (
        f"of {int(timed.sum()):,} sessions {unseen:,} {form(unseen, 'is', 'are')} not drawn: those shown carried most, in the "
        f"{form(len(place), 'lane', f'{len(place):,} lanes')} with most of {len(carried):,}"
    )
    longest = max(drawn, key=lambda row: (ends[row] - starts[row], -row))
    said = title or (
        f"{quantities.amount(count, 'session')} in {quantities.span(float(np.max(ends[drawn]) - np.min(starts[drawn])))}; the "
        f"longest, {names[place[of_row[longest]]]}, took {quantities.span(float(ends[longest] - starts[longest]))}"
    )
    tally = pd.Series([of_row[row] for row in drawn]).value_counts()
    facts = ((name, quantities.amount(int(tally[key]), "session")) for name, key in zip(names, place, strict=True))
    when = [quantities.moment(pd.Timestamp(each, unit="s", tz="UTC"), digits=0) for each in (first, last)]
    return draw.finish(
        ax, look, said, parts.joined(caption, few if unseen else "", lost),
        f"Sessions as bars from {when[0]} to {when[1]}, by pair of hosts and protocol: {draw.listed(facts)}.{marked}",
    )  # fmt: skip


def _below(
    rows: list[int], of_row: dict[int, tuple[int, int, str]], starts: np.ndarray, ends: np.ndarray, least: float
) -> dict[int, int]:
    """Return how far down in its lane each session is drawn, so that those at the same time do not hide each other."""
    free: dict[tuple[int, int, str], list[float]] = {}
    below = {}
    for row in rows:
        until = free.setdefault(of_row[row], [-np.inf] * _SIDE_BY_SIDE)
        level = next((each for each, end in enumerate(until) if end <= starts[row]), int(np.argmin(until)))
        below[row], until[level] = level, max(until[level], ends[row], starts[row] + least)
    return below


def _mark(
    ax: Axes, alerts: pd.DataFrame | None, look: draw.Look, place: dict[tuple[int, int, str], int],
    dtype: pd.CategoricalDtype, span: tuple[float, float],
) -> tuple[str, list]:  # fmt: skip
    """Mark alerts in their lanes; return what was marked in words, and a handle of each priority for the legend."""
    if alerts is None or not len(alerts):
        return "", []
    times = parts.seconds(alerts["time"])
    src, dst = (pd.Index(dtype.categories).get_indexer(pd.Series(each).astype(object))
                for each in addresses(alerts["src_ip"], alerts["dst_ip"]))  # fmt: skip
    lane = {key[:2]: number for key, number in reversed(place.items())}
    proto = alerts["proto"].astype(object).to_numpy() if "proto" in alerts else [None] * len(alerts)
    rows = np.array(
        [
            place.get((*pair, str(name)), lane.get(pair, -1.0))
            for *pair_, name in zip(np.minimum(src, dst).tolist(), np.maximum(src, dst).tolist(), proto, strict=True)
            for pair in [tuple(pair_)]
        ],
        float,
    )
    inside = (times >= span[0]) & (times <= span[1])
    kinds = alerts["priority"].astype("Int64").to_numpy(float, na_value=np.nan)
    said, handles = [], []
    for kind in sorted(set(kinds[inside & ~np.isnan(kinds)].tolist())) + (
        [None] if np.isnan(kinds[inside]).any() else []
    ):
        here = inside & (np.isnan(kinds) if kind is None else kinds == kind)
        name = "alert" if kind is None else f"alert, priority {int(kind)}"
        colour = colours.DOUBT if kind is None else colours.PRIORITY.get(int(kind), colours.DOUBT)
        (line,) = ax.plot(
            times[here] / parts.DAY, rows[here] + 0.3, linestyle="none",
            marker="v" if kind is None else MARKS.get(int(kind), "."),
            markersize=5, color=colour, markeredgecolor=look.ink, markeredgewidth=0.5, clip_on=False, label=name, zorder=5,
        )  # fmt: skip
        handles.append(line)
        said.append(f"{int(here.sum()):,} of {name}")
    outside = int((~inside).sum())
    away = f"; {outside:,} lie outside" if outside else ""
    return f" Marked: {', '.join(said) or 'no alert'}{away}.", handles
