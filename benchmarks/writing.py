"""The result as CSV, as a page, and as a figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.measuring import Result

__all__ = ["figure", "page", "publish", "write"]

_BEGIN = "<!-- written by python -m benchmarks --docs -->"
_END = "<!-- until here -->"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _met(result: Result, scale: float) -> str:
    # what was asked is asked of whole captures
    return "" if result.met is None or scale != 1 else "yes" if result.met else "**no**"


def page(results: Sequence[Result], told: Mapping[str, str], scale: float = 1.0) -> str:
    """Return the result as Markdown: one table, the circumstances, and how each figure was taken."""
    lines = ["| | asked | median | min | max | unit | met |", "|---|---|---|---|---|---|---|"]
    for number, each in enumerate(results, 1):
        values = " | ".join(_number(value) for value in (each.median, each.low, each.high))
        lines.append(f"| {each.name} [{number}] | {each.asked} | {values} | {each.unit} | {_met(each, scale)} |")
    lines += ["", "How each was taken:", ""]
    lines += [f"{number}. {each.how}" for number, each in enumerate(results, 1)]
    lines += ["", "Circumstances:", ""]
    lines += [f"- {name}: {words}" for name, words in told.items()]
    return "\n".join(lines) + "\n"


def figure(results: Sequence[Result], path: Path, caption: str, *, endings: Sequence[str] = (".png", ".svg")) -> bool:
    """Draw the packets a second of each tool, where they were measured; return whether there is a figure."""
    import matplotlib as mpl

    mpl.use("agg")
    import nsm_nb as nsm

    start = "packets of a slice: "
    rates = [(each.name.removeprefix(start), each.median) for each in results if each.name.startswith(start)]
    if not rates:
        return False
    table = pd.DataFrame(sorted(rates, key=lambda each: -each[1]), columns=["tool", "packets/s"])
    axes = nsm.plots.performance(table, value="packets/s", caption=caption)
    for ending in endings:
        axes.figure.savefig(path.with_suffix(ending), bbox_inches="tight")
    return True


def write(results: Sequence[Result], told: Mapping[str, str], folder: Path, scale: float = 1.0) -> None:
    """Write result.csv, result.md and, where tools were compared, result.png and result.svg."""
    with (folder / "result.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "asked", "median", "min", "max", "unit", "met", "cpu_share", "how"])
        for each in results:
            share = "" if each.share is None else f"{each.share:.2f}"
            met = _met(each, scale).strip("*")
            rows.writerow(
                [
                    each.name,
                    each.asked,
                    f"{each.median:.6g}",
                    f"{each.low:.6g}",
                    f"{each.high:.6g}",
                    each.unit,
                    met,
                    share,
                    each.how,
                ]
            )
    (folder / "result.md").write_text(f"# Measured speed\n\n{page(results, told, scale)}")
    figure(results, folder / "result", f"{told['machine']}; {told['core']}; medians")


def publish(results: Sequence[Result], told: Mapping[str, str], docs: Path) -> None:
    """Write the result into docs/speed.md, between its two marks, and the figure beside it."""
    place = docs / "speed.md"
    before, _, rest = place.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    (docs / "images").mkdir(exist_ok=True)
    caption = f"{told['machine']}; {told['core']}; medians"
    drawn = figure(results, docs / "images" / "speed", caption, endings=[".svg"])
    shown = (
        "![Packets a second of nsm_nb and of other tools on the same packets](images/speed.svg)\n\n" if drawn else ""
    )
    place.write_text(f"{before}{_BEGIN}\n{shown}{page(results, told)}{_END}{after}")
