"""Who the two ends of an alert are: what the evidence itself says of them, and what others say where that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.text import many
from nsm_nb.widgets.cells import show, time
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.lookup import Lookup

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Addresses", "host_lines"]

_WARNING = (
    "Asking tells the name servers and whois servers of these addresses, and so perhaps the intruder, that somebody looks at "
    "them. Nothing is asked until a button below is pressed."
)
_FACTS = ("offers", "uses", "system", "vendor", "mac")
_SHOWN = 12  # names of one address
_LINES = 60  # of an answer


def host_lines(side: str, address: str, port: Any, hosts: pd.DataFrame, names: pd.DataFrame) -> list[dict]:
    """Return what the evidence says of one end of an alert: its names with their source, and what was seen of it."""
    end = address + ("" if pd.isna(port) else f" {port}")
    lines = [line((f"{side} ", side), (end, "code strong"))]
    mine = names[(names["address"].astype("str") == address).to_numpy(bool, na_value=False)]
    shown = mine.head(_SHOWN)
    for each, count in zip(shown.itertuples(), shown["count"].tolist(), strict=True):
        where = f"{each.source}, {many(count, 'time')}, first in frame {each.frame} of {each.evidence}"
        lines.append(line("  named ", (show(each.name)[0], "strong"), (f"  by {where}", "muted")))
    if len(mine) > _SHOWN:
        lines.append(line((f"  {many(len(mine) - _SHOWN, 'name')} more: case.names", "muted")))
    if not len(mine):
        lines.append(line(("  no name in the evidence", "muted")))
    rows = hosts[(hosts["host"].astype("str") == address).to_numpy(bool, na_value=False)]
    if not len(rows):
        return [*lines, line(("  no packet and no flow of it", "muted"))]
    row = rows.iloc[0]
    inside = "" if pd.isna(row["inside"]) else "home network, " if row["inside"] else "outside, "
    if pd.notna(row["first"]):
        lines.append(line(f"  {inside}seen {time(row['first'])[:19]} to {time(row['last'])[:19]} UTC"))
    for name in _FACTS:
        if pd.notna(row[name]) and str(row[name]):
            lines.append(line((f"  {name} ", "muted"), show(row[name])[0]))
    return lines


class Addresses(ipywidgets.VBox):
    """Both ends of an alert.

    Parameters
    ----------
    case
        An open case.
    guard
        Wraps callbacks, so that what they raise is shown.
    """

    def __init__(
        self, case: Case, guard: Callable[[Callable], Callable], *, lookup: Lookup | None = None, **traits: Any
    ):
        self.case = case
        self.lookup = lookup or Lookup()
        self._ends: list[str] = []
        self.text = Lines(boxed=True, height=320, label="both ends of the alert")
        self.allow = ipywidgets.Checkbox(
            description="ask outside for this case", value=False, indent=False, layout={"width": "auto"}
        )
        self.allow.tooltip = _WARNING
        self.warning = Lines()
        self.answer = Lines(boxed=True, code=True, height=150, label="what others say", live="polite")
        self.asks = [
            ipywidgets.Button(description=f"{way} of {side}", tooltip=_WARNING)
            for way in self.lookup.ways
            for side in ("src", "dst")
        ]
        for number, button in enumerate(self.asks):
            way, side = list(self.lookup.ways)[number // 2], number % 2
            button.on_click(guard(lambda _, way=way, side=side: self.ask(way, side)))
        self._buttons = ipywidgets.HBox(self.asks)
        self._buttons.add_class("nsm-bar")
        super().__init__([self.text, self.allow], **traits)
        self.allow.observe(guard(lambda change: self._allow(change["new"])), "value")

    def _allow(self, allowed: bool) -> None:
        self.lookup.allowed = allowed
        self.warning.say(line((_WARNING, "doubt")))
        self.answer.say(line(("nothing was asked", "muted")))
        self.children = (
            (self.text, self.allow, self.warning, self._buttons, self.answer) if allowed else (self.text, self.allow)
        )

    def show(self, alert: pd.Series | None) -> None:
        """Show the ends of an alert; the first time the case looks for names and hosts in its packets."""
        self._ends = []
        if alert is None:
            self.text.say(line(("choose an alert: what the evidence says of its two ends comes here", "muted")))
            return
        self._ends = ["" if pd.isna(alert[f"{side}_ip"]) else str(alert[f"{side}_ip"]) for side in ("src", "dst")]
        hosts, names, lines = self.case.hosts, self.case.names, []
        for side, address in zip(("src", "dst"), self._ends, strict=True):
            if address:
                lines += host_lines(side, address, alert[f"{side}_port"], hosts, names)
        notes = [*hosts.attrs.get("limits", []), *names.attrs.get("notes", [])]
        self.text.say(*lines, *(line((each, "muted")) for each in notes))

    def ask(self, way: str, side: int) -> Any:
        """Ask the world outside about one end; the answer comes when it comes."""
        address = self._ends[side] if side < len(self._ends) else ""
        if not address:
            self.answer.say(line(("this alert names no such address", "muted")))
            return None
        self.answer.say(line((f"asking for {way} of {address} ...", "muted")))

        def done(text: str) -> None:
            rows = text.splitlines() or ["an empty answer"]
            more = [line((f"{many(len(rows) - _LINES, 'line')} more", "muted"))] if len(rows) > _LINES else []
            self.answer.say(line((f"{way} of {address}, said by others:", "strong")), *rows[:_LINES], *more)

        return self.lookup.ask(address, way, done)
