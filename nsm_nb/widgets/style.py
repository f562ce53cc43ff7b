"""The look all widgets share: style.css, with the fixed palette as CSS variables that are readable on both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nsm_nb import colours

__all__ = ["GROUNDS", "PARTS", "asset", "module", "palette", "sheet"]

#: What text of ours stands on in JupyterLab's light and dark theme: --jp-layout-color1, a striped row, the active row.
GROUNDS = {"light": ("#ffffff", "#f3f3f3", "#d6e6f7"), "dark": ("#212121", "#303030", "#213647")}

PARTS = 50  #: how many parts a bar in a cell can have

_HERE = Path(__file__).parent


def asset(name: str) -> str:
    """Return the text of a file beside this module."""
    return (_HERE / name).read_text(encoding="utf-8")


def module(*names: str) -> str:
    """Return one ES module: what all of ours share, and the files named."""
    return "\n".join(asset(name) for name in ("shared.js", *names))


def sheet(*names: str) -> str:
    """Return one style sheet: the palette, style.css and the sheets named; with that of grids, their bars."""
    return "\n".join(
        [palette(), asset("style.css"), *(asset(name) for name in names), *(_bars() if "grid.css" in names else [])]
    )


def _bars() -> list[str]:
    """Return the lengths of the bars in a grid's cells; grid.css draws them."""
    return [
        f".nsm-{name}-{part} {{ --nsm-{name}-width: {100 * part / PARTS:g}%; }}"
        for name in ("part", "sent")
        for part in range(PARTS + 1)
    ]


def _chips() -> Iterator[tuple[str, str]]:
    yield from ((f"priority-{each}", colour) for each, colour in colours.PRIORITY.items())
    yield from ((f"category-{each}", colour) for each, colour in colours.CATEGORY.items())


def palette() -> str:
    """Return the fixed palette as CSS: chips (a ground and the ink on it), text colours and shapes for each theme."""
    rules = [
        f".nsm-{name} {{ background: {colour} !important; color: {colours.ink(colour)} !important; }}"
        for name, colour in _chips()
    ]
    for theme, grounds in GROUNDS.items():
        values: dict[str, str] = {}
        texts = {"src": colours.SRC, "dst": colours.DST, "doubt": colours.DOUBT}
        values |= {f"--nsm-{name}": colours.readable(colour, *grounds) for name, colour in texts.items()}
        shapes = {f"proto-{name}": colour for name, colour in colours.PROTOCOL.items()}
        shapes |= {"sent": colours.SENT, "received": colours.RECEIVED}
        shapes |= {f"mark-{number}": colour for number, colour in colours.PRIORITY.items()}
        values |= {f"--nsm-{name}": colours.readable(colour, grounds[0], ratio=3) for name, colour in shapes.items()}
        selector = ":root" if theme == "light" else 'body[data-jp-theme-light="false"]'
        rules.append(f"{selector} {{ {' '.join(f'{name}: {value};' for name, value in values.items())} }}")
    rules.extend(
        f".nsm-proto-{name} {{ box-shadow: inset 4px 0 var(--nsm-proto-{name}); }}" for name in colours.PROTOCOL
    )
    return "\n".join(rules)
