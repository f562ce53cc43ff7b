"""Text in a widget: lines of spans with class names, shown by textContent, so that evidence stays text.

ipywidgets' Label typesets ``$`` as mathematics and its HTML takes markup; neither is for an intruder's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import anywidget
import traitlets

from nsm_nb.text import html, printable
from nsm_nb.widgets.cells import CLASSES
from nsm_nb.widgets.style import module, sheet

__all__ = ["Lines", "line"]

Span = str | tuple[str, str] | tuple[str, str, str]

_LINE_CLASSES = CLASSES | {"indent", "head", "side-src", "side-dst", "gap", "whole"}


def _classes(names: str) -> str:
    unknown = set(names.split()) - _LINE_CLASSES
    if unknown:
        raise ValueError(f"there is no class {min(unknown)!r}; lines know {', '.join(sorted(_LINE_CLASSES))}")
    return " ".join(f"nsm-{each}" for each in names.split())


def line(*spans: Span, style: str = "") -> dict[str, Any]:
    r"""Return one line for `Lines`.

    Parameters
    ----------
    *spans
        Text; or text and class names; or text, class names and a title. Text is made printable here.
    style
        Class names of the whole line.

    Examples
    --------
    >>> line("SRC: ", ("id\x1b[2J", "src"), style="side-src")
    {'style': 'nsm-side-src', 'spans': [['SRC: ', '', ''], ['id\\x1b[2J', 'nsm-src', '']]}
    """
    parts = []
    for each in spans:
        text, look, title = (*((each,) if isinstance(each, str) else each), "", "")[:3]
        parts.append([printable(text), _classes(look), printable(title)])
    return {"style": _classes(style), "spans": parts}


class Lines(anywidget.AnyWidget):
    """Text in lines; `listens` are the keys it listens for in the frame around it, and `on_key` is told of them."""

    _esm = module("lines.js")
    _css = sheet()

    lines = traitlets.List(traitlets.Dict()).tag(sync=True)
    code = traitlets.Bool(False, help="in the code font").tag(sync=True)
    fixed = traitlets.Bool(False, help="long lines are not wrapped").tag(sync=True)
    boxed = traitlets.Bool(False, help="with a border").tag(sync=True)
    height = traitlets.Int(0, help="greatest height in pixels before it scrolls; 0 grows").tag(sync=True)
    role = traitlets.Unicode("", help="ARIA role").tag(sync=True)
    label = traitlets.Unicode("", help="ARIA label").tag(sync=True)
    live = traitlets.Unicode("", help="ARIA live: polite, assertive or none").tag(sync=True)
    at = traitlets.Int(None, allow_none=True, help="the line to bring into sight and mark").tag(sync=True)
    selects = traitlets.Bool(False, help="on_select is told what is chosen with mouse or keyboard").tag(sync=True)
    listens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    asks: Any = traitlets.Dict(
        help="keys that lead into the frame's entry of class nsm-asked: always, or where it is empty"
    ).tag(sync=True)

    def __init__(self, *lines: str | dict, **traits: Any):
        super().__init__(**traits)
        self._on_key: list[Callable[[str], object]] = []
        self._on_select: list[Callable[[tuple[int, int], tuple[int, int]], object]] = []
        self.on_msg(self._told)
        if lines:
            self.say(*lines)

    def say(self, *lines: str | dict) -> None:
        """Show lines: text, or what `line` returns."""
        self.lines = [line(each) if isinstance(each, str) else each for each in lines]

    def text(self) -> str:
        """Return what is shown, as plain text."""
        return "\n".join("".join(span[0] for span in each["spans"]) for each in self.lines)

    def find(self, words: str, *, after: int = -1) -> int | None:
        """Return the next line that holds some words, upper or lower case alike, from the start again at the end."""
        wanted = printable(words).casefold()
        count = len(self.lines)
        if not wanted:
            return None
        for step in range(1, count + 1):
            number = (after + step) % count
            if wanted in "".join(span[0] for span in self.lines[number]["spans"]).casefold():
                return number
        return None

    def on_key(self, callback: Callable[[str], object]) -> None:
        """Have a function called with the name of each key pressed that is one of `listens`."""
        self._on_key.append(callback)

    def press(self, key: str) -> None:
        """Do what pressing a key does."""
        for callback in self._on_key:
            callback(key)

    def on_select(self, callback: Callable[[tuple[int, int], tuple[int, int]], object]) -> None:
        """Have a function called with line and column of both ends of what is chosen; they are one where nothing is."""
        self._on_select.append(callback)

    def select(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Do what choosing text does."""
        for callback in self._on_select:
            callback(start, end)

    def _told(self, _widget: Lines, content: dict, _buffers: Sequence) -> None:
        if content.get("type") == "select" and self.selects:
            (start, column), (end, until) = content["from"], content["to"]
            self.select((int(start), int(column)), (int(end), int(until)))
        if content.get("type") == "key" and content.get("key") in self.listens:
            self.press(content["key"])

    def fallback(self) -> str:
        """Return it as HTML for where no widget can live; everything is escaped."""
        return f"<pre>{html(self.text(), lines=True)}</pre>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        return with_fallback(super()._repr_mimebundle_(**kwargs), self.fallback)


def with_fallback(bundle: Any, fallback: Callable[[], str]) -> Any:
    """Return a widget's MIME bundle with `text/html` in it, for a notebook that was saved without its widgets."""
    if bundle is None:
        return None
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    return {**data, "text/html": fallback()}, metadata


def plain_table(headings: Iterable[str], cells: Iterable[Iterable[str]], note: str = "") -> str:
    """Return a plain HTML table, everything escaped, with a note under it."""
    head = "".join(f"<th>{html(each)}</th>" for each in headings)
    body = "".join(f"<tr>{''.join(f'<td>{html(each)}</td>' for each in row)}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" + (
        f"<p>{html(note)}</p>" if note else ""
    )
