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
from nsm_nb.sessions.queries import query as narrowed
from nsm_nb.text import printable
from nsm_nb.widgets.cells import Field, octets, show, time
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.handout import Handout
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.statistics import overlapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nsm_nb.case import Case

__all__ = ["Sessions", "alert_counts", "session_lines"]

_DOWNLOAD = 100_000_000  # bytes that are handed to the browser through the kernel's channel
_COLUMNS = (
    "session", "start", "duration", "proto", "src_ip", Field("src_port", title="sport"), "dst_ip",
    Field("dst_port", title="dport"), Field("alerts", kind="count", meaning="alerts about it"), "src_octets",
    "dst_octets", "state", "application", Field("src_packets", title="src pkts"), Field("dst_packets", title="dst pkts"),
    "closed", "source",
)  # fmt: skip


def alert_counts(sessions: pd.DataFrame, joins: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions with a column `alerts`: how many alerts are about each; missing where none is."""
    counts = joins["session"].dropna().value_counts()
    return sessions.assign(alerts=sessions["session"].map(counts).astype("Int64"))


def _style(row: Mapping) -> dict[str, str]:
    look = {"src_ip": "src", "dst_ip": "dst"}
    if row["proto"] in ("tcp", "udp", "icmp", "icmp6", "arp"):
        look["proto"] = f"proto-{row['proto']}"
    if row.get("direction_known") is False or row.get("direction_known") == np.False_:
        look["src_ip"], look["dst_ip"] = "src doubt", "dst doubt"
    if not pd.isna(row["alerts"]):
        look["alerts"] = "strong"
    return look


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
        parts.append(f"{packets:,} packets")
    if not pd.isna(size):
        parts.append(f"{octets(size)} ({size:,} octets)")
    if not pd.isna(payload):
        parts.append(f"{payload:,} bytes of payload")
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
                (f" {each.priority} ", f"priority-{priority}"),
                f" {time(each.time)} {show(each.message)[0]}",
                (joined, "muted"),
            )
        )
    if not len(alerts):
        lines.append(line(("no alert is about it", "muted")))
    return lines


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
        self._entry = Entry(
            label="query", code=True, placeholder="src 10.0.0.0/8 and dst port 445    (Enter; an empty line shows all)"
        )
        self._entry.layout.flex = "1 1 auto"
        self._in_window = ipywidgets.Checkbox(description="only the brushed window", value=True, indent=False)
        self._open = ipywidgets.Button(description="transcript", tooltip="Choose it for the transcript (Enter)")
        self._carve = ipywidgets.Button(description="carve", tooltip="Write its packets to a capture of their own")
        self._hand = Handout(
            [("wireshark", "Wireshark", "Open its packets in Wireshark; where there is no screen, save them")],
            self.guard(lambda what: self._hand_on()), lambda copied: None, disabled=True,
        )  # fmt: skip
        self._all = case.sessions
        self.grid = Grid(
            alert_counts(self._all.head(0), case.joins), columns=_COLUMNS, style=_style, identity="session", height=380,
            label="sessions", empty="no sessions here: the query or the window hides them; where the case has none, "
            "put captures or flow exports among its evidence, then run case.refresh()",
        )  # fmt: skip
        self.detail = Lines(boxed=True, height=220, label="the chosen session")
        head = ipywidgets.HBox([self._entry, self._in_window, self._open, self._carve, self._hand])
        head.add_class("nsm-bar")
        super().__init__("Sessions", head, self.grid, self.detail, **traits)
        self._table = alert_counts(self._all, case.joins)
        self.grid.observe(self.guard(lambda change: self._choose()), "active")
        self.grid.on_activate(self.guard(lambda position: self.to_transcript()))
        self._entry.on_submit(self.guard(self._ask))
        self._in_window.observe(self.guard(lambda change: self._run()), "value")
        self._open.on_click(self.guard(lambda button: self.to_transcript()))
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
        if self.case.sessions is not self._all:
            self._all = self.case.sessions
            self._table = alert_counts(self._all, self.case.joins)
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

    def _run(self, query: str | None = None) -> None:
        query = self.query if query is None else query
        started = perf_counter()
        found = self._table
        window = self.case.selection.window if self._in_window.value else None
        if query.strip():
            found = narrowed(found, query)
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
        self._open.disabled = self._carve.disabled = self._hand.disabled = row is None
        if row is None:
            self.detail.say(line(("choose a session: both its directions and its alerts come here", "muted")))
            return
        self.detail.say(*session_lines(row, self.case.alerts_of(int(row["session"])), self.case.joins))

    def _carve_chosen(self) -> None:
        numbers = [int(self.grid.table["session"].iloc[each]) for each in self.grid.chosen]
        path = self.case.carve(numbers)
        self.status = f"{len(numbers):,} sessions written to {printable(path)}"

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
        lines = [f"sessions = nsm.sessions.query(case.sessions, {query!r})"]
    if window is not None:
        lines.append("start, end = case.selection.window")
        lines.append("sessions = sessions[(sessions.start < end) & (sessions.end >= start)]")
    return "\n".join(lines)
