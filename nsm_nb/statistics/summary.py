"""The first look at a capture: how much, how long, how fast, between whom, and what of.

All that tcpdstat prints, true: rates over the whole time with its silent seconds, IPv6 and what is not IP among the
rows, times in UTC. Where the two differ, and why, is told in docs/differences.md.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, overload

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, caveats_of
from nsm_nb.statistics import quantities
from nsm_nb.statistics._listing import as_html, as_text
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, is_flows, numbers_of, tally, times_of
from nsm_nb.statistics._tcpdstat import as_tcpdstat
from nsm_nb.statistics.breakdown import breakdown, network_of
from nsm_nb.statistics.flows import FlowSummary, summary_of_flows
from nsm_nb.statistics.sizes import sizes_of
from nsm_nb.text import form, many

__all__ = ["LARGEST", "Rate", "Summary", "summary"]

LARGEST = 10  # pairs and addresses shown
_SECOND = 10**9
_NO_TIME = pd.Timestamp("NaT")


class Rate(NamedTuple):
    """Bits a second on the wire; not a number where the packets span no time."""

    mean: float  # all bits over the whole duration
    deviation: float  # of the seconds of the clock, the empty ones included
    peak: float  # the busiest second of the clock
    peak_at: pd.Timestamp
    seconds: int  # of the clock that the capture touches


@dataclass(frozen=True, eq=False)
class Summary:
    """What a capture holds, in figures; shows itself as text and as HTML.

    Attributes
    ----------
    evidence
        The files that the packets come from.
    packets
        How many there are.
    length
        Their bytes on the wire, link-layer headers included.
    captured, longest
        Their bytes in the file, and those of the longest packet there.
    start, end
        The earliest and the latest time (UTC), `NaT` where no packet has one.
    duration
        Seconds between them.
    rate
        Bits a second: `mean` over the whole duration, `deviation` and `peak` of the seconds of the clock.
    pairs, pair_packets
        How many directed pairs of addresses there are, which tcpdstat calls flows, and the packets between them.
    largest_pairs
        The ten that carried most: ``src_ip dst_ip packets length share``, `share` of all bytes.
    addresses
        How many addresses sent or received IP packets.
    ipv4_addresses, ipv6_addresses
        The same by version.
    largest_addresses
        The ten of each version that carried most: ``version address packets length share``; a packet counts at both
        its ends, and `share` is of the bytes of that version, so that all shares add up to 2.
    sizes
        Packets by bytes on the wire in powers of two; see `nsm_nb.statistics.sizes`.
    breakdown
        Packets and bytes by layer, IP protocol and service; see `nsm_nb.statistics.breakdown`.
    notes
        Sentences on what the figures can't tell.
    table
        The packets themselves.
    """

    evidence: tuple[str, ...]
    packets: int
    length: int
    captured: int
    longest: int
    start: pd.Timestamp
    end: pd.Timestamp
    duration: float
    rate: Rate
    pairs: int
    pair_packets: int
    largest_pairs: pd.DataFrame = field(repr=False)
    ipv4_addresses: int
    ipv6_addresses: int
    largest_addresses: pd.DataFrame = field(repr=False)
    sizes: pd.DataFrame = field(repr=False)
    breakdown: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)

    @property
    def addresses(self) -> int:
        """How many addresses sent or received IP packets."""
        return self.ipv4_addresses + self.ipv6_addresses

    @property
    def mean_size(self) -> float:
        """Bytes on the wire of a packet, on average."""
        return self.length / self.packets if self.packets else math.nan

    def text(
        self,
        style: Literal["plain", "tcpdstat"] = "plain",
        *,
        as_printed: bool = False,
        file: str | os.PathLike | None = None,
    ) -> str:
        """Return a listing to read or to print; text from the evidence is made visible.

        Parameters
        ----------
        style
            ``"plain"``, or ``"tcpdstat"``: laid out as tcpdstat lays it out, times in UTC.
        as_printed
            In the style of tcpdstat, its own figures also where they are wrong: docs/differences.md tells which.
        file
            In the style of tcpdstat, the capture to name, with its size; the evidence is named where None.

        Raises
        ------
        ValueError
            Where there is no such style, or `as_printed` or `file` is given for another.
        NsmError
            Where tcpdstat can't read such packets and `as_printed` asks for its figures.
        """
        if style == "tcpdstat":
            return as_tcpdstat(self, as_printed=as_printed, file=file)
        if style != "plain":
            raise ValueError(f"style={style!r} is not known; choose 'plain' or 'tcpdstat'")
        if as_printed or file is not None:
            raise ValueError("as_printed and file are of style='tcpdstat' alone")
        return as_text(self)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return as_html(self)


@overload
def summary(packets: pd.DataFrame) -> Summary: ...
@overload
def summary(packets: pd.DataFrame, *, flows: Literal[True]) -> FlowSummary: ...
def summary(packets: pd.DataFrame, *, flows: bool | None = None) -> Summary | FlowSummary:
    """Return the figures of a capture: size, time, rate, pairs, addresses, packet sizes, protocols.

    Parameters
    ----------
    packets
        A table of PACKETS, of one capture or several; or one of SESSIONS, where there are flows alone.
    flows
        Whether the table is one of SESSIONS; told by its columns where None.

    Returns
    -------
    Summary, or of sessions FlowSummary, which says what flows can't tell

    Raises
    ------
    MissingColumn
        Where the table lacks a column of PACKETS that is needed.

    Examples
    --------
    >>> from nsm_nb.schema import PACKETS
    >>> summary(PACKETS.empty()).packets
    0
    """
    if is_flows(packets) if flows is None else flows:
        return summary_of_flows(packets)
    PACKETS.require(
        packets, "time", "length", "captured", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "layers"
    )
    length, _ = numbers_of(packets["length"])
    captured, _ = numbers_of(packets["captured"])
    when, timed = times_of(packets["time"])
    start, end, duration = _span(when[timed] if not timed.all() else when)
    pairs, addresses = _pairs(packets, length)
    total = int(length.sum())
    ipv6 = addresses["version"] == 6
    return Summary(
        evidence=tuple(evidence_of(packets)),
        packets=len(packets),
        length=total,
        captured=int(captured.sum()),
        longest=int(captured.max()) if len(captured) else 0,
        start=start,
        end=end,
        duration=duration,
        rate=_rate(when[timed], length[timed], duration) if not timed.all() else _rate(when, length, duration),
        pairs=len(pairs),
        pair_packets=int(pairs["packets"].sum()),
        largest_pairs=_shares(pairs.nlargest(LARGEST, ["length", "packets"], keep="first"), total),
        ipv4_addresses=int((~ipv6).sum()),
        ipv6_addresses=int(ipv6.sum()),
        largest_addresses=_largest_addresses(addresses),
        sizes=sizes_of(length),
        breakdown=breakdown(packets),
        notes=tuple(_notes(packets, length, captured, when, timed)),
        table=packets,
    )


def _span(when: np.ndarray) -> tuple[pd.Timestamp, pd.Timestamp, float]:
    if not len(when):
        return _NO_TIME, _NO_TIME, math.nan
    first, last = int(when.min()), int(when.max())
    return pd.Timestamp(first, tz="UTC"), pd.Timestamp(last, tz="UTC"), (last - first) / _SECOND


def _rate(when: np.ndarray, length: np.ndarray, duration: float) -> Rate:
    """Return the rate; only seconds that hold packets are stored, so ten years cost no more than ten minutes."""
    if not len(when) or not duration:
        return Rate(math.nan, math.nan, math.nan, _NO_TIME, min(len(when), 1))
    second = when // _SECOND
    first = int(second.min())
    seconds = int(second.max()) - first + 1
    found = tally([second - first], [seconds], length)
    bits = found.sums * 8.0
    busiest = int(np.argmax(bits))
    mean = bits.sum() / seconds
    silent = seconds - len(bits)
    spread = float(((bits - mean) ** 2).sum() + silent * mean**2)
    return Rate(
        mean=float(length.sum()) * 8 / duration,
        deviation=math.sqrt(spread / (seconds - 1)) if seconds > 1 else math.nan,
        peak=float(bits[busiest]),
        peak_at=pd.Timestamp(max((first + int(found.keys[0][busiest])) * _SECOND, pd.Timestamp.min.value), tz="UTC"),
        seconds=seconds,
    )


def _pairs(packets: pd.DataFrame, length: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return IP packets and bytes by directed pair of addresses, and by address."""
    src, dst, dtype = ends_of(packets)
    layers, paths = codes_of(packets["layers"])
    is_ip = np.array([*(network_of(path) in ("ip", "ip6") for path in paths), False], bool)[layers]
    codes = [src, dst]
    kept = is_ip & (codes[0] >= 0) & (codes[1] >= 0)
    if not kept.all():
        codes, length = [each[kept] for each in codes], length[kept]
    size = len(dtype.categories)
    found = tally(codes, [size, size], length)
    pairs = pd.DataFrame(
        {
            "src_ip": pd.Categorical.from_codes(found.keys[0], dtype=dtype),
            "dst_ip": pd.Categorical.from_codes(found.keys[1], dtype=dtype),
            "packets": found.counts,
            "length": found.sums,
        }
    )

    sent, received = found.keys
    apart = sent != received  # what a host sends itself touches it once
    packets_of, length_of = (
        (np.bincount(sent, each, size) + np.bincount(received[apart], each[apart], size)).astype(np.int64)
        for each in (found.counts, found.sums)
    )
    seen = np.flatnonzero(packets_of)
    version = np.where(dtype.categories.astype("str").str.contains(":", regex=False), 6, 4)
    addresses = pd.DataFrame(
        {
            "version": version[seen],
            "address": pd.Categorical.from_codes(seen, dtype=dtype),
            "packets": packets_of[seen],
            "length": length_of[seen],
        }
    )
    addresses.attrs["length"] = {each: int(found.sums[version[sent] == each].sum()) for each in (4, 6)}
    return pairs, addresses


def _shares(table: pd.DataFrame, total: int) -> pd.DataFrame:
    return table.assign(share=table["length"] / total if total else math.nan).reset_index(drop=True)


def _largest_addresses(addresses: pd.DataFrame) -> pd.DataFrame:
    parts = [
        _shares(addresses[addresses["version"] == version].nlargest(LARGEST, ["length", "packets"]), total)
        for version, total in addresses.attrs["length"].items()
    ]
    result = pd.concat(parts, ignore_index=True)
    result.attrs = {}
    return result


def _notes(
    packets: pd.DataFrame, length: np.ndarray, captured: np.ndarray, when: np.ndarray, timed: np.ndarray
) -> list[str]:
    notes = []
    cut = captured < length
    if cut.any():
        missing = int((length - captured)[cut].sum())
        notes.append(
            f"{quantities.amount(int(cut.sum()), 'packet')} cut by the capture: {many(missing, 'byte was', 'bytes were')} on "
            f"the wire and {form(missing, 'is', 'are')} not in the file"
        )
    if not timed.all():
        notes.append(f"{quantities.amount(int((~timed).sum()), 'packet')} without a time, counted in all but the rate")
    back = np.flatnonzero(np.diff(when) < 0) if timed.all() else np.zeros(0, np.int64)
    if len(back) and len(evidence_of(packets)) == 1:
        notes.append(f"the clock runs backwards {quantities.amount(len(back), 'time')}; start and end are the extremes")
    caveats = caveats_of(packets)
    if caveats:
        notes.append(f"{quantities.amount(len(caveats), 'caveat')} noted by the reader, see case.caveats")
    return notes
