"""The queue in a real JupyterLab in a real Chromium: the bundled case cleared with the keyboard alone, hostile text, themes."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

import nsm_nb as nsm
from tests import browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"
OPEN = "import nsm_nb as nsm\ncase = nsm.open_case('www-files01')"

# data/www-files01/truth/STORY.md, "Alerts and their right verdicts"
VERDICTS = {
    9000001: "VI", 9000012: "VI", 9000010: "III", 9000002: "II", 9000004: "II", 9000011: "I", 9000005: "I", 9000007: "I",
    9000008: "VII", 9000009: "VII", 9000013: "NA",
}  # fmt: skip
KEYS = {"I": "F1", "II": "F2", "III": "F3", "VI": "F6", "VII": "F7", "NA": "F8"}
BY_MESSAGE = {
    "SCAN many": "VI", "Nessus": "VI", "FTP repeated": "III", "metacharacter": "II", "returned www-data": "II",
    "unusual port": "I", "directory listing": "I", "outbound STOR": "I", "long encoded": "VII", "TROJAN": "VII", "ICMP": "NA",
}  # fmt: skip


def right(sid, src):
    """Return what the truth says; of two signatures it depends on who is meant."""
    if sid == 9000003:  # a how-to page on the news server is no root shell
        return "NA" if src == "198.51.100.10" else "I"
    if sid == 9000006:  # workstations list their own share
        return "I" if src == "172.16.10.80" else "NA"
    return VERDICTS[sid]


def seen(message, src):
    """Return what an analyst decides who sees message and source of a row."""
    if "returned root" in message:
        return right(9000003, src)
    if "SMB2 query" in message:
        return right(9000006, src)
    return next(category for words, category in BY_MESSAGE.items() if words in message)


@pytest.fixture(scope="module")
def notebook(bundled, lab_on, tmp_path_factory):
    """The queue of the whole bundled case, Snort's alerts and Suricata's."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "www-files01").mkdir()
    shutil.copy(bundled / "case.toml", folder / "www-files01")
    (folder / "www-files01" / "evidence").symlink_to(bundled / "evidence", target_is_directory=True)
    browser.write_notebook(folder / "alerts.ipynb", OPEN, "alerts = nsm.widgets.Alerts(case)\nalerts")
    lab = lab_on(folder, width=1500, height=1250, environment={"NSM_ANALYST": "ada"})
    with lab as running, running.notebook("alerts.ipynb") as notebook:
        notebook.run_all()
        notebook.page.get_by_role("grid", name="alert queue").wait_for()
        notebook.folder = folder
        yield notebook


ACTIVE = """() => {
    const line = document.querySelector("[aria-label='alert queue'] .nsm-grid-row.nsm-active:not([hidden])");
    if (!line) return null;
    const cells = [...line.querySelectorAll("[aria-colindex]")].map((each) => each.textContent);
    return cells.includes("…") ? null : cells;
}"""
IN_QUEUE = "() => document.activeElement?.getAttribute('aria-label') === 'alert queue'"


def test_the_queue_is_cleared_with_the_keyboard_alone(notebook):
    page = notebook.page
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(SHOTS / f"queue-{theme}.png")
    page.keyboard.press("Escape")
    for _ in range(80):  # from wherever the keyboard is
        page.keyboard.press("Tab")
        if page.evaluate(IN_QUEUE):
            break
    assert page.evaluate(IN_QUEUE)
    headings = page.locator("[aria-label='alert queue'] [role='columnheader']").all_text_contents()
    columns = [each.strip(" ▲▼") for each in headings]
    message, src = columns.index("event message"), columns.index("src ip")
    page.keyboard.press("j")

    judged = []
    for _ in range(30):
        row = page.wait_for_function(ACTIVE).json_value()
        category = seen(row[message], row[src])
        comment = category == "I" and "returned root" in row[message]
        if comment:  # a comment in the same step
            page.keyboard.press("Shift+F1")
            page.keyboard.type("uid=0 in the shell on port 31337: exfiltration next")
            page.keyboard.press("Enter")
        else:
            page.keyboard.press(KEYS[category])
        judged.append(row)
        changed = f"(before) => {{ const row = ({ACTIVE})(); return (row && row.join() !== before) || {EMPTY}; }}"
        page.wait_for_function(changed, arg=",".join(row))
        assert page.evaluate(IN_QUEUE) or comment
        if page.evaluate(f"() => {EMPTY}"):
            break
    page.get_by_text("every alert is judged; see All").wait_for()

    case = nsm.open_case(notebook.folder / "www-files01")
    alerts = case.alerts.assign(given=case.alerts["alert"].map(case.status()))
    wanted = [right(sid, src) for sid, src in zip(alerts["sid"], alerts["src_ip"].astype(str), strict=True)]
    assert alerts["given"].tolist() == wanted
    assert (alerts["sensor"] == "suricata").sum() == 79
    records = case.verdicts
    assert len(records) == len(alerts) and set(records["analyst"]) == {"ada"}
    assert records["time"].notna().all() and (pd.Timestamp.now("UTC") - records["time"].min()) < pd.Timedelta("1h")
    assert case.verify().ok
    assert "uid=0 in the shell on port 31337: exfiltration next" in set(records["comment"])
    assert len(judged) < 25  # groups, not alerts


EMPTY = (
    """[...document.querySelectorAll("[aria-label='alert queue'] .nsm-grid-empty")].some((each) => each.textContent)"""
)


def test_a_comment_that_is_written_while_the_kernel_is_busy_is_whole_and_goes_with_one_verdict(notebook):
    page = notebook.page
    notebook.run("alerts.tab = 'All'; alerts.panes.go_to(alerts.panes.table['group'].iloc[0]); alerts.panes.ask()")
    notebook.run(
        "import time; judged = case.judge; slow = lambda *a, **k: (time.sleep(1.5), judged(*a, **k))[1]; case.judge = slow"
    )
    page.wait_for_function(IN_QUEUE)
    before = int(notebook.run("print(len(case.verdicts))"))
    page.keyboard.press("F8")
    page.keyboard.press("Shift+F3")
    page.keyboard.type("e s x: letters, no keys", delay=30)
    page.wait_for_timeout(2500)  # the first verdict is given, and what it leaves must not undo what is written
    page.keyboard.type(", to the end", delay=30)
    page.keyboard.press("Enter")
    notebook.wait_for("(case.verdicts['comment'] == 'e s x: letters, no keys, to the end').any()", seconds=20)
    page.wait_for_function(IN_QUEUE)
    page.keyboard.press("F8")
    notebook.wait_for("case.verdicts['category'].iloc[-1] == 'NA'", seconds=20)
    told = notebook.run(
        f"print(case.verdicts.iloc[{before}:][['category', 'comment']].drop_duplicates().values.tolist())"
    )
    assert told.strip() == "[['NA', ''], ['III', 'e s x: letters, no keys, to the end']]"
    notebook.run("case.judge = judged; alerts.tab = 'RealTime'")


def test_messages_of_all_widgets_are_answered_in_the_order_in_which_they_came(notebook):
    # JupyterLab 4.4 and later has the first message of a widget answered beside the others: see widgets/threads.py
    notebook.run(
        """
import threading
names = set()
alerts.bar.parted.value = True
for each in (alerts._title, *alerts.panes.grids, alerts.bar.again, alerts.aside.tabs.buttons["related"]):
    each.on_msg(lambda widget, content, buffers: names.add(threading.current_thread().name))
"""
    )
    for name in ("refresh", "related"):
        notebook.page.get_by_role("button", name=name).click()
    notebook.page.get_by_role("grid", name="alert queue, priority 1").focus()
    for key in ("j", "?", "Shift+F3", "Escape", "?"):
        notebook.page.keyboard.press(key)
    notebook.wait_for("names == {threading.main_thread().name}")
    notebook.run("alerts.bar.parted.value = False; alerts.aside.tabs.value = 'alerts'")


def test_a_cell_is_a_filter_by_keys(notebook):
    page = notebook.page
    notebook.run("alerts.tab = 'All'; alerts.panes.start(); alerts.panes.ask()")
    notebook.wait_for("alerts.grid.active == 0")
    page.wait_for_function(IN_QUEUE)
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("=")

    notebook.wait_for("alerts.queue.query.startswith('src host ')")
    page.keyboard.press("/")
    page.wait_for_function("() => document.activeElement?.closest('.nsm-entry')?.textContent.startsWith('query')")
    page.keyboard.press("Control+a")
    page.keyboard.type("priority <= 1 and category vii")
    page.keyboard.press("Enter")
    notebook.wait_for("len(alerts.panes.table) and set(alerts.panes.table['status']) == {'VII'}")
    assert notebook.run("print(alerts.error)").strip() == ""
    notebook.run("alerts.ask('')")


def test_counts_and_panes_are_seen_and_hurt_nobody(notebook, hostile):
    notebook.run(f"case._made['alerts'] = case.alerts.assign(message={hostile!r}); alerts.refresh()")
    notebook.run("alerts.bar.parted.value = True; alerts.panes.start()")
    notebook.page.get_by_role("grid", name="alert queue, priority 1").get_by_text(
        "<script>alert(1)</script>"
    ).first.wait_for()
    for name in ("related", "addresses", "rules", "messages", "alerts"):
        notebook.run(f"alerts.aside.tabs.value = {name!r}")
    notebook.run("alerts.tab = 'Counts'")
    notebook.page.get_by_role("grid", name="counted alerts").get_by_text("/etc/passwd").first.wait_for()
    notebook.screenshot(SHOTS / "queue-counts.png")

    assert notebook.run("print(alerts.error)").strip() == ""
    assert notebook.page.locator(".nsm-frame script, .nsm-frame img, .nsm-frame mjx-container").count() == 0
    assert "\u202e" not in notebook.page.locator(".nsm-frame").first.inner_text()
    assert not [url for url in notebook.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
