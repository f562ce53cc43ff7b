"""Flow records of a case: those of one direction as conversations, and of all those that no capture tells better."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from nsm_nb.case.tables import together
from nsm_nb.schema import FLOWS, SESSIONS, Caveat
from nsm_nb.sessions import pair
from nsm_nb.sessions.identity import uncovered
from nsm_nb.sessions.pairing import is_one_way
from nsm_nb.sessions.status_records import partial
from nsm_nb.text import form, many

__all__ = ["recorded", "timeless", "unmatched"]


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
                    found.setdefault((name, direction), []).append(some)
    result = []
    for (_, direction), parts in found.items():
        flags = direction or any("src_flags" in each for each in parts)  # these tell what ends a conversation
        result.append(together(FLOWS, [FLOWS.conform(each) for each in parts]) if flags else together(SESSIONS, parts))
    return result


def unmatched(records: pd.DataFrame, known: pd.DataFrame, *, idle: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return the conversations of records that no known session is about.

    Records of one direction are paired, and those of both that are parts of one session joined.

    Parameters
    ----------
    records
        FLOWS or SESSIONS of one format, all of one direction or all of both.
    known
        SESSIONS that tell the same better.
    idle
        As in `nsm_nb.sessions.pair`.
    """
    left = uncovered(records, known)
    if not left.any():  # as where a capture holds everything: then nothing is to be paired
        return SESSIONS.empty()
    if is_one_way(records).all() or partial(records).any():
        records = pair(records, idle=idle)
        left = uncovered(records, known)
    return records.loc[np.flatnonzero(left), list(SESSIONS.columns)].reset_index(drop=True)


def timeless(label: str, records: pd.DataFrame, captured: Collection[str]) -> list[Caveat]:
    """Return a caveat where records tell no time and have the ends of sessions that captures hold: they may be these.

    Parameters
    ----------
    label
        The evidence.
    records
        SESSIONS or FLOWS of it.
    captured
        Community IDs of the sessions of captures.
    """
    some = records.loc[records["start"].isna(), "community_id"]
    count = int(some.isin(list(captured)).sum())
    if not count:
        return []
    detail = (
        f"{many(len(some), f'record of {label} tells', f'records of {label} tell')} no time; {count:,} "
        f"{form(count, 'has the ends of a session', 'have the ends of sessions')} that captures hold and may be "
        f"{form(count, 'it, but is listed beside it', 'these, but are listed beside them')}: a listing with times shows it"
    )
    return [Caveat(label, None, None, "duplicates", detail)]
