"""The left side of the queue: the alerts of a group and their history, what is related, both ends, rules and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.widgets import event, queue_look
from nsm_nb.widgets.addresses import Addresses
from nsm_nb.widgets.autocat import Autocat
from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.messages import Messages
from nsm_nb.widgets.tabs import Tabs

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Aside"]

_TABS = {
    "alerts": "the alerts of the group, the session of the one with the cursor, and what was judged of it",
    "related": "other alerts that share session, hosts or signature with it",
    "addresses": "who its two ends are, as the evidence tells",
    "rules": "rules that judge by themselves (a)",
    "messages": "what analysts tell each other (m)",
}
_RELATED = (
    Field("how", width=20), Field("st", title="ST", width=3), Field("priority", title="P", kind="number", width=2),
    Field("time", title="time (UTC)", kind="clock"), Field("message", width=34), Field("src_ip", title="src ip"),
    Field("dst_ip", title="dst ip"), Field("dst_port", title="dport"), Field("sensor", width=8), Field("alert", width=16),
)  # fmt: skip


def _related_style(row: Mapping[str, Any]) -> dict[str, str]:
    return {"st": f"category-{row['status']}", "priority": event.priority_class(row["priority"]), "how": "muted"}


class Aside(ipywidgets.VBox):
    """What stands beside a group, in tabs; `children_grid` are its alerts.

    Parameters
    ----------
    case
        An open case.
    guard
        Wraps callbacks, so that what they raise is shown.
    alert
        Says which alert is looked at.
    changed
        Told when the rules that judge were changed.
    """

    def __init__(
        self, case: Case, guard: Callable[[Callable], Callable], *, alert: Callable[[], str | None],
        changed: Callable[[], object], **traits: Any,
    ):  # fmt: skip
        self.case = case
        self.taking = False
        self._alert = alert
        self._on_alert: list[Callable[[str], object]] = []
        self.tabs = Tabs(_TABS)
        columns = ["alert", *(getattr(each, "name", each) for each in queue_look.CHILDREN)]
        self.children_grid = Grid(
            pd.DataFrame({name: pd.array([], "str") for name in columns}), columns=queue_look.CHILDREN,
            style=queue_look.child_style, identity="alert", height=176, fit=True, label="alerts of the group",
            empty="choose a group: its alerts come here",
        )  # fmt: skip
        self.join = Lines(label="session of the alert")
        self.history = Lines(boxed=True, height=112, label="history of the alert")
        self.related = Grid(
            pd.DataFrame({field.name: pd.array([], "str") for field in _RELATED}), columns=_RELATED, style=_related_style,
            height=342, label="related alerts", empty="no other alert shares anything with it",
        )  # fmt: skip
        self.addresses = Addresses(case, guard)
        self.autocat = Autocat(case, guard, changed)
        self.messages = Messages(case, guard, alert)
        self._panels = {
            "alerts": (self.children_grid, self.join, self.history), "related": (self.related,),
            "addresses": (self.addresses,), "rules": (self.autocat,), "messages": (self.messages,),
        }  # fmt: skip
        super().__init__([self.tabs, *self._panels["alerts"]], **traits)
        self.tabs.observe(guard(lambda change: self._turn()), "value")
        self.related.on_activate(guard(lambda position: self._go(str(self.related.table["alert"].iloc[position]))))

    def on_alert(self, callback: Callable[[str], object]) -> None:
        """Have a function called with a related alert that was asked for."""
        self._on_alert.append(callback)

    def _go(self, alert: str) -> None:
        for callback in self._on_alert:
            callback(alert)

    def take(self, alerts: pd.DataFrame) -> None:
        """Show the alerts of another group; the cursor is on the first where it was on none of them."""
        self.taking = True
        try:
            self.children_grid.table = alerts
            if len(alerts) and self.children_grid.active is None:
                self.children_grid.active = 0
        finally:
            self.taking = False

    def show(self, alert: str | None) -> None:
        """Show what belongs to an alert, in the tab that is open."""
        if self.tabs.value == "alerts":
            self._show_history(alert)
        elif self.tabs.value == "related":
            self._show_related(alert)
        elif self.tabs.value == "addresses":
            self.addresses.show(None if alert is None else self.case.alert(alert))

    def _turn(self) -> None:
        name = self.tabs.value
        self.children = (self.tabs, *self._panels[name])
        if name == "rules":
            self.autocat.show()
        elif name == "messages":
            self.messages.show()
            self.tabs.label("messages")
        self.show(self._alert())

    def rule_of(self, alert: str | None, *, wide: Sequence[str] = ("src_port",)) -> None:
        """Begin a rule from an alert; parts that are `wide` are left open.

        Raises
        ------
        NsmError
            Where none is chosen.
        """
        if alert is None:
            raise NsmError("no alert is chosen; choose the one that a rule shall be made from")
        self.tabs.value = "rules"
        self.autocat.take(self.case.alert(alert), wide)

    def _show_history(self, alert: str | None) -> None:
        row = self.children_grid.row
        if alert is None or row is None:
            self.join.say(line(("choose an alert: its rule, packet and history come here", "muted")))
            self.history.say()
            return
        session = None if pd.isna(row["session"]) else self.case.session(int(row["session"]))
        self.join.say(*event.join_lines(session, row))
        self.history.say(*event.history_lines(self.case.history(alert)))

    def _show_related(self, alert: str | None) -> None:
        if alert is None:
            self.related.table = self.related.table.head(0)
            return
        found = self.case.related(alert)
        status = found["alert"].map(self.case.status()).astype("str").fillna("NEW")
        self.related.show(found.assign(status=status, st=status.where(status != "NEW", "RT")), columns=_RELATED)
