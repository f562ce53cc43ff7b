import numpy as np
import pandas as pd
import pytest

from nsm_nb.widgets.grid import Grid


def table(count=5):
    return pd.DataFrame(
        {
            "alert": [f"a:{number}" for number in range(count)],
            "octets": [(number * 7) % count for number in range(count)],
        }
    )


def browse(grid, **place):
    """Do what the browser does when the reader moves: set the place in the order it knows."""
    grid._place = {"version": grid._version, "active": None, "picked": [], **place}


def ask(grid, start, count, version=None):
    """Ask for rows as the browser does, and return the answer."""
    sent = []
    grid.send = sent.append
    grid._told(
        grid,
        {"type": "rows", "version": grid._version if version is None else version, "start": start, "count": count},
        [],
    )
    return sent


def test_rows_are_sent_window_by_window():
    (answer,) = ask(Grid(table(1000)), 100, 50)

    assert [row["texts"][0] for row in answer["rows"]] == [f"a:{number}" for number in range(100, 150)]


@pytest.mark.parametrize(
    ("start", "count", "rows"), [(-5, 10, 10), (995, 50, 5), (10**9, 50, 0), (0, 10**9, 1000), (0, -3, 0)]
)
def test_a_window_is_bounded_whatever_is_asked(start, count, rows):
    (answer,) = ask(Grid(table(2000).head(1000)), start, count)

    assert len(answer["rows"]) == rows


def test_a_question_about_an_order_that_is_gone_is_not_answered():
    grid = Grid(table())
    old = grid._version
    grid.sort = ("octets", "ascending")

    assert ask(grid, 0, 5, version=old) == []


def test_the_place_in_the_browser_is_a_position_in_the_table():
    grid = Grid(table())
    grid.sort = ("octets", "descending")

    browse(grid, active=0, picked=[[1, 2]])

    assert grid.row["octets"] == 4
    assert sorted(grid.table["octets"].iloc[grid.selected]) == [2, 3]


def test_sorting_keeps_the_cursor_and_the_marks_on_their_rows():
    grid = Grid(table())
    grid.active, grid.selected = 3, [1, 3]

    grid.sort = ("octets", "ascending")

    assert grid.active == 3 and grid.selected == [1, 3]
    place = grid._place
    assert grid.places[place["active"]] == 3
    assert sorted(grid.places[low] for low, high in place["picked"] for low in range(low, high + 1)) == [1, 3]


def test_filtering_gives_up_a_cursor_that_is_out_of_sight():
    grid = Grid(table())
    grid.active = 3

    grid.filter = "a:1"

    assert grid.places.tolist() == [1] and grid.active is None


def test_an_unknown_column_to_sort_by_is_refused_with_the_names():
    with pytest.raises(KeyError, match="no column 'colour'; it has alert, octets"):
        Grid(table()).sort = ("colour", "ascending")


def test_the_table_is_never_changed():
    source = table()
    before = source.copy()
    grid = Grid(source)
    grid.sort = ("octets", "descending")
    grid.filter = "a:"
    grid.window(0, 5)

    pd.testing.assert_frame_equal(source, before)


def test_a_new_table_keeps_the_cursor_on_the_same_row():
    grid = Grid(table(), identity="alert")
    grid.active, grid.selected = 3, [2, 4]

    grid.table = table().iloc[::-1].drop(index=4).reset_index(drop=True)

    assert grid.row["alert"] == "a:3"
    assert grid.table["alert"].iloc[grid.selected].tolist() == ["a:2"]


def test_where_the_row_is_gone_the_next_one_is_active():
    grid = Grid(table(), identity="alert")
    grid.active = 2

    grid.table = table().drop(index=2).reset_index(drop=True)

    assert grid.row["alert"] == "a:3"


def test_where_the_last_row_is_gone_the_one_before_is_active():
    grid = Grid(table(), identity="alert")
    grid.active = 4

    grid.table = table(4)
    assert grid.row["alert"] == "a:3"

    grid.table = table(0)
    assert grid.active is None and grid.row is None


def test_what_is_acted_on_is_the_marks_else_the_cursor():
    grid = Grid(table())
    assert grid.chosen == []
    grid.active = 1
    assert grid.chosen == [1]
    grid.selected = [0, 4]
    assert grid.chosen == [0, 4]


def test_a_place_is_taken_and_answered_so_that_the_next_may_come():
    grid, sent = Grid(table()), []
    grid.send = sent.append
    grid._told(grid, {"type": "place", "version": grid._version, "active": 2, "picked": [[0, 1]]}, [])
    assert grid.active == 2 and grid.selected == [0, 1]

    grid._told(grid, {"type": "place", "version": grid._version - 1, "active": 4, "picked": []}, [])
    assert grid.active == 2
    assert sent == [{"type": "placed"}] * 2


def test_a_place_is_answered_even_where_following_it_fails():
    grid, sent = Grid(table()), []
    grid.send = sent.append
    grid.observe(lambda change: 1 / 0, "active")

    with pytest.raises(ZeroDivisionError):
        grid._told(grid, {"type": "place", "version": grid._version, "active": 2, "picked": []}, [])

    assert sent == [{"type": "placed"}]


def test_the_same_key_twice_is_told_twice():
    grid, pressed = Grid(table(), listens=["F1", "Shift+F1"]), []
    grid.on_key(pressed.append)
    for _ in range(2):
        grid._told(grid, {"type": "key", "key": "F1", "version": grid._version, "active": 2, "picked": []}, [])

    assert pressed == ["F1", "F1"]
    assert grid.active == 2 and grid.key == {"key": "F1", "number": 2}


def test_a_key_it_does_not_listen_for_is_not_told():
    grid, pressed = Grid(table(), listens=["F1"]), []
    grid.on_key(pressed.append)

    grid._told(grid, {"type": "key", "key": "Delete", "version": grid._version, "active": 0, "picked": []}, [])

    assert pressed == []


def test_enter_activates_the_row_it_was_pressed_on():
    grid, activated = Grid(table()), []
    grid.on_activate(activated.append)

    grid._told(grid, {"type": "activate", "version": grid._version, "active": 3}, [])

    assert activated == [3] and grid.active == 3


def test_a_place_out_of_bounds_is_no_place():
    grid = Grid(table())

    browse(grid, active=99, picked=[[-5, 1], [4, 99], [50, 60]])

    assert grid.active is None and grid.selected == [0, 1, 4]


def test_a_named_index_is_shown_as_a_column():
    grid = Grid(table().set_index("alert"))

    assert [each["name"] for each in grid._columns] == ["alert", "octets"]


def test_two_columns_of_one_name_and_an_empty_table_are_shown():
    doubled = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert Grid(doubled).window(0, 1)[0]["texts"] == ["1", "1"]
    assert Grid(pd.DataFrame()).window(0, 10) == []


def test_all_text_is_printable(hostile):
    grid = Grid(pd.DataFrame({hostile: [hostile, hostile.encode()]}))

    sent = repr(grid.get_state()) + repr(grid.window(0, 2)) + grid.fallback()

    assert "\x1b" not in sent and "\u202e" not in sent
    assert "<script" not in grid.fallback()


def test_a_saved_notebook_shows_the_first_rows():
    data, _ = Grid(table(1000))._repr_mimebundle_()

    assert "a:19" in data["text/html"] and "a:20" not in data["text/html"]
    assert "1,000 rows, the first 20 shown; run the notebook to walk them." in data["text/html"]


def test_a_million_marked_rows_are_one_range_for_the_browser():
    grid = Grid(pd.DataFrame({"n": np.arange(1_000_000)}))

    browse(grid, active=0, picked=[[0, 999_999]])
    assert len(grid.selected) == 1_000_000

    grid.sort = ("n", "descending")
    assert grid._place["picked"] == [[0, 999_999]]
