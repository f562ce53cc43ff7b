"""The console in a real JupyterLab in a real Chromium: choosing, judging by key with a comment, going on to the transcript."""

import shutil
from pathlib import Path

import pytest

from tests import browser

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"
OPEN = "import nsm_nb as nsm\ncase = nsm.open_case('www-files01')"
LISTING = "directory listing over SMB"


@pytest.fixture(scope="module")
def notebook(indexed, lab_on, tmp_path_factory):
    """A console on a case of one's own."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(indexed, folder / "www-files01", symlinks=True)
    browser.write_notebook(folder / "console.ipynb", OPEN, "console = nsm.console(case)\nconsole")
    lab = lab_on(folder, height=1250, environment={"NSM_ANALYST": "ada"})
    with lab as running, running.notebook("console.ipynb") as notebook:
        notebook.run_all()
        notebook.page.get_by_role("tab", name="Alerts").wait_for()
        yield notebook


@pytest.fixture
def alerts(notebook):
    """The queue, with no verdict waiting."""
    tab(notebook, "Alerts")
    notebook.run("alerts = console['Alerts']; alerts.verdict.cancel(); alerts.verdict.comment.value = ''")
    return notebook


def tab(notebook, name):
    notebook.page.get_by_role("tab", name=name).click()
    notebook.wait_for(f"console.tab == {name!r}")


def group(notebook, message):
    return notebook.page.get_by_role("grid", name="alert queue").get_by_role("row").filter(has_text=message).first


def test_a_click_on_a_group_brings_rule_packet_and_session(alerts):
    group(alerts, LISTING).click()

    alerts.page.get_by_text("sid:9000005").wait_for()
    alerts.page.get_by_text("frame 3620 of staged.pcap").wait_for()
    alerts.page.get_by_text("a verdict is on 1 alert in 1 group").wait_for()
    alerts.wait_for("case.selection.alert == alerts.alert is not None")
    for theme in ("dark", "light"):
        alerts.theme(theme)
        alerts.screenshot(SHOTS / f"alerts-{theme}.png")


def test_shift_and_a_key_ask_for_the_comment_and_enter_judges(alerts):
    group(alerts, LISTING).click()
    alerts.wait_for(f"{LISTING!r} in alerts.grid.row['message']")
    # e, s and x are letters from the first on, not verdicts or cut cells: nothing waits for the kernel
    alerts.page.keyboard.press("Shift+F1")
    alerts.page.keyboard.type("see files01: exfiltration next")
    alerts.page.get_by_label("comment for I", exact=True).wait_for()
    alerts.wait_for("alerts.verdict.pending == 'I'")
    assert alerts.run("print(len(case.verdicts))").strip() == "0"
    alerts.page.keyboard.press("Enter")

    alerts.wait_for("case.verdicts['comment'].tolist() == ['see files01: exfiltration next']")
    alerts.wait_for("case.verdicts[['analyst', 'category']].iloc[0].tolist() == ['ada', 'I']")
    alerts.page.get_by_text("1 alert in 1 group: I, Unauthorized Root/Admin Access, by ada").wait_for()
    # the keyboard is back in the queue, on the next group
    alerts.page.wait_for_function("() => document.activeElement?.getAttribute('role') === 'grid'")
    alerts.wait_for(f"{LISTING!r} not in alerts.grid.row['message']")


def test_a_key_judges_at_once_and_the_browser_does_not_act(alerts):
    count = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    cells = alerts.page.evaluate(count)
    group(alerts, "NSM-LAB ICMP large packet").click()
    alerts.wait_for("'ICMP' in alerts.grid.row['message']")

    alerts.page.keyboard.press("F5")

    alerts.wait_for("(case.verdicts['category'] == 'V').sum() == 2")
    assert alerts.page.evaluate(count) == cells


def test_a_verdict_falls_on_the_row_that_is_seen_even_where_the_kernel_is_slow(alerts):
    alerts.run(
        """
import time
def slow(change): time.sleep(0.3)
alerts.grid.observe(slow, 'active')
alerts.grid.active = 0
wanted = alerts.grid.table['group'].iloc[3]
"""
    )
    alerts.page.get_by_role("grid", name="alert queue").focus()
    for key in ("j", "j", "j", "F6"):  # the kernel is still at the first
        alerts.page.keyboard.press(key)

    alerts.wait_for("case.status().get(wanted) == 'VI'", seconds=20)
    assert (
        alerts.run(
            "print((case.status() == 'VI').sum() == len(case.groups()[lambda g: g.group == wanted].children.iloc[0]))"
        ).strip()
        == "True"
    )
    alerts.page.get_by_role("grid", name="alert queue").focus()
    alerts.run("alerts.grid.active = 0; wanted = alerts.grid.table['group'].iloc[2]")
    alerts.page.wait_for_timeout(500)
    alerts.page.keyboard.press("j")
    alerts.page.keyboard.press("j")
    alerts.page.get_by_role("button", name="F7 VII").click()  # the mouse is as safe as the key
    alerts.wait_for("case.status().get(wanted) == 'VII'", seconds=20)
    alerts.run("alerts.grid.unobserve(slow, 'active')")


def test_escalating_without_a_comment_asks_for_it(alerts):
    before = alerts.run("print(len(case.verdicts))")
    alerts.page.get_by_role("grid", name="alert queue").focus()
    alerts.page.keyboard.press("F9")

    alerts.page.get_by_text("ESC, Escalated: write why, then Enter").wait_for()
    alerts.page.keyboard.press("Escape")
    alerts.wait_for("alerts.verdict.pending == ''")
    assert alerts.run("print(len(case.verdicts))") == before


def test_enter_on_a_group_opens_its_transcript(alerts):
    alerts.run("alerts.tab = 'All'")
    group(alerts, LISTING).click()
    alerts.page.keyboard.press("Enter")

    alerts.wait_for("console.tab == 'Transcript'")
    alerts.page.get_by_label("find").fill("Volume Serial Number")
    alerts.page.get_by_label("find").press("Enter")
    alerts.page.locator(".nsm-found").get_by_text("Volume Serial Number").wait_for()
    alerts.screenshot(SHOTS / "transcript.png")
    alerts.run("console['Alerts'].tab = 'RealTime'")


def test_a_wrong_query_is_marked_under_its_word(notebook):
    tab(notebook, "Sessions")
    line = notebook.page.get_by_label("query").locator("visible=true")
    line.fill("dst port 31337 and port x")
    line.press("Enter")
    notebook.page.get_by_role("alert").get_by_text("^").wait_for()

    line.fill("dst port 31337")
    line.press("Enter")
    notebook.page.get_by_role("grid", name="sessions").get_by_text("203.0.113.66").wait_for()
    notebook.page.get_by_role("grid", name="sessions").get_by_text("203.0.113.66").click()
    notebook.page.get_by_text("826 bytes of payload").wait_for()
    notebook.screenshot(SHOTS / "sessions.png")


def test_brushing_narrows_the_tables(notebook):
    tab(notebook, "Statistics")
    notebook.page.get_by_role("application").focus()
    for key in ("Home", "PageDown", "Shift+PageDown"):
        notebook.page.keyboard.press(key)

    notebook.wait_for("case.selection.window is not None")
    notebook.page.get_by_text("exact for the window").wait_for()
    notebook.screenshot(SHOTS / "statistics.png")
    notebook.page.keyboard.press("Escape")
    notebook.wait_for("case.selection.window is None")


def test_a_preview_runs_nothing(notebook):
    tab(notebook, "Report")
    notebook.run(
        "console['Report'].preview.document = '<h1>here</h1><script>parent.hurt = 1; document.title = 1</script>'"
    )

    frame = notebook.page.locator("iframe.nsm-preview[srcdoc^='<h1>here']")  # not even playwright may run code in it
    frame.wait_for()
    notebook.page.wait_for_timeout(500)
    notebook.screenshot(SHOTS / "report.png")
    assert frame.get_attribute("sandbox") == ""
    assert notebook.page.evaluate("() => window.hurt") is None
    notebook.run("console['Report'].preview.document = ''")


def test_no_callback_failed_and_nobody_else_was_asked(notebook):
    assert notebook.run("print([widget.error for widget in console._made.values() if widget.error])").strip() == "[]"
    assert not [url for url in notebook.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
