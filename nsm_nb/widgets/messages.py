"""What analysts tell each other, beside the queue; what is unread is counted on its tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.text import many
from nsm_nb.widgets.cells import show, time
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.lines import Lines, line

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Messages", "message_lines"]

_SHOWN = 200


def message_lines(messages: pd.DataFrame, locks: pd.DataFrame) -> list[dict]:
    """Return who looks at what, and what was said, the newest first."""
    lines: list[dict] = []
    for who, rows in locks.groupby("analyst", sort=True):
        what = ", ".join(
            f"{kind} {subject}" for kind, subject in zip(rows["subject_kind"], rows["subject"], strict=True)
        )
        lines.append(line((f"{show(who)[0]} ", "strong"), (f"looks at {show(what)[0]}", "doubt")))
    shown = messages.tail(_SHOWN)
    for each in shown.iloc[::-1].itertuples():
        to = "" if pd.isna(each.to) else f" to {show(each.to)[0]}"
        about = "" if pd.isna(each.about) else f"  ({show(each.about_kind)[0]} {show(each.about)[0]})"
        who = f"{show(each.analyst)[0]}{to} "
        lines.append(line(f"{time(each.time)[:19]} ", (who, "strong"), show(each.text)[0], (about, "muted")))
    if len(messages) > len(shown):
        lines.append(line((f"{many(len(messages) - len(shown), 'older one')}: case.ledger.messages()", "muted")))
    return lines or [line(("nobody has said anything, and nobody else looks at an alert", "muted"))]


class Messages(ipywidgets.VBox):
    """Messages of the case's ledger.

    Parameters
    ----------
    case
        An open case.
    guard
        Wraps callbacks, so that what they raise is shown.
    about
        Says which alert a message would be about.
    """

    def __init__(
        self, case: Case, guard: Callable[[Callable], Callable], about: Callable[[], str | None], **traits: Any
    ):
        self.case = case
        self._about = about
        self._last = -1
        self.text = Lines(boxed=True, height=300, label="messages of analysts", live="polite")
        self.entry = Entry(label="say", placeholder="to all; @name to one; Enter sends it, and nobody can take it back")
        self.with_alert = ipywidgets.Checkbox(
            description="about this alert", value=False, indent=False, layout={"width": "auto"}
        )
        self.entry.layout.flex = "1 1 240px"
        bar = ipywidgets.HBox([self.entry, self.with_alert])
        bar.add_class("nsm-bar")
        super().__init__([self.text, bar], **traits)
        self.entry.on_submit(guard(self.say))

    def unread(self) -> int:
        """Return how many messages of others were not read."""
        return len(self.case.ledger.unread())

    def show(self) -> None:
        """Show what was said, and remember that it was read."""
        ledger = self.case.ledger
        self.text.say(*message_lines(ledger.messages(), ledger.locks()))
        ledger.mark_read()

    def say(self, text: str) -> None:
        """Tell all analysts something, or one where the text begins with ``@name``."""
        to, words = None, text.strip()
        if words.startswith("@"):
            name, _, rest = words[1:].partition(" ")
            to, words = name or None, rest
        self.case.ledger.say(words, to=to, about=self._about() if self.with_alert.value else None)
        self.entry.value = ""
        self.show()
