"""What the panels of the statistics show: their columns, their bars, the lines of Python that give them, their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb.statistics.quantities import amount, span
from nsm_nb.text import csv_table, printable
from nsm_nb.widgets.cells import CLASSES, Field, time
from nsm_nb.widgets.style import PARTS

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = [
    "ALERTS", "PROTOCOLS", "SERVICES", "SIZES", "Bars", "alert_style", "alerts_of", "code", "export", "fitted", "indented",
    "named", "spoken", "talkers_fields", "worded",
]  # fmt: skip

PROTOCOLS = (
    Field("name", title="protocol", kind="code", width=17), Field("packets", kind="count", width=9),
    Field("length", title="bytes", width=9), Field("share", kind="percent", width=7),
)  # fmt: skip
SERVICES = (
    Field("host", width=17), Field("service", kind="code", width=10), Field("application", width=11),
    Field("sessions", kind="count", width=8), Field("clients", kind="count", width=7), Field("octets", title="bytes", width=8),
)  # fmt: skip
ALERTS = (
    Field("priority", title="pr", kind="number", width=3),
    Field("count", kind="count", width=6),
    Field("message"),
)
SIZES = (
    Field("size", title="bytes on the wire", width=16), Field("packets", kind="count", width=9),
    Field("share", kind="percent", width=7),
)  # fmt: skip


def talkers_fields(of: str, by: str) -> tuple[str | Field, ...]:
    """Return the columns of talkers: who, what they are ranked by, both directions apart, and with how many."""
    kind = "bytes" if by == "octets" else "count"
    who: dict[str, tuple[str | Field, ...]] = {
        "hosts": (Field("host", width=17),),
        "networks": (Field("network", kind="address", width=19), Field("hosts", kind="count", width=7)),
        "pairs": (Field("src_ip", width=17), Field("dst_ip", width=17)),
        "ports": (Field("proto", width=6), "port"),
    }
    last: dict[str, tuple[Field, ...]] = {
        "hosts": (Field("peers", kind="count", width=6),),
        "networks": (Field("peers", kind="count", width=6),),
        "pairs": (),
        "ports": (Field("clients", kind="count", width=8), Field("servers", kind="count", width=8)),
    }
    names = ("sent", "received") if of in ("hosts", "networks") else ("src", "dst")
    sides: tuple[str | Field, ...] = tuple(Field(f"{name}_{by}", title=name, kind=kind, width=8) for name in names)
    sessions: tuple[str | Field, ...] = (Field("sessions", kind="count", width=8),)
    if by == "sessions":
        opened = ("opened", "answered") if of in ("hosts", "networks") else ()
        return (*who[of], *sessions, *(Field(each, kind="count", width=10) for each in opened),
                Field("octets", title="bytes", width=9), *(each for each in last[of] if each.name not in opened))  # fmt: skip
    total = Field(by, title="bytes" if by == "octets" else by, kind=kind, width=8)
    return (*who[of], total, *sides, *sessions, *last[of])


def fitted(fields: Sequence[str | Field], table: pd.DataFrame) -> tuple[str | Field, ...]:
    """Return columns of which those that name an address are as wide as the first rows need."""
    result = []
    for field in fields:
        if isinstance(field, Field) and field.name in ("host", "network", "src_ip", "dst_ip") and len(table):
            longest = max(len(str(each)) for each in table[field.name].head(12))
            field = replace(field, width=min(max(longest + 1, 15), 40))
        result.append(field)
    return tuple(result)


class Bars:
    """A style that draws a bar under one column, as long as its part of the largest, with the part that was sent apart.

    Parameters
    ----------
    column
        The column under which bars stand.
    """

    def __init__(self, column: str):
        self.column = column
        self.sent: str | None = None
        self.largest = 1.0

    def of(self, table: pd.DataFrame, column: str | None = None, sent: str | None = None) -> None:
        """Take the largest from a table that is about to be shown."""
        self.column = column or self.column
        self.sent = sent
        most = table[self.column].max() if len(table) else 1
        self.largest = float(most) if not pd.isna(most) and most > 0 else 1.0

    def __call__(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the class names of a row."""
        value = row[self.column]
        names = f"part-{_parts(value, self.largest)}"
        if self.sent is not None:
            names += f" sent-{_parts(row[self.sent], self.largest)}"
        look = {self.column: names}
        for column in ("name", "proto"):
            name = str(row.get(column, "")).strip()
            name = {"icmpv6": "icmp6"}.get(name, name)
            if f"proto-{name}" in CLASSES:
                look[column] = f"proto-{name}"
        return look


def _parts(value: Any, largest: float) -> int:
    """Return how many of the parts of a whole bar; what is there has one at least."""
    if pd.isna(value) or value <= 0:
        return 0
    return min(max(round(PARTS * float(value) / largest), 1), PARTS)


def indented(table: pd.DataFrame) -> pd.DataFrame:
    """Return protocols with their names set in by their level."""
    names = ["  " * level + str(name) for level, name in zip(table["level"], table["name"], strict=True)]
    return table.assign(name=names)


def named(table: pd.DataFrame) -> pd.DataFrame:
    """Return services with protocol and port as one text."""
    proto, port = table["proto"].astype("str").fillna("?"), table["port"].astype("str")
    return table.assign(service=(proto + " " + port).array)


def alerts_of(alerts: pd.DataFrame, window: tuple[pd.Timestamp, pd.Timestamp] | None) -> pd.DataFrame:
    """Return how many alerts of a window there are of each message, the worst priority first."""
    if "message" not in alerts:
        return pd.DataFrame(
            {"priority": pd.array([], "Int64"), "count": pd.array([], "Int64"), "message": pd.array([], "str")}
        )
    if window is not None:
        alerts = alerts[((alerts["time"] >= window[0]) & (alerts["time"] < window[1])).fillna(False)]
    groups = alerts.assign(message=alerts["message"].fillna("")).groupby("message", observed=True, sort=False)[
        "priority"
    ]
    table = pd.DataFrame({"priority": groups.min(), "count": groups.size()}).reset_index()
    table = table.sort_values(["priority", "count"], ascending=[True, False], kind="stable", ignore_index=True)
    return table[["priority", "count", "message"]]


def alert_style(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the class of an alert's priority."""
    priority = row["priority"]
    return {} if pd.isna(priority) else {"priority": f"priority-{min(max(int(priority), 1), 5)}"}


def worded(table: pd.DataFrame) -> pd.DataFrame:
    """Return sizes with their limits as one text."""
    return table.assign(size=[f"{low:,} to {high:,}" for low, high in zip(table["low"], table["high"], strict=True)])


def code(
    window: tuple | None, query: str, *, value: str, by: str, every: str, of: str, rank: str, home: bool, flows: bool
) -> str:
    """Return the line of Python of each panel."""
    parts = ["case.packets, case.sessions"]
    if window is not None:
        parts.append(f"window=({str(window[0])!r}, {str(window[1])!r})")
    if query.strip():
        parts.append(f"query={query!r}")
    lines = (
        ["packets, sessions = case.packets, case.sessions"]
        if len(parts) == 1
        else [f"packets, sessions = nsm.statistics.part({', '.join(parts)})"]
    )
    ours = ", home=case.settings.home_networks" if home else ""
    table, when = ("sessions", ', time="start"') if value == "sessions" or flows else ("packets", "")
    if value == "alerts":
        table, when = "case.alerts", ""
    parted = {
        "proto": ', by="proto"',
        "host": ', by="src_ip", n=5',
        "direction": f', by="direction"{ours}' if home else "",
    }[by]
    if by == "direction" and not home and table == "packets":
        parted = ', by="to_dst"'
    lines.append(f'nsm.statistics.timeline({table}, every="{every}"{parted}, value="{value}"{when})')
    lines += (
        ["nsm.statistics.protocols(sessions)"]
        if flows
        else ["nsm.statistics.protocols(packets)", "nsm.statistics.sizes(packets)"]
    )
    lines.append(f'nsm.statistics.talkers(sessions, of="{of}", by="{rank}"{ours})')
    lines.append(f"nsm.statistics.services(sessions{', answered=False' if flows else ''}{ours})")
    return "\n".join(lines)


def export(case: Case, tables: Mapping[str, pd.DataFrame], about: str) -> Path:
    """Write tables as CSV, safe for a spreadsheet, into a new folder of the case, with a text that says what they are.

    Raises
    ------
    OSError
        Where the case's folder can't be written.
    """
    from nsm_nb.case.atomic import write_bytes

    above = case.work / "tables"
    above.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = case.spare(above / f"statistics-{number}")
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
    for name, table in tables.items():
        write_bytes(folder / f"{name}.csv", csv_table(table).to_csv(index=False).encode("utf-8"))
    write_bytes(folder / "about.txt", (printable(about, lines=True) + "\n").encode("utf-8"))
    return folder


def spoken(
    window: tuple[pd.Timestamp, pd.Timestamp], totals: Mapping[str, int], query: str, *, whole: bool, step: int
) -> str:
    """Return what the title says beside the name: how much, when (to the step of nanoseconds), which filter."""
    counts = [amount(totals["packets"], "packet")] if totals["packets"] else []
    counts += [amount(totals[name], name[:-1]) for name in ("sessions", "alerts")]
    seconds = (window[1] - window[0]).total_seconds()
    digits = 19 if step % 10**9 == 0 else 23 if step % 10**6 == 0 else 26
    first, last = (time(each)[:digits] for each in window)
    last = last[11:] if last[:10] == first[:10] else last
    when = f"{first} to {last} UTC ({span(seconds)}{', all of the time' if whole else ''})"
    return "; ".join([", ".join(counts), when, *([f"filter {printable(query)}"] if query.strip() else [])])
