"""Alerts of a sensor that is still running: the case's files of alerts are read on, and its tables take what is new.

A file that grows has no hash to name its alerts by, so those of a followed file are named by its beginning (see
`nsm_nb.formats.following`). The case remembers which files were followed: their alerts keep these names, and with them
their verdicts, when the file is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb import formats
from nsm_nb.case.atomic import write_bytes
from nsm_nb.case.tables import together
from nsm_nb.errors import NsmError
from nsm_nb.formats.following import Follower, follow
from nsm_nb.schema import ALERTS

if TYPE_CHECKING:
    from nsm_nb.case.case import Case

__all__ = ["Growing", "renamed"]

log = logging.getLogger(__name__)

_FILE = "followed.json"


class Growing:
    """The files of alerts of a case, read on; the case's `alerts`, `joins` and `events` follow.

    Parameters
    ----------
    case
        An open case.

    Attributes
    ----------
    troubles : dict
        Why a file can't be followed, by its label; its alerts stay as they were read.
    """

    def __init__(self, case: Case):
        self.case = case
        self.troubles: dict[str, str] = {}
        self._followers: dict[str, Follower] = {}
        self._parts: dict[str, list[pd.DataFrame]] = {}
        for file in case._holdings.files():
            if file.format is not None and hasattr(formats.reader(file.format), "alerts"):
                options = {"columns": case.settings.columns_of(file.label)}
                self._followers[file.label] = follow(file.path, label=file.label, format=file.format, **options)

    def new(self) -> pd.DataFrame:
        """Return the alerts that came since the last call, all of them at the first; the case has them now, too."""
        came: list[pd.DataFrame] = []
        for label, follower in list(self._followers.items()):
            try:
                table = follower.new()
            except NsmError as problem:
                self.troubles[label] = str(problem)
                log.warning("%s is not followed: %s", label, problem)
                del self._followers[label]
                continue
            if len(table):
                came.append(self._seen(label, table))
                self._parts.setdefault(label, []).append(came[-1])
        if came:
            self._give()
            _remember(self.case.work / _FILE, {label: each.state for label, each in self._followers.items()})
        return together(ALERTS, came)

    def _seen(self, label: str, table: pd.DataFrame) -> pd.DataFrame:
        sensor = self.case.settings.sensor_of(label)
        return table if sensor is None else table.assign(sensor=pd.Categorical([sensor] * len(table)))

    def _give(self) -> None:
        case = self.case
        before = case._holdings.alerts()
        others = before[~before["evidence"].isin(list(self._parts)).to_numpy(bool)]
        table = together(ALERTS, [others, *(part for parts in self._parts.values() for part in parts)])
        table = table[~alert_room.retold(table)].sort_values(["time", "alert"], kind="stable", ignore_index=True)
        for name in ("alert places", "events", "joins"):
            case._made.pop(name, None)
        case._made["alerts"] = alert_room.named(table, case.maps, case.rules)


def _remember(place: Path, states: Mapping[str, formats.following.State]) -> None:
    known = _remembered(place)
    found = {label: [state.begins, state.size] for label, state in states.items() if state.size}
    if any(known.get(label) != each for label, each in found.items()):
        try:
            write_bytes(place, json.dumps({**known, **found}).encode())
        except OSError as problem:  # a case on a read-only disk
            log.warning("which files were followed can't be kept in %s: %s", place, problem)


def _remembered(place: Path) -> dict[str, list]:
    try:
        known = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def renamed(alerts: pd.DataFrame, work: Path, paths: Mapping[str, Path]) -> pd.DataFrame:
    """Return alerts of which those of files that were followed once have the names that they had then."""
    for label, said in _remembered(work / _FILE).items():
        try:
            begins, size = str(said[0]), int(said[1])
        except (TypeError, ValueError, IndexError, KeyError):
            continue
        rows = (alerts["evidence"] == label).to_numpy(bool, na_value=False)
        if label not in paths or not rows.any() or _begins(paths[label], size) != begins:
            continue
        records = alerts["record"][rows].astype("str")
        alerts = alerts.assign(alert=alerts["alert"].mask(rows, (begins[:12] + ":" + records).reindex(alerts.index)))
    return alerts


def _begins(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while size > 0 and (part := file.read(min(size, 1 << 20))):
                digest.update(part)
                size -= len(part)
    except OSError:
        return ""
    return digest.hexdigest()
