"""Sessions as text: in columns of our own, as Argus' ra and flow-tools' flow-print write them, and as Sguil shows them.

What another program prints and a table does not hold is a minus sign, and an address is never cut: a column is as wide as the
longest in it. NetFlow tells a conversation of both directions as two records, so flow-print has two lines for it.

Source: ra(1) of Argus 3.0.8 and what it prints of the bundled case; the listing of Argus 2.0.6 in the article; flow-print(1)
of flow-tools 0.68 and the layouts of its flow-print.c; Sguil's client (columns of its session tabs); SANCP 1.6.1 (ICMP's type
and code as ports).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from nsm_nb.schema import SESSIONS
from nsm_nb.sessions import listing_columns as columns
from nsm_nb.text import printable

__all__ = ["STYLES", "lines", "text"]

STYLES = ("plain", "ra", "ra2", "flow-print", *(f"flow-print -f {each}" for each in (0, 1, 3, 5, 6)), "sguil")

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ANSWERS = {8: 0, 10: 9, 13: 14, 15: 16, 17: 18, 128: 129, 133: 134, 135: 136}  # ICMP: what is asked and its answer
_FIN, _SYN, _RST = 1, 2, 4
_LETTERS = {"S": _SYN, "H": _SYN, "F": _FIN, "R": _RST}  # of Zeek's history
columns.NONE = "-"


def text(sessions: pd.DataFrame, style: str = "plain", *, link: int = 0) -> str:
    r"""Return sessions as text, a line each below a header, in the order of the table.

    Parameters
    ----------
    sessions
        A table of SESSIONS or FLOWS.
    style
        ``"plain"``: columns of our own; ICMP's type and code stand where ports do. ``"ra"``: ``ra -n`` of Argus 3.
        ``"ra2"``: Argus 2.0.6, as the article has it. ``"flow-print"``: format 3; ``"flow-print -f 0"``, 1, 3, 5, 6.
        ``"sguil"``: the columns of Sguil's sessions, whose bytes are of payload.
    link
        Bytes of the link layer that `ra` counts with each packet: 14 for Ethernet. Without it its bytes are octets.

    Raises
    ------
    ValueError
        Where the style is not known; the sentence lists those there are.

    Examples
    --------
    >>> from nsm_nb.schema import SESSIONS
    >>> text(SESSIONS.empty(), "flow-print")
    'srcIP            dstIP            prot  srcPort  dstPort  octets      packets\n'
    """
    return "".join(f"{line}\n" for line in lines(sessions, style, link=link))


def lines(sessions: pd.DataFrame, style: str = "plain", *, link: int = 0) -> Iterator[str]:
    """Return the lines of `text` one by one; parameters and errors as there."""
    if style == "flow-print -f 4":
        raise ValueError(
            "flow-print -f 4 prints masks of networks and numbers of autonomous systems, which sessions do not tell; take 3"
        )
    if style not in STYLES:
        raise ValueError(f"style={printable(style)!r} is not known; choose one of {', '.join(STYLES)}")
    SESSIONS.require(sessions, "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "state")
    if style.startswith("flow-print"):
        return _flow_print(sessions, style.removeprefix("flow-print").removeprefix(" -f ") or "3")
    if style == "ra":
        return _ra(sessions, link)
    return {"plain": _plain, "ra2": _ra2, "sguil": _sguil}[style](sessions)


# --- Argus


def _ra(sessions: pd.DataFrame, link: int) -> Iterator[str]:
    c = columns.columns_of(sessions)
    octets = [columns.numbers(sessions, name) for name in ("src_octets", "dst_octets")]
    history = _history(sessions)
    days = {each // (86_400 * 10**9) for each in c.start if each is not None}
    times = [columns.NONE if each is None else _ra_time(each, dated=len(days) > 1) for each in c.start]
    clock, wide = max([18, *map(len, times)]), max([18, *map(len, set(c.src)), *map(len, set(c.dst))])
    yield (
        f"{'StartTime':>{clock}}      Flgs  Proto {'SrcAddr':>{wide}}  Sport   Dir {'DstAddr':>{wide}}  Dport"
        "  TotPkts   TotBytes State "
    )
    for row, time in enumerate(times):
        packets = columns.total(c.src_packets[row], c.dst_packets[row])
        length = columns.total(octets[0][row], octets[1][row])
        length = None if length is None else length + link * (packets or 0)
        ports = [
            f".{port:<6}" if port is not None else " " * 7 for port in (c.sport[row], c.dport[row])
        ]  # fmt: skip
        told = c.message[row]
        if told is not None:  # as ra writes them: the code first; what it has at the right is ICMP's identifier
            ports[0] = f".0x{told[1]:02x}{told[0]:02x}"
        flags = f" {'e' if link == 14 else ' '} {_loss(history[row])}     "
        arrow = columns.arrow(c.proto[row], c.known[row], c.src_packets[row], c.dst_packets[row])
        yield (
            f"{time:>{clock}} {flags} {c.proto[row]:>6} {c.src[row]:>{wide}}{ports[0]} {arrow:>5} {c.dst[row]:>{wide}}{ports[1]} "
            f"{columns.said(packets):>8} {columns.said(length):>10} {c.state[row]:>5}"
        )


def _ra_time(nanoseconds: int, *, dated: bool) -> str:
    day, clock, rest = columns.clock(nanoseconds)
    return ("{:04}-{:02}-{:02}.".format(*columns.date(day)) if dated else "") + f"{clock}.{rest // 1000:06}"


def _history(sessions: pd.DataFrame) -> list[str]:
    if "history" not in sessions:
        return [""] * len(sessions)
    return sessions["history"].astype(object).where(sessions["history"].notna(), "").astype(str).tolist()


def _loss(history: str) -> str:
    """Return Argus' flag of what was sent again: by src, by dst, by both."""
    src, dst = "T" in history, "t" in history
    return "*" if src and dst else "s" if src else "d" if dst else " "


def _ra2(sessions: pd.DataFrame) -> Iterator[str]:
    c = columns.columns_of(sessions)
    ends = []
    for addresses, ports in ((c.src, c.sport), (c.dst, c.dport)):
        ends.append([host if port is None else f"{host}.{port}" for host, port in zip(addresses, ports, strict=True)])
    left, right = (max([20, *map(len, each)]) for each in ends)
    for row, start in enumerate(c.start):
        time = columns.NONE
        if start is not None:
            day, clock, _ = columns.clock(start)
            year, month, number = columns.date(day)
            time = f"{number:02} {_MONTHS[month - 1]} {year % 100:02} {clock}"
        arrow = columns.arrow(c.proto[row], c.known[row], c.src_packets[row], c.dst_packets[row])
        yield f"{time:<18}  {c.proto[row]:<5} {ends[0][row]:>{left}} {arrow} {ends[1][row]:<{right}}  {c.state[row]}"


# --- flow-tools

_HEADERS = {
    "0": "Sif  SrcIPaddress     Dif  DstIPaddress      Pr SrcP DstP  Pkts       Octets",
    "1": "Sif  SrcIPaddress     DIf  DstIPaddress      Pr SrcP DstP  Pkts  Octets\n"
    " StartTime          EndTime             Active   B/Pk Ts Fl\n",
    "3": "srcIP            dstIP            prot  srcPort  dstPort  octets      packets",
    "5": "Start             End               Sif   SrcIPaddress    SrcP  DIf   DstIPaddress    DstP    P Fl Pkts       Octets\n",
    "6": "   Source           Destination              Packets               Bytes",
}


class _Record(NamedTuple):
    """One direction of a session."""

    src: str
    dst: str
    proto: int
    sport: int
    dport: int
    packets: int | None
    octets: int | None
    start: int | None
    end: int | None
    flags: int | None


def _flow_print(sessions: pd.DataFrame, number: str) -> Iterator[str]:
    c = columns.columns_of(sessions)
    wide = max([15, *map(len, set(c.src)), *map(len, set(c.dst))])
    yield _HEADERS[number]
    for each in _records(sessions, c):
        src, dst = f"{each.src:<{wide}}", f"{each.dst:<{wide}}"
        packets, octets = columns.said(each.packets), columns.said(each.octets)
        if number in "01":
            proto = "--" if each.proto < 0 else f"{each.proto:02x}"
            yield f"0000 {src}  0000 {dst}   {proto} {each.sport:<4x} {each.dport:<4x}  {packets:<10} {octets:<10}"
            if number == "1":
                yield _times_and_flags(each)
        elif number == "3":
            yield f"{src}  {dst}  {_proto(each):<4}  {each.sport:<7}  {each.dport:<7}  {octets:<10}  {packets:<10}"
        elif number == "5":
            flags = columns.NONE if each.flags is None else str(each.flags & 7)
            yield (
                f"{_yearless(each.start)} {_yearless(each.end)} {0:<5} {src} {each.sport:<5} {0:<5} {dst} {each.dport:<5} "
                f"{_proto(each):<3} {flags:<2} {packets:<10} {octets:<10}"
            )
        else:
            yield f" {src}  {dst}  {packets:>17}  {octets:>18}"


def _records(sessions: pd.DataFrame, c: columns.Columns) -> Iterator[_Record]:
    """Return the directions in which something went, the opener's first."""
    src_octets, dst_octets = (columns.numbers(sessions, name) for name in ("src_octets", "dst_octets"))
    src_flags, dst_flags = (columns.numbers(sessions, name) for name in ("src_flags", "dst_flags"))
    history = _history(sessions)
    for row, number in enumerate(c.number):
        sport, dport = c.sport[row] or 0, c.dport[row] or 0
        back = (dport, sport)
        told = c.message[row]
        if told is not None:  # type * 256 + code stand in the destination's port
            sport, dport, back = 0, told[0] << 8 | told[1], (0, _ANSWERS.get(told[0], told[0]) << 8)
        src, dst, times = c.src[row], c.dst[row], (c.start[row], c.end[row])
        tcp = c.proto[row] == "tcp"
        if c.src_packets[row] != 0:
            flags = _flags(src_flags[row], history[row], tcp=tcp)
            yield _Record(src, dst, number, sport, dport, c.src_packets[row], src_octets[row], *times, flags)
        if c.dst_packets[row]:
            flags = _flags(dst_flags[row], history[row].swapcase(), tcp=tcp)
            yield _Record(dst, src, number, *back, c.dst_packets[row], dst_octets[row], *times, flags)


def _flags(told: int | None, history: str, *, tcp: bool) -> int | None:
    """Return TCP flags as a record tells them, else SYN, FIN and RST by the capitals of the history."""
    if told is not None or not tcp:
        return told or 0
    return sum({_LETTERS[each] for each in history if each in _LETTERS}) if history else None


def _proto(record: _Record) -> str:
    return columns.NONE if record.proto < 0 else str(record.proto)


def _yearless(nanoseconds: int | None) -> str:
    if nanoseconds is None:
        return f"{columns.NONE:<17}"
    day, clock, rest = columns.clock(nanoseconds)
    return "{1:02}{2:02}.".format(*columns.date(day)) + f"{clock}.{rest // 10**6:03}"


def _times_and_flags(each: _Record) -> str:
    active = mean = columns.NONE
    if each.start is not None and each.end is not None:
        seconds, rest = divmod((each.end - each.start) // 10**6, 1000)
        active = f"{seconds:>5}.{rest:03}"
    if each.packets and each.octets is not None:
        mean = str(each.octets // each.packets)
    flags = "--" if each.flags is None else f"{each.flags:02x}"
    return f" {_yearless(each.start)}  {_yearless(each.end)}  {active:>9} {mean:<3} -- {flags}\n"


# --- columns in a table


def _plain(sessions: pd.DataFrame) -> Iterator[str]:
    c = columns.columns_of(sessions)
    octets = [columns.numbers(sessions, name) for name in ("src_octets", "dst_octets")]
    words = [
        columns.texts(sessions[name]) if name in sessions else [columns.NONE] * len(sessions)
        for name in ("closed", "application")
    ]

    def end(host: str, port: int | None) -> str:
        if port is None:
            return host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    rows = []
    for row, start in enumerate(c.start):
        told, last = c.message[row], c.end[row]
        rows.append(
            (
                columns.moment(start),
                columns.NONE if start is None or last is None else f"{(last - start) / 1e9:.6f}",
                c.proto[row],
                end(c.src[row], c.sport[row]),
                columns.arrow(c.proto[row], c.known[row], c.src_packets[row], c.dst_packets[row]),
                end(c.dst[row], c.dport[row]) + (f" type {told[0]} code {told[1]}" if told is not None else ""),
                *(columns.said(each[row]) for each in (c.src_packets, c.dst_packets, *octets)),
                c.state[row],
                words[0][row],
                words[1][row],
            )
        )
    header = ("start (UTC)", "s", "proto", "src", "", "dst", "src pkts", "dst pkts", "src octets", "dst octets", "state",
              "closed", "application")  # fmt: skip
    yield from _aligned(header, rows, right={1, 6, 7, 8, 9})


def _sguil(sessions: pd.DataFrame) -> Iterator[str]:
    c = columns.columns_of(sessions)
    payload = [columns.numbers(sessions, name) for name in ("src_payload", "dst_payload")]
    sensor = columns.texts(sessions["sensor"]) if "sensor" in sessions else [columns.NONE] * len(sessions)
    names = columns.numbers(sessions, "session")
    rows = []
    for row, number in enumerate(c.number):
        sport, dport = c.message[row] or (c.sport[row], c.dport[row])
        rows.append(
            (
                sensor[row], columns.said(names[row]),
                columns.moment(c.start[row], digits=0), columns.moment(c.end[row], digits=0),
                c.src[row], columns.said(sport), c.dst[row], columns.said(dport), columns.NONE if number < 0 else str(number),
                *(columns.said(each[row]) for each in (c.src_packets, payload[0], c.dst_packets, payload[1])),
            )
        )  # fmt: skip
    header = ("Sensor", "Ssn.ID", "Start Time", "End Time", "Src IP", "SPort", "Dst IP", "DPort", "Pr", "S Pckts", "S Bytes",
              "D Pckts", "D Bytes")  # fmt: skip
    yield from _aligned(header, rows, right={5, 7, 8, 9, 10, 11, 12})


def _aligned(header: tuple[str, ...], rows: list[tuple[Any, ...]], *, right: set[int]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
