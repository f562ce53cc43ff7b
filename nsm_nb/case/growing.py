"""Alerts of a sensor that is still running: the case's files of alerts are read on, and its tables take what is new.

A file that grows has no hash to name its alerts by, so those that come are named by its beginning (see
`nsm_nb.formats.following`); those that the case knew before keep their names. The case remembers both, by the file's
beginning and whatever it is called later: verdicts hold when the file is whole, or was rotated away.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb import formats
from nsm_nb.case.atomic import write_bytes
from nsm_nb.case.tables import together
from nsm_nb.errors import NsmError
from nsm_nb.formats.following import Follower, follow
from nsm_nb.schema import ALERTS
from nsm_nb.text import printable

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
        self._known = _remembered(case.work / _FILE)
        for file in case._holdings.files():
            if file.format is not None and hasattr(formats.reader(file.format), "alerts"):
                columns = case.settings.columns_of(file.label)
                self._followers[file.label] = follow(file.path, label=file.label, format=file.format, columns=columns)

    def new(self) -> pd.DataFrame:
        """Return the alerts that came since the last call, all of them at the first; the case has them now, too."""
        came: list[pd.DataFrame] = []
        for label, follower in list(self._followers.items()):
            try:
                table = follower.new()
            except NsmError as problem:
                self.troubles[label] = str(problem)
                log.warning("%s is not followed: %s", printable(label), problem)
                del self._followers[label]
                continue
            if len(table):
                self._remember(label, follower)
                table = _renamed(table, np.ones(len(table), bool), self._known)
                sensor = self.case.settings.sensor_of(label)
                came.append(table if sensor is None else table.assign(sensor=pd.Categorical([sensor] * len(table))))
                self._parts.setdefault(label, []).append(came[-1])
        if came:
            self._give()
        return together(ALERTS, came)

    def _give(self) -> None:
        case = self.case
        before = case._holdings.alerts()
        others = before[~before["evidence"].isin(list(self._parts)).to_numpy(bool)]
        table = together(ALERTS, [others, *(part for parts in self._parts.values() for part in parts)])
        table = table[~alert_room.retold(table)].sort_values(["time", "alert"], kind="stable", ignore_index=True)
        for name in ("alert places", "events", "joins"):
            case._made.pop(name, None)
        case._made["alerts"] = alert_room.named(table, case.maps, case.rules)

    def _remember(self, label: str, follower: Follower) -> None:
        state = follower.state
        if state.begins in self._known:
            return
        known = [each for each in self._known.values() if each.label == label]
        alerts = self.case.alerts
        mine = alerts[(alerts["evidence"] == label).to_numpy(bool, na_value=False)]
        if known or not len(mine):  # a new file under an old name, or one of which the case knew nothing
            named = _Named(label, state.size, state.begins[:12], 0)
        else:
            named = _Named(label, state.size, str(mine["alert"].iloc[0]).partition(":")[0], int(mine["record"].max()))
        self._known[state.begins] = named
        place = self.case.work / _FILE
        try:
            write_bytes(place, json.dumps(self._known).encode())
        except OSError as problem:  # a case on a read-only disk
            log.warning("which files were followed can't be kept in %s: %s", place, problem)


class _Named(NamedTuple):
    """How the alerts of a followed file are named, apart from its beginning."""

    label: str
    size: int  # bytes of the beginning
    first: str  # what the names of those begin with that the case knew before
    last: int  # the last record of them


def _remembered(place: Path) -> dict[str, _Named]:
    try:
        known = json.loads(place.read_bytes())
        return {
            str(begins): _Named(str(each[0]), int(each[1]), str(each[2]), int(each[3]))
            for begins, each in known.items()
        }
    except (OSError, ValueError, RecursionError, TypeError, IndexError, AttributeError, KeyError):
        return {}


def _renamed(alerts: pd.DataFrame, rows: np.ndarray, known: Mapping[str, _Named]) -> pd.DataFrame:
    """Return alerts of which some rows, named by the beginning of their file, have the names that the case knew before."""
    names, prefix = alerts["alert"], alerts["alert"].str.partition(":")[0]
    record = alerts["record"]
    for begins, each in known.items():
        mine = rows & ((prefix == begins[:12]) & (record <= each.last)).to_numpy(bool, na_value=False)
        names = names.mask(mine, f"{each.first}:" + record.astype("str"))
    return alerts.assign(alert=names)


def renamed(alerts: pd.DataFrame, work: Path, paths: Mapping[str, Path]) -> pd.DataFrame:
    """Return alerts of which those of files that were followed once have the names that they had then."""
    known = _remembered(work / _FILE)
    if not known or not len(alerts):
        return alerts
    labels = alerts["evidence"].astype("str")
    for label in labels.dropna().unique():
        for begins, each in known.items():
            if label in paths and _begins(paths[label], each.size) == begins:
                rows = (labels == label).to_numpy(bool, na_value=False)
                names = alerts["alert"].mask(rows, begins[:12] + ":" + alerts["record"].astype("str"))
                alerts = _renamed(alerts.assign(alert=names), rows, {begins: each})
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
