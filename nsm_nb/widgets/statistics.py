"""The overview of a case on one screen: a timeline to brush, and what the brushed window holds."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import QueryError
from nsm_nb.statistics.overview import Overview
from nsm_nb.statistics.quantities import amount, span
from nsm_nb.text import many, printable
from nsm_nb.widgets import panels
from nsm_nb.widgets.cells import time
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.icicle import Icicle
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.narrowing import narrowed, term_of_layers, term_of_row
from nsm_nb.widgets.timeline import Timeline

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.statistics.ranking import Carried
    from nsm_nb.widgets.narrowing import How

__all__ = ["Statistics", "overlapping"]

_KEYS = {"i": "include", "e": "exclude", "o": "only"}
_BY = {"proto": "protocol", "host": "host", "direction": "direction"}
_FLOWS = (
    "flow records alone, no packets: how large each packet was, what lies below IP, and when within a record its packets "
    "came can't be told. Packets and octets stand where their record begins; a record that touches the window counts whole."
)

_HELP = (
    "in the timeline: left right read the intervals, with Shift they brush a window; Escape gives it up",
    "                 z zoom in   Z zoom out   l scale",
    "in protocols, talkers and services: arrows, j k move   i or Enter include   e exclude   o only what is chosen",
)

_NO_PACKETS = "no packets in this window with this filter"

Window = tuple[pd.Timestamp, pd.Timestamp]


def overlapping(sessions: pd.DataFrame, window: Window | None) -> pd.DataFrame:
    """Return the sessions that have any part in a window of time; each is given whole."""
    if window is None:
        return sessions
    return sessions[((sessions["start"] < window[1]) & (sessions["end"] >= window[0])).fillna(False)]


class Statistics(Frame):
    """A timeline with the alerts above it; the brushed window's protocols, talkers, services and sizes below it.

    All is counted once, by intervals; a window is of whole intervals, and what is shown of it is exact. Any protocol,
    talker or service can be included (i, Enter), excluded (e) or asked for alone (o): that makes the filter, a query line
    for sessions. Window and filter are kept in `case.selection`, where the other widgets and notebooks find them.

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
        self.value = _choice("count", [("packets", "packets"), ("bytes", "octets"), ("sessions started", "sessions"),
                                       ("alerts", "alerts")])  # fmt: skip
        self.by = _choice("by", [(title, name) for name, title in _BY.items()])
        self.of = _choice("", ["hosts", "pairs", "ports", "networks"], label="talkers")
        self.filter = Entry(
            label="filter", code=True,
            placeholder="host 10.0.0.7 and not port 53    (Enter; an empty line shows all; or choose something below)",
        )  # fmt: skip
        self.filter.layout.flex = "1 1 auto"
        self._buttons = {
            how: ipywidgets.Button(description=f"{how} ({key})", tooltip=f"{how.capitalize()} what is chosen below")
            for key, how in _KEYS.items()
        }
        self._clear = ipywidgets.Button(description="clear filter", tooltip="Show all sessions again")
        self._export = ipywidgets.Button(description="export", tooltip="Write all tables of this screen as CSV files")
        self._chosen = Lines(live="polite", layout={"max_width": "36%"})
        self.caveat = Lines()
        self.icicle = Icicle(listens=[*_KEYS, "Enter"])
        self.protocols = _grid("protocols", "packets", panels.PROTOCOLS, identity="layers", height=206)
        self.talkers = _grid("talkers", "sessions", ("octets",), height=272)
        self.services = _grid("services", "answered sessions", panels.SERVICES, height=272)
        self.sizes = _grid("packet sizes", "packets", panels.SIZES, height=206)
        self.alerts = Grid(
            panels.alerts_of(pd.DataFrame(), None), columns=panels.ALERTS, style=panels.alert_style, height=206,
            narrow=True, label="alerts by message", empty="no alerts in this window with this filter",
        )  # fmt: skip
        filters = _bar(self.filter, self._chosen, *self._buttons.values(), self._clear)
        counted = _bar(*self.value.row, *self.by.row, _space(), self._export)
        self._offered = _heading("services", "that answered")
        below = ipywidgets.HBox(
            [
                _panel(_heading("talkers"), self.talkers, "1 1 500px", self.of.buttons),
                _panel(self._offered, self.services, "1 1 500px"),
                _panel(_heading("protocols", "by layer"), self.protocols, "1 1 374px"),
                _panel(_heading("packet sizes"), self.sizes, "1 1 290px"),
                _panel(_heading("alerts", "by message"), self.alerts, "2 1 330px"),
            ]
        )
        below.add_class("nsm-row")
        content = (filters, self.caveat, counted, self.timeline, self.icicle, below)
        super().__init__("Statistics", *content, keys=_HELP, **traits)
        self._term: str | None = None
        self._state: Any = None
        self._take()
        self._listen()

    def _listen(self) -> None:
        self.timeline.observe(self.guard(lambda change: self._moved()), ["window", "zooms"])
        self.value.buttons.observe(self.guard(lambda change: self._counted()), "value")
        self.by.buttons.observe(self.guard(lambda change: self._show_timeline()), "value")
        self.of.buttons.observe(self.guard(lambda change: self._show_below()), "value")
        self.filter.on_submit(self.guard(self.ask))
        self._clear.on_click(self.guard(lambda button: self.ask("")))
        self._export.on_click(self.guard(lambda button: self.export()))
        for how, button in self._buttons.items():
            button.on_click(self.guard(lambda button, how=how: self.narrow(how)))
        self.icicle.observe(self.guard(lambda change: self._choose_part()), "active")
        self.icicle.on_key(self.guard(self._pressed))
        for grid in (self.talkers, self.services, self.protocols):
            grid.listens = list(_KEYS)
            grid.on_key(self.guard(self._pressed))
            grid.observe(self.guard(lambda change, grid=grid: self._choose_row(grid)), "active")
            grid.on_activate(self.guard(lambda position: self.narrow("include")))

    # --- what there is ---

    @property
    def window(self) -> Window | None:
        """What is counted: the brushed window, or what is zoomed into; None for all of the time."""
        return self.timeline.times or self.timeline.view

    @property
    def query(self) -> str:
        """The filter that holds."""
        return self.overview.query

    def refresh(self) -> None:
        """Show the evidence, the window and the filter that the case has now."""
        if self.case.packets is not self._packets or self.case.sessions is not self._sessions:
            self._take()
            return
        wanted = self.case.selection.window
        if wanted != self.window:
            self._go_to(wanted)
        if self.case.selection.query != self.query:
            self.ask(self.case.selection.query)

    def _take(self) -> None:
        case = self.case
        self._packets, self._sessions = case.packets, case.sessions
        about = case.joins.drop_duplicates("alert").set_index("alert")["session"] if len(case.joins) else None
        alerts = case.alerts
        if about is not None:
            alerts = alerts.assign(session=alerts["alert"].map(about).astype("Int64"))
        self.overview = Overview(self._packets, self._sessions, alerts, home=case.settings.home_networks)
        self.flows = not len(self._packets) and len(self._sessions) > 0
        self.caveat.say(*([line(("", "doubt"), (_FLOWS, "doubt"))] if self.flows else []))
        if self.flows and self.value.value == "packets":
            self.value.buttons.value = "sessions"
        which = "that were asked: records of one direction alone do not tell answers" if self.flows else "that answered"
        self._offered.say(*_heading("services", which).lines)
        self.sizes.empty = "flow records do not tell how large packets were" if self.flows else _NO_PACKETS
        self.timeline.zooms = []
        self._go_to(case.selection.window)
        self._ask(case.selection.query)
        self._show_all()

    def _go_to(self, window: Window | None) -> None:
        with self.timeline.hold_trait_notifications():
            if self.timeline.zooms:
                self.timeline.zooms = []
            self.timeline.times = window

    # --- filter ---

    def ask(self, query: str) -> None:
        """Filter by a query line, here and in the notebooks that follow; what is wrong in it is marked under it."""
        if self._ask(query):
            if query != self.case.selection.query:
                self.case.selection.query = query
            self._show_all()

    def _ask(self, query: str) -> bool:
        self.filter.value = query
        try:
            self.overview.narrow(query)
        except QueryError as problem:
            self.filter.mark(str(problem), problem.column)
            return False
        self.filter.mark()
        return True

    def narrow(self, how: How) -> None:
        """Include, exclude or ask only for what is chosen: a protocol, a talker, a service."""
        if self._term is None:
            self.status = "choose a protocol, a talker or a service first"
            return
        place = {grid: grid.active for grid in (self.talkers, self.services)}
        self.ask(narrowed(self.query, self._term, how))
        for grid, active in place.items():
            if how == "exclude" and active is not None and len(grid.places):
                grid.active = min(active, len(grid.places) - 1)  # the next row takes its place

    def _pressed(self, key: str) -> None:
        self.narrow(_KEYS.get(key, "include"))  # type: ignore[arg-type]

    def _choose_part(self) -> None:
        if self.icicle.active is not None:
            place = self.icicle.active
            self._choose(str(self._tree["layers"].iloc[place]), term_of_layers(str(self._tree["layers"].iloc[place])))

    def _choose_row(self, grid: Grid) -> None:
        row = grid.row
        if row is None:
            return
        if grid is self.protocols:
            self._choose(str(row["layers"]), term_of_layers(str(row["layers"])))
        else:
            self._choose("this row", term_of_row(row))

    def _choose(self, what: str, term: str | None) -> None:
        self._term = term
        self._offer()
        if term is None:
            self.status = f"{printable(what)} can't be a filter: no column of sessions tells it"

    def _offer(self) -> None:
        for button in self._buttons.values():
            button.disabled = self._term is None
        self._clear.disabled = not self.query.strip()
        self._chosen.say(line((self._term, "code")) if self._term else line(("nothing chosen", "muted")))

    # --- what is shown ---

    def _counted(self) -> None:
        self._show_timeline()
        self._show_below()

    def _show_all(self) -> None:
        self._show_timeline()
        self._show_below()

    def _show_timeline(self) -> None:
        self.timeline.unit = {"octets": "bytes"}.get(self.value.value, self.value.value)
        self.timeline.by = _BY[self.by.value]
        self._table = self.overview.timeline(self.value.value, self.by.value)
        self.timeline.show(self._table, alerts=self.overview.marks(), finer=self._finer)
        self._tell_code()

    def _finer(self, view: Window | None) -> pd.DataFrame:
        self.overview.look(view)
        self._table = self.overview.timeline(self.value.value, self.by.value)
        return self._table

    def _moved(self) -> None:
        state = (self.timeline.window, self.timeline.zooms)
        # where a window is zoomed into both change, and the zoomed part is counted when `zooms` tells
        if state != self._state and self.overview.looked_at == self.timeline.view:
            self.case.selection.window = self.window
            self._show_below()

    def _show_below(self) -> None:
        started = perf_counter()
        self._state = (self.timeline.window, self.timeline.zooms)
        window, rank = self.timeline.times, self._rank
        self._term = None
        for grid in (self.talkers, self.services, self.protocols):
            grid.active = None  # another row would stand there, and would be chosen without a word
        totals = self.overview.totals(window)
        carried = self.overview.carried(window)
        self._show_protocols(window)
        self._show_talkers(carried, rank)
        self._show_services(carried)
        self._show_sizes(window)
        shown = self.overview.snapped(window)
        self.alerts.table = panels.alerts_of(self.overview.marks(), None if self.window is None else shown)
        if self.icicle.active is not None:
            self._choose_part()
        self._offer()
        self.note = (
            panels.spoken(shown, totals, self.query, whole=self.window is None, step=self.overview.view.step)
            if self.overview.anything
            else ""
        )
        self._say(shown, totals, perf_counter() - started)
        self._tell_code()

    @property
    def _rank(self) -> str:
        return "octets" if self.value.value == "alerts" else self.value.value

    def _show_protocols(self, window: Window | None) -> None:
        by = "packets" if self.value.value == "packets" and not self.flows else "length"
        self._tree = self.overview.protocols(window).rename(columns={"octets": "length"})
        self.icicle.show(self._tree, by=by, unit="at the IP layer" if self.flows else "on the wire")
        table = panels.indented(self._tree)
        self._bars(self.protocols).of(table, "length")
        self.protocols.table = table

    def _show_talkers(self, carried: Carried, rank: str) -> None:
        of = self.of.value
        table = self.overview.ranking.talkers(of, carried, by=rank)
        sent = "sent" if of in ("hosts", "networks") else "src"
        self._bars(self.talkers).of(table, rank, None if rank == "sessions" else f"{sent}_{rank}")
        self.talkers.show(table, columns=panels.fitted(panels.talkers_fields(of, rank), table))

    def _show_services(self, carried: Carried) -> None:
        table = panels.named(self.overview.ranking.services(carried, answered=not self.flows))
        self._bars(self.services).of(table, "sessions")
        self.services.show(table, columns=panels.fitted(panels.SERVICES, table))

    def _show_sizes(self, window: Window | None) -> None:
        table = panels.worded(self.overview.sizes(window))
        self._bars(self.sizes).of(table, "packets")
        self.sizes.table = table

    @staticmethod
    def _bars(grid: Grid) -> panels.Bars:
        assert isinstance(grid.style, panels.Bars)
        return grid.style

    def _say(self, shown: Window, totals: dict[str, int], took: float) -> None:
        every = span(self.overview.view.step / 1e9)
        parts = [f"counted in {took:.2f} s"]
        asked = self.timeline.times
        if asked is not None:
            parts.append(f"exact for the window, which is of whole intervals of {every}")
            whole = self.overview.snapped(None)
            if (
                (max(asked[0], whole[0]), min(asked[1], whole[1])) != shown
                and asked[0] < whole[1]
                and asked[1] > whole[0]
            ):
                parts.append(f"widened from {time(asked[0])} to {time(asked[1])}")
        elif self.window is None:
            parts.append(f"all of the time, in intervals of {every}")
        else:
            parts.append(f"exact for what is zoomed into, in intervals of {every}")
        if totals["flows"] and not self.flows:
            parts.append(
                f"{amount(totals['flows'], 'session')} known from flow records alone: in talkers and services, whole where "
                "they touch the window, not in protocols and sizes"
            )
        self.status = "; ".join(parts)

    def _tell_code(self) -> None:
        window = None if self.window is None else self.overview.snapped(self.timeline.times)
        self.code = panels.code(
            window, self.query, value=self.value.value, by=self.by.value, every=self.overview.view.every,
            of=self.of.value, rank=self._rank, home=bool(self.case.settings.home_networks), flows=self.flows,
        )  # fmt: skip

    # --- files ---

    def export(self) -> None:
        """Write the tables of this screen as CSV files into the case, with a text that says window, filter and code."""
        tables = {
            "timeline": self._table.reset_index(),
            "protocols": self._tree,
            f"talkers-{self.of.value}": self.talkers.table,
            "services": self.services.table,
            "packet-sizes": self.sizes.table,
            "alerts": self.alerts.table,
        }
        evidence = "\n".join(f"{row.sha256}  {row.evidence}" for row in self.case.evidence.itertuples())
        about = (
            f"{self.case.name}: statistics\n{self.note}\n{self.status}\n\n{self.code}\n\nevidence, SHA-256:\n{evidence}"
        )
        folder = panels.export(self.case, tables, about)
        self.status = f"{many(len(tables), 'table')} written to {printable(folder)}, safe for a spreadsheet"


class _Choice:
    """Buttons of which one is on, with the words before them."""

    def __init__(self, words: str, buttons: ipywidgets.ToggleButtons):
        self.buttons = buttons
        self.row = ([Lines(words)] if words else []) + [buttons]

    @property
    def value(self) -> Any:
        return self.buttons.value


def _choice(words: str, options: list, *, label: str = "") -> _Choice:
    titles = [each if isinstance(each, str) else each[0] for each in options]
    buttons = ipywidgets.ToggleButtons(options=options, tooltips=[f"{label or words} {title}" for title in titles])
    return _Choice(words, buttons)


def _grid(label: str, noun: str, columns: tuple, *, height: int, identity: str | None = None) -> Grid:
    names = [getattr(each, "name", each) for each in columns]
    table = pd.DataFrame({name: pd.Series(dtype="Int64") for name in names})
    return Grid(
        table, columns=columns, style=panels.Bars(str(names[1] if len(names) > 1 else names[0])), identity=identity,
        height=height, label=label, empty=f"no {noun} in this window with this filter",
    )  # fmt: skip


def _bar(*widgets: ipywidgets.Widget) -> ipywidgets.HBox:
    box = ipywidgets.HBox(list(widgets))
    box.add_class("nsm-bar")
    return box


def _space() -> ipywidgets.Widget:
    return ipywidgets.Box(layout={"flex": "1 1 auto"})


def _heading(name: str, more: str = "") -> Lines:
    return Lines(line((name, "strong"), (f"  {more}", "muted")))


def _panel(heading: Lines, grid: Grid, flex: str, *beside: ipywidgets.Widget) -> ipywidgets.VBox:
    head = _bar(heading, *beside)
    head.add_class("nsm-panel-head")
    return ipywidgets.VBox([head, grid], layout={"flex": flex})
