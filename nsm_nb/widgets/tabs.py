"""A row of buttons of which one holds, each with words that may change, such as a count of what is unread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets
import traitlets

__all__ = ["Tabs"]


class Tabs(ipywidgets.HBox):
    """Buttons by name; `value` is the name of the one that holds.

    Parameters
    ----------
    names
        The name of each, and what its title says.
    """

    value = traitlets.Unicode()

    def __init__(self, names: Mapping[str, str], **traits: Any):
        self.buttons = {name: ipywidgets.Button(description=name, tooltip=title) for name, title in names.items()}
        super().__init__([*self.buttons.values()], value=next(iter(names)), **traits)
        self.add_class("nsm-tabs")
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self.set_trait("value", name))
        self._mark()

    def label(self, name: str, words: str = "", *, wants: bool = False) -> None:
        """Put words behind the name of a button, and say whether it wants to be looked at."""
        button = self.buttons[name]
        button.description = f"{name} {words}".strip()
        (button.add_class if wants else button.remove_class)("nsm-wants")

    @traitlets.validate("value")
    def _known(self, proposal: dict) -> str:
        if proposal["value"] not in self.buttons:
            raise traitlets.TraitError(f"there is no {proposal['value']!r}; there are {', '.join(self.buttons)}")
        return proposal["value"]

    @traitlets.observe("value")
    def _mark(self, change: dict | None = None) -> None:
        for name, button in getattr(self, "buttons", {}).items():
            (button.add_class if name == self.value else button.remove_class)("mod-active")
