"""What stands above a transcript: which session and how it is shown, and what is searched for in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from nsm_nb.errors import NsmError
from nsm_nb.text import many
from nsm_nb.transcripts.search import KINDS, Hit, Hits, search
from nsm_nb.transcripts.tcp import POLICIES
from nsm_nb.widgets.conversation import Mark
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.lines import line
from nsm_nb.widgets.octets import Octets
from nsm_nb.widgets.transcript.tabs import VIEWS

if TYPE_CHECKING:
    from nsm_nb.transcripts import Transcript

__all__ = ["FindBar", "SessionBar", "button"]

_LONGEST = 5.0  # seconds of a search, in the kernel's own time


def button(name: str, tooltip: str) -> ipywidgets.Button:
    """Return a button with its title."""
    return ipywidgets.Button(description=name, tooltip=tooltip)


class SessionBar(ipywidgets.HBox):
    """Which session is shown, in which tab, whose bytes where segments overlap, and which page.

    What its controls do is up to the widget around it.
    """

    def __init__(self, policy: str, **traits: Any):
        self.number = Entry(label="session", code=True, placeholder="a number, then Enter")
        self.number.layout.width = "240px"
        self.chosen = button("the chosen one", "Go to the session that the case has chosen")
        self.view = ipywidgets.ToggleButtons(options=list(VIEWS), tooltips=list(VIEWS.values()))
        self.times = ipywidgets.ToggleButton(
            value=True, description="times", tooltip="A line with time and frame before each turn"
        )
        self.policy = ipywidgets.Dropdown(options=list(POLICIES), value=policy, description="overlaps")
        self.policy.layout.width = "150px"
        self.policy.tooltip = (
            "Whose bytes are shown where TCP segments overlap and differ, as the receiver may have chosen"
        )
        self.back = button("previous page", "The bytes before these")
        self.further = button("next page", "The bytes behind these")
        self.pages = Octets(live="polite")
        super().__init__(
            [self.number, self.chosen, self.view, self.times, self.policy, self.back, self.further, self.pages],
            **traits,
        )
        self.add_class("nsm-bar")

    def tell_page(self, number: int, count: int) -> None:
        """Say which page is shown; nothing where there is one."""
        self.back.disabled, self.further.disabled = number <= 1, number >= count
        for each in (self.back, self.further):
            each.layout.display = "none" if count < 2 else ""
        self.pages.say(*([line((f"page {number:,} of {count:,}", "muted"))] if count > 1 else []))


class FindBar(ipywidgets.HBox):
    """What is searched for, where it stands (`hits`), and which of those places is looked at (`now`)."""

    def __init__(self, **traits: Any):
        self.hits = Hits()
        self.now: int | None = None
        self._sought = False
        self.words = Entry(label="find", code=True, placeholder="Enter finds the next place   /")
        self.words.layout.flex = "1 1 200px"
        self.words.add_class("nsm-asked")
        self.kind = ipywidgets.ToggleButtons(options=list(KINDS), tooltips=list(KINDS.values()))
        self.side = ipywidgets.Dropdown(options=[("both sides", ""), ("SRC", "src"), ("DST", "dst")])
        self.side.layout.width = "100px"
        self.side.tooltip = "Which side is searched"
        self.any_case = ipywidgets.Checkbox(description="ignore case", value=True, indent=False)
        self.any_case.layout.width = "auto"
        self.last = button("previous place", "Shift+F3")
        self.next = button("next place", "F3")
        self.count = Octets(live="polite")
        super().__init__([self.words, self.kind, self.side, self.any_case, self.last, self.next, self.count], **traits)
        self.add_class("nsm-bar")

    @property
    def value(self) -> str:
        """What is searched for."""
        return str(self.words.value)

    @value.setter
    def value(self, words: str) -> None:
        self.words.value = words

    def forget(self) -> None:
        """Forget what was found; the words stay."""
        self.hits, self.now, self._sought = Hits(), None, False
        self.words.mark()

    def seek(self, said: Transcript | None) -> None:
        """Find all places of what is searched for; none is looked at yet. What is wrong with the words stands at them."""
        self.forget()
        if said is None or not self.value:
            return
        self._sought = True
        try:
            self.hits = search(
                said, self.value, kind=self.kind.value, side=self.side.value or None, ignore_case=self.any_case.value,
                seconds=_LONGEST,
            )  # fmt: skip
        except NsmError as problem:
            self.words.mark(str(problem))

    def step(self, said: Transcript | None, *, back: bool) -> Hit | None:
        """Look at the next place, or the one before; return it, None where there is none."""
        before, now = self.hits, self.now
        self.seek(said)
        if not self.hits:
            return None
        count = len(self.hits)
        if before == self.hits and now is not None:
            self.now = (now + (-1 if back else 1)) % count
        else:
            self.now = count - 1 if back else 0
        return self.hits[self.now]

    def marks(self) -> list[Mark]:
        """Return the places as they are marked in the lines."""
        return [
            Mark(hit.side, hit.offset, hit.offset + hit.length, place == self.now)
            for place, hit in enumerate(self.hits)
        ]

    def tell(self) -> None:
        """Say how many places there are, and which is looked at."""
        if not self._sought:
            self.count.say()
            return
        count = len(self.hits)
        number = "" if self.now is None else f"{self.now + 1:,} of "
        words = f"{number}{many(count, 'place')}" if count else "not found"
        self.count.say(line(words, (f"; {self.hits.note}" if self.hits.note else "", "doubt")))

    def code(self) -> str:
        """Return the call that finds the same; empty where nothing is searched for."""
        if not self.value:
            return ""
        options = "" if self.kind.value == "text" else f", kind={self.kind.value!r}"
        options += f", side={self.side.value!r}" if self.side.value else ""
        options += "" if self.any_case.value else ", ignore_case=False"
        return f"search({self.value!r}{options})"
