"""Chosen packets written to a new capture, frames as they were."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.formats.source import open_evidence
from nsm_nb.full_content.frames import frame_bytes
from nsm_nb.full_content.interfaces import Interface, interfaces
from nsm_nb.full_content.writing import Frame, pcap_parts, pcapng_parts, write_whole
from nsm_nb.text import many, printable

__all__ = ["carve", "carving_order", "pcap_parts"]

log = logging.getLogger(__name__)

_BATCH = 32 * 1024 * 1024  # bytes of frames held at a time
_NO_TIME = np.iinfo(np.int64).min
_NAMED = 100  # evidence named in the comment


def carving_order(packets: pd.DataFrame) -> pd.DataFrame:
    """Return packets in the order to carve them: those of a file as they stand in it, several files by time.

    A clock that ran backwards, or a frame without a time, moves no frame before another of its file.

    Parameters
    ----------
    packets
        Rows of PACKETS.
    """
    rows = packets.sort_values(["evidence", "frame"], kind="stable", ignore_index=True)
    stamp = pd.Series(_nanoseconds(rows))  # NaT is the least of numbers
    latest = stamp.groupby(rows["evidence"].astype(object), observed=True).cummax()
    return rows.iloc[np.argsort(latest.to_numpy(), kind="stable")].reset_index(drop=True)


def _nanoseconds(packets: pd.DataFrame) -> np.ndarray:
    return packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64)


def carve(
    packets: pd.DataFrame,
    path: str | os.PathLike,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
    comment: str = "",
    sha256: Mapping[str, str] | None = None,
) -> Path:
    """Write the packets to a new capture with nanosecond times; return its path.

    A name that ends in ``.pcapng`` gives pcapng, which holds several link types and interfaces, and says in its comment
    which evidence the frames are from; any other name gives pcap, which can do neither.

    Parameters
    ----------
    packets
        Rows of PACKETS; written in their order. Where a time is missing, it is written as 0.
    path
        The file to write; made under a temporary name and moved into place. Never one of the evidence.
    evidence
        As in `frame_bytes`.
    comment
        Which packets these are, for pcapng: the sessions, or the filter.
    sha256
        The SHA-256 of each evidence, for pcapng's comment; found by reading it where not given.

    Raises
    ------
    NsmError
        Where there are no packets, a pcap would have several link types or a time that it can't hold, or the file can't be
        written.

    Notes
    -----
    *Source*: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
    """
    path = Path(path)
    if not len(packets):
        raise NsmError("there are no packets to carve; choose sessions that have some, or another filter")
    _refuse_evidence(path, packets, evidence)
    times = _nanoseconds(packets)
    if (times == _NO_TIME).any():
        log.warning("%d frames have no time; they are written with 0, which is 1970", (times == _NO_TIME).sum())
    if ((times < 0) & (times != _NO_TIME)).any():
        log.warning(
            "%d frames have a time before 1970; they are written with 0", ((times < 0) & (times != _NO_TIME)).sum()
        )
    known, which = interfaces(packets, evidence=evidence)
    frames = _frames(packets, times, which, evidence)
    if path.suffix.lower() == ".pcapng":
        hashes = _hashes(packets, evidence, sha256)
        described = [(each, _described(each, hashes[each.evidence])) for each in known]
        parts = pcapng_parts(frames, described, comment=_comment(packets, comment, hashes), application=_application())
    else:
        links = sorted({each.link for each in known})
        if len(links) > 1:
            raise NsmError(f"the packets have link types {', '.join(map(str, links))}, and pcap holds one: "
                           f"name the file {printable(path.stem)}.pcapng, or carve each apart")  # fmt: skip
        if (times >= 2**32 * 10**9).any():
            raise NsmError(
                f"pcap has no times after 2106, and some packets claim such: name the file {printable(path.stem)}.pcapng"
            )
        parts = pcap_parts(frames, links[0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, parts)
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} could not be written: {printable(problem)}; free some space or choose another place"
        ) from problem
    return path


def _frames(
    packets: pd.DataFrame,
    times: np.ndarray,
    which: np.ndarray,
    evidence: Mapping[str, str | os.PathLike] | None,
) -> Iterator[Frame]:
    """Yield the frames in their order, of which few are held at a time."""
    lengths = packets["length"].to_numpy()
    filled = np.cumsum(packets["captured"].to_numpy(np.int64))
    first = 0
    while first < len(packets):
        done = filled[first - 1] if first else 0
        last = max(int(np.searchsorted(filled, done + _BATCH, "right")), first + 1)
        data = frame_bytes(packets.iloc[first:last], evidence=evidence)
        for row, frame in zip(range(first, last), data, strict=True):
            time = int(times[row])
            yield None if time == _NO_TIME else max(time, 0), int(lengths[row]), frame, int(which[row])
        first = last


def _application() -> str:
    from nsm_nb import __version__

    return f"nsm-nb {__version__}"


def _comment(packets: pd.DataFrame, comment: str, hashes: Mapping[str, str]) -> str:
    named = [f"evidence {printable(label)}, SHA-256 {found}" for label, found in list(hashes.items())[:_NAMED]]
    if len(hashes) > _NAMED:
        named.append(f"and {len(hashes) - _NAMED:,} more, each named with its interface")
    what = f": {printable(comment)}" if comment else ""
    return "\n".join([f"{many(len(packets), 'packet')}{what}; frames as they were captured", *named])


def _described(interface: Interface, found: str) -> str:
    words = f" ({interface.description})" if interface.description else ""
    return f"from {printable(interface.evidence)}, SHA-256 {found}{words}"


def _hashes(
    packets: pd.DataFrame,
    evidence: Mapping[str, str | os.PathLike] | None,
    sha256: Mapping[str, str] | None,
) -> dict[str, str]:
    found = {}
    for label in sorted(set(packets["evidence"].astype(str))):
        if sha256 is not None and label in sha256:
            found[label] = sha256[label]
            continue
        path = Path(evidence[label] if evidence is not None and label in evidence else label)
        open_evidence(path).close()  # says what is wrong with it
        with path.open("rb") as file:
            found[label] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _refuse_evidence(path: Path, packets: pd.DataFrame, evidence: Mapping[str, str | os.PathLike] | None) -> None:
    known = set(packets["evidence"].astype(str)) if evidence is None else evidence.values()
    if os.path.realpath(path) in {os.path.realpath(each) for each in known}:
        raise NsmError(f"{printable(path)} is evidence, which is never written to; choose another place")
    if path.exists() and not path.is_file():
        raise NsmError(f"{printable(path)} is no file that could be replaced; choose another place")
