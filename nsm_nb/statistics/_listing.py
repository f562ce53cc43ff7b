"""A summary as people read it: a listing in plain text, and the same in HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from nsm_nb.statistics import quantities
from nsm_nb.text import html, printable

if TYPE_CHECKING:
    from nsm_nb.statistics.summary import Summary

__all__ = ["as_html", "as_text"]

_NAMES_SHOWN = 5
_CLEARER = {"http(s)": "http from server", "http(c)": "http to server"}  # tcpdstat's (s) is not the s of https


class _Part(NamedTuple):
    """One table of the listing."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: int  # how many of the first columns hold words; the others hold numbers


def as_text(summary: Summary) -> str:
    """Return the listing as text of aligned columns."""
    blocks = ["\n".join(f"{name:<11} {value}" for name, value in _facts(summary))]
    blocks += [_text_table(part) for part in _parts(summary)]
    if summary.notes:
        blocks.append("\n".join(["Notes", *(f"  {printable(note)}" for note in summary.notes)]))
    return "\n\n".join(blocks) + "\n"


def as_html(summary: Summary) -> str:
    """Return the listing as HTML; everything that comes from the evidence is escaped."""
    left = 'style="text-align:left"'
    facts = "".join(
        f'<tr><th scope="row" {left}>{html(name)}</th><td {left}>{html(value)}</td></tr>'
        for name, value in _facts(summary)
    )
    notes = "".join(f"<li>{html(note)}</li>" for note in summary.notes)
    return (
        '<div class="nsm-summary">'
        f"<table><caption>Summary</caption><tbody>{facts}</tbody></table>"
        f"{''.join(_html_table(part) for part in _parts(summary))}"
        f"{f'<p>Notes</p><ul>{notes}</ul>' if notes else ''}</div>"
    )


def _facts(summary: Summary) -> Iterable[tuple[str, str]]:
    yield "evidence", _evidence(summary.evidence)
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
        yield "deviation", f"{quantities.bits(rate.deviation)} of {rate.seconds:,} seconds, the silent ones included"
        yield "peak rate", f"{quantities.bits(rate.peak)} in the second of {quantities.moment(rate.peak_at, digits=0)}"


def _evidence(names: tuple[str, ...]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(printable(name) for name in names[:_NAMES_SHOWN]) + more


def _parts(summary: Summary) -> Iterable[_Part]:
    if not summary.packets:
        return
    if summary.pairs:
        yield _Part(
            f"Directed pairs of addresses: {summary.pairs:,}, the largest by bytes",
            ("from", "to", "packets", "bytes", "share"),
            [(str(row.src_ip), str(row.dst_ip), *_amounts(row)) for row in _rows(summary.largest_pairs)],
            2,
        )
    for version, count in ((4, summary.ipv4_addresses), (6, summary.ipv6_addresses)):
        if count:
            largest = summary.largest_addresses
            yield _Part(
                f"IPv{version} addresses: {count:,}, the largest by bytes; a packet counts at both its ends",
                ("address", "packets", "bytes", f"share of IPv{version}"),
                [(str(row.address), *_amounts(row)) for row in _rows(largest[largest["version"] == version])],
                1,
            )
    yield _Part(
        "Packet sizes, bytes on the wire with the link layer",
        ("size", "packets", "share"),
        [
            (f"{row.low}-{row.high}", f"{row.packets:,}", f"{100 * row.share:.2f} %")
            for row in _rows(summary.sizes)
            if row.packets
        ],
        1,
    )
    yield _Part(
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
            for row in _rows(summary.breakdown)
        ],
        1,
    )


def _rows(table: pd.DataFrame) -> Iterable[Any]:
    return table.itertuples()


def _amounts(row: Any) -> tuple[str, str, str]:
    return f"{row.packets:,}", f"{row.length:,}", f"{100 * row.share:.1f} %"


def _text_table(part: _Part) -> str:
    cells = [part.heads, *([printable(cell) for cell in row] for row in part.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(part.heads))]
    lines = [
        "  "
        + "  ".join(
            cell.ljust(width) if column < part.words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([part.title, *lines])


def _html_table(part: _Part) -> str:
    def cell(text: str, column: int, *, tag: str) -> str:
        words = column < part.words
        depth = len(text) - len(text.lstrip(" ")) if words else 0
        style = f"text-align:{'left' if words else 'right'}" + (f";padding-left:{0.5 + depth / 2}em" if depth else "")
        scope = ' scope="col"' if tag == "th" else ""
        return f'<{tag}{scope} style="{style}">{html(text.lstrip(" "))}</{tag}>'

    head = "".join(cell(text, column, tag="th") for column, text in enumerate(part.heads))
    body = "".join(
        f"<tr>{''.join(cell(text, column, tag='td') for column, text in enumerate(row))}</tr>" for row in part.rows
    )
    return f"<table><caption>{html(part.title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
