"""The one door: no character an intruder wrote acts on a terminal, a browser, a spreadsheet or a figure."""

from __future__ import annotations

import html as standard
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nsm_nb import text

ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
ANY = st.text(st.characters(), max_size=60)  # lone surrogates included


@given(st.one_of(ANY, st.binary(max_size=60)))
@example("\x1b[31mred\x07\x9b1m \u202eevil\u2066 \u200b")
@example(b"\xff\xfe \x00 \xed\xa0\x80")
def test_printable_holds_no_active_character_and_can_be_encoded(value):
    shown = text.printable(value)

    assert not ACTIVE.search(shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 frames have"), (1, "1 frame has"), (2, "2 frames have"), (1_000_001, "1,000,001 frames have")],
)
def test_words_agree_with_their_number(count, said):
    assert text.many(count, "frame has", "frames have") == said
    assert text.many(count, "frame") + text.form(count, " has", " have") == said


@given(ANY)
def test_lines_and_tabs_stay_only_where_asked(value):
    shown = text.printable(value, lines=True)

    assert not ACTIVE.search(shown.replace("\n", "").replace("\t", ""))
    assert shown.count("\n") == value.count("\n")


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("plain text, ümläut, 漢字", "plain text, ümläut, 漢字"),
        ("a\x1b[0mb", "a\\x1b[0mb"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202ecod.exe", "\\u202ecod.exe"),
        ("\U000e0041", "\\U000e0041"),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        (None, "None"),
        (17, "17"),
    ],
)
def test_what_is_invisible_becomes_a_visible_escape(given_, shown):
    assert text.printable(given_) == shown


@given(ANY)
@example("<script>alert(1)</script>")
@example("\"'><img src=x onerror=alert(1)>")
def test_html_is_read_back_as_the_printable_text(value):
    escaped = text.html(value)

    assert not re.search("[<>\"']", escaped)
    assert standard.unescape(escaped) == text.printable(value)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", "\uff1d1"])
def test_a_cell_that_starts_like_a_formula_gets_an_apostrophe(cell):
    assert text.csv_cell(cell).startswith("'")


@pytest.mark.parametrize("cell", [-1, 2.5, None, pd.Timestamp("2003-11-13"), "plain", ""])
def test_numbers_times_and_plain_cells_stay(cell):
    assert text.csv_cell(cell) is cell or text.csv_cell(cell) == cell


def test_a_table_is_safe_in_csv_and_its_numbers_are_untouched():
    table = pd.DataFrame(
        {
            "message": ["=1+1", None, "fine"],
            "kind": pd.Categorical(["@x", "y", None]),
            "octets": pd.array([-5, None, 7], "Int64"),
        }
    )

    written = text.csv_table(table).to_csv(index=False)

    assert written == "message,kind,octets\n'=1+1,'@x,-5\n,y,\nfine,,7\n"
    assert table["message"][0] == "=1+1"


def test_dollars_are_no_mathematics():
    assert text.label("a$b_$c {$") == r"a\$b_\$c {\$"


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("http://evil.example/a.b?x=1", "hxxp://evil[.]example/a[.]b?x=1"),
        ("203.0.113.66", "203[.]0[.]113[.]66"),
        ("mail x@evil.example.", "mail x[@]evil[.]example."),
        ("FTP://h.example", "fxp://h[.]example"),
    ],
)
def test_defanged_text_cannot_be_clicked(given_, shown):
    assert text.defang(given_) == shown
