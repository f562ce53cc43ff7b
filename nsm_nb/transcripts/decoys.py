"""Segments that the receiver will hardly have taken: their checksum is wrong, or they came from too near to get there.

Whoever wants to be misread by a sensor sends it segments that the receiver drops: with a wrong checksum, or with a TTL that
ends on the way (T. Ptacek and T. Newsham, "Insertion, Evasion, and Denial of Service", 1998, 5.3 and 5.5). They are kept, but
where they overlap others, the others count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nsm_nb.transcripts.columns import Columns
from nsm_nb.transcripts.segments import wrong_checksums

__all__ = ["Decoys", "decoys"]

_RARE = 4  # of so many packets of a side at most one may be odd, else it is how that side's packets are
_NEARER = 5  # hops; the paths of one conversation hardly differ by more


@dataclass(frozen=True)
class Decoys:
    """Which rows are odd, and why."""

    checksum: np.ndarray  # of each packet, True where its TCP checksum is wrong and those of its side are right
    ttl: np.ndarray  # of each packet, True where its TTL is much lower than those of its side
    usual: tuple[int, int]  # the TTL that most packets of src and of dst have, -1 where there is none

    @property
    def any(self) -> np.ndarray:
        """True for each packet that is odd."""
        return self.checksum | self.ttl


def decoys(columns: Columns, *, rows: np.ndarray | None = None) -> Decoys:
    """Return which packets of a TCP session are odd among those of their side.

    Parameters
    ----------
    columns
        The packets.
    rows
        Whose checksums are looked at; those of all where it is None.
    """
    ttl, from_src = columns.numbers("ttl", -1), columns.from_src
    nearer = np.zeros(len(columns), bool)
    usual = [-1, -1]
    alike = len(ttl) and bool((ttl == ttl[0]).all())
    for number, own in enumerate((from_src, ~from_src)):
        values = ttl[:1] if alike else ttl[own & (ttl >= 0)]
        if len(values) < _RARE or (values == values[0]).all():
            usual[number] = int(values[0]) if len(values) else -1
            continue
        counts = np.bincount(values)
        usual[number] = int(counts.argmax())
        odd = own & (ttl >= 0) & (ttl <= usual[number] - _NEARER)
        if odd.sum() * _RARE <= len(values):
            nearer |= odd
    wrong = wrong_checksums(columns, rows)
    for own in (from_src, ~from_src) if (wrong == 1).any() else ():
        known = own & (wrong >= 0)
        if (wrong[own] == 1).sum() * _RARE > known.sum():
            wrong[own] = 0  # the sensor stood on that host, and its card fills checksums in later
    return Decoys(wrong == 1, nearer, (usual[0], usual[1]))
