"""Buttons that hand out what a widget shows: text to the clipboard, bytes as a file of the browser's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from nsm_nb.text import printable
from nsm_nb.widgets.style import module, sheet

__all__ = ["Handout"]


class Handout(anywidget.AnyWidget):
    """A button for each offer; `ask` is called with the name of the one pressed, and hands out by `copy` or `save`.

    Parameters
    ----------
    offers
        Name, label and title of each button.
    ask
        Called with the name of the button pressed.
    told
        Called with True where text is in the clipboard, False where the browser refused it.
    """

    _esm = module("handout.js")
    _css = sheet("packet.css")

    offers = traitlets.List(traitlets.Dict()).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        offers: Sequence[tuple[str, str, str]],
        ask: Callable[[str], object],
        told: Callable[[bool], object],
        **traits: Any,
    ):
        super().__init__(offers=[dict(zip(("what", "label", "title"), each, strict=True)) for each in offers], **traits)
        self._ask, self._copied = ask, told
        self.on_msg(self._told)

    def copy(self, text: str) -> None:
        """Put text into the clipboard of the one who looks."""
        self.send({"type": "text", "text": printable(text, lines=True)})

    def save(self, name: str, data: bytes, *, kind: str = "application/octet-stream") -> None:
        """Have the browser save bytes under a name."""
        self.send({"type": "file", "name": printable(name).replace("/", "_"), "kind": kind}, buffers=[data])

    def press(self, what: str) -> None:
        """Do what pressing a button does."""
        self._ask(what)

    def _told(self, _widget: Handout, content: dict, _buffers: Sequence) -> None:
        if content.get("type") == "copied":
            self._copied(bool(content.get("done")))
        elif content.get("type") == "ask" and content.get("what") in {each["what"] for each in self.offers}:
            self.press(content["what"])

    def fallback(self) -> str:
        """Return nothing: there is nobody to hand it to."""
        return ""
