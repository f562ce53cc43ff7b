"""Packets of a case written to a capture of their own: those of sessions, of a table, or that a filter finds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.case.tables import together
from nsm_nb.full_content import carve, matching
from nsm_nb.full_content.carving import carving_order
from nsm_nb.schema import PACKETS

if TYPE_CHECKING:
    from nsm_nb.case.case import Case

__all__ = ["carved"]

_NAMED = 20  # sessions named in the capture's comment


def carved(
    case: Case,
    what: int | Iterable[int] | pd.DataFrame | str,
    path: str | os.PathLike | None = None,
    *,
    filter: str = "",
) -> Path:
    """Write packets of a case to a new capture; return its path.

    Parameters
    ----------
    case
        An open case.
    what
        A session or several, rows of PACKETS, or a filter in tcpdump's language.
    path
        Where to; a file in the case's ``carved`` folder where not given.
    filter
        A filter that narrows sessions or rows.
    """
    words: list[str] = []
    name = "packets"
    place = None if path is None else case.spare(path)
    if isinstance(what, str):
        what, filter = case.packets, f"({what}) and ({filter})" if filter.strip() else what
    elif not isinstance(what, pd.DataFrame):
        numbers = [int(what)] if isinstance(what, (int, np.integer)) else [int(each) for each in what]
        what = together(PACKETS, [case.packets_of(number) for number in numbers])
        more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
        some = ", ".join(map(str, numbers[:_NAMED]))
        words = [f"session{'s' * (len(numbers) > 1)} {some}{more} of case {case.name}"]
        name = f"session-{numbers[0]}" if len(numbers) == 1 else f"sessions-{len(numbers)}-from-{numbers[0]}"
    if filter.strip():
        what = what.iloc[np.flatnonzero(matching(what, filter, evidence=case.paths))]
        words.append(f"filter {filter.strip()}")
        name += f"-{hashlib.sha256(filter.strip().encode()).hexdigest()[:8]}"
    return carve(
        carving_order(what),
        case.work / "carved" / f"{name}.pcapng" if place is None else place,
        evidence=case.paths,
        comment="; ".join(words),
        sha256=dict(zip(case.evidence["evidence"].astype(str), case.evidence["sha256"].astype(str), strict=True)),
    )
