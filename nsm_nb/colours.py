"""The fixed meanings of colours, one palette for widgets, figures and reports (DESIGN.md section 8).

A colour never stands alone: src and dst also have their prefix, a priority its number, a category its short name. The
protocols' colours stay apart for every common kind of colour blindness, and all shapes stand out on a light and on a
dark ground; for text take `readable`, and `ink` for text on a colour.

Source: Sguil 1.0 (transcript, priorities, categories); WCAG 2.2, "contrast ratio" and "relative luminance".
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "CATEGORY",
    "DOUBT",
    "DST",
    "PRIORITY",
    "PROTOCOL",
    "RECEIVED",
    "SENT",
    "SRC",
    "THEMES",
    "Theme",
    "contrast",
    "ink",
    "over",
    "readable",
]

SRC = "#0000ff"  # who opened the conversation
DST = "#cc0000"  # who was asked
DOUBT = "#b26a00"  # gaps, caveats, guesses

SENT = "#4d6a85"  # by a host, whoever opened the conversation
RECEIVED = "#9db4c8"

PRIORITY = {1: "#cc0000", 2: "#ff9900", 3: "#ff9900", 4: "#ffdd33", 5: "#ffdd33"}  # 1 is worst

CATEGORY = {
    "I": "#cc0000",  # unauthorized root or admin access
    "II": "#ff6600",  # unauthorized user access
    "III": "#ff9900",  # attempted unauthorized access
    "IV": "#cc9900",  # denial of service
    "V": "#9999cc",  # poor security practice or policy violation
    "VI": "#ffcc00",  # reconnaissance, probes, scans
    "VII": "#cc66ff",  # virus infection
    "NA": "#add8e6",  # no action required
    "ESC": "#ffc0cb",  # escalated
    "NEW": "#d9d9d9",  # not judged
}

PROTOCOL = {
    "tcp": "#2d5ec4",
    "udp": "#87552d",
    "icmp": "#41a46b",
    "icmp6": "#c671c1",
    "arp": "#a79237",
    "other": "#6a6a6a",
}


class Theme(NamedTuple):
    """The ground that is drawn on, and what is drawn that carries no meaning of its own."""

    ground: str
    ink: str  # text
    faint: str  # axes, captions
    grid: str


THEMES = {
    "light": Theme("#ffffff", "#1a1a1a", "#595959", "#e4e4e4"),
    "dark": Theme("#111111", "#e8e8e8", "#a8a8a8", "#333333"),  # JupyterLab's dark notebook
}


def _parts(colour: str) -> tuple[int, int, int]:
    digits = colour.removeprefix("#")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _luminance(colour: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in
              (each / 255 for each in _parts(colour))]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (``#rrggbb``), 1 to 21: WCAG asks 4.5 of text and 3 of shapes.

    Examples
    --------
    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    dark, light = sorted([_luminance(one), _luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def over(colour: str, ground: str, alpha: float) -> str:
    """Return what is seen where a colour is drawn over a ground that shines through it.

    Examples
    --------
    >>> over("#ffffff", "#000000", 0.5)
    '#808080'
    """
    mixed = (
        round(top * alpha + below * (1 - alpha)) for top, below in zip(_parts(colour), _parts(ground), strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def ink(colour: str) -> str:
    """Return black or white, whichever is read better on a colour; its contrast is never below 4.5.

    Examples
    --------
    >>> ink(CATEGORY["I"]), ink(CATEGORY["VI"])
    ('#ffffff', '#000000')
    """
    return max("#000000", "#ffffff", key=lambda each: contrast(each, colour))


def readable(colour: str, *grounds: str, ratio: float = 4.5) -> str:
    """Return a colour, made darker or lighter by as little as it takes to stand out on all grounds.

    Parameters
    ----------
    colour, *grounds
        ``#rrggbb``.
    ratio
        4.5 for text, 3 for shapes (WCAG 2.2 AA).

    Examples
    --------
    >>> readable(DST, "#ffffff"), contrast(readable(SRC, "#111111"), "#111111") >= 4.5
    ('#cc0000', True)
    """
    goal = 0 if min(_luminance(each) for each in grounds) > 0.2 else 255
    for step in range(101):
        mixed = "#" + "".join(f"{round(part + (goal - part) * step / 100):02x}" for part in _parts(colour))
        if all(contrast(mixed, ground) >= ratio for ground in grounds):
            return mixed
    return ink(grounds[0])
