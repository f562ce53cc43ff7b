"""Verdict buttons with Sguil's keys, and the comment in the same step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
import traitlets

from nsm_nb.triage import CATEGORIES
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.lines import Lines, line

__all__ = ["ASKS", "HELP", "KEYS", "Verdict"]

_BY_KEY = {each.key: each.short for each in CATEGORIES.values() if each.key}
_LETTERS = {"e": "NA", "s": "ESC"}

#: The keys that give a verdict.
KEYS = (*_BY_KEY, *(f"Shift+{key}" for key in _BY_KEY), *_LETTERS)

#: Which of them lead into the comment at once.
ASKS = {f"Shift+{key}": "always" for key in _BY_KEY} | {
    key: "empty" for key, short in (*_BY_KEY.items(), *_LETTERS.items()) if CATEGORIES[short].needs_comment
}

#: Lines that say what they do.
HELP = (
    *(f"{each.key:<4} {each.short:<4} {each.name}" for each in CATEGORIES.values() if each.key),
    "Shift with one of these: write the comment first, Enter gives the verdict, Escape takes it back",
    "e no further action   s escalate",
    "j k or arrows move; x, Ctrl-click and Shift-click mark; a verdict is on what is marked, else on the cursor",
)


class Verdict(ipywidgets.VBox):
    """A button for each category; a comment; `pending` is the category that waits for its comment.

    `judge` is called with the category's short name and the comment; where it returns something true, the comment is
    done with, else it stays to be tried again.

    Parameters
    ----------
    judge
        Gives the verdict.
    """

    pending = traitlets.Unicode(help="the category that waits for a comment, else empty")
    about = traitlets.Unicode(help="what a verdict would be on")

    def __init__(self, judge: Callable[[str, str], object], **traits: Any):
        self._judge = judge
        self.buttons = {each.short: self._button(each.short) for each in CATEGORIES.values()}
        self.comment = Entry(label="comment", placeholder="why; it is kept with the verdict")
        self.comment.layout.flex = "1 1 320px"
        self.comment.add_class("nsm-asked")
        self.comment.on_submit(lambda text: self._submitted())
        self.comment.on_cancel(self.cancel)
        self._about = Lines(live="polite")
        self._about.layout.min_width = "180px"
        row = ipywidgets.HBox([*self.buttons.values()])
        row.add_class("nsm-verdicts")
        self._below = below = ipywidgets.HBox([self.comment, self._about])
        below.add_class("nsm-bar")
        super().__init__([row, below], **traits)
        self._tell()

    def also(self, *buttons: ipywidgets.Widget) -> None:
        """Put further buttons beside the comment."""
        self._below.children = (self.comment, *buttons, self._about)

    def _button(self, short: str) -> ipywidgets.Button:
        category = CATEGORIES[short]
        words = f"{category.key} {short}" if category.key else "new again"
        key = f" ({category.key}; with Shift the comment first)" if category.key else ""
        button = ipywidgets.Button(description=words, tooltip=f"{category.name}{key}")
        button.add_class("nsm-verdict")
        button.add_class(f"nsm-category-{short}")
        button.on_click(lambda _: self.choose(short))
        return button

    @traitlets.observe("pending", "about")
    def _tell(self, change: dict | None = None) -> None:
        if not hasattr(self, "_about"):
            return
        if self.pending:
            words = f"{self.pending}, {CATEGORIES[self.pending].name}: write why, then Enter (Escape takes it back)"
            self._about.say(line((words, "strong")))
        else:
            self._about.say(line((f"a verdict is on {self.about}" if self.about else "nothing is chosen", "muted")))
        self.comment.label = f"comment for {self.pending}" if self.pending else "comment"

    def press(self, key: str) -> None:
        """Do what one of `KEYS` does."""
        name = key.removeprefix("Shift+")
        if key != name:
            self.pending = _BY_KEY[name]  # the browser has led into the comment already: see `ASKS`
        elif name in _LETTERS or name in _BY_KEY:
            short = _LETTERS.get(name) or _BY_KEY[name]
            if CATEGORIES[short].needs_comment and not self.comment.value.strip():
                self.pending = short
            else:
                self.choose(short)

    def choose(self, short: str) -> None:
        """Give a verdict with the comment that stands there; where one is needed and missing, ask for it."""
        if CATEGORIES[short].needs_comment and not self.comment.value.strip():
            self.ask(short)
        elif self._judge(short, self.comment.value.strip()):
            self.comment.value, self.pending = "", ""

    def ask(self, short: str) -> None:
        """Ask for the comment first; Enter in it gives the verdict."""
        self.pending = short
        self.comment.ask()

    def cancel(self) -> None:
        """Take back what waits for its comment."""
        self.pending = ""

    def _submitted(self) -> None:
        if self.pending:
            self.choose(self.pending)
        else:
            self._about.say(line(("now choose a category: F1 to F9, or a button", "strong")))
