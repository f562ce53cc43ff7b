"""The files that a growing log was moved or copied to: which of them was read before, and which came after it.

Source: logrotate(8), `create`, `copytruncate`, `compress`, `dateext`, `dateformat`, `extension`; Suricata and Snort write
behind the name the seconds since 1970.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from nsm_nb.errors import UnreadableEvidence
from nsm_nb.formats.source import open_evidence

__all__ = ["LAST", "Sibling", "behind", "digest_of", "is_continued", "moved", "siblings"]

LAST = 1 << 16  # bytes before the place that was read to, by which a file is known again
_STEP = 1 << 20
_MARK = r"(?P<mark>\d[\d_.:T-]{0,30})"
_PACKED = r"(?:\.(?:gz|zst|lz4|bz2|xz))?"
_LARGEST_NUMBER = 99_999  # of a rotation; what is larger is a date, or seconds since 1970


class Sibling(NamedTuple):
    """A file whose name says that it was the log once."""

    path: Path
    number: int | None  # 1 is the youngest; None where the name has a date
    date: str  # its digits; empty where the name has a number


def siblings(place: Path) -> list[Sibling]:
    """Return the rotated files beside a log, the youngest first, those with dates before those with numbers."""
    name, stem, end = (re.escape(each) for each in (place.name, place.stem, place.suffix))
    pattern = re.compile(rf"(?:{name}[.-]{_MARK}|{stem}[.-]{_MARK.replace('mark', 'inner')}{end}){_PACKED}")
    found: dict[str, Sibling] = {}
    for each in sorted(place.parent.iterdir()):  # alert.1 stands before alert.1.gz, which may not be whole yet
        match = pattern.fullmatch(each.name)
        if match is None or each.name == place.name:
            continue
        mark = match["mark"] or match["inner"]
        digits = re.sub(r"\D", "", mark)
        number = int(digits) if mark.isdigit() and int(digits) <= _LARGEST_NUMBER else None
        found.setdefault(mark, Sibling(each, number, "" if number is not None else digits))
    dated = [each for each in found.values() if each.number is None]
    numbered = [each for each in found.values() if each.number is not None]
    dated.sort(key=lambda each: each.date.ljust(24, "0"), reverse=True)
    return dated + sorted(numbered, key=lambda each: each.number or 0)


def moved(place: Path, ids: tuple[int, int], least: int) -> Path | None:
    """Return where a file of some device and inode is now, within the folder; None where it is not there, or was cut."""
    for other in place.parent.iterdir():
        try:
            found = other.stat()
        except OSError:  # it went away meanwhile
            continue
        if (found.st_dev, found.st_ino) == ids and found.st_size >= least:
            return other
    return None


def behind(place: Path, old: Path | None, changed: int) -> tuple[list[Path], list[str]]:
    """Return the files that were the log after `old`, the oldest first, and the names of those that should be there.

    Parameters
    ----------
    place
        The log.
    old
        The file that was read last; None where it is gone.
    changed
        When that was written last, as far as is known, in nanoseconds since 1970: used where `old` does not tell.
    """
    known = siblings(place)
    mine = next((each for each in known if each.path == old), None)
    if mine is None and not changed:
        return [], []
    if mine is None:
        later = [each for each in known if each.path != old and _changed(each.path) > changed]
        return [each.path for each in sorted(later, key=lambda each: _changed(each.path))], []
    if mine.number is None:
        after = [each for each in known if each.number is None and each.date.ljust(24, "0") > mine.date.ljust(24, "0")]
        return [each.path for each in reversed(after)], []
    after = [each for each in known if each.number is not None and each.number < mine.number]
    there = {each.number for each in after if each.number is not None}
    first = min([1, *there])  # logrotate's `start`
    missing = [f"{place.name}.{number}" for number in range(mine.number - 1, first - 1, -1) if number not in there]
    return [each.path for each in reversed(after)], missing


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def is_continued(path: Path, begins: str, size: int, last: str, offset: int) -> bool:
    """Return True where a file, plain or compressed, begins with some bytes, and has others before a place.

    Parameters
    ----------
    path
        The file.
    begins, size
        SHA-256 and count of its first bytes.
    last, offset
        SHA-256 of the `LAST` bytes before `offset`, fewer where there are fewer; not asked where empty.
    """
    try:
        with open_evidence(path) as file:
            if digest_of(file, 0, size) != begins:
                return False
            if not last:
                return True
            file.seek(max(offset - LAST, 0))
            return digest_of(file, max(offset - LAST, 0), min(offset, LAST)) == last
    except (UnreadableEvidence, EOFError, OSError):
        return False


def digest_of(file: BinaryIO, at: int, size: int) -> str:
    """Return the SHA-256 of some bytes of a file that is open; empty where they are not all there."""
    digest = hashlib.sha256()
    file.seek(at, os.SEEK_SET)
    while size > 0:
        part = _read(file)(min(size, _STEP))
        if not part:
            return ""
        digest.update(part)
        size -= len(part)
    return digest.hexdigest()


def _read(file: BinaryIO) -> Callable[[int], bytes]:
    return getattr(file, "read1", file.read)
