"""Dates with a year of two digits: month first (Snort 2) or year first (Snort 3), by what the file proves."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from nsm_nb.formats import read_alerts
from nsm_nb.schema import caveats_of

LINE = '{}-17:00:04.120000 [**] [1:498:6] {} [**] [Priority: 2] {{TCP}} 216.239.37.99:80 -> 10.1.1.177:2254\n'  # fmt: skip
FULL = "[**] [1:498:6] {} [**]\n[Priority: 2]\n{}-17:00:04.120000 216.239.37.99:80 -> 10.1.1.177:2254\nTCP TTL:5 x\n\n"


@pytest.fixture
def read(tmp_path):
    def write(*dates, quoted=False, near=None, full=False, changed="2020-01-01"):
        message = '"id check"' if quoted else "id check"
        rows = [FULL.format(message, each) if full else LINE.format(each, message) for each in dates]
        path = tmp_path / "log"
        path.write_text("".join(rows))
        os.utime(path, (pd.Timestamp(changed).timestamp(),) * 2)
        table = read_alerts(path, near=None if near is None else pd.Timestamp(near, tz="UTC"))
        return table["time"].dt.strftime("%Y-%m-%d").tolist(), [
            c.detail for c in caveats_of(table) if "may be month" in c.detail
        ]

    return write


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("quoted", "day"), [(True, "2003-11-12"), (False, "2012-03-11")])
def test_what_the_file_does_not_tell_is_read_as_the_program_writes_it_and_told(read, full, quoted, day):
    days, (said,) = read("03/11/12", quoted=quoted, full=full)

    assert days == [day]
    assert ("Snort 3, whose messages stand in quotes" if quoted else "as Snort 2 writes them") in said


@pytest.mark.parametrize("quoted", [False, True])
def test_a_day_that_no_calendar_has_decides_without_a_word(read, quoted):
    assert read("03/11/12", "13/11/13", quoted=quoted) == (["2003-11-12", "2013-11-13"], [])
    assert read("11/12/03", "11/13/03", quoted=quoted) == (["2003-11-12", "2003-11-13"], [])


def test_times_that_would_run_backwards_decide(read):
    days, (said,) = read("03/11/12", "03/12/01")

    assert days == ["2003-11-12", "2003-12-01"]
    assert "for as the other they would run backwards" in said


def test_the_captures_time_decides(read):
    assert read("03/11/12", near="2003-11-20")[0] == ["2003-11-12"]
    assert read("03/11/12", near="2012-03-20", quoted=True)[0] == ["2012-03-11"]


def test_a_time_later_than_the_file_is_none(read):
    days, (said,) = read("03/11/12", changed="2004-01-01")

    assert days == ["2003-11-12"]
    assert "later than the file's modification, 2004-01-01" in said


def test_each_program_of_a_file_is_judged_for_itself(tmp_path):
    path = tmp_path / "log"
    path.write_text(LINE.format("11/12/03", "id") + LINE.format("03/11/12", '"id"'))

    table = read_alerts(path)

    assert table["time"].dt.strftime("%Y-%m-%d").tolist() == ["2003-11-12"] * 2


def test_years_of_four_digits_and_none_are_as_before(read):
    assert read("03/11/2012") == (["2012-03-11"], [])
    assert read("03/11", near="2012-03-20") == (["2012-03-11"], [])
