"""The packet in a real JupyterLab in a real Chromium: searched, gone through by key, told by tshark, handed out."""

import shutil
from pathlib import Path

import pytest

from tests import browser

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).resolve().parents[2] / "build" / "widgets"
OPEN = """import nsm_nb as nsm
case = nsm.open_case('www-files01')
case.selection.session = int(case.sessions.loc[case.sessions['dst_port'] == 31337, 'session'].iloc[0])"""


@pytest.fixture(scope="module")
def notebook(indexed, lab_on, tmp_path_factory):
    """A packet of a case of one's own."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(indexed, folder / "www-files01", symlinks=True)
    browser.write_notebook(folder / "packet.ipynb", OPEN, "packet = nsm.widgets.Packet(case)\npacket")
    with lab_on(folder, height=900) as running, running.notebook("packet.ipynb") as notebook:
        notebook.run_all()
        title(notebook.page, 3163).wait_for()
        yield notebook


@pytest.fixture
def page(notebook):
    """The page, on the directory listing, its headers shown."""
    notebook.run("packet.show(3620); packet.style = 'headers'; packet._search.value = ''; packet._seek()")
    title(notebook.page, 3620).wait_for()
    return notebook.page


def title(page, frame):
    return page.locator(".nsm-title").get_by_text(f"frame {frame} of staged.pcap")


def shots(notebook, name):
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(SHOTS / f"packet-{name}-{theme}.png")


def test_its_payload_is_searched(notebook, page):
    page.get_by_label("bytes").focus()
    page.keyboard.press("/")
    page.keyboard.type("volume")
    page.keyboard.press("Enter")

    page.get_by_text("1 of 2 places").wait_for()
    assert page.locator(".nsm-hit-now").count() >= 2
    page.keyboard.press("F3")
    page.get_by_text("2 of 2 places").wait_for()
    shots(notebook, "search")


def test_escape_gives_the_keyboard_back_and_a_question_mark_tells_the_keys(notebook, page):
    page.get_by_label("bytes").focus()
    page.keyboard.press("/")
    page.keyboard.type("tcp")
    page.keyboard.press("Escape")

    page.keyboard.press("?")
    page.get_by_text("n p next and previous packet").wait_for()
    page.keyboard.press("?")
    notebook.wait_for("packet._search.value == 'tcp' and not packet._help.value")


def test_keys_go_through_the_session(notebook, page):
    frames = notebook.run("print(*case.packets_of(int(packet.row['session'].iloc[0]))['frame'])").split()
    at = frames.index("3620")
    page.get_by_label("bytes").focus()
    page.keyboard.press("n")
    notebook.wait_for(f"packet.frame == {frames[at + 1]}")
    page.get_by_role("button", name="previous", exact=True).click()
    notebook.wait_for("packet.frame == 3620")
    page.get_by_label("frame").fill("staged.pcap 3163")
    page.keyboard.press("Enter")
    title(page, 3163).wait_for()


def test_tshark_is_asked_for_the_tree_and_the_kernel_stays_free(notebook, page, tshark):
    page.get_by_role("button", name="tethereal").click()

    assert notebook.run("print(6 * 7)").strip() == "42"
    page.get_by_text("Transmission Control Protocol, Src Port: 445").wait_for()
    page.get_by_text("taken apart in").wait_for()
    shots(notebook, "tree")
    page.get_by_role("button", name="tcpdump").click()
    page.get_by_text("10.10.20.5.445 > 172.16.10.80.54246: Flags [P.]").wait_for()
    shots(notebook, "tcpdump")


def test_the_frame_is_handed_out_as_a_capture(notebook, page, tmp_path):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="pcap", exact=True).click()
    waiting.value.save_as(tmp_path / "frame.pcap")

    assert waiting.value.suggested_filename == "staged.pcap-frame-3620.pcapng"
    assert (tmp_path / "frame.pcap").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    page.get_by_text("handed to the browser as staged.pcap-frame-3620.pcapng").wait_for()


def test_the_text_goes_to_the_clipboard_or_it_says_why_not(page):
    page.get_by_role("button", name="copy", exact=True).click()

    page.get_by_text("copied", exact=True).or_(page.get_by_text("let nothing into the clipboard")).wait_for()
