"""What is chosen in one notebook is there in the next: kept in the case, not in the kernel."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.case.selection import Selection

START, END = pd.Timestamp("2026-11-24T02:31:00.123456789Z"), pd.Timestamp("2026-11-24T02:33:00Z")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "selection.json"


def test_nothing_is_chosen_at_first(place):
    chosen = Selection(place)

    assert (chosen.window, chosen.session, chosen.alert, chosen.query) == (None, None, None, "")
    assert not place.exists()


def test_what_one_kernel_chooses_another_sees(place):
    one, other = Selection(place), Selection(place)

    one.update(window=(START, END), session=2**53 - 1, alert="c536:17", query="port 445")

    assert other.window == (START, END)
    assert (other.session, other.alert, other.query) == (2**53 - 1, "c536:17", "port 445")
    other.session = None
    assert one.session is None
    assert one.alert == "c536:17"


def test_a_choice_that_does_not_exist_is_refused(place):
    with pytest.raises(TypeError, match="window, session, alert, query, not colour"):
        Selection(place).update(colour="red")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"window": 5, "session": "x", "alert": 7, "query": null}',
        b"\xff",
        b'{"window": [1e999, 0]}',
        b'{"window": [1, -9223372036854775808]}',
        b'{"window": [' + b"9" * 40 + b", 1]}",
        b'{"window": [null, 1]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_chooses_nothing(place, content):
    place.write_bytes(content)

    chosen = Selection(place)

    assert (chosen.window, chosen.session, chosen.alert, chosen.query) == (None, None, None, "")


def test_where_nothing_can_be_written_the_choice_holds_for_the_kernel(tmp_path, caplog):
    chosen = Selection(tmp_path / "missing" / "selection.json")

    chosen.session = 7

    assert chosen.session == 7
    assert "could not be kept" in caplog.text


def test_a_window_without_an_end_is_refused(place):
    with pytest.raises(ValueError, match="from one time to another"):
        Selection(place).window = (START, pd.NaT)
