"""Packets as text, in the layouts of the tools that analysts know: tcpdump, Snort, tethereal, and plain hex."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content.dissect import dissect_packets
from nsm_nb.full_content.frames import frame_bytes, link_types
from nsm_nb.full_content.views.hexdump import hexdump
from nsm_nb.full_content.views.snort import snort
from nsm_nb.full_content.views.tcpdump import tcpdump
from nsm_nb.schema import PACKETS
from nsm_nb.text import printable

__all__ = ["STYLES", "view"]

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
    if style not in STYLES:
        raise NsmError(f"packets are not shown in a style {printable(style)!r}; there is {', '.join(STYLES)}")
    if not len(packets):
        return ""
    if style == "tethereal":
        return dissect_packets(packets, evidence=evidence, octets=True)
    frames = frame_bytes(packets, evidence=evidence)
    if style == "hex":
        return "".join(hexdump(frames))
    PACKETS.require(packets, "time", "length", "layers")
    printer: Any = tcpdump if style == "tcpdump" else snort
    text = "".join(
        printer(zip(_times(packets), packets["length"].tolist(), frames, link_types(packets).tolist(), strict=True))
    )
    return (
        text
        or f"[snort -dve shows IP alone, and none of these {len(packets):,} packets is; see them as tcpdump or hex]\n"
    )


def _times(packets: pd.DataFrame) -> list[int | None]:
    """Return nanoseconds since 1970, None where there is no time."""
    stamps = packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64).tolist()
    return [None if gone else stamp for stamp, gone in zip(stamps, packets["time"].isna().tolist(), strict=True)]
