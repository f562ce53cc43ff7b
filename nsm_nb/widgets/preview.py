"""A document in a frame that can do nothing: for a report, whose evidence an intruder wrote."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from nsm_nb.widgets.lines import with_fallback
from nsm_nb.widgets.style import module, sheet

__all__ = ["Preview"]


class Preview(anywidget.AnyWidget):
    """An HTML document in an iframe whose sandbox allows nothing."""

    _esm = module("preview.js")
    _css = sheet()

    document = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode("preview").tag(sync=True)
    height = traitlets.Int(600).tag(sync=True)

    def fallback(self) -> str:
        """Return nothing: a report is a file of its own, not a part of a notebook."""
        return ""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)
