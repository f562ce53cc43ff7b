"""The overview of a case: a timeline to brush, and the protocols and talkers of the brushed window."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import pandas as pd

from nsm_nb import statistics
from nsm_nb.text import printable
from nsm_nb.widgets.cells import Field, time
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nsm_nb.case import Case

__all__ = ["Statistics", "interval", "overlapping", "within"]

_INTERVALS = (
    "1us", "10us", "100us", "1ms", "10ms", "100ms", "1s", "2s", "5s", "10s", "15s", "30s", "1min", "2min", "5min",
    "10min", "15min", "30min", "1h", "2h", "3h", "6h", "12h", "1D", "2D", "7D", "30D",
)  # fmt: skip
_BINS = 500
_TALKERS = {
    "hosts": ("host", "octets", "sent_octets", "received_octets", "sessions", "opened", "answered", "peers"),
    "pairs": ("src_ip", "dst_ip", "octets", "src_octets", "dst_octets", "sessions", "answered"),
    "ports": ("proto", "port", "octets", "src_octets", "dst_octets", "sessions", "clients", "servers"),
}


def interval(seconds: float) -> str:
    """Return the handy interval that parts a span of time into at most 500.

    Examples
    --------
    >>> interval(498.6), interval(86_400), interval(0)
    ('1s', '5min', '1us')
    """
    return next((each for each in _INTERVALS if pd.Timedelta(each).total_seconds() * _BINS >= seconds), "30D")


def within(packets: pd.DataFrame, window: tuple[pd.Timestamp, pd.Timestamp] | None) -> pd.DataFrame:
    """Return the packets of a window of time: from its start up to, not including, its end."""
    if window is None:
        return packets
    when = np.asarray(packets["time"], dtype="datetime64[ns]").view("int64")
    first, last = (pd.Timestamp(each).as_unit("ns").value for each in window)
    if len(when) and (np.diff(when) >= 0).all():
        return packets.iloc[int(np.searchsorted(when, first)) : int(np.searchsorted(when, last))]
    return packets[(when >= first) & (when < last)]


def overlapping(sessions: pd.DataFrame, window: tuple[pd.Timestamp, pd.Timestamp] | None) -> pd.DataFrame:
    """Return the sessions that have any part in a window of time; each is given whole."""
    if window is None:
        return sessions
    return sessions[((sessions["start"] < window[1]) & (sessions["end"] >= window[0])).fillna(False)]


def _indented(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        name=["  " * level + str(name) for level, name in zip(table["level"], table["name"], strict=True)]
    )


def _style(row: Mapping) -> dict[str, str]:
    name = str(row.get("name", row.get("proto", ""))).strip()
    name = {"icmpv6": "icmp6"}.get(name, name)
    column = "name" if "name" in row else "proto"
    return {column: f"proto-{name}"} if name in ("tcp", "udp", "icmp", "icmp6", "arp") else {}


class Statistics(Frame):
    """A timeline by protocol with the alerts above it; brushing a window narrows protocols and talkers.

    The window is kept in `case.selection.window`. Enter on a talker makes it the query line of the sessions.

    Parameters
    ----------
    case
        An open case.
    """

    def __init__(self, case: Case, **traits: Any):
        self.case = case
        self.timeline = Timeline(
            empty="no packets and no sessions: put a capture or a flow export into "
            f"{printable(case.settings.evidence)}, then run case.refresh()"
        )
        self.value = ipywidgets.ToggleButtons(
            options=[("packets", "packets"), ("bytes", "length")], tooltips=["count packets", "sum bytes on the wire"]
        )
        self.ends = ipywidgets.ToggleButtons(options=["hosts", "pairs", "ports"])
        self.protocols = Grid(
            pd.DataFrame({"name": [], "packets": [], "length": [], "share": []}),
            columns=[
                Field("name", title="protocol", kind="code", width=24), "packets", "length",
                Field("share", kind="percent", width=8),
            ],
            style=_style, identity="layers", height=300, label="protocols", empty="no packets in this window",
        )  # fmt: skip
        self.talkers = Grid(
            pd.DataFrame({"host": [], "octets": []}), height=300, label="talkers", style=_style,
            empty="no sessions in this window",
        )  # fmt: skip
        boxes = [
            ipywidgets.VBox([Lines(line(("protocols", "strong"))), self.protocols], layout={"flex": "2 1 380px"}),
            ipywidgets.VBox([self.ends, self.talkers], layout={"flex": "3 1 520px"}),
        ]
        tables = ipywidgets.HBox(boxes)
        tables.add_class("nsm-row")
        super().__init__("Statistics", self.value, self.timeline, tables, **traits)
        self._packets, self._sessions = case.packets, case.sessions
        self._show_timeline()
        self.timeline.times = case.selection.window
        self._show_tables()
        self.timeline.observe(self.guard(lambda change: self._brushed()), "window")
        self.value.observe(self.guard(lambda change: self._show_timeline()), "value")
        self.ends.observe(self.guard(lambda change: self._show_tables()), "value")
        self.talkers.on_activate(self.guard(self._ask_for))

    @property
    def window(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """The brushed window, or None for the whole time."""
        return self.timeline.times

    def refresh(self) -> None:
        """Show the evidence and the window that the case has now."""
        if self.case.packets is not self._packets or self.case.sessions is not self._sessions:
            self._packets, self._sessions = self.case.packets, self.case.sessions
            self._show_timeline()
            self._show_tables()
        self.timeline.times = self.case.selection.window

    def _show_timeline(self) -> None:
        if len(self._packets):
            table, column, value = self._packets, "time", self.value.value
        else:  # flow records alone: count sessions by their start
            table, column, value = self._sessions, "start", "sessions"
        when = table[column]
        seconds = (when.max() - when.min()).total_seconds() if when.notna().any() else 0
        counts = statistics.timeline(table, every=interval(seconds), by="proto", value=value, time=column)
        self.timeline.unit = {"length": "bytes"}.get(value, value)
        self.timeline.show(counts, alerts=self.case.alerts)

    def _brushed(self) -> None:
        self.case.selection.window = self.window
        self._show_tables()

    def _show_tables(self) -> None:
        started = perf_counter()
        ends, window = self.ends.value, self.window
        packets, sessions = within(self._packets, window), overlapping(self._sessions, window)
        self.protocols.table = _indented(statistics.protocols(packets))
        talkers = statistics.talkers(sessions, of=ends)
        self.talkers.show(talkers, columns=_TALKERS[ends])
        took = perf_counter() - started
        self.note = f"{len(packets):,} packets, {int(packets['length'].sum()):,} bytes, {len(sessions):,} sessions" + (
            "" if window is None else f" from {time(window[0])} to {time(window[1])} UTC"
        )
        whole = "" if window is None else "; sessions that touch the window are counted whole"
        self.status = f"counted in {took:.2f} s{whole}"
        self.code = _code(window, ends)

    def _ask_for(self, position: int) -> None:
        row = self.talkers.table.iloc[position]
        if self.ends.value == "hosts":
            query = f"host {row['host']}"
        elif self.ends.value == "pairs":
            query = f"src {row['src_ip']} and dst {row['dst_ip']}"
        else:
            query = f"{row['proto']}" + ("" if pd.isna(row["port"]) else f" and dst port {row['port']}")
        self.case.selection.query = query
        self.status = f"the sessions' query line is now: {query}"


def _code(window: tuple[pd.Timestamp, pd.Timestamp] | None, ends: str) -> str:
    if window is None:
        return f"nsm.statistics.protocols(case.packets)\nnsm.statistics.talkers(case.sessions, of={ends!r})"
    return (
        f"start, end = case.selection.window  # {time(window[0])} to {time(window[1])} UTC\n"
        "packets, sessions = case.packets, case.sessions\n"
        "nsm.statistics.protocols(packets[(packets.time >= start) & (packets.time < end)])\n"
        f"nsm.statistics.talkers(sessions[(sessions.start < end) & (sessions.end >= start)], of={ends!r})"
    )
