"""A clock that runs in the page: as long as somebody looks, and only while the kernel answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from nsm_nb.widgets.style import module

__all__ = ["Tick"]


class Tick(anywidget.AnyWidget):
    """Calls a function every so many seconds; never while `every` is 0. Nothing of it is seen."""

    _esm = module("tick.js")

    every = traitlets.Float(0.0, help="seconds; 0 stands still").tag(sync=True)

    def __init__(self, callback: Callable[[], object], **traits: Any):
        super().__init__(**traits)
        self._callback = callback
        self.on_msg(self._told)

    def tick(self) -> None:
        """Do what the clock does."""
        self._callback()

    def _told(self, _widget: Tick, content: dict, _buffers: Sequence) -> None:
        if content.get("type") == "tick":
            try:
                self.tick()
            finally:
                self.send({"type": "ticked"})
