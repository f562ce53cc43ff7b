"""The look all widgets share: style.css, with the fixed palette as CSS variables that are readable on both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nsm_nb import colours

__all__ = ["GROUNDS", "asset", "contrast", "ink_on", "palette", "readable", "sheet"]

#: JupyterLab's --jp-layout-color1 and a striped row of ours, for its light and its dark theme.
GROUNDS = {"light": ("#ffffff", "#f3f3f3"), "dark": ("#212121", "#303030")}

_HERE = Path(__file__).parent


def asset(name: str) -> str:
    """Return the text of a file beside this module."""
    return (_HERE / name).read_text(encoding="utf-8")


def sheet(*names: str) -> str:
    """Return one style sheet: the palette, style.css and the sheets named."""
    return "\n".join([palette(), asset("style.css"), *(asset(name) for name in names)])


def _rgb(colour: str) -> tuple[int, int, int]:
    digits = colour.lstrip("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _luminance(colour: str) -> float:
    parts = [each / 255 for each in _rgb(colour)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two ``#rrggbb`` colours, 1 to 21.

    Notes
    -----
    *Source*: WCAG 2.2, "contrast ratio" and "relative luminance".

    Examples
    --------
    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    dark, light = sorted([_luminance(one), _luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def ink_on(colour: str) -> str:
    """Return black or white, whichever is read better on a colour."""
    return max("#000000", "#ffffff", key=lambda ink: contrast(ink, colour))


def readable(colour: str, *grounds: str, ratio: float = 4.5) -> str:
    """Return a colour, darkened or lightened as little as it takes to stand out on all grounds.

    Parameters
    ----------
    colour, *grounds
        ``#rrggbb``.
    ratio
        4.5 for text (WCAG AA), 3 for shapes.
    """
    dark = min(_luminance(each) for each in grounds) > 0.2
    goal = 0 if dark else 255
    for step in range(101):
        mixed = "#" + "".join(f"{round(part + (goal - part) * step / 100):02x}" for part in _rgb(colour))
        if all(contrast(mixed, ground) >= ratio for ground in grounds):
            return mixed
    return "#000000" if dark else "#ffffff"


def _chips() -> Iterator[tuple[str, str]]:
    yield from ((f"priority-{each}", colour) for each, colour in colours.PRIORITY.items())
    yield from ((f"category-{each}", colour) for each, colour in colours.CATEGORY.items())


def palette() -> str:
    """Return the fixed palette as CSS: chips (a ground and the ink on it), text colours and shapes for each theme."""
    rules = [
        f".nsm-{name} {{ background: {colour} !important; color: {ink_on(colour)} !important; }}"
        for name, colour in _chips()
    ]
    for theme, grounds in GROUNDS.items():
        values: dict[str, str] = {}
        texts = {"src": colours.SRC, "dst": colours.DST, "doubt": colours.DOUBT}
        values |= {f"--nsm-{name}": readable(colour, *grounds) for name, colour in texts.items()}
        shapes = {f"proto-{name}": colour for name, colour in colours.PROTOCOL.items()}
        shapes |= {f"mark-{number}": colour for number, colour in colours.PRIORITY.items()}
        values |= {f"--nsm-{name}": readable(colour, grounds[0], ratio=3) for name, colour in shapes.items()}
        selector = ":root" if theme == "light" else 'body[data-jp-theme-light="false"]'
        rules.append(f"{selector} {{ {' '.join(f'{name}: {value};' for name, value in values.items())} }}")
    rules.extend(
        f".nsm-proto-{name} {{ box-shadow: inset 4px 0 var(--nsm-proto-{name}); }}" for name in colours.PROTOCOL
    )
    return "\n".join(rules)
