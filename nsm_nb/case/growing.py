"""Alerts of a sensor that is still running: the case's files of alerts are read on, and its tables take what is new.

Those alerts that the case knew before keep their names. The SHA-256 of a file that grows says nothing, so those that come
are named by what the file is called and how it begins; two files that begin alike never share names. What these names mean is
kept (see `nsm_nb.case.identity`), so that verdicts hold when the file is whole, or was rotated away.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb import formats
from nsm_nb.case.holdings import filled, retold
from nsm_nb.case.identity import DIGITS, Meaning, Piece, meanings
from nsm_nb.case.tables import together
from nsm_nb.errors import NsmError
from nsm_nb.formats.following import Follower, State, follow, prefix
from nsm_nb.formats.source import open_evidence, unpacking_limit
from nsm_nb.schema import ALERTS
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.case.case import Case

__all__ = ["Followed", "Growing"]

log = logging.getLogger(__name__)

_STEP = 1 << 20


@dataclass
class Followed:
    """One file that is followed, or was until it was rotated away: what it is called now, where it is, how it is named.

    Attributes
    ----------
    label, path
        Of the file now.
    format
        What it is read as.
    first, last, rest
        As those of `nsm_nb.case.identity.Piece`.
    begins, beginning
        SHA-256 and size of its beginning, as the follower names it; of one that was passed by, the first digits alone.
    ids
        Device and inode.
    size
        How many bytes of it are known; `sha256` is of these.
    seen
        The last record that was read.
    origin
        What it was called when it was followed.
    left
        True where it is followed no more.
    """

    label: str
    path: Path
    format: str
    rest: str
    begins: str
    beginning: int = 0
    first: str = ""
    last: int = 0
    ids: tuple[int, int] = (0, 0)
    size: int = 0
    seen: int = 0
    origin: str = ""
    left: bool = False
    tables: list[pd.DataFrame] = field(default_factory=list)
    _digest: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the first `size` bytes."""
        return self._digest.hexdigest()

    def piece(self) -> Piece:
        """Return the file as names are found out for."""
        return Piece(self.label, self.path, self.size, self.first or self.rest, self.last, self.rest)

    def take(self, part: pd.DataFrame) -> None:
        """Take alerts of it, and name them."""
        record = part["record"].to_numpy(np.int64, na_value=0)
        start = pd.Series(np.where(record <= self.last, f"{self.first}:", f"{self.rest}:"), dtype="str")
        part = part.reset_index(drop=True).assign(evidence=pd.Categorical([self.label] * len(part)))
        self.tables.append(part.assign(alert=start + pd.Series(record).astype("str")))
        self.seen = max(self.seen, int(record.max()))

    def read_until(self, end: int) -> None:
        """Take note of the bytes up to `end`."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if end > self.size and (found.st_dev, found.st_ino) == self.ids:
                    file.seek(self.size)
                    _hash_on(self._digest, file, end - self.size)
                    self.size = file.tell()
        except OSError as problem:
            log.warning("%s can't be hashed: %s", printable(self.path), problem)

    def settle(self, label_of: Callable[[Path], str | None]) -> bool:
        """Find where the file is now, and what it is called there; return whether it was found."""
        path = next((each for each in self._candidates() if self._is_at(each)), None)
        if path is None:
            return False
        label = label_of(path) or self.label
        if label != self.label:
            self.label = label
            self.tables = [each.assign(evidence=pd.Categorical([label] * len(each))) for each in self.tables]
        self.path, self.ids = path, _ids(path)
        if not self.size:  # it came and went between two looks
            with open_evidence(path) as file:
                self.size = _hash_on(self._digest, file, unpacking_limit(path))
        return True

    def _candidates(self) -> Iterator[Path]:
        if not self.left or _ids(self.path) == self.ids:
            yield self.path
        try:
            beside = sorted(self.path.parent.iterdir())
        except OSError:
            return
        stem = self.path.name.partition(".")[0]
        yield from (each for each in beside if _ids(each) == self.ids)
        yield from (each for each in beside if each.name.startswith(stem) and (not self.left or each != self.path))

    def _is_at(self, path: Path) -> bool:
        try:
            if not self.beginning:
                return bool(self.begins) and prefix(path, self.format) == self.begins
            digest = hashlib.sha256()
            with open_evidence(path) as file:
                _hash_on(digest, file, self.beginning)
            return digest.hexdigest() == self.begins
        except (NsmError, EOFError, OSError):
            return False


def _hash_on(digest: Any, file: Any, count: int) -> int:
    """Add the next bytes of a file to a digest, `count` at most; return how many there were."""
    left = count
    while left > 0 and (part := file.read(min(left, _STEP))):
        digest.update(part)
        left -= len(part)
    return count - left


def _ids(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return found.st_dev, found.st_ino


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
        self._present: dict[str, Followed] = {}  # by the label that is followed
        self._all: list[Followed] = []
        pieces = case.holdings.alert_pieces()
        case.alert_names.add(meanings(pieces))
        self._before = {each.label: each for each in pieces}
        for file in case.holdings.files():
            if file.format is not None and hasattr(formats.reader(file.format), "alerts"):
                options = case.holdings.alert_options(file.label)
                self._followers[file.label] = follow(file.path, label=file.label, format=file.format, **options)

    def new(self) -> pd.DataFrame:
        """Return the alerts that came since the last call, all of them at the first; the case has them now, too."""
        came: list[pd.DataFrame] = []
        moved = False
        for label, follower in list(self._followers.items()):
            before = follower.state
            try:
                table = follower.new()
            except NsmError as problem:
                self.troubles[label] = str(problem)
                log.warning("%s is not followed: %s", printable(label), problem)
                del self._followers[label]
                continue
            changed = _is_other(before, follower.state)
            if len(table):
                came += self._taken(label, follower, table, changed)
            elif changed:
                self._left(label)
            moved = moved or changed
        if came or moved:
            self._give()
        return together(ALERTS, came)

    def _taken(self, label: str, follower: Follower, table: pd.DataFrame, changed: bool) -> list[pd.DataFrame]:
        """Return alerts that came, with their names: those of the file that was read, of others after it, of the present one."""
        sensor = self.case.settings.sensor_of(label)
        if sensor is not None:
            table = table.assign(sensor=filled(table["sensor"], sensor))
        state, before = follower.state, self._present.get(label)
        starts = table["alert"].str.partition(":")[0].to_numpy(object)
        record = table["record"].to_numpy(np.int64, na_value=0)
        cuts = (starts[1:] != starts[:-1]) | (changed & (record[1:] <= record[:-1]))
        parts = np.split(np.arange(len(table)), np.flatnonzero(cuts) + 1)
        found = []
        for number, rows in enumerate(parts):
            begins = str(starts[rows[0]])
            at = before if number == 0 and before is not None and before.begins.startswith(begins) else None
            if changed and at is not None and record[rows[0]] <= at.seen:
                at = None  # it begins as the one before it did
            newest = not changed or (at is None and number == len(parts) - 1 and state.begins.startswith(begins))
            if at is None:
                self._left(label)
                at = self._begun(label, follower, begins)
            if newest:
                at.begins, at.beginning, at.ids = state.begins, state.size, (state.device, state.inode)
                at.read_until(state.offset)
            at.take(table.take(rows))
            found.append((at, len(at.tables) - 1))
            if not newest:
                self._left(label)
        return [at.tables[place] for at, place in found]

    def _begun(self, label: str, follower: Follower, begins: str) -> Followed:
        """Take note of a file that is followed from now on."""
        taken = {each.rest for each in self._all}
        rest = next(name for number in range(len(taken) + 1) if (name := _name(label, begins, number)) not in taken)
        at = Followed(label, follower.path, follower.state.format, rest, begins, origin=label)
        before = self._before.pop(label, None)
        if before is not None and self._is_before(before):
            known = self.case.holdings.table(label, "alerts")
            if known is not None and len(known):
                at.first, at.last = before.first, int(known["record"].max())
        self._all.append(at)
        self._present[label] = at
        return at

    def _is_before(self, before: Piece) -> bool:
        """Return True where a file still begins with the bytes that the case has read of it."""
        grown = Piece(before.label, before.path, before.size, "")
        return self.case.holdings.prefixes.of(grown, [before.size])[before.size] == before.sha256

    def _left(self, label: str) -> None:
        """Let go of a file that is followed no more: its alerts stand where it was moved to."""
        at = self._present.pop(label, None)
        if at is not None:
            at.left = True
            at.settle(self.case.holdings.label_of)

    def _give(self) -> None:
        case = self.case
        present = {id(each) for each in self._present.values()}
        for each in self._all:
            if id(each) not in present and _ids(each.path) != each.ids:  # rotated once more
                each.settle(case.holdings.label_of)
        mine = [each for each in self._all if each.tables]
        labels = {label for each in mine for label in (each.label, each.origin)}
        others = [table for label, table in case.holdings.tables("alerts").items() if label not in labels]
        table = together(ALERTS, [*others, *(part for each in mine for part in each.tables)])
        told = alert_room.told_by(table)
        table = table[~retold(told)].sort_values(["time", "alert"], kind="stable", ignore_index=True)
        case.alert_names.add(Meaning(each.rest, each.label, each.size, each.sha256) for each in mine if each.size)
        case.take_followed(table, told, mine)


def _is_other(before: State, after: State) -> bool:
    """Return True where another file, or one that was cut, has taken the place of the one that was read."""
    moved = (before.device, before.inode) != (after.device, after.inode)
    return bool(before.inode) and (moved or after.offset < before.offset or (before.begins not in ("", after.begins)))


def _name(label: str, begins: str, number: int) -> str:
    said = f"{label}\0{begins[:DIGITS]}" + (f"\0{number}" if number else "")
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
