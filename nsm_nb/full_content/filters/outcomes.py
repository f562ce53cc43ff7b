"""What a test may say of a packet, for many packets at once.

A filter that reads behind the captured bytes rejects the packet, whatever else it says, also under `not`; so a test has
three outcomes. What the columns of a table tell is a set of those that are possible: one bit each. A packet is decided where
one is left, and `and`, `or` and `not` of sets are a few operations on bytes.

Source: bpf(4): a load out of bounds returns 0 from the whole filter; pcap-filter(7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["ANY", "FALSE", "REJECT", "TRUE", "Known", "Outcomes", "both", "by_code", "decided", "either", "one_of", "said",
           "turned"]  # fmt: skip

Outcomes = Any
"""A uint8 array, one set a packet, or one set for all of them."""

Known = Mapping[int, Outcomes]
"""The outcomes of tests that are decided for all packets that are asked; a test is named by its `id`."""

TRUE, FALSE, REJECT, ANY = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(7)
_ONE, _TWO = np.uint8(1), np.uint8(2)
_FEW = 6  # passes over all packets, each of which takes a sixth of the time of one that looks values up


def both(first: Outcomes, second: Outcomes) -> Outcomes:
    """Return the outcomes of ``first and second``: the second is only asked where the first may be true."""
    return (first & (FALSE | REJECT)) | (second & _all_bits(first & TRUE))


def either(first: Outcomes, second: Outcomes) -> Outcomes:
    """Return the outcomes of ``first or second``: the second is only asked where the first may be false."""
    return (first & (TRUE | REJECT)) | (second & _all_bits((first & FALSE) >> _ONE))


def turned(inner: Outcomes) -> Outcomes:
    """Return the outcomes of ``not inner``."""
    return (inner & REJECT) | ((inner & TRUE) << _ONE) | ((inner & FALSE) >> _ONE)


def said(true: np.ndarray | bool, known: np.ndarray | None = None, otherwise: np.uint8 = ANY) -> Outcomes:
    """Return the outcomes of an answer: TRUE or FALSE where it is known, `otherwise` where not."""
    outcomes = _TWO - np.asarray(true).view(np.uint8)
    return outcomes if known is None else one_of(known, outcomes, otherwise)


def one_of(where: np.ndarray | bool, first: Outcomes, second: Outcomes) -> Outcomes:
    """Return ``np.where(where, first, second)``, which is four times slower for bytes."""
    bits = _all_bits(np.asarray(where).view(np.uint8))
    return (first & bits) | (second & ~bits)


def by_code(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return ``values[codes]``, faster where few values differ from the most frequent one; not to be written to.

    The last of the values is that of code -1.
    """
    places = np.arange(len(values))
    if len(values) > 1 and codes.min(initial=0) >= 0:
        values, places = values[:-1], places[:-1]
    else:
        places[-1] = -1
    different, times = np.unique(values, return_counts=True)
    usual = different[np.argmax(times)]
    if len(different) == 1:
        return np.broadcast_to(values[:1], codes.shape)
    others = np.flatnonzero(values != usual)
    if values.dtype != np.uint8 or len(others) > _FEW:
        return values[codes]
    outcomes = np.full(codes.shape, usual, np.uint8)
    for other in others.tolist():
        outcomes ^= (codes == places[other]).view(np.uint8) * (values[other] ^ usual)
    return outcomes


def decided(outcomes: Outcomes, rows: np.ndarray) -> Outcomes | None:
    """Return the outcomes of some packets, one for all where they are the same; None where any of them is not decided."""
    some = outcomes[rows] if np.any(np.asarray(outcomes).strides) else outcomes
    lowest, highest = np.min(some), np.max(some)
    if lowest == highest:
        return lowest if lowest in (TRUE, FALSE, REJECT) else None
    return None if (some & (some - _ONE)).any() else some


def _all_bits(bit: Outcomes) -> Outcomes:
    return bit * np.uint8(255)
