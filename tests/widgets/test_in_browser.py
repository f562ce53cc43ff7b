"""Grid, timeline and frame in a real JupyterLab in a real Chromium: keys, windows of rows, brushing, hostile text."""

import time
from pathlib import Path

import pytest

from tests import browser

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"

IMPORTS = """
import numpy as np, pandas as pd
from nsm_nb.schema import addresses
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.timeline import Timeline
"""

MILLION = """
n, random = 1_000_000, np.random.default_rng(1)
hosts = pd.Series(addresses([f"10.{a}.{b}.{c}" for a in range(4) for b in range(30) for c in range(30)])[0])
sessions = pd.DataFrame({
    "session": pd.array(np.arange(n), dtype="Int64"),
    "start": pd.to_datetime(1795487400_000000000 + np.sort(random.integers(0, 498 * 10**9, n)), utc=True),
    "duration": random.exponential(5, n),
    "proto": pd.Categorical(random.choice(["tcp", "udp", "icmp"], n)),
    "src_ip": hosts.iloc[random.integers(0, len(hosts), n)].array,
    "src_port": pd.array(random.integers(1024, 65535, n), dtype="UInt16"),
    "dst_ip": hosts.iloc[random.integers(0, len(hosts), n)].array,
    "dst_port": pd.array(random.choice([80, 443, 53, 445], n), dtype="UInt16"),
    "src_octets": pd.array(random.integers(40, 10**8, n), dtype="Int64"),
    "history": pd.array(random.choice(["ShADadFf", "S", "ShAr"], n), dtype="str"),
})
"""

GRID = """
grid = Grid(sessions, filterable=True, height=300, listens=["F1", "F5", "Shift+F1", "e"], label="sessions")
frame = Frame("Sessions", grid, code="case.sessions")
frame
"""

SMALL = """
hostile = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'> \\x1b[2J $x_{$ /etc/passwd"
index = pd.date_range("2026-11-24T02:30:00Z", periods=100, freq="1s")
counts = pd.DataFrame({"tcp": np.arange(100), "udp": 3}, index=index)
alerts = pd.DataFrame({"time": [index[50]], "priority": [1]})
timeline = Timeline(counts, alerts=alerts)
small = Grid(pd.DataFrame({"message": [hostile], "n": [1]}), height=80)
frame = Frame(hostile, timeline, small)
frame.status = hostile
frame
"""


@pytest.fixture(scope="module")
def lab(lab_on, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    browser.write_notebook(folder / "million.ipynb", IMPORTS + MILLION, GRID)
    browser.write_notebook(folder / "small.ipynb", IMPORTS + SMALL)
    with lab_on(folder) as running:
        yield running


@pytest.fixture(scope="module")
def million(lab):
    with lab.notebook("million.ipynb") as notebook:
        notebook.run_all()
        notebook.page.get_by_role("grid").scroll_into_view_if_needed()
        yield notebook


@pytest.fixture(scope="module")
def small(lab):
    with lab.notebook("small.ipynb") as notebook:
        notebook.run_all()
        notebook.page.locator(".nsm-timeline svg").scroll_into_view_if_needed()
        yield notebook


@pytest.fixture
def grid(million):
    """The grid of a million rows, as it was at first."""
    million.run("grid.sort = None; grid.filter = ''; grid.selected = []; grid.active = 0")
    million.page.get_by_text("1,000,000 rows").wait_for()
    million.page.get_by_role("grid").focus()
    million.page.keyboard.press("Home")
    million.wait_for("grid.active == 0")
    return million


def cell(notebook, row, column):
    return notebook.page.get_by_role("grid").locator(f"[aria-rowindex='{row + 2}'] [aria-colindex='{column + 1}']")


def test_a_million_rows_are_shown_quickly(million):
    page = million.page
    started = time.monotonic()
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    cell(million, 0, 0).wait_for()
    assert time.monotonic() - started < 5

    assert page.get_by_role("grid").get_attribute("aria-rowcount") == "1000001"
    assert page.locator(".nsm-grid-row").count() < 40  # only what is looked at is in the page


def test_the_last_row_is_one_key_away(grid):
    grid.page.keyboard.press("End")

    cell(grid, 999_999, 0).get_by_text("999999").wait_for()
    grid.wait_for("grid.active == 999_999")


def test_scrolling_to_the_middle_fetches_the_rows_there(grid):
    grid.page.locator(".nsm-grid-scroll").evaluate("each => { each.scrollTop = each.scrollHeight / 2; }")
    grid.page.wait_for_timeout(200)
    row = grid.page.locator(".nsm-grid-row").nth(3)

    place = int(row.get_attribute("data-place"))
    assert 450_000 < place < 550_000
    row.locator("[aria-colindex='1']").get_by_text(str(place), exact=True).wait_for()


def test_the_wheel_moves_row_by_row(grid):
    grid.page.get_by_role("grid").hover()
    grid.page.mouse.wheel(0, 66)

    grid.page.wait_for_function("() => document.querySelector('.nsm-grid-row').dataset.place === '3'")


def test_a_click_reaches_python_at_once(grid):
    started = time.monotonic()
    cell(grid, 4, 4).click()

    grid.wait_for("grid.active == 4 and grid.selected == []")
    assert time.monotonic() - started < 2


def test_a_click_on_a_heading_sorts_and_says_so(grid):
    heading = grid.page.get_by_role("columnheader", name="src ip")
    heading.get_by_role("button").click()

    grid.wait_for("grid.sort == ('src_ip', 'ascending')")
    cell(grid, 0, 4).get_by_text("10.0.0.0", exact=True).wait_for()
    assert heading.get_attribute("aria-sort") == "ascending"

    heading.get_by_role("button").click()
    cell(grid, 0, 4).get_by_text("10.3.29.29", exact=True).wait_for()
    heading.get_by_role("button").click()
    grid.wait_for("grid.sort is None")
    assert heading.get_attribute("aria-sort") == "none"


def test_the_keyboard_moves_and_marks(grid):
    for key in ("j", "j", "ArrowDown", "k", "x", "ArrowDown", "Shift+ArrowDown"):
        grid.page.keyboard.press(key)
    grid.wait_for("grid.active == 4 and grid.selected == [3, 4]")

    grid.page.keyboard.press("Home")
    grid.page.keyboard.press("x")
    grid.page.keyboard.press("PageDown")
    grid.wait_for("grid.active > 5 and grid.selected == [0, 3, 4]")
    active = grid.page.get_by_role("grid").get_attribute("aria-activedescendant")
    assert "nsm-active" in grid.page.locator(f"#{active}").get_attribute("class")
    assert grid.page.locator("[aria-rowindex='2'], .nsm-picked").first.is_visible()


def test_control_and_shift_with_a_click_mark(grid):
    cell(grid, 1, 0).click()
    cell(grid, 3, 0).click(modifiers=["Control"])
    grid.wait_for("grid.selected == [1, 3]")

    cell(grid, 6, 0).click(modifiers=["Shift"])
    grid.wait_for("grid.selected == [3, 4, 5, 6] and grid.active == 6")


def test_keys_of_the_browser_and_of_jupyterlab_do_not_act(grid):
    count = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    cells, pages = grid.page.evaluate(count), len(grid.page.context.pages)
    for key in ("F1", "Shift+F1", "F5", "x", "x", "a", "b", "d", "d"):
        grid.page.keyboard.press(key)

    grid.wait_for("grid.key['key'] == 'F5'")
    assert grid.page.evaluate(count) == cells
    assert len(grid.page.context.pages) == pages
    grid.wait_for("grid.active == 0")  # the page was not loaded again: the kernel still hears it


def test_words_filter_the_rows(grid):
    grid.page.get_by_label("Filter rows by words").fill("445 10.3.1.1 tcp")

    grid.wait_for("0 < len(grid.places) < 2000")
    grid.page.get_by_text(" of 1,000,000 rows").wait_for()
    cell(grid, 0, 7).get_by_text("445", exact=True).wait_for()


def test_the_code_button_shows_the_line(grid):
    button = grid.page.get_by_role("button", name="code")
    button.click()
    grid.page.get_by_text("case.sessions", exact=True).wait_for()
    button.click()


def test_it_is_seen_in_both_themes(grid):
    for theme in ("light", "dark"):
        grid.theme(theme)
        grid.screenshot(SHOTS / f"grid-{theme}.png")
        ink, ground = grid.page.evaluate(
            """() => {
                const line = document.querySelector(".nsm-grid-row");
                const grounds = getComputedStyle(document.querySelector(".nsm-grid-scroll")).backgroundColor;
                return [getComputedStyle(line).color, grounds];
            }"""
        )
        assert ink != ground
    grid.theme("light")


def plot(notebook):
    return notebook.page.locator(".nsm-timeline svg").bounding_box()


def test_hostile_text_is_text(small):
    page = small.page
    page.get_by_role("heading").get_by_text("<script>window.hurt = 1</script>").first.wait_for()
    assert page.locator(".nsm-grid-row").get_by_text("\\x1b[2J $x_{$ /etc/passwd").count() == 1
    assert page.locator(".nsm-statusline").get_by_text("$x_{$ /etc/passwd").count() == 1

    assert page.evaluate("() => window.hurt") is None
    assert page.locator(".nsm-frame script, .nsm-frame img, .nsm-frame mjx-container").count() == 0


def test_a_drag_brushes_a_window_of_whole_bins(small):
    box = plot(small)
    left, inner = 62, box["width"] - 72
    at = lambda second: box["x"] + left + (second + 0.5) / 100 * inner  # noqa: E731
    small.page.mouse.move(at(20), box["y"] + 80)
    small.page.mouse.down()
    small.page.mouse.move(at(39), box["y"] + 80, steps=5)
    small.page.mouse.up()

    small.wait_for("timeline.times == (index[20], index[40])")
    small.page.mouse.dblclick(at(70), box["y"] + 80)
    small.wait_for("timeline.window is None")


def test_the_keyboard_brushes_too(small):
    small.page.locator(".nsm-timeline svg").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+PageDown"):
        small.page.keyboard.press(key)
    small.wait_for("timeline.times == (index[2], index[14])")

    small.page.get_by_text("02:30:13 – 02:30:14 UTC: tcp 13, udp 3 packets").wait_for()
    small.page.keyboard.press("l")
    small.wait_for("timeline.log")
    small.page.keyboard.press("l")
    small.page.keyboard.press("Escape")
    small.wait_for("timeline.window is None and not timeline.log")


def test_python_sets_the_window_too(small):
    small.page.locator(".nsm-timeline svg").blur()
    small.page.mouse.move(2, 2)
    small.run("timeline.times = (index[45], index[55])")

    small.page.locator(".nsm-timeline-edge").first.wait_for(state="attached")
    small.page.locator(".nsm-timeline-read").get_by_text("window").wait_for()
    for theme in ("dark", "light"):
        small.theme(theme)
        small.screenshot(SHOTS / f"timeline-{theme}.png")
    small.run("timeline.window = None")


def test_the_page_asks_nobody_else(million, small):
    asked = [url for notebook in (million, small) for url in notebook.requests]

    assert not [url for url in asked if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))]
