import pandas as pd

from nsm_nb.errors import UnknownName
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid


def test_the_code_button_shows_the_line_of_python():
    frame = Frame("Sessions", code="case.sessions")
    assert frame._code in frame.children and frame._code.layout.display == "none"

    frame._button.value = True

    assert frame._code.layout.display == ""
    assert frame._code.text() == "case.sessions"


def test_a_key_and_a_button_show_what_the_keys_do():
    frame = Frame("Sessions", keys=("j k move",))
    shown, children = frame._key_lines, frame.children
    assert shown in children and shown.layout.display == "none"

    frame._title.press("?")
    assert shown.text() == "j k move" and shown.layout.display == ""

    frame._help.value = False
    assert shown.layout.display == "none"
    assert frame.children is children  # what is drawn anew loses the keyboard


def test_a_frame_without_keys_has_no_button_for_them():
    frame = Frame("Report")

    assert frame._help not in frame._head.children and frame._title.listens == []


def test_an_error_of_ours_is_shown_as_its_sentence():
    frame = Frame("Sessions")

    def fails():
        raise UnknownName("the case has no session 7")

    frame.guard(fails)()

    assert frame._status.text() == "error: the case has no session 7"


def test_any_other_error_is_shown_with_its_name(hostile):
    frame = Frame("Sessions")

    frame.guard(lambda: {}[hostile])()

    assert "KeyError" in frame._status.text()
    assert "\x1b" not in frame._status.text()


def test_the_next_callback_that_works_clears_the_error():
    frame = Frame("Sessions")
    frame.status = "ready"
    frame.guard(lambda: 1 / 0)()
    assert "ZeroDivisionError" in frame._status.text()

    assert frame.guard(lambda: 42)() == 42

    assert frame._status.text() == "ready"


def test_an_error_in_an_inner_callback_is_not_cleared_by_the_outer_one():
    frame = Frame("Sessions")

    frame.guard(lambda: frame.guard(lambda: 1 / 0)())()

    assert frame.error.startswith("ZeroDivisionError")


def test_a_saved_notebook_shows_title_and_rows_escaped(hostile):
    frame = Frame(hostile, Grid(pd.DataFrame({"message": [hostile]})))

    data, _ = frame._repr_mimebundle_()

    assert "<script" not in data["text/html"] and "\x1b" not in data["text/html"]
    assert "1 row; run the notebook to walk them." in data["text/html"]
