"""The first look where there are flows alone: what sessions can tell of a network, and what they can't."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS, caveats_of
from nsm_nb.statistics import quantities
from nsm_nb.statistics._orient import one_way, oriented
from nsm_nb.statistics._parts import Part, as_html, as_text, named, rows
from nsm_nb.statistics._tally import evidence_of, numbers_of, times_of
from nsm_nb.statistics.protocols import protocols
from nsm_nb.statistics.services import services
from nsm_nb.statistics.talkers import talkers

__all__ = ["FlowSummary", "summary_of_flows"]

_LARGEST = 10


@dataclass(frozen=True, eq=False)
class FlowSummary:
    """What a table of sessions holds, in figures; shows itself as text and as HTML.

    Attributes
    ----------
    evidence
        The files that the sessions come from.
    sessions, answered
        How many there are, and how many sent packets both ways.
    packets, octets
        What they carried, by the IP headers.
    start, end
        The earliest start and the latest end (UTC), `NaT` where no session has one.
    duration
        Seconds between them.
    rate
        Bits a second over the whole duration, at the IP layer; not a number where it is none.
    addresses, pairs
        How many addresses there are, and how many pairs of one that asked and one that was asked.
    largest_addresses, largest_pairs, largest_services
        The ten that carried most: see `nsm_nb.statistics.talkers` and `services`.
    protocols
        Version of IP, protocol and application; see `nsm_nb.statistics.protocols`.
    notes, limits
        Sentences on what was left out, and on what sessions can't tell.
    """

    evidence: tuple[str, ...]
    sessions: int
    answered: int
    packets: int
    octets: int
    start: pd.Timestamp
    end: pd.Timestamp
    duration: float
    rate: float
    addresses: int
    pairs: int
    largest_addresses: pd.DataFrame = field(repr=False)
    largest_pairs: pd.DataFrame = field(repr=False)
    largest_services: pd.DataFrame = field(repr=False)
    protocols: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...]
    limits: tuple[str, ...]

    def text(self) -> str:
        """Return a listing to read or to print; text from the evidence is made visible."""
        return as_text(self._facts(), self._parts(), self._sentences())

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return as_html("Summary of sessions", self._facts(), self._parts(), self._sentences())

    def _sentences(self) -> dict[str, tuple[str, ...]]:
        return {"Notes": self.notes, "What sessions can't tell": self.limits if self.sessions else ()}

    def _facts(self) -> Iterable[tuple[str, str]]:
        yield "evidence", named(self.evidence)
        if not self.sessions:
            yield "sessions", "no sessions"
            return
        yield "sessions", f"{self.sessions:,}, {self.answered:,} of them known to have packets both ways"
        yield "packets", f"{self.packets:,}"
        yield "octets", f"{self.octets:,} at the IP layer ({quantities.octets(self.octets)})"
        yield "start", quantities.moment(self.start)
        yield "end", quantities.moment(self.end)
        if not math.isnan(self.duration):
            yield "duration", f"{self.duration:,.6f} s ({quantities.span(self.duration)})"
        rate = "not defined: all in one moment, or no times" if math.isnan(self.rate) else quantities.bits(self.rate)
        yield "mean rate", f"{rate}" if math.isnan(self.rate) else f"{rate} over the whole duration"

    def _parts(self) -> Iterable[Part]:
        if not self.sessions:
            return
        yield Part(
            f"Pairs, who asked whom: {self.pairs:,}, the largest by octets",
            ("from", "to", "sessions", "packets", "octets"),
            [(str(row.src_ip), str(row.dst_ip), *_amounts(row)) for row in rows(self.largest_pairs)],
            2,
        )
        yield Part(
            f"Addresses: {self.addresses:,}, the largest by octets; a session counts at both its ends",
            ("address", "sessions", "packets", "octets"),
            [(str(row.host), *_amounts(row)) for row in rows(self.largest_addresses)],
            1,
        )
        yield Part(
            "Services that answered, those of most sessions",
            ("address", "service", "application", "sessions", "clients", "octets"),
            [
                (str(row.host), f"{row.proto}/{row.port}", "" if pd.isna(row.application) else str(row.application),
                 f"{row.sessions:,}", f"{row.clients:,}", _count(row.octets))
                for row in rows(self.largest_services)
            ],
            3,
        )  # fmt: skip
        yield Part(
            "Protocols; applications are told by content where a sensor says so, else by the port's number",
            ("protocol", "sessions", "packets", "octets", "share"),
            [
                (f"{'  ' * row.level}{row.name}", f"{row.sessions:,}", f"{row.packets:,}", f"{row.octets:,}",
                 quantities.share(row.share))
                for row in rows(self.protocols)
            ],
            1,
        )  # fmt: skip


def _count(value: object) -> str:
    return "not known" if pd.isna(value) else f"{int(value):,}"  # type: ignore[call-overload]


def _amounts(row: object) -> tuple[str, str, str]:
    return tuple(_count(getattr(row, name)) for name in ("sessions", "packets", "octets"))  # type: ignore[return-value]


def summary_of_flows(sessions: pd.DataFrame) -> FlowSummary:
    """Return the figures of a table of SESSIONS; see `nsm_nb.statistics.summary`."""
    measures = [f"{side}_{name}" for name in ("packets", "octets") for side in ("src", "dst")]
    SESSIONS.require(sessions, "start", "end", "src_ip", "dst_ip", "proto", "dst_port", *measures)
    sums = {
        name: numbers_of(sessions[f"src_{name}"])[0] + numbers_of(sessions[f"dst_{name}"])[0]
        for name in ("packets", "octets")
    }
    start, with_start = times_of(sessions["start"])
    end, with_end = times_of(sessions["end"])
    when = np.concatenate([start[with_start], end[with_end]])
    first, last = (int(when.min()), int(when.max())) if len(when) else (0, 0)
    duration = (last - first) / 1e9 if len(when) else math.nan
    octets = int(sums["octets"].sum())
    turned = oriented(sessions)
    hosts, pairs = talkers(turned), talkers(turned, of="pairs")
    offered = services(sessions)
    packets = [numbers_of(sessions[f"{side}_packets"])[0] for side in ("src", "dst")]
    return FlowSummary(
        evidence=tuple(evidence_of(sessions)),
        sessions=len(sessions),
        answered=int(((packets[0] > 0) & (packets[1] > 0)).sum()),
        packets=int(sums["packets"].sum()),
        octets=octets,
        start=pd.Timestamp(first, tz="UTC") if len(when) else pd.Timestamp("NaT"),
        end=pd.Timestamp(last, tz="UTC") if len(when) else pd.Timestamp("NaT"),
        duration=duration,
        rate=octets * 8 / duration if duration else math.nan,
        addresses=len(hosts),
        pairs=len(pairs),
        largest_addresses=hosts.head(_LARGEST),
        largest_pairs=pairs.head(_LARGEST),
        largest_services=offered.head(_LARGEST),
        protocols=protocols(sessions),
        notes=tuple(_notes(sessions, offered)),
        limits=tuple(_limits(sessions, offered)),
    )


def _notes(sessions: pd.DataFrame, offered: pd.DataFrame) -> list[str]:
    notes = list(offered.attrs["notes"])
    unknown = int((sessions["src_octets"].isna() & sessions["dst_octets"].isna()).sum())
    if unknown:
        notes.append(f"{quantities.amount(unknown, 'session')} without a number of octets, counted with none")
    if caveats := caveats_of(sessions):
        notes.append(f"{quantities.amount(len(caveats), 'caveat')} noted by the reader, see case.caveats")
    return notes


def _limits(sessions: pd.DataFrame, offered: pd.DataFrame) -> list[str]:
    """Say what sessions can't tell."""
    limits = [
        "the rate at any moment, its peak and deviation: a session has sums over its whole time",
        "sizes of packets: there is a mean and no distribution",
        "what is not IP (ARP and the like), link layers, MAC addresses, TTLs, operating systems, names and content",
    ]
    alone = int(one_way(sessions).sum())
    if alone:
        limits.append(f"which of {quantities.amount(alone, 'flow')} of one direction belong together")
    return [*limits, *offered.attrs["limits"]]
