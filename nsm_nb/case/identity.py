"""What the names of alerts mean, now and before: verdicts stand on the same record while its file grows, rotates, is packed.

An alert is named by the SHA-256 of its evidence and its record, and a file that grows has another SHA-256 each time. So the
case keeps what each name meant: of which file, and the SHA-256 of as many of its first bytes as were known. A file that
begins with these bytes is that file, whatever it is called now. What is kept is no part of the index: verdicts depend on it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nsm_nb.case.atomic import write_bytes
from nsm_nb.errors import UnreadableEvidence
from nsm_nb.formats.source import Source
from nsm_nb.schema import Caveat
from nsm_nb.text import printable

__all__ = ["DIGITS", "Meaning", "Names", "Naming", "Piece", "Prefixes", "meanings", "resolved"]

log = logging.getLogger(__name__)

DIGITS = 12  # of a SHA-256, in the name of an alert
_TRIES = 5
_HEX = frozenset("0123456789abcdef")


class Meaning(NamedTuple):
    """What a name meant."""

    name: str  # what stood before the colon
    label: str  # what the file was called
    size: int  # bytes that were known of it
    sha256: str  # of these
    content: str = ""  # of what a packed file unpacks to


@dataclass(frozen=True)
class Piece:
    """A file of alerts as it is there now, and how its alerts are named: up to the record `last` by `first`, then by `rest`."""

    label: str
    path: Path
    size: int
    first: str
    last: int | None = None  # None: all of them
    rest: str = ""
    sha256: str = ""  # of the first `size` bytes
    content: str = ""

    def named(self, record: int) -> str:
        """Return the name of the alert of a record."""
        return f"{self.first if self.last is None or record <= self.last else self.rest}:{record}"


def meanings(pieces: Iterable[Piece]) -> list[Meaning]:
    """Return what is to be kept of files whose alerts are shown under the names that their bytes give."""
    return [Meaning(each.first, each.label, each.size, each.sha256, each.content) for each in pieces if each.sha256]


class Names:
    """What names meant, kept in a file of the case.

    Parameters
    ----------
    place
        The file; it is made with the first name.
    """

    def __init__(self, place: Path):
        self._place = place
        self._stamp: tuple[int, ...] | None = None
        self._known: dict[str, Meaning] = {}
        self._unwritten: dict[str, Meaning] = {}  # on a read-only disk they hold for this session at least

    @property
    def known(self) -> Mapping[str, Meaning]:
        """What each name meant; the same object as long as nothing changes."""
        try:
            found = self._place.stat()
            stamp: tuple[int, ...] = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            stamp = ()
        if stamp != self._stamp:
            self._known, self._stamp = {**_read(self._place), **self._unwritten}, stamp
        return self._known

    def add(self, found: Iterable[Meaning]) -> None:
        """Keep what names mean; of one that is kept already, what tells more bytes."""
        fresh = {each.name: each for each in found}
        for _ in range(_TRIES):  # somebody else may write at the same time: what got lost by that is written again
            known = self.known
            new = {name: each for name, each in fresh.items() if name not in known or known[name].size < each.size}
            if not new:
                return
            made = {name: each[1:] for name, each in {**known, **new}.items()}
            try:
                self._place.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(self._place, json.dumps(made, indent=0).encode())
            except OSError as problem:
                log.warning("what alerts are named can't be kept in %s: %s", self._place, problem)
                self._unwritten |= new
                self._known, self._stamp = {**known, **new}, self._stamp
                return


def _read(place: Path) -> dict[str, Meaning]:
    """Return what a file keeps; what somebody wrote into it that can't be is left out."""
    try:
        table = json.loads(place.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as problem:
        log.warning("%s can't be read, so verdicts on files that grew may not be found: %s", place, problem)
        return {}
    found = {}
    for name, said in table.items() if isinstance(table, dict) else ():
        if not (len(name) == DIGITS and set(name) <= _HEX and isinstance(said, list) and len(said) == 4):
            continue
        label, size, sha256, content = said
        if all(isinstance(each, str) for each in (label, sha256, content)) and isinstance(size, int) and size > 0:
            found[name] = Meaning(name, label, size, sha256, content)
    return found


class Prefixes:
    """SHA-256 of the beginnings of files, each read once for all that is asked of it, and kept.

    Parameters
    ----------
    place
        Where those of files that do not change are kept; may be deleted.
    """

    def __init__(self, place: Path):
        self._place = place
        self._known: dict[str, dict[str, str]] | None = None
        self._live: dict[str, dict[int, str]] = {}

    def of(self, piece: Piece, sizes: Iterable[int]) -> Mapping[int, str]:
        """Return the SHA-256 of the first bytes of a file, unpacked where it is packed, as far as it has so many."""
        wanted = set(sizes)
        known = self._of_file(piece)
        missing = sorted(wanted - known.keys())
        if missing:
            known |= _digests(piece.path, missing)
            known |= dict.fromkeys(wanted - known.keys(), "")
            if piece.sha256:
                self._keep(piece.sha256, known)
        return {size: known[size] for size in wanted}

    def _of_file(self, piece: Piece) -> dict[int, str]:
        if piece.rest:  # it is followed: its first bytes stay what they are, and more may come
            known = self._live.setdefault(piece.rest, {})
            for size in [size for size, digest in known.items() if not digest]:
                del known[size]
            return known
        if not piece.sha256:
            return {}
        if self._known is None:
            try:
                table = json.loads(self._place.read_bytes())
                self._known = {str(sha256): dict(each) for sha256, each in table.items()}
            except (OSError, ValueError, TypeError, AttributeError, RecursionError):
                self._known = {}
        kept = self._known.get(piece.sha256, {})
        return {int(size): str(digest) for size, digest in kept.items() if size.isdigit()}

    def _keep(self, sha256: str, found: Mapping[int, str]) -> None:
        self._known = {**(self._known or {}), sha256: {str(size): digest for size, digest in found.items()}}
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._place, json.dumps(self._known).encode())
        except OSError as problem:
            log.warning(
                "%s could not be written (%s): beginnings are hashed anew at the next opening", self._place, problem
            )


def _digests(path: Path, sizes: Sequence[int]) -> dict[int, str]:
    """Return the SHA-256 of the first bytes of a file for each size, in ascending order, that it has; in one reading."""
    digest, found, left = hashlib.sha256(), {}, list(sizes)
    try:
        with Source(path) as source:
            if not source.packed:
                size = path.stat().st_size
                left = [each for each in left if each <= size]
            while left and source.fill():
                while left and source.base + source.end >= left[0]:
                    end = left[0] - source.base
                    digest.update(source.buffer.data[source.start : end])
                    source.start = end
                    found[left.pop(0)] = digest.hexdigest()
                digest.update(source.buffer.data[source.start : source.end])
                source.start = source.end
    except (UnreadableEvidence, OSError) as problem:
        log.warning("%s: its beginning can't be read: %s", printable(os.fspath(path)), problem)
    return found


def resolved(
    known: Mapping[str, Meaning], pieces: Sequence[Piece], prefixes: Prefixes
) -> tuple[dict[str, Piece], list[Caveat]]:
    """Return which file each name means now, and a caveat for each that may mean several.

    Parameters
    ----------
    known
        What names meant.
    pieces
        The files that there are.
    prefixes
        Of them.
    """
    # files that are read to their end have names of their own; a growing one has two, each for a part of its records
    own = {each.first: each for each in pieces if each.last is None}
    grown = [each for each in pieces if each.last is not None]
    meant = {name: each for each in grown for name in (each.first, each.rest)}
    left = [each for each in known.values() if each.name not in own and each.name not in meant]
    fitting: dict[str, list[Piece]] = {each.name: [] for each in left}
    for piece in pieces if left else ():
        told = prefixes.of(piece, [each.size for each in left if each.content != piece.content or not piece.content])
        for each in left:
            if (each.content and each.content == piece.content) or told.get(each.size) == each.sha256:
                fitting[each.name].append(piece)
    caveats = []
    for each in left:
        found = fitting[each.name]
        chosen = [piece for piece in found if piece.label == each.label] or found
        if len(chosen) == 1:
            meant[each.name] = chosen[0]
        elif chosen:
            files = " and ".join(printable(piece.label) for piece in chosen[:4])
            said = (
                f"alerts named {each.name} were of {printable(each.label)}, and {files} begin as that did: "
                "verdicts on them stand on none, until only one of these is there"
            )
            caveats.append(Caveat(each.label, None, None, "names", said))
    return meant, caveats


class Naming:
    """Which alert a name means now.

    Parameters
    ----------
    meant
        The file that each name means, of those that are not a file's own name.
    told
        For alerts that another file of their sensor tells better, the alert that stands for them.
    """

    def __init__(self, meant: Mapping[str, Piece], told: Mapping[str, str]):
        self.meant, self.told = meant, told
        self._before: dict[str, list[str]] | None = None
        self._retold: dict[str, list[str]] | None = None

    def now(self, alert: str) -> str:
        """Return the present name of an alert; the same where nothing else is known of it."""
        return self.told.get(found := self._named(alert), found)

    def _named(self, alert: str) -> str:
        name, _, record = alert.partition(":")
        piece = self.meant.get(name)
        return piece.named(int(record)) if piece is not None and record.isascii() and record.isdigit() else alert

    def all(self, alert: str) -> list[str]:
        """Return all names that mean the alert which a name means."""
        if self._before is None or self._retold is None:
            self._before, self._retold = {}, {}
            for old, piece in self.meant.items():
                for name in {piece.first, piece.rest} - {""}:
                    self._before.setdefault(name, []).append(old)
            for twin, standing in self.told.items():
                self._retold.setdefault(standing, []).append(twin)
        present = self.now(alert)
        found: dict[str, None] = {}
        for each in (present, *self._retold.get(present, ())):
            name, _, record = each.partition(":")
            found |= dict.fromkeys([each, *(f"{old}:{record}" for old in self._before.get(name, ()))])
        return [each for each in found if self.now(each) == present]

    def take(self, other: Naming) -> None:
        """Become what another one is, where that changes no verdict: whoever holds this one need not read all again."""
        self.meant, self.told = other.meant, other.told
        self._before = self._retold = None

    def agrees(self, other: Naming, shown: Iterable[str]) -> bool:
        """Return True where both say the same of alerts that were shown before, which alone can have been judged."""
        if {name: _rule(each) for name, each in self.meant.items()} != {
            name: _rule(each) for name, each in other.meant.items()
        }:
            return False
        both = self.told.keys() & other.told.keys()
        if any(self.told[each] != other.told[each] for each in both):
            return False
        changed = self.told.keys() ^ other.told.keys()
        return not changed or changed.isdisjoint(shown)


def _rule(piece: Piece) -> tuple[str, int | None, str]:
    return piece.first, piece.last, piece.rest
