"""What stands beside an alert, as lines: its rule, its packet, how it was joined, what was judged of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb.text import defang, many
from nsm_nb.transcripts.rendering import hex_rows
from nsm_nb.widgets.cells import show, time
from nsm_nb.widgets.lines import line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "detail_lines", "header_lines", "history_lines", "join_lines", "packet_lines", "priority_class", "rule_lines", "tree_lines",
]  # fmt: skip

_FLAGS = (
    (2, "SYN"),
    (16, "ACK"),
    (8, "PSH"),
    (1, "FIN"),
    (4, "RST"),
    (32, "URG"),
    (64, "ECE"),
    (128, "CWR"),
    (256, "AE"),
)
_NUMBERS = {
    "seq": "seq", "ack": "ack", "window": "win", "icmp_type": "type", "icmp_code": "code", "ttl": "ttl", "ip_id": "id",
    "fragment": "fragment at",
}  # fmt: skip
_SHOWN = 2_048  # bytes of a packet


def priority_class(priority: Any) -> str:
    """Return the class of a priority, 1 to 5; unknown ones count as the least."""
    return "priority-5" if pd.isna(priority) else f"priority-{min(max(int(priority), 1), 5)}"


def rule_lines(rule: pd.Series | None, alert: pd.Series, starts: Mapping[str, str] | None = None) -> list[dict]:
    """Return the text of the rule that raised an alert, where it stands, and what it refers to.

    Parameters
    ----------
    rule
        A row of the case's rules; None where the case has no such rule.
    alert
        A row of ALERTS.
    starts
        The start of a link for each system of references, as reference.config has it. Links are text: nothing is opened.
    """
    name = f"{show(alert['gid'])[0]}:{show(alert['sid'])[0]}:{show(alert['rev'])[0]}"
    if rule is None:
        why = 'the case has no such rule: name the rule files in case.toml (rules = ["rules/*.rules"]) to see it here'
        return [line((f"rule {name}  ", "strong"), (why, "muted"))]
    lines = [line((f"{rule['text']}", "code")), line((f"{rule['file']}, line {rule['line']}", "muted"))]
    for each in rule["references"] or ():
        system, _, name = str(each).partition(",")
        start = (starts or {}).get(system.strip(), "http://" if system.strip() == "url" else "")
        lines.append(
            line(
                ("refers to ", "muted"),
                f"{system} {name}",
                (f"  {defang(start + name.strip())}" if start else "", "muted"),
            )
        )
    return lines


def _ends(packet: pd.Series) -> list:
    def end(side: str) -> str:
        address, port = packet[f"{side}_ip"], packet[f"{side}_port"]
        return ("?" if pd.isna(address) else str(address)) + ("" if pd.isna(port) else f" {port}")

    return [(end("src"), "code"), " > ", (end("dst"), "code")]


def _facts(packet: pd.Series) -> str:
    facts = [str(packet["proto"])]
    if not pd.isna(packet["tcp_flags"]):
        flags = int(packet["tcp_flags"])
        facts.append(" ".join(name for bit, name in _FLAGS if flags & bit) or "no flags")
    for column, name in _NUMBERS.items():
        if not pd.isna(packet[column]):
            facts.append(f"{name} {packet[column]}")
    return ", ".join(facts)


def packet_lines(packet: pd.Series | None, data: bytes, *, of: str = "payload") -> list[dict]:
    """Return a packet's headers in words and its bytes in hex and as text.

    Parameters
    ----------
    packet
        A row of PACKETS, with `why` it was chosen where that is known; None where there is no packet.
    data
        The bytes to show.
    of
        What these bytes are.
    """
    lines = _head(packet)
    if packet is None:
        return lines
    lines += [line(_facts(packet)), line((f"{of}, {many(len(data), 'byte')}" if data else f"no {of}", "muted"))]
    lines += [line((row, "code"), style="whole") for row in hex_rows(data[:_SHOWN])]
    if len(data) > _SHOWN:
        lines.append(line((f"{many(len(data) - _SHOWN, 'byte')} more", "muted")))
    return lines


def _head(packet: pd.Series | None) -> list[dict]:
    if packet is None:
        return [line(("no packet: no capture of the case holds the session of this alert", "muted"))]
    why = f": {packet['why']}" if packet.get("why") else ""
    return [
        line((f"frame {packet['frame']} of {packet['evidence']}", "strong"), (why, "muted")),
        line(f"{time(packet['time'])} UTC  ", *_ends(packet)),
    ]


def header_lines(packet: pd.Series | None, headers: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> list[dict]:
    """Return the header fields of a packet as Sguil's panel shows them: names in one line, values under them.

    Parameters
    ----------
    packet
        As in `packet_lines`.
    headers
        What `full_content.fields` gives.
    """
    lines = _head(packet)
    for title, row in headers:
        widths = [max(len(name), len(value)) for name, value in row]
        names, values = (
            "  ".join(f"{each[side]:<{width}}" for each, width in zip(row, widths, strict=True)) for side in (0, 1)
        )
        lines += [
            line((title, "strong")),
            line((names, "code muted"), style="whole"),
            line((values, "code"), style="whole"),
        ]
    if packet is not None and not headers:
        lines.append(line(("no IP header in this frame; see frame or tree", "muted")))
    return lines


def tree_lines(packet: pd.Series | None, tree: str, *, most: int = 2_000) -> list[dict]:
    """Return tshark's decode tree of a packet, the layers in bold."""
    lines = _head(packet)
    rows = tree.splitlines()
    if rows:
        lines.append(line(("tshark sees this packet alone, as its frame 1", "muted")))
    lines += [line((row, "code" if row.startswith(" ") else "code strong")) for row in rows[:most]]
    return lines + ([line((f"{many(len(rows) - most, 'line')} more", "muted"))] if len(rows) > most else [])


def join_lines(session: pd.Series | None, join: pd.Series | None) -> list[dict]:
    """Return which session an alert is about, and how that was found."""
    if session is None:
        how = "" if join is None else f": {join['how']}"
        return [line((f"no session was found for it{how}", "doubt"))]
    sure = join is not None and join["confidence"] == "certain"
    how = "" if join is None else f"joined {join['confidence']}: {join['how']}"
    return [
        line((f"session {session['session']}  ", "strong"), *_ends(session), (f"  {how}", "muted" if sure else "doubt"))
    ]


def history_lines(history: pd.DataFrame) -> list[dict]:
    """Return what was judged of an alert, oldest first."""
    if not len(history):
        return [line(("not judged yet", "muted"))]
    return [
        line(
            f"{time(each.time)[:19]} ",
            (f" {each.category} ", f"category-{each.category}"),
            f" {show(each.analyst)[0]}",
            (f"  {show(each.comment)[0]}" if each.comment else "", "strong"),
        )
        for each in history.itertuples()
    ]


def detail_lines(detail: Mapping[str, Any], *, most: int = 200) -> list[dict]:
    """Return the raw record of an alert as the sensor wrote it, one line a field."""
    flat: list[tuple[str, Any]] = []

    def walk(prefix: str, value: Any, depth: int) -> None:
        if isinstance(value, dict) and depth < 6:
            for name, each in value.items():
                walk(f"{prefix}.{name}" if prefix else str(name), each, depth + 1)
        else:
            flat.append((prefix, value))

    walk("", dict(detail), 0)
    lines = [line((f"{name} ", "muted"), (show(value)[0], "code")) for name, value in flat[:most]]
    return lines + ([line((f"{many(len(flat) - most, 'field')} more", "muted"))] if len(flat) > most else [])
