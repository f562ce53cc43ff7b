"""Who a row, or a side of a session, is counted for on a timeline: its protocol, its host, its direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.statistics._inside import DIRECTIONS, directions
from nsm_nb.statistics._tally import codes_of, ends_of

__all__ = ["NONE", "Lanes", "Named", "largest"]

NONE = "none"
"""The lane of what has no protocol, host or direction."""

_OTHER = "other"
_TOP = 5  # hosts that a timeline shows apart


class Named(NamedTuple):
    """A code for each row, and the names of the codes."""

    codes: np.ndarray
    names: list[str]


class Lanes:
    """The lanes of rows of tables and of sides of sessions; each is worked out once.

    Parameters
    ----------
    home
        Networks of one's own, by which directions are told; none: by who opened the session.
    """

    def __init__(self, home: Sequence[str]):
        self._home = tuple(home)
        self._rows: dict[tuple[str, str], Named] = {}
        self._sides: dict[str, Named] = {}

    def of_rows(self, table: pd.DataFrame, by: str, what: str) -> Named:
        """Return the lane of each row; `what` names the table."""
        if (what, by) not in self._rows:
            self._rows[what, by] = self._made_of_rows(table, by)
        return self._rows[what, by]

    def of_sides(self, sessions: pd.DataFrame, by: str) -> Named:
        """Return the lane of who sends on src and dst of each session, one after the other."""
        if by not in self._sides:
            self._sides[by] = self._made_of_sides(sessions, by)
        return self._sides[by]

    def _made_of_rows(self, table: pd.DataFrame, by: str) -> Named:
        if not {"proto", "src_ip", "dst_ip"} <= set(table):
            return Named(np.zeros(len(table), np.int64), [NONE])
        if by == "proto":
            codes, names = codes_of(table["proto"])
            return Named(codes.astype(np.int64) + 1, [NONE, *map(str, names)])
        src, dst, dtype = ends_of(table)
        if by == "host":
            return Named(src.astype(np.int64) + 1, [NONE, *map(str, dtype.categories)])
        if not self._home:
            return Named(np.zeros(len(table), np.int64), ["from src"])
        return Named(directions(src, dst, dtype, self._home).astype(np.int64) + 1, [NONE, *DIRECTIONS])

    def _made_of_sides(self, sessions: pd.DataFrame, by: str) -> Named:
        src, dst, dtype = ends_of(sessions)
        if by == "host":
            codes = np.column_stack([src, dst]).reshape(-1).astype(np.int64) + 1
            return Named(codes, [NONE, *map(str, dtype.categories)])
        if not self._home:
            return Named(np.tile([0, 1], len(src)), ["from src", "from dst"])
        forth = directions(src, dst, dtype, self._home).astype(np.int64) + 1
        back = np.array([0, 2, 1, 3, 4])[forth]
        return Named(np.column_stack([forth, back]).reshape(-1), [NONE, *DIRECTIONS])


def largest(codes: np.ndarray, names: list[str], weights: np.ndarray | None) -> Named:
    """Return codes and names of which all but the largest are one, "other"."""
    if len(names) <= 2 * _TOP:
        return Named(codes, names)
    sums = np.bincount(codes, weights, minlength=len(names))
    top = np.argsort(-sums, kind="stable")[:_TOP]
    place = np.full(len(names), _TOP, np.int64)
    place[top] = np.arange(_TOP)
    return Named(place[codes], [*(names[int(each)] for each in top), _OTHER])
