"""What a line says, as a tree: single tests, tests joined by `and` or by `or`, and what is turned round by `not`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.query.values import Value

__all__ = ["Joined", "Node", "Not", "Term", "Test"]

Test = Callable[[pd.DataFrame], np.ndarray]
"""A table -> True where a row matches."""


class Term(NamedTuple):
    """A single test: what it asks about, how that is compared, and with what.

    Attributes
    ----------
    field
        ``host``, ``port``, ``portrange`` (with ``src``, ``dst``, ``src and dst`` before it where the line names a side),
        ``any column``, ``alert``, ``alert sid``, or the name of a column, in lower case.
    comparison
        One of ``= != < <= > >= ~ !~ matches``; empty where nothing is compared (``alert`` alone).
    value
        What it is compared with.
    test
        Does it.
    """

    field: str
    comparison: str
    value: Value
    test: Test

    def mask(self, table: pd.DataFrame) -> np.ndarray:
        """Return a bool array, True where a row matches."""
        return self.test(table)


class Not(NamedTuple):
    """What `not` turns round."""

    inner: Node

    def mask(self, table: pd.DataFrame) -> np.ndarray:
        """Return a bool array, True where a row does not match what is turned round."""
        return ~self.inner.mask(table)


class Joined(NamedTuple):
    """Two or more parts, none of which is joined by the same word; an empty line is an `and` of none."""

    joint: str  # "and" or "or"
    parts: tuple[Node, ...]

    def mask(self, table: pd.DataFrame) -> np.ndarray:
        """Return a bool array, True where a row matches all parts, or any."""
        if not self.parts:
            return np.ones(len(table), bool)
        join = operator.and_ if self.joint == "and" else operator.or_
        return reduce(join, (each.mask(table) for each in self.parts))


Node = Term | Not | Joined
