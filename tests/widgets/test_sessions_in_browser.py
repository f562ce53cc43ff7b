"""The sessions in a real JupyterLab in a real Chromium: a query is built with the keyboard alone, its rows are seen."""

import shutil
from pathlib import Path

import pytest

from tests import browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"
OPEN = "import nsm_nb as nsm\ncase = nsm.open_case('www-files01')"


def pressed(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def test_a_query_is_built_and_a_session_opened_with_the_keyboard_alone(indexed, lab_on, tmp_path):
    shutil.copytree(indexed, tmp_path / "www-files01", symlinks=True)
    browser.write_notebook(tmp_path / "sessions.ipynb", OPEN, "sessions = nsm.widgets.Sessions(case)\nsessions")
    with lab_on(tmp_path, width=1500, height=1200) as lab, lab.notebook("sessions.ipynb") as notebook:
        page = notebook.page
        notebook.run_all()
        page.get_by_role("grid", name="sessions").wait_for()
        page.get_by_label("query", exact=True).focus()
        pressed(page, "Tab", "Space")  # build
        page.get_by_label("field").wait_for()
        for _ in range(12):
            if page.evaluate("() => document.activeElement?.labels?.[0]?.textContent") == "field":
                break
            page.keyboard.press("Tab")
        for _ in range(5):  # a list forgets the letters typed so far after a second, which a busy machine lets pass
            page.keyboard.type("dst port")
            if page.evaluate("() => document.activeElement.selectedOptions[0].textContent") == "dst port":
                break
            page.wait_for_timeout(1500)
        pressed(page, "Tab", "Tab")
        page.keyboard.type("31337")
        pressed(page, "Enter")
        page.get_by_text("query dst port 31337").wait_for()
        page.get_by_text("1 session matches").wait_for()
        notebook.wait_for("sessions.query == 'dst port 31337' and len(sessions.table) == 1")

        page.get_by_label("value").fill("x")  # the place of the mistake is marked under the line
        pressed(page, "Enter")
        page.get_by_role("alert").get_by_text("^").first.wait_for()
        page.get_by_label("value").fill("31337")
        pressed(page, "Enter")
        page.get_by_text("1 session matches").wait_for()

        page.get_by_role("grid", name="sessions").focus()
        pressed(page, "Home", "j", "Enter")
        notebook.wait_for("sessions.selected is not None and '40-transcripts' in sessions.status", seconds=30)
        page.get_by_text("DST ").first.wait_for()
        page.get_by_role("button", name="around src").focus()
        pressed(page, "Enter")
        page.get_by_text("query host 203.0.113.66 and time").wait_for()
        notebook.wait_for("len(sessions.table) > 1 and sessions.error == ''")
        for theme in ("dark", "light"):
            notebook.theme(theme)
            notebook.screenshot(SHOTS / f"sessions-{theme}.png")
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".nsm-frame button, .nsm-frame select, .nsm-frame .widget-label")]
                .filter((each) => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
                .map((each) => each.textContent)"""
        )
        assert cut == []
        assert not [url for url in notebook.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
