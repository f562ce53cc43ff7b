"""What is named on the command line: the case, capture or captures that are read, and the file that may be written."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import CaseError, NsmError
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["given", "headed", "keep_apart", "may_write", "packets_in", "tell_recovered"]


def may_write(out: Path, *, overwrite: bool) -> None:
    """Say so where a file is there already that nobody has asked to replace; a pipe or a device is written to as it is.

    Raises
    ------
    NsmError
        Where it is there.
    """
    if out.is_file() and not overwrite:
        raise NsmError(f"{printable(out)} is there already; choose another name, or say --overwrite to replace it")


def keep_apart(out: Path | None, files: Iterable[Path]) -> None:
    """Refuse to write to a file that is read, by whatever name: it may be the only copy of the evidence.

    Raises
    ------
    NsmError
        Where `out` is one of the files, through links too.
    """
    for file in files if out is not None else ():
        assert out is not None
        try:
            same = out.samefile(file)
        except OSError:  # one of them is not there
            same = os.path.realpath(out) == os.path.realpath(file)
        if same:
            raise NsmError(f"{printable(out)} is evidence, which is never written to; choose another place")


def given(names: Sequence[str], *, out: Path | None, opened: Callable[[str], Case], recover: bool) -> Case | list[Path]:
    """Return the case that is named, or the files: one, several, or those that patterns such as ``day/*.pcap`` stand for.

    Parameters
    ----------
    names
        As they were typed; one folder is a case, or evidence of which a case is made.
    out
        What will be written; None: nothing.
    opened
        Opens a case.
    recover
        Whether captures are to be searched behind damage, which a case's settings say for a case.

    Raises
    ------
    NsmError
        Where there is no such file, several names are not all files, or `out` is one of them.
    """
    if (
        len(names) == 1
        and not _pattern(names[0])
        and (Path(names[0]).name == "case.toml" or not Path(names[0]).is_file())
    ):
        case = opened(names[0])
        if recover:
            raise CaseError(
                f"{printable(case.path)} is a case, whose index is made once: write recover = true into its case.toml "
                "(above any line in brackets); --recover is for captures that are named"
            )
        return case
    files: list[Path] = []
    for name in names:
        # Path.glob takes no absolute pattern
        found = sorted(map(Path, glob.glob(name))) if _pattern(name) else [Path(name)]  # noqa: PTH207
        files += [each for each in found if each.is_file() or not _pattern(name)]
    for each in files:
        if not each.is_file():
            what = "is a folder" if each.is_dir() else "does not exist"
            raise NsmError(f"{printable(each)} {what}; give one case, one folder, or files")
    if not files:
        raise NsmError(f"no file matches {' '.join(map(printable, names))}; check the path")
    keep_apart(out, files)
    return list(dict.fromkeys(files))


def _pattern(name: str) -> bool:
    return bool(re.search(r"[*?\[]", name)) and not Path(name).exists()


def packets_in(files: Sequence[Path], *, recover: bool) -> pd.DataFrame:
    """Return the packets of one capture, or those of several as one, in order of time."""
    import nsm_nb as nsm

    return nsm.read_packets(files[0] if len(files) == 1 else files, recover=recover)


def tell_recovered(packets: pd.DataFrame, tell: Callable[[str], object]) -> None:
    """Tell which of the packets were found behind damage and are a guess."""
    if "recovered" not in packets or not packets["recovered"].any():
        return
    for name, rows in packets[packets["recovered"]].groupby("evidence", observed=True):
        frames = rows["frame"]
        which = f"frame {frames.min()} is" if len(rows) == 1 else f"{len(rows):,} frames from {frames.min()} on are"
        tell(f"{printable(name)}: {which} a guess, found behind damage")


def headed(
    packets: pd.DataFrame, style: str, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> Iterator[str]:
    """Return packets as text; where they are of several captures, a line before each that is of another than the last.

    Parameters
    ----------
    packets, style, evidence
        As in `nsm_nb.full_content.view`.
    """
    from nsm_nb.full_content.views import texts

    labels = packets["evidence"].astype(str).tolist()
    if len(set(labels)) < 2:
        yield from texts(packets, style, evidence=evidence)
        return
    if style in ("tcpdump", "hex"):  # a text a packet; numbers are counted from the first of all packets
        before = None
        for label, text in zip(labels, texts(packets, style, evidence=evidence), strict=True):
            if label != before:
                yield _line(label)
            before = label
            yield text
        return
    changes = [place for place in range(len(labels)) if not place or labels[place] != labels[place - 1]]
    for first, last in zip(changes, [*changes[1:], len(labels)], strict=True):
        yield _line(labels[first])
        yield from texts(packets.iloc[first:last], style, evidence=evidence)


def _line(label: str) -> str:
    return f"reading from {printable(label)}\n"
