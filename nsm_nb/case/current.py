"""Which case the notebooks are on: the one that was chosen in the start notebook, else the one that Lab was opened on."""

from __future__ import annotations

import json
import os
from pathlib import Path

from nsm_nb.case.atomic import write_bytes
from nsm_nb.case.settings import home
from nsm_nb.errors import CaseError

__all__ = ["choose", "current", "forget"]

_BUNDLED = Path(__file__).resolve().parents[2] / "data" / "www-files01"


def _place() -> Path:
    return home() / "chosen.json"


def current() -> Path:
    """Return the case that `open_case()` opens.

    The choice of an analyst counts as long as Lab is open on the case it was made from; then `NSM_CASE`, then the
    bundled case where the package runs from its repository.

    Raises
    ------
    CaseError
        Where there is none of these.
    """
    started = os.environ.get("NSM_CASE", "")
    try:
        chosen = json.loads(_place().read_bytes())
        if chosen["from"] == started and Path(chosen["case"]).is_dir():
            return Path(chosen["case"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing was chosen, or what was written is no choice
    if started:
        return Path(started)
    if _BUNDLED.is_dir():
        return _BUNDLED
    raise CaseError("no case was named: open_case(path), or set NSM_CASE to a case's directory")


def choose(path: str | os.PathLike) -> None:
    """Make a case the one that the other notebooks open; it holds until Lab is opened again.

    Raises
    ------
    CaseError
        Where the choice can't be written.
    """
    chosen = {"from": os.environ.get("NSM_CASE", ""), "case": str(Path(path).resolve())}
    try:
        _place().parent.mkdir(parents=True, exist_ok=True)
        write_bytes(_place(), json.dumps(chosen).encode())
    except OSError as problem:
        raise CaseError(
            f"the choice of a case can't be kept in {home()}: {problem}; set NSM_HOME to a place that can"
        ) from problem


def forget() -> None:
    """Forget what was chosen."""
    _place().unlink(missing_ok=True)
