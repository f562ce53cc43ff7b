"""A tree of amounts as an icicle: each level a row, each part as wide as its share, its own parts below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import pandas as pd
import traitlets

from nsm_nb import colours
from nsm_nb.statistics.quantities import amount, octets, share
from nsm_nb.text import many, printable
from nsm_nb.widgets.lines import plain_table, with_fallback
from nsm_nb.widgets.style import module, sheet

__all__ = ["Icicle"]

_MOST = 400  # parts; a tree of more is no picture, and the table beside it has them all
_PROTOCOL_OF = {"icmpv6": "icmp6", "tcp6": "tcp", "udp6": "udp"}


class Icicle(anywidget.AnyWidget):
    """The tree of protocols as an icicle; `active` is the part with the cursor, a row of the table.

    On the keyboard left and right go along a level, down to the parts of a part, up to what it is part of.

    Parameters
    ----------
    table
        What `statistics.protocols` gave.
    by
        The column that the widths stand for: ``"length"`` or ``"packets"``.
    listens
        Keys to be told of.

    Examples
    --------
    >>> from nsm_nb.statistics import protocols
    >>> table = protocols(pd.DataFrame({"layers": ["eth:ip:tcp", "eth:arp"], "length": [300, 100]}))
    >>> [(each["name"], each["at"], each["size"]) for each in Icicle(table).parts]
    [('eth', 0.0, 1.0), ('ip', 0.0, 0.75), ('tcp', 0.0, 0.75), ('arp', 0.75, 0.25)]
    """

    _esm = module("icicle.js")
    _css = sheet("icicle.css")

    parts = traitlets.List(traitlets.Dict()).tag(sync=True)
    active: Any = traitlets.Int(None, allow_none=True, help="the part with the cursor").tag(sync=True)
    listens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    label = traitlets.Unicode("protocols", help="alternative text").tag(sync=True)
    empty = traitlets.Unicode("no packets in this window").tag(sync=True)

    def __init__(self, table: pd.DataFrame | None = None, *, by: str = "length", **traits: Any):
        self._on_key: list[Callable[[str], object]] = []
        super().__init__(**traits)
        self.on_msg(self._told)
        if table is not None:
            self.show(table, by=by)

    def show(self, table: pd.DataFrame, *, by: str = "length", unit: str = "on the wire") -> None:
        """Show another tree; the cursor stays on the same path where it is there."""
        before = None if self.active is None or self.active >= len(self.parts) else self.parts[self.active]["path"]
        total = max(int(table.loc[table["level"] == 0, by].sum()), 1)
        parts: list[dict] = []
        begins = [0]  # where the next part of each level begins
        kept = table.head(_MOST)
        for row in kept.itertuples():
            level, size = int(row.level), int(getattr(row, by))  # type: ignore[arg-type]
            del begins[level + 1 :]
            begin = begins[level]
            begins[level] += size
            begins.append(begin)
            name = printable(row.name)
            known = _PROTOCOL_OF.get(name, name)
            parts.append(
                {
                    "name": name,
                    "path": printable(row.layers),
                    "level": level,
                    "at": begin / total,
                    "size": size / total,
                    "colour": known if known in colours.PROTOCOL else "",
                    "words": f"{share(size / total)}: {amount(int(row.packets), 'packet')}, {octets(int(row.length))} "  # type: ignore[arg-type]
                    f"({many(int(row.length), 'byte')}) {unit}",  # type: ignore[arg-type]
                }
            )
        more = len(table) - len(kept)
        top = ", ".join(f"{each['path']} {share(each['size'])}" for each in parts[:12])
        paths = [each["path"] for each in parts]
        with self.hold_sync():
            self.parts = parts
            self.label = f"protocols by {'packets' if by == 'packets' else 'bytes'}: {top or self.empty}" + (
                f", and {more:,} more, which the table has" if more else ""
            )
            self.active = paths.index(before) if before in paths else None

    def on_key(self, callback: Callable[[str], object]) -> None:
        """Have a function called with the name of each key pressed that is one of `listens`."""
        self._on_key.append(callback)

    def press(self, key: str) -> None:
        """Do what pressing one of `listens` does."""
        for callback in self._on_key:
            callback(key)

    def _told(self, _widget: Icicle, content: dict, _buffers: Sequence) -> None:
        place = content.get("active")
        if content.get("type") == "key" and content.get("key") in self.listens:
            if isinstance(place, int) and 0 <= place < len(self.parts):
                self.active = place
            self.press(content["key"])

    def fallback(self) -> str:
        """Return the tree as a plain HTML table, everything escaped."""
        return plain_table(["protocol", "share and amount"], [[each["path"], each["words"]] for each in self.parts])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)
