"""Packets of a case written to a capture of their own: those of sessions, of a table, or that a filter finds."""

from __future__ import annotations

import filecmp
import hashlib
import itertools
import os
import re
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

__all__ = ["carved", "name_of_frame"]

_NAMED = 20  # sessions named in the capture's comment


def name_of_frame(evidence: str, frame: int) -> str:
    """Return the name of a capture of one frame: its evidence's label, in letters that any file system takes, and its number."""
    safe = re.sub(r"[^\w.-]+", "-", evidence, flags=re.ASCII).strip(".-")[-100:] or "capture"
    return f"{safe}-frame-{frame}.pcapng"


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
        Where to; a file in the case's ``carved`` folder where not given, which never replaces another that holds something else.
    filter
        A filter that narrows sessions or rows.
    """
    words: list[str] = []
    name = "packets.pcapng"
    place = None if path is None else case.spare(path)
    if isinstance(what, str):
        what, filter = case.packets, f"({what}) and ({filter})" if filter.strip() else what
    elif isinstance(what, pd.DataFrame):
        if len(what) == 1:
            label, frame = str(what["evidence"].iloc[0]), int(what["frame"].iloc[0])
            words, name = [f"frame {frame} of {label} in case {case.name}"], name_of_frame(label, frame)
    else:
        numbers = [int(what)] if isinstance(what, (int, np.integer)) else [int(each) for each in what]
        what = together(PACKETS, [case.packets_of(number) for number in numbers])
        more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
        some = ", ".join(map(str, numbers[:_NAMED]))
        words = [f"session{'s' * (len(numbers) > 1)} {some}{more} of case {case.name}"]
        name = f"session-{numbers[0]}" if len(numbers) == 1 else f"sessions-{len(numbers)}-from-{numbers[0]}"
        name += ".pcapng"
    if filter.strip():
        what = what.iloc[np.flatnonzero(matching(what, filter, evidence=case.paths))]
        words.append(f"filter {filter.strip()}")
        name = f"{name.removesuffix('.pcapng')}-{hashlib.sha256(filter.strip().encode()).hexdigest()[:8]}.pcapng"
    folder = case.work / "carved"
    made = carve(
        carving_order(what),
        folder / f".{os.getpid()}-{name}" if place is None else place,
        evidence=case.paths,
        comment="; ".join(words),
        sha256=dict(zip(case.evidence["evidence"].astype(str), case.evidence["sha256"].astype(str), strict=True)),
    )
    return made if place is not None else _settled(made, folder / name)


def _settled(made: Path, wanted: Path) -> Path:
    """Give a new file its name, with a number behind it where another file has that name and holds something else."""
    for number in itertools.count(1):
        place = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        if not place.exists():
            made.replace(place)
            return place
        if filecmp.cmp(made, place, shallow=False):
            made.unlink()
            return place
    raise AssertionError("numbers do not end")
