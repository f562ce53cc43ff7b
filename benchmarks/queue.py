"""The alert queue: folding a million alerts, and how long from a key to the next alert with 100,000 of them in a browser."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import nsm_nb as nsm
from benchmarks import memory
from benchmarks.measuring import Result, Run, of_samples, times
from nsm_nb.schema import ALERTS

__all__ = ["measure_correlation", "measure_queue"]

BUNDLED = Path(__file__).resolve().parent.parent / "data" / "www-files01"
_ALERTS = 100_000

# From the key to the frame in which the next group is active and painted, and what stands beside it, too.
WATCH = """() => {
    const line = () => document.querySelector("[aria-label='alert queue'] .nsm-grid-row.nsm-active");
    const id = (each) => each?.querySelector("[aria-colindex='5']")?.textContent ?? "…";
    const child = () => document.querySelector("[aria-label='alerts of the group'] .nsm-grid-row.nsm-active");
    const last = (each) => [...(each?.querySelectorAll("[aria-colindex]") ?? [])].at(-1)?.textContent ?? "…";
    const short = (name) => name.slice(0, 4) + name.slice(12);
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const before = id(line());
    window.turned = new Promise((resolve) => {
        let pressed = null, next = null;
        window.addEventListener("keydown", () => { pressed = performance.now(); }, { capture: true, once: true });
        const look = () => {
            const now = id(line());
            if (pressed !== null && next === null && now !== before && now !== "…") next = performance.now();
            if (next !== null && short(last(child())) === now && kernel.status === "idle") {
                const beside = performance.now();
                // the frame after the one that paints it
                requestAnimationFrame(() => resolve([(next - pressed) / 1000, (performance.now() - pressed) / 1000]));
            } else requestAnimationFrame(look);
        };
        look();
    });
}"""


def alerts(count: int, seed: int = 1) -> pd.DataFrame:
    """Return a table of ALERTS of two sensors in one day: few sources and messages are frequent, most are rare."""
    chance = np.random.default_rng(seed)
    time = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(
        np.sort(chance.integers(0, 86400 * 10**9, count)), unit="ns"
    )
    hosts = [f"10.{each >> 8 & 255}.{each & 255}.7" for each in range(5000)]
    messages = np.array([f"ET RULE number {each} with some text of a message" for each in range(300)], object)
    which = chance.zipf(1.3, count) % 300
    return ALERTS.conform(
        pd.DataFrame(
            {
                "alert": [f"abcdef012345:{each}" for each in range(count)],
                "time": time,
                "sensor": pd.Categorical(np.array(["suricata", "snort"])[chance.integers(0, 2, count)]),
                "gid": 1,
                "sid": which + 1000,
                "priority": chance.integers(1, 4, count),
                "message": pd.array(messages[which], dtype="str"),
                "src_ip": pd.Categorical.from_codes(chance.zipf(1.2, count) % 5000, hosts),
                "dst_ip": pd.Categorical.from_codes(chance.integers(0, 5000, count), hosts),
                "src_port": chance.integers(1, 65535, count),
                "dst_port": chance.integers(1, 1024, count),
                "proto": pd.Categorical(np.repeat("tcp", count)),
                "evidence": pd.Categorical(np.repeat("eve.json", count)),
                "record": np.arange(count),
            }
        )
    )


def measure_correlation(this: Run) -> Iterator[Result]:
    """Yield the time in which a million alerts are folded: none judged, a third judged, and events of two sensors joined."""
    count = round(1_000_000 * this.scale)
    table = alerts(count)
    judged = pd.Series("NA", index=table["alert"][::3])
    events = nsm.alerts.same_event(table)
    how = f"{count:,} alerts of two sensors by source and message"
    ways: dict[str, dict[str, Any]] = {
        "alerts folded": {},
        "alerts folded, a third of them judged": {"status": judged},
        "alerts folded, events joined": {"events": events},
    }
    for name, options in ways.items():
        samples, share = times(lambda options=options: nsm.alerts.correlate(table, **options), this.runs)  # type: ignore[misc]
        yield of_samples(name, samples, "s", how, asked="" if "events" in options else "< 1.5", share=share)


def case(folder: Path, count: int) -> Path:
    """Return a case of the bundled capture and as many alerts on its sessions as asked, made where it is not there yet."""
    place = folder / f"case-alerts-{count}"
    if (place / "case.toml").exists():
        return place
    source = [
        json.loads(each)
        for each in (BUNDLED / "evidence" / "suricata" / "eve.json").read_text().splitlines()
        if '"event_type":"alert"' in each
    ]
    (place / "evidence" / "suricata").mkdir(parents=True, exist_ok=True)
    for name in ("staged.pcap", "rules"):
        if not (place / "evidence" / name).exists():
            (place / "evidence" / name).symlink_to(BUNDLED / "evidence" / name)
    with (place / "evidence" / "suricata" / "eve.json").open("w") as file:
        for number in range(count):
            told = json.loads(json.dumps(source[number % len(source)]))
            told["timestamp"] = f"{told['timestamp'][:20]}{number * 7 % 1_000_000:06d}{told['timestamp'][26:]}"
            told["alert"]["signature"] += f" {number // len(source) // 2}"
            file.write(json.dumps(told) + "\n")
    shutil.copy(BUNDLED / "case.toml", place / "case.toml")
    return place


def measure_queue(this: Run) -> Iterator[Result]:
    """Yield the time from a verdict's key to the next alert, in Chromium, with 100,000 alerts in the queue."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        print("no chromium on this machine: the queue was not measured")
        return
    count = round(_ALERTS * this.scale)
    place = case(this.folder, count)
    nsm.open_case(place).index()
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if bound is not None:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # kernel, server and browser each want a core
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield from _in_browser(Path(folder), place, count, max(this.runs, 3))
    finally:
        if bound is not None:
            os.sched_setaffinity(0, bound)


def _in_browser(folder: Path, place: Path, count: int, runs: int) -> Iterator[Result]:
    from tests import browser

    made = (
        "from time import perf_counter, process_time\ncase.alerts, case.joins\nstarted = perf_counter()\n"
        "alerts = nsm.widgets.Alerts(case); took = perf_counter() - started\nalerts"
    )
    ledger = folder / "ledger.db"  # judged anew in each run
    opened = (
        f"import nsm_nb as nsm\nfrom nsm_nb.triage import Ledger\ncase = nsm.open_case({str(place)!r})\n"
        f"case._ledger = Ledger({str(ledger)!r})"
    )
    browser.write_notebook(folder / "queue.ipynb", opened, made)
    environment = {"NSM_ANALYST": "bench"}
    with browser.lab(folder, height=1300, environment=environment) as lab, lab.notebook("queue.ipynb") as notebook:
        page = notebook.page
        page.set_default_timeout(120_000)
        notebook.run_all()
        page.get_by_role("grid", name="alert queue").wait_for()
        yield of_samples("alert queue, made", [float(notebook.run("print(took)"))], "s", f"of {count:,} alerts")
        for words, by in (("by source and message", ("src_ip", "message")), ("each a row", ("alert",))):
            notebook.run(f"alerts.bar.by.value = {by!r}; alerts.panes.start(); alerts.panes.ask()")
            page.get_by_role("grid", name="alert queue").focus()
            page.wait_for_timeout(3000)
            groups = int(notebook.run("print(len(alerts.panes.table))"))
            samples = [_turned(page) for _ in range(2 * runs + 1)][1:]
            cpu = _cpu(notebook, runs)
            how = (
                f"{count:,} alerts in {groups:,} groups, Chromium: from F8 to the frame in which {{}}; the verdict is in "
                f"the ledger by then. Kernel's work for a key: {cpu:.2f} s of the processor"
            )
            yield of_samples(
                f"key to next alert, {words}", [each[0] for each in samples], "s",
                how.format("the next group has the cursor"), asked="< 0.3",
            )  # fmt: skip
            yield of_samples(
                f"key to all beside it, {words}", [each[1] for each in samples], "s",
                how.format("its alerts, session, history, rule and packet stand beside it, too"), asked="< 0.3",
            )  # fmt: skip


def _turned(page: Any) -> list[float]:
    """Judge a group; return the seconds until the next has the cursor, and until all stands beside it."""
    page.wait_for_timeout(700)
    with memory.at_hand():
        page.evaluate(WATCH)
        page.keyboard.press("F8")
        return page.evaluate("() => window.turned")


def _cpu(notebook: Any, runs: int) -> float:
    source = "started = process_time(); alerts.press('F8'); print(process_time() - started)"
    return statistics.median(float(notebook.run(source)) for _ in range(runs))
