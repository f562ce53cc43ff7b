"""Clocks of exporters: flows that can't have been when they say, and their times moved to where they belong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.schema import FLOWS, Caveat, with_caveats
from nsm_nb.sessions.idle import seconds_of
from nsm_nb.text import printable

__all__ = ["out_of_window", "rebased"]

# Longer than a record can have waited for its export by any exporter's defaults: 30 minutes active, 15 s to an hour idle
_WINDOW = "2h"


def out_of_window(flows: pd.DataFrame, *, window: str | float = _WINDOW) -> np.ndarray:
    """Return a bool array, True for the flows that end further from their receipt than an exporter can have held them.

    So are those that softflowd makes of an old capture without ``-a``: it takes now for the clock of the capture.

    Parameters
    ----------
    flows
        A table of FLOWS; of those that tell no time or no receipt nothing can be said.
    window
        The longest that can lie between, in seconds or as text such as ``"2h"``.

    Examples
    --------
    >>> out_of_window(FLOWS.empty()).tolist()
    []
    """
    FLOWS.require(flows, "end", "received")
    seconds = seconds_of(window, "window")
    apart = (flows["end"].dt.tz_localize(None) - flows["received"].dt.tz_localize(None)).abs()
    return (apart > pd.Timedelta(seconds=seconds)).to_numpy(bool)


def rebased(
    flows: pd.DataFrame, *, starts: Mapping[str, object] | object | None = None, window: str | float = _WINDOW
) -> pd.DataFrame:
    """Return flows with the times of exporters whose clock is wrong moved, each exporter's by one constant.

    Durations, and the gaps between flows, stay what they were.

    Parameters
    ----------
    flows
        A table of FLOWS.
    starts
        When the first flow began: one time, or a time by `sensor`; these are moved whatever they say. Where not given, the
        exporters of which most flows lie outside the window are moved so that the last flow ends when it was received:
        times of flows that were exported live are right then but for how long the last one waited.
    window
        As in `out_of_window`.

    Returns
    -------
    DataFrame
        FLOWS; a caveat for each exporter tells by how much it was moved.

    Raises
    ------
    ValueError
        Where a start is no time.

    Notes
    -----
    *Source*: measured with softflowd 1.1 (``-r`` without ``-a``): its header has an uptime of 0 and the time of today, and
    first and last are what lies between packet and today, wrapped to 32 bits of milliseconds.
    """
    FLOWS.require(flows, "start", "end", "received", "sensor", "evidence")
    start, end = (flows[name].dt.tz_localize(None) for name in ("start", "end"))
    received = flows["received"].dt.tz_localize(None)
    wrong = out_of_window(flows, window=window)
    sensor = flows["sensor"].astype("str").where(flows["sensor"].notna(), "")
    shift = np.zeros(len(flows), "m8[ns]")
    caveats = []
    for name in sorted(sensor.unique()):
        here = (sensor == name).to_numpy(bool)
        wanted = starts.get(name) if isinstance(starts, Mapping) else starts
        if wanted is not None:
            by = _time(wanted) - start[here].min()
        elif starts is None and 2 * wrong[here].sum() > here.sum():
            by = received[here].max() - end[here].max()
        else:
            continue
        if pd.isna(by):
            continue
        shift[here] = by.to_timedelta64()
        label = str(flows["evidence"][here].iloc[0])
        of = f"exporter {printable(name)}" if name else "its exporter"
        said = f"{printable(label)}: all times of {of} were moved by {by.total_seconds():+,.3f} s; durations stay"
        caveats.append(Caveat(label, None, None, "clock", said))
    moved = {name: (each + shift).dt.tz_localize("UTC") for name, each in (("start", start), ("end", end))}
    return with_caveats(flows.assign(**moved), caveats)


def _time(value: object) -> pd.Timestamp:
    try:
        time = pd.Timestamp(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as problem:
        raise ValueError(
            f"starts has {printable(str(value))!r}, which is no time; give one such as 2003-11-13T17:00Z"
        ) from problem
    return time.tz_convert(None) if time.tzinfo is not None else time
