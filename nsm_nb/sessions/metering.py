"""Packets or sessions to flow records, as a probe would make them: one for each direction, or one for both.

Source: RFC 5470 5.1.1 (how flows end), RFC 7012 (flowEndReason), RFC 5103 (both directions in one record).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.sessions.assembly import assemble
from nsm_nb.sessions.endpoints import Endpoints, address_numbers, ip_protocol
from nsm_nb.sessions.keys import nanoseconds

__all__ = ["ACTIVE", "FORCED", "IDLE_TIMEOUT", "Metered", "metered"]

IDLE_TIMEOUT, ACTIVE, FORCED = 1, 2, 4  # flowEndReason
_SECOND = 1_000_000_000
_LATEST = 2**32 * _SECOND  # headers have 32 bits for the second
_ICMP = (1, 58)
_ANSWERS = {0: 8, 129: 128}  # what an echo answers


@dataclass(frozen=True)
class Metered:
    """Flow records in the order of their export, and why some packets or sessions are in none of them."""

    src: Endpoints
    dst: Endpoints
    src_port: np.ndarray
    dst_port: np.ndarray  # for ICMP type * 256 + code, as exporters write it
    proto: np.ndarray
    start: np.ndarray  # int64, milliseconds since 1970
    end: np.ndarray
    packets: np.ndarray  # int64
    octets: np.ndarray  # int64; bytes of IP
    flags: np.ndarray  # all of TCP's
    back_packets: np.ndarray  # what dst sent, where a record has both directions
    back_octets: np.ndarray
    back_flags: np.ndarray
    reason: np.ndarray  # why it ended
    second: np.ndarray  # int64, seconds since 1970: when it is exported
    left: dict[str, int]  # words -> how many

    def take(self, rows: np.ndarray) -> Metered:
        """Return some of the flows, in an order."""
        return _made(lambda each: each[rows], self)

    def __len__(self) -> int:
        return len(self.start)


def _made(make: Callable[..., np.ndarray], *tables: Metered) -> Metered:
    """Return a table whose arrays are made of the arrays of others."""
    made: dict[str, Any] = {}
    for each in fields(Metered):
        parts = [getattr(table, each.name) for table in tables]
        if each.name == "left":
            made["left"] = parts[0]
        elif each.name in ("src", "dst"):
            made[each.name] = Endpoints(*(make(*some) for some in zip(*parts, strict=True)))
        else:
            made[each.name] = make(*parts)
    return Metered(**made)


def metered(table: pd.DataFrame, *, active: float = 60, idle: float = 15, both: bool = False) -> Metered:
    """Return the flow records of packets, or of sessions.

    Parameters
    ----------
    table
        PACKETS; or SESSIONS or FLOWS, whose records have the times of the whole session in both directions.
    active, idle
        Seconds after which a flow that goes on is exported in pieces, and of silence after which it has ended; of packets.
    both
        Whether a record has both directions; `src` is then who opened the conversation.

    Raises
    ------
    MissingColumn
        Where columns of the table are not there.
    """
    if "src_octets" in table or "src_packets" in table:
        found = _of_sessions(table, both=both)
    else:
        found = _of_packets(table, int(active * _SECOND), int(idle * _SECOND), both=both)
    return found.take(np.lexsort((found.start, found.second)))


def _of_packets(packets: pd.DataFrame, active: int, idle: int, *, both: bool) -> Metered:
    PACKETS.require(packets, "time", "src_ip", "dst_ip", "proto", "octets", "tcp_flags", "icmp_type", "icmp_code")
    _, packets = assemble(packets)
    here = packets["session"].notna() & packets["octets"].notna()
    time = nanoseconds(packets["time"])
    placed = (time >= 0) & (time < _LATEST - _SECOND)
    rows = np.flatnonzero(here.to_numpy(bool) & placed)
    left = {
        "packets without IP are in no flow": int((~here).sum()),
        "packets without a time, or with one that NetFlow can't tell, are in no flow": int((here & ~placed).sum()),
    }
    some = packets.iloc[rows]
    time = time[rows]
    to_dst = some["to_dst"].fillna(value=True).to_numpy(bool)
    proto = ip_protocol(some["proto"])
    icmp = np.isin(proto, _ICMP)
    key = pd.factorize(some["session"].to_numpy(np.int64))[0].astype(np.int64) << 17 | to_dst.astype(np.int64) << 16
    message = _message(some, icmp, key)
    key = key >> 17 if both else key | message
    order = np.lexsort((time, key))
    key, time = key[order], time[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(key) != 0) | (np.diff(time) > idle)
    piece = _in_pieces(time, begins, active)
    starts = np.flatnonzero(begins | piece)
    ends = np.append(starts[1:], len(order))[: len(starts)] - 1
    goes_on = np.zeros(len(starts), bool)
    goes_on[:-1] = piece[starts[1:]]
    start, end = time[starts], time[ends]
    last = int(time.max()) if len(time) else 0
    over = np.where(goes_on, start + active, end + idle)
    reason = np.where(goes_on, ACTIVE, np.where(over > last, FORCED, IDLE_TIMEOUT))
    over = np.minimum(over, max(last, 0))

    mine = to_dst[order] if both else np.ones(len(order), bool)
    octets = some["octets"].to_numpy(np.int64)[order]
    flags = some["tcp_flags"].fillna(0).to_numpy(np.uint8)[order]
    src, dst = (address_numbers(some[name]) for name in ("src_ip", "dst_ip"))
    first = order[starts]
    turned = ~mine[starts]  # the piece begins with what dst sent
    src, dst = (Endpoints(*(part[first] for part in each)) for each in (src, dst))
    src, dst = (
        Endpoints(*(np.where(turned, b, a) for a, b in zip(one, other, strict=True)))
        for one, other in ((src, dst), (dst, src))
    )
    sport, dport = (_plain(some, name)[order] for name in ("src_port", "dst_port"))
    asked = np.where(mine, message[order], _asked(message[order]))
    ports = np.where(mine, sport, dport), np.where(icmp[order], asked, np.where(mine, dport, sport))
    # a fragment that comes before its first has none
    src_port, dst_port = (np.maximum.reduceat(each, starts) if len(starts) else each for each in ports)

    def sums(values: np.ndarray, which: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.where(which, values, 0), starts) if len(starts) else np.empty(0, np.int64)

    def either(which: np.ndarray) -> np.ndarray:
        return np.bitwise_or.reduceat(np.where(which, flags, 0), starts) if len(starts) else np.empty(0, np.uint8)

    one = np.ones(len(order), np.int64)
    return Metered(
        src=src, dst=dst, src_port=src_port, dst_port=dst_port, proto=proto[first], start=start // 1_000_000,
        end=end // 1_000_000, packets=sums(one, mine), octets=sums(octets, mine), flags=either(mine),
        back_packets=sums(one, ~mine), back_octets=sums(octets, ~mine), back_flags=either(~mine), reason=reason,
        second=-(-over // _SECOND), left={words: count for words, count in left.items() if count},
    )  # fmt: skip


def _message(packets: pd.DataFrame, icmp: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return type * 256 + code of ICMP, 0 of others; later fragments have that of the direction's first."""
    kind, code = (packets[name].fillna(0).to_numpy(np.int64) for name in ("icmp_type", "icmp_code"))
    message: np.ndarray = np.where(icmp, kind << 8 | code, 0)
    unknown = icmp & packets["icmp_type"].isna().to_numpy()
    if unknown.any():
        known = pd.Series(message[icmp]).where(~unknown[icmp])
        message[icmp] = (
            known.groupby(key[icmp]).transform("first").where(unknown[icmp], known).fillna(0).astype(np.int64)
        )
    return message


def _in_pieces(time: np.ndarray, begins: np.ndarray, active: int) -> np.ndarray:
    """Return True where a flow goes on after `active` in another piece; few flows last so long, so each is looked at."""
    pieces = np.zeros(len(time), bool)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(time))
    for at, end in zip(first.tolist(), last.tolist(), strict=True) if len(first) else ():
        if time[end - 1] - time[at] < active:
            continue
        begun = at
        while True:
            begun += int(np.searchsorted(time[begun:end], time[begun] + active))
            if begun >= end:
                break
            pieces[begun] = True
    return pieces


def _asked(message: np.ndarray) -> np.ndarray:
    """Return the message that an answer answers: a record of both directions is named after what src sent."""
    found = message.copy()
    for answer, asked in _ANSWERS.items():
        found[message >> 8 == answer] = asked << 8
    return found


def _of_sessions(sessions: pd.DataFrame, *, both: bool) -> Metered:
    SESSIONS.require(sessions, "start", "end", "src_ip", "dst_ip", "proto", "src_packets", "src_octets")
    start, end = (nanoseconds(sessions[name]) for name in ("start", "end"))
    src, dst = (address_numbers(sessions[name]) for name in ("src_ip", "dst_ip"))
    placed = (start >= 0) & (end >= start) & (end < _LATEST - _SECOND)
    addressed = (src.tag > 0) & (dst.tag == src.tag)
    packets, octets, back_packets, back_octets = (
        _plain(sessions, name) for name in ("src_packets", "src_octets", "dst_packets", "dst_octets")
    )
    counted = (packets > 0) | (octets > 0) | (back_packets > 0) | (back_octets > 0)
    flags, back_flags = (_plain(sessions, name) for name in ("src_flags", "dst_flags"))
    proto = ip_protocol(sessions["proto"])
    message = _messages(sessions, proto)
    good = placed & addressed & counted
    left = {
        "sessions without times, or with such that NetFlow can't tell, are left out": int((~placed).sum()),
        "sessions without addresses of IP are left out": int((placed & ~addressed).sum()),
        "sessions of which no packets are counted are left out": int((placed & addressed & ~counted).sum()),
        "sessions of ICMP do not tell their message and are written as type 0": int((good & (message < 0)).sum()),
    }
    src_port, dst_port = (_plain(sessions, name) for name in ("src_port", "dst_port"))
    zero = np.zeros(len(sessions), np.int64)
    there = Metered(
        src=src, dst=dst, src_port=src_port, dst_port=np.where(message > 0, message, dst_port), proto=proto,
        start=start // 1_000_000, end=end // 1_000_000, packets=packets, octets=octets, flags=flags,
        back_packets=back_packets if both else zero, back_octets=back_octets if both else zero,
        back_flags=back_flags if both else zero, reason=np.full(len(sessions), FORCED), second=-(-end // _SECOND),
        left={words: count for words, count in left.items() if count},
    )  # fmt: skip
    if both:
        return there.take(np.flatnonzero(good))
    back = replace(
        there, src=dst, dst=src, src_port=dst_port, dst_port=np.where(message > 0, _answer(message), src_port),
        packets=back_packets, octets=back_octets, flags=back_flags,
    )  # fmt: skip
    one = there.take(np.flatnonzero(good & ((packets > 0) | (octets > 0))))
    other = back.take(np.flatnonzero(good & ((back_packets > 0) | (back_octets > 0))))
    return _made(lambda a, b: np.concatenate((a, b)), one, other)


def _messages(sessions: pd.DataFrame, proto: np.ndarray) -> np.ndarray:
    """Return type * 256 + code of sessions of ICMP by their state (ECO, URP ...), -1 where it does not tell, 0 elsewhere."""
    from nsm_nb.formats.icmp_messages import icmp_state

    found = np.zeros(len(sessions), np.int64)
    if "state" not in sessions:
        return np.where(np.isin(proto, _ICMP), -1, found)
    states = sessions["state"].astype(object)
    for number, name in ((1, "icmp"), (58, "icmp6")):
        rows = proto == number
        if not rows.any():
            continue
        known: dict[str, int] = {}
        for message in range(65_535, -1, -1):  # of several of one name the first
            known[icmp_state(name, message >> 8, message & 255)] = message
        known.pop("INT", None)
        known["URP"] = 0x0303 if number == 1 else 0x0104  # port unreachable, which is what hosts send
        found[rows] = [known.get(state, -1) for state in states[rows]]
    return found


def _answer(message: np.ndarray) -> np.ndarray:
    found = np.zeros(len(message), np.int64)
    for answer, asked in _ANSWERS.items():
        found[message >> 8 == asked] = answer << 8
    return found


def _plain(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table:
        return np.zeros(len(table), np.int64)
    return table[name].fillna(0).to_numpy(np.int64)
