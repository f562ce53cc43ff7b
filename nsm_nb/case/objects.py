"""The files that all sessions of a case carried, and those written that somebody asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.case.inventory import Progress
from nsm_nb.full_content import payload_bytes
from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.transcripts.decoding import recognised
from nsm_nb.transcripts.objects import (
    CARRIERS,
    Connection,
    Object,
    carried,
    table_of,
    write_objects,
    zip_objects,
)
from nsm_nb.transcripts.transcript import Transcript

if TYPE_CHECKING:
    from nsm_nb.case.case import Case

__all__ = ["carriers", "each_object", "objects_of", "written"]

_BEFORE, _BEHIND = pd.Timedelta(seconds=60), pd.Timedelta(minutes=30)  # where a transfer's connection is looked for
_HEADS = 100_000  # sessions whose first bytes are read at once


def objects_of(case: Case, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return the files that the sessions of a case carried; see `nsm_nb.transcripts.objects.objects`.

    Parameters
    ----------
    case
        An open case.
    progress
        Told what is done, how many sessions are done, and how many there are.
    """
    caveats: list[Caveat] = []
    table = table_of(each.row for each in each_object(case, caveats=caveats, progress=progress))
    return with_caveats(table.sort_values(["time", "frame"], kind="stable", ignore_index=True), caveats)


def each_object(
    case: Case,
    sessions: Iterable[int] | None = None,
    *,
    caveats: list[Caveat] | None = None,
    progress: Progress | None = None,
) -> Iterator[Object]:
    """Yield the files that sessions carried, with their bytes; those of all sessions where none are given."""
    chosen = carriers(case) if sessions is None else [int(each) for each in sessions]
    finder = _Finder(case)
    for done, number in enumerate(chosen):
        if progress is not None:
            progress("objects", done, len(chosen))
        yield from carried(case.transcript(number), find=finder, caveats=caveats)
    if progress is not None:
        progress("objects", len(chosen), len(chosen))


def written(
    case: Case,
    which: pd.DataFrame | None = None,
    folder: Path | None = None,
    *,
    zipped: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Write objects into the case's ``carved`` folder, or another one; return them as a table with `file`.

    Parameters
    ----------
    case
        An open case.
    which
        Rows of `Case.objects`; all where not given.
    folder
        Where to.
    zipped
        One zip whose password is ``infected``, named by what is in it.
    progress
        As in `objects_of`.
    """
    rows = case.objects if which is None else which
    wanted = set(zip(rows["sha256"], rows["session"].astype("Int64"), rows["frame"].astype("Int64"), strict=True))
    asked = carriers(case) if which is None else _asked(case, rows)
    found = (
        each for each in each_object(case, asked, progress=progress) if (each.sha256, each.session, each.frame) in wanted
    )  # fmt: skip
    place = case.work / "carved" if folder is None else case.spare(folder)
    if not zipped:
        return write_objects(found, place)
    import hashlib

    name = hashlib.sha256("".join(sorted(rows["sha256"])).encode()).hexdigest()[:12]
    return zip_objects(found, place / f"objects-{name}.zip")


def _asked(case: Case, rows: pd.DataFrame) -> list[int]:
    """Return the sessions to look at for some objects: theirs, and where the bytes went by others, all that asked."""
    own = [int(each) for each in rows["session"].dropna().unique()]
    if not rows["protocol"].isin(["ftp", "tftp"]).any():
        return own
    return list(dict.fromkeys([*own, *carriers(case, ("ftp", "tftp"))]))


def carriers(case: Case, protocols: Iterable[str] = CARRIERS) -> list[int]:
    """Return the sessions that may carry files, by their first bytes and ports."""
    wanted = set(protocols)
    found: list[int] = []
    for table in case.holdings.tables("packets").values():
        for number, proto, ports, heads in _first_bytes(case, table):
            if recognised(proto, ports, heads) in wanted:
                found.append(number)
    known = set(case.sessions["session"].dropna().astype("int64").tolist())
    return [number for number in dict.fromkeys(found) if number in known]


def _first_bytes(case: Case, table: pd.DataFrame) -> Iterator[tuple[int, str, tuple[int, int], tuple[bytes, bytes]]]:
    """Yield of each session its number, protocol, ports, and what the first packets of both sides carry."""
    carries = (table["payload"].to_numpy(np.int64, na_value=0) > 0) & table["session"].notna().to_numpy()
    carries &= table["proto"].isin(["tcp", "udp"]).to_numpy()
    rows = np.flatnonzero(carries)
    if not len(rows):
        return
    session = table["session"].to_numpy(np.int64, na_value=-1)[rows]
    to_dst = table["to_dst"].fillna(True).to_numpy(bool)[rows]
    order = np.lexsort((rows, ~to_dst, session))
    rows, session, to_dst = rows[order], session[order], to_dst[order]
    fresh = np.concatenate([[True], (np.diff(session) != 0) | (to_dst[1:] != to_dst[:-1])])
    rows, session, to_dst = rows[fresh], session[fresh], to_dst[fresh]
    for begin in range(0, len(rows), _HEADS):
        end = min(begin + _HEADS, len(rows))
        if end < len(rows) and session[end] == session[end - 1]:
            end -= 1  # both sides of a session stay together
        part = slice(begin, end) if end > begin else slice(begin, begin + 1)
        some = table.iloc[rows[part]]
        heads: dict[int, tuple[str, tuple[int, int], dict[bool, bytes]]] = {}
        for number, src, proto, sport, dport, payload in zip(
            session[part].tolist(), to_dst[part].tolist(), some["proto"].tolist(),
            some["src_port"].to_numpy(np.int64, na_value=0).tolist(), some["dst_port"].to_numpy(np.int64, na_value=0).tolist(),
            payload_bytes(some, evidence=case.paths), strict=True,
        ):  # fmt: skip
            ports = (sport, dport) if src else (dport, sport)
            heads.setdefault(number, (proto, ports, {}))[2][src] = payload.data
        for number, (proto, ports, both) in heads.items():
            yield number, proto, ports, (both.get(True, b""), both.get(False, b""))


class _Finder:
    """Finds the session that carries what another one asked for."""

    def __init__(self, case: Case):
        self.case = case
        sessions = case.sessions
        self.rows = sessions[(sessions["source"] == "pcap").fillna(False).to_numpy(bool)]

    def __call__(self, wanted: Connection) -> Transcript | None:
        rows = self.rows
        rows = rows[(rows["proto"] == wanted.proto).fillna(False).to_numpy(bool)]
        ends = []
        for near, far in (("dst", "src"), ("src", "dst")):
            same = (rows[f"{near}_port"] == wanted.port).fillna(False).to_numpy(bool)
            same &= (rows[f"{near}_ip"].astype(object) == wanted.host).to_numpy(bool)
            same &= (rows[f"{far}_ip"].astype(object) == wanted.other).to_numpy(bool)
            ends.append(same)
        started = rows["start"]
        inside = ((started > wanted.time - _BEFORE) & (started < wanted.time + _BEHIND)).fillna(False).to_numpy(bool)
        found = rows[(ends[0] | ends[1]) & inside]
        # TFTP asks from the port that the blocks come to: the session that asked is not the one that carries
        if wanted.proto == "udp":
            found = found[(found["dst_port"] != 69).fillna(True).to_numpy(bool)]
        if not len(found):
            return None
        nearest = (found["start"] - wanted.time).abs().argmin()
        return self.case.transcript(int(found["session"].iloc[int(nearest)]))
