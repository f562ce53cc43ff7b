"""A stretch of time, counted by intervals: paths of layers, lengths, protocols, and what each side of each session sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.statistics._counts import Counts, counted
from nsm_nb.statistics._tally import codes_of, numbers_of

__all__ = ["Intervals", "View", "viewed"]


class Intervals(NamedTuple):
    """Intervals of one length, in nanoseconds since 1970."""

    start: int
    step: int
    intervals: int
    every: str


@dataclass(frozen=True)
class View:
    """What was counted. Keys of layers and protocols are places in their names, from 1; 0 is what has none."""

    start: int
    step: int
    intervals: int
    every: str
    paths: pd.Index
    layers: Counts  # packets, bytes on the wire
    longest: int  # a byte more than the longest packet
    lengths: Counts  # packets
    names: pd.Index
    protocols: Counts  # packets, octets
    sides: Counts  # packets, octets, payload; the keys are src and dst of each session, one after the other

    def edge(self, number: int) -> int:
        """Return where an interval begins."""
        return self.start + number * self.step


def viewed(
    packets: pd.DataFrame, place: np.ndarray, owner: tuple[np.ndarray, np.ndarray], sessions: int, parted: Intervals
) -> View:
    """Return packets counted.

    Parameters
    ----------
    packets
        Rows of PACKETS.
    place
        The interval of each.
    owner
        The row of the session of each, and whether it counts for it.
    sessions
        How many sessions there are.
    parted
        The intervals.
    """
    count = parted.intervals
    length, octets, payload = (numbers_of(packets[name])[0] for name in ("length", "octets", "payload"))
    layers, paths = codes_of(packets["layers"])
    protocol, names = codes_of(packets["proto"])
    longest = int(length.max(initial=0)) + 1
    session, counts = owner
    side = 2 * session + ~packets["to_dst"].fillna(True).to_numpy(bool)
    sent = side, place, octets, payload
    if not counts.all():
        sent = side[counts], place[counts], octets[counts], payload[counts]
    side, place_of_side, octets_of_side, payload = sent
    return View(
        *parted,
        paths, counted(place, layers.astype(np.int64) + 1, len(paths) + 1, count, length),
        longest, counted(place, length, longest, count),
        names, counted(place, protocol.astype(np.int64) + 1, len(names) + 1, count, octets),
        counted(place_of_side, side, 2 * max(sessions, 1), count, octets_of_side, payload),
    )  # fmt: skip
