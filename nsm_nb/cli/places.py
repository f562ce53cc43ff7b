"""What a call reads, and what it may write to: a case, a capture or captures, a file of flows; never evidence."""

from __future__ import annotations

import argparse
import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_nb.cli import progress
from nsm_nb.cli.output import say
from nsm_nb.errors import CaseError, NsmError
from nsm_nb.text import form, printable

if TYPE_CHECKING:
    import pandas as pd

    from nsm_nb.case import Case

__all__ = [
    "given",
    "holds_packets",
    "indexed",
    "may_write",
    "opened",
    "packets_in",
    "packets_or_flows",
    "tell_recovered",
]


def may_write(out: Path, *, overwrite: bool) -> None:
    """Say so where a file is there already that nobody has asked to replace; a pipe or a device is written to as it is.

    Raises
    ------
    NsmError
        Where it is there.
    """
    if out.is_file() and not overwrite:
        raise NsmError(f"{printable(out)} is there already; choose another name, or say --overwrite to replace it")


def opened(chosen: argparse.Namespace) -> Case:
    """Return the case that is named; what is to be written does not touch its evidence."""
    return _opened(chosen.case, chosen)


def indexed(chosen: argparse.Namespace) -> Case:
    """Return the case that is named, with all its evidence read."""
    case = opened(chosen)
    case.index(progress=progress.on_screen(progress.Bytes()))
    return case


def given(names: Sequence[str], chosen: argparse.Namespace) -> Case | list[Path]:
    """Return the case that is named, indexed, or the files: one, several, or those that patterns like ``day/*.pcap`` mean.

    Parameters
    ----------
    names
        As they were typed; one folder is a case, or evidence of which a case is made. None: NSM_CASE, else this folder.
    chosen
        The call: what it will write (`out`), and whether captures are to be searched behind damage (`recover`), which a
        case's settings say for a case.

    Raises
    ------
    NsmError
        Where there is no such file, several names are not all files, or what will be written is one of them.
    """
    names = names or [os.environ.get("NSM_CASE", ".")]
    first = Path(names[0])
    if len(names) == 1 and not _is_pattern(names[0]) and (first.name == "case.toml" or not first.is_file()):
        case = _opened(names[0], chosen)
        if getattr(chosen, "recover", False):
            raise CaseError(
                f"{printable(case.path)} is a case, whose index is made once: write recover = true into its case.toml "
                "(above any line in brackets); --recover is for captures that are named"
            )
        if getattr(chosen, "read_as", None):
            raise CaseError(f"{printable(case.path)} is a case, whose files are known by their first bytes; --read-as is for a "
                            "file that is named")  # fmt: skip
        case.index(progress=progress.on_screen(progress.Bytes()))
        return case
    return _files(names, getattr(chosen, "out", None))


def packets_in(files: Sequence[Path], *, recover: bool, read_as: str | None = None) -> pd.DataFrame:
    """Return the packets of one capture, or those of several as one, in order of time."""
    import nsm_nb as nsm

    if len(files) == 1:
        return nsm.read_packets(files[0], format=read_as, recover=recover)
    if read_as is not None:
        raise NsmError("several files are read as captures, each by its first bytes; name one file with --read-as")
    return nsm.read_packets(files, recover=recover)


def holds_packets(path: Path, read_as: str | None) -> bool:
    """Return whether a file is of a format of packets, by its first bytes or by what is said of it."""
    import nsm_nb as nsm

    known = nsm.formats.recognised(path) if read_as is None else [read_as]
    return bool(known) and hasattr(nsm.formats.reader(known[0]), "packets")


def packets_or_flows(names: Sequence[str], chosen: argparse.Namespace) -> tuple[Case | None, pd.DataFrame]:
    """Return the packets of a case or of files, or the sessions where there are no packets; and the case, if it is one."""
    import nsm_nb as nsm

    place = given(names, chosen)
    if not isinstance(place, list):
        return place, place.packets if len(place.packets) else place.sessions
    if len(place) == 1:
        known = chosen.read_as is not None or nsm.formats.recognised(place[0])
        if known and not holds_packets(place[0], chosen.read_as):
            if chosen.recover:
                raise NsmError(f"{printable(place[0])} is no capture, and captures alone can be searched behind damage")
            return None, nsm.read_sessions(place[0], format=chosen.read_as)
    packets = packets_in(place, recover=chosen.recover, read_as=chosen.read_as)
    tell_recovered(packets)
    return None, nsm.sessions.assemble(packets)[1]


def tell_recovered(packets: pd.DataFrame) -> None:
    """Tell which of the packets were found behind damage and are a guess."""
    if "recovered" not in packets or not packets["recovered"].any():
        return
    for name, rows in packets[packets["recovered"]].groupby("evidence", observed=True):
        frames = rows["frame"]
        first = frames.min()
        which = form(len(rows), f"frame {first} is", f"{len(rows):,} frames from {first} on are")
        say(f"nsm-nb: {name}: {which} a guess, found behind damage")


def _opened(name: str, chosen: argparse.Namespace) -> Case:
    import nsm_nb as nsm

    case = nsm.open_case(name)
    if getattr(chosen, "out", None) is not None:
        case.spare(chosen.out)
    return case


def _files(names: Sequence[str], out: Path | None) -> list[Path]:
    files: list[Path] = []
    for name in names:
        # Path.glob takes no absolute pattern
        found = sorted(map(Path, glob.glob(name))) if _is_pattern(name) else [Path(name)]  # noqa: PTH207
        files += [each for each in found if each.is_file() or not _is_pattern(name)]
    for each in files:
        if not each.is_file():
            what = "is a folder" if each.is_dir() else "does not exist"
            raise NsmError(f"{printable(each)} {what}; give one case, one folder, or files")
    if not files:
        raise NsmError(f"no file matches {' '.join(map(printable, names))}; check the path")
    _keep_apart(out, files)
    return list(dict.fromkeys(files))


def _is_pattern(name: str) -> bool:
    return bool(re.search(r"[*?\[]", name)) and not Path(name).exists()


def _keep_apart(out: Path | None, files: Iterable[Path]) -> None:
    """Refuse to write to a file that is read, by whatever name, through links too: it may be the only copy."""
    for file in files if out is not None else ():
        assert out is not None
        try:
            same = out.samefile(file)
        except OSError:  # one of them is not there
            same = os.path.realpath(out) == os.path.realpath(file)
        if same:
            raise NsmError(f"{printable(out)} is evidence, which is never written to; choose another place")
