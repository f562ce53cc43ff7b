"""What the traffic is made of: the tree of protocol layers, each with all that it carries."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS
from nsm_nb.statistics._tally import codes_of, evidence_of, numbers_of

__all__ = ["UNDECODED", "protocols"]

UNDECODED = "(not decoded)"


def protocols(packets: pd.DataFrame) -> pd.DataFrame:
    """Return the hierarchy of protocols, every layer with the packets and bytes of all that lies below it.

    Parameters
    ----------
    packets
        A table of PACKETS; its columns `layers` and `length` are used.

    Returns
    -------
    pandas.DataFrame
        One row a path of layers, depth first, the larger branch before the smaller: ``layers`` (the path, such as
        ``eth:ip:tcp``), ``name`` (its last layer), ``level`` (its depth, from 0), ``packets``, ``length`` (bytes on
        the wire, as `tshark -z io,phs` counts them) and ``share`` (part of all bytes, 0 to 1). Packets whose layers
        are missing stand under ``(not decoded)``.

    Raises
    ------
    MissingColumn
        Where the table has no `layers` or no `length`.

    Notes
    -----
    A packet counts once at each of its layers, so that a level's rows add up to no more than the level above; a layer
    that comes twice (IP in IP) is two levels. *Source*: tshark(1), ``-z io,phs``.

    Examples
    --------
    >>> table = pd.DataFrame({"layers": ["eth:ip:tcp", "eth:ip:udp", "eth:arp"], "length": [600, 300, 100]})
    >>> protocols(table)[["layers", "packets", "length", "share"]].to_string(index=False).splitlines()[1].split()
    ['eth', '3', '1000', '1.0']
    """
    PACKETS.require(packets, "layers", "length")
    codes, paths = codes_of(packets["layers"])
    place = codes.astype(np.int64) + 1
    length, _ = numbers_of(packets["length"])
    counts = np.bincount(place, minlength=len(paths) + 1)
    sums = np.bincount(place, length, minlength=len(paths) + 1).astype(np.int64)

    tree: dict[tuple[str, ...], list[int]] = {}
    for each in np.flatnonzero(counts):
        layers = str(paths[int(each) - 1]).split(":") if each else [UNDECODED]
        for depth in range(1, len(layers) + 1):
            row = tree.setdefault(tuple(layers[:depth]), [0, 0])
            row[0] += int(counts[each])
            row[1] += int(sums[each])

    def order(path: tuple[str, ...]) -> list[tuple[int, int, str]]:
        steps = [path[:depth] for depth in range(1, len(path) + 1)]
        return [(-tree[step][1], -tree[step][0], step[-1]) for step in steps]

    rows = sorted(tree, key=order)
    total = int(sums.sum())
    lengths = np.array([tree[path][1] for path in rows], np.int64)
    result = pd.DataFrame(
        {
            "layers": pd.Series([":".join(path) for path in rows], dtype="str"),
            "name": pd.Series([path[-1] for path in rows], dtype="str"),
            "level": np.array([len(path) - 1 for path in rows], np.int64),
            "packets": np.array([tree[path][0] for path in rows], np.int64),
            "length": lengths,
            "share": lengths / total if total else np.full(len(rows), np.nan),
        }
    )
    result.attrs = {"evidence": evidence_of(packets), "notes": []}
    return result
