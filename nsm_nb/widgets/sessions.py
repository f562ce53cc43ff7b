"""The sessions of a case: a grid, a query line, what is known of the chosen one, and the way to its transcript."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from nsm_nb.errors import QueryError
from nsm_nb.full_content import wireshark
from nsm_nb.query import compile as understood
from nsm_nb.sessions import measures
from nsm_nb.text import csv_table, form, many, printable
from nsm_nb.widgets.builder import Builder
from nsm_nb.widgets.cells import Field, addresses_fitted, octets, time
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.handout import Handout
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.session_look import PIVOTS, measure_lines, packet_lines, pivot, session_lines
from nsm_nb.widgets.statistics import overlapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nsm_nb.case import Case
    from nsm_nb.query import Query

__all__ = ["Sessions"]

_PACKETS = 500  # shown at once, and how many there are is told
_DOWNLOAD = 100_000_000  # bytes that are handed to the browser through the kernel's channel
_COLUMNS = (
    "session", Field("start", kind="clock", width=18), Field("duration", width=11), Field("proto", width=6), Field("src_ip"),
    Field("src_port", title="sport", width=6), Field("dst_ip"), Field("dst_port", title="dport", width=6),
    Field("alerts", kind="count", width=6, meaning="alerts about it"), Field("src_octets", width=10),
    Field("dst_octets", width=10), Field("state", width=5), "application", "closed", Field("src_packets", title="src pkts"),
    Field("dst_packets", title="dst pkts"), "source",
)  # fmt: skip

_HELP = (
    "in the grid: arrows, j k move   x, Ctrl-click and Shift-click mark for carve and Wireshark   Enter its transcript",
    "in the query: Enter shows what it finds, an empty line shows all",
)


def _style(row: Mapping) -> dict[str, str]:
    look = {"src_ip": "src", "dst_ip": "dst"}
    if row["proto"] in ("tcp", "udp", "icmp", "icmp6", "arp"):
        look["proto"] = f"proto-{row['proto']}"
    if row.get("direction_known") is False or row.get("direction_known") == np.False_:
        look["src_ip"], look["dst_ip"] = "src doubt", "dst doubt"
    if not pd.isna(row["alerts"]):
        look["alerts"] = "strong"
    return look


class Sessions(Frame):
    """The sessions of a case, narrowed by a query line and the brushed window; `selected` is the chosen row.

    Enter or a double click asks for the transcript: `on_open` is told the session, and `case.selection` keeps it.

    Parameters
    ----------
    case
        An open case.
    query
        The query line to begin with; the case's last one where it is None.
    """

    query = traitlets.Unicode(help="the query line that is shown")
    selected = traitlets.Instance(pd.Series, allow_none=True, help="the chosen session")

    def __init__(self, case: Case, *, query: str | None = None, **traits: Any):
        self.case = case
        self._on_open: list[Callable[[int], object]] = []
        self._in_window = ipywidgets.Checkbox(description="only the brushed window", value=True, indent=False)
        self._open = ipywidgets.Button(description="transcript", tooltip="Choose it for the transcript (Enter)")
        self._carve = ipywidgets.Button(description="carve", tooltip="Write its packets to a capture of their own")
        self._hand = Handout(
            [("wireshark", "Wireshark", "Open its packets in Wireshark; where there is no screen, save them")],
            self.guard(lambda what: self._hand_on()), lambda copied: None, disabled=True,
        )  # fmt: skip
        self._pivots = [ipywidgets.Button(description=name, tooltip=means) for name, means in PIVOTS.items()]
        self._packets = ipywidgets.Button(description="packets", tooltip="Show its packets as tcpdump does, below")
        self._alerts = ipywidgets.Button(description="alerts", tooltip="Choose its first alert for the queue")
        self._export = Handout(
            [("csv", "export", "Save the sessions that are shown, in their order, as CSV")],
            self.guard(lambda what: self._save()), lambda copied: None,
        )  # fmt: skip
        self._all = case.sessions
        self._table = case.alerted_sessions
        self.builder = Builder(case, self.guard, self._ask, self._count, (self._in_window, self._export))
        self._entry = self.builder.entry
        self.grid = Grid(
            self._table.head(0), columns=addresses_fitted(_COLUMNS, self._table), style=_style, identity="session", height=380,
            label="sessions", empty="no sessions here: the query or the window hides them; where the case has none, "
            "put captures or flow exports among its evidence, then run case.refresh()",
        )  # fmt: skip
        self.detail = Lines(boxed=True, height=220, label="the chosen session")
        bar = ipywidgets.HBox([self._open, self._packets, self._alerts, *self._pivots, self._carve, self._hand])
        bar.add_class("nsm-bar")
        super().__init__("Sessions", self.builder, self.grid, bar, self.detail, keys=_HELP, **traits)
        self.grid.observe(self.guard(lambda change: self._choose()), "active")
        self.grid.on_activate(self.guard(lambda position: self.to_transcript()))
        self._in_window.observe(self.guard(lambda change: self._run()), "value")
        self._open.on_click(self.guard(lambda button: self.to_transcript()))
        self._packets.on_click(self.guard(lambda button: self._show_packets()))
        self._alerts.on_click(self.guard(lambda button: self._to_alert()))
        for each in self._pivots:
            each.on_click(self.guard(lambda button: self._pivot(button.description)))
        self._carve.on_click(self.guard(lambda button: self._carve_chosen()))
        self.guard(self._ask)(case.selection.query if query is None else query)
        self.guard(self._go_to)(case.selection.session)
        self._show_detail()

    @property
    def table(self) -> pd.DataFrame:
        """The sessions that are shown."""
        return self.grid.table

    def refresh(self) -> None:
        """Show the sessions that the case has now, and what it has chosen: window, query and session."""
        self._all, self._table = self.case.sessions, self.case.alerted_sessions
        self.guard(self._ask)(self.case.selection.query)
        self.guard(self._go_to)(self.case.selection.session)

    def on_open(self, callback: Callable[[int], object]) -> None:
        """Have a function called with the session whose transcript is asked for."""
        self._on_open.append(callback)

    def to_transcript(self) -> None:
        """Choose the session with the cursor for the transcript."""
        if self.selected is None:
            self.status = "choose a session first"
            return
        number = int(self.selected["session"])
        self.case.selection.session = number
        self.status = f"session {number} is chosen: its transcript is in the notebook 40-transcripts"
        for callback in self._on_open:
            callback(number)

    # --- narrowing ---

    @property
    def _window(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        return self.case.selection.window if self._in_window.value else None

    def _ask(self, query: str) -> None:
        self._entry.value = query
        try:
            self._run(query)
        except QueryError as problem:
            self._entry.mark(str(problem), problem.column)
            return
        self._entry.mark()
        if query != self.case.selection.query:
            self.case.selection.query = query

    def _understood(self, query: str) -> Query:
        return understood(query, home=self.case.settings.home_networks)

    def _count(self, query: str) -> int:
        return len(overlapping(self._understood(query).rows(self._table), self._window))

    def _pivot(self, name: str) -> None:
        row = self.selected
        asked = "" if row is None else pivot(row, name)
        if not asked:
            self.status = "choose a session first" if row is None else "this session does not tell what that takes"
            return
        self._in_window.value = False  # it asks beside the window, too
        self.guard(self._ask)(asked)

    def _run(self, query: str | None = None) -> None:
        query = self.query if query is None else query
        started = perf_counter()
        found = self._table
        window = self._window
        if query.strip():
            found = self._understood(query).rows(found)
        found = overlapping(found, window).reset_index(drop=True)
        self.query = query
        self.grid.table = found
        took = perf_counter() - started
        filters = ([f"query {printable(query)}"] if query.strip() else []) + (
            [] if window is None else [f"window {time(window[0])} to {time(window[1])} UTC"]
        )
        self.note = f"{len(found):,} of {len(self._table):,}" + (f"; {'; '.join(filters)}" if filters else "")
        self.status = f"found in {took:.2f} s"
        self.code = _code(query, window)
        self._in_window.disabled = self.case.selection.window is None

    # --- choosing ---

    def _go_to(self, session: int | None) -> None:
        if session is not None:
            places = np.flatnonzero(self.grid.table["session"].to_numpy("int64", na_value=-1) == session)
            if len(places):
                self.grid.active = int(places[0])

    def _choose(self) -> None:
        self.selected = self.grid.row
        if self.selected is not None:
            number = int(self.selected["session"])
            if number != self.case.selection.session:
                self.case.selection.session = number
        self._show_detail()

    def _show_detail(self) -> None:
        row = self.selected
        for each in (self._open, self._carve, self._hand, self._packets, self._alerts, *self._pivots):
            each.disabled = row is None
        if row is None:
            self.detail.say(line(("choose a session: both its directions and its alerts come here", "muted")))
            return
        number = int(row["session"])
        self.detail.say(*session_lines(row, self.case.alerts_of(number), self.case.joins), *self._measured(number))

    def _measured(self, number: int) -> list[dict]:
        packets = self.case.packets_of(number)
        if not len(packets):
            return []
        measured = measures(packets)
        return measure_lines(measured.astype(object).iloc[0]) if len(measured) else []

    def _show_packets(self) -> None:
        if self.selected is None:
            return
        packets = self.case.packets_of(int(self.selected["session"]))
        if not len(packets):
            self.status = (
                f"no capture of the case holds its packets: it was read from {self.selected['source']} records"
            )
            return
        shown = packets.head(_PACKETS)
        self.detail.say(*packet_lines(self.case.view(shown)))
        self.status = f"{len(shown):,} of its {many(len(packets), 'packet')} {form(len(shown), 'is', 'are')} shown"

    def _to_alert(self) -> None:
        if self.selected is None:
            return
        alerts = self.case.alerts_of(int(self.selected["session"]))
        if not len(alerts):
            self.status = "no alert is about it"
            return
        self.case.selection.alert = str(alerts["alert"].iloc[0])
        which = form(len(alerts), "its alert", f"the first of its {len(alerts):,} alerts")
        self.status = f"{which} is chosen: it is in the notebook 30-alerts"

    def _save(self) -> None:
        table = self.grid.view()
        data = csv_table(table).to_csv(index=False).encode("utf-8", "backslashreplace")
        if len(data) > _DOWNLOAD:
            them = f"{many(len(table), 'session is', 'sessions are')} too large to hand to the browser"
            self.status = f"{them} ({octets(len(data))}): narrow them"
            return
        self._export.save("sessions.csv", data, kind="text/csv")
        self.status = f"{many(len(table), 'session is', 'sessions are')} handed to the browser as CSV"

    def _carve_chosen(self) -> None:
        numbers = [int(self.grid.table["session"].iloc[each]) for each in self.grid.chosen]
        path = self.case.carve(numbers)
        self.status = f"{many(len(numbers), 'session')} written to {printable(path)}"

    def _hand_on(self) -> None:
        numbers = [int(self.grid.table["session"].iloc[each]) for each in self.grid.chosen]
        handed = wireshark(self.case.carve(numbers))
        place = printable(handed.path)
        if handed.opened:
            self.status = f"{place} is opened in Wireshark"
        elif handed.path.stat().st_size > _DOWNLOAD:
            self.status = (
                f"{place} is too large to hand to the browser ({octets(handed.path.stat().st_size)}): fetch it there"
            )
        else:
            self._hand.save(handed.path.name, handed.path.read_bytes(), kind="application/x-pcapng")
            self.status = f"{place} is handed to the browser: {handed.why.partition(':')[0]}"


def _code(query: str, window: tuple | None) -> str:
    lines = ["sessions = case.sessions"]
    if query.strip():
        lines = [f"sessions = case.query({query!r})"]
    if window is not None:
        lines.append("start, end = case.selection.window")
        lines.append("sessions = sessions[(sessions.start < end) & (sessions.end >= start)]")
    return "\n".join(lines)
