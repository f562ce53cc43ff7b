"""The evidence of a case: which files there are, their hashes, their formats, what could be read of each."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nsm_nb import formats
from nsm_nb.case.atomic import write_bytes
from nsm_nb.errors import NsmError, UnreadableEvidence
from nsm_nb.formats.source import Source
from nsm_nb.text import printable

__all__ = ["File", "Progress", "files", "sha256_of", "survey"]

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]  # label, bytes done, bytes in all


@dataclass(frozen=True)
class File:
    """One file of evidence."""

    label: str
    path: Path
    size: int
    stamp: int  # modification time, nanoseconds: a file whose size and stamp are as before is not hashed again
    sha256: str
    format: str | None
    note: str  # why it can't be read, where that is so
    content: str = ""  # what tells the same bytes: the SHA-256, of a gzip file that of what it unpacks to


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield label and path of each file below a folder, in order of the labels; hidden files are left out."""
    found = []
    seen = {os.path.realpath(folder)}
    for parent, folders, names in os.walk(folder, followlinks=True):
        # a link to a folder that was walked already would never end
        folders[:] = [
            each for each in sorted(folders) if not each.startswith(".") and _fresh(Path(parent) / each, seen)
        ]
        for name in names:
            if not name.startswith("."):
                path = Path(parent) / name
                # names that are not UTF-8 get visible escapes, so that a label can be stored and shown
                raw = os.fsencode(path.relative_to(folder).as_posix())
                found.append((printable(raw), raw, path))
    taken: set[str] = set()
    for label, _, path in sorted(found):
        # two names may look the same once their escapes are visible
        others = (f"{label} ({number})" for number in itertools.count(2))
        name = label if label not in taken else next(other for other in others if other not in taken)
        taken.add(name)
        yield name, path


def _fresh(folder: Path, seen: set[str]) -> bool:
    place = os.path.realpath(folder)
    fresh = place not in seen
    seen.add(place)
    return fresh


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    UnreadableEvidence
        Where it can't be read to its end.
    """
    return _hashed(path)[0]


def _hashed(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file, and of how many bytes it is."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    except OSError as problem:
        raise UnreadableEvidence(
            f"{printable(path)} can't be read: {printable(problem.strerror or problem)}; mend its permissions or copy it again"
        ) from problem


def survey(folder: Path, cache: Path, *, again: bool = False, progress: Progress | None = None) -> list[File]:
    """Return the files below the evidence folder, hashed and recognised.

    Parameters
    ----------
    folder
        The evidence.
    cache
        A file that keeps hashes and formats by size and time of modification.
    again
        Hash all, whatever the cache says.
    progress
        Told how far it is.
    """
    readable = list(formats.FORMATS)
    try:
        kept = json.loads(cache.read_bytes())
        # a version that reads more formats looks at all files again
        known = {} if again or kept["formats"] != readable else {each["label"]: each for each in kept["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    found = list(files(folder)) if folder.is_dir() else []
    sizes = [_size(path) for _, path in found]
    total, done = sum(sizes), 0
    result = []
    for (label, path), size in zip(found, sizes, strict=True):
        if progress is not None:
            progress(label, done, total)
        result.append(_file(label, path, known.get(label)))
        done += size
    made = json.dumps({"formats": readable, "files": [{**asdict(each), "path": ""} for each in result]}).encode()
    try:
        if not cache.is_file() or cache.read_bytes() != made:
            cache.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(cache, made)
    except OSError as problem:
        log.warning("%s could not be written (%s): hashes are made anew at the next opening", cache, problem)
    return result


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a link to nowhere, in a circle, to a name that is too long: its row says which
        return 0


def _content(path: Path, sha256: str) -> str:
    """Return the SHA-256 of what a gzip file unpacks to, of any other file, of a damaged one and of a bomb its own."""
    digest = hashlib.sha256()
    try:
        with Source(path) as source:
            if not source.packed:
                return sha256
            while source.fill():
                digest.update(source.buffer.data[source.start : source.end])
                source.start = source.end
    except UnreadableEvidence:
        return sha256
    return sha256 if source.trouble else digest.hexdigest()


def _file(label: str, path: Path, known: dict | None) -> File:
    try:
        state = path.stat()
    except OSError as problem:
        return File(
            label,
            path,
            0,
            0,
            "",
            None,
            f"{label} can't be read: {printable(problem.strerror or problem)}; check the link",
        )
    if not stat.S_ISREG(state.st_mode):
        return File(label, path, 0, 0, "", None, f"{label} is no file (a pipe or a device); it was not opened")
    size, stamp = state.st_size, state.st_mtime_ns
    if known and known.get("size") == size and known.get("stamp") == stamp and known.get("content"):
        sha256, content = str(known["sha256"]), str(known["content"])
        return File(label, path, size, stamp, sha256, known.get("format"), str(known.get("note", "")), content)
    sha256, found, note, content = "", None, "", ""
    try:
        sha256, size = _hashed(path)  # of a file that grows meanwhile, what was hashed is what is known
        names = formats.recognised(path)
        found = names[0] if names else None
        content = _content(path, sha256)
        if not names:
            note = f"{label} is in no format that is read; it is kept and hashed"
    except NsmError as problem:
        note = str(problem)
    return File(label, path, size, stamp, sha256, found, note, content)
