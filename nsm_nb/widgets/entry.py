"""A line to write in: submitted by Enter (never by leaving it), and able to say where a word is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from nsm_nb.text import printable
from nsm_nb.widgets.style import module, sheet

__all__ = ["Entry"]


class Entry(anywidget.AnyWidget):
    """A line of text: `value` is what stands there when anything is asked, `on_submit` is told by Enter, `on_cancel` by Escape.

    ipywidgets' Text also submits when it loses the focus, which is no way to judge an alert.
    """

    _esm = module("entry.js")
    _css = sheet()

    value = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    placeholder = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    code = traitlets.Bool(False, help="in the code font").tag(sync=True)
    then = traitlets.List(
        traitlets.Unicode(), help="selectors in the frame: what has the keyboard after Enter or Escape"
    ).tag(sync=True)
    wrong: Any = traitlets.Dict({"column": None, "text": ""}).tag(sync=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self._on_submit: list[Callable[[str], object]] = []
        self._on_cancel: list[Callable[[], object]] = []
        self.on_msg(self._told)

    def on_submit(self, callback: Callable[[str], object]) -> None:
        """Have a function called with the line when Enter is pressed."""
        self._on_submit.append(callback)

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Have a function called when Escape is pressed."""
        self._on_cancel.append(callback)

    def submit(self, value: str | None = None) -> None:
        """Do what Enter does."""
        if value is not None:
            self.value = value
        for callback in self._on_submit:
            callback(self.value)

    def cancel(self) -> None:
        """Do what Escape does."""
        for callback in self._on_cancel:
            callback()

    def mark(self, text: str = "", column: int | None = None) -> None:
        """Say what is wrong, under the character at `column`; nothing is wrong where there is no text."""
        self.wrong = {"column": column, "text": printable(text)}

    def ask(self) -> None:
        """Bring the cursor into the line."""
        self.send({"type": "focus"})

    def _told(self, _widget: Entry, content: dict, _buffers: Sequence) -> None:
        if content.get("type") == "value":
            self.value = str(content.get("value", ""))
        elif content.get("type") == "submit":
            self.submit(str(content.get("value", "")))
        elif content.get("type") == "cancel":
            self.cancel()
