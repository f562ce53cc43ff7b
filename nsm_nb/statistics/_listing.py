"""A summary as people read it: a listing in plain text, and the same in HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nsm_nb.statistics import _parts, quantities
from nsm_nb.statistics._parts import Part, named, rows
from nsm_nb.text import many

if TYPE_CHECKING:
    from nsm_nb.statistics.summary import Summary

__all__ = ["as_html", "as_text"]

_CLEARER = {"http(s)": "http from server", "http(c)": "http to server"}  # tcpdstat's (s) is not the s of https


def as_text(summary: Summary) -> str:
    """Return the listing as text of aligned columns."""
    return _parts.as_text(_facts(summary), _tables(summary), {"Notes": summary.notes})


def as_html(summary: Summary) -> str:
    """Return the listing as HTML; everything that comes from the evidence is escaped."""
    return _parts.as_html("Summary", _facts(summary), _tables(summary), {"Notes": summary.notes})


def _facts(summary: Summary) -> Iterable[tuple[str, str]]:
    yield "evidence", named(summary.evidence)
    if not summary.packets:
        yield "packets", "no packets"
        return
    yield "packets", f"{summary.packets:,}, {summary.mean_size:,.2f} bytes on average"
    yield (
        "bytes",
        (
            f"{summary.length:,} on the wire ({quantities.octets(summary.length)}), {summary.captured:,} captured, "
            f"{summary.longest:,} of the longest packet"
        ),
    )
    yield "start", quantities.moment(summary.start)
    yield "end", quantities.moment(summary.end)
    yield "duration", f"{summary.duration:,.6f} s ({quantities.span(summary.duration)})"
    rate = summary.rate
    if rate.mean != rate.mean:
        yield "rate", "not defined: all packets bear one time" if summary.duration == 0 else "not defined: no times"
    else:
        yield "mean rate", f"{quantities.bits(rate.mean)} over the whole duration"
        yield (
            "deviation",
            f"{quantities.bits(rate.deviation)} of {many(rate.seconds, 'second')}, the silent ones included",
        )
        yield "peak rate", f"{quantities.bits(rate.peak)} in the second of {quantities.moment(rate.peak_at, digits=0)}"


def _tables(summary: Summary) -> Iterable[Part]:
    if not summary.packets:
        return
    if summary.pairs:
        yield Part(
            f"Directed pairs of addresses: {summary.pairs:,}, the largest by bytes",
            ("from", "to", "packets", "bytes", "share"),
            [(str(row.src_ip), str(row.dst_ip), *_amounts(row)) for row in rows(summary.largest_pairs)],
            2,
        )
    for version, count in ((4, summary.ipv4_addresses), (6, summary.ipv6_addresses)):
        if count:
            largest = summary.largest_addresses
            yield Part(
                f"IPv{version} addresses: {count:,}, the largest by bytes; a packet counts at both its ends",
                ("address", "packets", "bytes", f"share of IPv{version}"),
                [(str(row.address), *_amounts(row)) for row in rows(largest[largest["version"] == version])],
                1,
            )
    yield Part(
        "Packet sizes, bytes on the wire with the link layer",
        ("size", "packets", "share"),
        [
            (f"{row.low}-{row.high}", f"{row.packets:,}", f"{100 * row.share:.2f} %")
            for row in rows(summary.sizes)
            if row.packets
        ],
        1,
    )
    yield Part(
        "Protocols; services marked * are told by their port number alone",
        ("protocol", "packets", "share", "bytes", "share", "bytes a packet"),
        [
            (
                f"{'  ' * row.level}{_CLEARER.get(row.name, row.name)}{'*' if row.by == 'port' else ''}",
                f"{row.packets:,}",
                f"{100 * row.packets_share:.2f} %",
                f"{row.length:,}",
                f"{100 * row.length_share:.2f} %",
                f"{row.mean:,.2f}",
            )
            for row in rows(summary.breakdown)
        ],
        1,
    )


def _amounts(row: Any) -> tuple[str, str, str]:
    return f"{row.packets:,}", f"{row.length:,}", f"{100 * row.share:.1f} %"
