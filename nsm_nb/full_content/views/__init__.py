"""Packets as text, in the layouts of the tools that analysts know: tcpdump, Snort, tethereal, and plain hex."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content.dissect import dissect_packets
from nsm_nb.full_content.frames import frame_bytes, link_types
from nsm_nb.full_content.views.hexdump import hexdump
from nsm_nb.full_content.views.snort import snort
from nsm_nb.full_content.views.tcpdump import tcpdump
from nsm_nb.schema import PACKETS
from nsm_nb.text import form, printable

__all__ = ["STYLES", "texts", "view"]

_AT_ONCE = 1 << 25  # bytes of frames in memory

STYLES = ("tcpdump", "snort", "hex", "tethereal")


def view(
    packets: pd.DataFrame, style: str = "tcpdump", *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> str:
    """Return packets as the text that a well-known tool prints of them.

    Parameters
    ----------
    packets
        Rows of PACKETS, in the order to show them.
    style
        ``tcpdump``: the layout of ``tcpdump -n -e -vvv -X`` in UTC, without its lines of applications. Sequence numbers are
        counted from the first seen of each conversation among these packets.
        ``snort``: that of ``snort -dve``, which shows IP alone.
        ``hex``: that of ``tshark -x``, the whole frame from its link layer on.
        ``tethereal``: that of ``tethereal -n -x -V``, the whole decode tree by tshark and the frame in hex. It costs half a
        second and more: for picked packets.
    evidence
        As in `frame_bytes`.

    Raises
    ------
    NsmError
        Where there is no such style; as `frame_bytes` and, for ``tethereal``, `dissect_packets`.

    Notes
    -----
    docs/differences.md tells where the text differs from the tools' own.
    """
    return "".join(texts(packets, style, evidence=evidence))


def texts(
    packets: pd.DataFrame, style: str = "tcpdump", *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> Iterator[str]:
    """Return what `view` does, a packet at a time: for selections that are larger than memory; parameters as there."""
    if style not in STYLES:
        raise NsmError(f"packets are not shown in a style {printable(style)!r}; there is {', '.join(STYLES)}")
    if not len(packets):
        return iter(())
    if style == "tethereal":
        return iter([dissect_packets(packets, evidence=evidence, octets=True)])
    PACKETS.require(packets, "time", "length", "layers")
    if style == "hex":
        return hexdump(data for _, _, data, _ in _frames(packets, evidence))
    if style == "snort":
        return _or_a_sentence(snort(_frames(packets, evidence)), len(packets))
    return tcpdump(_frames(packets, evidence))


def _or_a_sentence(told: Iterator[str], count: int) -> Iterator[str]:
    first = next(told, "")
    none = form(count, "this packet is not; see it", f"none of these {count:,} packets is; see them")
    yield first or f"[snort -dve shows IP alone, and {none} as tcpdump or hex]\n"
    yield from told


def _frames(
    packets: pd.DataFrame, evidence: Mapping[str, str | os.PathLike] | None
) -> Iterator[tuple[int | None, int, bytes, int]]:
    """Return time in nanoseconds since 1970 (None where there is none), length, bytes and link type of each packet."""
    stamps = packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64).tolist()
    times = [None if gone else stamp for stamp, gone in zip(stamps, packets["time"].isna().tolist(), strict=True)]
    lengths, links = packets["length"].tolist(), link_types(packets).tolist()
    pieces = np.cumsum(packets["captured"].to_numpy(np.int64)) // _AT_ONCE
    ends = [*np.flatnonzero(np.diff(pieces)) + 1, len(packets)]
    for begin, end in zip([0, *ends], ends, strict=False):
        frames = frame_bytes(packets.iloc[begin:end], evidence=evidence)
        yield from zip(times[begin:end], lengths[begin:end], frames, links[begin:end], strict=True)
