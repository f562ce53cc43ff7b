"""What an object is known by, wherever it was carried."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.text import printable
from nsm_nb.transcripts.objects.kinds import kind_of

__all__ = ["COLUMNS", "Object", "table_of"]

COLUMNS = {
    "session": "Int64", "evidence": "str", "frame": "Int64", "last_frame": "Int64", "time": "datetime64[ns, UTC]",
    "protocol": "str", "side": "str", "name": "str", "path": "str", "claimed_type": "str", "type": "str", "size": "int64",
    "complete": "boolean", "gaps": "Int64", "sha256": "str", "md5": "str", "note": "str",
}  # fmt: skip


@dataclass(frozen=True)
class Object:
    """A file that a conversation carried.

    Attributes
    ----------
    protocol
        That carried it.
    side
        Who sent it: ``"src"`` or ``"dst"`` of its session.
    time, frame, last_frame
        Of its first byte, and the frame of its last.
    name, path
        As they were claimed: its name alone, and where it is said to be. They are text, never a place to write to.
    claimed_type
        What it was said to be.
    data
        Its bytes; what is missing of them is left out.
    complete
        Whether all of it is there; None where that is not known.
    gaps
        Bytes that are missing, None where their number is not known.
    note
        What was done to it and what is wrong with it, in words.
    """

    protocol: str
    side: str
    time: pd.Timestamp
    frame: int
    last_frame: int
    name: str
    path: str
    claimed_type: str
    data: bytes = field(repr=False)
    complete: bool | None = True
    gaps: int | None = 0
    note: str = ""
    session: int | None = None
    evidence: str = ""

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of its bytes; where it is not complete that of the bytes there are."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def md5(self) -> str:
        """The MD5 of its bytes, as lists of known files have it."""
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    @cached_property
    def type(self) -> str:
        """What it is by its bytes."""
        return kind_of(self.data)

    @property
    def row(self) -> dict[str, Any]:
        """What a table tells of it."""
        known: Mapping[str, Any] = {
            **self.__dict__, "type": self.type, "size": len(self.data), "sha256": self.sha256, "md5": self.md5,
        }  # fmt: skip
        return {name: printable(known[name]) if dtype == "str" else known[name] for name, dtype in COLUMNS.items()}


def table_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return objects as a table, a row each."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    table["time"] = pd.to_datetime(table["time"], utc=True)
    for name in ("session", "frame", "last_frame", "gaps", "complete"):
        table[name] = (
            table[name].astype(object).where(table[name].notna(), pd.NA) if len(table) else np.array([], object)
        )
    return table.astype(COLUMNS)
