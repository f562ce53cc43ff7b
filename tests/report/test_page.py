"""The page itself: nothing in it acts, nothing in it is outside, and anyone can read it."""

from __future__ import annotations

import base64
import itertools
import re

import pytest

from nsm_nb import colours
from nsm_nb.report.page import style
from nsm_nb.text import printable
from tests.report.conftest import HOSTILE, parsed, text_of

ACTIVE = {
    "script", "iframe", "frame", "object", "embed", "applet", "form", "input", "button", "link", "base", "svg", "math", "audio",
    "video", "source", "track", "portal", "template", "noscript",
}  # fmt: skip
ADDRESSES = {
    "src",
    "href",
    "srcset",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "ping",
    "cite",
    "manifest",
}
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def pages(request):
    return request.getfixturevalue("html"), request.getfixturevalue("hostile").html


def test_nothing_on_the_page_is_active(request):
    for html in pages(request):
        for element in parsed(html).iter():
            assert element.tag not in ACTIVE
            assert not [name for name in element.attrib if name.lower().startswith("on") or name == "style"]


def test_nothing_on_the_page_points_outside(request):
    for html in pages(request):
        for element in parsed(html).iter():
            for name, value in element.attrib.items():
                if name.lower() in ADDRESSES or ":href" in name:
                    assert value.startswith("#") or (
                        element.tag == "img" and value.startswith("data:image/svg+xml;base64,")
                    )
        (sheet,) = (text_of(each) for each in parsed(html).iter("style"))
        assert "url(" not in sheet
        assert "@import" not in sheet


def test_pictures_on_the_page_hold_no_script_and_no_address(request):
    for html in pages(request):
        for image in parsed(html).iter("img"):
            drawing = base64.b64decode(image.get("src").partition(",")[2]).decode()
            assert "<script" not in drawing
            assert not [each for each in re.findall(r'href="([^"]*)"', drawing) if not each.startswith("#")]


def test_the_policy_comes_before_all_that_it_governs(document):
    head = next(document.iter("head"))
    charset, policy, *_ = list(head)
    assert charset.get("charset") == "utf-8"
    assert policy.get("http-equiv") == "Content-Security-Policy"
    for rule in (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "font-src data:",
        "base-uri 'none'",
    ):
        assert rule in policy.get("content")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_itself(hostile, text):
    shown = text_of(parsed(hostile.html))
    assert printable(text) in shown


def test_hostile_text_leaves_no_hidden_character(hostile):
    assert not CONTROLS.search(hostile.html)


def test_a_path_in_a_message_is_not_opened(hostile):
    assert "root:x:0" not in hostile.html


def test_a_hostile_name_does_not_leave_the_style_sheet(hostile):
    (sheet,) = (text_of(each) for each in parsed(hostile.html).iter("style"))
    foot = re.search(r'@bottom-left \{ content: ("[^"]*")', sheet)[1]
    assert not re.search(r"[<>{};']", foot)
    assert "\\00003c script\\00003e" in foot


def test_every_link_leads_to_a_place_on_the_page(document):
    ids = [each.get("id") for each in document.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    links = [each.get("href") for each in document.iter("a")]
    assert len(links) > 20
    assert not [each for each in links if each.removeprefix("#") not in ids]


def test_no_address_of_the_evidence_can_be_clicked(document):
    for link in document.iter("a"):
        assert not re.search(r"http|\.example", text_of(link))


def test_headings_leave_no_level_out(document):
    levels = [int(each.tag[1]) for each in document.iter() if re.fullmatch(r"h[1-6]", str(each.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_table_has_a_caption_and_every_cell_a_heading(document):
    tables = list(document.iter("table"))
    assert len(tables) > 10
    for table in tables:
        assert text_of(table.find("caption")).strip()
        heads = table.findall("thead/tr/th")
        assert all(each.get("scope") == "col" and text_of(each).strip() for each in heads)
        for row in table.findall("tbody/tr"):
            width = sum(int(cell.get("colspan", 1)) for cell in row)
            assert width == len(heads)
            assert row.get("class") == "below" or row[0].get("scope") == "row"


def test_figures_say_in_words_what_they_show(document):
    images = list(document.iter("img"))
    assert len(images) == 2  # one for each theme; only one is shown
    for image in images:
        assert "packets" in image.get("alt")
        assert "2026-11-24" in image.get("alt")


def test_the_page_names_its_language_and_its_title(document):
    root = document if document.tag == "html" else document.find("html")
    assert root.get("lang") == "en"
    assert "www and files01" in text_of(next(document.iter("title")))


def test_text_stands_out_in_both_themes(judged):
    from nsm_nb.report.page import _theme

    for name in ("light", "dark"):
        values = dict(re.findall(r"--(\w+): (#\w{6})", _theme(":root", name)))
        for ground in (values["ground"], values["shade"]):
            for ink in ("ink", "faint", "src", "dst", "doubt"):
                assert colours.contrast(values[ink], ground) >= 4.5


def test_badges_are_read_on_their_colour(judged):
    from types import SimpleNamespace

    sheet = style(SimpleNamespace(name="x", date="y", ledger=SimpleNamespace(head="0" * 64)))
    badges = re.findall(r"\.cat-\w+ \{ background: (#\w{6}); color: (#\w{6}); \}", sheet)
    assert len(badges) == len(colours.CATEGORY)
    assert all(colours.contrast(*each) >= 4.5 for each in badges)


def test_printed_pages_repeat_the_heads_of_tables_and_are_numbered(html):
    assert "display: table-header-group" in html
    assert "counter(page)" in html
    assert "break-inside: avoid" in html
