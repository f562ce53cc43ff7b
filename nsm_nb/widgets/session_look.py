"""What is known of a session, as lines, and the query lines that lead from it to others. Pure functions."""

from __future__ import annotations

import pandas as pd

from nsm_nb.query import compile
from nsm_nb.text import many
from nsm_nb.widgets.cells import octets, show, time
from nsm_nb.widgets.lines import line
from nsm_nb.widgets.narrowing import quoted

__all__ = ["PIVOTS", "measure_lines", "packet_lines", "pivot", "session_lines"]

PIVOTS = {
    "around src": "Sessions of its src, from 30 minutes before it to 30 minutes after",
    "around dst": "Sessions of its dst, from 30 minutes before it to 30 minutes after",
    "same pair": "Sessions between the two",
    "same service": "Sessions with the same protocol and port of dst",
}
"""From one session to those near it: name and meaning."""
_NEAR = pd.Timedelta("30min")


def _end(row: pd.Series, side: str) -> str:
    address, port = row[f"{side}_ip"], row[f"{side}_port"]
    shown = "?" if pd.isna(address) else str(address)
    if pd.isna(port):
        return shown
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


def _amount(row: pd.Series, side: str) -> str:
    packets, size, payload = (row[f"{side}_{name}"] for name in ("packets", "octets", "payload"))
    parts = []
    if not pd.isna(packets):
        parts.append(many(packets, "packet"))
    if not pd.isna(size):
        parts.append(f"{octets(size)} ({many(size, 'octet')})")
    if not pd.isna(payload):
        parts.append(f"{many(payload, 'byte')} of payload")
    return ", ".join(parts) or "nothing known"


def session_lines(row: pd.Series, alerts: pd.DataFrame, joins: pd.DataFrame) -> list[dict]:
    """Return what is known of a session, both directions apart, and the alerts about it, as lines."""
    known = not pd.isna(row["direction_known"]) and bool(row["direction_known"])
    facts = [
        f"{name} {show(row[column])[0]}"
        for column, name in (("state", "state"), ("closed", "closed"), ("history", "history"),
                             ("application", "application"), ("community_id", "community id"), ("vlan", "vlan"))
        if not pd.isna(row[column]) and str(row[column])
    ]  # fmt: skip
    span = f"{time(row['start'])} UTC"
    if not pd.isna(row["duration"]):
        span = f"{time(row['start'])} to {time(row['end'])} UTC, {row['duration']:.6f} s"
    where = f"{row['evidence']} ({row['source']})" + ("" if pd.isna(row["record"]) else f", record {row['record']}")
    lines = [
        line((f"session {row['session']}  {row['proto']}", "strong"), f"  {span}"),
        line(("SRC ", "src strong"), (_end(row, "src"), "src code"), f"  sent {_amount(row, 'src')}", style="side-src"),
        line(("DST ", "dst strong"), (_end(row, "dst"), "dst code"), f"  sent {_amount(row, 'dst')}", style="side-dst"),
        line(", ".join(facts)),
        line((f"from {where}", "muted")),
    ]  # fmt: skip
    if not known:
        lines.append(line(("its opening was not seen: which side is src is a guess", "doubt")))
    how = joins.set_index("alert") if len(joins) else pd.DataFrame(columns=["confidence", "how"])
    for each in alerts.itertuples():
        join = how.loc[each.alert] if each.alert in how.index else None
        joined = "" if join is None else f"  joined {join['confidence']}: {join['how']}"
        priority = 5 if pd.isna(each.priority) else min(max(int(each.priority), 1), 5)
        lines.append(
            line(
                (f" {'?' if pd.isna(each.priority) else each.priority} ", f"priority-{priority}"),
                f" {time(each.time)} {show(each.message)[0]}",
                (joined, "muted"),
            )
        )
    if not len(alerts):
        lines.append(line(("no alert is about it", "muted")))
    return lines


def pivot(row: pd.Series, name: str) -> str:
    """Return the query line of one of `PIVOTS`; empty where the session does not know what it takes.

    Examples
    --------
    >>> row = pd.Series({"proto": "tcp", "src_ip": "10.0.0.7", "dst_ip": "::1", "dst_port": 445,
    ...                  "start": pd.Timestamp("2026-11-24T02:31:40Z"), "end": pd.Timestamp("2026-11-24T02:32:00Z")})
    >>> pivot(row, "around src"), pivot(row, "same pair")
    ('host 10.0.0.7 and time 2026-11-24T02:01:40..2026-11-24T03:02:00', 'host 10.0.0.7 and host ::1')
    >>> pivot(row, "same service")
    'tcp and dst port 445'
    """
    known = {each: not pd.isna(row[each]) for each in ("src_ip", "dst_ip", "proto", "dst_port", "start", "end")}
    if name in ("around src", "around dst"):
        side = f"{name[-3:]}_ip"
        if not known[side] or not known["start"]:
            return ""
        end = row["end"] if known["end"] else row["start"]
        return f"host {row[side]} and time {row['start'] - _NEAR:%Y-%m-%dT%H:%M:%S}..{end + _NEAR:%Y-%m-%dT%H:%M:%S}"
    if name == "same pair":
        return f"host {row['src_ip']} and host {row['dst_ip']}" if known["src_ip"] and known["dst_ip"] else ""
    if not known["proto"]:
        return ""
    proto = str(row["proto"])
    named = proto if proto in ("tcp", "udp", "icmp", "icmp6") else f"proto {quoted(proto)}"
    return f"{named} and dst port {row['dst_port']}" if known["dst_port"] else str(compile(named).line)


def measure_lines(measured: pd.Series) -> list[dict]:
    """Return what was measured of a session's packets, as one line; fractions are seconds, and what is 0 is not told."""
    parts = [
        f"{str(name).replace('_', ' ')} {f'{value:.6f} s' if isinstance(value, float) else show(value)[0]}"
        for name, value in measured.items()
        if name != "session" and not pd.isna(value) and value != 0
    ]
    return [line(("measured  ", "muted"), ", ".join(parts))] if parts else []


def packet_lines(text: str) -> list[dict]:
    r"""Return packets as tcpdump prints them, each in one line: its time and what it carries, without octets.

    Examples
    --------
    >>> text = "02:31:54.3 0a:66 > 46:c5, length 74: (ttl 63)\n    10.0.0.7.59 > 10.0.0.8.80: Flags [S]\n\t0x0000:  4500 003c\n"
    >>> packet_lines(text)[0]["spans"][0][0]
    '02:31:54.3 10.0.0.7.59 > 10.0.0.8.80: Flags [S]'
    """
    rows: list[list[str]] = []
    for each in text.splitlines():
        if each[:1].isspace():
            rows[-1] += [] if each.startswith("\t0x") else [each.strip()]
        else:
            rows.append([each])
    # below the frame's own line stands the datagram's; of what is no datagram there is the first line alone
    return [line((f"{head.partition(' ')[0]} {' '.join(more)}" if more else head, "code")) for head, *more in rows]
