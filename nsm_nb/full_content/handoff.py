"""Packets handed to Wireshark, where there is a screen and it is installed; else a capture to take along.

Wireshark dissects hostile bytes: it is started with an argument list and no shell, looks up no names (``-n``), and is a
process of its own that outlives the kernel.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nsm_nb.errors import UnreadableEvidence
from nsm_nb.full_content.carving import carve
from nsm_nb.text import printable

__all__ = ["Handed", "can_show", "wireshark"]

log = logging.getLogger(__name__)


class Handed(NamedTuple):
    """A capture that was handed on: its path, whether Wireshark was started on it, and if not, why and what to do."""

    path: Path
    opened: bool
    why: str


def can_show() -> str:
    """Return why Wireshark can't be shown here, in a sentence with the next step; empty where it can."""
    if _program() is None:
        return "Wireshark is not installed on this machine: install it, or download the capture and open it where it is"
    screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not screen:
        return "there is no screen here (DISPLAY and WAYLAND_DISPLAY are not set): download the capture and open it where one is"
    return ""


def wireshark(
    what: str | os.PathLike | pd.DataFrame,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
    folder: str | os.PathLike | None = None,
    comment: str = "",
) -> Handed:
    """Open a capture, or packets, in Wireshark where that can be shown; return where the capture is, for a download.

    Parameters
    ----------
    what
        A capture's path, or rows of PACKETS, which are carved to a pcapng.
    evidence
        As in `frame_bytes`.
    folder
        Where packets are carved to; a new folder in the temporary one where not given. It is not removed.
    comment
        As in `carve`.

    Raises
    ------
    UnreadableEvidence
        Where the capture is not there.
    NsmError
        As `carve`.
    """
    if isinstance(what, pd.DataFrame):
        place = Path(tempfile.mkdtemp(prefix="nsm-nb-") if folder is None else folder)
        path = carve(what, place / "packets.pcapng", evidence=evidence, comment=comment)
    else:
        path = Path(what)
    # absolute, so that no name is taken for an option
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link away from the name that is shown
    if not path.is_file():
        raise UnreadableEvidence(f"{printable(path)} is no file; check the path")
    why = can_show()
    if not why:
        command = [str(_program()), "-n", "-r", str(path)]
        log.debug("starting %s", command)
        try:
            process = subprocess.Popen(  # noqa: S603 - an argument list; the program is the one of PATH
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, cwd=path.parent,
            )  # fmt: skip
        except OSError as problem:
            why = f"Wireshark could not be started ({printable(problem)}): download the capture and open it elsewhere"
        else:
            # it is waited for, so that it leaves no zombie when it ends; the kernel does not wait for the thread
            threading.Thread(target=process.wait, name="wireshark", daemon=True).start()
    return Handed(path, not why, why)


def _program() -> str | None:
    found = shutil.which("wireshark")
    if found is None and sys.platform == "darwin":
        usual = Path("/Applications/Wireshark.app/Contents/MacOS/Wireshark")
        return str(usual) if usual.exists() else None
    return found
