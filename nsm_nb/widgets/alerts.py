"""The alert queue: grouped as Sguil groups it, with rule, packet and history beside it, judged by key and comment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content import dissect_packets, fields, frame_bytes, payload_bytes
from nsm_nb.full_content.frames import link_types
from nsm_nb.text import printable
from nsm_nb.triage import CATEGORIES
from nsm_nb.widgets import event
from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.verdict import ASKS, KEYS, Verdict

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Alerts", "queue"]

_QUEUE = (
    Field("st", title="ST", width=5, meaning="status: RT (new), else the category; its colour is the priority"),
    Field("count", title="CNT", kind="count", width=5, meaning="alerts in the group"),
    Field("priority", title="P", kind="number", width=3, meaning="priority, 1 is worst"),
    "sensor",
    Field("group", title="alert id", kind="code", width=18, meaning="the first alert of the group"),
    Field("first", title="time (UTC)", kind="clock", meaning="of the first alert"),
    "src_ip", Field("src_port", title="sport"), "dst_ip", Field("dst_port", title="dport"),
    Field("proto", title="pr"), Field("message", title="event message", width=30),
)  # fmt: skip
_CHILDREN = (
    Field("status", title="ST", width=5), "time", "src_ip", Field("src_port", title="sport"), "dst_ip",
    Field("dst_port", title="dport"), "session", Field("confidence", title="joined"), Field("alert", width=18),
)  # fmt: skip
_BY = (
    ("source, message", ("src_ip", "message")),
    ("message", ("message",)),
    ("source", ("src_ip",)),
    ("nothing", ("alert",)),
)
_VIEWS = {
    "payload": "what the packet carries",
    "header": "its header fields",
    "tree": "all that tshark can tell of it",
    "frame": "the whole packet",
    "record": "the alert as the sensor wrote it",
}
_TABS = {"RealTime": ("NEW",), "Escalated": ("ESC",), "All": None}


def queue(groups: pd.DataFrame, tab: str) -> pd.DataFrame:
    """Return the groups of a tab (RealTime, Escalated, All) with a column `st`: RT, else the category."""
    kept = _TABS[tab]
    shown = groups if kept is None else groups[groups["status"].isin(kept)]
    status = shown["status"].astype(str)
    return shown.assign(st=status.where(status != "NEW", "RT")).reset_index(drop=True)


def _queue_style(row: Mapping) -> dict[str, str]:
    new = row["st"] == "RT"
    return {
        "st": event.priority_class(row["priority"]) if new else f"category-{row['st']}",
        "priority": event.priority_class(row["priority"]),
        "message": "strong" if new else "",
    }


def _child_style(row: Mapping) -> dict[str, str]:
    look = {"status": f"category-{row['status']}"}
    if row["confidence"] != "certain":
        look["confidence"] = "doubt"
    return look


class Alerts(Frame):
    """The queue of a case: choose a group, read its rule and packet, judge it by F1 to F9 or a button.

    A verdict is on the marked groups, else on the one with the cursor: on each alert in them; where single alerts of a
    group are marked below, on those alone. After it the next group is active.

    Parameters
    ----------
    case
        An open case.
    """

    def __init__(self, case: Case, **traits: Any):
        self.case = case
        self._on_open: list[Callable[[int], object]] = []
        self._refreshing = False
        self._packet: tuple[str, pd.Series | None] = ("", None)  # the last one looked at
        self._tabs = ipywidgets.ToggleButtons(
            options=list(_TABS), tooltips=["waiting", "escalated", "judged ones, too"]
        )
        self._by = ipywidgets.Dropdown(description="group by", options=_BY, layout={"width": "220px"})
        self._again = ipywidgets.Button(description="refresh", tooltip="Read the ledger again: colleagues judge, too")
        bar = ipywidgets.HBox([self._tabs, self._by, self._again])
        bar.add_class("nsm-bar")
        empty = f"no alerts: put Suricata's eve.json or Snort's alert file into {printable(case.settings.evidence)}, " \
            "then run case.refresh()"  # fmt: skip
        self.grid = Grid(
            queue(case.groups().head(0), "All"), columns=_QUEUE, style=_queue_style, identity="group", height=330,
            filterable=True, label="alert queue",
            empty=empty if not len(case.alerts) else "nothing here: every alert of this tab is judged; see All",
        )  # fmt: skip
        self.children_grid = Grid(
            self._alerts_of([]), columns=_CHILDREN, style=_child_style, identity="alert", height=150, fit=True,
            label="alerts of the group", empty="choose a group: its alerts come here",
        )  # fmt: skip
        self.verdict = Verdict(self._judged)
        self.join = Lines(label="session of the alert")
        self.history = Lines(boxed=True, height=110, label="history of the alert")
        self.rule = Lines(boxed=True, height=96, label="rule of the alert")
        self.packet = Lines(boxed=True, height=260, label="packet of the alert")
        self._view = ipywidgets.ToggleButtons(
            options=list(_VIEWS), tooltips=list(_VIEWS.values()), style={"button_width": "84px"}
        )
        self._open = ipywidgets.Button(
            description="transcript", tooltip="Choose its session for the transcript (Enter)"
        )
        self._open.layout.flex = "0 0 auto"
        where = ipywidgets.HBox([self.join, self._open])
        where.add_class("nsm-bar")
        self._left = ipywidgets.VBox(
            [self.children_grid, where, Lines(line(("history", "strong"))), self.history], layout={"flex": "1 1 430px"}
        )
        self._right = ipywidgets.VBox([self.rule, self._view, self.packet], layout={"flex": "1 1 520px"})
        below = ipywidgets.HBox([self._left, self._right])
        below.add_class("nsm-row")
        super().__init__("Alerts", bar, self.grid, self.verdict, below, **traits)
        self._title.listens, self._title.asks = list(KEYS), ASKS
        self._title.on_key(self.guard(self.verdict.press))
        for grid in (self.grid, self.children_grid):
            grid.listens = list(KEYS)
            grid.on_key(self.guard(self.verdict.press))
        self.grid.observe(self.guard(lambda change: self._choose_group()), "active")
        self.grid.observe(self.guard(lambda change: self._tell_target()), "selected")
        self.grid.on_activate(self.guard(lambda position: self.to_transcript()))
        self.children_grid.observe(self.guard(lambda change: self._choose_alert()), "active")
        self.children_grid.observe(self.guard(lambda change: self._tell_target()), "selected")
        self.children_grid.on_activate(self.guard(lambda position: self.to_transcript()))
        for widget in (self._tabs, self._by):
            widget.observe(self.guard(lambda change: self._show()), "value")
        self._view.observe(self.guard(lambda change: self._show_packet()), "value")
        self._again.on_click(self.guard(lambda button: self.refresh()))
        self._open.on_click(self.guard(lambda button: self.to_transcript()))
        self.guard(self.refresh)()

    # --- what is shown ---

    @property
    def alert(self) -> str | None:
        """The alert that is looked at."""
        row = self.children_grid.row
        return None if row is None else str(row["alert"])

    @property
    def tab(self) -> str:
        """RealTime, Escalated or All."""
        return str(self._tabs.value)

    @tab.setter
    def tab(self, name: str) -> None:
        self._tabs.value = name

    def refresh(self) -> None:
        """Read the ledger again, and go to the alert that the case has chosen."""
        self._show()
        chosen = self.case.selection.alert
        if chosen is not None and self.alert != chosen:
            self._go_to(chosen)

    def _show(self) -> None:
        started = perf_counter()
        groups = self.case.groups(by=self._by.value)
        status = groups["status"].astype(str)
        counts = {
            "RealTime": int((status == "NEW").sum()),
            "Escalated": int((status == "ESC").sum()),
            "All": len(groups),
        }
        with self._quietly():  # one look at the packet, when the cursor is where it stays
            self.grid.table = queue(groups, self.tab)
        names = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        self.note = f"{len(self.case.alerts):,} alerts in {len(groups):,} groups: {names}"
        self.status = f"grouped in {perf_counter() - started:.2f} s"
        self._choose_group()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change the grids without following their cursors."""
        self._refreshing = True
        try:
            yield
        finally:
            self._refreshing = False

    def _alerts_of(self, names: list[str]) -> pd.DataFrame:
        alerts = self.case.alerts
        mine = alerts[alerts["alert"].isin(names)].merge(self.case.joins, on="alert", how="left")
        status = self.case.status() if len(names) else pd.Series(dtype="str")
        return mine.assign(status=mine["alert"].map(status).astype("str").fillna("NEW"))

    def _go_to(self, alert: str) -> None:
        for position, children in enumerate(self.grid.table["children"]):
            if alert in children:
                self.grid.active = position
                places = self.children_grid.table["alert"].tolist()
                self.children_grid.active = places.index(alert)
                return

    def _choose_group(self) -> None:
        if self._refreshing:
            return
        row = self.grid.row
        with self._quietly():
            self.children_grid.table = self._alerts_of([] if row is None else list(row["children"]))
            if row is not None and self.children_grid.active is None:
                self.children_grid.active = 0
        self._choose_alert()
        self._tell_target()

    def _choose_alert(self) -> None:
        if self._refreshing:
            return
        alert = self.alert
        self._open.disabled = alert is None
        self.code = _code(alert, self._by.value)
        if alert is None:
            self.join.say(line(("choose an alert: its rule, packet and history come here", "muted")))
            for each in (self.history, self.rule, self.packet):
                each.say()
            return
        row, session = self.case.alert(alert), self.case.session_of(alert)
        joins = self.case.joins
        join = joins[joins["alert"] == alert]
        self.join.say(*event.join_lines(session, join.iloc[0] if len(join) else None))
        self.history.say(*event.history_lines(self.case.history(alert)))
        self.rule.say(*event.rule_lines(self.case.rule_of(alert), row))
        self._show_packet()
        chosen = {"alert": alert} if session is None else {"alert": alert, "session": int(session["session"])}
        self.case.selection.update(**chosen)

    def _show_packet(self) -> None:
        if self.alert is None:
            return
        if self._view.value == "record":
            self.packet.say(*event.detail_lines(self.case.detail(self.alert)))
            return
        if self._packet[0] != self.alert:
            self._packet = (self.alert, self.case.packet_of(self.alert))
        self.packet.say(*self._packet_lines(self._packet[1], str(self._view.value)))

    def _packet_lines(self, packet: pd.Series | None, view: str) -> list[dict]:
        if packet is None:
            return event.packet_lines(None, b"")
        packets, paths = self.case.packets_of(int(packet["session"])), self.case.paths
        same = packets[(packets["frame"] == packet["frame"]) & (packets["evidence"] == packet["evidence"])]
        if view == "tree":
            try:
                return event.tree_lines(packet, dissect_packets(same, evidence=paths).partition("\n")[2])
            except NsmError as problem:  # no tshark, or none that could read it: the other views still stand
                return [*event.tree_lines(packet, ""), line((str(problem), "doubt"))]
        if view == "payload":
            return event.packet_lines(packet, payload_bytes(same, evidence=paths)[0].data, of=view)
        frame = frame_bytes(same, evidence=paths)[0]
        if view == "header":
            return event.header_lines(packet, fields(frame, link=int(link_types(same)[0])))
        return event.packet_lines(packet, frame, of=view)

    # --- judging ---

    def targets(self) -> list[str]:
        """Return the alerts that a verdict would be on."""
        marked = self.children_grid.selected
        if marked:
            return self.children_grid.table["alert"].iloc[marked].tolist()
        chosen = self.grid.table["children"].iloc[self.grid.chosen]
        return [alert for children in chosen for alert in children]

    def _tell_target(self) -> None:
        count, groups = len(self.targets()), len(self.grid.chosen)
        if self.children_grid.selected:
            self.verdict.about = f"{count:,} of {len(self.children_grid.table):,} alerts of this group"
        elif groups:
            self.verdict.about = f"{_plural(count, 'alert')} in {_plural(groups, 'group')}"
        else:
            self.verdict.about = ""

    def _judged(self, category: str, comment: str) -> bool:
        return self.guard(self.judge)(category, comment) is not None

    def judge(self, category: str, comment: str = "") -> pd.DataFrame:
        """Give a verdict on `targets`, and go to the next group.

        Raises
        ------
        NsmError
            Where no alert is chosen, or the ledger refuses it.
        """
        targets = self.targets()
        if not targets:
            raise NsmError("no alert is chosen; choose a group in the queue, then give the verdict")
        groups = self.grid.chosen
        partly = bool(self.children_grid.selected)
        rows = self.case.judge(targets, category, comment=comment)
        self.children_grid.selected = []
        self.grid.selected = []
        self.grid.ask()
        row = self.grid.row
        stays = None if row is None else row["group"]
        self._show()
        if not partly and self.grid.row is not None and self.grid.row["group"] == stays:
            self._next()
        self.status = (
            f"{_plural(len(rows), 'alert')} in {_plural(len(groups), 'group')}: {category}, "
            f"{CATEGORIES[category].name}, by {printable(rows['analyst'].iloc[0])}"
        )
        return rows

    def _next(self) -> None:
        places = self.grid.places.tolist()
        at = places.index(self.grid.active) + 1
        if at < len(places):
            self.grid.active = int(places[at])

    # --- going on ---

    def on_open(self, callback: Callable[[int], object]) -> None:
        """Have a function called with the session whose transcript is asked for."""
        self._on_open.append(callback)

    def to_transcript(self) -> None:
        """Choose the session of the alert for the transcript.

        Raises
        ------
        NsmError
            Where the alert has no session.
        """
        session = None if self.alert is None else self.case.session_of(self.alert)
        if session is None:
            raise NsmError("no session was found for this alert, so there is no transcript of it")
        number = int(session["session"])
        self.case.selection.session = number
        self.status = f"session {number} is chosen: its transcript is in the notebook 40-transcripts"
        for callback in self._on_open:
            callback(number)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _code(alert: str | None, by: tuple[str, ...]) -> str:
    lines = [f"case.groups(by={by!r})"]
    if alert is not None:
        lines += [
            f"case.rule_of({alert!r}), case.packet_of({alert!r}), case.history({alert!r})",
            f"case.judge([{alert!r}], 'II', comment='why')",
        ]
    return "\n".join(lines)
