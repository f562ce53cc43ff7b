"""The statistics widget in a real browser: how long from a brush until everything below it is painted anew."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nsm_nb as nsm
from benchmarks import captures, memory
from benchmarks.measuring import Result, Run, of_samples

__all__ = ["measure_brush"]

SHARES = {"a tenth of the time": 0.1, "half of the time": 0.5, "nine tenths of the time": 0.9}

# From the event that ends the movement to the frame in which title, icicle and the rows of every grid are those of the window.
WATCH = """() => {
    const frame = document.querySelector(".nsm-frame");
    const svg = frame.querySelector(".nsm-timeline svg");
    const title = () => frame.querySelector(".nsm-title").textContent;
    window.brushed = new Promise((resolve) => {
        const before = title();
        let moved = null;
        const move = (event) => { if (event.buttons) moved = performance.now(); };
        svg.addEventListener("pointermove", move, true);
        const look = () => {
            const rows = [...frame.querySelectorAll(".nsm-grid-row")];
            const there = rows.length && !rows.some((row) => row.querySelector("[aria-colindex]")?.textContent === "…");
            if (moved !== null && title() !== before && there) {
                svg.removeEventListener("pointermove", move, true);
                // the frame after the one that paints it
                requestAnimationFrame(() => resolve((performance.now() - moved) / 1000));
            } else requestAnimationFrame(look);
        };
        look();
    });
}"""


def measure_brush(this: Run) -> Iterator[Result]:
    """Yield the time from a brush in the statistics widget until all of it is painted, in Chromium, and of making it."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        print("no chromium on this machine: the brush was not measured")
        return
    from tests import browser

    capture = captures.small(this.folder, this.scale)
    place = this.folder / f"case-{capture.stem}"
    case = nsm.open_case(place) if (place / "case.toml").exists() else nsm.create_case(place, [capture.resolve()])
    case.index()
    case.selection.update(window=None, query="")
    count = len(case.packets)
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if bound is not None:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # kernel, server and browser each want a core
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield from _in_browser(browser, Path(folder), place, count, max(this.runs, 3))
    finally:
        if bound is not None:
            os.sched_setaffinity(0, bound)


def _in_browser(browser: Any, folder: Path, place: Path, count: int, runs: int) -> Iterator[Result]:
    made = (
        "from time import perf_counter\n"
        "case.packets, case.sessions, case.alerts, case.joins\n"
        "started = perf_counter(); statistics = nsm.widgets.Statistics(case); took = perf_counter() - started\n"
        "statistics"
    )
    browser.write_notebook(folder / "brush.ipynb", f"import nsm_nb as nsm\ncase = nsm.open_case({str(place)!r})", made)
    with browser.lab(folder, height=1200) as lab, lab.notebook("brush.ipynb") as notebook:
        notebook.page.set_default_timeout(120_000)
        notebook.run_all()
        page = notebook.page
        svg = page.locator(".nsm-timeline svg")
        svg.wait_for()
        page.locator(".nsm-frame").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        seconds = float(notebook.run("print(took)"))
        how = f"of a case of {count:,} packets whose tables stand open: all is counted by intervals"
        yield of_samples("statistics widget, made", [seconds], "s", how)
        chance = random.Random(0)
        for name, share in SHARES.items():
            _brush(page, svg, share, chance)
            before = float(notebook.run("import time; print(time.process_time())"))
            samples = [_brush(page, svg, share, chance) for _ in range(runs)]
            busy = (float(notebook.run("print(time.process_time())")) - before) / runs
            how = (
                f"{count:,} packets, Chromium: from the mouse's last movement to the frame in which timeline, protocols, "
                f"talkers, services, sizes and alerts are those of the window; all cores, real mouse events. "
                f"A brush, and taking it away again, took {busy:.2f} s of the kernel's processor"
            )
            yield of_samples(f"brush, {name}", samples, "s", how, asked="< 0.3")


def _brush(page: Any, svg: Any, share: float, chance: random.Random) -> float:
    """Brush a part of the timeline, somewhere; return the seconds until it is painted."""
    box = svg.bounding_box()
    left, width = box["x"] + 64, box["width"] - 76
    start = left + width * chance.uniform(0, 1 - share)
    y = box["y"] + box["height"] / 2
    svg.focus()
    page.keyboard.press("Escape")
    page.locator(".nsm-title", has_text="all of the time").wait_for()
    page.wait_for_timeout(1500)
    page.mouse.move(start, y)
    with memory.at_hand():
        page.evaluate(WATCH)
        page.mouse.down()
        page.mouse.move(start + width * share, y)
        page.mouse.up()
        return page.evaluate("() => window.brushed")
