"""The alert queue: grouped as Sguil groups it, with rule, packet and history beside it, judged by key and comment."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import NsmError, QueryError
from nsm_nb.text import many, printable
from nsm_nb.triage import CATEGORIES
from nsm_nb.triage.given import analyst_name
from nsm_nb.widgets import queue_look
from nsm_nb.widgets.aside import Aside
from nsm_nb.widgets.beside import Beside
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import line
from nsm_nb.widgets.narrowing import HOWS, How, narrowed
from nsm_nb.widgets.panes import BACK, Panes
from nsm_nb.widgets.queue import Queue
from nsm_nb.widgets.queue_bar import SIGNS, QueueBar
from nsm_nb.widgets.threshold import Threshold
from nsm_nb.widgets.tick import Tick
from nsm_nb.widgets.verdict import ASKS, HELP, KEYS, Verdict

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.case.growing import Growing

__all__ = ["Alerts"]

_OFTEN, _SELDOM = 2.0, 5.0  # seconds between two looks at growing files, and at what colleagues do


class Alerts(Frame):
    """The queue of a case: choose a group, read its rule and packet, judge it by F1 to F9 or a button.

    A verdict is on the marked groups, else on the one with the cursor: on each alert in them; where single alerts of a
    group are marked below, on those alone. After it the next group is active.

    Parameters
    ----------
    case
        An open case.
    query
        A line that narrows the queue, such as ``priority <= 2 and src net 10.0.0.0/8``.
    follow
        Read on in files of alerts that are still being written, as the evidence of a running sensor.
    """

    def __init__(self, case: Case, *, query: str = "", follow: bool = False, **traits: Any):
        self.case = case
        self.queue = Queue(case)
        self._on_open: list[Callable[[int], object]] = []
        self._on_packet: list[Callable[[str, int], object]] = []
        self._growing: Growing | None = None
        self._everything = False  # the next verdict is on all that matches
        self._mine: list[str] = []  # what I said that I look at
        self.bar = QueueBar(events=self.queue.events)
        self.line = self.bar.line
        keys = [*KEYS, *queue_look.KEYS]
        self.panes = Panes(
            columns=queue_look.columns, style=queue_look.queue_style, listens=keys, label="alert queue",
            table=self.queue.table("All").head(0),
        )  # fmt: skip
        self.counted = Threshold(self.guard, lambda term, how: self.ask(narrowed(self.line.value, term, how)))  # type: ignore[arg-type]
        self.verdict = Verdict(self._judged)
        self.verdict.comment.then = self.line.then = BACK
        self.aside = Aside(case, self.guard, alert=lambda: self.alert, changed=self._rules_changed)
        self.aside.layout.flex = "1 1 590px"
        self.beside = Beside(case, self.guard)
        self.beside.layout.flex = "1 1 602px"  # a row of hex and text, and a scrollbar
        self._below = ipywidgets.HBox([self.aside, self.beside])
        self._below.add_class("nsm-row")
        self.tick = Tick(self.guard(self.look))
        self._queue = (self.bar, self.panes, self.verdict, self._below, self.tick)
        super().__init__("Alerts", *self._queue, keys=(*HELP, *queue_look.KEY_HELP), **traits)
        self._listen(keys)
        self.tick.every = _SELDOM
        if query:
            self.guard(self._narrow)(query)
        if follow:
            self.guard(self.follow)()
        self.guard(self.refresh)()

    def _listen(self, keys: list[str]) -> None:
        guard = self.guard
        self.verdict.also(self.bar.all, self.bar.look)
        self._title.listens, self._title.asks = [*keys, "?"], ASKS
        self._title.on_key(guard(self.press))
        self.panes.on("key", guard(self.press))
        self.panes.on("choose", guard(self._choose_group))
        self.panes.on("mark", guard(self._tell_target))
        self.panes.on("cell", guard(self._tell_term))
        self.panes.on("activate", guard(self.to_transcript))
        self.children_grid.listens = keys
        self.children_grid.on_key(guard(self.press))
        self.children_grid.observe(guard(lambda change: self._choose_alert()), "active")
        self.children_grid.observe(guard(lambda change: self._tell_target()), "selected")
        self.children_grid.on_activate(guard(lambda position: self.to_transcript()))
        self.aside.on_alert(guard(self.go_to))
        self.beside.to_transcript.on_click(guard(lambda button: self.to_transcript()))
        self.beside.to_packet.on_click(guard(lambda button: self.to_packet()))
        self.bar.tabs.observe(guard(lambda change: self._show()), "value")
        for each in (self.bar.by, self.bar.events):
            each.observe(guard(lambda change: self._regroup()), "value")
        self.bar.gap.on_submit(guard(lambda text: self._regroup()))
        self.bar.parted.observe(guard(lambda change: self.panes.part(change["new"])), "value")
        self.bar.again.on_click(guard(lambda button: self.refresh()))
        self.line.on_submit(guard(self.ask))
        for how, button in self.bar.narrow_buttons.items():
            button.on_click(guard(lambda _, how=how: self.narrow(how)))
        self.bar.clear.on_click(guard(lambda button: self.ask("")))
        self.bar.all.observe(guard(lambda change: self._everything_matching(change["new"])), "value")
        self.bar.look.observe(guard(lambda change: self._investigate()), "value")

    # --- what is shown ---

    @property
    def grid(self) -> Grid:
        """The grid of groups, of several the one with the cursor."""
        return self.panes.grid

    @property
    def children_grid(self) -> Grid:
        """The grid of the alerts of a group."""
        return self.aside.children_grid

    @property
    def alert(self) -> str | None:
        """The alert that is looked at."""
        row = self.children_grid.row
        return None if row is None else str(row["alert"])

    @property
    def tab(self) -> str:
        """RealTime, Escalated, All or Counts."""
        return str(self.bar.tabs.value)

    @tab.setter
    def tab(self, name: str) -> None:
        self.bar.tabs.value = name

    def refresh(self) -> None:
        """Read the ledger again, and go to the alert that the case has chosen."""
        self.queue.look()
        self.queue.again()
        self._look_at_colleagues()
        self._show()
        chosen = self.case.selection.alert
        if chosen is not None and self.alert != chosen:
            self._go_to(chosen)

    def look(self) -> None:
        """Take over what is new: alerts of growing files, verdicts and messages of colleagues, who looks at what."""
        if self._growing is not None and not self.bar.pause.value:
            self._growing.new()
        changed = self.queue.look()
        if self._look_at_colleagues() or changed:
            self._show()

    def _look_at_colleagues(self) -> bool:
        unread = self.aside.messages.unread()
        self.aside.tabs.label("messages", f"({unread})" if unread else "", wants=bool(unread))
        if unread and self.aside.tabs.value == "messages":
            self.aside.messages.show()
        locks = self.case.ledger.locks("alert")
        locks = locks[locks["analyst"] != analyst_name(None)]
        others = dict(zip(locks["subject"], locks["analyst"], strict=True))
        changed = others != self.queue.locks
        self.queue.locks = others
        return changed

    def _show(self) -> None:
        started = perf_counter()
        self._count()
        if self.tab == "Counts":
            self.counted.show(self._matching())
            self.content = (self.bar, self.counted, self.tick)
            self.status = f"counted in {perf_counter() - started:.2f} s"
            return
        if self.counted in self.content:
            self.content = self._queue
        self.panes.empty = self._empty()
        self.panes.table = self.queue.table(self.tab)  # without following the cursor: it is looked at where it stays
        took = perf_counter() - started
        self._note()
        self._choose_group()
        self.status = "; ".join([f"grouped in {took:.2f} s", *self.queue.troubles])

    def _matching(self) -> pd.DataFrame:
        from nsm_nb.query import query

        return query(self.queue.asked(), self.queue.query)

    def _empty(self) -> str:
        if not len(self.case.alerts):
            return f"no alerts: put Suricata's eve.json or Snort's alert file into {printable(self.case.settings.evidence)}, " \
                "then run case.refresh()"  # fmt: skip
        if self.queue.query.strip():
            return "nothing here that matches the query; clear it to see the rest"
        return {"RealTime": "every alert is judged; see All", "Escalated": "nothing is escalated"}.get(self.tab, "none")

    def _count(self) -> None:
        waiting, judged = self.queue.counts()
        self.bar.counters.say(queue_look.counters(waiting, judged))
        self.bar.tabs.label("RealTime", f"{waiting.total():,}")
        self.bar.tabs.label("Escalated", f"{judged['ESC']:,}")
        self.bar.tabs.label("All", f"{len(self.case.alerts):,}")

    def _note(self) -> None:
        table = self.panes.table
        shown = f"{many(int(table['count'].sum()), 'event' if self.queue.events else 'alert')} in {many(len(table), 'group')}"
        query = f"; filter {printable(self.queue.query)}" if self.queue.query.strip() else ""
        self.note = f"{self.tab}: {shown}{query}"

    def _regroup(self) -> None:
        self.queue.regroup(self.bar.by.value, gap=self.bar.gap.value.strip() or None, events=self.bar.events.value)
        self._show()

    # --- narrowing ---

    def ask(self, query: str) -> None:
        """Narrow the queue by a query line; what is wrong in it is marked under it."""
        if self._narrow(query):
            self._show()

    def _narrow(self, query: str) -> bool:
        self.line.value = query
        try:
            self.queue.narrow(query)
        except QueryError as problem:
            self.line.mark(str(problem), problem.column)
            return False
        self.line.mark()
        return True

    def term(self) -> str | None:
        """Return the words of a query that mean the chosen cell; of its message where none is chosen."""
        row = self.panes.row
        return None if row is None else queue_look.term_of_cell(row, self.grid.column or "message")

    def narrow(self, how: How) -> None:
        """Include what stands in the chosen cell, exclude it, or ask for it only."""
        term = self.term()
        if term is None:
            raise NsmError("choose a cell whose column a query can name: an address, a port, a sensor, a message ...")
        self.ask(narrowed(self.line.value, term, how))

    def _tell_term(self) -> None:
        term = self.term()
        self.bar.term.say(
            line((term, "code", term)) if term else line(("no cell that can be a filter is chosen", "muted"))
        )
        for how in HOWS:
            self.bar.narrow_buttons[how].disabled = term is None

    # --- the cursor ---

    def go_to(self, alert: str) -> None:
        """Bring the cursor to an alert, in whichever tab it is.

        Raises
        ------
        NsmError
            Where the query leaves it out.
        """
        if not self._go_to(alert):
            self.tab = "All"
            if not self._go_to(alert):
                raise NsmError("this alert does not match the query; clear the line to go to it")
        self.panes.ask()

    def _go_to(self, alert: str) -> bool:
        children = self.panes.table["children"] if self.tab != "Counts" else []
        for position, names in enumerate(children):
            if alert in names:
                if not self.panes.go_to(str(self.panes.table["group"].iloc[position])):
                    return False
                places = self.children_grid.table["alert"].tolist()
                self.children_grid.active = places.index(alert)
                return True
        return False

    def _choose_group(self) -> None:
        row = self.panes.row
        self._tell_term()
        self.aside.take(self.queue.children([] if row is None else row["children"]))
        self._choose_alert()
        self._tell_target()

    def _choose_alert(self) -> None:
        if self.aside.taking:
            return
        alert, queue = self.alert, self.queue
        self.code = queue_look.code(alert, queue.by, gap=queue.gap, events=queue.events, query=queue.query)
        self.aside.show(alert)
        self.beside.show(alert)
        if alert is not None:
            session = self.children_grid.row["session"]  # type: ignore[index]
            self.case.selection.update(alert=alert, **({} if pd.isna(session) else {"session": int(session)}))
            if self.bar.look.value or self.case.settings.database:
                self._investigate()

    # --- judging ---

    def press(self, key: str) -> None:
        """Do what one of the keys does."""
        if key in SIGNS:
            self.narrow(SIGNS[key])
        elif key == "/":
            self.line.ask()
        elif key == "p":
            self.to_packet()
        elif key == "t":
            self.to_transcript()
        elif key == "A":
            self.bar.all.value = not self.bar.all.value
        elif key == "i":
            self.bar.look.value = not self.bar.look.value
        elif key == "a":
            self.aside.rule_of(self.alert, wide=("src_port", "sensor") if self.queue.events else ("src_port",))
        elif key == "m":
            self.aside.tabs.value = "messages"
            self.aside.messages.entry.ask()
        elif key in KEYS:
            self.verdict.press(key)

    def targets(self) -> list[str]:
        """Return the alerts that a verdict would be on."""
        marked = self.children_grid.selected
        if marked and not self._everything:
            return self.children_grid.table["alert"].iloc[marked].tolist()
        groups = self.panes.view if self._everything else self.panes.chosen
        return [alert for children in groups["children"] for alert in children]

    def _tell_target(self) -> None:
        groups = self.panes.view if self._everything else self.panes.chosen
        about = f"{many(sum(map(len, groups['children'])), 'alert')} in {many(len(groups), 'group')}"
        if self._everything:
            about = f"everything that matches: {about}"
        elif self.children_grid.selected:
            about = (
                f"{len(self.children_grid.selected):,} of {many(len(self.children_grid.table), 'alert')} of this group"
            )
        elif not len(groups):
            about = ""
        who = [] if "who" not in groups else sorted(set(groups["who"].dropna()))
        self.verdict.about = about + (f"; {printable(', '.join(who))} looks at it, too" if who and about else "")

    def _everything_matching(self, everything: bool) -> None:
        self._everything = everything
        self._tell_target()

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
        partly = bool(self.children_grid.selected) and not self._everything
        groups = 1 if partly else len(self.panes.view if self._everything else self.panes.chosen)
        rows = self.case.judge(targets, category, comment=comment)
        self.bar.all.value = False
        self.children_grid.selected = []
        self.panes.unmark()
        row = self.panes.row
        stays = None if row is None else row["group"]
        self.queue.look()
        with self.panes.quietly():
            self.panes.table = self.queue.table(self.tab)
            now = self.panes.row
            if not partly and now is not None and now["group"] == stays:
                self.panes.step()
            self.panes.start()
        self.panes.ask()
        self._count()
        self._note()
        self._choose_group()
        self.status = (
            f"{many(len(rows), 'alert')} in {many(groups, 'group')}: {category}, "
            f"{CATEGORIES[category].name}, by {printable(rows['analyst'].iloc[0])}"
        )
        return rows

    def _rules_changed(self) -> None:
        self.queue.again()
        self._show()

    def _investigate(self) -> None:
        """Tell colleagues what I look at, or that I no longer do."""
        row, alert = self.panes.row, self.alert
        wanted = self.bar.look.value or bool(self.case.settings.database)
        names = [] if row is None or alert is None or not wanted else list(dict.fromkeys([str(row["group"]), alert]))
        if names == self._mine:
            return
        if not names:
            self.case.ledger.release(kind="alert")
            self._mine = []
            return
        self.case.ledger.investigate(names)
        self._mine = names

    # --- going on ---

    def follow(self) -> None:
        """Read on in the case's files of alerts from now on, as long as somebody looks; `pause` lets them wait."""
        from nsm_nb.case.growing import Growing

        self._growing = Growing(self.case)
        self._growing.new()
        self.bar.pause.layout.display = ""
        self.tick.every = _OFTEN

    def on_open(self, callback: Callable[[int], object]) -> None:
        """Have a function called with the session whose transcript is asked for."""
        self._on_open.append(callback)

    def on_packet(self, callback: Callable[[str, int], object]) -> None:
        """Have a function called with the evidence and the number of the frame that is asked for."""
        self._on_packet.append(callback)

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

    def to_packet(self) -> None:
        """Go to the packet of the alert in the packet's widget.

        Raises
        ------
        NsmError
            Where the case has no packet of it.
        """
        packet = self.beside.found()
        if packet is None:
            raise NsmError("no packet was found for this alert: no capture of the case holds its session")
        self.status = f"frame {packet['frame']} of {printable(packet['evidence'])}: nsm.widgets.Packet(case) shows it"
        for callback in self._on_packet:
            callback(str(packet["evidence"]), int(packet["frame"]))
