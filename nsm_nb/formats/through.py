"""Files that a program of their own can read: it runs contained and prints them, and what it prints is read instead.

The program is never given the evidence's name, which some hand on to a shell, but that of a link or an unpacked copy in a folder
of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nsm_nb.contained import Limits, run
from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.source import Source
from nsm_nb.schema import Caveat
from nsm_nb.text import printable

__all__ = ["Printed", "Program", "printed"]

_MEMORY = 2 << 30
_LEAST_PRINTED = 1 << 28  # bytes that any file may be printed as
_PRINTED = 20  # how many times its size a larger file may; ra and nfdump print two to four times as much
_SLOWEST = 1_000_000  # bytes of evidence a second of CPU time
_LEAST_SECONDS, _MOST_SECONDS = 60, 3_600
_MOST_PRINTED = 1 << 34


class Program(NamedTuple):
    """A program that prints evidence."""

    name: str
    arguments: Sequence[str]  # before the file's name
    what: str  # "a file of Argus 2", for sentences
    otherwise: str  # what to do where it is not there


class Printed(NamedTuple):
    """What a program printed."""

    path: Path
    said: str  # to stderr, or why it was ended
    caveats: list[Caveat]


@contextmanager
def printed(path: str | os.PathLike, label: str, program: Program) -> Iterator[Printed]:
    """Have a program print a file; what it printed is there until the end of the ``with``.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where the program is not there, or printed nothing.
    """
    name = printable(label)
    found = shutil.which(program.name)
    if found is None:
        raise DamagedEvidence(
            f"{name} is {program.what}, which is read through {program.name}; {program.name} is not installed: "
            f"{program.otherwise}"
        )
    with tempfile.TemporaryDirectory(prefix="nsm_nb-") as place:
        folder = Path(place)
        evidence, out = folder / "evidence", folder / "printed"
        trouble = _hand_over(path, evidence)
        size = evidence.stat().st_size
        seconds = min(max(_LEAST_SECONDS, size // _SLOWEST), _MOST_SECONDS)
        room = min(max(_LEAST_PRINTED, _PRINTED * size), _MOST_PRINTED)
        limits = Limits(seconds, 4 * seconds, _MEMORY, room)
        ended = run([found, *program.arguments, evidence], folder=folder, out=out, limits=limits)
        said = ended.why or ended.said.replace("\n", "; ")[:300]
        if not out.stat().st_size:
            raise DamagedEvidence(
                f"{name} is {program.what}, of which {program.name} printed nothing{said and f': {said}'}; {program.otherwise}"
            )
        told = [("through", f"{name} is {program.what}; it was read through {program.name}")]
        if ended.status or trouble:
            why = said or trouble or f"it ended with status {ended.status}"
            told.append(("cut", f"{name}: {program.name} did not come to its end: {why}; the rest is missing"))
        yield Printed(out, said, [Caveat(label, None, None, kind, each) for kind, each in told])


def _hand_over(path: str | os.PathLike, place: Path) -> str:
    """Put the evidence, unpacked, where the program finds it; return why there is not all of it."""
    with Source(path) as source:
        if not source.packed:
            place.symlink_to(Path(path).resolve())
            return ""
        with place.open("wb") as file:
            while source.end > source.start or source.fill():
                file.write(source.buffer[source.start : source.end].tobytes())
                source.start = source.end
        return source.trouble
