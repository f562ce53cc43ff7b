"""What stands above the queue: tabs, how to group, the query line, filters by a cell, counters."""

from __future__ import annotations

from typing import Any

import ipywidgets

from nsm_nb.widgets import queue_look
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.lines import Lines
from nsm_nb.widgets.narrowing import How
from nsm_nb.widgets.tabs import Tabs

__all__ = ["SIGNS", "QueueBar"]

_TABS = {
    "RealTime": "what waits for a verdict",
    "Escalated": "what was escalated",
    "All": "judged ones, too",
    "Counts": "alerts counted: signatures, classes, addresses, links, ports, times; each row is a filter",
}
#: Keys that narrow the queue by the chosen cell.
SIGNS: dict[str, How] = {"+": "include", "-": "exclude", "=": "only"}


class QueueBar(ipywidgets.VBox):
    """Controls of the queue; what they do is up to the widget around them.

    Parameters
    ----------
    events
        Whether sensors are joined at first.
    """

    def __init__(self, *, events: bool, **traits: Any):
        self.tabs = Tabs(_TABS)
        self.by = ipywidgets.Dropdown(description="group by", options=queue_look.BY, layout={"width": "230px"})
        self.gap = Entry(label="parted by silence of", placeholder="never", code=True)
        self.gap.layout.width = "200px"
        self.events = ipywidgets.Checkbox(
            description="join sensors", value=events, indent=False, layout={"width": "auto"},
            tooltip="What several sensors saw is one event and counts once",
        )  # fmt: skip
        self.parted = ipywidgets.Checkbox(
            description="panes by priority", value=False, indent=False, layout={"width": "auto"}
        )
        self.again = ipywidgets.Button(description="refresh", tooltip="Read the ledger again: colleagues judge, too")
        self.pause = ipywidgets.ToggleButton(description="pause", tooltip="Let new alerts wait outside")
        self.pause.layout.display = "none"
        bar = ipywidgets.HBox([self.tabs, self.by, self.gap, self.events, self.parted, self.again, self.pause])
        self.line = Entry(
            label="query", code=True, placeholder="priority <= 2 and src net 10.0.0.0/8 and not category na   (/)"
        )
        self.line.layout.flex = "1 1 420px"
        self.narrow_buttons = {
            how: ipywidgets.Button(
                description=f"{sign} {how}", tooltip=f"{how} what stands in the chosen cell ({sign})"
            )
            for sign, how in SIGNS.items()
        }
        self.clear = ipywidgets.Button(description="clear", tooltip="Show all alerts again")
        self.term = Lines()
        self.term.add_class("nsm-cut")
        filters = ipywidgets.HBox([self.line, *self.narrow_buttons.values(), self.clear, self.term])
        self.counters = Lines(label="counters", live="polite")
        self.all = ipywidgets.ToggleButton(
            description="A everything that matches",
            tooltip="The next verdict is on all that the tab and the query show (A)",
        )
        self.look = ipywidgets.ToggleButton(
            description="i looking", tooltip="Tell colleagues that you look at it; nothing is locked (i)"
        )
        for each in (bar, filters):
            each.add_class("nsm-bar")
        super().__init__([bar, filters, self.counters], **traits)
        self.add_class("nsm-queue-bar")

    def fallback(self) -> str:
        """Return what is counted as HTML for where no widget can live; everything is escaped."""
        return self.counters.fallback()
