"""Which addresses are ours: inside and outside of the home networks, and the direction that follows."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import in_network

__all__ = ["DIRECTIONS", "directions", "inside", "networks"]

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


def networks(dtype: Any, seen: np.ndarray, home: Sequence[str]) -> tuple[np.ndarray, pd.CategoricalDtype, np.ndarray]:
    """Return the network of each category of an address dtype: the smallest home network that holds it, else its /24 or /64.

    Parameters
    ----------
    dtype
        Of addresses.
    seen : int64 array
        The categories that are meant; the others are in no network.
    home
        Networks in CIDR notation.

    Returns
    -------
    lookup : int64 array
        The network of each category, -1 for one that was not seen, and last of all -1 for a missing address.
    networks : CategoricalDtype
        Their names, in the order of their addresses.
    ours : bool array
        Which of them are home networks.
    """
    ours = [ipaddress.ip_network(each, strict=False) for each in ([home] if isinstance(home, str) else home)]
    every = pd.Series(pd.Categorical.from_codes(seen, dtype=dtype))
    texts = every.astype("str")
    six = texts.str.contains(":", regex=False).to_numpy(bool)
    names = (texts.str.rpartition(".")[0] + ".0/24").to_numpy(object) if len(texts) else np.zeros(0, object)
    names[six] = [str(ipaddress.ip_network((each, 64), strict=False)) for each in texts[six]]
    begins: dict[str, int] = {}  # the first address that a home network holds, whoever holds it more closely
    for network in sorted(ours, key=lambda each: each.prefixlen):
        held = in_network(every, str(network))
        names[held] = str(network)
        begins[str(network)] = int(np.argmax(held)) if len(held) else 0
    codes, known = pd.factorize(names)
    first = np.unique(codes, return_index=True)[1]
    first = np.array([begins.get(name, at) for name, at in zip(known, first.tolist(), strict=True)], np.int64)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    lookup = np.full(len(dtype.categories) + 1, -1, np.int64)
    lookup[seen] = place[codes]
    sorted_names = known[order]
    mine = np.isin(sorted_names, list(begins)) if len(known) else np.zeros(0, bool)
    return lookup, pd.CategoricalDtype(pd.Index(sorted_names, dtype="str"), ordered=True), mine


def directions(src: np.ndarray, dst: np.ndarray, dtype: Any, home: Sequence[str]) -> np.ndarray:
    """Return the number of each row's direction in `DIRECTIONS`, -1 where an end is missing."""
    ours = inside(dtype, home)
    result = np.where(ours[src], np.where(ours[dst], 2, 0), np.where(ours[dst], 1, 3)).astype(np.int8)
    result[(src < 0) | (dst < 0)] = -1
    return result
