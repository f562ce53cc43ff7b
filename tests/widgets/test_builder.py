"""A query line that is built: what rows mean, and that the line stays the truth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.query import STANDARD, compile
from nsm_nb.widgets import Sessions
from nsm_nb.widgets.building import COMPARISONS, FIELDS, Part, line_of

VALUES = {
    "address": "10.0.0.0/8",
    "port": "445",
    "number": "5",
    "text": "SMB 2",
    "time": "today",
    "alert": "5",
    "any": "and",
}


@pytest.fixture
def sessions(case):
    shown = Sessions(case)
    shown.builder.opened.value = True
    return shown


@pytest.mark.parametrize("field", FIELDS)
def test_every_comparison_of_every_field_makes_a_line_that_finds_rows_or_none(sessions, field):
    kind = FIELDS[field]
    for _, how in COMPARISONS[kind]:
        value = "1-445" if how == "range" else VALUES[kind]
        line = line_of([Part(field, how, value)])
        assert line
        assert 0 <= sessions._count(line) <= len(sessions.table), line


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([name for name, kind in FIELDS.items() if kind in ("text", "any")]), st.text())
def test_any_text_is_one_value_of_the_line(field, text):
    line = line_of([Part(field, "~", text), Part("dst port", "=", "80")])

    compile(line)
    assert line.endswith("dst port 80") and (not text.strip() or " and " in line)


def test_rows_are_read_from_top_to_bottom():
    a, b = Part("port", "=", "1"), Part("port", "=", "2")

    assert line_of([a, b._replace(joint="or"), b, a]) == "(port 1 or port 2) and port 2 and port 1"
    assert line_of([a, b, b._replace(joint="or")]) == "(port 1 and port 2) or port 2"
    assert line_of([a._replace(value=" "), b._replace(joint="or")]) == "port 2"
    assert line_of([Part("src host", "not", "$home")]) == "not src host $HOME"
    assert line_of([]) == ""


def test_rows_write_the_line_and_say_how_many_match(sessions, case):
    row = sessions.builder.rows[0]
    row.field.value = "dst port"
    row.value.value = "31337"

    assert sessions.builder.line == "dst port 31337"
    assert sessions.builder.told.text() == "1 session matches"
    assert len(sessions.table) == len(case.sessions)  # nothing is shown before it is asked for

    row.value.submit()
    assert len(sessions.table) == 1 and case.selection.query == "dst port 31337"

    other = sessions.builder.add()
    other.joint.value = "or"
    other.field.value = "alert"
    assert sessions.builder.line == "dst port 31337 or alert"

    row.remove.click()
    assert sessions.builder.line == "alert" and len(sessions.builder.rows) == 1
    other.remove.click()
    assert sessions.builder.line == "" and len(sessions.builder.rows) == 1


def test_a_time_is_chosen_by_its_name(sessions):
    row = sessions.builder.rows[0]
    assert row.macro.layout.display == "none"
    row.field.value = "time"
    assert row.macro.layout.display == ""
    row.comparison.value = ">="
    row.macro.value = "lastday"

    assert sessions.builder.line == "time >= lastday"


def test_a_wrong_value_is_marked_in_the_line(sessions):
    row = sessions.builder.rows[0]
    row.field.value = "port"
    row.value.value = "http"

    assert sessions._entry.wrong["column"] == len("port ")
    assert "not understood" in sessions.builder.told.text()

    sessions._entry.value = "port 80"  # by hand: the line is the truth
    assert sessions._entry.wrong["text"] == "" and "match" in sessions.builder.told.text()


def test_a_line_that_is_typed_fills_the_rows(sessions):
    sessions._entry.value = "tcp and (dst port 80 or dst port > 1023) and time >= lastday"
    rows = sessions.builder.rows

    assert [tuple(row.part) for row in rows] == [
        ("dst port", "=", "80", "and"), ("dst port", ">", "1023", "or"), ("proto", "=", "tcp", "and"),
        ("time", ">=", "lastday", "and"),
    ]  # fmt: skip
    assert [row.joint.layout.visibility for row in rows] == ["hidden", "visible", "visible", "visible"]
    assert rows[3].macro.value == "lastday" and rows[3].macro.layout.display == ""
    assert sessions.builder.told.text().endswith(" sessions match")
    assert sessions.builder.line.startswith("tcp and (")  # the line is as it was typed

    rows[0].value.value = "443"
    assert sessions.builder.line == "(dst port 443 or dst port > 1023) and proto tcp and time >= lastday"
    rows[3].remove.click()
    sessions._entry.value = ""
    assert [tuple(row.part) for row in sessions.builder.rows] == [("host", "is", "", "and")]
    assert sessions.builder._rows.children == tuple(sessions.builder.rows)


@pytest.mark.parametrize("line", ["not (tcp and port 80)", " or ".join(f"port {number}" for number in range(40))])
def test_a_line_that_is_more_than_rows_can_show_is_said_to_be(sessions, line):
    sessions._entry.value = "udp and port 53"
    sessions._entry.value = line

    assert "more than rows can show, and changing a row writes it anew" in sessions.builder.told.text()
    assert [row.part.value for row in sessions.builder.rows] == [""]
    assert sessions.builder.line == line and sessions._entry.wrong["text"] == ""


def test_rows_stay_while_a_line_is_not_understood_yet(sessions):
    sessions._entry.value = "udp and port 53"
    sessions._entry.value = "udp and port 53 and"

    assert [row.part.value for row in sessions.builder.rows] == ["udp", "53"]


def test_rows_are_filled_when_they_are_opened(case):
    shown = Sessions(case)
    shown._entry.value = "dst port 31337"
    assert shown.builder.rows[0].part.value == ""

    shown.builder.opened.value = True
    assert tuple(shown.builder.rows[0].part) == ("dst port", "=", "31337", "and")


def test_a_standard_query_is_chosen_and_shown(sessions, case):
    assert len(sessions.builder.queries.options) == len(STANDARD) + 1
    sessions.builder.queries.value = "sessions with alerts"

    assert sessions.query == "alert" and len(sessions.table) == len(case.query("alert"))
    assert "what the sensors spoke of" in sessions.builder.answers.text()


def test_a_query_is_kept_in_the_case_and_forgotten(sessions, case):
    sessions._entry.value = "dst port 31337"
    sessions.builder.name.value = "shell"
    sessions.builder._keep.click()

    assert case.queries.query("kept")["line"].tolist() == ["dst port 31337"]
    assert sessions.builder.queries.value == "shell"

    sessions.builder.queries.value = ""
    sessions._entry.submit("")
    sessions.builder.queries.value = "shell"
    assert len(sessions.table) == 1

    sessions.builder._drop.click()
    assert not case.queries["kept"].any() and "shell" not in dict(sessions.builder.queries.options).values()
    assert sessions.error == ""


def test_what_can_not_be_kept_is_told(sessions, case):
    sessions._entry.value = "dst port x"
    sessions.builder.name.value = "shell"
    sessions.builder._keep.click()
    assert sessions._entry.wrong["column"] == len("dst port ")

    sessions._entry.value = "udp"
    sessions.builder.name.value = "long sessions"
    sessions.builder._keep.click()
    assert "ships" in sessions.error
    assert not case.queries["kept"].any()


def test_hostile_names_of_queries_are_text(case, hostile):
    case.keep_query(hostile, "udp", hostile)
    shown = Sessions(case)
    shown.builder.opened.value = True
    shown.builder.queries.value = hostile.strip()

    assert shown.error == "" and "\x1b" not in repr(shown.builder.answers.lines)
    assert not any("\x1b" in label for label, _ in shown.builder.queries.options)


def test_every_control_has_a_name(sessions):
    row = sessions.builder.rows[0]
    for each in (row.joint, row.field, row.comparison, row.macro, row.remove, sessions.builder.queries):
        assert each.description
    assert row.value.label and sessions.builder.name.label and sessions._entry.label
