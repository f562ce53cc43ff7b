"""The report of a case: one HTML file that opens anywhere without a network, and a PDF of it.

It is built from the case (evidence, ledger), not from live widgets, and the same case with the same date gives the same
bytes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_nb.errors import MissingTool, ReportError
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from nsm_nb.case import Case

__all__ = ["KINDS", "build"]

log = logging.getLogger(__name__)

KINDS = ("html", "pdf")
"""What can be made."""


def build(
    case: Case,
    *,
    to: str | Iterable[str] = ("html",),
    out: str | os.PathLike[str] | None = None,
    date: datetime | str | None = None,
) -> dict[str, Path]:
    """Make the report of a case, and return its files by kind.

    All evidence is hashed again and the ledger is verified; the report says what was found. Each file is whole or not
    there: where writing fails, the report that was there before is as it was.

    Parameters
    ----------
    case
        An open case.
    to
        ``"html"``, ``"pdf"`` or both. The PDF needs Chromium or weasyprint. Where it can't be made and HTML is asked
        for too, the HTML is made, a warning is logged, and the result has no ``"pdf"``.
    out
        The folder to write to, or a file name that ends in .html or .pdf; the case's ``reports`` folder where not
        given. Files are named after the case.
    date
        What the report gives as its date; now where not given. A time without a zone is UTC.

    Raises
    ------
    ReportError
        Where a kind is not known, a file can't be written, `out` lies in the evidence, or the date is none.
    MissingTool
        Where only a PDF is asked for and there is no program to make it.
    LedgerError
        Where the ledger can't be read.

    Examples
    --------
    >>> import nsm_nb as nsm
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     case = nsm.create_case(f"{folder}/empty")
    ...     made = nsm.report.build(case, date="2026-11-25")
    ...     made["html"].name
    'empty-report.html'
    """
    from nsm_nb.report.content import content
    from nsm_nb.report.page import page

    kinds = _kinds(to)
    moment = _moment(date)
    places = _places(case, out)
    html = page(content(case, moment), folder=case.path.resolve().name)
    made = {}
    if "html" in kinds:
        made["html"] = _written(places["html"], html.encode("utf-8"))
    if "pdf" in kinds:
        from nsm_nb.report.pdf import pdf

        try:
            made["pdf"] = _written(places["pdf"], pdf(html, date=moment))
        except (MissingTool, ReportError) as problem:
            if "html" not in kinds:
                raise
            log.warning("there is no PDF, the HTML report is there: %s", problem)
    return made


def _kinds(to: str | Iterable[str]) -> tuple[str, ...]:
    kinds = (to,) if isinstance(to, str) else tuple(to)
    for each in kinds:
        if each not in KINDS:
            raise ReportError(f"a report can't be made as {printable(each)!r}; choose from {', '.join(KINDS)}")
    if not kinds:
        raise ReportError("no kind of report was asked for; choose html, pdf or both, as in to=('html', 'pdf')")
    return kinds


def _moment(date: datetime | str | None) -> pd.Timestamp:
    import pandas as pd

    try:
        moment = pd.Timestamp(datetime.now(UTC) if date is None else date)
    except (ValueError, TypeError) as problem:
        raise ReportError(f"{printable(date)!r} is no date such as 2026-11-25 14:00: {printable(problem)}") from problem
    if pd.isna(moment):
        raise ReportError(f"{printable(date)!r} is no date; give one such as 2026-11-25 14:00")
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _places(case: Case, out: str | os.PathLike[str] | None) -> dict[str, Path]:
    from nsm_nb.report.words import alike

    folder, stem = case.work / "reports", f"{alike(case.name)}-report"
    if out is not None:
        folder = Path(out)
        if folder.suffix.lower() in (".html", ".pdf") and not folder.is_dir():
            folder, stem = folder.parent, folder.stem
    evidence = case.settings.evidence.resolve()
    if folder.resolve() == evidence or evidence in folder.resolve().parents:
        raise ReportError(f"{printable(folder)} lies in the evidence, which is never written to; choose another place")
    return {kind: folder / f"{stem}.{kind}" for kind in KINDS}


def _written(place: Path, data: bytes) -> Path:
    from nsm_nb.case.atomic import write_bytes

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, data)
    except OSError as problem:
        raise ReportError(
            f"the report can't be written to {printable(place)}: {printable(problem.strerror or problem)}; what was there "
            "before is as it was; free some space, or choose another place with out="
        ) from problem
    return place
