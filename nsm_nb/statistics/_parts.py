"""Listings as people read them: facts, tables and sentences, in plain text and in HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from nsm_nb.text import html, printable

__all__ = ["Part", "as_html", "as_text", "named", "rows"]

_NAMES_SHOWN = 5

Facts = Iterable[tuple[str, str]]


class Part(NamedTuple):
    """One table of the listing."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: int  # how many of the first columns hold words; the others hold numbers


def as_text(facts: Facts, parts: Iterable[Part], sentences: Mapping[str, Sequence[str]]) -> str:
    """Return the listing as text of aligned columns."""
    blocks = ["\n".join(f"{name:<11} {value}" for name, value in facts)]
    blocks += [_text_table(part) for part in parts]
    blocks += [
        "\n".join([title, *(f"  {printable(each)}" for each in some)]) for title, some in sentences.items() if some
    ]
    return "\n\n".join(blocks) + "\n"


def as_html(title: str, facts: Facts, parts: Iterable[Part], sentences: Mapping[str, Sequence[str]]) -> str:
    """Return the listing as HTML; everything that comes from the evidence is escaped."""
    left = 'style="text-align:left"'
    said = "".join(
        f'<tr><th scope="row" {left}>{html(name)}</th><td {left}>{html(value)}</td></tr>' for name, value in facts
    )
    listed = "".join(
        f"<p>{html(name)}</p><ul>{''.join(f'<li>{html(each)}</li>' for each in some)}</ul>"
        for name, some in sentences.items()
        if some
    )
    return (
        '<div class="nsm-summary">'
        f"<table><caption>{html(title)}</caption><tbody>{said}</tbody></table>"
        f"{''.join(_html_table(part) for part in parts)}{listed}</div>"
    )


def named(names: Sequence[str]) -> str:
    """Return names of evidence in words; how many more there are is said."""
    if not names:
        return "none"
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(printable(name) for name in names[:_NAMES_SHOWN]) + more


def rows(table: pd.DataFrame) -> Iterable[Any]:
    """Return the rows of a table, each with its columns by name."""
    return table.itertuples()


def _text_table(part: Part) -> str:
    cells = [part.heads, *([printable(cell) for cell in row] for row in part.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(part.heads))]
    lines = [
        "  "
        + "  ".join(
            cell.ljust(width) if column < part.words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([part.title, *lines])


def _html_table(part: Part) -> str:
    def cell(text: str, column: int, *, tag: str) -> str:
        words = column < part.words
        depth = len(text) - len(text.lstrip(" ")) if words else 0
        style = f"text-align:{'left' if words else 'right'}" + (f";padding-left:{0.5 + depth / 2}em" if depth else "")
        scope = ' scope="col"' if tag == "th" else ""
        return f'<{tag}{scope} style="{style}">{html(text.lstrip(" "))}</{tag}>'

    head = "".join(cell(text, column, tag="th") for column, text in enumerate(part.heads))
    body = "".join(
        f"<tr>{''.join(cell(text, column, tag='td') for column, text in enumerate(row))}</tr>" for row in part.rows
    )
    return f"<table><caption>{html(part.title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
