"""The walk, end to end, in a real JupyterLab in a real Chromium: alert, session, transcript, verdict, report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import nsm_nb as nsm

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "build" / "walk"
WHY = "a directory listing of files01 left the server segment"


@pytest.fixture(scope="module")
def place(bundled, tmp_path_factory):
    """The notebooks beside a copy of the bundled case."""
    folder = tmp_path_factory.mktemp("walk")
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, folder)
    (folder / "case").mkdir()
    shutil.copy(bundled / "case.toml", folder / "case" / "case.toml")
    (folder / "case" / "evidence").symlink_to(bundled / "evidence", target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def lab(lab_on, place):
    environment = {"NSM_CASE": str(place / "case"), "NSM_HOME": str(place / "home"), "NSM_ANALYST": "ada"}
    with lab_on(place, environment=environment, width=1500, height=1300) as running:
        yield running


def shown(notebook, heading):
    """Scroll to a widget by its title and return it."""
    widget = notebook.page.locator(".nsm-frame").filter(has_text=heading).first
    widget.scroll_into_view_if_needed()
    return widget


def test_an_analyst_walks_from_the_alert_to_the_report(lab, place):
    case = nsm.open_case(place / "case")

    with lab.notebook("00-start.ipynb") as start:
        start.run_all()
        shown(start, "Evidence").get_by_text("staged.pcap").first.wait_for()
        shown(start, "Evidence").get_by_text("9,746").first.wait_for()
        start.screenshot(SHOTS / "00-start.png")

    with lab.notebook("10-statistics.ipynb") as statistics:
        statistics.run_all()
        shown(statistics, "Statistics").get_by_text("172.16.10.80").first.wait_for()
        statistics.screenshot(SHOTS / "10-statistics.png")

    with lab.notebook("30-alerts.ipynb") as alerts:
        alerts.run_all()
        queue = alerts.page.get_by_role("grid", name="alert queue")
        queue.scroll_into_view_if_needed()
        alerts.page.get_by_label("Filter rows by words").first.fill("suricata directory listing over SMB")
        row = queue.get_by_text("NSM-LAB ATTACK-RESPONSES directory listing over SMB").first
        row.click()
        # the rule, and the packet that holds what it looks for although the sensor named another frame
        alerts.page.get_by_text(re.compile(r"nsm-lab\.(suricata|snort2)\.rules")).first.wait_for()
        alerts.page.get_by_text("frame 3620").first.wait_for()
        alerts.screenshot(SHOTS / "30-alerts.png")

        chosen = case.selection.alert
        assert case.alert(chosen)["sid"] == 9000005
        queue.focus()
        alerts.page.keyboard.press("Shift+F1")
        comment = alerts.page.get_by_role("textbox", name="comment for I")
        alerts.page.wait_for_function("box => box === document.activeElement", arg=comment.element_handle())
        alerts.page.keyboard.type(WHY)
        alerts.page.keyboard.press("Enter")
        alerts.page.get_by_text("Unauthorized Root/Admin Access, by ada").first.wait_for()

    verdict = case.history(chosen).iloc[-1]
    assert (verdict["category"], verdict["comment"], verdict["analyst"]) == ("I", WHY, "ada")
    case.selection.update(alert=chosen, session=int(case.session_of(chosen)["session"]))

    with lab.notebook("20-sessions.ipynb") as sessions:
        sessions.run_all()
        shown(sessions, "Sessions").get_by_text(str(case.selection.session)).first.wait_for()
        sessions.screenshot(SHOTS / "20-sessions.png")

    with lab.notebook("40-transcripts.ipynb") as transcripts:
        transcripts.run_all()
        told = shown(transcripts, "Transcript")
        told.get_by_text("Volume Serial Number").first.wait_for()
        told.get_by_text("Volume Serial Number").first.scroll_into_view_if_needed()
        transcripts.page.wait_for_timeout(500)  # lines far down are painted when they come into view
        transcripts.screenshot(SHOTS / "40-transcripts.png")

    with lab.notebook("50-report.ipynb") as report:
        report.run_all()
        shown(report, "Report").get_by_role("button", name="build the report").click()
        frame = report.page.frame_locator("iframe").first
        frame.get_by_text(WHY).first.wait_for(timeout=60_000)
        report.page.locator("iframe").first.scroll_into_view_if_needed()
        report.page.wait_for_timeout(500)
        report.screenshot(SHOTS / "50-report.png")

    (made,) = (place / "case" / "reports").glob("*.html")
    page = made.read_text(encoding="utf-8")
    assert WHY in page
    assert "Volume Serial Number" in page
    assert "directory listing over SMB" in page
    assert case.ledger.head() in page
    assert case.verify().ok


def test_nothing_outside_of_this_machine_was_asked_for(lab):
    if not lab.requests:  # the walk was not taken: this test runs alone
        with lab.notebook("10-statistics.ipynb") as statistics:
            statistics.run_all()

    assert lab.requests
    asked = (lab.address, lab.address.replace("http", "ws", 1), "data:", "blob:")
    assert [address for address in lab.requests if not address.startswith(asked)] == []
