"""How large packets are: counted by powers of two, as tcpdstat does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS
from nsm_nb.statistics._tally import evidence_of, numbers_of, tally

__all__ = ["by_powers", "sizes", "sizes_of"]


def sizes(packets: pd.DataFrame) -> pd.DataFrame:
    """Return how many packets there are of each size, in powers of two.

    Parameters
    ----------
    packets
        A table of PACKETS; its column `length` (bytes on the wire, the link layer included) is used.

    Returns
    -------
    pandas.DataFrame
        ``low high packets length share``: from `low` to `high` bytes, `share` of all packets (0 to 1). Sizes between the
        smallest and the largest that no packet has are rows of 0.

    Raises
    ------
    MissingColumn
        Where the table has no `length`.

    Examples
    --------
    >>> sizes(pd.DataFrame({"length": [60, 60, 1500]}))["packets"].tolist()
    [2, 0, 0, 0, 0, 1]
    """
    PACKETS.require(packets, "length")
    length, _ = numbers_of(packets["length"])
    result = sizes_of(length)
    result.attrs = {"evidence": evidence_of(packets), "notes": []}
    return result


def sizes_of(length: np.ndarray) -> pd.DataFrame:
    """Return the table of `sizes` for an array of lengths."""
    found = tally([length], [int(length.max()) + 1 if len(length) else 1])
    return by_powers(found.keys[0], found.counts)


def by_powers(length: np.ndarray, packets: np.ndarray) -> pd.DataFrame:
    """Return the table of `sizes` for distinct lengths and how many packets have each."""
    power = np.maximum(np.frexp(length)[1] - 1, 0)  # exact below 2**53; of 0 bytes with those of 1
    count = np.bincount(power, packets).astype(np.int64)
    octets = np.bincount(power, packets * length).astype(np.int64)
    rows = np.arange(int(power.min()), len(count)) if len(power) else np.zeros(0, np.int64)
    return pd.DataFrame(
        {
            "low": np.where(rows == 0, 0, np.left_shift(1, rows)),
            "high": np.left_shift(1, rows + 1) - 1,
            "packets": count[rows],
            "length": octets[rows],
            "share": count[rows] / max(int(packets.sum()), 1),
        }
    )
