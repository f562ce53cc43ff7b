"""A summary laid out as tcpdstat does it: with true figures, or with tcpdstat's own.

Source: tcpdstat's stat.c and ip_flow.c (their output formats).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from nsm_nb.statistics._as_printed import IP_ROWS, printed, protocol_number
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.statistics.summary import Summary

__all__ = ["as_tcpdstat"]

_TOP = 10
_LINE = "-" * 72
_DAYS, _MONTHS = "MonTueWedThuFriSatSun", "JanFebMarAprMayJunJulAugSepOctNovDec"


class _Figures(NamedTuple):
    """What the listing shows, whoever worked it out."""

    start: pd.Timestamp
    end: pd.Timestamp
    seconds: float
    rate: tuple[float, float, float]
    pairs: int
    in_pairs: int  # packets that the mean of packets a pair is taken of
    largest_pairs: list[float]  # shares
    addresses: list[tuple[int, int, list[float]]]  # version, how many, shares of the largest
    sizes: list[tuple[int, int, int]]
    rows: list[tuple[int, str, int, int]]


def as_tcpdstat(summary: Summary, *, as_printed: bool, file: str | os.PathLike | None) -> str:
    """Return the listing; `file` is named and its size told where it is given."""
    figures = _as_printed(summary) if as_printed else _true(summary)
    lines = ["", f"DumpFile:  {_named(summary, file)}"]
    if file is not None and Path(file).exists():
        lines.append(f"FileSize: {Path(file).stat().st_size / 1024 / 1024:.2f}MB")
    size = summary.length
    lines += [
        f"Id: {'no time' if pd.isna(figures.start) else figures.start.strftime('%Y%m%d%H%M')}",
        f"StartTime: {_moment(figures.start)}",
        f"EndTime:   {_moment(figures.end)}",
        f"TotalTime: {_number(figures.seconds)} seconds",
        f"TotalCapSize: {summary.captured / 2**20:.2f}MB  CapLen: {summary.longest} bytes",
        f"# of packets: {summary.packets} " + (f"({size / 2**20:.2f}MB)" if size > 2**20 else f"({size / 1024:.2f}KB)"),
        _rate(*figures.rate),
        "",
        *_flows(figures),
        "### Packet Size Distribution (including MAC headers) ###",
        "<<<<",
        *(f" [{low:5d}-{high:5d}]: {count:10d}" for low, high, count in figures.sizes),
        ">>>>",
        "",
        "",
        "### Protocol Breakdown ###",
        "<<<<",
        "     protocol\t\tpackets\t\t\tbytes\t\tbytes/pkt",
        _LINE,
        *(_row(*row, packets=summary.packets, length=size) for row in figures.rows),
        ">>>>",
        "",
        "",
    ]
    return "\n".join(lines) + "\n"


def _named(summary: Summary, file: str | os.PathLike | None) -> str:
    return printable(str(file)) if file is not None else ", ".join(map(printable, summary.evidence)) or "-"


def _moment(time: pd.Timestamp) -> str:
    # ctime(3), whose names of days and months are English whatever the locale
    if pd.isna(time):
        return "no time"
    day, month = (
        names[3 * place : 3 * place + 3] for names, place in ((_DAYS, time.weekday()), (_MONTHS, time.month - 1))
    )
    return f"{day} {month} {time.day:2d} {time:%H:%M:%S} {time.year}"


def _number(value: float) -> str:
    # glibc prints the value that no division on x86 defines with a sign
    return "-nan" if math.isnan(value) else f"{value:.2f}"


def _rate(mean: float, deviation: float, peak: float) -> str:
    scale, unit = next(((each, unit) for each, unit in ((1e6, "M"), (1e3, "K")) if mean > each), (1.0, ""))
    top, of_top = next(((each, unit) for each, unit in ((1e6, "M"), (1e3, "K")) if peak > each), (1.0, ""))
    return (
        f"AvgRate: {_number(mean / scale)}{unit}bps  stddev:{_number(deviation / scale)}{unit}   "
        f"PeakRate: {_number(peak / top)}{of_top}bps"
    )


def _flows(figures: _Figures) -> list[str]:
    lines = ["### IP flow (unique src/dst pair) Information ###"]
    if not figures.pairs:
        return lines
    lines += [
        f"# of flows: {figures.pairs}  (avg. {figures.in_pairs / figures.pairs:.2f} pkts/flow)",
        f"Top {_TOP} big flow size (bytes/total in %):",
        _shares(figures.largest_pairs),
        "",
        "### IP address Information ###",
    ]
    for version, count, shares in figures.addresses:
        lines += [
            f"# of IPv{version} addresses: {count} ",
            f"Top {_TOP} bandwidth usage (bytes/total in %):",
            _shares(shares),
        ]
    return lines


def _shares(shares: list[float]) -> str:
    return "".join(f" {100 * share:4.1f}%" for share in shares)


def _row(level: int, name: str, count: int, octets: int, *, packets: int, length: int) -> str:
    named = f"{' ' * max(level - 1, 0)}{name}"
    of_bytes = 100 * octets / length if length else float("nan")
    return (
        f"[{level}] {named:<9} {count:12d} ({100 * count / packets:6.2f}%) {octets:16d} "
        f"({_number(of_bytes):>6}%)  {octets / count:8.2f}"
    )


def _true(summary: Summary) -> _Figures:
    rate = summary.rate
    largest = summary.largest_addresses
    addresses = [
        (version, count, largest.loc[largest["version"] == version, "share"].tolist())
        for version, count in ((4, summary.ipv4_addresses), (6, summary.ipv6_addresses))
        if count
    ]
    sizes, rows = summary.sizes, summary.breakdown
    return _Figures(
        summary.start,
        summary.end,
        summary.duration,
        (rate.mean, rate.deviation, rate.peak),
        summary.pairs,
        summary.pair_packets,
        summary.largest_pairs["share"].tolist(),
        addresses,
        [(max(int(row.low), 1), int(row.high), int(row.packets)) for row in _rows(sizes) if row.packets],
        _in_its_words([(int(row.level), str(row.name), int(row.packets), int(row.length)) for row in _rows(rows)]),
    )


def _in_its_words(rows: list[tuple[int, str, int, int]]) -> list[tuple[int, str, int, int]]:
    """Return rows with the protocols over IPv4 in tcpdstat's order and words."""
    result: list[tuple[int, str, int, int]] = []
    blocks: list[tuple[tuple, list]] = []  # a protocol of IP with its services, and where it stands
    network = ""
    for row in [*rows, (1, "", 0, 0)]:
        level, name, count, octets = row
        if level < 2:
            result += [each for _, block in sorted(blocks, key=lambda block: block[0]) for each in block]
            blocks, network = [], name
            result.append(row)
        elif level == 2:
            number = protocol_number(name.removeprefix("proto ")) if network == "ip" and name != "frag" else 0
            word = IP_ROWS[number] if number else name
            place = (name == "frag", number not in (6, 17), number) if network == "ip" else (False, False, len(blocks))
            blocks.append((place, [(level, word, count, octets)]))
        else:
            blocks[-1][1].append(row)
    return result[:-1]


def _as_printed(summary: Summary) -> _Figures:
    found = printed(summary.table)
    total = summary.length
    of_addresses = sum(found.pairs)
    first, last = (pd.Timestamp(each, tz="UTC") for each in (found.start, found.end))
    # whole seconds and microseconds are subtracted apart, as doubles
    seconds = float(found.end // 10**9 - found.start // 10**9) + (found.end % 10**9 - found.start % 10**9) / 1000 / 1e6
    return _Figures(
        first,
        last,
        seconds,
        found.rate,
        len(found.pairs),
        summary.packets,
        [each / total for each in found.pairs[:_TOP]],
        [(4, len(found.addresses), [each / of_addresses for each in found.addresses[:_TOP]])],
        [(1 << power, (1 << power + 1) - 1, count) for power, count in found.sizes],
        found.rows,
    )


def _rows(table: pd.DataFrame) -> Any:
    return table.itertuples()
