"""The transcript in a real JupyterLab in a real Chromium: found, chosen with the mouse, decoded, judged, handed out."""

import shutil
from pathlib import Path

import pytest

from tests import browser

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"
OPEN = """import nsm_nb as nsm
case = nsm.open_case('www-files01')
shell = int(case.sessions.loc[case.sessions['dst_port'] == 31337, 'session'].iloc[0])
def of(frame):
    return int(case.packets.loc[case.packets['frame'] == frame, 'session'].iloc[0])"""


@pytest.fixture(scope="module")
def notebook(indexed, lab_on, tmp_path_factory):
    """A transcript of a case of one's own."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(indexed, folder / "www-files01", symlinks=True)
    browser.write_notebook(folder / "said.ipynb", OPEN, "said = nsm.widgets.Transcript(case, shell)\nsaid")
    with lab_on(folder, height=1150) as running, running.notebook("said.ipynb") as notebook:
        notebook.run_all()
        notebook.page.locator(".nsm-title").get_by_text("826 bytes from SRC, 3,012 from DST").wait_for()
        yield notebook


@pytest.fixture
def page(notebook):
    """The page, on the shell's text."""
    notebook.run(
        "said.show(shell); said.view = 'text'; said._decode.value = False; said._find.value = ''; said._seek()"
    )
    notebook.page.locator(".nsm-title").get_by_text("826 bytes from SRC, 3,012 from DST").wait_for()
    return notebook.page


def shots(notebook, name):
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(SHOTS / f"transcript-{name}-{theme}.png")


def test_places_are_found_marked_and_counted(notebook, page):
    page.get_by_label("transcript", exact=True).focus()
    page.keyboard.press("/")
    page.keyboard.type("uid=")
    page.keyboard.press("Enter")

    page.get_by_text("1 of 2 places").wait_for()
    assert page.locator(".nsm-hit").count() == 2 and page.locator(".nsm-hit-now").inner_text() == "uid="
    page.keyboard.press("F3")
    page.get_by_text("2 of 2 places").wait_for()
    page.get_by_text("frame 3261, byte 406 of DST").wait_for()
    shots(notebook, "found")


def test_what_is_chosen_with_the_mouse_is_decoded_and_kept_with_a_verdict(notebook, page):
    page.get_by_role("button", name="decode", exact=True).click()
    page.get_by_text("DST: uid=33(www-data)").first.dblclick(position={"x": 60, "y": 6})
    page.get_by_text("of DST (").wait_for()
    chosen = notebook.run("print(said.said.data('dst')[said.selection[1]:said.selection[2]].decode())").strip()
    assert chosen and chosen in "uid=33(www-data)"
    page.get_by_label("recipe", exact=True).fill("rot13")
    page.get_by_label("recipe", exact=True).press("Enter")
    page.get_by_label("what the recipe made").get_by_text("SHA-256").wait_for()
    shots(notebook, "decoded")
    page.get_by_label("comment").fill("only a trial")
    page.get_by_role("button", name="F2 II").click()

    page.get_by_text("is II, by").wait_for()
    assert "recipe rot13" in notebook.run("print(case.verdicts['comment'].iloc[-1])")


def test_tabs_show_what_was_decoded_carried_and_dissected(notebook, page, tshark):
    notebook.run("said.show(of(2276))")
    page.get_by_role("button", name="decoded", exact=True).click()
    page.get_by_role("gridcell", name="HTTP/1.1 200 OK").click()
    page.get_by_label("the chosen row").get_by_text("uid=33(www-data)").wait_for()
    shots(notebook, "http")
    notebook.run("said.show(of(3620))")
    page.get_by_role("button", name="objects", exact=True).click()
    page.get_by_role("gridcell", name="dir_D.txt").first.wait_for()
    page.get_by_role("button", name="tshark", exact=True).click()
    assert notebook.run("print(6 * 7)").strip() == "42"
    page.get_by_text("SMB2 (Server Message Block Protocol version 2)").first.wait_for()
    shots(notebook, "tshark")
    notebook.run("said.view = 'hex'")
    page.get_by_text("most of its bytes are no text").wait_for()
    shots(notebook, "hex")


def test_a_side_is_handed_out_as_it_is(notebook, page, tmp_path, truth):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="raw DST").click()
    waiting.value.save_as(tmp_path / "dst.bin")

    assert (tmp_path / "dst.bin").read_bytes() == (truth / "shell.txt").read_bytes()


def test_hostile_text_stays_text(notebook, page):
    notebook.run(
        "from dataclasses import replace\n"
        "bad = '<img src=x onerror=alert(1)><script>alert(1)</script>\\x1b[2J\\u202e'.encode()\n"
        "turn = replace(said.said.turns[0], data=bad)\n"
        "said.said = replace(said.said, turns=[turn])\nsaid._show()"
    )
    page.get_by_text("<script>alert(1)</script>").wait_for()

    assert page.locator(".nsm-frame img, .nsm-frame script").count() == 0
    assert "\\u202e" in page.get_by_label("transcript", exact=True).inner_text()
