"""The columns of one session's packets as arrays, each taken out of the table once: that is most of a short session's work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Columns"]

_LINK_SIZES = {"eth": 14, "raw": 0, "null": 4, "sll": 16, "sll2": 20}  # bytes before IP, tags not counted


class Columns:
    """Rows of PACKETS.

    Parameters
    ----------
    packets
        The table.
    evidence
        The path of each `evidence` label; the labels are paths where not given.
    """

    def __init__(self, packets: pd.DataFrame, evidence: Mapping[str, str | os.PathLike] | None = None):
        self.packets, self.evidence = packets, evidence
        self._numbers: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.packets)

    def array(self, name: str) -> Any:
        """Return a column as pandas' array."""
        return self.packets[name].array

    def numbers(self, name: str, none: int = 0) -> np.ndarray:
        """Return a column of integers; `none` where it is missing, which has to be the same each time it is asked for."""
        found = self._numbers.get(name)
        if found is None:
            values = self.array(name)
            if hasattr(values, "isna") and not isinstance(values, np.ndarray):
                found = values.to_numpy(np.int64, na_value=none)
            else:
                found = np.asarray(values, np.int64)
            self._numbers[name] = found
        return found

    @cached_property
    def from_src(self) -> np.ndarray:
        """Of each packet, True where src sent it."""
        return self.array("to_dst").to_numpy(bool)

    @cached_property
    def fragmented(self) -> np.ndarray:
        """Of each packet, True where it is a fragment."""
        return np.asarray(self.array("fragment").isna()) == 0

    @cached_property
    def labels(self) -> list[str]:
        """The captures that the packets are of, in the order of their categories."""
        return self._evidence[0]

    @cached_property
    def label(self) -> np.ndarray:
        """Of each packet, the number of its capture in `labels`."""
        return self._evidence[1]

    @cached_property
    def _evidence(self) -> tuple[list[str], np.ndarray]:
        values = self.array("evidence")
        if not isinstance(values, pd.Categorical):
            values = pd.Categorical(values)
        codes = values.codes
        if len(codes) and (codes == codes[0]).all():
            return [str(values.categories[codes[0]])], np.zeros(len(codes), np.int64)
        used, number = np.unique(codes, return_inverse=True)
        return [str(values.categories[code]) for code in used], number

    @cached_property
    def paths(self) -> list[Path]:
        """The file of each of `labels`."""
        given = self.evidence or {}
        return [Path(given.get(label, label)) for label in self.labels]

    @property
    def known(self) -> bool:
        """True where the file of each capture is known."""
        return self.evidence is None or set(self.labels) <= set(self.evidence)

    @cached_property
    def head(self) -> np.ndarray:
        """The bytes before the IP header of each packet; -1 where a tunnel or a link makes them unknown."""
        layers = self.array("layers")
        if not isinstance(layers, pd.Categorical):
            layers = pd.Categorical(layers)
        sizes = np.full(len(layers.categories) + 1, -1, np.int64)
        # of a long session all layers of the case are fewer than its packets
        used = range(len(sizes) - 1) if len(sizes) < len(layers) else np.unique(layers.codes).tolist()
        for code in used:
            if code >= 0:
                sizes[code] = _head_size(str(layers.categories[code]).split(":"))
        return sizes[layers.codes]


def _head_size(chain: list[str]) -> int:
    size = _LINK_SIZES.get(chain[0], -1)
    rest = chain[1:]
    while size >= 0 and rest and rest[0] == "vlan":
        size, rest = size + 4, rest[1:]
    return size if len(rest) == 2 and rest[0] in ("ip", "ipv6") else -1
