"""The files of evidence of a case: hashed, recognised, found again where they were moved."""

from __future__ import annotations

import glob
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from nsm_nb import formats
from nsm_nb.alerts import is_map
from nsm_nb.case.identity import Piece, Prefixes
from nsm_nb.case.inventory import File, Progress, sha256_of, survey
from nsm_nb.case.settings import Settings
from nsm_nb.errors import NsmError, UnknownName
from nsm_nb.text import printable

__all__ = ["Files"]


class Files:
    """The files of evidence of one case.

    Parameters
    ----------
    settings
        The case's.
    folder
        The case's directory, from which patterns of rule files start.
    index
        The folder of the index, where hashes are kept.
    """

    def __init__(self, settings: Settings, folder: Path, index: Path):
        self._settings = settings
        self._case = folder
        self._root = index
        self._files: list[File] | None = None
        self.prefixes = Prefixes(index / "beginnings.json")

    def files(self, progress: Progress | None = None) -> list[File]:
        """Return the files of evidence, hashed and recognised."""
        if self._files is None:
            self._files = self._with_columns(
                survey(self._settings.evidence, self._root / "inventory.json", progress=progress)
            )
        return self._files

    def look_again(self, progress: Progress | None = None) -> None:
        """Hash all files anew."""
        self._files = self._with_columns(
            survey(self._settings.evidence, self._root / "inventory.json", again=True, progress=progress)
        )

    def _with_columns(self, files: list[File]) -> list[File]:
        """Return the files; those to which case.toml gives columns are of the format that can have them."""
        found = []
        for file in files:
            columns = self._settings.columns_of(file.label)
            known = columns is None or not file.sha256
            found.append(file if known else replace(file, format=formats.alert_columns(columns), note=""))
        return found

    def file(self, label: str) -> File:
        """Return the file of a label.

        Raises
        ------
        UnknownName
            Where there is none.
        """
        for file in self.files():
            if file.label == label:
                return file
        raise UnknownName(f"there is no evidence {printable(label)!r} in this case; case.evidence lists it")

    def label_of(self, path: Path) -> str | None:
        """Return what a file is called here, also one that came since the evidence was looked at; None where it is none."""
        for file in self.files():
            if file.path == path:
                return file.label
        try:
            return printable(os.fsencode(path.relative_to(self._settings.evidence).as_posix()))
        except ValueError:
            return None

    def rule_files(self) -> set[Path]:
        """Return the files of rules, and the maps beside them, that case.toml names or that lie among the evidence."""
        named = {
            self._case / name
            for pattern in self._settings.rules
            # Path.glob takes no absolute pattern
            for name in glob.glob(pattern, root_dir=self._case, recursive=True)  # noqa: PTH207
            if (self._case / name).is_file()
        }
        there = {os.path.realpath(path) for path in named}
        return named | {
            file.path
            for file in self.files()
            if file.format is None
            and (file.path.suffix == ".rules" or is_map(file.path))
            and os.path.realpath(file.path) not in there
        }

    def changed(self) -> pd.DataFrame:
        """Return `evidence`, `sha256` and `now` of each file whose bytes are not those of the inventory."""
        rows = []
        for file in self.files():
            try:
                now = sha256_of(file.path)
            except NsmError as problem:
                now = str(problem)
            if file.sha256 and now != file.sha256:
                rows.append((file.label, file.sha256, now))
        return pd.DataFrame(rows, columns=["evidence", "sha256", "now"], dtype="str")

    def _same(self, file: File) -> Path | None:
        """Return where the bytes of a file of the inventory are: there, or where it was moved to; None where nowhere."""
        for path in (file.path, *_siblings(file.path)):
            try:
                found = path.stat()
            except OSError:
                continue
            if path == file.path and (found.st_size, found.st_mtime_ns) == (file.size, file.stamp):
                return path
            grown = Piece(file.label, path, found.st_size, "")
            if self.prefixes.of(grown, [file.size])[file.size] == file.sha256:
                return path
        return None


def _siblings(path: Path) -> list[Path]:
    """Return the files beside one whose names begin alike, as those of its rotations do."""
    try:
        return sorted(each for each in path.parent.iterdir() if each != path and each.name.startswith(path.stem))
    except OSError:
        return []
