"""Fields and objects that tshark finds in a few frames of a conversation, run contained as in `nsm_nb.full_content.dissect`."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from nsm_nb.contained import Limits, run
from nsm_nb.errors import NsmError
from nsm_nb.full_content.dissect import PREFERENCES, tshark
from nsm_nb.full_content.writing import pcap_parts
from nsm_nb.text import printable

__all__ = ["Exported", "chosen_fields", "exported"]

LIMITS = Limits(cpu=20, seconds=60.0, memory=1 << 30, written=64 << 20)
_BETWEEN, _AMONG = "\x1e", "\x1f"  # between fields, and among the values of one
_MOST_OBJECTS = 1_000

Frame = tuple[int, int, bytes]  # nanoseconds since 1970, bytes on the wire, the bytes captured


class Exported(NamedTuple):
    """An object that tshark took out of a conversation; its name is tshark's, of what the conversation said."""

    name: str
    data: bytes


def chosen_fields(
    frames: Iterable[Frame], link: int, names: Sequence[str], *, filter: str = ""
) -> tuple[list[dict[str, list[str]]], str]:
    """Return the values of fields of each frame that passes a filter, and why that is not all (in words).

    Parameters
    ----------
    frames
        Of one conversation.
    link
        Their LINKTYPE_ number.
    names
        Fields as display filters name them.
    filter
        A display filter of Wireshark's.

    Raises
    ------
    MissingTool
        Where tshark is not installed.
    NsmError
        Where it wrote nothing and did not come to its end.
    """
    arguments = ["-T", "fields", "-E", f"separator={_BETWEEN}", "-E", f"aggregator={_AMONG}"]
    for name in names:
        arguments += ["-e", name]
    if filter:
        arguments += ["-Y", filter]
    with tempfile.TemporaryDirectory(prefix="nsm_nb-tshark-", ignore_cleanup_errors=True) as folder:
        note = _run(Path(folder), frames, link, arguments)
        text = (Path(folder) / "out").read_bytes().decode("utf-8", "backslashreplace")
    rows = []
    for line in text.split("\n"):
        values = line.split(_BETWEEN)
        if len(values) == len(names):
            told = {name: value.split(_AMONG) for name, value in zip(names, values, strict=True) if value}
            rows.append({name: [printable(each) for each in several] for name, several in told.items()})
    return rows, note


def exported(frames: Iterable[Frame], link: int, kind: str) -> tuple[list[Exported], str]:
    """Return the objects of a kind (``smb``, ``http``, ``tftp`` ...) that tshark exports, and why that is not all.

    They are written into a folder that is made for it and gone afterwards; what an object is called stays a name.

    Raises
    ------
    MissingTool, NsmError
        As `chosen_fields`.
    """
    with tempfile.TemporaryDirectory(prefix="nsm_nb-tshark-", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "objects"
        place.mkdir()
        note = _run(Path(folder), frames, link, ["-q", "--export-objects", f"{kind},{place}"], quiet=True)
        files = sorted(each for each in place.iterdir() if each.is_file() and not each.is_symlink())
        found = [Exported(printable(each.name), each.read_bytes()) for each in files[:_MOST_OBJECTS]]
        if len(files) > _MOST_OBJECTS:
            note = f"tshark found {len(files):,} objects; {_MOST_OBJECTS:,} are given"
    return found, note


def _run(folder: Path, frames: Iterable[Frame], link: int, arguments: list[str], *, quiet: bool = False) -> str:
    program = tshark()
    (folder / "config").mkdir()
    (folder / "config" / "preferences").write_text(PREFERENCES)
    with (folder / "picked.pcap").open("wb") as file:
        for part in pcap_parts(frames, link):
            file.write(part)
    outcome = run(
        [program, "-n", "-o", "http.decompress_body:FALSE", "-r", "-", *arguments],
        folder=folder, source=folder / "picked.pcap", out=folder / "out", limits=LIMITS,
        environment={"WIRESHARK_CONFIG_DIR": str(folder / "config")},
    )  # fmt: skip
    if outcome.status == 0:
        return ""
    crashed = (
        f"it crashed (signal {-outcome.status})" if outcome.status < 0 and outcome.status != -signal.SIGKILL else ""
    )
    why = outcome.why or crashed or outcome.said[-300:] or "it said nothing"
    if not quiet and not (folder / "out").stat().st_size:
        raise NsmError(f"tshark could make nothing of it: {why}; the turns have its bytes")
    return f"tshark did not come to the end: {why}"
