"""What a test may say of a packet, for many packets at once.

A filter that reads behind the captured bytes rejects the packet, whatever else it says, also under `not`; so a test has
three outcomes. What the columns of a table tell is a set of those that are possible: one bit each. A packet is decided where
one is left, and `and`, `or` and `not` of sets are a few operations on bytes.

Source: bpf(4): a load out of bounds returns 0 from the whole filter; pcap-filter(7).
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ANY", "FALSE", "REJECT", "TRUE", "Outcomes", "both", "either", "said", "turned"]

Outcomes = Any
"""A uint8 array, one set a packet, or one set for all of them."""

TRUE, FALSE, REJECT, ANY = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(7)
_ONE, _TWO = np.uint8(1), np.uint8(2)


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
    return outcomes if known is None else np.where(known, outcomes, otherwise)


def _all_bits(bit: Outcomes) -> Outcomes:
    return bit * np.uint8(255)
