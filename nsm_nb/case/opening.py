"""Cases are made and opened: of a case's directory, or of a bare folder of evidence."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from nsm_nb.case import settings
from nsm_nb.case.case import Case
from nsm_nb.case.current import current
from nsm_nb.errors import CaseError
from nsm_nb.text import printable

__all__ = ["create_case", "open_case"]

log = logging.getLogger(__name__)


def create_case(
    path: str | os.PathLike, evidence: Iterable[str | os.PathLike] = (), *, name: str | None = None, copy: bool = False
) -> Case:
    """Make a case in a new or empty directory, and open it.

    Parameters
    ----------
    path
        The directory.
    evidence
        Files and folders: they stay where they are and the case links to them. One folder alone becomes the case's
        evidence folder.
    name
        The case's name; the directory's where not given.
    copy
        Copy the evidence into the case instead.

    Raises
    ------
    CaseError
        Where there is a case already, or evidence is missing.
    """
    place, sources = Path(path), [Path(each) for each in evidence]
    if (place / settings.FILE).exists():
        raise CaseError(f"{printable(place)} is a case already; open it with open_case, or choose another directory")
    for each in sources:
        if not each.exists():
            raise CaseError(f"{printable(each)} does not exist; check the path")
    alone = len(sources) == 1 and sources[0].is_dir() and not copy
    settings.write(
        place, name=name or place.resolve().name, evidence=str(sources[0].resolve()) if alone else "evidence"
    )
    case = Case(place)
    if sources and not alone:
        case.add(*sources, copy=copy)
    return case


def open_case(path: str | os.PathLike | None = None) -> Case:
    """Open a case, or make one of a bare folder of evidence; without a path, the one that the notebooks are on.

    A folder without case.toml is taken for evidence: its case, with index and ledger, is kept in `NSM_HOME` (the user's
    data directory where that is not set), and nothing is written beside the evidence.

    Parameters
    ----------
    path
        A case's directory, its case.toml, or a folder of evidence; see `nsm_nb.case.current` for what is opened without.

    Raises
    ------
    CaseError
        Where there is no such folder, or its case.toml can't be used.
    """
    place = current() if path is None else Path(path)
    if place.name == settings.FILE and place.is_file():
        place = place.parent
    if not place.is_dir():
        raise CaseError(f"{printable(place)} is no folder; give a case's directory or a folder of evidence")
    if (place / settings.FILE).exists():
        case = Case(place)
        case.holdings.clean()
        return case
    kept = settings.home() / "cases" / settings.named(place)
    if not (kept / settings.FILE).exists():
        log.info("%s has no case.toml: its case is kept in %s", place, kept)
        settings.write(kept, name=place.resolve().name, evidence=str(place.resolve()))
    return Case(kept)
