"""What VLAN tags may do to sessions: a mirror port that tags each direction with a VLAN of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import Caveat
from nsm_nb.text import many

__all__ = ["one_way_by_vlan"]


def one_way_by_vlan(sessions: pd.DataFrame, realm: np.ndarray) -> list[Caveat]:
    """Return a caveat where sessions of one side in two VLANs look like the two sides of the same ones.

    Parameters
    ----------
    sessions
        SESSIONS, as assembled.
    realm
        VLAN and VNI of each in one number.
    """
    sent, heard = (sessions[f"{side}_packets"].to_numpy(np.int64) for side in ("src", "dst"))
    rows = np.flatnonzero(((sent == 0) != (heard == 0)) & sessions["community_id"].notna() & sessions["start"].notna())
    if not len(rows):
        return []
    some = sessions.iloc[rows]
    src, dst = (pd.Categorical(some[f"{side}_ip"]).codes.astype(np.int64) for side in ("src", "dst"))
    ports = [some[f"{side}_port"].fillna(0).to_numpy(np.int64) for side in ("src", "dst")]
    lower = (src << 16 | ports[0]) <= (dst << 16 | ports[1])
    table = pd.DataFrame(
        {
            "id": some["community_id"].to_numpy(),
            "from_lower": lower == (sent[rows] > 0),
            "realm": realm[rows],
            "row": rows,
            "start": some["start"].to_numpy(),
            "end": some["end"].to_numpy(),
        }
    )
    each = table.groupby(["id", "from_lower"]).agg(
        start=("start", "min"), end=("end", "max"), low=("realm", "min"), high=("realm", "max"), row=("row", "min")
    )
    sides = [each.xs(side, level="from_lower") for side in (True, False) if side in each.index.get_level_values(1)]
    if len(sides) < 2:
        return []
    both = pd.concat([sides[0], sides[1].add_suffix("_back")], axis=1, join="inner")
    met = (both["start"] <= both["end_back"]) & (both["start_back"] <= both["end"])
    both = both[met & ((both["low"] != both["low_back"]) | (both["high"] != both["high_back"]))]
    if not len(both):
        return []
    first = sessions.iloc[int(both[["row", "row_back"]].to_numpy().min())]
    counted = many(len(both), "conversation was", "conversations were")
    said = (
        f"{counted} seen with one side in one VLAN and the other side in another, as where a mirror port tags each direction; "
        "two sessions each. nsm_nb.sessions.assemble(packets, by_vlan=False) makes one of the two, and so does "
        "by_vlan = false in case.toml, above any line in brackets"
    )
    return [Caveat(str(first["evidence"]), int(first["record"]), None, "vlan", said)]
