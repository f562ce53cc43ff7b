"""What the analyst has chosen, kept in the case: chosen in one notebook, there in the next."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd

from nsm_nb.case.atomic import write_bytes

__all__ = ["Selection"]

log = logging.getLogger(__name__)
_NAMES = ("window", "session", "alert", "query")


class Selection:
    """The chosen time window, session, alert and query line. Setting one writes it to the case; reading sees what others set.

    Attributes
    ----------
    window : tuple of Timestamp or None
        Start and end, UTC.
    session : int or None
    alert : str or None
    query : str
        The last query line, empty for none.
    """

    def __init__(self, place: Path):
        self._place = place
        self._last: dict[str, Any] = {}

    def __repr__(self) -> str:
        return "Selection(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in _NAMES) + ")"

    @property
    def window(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """The chosen time window."""
        value = self._read().get("window")
        try:
            start, end = (pd.Timestamp(int(each), unit="ns", tz="UTC") for each in value or ())
        except (TypeError, ValueError, OverflowError):
            return None
        return None if start is pd.NaT or end is pd.NaT else (start, end)

    @window.setter
    def window(self, value: tuple | None) -> None:
        self.update(window=value)

    @property
    def session(self) -> int | None:
        """The chosen session."""
        value = self._read().get("session")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @session.setter
    def session(self, value: int | None) -> None:
        self.update(session=value)

    @property
    def alert(self) -> str | None:
        """The chosen alert."""
        value = self._read().get("alert")
        return value if isinstance(value, str) else None

    @alert.setter
    def alert(self, value: str | None) -> None:
        self.update(alert=value)

    @property
    def query(self) -> str:
        """The last query line."""
        value = self._read().get("query")
        return value if isinstance(value, str) else ""

    @query.setter
    def query(self, value: str) -> None:
        self.update(query=value)

    def update(self, **chosen: Any) -> None:
        """Set several at once; the others stay.

        Raises
        ------
        TypeError
            Where a name is not one of window, session, alert, query.
        ValueError
            Where an end of the window is no time.
        """
        unknown = set(chosen) - set(_NAMES)
        if unknown:
            raise TypeError(f"a selection has {', '.join(_NAMES)}, not {', '.join(sorted(unknown))}")
        values = self._read()
        for name, value in chosen.items():
            if name == "window" and value is not None:
                if any(pd.isna(each) for each in value):
                    raise ValueError(f"a window goes from one time to another, not {value!r}; None chooses all")
                value = [int(pd.Timestamp(each).tz_convert("UTC").as_unit("ns").value) for each in value]
            elif name == "session" and value is not None:
                value = int(value)
            elif value is not None:
                value = str(value)
            values[name] = value
        self._last = values
        try:
            write_bytes(self._place, json.dumps(values).encode(), synced=False)
        except OSError as problem:
            # the case may lie on a read-only disk: the choice holds for this kernel
            log.warning("the selection could not be kept in %s: %s", self._place, problem)

    def _read(self) -> dict[str, Any]:
        try:
            values = json.loads(self._place.read_bytes())
        except (OSError, ValueError, RecursionError):
            return dict(self._last)
        return dict(values) if isinstance(values, dict) else {}
