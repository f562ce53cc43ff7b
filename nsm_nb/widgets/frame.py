"""The frame around every widget: title line, content, status line, and the line of Python that does the same."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import traitlets

from nsm_nb.errors import NsmError
from nsm_nb.text import html
from nsm_nb.widgets.lines import Lines, line, with_fallback

__all__ = ["Frame"]

log = logging.getLogger(__name__)


class Frame(ipywidgets.VBox):
    """Title line (what, how many, which filter), content, status line, and a `code` button.

    Parameters
    ----------
    title
        What is seen.
    *content
        Widgets, from top to bottom.
    code
        The line of Python that gives the same.
    keys
        Lines that say what the keys do: the button beside `code` shows them, and so does the key ``?``.
    """

    title = traitlets.Unicode()
    note = traitlets.Unicode(help="beside the title: how many, which filter")
    status = traitlets.Unicode(help="the last line: selection, time taken")
    error = traitlets.Unicode(help="what went wrong last, as a sentence; empty where nothing did")
    code = traitlets.Unicode(help="the line of Python that gives the same")

    def __init__(
        self, title: str, *content: ipywidgets.Widget, code: str = "", keys: Sequence[str] = (), **traits: Any
    ):
        self._depth = 0
        self._title = Lines(role="heading")
        self._title.add_class("nsm-title")
        self._button = ipywidgets.ToggleButton(
            description="code", tooltip="Show the line of Python that gives the same"
        )
        self._code = Lines(code=True, boxed=True, label="Python that gives the same")
        self._status = Lines(role="status", live="polite")
        self._status.add_class("nsm-statusline")
        self._help = ipywidgets.ToggleButton(description="? keys", tooltip="Show what the keys do (?)")
        self._key_lines = Lines(*keys, code=True, boxed=True, label="what the keys do")
        self._head = ipywidgets.HBox([self._title, *([self._help] if keys else []), self._button])
        self._head.add_class("nsm-titleline")
        self._content: tuple[ipywidgets.Widget, ...] = content
        super().__init__(**traits)
        self.add_class("nsm-frame")
        self.add_class("nsm")
        for each in (self._button, self._help):
            each.observe(lambda change: self._unfold(), "value")
        if keys:
            self._title.listens = ["?"]
            self._title.on_key(self._pressed_help)
        self.title, self.code = title, code
        self._head_line()
        self._status_line()
        self._unfold()
        self._lay_out()

    @property
    def content(self) -> tuple[ipywidgets.Widget, ...]:
        """The widgets between the title line and the status line."""
        return self._content

    @content.setter
    def content(self, content: tuple[ipywidgets.Widget, ...]) -> None:
        self._content = tuple(content)
        self._lay_out()

    def _lay_out(self) -> None:
        self.children = (self._head, self._key_lines, self._code, *self._content, self._status)

    def _unfold(self) -> None:
        # hidden, not taken out: what stands below would be drawn anew, and lose the keyboard
        for each, on in ((self._key_lines, self._help), (self._code, self._button)):
            each.layout.display = "" if on.value else "none"

    def _pressed_help(self, key: str) -> None:
        if key == "?":
            self._help.value = not self._help.value

    @traitlets.observe("title", "note")
    def _head_line(self, change: dict | None = None) -> None:
        spans = [self.title, ("  " + self.note, "muted")] if self.note else [self.title]
        self._title.say(line(*spans))

    @traitlets.observe("status", "error")
    def _status_line(self, change: dict | None = None) -> None:
        if self.error:
            self._status.say(line(("error: ", "wrong strong"), (self.error, "wrong")))
        else:
            self._status.say(self.status)

    @traitlets.observe("code")
    def _code_lines(self, change: dict) -> None:
        self._code.say(*self.code.splitlines())

    def guard(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Return a callback whose errors are shown in the frame; a kernel would lose them without a word."""

        @functools.wraps(callback)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not self._depth:
                self.error = ""
            self._depth += 1
            try:
                return callback(*args, **kwargs)
            except NsmError as problem:
                self.error = str(problem)
            except Exception as problem:  # broad: Jupyter drops what a callback raises, so whatever it is, show it
                self.error = f"{type(problem).__name__}: {problem}"
                log.warning("a callback of %r failed", self.title, exc_info=True)
            finally:
                self._depth -= 1
            return None

        return guarded

    def fallback(self) -> str:
        """Return the frame as HTML for where no widget can live; everything is escaped."""
        inside = "".join(each.fallback() for each in self._content if hasattr(each, "fallback"))
        return f"<h3>{html(self.title)} {html(self.note)}</h3>{inside}<p>{html(self.status)}</p>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)
