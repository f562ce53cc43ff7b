"""The report in a real browser: it asks for nothing, complains of nothing, and fits the screen and the theme."""

from __future__ import annotations

import pytest

from tests.browser import DESK

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(tmp_path):
    """Open a page from a file; what it asked for and what the browser said of it are kept."""
    contexts = []

    def open_it(html, **options):
        path = tmp_path / "report.html"
        path.write_text(html, "utf-8")
        contexts.append(DESK.engine.new_context(**options))
        page = contexts[-1].new_page()
        page.requests, page.said = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page, path.as_uri()

    yield open_it
    for each in contexts:
        each.close()


def test_it_asks_for_nothing_but_itself(opened, html):
    page, address = opened(html)
    assert page.locator("article").count() == 9  # the findings
    assert [each for each in page.requests if not each.startswith("data:")] == [address]
    assert page.said == []


def test_hostile_text_does_nothing(opened, hostile):
    page, address = opened(hostile.html)
    assert [each for each in page.requests if not each.startswith("data:")] == [address]
    assert page.said == []
    assert page.locator("h1").is_visible()
    assert page.locator("pre", has_text="<script>alert(1)</script>").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_figure_is_shown_and_it_is_the_themes(opened, html, scheme):
    page, _ = opened(html, color_scheme=scheme)
    shown = [each.is_visible() for each in page.locator("figure img").all()]
    assert shown == [scheme == "light", scheme == "dark"]
    assert page.locator("figure img").first.evaluate("(image) => image.complete")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 17, 17)"}[scheme]


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_the_page_is_never_wider_than_the_screen(opened, html, width):
    page, _ = opened(html, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_dark_screen_prints_on_white(opened, html):
    page, _ = opened(html, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("figure img").first.is_visible()
