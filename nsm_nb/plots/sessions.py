"""What figures of sessions stand on: times in seconds, sizes, names, and words for what is not drawn."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from nsm_nb import colours
from nsm_nb.schema import addresses
from nsm_nb.statistics import quantities

__all__ = ["DAY", "colour_of", "date_axis", "hosts_of", "joined", "left_out", "octets_of", "seconds", "window"]

DAY = 86_400  # seconds: matplotlib's dates are days
_DATES = ["", "%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"]  # what the ticks leave out, as ISO 8601


def seconds(times: pd.Series) -> np.ndarray:
    """Return times as seconds since 1970, missing ones as NaN."""
    values = pd.Series(times).dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("M8[ns]")
    return np.where(np.isnat(values), np.nan, values.view(np.int64) / 1e9)


def octets_of(sessions: pd.DataFrame) -> np.ndarray:
    """Return the octets of both directions, NaN where neither is known."""
    sides = [sessions[name].astype("Float64").to_numpy(float, na_value=np.nan) for name in ("src_octets", "dst_octets")]
    unknown = np.isnan(sides[0]) & np.isnan(sides[1])
    return np.where(unknown, np.nan, np.nan_to_num(sides[0]) + np.nan_to_num(sides[1]))


def hosts_of(sessions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, pd.CategoricalDtype]:
    """Return src and dst as numbers of one order of addresses, -1 where there is none, and that order."""
    src, dst = addresses(sessions["src_ip"], sessions["dst_ip"])
    return src.codes.astype(np.int64), dst.codes.astype(np.int64), src.dtype


def colour_of(proto: str) -> str:
    """Return the colour of a protocol."""
    return colours.PROTOCOL.get(proto, colours.PROTOCOL["other"])


def window(starts: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Return from when to when a figure is drawn, in seconds, with room at both sides; an instant is a second wide."""
    first, last = float(np.min(starts)), float(np.max(ends))
    room = max((last - first) * 0.01, 0.5 if last == first else 0)
    return first - room, last + room


def date_axis(ax: Axes, first: float, last: float) -> None:
    """Lay out an axis of time, given in seconds, in UTC."""
    locator = AutoDateLocator(tz="UTC")
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC", offset_formats=_DATES))
    ax.set_xlim(first / DAY, max(last, math.nextafter(first, math.inf)) / DAY)
    ax.set_xlabel("time, UTC")


def joined(caption: str, *notes: str) -> str:
    """Return a caption with what else has to be said."""
    return "; ".join(each for each in (caption, *notes) if each)


def left_out(sessions: pd.DataFrame, drawn: np.ndarray, what: str) -> str:
    """Return in words how many sessions lack what it takes to draw them."""
    missing = len(sessions) - int(drawn.sum())
    return f"{quantities.amount(missing, 'session')} without {what} not drawn" if missing else ""
