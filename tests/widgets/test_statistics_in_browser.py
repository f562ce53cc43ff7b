"""The statistics in a real JupyterLab in a real Chromium: brush, zoom, choose, filter, by mouse and by keyboard."""

import re
import shutil
from pathlib import Path

import pytest

from tests import browser

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"
OPEN = "import nsm_nb as nsm\ncase = nsm.open_case('www-files01')"
SHOW = "statistics = nsm.widgets.Statistics(case)\nstatistics"
WHOLE = "9,746 packets"


@pytest.fixture(scope="module")
def notebook(indexed, lab_on, tmp_path_factory):
    """Statistics and sessions of a case of one's own."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(indexed, folder / "www-files01", symlinks=True)
    browser.write_notebook(folder / "statistics.ipynb", OPEN, SHOW)
    with lab_on(folder, height=1130) as running, running.notebook("statistics.ipynb") as notebook:
        notebook.run_all()
        notebook.page.get_by_role("tree").get_by_text("udp").wait_for()
        notebook.page.locator(".nsm-frame").first.scroll_into_view_if_needed()
        yield notebook


@pytest.fixture
def page(notebook):
    """The page, with all of the time and no filter."""
    notebook.run(
        "statistics.timeline.zooms = []; statistics.timeline.times = None; statistics.icicle.active = None; statistics.ask('')"
    )
    notebook.page.locator(".nsm-title").first.get_by_text(WHOLE).wait_for()
    return notebook.page


def grid(page, name):
    return page.get_by_role("grid", name=name)


def brush(page, low, high):
    """Drag from one part of the time to another."""
    box = page.locator(".nsm-timeline svg").bounding_box()
    left, width = box["x"] + 63, box["width"] - 74
    page.mouse.move(left + width * low, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(left + width * high, box["y"] + box["height"] / 2)
    page.mouse.up()


def test_a_brush_narrows_all_that_is_below_it(notebook, page):
    hosts = grid(page, "talkers").get_by_role("row").nth(1).inner_text()
    brush(page, 0.1, 0.2)

    notebook.wait_for("case.selection.window is not None")
    page.get_by_text("exact for the window, which is of whole intervals of 1 s").wait_for()
    page.wait_for_timeout(500)  # the mouse is up, and the kernel has heard of it
    notebook.run("packets, _ = nsm.statistics.part(case.packets, case.sessions, window=case.selection.window)")
    notebook.wait_for("statistics.protocols.table['packets'].iloc[0] == len(packets) > 0")
    count = int(notebook.run("print(len(packets))"))
    page.locator(".nsm-title").first.get_by_text(f"{count:,} packets").wait_for()
    grid(page, "protocols").get_by_text(f"{count:,}", exact=True).first.wait_for()
    assert (
        page.get_by_role("treeitem", name="eth:")
        .first.get_attribute("title")
        .startswith(f"eth: 100.0 %: {count:,} packets")
    )
    page.wait_for_function(
        "(before) => document.querySelector('[aria-label=talkers] .nsm-grid-row').innerText !== before", arg=hosts
    )
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(SHOTS / f"statistics-{theme}.png")


def test_zooming_shows_the_window_in_finer_intervals_and_back(notebook, page):
    brush(page, 0.1, 0.2)
    notebook.wait_for("statistics.timeline.times is not None")
    window = notebook.run("print(case.selection.window)")
    page.locator(".nsm-timeline svg").focus()
    page.keyboard.press("z")

    page.get_by_text(re.compile("zoomed in; drag to brush a window of time; a column is [12]00 ms")).wait_for()
    assert notebook.run("print(case.selection.window)") == window
    page.get_by_role("button", name="zoom out").click()
    page.get_by_text("drag to brush", exact=False).wait_for(state="detached")
    notebook.wait_for("statistics.timeline.view is None and statistics.timeline.times is not None")
    page.get_by_role("button", name="whole time").click()
    page.locator(".nsm-title").first.get_by_text(WHOLE).wait_for()
    notebook.wait_for("case.selection.window is None")


def test_what_is_clicked_is_included_excluded_or_asked_for_alone(notebook, page):
    page.get_by_role("tree").get_by_text("udp").click()
    page.get_by_text("udp and ip", exact=True).wait_for()
    page.get_by_role("button", name="include (i)").click()
    page.locator(".nsm-title").first.get_by_text("filter udp and ip").wait_for()
    notebook.wait_for("case.selection.query == 'udp and ip'")
    grid(page, "services").get_by_text("tcp 80").first.wait_for(state="detached")

    grid(page, "talkers").get_by_text("10.10.20.25", exact=True).click()
    page.get_by_text("host 10.10.20.25", exact=True).wait_for()
    page.keyboard.press("e")
    notebook.wait_for("case.selection.query == 'udp and ip and not host 10.10.20.25'")
    grid(page, "talkers").get_by_text("10.10.20.25", exact=True).wait_for(state="detached")

    grid(page, "services").get_by_text("udp 123").first.click()
    page.get_by_text("dst port 123").first.wait_for()
    page.keyboard.press("o")
    notebook.wait_for("case.selection.query == 'udp and dst host 198.51.100.53 and dst port 123'")
    assert page.get_by_label("filter", exact=True).input_value() == "udp and dst host 198.51.100.53 and dst port 123"

    # the sessions notebook takes it up
    notebook.run("sessions = nsm.widgets.Sessions(case)")
    notebook.wait_for("sessions.table['dst_port'].tolist() == [123] * 28")
    page.get_by_role("button", name="clear filter").click()
    notebook.wait_for("case.selection.query == ''")
    page.locator(".nsm-title").first.get_by_text(WHOLE).wait_for()


def test_all_goes_by_keyboard(notebook, page):
    cells = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    page.get_by_role("tree").focus()
    for key in ("Home", "ArrowDown", "ArrowDown", "ArrowRight"):  # eth, ip, tcp, udp
        page.keyboard.press(key)
    page.get_by_text("udp and ip", exact=True).wait_for()
    page.keyboard.press("Enter")
    notebook.wait_for("case.selection.query == 'udp and ip'")

    page.get_by_role("application").focus()
    for key in ("Home", "PageDown", "Shift+PageDown", "l"):
        page.keyboard.press(key)
    notebook.wait_for("case.selection.window is not None and statistics.timeline.log")
    assert page.get_by_label("log scale").is_checked()
    page.keyboard.press("l")
    page.keyboard.press("Escape")
    notebook.wait_for("case.selection.window is None and not statistics.timeline.log")

    page.get_by_label("filter", exact=True).fill("dst port 445 and port x")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("^").wait_for()
    page.get_by_label("filter", exact=True).fill("dst port 445")
    page.keyboard.press("Enter")
    notebook.wait_for("case.selection.query == 'dst port 445'")
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length") == cells


def test_what_is_counted_and_by_what_can_be_chosen(notebook, page):
    page.get_by_role("button", name="alerts").click()
    page.get_by_role("button", name="host", exact=True).first.click()

    page.locator(".nsm-timeline-legend").get_by_text("198.51.100").first.wait_for()
    notebook.wait_for("statistics.timeline.unit == 'alerts'")
    page.get_by_role("button", name="networks").click()
    grid(page, "talkers").get_by_text("10.10.0.0/16").wait_for()
    page.get_by_role("button", name="packets").first.click()
    page.get_by_role("button", name="protocol", exact=True).first.click()
    page.get_by_role("button", name="hosts").first.click()


def test_no_text_is_cut_and_nothing_failed(notebook, page):
    page.wait_for_timeout(500)
    cut = page.evaluate(
        """() => [...document.querySelectorAll(".nsm-frame button, .nsm-grid-title, .nsm-title, .nsm-grid-row > span")]
            .filter((each) => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
            .filter((each) => !each.textContent.startsWith("NSM-LAB"))  // messages are as long as sensors make them; they scroll
            .map((each) => each.textContent)"""
    )
    assert cut == []
    assert notebook.run("print(repr(statistics.error))").strip() == "''"
    assert not [url for url in notebook.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
