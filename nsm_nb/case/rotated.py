"""Captures that are pieces of one: what a sensor left that began a new file every so often.

Pieces lie in one folder, have one name but for numbers, and follow each other in time. A conversation runs on from one to
the next.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.case.tables import together
from nsm_nb.schema import PACKETS
from nsm_nb.sessions import assemble

__all__ = ["Piece", "assembled", "key", "named", "renumbered", "runs"]

_OVERLAP = (
    1_000_000_000  # nanoseconds that the begin of a piece may lie before the end of the last, for packets out of order
)


class Piece(NamedTuple):
    """A capture: its label, its content, and the times of its first and last packet in nanoseconds."""

    label: str
    sha256: str
    first: int
    last: int


def named(label: str) -> str:
    """Return what the labels of pieces have in common: the label with every number, and what packed it, left out.

    >>> named("day/snort.log.1068742006") == named("day/snort.log.1068745606")
    True
    """
    folder, slash, name = label.rpartition("/")
    return folder + slash + re.sub(r"\d+", "#", re.sub(r"\.(gz|zst|lz4)$", "", name))


def runs(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Return the pieces that belong together, two or more, each run in the order of the times inside."""
    families: dict[str, list[Piece]] = {}
    for piece in pieces:
        families.setdefault(named(piece.label), []).append(piece)
    found = []
    for family in families.values():
        run: list[Piece] = []
        for piece in sorted(family, key=lambda each: (each.first, each.last, each.label)):
            if run and piece.first < run[-1].last - _OVERLAP:
                run = []
                break  # two sensors at work at once, or one capture cut anew: not pieces of one
            run.append(piece)
        if len(run) > 1:
            found.append(run)
    return found


def key(run: Sequence[Piece]) -> str:
    """Return what names the index of a run: the hash of its pieces' hashes."""
    return hashlib.sha256("\n".join(["run", *(piece.sha256 for piece in run)]).encode()).hexdigest()


def assembled(
    tables: Sequence[pd.DataFrame], assembly: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, dict[str, np.ndarray]]]:
    """Return the sessions of all pieces, and what their index keeps besides: the session of each packet, each one's piece.

    Parameters
    ----------
    tables
        PACKETS of each piece, in order.
    assembly
        What `sessions.assemble` is told besides.
    """
    packets = together(PACKETS, list(tables))
    sessions, packets = assemble(packets, **assembly)
    labels = pd.Index([str(table["evidence"].iloc[0]) for table in tables if len(table)])
    kept = {}
    for name in ("session", "to_dst"):
        array = packets[name].array
        kept[name] = array._data.view(np.uint8) if array._data.dtype == bool else array._data
        kept[f"no {name}"] = array._mask.view(np.uint8)
    piece = labels.get_indexer(sessions["evidence"].astype("str")).astype(np.int32)
    return sessions, {"packets": kept, "sessions": {"piece": piece}}


def renumbered(table: pd.DataFrame, kept: Mapping[str, np.ndarray], rows: slice) -> pd.DataFrame:
    """Return a piece's packets with the sessions of the whole run."""
    return table.assign(
        session=pd.arrays.IntegerArray(kept["session"][rows], kept["no session"][rows].view(bool), copy=False),
        to_dst=pd.arrays.BooleanArray(kept["to_dst"][rows].view(bool), kept["no to_dst"][rows].view(bool), copy=False),
    )
