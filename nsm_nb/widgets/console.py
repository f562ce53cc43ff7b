"""All widgets of a case in tabs: the console of an analyst."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from nsm_nb.widgets.alerts import Alerts
from nsm_nb.widgets.evidence import Evidence
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.lines import with_fallback
from nsm_nb.widgets.packet import Packet
from nsm_nb.widgets.report import Report
from nsm_nb.widgets.sessions import Sessions
from nsm_nb.widgets.statistics import Statistics
from nsm_nb.widgets.transcript import Transcript

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Console", "console"]

_TABS: dict[str, Callable[..., Frame]] = {
    "Evidence": Evidence,
    "Statistics": Statistics,
    "Sessions": Sessions,
    "Alerts": Alerts,
    "Transcript": Transcript,
    "Packet": Packet,
    "Report": Report,
}


class Console(ipywidgets.Tab):
    """Evidence, statistics, sessions, alerts, transcript, packets and report of a case in tabs.

    A tab is made when it is first looked at, and looks at what the case has chosen each time it is come back to.

    Parameters
    ----------
    case
        An open case.
    tab
        The name of the tab to begin with.
    """

    def __init__(self, case: Case, *, tab: str = "Alerts", **traits: Any):
        self.case = case
        self._made: dict[str, Frame] = {}
        super().__init__(children=[ipywidgets.VBox() for _ in _TABS], titles=tuple(_TABS), **traits)
        self.add_class("nsm-console")
        self.observe(lambda change: self._look(), "selected_index")
        if list(_TABS).index(tab) == self.selected_index:
            self._look()
        self.tab = tab

    @property
    def tab(self) -> str:
        """The name of the tab that is looked at."""
        return list(_TABS)[self.selected_index or 0]

    @tab.setter
    def tab(self, name: str) -> None:
        self.selected_index = list(_TABS).index(name)

    def __getitem__(self, name: str) -> Frame:
        """Return the widget of a tab, made where it was not."""
        if name not in self._made:
            widget = self._made[name] = _TABS[name](self.case)
            self.children[list(_TABS).index(name)].children = (widget,)
            if isinstance(widget, (Alerts, Sessions)):
                widget.on_open(lambda session: self._go("Transcript"))
            if isinstance(widget, (Alerts, Transcript)):
                widget.on_packet(self._to_packet)
            if isinstance(widget, Evidence):
                widget.observe(lambda change: self._other_case(change["new"]), "case")
        return self._made[name]

    def _go(self, name: str) -> None:
        self.tab = name

    def _to_packet(self, evidence: str, frame: int) -> None:
        self._go("Packet")
        shown = self["Packet"]
        shown.guard(shown.show)(frame, evidence)

    def _look(self) -> None:
        fresh = self.tab not in self._made
        widget = self[self.tab]
        refresh = getattr(widget, "refresh", None)
        if not fresh and refresh is not None:
            widget.guard(refresh)()

    def _other_case(self, case: Case) -> None:
        self.case = case
        kept = self._made.pop("Evidence")
        self._made = {"Evidence": kept}
        for place, name in enumerate(_TABS):
            if name != "Evidence":
                self.children[place].children = ()

    def fallback(self) -> str:
        """Return the tab that is looked at as HTML; everything is escaped."""
        return self[self.tab].fallback()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)


def console(case: Case, *, tab: str = "Alerts") -> Console:
    """Return all widgets of a case in tabs.

    Parameters
    ----------
    case
        An open case.
    tab
        The tab to begin with: Evidence, Statistics, Sessions, Alerts, Transcript, Packet or Report.
    """
    return Console(case, tab=tab)
