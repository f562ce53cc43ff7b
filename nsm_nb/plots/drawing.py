"""How all figures look and speak: axes, labels, captions, words for amounts."""

from __future__ import annotations

import base64
import functools
import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nsm_nb import colours, text
from nsm_nb.statistics import quantities

__all__ = [
    "Picture",
    "ThemeName",
    "at_end",
    "axes",
    "beside",
    "caption_of",
    "describe",
    "finish",
    "image",
    "is_bytes",
    "label",
    "legend",
    "listed",
    "nothing",
    "rows_down",
    "said",
    "scale",
    "unit",
    "width",
]

ThemeName = Literal["light", "dark"]

_WIDTH = 9.0  # inches
_SMALL, _NORMAL, _TITLE = 8.0, 9.0, 10.5  # points
_LONGEST = 44  # characters of a label
_IN_WORDS = 30  # things that an alternative text names
_BYTES = {"length": "bytes on the wire", "captured": "bytes captured", "octets": "bytes at the IP layer"}
_SIDES = {"src": "from who opened", "dst": "from who was asked", "sent": "sent", "received": "received"}


def describe(figure: Figure | Axes) -> str:
    """Return the alternative text of a figure: its title, what it shows in figures and words, its caption."""
    found = [figure] if isinstance(figure, Axes) else figure.axes
    return " ".join(str(alt) for alt in (getattr(ax, "nsm_alt", "") for ax in found) if alt)


def image(figure: Figure | Axes, *, format: Literal["svg", "png"] = "svg") -> str:
    """Return a figure as an HTML ``<img>`` that holds the picture and its alternative text and needs nothing else.

    Parameters
    ----------
    figure
        A figure or one of its Axes. One of ours is laid out when it is first shown and stays so.
    format
        ``"svg"`` or ``"png"``. The same figure gives the same bytes: no date and no random names are in them.

    Raises
    ------
    ValueError
        Where `format` is neither, or the Axes was taken off its figure.
    """
    if format not in ("svg", "png"):
        raise ValueError(f"format={format!r} is not known; choose 'svg' or 'png'")
    whole = figure.get_figure(root=True) if isinstance(figure, Axes) else figure
    if whole is None:
        raise ValueError("these axes belong to no figure any more; draw them again")
    if isinstance(whole.axes[0] if whole.axes else None, Picture) and whole.get_layout_engine() is not None:
        whole.draw_without_rendering()  # laid out once: to do it again would move things by parts of a pixel
        whole.set_layout_engine("none")
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "nsm_nb", "svg.fonttype": "path"}):
        whole.savefig(buffer, format=format, dpi=150, metadata=metadata)
    kind = {"svg": "image/svg+xml", "png": "image/png"}[format]
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    width = round(whole.get_size_inches()[0] * 96)
    words = text.html(describe(figure))
    return f'<img class="nsm-figure" width="{width}" alt="{words}" src="data:{kind};base64,{data}">'


class Picture(Axes):
    """An Axes that shows its figure in a notebook, with the alternative text."""

    def _repr_html_(self) -> str:
        return image(self)


class Look(NamedTuple):
    """A theme, and whether the figure is ours to write a caption in."""

    ground: str
    ink: str
    faint: str
    grid: str
    own: bool


def axes(ax: Axes | None, theme: str, height: float) -> tuple[Axes, Look]:
    """Return the Axes to draw on, made calm, and its look; a new figure of `height` inches where there is none."""
    if theme not in colours.THEMES:
        raise ValueError(f"theme={theme!r} is not known; choose {' or '.join(map(repr, colours.THEMES))}")
    look = Look(*colours.THEMES[theme], own=ax is None)
    if ax is None:
        figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor=look.ground)
        ax = figure.add_subplot(axes_class=Picture)
    ax.set_facecolor(look.ground)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(look.faint)
        spine.set_linewidth(0.8)
    ax.set_axisbelow(True)
    ax.tick_params(colors=look.faint, labelcolor=look.ink, labelsize=_SMALL, width=0.8, length=3)
    ax.grid(visible=True, axis="both", color=look.grid, linewidth=0.7)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_color(look.ink)
        axis.label.set_fontsize(_SMALL)
        axis.get_offset_text().set_color(look.ink)
        axis.get_offset_text().set_fontsize(_SMALL)
    return ax, look


def finish(ax: Axes, look: Look, title: str, caption: str, details: str, *, above: float = 0) -> Axes:
    """Write title and caption, keep the alternative text, and give the Axes back.

    Parameters
    ----------
    ax, look, title, caption
        The figure, and what is written around it.
    details
        What it shows, for the alternative text.
    above
        Points that stand between the Axes and the title, such as a legend's.
    """
    figure = ax.get_figure(root=True)
    if look.own and isinstance(figure, Figure):
        figure.suptitle(_folded(title, 100), x=0.008, ha="left", fontsize=_TITLE, color=look.ink)
        if caption:
            figure.supxlabel(_folded(caption, 140), x=0.008, ha="left", fontsize=_SMALL, color=look.faint)
    else:
        words = _folded(title, max(int(width(ax) * 11), 24))
        ax.set_title(words, loc="left", fontsize=_TITLE, color=look.ink, pad=6 + above)
    said = [f"{title}." if title else "", details, f"{caption}." if caption else ""]
    alt = " ".join(text.printable(each) for each in said if each)
    ax.nsm_alt = alt  # type: ignore[attr-defined]
    if isinstance(figure, Figure):
        figure.nsm_alt = describe(figure)  # type: ignore[attr-defined]
    return ax


def width(ax: Axes) -> float:
    """Return how wide the Axes are, in inches."""
    return float(ax.get_window_extent().width / ax.get_figure(root=True).dpi)  # type: ignore[union-attr]


def nothing(ax: Axes, look: Look, title: str | None, caption: str, noun: str, shown: str) -> Axes:
    """Say that there is nothing to draw, and what would be shown."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    why = f"The table has no rows. With {noun} in it, this figure shows {shown}."
    ax.text(0.5, 0.55, f"no {noun}", transform=ax.transAxes, ha="center", color=look.ink, fontsize=12)
    ax.text(0.5, 0.4, why, transform=ax.transAxes, ha="center", color=look.faint, fontsize=_SMALL)
    return finish(ax, look, title or f"No {noun}", caption, f"An empty figure. {why}")


def label(value: object, *, longest: int = _LONGEST) -> str:
    """Return text for a figure: visible, never mathematics, and cut where it would push the figure aside."""
    words = _drawable(value)
    return text.label(words if len(words) <= longest else words[: longest - 1] + "…")


def _drawable(value: object) -> str:
    """Return text in which what the font has no picture for is a visible escape, as in `text.printable`."""
    known = _characters(findfont(FontProperties()))
    return "".join(
        each if ord(each) in known else f"\\u{ord(each):04x}" if ord(each) < 0x10000 else f"\\U{ord(each):08x}"
        for each in text.printable(value)
    )


@functools.cache
def _characters(font: str) -> frozenset[int]:
    return frozenset(get_font(font).get_charmap())


def _folded(words: str, width: int) -> str:
    """Return text for a figure in at most three lines."""
    lines = textwrap.wrap(_drawable(words), width, max_lines=3, placeholder=" …", break_on_hyphens=False)
    return "\n".join(text.label(line) for line in lines)


def legend(ax: Axes, look: Look, *, reverse: bool = False) -> None:
    """Put the legend at the right, in the order of a stack where `reverse`."""
    ax.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, fontsize=_SMALL, labelcolor=look.ink,
        reverse=reverse, handlelength=1.2, borderaxespad=0.4,
    )  # fmt: skip


def rows_down(ax: Axes, count: int, names: Sequence[str], places: Sequence[float] | None = None) -> None:
    """Lay out rows of bars from the top down, named at the left."""
    ax.set_ylim(count - 0.4, -0.6)
    ax.set_yticks(range(len(names)) if places is None else places, labels=names, fontsize=_NORMAL)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def beside(ax: Axes, at: float, words: str, shift: float, colour: str) -> None:
    """Write left of the Axes at a row, `shift` points from its edge."""
    ax.annotate(
        words, (0, at), xycoords=ax.get_yaxis_transform(), xytext=(shift, 0), textcoords="offset points",
        ha="left", va="center", fontsize=_NORMAL, color=colour,
    )  # fmt: skip


def at_end(ax: Axes, end: float, at: float, words: str, look: Look) -> None:
    """Write at the end of a bar."""
    ax.annotate(
        label(words, longest=80), (end, at), xytext=(4, 0), textcoords="offset points",
        ha="left", va="center", fontsize=_SMALL, color=look.ink, annotation_clip=False,
    )  # fmt: skip


def caption_of(table: pd.DataFrame) -> str:
    """Return what a table says of itself: its evidence, its filter, its notes."""
    names = [str(name) for name in table.attrs.get("evidence", [])]
    parts = []
    if names:
        more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
        parts.append(f"Evidence: {', '.join(names[:3])}{more}")
    filtered = table.attrs.get("filter") or table.attrs.get("query")
    if filtered:
        parts.append(f"filter: {filtered}")
    return "; ".join([*parts, *map(str, table.attrs.get("notes", []))])


def is_bytes(value: str) -> bool:
    """Return True for a column that counts bytes."""
    return value in _BYTES or value.endswith(("octets", "payload"))


def unit(value: str) -> str:
    """Return what a column counts, in words.

    Examples
    --------
    >>> unit("length"), unit("sent_octets"), unit("packets")
    ('bytes on the wire', 'bytes at the IP layer, sent', 'packets')
    """
    if value in _BYTES:
        return _BYTES[value]
    side, _, measure = value.partition("_")
    if side in _SIDES and measure:
        what = _BYTES.get(measure, "bytes of payload" if measure == "payload" else measure)
        return f"{what}, {_SIDES[side]}"
    return value


def said(amount: float, value: str) -> str:
    """Return an amount in words.

    Examples
    --------
    >>> said(1_200_000, "length"), said(79, "alerts"), said(1, "packets")
    ('1.2 MB', '79 alerts', '1 packet')
    """
    if is_bytes(value):
        return quantities.octets(amount)
    noun = value.rpartition("_")[2]
    if noun.endswith("s"):
        return quantities.amount(int(amount), noun[:-1])
    return f"{amount:,.0f} {noun}"


def scale(axis: Axis, value: str) -> None:
    """Label an axis in whole amounts, bytes in decimal units."""
    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))

    def words(amount: float, _: int | None) -> str:
        if amount < 0:
            return ""
        return quantities.octets(amount).replace(".0 ", " ") if is_bytes(value) else f"{amount:,.0f}"

    axis.set_major_formatter(FuncFormatter(words))


def listed(facts: Iterable[tuple[Any, str]]) -> str:
    """Return names and what is said of them, for an alternative text."""
    parts = [f"{name} {fact}" for name, fact in facts]
    more = f", and {len(parts) - _IN_WORDS:,} more" if len(parts) > _IN_WORDS else ""
    return "; ".join(parts[:_IN_WORDS]) + more
