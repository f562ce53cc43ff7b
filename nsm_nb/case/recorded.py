"""Flow records of a case: those of one direction as conversations, and of all those that no capture tells better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nsm_nb.case.tables import together
from nsm_nb.schema import FLOWS, SESSIONS
from nsm_nb.sessions import pair
from nsm_nb.sessions.identity import uncovered
from nsm_nb.sessions.pairing import is_one_way

__all__ = ["recorded", "unmatched"]


def recorded(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return the records by format, those of several files together: a conversation runs on from one file to the next.

    Parameters
    ----------
    tables
        SESSIONS or FLOWS of each evidence, without what was assembled from packets.
    """
    found: dict[tuple[str, bool], list[pd.DataFrame]] = {}
    for table in tables:
        if not len(table):
            continue
        one_way, source = is_one_way(table), table["source"].astype("str")
        for name in source.unique():
            here = (source == name).to_numpy()
            for direction in (True, False):
                rows = here & (one_way == direction)
                if rows.any():
                    some = table[rows].reset_index(drop=True)
                    found.setdefault((name, direction), []).append(FLOWS.conform(some) if direction else some)
    return [together(FLOWS if direction else SESSIONS, parts) for (_, direction), parts in found.items()]


def unmatched(records: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the conversations of records that no known session is about; records of one direction are paired.

    Parameters
    ----------
    records
        FLOWS or SESSIONS of one format, all of one direction or all of both.
    known
        SESSIONS that tell the same better.
    """
    left = uncovered(records, known)
    if not left.any():  # as where a capture holds everything: then nothing is to be paired
        return SESSIONS.empty()
    if is_one_way(records).all():
        records = pair(records)
        left = uncovered(records, known)
    return records.loc[np.flatnonzero(left), list(SESSIONS.columns)].reset_index(drop=True)
