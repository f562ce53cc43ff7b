"""Content to one HTML page: escaped, printable, with its style and figures inside, and nothing outside."""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb import colours, text
from nsm_nb.report.content import Content

if TYPE_CHECKING:
    import jinja2

__all__ = ["page"]

_HERE = Path(__file__).parent
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 ]")


@dataclass(frozen=True)
class Figure:
    """A figure in both themes, ready for the page."""

    light: Any
    dark: Any
    caption: str


def page(content: Content, *, folder: str) -> str:
    """Return the page of a report.

    Parameters
    ----------
    content
        What it says.
    folder
        The name of the case's folder, for the commands.
    """
    from markupsafe import Markup

    return _template().render(
        it=content,
        version=dict(content.tools)["nsm_nb"],
        place=shlex.quote(folder),
        style=Markup(style(content)),  # noqa: S704
        figure=_figure(content.timeline, content.marks),
        newline=Markup("\n"),
    )


@functools.cache
def _template() -> jinja2.Template:
    """Return the template, which takes long to compile, and reports are made anew from verdict to verdict."""
    import jinja2
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        # every value on its way into the page; autoescape comes after it
        return value if isinstance(value, Markup) else text.printable(value)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, finalize=shown,
        trim_blocks=False, keep_trailing_newline=True,
    )  # fmt: skip
    environment.globals.update(form=text.form, many=text.many)
    environment.filters["lines"] = lambda value: Markup(text.html(value, lines=True))  # noqa: S704
    return environment.get_template("template.html")


def style(content: Content) -> str:
    """Return the style sheet: the palette for both themes, the running foot of printed pages, style.css."""
    rules = [
        _theme(":root", "light"),
        f"@media screen and (prefers-color-scheme: dark) {{ {_theme(':root', 'dark')} }}",
    ]
    rules += [
        f".cat-{short} {{ background: {colour}; color: {colours.ink(colour)}; }}"
        for short, colour in colours.CATEGORY.items()
    ]
    foot = _quoted(f"{content.name} - {content.date} - ledger {content.ledger.head[:16]}")
    rules.append(
        "@page { margin: 18mm 15mm 19mm; @bottom-left { content: "
        + foot
        + "; font: 7.5pt sans-serif; color: #595959; } "
        '@bottom-right { content: counter(page) " / " counter(pages); font: 7.5pt sans-serif; color: #595959; } }'
    )
    return "\n".join([*rules, (_HERE / "style.css").read_text("utf-8")])


def _theme(selector: str, name: str) -> str:
    theme = colours.THEMES[name]
    shade = {"light": "#f4f4f4", "dark": "#1c1c1c"}[name]
    grounds = (theme.ground, shade)
    values = {
        "ground": theme.ground, "ink": theme.ink, "faint": theme.faint, "rule": theme.grid, "shade": shade,
        "src": colours.readable(colours.SRC, *grounds), "dst": colours.readable(colours.DST, *grounds),
        "doubt": colours.readable(colours.DOUBT, *grounds),
    }  # fmt: skip
    return f"{selector} {{ {' '.join(f'--{key}: {value};' for key, value in values.items())} }}"


def _quoted(words: str) -> str:
    """Return text as a CSS string: whatever is not plain is its number, so nothing can end the string."""
    safe = _NOT_PLAIN.sub(lambda match: f"\\{ord(match.group()):06x} ", text.printable(words)[:200])
    return f'"{safe}"'


def _figure(table: pd.DataFrame | None, marks: pd.DataFrame) -> Figure | None:
    if table is None:
        return None
    from markupsafe import Markup

    from nsm_nb import plots

    # `plots.image` escapes what it is given; it is the one HTML that is taken as it comes
    images = {
        theme: Markup(plots.image(plots.timeline(table, marks=marks, theme=theme)))  # noqa: S704
        for theme in ("light", "dark")
    }  # type: ignore[call-overload]
    caption = "Amounts by time and protocol; the marks above are alerts, by their priority. Times are UTC."
    return Figure(images["light"], images["dark"], caption)
