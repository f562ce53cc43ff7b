"""Which addresses are ours: inside and outside of the home networks, and the direction that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import in_network

__all__ = ["DIRECTIONS", "directions", "inside"]

# In the words of those who guard a network; `internal` never passes the border, `external` is between others.
DIRECTIONS = ("outbound", "inbound", "internal", "external")


def inside(dtype: Any, home: Sequence[str]) -> np.ndarray:
    """Return for each category of an address dtype whether it lies in a home network, and False for a missing one last.

    Raises
    ------
    ValueError
        Where `home` has what is no network.
    """
    if isinstance(home, str):
        home = [home]
    every = pd.Series(pd.Categorical.from_codes(np.arange(len(dtype.categories)), dtype=dtype))
    found = np.zeros(len(dtype.categories) + 1, bool)
    for network in home:
        found[:-1] |= in_network(every, network)
    return found


def directions(src: np.ndarray, dst: np.ndarray, dtype: Any, home: Sequence[str]) -> np.ndarray:
    """Return the number of each row's direction in `DIRECTIONS`, -1 where an end is missing."""
    ours = inside(dtype, home)
    result = np.where(ours[src], np.where(ours[dst], 2, 0), np.where(ours[dst], 1, 3)).astype(np.int8)
    result[(src < 0) | (dst < 0)] = -1
    return result
