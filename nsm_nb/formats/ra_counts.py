"""How much ra says that each side sent: packets, bytes of frames, and so IP bytes, of src, of dst, or of both together.

Source: ra(1), "Flgs", "Dir"; measured on the fixtures.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.printed_values import Values

__all__ = ["counts_of", "is_any"]

_LINK = {"": 14, "e": 14, "v": 18}  # bytes of the link layer by the letter of its encapsulation
_LEAST_IP = 20
_NOT_IP = ("arp", "rarp", "llc", "man", "evt", "loop", "lldp", "stp", "isis", "ipx", "ether", "eth")


def is_any(column: pd.Categorical, *names: str) -> np.ndarray:
    """Return in which rows a column has one of these words."""
    return np.array([*(each in names for each in column.categories), False])[column.codes]


def counts_of(
    values: Values, proto: pd.Categorical, arrow: pd.Categorical, one_way: np.ndarray
) -> dict[str, list[pd.Series]]:
    """Return `packets`, `octets` and `payload`, each of ra's src, its dst, and both together."""
    leftward = is_any(arrow, "<-", "<?")
    packets, frames = (_sides(values, name, one_way & leftward, one_way & ~leftward) for name in ("pkts", "bytes"))
    link = _link(values, proto)
    octets = []
    for count, size in zip(packets, frames, strict=True):
        number, total = (each.to_numpy(np.float64, na_value=np.nan) for each in (count, size))
        left = total - link * number
        with np.errstate(invalid="ignore"):
            left[left < _LEAST_IP * number] = np.nan
        octets.append(columns.whole(left))
    if values.has("totbytes", "srcbytes"):
        values.say(
            "octets",
            "octets are Argus' bytes of whole frames less 14 a packet (Ethernet's header), 18 behind a VLAN tag; where short "
            "frames were padded they are too many, and records of other encapsulations, or of no IP, have none",
        )
    payload = [values.whole("sappbytes"), values.whole("dappbytes")]
    if not any((each.fillna(0) > 0).any() for each in payload):  # not counted, where Argus ran without -A
        payload = [each.where(pd.Series(np.zeros(len(each), bool)), pd.NA) for each in payload]
    return {"packets": packets, "octets": octets, "payload": payload}


class _Count(NamedTuple):
    """Whole numbers, and which of them are known."""

    number: np.ndarray
    known: np.ndarray

    def or_else(self, number: np.ndarray, known: np.ndarray) -> _Count:
        """Return itself, with these numbers where it has none."""
        return _Count(np.where(self.known, self.number, number), self.known | known)

    def set_where(self, which: np.ndarray, other: _Count) -> _Count:
        """Return itself, with what the other has in these places."""
        return _Count(np.where(which, other.number, self.number), np.where(which, other.known, self.known))

    def series(self) -> pd.Series:
        """Return the numbers, missing where they are not known or below 0."""
        fine = self.known & (self.number >= 0)
        return pd.Series(pd.arrays.IntegerArray(np.where(fine, self.number, 0), ~fine))


def _sides(values: Values, name: str, of_dst: np.ndarray, of_src: np.ndarray) -> list[pd.Series]:
    """Return a count of src, of dst and of both, each made of the others where it was not printed.

    `of_dst` and `of_src` are records of which that side alone sent, as the arrow says.
    """
    src, dst, both = (_count(values, f"{side}{name}") for side in ("src", "dst", "tot"))
    both = both.or_else(src.number + dst.number, src.known & dst.known)
    src, dst = (
        src.or_else(both.number - dst.number, both.known & dst.known),
        dst.or_else(both.number - src.number, both.known & src.known),
    )
    if values.has(f"tot{name}") and not values.has(f"src{name}", f"dst{name}"):
        nothing = _Count(np.zeros(values.count, np.int64), np.ones(values.count, bool))
        src = src.set_where(of_src, both).set_where(of_dst, nothing)
        dst = dst.set_where(of_dst, both).set_where(of_src, nothing)
        if not src.known.all():
            said = f"it has {name} of both sides together only, for records of which both sent: print src{name} and dst{name}"
            values.say("sides", said)
    return [each.series() for each in (src, dst, both)]


def _count(values: Values, name: str) -> _Count:
    found = values.whole(name).array
    missing = found.isna()
    return _Count(found.to_numpy(np.int64, na_value=0), ~missing)


def _link(values: Values, proto: pd.Categorical) -> np.ndarray:
    """Return the bytes of the link layer in a packet of each record, NaN where that is not known."""

    def size(text: bytes) -> float | None:
        found = re.match(rb"[TN]?\s*([a-zA-Z0-9]?)", text.strip()) if text.strip() else None
        return _LINK.get(found[1].decode() if found else "")

    known = columns.numbers(values.raw("flgs"), size)
    return np.where(is_any(proto, *_NOT_IP), np.nan, known)
