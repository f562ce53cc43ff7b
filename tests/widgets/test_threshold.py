import pandas as pd
import pytest

from nsm_nb.query import query
from nsm_nb.widgets import Alerts
from nsm_nb.widgets.threshold import VIEWS, counted, term_of_view


@pytest.fixture
def alerts(case):
    shown = Alerts(case)
    shown.tab = "Counts"
    return shown


@pytest.mark.parametrize("view", VIEWS)
def test_each_row_of_each_view_is_a_filter_for_what_it_counts(case, view):
    table, every = counted(case.alerts, view)

    assert len(table)
    for row in table.to_dict("records"):
        if row["total"]:
            term = term_of_view(view, row, every)
            if view == "links" and pd.isna(row["proto"]):
                continue
            assert len(query(case.alerts, term)) == row["total"], term


def test_a_row_narrows_the_queue_and_the_counts(alerts):
    alerts.counted.view.value = "addresses"
    alerts.counted.grid.active = 0
    address = alerts.counted.grid.row["address"]

    alerts.counted.grid.press("+")

    assert alerts.queue.query == f"host {address}" and alerts.line.value == alerts.queue.query
    assert alerts.counted.grid.table["total"].iloc[0] < 79
    alerts.tab = "RealTime"
    assert set(alerts.panes.table["src_ip"].astype(str)) | {address} and alerts.note.endswith(f"filter host {address}")


def test_an_interval_is_such_that_there_are_not_too_many(case):
    assert counted(case.alerts, "times")[1] == "10s"
    later = case.alerts.iloc[-1:].assign(time=lambda each: each["time"] + pd.Timedelta("3650D"))
    table, every = counted(pd.concat([case.alerts, later], ignore_index=True), "times")
    assert len(table) <= 123 and every == "365D"
    assert not len(counted(case.alerts.head(0), "times")[0])
    none = case.alerts.assign(time=pd.Series([pd.NaT] * 79, dtype=case.alerts["time"].dtype))
    assert not len(counted(none, "times")[0])


def test_a_priority_that_is_unknown_does_not_stop_it(case):
    unknown = case.alerts.assign(priority=pd.array([pd.NA] * 79, "Int64"))
    for view in VIEWS:
        assert counted(unknown, view)[0]["total"].sum() > 0


def test_without_alerts_it_says_so(empty_case):
    shown = Alerts(empty_case)
    shown.tab = "Counts"
    for view in VIEWS:
        shown.counted.view.value = view
        assert shown.error == "" and shown.counted.grid.empty == "no alert matches"
