"""Frames that a capture holds twice, as a mirror port that copies both directions of a link makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.full_content.frames import frame_bytes
from nsm_nb.schema import PACKETS, Caveat
from nsm_nb.text import form, many, printable

__all__ = ["duplicate_caveats", "duplicates"]

_CODES = ("evidence", "src_mac", "dst_mac", "src_ip", "dst_ip", "proto")
_NUMBERS = (
    "captured", "length", "vlan", "src_port", "dst_port", "ttl", "ip_id", "fragment", "tcp_flags", "seq", "ack", "window",
    "icmp_type", "icmp_code", "payload",
)  # fmt: skip
_COMPARED = 1000  # pairs whose bytes are compared for a caveat


def duplicates(
    packets: pd.DataFrame,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
    within: pd.Timedelta = pd.Timedelta("5ms"),  # noqa: B008 - a constant
) -> np.ndarray:
    """Return a bool array, True for each frame whose bytes the same evidence holds a moment before.

    A packet that is sent again is another frame as a rule: its IP identification, time to live or sequence differs.

    Parameters
    ----------
    packets
        PACKETS, in the order of their files.
    evidence
        As in `frame_bytes`.
    within
        How long a moment is.

    Raises
    ------
    MissingColumn
        Where a column that is compared is not there.
    UnknownName, UnreadableEvidence, DamagedEvidence
        As `frame_bytes`.
    """
    rows, before = _alike(packets, within)
    result = np.zeros(len(packets), bool)
    result[rows] = _same(packets, rows, before, evidence)
    return result


def duplicate_caveats(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None, reach: int | None = None
) -> list[Caveat]:
    """Return a caveat where frames came twice, with their number and share.

    Parameters
    ----------
    packets
        PACKETS of one evidence.
    evidence
        As in `frame_bytes`.
    reach
        The byte up to which frames are compared; all where not given. Reading far into compressed evidence costs time.
    """
    rows, before = _alike(packets, pd.Timedelta("5ms"))
    if not len(rows):
        return []
    sample = np.arange(len(rows))
    if reach is not None:
        sample = sample[packets["offset"].to_numpy()[rows] < reach]
    if len(sample) > _COMPARED:
        sample = sample[np.linspace(0, len(sample) - 1, _COMPARED).astype(np.int64)]
    same = _same(packets, rows[sample], before[sample], evidence)
    if len(sample) and not same.any():
        return []
    share = same.mean() if len(sample) else 1.0
    count = round(len(rows) * share)
    label = str(packets["evidence"].iloc[0])
    first = int(packets["frame"].iloc[int(rows[sample[int(np.argmax(same))]] if len(sample) else rows[0])])
    looked = "all were compared byte for byte" if len(sample) == len(rows) else (
        f"estimated from {len(sample):,} that {form(len(sample), 'was', 'were')} compared byte for byte"
    )  # fmt: skip
    detail = (
        f"{printable(label)}: {count:,} of {many(len(packets), 'frame')} ({100 * count / len(packets):.2g} %) "
        f"{form(count, 'is', 'are')} there twice within 5 ms, "
        f"as a mirror port makes them (first is frame {first}; {looked}); all figures count both"
    )
    return [Caveat(label, first, None, "duplicates", detail)]


def _alike(packets: pd.DataFrame, within: pd.Timedelta) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows whose headers are those of a row a moment before, and these rows."""
    from nsm_nb.kernels.faults import mixed, repeats

    PACKETS.require(packets, "time", *_CODES, *_NUMBERS)
    keys = np.zeros(len(packets), np.uint64)
    for name in _CODES:
        mixed(keys, packets[name].astype("category").cat.codes.to_numpy(np.int64))
    for name in _NUMBERS:
        array = packets[name].array
        plain = array._data if isinstance(array, pd.arrays.IntegerArray) else packets[name].to_numpy()
        mixed(keys, plain.astype(np.int64, copy=False) if plain.dtype.kind == "i" else plain)
    time = packets["time"].dt.tz_localize(None).to_numpy().view(np.int64)
    before = repeats(time, keys, within.value)
    rows = np.flatnonzero(before >= 0)
    return rows, before[rows]


def _same(
    packets: pd.DataFrame, rows: np.ndarray, before: np.ndarray, evidence: Mapping[str, str | os.PathLike] | None
) -> np.ndarray:
    result = np.zeros(len(rows), bool)
    for start in range(0, len(rows), 10_000):  # so that not all of the capture is held
        part = slice(start, start + 10_000)
        both = frame_bytes(packets.iloc[np.concatenate([rows[part], before[part]])], evidence=evidence)
        half = len(both) // 2
        result[part] = [one == other for one, other in zip(both[:half], both[half:], strict=True)]
    return result
