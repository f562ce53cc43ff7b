"""What a tab of a transcript shows: lines that know their bytes, or a table and all that its chosen row says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.text import many
from nsm_nb.widgets import conversation
from nsm_nb.widgets.conversation import Spot
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import line
from nsm_nb.widgets.octets import Octets
from nsm_nb.widgets.transcript import tabs, turns
from nsm_nb.widgets.transcript.bars import FindBar, SessionBar

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript

__all__ = ["Pane"]


class Pane:
    """The text, the table and the details of its row, of which a tab shows some.

    Parameters
    ----------
    case
        An open case.
    bar, find
        Which tab and page is asked for, and what is marked.
    guard
        Wraps callbacks so that their errors are shown.
    tell
        Is told in words how long something took.
    """

    def __init__(
        self, case: Case, bar: SessionBar, find: FindBar, guard: Callable[[Callable], Callable], tell: Callable[[str], object]
    ):  # fmt: skip
        self._case, self._bar, self._find, self._guard, self._tell = case, bar, find, guard, tell
        self.page = 1
        self.spots: turns.Spots = ()
        self.rows = pd.DataFrame()  # whole, of which the table shows some columns
        self.work: threading.Thread | None = None
        self._asked = object()
        self.text = Octets(boxed=True, code=True, height=460, label="transcript", selects=True)
        self.table = Grid(pd.DataFrame(), height=460, fit=True, label="table", empty="")
        self.detail = Octets(boxed=True, code=True, height=260, label="the chosen row")
        self.table.observe(guard(lambda change: self._show_detail()), "active")

    def laid(self, view: str, *, low: bool) -> list[ipywidgets.Widget]:
        """Return what stands in a tab; `low` leaves room below it."""
        self.text.height = 260 if low else 460
        if view not in tabs.COLUMNS:
            return [self.text]
        if view == "packets":
            return [self.table]
        self.table.height = 240
        return [self.table, self.detail]

    @property
    def spot(self) -> Spot | None:
        """What the marked line shows."""
        at = self.text.at
        return self.spots[at] if at is not None and at < len(self.spots) else None

    def show(self, said: Transcript | None, session: int, view: str) -> None:
        """Show the page of a tab; nothing where `said` is None."""
        self._asked = object()
        self.text.at, self.spots = None, ()
        if said is None:
            self.text.say()
            self.table.table = pd.DataFrame()
            self._bar.tell_page(1, 1)
        elif view in tabs.BYTES:
            self._show_bytes(said, view)
        elif view == "tshark":
            self._show_trees(session)
        elif view == "packets":
            self._fill(view, tabs.made(self._case, session, said, view))
        else:
            self.table.empty = "working on it ..."
            self.table.table = pd.DataFrame()
            self._bar.tell_page(1, 1)
            self._beside(
                lambda: tabs.made(self._case, session, said, view), lambda table: self._fill(view, table)
            )  # fmt: skip

    def _show_bytes(self, said: Transcript, view: str) -> None:
        make = conversation.hex_lines if view == "hex" else conversation.text_lines
        shown = make(said, number=self.page, times=self._bar.times.value, marks=self._find.marks())
        self.text.fixed = view == "hex"
        hint = [] if self.page > 1 or not tabs.unclear(said) else [
            line(("most of its bytes are no text; the tabs decoded and tshark may tell more", "muted"))
        ]  # fmt: skip
        self.spots = [*[None] * len(hint), *shown.spots]
        self.text.lines = [*hint, *shown.lines]
        self._bar.tell_page(self.page, shown.page.count)

    def _show_trees(self, session: int) -> None:
        some, self.page, count = tabs.trees(self._case.packets_of(session), self.page)
        self.text.fixed = True
        self.text.say(line((f"tshark takes {many(len(some), 'packet')} apart ...", "muted")))
        self._bar.tell_page(self.page, count)
        self._beside(lambda: tabs.tree_lines(self._case.view(some, "tethereal")), lambda lines: self.text.say(*lines))

    def _fill(self, view: str, table: pd.DataFrame) -> None:
        self.rows = table
        self.table.empty = tabs.EMPTY[view]
        self.table.table = table[[name for name in tabs.COLUMNS[view] if name in table]].reset_index(drop=True)
        self.table.label = view
        self._show_detail()
        self._bar.tell_page(1, 1)

    def _show_detail(self) -> None:
        if self.table.active is None or self.table.active >= len(self.rows):
            self.detail.say(line(("choose a row: all it says comes here; Enter goes to its bytes", "muted")))
            return
        self.detail.say(*tabs.details(self.rows.iloc[self.table.active]))

    def _beside(self, make: Callable[[], Any], show: Callable[[Any], object]) -> None:
        """Make what takes its time beside the kernel's own work; what is asked for later is shown instead."""
        asked = self._asked

        def work() -> None:
            started = perf_counter()
            try:
                made = make()
            except NsmError:
                if self._asked is asked:
                    raise
                return
            if self._asked is asked:
                show(made)
                self._tell(f"done in {perf_counter() - started:.2f} s")

        self.work = threading.Thread(target=self._guard(work), name="nsm_nb-transcript", daemon=True)
        self.work.start()
