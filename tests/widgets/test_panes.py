import pandas as pd
import pytest

from nsm_nb.widgets import Alerts


@pytest.fixture
def alerts(case):
    return Alerts(case)


def test_panes_hold_each_group_once_by_priority(alerts):
    whole = alerts.panes.table["group"].tolist()
    alerts.bar.parted.value = True

    assert [set(grid.table["priority"]) for grid in alerts.panes.grids] == [{1}, {2, 3}, set()]
    assert sorted(group for grid in alerts.panes.grids for group in grid.table["group"]) == sorted(whole)
    assert alerts.panes.grids[2].empty.startswith("priority 4 and lower: ")
    alerts.bar.parted.value = False
    assert alerts.panes.table["group"].tolist() == whole and len(alerts.panes.grids) == 1


def test_one_pane_has_the_cursor_and_the_verdict_is_on_it(alerts, case):
    alerts.bar.parted.value = True
    first, second, _ = alerts.panes.grids
    first.active = 1
    second.active = 2
    assert first.active is None and alerts.grid is second
    names = second.row["children"]

    second.press("F6")

    assert case.status().index.tolist() == names
    assert alerts.grid is second and second.row is not None


def test_the_cursor_stays_on_its_group_from_one_pane_to_three_and_back(alerts):
    alerts.grid.active = 7
    group = alerts.grid.row["group"]
    for parted in (True, False):
        alerts.bar.parted.value = parted
        assert alerts.panes.row["group"] == group


def test_where_a_pane_is_cleared_the_next_one_has_the_cursor(alerts, case):
    alerts.bar.parted.value = True
    first, second, _ = alerts.panes.grids
    first.active = 0
    for _ in range(len(first.table)):
        alerts.press("F8")

    assert not len(first.table)
    assert alerts.grid is second and second.active == 0
    assert alerts.beside.alert == second.row["children"][0]


def test_a_priority_that_is_unknown_is_with_the_last(case):
    case._made["alerts"] = case.alerts.assign(priority=pd.array([pd.NA] * len(case.alerts), "Int64"))
    alerts = Alerts(case)
    alerts.bar.parted.value = True

    assert [len(grid.table) for grid in alerts.panes.grids] == [0, 0, 18]
    assert alerts.error == ""
    assert " ?  79" in alerts.bar.counters.text()
