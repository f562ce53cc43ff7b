"""A query line that is built row by row, as in Sguil's query builder, from standard queries, or by hand.

The line is the truth: the rows and the list of queries write it, and whoever edits it needs neither. Where rows can say what a
line says, they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets

from nsm_nb.errors import QueryError
from nsm_nb.text import form, printable
from nsm_nb.widgets.building import FIELDS, MACROS, Part, comparisons, line_of
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.taking_apart import parts_of

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Builder"]

_NARROW = {"width": "auto"}
_MOST = 30  # rows made of a line; one with more is told to be more than rows can show


class _Row(ipywidgets.HBox):
    """A row: what joins it, a field, a comparison, a value."""

    def __init__(self, first: bool, changed: Callable[[], object], asked: Callable[[], object], gone: Callable):
        self.joint = ipywidgets.Dropdown(options=["and", "or"], description="join", layout=_NARROW)
        self.joint.layout.visibility = "hidden" if first else "visible"
        self.field = ipywidgets.Dropdown(options=list(FIELDS), description="field", layout=_NARROW)
        self.comparison = ipywidgets.Dropdown(options=comparisons("host"), description="compared", layout=_NARROW)
        self.value = Entry(label="value", code=True, placeholder="10.0.0.7, 10.0.0.0/8 or $HOME")
        self.value.layout.flex = "1 1 180px"
        self.macro = ipywidgets.Dropdown(options=["", *MACROS], description="or", layout=_NARROW)
        self.macro.layout.display = "none"
        self.remove = ipywidgets.Button(description="remove", tooltip="Take this row out of the line")
        super().__init__([self.joint, self.field, self.comparison, self.value, self.macro, self.remove])
        self.add_class("nsm-bar")
        self._changed = changed
        self.field.observe(lambda change: self._other_field(), "value")
        self.macro.observe(lambda change: self._other_macro(), "value")
        for each in (self.joint, self.comparison, self.value):
            each.observe(lambda change: changed(), "value")
        self.value.on_submit(lambda value: asked())
        self.remove.on_click(lambda button: gone(self))

    def _other_field(self) -> None:
        kind = FIELDS[str(self.field.value)]
        self.comparison.options = comparisons(str(self.field.value))
        self.macro.layout.display = "" if kind == "time" else "none"
        self.value.placeholder = {
            "address": "10.0.0.7, 10.0.0.0/8 or $HOME", "port": "445", "number": "1.5M, or 5m for a duration",
            "time": "2026-11-24T02:31, or 02:31-02:33", "alert": "a word, or nothing",
        }.get(kind, "text")  # fmt: skip
        self._changed()

    def _other_macro(self) -> None:
        if self.macro.value:
            self.value.value = str(self.macro.value)

    def take(self, part: Part) -> None:
        """Say what a part says."""
        self.joint.value, self.field.value = part.joint, part.field
        self.comparison.value = part.comparison
        self.macro.value = part.value if FIELDS[part.field] == "time" and part.value in MACROS else ""
        self.value.value = part.value

    @property
    def part(self) -> Part:
        """What the row says."""
        return Part(str(self.field.value), str(self.comparison.value), self.value.value, str(self.joint.value))


class Builder(ipywidgets.VBox):
    """A query line with what builds it: rows of field, comparison and value; standard queries and those of the case.

    Parameters
    ----------
    case
        An open case: its queries are in the list, and what is kept is kept there.
    guard
        Wraps callbacks, so that what they raise is shown.
    ask
        Called with the line when it is to be shown: by Enter, a query of the list, or the button.
    count
        Returns how many rows a line finds.
    beside
        Widgets that stand beside the line.
    """

    def __init__(
        self,
        case: Case,
        guard: Callable[[Callable], Callable],
        ask: Callable[[str], object],
        count: Callable[[str], int],
        beside: tuple[ipywidgets.Widget, ...] = (),
    ):
        self.case = case
        self._guard, self._ask, self._count = guard, ask, count
        self._filling = self._reading = False
        self.entry = Entry(
            label="query", code=True, placeholder="src 10.0.0.0/8 and dst port 445    (Enter; an empty line shows all)"
        )
        self.entry.layout.flex = "1 1 auto"
        self.opened = ipywidgets.ToggleButton(
            description="build", tooltip="Build the line row by row, or choose a query"
        )
        self.queries = ipywidgets.Dropdown(
            options=[""], description="queries", layout={"max_width": "420px", "width": "auto"}
        )
        self.answers = Lines(live="polite", label="what the query answers")
        self.name = Entry(label="keep it as", placeholder="a name")
        self._keep = ipywidgets.Button(description="keep", tooltip="Keep the line in the case, under this name")
        self._drop = ipywidgets.Button(description="forget", tooltip="Forget the case's query of this name")
        self._add = ipywidgets.Button(description="add a row", tooltip="Add a row to the line")
        self._show = ipywidgets.Button(description="show", tooltip="Show the rows that the line finds (Enter)")
        self.told = Lines(live="polite", label="how many rows the line finds")
        self.rows: list[_Row] = []
        self._rows = ipywidgets.VBox()
        head = ipywidgets.HBox([self.entry, self.opened, *beside])
        chosen = ipywidgets.HBox([self.queries, self.name, self._keep, self._drop])
        below = ipywidgets.HBox([self._add, self._show, self.told])
        for each in (head, chosen, below):
            each.add_class("nsm-bar")
        self._panel = ipywidgets.VBox([chosen, self.answers, self._rows, below])
        self._panel.layout.display = "none"
        super().__init__([head, self._panel])
        self.entry.on_submit(guard(lambda value: self.show(value)))
        self.entry.observe(guard(lambda change: self.check()), "value")
        self.opened.observe(guard(lambda change: self._open()), "value")
        self.queries.observe(guard(lambda change: self._take_query()), "value")
        self._keep.on_click(guard(lambda button: self.keep()))
        self._drop.on_click(guard(lambda button: self.drop()))
        self._add.on_click(guard(lambda button: self.add()))
        self._show.on_click(guard(lambda button: self.show()))
        self.add()

    @property
    def line(self) -> str:
        """The line as it stands."""
        return self.entry.value

    def show(self, value: str | None = None) -> None:
        """Ask for the rows that the line finds."""
        if value is not None:
            self.entry.value = value
        self._ask(self.entry.value)

    def check(self) -> int | None:
        """Say how many rows the line finds, or mark what is wrong in it; nothing else is shown yet."""
        if self._panel.layout.display == "none":
            return None
        try:
            found = self._count(self.entry.value)
            shown = self._read()
        except QueryError as problem:
            self.entry.mark(str(problem), problem.column)
            self.told.say(line(("the line is not understood yet", "doubt")))
            return None
        self.entry.mark()
        more = "" if shown else "; the line is more than rows can show, and changing a row writes it anew"
        self.told.say(line((f"{found:,}", "strong"), f" {form(found, 'session matches', 'sessions match')}{more}"))
        return found

    # --- rows ---

    def add(self) -> _Row:
        """Add a row and return it."""
        row = _Row(not self.rows, self._guard(self._write), self._guard(lambda: self.show()), self._guard(self._gone))
        self.rows.append(row)
        self._rows.children = tuple(self.rows)
        return row

    def _gone(self, row: _Row) -> None:
        self.rows.remove(row)
        if not self.rows:
            self.add()
        self.rows[0].joint.layout.visibility = "hidden"
        self._rows.children = tuple(self.rows)
        self._write()

    def _write(self) -> None:
        """Write the line that the rows make."""
        if not self._reading:
            self.entry.value = line_of([each.part for each in self.rows])

    def _read(self) -> bool:
        """Have the rows say what the line says, one that says nothing where they can't; return whether they do."""
        if line_of([each.part for each in self.rows]) == self.entry.value:
            return True
        parts = parts_of(self.entry.value)
        if parts is not None and len(parts) > _MOST:
            parts = None
        self._reading = True
        try:
            wanted = parts or [Part("host", "is", "")]
            del self.rows[len(wanted) :]
            while len(self.rows) < len(wanted):
                self.add()
            for row, part in zip(self.rows, wanted, strict=True):
                row.take(part)
            self._rows.children = tuple(self.rows)
        finally:
            self._reading = False
        return parts is not None

    # --- queries by name ---

    def _open(self) -> None:
        self._panel.layout.display = "" if self.opened.value else "none"
        if self.opened.value:
            self._fill()
            self.check()

    def _fill(self, chosen: str = "") -> None:
        self._filling = True
        try:
            table = self.case.queries
            names = [
                (f"{printable(each.name)}{'  (kept)' if each.kept else ''}", each.name) for each in table.itertuples()
            ]
            self.queries.options = [("choose one", ""), *names]
            self.queries.value = chosen
        finally:
            self._filling = False

    def _take_query(self) -> None:
        name = self.queries.value
        if self._filling or not name:
            return
        row = self.case.queries.set_index("name").loc[str(name)]
        self.answers.say(line((f"{name}: ", "strong"), str(row["answers"])))
        self.name.value = str(name) if row["kept"] else ""
        self.show(str(row["line"]))

    def keep(self) -> None:
        """Keep the line in the case, under the name that was given."""
        name = self.name.value.strip()
        try:
            self.case.keep_query(name, self.entry.value)
        except QueryError as problem:
            self.entry.mark(str(problem), problem.column)
            return
        self._fill(name)
        self.answers.say(line((f"{name}", "strong"), " is kept in the case's queries.toml"))

    def drop(self) -> None:
        """Forget the case's query of the name that was given."""
        name = self.name.value.strip()
        self.case.drop_query(name)
        self._fill()
        self.answers.say(line((f"{name}", "strong"), " is forgotten"))
