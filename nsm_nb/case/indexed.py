"""Files of evidence, read once: what was read of each is kept in the index, under what it was read with."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nsm_nb import formats
from nsm_nb.case.files import Files
from nsm_nb.case.index import DamagedIndex, Entry, clean, make
from nsm_nb.case.inventory import File, Progress
from nsm_nb.case.settings import Settings
from nsm_nb.case.tables import together
from nsm_nb.errors import CaseError, NsmError, UnreadableEvidence
from nsm_nb.formats import netflow
from nsm_nb.formats.source import read_head
from nsm_nb.formats.stamps import yearless
from nsm_nb.full_content import faults
from nsm_nb.schema import FLOWS, SESSIONS, Caveat, caveats_of, with_caveats
from nsm_nb.sessions import assemble
from nsm_nb.sessions.identity import with_community_id, with_numbers
from nsm_nb.text import printable

__all__ = ["Indexed", "tables_of"]

log = logging.getLogger(__name__)


class Indexed(Files):
    """The files of evidence of one case, and the index of what was read of them; parameters as of `Files`."""

    def __init__(self, settings: Settings, folder: Path, index: Path):
        super().__init__(settings, folder, index)
        # what is read depends on timeouts and the like; with others it is another index
        other = repr(_sorted(settings.assembly)).encode()
        self._index = index / f"idle-{hashlib.sha256(other).hexdigest()[:8]}" if settings.assembly else index
        if settings.recover:  # a search behind damage finds what another reading has not
            self._index /= "recover"
        self._trouble: dict[str, str] = {}

    def look_again(self, progress: Progress | None = None) -> None:
        """Hash all files anew, and try again to read those that could not be read."""
        self._trouble.clear()
        super().look_again(progress)

    def read_all(self, progress: Progress | None = None) -> None:
        """Read what is not in the index yet.

        Parameters
        ----------
        progress
            Told the label, the bytes done and the bytes in all.
        """
        known = [file for file in self.files(progress) if file.format]
        done, total = 0, sum(file.size for file in known)
        for file in known:
            if progress is not None:
                progress(file.label, done, total)
            self._entry(file)
            done += file.size
        if progress is not None and known:
            progress("", total, total)

    def _opened(self, entry: Entry, name: str, label: str) -> pd.DataFrame | None:
        """Return a table of the index; where that is damaged it is made again."""
        try:
            return entry.table(name, label)
        except DamagedIndex as problem:
            log.warning("%s: %s; it is made again", printable(label), problem)
            entry.remove()
            again = self._entry(self.file(label))
            return None if again is None else again.table(name, label)

    def clean(self) -> None:
        """Remove what processes that were killed left in the index."""
        clean(self._index)

    def _entry(self, file: File) -> Entry | None:
        """Return the index of an evidence, made where it was not; None where nothing can be read."""
        if file.format is None or file.label in self._trouble:
            return None
        options = self._options(file, read=True)
        key = _keyed(file, options)
        entry = Entry(self._index, key)
        if entry.there:
            return entry
        try:
            tables = self._read(file, options)
        except NsmError as problem:
            self._trouble[file.label] = str(problem)
            log.warning("%s", problem)
            return None
        except Exception as problem:  # broad: whatever a reader trips over, the other evidence stays readable
            self._trouble[file.label] = (
                f"{printable(file.label)} can't be read: {type(problem).__name__}: {printable(problem)}; that is a fault of "
                "nsm_nb: please report it, and take the file out of the case meanwhile if it is not needed"
            )
            log.warning("%s", self._trouble[file.label], exc_info=True)
            return None
        try:
            return make(self._index, key, tables)
        except OSError as problem:
            raise CaseError(
                f"the index of {file.label} can't be written to {printable(self._index)}: {printable(problem)}; "
                "free some space, or set NSM_HOME to a place that has some"
            ) from problem

    def _key(self, file: File) -> str:
        """Return what names the index of an evidence."""
        return _keyed(file, self._options(file, read=False))

    def _options(self, file: File, *, read: bool) -> dict[str, Any]:
        """Return what the reader of alerts is told besides the file: columns, and a time that tells the year.

        With `read`, captures are read for that time if they were not yet.
        """
        options: dict[str, Any] = {}
        columns = self._settings.columns_of(file.label)
        if columns is not None:
            options["columns"] = columns
        module = formats.reader(file.format) if file.format else None
        if getattr(module, "YEARLESS", False) and file.sha256 and yearless(read_head(file.path)):
            last = self._captured_last(read=read)
            if last is not None:
                options["near"] = pd.Timestamp(last, unit="ns", tz="UTC")
        return options

    def _captured_last(self, *, read: bool) -> int | None:
        """Return the time of the last packet of all captures, in nanoseconds; None where there is none."""
        found = []
        for file in self.files():
            if file.format == "pcap":
                entry = self._entry(file) if read else Entry(self._index, file.sha256)
                if entry is not None and entry.there:
                    found.append(entry.meta()["tables"].get("packets", {}).get("last"))
        return max((each for each in found if each is not None), default=None)

    def alert_options(self, label: str) -> dict[str, Any]:
        """Return what a reader of a growing file of alerts is told besides the file."""
        file = self.file(label)
        options = self._options(file, read=True)
        if "near" not in options and getattr(formats.reader(str(file.format)), "YEARLESS", False):
            last = self._captured_last(read=True)  # nothing may stand in it yet
            return options if last is None else {**options, "near": pd.Timestamp(last, unit="ns", tz="UTC")}
        return options

    def detail(self, label: str, record: int) -> dict[str, Any]:
        """Return the raw record of an alert.

        Raises
        ------
        UnreadableEvidence
            Where the file does not begin any more with the bytes that the alert was read of, and none beside it does.
        """
        file = self.file(label)
        path = self._same(file)
        if path is None:
            raise UnreadableEvidence(
                f"{printable(label)} is another file than the one that record {record:,} was read of, and none beside it "
                "begins as that did; case.refresh() looks at the evidence again"
            )
        return self.detail_at(path, str(file.format), record, label)

    def detail_at(self, path: Path, format: str, record: int, label: str) -> dict[str, Any]:
        """Return the raw record of an alert that stands in a file, whatever it is called now."""
        columns = self._settings.columns_of(label)
        options = {"columns": columns} if columns is not None else {}
        return formats.reader(format).detail(path, record, **options)

    def _read(self, file: File, options: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
        module = formats.reader(str(file.format))
        # what the inventory knows is not hashed again
        known = {"digest": file.sha256} if _as_surveyed(file) else {}
        asked: dict[str, Mapping[str, Any]] = {
            "alerts": {**options, **known},
            "packets": {"recover": True} if self._settings.recover else {},
            "sessions": {**({"near": options["near"]} if "near" in options else {}), **known},
        }
        tables = {
            name: getattr(module, name)(file.path, label=file.label, **asked.get(name, {})) for name in tables_of(file)
        }
        if file.format == netflow.NAME and netflow.holds_packets(tables["sessions"]):
            tables["packets"] = formats.reader("pcap").packets(file.path, label=file.label, **asked["packets"])
        if "packets" in tables:
            records = tables.get("sessions", SESSIONS.empty())
            plain = tables["packets"].drop(columns="recovered", errors="ignore")  # a caveat says which they are
            tables["packets"] = with_caveats(plain, faults(plain, file.path))
            found, tables["packets"] = assemble(tables["packets"], **self._settings.assembly)
            tables["sessions"] = with_caveats(
                together(FLOWS, [FLOWS.conform(found), FLOWS.conform(records)]) if len(records) else found,
                [*caveats_of(found), *caveats_of(records)] if len(records) else caveats_of(records),
            )
        if "sessions" in tables:
            tables["sessions"] = with_numbers(with_community_id(tables["sessions"]))
        if not _as_surveyed(file):
            what = (
                "was written to since its SHA-256 was taken: what was read may be of other bytes; case.changed() tells"
            )
            caveat = Caveat(file.label, None, None, "changed", f"{printable(file.label)} {what}")
            tables = {name: with_caveats(each, [caveat]) for name, each in tables.items()}
        return tables


def _as_surveyed(file: File) -> bool:
    """Return whether a file has the size and the time of change that the inventory has."""
    try:
        found = file.path.stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (file.size, file.stamp)


def _sorted(assembly: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what `assemble` is told in one order; timeouts first and alone where nothing else is, as they always were."""
    others = [(name, each) for name, each in sorted(assembly.items()) if name != "idle"]
    return [*sorted(assembly.get("idle", {}).items()), *others]


def _keyed(file: File, options: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an evidence, or, where it was read with options, that of both."""
    if not options:
        return file.sha256
    near = options.get("near")  # the day is enough for the year
    said = repr((file.sha256, options.get("columns"), None if near is None else f"{near:%Y-%m-%d}"))
    return hashlib.sha256(said.encode()).hexdigest()


def tables_of(file: File) -> list[str]:
    """Return the tables that a file's format has, by the names of its reader's functions."""
    if file.format is None:
        return []
    module = formats.reader(file.format)
    return [name for name in formats.TABLES if hasattr(module, name)]
